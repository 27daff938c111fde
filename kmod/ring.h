/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* ring.h: memory that a receiver maps, and the messages in it: uapi/kith_netlink.h says how it looks from there. */
#ifndef KITH_RING_H
#define KITH_RING_H

#include <linux/refcount.h>
#include <linux/skbuff.h>
#include <linux/wait.h>

#include "../uapi/kith_netlink.h"

struct kith_channel;

/* One writer at a time; the head is its own, what user space reads of it is a copy. */
struct kith_ring {
    refcount_t refs;
    u32 size, page_count;
    struct page **pages;
    void *area; /* of the kernel's: the reader's page, the writer's page, the records twice */
    struct kith_ring_consumer *consumer;
    struct kith_ring_producer *producer;
    u8 *records;
    u64 head, tail; /* positions; both are where records begin */
    u64 released;   /* sequence of the last record before the tail; 0: none */
    bool ended;
    wait_queue_head_t wait;
    struct mmpin charge; /* to the user who asked */
};

/* Charged to who calls. -ENOMEM, -ENOBUFS: more than the user may lock. */
int kith_ring_new(u32 size, struct kith_ring **ret_ring);
struct kith_ring *kith_ring_ref(struct kith_ring *ring);
void kith_ring_unref(struct kith_ring *ring);

/* Is there room for a message of so many octets? KITH_RING_EMPTY: has everything been released? */
#define KITH_RING_EMPTY SIZE_MAX
bool kith_ring_has_room(struct kith_ring *ring, size_t size);
/* The same; and when there is none, the reader is asked to say when there is. */
bool kith_ring_want_room(struct kith_ring *ring, size_t size);
/* There is room. Wakes the reader when it may sleep. Any context. */
void kith_ring_put(struct kith_ring *ring, const struct kith_message_header *header, const void *data);
/* Octets that were not released, by the reader's word of now: good for showing. */
u64 kith_ring_pending(const struct kith_ring *ring);
/* Nothing is written any more, and who polls is told. True: there are messages that were not released. */
bool kith_ring_end(struct kith_ring *ring);
/* The record at a position, and the one behind it. */
const struct kith_message_header *kith_ring_message(const struct kith_ring *ring, u64 position);
u64 kith_ring_after(const struct kith_ring *ring, u64 position);

/* ring-file.c: its descriptor, in the process that asks */
struct kith_ring_file {
    struct kith_ring *ring;
    struct file *file;
    int fd; /* reserved, not open yet */
};

/* Errors: those of kith_ring_new(), -EMFILE. */
int kith_ring_file_open(struct kith_channel *channel, u32 size, struct kith_ring_file *ret_file);
/* The descriptor is the process's. */
void kith_ring_file_install(struct kith_ring_file *file);
void kith_ring_file_close(struct kith_ring_file *file);

#endif
