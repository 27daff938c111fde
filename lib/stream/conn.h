/*
 * stream/conn.h: a connection from inside; only the files of this room include it.
 *
 * conn.c      life: made, closed, drained, freed; what settles after each event
 * deadline.c  the timer, for those that have one
 * connect.c   the way from nothing to connected
 * receive.c   octets and ancillary data in
 * transmit.c  octets out: the write queue meets the kernel
 * write.c     what the application writes
 * peer.c      what the kernel says of the other end
 *
 * Life: CONNECTING -> OPEN -> CLOSED. CLOSED owns no descriptor, no watch, no timer and no octets, and calls nothing back. The object
 * itself lives while somebody holds it: the application (until free) and each handler that is running, so any callback may free its
 * connection.
 *
 * Rules that the files share:
 * - Callbacks run from the loop only, never inside a call that the application makes. What such a call brings about (an early flush that
 *   fails, a drain that is over) is recorded in the connection, and the deferred work tells it.
 * - Every handler that the loop calls ends in settle() of conn.c. It alone tells `closed` and `writable` and changes what is watched.
 * - A failed write is not yet the end: what the peer sent before is delivered first. The read side is shut down so that this ends.
 * - The backend may have read what the application does not want yet (it paused): that is held, in order, and delivered first.
 *
 * An idle connection is this struct and nothing else: no buffer, no timer unless it has a deadline; what many have in common is shared.
 */
#ifndef KITH_STREAM_CONN_H
#define KITH_STREAM_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/stream.h>

#include "loop/internal.h"
#include "stream/queue.h"

enum conn_state {
    CONN_CONNECTING,
    CONN_OPEN,
    CONN_CLOSED,
};

/* No deadline. */
#define CONN_NEVER UINT64_MAX

/* The options, shared by the connections of a listener. */
struct conn_profile {
    unsigned refs;
    struct kith_conn_options options; /* with the defaults filled in */
    struct kith_conn_options asked;   /* as they were given */
};

/* Nanoseconds of CLOCK_MONOTONIC or CONN_NEVER. One timer serves the nearest. The idle one is not moved with every receive: when the timer
 * fires, received_at says how long is still to wait. */
struct conn_deadlines {
    kith_timer *timer;
    uint64_t connect_at, retry_at, handshake_at, drain_at;
    uint64_t received_at;
    uint64_t give_up_at; /* while refs_short */
    uint64_t retry_ms;   /* the last pause between two attempts to connect, or to send descriptors */
};

struct conn_held;

struct kith_conn {
    struct kith_watch watch;
    kith_loop *loop;
    const struct kith_conn_ops *ops;
    void *userdata;
    struct kith_defer defer;
    unsigned refs;
    int fd;
    int failure;    /* negative errno that `closed` tells once read_end is true; 0: none */
    uint32_t asked; /* octets of the send that is under way */
    uint32_t quiet; /* a queue that is shorter than this may be written to without further thought: see write.c */
    uint8_t state;  /* enum conn_state */
    uint8_t family;
    bool identity : 1;   /* SO_PASSCRED is on */
    bool pass_pidfd : 1; /* SO_PASSPIDFD is on */
    bool answered : 1;   /* connecting: connect() itself has told the outcome */
    bool paused : 1;
    bool holding : 1;    /* conn_stop_reading() */
    bool hung_up : 1;    /* the kernel reported a hang-up or an error */
    bool read_end : 1;   /* nothing more is read: end of file, or a failure */
    bool shut : 1;       /* our end was sent */
    bool draining : 1;   /* nothing more is written; over when the queue is empty and the peer's end was read */
    bool sending : 1;    /* the front of the queue is on its way, and the loop will tell how far it got */
    bool blocked : 1;    /* the kernel took less than it was given: wait for KITH_IO_WRITE */
    bool refs_short : 1; /* blocked, by the limit of descriptors under way: tried again at retry_at */
    bool choked : 1;     /* a write found or left the queue at or above the high mark */
    bool relieved : 1;   /* ... and it has fallen to the low mark since: `writable` is due */
    struct kith_queue queue;
    struct conn_profile *profile;
    struct conn_deadlines *deadlines; /* NULL: none was ever set */
    struct conn_held *held;           /* the last of a circular list, or NULL */
    struct kith_address *target;      /* while connecting */
    kith_listener *listener;          /* that accepted it, or NULL */
    struct kith_list sibling;         /* in the listener */
    struct kith_quota_entry *quota;   /* or NULL */
};

/* "nobody": what the kernel says of a writer that it took no note of (SO_PASSCRED came after the write). It is the default of
 * /proc/sys/kernel/overflowuid, for ids that this user namespace does not see; with a pid it is a sender all the same. */
#define CONN_OVERFLOW_ID 65534

static inline bool conn_sender_known(const struct kith_sender *sender) {
    return sender->pid != 0 || sender->uid != CONN_OVERFLOW_ID || sender->gid != CONN_OVERFLOW_ID;
}

/* The loop was freed before the connection, maybe by the callback that just returned: it must not be touched any more. */
static inline bool conn_is_inert(const struct kith_conn *conn) {
    if (conn->deadlines)
        return kith_timer_inert(conn->deadlines->timer);
    return conn->state == CONN_OPEN && !kith_watch_active(&conn->watch);
}

/* conn.c */

/* A connection in state CONNECTING, without descriptor. profile: NULL, or one whose options it shares. Errors: -EINVAL (options that
 * contradict each other), -ENOMEM, -ECHILD, -ESHUTDOWN. */
int conn_new(kith_loop *loop, struct conn_profile *profile, const struct kith_conn_options *options, const struct kith_conn_ops *ops,
             void *userdata, kith_conn **ret_conn);
/* Takes fd and opens. On failure fd stays the caller's. */
int conn_adopt(kith_conn *conn, int fd);
/* Gives the descriptor away; CLOSED. */
int conn_release_fd(kith_conn *conn);
/* OPEN: reads from now on. Failures are recorded. */
void conn_open(kith_conn *conn);
/* Watches the descriptor for `events`. Failures are recorded. */
void conn_watch(kith_conn *conn, unsigned events);
/* Records that the connection is over: nothing more is read, `closed` will tell the first error recorded. */
void conn_fail(kith_conn *conn, int error);
/* The pending error of the socket, negative, or 0. Asking clears it. */
int conn_socket_error(kith_conn *conn);
/* The end of every handler: tells what is due. Returns how many callbacks ran. */
unsigned conn_settle(kith_conn *conn);
kith_conn *conn_hold(kith_conn *conn);
void conn_release(kith_conn *conn);
/* NULL when memory is out or the options contradict each other: *ret_error. */
struct conn_profile *conn_profile_new(const struct kith_conn_options *options, int *ret_error);
struct conn_profile *conn_profile_unref(struct conn_profile *profile);

/* deadline.c */

/* Makes room for deadlines. Errors: -ENOMEM, -ECHILD, -ESHUTDOWN. */
int conn_deadlines_need(kith_conn *conn);
void conn_deadlines_free(kith_conn *conn);
/* Sees to it that the timer fires at the nearest deadline. Failures are recorded. */
void conn_schedule(kith_conn *conn);
/* Something was received: the peer lives. */
static inline void conn_lives(kith_conn *conn) {
    if (conn->deadlines)
        conn->deadlines->received_at = kith_loop_now(conn->loop);
}

/* connect.c */

/* Tries once. The outcome is recorded for conn_connected(), or it will come with KITH_IO_WRITE or at retry_at. */
void conn_connect(kith_conn *conn);
/* The attempt has ended well or badly. Runs `connected`; returns how many callbacks ran. */
unsigned conn_connected(kith_conn *conn);

/* receive.c */

/* Delivers or holds what came. Runs `data` and `end`; returns how many callbacks ran. */
unsigned conn_received(kith_conn *conn, const struct kith_reception *receipt);
/* Delivers what is held, until the application pauses again. */
unsigned conn_deliver_held(kith_conn *conn);
void conn_drop_held(kith_conn *conn);
/* Holds all that comes from here on and what is under way already, which comes before this returns; the second goes on as before. */
void conn_stop_reading(kith_conn *conn);
void conn_go_on_reading(kith_conn *conn);
/* Takes all held octets as one piece (of size 0 when there are none). Errors: -EBUSY (they are somebody's, or descriptors are with them),
 * -ENOMEM: they stay. */
int conn_take_held(kith_conn *conn, struct kith_slice *ret_octets);
/* Room for the control messages that were asked for. */
size_t conn_control_room(const kith_conn *conn);

/* transmit.c: no callback runs. */

/* Gives the kernel what is queued, as far as it takes it; without `now` the backend may do so with the end of the step. */
void conn_transmit(kith_conn *conn, bool now);
/* How the send under way ended. */
void conn_sent(kith_conn *conn, int result);
/* The write queue has changed by what the application wrote, or was dropped. */
void conn_queue_clear(kith_conn *conn);
/* Octets in the queue from which nothing more is taken. */
size_t conn_high_mark(const kith_conn *conn);

/* listener.c: the connection is over. */
void listener_forget(kith_conn *conn);

#endif
