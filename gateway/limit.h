/*
 * gateway/limit.h: how many lines of a kind a second: what peers can bring about as often as they like must not fill a disk.
 *
 * Each key (a kind of event and who caused it) has `burst` lines a second; what is beyond is counted as held, and the owner says once how
 * many there were. The table never grows, whatever peers do: when as many keys are busy in one second, newcomers share the allowance of one
 * that is.
 */
#ifndef KITH_GATEWAY_LIMIT_H
#define KITH_GATEWAY_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATEWAY_LIMIT_ENTRIES 64

struct gateway_limit_entry {
    uint64_t key;
    uint64_t since; /* begin of the running second, CLOCK_MONOTONIC nanoseconds; 0: free */
    unsigned lines; /* written in it */
    uint64_t held;  /* left out in it */
    bool shared;    /* some of those are of other keys */
};

struct gateway_limit {
    unsigned burst;
    /* Says what this entry holds (held > 0), which then is 0 again: its second is over, or its place is needed. */
    void (*flush)(size_t index, void *userdata);
    void *userdata;
    struct gateway_limit_entry entries[GATEWAY_LIMIT_ENTRIES];
};

/* May one more line of that key be written at `now`? If not it counts as held by the entry *ret_index. */
bool gateway_limit_admit(struct gateway_limit *limit, uint64_t key, uint64_t now, size_t *ret_index);
/* Says what all entries hold. */
void gateway_limit_flush(struct gateway_limit *limit);

#endif
