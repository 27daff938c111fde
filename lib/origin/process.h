/*
 * origin/process.h: the rest of the process object, for this room: its lookups, and where they come from.
 */
#ifndef KITH_ORIGIN_PROCESS_H
#define KITH_ORIGIN_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "origin/internal.h"
#include "origin/program.h"

/*
 * What the kernel is asked, as a table, so that tests can be the kernel: a process that ends between two questions, or a pid that has a new
 * owner, cannot be had on order. All return negative errno.
 */
struct kith_process_source {
    /* pidfd_open(2). The descriptor is closed with close(2). */
    int (*open_pidfd)(const struct kith_process_source *source, pid_t pid);
    /* 1 while the process of the pidfd runs, 0 when it has ended (a zombie has). */
    int (*alive)(const struct kith_process_source *source, int pidfd);
    /* The number under which /proc shows it: another than in its messages when /proc is of another pid namespace. -ENODATA: gone, or
     * not visible there. */
    int (*locate)(const struct kith_process_source *source, int pidfd, pid_t *ret_pid);
    /* Pid (as this pid namespace sees it) and real ids, in one atomic step. -ENOTTY: this kernel cannot. -ESRCH: gone. */
    int (*credentials)(const struct kith_process_source *source, int pidfd, struct kith_credentials *ret_credentials);
    /* /proc/PID/NAME, NUL-terminated, to free(). */
    int (*read_file)(const struct kith_process_source *source, pid_t pid, const char *name, size_t max, char **ret_text);
    int (*read_link)(const struct kith_process_source *source, pid_t pid, const char *name, char **ret_target);
    /* kith_exe_credible() of the path that the link "exe" said. */
    int (*exe_credible)(const struct kith_process_source *source, pid_t pid, const char *path);
    /* Does CAP_SYS_ADMIN, if it has that in its user namespace, reach its pid namespace? 1, 0, or negative when that is not to be seen. */
    int (*owns_pid_namespace)(const struct kith_process_source *source, pid_t pid);
    /* origin/program.h. The descriptor is closed with close(2). */
    int (*open_memory)(const struct kith_process_source *source, pid_t pid);
    int (*memory_used)(const struct kith_process_source *source, int memory);
    int (*program)(const struct kith_process_source *source, pid_t pid, struct kith_program *ret_program);
};

extern const struct kith_process_source kith_process_source_kernel;

/* kith_process_new() with another source, which has to live as long as the object. */
int kith_process_new_from(const struct kith_process_source *source, pid_t pid, int pidfd, bool exact, struct kith_process **ret_process);

/* kith_origin_of_pid() with another source. */
int kith_origin_of_pid_from(const struct kith_process_source *source, pid_t pid, kith_origin **ret_origin, struct kith_error *ret_error);

/* The facts of a process, looked up once: true and the output when known. Facts: EXE, UNIT, CGROUP, LABEL, CONTAINER, SESSION. */
bool kith_process_text(struct kith_process *process, enum kith_fact fact, const char **ret_text);
/* Was it looked up before? Then kith_process_text() costs nothing. */
bool kith_process_asked(const struct kith_process *process, enum kith_fact fact);
bool kith_process_groups(struct kith_process *process, const gid_t **ret_groups, size_t *ret_count);
/* START_TIME, PID_NAMESPACE, USER_NAMESPACE, MAY_FORGE. */
bool kith_process_has_number(enum kith_fact fact);
bool kith_process_number(struct kith_process *process, enum kith_fact fact, uint64_t *ret_number);

/* Its number in /proc. Errors: -ESRCH (ended), others of the source. */
int kith_process_locate(struct kith_process *process, pid_t *ret_pid);

/* Pid and real ids, asked anew. Errors: -ESRCH (ended), -ENOENT (/proc is not there or hides it), others of the source. */
int kith_process_credentials(struct kith_process *process, struct kith_credentials *ret_credentials);

#endif
