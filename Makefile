# Makefile - builds build/boltzd and build/libboltz.a; see README.md for what to type.
CC ?= cc
CXX ?= c++
AR ?= ar
BUILD ?= build
OPT ?= -O3
SANITIZE ?=
# V=1 shows the commands
V ?= 0
# all cores, unless -j says otherwise
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
Q := $(if $(filter 1,$(V)),,@)

WARN = -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wundef -Wno-missing-field-initializers
CPPFLAGS += -Iinclude -I. -D_GNU_SOURCE
ALL_CFLAGS = -std=c17 $(OPT) -g -ffp-contract=off -fno-math-errno -fno-trapping-math -fstack-protector-strong -pthread $(WARN) $(SANITIZE) $(CFLAGS)
# Debian's libdragonbox-dev puts its one header under a directory with its version.
DRAGONBOX = $(addprefix -isystem ,$(lastword $(wildcard /usr/include/dragonbox-*)))
ALL_CXXFLAGS = -std=c++17 $(OPT) -g -fno-exceptions -fno-rtti $(DRAGONBOX) $(SANITIZE) $(CXXFLAGS)
ALL_LDFLAGS = -pthread $(SANITIZE) $(LDFLAGS)
CORE_LIBS = -lopenblas -lstdc++ -lm
SERVER_LIBS = -lmicrohttpd -lcjson -lsqlite3 -lnettle -ldl $(CORE_LIBS)

CORE_SRC := $(sort $(wildcard core/*.c core/*/*.c core/*/*.cc))
SERVER_SRC := $(sort $(wildcard server/*.c server/*/*.c))
CORE_OBJ := $(patsubst %,$(BUILD)/%.o,$(basename $(CORE_SRC)))
SERVER_OBJ := $(patsubst %,$(BUILD)/%.o,$(basename $(SERVER_SRC)))
SERVER_LIB_OBJ := $(filter-out $(BUILD)/server/main.o,$(SERVER_OBJ))
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/test_*.c)))
THREAD_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard $(patsubst %,tests/test_%.c,pool gather store registry* jobs*))))
HTTP_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/http/test_*.c)))
SLOW_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/http/slow_*.c)))

# Energies as shared objects: the worked example, and what tests need.
PLUGINS := $(patsubst etc/plugins/%.c,$(BUILD)/plugins/%.so,$(sort $(wildcard etc/plugins/*.c)))
TEST_PLUGINS := $(patsubst tests/plugins/%.c,$(BUILD)/tests/plugins/%.so,$(sort $(wildcard tests/plugins/*.c)))

.PHONY: all tests check check-memory check-threads test test-long run demo bench bench-scale bench-deps clean
all: $(BUILD)/boltzd $(BUILD)/libboltz.a

tests: $(TESTS) $(HTTP_TESTS) $(SLOW_TESTS)

# Every test; nothing is installed.
check: all tests
	@BOLTZD=$(BUILD)/boltzd sh tests/run.sh $(TESTS) $(HTTP_TESTS) $(SLOW_TESTS)

# What the sanitizers run: all but the long trainings; for threads, the tests in which they meet.
check-memory: all tests
	@BOLTZD=$(BUILD)/boltzd sh tests/run.sh $(TESTS) $(HTTP_TESTS)

check-threads: all tests
	@BOLTZD=$(BUILD)/boltzd sh tests/run.sh $(THREAD_TESTS) $(HTTP_TESTS)

# The commands of the README: they install what is missing first.
run:
	@sh etc/setup.sh build
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@BOLTZD=$(BUILD)/boltzd sh etc/run.sh

test:
	@sh etc/setup.sh test
	@$(MAKE) --no-print-directory $(PARALLEL) check

# ROW=phi4: only what has that in its name.
ROW ?=
test-long:
	@sh etc/setup.sh test
	@$(MAKE) --no-print-directory $(PARALLEL) all $(BUILD)/tests/http/long
	@BOLTZD=$(BUILD)/boltzd ROW="$(ROW)" $(BUILD)/tests/http/long

demo:
	@sh etc/setup.sh test
	@$(MAKE) --no-print-directory $(PARALLEL) all $(BUILD)/tests/http/demo
	@BOLTZD=$(BUILD)/boltzd $(BUILD)/tests/http/demo

# Side by side with the peers: a table on stdout, and in $(BUILD)/bench as text, markdown, JSON and pictures. QUICK=1 takes the
# shortest measurements. What is not installed is skipped, and said; bench-deps installs it.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
QUICK ?=
BENCH_OUT ?= $(BUILD)/bench
BENCH = $(PYTHON) -B tests/bench/bench.py --build $(BUILD) --out $(BENCH_OUT) $(if $(filter 1,$(QUICK)),--quick)
bench bench-scale: all $(BUILD)/bench/bench
	@$(BENCH) $(if $(filter bench-scale,$@),--scale)

bench-deps:
	@sh etc/setup.sh bench

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	$(Q)$(CXX) $(CPPFLAGS) $(ALL_CXXFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libboltz.a: $(CORE_OBJ)
	@echo "  AR    $@"
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/boltzd: $(SERVER_OBJ) $(BUILD)/libboltz.a
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(SERVER_LIBS) -o $@


$(TESTS): $(BUILD)/tests/%: tests/%.c $(wildcard tests/*.h) $(SERVER_LIB_OBJ) $(BUILD)/libboltz.a
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP $< $(SERVER_LIB_OBJ) $(BUILD)/libboltz.a $(ALL_LDFLAGS) $(SERVER_LIBS) -o $@

$(BUILD)/tests/http/long: $(wildcard tests/http/long_*.c)
$(HTTP_TESTS) $(SLOW_TESTS) $(BUILD)/tests/http/long $(BUILD)/tests/http/demo: $(BUILD)/tests/%: tests/%.c $(BUILD)/libboltz.a $(wildcard tests/http/*.h tests/http/client.c)
	@mkdir -p $(@D)
	@echo "  TEST  $@"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP $(filter %.c,$^) $(BUILD)/libboltz.a $(ALL_LDFLAGS) -lcurl $(CORE_LIBS) -o $@

# A plug-in links nothing of ours. By hand: cc -shared -fPIC -O3 -ffp-contract=off -Iinclude -o x.so x.c -lm
$(BUILD)/plugins/%.so: etc/plugins/%.c
	@mkdir -p $(@D)
	@echo "  SO    $@"
	$(Q)$(CC) -shared -fPIC -Iinclude $(ALL_CFLAGS) -MMD -MP $< $(LDFLAGS) -lm -o $@

$(BUILD)/tests/plugins/%.so: tests/plugins/%.c
	@mkdir -p $(@D)
	@echo "  SO    $@"
	$(Q)$(CC) -shared -fPIC -Iinclude $(ALL_CFLAGS) -MMD -MP $< $(LDFLAGS) -lm -o $@

$(BUILD)/tests/test_plugin $(BUILD)/tests/http/test_plugins $(BUILD)/tests/http/slow_readme: | $(PLUGINS) $(TEST_PLUGINS)

BENCH_OBJ := $(patsubst %,$(BUILD)/%.o,$(basename $(sort $(wildcard tests/bench/*.c))))
$(BUILD)/bench/bench: $(BENCH_OBJ) $(BUILD)/libboltz.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(CORE_LIBS) -o $@

clean:
	rm -rf $(BUILD)

# What the assembler embeds is not among the compiler's dependencies.
$(BUILD)/server/examples_data.o: $(wildcard etc/examples/*.safetensors)
$(BUILD)/server/api/docs.o: server/web/index.html

-include $(PLUGINS:.so=.d) $(TEST_PLUGINS:.so=.d)
-include $(CORE_OBJ:.o=.d) $(SERVER_OBJ:.o=.d) $(BENCH_OBJ:.o=.d)
