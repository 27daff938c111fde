/* See usage.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench/usage.h"

#define TRACEPOINT "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id"
#define TEXT_MAX 65536

/* Memory is read until it is the same twice, so far apart: an allocator may be giving back what it has no use for. */
#define SETTLE_MS 20
#define SETTLE_TRIES 50

int usage_count_calls(pid_t pid) {
    char *id = NULL;
    int r = kith_file_read(AT_FDCWD, TRACEPOINT, TEXT_MAX, &id, NULL);
    if (r < 0)
        return r;
    struct perf_event_attr counter = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof(counter), .config = strtoull(id, NULL, 10), .inherit = 1};
    free(id);
    long fd = syscall(SYS_perf_event_open, &counter, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
}

/* A line "Name:   123 kB" of a file of the process in /proc. */
static int read_kib(pid_t pid, const char *file, const char *name, double *ret_octets) {
    char path[64], *text = NULL;
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    int r = kith_file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL);
    if (r < 0)
        return r;
    const char *line = strstr(text, name);
    r = line ? 0 : -EIO;
    if (line)
        *ret_octets = strtod(line + strlen(name), NULL) * 1024;
    free(text);
    return r;
}

int usage_memory(pid_t pid, double *ret_octets) {
    double last = -1;
    for (unsigned i = 0; i < SETTLE_TRIES; i++) {
        /* smaps_rollup walks the pages; the counters of `status` are rough by some pages a processor. */
        int r = read_kib(pid, "smaps_rollup", "\nAnonymous:", ret_octets);
        if (r < 0 || *ret_octets == last)
            return r;
        last = *ret_octets;
        poll(NULL, 0, SETTLE_MS);
    }
    return -EIO;
}

int usage_memory_peak(pid_t pid, bool reset, double *ret_octets) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
    if (reset) {
        /* 5: the peak becomes what it is now; proc_pid_clear_refs(5) */
        _cleanup_(kith_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "5", 1) != 1)
            return -errno;
    }
    return read_kib(pid, "status", "\nVmHWM:", ret_octets);
}
