/*
 * kith/loop.h: the event loop.
 *
 * One loop runs in one thread, without hidden threads and without global state. Callbacks run only inside
 * kith_loop_step(), kith_loop_run() and calls that say they drive the loop. Every object made on a loop belongs to the
 * loop's thread; the only calls allowed from other threads and from signal handlers are kith_wakeup_send() and
 * kith_loop_stop(). That thread is the one that first runs it or asks for its descriptor: a loop may be made in one
 * thread and run in another. kith_loop_thread() makes an exception: see there.
 *
 * Fork: a loop refuses to run and to make objects in a child process (-ECHILD); the child may only free it and its objects, which does
 * not disturb the parent.
 *
 * Hosting: kith_loop_fd() is level-triggered: readable while the loop has something to do, timers included; now and then once more, for a
 * step in which nothing happens. So another loop can host this one: watch the descriptor, call kith_loop_step(loop, 0) when it is readable.
 *
 * A callback that is NULL is -EINVAL.
 *
 * Any object may be freed inside any callback, its own too: nothing of it is called afterwards. A loop is freed last:
 * freeing it while objects exist is allowed, they become inert (-ESHUTDOWN) and must still be freed. A loop freed inside a callback ends
 * its step and its run; it must not be touched any more.
 */
#ifndef KITH_LOOP_H
#define KITH_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <kith/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_loop kith_loop;
typedef struct kith_io kith_io;
typedef struct kith_timer kith_timer;
typedef struct kith_signal kith_signal;
typedef struct kith_child kith_child;
typedef struct kith_wakeup kith_wakeup;

struct kith_loop_options {
    /* "uring" (io_uring(7), Linux 6.1) or "epoll"; NULL: what KITH_LOOP in the environment says, unless the program is privileged
     * (secure_getenv(3)), else the best that this kernel has and does not forbid. Both mean the same to the application. */
    const char *backend;
    /* Most octets of buffers that received data lie in, those included that the application keeps references of; in steps of 64 KiB;
     * 0: 64 MiB. When they are used up, connections are not read until some are given back. */
    size_t receive_memory;
    /* Octets in the write queues of all connections above which each of them may hold but little (kith_conn_write()); 0: 256 MiB. */
    size_t write_memory;
};

/* Makes a loop; options may be NULL. Errors, with text: -ENOMEM, -EMFILE, -ENFILE, -EINVAL (no such backend), -ENOSYS (the backend that
 * was asked for is not to be had: an older kernel, or forbidden by seccomp or kernel.io_uring_disabled). */
KITH_PUBLIC int kith_loop_new_with(const struct kith_loop_options *options, kith_loop **ret_loop, struct kith_error *ret_error);
/* The same without options and text. */
KITH_PUBLIC int kith_loop_new(kith_loop **ret_loop);
/* With io_uring, a system call in which this thread waits may be interrupted (EINTR) once, some milliseconds later: the kernel takes the
 * ring apart in the background and asks each thread that used it to let go. Always NULL. */
KITH_PUBLIC kith_loop *kith_loop_free(kith_loop *loop);

/* "uring", "epoll" */
KITH_PUBLIC const char *kith_loop_backend_name(const kith_loop *loop);
/* Why the loop could not have the best backend: one line for a log; NULL when it has it or was told which to take. */
KITH_PUBLIC const char *kith_loop_backend_reason(const kith_loop *loop);

/*
 * Threads. kith_loop_thread() gives a loop a thread of its own, for programs that wait elsewhere, and lets all threads use it.
 *
 * A lock guards the loop and everything on it. The functions of this header and of kith/socket.h take it themselves; between
 * kith_loop_lock() and kith_loop_unlock() any other object of the loop (kith/stream.h) may be used, and several calls are one. Callbacks
 * run under it, in whichever thread drives the loop: its own, or one that waits in a call on it (kith_loop_step(), kith_loop_run(),
 * kith_socket_recv()...), which costs no switch between threads. So there is never more than one callback at a time, and none runs in
 * kith_loop_unlock() or in a call that does not wait, but for events that tell what a call brings about (kith/socket.h). A callback must
 * not wait for another thread that uses the loop.
 *
 * What a wait of the loop's own thread would have seen at once may be seen a millisecond late while other threads drive it by turns;
 * nothing waits longer.
 *
 * kith_loop_stop() ends the calls that wait for something on this loop at that time, or else the next one; never the loop's own thread.
 * kith_loop_free() ends them with -ESHUTDOWN, waits until they have returned and ends the thread; no other call may come at the same time.
 * The thread blocks all signals. In a child process it is not there: see Fork.
 */

/* To be called before anything is made on the loop. Such a loop waits with epoll, whatever it was made with: kith_loop_backend_reason()
 * says so. Errors, with text: -EBUSY (something was made on it already), -EALREADY, -EINVAL (the backend asked for in the options is
 * another), -EAGAIN (no more threads), -ENOMEM, -EMFILE, -ENFILE, -ECHILD. The loop is then as it was, but may wait with epoll. */
KITH_PUBLIC int kith_loop_thread(kith_loop *loop, struct kith_error *ret_error);
/* Waits for the lock. The same thread may take it several times; calls that wait for something on the loop are -EBUSY meanwhile. Nothing
 * happens on a loop without a thread of its own. */
KITH_PUBLIC void kith_loop_lock(kith_loop *loop);
/* The lock of this thread's last kith_loop_lock(); a thread that has not got it does nothing. */
KITH_PUBLIC void kith_loop_unlock(kith_loop *loop);

/* The descriptor to watch for reading from another loop. The loop owns it. The first call makes the loop one that is hosted, which costs a
 * descriptor and, when the first timer changes, a system call. Errors (of the first call): -EMFILE, -ENFILE, -ENOMEM, -ECHILD;
 * -EINVAL (it has a thread of its own). */
KITH_PUBLIC int kith_loop_fd(kith_loop *loop);

/* Waits at most timeout_ms milliseconds (-1: without limit, 0: not at all) for something to do and does it once.
 * Returns the number of callbacks run (0: timeout, or a stop was asked, which is thereby taken). Descriptors come first, then timers.
 * Errors: -EBUSY inside a callback of this loop, -ECHILD after fork, -EINTR when a signal handler ran, -EEXIST in a thread that is not the
 * loop's (where the kernel can tell: io_uring). With kith_loop_thread(): until somebody has done something, any thread; no -EINTR then. */
KITH_PUBLIC int kith_loop_step(kith_loop *loop, int timeout_ms);

/* Steps until kith_loop_stop(). Returns 0, or the first error of kith_loop_step() other than -EINTR. */
KITH_PUBLIC int kith_loop_run(kith_loop *loop);

/* Ends kith_loop_run() after the running callbacks (or the next one at once, when none is under way); from any thread and from signal
 * handlers. */
KITH_PUBLIC void kith_loop_stop(kith_loop *loop);

/* Nanoseconds of CLOCK_MONOTONIC. In callbacks: read once a step, cheap and the same for all callbacks of it. Outside: now. */
KITH_PUBLIC uint64_t kith_loop_now(kith_loop *loop);

/* Descriptors -------------------------------------------------------------------------------------------------- */

enum {
    KITH_IO_READ = 1 << 0,
    KITH_IO_WRITE = 1 << 1,
    KITH_IO_HANGUP = 1 << 2, /* hang-up or error, reported whether asked for or not */
};

typedef void (*kith_io_fn)(kith_io *io, int fd, unsigned events, void *userdata);

/* Watches fd (level-triggered) for `events`, which may be 0: then a hang-up is reported once and not again before kith_io_set_events().
 * The descriptor stays the caller's and must outlive the watch. Errors: -EBADF, -EEXIST (fd is watched already), -EPERM (a file that is
 * always ready, as a regular one), -EINVAL (other events), -ENOMEM, -ENOSPC, -ECHILD. */
KITH_PUBLIC int kith_io_new(kith_loop *loop, int fd, unsigned events, kith_io_fn fn, void *userdata, kith_io **ret_io);
/* Takes effect at once: what is not wanted any more is not called, even when it is ready already. Errors: -EINVAL, -ESHUTDOWN. */
KITH_PUBLIC int kith_io_set_events(kith_io *io, unsigned events);
/* Handles this descriptor before the others that became ready in the same wait (off at first). */
KITH_PUBLIC void kith_io_set_urgent(kith_io *io, bool urgent);
KITH_PUBLIC kith_io *kith_io_free(kith_io *io);

/* Timers ------------------------------------------------------------------------------------------------------- */

typedef void (*kith_timer_fn)(kith_timer *timer, void *userdata);

/* A timer starts disarmed. Errors: -ENOMEM, -ECHILD. */
KITH_PUBLIC int kith_timer_new(kith_loop *loop, kith_timer_fn fn, void *userdata, kith_timer **ret_timer);
/* Fires once after after_ms milliseconds (0: in the next step), then every repeat_ms (0: only once). Arming an armed
 * timer moves it. Never early; timers of one deadline fire in the order of arming. A repeating timer keeps its phase; when it was late it
 * fires once, not once for every period missed. Memory is taken with the timer: the only error is -ESHUTDOWN (the loop is gone). */
KITH_PUBLIC int kith_timer_arm(kith_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
KITH_PUBLIC void kith_timer_disarm(kith_timer *timer);
KITH_PUBLIC bool kith_timer_armed(const kith_timer *timer);
KITH_PUBLIC kith_timer *kith_timer_free(kith_timer *timer);

/* Signals, child processes, other threads ------------------------------------------------------------------------ */

typedef void (*kith_signal_fn)(kith_signal *sig, int signo, void *userdata);

/* Calls fn in the loop for each delivery of signo to the process (several may be merged, as signals are). The signal is
 * blocked in the calling thread while the object lives; other threads must block it themselves, see signalfd(2).
 * Errors: -EINVAL (no such signal, or SIGKILL, SIGSTOP), -EEXIST (this loop handles it already), -EMFILE, -ENFILE, -ENOMEM, -ECHILD. */
KITH_PUBLIC int kith_signal_new(kith_loop *loop, int signo, kith_signal_fn fn, void *userdata, kith_signal **ret_signal);
/* In the thread that made it: unblocks the signal unless it was blocked before. One that is pending then takes its old course. */
KITH_PUBLIC kith_signal *kith_signal_free(kith_signal *sig);

typedef void (*kith_child_fn)(kith_child *child, const siginfo_t *status, void *userdata);

/* Waits for the child process `pid`, reaps it and calls fn once with what waitid(2) said: si_pid, si_code (CLD_EXITED, CLD_KILLED,
 * CLD_DUMPED), si_status. When somebody else reaped it (or SIGCHLD is ignored) si_pid is 0 and si_errno ECHILD. Freeing does not reap.
 * Errors: -ECHILD (not a child of this process; or after fork), -EMFILE, -ENFILE, -ENOMEM, -ENOSYS (a sandbox
 * without pidfd_open(2)). */
KITH_PUBLIC int kith_child_new(kith_loop *loop, pid_t pid, kith_child_fn fn, void *userdata, kith_child **ret_child);
KITH_PUBLIC kith_child *kith_child_free(kith_child *child);

typedef void (*kith_wakeup_fn)(kith_wakeup *wakeup, void *userdata);

/* Errors: -EMFILE, -ENFILE, -ENOMEM, -ECHILD. */
KITH_PUBLIC int kith_wakeup_new(kith_loop *loop, kith_wakeup_fn fn, void *userdata, kith_wakeup **ret_wakeup);
/* Makes the loop call fn soon; from any thread and from signal handlers. Several sends before the call are one call. Allowed
 * until the wakeup is freed, even when the loop is gone. */
KITH_PUBLIC void kith_wakeup_send(kith_wakeup *wakeup);
KITH_PUBLIC kith_wakeup *kith_wakeup_free(kith_wakeup *wakeup);

#ifdef __cplusplus
}
#endif
#endif
