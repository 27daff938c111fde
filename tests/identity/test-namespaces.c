/*
 * Senders in other namespaces than the server's: a pid that is seen or not, ids with a mapping or without, and root that is root only at
 * home. Each with the whole of what is told of it.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "identity/expected.h"

#define JSON_MAX 8192
#define NO_NAMESPACE ACTOR_NO_NAMESPACE

/* May such namespaces be had? By root, and by a user. */
static bool may_unshare(int flags, uid_t uid) {
    pid_t pid = fork();
    if (pid == 0)
        _exit((uid != 0 && setresuid(uid, uid, uid) < 0) || unshare(flags) < 0);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Senders ---------------------------------------------------------------------------------------------------------------- */

/* Root in a user namespace of his own may become whoever has an id there; as only he has one, he can name nobody else. */
static void test_root_of_his_own_user_namespace_is_who_he_is_here(void **state) {
    struct support *support = *state;
    if (!may_unshare(CLONE_NEWUSER, USER_A))
        skip();
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .user_namespace = true};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    struct body body = body_of(actor.pid), own = body_of(getpid());
    assert_true(body.user_namespace != own.user_namespace);
    json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
    expect_process(expected, &body, own_exe(), false, strongest());
    expect_groups(expected, NULL, 0, strongest());
    assert_origin(kith_msg_origin(msg), expected);
    actor_end(support, &actor);
}

/* Nor can it name others to whom it is nobody: the kernel refuses. */
static void test_root_of_his_own_user_namespace_cannot_forge(void **state) {
    struct support *support = *state;
    if (!may_unshare(CLONE_NEWUSER, USER_A))
        skip();
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {
        .endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .user_namespace = true, .forged_pid = getpid()};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_FORGE, ACTOR_FORBIDDEN);
    actor_end(support, &actor);
}

/* The actor is a child of the child that made the pid namespace. */
static int act_in_pid_namespace(int line, void *userdata) {
    const struct actor_role *role = userdata;
    if (unshare(CLONE_NEWPID) < 0)
        return NO_NAMESPACE;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(actor_act(line, role));
    }
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

static pid_t parent_of(pid_t pid) {
    char path[64], line[256];
    int parent = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (parent < 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, "PPid: %d", &parent) != 1)
            parent = -1;
    fclose(file);
    return parent;
}

/* It calls itself 1; here it has a number like all others. */
static void test_a_sender_in_a_pid_namespace_has_its_number_of_ours(void **state) {
    struct support *support = *state;
    if (!may_unshare(CLONE_NEWPID, 0))
        skip();
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
    struct child actor = child_start(act_in_pid_namespace, &role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    pid_t pid = pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(parent_of(pid), actor.pid);
    struct body body = body_of(pid), own = body_of(getpid());
    assert_true(body.pid_namespace != own.pid_namespace);
    json_t *expected = expected_ids(pid, USER_A, GROUP_A);
    expect_process(expected, &body, own_exe(), false, strongest());
    expect_groups(expected, NULL, 0, strongest());
    assert_origin(kith_msg_origin(msg), expected);
    actor_end(support, &actor);
}

/* Servers ---------------------------------------------------------------------------------------------------------------- */

struct place {
    const char *endpoint;
    int namespace; /* CLONE_NEWPID or CLONE_NEWUSER */
};

/* Serves one message and sends home what it was told of the sender. In a child: no cmocka. */
static int serve_one(int line, const char *endpoint) {
    kith_loop *loop = NULL;
    kith_socket *server = NULL;
    kith_msg *msg = NULL;
    char json[JSON_MAX];
    if (kith_loop_new(&loop) < 0 || kith_socket_new(loop, KITH_ROUTER, &server) < 0 || kith_socket_bind(server, endpoint, NULL) < 0)
        return 10;
    if (line_tell(line, 'b') < 0 || kith_socket_recv(server, &msg, SUPPORT_PATIENCE_MS) < 0)
        return 11;
    int size = kith_origin_to_json(kith_msg_origin(msg), json, sizeof(json));
    if (size < 0 || size >= JSON_MAX || send(line, json, (size_t)size + 1, MSG_NOSIGNAL) != size + 1)
        return 12;
    kith_msg_free(msg);
    kith_socket_free(server);
    kith_loop_free(loop);
    return 0;
}

static bool put_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* Of all users and groups only root has an id in there. */
static int serve_elsewhere(int line, void *userdata) {
    const struct place *place = userdata;
    if (unshare(place->namespace) < 0)
        return NO_NAMESPACE;
    if (place->namespace == CLONE_NEWUSER)
        return put_text("/proc/self/uid_map", "0 0 1") && put_text("/proc/self/setgroups", "deny") &&
                       put_text("/proc/self/gid_map", "0 0 1")
                   ? serve_one(line, place->endpoint)
                   : 13;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(serve_one(line, place->endpoint));
    }
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

/* What the server there was told of an actor out here. */
static void hear_elsewhere(struct place *place, uid_t uid, gid_t gid, char json[static JSON_MAX], struct child *ret_actor) {
    struct child server = child_start(serve_elsewhere, place);
    static struct actor_role role;
    assert_int_equal(child_hear(NULL, &server), 'b');
    role = (struct actor_role){.endpoint = place->endpoint, .uid = uid, .gid = gid, .extra = EXTRA_A};
    *ret_actor = actor_start(&role);
    actor_step(NULL, ret_actor, ACTOR_CONNECT, 0);
    actor_step(NULL, ret_actor, ACTOR_SEND, 0);
    ssize_t size = recv(server.line, json, JSON_MAX, 0);
    assert_in_range(size, 2, JSON_MAX);
    assert_int_equal(json[size - 1], '\0');
    assert_int_equal(child_end(NULL, &server), 0);
}

static void test_a_sender_outside_the_pid_namespace_is_ids_and_no_more(void **state) {
    struct support *support = *state;
    char json[JSON_MAX];
    struct child actor;
    if (!may_unshare(CLONE_NEWPID, 0))
        skip();
    struct place place = {.endpoint = support_abstract(support), .namespace = CLONE_NEWPID};
    hear_elsewhere(&place, USER_A, GROUP_A, json, &actor);
    assert_text(json, expected_ids(0, USER_A, GROUP_A));
    actor_end(support, &actor);
}

/* To the server he is nobody (65534), as is everybody else without an id there: so his ids are unknown, and no rule of nobody's holds. What
 * /proc shows of a stranger is told: not his program, which takes rights over him. */
static void test_ids_without_a_mapping_are_unknown(void **state) {
    struct support *support = *state;
    char json[JSON_MAX];
    struct child actor;
    if (!may_unshare(CLONE_NEWUSER, 0))
        skip();
    struct place place = {.endpoint = support_abstract(support), .namespace = CLONE_NEWUSER};
    hear_elsewhere(&place, USER_A, GROUP_A, json, &actor);
    struct body body = body_of(actor.pid);
    json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
    expect_process(expected, &body, own_exe(), false, strongest());
    expect_groups(expected, NULL, 0, strongest()); /* his is nobody's there */
    forget(expected, "uid");
    forget(expected, "gid");
    forget(expected, "exe");
    forget(expected, "pid_namespace");
    forget(expected, "user_namespace");
    if (strcmp(strongest(), "inferred") == 0) {
        /* Found by its number alone, a process has to have the ids of the message, and these are unknown. */
        json_decref(expected);
        expected = expected_ids(actor.pid, USER_A, GROUP_A);
        forget(expected, "uid");
        forget(expected, "gid");
    }
    assert_text(json, expected);
    actor_end(support, &actor);
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_root_of_his_own_user_namespace_is_who_he_is_here),
    IDENTITY_TEST(test_root_of_his_own_user_namespace_cannot_forge),
    IDENTITY_TEST(test_a_sender_in_a_pid_namespace_has_its_number_of_ours),
    IDENTITY_TEST(test_a_sender_outside_the_pid_namespace_is_ids_and_no_more),
    IDENTITY_TEST(test_ids_without_a_mapping_are_unknown),
};

IDENTITY_MAIN(tests)
