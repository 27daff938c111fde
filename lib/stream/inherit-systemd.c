/*
 * Sockets that systemd passed: sd_listen_fds(3), without libsystemd.
 *
 * They are descriptors 3 and up, LISTEN_FDS of them, for the process LISTEN_PID alone: a child that inherited the variables must not think
 * that they are its own. LISTEN_FDNAMES has a name each, with colons between; without it all are called "unknown", as systemd has it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "stream/inherit.h"
#include "stream/listen.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

KITH_DEFINE_CLEANUP(kith_inherited *, kith_inherited_free)

/* A decimal number from min to max and nothing else. */
static int parse(const char *variable, const char *text, int min, int max, int *ret_number, struct kith_error *ret_error) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || number < min || number > max)
        return kith_error_set(ret_error, -EINVAL, "%s=%s: not a number from %d to %d", variable, text, min, max);
    *ret_number = (int)number;
    return 0;
}

/* Cuts the next name off; NULL when there is none left. */
static const char *next_name(const char **names, char name[static KITH_INHERITED_NAME_MAX + 1], struct kith_error *ret_error) {
    if (!*names) {
        kith_error_set(ret_error, -EINVAL, "LISTEN_FDNAMES has fewer names than LISTEN_FDS has sockets");
        return NULL;
    }
    size_t size = strcspn(*names, ":");
    if (size > KITH_INHERITED_NAME_MAX) {
        kith_error_set(ret_error, -EINVAL, "LISTEN_FDNAMES has a name of more than %d octets", KITH_INHERITED_NAME_MAX);
        return NULL;
    }
    memcpy(name, *names, size);
    name[size] = '\0';
    *names = (*names)[size] == ':' ? *names + size + 1 : NULL;
    return name;
}

static int adopt(kith_inherited *inherited, int count, struct kith_error *ret_error) {
    const char *names = getenv("LISTEN_FDNAMES");
    bool named = names;
    char text[KITH_INHERITED_NAME_MAX + 1];
    for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
        const char *name = named ? next_name(&names, text, ret_error) : "unknown";
        if (!name)
            return -EINVAL;
        int r = kith_inherited_add(inherited, name, fd, ret_error);
        if (r < 0)
            return r;
    }
    return names && named ? kith_error_set(ret_error, -EINVAL, "LISTEN_FDNAMES has more names than LISTEN_FDS has sockets") : 0;
}

/* All or none: what was adopted before something turned out wrong is the caller's again. */
static void give_back(kith_inherited *inherited) {
    while (kith_inherited_count(inherited) > 0)
        (void)kith_inherited_take(inherited, kith_inherited_name(inherited, 0));
}

static int read_environment(kith_inherited *inherited, struct kith_error *ret_error) {
    const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
    int pid, count;
    if (!pid_text || !count_text)
        return 0;
    int r = parse("LISTEN_PID", pid_text, 1, INT_MAX, &pid, ret_error);
    if (r < 0 || pid != (int)getpid())
        return r;
    r = parse("LISTEN_FDS", count_text, 1, INT_MAX - FIRST_FD, &count, ret_error);
    if (r < 0)
        return r;
    /* Whatever they turn out to be, no child process gets them. */
    for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++) {
        if (kith_fd_set_cloexec(fd) < 0)
            return kith_error_set(ret_error, -EBADF, "LISTEN_FDS=%d: descriptor %d is not open", count, fd);
    }
    r = adopt(inherited, count, ret_error);
    if (r < 0)
        give_back(inherited);
    return r;
}

int kith_inherited_new_systemd(bool unset_environment, kith_inherited **ret_inherited, struct kith_error *ret_error) {
    if (!ret_inherited)
        return kith_error_set(ret_error, -EINVAL, "there is no place for the sockets");
    _cleanup_(kith_inherited_freep) kith_inherited *inherited = NULL;
    int r = kith_inherited_new(&inherited);
    r = r < 0 ? kith_error_set(ret_error, r, "out of memory") : read_environment(inherited, ret_error);
    if (unset_environment) {
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_FDNAMES");
    }
    if (r < 0)
        return r;
    *ret_inherited = KITH_STEAL(inherited);
    return 0;
}
