/*
 * ring/ring.c: records out of memory that the kernel writes.
 *
 * Invariant: released <= read <= head <= released + size, all multiples of 8. A head that breaks it ends the ring. A record's size is
 * loaded once and held against what is left before the head, so that no octet is lent that was not written, or lies outside: the records
 * are mapped twice, one after the other, and a record that ends behind the first is whole in the second.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "ring/internal.h"

#define FLAGS (KITH_RING_BUSY | KITH_RING_DISCARD)

static uint64_t load(const __u64 *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* What is between them: positions run on over the end of their type. */
static bool within(uint64_t from, uint64_t position, uint64_t size) {
    return position - from <= size && position % sizeof(uint64_t) == 0;
}

/* Octets that a record takes. */
static uint64_t record_room(uint64_t size) {
    return (sizeof(struct kith_ring_record) + size + 7) & ~UINT64_C(7);
}

/* Looks how far the kernel has come. */
static int ring_look(struct kith_ring *ring) {
    uint64_t head = load(&ring->producer->position);

    if (!within(ring->released, head, ring->size) || head - ring->released < ring->read - ring->released)
        return -EBADMSG;
    ring->head = head;
    return 0;
}

int kith_ring_begin(struct kith_ring *ring) {
    if (ring->size < 2 * sizeof(struct kith_ring_record) || (ring->size & (ring->size - 1)) != 0)
        return -EINVAL;
    ring->released = ring->returned = ring->read = load(&ring->consumer->position);
    return ring->read % sizeof(uint64_t) == 0 ? ring_look(ring) : -EBADMSG;
}

int kith_ring_map(int fd, size_t size, enum kith_ring_writer writer, struct kith_ring **ret) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    _cleanup_(kith_ring_freep) struct kith_ring *ring = calloc(1, sizeof(*ring));

    if (!ring) {
        kith_close(fd);
        return -ENOMEM;
    }
    *ring = (struct kith_ring){.writer = writer, .fd = fd, .pid = getpid(), .size = size};
    if (size % page != 0 || size > SIZE_MAX / 4)
        return -EINVAL;
    void *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED)
        return -errno;
    ring->consumer = consumer;
    void *producer = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (producer == MAP_FAILED)
        return -errno;
    ring->producer = producer;
    ring->records = (const uint8_t *)producer + page;
    int r = kith_ring_begin(ring);
    if (r < 0)
        return r;
    *ret = KITH_STEAL(ring);
    return 0;
}

int kith_ring_open(int fd, size_t data_size, struct kith_ring **ret) {
    return kith_ring_map(fd, data_size, KITH_RING_KITH, ret);
}

struct kith_ring *kith_ring_free(struct kith_ring *ring) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (!ring)
        return NULL;
    bool ours = ring->writer != KITH_RING_KITH || ring->pid == getpid();
    if (ring->consumer && ours)
        munmap(ring->consumer, page);
    if (ring->producer && ours)
        munmap((void *)ring->producer, page + 2 * ring->size);
    kith_close(ring->fd);
    free(ring);
    return NULL;
}

/* Nothing is left to read; kith.ko wakes only a reader that has said so. */
static int ring_seen(struct kith_ring *ring) {
    if (ring->writer != KITH_RING_KITH)
        return 0;
    __atomic_store_n(&ring->consumer->seen, ring->read, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_seq_cst);
    return ring_look(ring);
}

/* The record at `read`, of which all lies before the head. 1; 0: it is not complete yet; -EBADMSG. */
static int ring_record(struct kith_ring *ring, const uint8_t **ret_data, size_t *ret_size, bool *ret_discarded) {
    const struct kith_ring_record *record = (const void *)(ring->records + (ring->read & (ring->size - 1)));
    uint32_t word = __atomic_load_n(&record->size, __ATOMIC_ACQUIRE);
    uint64_t size = word & ~FLAGS;

    if (word & KITH_RING_BUSY)
        return 0;
    if (record_room(size) > ring->head - ring->read)
        return -EBADMSG;
    *ret_data = (const uint8_t *)(record + 1);
    *ret_size = size;
    *ret_discarded = word & KITH_RING_DISCARD;
    return 1;
}

/* Messages wait until the reader has come to a position: it has. */
static void ring_tell(const struct kith_ring *ring) {
    uint64_t waiting = load(&ring->producer->waiting);

    if (waiting != 0 && ring->released - waiting <= ring->size)
        poll(&(struct pollfd){.fd = ring->fd, .events = POLLIN}, 1, 0);
}

static void ring_give_back(struct kith_ring *ring, uint64_t position) {
    ring->released = position;
    __atomic_store_n(&ring->consumer->position, position, __ATOMIC_RELEASE);
    /* With the kernel's: a BPF ring buffer wakes a reader that was here when a record came. */
    atomic_thread_fence(memory_order_seq_cst);
    if (ring->writer == KITH_RING_KITH)
        ring_tell(ring);
}

void kith_ring_release(struct kith_ring *ring, uint64_t position) {
    if (!within(ring->released, position, ring->returned - ring->released) || position == ring->released)
        return;
    ring_give_back(ring, position == ring->returned ? ring->read : position);
}

/* Behind a record that was given up: it is released with what came before it, or at once. */
static void ring_pass(struct kith_ring *ring, size_t size) {
    bool lent = ring->released != ring->returned;

    ring->read += record_room(size);
    if (lent)
        return;
    ring->returned = ring->read;
    ring_give_back(ring, ring->read);
}

int kith_ring_next(struct kith_ring *ring, const uint8_t **ret_data, size_t *ret_size, uint64_t *ret_position) {
    bool discarded;

    for (;;) {
        int r = ring->read == ring->head ? ring_look(ring) : 0;
        if (r == 0 && ring->read == ring->head)
            r = ring_seen(ring);
        if (r < 0 || ring->read == ring->head)
            return r;
        r = ring_record(ring, ret_data, ret_size, &discarded);
        if (r <= 0)
            return r;
        if (!discarded)
            break;
        ring_pass(ring, *ret_size);
    }
    ring->returned = ring->read += record_room(*ret_size);
    *ret_position = ring->read;
    return 1;
}

int kith_ring_descriptor(const struct kith_ring *ring) {
    return ring->fd;
}

bool kith_ring_may_poll(const struct kith_ring *ring) {
    return ring->writer == KITH_RING_KITH || ring->released == ring->read;
}

uint64_t kith_ring_pending(const struct kith_ring *ring) {
    uint64_t pending = load(&ring->producer->position) - ring->read;

    return pending <= ring->size ? pending : 0;
}
