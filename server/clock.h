/* clock.h - time that never jumps, for deadlines and durations. */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <stdint.h>

/** Microseconds and milliseconds of the monotonic clock. */
int64_t monotonic_us(void);
int64_t monotonic_ms(void);

#endif
