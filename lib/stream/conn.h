/*
 * stream/conn.h: a connection from inside; only the files of this room include it.
 *
 * conn.c      life: made, closed, drained, freed; what settles after each event
 * connect.c   the way from nothing to connected
 * receive.c   octets and ancillary data in
 * transmit.c  octets out: the write queue meets the kernel
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

struct kith_conn {
    unsigned refs;
    enum conn_state state;
    kith_loop *loop;
    int fd;
    int family;
    kith_io *io;     /* NULL between two attempts to connect */
    unsigned watch;  /* what io watches */
    bool identity;   /* SO_PASSCRED is on */
    bool pass_pidfd; /* SO_PASSPIDFD is on */
    bool answered;   /* connecting: connect() itself has told the outcome */
    bool paused;
    bool pressed;  /* octets came while paused: stop watching for them */
    bool hung_up;  /* the kernel reported a hang-up or an error */
    bool read_end; /* nothing more is read: end of file, or a failure */
    bool shut;     /* our end was sent */
    bool draining; /* nothing more is written; over when the queue is empty and the peer's end was read */
    bool blocked;  /* the kernel took less than it was given: wait for KITH_IO_WRITE */
    bool choked;   /* a write left the queue at or above the high mark */
    bool relieved; /* ... and it has fallen to the low mark since: `writable` is due */
    int failure;   /* negative errno that `closed` tells once read_end is true; 0: none */
    size_t receive_fds;
    size_t high_mark, low_mark;
    struct kith_queue queue;
    struct kith_defer defer;

    /* Deadlines, nanoseconds of CLOCK_MONOTONIC or CONN_NEVER. One timer serves the nearest; it is made with the connection, because it
     * also tells when the loop is gone (conn_is_inert()). The idle one is not moved with every receive: when the timer fires, received_at
     * says how long is still to wait. */
    kith_timer *timer;
    uint64_t connect_at, retry_at, drain_at;
    uint64_t received_at;
    uint64_t idle_ns;            /* 0: may idle for ever */
    uint64_t retry_ms;           /* the last pause between two attempts to connect */
    struct kith_address *target; /* while connecting */

    const struct kith_conn_ops *ops;
    void *userdata;
};

/* "nobody": what the kernel says of a writer that it took no note of (SO_PASSCRED came after the write). It is the default of
 * /proc/sys/kernel/overflowuid, for ids that this user namespace does not see; with a pid it is a sender all the same. */
#define CONN_OVERFLOW_ID 65534

static inline bool conn_sender_known(const struct kith_sender *sender) {
    return sender->pid != 0 || sender->uid != CONN_OVERFLOW_ID || sender->gid != CONN_OVERFLOW_ID;
}

/* The loop was freed before the connection, maybe by the callback that just returned: it must not be touched any more. */
static inline bool conn_is_inert(const struct kith_conn *conn) {
    return conn->timer && kith_timer_inert(conn->timer);
}

/* conn.c */

/* A connection in state CONNECTING, without descriptor. Errors: -EINVAL (options that contradict each other), -ENOMEM, -ECHILD,
 * -ESHUTDOWN. */
int conn_new(kith_loop *loop, const struct kith_conn_options *options, const struct kith_conn_ops *ops, void *userdata,
             kith_conn **ret_conn);
/* OPEN: reads from now on. Failures are recorded. */
void conn_open(kith_conn *conn);
/* Watches the descriptor for `events`. Failures are recorded. */
void conn_watch(kith_conn *conn, unsigned events);
/* Sees to it that the timer fires at the nearest deadline. Failures are recorded. */
void conn_schedule(kith_conn *conn);
/* Records that the connection is over: nothing more is read, `closed` will tell the first error recorded. */
void conn_fail(kith_conn *conn, int error);
/* The pending error of the socket, negative, or 0. Asking clears it. */
int conn_socket_error(kith_conn *conn);

/* connect.c */

/* Tries once. The outcome is recorded for conn_connected(), or it will come with KITH_IO_WRITE or at retry_at. */
void conn_connect(kith_conn *conn);
/* The attempt has ended well or badly. Runs `connected`. */
void conn_connected(kith_conn *conn);

/* receive.c: reads what there is, within a bound, and delivers it. Runs `data` and `end`. */
void conn_receive(kith_conn *conn);

/* transmit.c: gives the kernel what is queued, as far as it takes it. No callback runs. */
void conn_transmit(kith_conn *conn);

#endif
