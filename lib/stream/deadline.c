/*
 * A connection's deadlines: to be connected, to have shaken hands, to show life, to have drained; and when to try connecting or sending
 * descriptors again.
 *
 * The timer stays where it is while octets arrive. When it fires early, because life was shown since, it is set to what is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/time.h"
#include "stream/conn.h"

static void on_timer(kith_timer *timer, void *userdata);

int conn_deadlines_need(kith_conn *conn) {
    if (conn->deadlines)
        return 0;
    struct conn_deadlines *deadlines = malloc(sizeof(*deadlines));
    if (!deadlines)
        return -ENOMEM;
    *deadlines = (struct conn_deadlines){.connect_at = CONN_NEVER,
                                         .retry_at = CONN_NEVER,
                                         .handshake_at = CONN_NEVER,
                                         .drain_at = CONN_NEVER,
                                         .received_at = kith_time_now()};
    int r = kith_timer_new(conn->loop, on_timer, conn, &deadlines->timer);
    if (r < 0) {
        free(deadlines);
        return r;
    }
    conn->deadlines = deadlines;
    return 0;
}

void conn_deadlines_free(kith_conn *conn) {
    if (conn->deadlines)
        kith_timer_free(conn->deadlines->timer);
    free(conn->deadlines);
    conn->deadlines = NULL;
}

static uint64_t idle_at(const kith_conn *conn) {
    uint64_t idle_ms = conn->profile->options.idle_ms;
    return idle_ms > 0 && conn->state == CONN_OPEN ? conn->deadlines->received_at + idle_ms * KITH_NS_PER_MS : CONN_NEVER;
}

static uint64_t handshake_at(const kith_conn *conn) {
    return conn->state == CONN_OPEN ? conn->deadlines->handshake_at : CONN_NEVER;
}

static uint64_t connect_at(const kith_conn *conn) {
    return conn->state == CONN_CONNECTING ? conn->deadlines->connect_at : CONN_NEVER;
}

/* The loop may have been held up, and more may be waiting than it looks at in one step. */
static bool something_waits(const kith_conn *conn) {
    char octet;
    return !conn->read_end && recv(conn->fd, &octet, sizeof(octet), MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void expire(kith_conn *conn) {
    uint64_t now = kith_time_now();
    /* Nothing was received because we did not want it, or have not come to it. */
    if (conn->paused || (now >= idle_at(conn) && something_waits(conn)))
        conn->deadlines->received_at = now;
    if (now >= idle_at(conn) || now >= handshake_at(conn) || now >= conn->deadlines->drain_at || now >= connect_at(conn))
        conn_fail(conn, -ETIMEDOUT);
}

static void send_again(kith_conn *conn) {
    conn->deadlines->retry_at = CONN_NEVER;
    conn->blocked = false;
    conn_transmit(conn, true);
}

static void on_timer(kith_timer *timer, void *userdata) {
    kith_conn *conn = conn_hold(userdata);
    if (conn->state == CONN_CONNECTING && kith_time_now() >= conn->deadlines->retry_at)
        conn_connect(conn);
    else if (conn->refs_short && kith_time_now() >= conn->deadlines->retry_at)
        send_again(conn);
    if (conn->state != CONN_CLOSED && !conn_is_inert(conn)) {
        expire(conn);
        conn_schedule(conn);
        (void)conn_settle(conn);
    }
    conn_release(conn);
}

void conn_schedule(kith_conn *conn) {
    if (!conn->deadlines)
        return;
    uint64_t deadlines[] = {handshake_at(conn), connect_at(conn), conn->deadlines->retry_at, conn->deadlines->drain_at};
    uint64_t at = idle_at(conn);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(deadlines); i++)
        at = deadlines[i] < at ? deadlines[i] : at;
    if (at == CONN_NEVER) {
        kith_timer_disarm(conn->deadlines->timer);
        return;
    }

    uint64_t now = kith_time_now();
    uint64_t after_ms = at > now ? (at - now + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS : 0;
    int r = kith_timer_arm(conn->deadlines->timer, after_ms, 0);
    if (r < 0)
        conn_fail(conn, r);
}
