/* lanes_portable.h - vectors of 4 floats for every processor: fmaf() lane by lane. */
#ifndef BOLTZ_KERNEL_LANES_H
#define BOLTZ_KERNEL_LANES_H

#define LANES 4
#define FMA(a, b, c)                                                                               \
  ((vec){fmaf((a)[0], (b)[0], (c)[0]), fmaf((a)[1], (b)[1], (c)[1]), fmaf((a)[2], (b)[2], (c)[2]), \
         fmaf((a)[3], (b)[3], (c)[3])})
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
#define SMALLER(a, b) ((a) < (b) ? (a) : (b))
#define EACH_LANE(f, a, b) \
  ((vec){f((a)[0], (b)[0]), f((a)[1], (b)[1]), f((a)[2], (b)[2]), f((a)[3], (b)[3])})
#define MAX(a, b) EACH_LANE(LARGER, a, b)
#define MIN(a, b) EACH_LANE(SMALLER, a, b)
#define BROADCAST(x) ((vec){(x), (x), (x), (x)})

#endif
