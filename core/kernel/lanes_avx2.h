/* lanes_avx2.h - vectors of 8 floats. */
#ifndef BOLTZ_KERNEL_LANES_H
#define BOLTZ_KERNEL_LANES_H

#define LANES 8
#define FMA(a, b, c) _mm256_fmadd_ps((a), (b), (c))
#define MAX(a, b) _mm256_max_ps((a), (b))
#define MIN(a, b) _mm256_min_ps((a), (b))
#define BROADCAST(x) _mm256_set1_ps(x)

#endif
