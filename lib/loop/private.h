/* loop/private.h: the loop from inside, for the files of this room. */
#ifndef KITH_LOOP_PRIVATE_H
#define KITH_LOOP_PRIVATE_H

#include <signal.h>
#include <stdatomic.h>

#include "loop/backend.h"
#include "loop/fork.h"
#include "loop/internal.h"
#include "loop/poller.h"
#include "loop/thread.h"
#include "loop/timer.h"

/* All signals of a loop share one signalfd, which exists while one of them does. */
struct kith_signals {
    int fd;
    sigset_t handled;
    struct kith_watch watch;
    kith_signal *by_number[_NSIG];
};

/* What another loop, watching kith_loop_fd(), needs to see. Nothing of it exists before somebody asked for that descriptor. */
struct kith_host {
    int timer_fd;      /* -1: no host */
    uint64_t armed_at; /* ns, 0: disarmed */
    struct kith_watch timer_watch;
};

struct kith_loop {
    struct kith_thread *thread; /* NULL: it belongs to the thread that uses it */
    struct kith_watches watches;
    struct kith_timers timers;
    struct kith_list tenants;
    struct kith_list deferred, deferring; /* waiting for a round, and the round under way */
    struct kith_pollers pollers;
    struct kith_fork_guard fork_guard;
    struct kith_signals signals;
    struct kith_host host;
    struct kith_pool *pool; /* for what is received */
    struct kith_arena arena;
    struct kith_charge unsent;
    const char *reason; /* why it is not the best backend, or NULL */
    uint64_t now;
    int wake_fd; /* an eventfd: makes a wait end */
    struct kith_watch wake_watch;
    bool woken; /* wake_fd is readable, by kith_loop_wake() */
    atomic_bool stop;
    atomic_bool room; /* slabs have come back that reading waits for; only with a thread */
    bool told;        /* the application said which backend */
    bool running;     /* inside kith_loop_step() or kith_loop_run() */
    bool released;    /* freed by a callback: goes when the step ends */
};

/* To be called after every change that can give the loop something to do: a host must see it when no step is under way. */
void kith_loop_changed(kith_loop *loop);

/* Makes the wait that is under way, or the next one, end. */
void kith_loop_wake(kith_loop *loop);
/* Is there something to do that no wait would tell, or a timer before `wake_at`? */
bool kith_loop_needs_step(const kith_loop *loop, uint64_t wake_at);
/* kith_loop_step(), of a loop without thread, until a time (ns of CLOCK_MONOTONIC). */
int kith_loop_step_until(kith_loop *loop, uint64_t until);
/* Deferred work, one wait until `until` at most, and what it brought. *ret_wake_at is set before the wait: when it ends. Returns the
 * callbacks run. */
int kith_loop_pass(kith_loop *loop, uint64_t until, uint64_t *ret_wake_at);
bool kith_loop_take_stop(kith_loop *loop);
/* The time until which a wait of timeout_ms goes: 0: none, UINT64_MAX: without limit. */
uint64_t kith_loop_deadline(int timeout_ms);
/* For kith_loop_thread(): waits with epoll from now on, and slabs may be given back in any thread. Errors: -EBUSY (something was made on
 * it), -EINVAL (the application asked for another backend), -ENOMEM, -EMFILE, -ENFILE. */
int kith_loop_make_shareable(kith_loop *loop);
/* The last of the loop: memory, descriptors. */
void kith_loop_destroy(kith_loop *loop);

/* From any thread and from signal handlers: makes the eventfd readable. */
void kith_eventfd_raise(int fd);
void kith_eventfd_drain(int fd);

void kith_signals_init(struct kith_signals *signals);
/* Makes the objects inert. */
void kith_signals_deinit(struct kith_signals *signals);

void kith_host_init(struct kith_host *host);
void kith_host_deinit(struct kith_host *host);
/* Brings what a host sees up to date. */
void kith_host_settle(kith_loop *loop);

#endif
