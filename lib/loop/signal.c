/*
 * loop/signal.c: kith_signal. One signalfd a loop, whose set is that of the living objects.
 *
 * Invariants: signals->fd is open exactly while by_number has an object; each of these signals is blocked in the loop's thread. Whoever
 * goes restores what he found: a signal that was blocked before stays blocked.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "loop/private.h"

/* Read at once; what is left makes the descriptor readable again. */
#define BATCH 16

struct kith_signal {
    kith_loop *loop; /* NULL: the loop is gone */
    int number;
    bool was_blocked;
    kith_signal_fn fn;
    void *userdata;
};

void kith_signals_init(struct kith_signals *signals) {
    *signals = (struct kith_signals){.fd = -1};
    sigemptyset(&signals->handled);
}

void kith_signals_deinit(struct kith_signals *signals) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(signals->by_number); i++) {
        if (signals->by_number[i])
            signals->by_number[i]->loop = NULL;
        signals->by_number[i] = NULL;
    }
    signals->fd = kith_close(signals->fd);
}

static unsigned dispatch(struct kith_watch *watch, unsigned events) {
    struct kith_signals *signals = KITH_CONTAINER_OF(watch, struct kith_signals, watch);
    struct signalfd_siginfo infos[BATCH];
    unsigned count = 0;

    ssize_t size = read(watch->fd, infos, sizeof(infos));
    for (size_t i = 0; size > 0 && i < (size_t)size / sizeof(infos[0]); i++) {
        /* Looked up each time: the callback before may have freed it. */
        uint32_t number = infos[i].ssi_signo;
        kith_signal *sig = number < KITH_ARRAY_SIZE(signals->by_number) ? signals->by_number[number] : NULL;
        if (!sig)
            continue;
        sig->fn(sig, sig->number, sig->userdata);
        count++;
    }
    return count;
}

static const struct kith_watch_ops watch_ops = {.ready = dispatch};

/* Makes the kernel's set that of `handled`; opens and watches the descriptor when there is none. */
static int update(kith_loop *loop) {
    struct kith_signals *signals = &loop->signals;

    int fd = signalfd(signals->fd, &signals->handled, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (signals->fd >= 0)
        return 0;
    int r = kith_loop_watch(loop, &signals->watch, KITH_WATCH_READY, fd, KITH_IO_READ, &watch_ops);
    if (r < 0) {
        kith_close(fd);
        return r;
    }
    signals->fd = fd;
    return 0;
}

static int block(int number, bool *ret_was_blocked) {
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, number);
    int r = pthread_sigmask(SIG_BLOCK, &set, &old);
    if (r != 0)
        return -r;
    *ret_was_blocked = sigismember(&old, number);
    return 0;
}

static void restore(const kith_signal *sig) {
    sigset_t set;

    if (sig->was_blocked)
        return;
    sigemptyset(&set);
    sigaddset(&set, sig->number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int start(kith_loop *loop, kith_signal *sig) {
    int r = block(sig->number, &sig->was_blocked);
    if (r < 0)
        return r;
    sigaddset(&loop->signals.handled, sig->number);
    r = update(loop);
    if (r < 0) {
        sigdelset(&loop->signals.handled, sig->number);
        restore(sig);
        return r;
    }
    sig->loop = loop;
    loop->signals.by_number[sig->number] = sig;
    return 0;
}

int kith_signal_new(kith_loop *loop, int signo, kith_signal_fn fn, void *userdata, kith_signal **ret_signal) {
    sigset_t probe;

    sigemptyset(&probe);
    /* sigaddset(3) knows the numbers that the C library keeps for itself. */
    if (!fn || signo == SIGKILL || signo == SIGSTOP || sigaddset(&probe, signo) < 0)
        return -EINVAL;
    KITH_LOOP_HOLD(loop);
    int r = kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    if (loop->signals.by_number[signo])
        return -EEXIST;
    kith_signal *sig = calloc(1, sizeof(*sig));
    if (!sig)
        return -ENOMEM;
    sig->number = signo;
    sig->fn = fn;
    sig->userdata = userdata;
    r = start(loop, sig);
    if (r < 0) {
        free(sig);
        return r;
    }
    *ret_signal = sig;
    return 0;
}

static void stop(kith_signal *sig) {
    kith_loop *loop = sig->loop;
    struct kith_signals *signals = &loop->signals;

    signals->by_number[sig->number] = NULL;
    sigdelset(&signals->handled, sig->number);
    if (sigisemptyset(&signals->handled)) {
        kith_loop_unwatch(loop, &signals->watch, false);
        signals->fd = kith_close(signals->fd);
    } else if (kith_loop_check_fork(loop) == 0) {
        /* A larger set than needed would do no harm: the signal is not blocked any more. Not in a child: the descriptor is shared. */
        update(loop);
    }
}

kith_signal *kith_signal_free(kith_signal *sig) {
    if (!sig)
        return NULL;
    KITH_LOOP_HOLD_IF(sig->loop, sig->loop);
    if (sig->loop)
        stop(sig);
    restore(sig);
    free(sig);
    return NULL;
}
