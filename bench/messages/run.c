/* See run.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/measure.h"
#include "bench/messages/run.h"

int run_init(struct run *run, unsigned ends) {
    run->peer_count = 0;
    run->number = 0;
    run->peers = calloc(ends, sizeof(*run->peers));
    return run->peers ? 0 : -ENOMEM;
}

void run_deinit(struct run *run) {
    /* The serving end first: it would tell of those that go. */
    for (unsigned i = 0; i < run->peer_count; i++)
        peer_stop(&run->peers[i]);
    free(run->peers);
    run->peers = NULL;
    run->peer_count = 0;
}

int run_start(struct run *run, bool serving) {
    const struct contestant *contestant = serving ? run->serving : run->connecting;
    int r = peer_start(contestant, &run->setup, serving, serving ? &run->near : &run->far, &run->peers[run->peer_count]);
    run->peer_count += r == 0;
    return r;
}

static int start_both(struct run *run) {
    int r = run_start(run, true);
    return r < 0 ? r : run_start(run, false);
}

int run_subscribe(struct run *run, unsigned subscribers) {
    unsigned each = run->setup.topics > 0 ? run->setup.topics : 1;
    int r = peer_tell(&run->peers[0], JOB_AWAIT, 0, (uint64_t)subscribers * each);
    for (unsigned i = 0; i < subscribers && r == 0; i++) {
        if (run->peer_count == 1 + i)
            r = run_start(run, false);
        if (r == 0)
            r = peer_tell(&run->peers[1 + i], JOB_SUBSCRIBE, 0, 0);
        if (r == 0)
            r = peer_await(&run->peers[1 + i]);
    }
    return r < 0 ? r : peer_await(&run->peers[0]);
}

int run_batch(struct run *run, const struct cast *cast, uint64_t count, double *ret_seconds) {
    int r = 0;
    for (unsigned i = 0; i < cast->receiver_count && r == 0; i++)
        r = peer_tell(&cast->receivers[i], JOB_RECEIVE, run->number, count);
    double begin = measure_seconds(CLOCK_MONOTONIC);
    if (r == 0)
        r = peer_tell(cast->active, cast->job, run->number, count);
    for (unsigned i = 0; i < cast->receiver_count && r == 0; i++)
        r = peer_await(&cast->receivers[i]);
    if (r == 0)
        r = peer_await(cast->active);
    *ret_seconds = measure_seconds(CLOCK_MONOTONIC) - begin;
    run->number += count;
    return r;
}

/* Makes everything warm and says how many messages make the whole: an eighth of them where their number is given, else larger and larger
 * batches until one takes an eighth of the time, and as many again until that is no faster any more: memory that is touched for the first
 * time is slow. */
static int warm_up(struct run *run, const struct cast *cast, uint64_t *ret_count) {
    uint64_t count = run->count / 8 > RUN_QUICK_COUNT ? run->count / 8 : RUN_QUICK_COUNT;
    double seconds;
    int r = run_batch(run, cast, count, &seconds);
    *ret_count = run->count > 0 ? run->count : RUN_QUICK_COUNT;
    if (r < 0 || run->count > 0 || run->seconds == 0)
        return r;
    for (; r == 0 && seconds < run->seconds / 8; count *= 2)
        r = run_batch(run, cast, 2 * count, &seconds);
    for (double before = INFINITY; r == 0 && seconds < 0.9 * before;) {
        before = seconds;
        r = run_batch(run, cast, count, &seconds);
    }
    *ret_count = 1 + (uint64_t)((double)count / seconds * run->seconds);
    return r;
}

static double processor_seconds(const struct peer *peers, unsigned count) {
    double sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += measure_seconds(peers[i].clock);
    return sum;
}

int run_timed(struct run *run, const struct cast *cast, struct times *ret_times) {
    uint64_t count;
    double seconds;
    int r = warm_up(run, cast, &count);
    if (r < 0)
        return r;
    double active = measure_seconds(cast->active->clock), all = processor_seconds(run->peers, run->peer_count);
    r = run_batch(run, cast, count, &seconds);
    active = measure_seconds(cast->active->clock) - active;
    all = processor_seconds(run->peers, run->peer_count) - all;
    double delivered = (double)count * (cast->receiver_count > 1 ? cast->receiver_count : 1);
    *ret_times = (struct times){
        .us = seconds * 1e6 / delivered,
        .cpu_us = all * 1e6 / delivered,
        .send_us = cast->job == JOB_SEND ? active * 1e6 / (double)count : NAN,
        .receive_us = cast->receiver_count > 0 ? (all - active) * 1e6 / delivered : NAN,
    };
    return r;
}

int run_round_trips(struct run *run, struct times *ret_times) {
    int r = start_both(run);
    if (r == 0)
        r = peer_tell(&run->peers[0], JOB_ANSWER, 0, 0);
    return r < 0 ? r : run_timed(run, &(struct cast){.active = &run->peers[1], .job = JOB_ASK}, ret_times);
}

int run_stream(struct run *run, struct times *ret_times) {
    const struct cast cast = {.active = &run->peers[1], .receivers = &run->peers[0], .receiver_count = 1, .job = JOB_SEND};
    int r = start_both(run);
    return r < 0 ? r : run_timed(run, &cast, ret_times);
}

int run_fanout(struct run *run, unsigned subscribers, struct times *ret_times) {
    const struct cast cast = {.active = &run->peers[0], .receivers = &run->peers[1], .receiver_count = subscribers, .job = JOB_SEND};
    int r = run_start(run, true);
    if (r == 0)
        r = run_subscribe(run, subscribers);
    return r < 0 ? r : run_timed(run, &cast, ret_times);
}
