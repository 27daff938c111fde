/* flow/guest/machine.h: QEMU, once. All files are in memory: nothing is left when a process is killed. */
#ifndef KITH_FLOW_MACHINE_H
#define KITH_FLOW_MACHINE_H

#include <stddef.h>

#include <kith/error.h>

struct flow_machine {
    int kernel, file_system, console, results; /* files; QEMU gets them as /dev/fd/N */
};

#define FLOW_MACHINE_NONE ((struct flow_machine){-1, -1, -1, -1})

#define FLOW_MACHINE_EMULATION "tcg"

/* Can this host run a guest in this way? Errors, with text that says what would work: -ENOENT (no QEMU), -EINVAL (no accelerator), those of
 * opening /dev/kvm. */
int flow_machine_check(const char *accelerator, struct kith_error *ret_error);
/* Errors, with text: those of memfd_create(2). */
int flow_machine_init(struct flow_machine *machine, struct kith_error *ret_error);
void flow_machine_deinit(struct flow_machine *machine);

/* Until the guest switches itself off. Errors, with text: -ENOEXEC (QEMU cannot be started), -ETIME, -EINTR (SIGINT or SIGTERM came), -EIO
 * (QEMU failed).
 */
int flow_machine_run(const struct flow_machine *machine, const char *accelerator, unsigned seconds, struct kith_error *ret_error);

/* All of it, to a file. Errors, with text. */
int flow_machine_write(int fd, const void *data, size_t size, struct kith_error *ret_error);

#endif
