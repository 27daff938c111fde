/*
 * kith/workers.h: a server on more than one core: N loops in N threads.
 *
 * A worker is a thread with a loop of its own; what is made on that loop belongs to that thread, and a connection stays with one worker all
 * its life. Clients are spread: of TCP by the kernel, over a listening socket in each worker (SO_REUSEPORT, socket(7)); of AF_UNIX, which
 * has nothing like it, by the one worker that accepts: it gives the descriptor to the worker with the fewest connections.
 *
 * Life: kith_workers_new() runs `start` in one thread after the other, and when all have started, their loops run. kith_workers_stop():
 *   1. all listeners are closed, in every worker (the kernel refuses who still waits in a backlog);
 *   2. what had been accepted by then goes to `accept`;
 *   3. `drain`;
 *   4. the worker's loop ends when kith_worker_closed() has told the end of its last connection, or at the deadline;
 *   5. posted functions that still wait are run; 6. `stop`; the loop is freed, the thread ends.
 * kith_loop_stop() of a worker's loop (allowed at any time), or a failure of the loop, ends that worker alone: its listeners are closed,
 * what waited for `accept` is closed and counted, then 5 and 6. TCP clients go to the others; an AF_UNIX address that it accepted for is
 * gone.
 *
 * Threads: new, listen, stop and free are for one thread that is no worker, often the main one. kith_worker_*() are for the worker's own
 * thread. The others are for any thread, until kith_workers_free(). Callbacks that share data lock it.
 *
 * Signals are blocked in workers (but those that a thread causes itself: SIGSEGV and the like), so the kith_signal of the main thread's
 * loop gets them.
 *
 * Fork: there are no workers in a child process: every call is -ECHILD there, and kith_workers_free() only closes the listening sockets;
 * what belongs to the workers' loops stays until the child ends or calls execve(2), because they may have been at work on it.
 */
#ifndef KITH_WORKERS_H
#define KITH_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/loop.h>
#include <kith/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_workers kith_workers;
typedef struct kith_worker kith_worker;

/* All run in the worker's thread and are optional; the table must stay while the workers do. */
struct kith_workers_ops {
    /* Before anything else. A negative errno ends all workers, and kith_workers_new() returns it. One runs at a time. */
    int (*start)(kith_worker *worker, kith_loop *loop, void *userdata);
    /* No client comes any more: bring what there is to its end, as with kith_conn_drain(conn, deadline_ms). */
    void (*drain)(kith_worker *worker, int64_t deadline_ms, void *userdata);
    /* The last call: free what was made on the loop. Not after a `start` that failed. */
    void (*stop)(kith_worker *worker, void *userdata);
};

struct kith_workers_options {
    bool pin;             /* each to one CPU of those the process may use, in turn */
    const char *name;     /* of the threads, "NAME-0" (cut to 15 octets: ps -L, top -H); NULL: "kith" */
    unsigned waiting_max; /* AF_UNIX: accepted descriptors that may wait for one worker; 0: 1024. The others get what it cannot take */
};

/* Makes `count` workers, 1 to 1024 (0: one for each CPU that the process may use, sched_getaffinity(2)), and returns when all have started.
 * options and its name are copied; NULL is all defaults. On failure every worker that had started has been stopped, and the error names the
 * one that could not. Errors: -EINVAL, -ENOMEM, -EAGAIN (no more threads), those of kith_loop_new(), those of `start`. */
KITH_PUBLIC int kith_workers_new(unsigned count, const struct kith_workers_options *options, const struct kith_workers_ops *ops,
                                 void *userdata, kith_workers **ret_workers, struct kith_error *ret_error);
/* Stops, as described above. Waits for every worker: so long as deadline_ms (-1: no deadline; 0: connections are not waited for) and the
 * callbacks take. Stopped workers answer -ESHUTDOWN, and stopping them again does nothing. Errors: -EDEADLK (in a worker's thread: send a
 * kith_wakeup to the thread that may), -ECHILD, -EINVAL; else the first error that a worker's loop has ended with. */
KITH_PUBLIC int kith_workers_stop(kith_workers *workers, int64_t deadline_ms);
/* Stops with deadline 0 what runs, and frees. Always NULL, but in a worker's thread, which cannot wait for itself: there it does nothing
 * and returns workers. */
KITH_PUBLIC kith_workers *kith_workers_free(kith_workers *workers);

KITH_PUBLIC unsigned kith_workers_count(const kith_workers *workers);

/* Listening ------------------------------------------------------------------------------------------------------- */

/* All run in the worker's thread; the table must stay while the workers do. */
struct kith_workers_listener_ops {
    /* A new connection for this worker, as `accept` of struct kith_listener_ops: make it a kith_conn on kith_worker_loop(worker), or return
     * a negative errno: fd is then closed. Tell its end with kith_worker_closed(). Required. */
    int (*accept)(kith_worker *worker, int fd, void *userdata);
    /* Accepting failed in this worker: see struct kith_listener_ops. */
    void (*error)(kith_worker *worker, int error, void *userdata);
};

/* Listens at an address with all workers, and returns when they do. ret_address (may be NULL) is the address bound, with the port that the
 * kernel chose. options as in kith_listener_new(); reuse_port is not looked at.
 *
 * TCP: the first socket is bound and listens without SO_REUSEPORT, so a port where anybody listens is -EADDRINUSE, as ever; then it is
 * opened for the others, and nobody can come in between. Two servers never share a port by accident: for that a program of the same user
 * must bind with SO_REUSEPORT itself, without asking first, which the kernel has no means to forbid. AF_UNIX: one worker accepts, the next
 * one for each address; SO_PASSCRED works from the first octet on (kith/stream.h).
 *
 * Errors: those of kith_listener_new(), -EDEADLK (in a worker's thread), -ESHUTDOWN (stopped), -ECHILD. On failure nobody listens. */
KITH_PUBLIC int kith_workers_listen(kith_workers *workers, const struct kith_address *address, const struct kith_listener_options *options,
                                    const struct kith_workers_listener_ops *ops, void *userdata, struct kith_address *ret_address,
                                    struct kith_error *ret_error);

/* A function in a worker's thread ----------------------------------------------------------------------------------- */

typedef void (*kith_worker_fn)(kith_worker *worker, void *userdata);

/* Posts fn to the worker `index` (from 0): it runs in a later callback of its loop, never inside this call, in the order of posting. Once
 * posted it runs, exactly once, at the latest before `stop`. From any thread. Errors: -EINVAL, -EAGAIN (from `start`, when the others may
 * not exist yet), -ESHUTDOWN (the worker has ended), -ENOMEM, -ECHILD. */
KITH_PUBLIC int kith_workers_call(kith_workers *workers, unsigned index, kith_worker_fn fn, void *userdata);
/* The same to every worker that has not ended. Returns how many will run it, or an error, and then none will. */
KITH_PUBLIC int kith_workers_each(kith_workers *workers, kith_worker_fn fn, void *userdata);

/* What one worker has done. */
struct kith_worker_stats {
    uint64_t connections; /* now: taken or waiting for `accept`, and not yet told closed */
    uint64_t accepted;    /* taken by `accept` */
    uint64_t handed_over; /* accepted by this worker and given to another one */
    uint64_t refused;     /* closed: `accept` returned an error, or the worker had ended */
    bool ended;           /* its thread runs no callback any more */
    int error;            /* what its loop ended with, or 0 */
};

/* From any thread. The numbers belong to slightly different moments while the worker runs. Errors: -EINVAL, -ECHILD. */
KITH_PUBLIC int kith_workers_stats(const kith_workers *workers, unsigned index, struct kith_worker_stats *ret_stats);

/* In a worker ------------------------------------------------------------------------------------------------------- */

/* A connection that `accept` took is over: once for each, in the worker's thread. It is then counted no more: this is how the worker with
 * the fewest is known, and when one that drains is done. */
KITH_PUBLIC void kith_worker_closed(kith_worker *worker);
KITH_PUBLIC kith_workers *kith_worker_workers(kith_worker *worker);
/* 0 to kith_workers_count() - 1. */
KITH_PUBLIC unsigned kith_worker_index(const kith_worker *worker);
/* The loop stays the worker's: it must not be freed. */
KITH_PUBLIC kith_loop *kith_worker_loop(kith_worker *worker);
/* The application's own, for this worker; NULL at first. */
KITH_PUBLIC void kith_worker_set_userdata(kith_worker *worker, void *userdata);
KITH_PUBLIC void *kith_worker_userdata(const kith_worker *worker);

#ifdef __cplusplus
}
#endif
#endif
