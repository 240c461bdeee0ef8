/* examples_data.c - the checkpoints of the examples; generated. */
#include "server/examples.h"

const struct example examples[] = {{NULL, NULL, 0}};
