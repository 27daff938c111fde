/*
 * Octets in.
 *
 * Readiness costs one recvmsg() into a slab of the loop's pool, which goes back at once unless the callback kept a reference: an idle
 * connection owns no buffer. A slab filled to the end means that more is waiting, so up to ROUNDS follow; then the others have their turn.
 *
 * Control messages: every descriptor is adopted before anything is judged. The control buffer is as small as it can be, so that the kernel
 * itself closes what nobody asked for without ever installing it; without any wish there is none at all, which is cheapest.
 */
#include <errno.h>
#include <sys/socket.h>

#include <kith/cmsg.h>

#include "base/fd.h"
#include "stream/conn.h"

#define ROUNDS 4

#define CONTROL_MAX (CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(int)))

/* Room for what was asked for. The kernel writes credentials, descriptors, pidfd, in this order. CMSG_LEN at the end: CMSG_SPACE would
 * admit one descriptor more. With a pidfd to come there is room for all descriptors in front of it, or a sender could push its own pidfd
 * out of the buffer by passing too many. */
static size_t control_size(const kith_conn *conn) {
    size_t size = conn->identity ? CMSG_SPACE(sizeof(struct ucred)) : 0;
    if (conn->pass_pidfd)
        return size + CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(int));
    return conn->receive_fds > 0 ? size + CMSG_LEN(conn->receive_fds * sizeof(int)) : size;
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

static void deliver(kith_conn *conn, kith_buffer *slab, size_t size, const struct msghdr *message) {
    int fds[KITH_CMSG_MAX_FDS];
    struct kith_batch batch = {
        .slice = {.buffer = slab, .data = kith_buffer_data(slab), .size = size},
        .sender = {.pidfd = -1},
        .fds = fds,
    };
    size_t fd_count = 0;
    if (message->msg_controllen > 0) {
        fd_count = kith_cmsg_adopt_fds(message->msg_control, message->msg_controllen, fds, conn->receive_fds, &batch.fd_refused,
                                       &batch.sender.pidfd);
        read_credentials(message->msg_control, message->msg_controllen, &batch.sender);
    }
    batch.fd_count = fd_count;
    if (message->msg_flags & MSG_CTRUNC)
        batch.fd_refused++; /* one or more: the kernel closed them and does not say how many */

    conn->received_at = kith_loop_now(conn->loop);
    conn->ops->data(conn, &batch, conn->userdata);

    for (size_t i = 0; i < fd_count; i++)
        kith_close(fds[i]);
    kith_close(batch.sender.pidfd);
}

static void ended(kith_conn *conn) {
    conn->read_end = true;
    if (conn->draining || conn->failure != 0)
        return;
    if (conn->ops->end)
        conn->ops->end(conn, conn->userdata);
    else
        conn->draining = true;
}

/* Returns the octets read, 0 when that is all for now. */
static size_t receive_batch(kith_conn *conn, kith_buffer *slab) {
    union {
        struct cmsghdr align;
        uint8_t octets[CONTROL_MAX];
    } control;
    struct iovec iov = {.iov_base = kith_buffer_data(slab), .iov_len = KITH_SLAB_SIZE};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    message.msg_controllen = control_size(conn);
    message.msg_control = message.msg_controllen > 0 ? &control : NULL;

    ssize_t n = recvmsg(conn->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n > 0) {
        deliver(conn, slab, (size_t)n, &message);
        return (size_t)n;
    }
    if (n == 0) {
        ended(conn);
        return 0;
    }
    if (errno != EAGAIN && errno != EINTR)
        conn_fail(conn, -errno);
    return 0;
}

void conn_receive(kith_conn *conn) {
    size_t n = KITH_SLAB_SIZE;
    for (int round = 0; round < ROUNDS && n == KITH_SLAB_SIZE; round++) {
        if (conn->state != CONN_OPEN || conn->paused || conn->read_end || conn_is_inert(conn))
            return;
        kith_buffer *slab;
        int r = kith_pool_get(kith_loop_pool(conn->loop), &slab);
        if (r < 0) {
            conn_fail(conn, r);
            return;
        }
        n = receive_batch(conn, slab);
        kith_buffer_unref(slab);
    }
}
