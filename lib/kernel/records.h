/*
 * kernel/records.h: a ring of records (ring/ring.h) on a loop, read in turns.
 *
 * A record is lent until it is released. Records are numbered, and released up to a number; what was not released stays in the ring.
 *
 * A BPF ring buffer says that it is readable for as long as something is not released; while that is so it is looked at by a timer instead.
 */
#ifndef KITH_KERNEL_RECORDS_H
#define KITH_KERNEL_RECORDS_H

#include <kith/loop.h>

#include "ring/ring.h"

struct kith_kernel_records;

struct kith_kernel_records_ops {
    /* The number of this record, which follows: not 0, and more than the one before. */
    uint64_t (*number)(const uint8_t *data, size_t size, void *userdata);
    /* May free the records, stop reading, or release. */
    void (*record)(const uint8_t *data, size_t size, void *userdata);
    /* The turn is over, that ended with this number. */
    void (*turn)(uint64_t number, void *userdata);
    /* What is there is no record. Nothing follows. */
    void (*failed)(int error, void *userdata);
    /* After kith_kernel_records_end(): all was read. May free the records. */
    void (*ended)(void *userdata);
};

/* Takes the ring, also when it fails. Errors: those of kith_io_new(). */
int kith_kernel_records_new(kith_loop *loop, struct kith_ring *ring, const struct kith_kernel_records_ops *ops, void *userdata,
                            struct kith_kernel_records **ret_records);
struct kith_kernel_records *kith_kernel_records_free(struct kith_kernel_records *records);
void kith_kernel_records_set_reading(struct kith_kernel_records *records, bool reading);
/* The writer has gone, which a ring's hang-up says too. What it has written is still read, then `ended` is called from the loop. */
void kith_kernel_records_end(struct kith_kernel_records *records);
void kith_kernel_records_release(struct kith_kernel_records *records, uint64_t number);

#endif
