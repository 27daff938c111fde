/*
 * loop/direct.c: what a socket that is ready brings, by system calls; for backends that tell readiness only.
 *
 * Readiness costs one receive into a slab of the pool, which goes back at once unless the owner kept a reference: an idle connection owns
 * no buffer. A slab filled to the end means that more is waiting, so up to ROUNDS follow; then the others have their turn. Each call up may
 * free the watch, its owner and the loop: afterwards the watch is looked up again by its id.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "loop/backend.h"
#include "loop/internal.h"

#define ROUNDS 4
/* Clients taken from a listener in a row. */
#define ACCEPT_MAX 16

/* Returns the octets, 0 at the end, a negative errno. */
static int receive_octets(const struct kith_watch *watch, struct kith_receipt *receipt, void *control) {
    uint8_t *data = kith_buffer_data(receipt->buffer);
    struct iovec iov = {.iov_base = data, .iov_len = KITH_SLAB_SIZE};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (watch->control_room > 0) {
        message.msg_control = control;
        message.msg_controllen = watch->control_room;
    }
    do {
        n = watch->plain ? recv(watch->fd, data, KITH_SLAB_SIZE, MSG_DONTWAIT)
                         : recvmsg(watch->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    receipt->data = data;
    receipt->flags = message.msg_flags;
    receipt->control = message.msg_controllen > 0 ? control : NULL;
    receipt->control_size = message.msg_controllen;
    return (int)n;
}

/* Returns the octets read, -ENOBUFS (out of slabs), -EAGAIN. Failures and the end are handed over as well. */
static int receive_one(struct kith_watches *watches, struct kith_watch *watch, unsigned *count) {
    union {
        struct cmsghdr align;
        uint8_t octets[KITH_CONTROL_MAX];
    } control;
    struct kith_receipt receipt = {0};

    receipt.result = kith_pool_get(watches->pool, &receipt.buffer);
    if (receipt.result == -ENOBUFS)
        return -ENOBUFS;
    if (receipt.result == 0)
        receipt.result = receive_octets(watch, &receipt, &control);
    int result = receipt.result;
    if (result != -EAGAIN) {
        kith_buffer *slab = receipt.buffer;
        if (result <= 0)
            receipt.buffer = NULL;
        *count += watch->ops->received(watch, &receipt);
        kith_buffer_unref(slab);
    } else {
        kith_buffer_unref(receipt.buffer);
    }
    return result;
}

unsigned kith_direct_receive(struct kith_watches *watches, struct kith_watch *watch) {
    const uint64_t id = watch->id;
    unsigned count = 0;
    int n = (int)KITH_SLAB_SIZE;

    for (int round = 0; round < ROUNDS && n == (int)KITH_SLAB_SIZE; round++) {
        watch = kith_watches_find(watches, id);
        if (!watch || !kith_watch_reads(watch))
            break;
        n = receive_one(watches, watch, &count);
        if (n == -ENOBUFS)
            kith_watches_starve(watches, watch);
    }
    return count;
}

unsigned kith_direct_accept(struct kith_watches *watches, struct kith_watch *watch) {
    const uint64_t id = watch->id;
    unsigned count = 0;

    for (int i = 0; i < ACCEPT_MAX; i++) {
        watch = kith_watches_find(watches, id);
        if (!watch || !kith_watch_reads(watch))
            break;
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            break;
        count += watch->ops->accepted(watch, fd < 0 ? -errno : fd);
    }
    return count;
}

int kith_direct_send(int fd, const void *data, size_t size) {
    ssize_t n;

    do {
        n = send(fd, data, size < INT_MAX ? size : INT_MAX, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int)n;
}
