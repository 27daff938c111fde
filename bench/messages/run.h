/* bench/messages/run.h: two or more ends at work: the one that asks or sends, and those that receive. */
#ifndef KITH_BENCH_MESSAGES_RUN_H
#define KITH_BENCH_MESSAGES_RUN_H

#include "bench/messages/contestant.h"
#include "bench/messages/peer.h"

struct run {
    const struct contestant *serving, *connecting;
    struct setup setup;
    cpu_set_t near, far; /* processors of the serving end, of the others */
    double seconds;      /* to measure for; 0: a few messages, to see whether it works */
    uint64_t count;      /* messages to measure; 0: as `seconds` says */
    struct peer *peers;  /* the serving one first */
    unsigned peer_count;
    uint64_t number; /* of the next message */
};

/* Who is told what. */
struct cast {
    const struct peer *active, *receivers;
    unsigned receiver_count;
    enum job job;
};

/* A message or a round trip, in microseconds. NAN: not measured. */
struct times {
    double us;         /* by the clock; of a message: delivered to one receiver */
    double cpu_us;     /* processor time of all processes, for the same */
    double send_us;    /* processor time of the sender, a message sent */
    double receive_us; /* of the receivers, a message delivered */
};

#define RUN_QUICK_COUNT 64

/* Room for so many ends. Errors: -ENOMEM. */
int run_init(struct run *run, unsigned ends);
/* Stops the processes. */
void run_deinit(struct run *run);
/* Starts another end: the serving one has to be the first. */
int run_start(struct run *run, bool serving);
/* PUBSUB: starts subscribers until there are so many, and waits for their subscriptions. */
int run_subscribe(struct run *run, unsigned subscribers);

/* Sends or asks `count` messages, all of them delivered. */
int run_batch(struct run *run, const struct cast *cast, uint64_t count, double *ret_seconds);
/* The same with as many as `count` or `seconds` say, when everything is warm. */
int run_timed(struct run *run, const struct cast *cast, struct times *ret_times);

/* What the patterns have in common: starts two ends and measures. */
int run_round_trips(struct run *run, struct times *ret_times);
int run_stream(struct run *run, struct times *ret_times);
/* Starts a publisher and so many subscribers, and measures. */
int run_fanout(struct run *run, unsigned subscribers, struct times *ret_times);

#endif
