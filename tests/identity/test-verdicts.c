/*
 * How long a verdict on a real sender holds: not beyond the program that the process ran, and not beyond the process, whoever writes next
 * on the same connection and whatever his number.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "identity/actor.h"

/* Whoever runs this program may send, or everybody else may; all may connect. With a topic verdicts are kept by it. */
static void judge_program(kith_socket *server, bool allow, const char *program, bool topic) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    kith_policy_rule *rule = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, "program", allow, KITH_VERB_SEND, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_EXE, program, NULL), 0);
    if (topic)
        assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_TOPIC, "from *", NULL), 0);
    assert_int_equal(kith_policy_add_rule(policy, "rest", true, allow ? KITH_VERB_CONNECT : KITH_VERB_ALL, &rule, NULL), 0);
    kith_socket_set_policy(server, policy);
}

/* Twice: what was decided and what is kept. */
static void expect_verdict(struct support *support, kith_socket *server, const struct child *actor, bool allowed) {
    kith_msg *nothing = NULL;
    for (int i = 0; i < 2; i++) {
        actor_step(support, actor, ACTOR_SEND, 0);
        if (allowed)
            kith_msg_free(heard_from_actor(support, server));
        else
            assert_int_equal(support_event(support, server, KITH_EVENT_DENIED_SEND)->pid, actor->pid);
        assert_int_equal(kith_socket_recv(server, &nothing, 0), -EAGAIN);
    }
}

static struct shared serve(struct support *support, bool allow, const char *program, bool topic) {
    struct shared shared = shared_new_checking(support, 0); /* with each read: no time has to pass */
    judge_program(shared.server, allow, program, topic);
    return shared;
}

/* Allowed before and denied after (`allowed`), or the other way round. */
static void exec_between(struct support *support, const char *program, bool allowed, bool topic) {
    struct shared shared = serve(support, allowed, own_exe(), topic);
    struct actor_role role = {.fd = shared.raw.fd, .uid = USER_A, .gid = GROUP_A, .program = program};
    struct child actor = actor_start(&role);
    expect_verdict(support, shared.server, &actor, allowed);
    actor_step(support, &actor, ACTOR_EXEC, 0);
    expect_verdict(support, shared.server, &actor, !allowed);
    actor_end(support, &actor);
    raw_close(&shared.raw);
}

static void test_a_verdict_ends_with_the_program(void **state) {
    struct support *support = *state;
    const char *program = program_copy(support, "other", 0, 0, 0755);
    for (int i = 0; i < 4; i++)
        exec_between(support, program, i % 2 == 0, i / 2 == 1);
    assert_int_equal(unlink(program), 0);
}

/* The successor has another number, or (as_pid) the very same, and the same user; only the program differs. */
static void death_between(struct support *support, const char *program, bool allowed, bool as_pid) {
    struct shared shared = serve(support, allowed, own_exe(), false);
    struct actor_role role = {.fd = shared.raw.fd, .uid = USER_A, .gid = GROUP_A, .program = program};
    struct child first = actor_start(&role), second;
    pid_t pid = first.pid;
    expect_verdict(support, shared.server, &first, allowed);
    actor_end(support, &first);
    if (!as_pid)
        second = actor_start(&role);
    else if (!actor_start_as(pid, &role, &second))
        skip();
    actor_step(support, &second, ACTOR_EXEC, 0);
    expect_verdict(support, shared.server, &second, !allowed);
    assert_int_equal(support_event_total(support, shared.server, KITH_EVENT_DISCONNECTED), 0);
    actor_end(support, &second);
    raw_close(&shared.raw);
}

static void test_a_verdict_ends_with_the_process(void **state) {
    struct support *support = *state;
    const char *program = program_copy(support, "successor", 0, 0, 0755);
    for (int i = 0; i < 4; i++)
        death_between(support, program, i % 2 == 0, i / 2 == 1);
    assert_int_equal(unlink(program), 0);
}

/* Who may no longer be a peer is who made the connection, whoever writes on it. */
static void test_a_denial_at_a_new_policy_names_whom_it_is_about(void **state) {
    struct support *support = *state;
    struct shared shared = shared_new(support);
    struct actor_role role = {.fd = shared.raw.fd, .uid = USER_A, .gid = GROUP_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_SEND, 0);
    kith_msg_free(heard_from_actor(support, shared.server));
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    kith_policy_rule *rule = NULL;
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, "not us", false, KITH_VERB_CONNECT, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_PID, pid, NULL), 0);
    assert_int_equal(kith_policy_add_rule(policy, "rest", true, KITH_VERB_ALL, &rule, NULL), 0);
    kith_socket_set_policy(shared.server, policy);
    const struct support_event *event = support_event(support, shared.server, KITH_EVENT_DENIED_CONNECT);
    assert_int_equal(event->pid, getpid());
    char name[32];
    snprintf(name, sizeof(name), "pid %d ", (int)getpid());
    assert_memory_equal(event->text, name, strlen(name));
    assert_int_equal(support_event(support, shared.server, KITH_EVENT_DISCONNECTED)->pid, actor.pid);
    actor_end(support, &actor);
    raw_close(&shared.raw);
}

/* The server has received all that was written, and has looked at it. */
static void until_read(struct support *support, const struct raw *raw) {
    int unread = 1;
    support_until(support, ioctl(raw->fd, SIOCOUTQ, &unread) == 0 && unread == 0);
    for (int i = 0; i < 3; i++)
        assert_true(kith_loop_step(support->loop, 0) >= 0);
}

/* The message is of the program that began it, and what was decided of it is not kept for the one that ended it. The rule about sizes never
 * applies: with it all are decided at their end. */
static void test_an_exec_inside_of_a_message_ends_the_verdict(void **state) {
    struct support *support = *state;
    const char *program = program_copy(support, "between", 0, 0, 0755);
    struct shared shared = shared_new_checking(support, 0);
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    kith_policy_rule *rule = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, "program", true, KITH_VERB_SEND, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_EXE, own_exe(), NULL), 0);
    assert_int_equal(kith_policy_add_rule(policy, "huge", true, KITH_VERB_SEND, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_SIZE, "1G", NULL), 0);
    assert_int_equal(kith_policy_add_rule(policy, "rest", true, KITH_VERB_CONNECT, &rule, NULL), 0);
    kith_socket_set_policy(shared.server, policy);
    struct actor_role role = {.fd = shared.raw.fd, .uid = USER_A, .gid = GROUP_A, .program = program};
    struct child actor = actor_start(&role);
    expect_verdict(support, shared.server, &actor, true);
    actor_step(support, &actor, ACTOR_FIRST_HALF, 0);
    until_read(support, &shared.raw);
    actor_step(support, &actor, ACTOR_EXEC, 0);
    actor_step(support, &actor, ACTOR_SECOND_HALF, 0);
    kith_msg_free(heard_from_actor(support, shared.server));
    expect_verdict(support, shared.server, &actor, false);
    actor_end(support, &actor);
    raw_close(&shared.raw);
    assert_int_equal(unlink(program), 0);
}

/* Which program a process ran when it wrote its last words nobody can say any more. */
static void test_the_last_words_of_a_process_are_of_no_program(void **state) {
    struct support *support = *state;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A};
    judge_program(server, true, own_exe(), false);
    struct child actor = actor_start(&role);
    pid_t pid = actor.pid;
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    expect_verdict(support, server, &actor, true);
    actor_step(NULL, &actor, ACTOR_SEND, 0);
    actor_end(NULL, &actor);
    assert_int_equal(support_event(support, server, KITH_EVENT_DENIED_SEND)->pid, pid);
}

/* Those that run this program may no longer connect. */
static void forbid_program(kith_socket *server, const char *program) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    kith_policy_rule *rule = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    assert_int_equal(kith_policy_add_rule(policy, "program", false, KITH_VERB_CONNECT, &rule, NULL), 0);
    assert_int_equal(kith_policy_rule_add(rule, KITH_CONDITION_EXE, program, NULL), 0);
    assert_int_equal(kith_policy_add_rule(policy, "rest", true, KITH_VERB_ALL, &rule, NULL), 0);
    kith_socket_set_policy(server, policy);
}

/* Known by what it wrote, or by its connection. */
static void test_a_new_policy_is_asked_about_the_program_that_runs_now(void **state) {
    struct support *support = *state;
    const char *program = program_copy(support, "now", 0, 0, 0755);
    for (int identity = 0; identity < 2; identity++) {
        kith_socket *server = support_socket(support, KITH_ROUTER);
        support_set(server, KITH_OPTION_EXEC_CHECK, 0);
        support_set(server, KITH_OPTION_IDENTITY, identity);
        support_bind(server, support_ipc(support));
        forbid_program(server, "/nobody/runs/this"); /* it is looked at which it is */
        struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .program = program};
        struct child actor = actor_start(&role);
        actor_step(support, &actor, ACTOR_CONNECT, 0);
        actor_step(support, &actor, ACTOR_EXEC, 0);
        actor_step(support, &actor, ACTOR_SEND, 0);
        kith_msg_free(heard_from_actor(support, server));
        forbid_program(server, program);
        assert_int_equal(support_event(support, server, KITH_EVENT_DENIED_CONNECT)->pid, actor.pid);
        assert_int_equal(support_event(support, server, KITH_EVENT_DISCONNECTED)->pid, actor.pid);
        actor_end(support, &actor);
    }
    assert_int_equal(unlink(program), 0);
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_a_new_policy_is_asked_about_the_program_that_runs_now),
    IDENTITY_TEST(test_a_verdict_ends_with_the_program),
    IDENTITY_TEST(test_a_verdict_ends_with_the_process),
    IDENTITY_TEST(test_an_exec_inside_of_a_message_ends_the_verdict),
    IDENTITY_TEST(test_the_last_words_of_a_process_are_of_no_program),
    IDENTITY_TEST(test_a_denial_at_a_new_policy_names_whom_it_is_about),
};

int main(int argc, char **argv) {
    actor_program(argc, argv);
    return identity_run(tests, KITH_ARRAY_SIZE(tests));
}
