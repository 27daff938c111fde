/*
 * loop/fork.h: are we still the process that made this? Without a system call a time.
 *
 * A page of memory that the kernel empties in a child of fork(2) (madvise(2), MADV_WIPEONFORK). Where that is not to be had, getpid(2).
 */
#ifndef KITH_LOOP_FORK_H
#define KITH_LOOP_FORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct kith_fork_guard {
    volatile unsigned *page; /* NULL: no such memory, ask for the pid */
    size_t size;
    pid_t pid;
};

void kith_fork_guard_init(struct kith_fork_guard *guard);
void kith_fork_guard_deinit(struct kith_fork_guard *guard);
/* True in a forked child. */
bool kith_fork_guard_crossed(const struct kith_fork_guard *guard);

#endif
