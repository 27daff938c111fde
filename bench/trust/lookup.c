/* See lookup.h. */
#include "bench/trust/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <kith/kith.h>

#include "base/error.h"
#include "bench/measure.h"
#include "bench/trust/first.h"

/* One takes a microsecond: so many are timed at once. */
#define ROUNDS 1000

static double now_us(void) {
    return measure_seconds(CLOCK_MONOTONIC) * 1e6;
}

/* Of this process, as it is no other for the kernel. */
static int time_execed(double *ret_us) {
    kith_origin *origin = NULL;
    int r = kith_origin_of_pid(getpid(), &origin, NULL);
    if (r < 0)
        return r;
    if (kith_origin_text(origin, KITH_FACT_EXE, NULL) == KITH_WITNESS_NONE)
        r = -ENODATA;
    double from = now_us();
    for (int i = 0; r >= 0 && i < ROUNDS; i++)
        if (kith_origin_execed(origin))
            r = -EBADMSG;
    *ret_us = (now_us() - from) / ROUNDS;
    kith_origin_unref(origin);
    return r;
}

static int time_tcp(kith_origin *origin, void *userdata) {
    struct lookup_figures *figures = userdata;
    double from = now_us();
    if (kith_origin_uid(origin, NULL) < KITH_WITNESS_KERNEL_CONNECT)
        return -ENODATA;
    double between = now_us();
    if (kith_origin_pid(origin, NULL) == KITH_WITNESS_NONE)
        return -ENODATA;
    figures->tcp_user = between - from;
    figures->tcp_process = now_us() - between;
    return 0;
}

int lookup_measure(struct lookup_figures *ret_figures) {
    int r = time_execed(&ret_figures->execed);
    if (r >= 0)
        r = first_meet("tcp://127.0.0.1:0", time_tcp, ret_figures);
    if (r < 0)
        fprintf(stderr, "bench-trust: lookups: %s\n", kith_error_name(r));
    return r;
}
