/* flow/trace/tracefs.c: see tracefs.h. */
#include "flow/trace/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

static const char *const usual_places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

/* "none integrity [confidentiality]" */
static bool is_locked_down(void) {
    char *text = NULL;
    bool locked =
        kith_file_read(AT_FDCWD, "/sys/kernel/security/lockdown", 4096, &text, NULL) == 0 && strstr(text, "[confidentiality]") != NULL;

    free(text);
    return locked;
}

static int explain(const char *path, int r, struct kith_error *error) {
    if (r == -EPERM)
        return kith_error_set(error, r, "%s: the kernel refuses tracing%s", path,
                              is_locked_down() ? ": it is locked down (lockdown=confidentiality)" : "");
    if (r == -EACCES)
        return kith_error_set(error, r, "%s: only root (CAP_SYS_ADMIN) may trace here", path);
    if (r == -ENOENT)
        return kith_error_set(error, r, "%s: no tracefs is mounted there, or the kernel has no ftrace", path);
    return kith_error_set(error, r, "%s: %s", path, kith_error_name(r));
}

/* A kernel in lockdown refuses only some of its files, and not every kernel with tracefs has a function tracer. */
static const char *const needed[] = {"current_tracer", "set_ftrace_filter", "set_event"};

static int try_to_read(int directory, const char *name) {
    char *text = NULL;
    int r = flow_tracefs_read(directory, name, &text, NULL);

    free(text);
    return r;
}

static int try_place(const char *path, int *ret_fd) {
    _cleanup_(kith_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = 0;
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(needed); i++)
        r = try_to_read(fd, needed[i]);
    if (r < 0)
        return r;
    _cleanup_(kith_closep) int writable = openat(fd, "tracing_on", O_WRONLY | O_CLOEXEC);
    if (writable < 0)
        return -errno;
    *ret_fd = KITH_STEAL_FD(fd);
    return 0;
}

int flow_tracefs_open(const char *path, int *ret_fd, struct kith_error *ret_error) {
    int first = 0;

    if (path) {
        int r = try_place(path, ret_fd);
        return r < 0 ? explain(path, r, ret_error) : 0;
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(usual_places); i++) {
        int r = try_place(usual_places[i], ret_fd);
        if (r == 0)
            return 0;
        if (first == 0)
            first = r;
    }
    return explain(usual_places[0], first, ret_error);
}

int flow_tracefs_write(int directory, const char *name, const char *text, bool empty) {
    size_t size = strlen(text);
    _cleanup_(kith_closep) int fd = openat(directory, name, O_WRONLY | O_CLOEXEC | (empty ? O_TRUNC : 0));
    if (fd < 0)
        return -errno;
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        text += n;
        size -= (size_t)n;
    }
    return 0;
}

int flow_tracefs_write_number(int directory, const char *name, unsigned long number) {
    char text[32];

    snprintf(text, sizeof(text), "%lu\n", number);
    return flow_tracefs_write(directory, name, text, false);
}

int flow_tracefs_read(int directory, const char *name, char **ret_text, size_t *ret_size) {
    return kith_file_read(directory, name, FLOW_TRACEFS_FILE_MAX, ret_text, ret_size);
}
