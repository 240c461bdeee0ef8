/* boltz.h - everything a program using libboltz sees. */
#ifndef BOLTZ_BOLTZ_H
#define BOLTZ_BOLTZ_H

#include "boltz/adam.h"
#include "boltz/arena.h"
#include "boltz/base_density.h"
#include "boltz/batch.h"
#include "boltz/chain.h"
#include "boltz/checkpoint.h"
#include "boltz/energy.h"
#include "boltz/expression.h"
#include "boltz/field.h"
#include "boltz/flow.h"
#include "boltz/json.h"
#include "boltz/layer.h"
#include "boltz/move.h"
#include "boltz/npy.h"
#include "boltz/plan.h"
#include "boltz/precision.h"
#include "boltz/rng.h"
#include "boltz/safetensors.h"
#include "boltz/spread.h"
#include "boltz/stats.h"
#include "boltz/status.h"
#include "boltz/text.h"
#include "boltz/train.h"

#define BOLTZ_VERSION "1.0.0"

#endif
