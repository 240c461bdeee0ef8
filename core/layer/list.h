/* list.h - every kind of layer: a line here and a file beside it. */
BOLTZ_LAYER(affine_coupling)
BOLTZ_LAYER(realnvp)
BOLTZ_LAYER(spline_coupling)
BOLTZ_LAYER(circular_shift)
BOLTZ_LAYER(interval)
BOLTZ_LAYER(actnorm)
BOLTZ_LAYER(permute)
