/* list.h - every kind of energy: a line here and a file beside it. */
BOLTZ_ENERGY(double_well)
BOLTZ_ENERGY(harmonic_pair)
