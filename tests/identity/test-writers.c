/*
 * Each message names the process that wrote it: over one connection that several processes share, when the writer is dead before anybody
 * reads, and when two of them wrote one message.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "identity/actor.h"

static void test_a_message_names_its_writer_and_what_he_is(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    kith_origin *origin = kith_msg_origin(msg);
    assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), actor.pid);
    assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    assert_int_equal(gid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), GROUP_A);
    assert_true(has_group(origin, EXTRA_A));
    assert_false(has_group(origin, EXTRA_B));
    const char *exe = NULL;
    assert_true(kith_origin_text(origin, KITH_FACT_EXE, &exe) >= KITH_WITNESS_INFERRED);
    assert_string_equal(exe, own_exe());
    assert_true(kith_origin_alive(origin));
    actor_end(support, &actor);
    support_until(support, !kith_origin_alive(origin));
    /* What was looked up stays true of the message. */
    assert_true(kith_origin_text(origin, KITH_FACT_EXE, &exe) >= KITH_WITNESS_INFERRED);
    assert_string_equal(exe, own_exe());
}

/* The connection is this process's; SO_PEERCRED would name it for all of them. */
static void tell_apart(struct support *support, bool read_between) {
    struct shared shared = shared_new(support);
    struct actor_role role_a = {.fd = shared.raw.fd, .uid = USER_A, .gid = GROUP_A};
    struct actor_role role_b = {.fd = shared.raw.fd, .uid = USER_B, .gid = GROUP_B};
    struct child a = actor_start(&role_a), b = actor_start(&role_b);
    const struct {
        pid_t pid;
        uid_t uid;
    } writers[] = {{a.pid, USER_A}, {b.pid, USER_B}, {getpid(), 0}, {b.pid, USER_B}, {a.pid, USER_A}, {a.pid, USER_A}};
    for (size_t i = 0, read = 0; i < KITH_ARRAY_SIZE(writers); i++) {
        if (writers[i].pid == getpid())
            assert_int_equal(raw_send(&shared.raw, 0, ACTOR_TEXT, strlen(ACTOR_TEXT)), 0);
        else
            actor_step(read_between ? support : NULL, writers[i].pid == a.pid ? &a : &b, ACTOR_SEND, 0);
        for (; read <= i && (read_between || i + 1 == KITH_ARRAY_SIZE(writers)); read++) {
            _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, shared.server);
            assert_int_equal(pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), writers[read].pid);
            assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), writers[read].uid);
        }
    }
    actor_end(support, &a);
    actor_end(support, &b);
    raw_close(&shared.raw);
    support_event(support, shared.server, KITH_EVENT_DISCONNECTED);
}

static void test_writers_on_one_connection_are_told_apart(void **state) {
    tell_apart(*state, true);
}

static void test_writers_are_told_apart_when_all_wrote_before_anything_is_read(void **state) {
    tell_apart(*state, false);
}

static void split_message(struct support *support, enum actor_step first, enum actor_step second, bool read_between) {
    struct shared shared = shared_new(support);
    struct actor_role role_a = {.fd = shared.raw.fd, .uid = USER_A}, role_b = {.fd = shared.raw.fd, .uid = USER_B};
    struct child a = actor_start(&role_a), b = actor_start(&role_b);
    actor_step(NULL, &a, first, 0);
    if (read_between)
        while (kith_loop_step(support->loop, 0) > 0)
            continue;
    actor_step(NULL, &b, second, 0);
    const struct support_event *event = support_event(support, shared.server, KITH_EVENT_SPLIT_MESSAGE);
    assert_true(strlen(event->text) > 0);
    assert_int_equal(raw_until_closed(&shared.raw), 0);
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(shared.server, &nothing, 0), -EAGAIN);
    support_until(support, kith_socket_peer_count(shared.server) == 0);
    actor_end(support, &a);
    actor_end(support, &b);
    raw_close(&shared.raw);
}

static void test_a_frame_of_two_writers_is_refused(void **state) {
    split_message(*state, ACTOR_FIRST_HALF, ACTOR_SECOND_HALF, false);
    split_message(*state, ACTOR_FIRST_HALF, ACTOR_SECOND_HALF, true);
}

static void test_frames_of_one_message_by_two_writers_are_refused(void **state) {
    split_message(*state, ACTOR_FIRST_FRAME, ACTOR_LAST_FRAME, false);
    split_message(*state, ACTOR_FIRST_FRAME, ACTOR_LAST_FRAME, true);
}

/* Another user completing a message that a first one began is the attack; the same process may write in as many pieces as it likes. */
static void test_pieces_of_one_writer_are_one_message(void **state) {
    struct support *support = *state;
    struct shared shared = shared_new(support);
    struct actor_role role = {.fd = shared.raw.fd, .uid = USER_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_FIRST_HALF, 0);
    while (kith_loop_step(support->loop, 0) > 0)
        continue;
    actor_step(support, &actor, ACTOR_SECOND_HALF, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, shared.server);
    assert_int_equal(pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), actor.pid);
    actor_end(support, &actor);
    raw_close(&shared.raw);
}

static void test_a_writer_dead_before_its_message_is_read_is_still_named(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
    struct child actor = actor_start(&role);
    pid_t pid = actor.pid;
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    /* From here the server stands still until the actor is reaped. */
    actor_step(NULL, &actor, ACTOR_SEND, 0);
    actor_end(NULL, &actor);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    kith_origin *origin = kith_msg_origin(msg);
    assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), pid);
    assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    assert_int_equal(gid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), GROUP_A);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
    assert_false(kith_origin_alive(origin));
}

/* The same for a writer that the server never saw alive: connected, wrote and died before the first step. */
static void test_a_writer_that_was_never_seen_alive_is_named(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
    struct child actor = actor_start(&role);
    pid_t pid = actor.pid;
    actor_step(NULL, &actor, ACTOR_RUSH, 0);
    actor_end(NULL, &actor);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    kith_origin *origin = kith_msg_origin(msg);
    assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), pid);
    assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
    assert_false(kith_origin_alive(origin));
}

/* SO_PASSCRED is on before the client can have sent anything: it is the listener's, and inherited. */
static void test_what_was_sent_before_the_server_accepted_is_named(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_abstract(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A};
    struct child actor = actor_start(&role);
    actor_step(NULL, &actor, ACTOR_RUSH, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    assert_int_equal(pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), actor.pid);
    assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    actor_end(support, &actor);
}

/* The other direction: what a server answers is named too, also when it answered before connect() returned here. */
static int answer_as_server(int line, void *userdata) {
    int listener = *(int *)userdata;
    struct raw raw;
    keep_only(line, listener);
    if (become(USER_B, GROUP_B, NULL, 0) < 0 || raw_accept(NULL, listener, &raw) < 0 || raw_handshake(&raw, "DEALER", NULL) < 0)
        return 1;
    if (raw_send(&raw, 0, ACTOR_TEXT, strlen(ACTOR_TEXT)) < 0)
        return 2;
    return line_hear(line, ACTOR_QUIT) < 0 ? 3 : 0;
}

static void test_a_connecting_socket_names_who_answers(void **state) {
    struct support *support = *state;
    const char *endpoint = support_ipc(support);
    int listener = raw_listen(endpoint); /* SO_PEERCRED will name this process: it called listen() */
    assert_true(listener >= 0);
    struct child server = child_start(answer_as_server, &listener);
    kith_socket *client = support_socket(support, KITH_DEALER);
    support_connect(client, endpoint);
    _cleanup_(kith_msg_freep) kith_msg *msg = support_recv(support, client);
    support_assert_frame(msg, 0, ACTOR_TEXT);
    assert_int_equal(pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), server.pid);
    assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), USER_B);
    actor_end(support, &server);
    close(listener);
}

/* Without identity nothing is asked of the kernel a message: what is known is who connected, and it says so. */
static void test_without_identity_the_connecter_is_named_and_witnessed_so(void **state) {
    struct support *support = *state;
    kith_socket *server = support_socket(support, KITH_ROUTER);
    support_set(server, KITH_OPTION_IDENTITY, 0);
    support_bind(server, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    assert_int_equal(pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_CONNECT), actor.pid);
    assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_CONNECT), USER_A);
    actor_end(support, &actor);
}

/* The same process, with another user or group than before. */
static void test_a_writer_that_changes_who_it_is_is_told_anew(void **state) {
    struct support *support = *state;
    struct shared shared = shared_new(support);
    static const struct {
        uid_t uid;
        gid_t gid;
    } lives[] = {{0, 0}, {0, GROUP_A}, {USER_A, GROUP_A}, {USER_A, GROUP_B}, {0, 0}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(lives); i++) {
        /* The kernel takes the real ids. */
        assert_int_equal(setregid(lives[i].gid, (gid_t)-1), 0);
        assert_int_equal(setreuid(lives[i].uid, (uid_t)-1), 0);
        assert_int_equal(raw_send(&shared.raw, 0, ACTOR_TEXT, strlen(ACTOR_TEXT)), 0);
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, shared.server);
        assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), lives[i].uid);
        assert_int_equal(gid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), lives[i].gid);
    }
    raw_close(&shared.raw);
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_a_message_names_its_writer_and_what_he_is),
    IDENTITY_TEST(test_writers_on_one_connection_are_told_apart),
    IDENTITY_TEST(test_writers_are_told_apart_when_all_wrote_before_anything_is_read),
    IDENTITY_TEST(test_a_writer_that_changes_who_it_is_is_told_anew),
    IDENTITY_TEST(test_a_frame_of_two_writers_is_refused),
    IDENTITY_TEST(test_frames_of_one_message_by_two_writers_are_refused),
    IDENTITY_TEST(test_pieces_of_one_writer_are_one_message),
    IDENTITY_TEST(test_a_writer_dead_before_its_message_is_read_is_still_named),
    IDENTITY_TEST(test_a_writer_that_was_never_seen_alive_is_named),
    IDENTITY_TEST(test_what_was_sent_before_the_server_accepted_is_named),
    IDENTITY_TEST(test_a_connecting_socket_names_who_answers),
    IDENTITY_TEST(test_without_identity_the_connecter_is_named_and_witnessed_so),
};

IDENTITY_MAIN(tests)
