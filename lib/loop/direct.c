/*
 * loop/direct.c: what a socket that is ready brings, by system calls; for backends that tell readiness only.
 *
 * Readiness costs one receive into a slab of the pool, which goes back at once unless the owner kept a reference: an idle connection owns
 * no buffer. An owner that has a place for what comes gets it there. A slab or place filled to the end means that more is waiting, so up to
 * ROUNDS follow; then the others have their turn. Each call up may free the watch, its owner and the loop: afterwards the watch is looked
 * up again by its id.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "loop/backend.h"
#include "loop/internal.h"

#define ROUNDS 4
/* Octets of one receive into a place, so that ROUNDS bound those too. */
#define PLACED_MAX (4 * KITH_SLAB_SIZE)
#define HEADERS 4096
/* Clients taken from a listener in a row. */
#define ACCEPT_MAX 16

/* Where one receive writes. */
struct destination {
    uint8_t *data;
    size_t size;
    kith_buffer *slab; /* NULL: a place of the owner's */
};

/* While the owner waits for the next header of something large, what is behind that is not to be in a slab. */
static int find_destination(struct kith_watches *watches, struct kith_watch *watch, struct destination *ret) {
    *ret = (struct destination){0};
    if (watch->placing)
        ret->size = watch->ops->place(watch, &ret->data);
    if (ret->size > 0) {
        ret->size = ret->size < PLACED_MAX ? ret->size : PLACED_MAX;
        return 0;
    }
    int r = kith_pool_get(watches->pool, &ret->slab);
    if (r < 0)
        return r;
    ret->data = kith_buffer_data(ret->slab);
    ret->size = watch->placing ? HEADERS : KITH_SLAB_SIZE;
    return 0;
}

/* Returns the octets, 0 at the end, a negative errno. */
static int receive_octets(const struct kith_watch *watch, const struct destination *to, struct kith_reception *receipt, void *control) {
    struct iovec iov = {.iov_base = to->data, .iov_len = to->size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (watch->control_room > 0) {
        message.msg_control = control;
        message.msg_controllen = watch->control_room;
    }
    do {
        n = watch->plain ? recv(watch->fd, to->data, to->size, MSG_DONTWAIT)
                         : recvmsg(watch->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    receipt->data = to->data;
    receipt->flags = message.msg_flags;
    receipt->control = message.msg_controllen > 0 ? control : NULL;
    receipt->control_size = message.msg_controllen;
    return (int)n;
}

/* Returns 1 when more may be waiting, 0, -ENOBUFS (out of slabs). Failures and the end are handed over. */
static int receive_one(struct kith_watches *watches, struct kith_watch *watch, unsigned *count) {
    union {
        struct cmsghdr align;
        uint8_t octets[KITH_CONTROL_MAX];
    } control;
    struct kith_reception receipt = {0};
    struct destination to;

    receipt.result = find_destination(watches, watch, &to);
    if (receipt.result == -ENOBUFS)
        return -ENOBUFS;
    if (receipt.result == 0)
        receipt.result = receive_octets(watch, &to, &receipt, &control);
    int result = receipt.result;
    /* The end has credentials too, of nobody who wrote. */
    if (result > 0)
        receipt.buffer = to.slab;
    else
        receipt = (struct kith_reception){.result = result};
    if (result != -EAGAIN)
        *count += watch->ops->received(watch, &receipt);
    kith_buffer_unref(to.slab);
    return result > 0 && (size_t)result == to.size;
}

unsigned kith_direct_receive(struct kith_watches *watches, struct kith_watch *watch) {
    const uint64_t id = watch->id;
    unsigned count = 0;
    int r = 1;

    for (int round = 0; round < ROUNDS && r > 0; round++) {
        watch = kith_watches_find(watches, id);
        if (!watch || !kith_watch_reads(watch) || (watches->backend->complete && !watch->placing))
            break;
        r = receive_one(watches, watch, &count);
        if (r == -ENOBUFS)
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
