/* shm/internal.h: how the rings lie in memory. */
#ifndef KITH_SHM_INTERNAL_H
#define KITH_SHM_INTERNAL_H

#include "shm/shm.h"

/* What one side alone writes, the other only reads. Positions count octets since the beginning and run on; each is on a cache line of its
 * own, as each is written at other times. A wait is the position that has to be reached for it to be over, 0: there is none. */
struct kith_shm_words {
    _Alignas(64) uint64_t written;   /* into the ring that this side writes */
    _Alignas(64) uint64_t read;      /* of the ring that the other side writes */
    _Alignas(64) uint64_t octets_at; /* wait: until the other side has written up to here */
    uint64_t room_at;                /* wait: until the other side has read up to here */
};

/*
 * The file, in pages:
 *     words of who made it | words of who opened it | ring of who made it | ring of who opened it
 * In the memory of each side, each part mapped by itself, what is not its own to be read only, and each ring twice, so that what passes its
 * end lies in one piece:
 *     own words | other words | own ring, own ring | other ring, other ring
 */
struct kith_shm {
    pid_t pid; /* whose mappings they are: a forked child has none, and may have others there */
    size_t size;
    void *mapping;
    size_t mapping_size;
    struct kith_shm_words *own;
    const struct kith_shm_words *other;
    uint8_t *out;
    const uint8_t *in;
    /* Out: what was written; of that, seen by the other side; how far that had read when we looked last; the wait that we rang for. */
    uint64_t written, published, other_read, octets_rung;
    /* In: what was read; how far the other side had written when we looked last; the wait that we rang for. */
    uint64_t read, other_written, room_rung;
    bool asleep; /* own->octets_at is set */
};

/* Octets of the file. */
size_t kith_shm_file_size(size_t size);
/* ring.c, over memory that a test made: positions are 0. */
int kith_shm_map(int fd, size_t size, bool maker, struct kith_shm **ret);

#endif
