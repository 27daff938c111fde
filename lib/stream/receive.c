/*
 * Octets in.
 *
 * The loop brings what was received; here it becomes a batch: whose octets they are, which descriptors came with them. Every descriptor is
 * adopted before anything is judged. The room for control messages is as small as it can be, so that the kernel itself closes what nobody
 * asked for without ever installing it; without any wish there is none at all, which is cheapest.
 *
 * Held: what came while the application did not want it. It is bounded by what a backend reads ahead (none, or the loop's ring of buffers
 * until the kernel has seen that reading is off).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <kith/cmsg.h>

#include "base/fd.h"
#include "stream/conn.h"

struct conn_held {
    struct conn_held *next; /* of the last: the first */
    struct kith_reception receipt;
};

/* The kernel writes credentials, descriptors, pidfd, in this order. CMSG_LEN at the end: CMSG_SPACE would admit one descriptor more. With a
 * pidfd to come there is room for all descriptors in front of it, or a sender could push its own pidfd out of the buffer by passing too
 * many. What the application switched on itself comes first of all. */
size_t conn_control_room(const kith_conn *conn) {
    size_t size = conn->profile->options.control_size + (conn->identity ? CMSG_SPACE(sizeof(struct ucred)) : 0);
    size_t fds = conn->profile->options.receive_fds;
    if (conn->pass_pidfd)
        return size + CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(int));
    return fds > 0 ? size + CMSG_LEN(fds * sizeof(int)) : size;
}

static void read_credentials(const void *control, size_t size, struct kith_sender *sender) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(control, size);
    struct kith_cmsg cmsg;
    while (kith_cmsg_next(&iter, &cmsg) > 0) {
        if (cmsg.kind != KITH_CMSG_CREDENTIALS)
            continue;
        sender->pid = cmsg.value.credentials.pid;
        sender->uid = cmsg.value.credentials.uid;
        sender->gid = cmsg.value.credentials.gid;
        sender->known = conn_sender_known(sender);
    }
}

static void deliver(kith_conn *conn, const struct kith_reception *receipt) {
    int fds[KITH_CMSG_MAX_FDS];
    struct kith_batch batch = {
        .slice = {.buffer = receipt->buffer, .data = receipt->data, .size = (size_t)receipt->result},
        .sender = {.pidfd = -1},
        .control = receipt->control,
        .control_size = receipt->control_size,
        .fds = fds,
    };
    size_t fd_count = 0;
    if (receipt->control_size > 0) {
        fd_count = kith_cmsg_adopt_fds(receipt->control, receipt->control_size, fds, conn->profile->options.receive_fds, &batch.fd_refused,
                                       &batch.sender.pidfd);
        read_credentials(receipt->control, receipt->control_size, &batch.sender);
    }
    batch.fd_count = fd_count;
    if (receipt->flags & MSG_CTRUNC)
        batch.fd_refused++; /* one or more: the kernel closed them and does not say how many */

    conn_lives(conn);
    conn->ops->data(conn, &batch, conn->userdata);

    for (size_t i = 0; i < fd_count; i++)
        kith_close(fds[i]);
    kith_close(batch.sender.pidfd);
}

static unsigned ended(kith_conn *conn) {
    conn->read_end = true;
    if (conn->draining || conn->failure != 0)
        return 0;
    if (conn->ops->end) {
        conn->ops->end(conn, conn->userdata);
        return 1;
    }
    conn->draining = true;
    conn->quiet = 0;
    if (conn->queue.octets > 0)
        kith_conn_drain(conn, (int64_t)conn->profile->options.linger_ms);
    return 0;
}

static unsigned take(kith_conn *conn, const struct kith_reception *receipt) {
    if (receipt->result > 0) {
        deliver(conn, receipt);
        return 1;
    }
    if (receipt->result == 0)
        return ended(conn);
    conn_fail(conn, receipt->result);
    return 0;
}

/* A copy in memory of its own size, when that is much less than the slab: a thousand connections that are held back must not hold a
 * thousand slabs, which others need. */
static int keep(struct kith_reception *receipt) {
    size_t size = receipt->result > 0 ? (size_t)receipt->result : 0;
    kith_buffer *buffer;
    if (!receipt->buffer || size + receipt->control_size > KITH_SLAB_SIZE / 2) {
        if (receipt->buffer)
            kith_buffer_ref(receipt->buffer);
        return 0;
    }
    int r = kith_buffer_new(size + receipt->control_size, &buffer);
    if (r < 0)
        return r;
    uint8_t *place = kith_buffer_data(buffer);
    memcpy(place, receipt->data, size);
    if (receipt->control_size > 0)
        memcpy(place + size, receipt->control, receipt->control_size);
    receipt->buffer = buffer;
    receipt->data = place;
    receipt->control = place + size;
    return 0;
}

/* Without memory for it the octets are lost, and with them the connection. */
static void hold_receipt(kith_conn *conn, const struct kith_reception *receipt) {
    struct conn_held *held = malloc(sizeof(*held));
    if (held)
        held->receipt = *receipt;
    if (!held || keep(&held->receipt) < 0) {
        free(held);
        (void)kith_cmsg_adopt_fds(receipt->control, receipt->control_size, NULL, 0, NULL, NULL);
        conn_fail(conn, -ENOMEM);
        return;
    }
    held->next = conn->held ? conn->held->next : held;
    if (conn->held)
        conn->held->next = held;
    conn->held = held;
}

static struct conn_held *held_pop(kith_conn *conn) {
    struct conn_held *first = conn->held->next;
    if (first == conn->held)
        conn->held = NULL;
    else
        conn->held->next = first->next;
    return first;
}

static void held_free(struct conn_held *held) {
    kith_buffer_unref(held->receipt.buffer);
    free(held);
}

unsigned conn_received(kith_conn *conn, const struct kith_reception *receipt) {
    if (!conn->paused && !conn->holding && !conn->held)
        return take(conn, receipt);
    hold_receipt(conn, receipt);
    return 0;
}

unsigned conn_deliver_held(kith_conn *conn) {
    unsigned count = 0;
    while (conn->held && conn->state == CONN_OPEN && !conn->paused && !conn->read_end && !conn_is_inert(conn)) {
        struct conn_held *held = held_pop(conn);
        count += take(conn, &held->receipt);
        held_free(held);
    }
    return count;
}

void conn_stop_reading(kith_conn *conn) {
    conn->holding = true;
    if (kith_watch_active(&conn->watch))
        kith_loop_stop_reading(conn->loop, &conn->watch);
}

void conn_go_on_reading(kith_conn *conn) {
    conn->holding = false;
    if (!kith_watch_active(&conn->watch))
        return;
    kith_loop_set_control_room(conn->loop, &conn->watch, conn_control_room(conn));
    kith_loop_defer(conn->loop, &conn->defer);
}

/* True when it is octets alone, of nobody in particular; or the end, which whoever reads next will see again. */
static bool is_plain(const kith_conn *conn, const struct kith_reception *receipt) {
    return receipt->result >= 0 && receipt->control_size == 0 && !(conn->identity && receipt->result > 0);
}

int conn_take_held(kith_conn *conn, struct kith_slice *ret_octets) {
    size_t size = 0, at = 0;
    if (!conn->held)
        return 0;
    struct conn_held *held = conn->held->next;
    for (bool more = true; more; held = held->next) {
        if (!is_plain(conn, &held->receipt))
            return -EBUSY;
        size += (size_t)held->receipt.result;
        more = held != conn->held;
    }
    struct kith_slice octets = {.size = size};
    int r = kith_buffer_new(size, &octets.buffer);
    if (r < 0)
        return r;
    octets.data = kith_buffer_data(octets.buffer);
    while (conn->held) {
        held = held_pop(conn);
        if (held->receipt.result > 0)
            memcpy(kith_buffer_data(octets.buffer) + at, held->receipt.data, (size_t)held->receipt.result);
        at += (size_t)held->receipt.result;
        held_free(held);
    }
    *ret_octets = octets;
    return 0;
}

void conn_drop_held(kith_conn *conn) {
    while (conn->held) {
        struct conn_held *held = held_pop(conn);
        (void)kith_cmsg_adopt_fds(held->receipt.control, held->receipt.control_size, NULL, 0, NULL, NULL);
        held_free(held);
    }
}
