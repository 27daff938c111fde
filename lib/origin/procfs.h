/*
 * origin/procfs.h: what files of /proc say, from their text. No I/O.
 *
 * The text is the kernel's, but parts of it are chosen by the process it describes (its name, its cgroup's name), and a file may be
 * cut short: nothing in it is relied on. Each returns 0, -ENODATA when the text does not say, -ENOMEM.
 */
#ifndef KITH_ORIGIN_PROCFS_H
#define KITH_ORIGIN_PROCFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/cgroup: the path in the unified hierarchy (cgroup v2), or systemd's own (v1): where both are there (hybrid), systemd's if the
 * unified one is "/" and it is not. */
int kith_procfs_cgroup(const char *text, char **ret_path);

/* The systemd unit that a cgroup path lies in, as the system's manager knows it (slices hold units, not processes). Escapes (\x2d) stay. */
int kith_procfs_unit(const char *cgroup, char **ret_unit);

/* The container that a cgroup path lies in, as a runtime of root's named it: below the slices at the root, or at the root. Docker's,
 * podman's, CRI-O's and containerd's 64 hexadecimal digits, LXC's and a machine's names (escapes stay). Monitors (conmon, lxc.monitor) are
 * not in it. */
int kith_procfs_container(const char *cgroup, char **ret_container);

/* The logind session of a cgroup path: "3" of /user.slice/user-1000.slice/session-3.scope. */
int kith_procfs_session(const char *cgroup, char **ret_session);

/* The target of /proc/PID/ns/NAME, "pid:[4026531836]". */
int kith_procfs_namespace(const char *target, uint64_t *ret_inode);

/* /proc/PID/status: the permitted capabilities, a bit each. */
int kith_procfs_permitted(const char *text, uint64_t *ret_permitted);

/* A file that is one number, of 32 bits. */
int kith_procfs_number(const char *text, uint64_t *ret_number);

/* /proc/PID/uid_map, gid_map: how many ids it maps; none when it is empty. */
int kith_procfs_map_size(const char *text, uint64_t *ret_count);

/* /proc/PID/status: supplementary groups (*ret_groups is NULL when there are none), and the real ids. */
int kith_procfs_groups(const char *text, gid_t **ret_groups, size_t *ret_count);
int kith_procfs_real_ids(const char *text, uid_t *ret_uid, gid_t *ret_gid);

/* /proc/PID/stat, field 22: clock ticks since boot. */
int kith_procfs_start_time(const char *text, uint64_t *ret_ticks);

/* /proc/self/fdinfo/N of a pidfd: the number under which this /proc shows the process; -ENODATA when the process is gone (reaped) or not
 * visible there. */
int kith_procfs_pidfd(const char *text, pid_t *ret_pid);

#endif
