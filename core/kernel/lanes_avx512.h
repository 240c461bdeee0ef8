/* lanes_avx512.h - vectors of 16 floats. */
#ifndef BOLTZ_KERNEL_LANES_H
#define BOLTZ_KERNEL_LANES_H

#define LANES 16
#define FMA(a, b, c) _mm512_fmadd_ps((a), (b), (c))
#define MAX(a, b) _mm512_max_ps((a), (b))
#define MIN(a, b) _mm512_min_ps((a), (b))
#define BROADCAST(x) _mm512_set1_ps(x)

#endif
