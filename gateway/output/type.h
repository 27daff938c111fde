/*
 * gateway/output/type.h: what a kind of target supplies, and what the shared half (output.c) does for it.
 *
 * The shared half has the messages in flight, the bounds, backoff, counters and callbacks. A type moves octets: it is told open() and, when
 * it said output_up(), send(); it says output_lost() when its far end is gone, and then has nothing open any more. None of the functions
 * that a type calls runs a callback of the caller's: these come from the loop later. So a type is never freed inside its own functions.
 *
 * Octets are counted from the opening on: send() says where the message ends, delivered() how far the far end has got.
 */
#ifndef KITH_GATEWAY_OUTPUT_TYPE_H
#define KITH_GATEWAY_OUTPUT_TYPE_H

#include "gateway/output/flight.h"
#include "gateway/output/output.h"

struct output_type {
    size_t size; /* of its object, which begins with a struct output, zeroed */
    bool curve;  /* its peers may speak CURVE */
    /* There is another policy in the options. NULL: nobody is there who could be judged. */
    void (*policy_changed)(struct output *output);
    /* Reads what is behind the prefix, which lives as long as the output; options are set. Puts descriptors to -1 before it can fail:
     * close() and deinit() follow then, too. Errors: -EINVAL..., with text. */
    int (*parse)(struct output *output, const char *rest, struct kith_error *ret_error);
    /* Begins; output_up() or output_lost() follows, inside or later. Errors: with text, are tried again. */
    int (*open)(struct output *output, struct kith_error *ret_error);
    /* Takes the message; counts it with output->octets. Errors: as output_send(); any other loses the far end, with text. */
    int (*send)(struct output *output, const struct output_message *message, struct kith_error *ret_error);
    /* How many octets since the opening are delivered; asked as long as some are not. NULL: the type says output_done() itself. Errors:
     * with text: the far end is lost, but *ret_octets counts. */
    int (*delivered)(struct output *output, uint64_t *ret_octets, struct kith_error *ret_error);
    /* Everything is done: ends the far end politely; output_ended() follows, inside or later. */
    void (*finish)(struct output *output);
    /* Closes at once what is open; also half open, and nothing. */
    void (*close)(struct output *output);
    /* Frees what parse() made. */
    void (*deinit)(struct output *output);
    bool slow_poll; /* delivered() is asked sync_ms after a message, not at once: it is costly */
};

struct output {
    const struct output_type *type;
    kith_loop *loop;
    char *target;
    struct output_options options; /* defaults put in */
    struct output_callbacks callbacks;
    void *userdata;
    enum output_state state;
    bool parsed, draining, finishing;
    struct output_flight flight;
    uint64_t octets;             /* taken by send() since the opening */
    uint64_t backoff_ms, random; /* the next wait, before chance */
    uint64_t poll_ms;
    kith_timer *retry_timer, *poll_timer, *deadline_timer, *tell_timer;
    /* To be told when the loop comes to it. */
    uint64_t done_upto, back_from;
    bool tell_done, tell_back, tell_ready, tell_ended;
    bool starved;     /* `ready` is owed */
    bool *freed;      /* set when the output is freed inside a callback */
    uint64_t highest; /* id sent */
    struct output_stats stats;
};

/* Messages can be sent. */
void output_up(struct output *output);
/* The far end is gone, or could not be reached, and closed already: what is in flight goes back. */
void output_lost(struct output *output, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The far end has said that it has everything up to this id; more than was sent is what was sent. */
void output_done(struct output *output, uint64_t upto);
/* Asks delivered() now. */
void output_progress(struct output *output);
/* After send() said -EAGAIN: there is room. */
void output_room(struct output *output);
/* finish() is over. */
void output_ended(struct output *output);
void output_log(struct output *output, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The type of the row whose prefix the target begins with, and what is behind it; or NULL. */
const struct output_type *output_type_find(const char *target, const char **ret_rest);

extern const struct output_type output_type_raw, output_type_exec, output_type_file, output_type_zmtp;

#endif
