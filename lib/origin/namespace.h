/* origin/namespace.h: how far a process's capabilities reach, and which ids mean somebody. Asks the kernel. */
#ifndef KITH_ORIGIN_NAMESPACE_H
#define KITH_ORIGIN_NAMESPACE_H

#include <stdbool.h>
#include <sys/types.h>

/* Does its pid namespace belong to its user namespace, or to one below, so that what it may do there it may do to who it names? 1, 0, or a
 * negative errno when that cannot be seen from here (ptrace(2), PTRACE_MODE_READ_FSCREDS). */
int kith_pid_namespace_owned(pid_t pid);

/* False for an id that stands for those without a mapping in our user namespace: overflowuid and overflowgid (proc_sys_kernel(5)), unless
 * every id has one. Which of them was meant the kernel does not say: it may be nobody, and may be anybody. */
bool kith_uid_certain(uid_t uid);
bool kith_gid_certain(gid_t gid);

#endif
