/*
 * origin/fake-source.h: for unit tests: a kernel made to order: a process that ends between two questions, a pid with a new owner, files
 * that cannot be read. Not part of the library.
 */
#ifndef KITH_ORIGIN_FAKE_SOURCE_H
#define KITH_ORIGIN_FAKE_SOURCE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "origin/process.h"

struct fake {
    struct kith_process_source source;
    int open_error; /* of open_pidfd, or 0 */
    int questions;  /* "alive?" answered with yes; then it has ended; below 0: it never ends */
    pid_t located;  /* its number in /proc, or a negative errno */
    bool unguarded; /* something was read since it last was alive */
    int read_error; /* of the files and the link, or 0 */
    size_t reads;   /* how often they were asked for */
    bool atomic;    /* has PIDFD_GET_INFO */
    struct kith_credentials credentials;
    int exe_credible;                             /* 1, 0 or a negative errno */
    int memory_error, memory_used, program_error; /* of its memory and its program: 0, or a negative errno; 1, or 0 */
    struct kith_program program;
    size_t program_reads;
    int owns_pid_namespace; /* 1, 0 or a negative errno */
    const char *exe, *cgroup, *status, *stat, *label, *uid_map, *gid_map, *pid_namespace,
        *user_namespace; /* what /proc/LOCATED shows, whoever that is by then; NULL: -ENOENT */
};

static inline struct fake *fake_of(const struct kith_process_source *source) {
    return KITH_CONTAINER_OF(source, struct fake, source);
}

static int fake_open_pidfd(const struct kith_process_source *source, pid_t pid) {
    return fake_of(source)->open_error < 0 ? fake_of(source)->open_error : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int fake_alive(const struct kith_process_source *source, int pidfd) {
    struct fake *fake = fake_of(source);

    if (fake->questions > 0)
        fake->questions--;
    else if (fake->questions == 0)
        return 0;
    fake->unguarded = false;
    return 1;
}

static int fake_locate(const struct kith_process_source *source, int pidfd, pid_t *ret_pid) {
    if (fake_of(source)->located < 0)
        return fake_of(source)->located;
    *ret_pid = fake_of(source)->located;
    return 0;
}

static int fake_credentials(const struct kith_process_source *source, int pidfd, struct kith_credentials *ret_credentials) {
    if (!fake_of(source)->atomic)
        return -ENOTTY;
    *ret_credentials = fake_of(source)->credentials;
    return 0;
}

static int fake_answer(struct fake *fake, pid_t pid, const char *text, char **ret_text) {
    fake->reads++;
    fake->unguarded = true;
    if (fake->read_error < 0)
        return fake->read_error;
    if (!text || pid != fake->located)
        return -ENOENT;
    *ret_text = strdup(text);
    return *ret_text ? 0 : -ENOMEM;
}

static int fake_read_file(const struct kith_process_source *source, pid_t pid, const char *name, size_t max, char **ret_text) {
    struct fake *fake = fake_of(source);
    const char *text = strcmp(name, "cgroup") == 0         ? fake->cgroup
                       : strcmp(name, "status") == 0       ? fake->status
                       : strcmp(name, "stat") == 0         ? fake->stat
                       : strcmp(name, "attr/current") == 0 ? fake->label
                       : strcmp(name, "uid_map") == 0      ? fake->uid_map
                       : strcmp(name, "gid_map") == 0      ? fake->gid_map
                                                           : NULL;

    return fake_answer(fake, pid, text, ret_text);
}

static int fake_read_link(const struct kith_process_source *source, pid_t pid, const char *name, char **ret_target) {
    struct fake *fake = fake_of(source);
    const char *target = strcmp(name, "exe") == 0       ? fake->exe
                         : strcmp(name, "ns/pid") == 0  ? fake->pid_namespace
                         : strcmp(name, "ns/user") == 0 ? fake->user_namespace
                                                        : NULL;

    return fake_answer(fake, pid, target, ret_target);
}

static int fake_exe_credible(const struct kith_process_source *source, pid_t pid, const char *path) {
    struct fake *fake = fake_of(source);

    fake->unguarded = true;
    return fake->exe && pid == fake->located && strcmp(path, fake->exe) == 0 ? fake->exe_credible : -ENOENT;
}

static int fake_owns_pid_namespace(const struct kith_process_source *source, pid_t pid) {
    struct fake *fake = fake_of(source);

    fake->unguarded = true;
    return pid == fake->located ? fake->owns_pid_namespace : -ENOENT;
}

static int fake_open_memory(const struct kith_process_source *source, pid_t pid) {
    struct fake *fake = fake_of(source);

    if (fake->memory_error < 0)
        return fake->memory_error;
    return pid == fake->located ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -ENOENT;
}

static int fake_memory_used(const struct kith_process_source *source, int memory) {
    return fake_of(source)->memory_used;
}

static int fake_program(const struct kith_process_source *source, pid_t pid, struct kith_program *ret_program) {
    struct fake *fake = fake_of(source);

    fake->program_reads++;
    if (fake->program_error < 0 || pid != fake->located)
        return fake->program_error < 0 ? fake->program_error : -ENOENT;
    *ret_program = fake->program;
    return 0;
}

/* Process 812, a well-known service, alive for ever. */
static inline struct fake fake_init(void) {
    return (struct fake){
        .source = {fake_open_pidfd, fake_alive, fake_locate, fake_credentials, fake_read_file, fake_read_link, fake_exe_credible,
                   fake_owns_pid_namespace, fake_open_memory, fake_memory_used, fake_program},
        .questions = -1,
        .located = 812,
        .atomic = true,
        .credentials = {.pid = 812, .uid = 1000, .gid = 100},
        .exe_credible = 1,
        .memory_used = 1,
        .program = {.device = 1, .inode = 4711},
        .exe = "/usr/sbin/nginx",
        .cgroup = "0::/system.slice/nginx.service\n",
        .status = "Name:\tnginx\nUid:\t1000\t0\t0\t0\nGid:\t100\t0\t0\t0\nGroups:\t4 27 \nCapPrm:\t0000000000000000\n",
        .stat = "812 (nginx) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n",
        .label = "unconfined\n",
        .uid_map = "         0          0 4294967295\n",
        .gid_map = "         0          0 4294967295\n",
        .pid_namespace = "pid:[4026531836]",
        .user_namespace = "user:[4026531837]",
    };
}

#endif
