/* ring/internal.h: a ring over memory, which its descriptor maps, or a test makes. */
#ifndef KITH_RING_INTERNAL_H
#define KITH_RING_INTERNAL_H

#include <stdatomic.h>
#include <sys/types.h>

#include "ring/ring.h"

#include "../../uapi/kith_netlink.h"

enum kith_ring_writer {
    KITH_RING_KITH,
    KITH_RING_BPF,
};

struct kith_ring {
    enum kith_ring_writer writer;
    int fd;    /* -1: over memory */
    pid_t pid; /* whose mappings they are: a forked child has none, and may have others there */
    struct kith_ring_consumer *consumer;
    const struct kith_ring_producer *producer;
    const uint8_t *records; /* `size` octets, twice */
    size_t size;
    /* Positions: of what the kernel has written, as it was last seen; of what was looked at; given back; and of the last record that was
     * returned: behind it, up to `read`, are only records that had been given up. */
    uint64_t head, read, released, returned;
};

/* Positions are what the memory says. Errors: -EINVAL (size), -EBADMSG. */
int kith_ring_begin(struct kith_ring *ring);
/* Takes the descriptor, also when it fails. */
int kith_ring_map(int fd, size_t size, enum kith_ring_writer writer, struct kith_ring **ret);

#endif
