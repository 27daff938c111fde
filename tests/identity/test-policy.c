/*
 * Policies on real peers: who may connect, who may send, by facts the kernel gave; and a policy that changes while peers are connected.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "identity/actor.h"

struct rule {
    bool allow;
    unsigned verbs;
    enum kith_condition condition;
    const char *value; /* NULL: no condition */
};

enum outcome { DENIED_CONNECT, DENIED_SEND, DELIVERED };

struct decision {
    const char *what;
    struct rule rules[3]; /* verbs 0 ends them */
    enum outcome outcome;
};

#define TEXT_(number) #number
#define TEXT(number) TEXT_(number)
#define RANGE_A "61000-61001"
#define ALL KITH_VERB_ALL
#define CONNECT KITH_VERB_CONNECT
#define SEND KITH_VERB_SEND

/* The actor is USER_A with GROUP_A and, as a supplementary group, EXTRA_A; it runs this very program. */
static const struct decision decisions[] = {
    {"no rule: the default denies", {{0}}, DENIED_CONNECT},
    {"everybody", {{true, ALL, 0, NULL}}, DELIVERED},
    {"his uid", {{true, ALL, KITH_CONDITION_UID, TEXT(USER_A)}}, DELIVERED},
    {"a range around his uid", {{true, ALL, KITH_CONDITION_UID, RANGE_A}}, DELIVERED},
    {"another uid", {{true, ALL, KITH_CONDITION_UID, TEXT(USER_B)}}, DENIED_CONNECT},
    {"everybody but his uid", {{false, ALL, KITH_CONDITION_UID, TEXT(USER_A)}, {true, ALL, 0, NULL}}, DENIED_CONNECT},
    {"the first rule decides", {{true, ALL, KITH_CONDITION_UID, TEXT(USER_A)}, {false, ALL, 0, NULL}}, DELIVERED},
    {"his primary group", {{true, ALL, KITH_CONDITION_GID, TEXT(GROUP_A)}}, DELIVERED},
    {"his supplementary group", {{true, ALL, KITH_CONDITION_GID, TEXT(EXTRA_A)}}, DELIVERED},
    {"another's supplementary group", {{true, ALL, KITH_CONDITION_GID, TEXT(EXTRA_B)}}, DENIED_CONNECT},
    {"programs of these tests", {{true, ALL, KITH_CONDITION_EXE, "/**/test-*"}}, DELIVERED},
    {"programs of a folder", {{true, ALL, KITH_CONDITION_EXE, "/usr/bin/*"}}, DENIED_CONNECT},
    {"connecting only", {{true, CONNECT, 0, NULL}}, DENIED_SEND},
    {"sending only", {{true, SEND, 0, NULL}}, DENIED_CONNECT},
    {"all connect, he sends", {{true, CONNECT, 0, NULL}, {true, SEND, KITH_CONDITION_UID, TEXT(USER_A)}}, DELIVERED},
    {"all connect, another sends", {{true, CONNECT, 0, NULL}, {true, SEND, KITH_CONDITION_UID, TEXT(USER_B)}}, DENIED_SEND},
    {"any pid", {{true, ALL, KITH_CONDITION_PID, "1-4194304"}}, DELIVERED},
    {"pid 1 only", {{true, ALL, KITH_CONDITION_PID, "1"}}, DENIED_CONNECT},
};

static kith_policy *policy_of(const struct rule *rules, size_t count) {
    kith_policy *policy = NULL;
    assert_int_equal(kith_policy_new(&policy), 0);
    for (size_t i = 0; i < count && rules[i].verbs; i++) {
        char name[32];
        kith_policy_rule *rule = NULL;
        struct kith_error error = KITH_ERROR_NONE;
        snprintf(name, sizeof(name), "rule-%zu", i);
        assert_int_equal(kith_policy_add_rule(policy, name, rules[i].allow, rules[i].verbs, &rule, &error), 0);
        if (rules[i].value && kith_policy_rule_add(rule, rules[i].condition, rules[i].value, &error) < 0)
            fail_msg("%s", error.text);
    }
    return policy;
}

static void set_policy(kith_socket *server, const struct rule *rules, size_t count) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = policy_of(rules, count);
    kith_socket_set_policy(server, policy);
}

static void expect_silence(kith_socket *server) {
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(server, &nothing, 0), -EAGAIN);
}

static void decide(struct support *support, const struct decision *decision) {
    print_message("    %s\n", decision->what);
    kith_socket *server = support_socket(support, KITH_ROUTER);
    set_policy(server, decision->rules, KITH_ARRAY_SIZE(decision->rules));
    support_bind(server, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .gid = GROUP_A, .extra = EXTRA_A};
    struct child actor = actor_start(&role);
    if (decision->outcome == DENIED_CONNECT) {
        actor_step(support, &actor, ACTOR_CONNECT, ACTOR_REFUSED);
        assert_int_equal(support_event(support, server, KITH_EVENT_DENIED_CONNECT)->pid, actor.pid);
        expect_silence(server);
    } else {
        actor_step(support, &actor, ACTOR_CONNECT, 0);
        actor_step(support, &actor, ACTOR_SEND, 0);
        if (decision->outcome == DELIVERED) {
            kith_msg_free(heard_from_actor(support, server));
        } else {
            assert_int_equal(support_event(support, server, KITH_EVENT_DENIED_SEND)->pid, actor.pid);
            expect_silence(server);
        }
    }
    actor_end(support, &actor);
    support_socket_free(support, server);
}

static void test_each_condition_decides_on_a_real_peer(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(decisions); i++)
        decide(*state, &decisions[i]);
}

static void test_a_policy_set_later_holds_for_the_next_message_of_old_peers(void **state) {
    struct support *support = *state;
    static const struct rule everybody = {true, ALL, 0, NULL};
    static const struct rule not_him[] = {{true, CONNECT, 0, NULL}, {true, SEND, KITH_CONDITION_UID, TEXT(USER_B)}};
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A};
    struct child actor = actor_start(&role);
    actor_step(support, &actor, ACTOR_CONNECT, 0);
    for (int i = 0; i < 3; i++) {
        set_policy(server, &everybody, 1);
        actor_step(support, &actor, ACTOR_SEND, 0);
        kith_msg_free(heard_from_actor(support, server));
        set_policy(server, not_him, KITH_ARRAY_SIZE(not_him));
        actor_step(support, &actor, ACTOR_SEND, 0);
        support_event(support, server, KITH_EVENT_DENIED_SEND);
        expect_silence(server);
    }
    kith_socket_set_policy(server, NULL);
    actor_step(support, &actor, ACTOR_SEND, 0);
    kith_msg_free(heard_from_actor(support, server));
    assert_int_equal(support_event_total(support, server, KITH_EVENT_DISCONNECTED), 0);
    actor_end(support, &actor);
}

/* The connection was made by one who may; what another writes on it is judged by who he is. */
static void test_a_message_is_judged_by_its_writer_and_not_by_the_connection(void **state) {
    struct support *support = *state;
    static const struct rule rules[] = {{true, CONNECT, 0, NULL}, {true, SEND, KITH_CONDITION_UID, TEXT(USER_A)}};
    struct shared shared = shared_new(support);
    set_policy(shared.server, rules, KITH_ARRAY_SIZE(rules));
    struct actor_role role_a = {.fd = shared.raw.fd, .uid = USER_A}, role_b = {.fd = shared.raw.fd, .uid = USER_B};
    struct child a = actor_start(&role_a), b = actor_start(&role_b);
    actor_step(NULL, &b, ACTOR_SEND, 0);
    actor_step(NULL, &a, ACTOR_SEND, 0);
    actor_step(NULL, &b, ACTOR_SEND, 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = heard_from_actor(support, shared.server);
    assert_int_equal(uid_of(kith_msg_origin(msg), KITH_WITNESS_KERNEL_MESSAGE), USER_A);
    for (int i = 0; i < 2; i++)
        assert_int_equal(support_event(support, shared.server, KITH_EVENT_DENIED_SEND)->pid, b.pid);
    expect_silence(shared.server);
    actor_end(support, &a);
    actor_end(support, &b);
    raw_close(&shared.raw);
}

/* uid is unknown over TCP: an allow rule on it does not apply, whatever is claimed. */
static void test_a_claimed_user_satisfies_no_rule(void **state) {
    struct support *support = *state;
    static const struct raw_property root[] = {{"User-Id", "0"}, {"uid", "0"}, {NULL, NULL}};
    static const struct rule root_only = {true, ALL, KITH_CONDITION_UID, "0"};
    const char *const endpoints[] = {support_ipc(support), "tcp://127.0.0.1:0"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(endpoints); i++) {
        kith_socket *server = support_socket(support, KITH_ROUTER);
        set_policy(server, &root_only, 1);
        support_bind(server, endpoints[i]);
        struct actor_role role = {.endpoint = kith_socket_last_endpoint(server), .uid = USER_A, .claims = root};
        struct child actor = actor_start(&role);
        actor_step(support, &actor, ACTOR_CONNECT, ACTOR_REFUSED);
        support_event(support, server, KITH_EVENT_DENIED_CONNECT);
        actor_end(support, &actor);
    }
}

/* A socket that connects has a policy too: who may be its server. */
static int serve_as_another(int line, void *userdata) {
    int listener = *(int *)userdata;
    struct raw raw;
    keep_only(line, listener);
    if (become(USER_B, GROUP_B, NULL, 0) < 0 || raw_accept(NULL, listener, &raw) < 0)
        return 1;
    int result = raw_handshake(&raw, "DEALER", NULL);
    return line_tell(line, result == -EACCES ? ACTOR_REFUSED : ACTOR_CONNECT) < 0 || line_hear(line, ACTOR_QUIT) < 0;
}

static void test_a_connecting_socket_judges_its_server(void **state) {
    struct support *support = *state;
    static const struct rule root_only = {true, ALL, KITH_CONDITION_UID, "0"}, him = {true, ALL, KITH_CONDITION_UID, TEXT(USER_B)};
    for (int allowed = 0; allowed <= 1; allowed++) {
        const char *endpoint = support_ipc(support);
        int listener = raw_listen(endpoint);
        assert_true(listener >= 0);
        struct child server = child_start(serve_as_another, &listener);
        kith_socket *client = support_socket(support, KITH_DEALER);
        set_policy(client, allowed ? &him : &root_only, 1);
        support_connect(client, endpoint);
        assert_int_equal(child_hear(support, &server), allowed ? ACTOR_CONNECT : ACTOR_REFUSED);
        assert_int_equal(support_event(support, client, allowed ? KITH_EVENT_CONNECTED : KITH_EVENT_DENIED_CONNECT)->pid, server.pid);
        support_socket_free(support, client);
        actor_end(support, &server);
        close(listener);
    }
}

static const struct CMUnitTest tests[] = {
    IDENTITY_TEST(test_each_condition_decides_on_a_real_peer),
    IDENTITY_TEST(test_a_policy_set_later_holds_for_the_next_message_of_old_peers),
    IDENTITY_TEST(test_a_message_is_judged_by_its_writer_and_not_by_the_connection),
    IDENTITY_TEST(test_a_claimed_user_satisfies_no_rule),
    IDENTITY_TEST(test_a_connecting_socket_judges_its_server),
};

IDENTITY_MAIN(tests)
