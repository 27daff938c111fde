/*
 * stream/queue.h: the octets that a connection has still to send, in order. No system call is made here but closing a file.
 *
 * A queue is a row of slices and parts of files. Small writes are copied, one behind the other: into the loop's arena while they go out
 * with the end of the step, into buffers of the queue's own once the peer lets them wait (memcpy is cheaper than an iovec each). Large
 * blocks are kept by reference. An empty queue owns no memory at all.
 *
 * Descriptors are tied to an octet: they go with the send that begins with it, and no send goes on over an octet that has some.
 */
#ifndef KITH_STREAM_QUEUE_H
#define KITH_STREAM_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <kith/buffer.h>

#include "base/fds.h"
#include "pool/arena.h"

/* Slices up to this size are copied even when a reference was offered: an iovec and a refcount cost more than the copy, and a small slice
 * would pin the whole buffer it lies in. It also bounds the number of slices: a full queue of N octets has at most N / 512 of them. */
#define KITH_QUEUE_COPY_MAX 512

struct kith_queue_fds;

struct kith_queue {
    struct kith_slice *slices; /* `room` places, of which [head, head + count) are in use; NULL: the only place is `one` */
    uint32_t head, count, room;
    struct kith_slice one; /* a request-reply server never needs another */
    size_t octets;
    struct kith_queue_fds *fds; /* the last of a circular list, or NULL */
};

/* What is left to send of a file. */
struct kith_queue_file {
    int fd;
    off_t offset;
};

void kith_queue_init(struct kith_queue *queue);
/* Drops everything; the queue is empty and usable afterwards. */
void kith_queue_clear(struct kith_queue *queue);

/* Room for `size` octets, at least one, at the end: counted at once, to be filled by the caller. arena: NULL for a queue that waits for its
 * peer. Errors: -ENOMEM. */
int kith_queue_place(struct kith_queue *queue, struct kith_arena *arena, size_t size, uint8_t **ret_place);
/* The same with the octets to fill it with, also none. Errors: -ENOMEM. */
int kith_queue_copy(struct kith_queue *queue, struct kith_arena *arena, const void *data, size_t size);
/* Takes a reference of its own. */
int kith_queue_slice(struct kith_queue *queue, struct kith_arena *arena, struct kith_slice slice);
/* As kith_queue_place(), with descriptors for the first of these octets: takes a reference of its own. */
int kith_queue_place_fds(struct kith_queue *queue, struct kith_arena *arena, size_t size, struct kith_fds *fds, uint8_t **ret_place);
/* `size` octets of the file, at least one, from offset on; fd is the queue's when this succeeds. */
int kith_queue_add_file(struct kith_queue *queue, int fd, off_t offset, size_t size);

/* Where the queue ends now; cutting back to it drops what was added since. Nothing may be consumed in between, and no descriptors added. */
struct kith_queue_mark {
    uint32_t count;
    size_t last_size, octets;
};
struct kith_queue_mark kith_queue_mark(const struct kith_queue *queue);
void kith_queue_cut(struct kith_queue *queue, struct kith_queue_mark mark);

/* Fills at most `max` iovecs from the front, up to a file or to an octet that has descriptors, the first one excepted; returns their number
 * and in *ret_octets the sum of their sizes. */
size_t kith_queue_front(const struct kith_queue *queue, struct iovec *iov, size_t max, size_t *ret_octets);
/* The file at the front and how much of it is left, or NULL. */
struct kith_queue_file *kith_queue_front_file(const struct kith_queue *queue, size_t *ret_size);
/* The descriptors that go with the first octet, or NULL. */
struct kith_fds *kith_queue_front_fds(const struct kith_queue *queue);
/* The first `size` octets have been sent, with the descriptors of the first one. */
void kith_queue_consume(struct kith_queue *queue, size_t size);
/* For a queue that will wait: moves what lies in buffers much larger than itself, the arena above all, into buffers of its own size, so
 * that ten thousand slow readers do not hold ten thousand large blocks. Without memory everything stays as it is. */
void kith_queue_settle(struct kith_queue *queue);

#endif
