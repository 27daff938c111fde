/*
 * flow/guest/guest.h: a recording from a kernel in a virtual machine: no root, no network, nothing left behind.
 *
 * The guest is a kernel and a file system in memory with two static programs: its first process (init.c) and what is recorded.
 */
#ifndef KITH_FLOW_GUEST_H
#define KITH_FLOW_GUEST_H

#include <stdbool.h>

#include <kith/error.h>

#define FLOW_GUEST_SECONDS 120

struct flow_guest_options {
    const char *kernel;         /* vmlinuz, vmlinux or a package; NULL: one that is found here */
    const char *const *modules; /* of it, to be loaded: names, ended by NULL; or NULL */
    const char *init;           /* kith-flow-guest */
    const char *program;        /* what is recorded: kith-flow-scenario, or a static program */
    const char *scenario;       /* NULL: `program` with `words` behind it */
    char *const *words;         /* ended by NULL */
    const char *accelerator;    /* NULL: "tcg", software emulation */
    bool probes_only;
    unsigned seconds; /* 0: FLOW_GUEST_SECONDS */
};

/* Runs the guest and writes its recording to fd. Errors, with one line that says what to do: -ENOENT (QEMU, a kernel, a program), -ETIME
 * (it took too long), -EIO (it died: the console's last lines), -EPROTO (what it said went wrong). */
int flow_guest_record(const struct flow_guest_options *options, int fd, struct kith_error *ret_error);

#endif
