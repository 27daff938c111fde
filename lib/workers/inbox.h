/*
 * workers/inbox.h: what other threads have for a worker, in the order in which it came.
 *
 * A queue under a mutex. Descriptors travel in items taken with the inbox, so that handing one over needs no memory and the number of those
 * that wait is bounded; calls bring an item of their own.
 */
#ifndef KITH_WORKERS_INBOX_H
#define KITH_WORKERS_INBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <kith/workers.h>

#include "base/list.h"

struct kith_workers_listener;

enum kith_inbox_kind {
    KITH_INBOX_FD,     /* an accepted descriptor of `listener`; the item is the inbox's */
    KITH_INBOX_CALL,   /* fn(worker, userdata); the item is on the heap */
    KITH_INBOX_ERRAND, /* the same; the item is the poster's, who keeps it until fn is called */
};

struct kith_inbox_item {
    struct kith_list link;
    enum kith_inbox_kind kind;
    int fd;
    struct kith_workers_listener *listener;
    kith_worker_fn fn;
    void *userdata;
};

struct kith_inbox {
    pthread_mutex_t mutex;
    struct kith_inbox_item *items; /* for descriptors */
    struct kith_list waiting, spare;
    atomic_uint room; /* of `spare`, 0 when closed: a look without the lock */
    bool closed;
};

/* Errors: -ENOMEM. An inbox of zeroes may be deinitialised. */
int kith_inbox_init(struct kith_inbox *inbox, unsigned fd_max);
/* Nothing waits any more. */
void kith_inbox_deinit(struct kith_inbox *inbox);

/* Takes the item when it returns 0. Errors: -ESHUTDOWN (closed). */
int kith_inbox_post(struct kith_inbox *inbox, struct kith_inbox_item *item);
/* Takes the descriptor when it returns 0. Errors: -ESHUTDOWN (closed), -EAGAIN (full). */
int kith_inbox_post_fd(struct kith_inbox *inbox, int fd, struct kith_workers_listener *listener);
/* A hint: others may be quicker. */
bool kith_inbox_has_room(const struct kith_inbox *inbox);

/* Takes the first item: copies it and gives its memory back. False: nothing waits. */
bool kith_inbox_take(struct kith_inbox *inbox, struct kith_inbox_item *ret_item);
/* Lets nothing in any more; what waits may still be taken. */
void kith_inbox_close(struct kith_inbox *inbox);

#endif
