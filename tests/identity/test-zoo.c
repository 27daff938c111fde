/*
 * A zoo of senders: each kind of process that a server may meet, and the whole of what its messages are told to come from, compared with
 * what this test knows of it: nothing that is not so, nothing more than can be known. docs/threat-model.md names these tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/testing-inet-diag.h"
#include "identity/expected.h"

static kith_socket *server_new(struct support *support) {
    kith_socket *server = support_socket(support, KITH_ROUTER);
    support_set(server, KITH_OPTION_EXEC_CHECK, 0);
    support_bind(server, support_ipc(support));
    return server;
}

static kith_msg *next_of(struct support *support, kith_socket *server, struct child *actor) {
    actor_step(support, actor, ACTOR_SEND, 0);
    return heard_from_actor(support, server);
}

/* Users ---------------------------------------------------------------------------------------------------------------- */

static void test_three_users(void **state) {
    struct support *support = *state;
    kith_socket *server = server_new(support);
    const struct actor_role roles[] = {
        {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A},
        {.endpoint = kith_socket_last_endpoint(server), .uid = USER_B, .gid = GROUP_B},
        {.endpoint = kith_socket_last_endpoint(server)}, /* stays root */
    };
    gid_t own_groups[64];
    int own_count = getgroups(64, own_groups);
    assert_in_range(own_count, 0, 64);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(roles); i++) {
        struct child actor = actor_start(&roles[i]);
        actor_step(support, &actor, ACTOR_CONNECT, 0);
        _cleanup_(kith_msg_freep) kith_msg *msg = next_of(support, server, &actor);
        struct body body = body_of(actor.pid);
        json_t *expected = expected_ids(actor.pid, roles[i].uid, roles[i].gid);
        bool root = roles[i].uid == 0;
        expect_process(expected, &body, own_exe(), root && we_may_forge(), strongest());
        expect_groups(expected, root ? own_groups : &roles[i].extra, root ? (size_t)own_count : roles[i].extra != 0, strongest());
        assert_origin(kith_msg_origin(msg), expected);
        actor_end(support, &actor);
    }
}

/* The user who ran it is named, and the program: who owns it is not who wrote, but gave it his rights. */
static void setuid_program(struct support *support, uid_t owner, bool may_forge) {
    char name[32];
    snprintf(name, sizeof(name), "setuid-%u", (unsigned)owner);
    const char *program = program_copy(support, name, owner, 0, 04755);
    kith_socket *server = server_new(support);
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .program = program};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_EXEC, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = next_of(support, server, &actor);
    struct body body = body_of(actor.pid);
    json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
    expect_process(expected, &body, program, may_forge, strongest());
    expect_groups(expected, NULL, 0, strongest());
    assert_origin(kith_msg_origin(msg), expected);
    actor_end(support, &actor);
    assert_int_equal(unlink(program), 0);
}

static void test_a_setuid_program(void **state) {
    setuid_program(*state, USER_B, false);
    setuid_program(*state, 0, we_may_forge());
}

/* Connections of several processes ------------------------------------------------------------------------------------- */

/* The first message of a writer that did not connect comes without a pidfd: what is found under its number is inferred. */
static void test_a_child_on_an_inherited_connection(void **state) {
    struct support *support = *state;
    struct shared shared = shared_new(support);
    struct actor_role role = {.fd = shared.raw.fd, .uid = USER_A, .gid = GROUP_A};
    struct child actor = actor_start(&role);
    for (int i = 0; i < 2; i++) {
        const char *witness = i == 0 ? "inferred" : strongest();
        _cleanup_(kith_msg_freep) kith_msg *msg = next_of(support, shared.server, &actor);
        struct body body = body_of(actor.pid);
        json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
        expect_number(expected, "connector", (uint64_t)getpid(), "kernel-connect");
        expect_process(expected, &body, own_exe(), false, witness);
        expect_groups(expected, NULL, 0, witness);
        assert_origin(kith_msg_origin(msg), expected);
    }
    actor_end(support, &actor);
    raw_close(&shared.raw);
}

/* A frame that two of them wrote has no sender: it is refused, and both are named. */
static void test_two_writers_that_interleave(void **state) {
    struct support *support = *state;
    char both[64];
    struct shared shared = shared_new(support);
    struct actor_role role_a = {.fd = shared.raw.fd, .uid = USER_A}, role_b = {.fd = shared.raw.fd, .uid = USER_B};
    struct child a = actor_start(&role_a), b = actor_start(&role_b);
    kith_msg_free(next_of(support, shared.server, &a));
    actor_step(support, &a, ACTOR_FIRST_HALF, 0);
    actor_step(support, &b, ACTOR_SECOND_HALF, 0);
    const struct support_event *event = support_event(support, shared.server, KITH_EVENT_SPLIT_MESSAGE);
    snprintf(both, sizeof(both), "pid %d", a.pid);
    assert_non_null(strstr(event->text, both));
    snprintf(both, sizeof(both), "pid %d", b.pid);
    assert_non_null(strstr(event->text, both));
    assert_int_equal(raw_until_closed(&shared.raw), 0);
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(shared.server, &nothing, 0), -EAGAIN);
    actor_end(support, &a);
    actor_end(support, &b);
    raw_close(&shared.raw);
}

/* Ends and successors --------------------------------------------------------------------------------------------------- */

static void test_a_sender_dead_before_the_read(void **state) {
    struct support *support = *state;
    static const enum actor_step lives[] = {ACTOR_CONNECT, ACTOR_RUSH}; /* known when it lived, and never seen alive */
    for (size_t i = 0; i < KITH_ARRAY_SIZE(lives); i++) {
        kith_socket *server = server_new(support);
        struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
        struct child actor = actor_start(&role);
        json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
        expect_true(expected, "ended");
        actor_step(lives[i] == ACTOR_CONNECT ? support : NULL, &actor, lives[i], 0);
        if (lives[i] == ACTOR_CONNECT)
            actor_step(NULL, &actor, ACTOR_SEND, 0);
        actor_end(NULL, &actor);
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
        assert_origin(kith_msg_origin(msg), expected);
    }
}

/* Facts that were looked up stay those of the sender; that it has ended is added. */
static void test_a_sender_that_ends_after_it_was_looked_at(void **state) {
    struct support *support = *state;
    kith_socket *server = server_new(support);
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = next_of(support, server, &actor);
    struct body body = body_of(actor.pid);
    json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
    expect_process(expected, &body, own_exe(), false, strongest());
    expect_groups(expected, NULL, 0, strongest());
    assert_origin(kith_msg_origin(msg), json_incref(expected));
    actor_end(support, &actor);
    expect_true(expected, "ended");
    assert_origin(kith_msg_origin(msg), expected);
}

/* Both wrote and the first is gone when the server looks for the first time: one number, two senders. Where the kernel gives no pidfd of
 * who connected, it is not even certain that the first has ended: the one who has the number now lives, and may have had other ids. */
static void test_a_recycled_pid(void **state) {
    struct support *support = *state;
    kith_socket *server = server_new(support);
    struct actor_role first_role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
    struct actor_role second_role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_B, .gid = GROUP_B};
    struct child first = actor_start(&first_role), second;
    pid_t pid = first.pid;
    actor_step(NULL, &first, ACTOR_RUSH, 0);
    actor_end(NULL, &first);
    if (!actor_start_as(pid, &second_role, &second))
        skip();
    actor_step(NULL, &second, ACTOR_RUSH, 0);
    struct body body = body_of(pid);
    for (int i = 0; i < 2; i++) {
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
        uid_t uid = uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE);
        json_t *expected = expected_ids(pid, uid, uid == USER_A ? GROUP_A : GROUP_B);
        if (uid == USER_B) {
            expect_process(expected, &body, own_exe(), false, strongest());
            expect_groups(expected, NULL, 0, strongest());
        } else if (strcmp(strongest(), "inferred") != 0) {
            expect_true(expected, "ended");
        }
        assert_origin(kith_msg_origin(msg), expected);
    }
    actor_end(support, &second);
}

/* Other programs --------------------------------------------------------------------------------------------------------- */

/* What was told of the message before stays, and says that it is of another program now; what comes next is of the new one. The same
 * program, executed again, is another one as well: it may have been given other arguments. */
static void exec_after_send(struct support *support, const char *program, bool inherited) {
    struct shared shared = inherited ? shared_new_checking(support, 0) : (struct shared){.raw = {.fd = -1}};
    kith_socket *server = inherited ? shared.server : server_new(support);
    struct actor_role role = {.endpoint = inherited ? NULL : kith_socket_last_endpoint(server),
                              .fd = shared.raw.fd,
                              .uid = USER_A,
                              .gid = GROUP_A,
                              .program = program};
    struct child actor = actor_start(&role);
    if (!inherited)
        actor_step(support, &actor, ACTOR_CONNECT, 0);
    _cleanup_(kith_msg_freep) kith_msg *before = next_of(support, server, &actor);
    struct body body = body_of(actor.pid);
    const char *witness = inherited ? "inferred" : strongest();
    json_t *expected[2];
    for (int i = 0; i < 2; i++) {
        expected[i] = expected_ids(actor.pid, USER_A, GROUP_A);
        if (inherited)
            expect_number(expected[i], "connector", (uint64_t)getpid(), "kernel-connect");
        expect_process(expected[i], &body, i == 0 ? own_exe() : program, false, i == 0 ? witness : strongest());
        expect_groups(expected[i], NULL, 0, i == 0 ? witness : strongest());
    }
    assert_origin(kith_msg_origin(before), json_incref(expected[0]));
    actor_step(support, &actor, ACTOR_EXEC, 0);
    _cleanup_(kith_msg_freep) kith_msg *after = next_of(support, server, &actor);
    assert_origin(kith_msg_origin(after), expected[1]);
    expect_true(expected[0], "execed");
    assert_origin(kith_msg_origin(before), expected[0]);
    actor_end(support, &actor);
    if (inherited)
        raw_close(&shared.raw);
}

static void test_an_exec_after_a_message(void **state) {
    struct support *support = *state;
    const char *other = program_copy(support, "other", 0, 0, 0755);
    exec_after_send(support, other, false);
    exec_after_send(support, own_exe(), false);
    assert_int_equal(unlink(other), 0);
}

static void test_an_exec_of_a_writer_that_did_not_connect(void **state) {
    struct support *support = *state;
    const char *other = program_copy(support, "other", 0, 0, 0755);
    exec_after_send(support, other, true);
    assert_int_equal(unlink(other), 0);
}

/* What cannot be known: the message is of the program before, and is told to be of the one that is there when it is looked at. */
static void test_an_exec_between_sending_and_looking_leaves_no_trace(void **state) {
    struct support *support = *state;
    const char *program = program_copy(support, "later", 0, 0, 0755);
    kith_socket *server = server_new(support);
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .program = program};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(NULL, &actor, ACTOR_SEND, 0);
    actor_step(NULL, &actor, ACTOR_EXEC, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    struct body body = body_of(actor.pid);
    json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
    expect_process(expected, &body, program, false, strongest());
    expect_groups(expected, NULL, 0, strongest());
    assert_origin(kith_msg_origin(msg), expected);
    actor_end(support, &actor);
    assert_int_equal(unlink(program), 0);
}

/* A verdict on a program does not hold for the next one. */
static void exec_of_an_allowed(struct support *support, const char *endpoint, bool identity) {
    const char *program = program_copy(support, "unwanted", 0, 0, 0755);
    kith_socket *server = support_socket(support, KITH_ROUTER);
    support_set(server, KITH_OPTION_EXEC_CHECK, 0);
    support_set(server, KITH_OPTION_IDENTITY, identity);
    support_bind(server, endpoint);
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    kith_policy_rule *rule = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, "these tests", true, KITH_VERB_CONNECT | KITH_VERB_SEND, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_EXE, own_exe(), NULL), 0);
    kith_socket_set_policy(server, policy);
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .program = program};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    kith_msg_free(next_of(support, server, &actor));
    actor_step(support, &actor, ACTOR_EXEC, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    assert_int_equal(support_event(support, server, KITH_EVENT_DENIED_SEND)->pid, actor.pid);
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(server, &nothing, 0), -EAGAIN);
    actor_end(support, &actor);
    assert_int_equal(unlink(program), 0);
}

static void test_an_exec_ends_what_the_program_was_allowed(void **state) {
    exec_of_an_allowed(*state, support_ipc(*state), true);
    exec_of_an_allowed(*state, support_ipc(*state), false);
}

static void test_an_exec_ends_what_a_program_was_allowed_over_tcp(void **state) {
    if (!testing_inet_diag())
        skip();
    exec_of_an_allowed(*state, "tcp://127.0.0.1:0", true);
}

/* Words ------------------------------------------------------------------------------------------------------------------- */

static void test_claims_are_told_as_claims(void **state) {
    struct support *support = *state;
    static const struct raw_property lies[] = {{"User-Id", "root"}, {"uid", "0"}, {"exe", "/usr/bin/sudo"}, {NULL, NULL}};
    kith_socket *server = server_new(support);
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .claims = lies};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = next_of(support, server, &actor);
    struct body body = body_of(actor.pid);
    json_t *expected = expected_ids(actor.pid, USER_A, GROUP_A);
    expect_process(expected, &body, own_exe(), false, strongest());
    expect_groups(expected, NULL, 0, strongest());
    json_object_set_new(expected, "claimed", json_pack("{s:s, s:s, s:s}", "User-Id", "root", "uid", "0", "exe", "/usr/bin/sudo"));
    assert_origin(kith_msg_origin(msg), expected);
    actor_end(support, &actor);
}

/* Root names another, and the kernel vouches for it: all is as if the other had written on a connection that root made, and that is all
 * that shows. From the second message on even the pidfd is the victim's. */
static void test_root_states_the_credentials_of_another(void **state) {
    struct support *support = *state;
    kith_socket *server = server_new(support);
    struct actor_role victim_role = {.fd = -1, .uid = USER_B, .gid = GROUP_B};
    struct child victim = actor_start(&victim_role);
    actor_step(support, &victim, ACTOR_QUIT + 1, 'x'); /* it has become who it is */
    struct actor_role role = {
        .endpoint = kith_socket_last_endpoint(server), .forged_pid = victim.pid, .forged_uid = USER_B, .forged_gid = GROUP_B};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    struct body body = body_of(victim.pid);
    for (int i = 0; i < 2; i++) {
        const char *witness = i == 0 ? "inferred" : strongest();
        actor_step(support, &actor, ACTOR_FORGE, 0);
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
        json_t *expected = expected_ids(victim.pid, USER_B, GROUP_B);
        expect_number(expected, "connector", (uint64_t)actor.pid, "kernel-connect");
        expect_process(expected, &body, own_exe(), false, witness);
        expect_groups(expected, NULL, 0, witness);
        assert_origin(kith_msg_origin(msg), expected);
    }
    actor_end(support, &actor);
    actor_end(support, &victim);
}

/* Ids that the named process does not have: of it nothing is told. */
static void test_root_states_ids_that_nobody_has(void **state) {
    struct support *support = *state;
    kith_socket *server = server_new(support);
    struct actor_role role = {
        .endpoint = kith_socket_last_endpoint(server), .forged_pid = getpid(), .forged_uid = USER_B, .forged_gid = GROUP_B};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_FORGE, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    json_t *expected = expected_ids(getpid(), USER_B, GROUP_B);
    expect_number(expected, "connector", (uint64_t)actor.pid, "kernel-connect");
    assert_origin(kith_msg_origin(msg), expected);
    actor_end(support, &actor);
}

/* TCP -------------------------------------------------------------------------------------------------------------------- */

/* No credentials come with octets over TCP. The kernel tells whose socket is at the other end, as that is on this host, and how the
 * connection came; the process was found by its descriptor, and its gid is not told at all. */
static json_t *expected_over_tcp(kith_origin *origin, uid_t uid, const struct raw_property *claims) {
    json_t *expected = json_pack("{s:{}}", "witness");
    const char *address = NULL;
    assert_int_equal(kith_origin_text(origin, KITH_FACT_ADDRESS, &address), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(strncmp(address, "127.0.0.1:", 10), 0);
    expect_text(expected, "address", address, "kernel-connect");
    expect_number(expected, "uid", uid, "kernel-connect");
    expect_text(expected, "interface", "lo", "kernel-connect");
    expect_number(expected, "ttl", 64, "kernel-connect");
    expect_number(expected, "tos", 0, "kernel-connect");
    for (; claims && claims->name; claims++) {
        if (!json_object_get(expected, "claimed"))
            json_object_set_new(expected, "claimed", json_object());
        json_object_set_new(json_object_get(expected, "claimed"), claims->name, json_string(claims->value));
    }
    return expected;
}

static void test_a_local_peer_over_tcp(void **state) {
    if (!testing_inet_diag())
        skip();
    struct support *support = *state;
    static const struct raw_property lies[] = {{"User-Id", "root"}, {NULL, NULL}};
    kith_socket *server = support_server(support, KITH_ROUTER, "tcp://127.0.0.1:0");
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .claims = lies};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = next_of(support, server, &actor);
    struct body body = body_of(actor.pid);
    json_t *expected = expected_over_tcp(kith_msg_origin(msg), USER_A, lies);
    expect_number(expected, "pid", (uint64_t)actor.pid, "inferred");
    expect_process(expected, &body, own_exe(), false, "inferred");
    expect_groups(expected, NULL, 0, "inferred");
    assert_origin(kith_msg_origin(msg), expected);
    actor_end(support, &actor);
}

/* Both have the socket when it is first asked about, and which of them wrote is not told: neither is named. */
static void test_a_tcp_connection_that_two_processes_have(void **state) {
    if (!testing_inet_diag())
        skip();
    struct support *support = *state;
    struct raw raw;
    kith_socket *server = support_server(support, KITH_ROUTER, "tcp://127.0.0.1:0");
    assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), &raw), 0);
    struct actor_role role = {.fd = raw.fd};
    struct child actor = actor_start(&role);
    assert_int_equal(raw_handshake(&raw, "DEALER", NULL), 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = next_of(support, server, &actor);
    assert_origin(kith_msg_origin(msg), expected_over_tcp(kith_msg_origin(msg), 0, NULL));
    actor_end(support, &actor);
    raw_close(&raw);
}

/* Nobody looked while it lived: the kernel would say root of a socket that nobody has. */
static void test_a_tcp_peer_that_has_gone(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, "tcp://127.0.0.1:0");
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A};
    struct child actor = actor_start(&role);
    actor_step(NULL, &actor, ACTOR_RUSH, 0);
    actor_end(NULL, &actor);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    json_t *expected = expected_over_tcp(kith_msg_origin(msg), USER_A, NULL);
    forget(expected, "uid");
    assert_origin(kith_msg_origin(msg), expected);
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_three_users),
    IDENTITY_TEST(test_a_setuid_program),
    IDENTITY_TEST(test_a_child_on_an_inherited_connection),
    IDENTITY_TEST(test_two_writers_that_interleave),
    IDENTITY_TEST(test_a_sender_dead_before_the_read),
    IDENTITY_TEST(test_a_sender_that_ends_after_it_was_looked_at),
    IDENTITY_TEST(test_a_recycled_pid),
    IDENTITY_TEST(test_an_exec_after_a_message),
    IDENTITY_TEST(test_an_exec_of_a_writer_that_did_not_connect),
    IDENTITY_TEST(test_an_exec_between_sending_and_looking_leaves_no_trace),
    IDENTITY_TEST(test_an_exec_ends_what_the_program_was_allowed),
    IDENTITY_TEST(test_an_exec_ends_what_a_program_was_allowed_over_tcp),
    IDENTITY_TEST(test_claims_are_told_as_claims),
    IDENTITY_TEST(test_root_states_the_credentials_of_another),
    IDENTITY_TEST(test_root_states_ids_that_nobody_has),
    IDENTITY_TEST(test_a_local_peer_over_tcp),
    IDENTITY_TEST(test_a_tcp_connection_that_two_processes_have),
    IDENTITY_TEST(test_a_tcp_peer_that_has_gone),
};

int main(int argc, char **argv) {
    actor_program(argc, argv);
    return identity_run(tests, KITH_ARRAY_SIZE(tests));
}
