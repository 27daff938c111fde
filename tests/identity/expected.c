#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity/expected.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static uint64_t inode_of(pid_t pid, const char *name) {
    char path[64];
    struct stat file;
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
    assert_int_equal(stat(path, &file), 0);
    return file.st_ino;
}

struct body body_of(pid_t pid) {
    char path[64], line[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    /* The name in parentheses is field 2; the state behind it field 3. */
    const char *field = strrchr(line, ')');
    for (int i = 2; i < 22; i++) {
        assert_non_null(field);
        field = strchr(field + 1, ' ');
    }
    assert_non_null(field);
    return (struct body){
        .start_time = strtoull(field, NULL, 10), .pid_namespace = inode_of(pid, "pid"), .user_namespace = inode_of(pid, "user")};
}

const char *strongest(void) {
    int pair[2], pidfd = -1;
    socklen_t size = sizeof(pidfd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    bool has = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0;
    if (has)
        close(pidfd);
    close(pair[0]);
    close(pair[1]);
    return has ? "kernel-connect" : "inferred";
}

static void expect(json_t *origin, const char *name, json_t *value, const char *witness) {
    assert_int_equal(json_object_set_new(origin, name, value), 0);
    assert_int_equal(json_object_set_new(json_object_get(origin, "witness"), name, json_string(witness)), 0);
}

void expect_number(json_t *origin, const char *name, uint64_t value, const char *witness) {
    expect(origin, name, json_integer((json_int_t)value), witness);
}

void expect_text(json_t *origin, const char *name, const char *value, const char *witness) {
    expect(origin, name, json_string(value), witness);
}

void expect_true(json_t *origin, const char *name) {
    assert_int_equal(json_object_set_new(origin, name, json_true()), 0);
}

void forget(json_t *origin, const char *name) {
    assert_int_equal(json_object_del(origin, name), 0);
    assert_int_equal(json_object_del(json_object_get(origin, "witness"), name), 0);
}

json_t *expected_ids(pid_t pid, uid_t uid, gid_t gid) {
    json_t *origin = json_pack("{s:{}}", "witness");
    assert_non_null(origin);
    if (pid != 0)
        expect_number(origin, "pid", (uint64_t)pid, "kernel-message");
    expect_number(origin, "uid", uid, "kernel-message");
    expect_number(origin, "gid", gid, "kernel-message");
    return origin;
}

/* Of this process, by kith: what it says of a message is told the same way, and that is proved elsewhere. */
static json_t *own_origin(void) {
    char text[8192];
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_of_pid(getpid(), &origin, NULL), 0);
    assert_in_range(kith_origin_to_json(origin, text, sizeof(text)), 2, sizeof(text) - 1);
    kith_origin_unref(origin);
    json_t *own = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(own);
    return own;
}

void expect_groups(json_t *origin, const gid_t *groups, size_t count, const char *witness) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        assert_int_equal(json_array_append_new(list, json_integer(groups[i])), 0);
    expect(origin, "groups", list, witness);
}

void expect_process(json_t *origin, const struct body *body, const char *exe, bool may_forge, const char *witness) {
    static const char *const places[] = {"cgroup", "unit", "container", "session", "label"};
    json_t *own = own_origin();
    for (size_t i = 0; i < KITH_ARRAY_SIZE(places); i++)
        if (json_object_get(own, places[i]))
            expect(origin, places[i], json_incref(json_object_get(own, places[i])), witness);
    json_decref(own);
    expect_text(origin, "exe", exe, witness);
    expect_number(origin, "start_time", body->start_time, witness);
    expect_number(origin, "pid_namespace", body->pid_namespace, witness);
    expect_number(origin, "user_namespace", body->user_namespace, witness);
    expect(origin, "may_forge", json_boolean(may_forge), witness);
}

bool we_may_forge(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    return (data[0].permitted & (1u << CAP_SYS_ADMIN | 1u << CAP_SETUID | 1u << CAP_SETGID)) != 0;
}

void assert_text_at(const char *json, json_t *expected, const char *file, int line) {
    json_t *got = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    bool equal = got && json_equal(got, expected);
    if (!equal) {
        char *wanted = json_dumps(expected, JSON_SORT_KEYS), *had = json_dumps(got, JSON_SORT_KEYS);
        print_error("told:     %s\nexpected: %s\n", had ? had : json, wanted);
        free(wanted);
        free(had);
    }
    json_decref(got);
    json_decref(expected);
    _assert_true(equal, "the origin is as expected", file, line);
}

void assert_origin_at(kith_origin *origin, json_t *expected, const char *file, int line) {
    char text[8192];
    int size = kith_origin_to_json(origin, text, sizeof(text));
    _assert_in_range((uintmax_t)size, 2, sizeof(text) - 1, file, line);
    assert_text_at(text, expected, file, line);
}
