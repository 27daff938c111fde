/* origin/procfs.c: see procfs.h. Formats: proc(5), cgroups(7). */
#include "origin/procfs.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The rest of the first line that begins with prefix, or NULL. */
static const char *find_line(const char *text, const char *prefix) {
    size_t length = strlen(prefix);

    while (text) {
        if (strncmp(text, prefix, length) == 0)
            return text + length;
        text = strchr(text, '\n');
        if (text)
            text++;
    }
    return NULL;
}

static size_t line_length(const char *line) {
    return strcspn(line, "\n");
}

/* A decimal number of at most `max`, blanks before it skipped. Unlike strtoull() it takes no sign and crosses no line. */
static bool read_number(const char **text, uint64_t max, uint64_t *ret_number) {
    const char *p = *text + strspn(*text, " \t");
    uint64_t number = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *text = p;
    *ret_number = number;
    return true;
}

static int duplicate(const char *text, size_t length, char **ret_copy) {
    char *copy = strndup(text, length);

    if (!copy)
        return -ENOMEM;
    *ret_copy = copy;
    return 0;
}

/* Lines are HIERARCHY:CONTROLLERS:PATH. */
static const char *find_systemd_path(const char *text) {
    static const char controllers[] = ":name=systemd:";

    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        size_t digits = strspn(line, "0123456789");

        if (strncmp(line + digits, controllers, sizeof(controllers) - 1) == 0)
            return line + digits + sizeof(controllers) - 1;
    }
    return NULL;
}

int kith_procfs_cgroup(const char *text, char **ret_path) {
    const char *unified = find_line(text, "0::");
    const char *systemd = find_systemd_path(text);
    const char *path = unified ? unified : systemd;

    if (unified && systemd && line_length(unified) == 1 && line_length(systemd) > 1)
        path = systemd;
    if (!path || *path != '/')
        return -ENODATA;
    return duplicate(path, line_length(path), ret_path);
}

/* Kinds of units whose processes lie in a cgroup of the unit's name; systemd.unit(5). */
static bool is_unit(const char *name, size_t length) {
    static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(suffixes); i++) {
        size_t suffix = strlen(suffixes[i]);

        if (length > suffix && memcmp(name + length - suffix, suffixes[i], suffix) == 0)
            return true;
    }
    return false;
}

/* Only what the system's manager made is a unit: the first component below the slices at the root. Further in, names are given by whoever
 * the subtree was delegated to (a user's manager, a container), and anybody could be "sshd.service" there. */
int kith_procfs_unit(const char *cgroup, char **ret_unit) {
    static const char slice[] = ".slice";
    const size_t slice_length = sizeof(slice) - 1;

    for (const char *name = cgroup + strspn(cgroup, "/"); *name; name += strspn(name, "/")) {
        size_t length = strcspn(name, "/");

        if (is_unit(name, length))
            return duplicate(name, length, ret_unit);
        if (length <= slice_length || memcmp(name + length - slice_length, slice, slice_length) != 0)
            break;
        name += length;
    }
    return -ENODATA;
}

int kith_procfs_groups(const char *text, gid_t **ret_groups, size_t *ret_count) {
    const char *line = find_line(text, "Groups:");
    const char *p;
    size_t count = 0;
    uint64_t number;
    gid_t *groups = NULL;

    if (!line)
        return -ENODATA;
    for (p = line; read_number(&p, UINT32_MAX, &number);)
        count++;
    if (p[strspn(p, " \t")] != '\n') /* cut, or not what proc(5) says */
        return -ENODATA;
    if (count > 0) {
        groups = malloc(count * sizeof(*groups));
        if (!groups)
            return -ENOMEM;
        p = line;
        for (size_t i = 0; i < count && read_number(&p, UINT32_MAX, &number); i++)
            groups[i] = (gid_t)number;
    }
    *ret_groups = groups;
    *ret_count = count;
    return 0;
}

/* Uid and Gid lines: real, effective, saved, file system. */
int kith_procfs_real_ids(const char *text, uid_t *ret_uid, gid_t *ret_gid) {
    const char *uid_line = find_line(text, "Uid:");
    const char *gid_line = find_line(text, "Gid:");
    uint64_t uid, gid;

    if (!uid_line || !gid_line || !read_number(&uid_line, UINT32_MAX, &uid) || !read_number(&gid_line, UINT32_MAX, &gid))
        return -ENODATA;
    *ret_uid = (uid_t)uid;
    *ret_gid = (gid_t)gid;
    return 0;
}

/* Field 2 is the process's name in parentheses, and may hold blanks and parentheses itself: only the last one ends it. */
int kith_procfs_start_time(const char *text, uint64_t *ret_ticks) {
    const char *p = strrchr(text, ')');
    uint64_t ticks;

    if (!p)
        return -ENODATA;
    p++;
    for (int field = 3; field < 22; field++) {
        p += strspn(p, " ");
        p += strcspn(p, " \n");
    }
    if (!read_number(&p, UINT64_MAX, &ticks))
        return -ENODATA;
    *ret_ticks = ticks;
    return 0;
}

/* "Pid:" is -1 when the process is gone, 0 when this /proc belongs to a pid namespace that does not see it. */
int kith_procfs_pidfd(const char *text, pid_t *ret_pid) {
    const char *line = find_line(text, "Pid:");
    uint64_t pid;

    if (!line || !read_number(&line, INT_MAX, &pid) || pid == 0)
        return -ENODATA;
    *ret_pid = (pid_t)pid;
    return 0;
}
