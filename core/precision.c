/* precision.c - names of what a conditioner network computes in. */
#include "boltz/precision.h"

#include <string.h>

const char *const boltz_precision_names[] = {
    [BOLTZ_FP32] = "fp32",   [BOLTZ_BF16] = "bf16",     [BOLTZ_INT8] = "int8",
    [BOLTZ_TABLE] = "table", [BOLTZ_PRECISIONS] = NULL,
};

bool boltz_precision_find(const char *name, enum boltz_precision *precision) {
  for (int k = 0; k < BOLTZ_PRECISIONS; k++)
    if (strcmp(boltz_precision_names[k], name) == 0) {
      *precision = (enum boltz_precision)k;
      return true;
    }
  return false;
}
