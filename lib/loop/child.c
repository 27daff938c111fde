/*
 * loop/child.c: kith_child, the end of a child process.
 *
 * A pidfd is readable when the process has ended. It names that process and no later one with the same number, so waiting and reaping
 * through it is exact, needs no SIGCHLD and does not touch other children of the program.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "loop/private.h"

struct kith_child {
    kith_loop *loop; /* valid while the watch is active */
    struct kith_watch watch;
    int pidfd;
    kith_child_fn fn;
    void *userdata;
};

/* 0: status is filled, its si_pid 0 while the child lives. */
static int wait_for(int pidfd, int options, siginfo_t *status) {
    int r;

    *status = (siginfo_t){0};
    do
        r = waitid(P_PIDFD, (id_t)pidfd, status, WEXITED | WNOHANG | options);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static unsigned dispatch(struct kith_watch *watch, unsigned events) {
    kith_child *child = KITH_CONTAINER_OF(watch, kith_child, watch);
    siginfo_t status;

    int r = wait_for(child->pidfd, 0, &status);
    if (r == 0 && status.si_pid == 0)
        return 0;
    if (r < 0)
        status = (siginfo_t){.si_errno = -r};
    kith_loop_unwatch(child->loop, &child->watch, false);
    child->pidfd = kith_close(child->pidfd);
    child->fn(child, &status, child->userdata);
    return 1;
}

static const struct kith_watch_ops watch_ops = {.ready = dispatch};

static int watch_pid(kith_child *child, pid_t pid) {
    siginfo_t status;

    child->pidfd = pidfd_open(pid, 0);
    /* ESRCH: nobody. EINVAL, on later kernels ENOENT: no number of a process, but of a thread for instance. */
    if (child->pidfd < 0)
        return errno == ESRCH || errno == EINVAL || errno == ENOENT ? -ECHILD : -errno;
    int r = wait_for(child->pidfd, WNOWAIT, &status);
    return r < 0 ? r : kith_loop_watch(child->loop, &child->watch, KITH_WATCH_READY, child->pidfd, KITH_IO_READ, &watch_ops);
}

int kith_child_new(kith_loop *loop, pid_t pid, kith_child_fn fn, void *userdata, kith_child **ret_child) {
    if (!fn)
        return -EINVAL;
    KITH_LOOP_HOLD(loop);
    int r = kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    kith_child *child = calloc(1, sizeof(*child));
    if (!child)
        return -ENOMEM;
    child->loop = loop;
    child->fn = fn;
    child->userdata = userdata;
    r = watch_pid(child, pid);
    if (r < 0) {
        kith_child_free(child);
        return r;
    }
    *ret_child = child;
    return 0;
}

kith_child *kith_child_free(kith_child *child) {
    if (!child)
        return NULL;
    KITH_LOOP_HOLD_IF(kith_watch_active(&child->watch), child->loop);
    if (kith_watch_active(&child->watch))
        kith_loop_unwatch(child->loop, &child->watch, false);
    kith_close(child->pidfd);
    free(child);
    return NULL;
}
