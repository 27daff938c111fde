/*
 * inproc/port.h: the way into a loop for what other loops have for it: one a loop, as long as something there uses inproc.
 *
 * Guests are the listeners and ends of pipes that live on the loop. One that has something to do is *due*: its work() is called in the
 * loop's next round of deferred work. Its own thread says so with kith_guest_schedule(), without a lock; other threads under the port's
 * lock with kith_guest_post(). That wakes the loop only when it does not look by itself: a port looks again after every round that found
 * something, so a busy loop is never woken (`awake`).
 *
 * The lock guards `mail`, and what other threads leave in the guests themselves. It is held for some list operations only.
 *
 * A port ends with its last guest, or with its loop, which evicts all guests. The memory lives as long as somebody may lock it.
 */
#ifndef KITH_INPROC_PORT_H
#define KITH_INPROC_PORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "loop/internal.h"

struct kith_guest;

struct kith_guest_ops {
    /* In the loop. Returns how many callbacks of the user it ran. */
    unsigned (*work)(struct kith_guest *guest);
    /* The loop goes: the guest leaves. */
    void (*evict)(struct kith_guest *guest);
};

struct kith_port {
    atomic_uint refs;
    unsigned generation; /* of the registry */
    kith_loop *loop;
    struct kith_list link; /* of the registry, under its lock */
    /* the loop's own */
    struct kith_tenant tenant;
    struct kith_defer round;
    struct kith_list guests, due;
    bool looking; /* `awake`, as far as the loop knows */
    bool retired; /* no guests any more: the loop may have gone */
    /* under the lock */
    pthread_mutex_t lock;
    struct kith_list mail; /* guests that other threads have made due */
    bool awake;            /* the loop will look at `mail` by itself */
    kith_wakeup *wakeup;   /* NULL: closed */
};

struct kith_guest {
    const struct kith_guest_ops *ops;
    struct kith_port *port; /* referenced, until kith_guest_deinit(); NULL at first */
    struct kith_list link, due_link;
    /* under the port's lock */
    struct kith_list mail_link;
    bool present; /* has entered and not left */
};

/* The loop's port. It is to be entered, or put back. Errors: -ENOMEM, -EMFILE, -ENFILE, -ECHILD. */
int kith_port_get(kith_loop *loop, struct kith_port **ret_port);
/* Ends a port that nobody has entered. */
void kith_port_put(struct kith_port *port);

static inline void kith_port_lock(struct kith_port *port) {
    pthread_mutex_lock(&port->lock);
}

static inline void kith_port_unlock(struct kith_port *port) {
    pthread_mutex_unlock(&port->lock);
}

/* Made in a process that forked this one: its lock may be held for ever by a thread that is not here, and its wake-up is the parent's. */
bool kith_port_forked(const struct kith_port *port);

void kith_guest_init(struct kith_guest *guest, const struct kith_guest_ops *ops);
/* Gives the port's memory up; the guest has left, and nobody reaches it any more. Any thread. */
void kith_guest_deinit(struct kith_guest *guest);
/* In the loop's thread, as is all that follows but kith_guest_post(). */
void kith_guest_enter(struct kith_guest *guest, struct kith_port *port);
/* Nothing is due any more. Twice is harmless. */
void kith_guest_leave(struct kith_guest *guest);
void kith_guest_schedule(struct kith_guest *guest);
/* From any thread, with the lock of guest->port held. Does nothing when the guest has left. */
void kith_guest_post(struct kith_guest *guest);

#endif
