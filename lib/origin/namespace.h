/* origin/namespace.h: how far a process's capabilities reach. Asks the kernel. */
#ifndef KITH_ORIGIN_NAMESPACE_H
#define KITH_ORIGIN_NAMESPACE_H

#include <sys/types.h>

/* Does its pid namespace belong to its user namespace, or to one below, so that what it may do there it may do to who it names? 1, 0, or a
 * negative errno when that cannot be seen from here (ptrace(2), PTRACE_MODE_READ_FSCREDS). */
int kith_pid_namespace_owned(pid_t pid);

#endif
