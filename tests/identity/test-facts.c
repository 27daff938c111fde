/*
 * Which fact has which witness: what a peer claims stays a claim, what root states the kernel repeats, and the rest
 * is looked up once.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/actor.h"

static const struct raw_property lies[] = {
    {"Identity", "root"}, {"User-Id", "root"}, {"uid", "0"}, {"Pid", "1"}, {"exe", "/usr/bin/sudo"}, {NULL, NULL},
};

static bool claims(kith_origin *origin, const char *name, const char *value) {
    const char *claimed = NULL;
    const uint8_t *octets = NULL;
    size_t size = 0;
    for (size_t i = 0; kith_origin_claim(origin, i, &claimed, &octets, &size) == 1; i++)
        if (strcasecmp(claimed, name) == 0 && size == strlen(value) && memcmp(octets, value, size) == 0)
            return true;
    return false;
}

static void test_what_a_peer_claims_stays_a_claim(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .claims = lies};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    kith_origin *origin = kith_msg_origin(msg);
    support_assert_frame(msg, 0, "root"); /* the routing id is an address, and that is all it is */
    assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), actor.pid);
    assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    assert_true(claims(origin, "User-Id", "root"));
    assert_true(claims(origin, "Pid", "1"));
    const char *exe = NULL;
    assert_int_not_equal(kith_origin_text(origin, KITH_FACT_EXE, &exe), KITH_WITNESS_NONE);
    assert_string_equal(exe, own_exe());
    actor_end(support, &actor);
}

/* A substring of the JSON form. */
static void __attribute__((format(printf, 2, 3))) assert_json(const char *json, const char *format, ...) {
    char part[256];
    va_list args;
    va_start(args, format);
    vsnprintf(part, sizeof(part), format, args);
    va_end(args);
    if (!strstr(json, part))
        fail_msg("%s is not in %s", part, json);
}

static void test_the_json_form_keeps_facts_and_claims_apart(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .claims = lies};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    char json[8192];
    int size = kith_origin_to_json(kith_msg_origin(msg), json, sizeof(json));
    assert_in_range(size, 2, sizeof(json) - 1);
    const char *claimed = strstr(json, "\"claimed\":{");
    assert_non_null(claimed);
    assert_json(claimed, "\"User-Id\":\"root\"");
    assert_json(claimed, "\"uid\":\"0\"");
    json[claimed - json] = '\0';
    assert_json(json, "\"pid\":%d", actor.pid);
    assert_json(json, "\"uid\":%d", USER_A);
    assert_json(json, "\"pid\":\"kernel-message\"");
    assert_null(strstr(json, "\"root\""));
    assert_null(strstr(json, "sudo"));
    actor_end(support, &actor);
}

/* unix(7): a process with CAP_SYS_ADMIN and CAP_SETUID may state credentials, and the kernel passes them on. No receiver can tell. */
static void test_what_root_states_is_what_the_kernel_says(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .forged_pid = getpid(), .forged_uid = USER_B};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_FORGE, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    assert_int_equal(pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), getpid());
    assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), USER_B);
    actor_end(support, &actor);
}

static void test_others_cannot_state_what_they_are_not(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .forged_pid = 1, .forged_uid = 0};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_FORGE, ACTOR_FORBIDDEN);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    actor_end(support, &actor);
}

/* Where cgroup v2 is mounted, alone or beside v1; false when nowhere. */
static bool find_cgroup2(char mount[static PATH_MAX]) {
    FILE *file = fopen("/proc/self/mounts", "re");
    assert_non_null(file);
    char line[PATH_MAX], kind[64];
    bool found = false;
    while (!found && fgets(line, sizeof(line), file))
        found = sscanf(line, "%*s %4095s %63s", mount, kind) == 2 && strcmp(kind, "cgroup2") == 0;
    fclose(file);
    return found;
}

static void test_the_systemd_unit_is_read_from_the_cgroup(void **state) {
    struct support *support = *state;
    char mount[PATH_MAX], slice[PATH_MAX + 64], unit[PATH_MAX + 128], name[64];
    if (!find_cgroup2(mount))
        skip();
    snprintf(name, sizeof(name), "kith-test-%d.service", getpid());
    snprintf(slice, sizeof(slice), "%s/kith-test-%d.slice", mount, getpid());
    snprintf(unit, sizeof(unit), "%s/%s", slice, name);
    if (mkdir(slice, 0755) < 0 || mkdir(unit, 0755) < 0) {
        print_message("    %s: %s\n", unit, strerror(errno));
        rmdir(slice);
        skip();
    }
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .cgroup = unit};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    const char *cgroup = NULL, *found = NULL;
    assert_int_not_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_CGROUP, &cgroup), KITH_WITNESS_NONE);
    assert_string_equal(cgroup + strlen(cgroup) - strlen(name), name);
    assert_int_not_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_UNIT, &found), KITH_WITNESS_NONE);
    assert_string_equal(found, name);
    actor_end(support, &actor);
    assert_int_equal(rmdir(unit), 0);
    assert_int_equal(rmdir(slice), 0);
}

/* kith_origin_of_pid() is what `kith who PID` shows: the same process, the same facts. */
static void test_looked_up_by_number_a_process_has_the_same_facts(void **state) {
    struct support *support = *state;
    struct actor_role role = {.fd = -1, .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_QUIT + 1, 'x'); /* no such step: when it answers, it has become who it is */
    kith_origin *origin = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    assert_int_equal(kith_origin_of_pid(actor.pid, &origin, &error), 0);
    uid_t uid = 0;
    assert_int_not_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_NONE);
    assert_int_equal(uid, USER_A);
    assert_true(has_group(origin, EXTRA_A));
    pid_t pid = actor.pid;
    actor_end(support, &actor);
    kith_origin_unref(origin);
    assert_int_equal(kith_origin_of_pid(pid, &origin, &error), -ESRCH);
    assert_true(strlen(error.text) > 0);
}

/* Where nobody asks, nothing is looked up: what a client costs does not depend on somebody counting them. */
static void test_that_a_peer_came_is_told_without_looking_it_up(void **state) {
    struct support *support = *state;
    for (int asked = 0; asked <= 1; asked++) {
        kith_socket *server = support_socket(support, KITH_ROUTER);
        support_bind(server, support_ipc(support));
        struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A};
        struct child actor = actor_start(&role);
        actor_step(support, &actor, ACTOR_CONNECT, 0);
        const char *came = support_event(support, server, KITH_EVENT_CONNECTED)->text;
        assert_non_null(strstr(came, "uid 61001"));
        assert_null(strstr(came, "exe"));
        actor_step(support, &actor, ACTOR_SEND, 0);
        kith_msg *msg = heard_from_actor(support, server);
        if (asked)
            assert_int_not_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
        kith_msg_free(msg);
        actor_end(support, &actor);
        const char *went = support_event(support, server, KITH_EVENT_DISCONNECTED)->text;
        assert_int_equal(strstr(went, "exe") != NULL, asked);
        support_socket_free(support, server);
    }
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_what_a_peer_claims_stays_a_claim),
    IDENTITY_TEST(test_the_json_form_keeps_facts_and_claims_apart),
    IDENTITY_TEST(test_what_root_states_is_what_the_kernel_says),
    IDENTITY_TEST(test_others_cannot_state_what_they_are_not),
    IDENTITY_TEST(test_the_systemd_unit_is_read_from_the_cgroup),
    IDENTITY_TEST(test_looked_up_by_number_a_process_has_the_same_facts),
    IDENTITY_TEST(test_that_a_peer_came_is_told_without_looking_it_up),
};

IDENTITY_MAIN(tests)
