/*
 * kernel/records.h: a ring of records (ring/ring.h) on a loop, read in turns.
 *
 * A record is lent until its turn is released: records are numbered, a turn ends with a number, and what is released is everything up to
 * a turn's end that is not behind the number given. What was not released stays in the ring.
 *
 * A BPF ring buffer says that it is readable for as long as something is not released; while that is so it is looked at by a timer instead.
 */
#ifndef KITH_KERNEL_RECORDS_H
#define KITH_KERNEL_RECORDS_H

#include <kith/loop.h>

#include "ring/ring.h"

struct kith_kernel_records;

struct kith_kernel_records_ops {
    /* Returns the record's number, more than the one before. May free the records, or stop reading. */
    uint64_t (*record)(const uint8_t *data, size_t size, void *userdata);
    /* The turn is over, that ended with this number. */
    void (*turn)(uint64_t number, void *userdata);
    /* What is there is no record. Nothing follows. */
    void (*failed)(int error, void *userdata);
};

/* Takes the ring, also when it fails. Errors: those of kith_io_new(). */
int kith_kernel_records_new(kith_loop *loop, struct kith_ring *ring, const struct kith_kernel_records_ops *ops, void *userdata,
                            struct kith_kernel_records **ret_records);
struct kith_kernel_records *kith_kernel_records_free(struct kith_kernel_records *records);
void kith_kernel_records_set_reading(struct kith_kernel_records *records, bool reading);
void kith_kernel_records_release(struct kith_kernel_records *records, uint64_t number);

#endif
