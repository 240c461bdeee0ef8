#!/bin/sh
# laws.sh - the floor laws of the house: who may include what, and what the library exports.
# Usage: laws.sh BUILD   (the folder that holds libboltz.a)
set -u
build="${1:-build}"
passed=0 failed=0

law() { # law "sentence" "offenders"
  if [ -z "$2" ]; then
    passed=$((passed + 1))
    echo "ok   $1"
  else
    failed=$((failed + 1))
    echo "FAIL $1"
    echo "$2" | sed 's/^/    /'
  fi
}

code() { find "$@" -name '*.[ch]' -o -name '*.cc' -o -name '*.inc'; }

law "nothing under core or include mentions the server, cJSON, SQLite or libmicrohttpd" \
  "$(grep -nE 'server/|cJSON|sqlite|microhttpd' $(code core include) /dev/null)"
law "microhttpd.h is included by http files alone" \
  "$(grep -lE '#include.*microhttpd\.h' $(code server tests) /dev/null | grep -v '^server/http')"
law "sqlite3.h is included by store.c alone" \
  "$(grep -lE '#include.*sqlite3\.h' $(code server) /dev/null | grep -v '^server/store\.c$')"
law "cblas.h and intrinsics stay under core/kernel" \
  "$(grep -lE '#include.*(cblas\.h|immintrin\.h)' $(code core include server) /dev/null | grep -v '^core/kernel/')"
law "members of a list do not include each other" \
  "$(for family in energy layer base_density move; do
    for member in $(sed -n 's/^BOLTZ_[A-Z_]*(\([a-z0-9_]*\)).*/\1/p' core/$family/list.h); do
      grep -l "#include \"core/$family/$member\.[ch]\"" core/$family/*.c | grep -v "/$member\.c$"
    done
  done)"
law "no file under core, include or server is longer than 500 lines" \
  "$(wc -l $(code core include server) | awk '$2 != "total" && $1 > 500')"
law "no symbol of libboltz.a lacks the prefix boltz_" \
  "$(nm -g --defined-only "$build/libboltz.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^boltz_/ && $3 !~ /^__(asan|odr|tsan|ubsan)/ {print $3}')"
law "libboltz.a is there and exports something" \
  "$([ "$(nm -g --defined-only "$build/libboltz.a" 2>/dev/null | grep -c ' boltz_')" -gt 50 ] || echo "$build/libboltz.a")"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
