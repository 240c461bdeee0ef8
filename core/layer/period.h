/* period.h - a coordinate that is known up to whole periods. */
#ifndef LAYER_PERIOD_H
#define LAYER_PERIOD_H

#include "core/base/vmath.h"

/** Where a coordinate's period starts, and how long it is. */
struct boltz_period {
  double low, width;
};

/** x less whole periods, in [low, low + width]; x itself where it lies in [low, low + width). */
BOLTZ_INLINE double boltz_wrap(double x, double low, double width) {
  const double turns = (x - low) / width;
  const double nearest = (turns + BOLTZ_ROUNDER) - BOLTZ_ROUNDER;
  const double whole = nearest > turns ? nearest - 1 : nearest;
  const double wrapped = x - whole * width;
  const double above = wrapped < low ? low : wrapped;
  return above > low + width ? low + width : above;
}

#endif
