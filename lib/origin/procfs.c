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

static bool has_prefix(const char *name, size_t length, const char *prefix) {
    return length > strlen(prefix) && memcmp(name, prefix, strlen(prefix)) == 0;
}

/* A container's id: 64 hexadecimal digits, small. */
static bool is_id(const char *name, size_t length) {
    return length == 64 && strspn(name, "0123456789abcdef") >= length;
}

/* A scope or a service that a runtime had the system's manager make, or its name at the root. */
static int container_of_unit(const char *name, size_t length, char **ret_container) {
    static const struct {
        const char *prefix, *suffix;
        bool id;
    } forms[] = {
        {"docker-", ".scope", true},         {"libpod-", ".scope", true},  {"crio-", ".scope", true},
        {"cri-containerd-", ".scope", true}, {"nerdctl-", ".scope", true}, {"systemd-nspawn@", ".service", false},
        {"machine-", ".scope", false},       {"lxc.payload.", "", false},  {"libpod-", "", true},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(forms); i++) {
        size_t before = strlen(forms[i].prefix), after = strlen(forms[i].suffix);

        if (!has_prefix(name, length, forms[i].prefix) || length <= before + after ||
            memcmp(name + length - after, forms[i].suffix, after) != 0)
            continue;
        if (!forms[i].id || is_id(name + before, length - before - after))
            return duplicate(name + before, length - before - after, ret_container);
    }
    return -ENODATA;
}

/* Of runtimes that make their cgroups themselves: /docker/ID, /lxc/NAME, /kubepods/besteffort/podUID/ID, /libpod_parent/libpod-ID. */
static int container_at_root(const char *cgroup, char **ret_container) {
    static const struct {
        const char *folder;
        int depth; /* at most, of the component that is the container */
        bool id;
    } folders[] = {{"/docker/", 1, true}, {"/kubepods/", 3, true}, {"/lxc/", 1, false}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(folders); i++) {
        if (strncmp(cgroup, folders[i].folder, strlen(folders[i].folder)) != 0)
            continue;
        const char *name = cgroup + strlen(folders[i].folder);
        for (int depth = 0; depth < folders[i].depth && *name; depth++) {
            size_t length = strcspn(name, "/");

            if (length > 0 && (!folders[i].id || is_id(name, length)))
                return duplicate(name, length, ret_container);
            name += length + (name[length] == '/');
        }
    }
    return -ENODATA;
}

int kith_procfs_container(const char *cgroup, char **ret_container) {
    static const char podman[] = "/libpod_parent/";
    char *unit = NULL;
    int r = kith_procfs_unit(cgroup, &unit);

    if (r >= 0)
        r = container_of_unit(unit, strlen(unit), ret_container);
    else if (r == -ENODATA && strncmp(cgroup, podman, sizeof(podman) - 1) == 0)
        r = container_of_unit(cgroup + sizeof(podman) - 1, strcspn(cgroup + sizeof(podman) - 1, "/"), ret_container);
    else if (r == -ENODATA && strncmp(cgroup, "/lxc.payload.", sizeof("/lxc.payload.") - 1) == 0)
        r = container_of_unit(cgroup + 1, strcspn(cgroup + 1, "/"), ret_container);
    else if (r == -ENODATA)
        r = container_at_root(cgroup, ret_container);
    free(unit);
    return r;
}

int kith_procfs_session(const char *cgroup, char **ret_session) {
    static const char users[] = "/user.slice/user-", prefix[] = "session-", suffix[] = ".scope";
    const size_t around = sizeof(prefix) - 1 + sizeof(suffix) - 1;
    const char *scope;

    if (strncmp(cgroup, users, sizeof(users) - 1) != 0)
        return -ENODATA;
    scope = strchr(cgroup + sizeof(users) - 1, '/');
    if (!scope)
        return -ENODATA;
    scope++;
    size_t length = strcspn(scope, "/");
    if (length <= around || memcmp(scope, prefix, sizeof(prefix) - 1) != 0 ||
        memcmp(scope + length - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) != 0)
        return -ENODATA;
    return duplicate(scope + sizeof(prefix) - 1, length - around, ret_session);
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

int kith_procfs_namespace(const char *target, uint64_t *ret_inode) {
    const char *p = strchr(target, '[');
    uint64_t inode;

    if (!p)
        return -ENODATA;
    p++;
    if (!read_number(&p, UINT32_MAX, &inode) || strcmp(p, "]") != 0)
        return -ENODATA;
    *ret_inode = inode;
    return 0;
}

int kith_procfs_permitted(const char *text, uint64_t *ret_permitted) {
    const char *p = find_line(text, "CapPrm:");
    uint64_t permitted = 0;

    if (!p)
        return -ENODATA;
    p += strspn(p, " \t");
    size_t digits = strspn(p, "0123456789abcdef");
    if (digits == 0 || digits > 16 || p[digits] != '\n')
        return -ENODATA;
    for (size_t i = 0; i < digits; i++)
        permitted = permitted << 4 | (uint64_t)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
    *ret_permitted = permitted;
    return 0;
}

/* Lines are FIRST FIRST_OUTSIDE COUNT. */
int kith_procfs_map_size(const char *text, uint64_t *ret_count) {
    uint64_t count = 0, number;

    for (const char *p = text; *p; p++) {
        for (int column = 0; column < 3; column++)
            if (!read_number(&p, UINT32_MAX, &number))
                return -ENODATA;
        if (*p != '\n')
            return -ENODATA;
        count += number;
    }
    *ret_count = count;
    return 0;
}

int kith_procfs_number(const char *text, uint64_t *ret_number) {
    uint64_t number;

    if (!read_number(&text, UINT32_MAX, &number) || text[strspn(text, "\n")] != '\0')
        return -ENODATA;
    *ret_number = number;
    return 0;
}
