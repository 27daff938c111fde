/*
 * workers/workers.h: workers from inside, for the files of this room.
 *
 * What belongs to whom: `mutex` guards what is marked so; atomics are for any thread; the rest of a worker is its thread's alone from
 * pthread_create() to pthread_join(), and the rest of the set is the owner's: whoever called kith_workers_new().
 */
#ifndef KITH_WORKERS_WORKERS_H
#define KITH_WORKERS_WORKERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <kith/workers.h>

#include "base/list.h"
#include "loop/fork.h"
#include "workers/inbox.h"

#define KITH_THREAD_NAME_SIZE 16 /* with its NUL: pthread_setname_np(3) */

enum kith_workers_state { KITH_WORKERS_STARTING, KITH_WORKERS_RUNNING, KITH_WORKERS_STOPPED };

struct kith_worker {
    kith_workers *workers;
    unsigned index;
    int cpu; /* to bind to, or -1 */

    pthread_t thread; /* the owner's */
    bool spawned;     /* the owner's: to be joined */

    /* Guarded by workers->mutex. */
    bool alive;         /* `self` is a thread that runs */
    bool reported;      /* it has started, or failed to */
    int start_error;    /* why it did not start ... */
    const char *failed; /* ... and what was tried */
    pthread_t self;

    kith_loop *loop;
    kith_timer *deadline;
    struct kith_list places; /* its parts of listeners */
    bool draining;           /* the loop ends with the last connection */
    bool ending;             /* the loop has ended */
    int64_t drain_ms;        /* set by the owner before it posts `drain_item` */
    void *userdata;

    /* For whoever posts. The wakeup is made before the workers run and freed when they are joined. */
    struct kith_inbox inbox;
    struct kith_inbox_item drain_item;
    kith_wakeup *wakeup;

    _Atomic uint64_t connections, accepted, handed_over, refused;
    atomic_bool ended;
    atomic_int error;
};

struct kith_workers {
    struct kith_fork_guard fork_guard;
    const struct kith_workers_ops *ops;
    void *userdata;
    char name[KITH_THREAD_NAME_SIZE];
    pthread_mutex_t mutex;
    pthread_cond_t changed;                /* something that the mutex guards */
    _Atomic enum kith_workers_state state; /* written under the mutex */
    /* One has not started: no loop runs. Set before the state leaves STARTING, and kept beside it: when a worker looks, the state may have
     * gone on to STOPPED already. */
    bool failed;
    struct kith_list listeners;
    unsigned next_acceptor;
    unsigned count;
    struct kith_worker each[];
};

/* workers.c */

/* 0 where the owner may call and the workers run. Errors: -ECHILD, -EDEADLK (a worker's thread), -ESHUTDOWN. */
int kith_workers_check(kith_workers *workers);

/* worker.c: the life of one */

/* Makes the thread and waits for its report. It then waits for the workers' state to change. */
int kith_worker_spawn(kith_worker *worker, struct kith_error *ret_error);
/* Posts an item and wakes. Errors: -ESHUTDOWN. */
int kith_worker_post(kith_worker *worker, struct kith_inbox_item *item);
/* Runs fn in the worker's thread, waits, returns what fn has returned. From the owner's thread. Errors: -ESHUTDOWN (it has ended). */
int kith_worker_run(kith_worker *worker, int (*fn)(kith_worker *worker, void *userdata), void *userdata);
/* Tells it to drain and to end. Once, from the owner's thread. */
void kith_worker_drain(kith_worker *worker, int64_t deadline_ms);

/* listener.c */

/* A descriptor from the inbox, which the worker takes or closes. */
void kith_workers_deliver(kith_worker *worker, struct kith_workers_listener *listener, int fd);
/* The same in a worker that has ended: closes it. */
void kith_workers_refuse(kith_worker *worker, int fd);
/* In the worker's thread, for kith_worker_run() too: closes all that it listens with. Always 0. */
int kith_workers_close_places(kith_worker *worker, void *userdata);
/* When all have ended. */
void kith_workers_free_listeners(kith_workers *workers);
/* In a child process: closes the listening descriptors, and nothing else. */
void kith_workers_abandon_listeners(kith_workers *workers);

#endif
