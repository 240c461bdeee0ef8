/* list.h - every kind of base density: a line here and a file beside it. */
BOLTZ_BASE(normal)
BOLTZ_BASE(circular)
BOLTZ_BASE(uniform)
BOLTZ_BASE(mixture)
BOLTZ_BASE(laplace)
