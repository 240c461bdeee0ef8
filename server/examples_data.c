/* examples_data.c - the checkpoints of the examples, made by etc/examples/make.sh. */
#include "server/examples.h"

/* Paths count from the root of the source tree. */
#define EMBED(symbol, path)                                                                \
  __asm__(".pushsection .rodata\n.balign 64\n" #symbol ":\n.incbin \"" path "\"\n" #symbol \
          "_end:\n.popsection\n");                                                         \
  extern const unsigned char symbol[] __attribute__((visibility("hidden")));               \
  extern const unsigned char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(example_double_well, "etc/examples/example-double-well.safetensors");
EMBED(example_harmonic_pair, "etc/examples/example-harmonic-pair.safetensors");

const struct example examples[] = {
    {"example-double-well", example_double_well, example_double_well_end},
    {"example-harmonic-pair", example_harmonic_pair, example_harmonic_pair_end},
    {0}};
