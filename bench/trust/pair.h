/*
 * bench/trust/pair.h: two processes and a socket in each, over ipc, an end a processor where there are two: messages one way as fast as
 * they go, or one there and one back.
 *
 * What is compared are ways: the same exchange with other options, another policy, another kind of message. The parent receives (or asks);
 * the child sends (or answers), and dies with the parent.
 */
#ifndef KITH_BENCH_TRUST_PAIR_H
#define KITH_BENCH_TRUST_PAIR_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/kith.h>

#define PAIR_OPTIONS_MAX 4

struct pair_option {
    const char *name, *value;
};

struct pair_way {
    const char *name;
    /* Of both ends, and of the one that receives; the first without a name ends them. */
    struct pair_option options[PAIR_OPTIONS_MAX], receiver_options[PAIR_OPTIONS_MAX];
    /* The policy that the receiver asks; NULL: none. */
    int (*policy)(kith_policy **ret_policy);
    /* The message that the sender sends, of `size` octets; NULL: one that is made anew of octets that lie there. */
    int (*make)(size_t size, kith_msg **ret_msg);
    /* What the receiver does with a message beside looking at its size and at its origin; NULL: nothing. Errors end the run. */
    int (*take)(kith_msg *msg);
    /* The receiver asks for no origin: nobody is named. */
    bool anonymous;
    /* Each message is sent by a call that may wait, so it goes out at once; else those of a step together. */
    bool alone;
};

/* PUSH to PULL: messages a second, of `count` after a tenth as many to warm up. Errors: a negative errno, said on standard error. */
int pair_stream(const struct pair_way *way, const char *folder, size_t size, unsigned long count, double *ret_rate);
/* REQ to REP, each in blocking calls: microseconds a round trip. The same. */
int pair_round_trip(const struct pair_way *way, const char *folder, size_t size, unsigned long count, double *ret_us);

#endif
