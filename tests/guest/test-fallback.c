/*
 * What is promised for kernels that give no pidfd with a connection or a message (before Linux 6.5) and answer no question about one
 * (before 6.13): the kernel's word for pid, uid and gid is as good as anywhere; what is looked up by the pid is "inferred"; nothing fails
 * and nothing spins. Runs in the guest only: tools/run-guest.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity/actor.h"
#include "stream/internal.h"

/* PIDFD_GET_INFO of include/uapi/linux/pidfd.h, Linux 6.13: _IOWR(0xFF, 11, 64 octets). */
#define GET_INFO _IOC(_IOC_READ | _IOC_WRITE, 0xFF, 11, 64)

/* Every promise below is about such a kernel; on another the tests would prove nothing. */
static void test_this_kernel_is_an_old_one(void **state) {
    uint8_t info[64] = {0};
    int fds[2], value = 1;
    socklen_t size = sizeof(value);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_PASSPIDFD, &value, sizeof(value)), -1);
    assert_int_equal(errno, ENOPROTOOPT);
    assert_int_equal(getsockopt(fds[0], SOL_SOCKET, SO_PEERPIDFD, &value, &size), -1);
    assert_int_equal(errno, ENOPROTOOPT);
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    assert_true(pidfd >= 0);
    assert_int_equal(ioctl(pidfd, GET_INFO, info), -1);
    assert_in_set(errno, ((LargestIntegralType[]){ENOTTY, EINVAL}), 2);
    close(pidfd);
    close(fds[0]);
    close(fds[1]);
}

/* What a connection below all message sockets heard last. */
struct heard {
    struct kith_sender sender;
    size_t size;
};

static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct heard *heard = userdata;
    (void)conn;
    heard->sender = batch->sender;
    heard->size += batch->slice.size;
}

static void test_no_pidfd_comes_with_a_batch_and_the_writer_is_known_all_the_same(void **state) {
    struct support *support = *state;
    struct heard heard = {.size = 0};
    kith_conn *conn = NULL;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(kith_conn_new_fd(support->loop, fds[0], &(struct kith_conn_options){.identity = true},
                                      &(struct kith_conn_ops){.data = on_data}, &heard, &conn),
                     0);
    assert_int_equal(kith_conn_set_pass_pidfd(conn, true), -ENOPROTOOPT);
    assert_int_equal(kith_conn_set_pass_pidfd(conn, false), -ENOPROTOOPT);
    assert_int_equal(write(fds[1], "x", 1), 1);
    support_until(support, heard.size == 1);
    assert_true(heard.sender.known);
    assert_int_equal(heard.sender.pid, getpid());
    assert_int_equal(heard.sender.pidfd, -1);

    struct kith_sender peer = {.pidfd = 0};
    assert_int_equal(kith_conn_peer(conn, &peer), 0);
    assert_true(peer.known);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.pidfd, -1);
    kith_conn_free(conn);
    close(fds[1]);
}

/* Everything that is looked up, and only that. */
static void assert_inferred(kith_origin *origin, const char *exe, gid_t group) {
    const char *text = NULL;
    uint64_t ticks = 0;
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &text), KITH_WITNESS_INFERRED);
    assert_string_equal(text, exe);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_CGROUP, &text), KITH_WITNESS_INFERRED);
    assert_int_equal(text[0], '/');
    assert_int_equal(kith_origin_groups(origin, NULL, NULL), KITH_WITNESS_INFERRED);
    assert_true(has_group(origin, group));
    assert_int_equal(kith_origin_start_time(origin, &ticks), KITH_WITNESS_INFERRED);
    assert_true(ticks > 0);
    assert_true(kith_origin_alive(origin));
}

/* The ids of a message, with the witness of a message. */
static void assert_kernel_message(kith_origin *origin, pid_t pid, uid_t uid, gid_t gid) {
    assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), pid);
    assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), uid);
    assert_int_equal(gid_of(origin, KITH_WITNESS_KERNEL_MESSAGE), gid);
}

static void test_ids_are_the_kernels_word_for_the_message_and_the_rest_is_inferred(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    for (int i = 0; i < 2; i++) { /* the second message comes when everything about its writer is known already */
        actor_step(support, &actor, ACTOR_SEND, 0);
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
        assert_kernel_message(kith_msg_origin(msg), actor.pid, USER_A, GROUP_A);
        assert_inferred(kith_msg_origin(msg), own_exe(), EXTRA_A);
    }
    actor_end(support, &actor);
}

static void test_who_connected_is_the_kernels_word_and_the_rest_is_inferred(void **state) {
    struct support *support = *state;
    kith_socket *server = support_socket(support, KITH_ROUTER);
    support_set(server, KITH_OPTION_IDENTITY, 0);
    support_bind(server, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .extra = EXTRA_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    assert_int_equal(pid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_CONNECT), actor.pid);
    assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_CONNECT), USER_A);
    assert_inferred(kith_msg_origin(msg), own_exe(), EXTRA_A);
    actor_end(support, &actor);
}

/* Steps that did nothing come back at their timeout with 0; a loop that spins has run something, or never comes back. */
static void assert_quiet(struct support *support) {
    while (kith_loop_step(support->loop, 0) > 0)
        assert_true(support_left(support) > 0);
    assert_int_equal(kith_loop_step(support->loop, 100), 0);
}

static void test_writers_that_take_turns_stay_inferred_and_the_loop_quiet(void **state) {
    struct support *support = *state;
    struct shared shared = shared_new(support);
    const struct actor_role roles[] = {{.fd = shared.raw.fd, .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A},
                                       {.fd = shared.raw.fd, .uid = USER_B, .gid = GROUP_B, .extra = EXTRA_B}};
    struct child actors[] = {actor_start(&roles[0]), actor_start(&roles[1])};
    for (size_t i = 0; i < 6; i++) {
        const struct actor_role *role = &roles[i % 2];
        actor_step(support, &actors[i % 2], ACTOR_SEND, 0);
        _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, shared.server);
        assert_kernel_message(kith_msg_origin(msg), actors[i % 2].pid, role->uid, role->gid);
        assert_inferred(kith_msg_origin(msg), own_exe(), role->extra);
        assert_quiet(support);
    }
    for (size_t i = 0; i < 2; i++)
        actor_end(support, &actors[i]);
    raw_close(&shared.raw);
}

static void test_a_writer_that_has_ended_keeps_what_was_looked_up_and_gets_no_more(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    actor_step(support, &actor, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, server);
    kith_origin *origin = kith_msg_origin(msg);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_INFERRED);
    pid_t pid = actor.pid;
    actor_end(support, &actor);
    support_until(support, !kith_origin_alive(origin));
    assert_kernel_message(origin, pid, USER_A, GROUP_A);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_INFERRED);
    assert_int_equal(kith_origin_groups(origin, NULL, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_start_time(origin, NULL), KITH_WITNESS_NONE);
    assert_quiet(support);
}

/* "/test-*" is this program's name; `least` is the witness that the rule asks for. */
static void set_program_policy(kith_socket *server, enum kith_witness least) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    kith_policy_rule *rule = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, "programs", true, KITH_VERB_ALL, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_EXE, "/**/test-*", NULL), 0);
    assert_int_equal(kith_policy_rule_set_witness(rule, least), 0);
    kith_socket_set_policy(server, policy);
}

static void test_a_rule_about_programs_holds_by_inference_unless_it_asks_for_more(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A};
    struct child refused = actor_start(&role), admitted = actor_start(&role);
    set_program_policy(server, KITH_WITNESS_KERNEL_CONNECT);
    actor_step(support, &refused, ACTOR_CONNECT, ACTOR_REFUSED);
    support_event(support, server, KITH_EVENT_DENIED_CONNECT);
    set_program_policy(server, KITH_WITNESS_INFERRED);
    actor_step(support, &admitted, ACTOR_CONNECT, 0);
    actor_step(support, &admitted, ACTOR_SEND, 0);
    kith_msg_free(heard_from_actor(support, server));
    actor_end(support, &refused);
    actor_end(support, &admitted);
}

static void test_looked_up_by_number_a_process_is_known_whole(void **state) {
    struct support *support = *state;
    struct actor_role role = {.fd = -1, .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_QUIT + 1, 'x'); /* no such step: when it answers, it has become who it is */
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_of_pid(actor.pid, &origin, NULL), 0);
    assert_int_equal(pid_of(origin, KITH_WITNESS_KERNEL_CONNECT), actor.pid);
    assert_int_equal(uid_of(origin, KITH_WITNESS_KERNEL_CONNECT), USER_A);
    assert_int_equal(gid_of(origin, KITH_WITNESS_KERNEL_CONNECT), GROUP_A);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_KERNEL_CONNECT);
    assert_true(has_group(origin, EXTRA_A));
    kith_origin_unref(origin);
    actor_end(support, &actor);
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_this_kernel_is_an_old_one),
    IDENTITY_TEST(test_no_pidfd_comes_with_a_batch_and_the_writer_is_known_all_the_same),
    IDENTITY_TEST(test_ids_are_the_kernels_word_for_the_message_and_the_rest_is_inferred),
    IDENTITY_TEST(test_who_connected_is_the_kernels_word_and_the_rest_is_inferred),
    IDENTITY_TEST(test_writers_that_take_turns_stay_inferred_and_the_loop_quiet),
    IDENTITY_TEST(test_a_writer_that_has_ended_keeps_what_was_looked_up_and_gets_no_more),
    IDENTITY_TEST(test_a_rule_about_programs_holds_by_inference_unless_it_asks_for_more),
    IDENTITY_TEST(test_looked_up_by_number_a_process_is_known_whole),
};

IDENTITY_MAIN(tests)
