/* base/time.h: the monotonic clock. */
#ifndef KITH_BASE_TIME_H
#define KITH_BASE_TIME_H

#include <stdint.h>
#include <time.h>

#define KITH_NS_PER_MS UINT64_C(1000000)
#define KITH_NS_PER_S UINT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t kith_time_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * KITH_NS_PER_S + (uint64_t)ts.tv_nsec;
}

#endif
