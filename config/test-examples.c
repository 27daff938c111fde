/* Every file of examples/policies is a policy, none lets in a peer of whom nothing is known, and each decides what its comment says. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kith/config.h>

#include "config/internal.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)
KITH_DEFINE_CLEANUP(kith_policy_state *, kith_policy_state_free)

/* This machine need not have the users and groups of the examples. */
static int any_name(void *userdata, const char *name, uid_t *ret_id) {
    static const struct {
        const char *name;
        uid_t id;
    } known[] = {{"adm", 4}, {"sudo", 27}, {"www-data", 33}, {"postgres", 70}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(known); i++) {
        *ret_id = known[i].id;
        if (strcmp(known[i].name, name) == 0)
            return 0;
    }
    return -ENOENT;
}

static const struct kith_config_names names = {.user = any_name, .group = any_name};

static kith_policy *load(const char *path) {
    kith_policy *policy = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(kith_config_read_file(path, &text, &size, &error), 0);
    int r = kith_config_policy_parse_names(text, size, path, &names, &policy, &error);
    free(text);
    if (r < 0)
        fail_msg("%s", error.text);
    return policy;
}

static kith_policy *example(const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s.policy", EXAMPLES, name);
    return load(path);
}

static void check_example(const char *path) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = load(path);
    _cleanup_(kith_origin_unrefp) kith_origin *stranger = NULL;

    assert_true(kith_policy_rule_count(policy) > 0);
    assert_false(kith_policy_default(policy));
    assert_int_equal(kith_origin_new(&stranger), 0);
    for (unsigned verb = 1; verb < KITH_VERB_ALL; verb <<= 1)
        if (kith_policy_governs(policy, (enum kith_verb)verb))
            assert_false(kith_policy_decide(policy, (enum kith_verb)verb, stranger).allow);
}

static void test_every_example_is_a_policy_that_keeps_strangers_out(void **state) {
    DIR *folder = opendir(EXAMPLES);
    size_t count = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", EXAMPLES, entry->d_name);
        check_example(path);
        count++;
    }
    closedir(folder);
    assert_int_equal(count, 7); /* each has its test below */
}

/* Single examples ---------------------------------------------------------------------------------------------------- */

/* A peer of the example's, as much of it as the example asks for. */
struct who {
    uid_t uid;
    gid_t gid;
    const char *exe, *unit, *cgroup, *address, *key;
    uint64_t may_forge;
};

static kith_origin *origin_of(const struct who *who) {
    const struct {
        enum kith_fact fact;
        const char *text;
        enum kith_witness witness;
    } texts[] = {
        {KITH_FACT_EXE, who->exe, KITH_WITNESS_KERNEL_CONNECT},
        {KITH_FACT_UNIT, who->unit, KITH_WITNESS_KERNEL_CONNECT},
        {KITH_FACT_CGROUP, who->cgroup, KITH_WITNESS_KERNEL_CONNECT},
        {KITH_FACT_ADDRESS, who->address, KITH_WITNESS_KERNEL_CONNECT},
        {KITH_FACT_KEY, who->key, KITH_WITNESS_KEY},
    };
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_PID, 812, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, who->uid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_GID, who->gid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_MAY_FORGE, who->may_forge, KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_origin_set_groups(origin, &who->gid, 1, KITH_WITNESS_KERNEL_CONNECT), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++)
        if (texts[i].text)
            assert_int_equal(kith_origin_set_text(origin, texts[i].fact, texts[i].text, texts[i].witness), 0);
    return origin;
}

/* The rule that decides, or "default". */
static void assert_rule(const kith_policy *policy, const struct who *who, struct kith_policy_request request, kith_policy_state *state,
                        const char *rule) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = origin_of(who);
    request.origin = origin;
    assert_string_equal(kith_policy_decide_request(policy, &request, state).rule_name, rule);
}

#define ASK(...) ((struct kith_policy_request){__VA_ARGS__})

static void test_one_service(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = example("one-service");
    const struct who shop = {.uid = 5, .unit = "shop@3.service"}, other = {.uid = 5, .unit = "shop.service"}, root = {.uid = 0};
    assert_rule(policy, &shop, ASK(.verb = KITH_VERB_SEND), NULL, "shop");
    assert_rule(policy, &other, ASK(.verb = KITH_VERB_SEND), NULL, "default");
    assert_rule(policy, &root, ASK(.verb = KITH_VERB_CONNECT), NULL, "root looks");
    assert_rule(policy, &root, ASK(.verb = KITH_VERB_SEND), NULL, "default");
    assert_rule(policy, &root, ASK(.verb = KITH_VERB_RECEIVE), NULL, "not governed");
}

#define SUBSCRIBE(text) ASK(.verb = KITH_VERB_SUBSCRIBE, .topic = (text), .topic_size = strlen(text), .topic_is_prefix = true)
#define RECEIVE(text) ASK(.verb = KITH_VERB_RECEIVE, .topic = (text), .topic_size = strlen(text))

static void test_publish_by_topic(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = example("publish-by-topic");
    const struct who ann = {.uid = 1000, .gid = 1000}, oper = {.uid = 1001, .gid = 27}, daemon = {.uid = 2, .gid = 2};
    assert_rule(policy, &ann, ASK(.verb = KITH_VERB_CONNECT), NULL, "people connect");
    assert_rule(policy, &ann, SUBSCRIBE("weather.de"), NULL, "people and the weather");
    assert_rule(policy, &ann, SUBSCRIBE("weather"), NULL, "default");
    assert_rule(policy, &ann, SUBSCRIBE("news"), NULL, "default"); /* newspapers, too */
    assert_rule(policy, &ann, SUBSCRIBE(""), NULL, "operators only");
    assert_rule(policy, &ann, SUBSCRIBE("ops.x"), NULL, "operators only");
    assert_rule(policy, &ann, RECEIVE("news"), NULL, "people and the weather");
    assert_rule(policy, &ann, RECEIVE("ops.disk"), NULL, "operators only");
    assert_rule(policy, &ann, RECEIVE("other"), NULL, "default");
    assert_rule(policy, &ann, ASK(.verb = KITH_VERB_SEND), NULL, "default");
    assert_rule(policy, &oper, SUBSCRIBE(""), NULL, "operators");
    assert_rule(policy, &oper, RECEIVE("ops.disk"), NULL, "operators");
    assert_rule(policy, &daemon, ASK(.verb = KITH_VERB_CONNECT), NULL, "default");
}

static void test_rate_limited_user(void **cmocka) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = example("rate-limited-user");
    _cleanup_(kith_policy_state_freep) kith_policy_state *state = NULL;
    const struct who web = {.uid = 33}, root = {.uid = 0};
    const uint64_t second = 1000000000, monday = 4 * 86400 * second; /* 5 January 1970, 00:00 */
    struct kith_policy_request send = {.verb = KITH_VERB_SEND, .size = 100, .now = monday, .has_utc_offset = true};

    assert_int_equal(kith_policy_state_new(&state), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_rule(policy, &web, send, state, "web asks");
    assert_rule(policy, &web, send, state, "default");
    send.now += second;
    for (unsigned i = 0; i < 50; i++)
        assert_rule(policy, &web, send, state, "web asks");
    assert_rule(policy, &web, send, state, "default");
    assert_rule(policy, &root, send, state, "root");

    send.now += 60 * second;
    send.size = 65537;
    assert_rule(policy, &web, send, state, "default");
    send.size = 5;
    send.fd_count = 1;
    assert_rule(policy, &web, send, state, "default");
    send.fd_count = 0;
    send.now = monday - 21 * 3600 * second; /* Sunday, three in the morning */
    assert_rule(policy, &web, send, state, "maintenance");
    send.verb = KITH_VERB_CONNECT;
    send.now = monday;
    assert_rule(policy, &web, send, state, "web connects");
}

static void test_demand_server(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = example("demand-server");
    const struct kith_policy_request serve = {.verb = KITH_VERB_SERVE};
    struct who local = {.uid = 70, .exe = "/usr/lib/orders/bin/server", .unit = "orders.service"};
    struct who far = {.uid = 5, .address = "192.0.2.9:5555", .key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"};
    assert_rule(policy, &local, serve, NULL, "the local database");
    assert_rule(policy, &local, ASK(.verb = KITH_VERB_SEND), NULL, "the local database"); /* its replies */
    local.uid = 71;
    assert_rule(policy, &local, serve, NULL, "default");
    assert_rule(policy, &far, serve, NULL, "the database elsewhere");
    assert_rule(policy, &far, ASK(.verb = KITH_VERB_SEND), NULL, "the database elsewhere");
    far.address = "192.0.2.9:5556";
    assert_rule(policy, &far, serve, NULL, "default");
    far.address = "[2001:db8:7:1::2]:5555";
    assert_rule(policy, &far, serve, NULL, "the database elsewhere");
    far.key = NULL;
    assert_rule(policy, &far, serve, NULL, "default");
    /* So the verdict can only be had after the handshake. */
    assert_true(kith_policy_may_look_at(policy, KITH_VERB_SERVE) & KITH_LOOKED_AT_PROOF);
}

static void test_descriptors(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = example("descriptors");
    struct who user = {.uid = 1000, .cgroup = "/user.slice/user-1000.slice/session-2.scope"}, root = {.uid = 0};
    assert_rule(policy, &user, ASK(.verb = KITH_VERB_CONNECT), NULL, "desktop connects");
    assert_rule(policy, &user, ASK(.verb = KITH_VERB_SEND), NULL, "desktop sends");
    assert_rule(policy, &user, ASK(.verb = KITH_VERB_SEND, .fd_count = 4, .fd_kinds = KITH_FD_MEMFD | KITH_FD_SOCKET), NULL,
                "desktop sends");
    assert_rule(policy, &user, ASK(.verb = KITH_VERB_SEND, .fd_count = 5, .fd_kinds = KITH_FD_MEMFD), NULL, "default");
    assert_rule(policy, &user, ASK(.verb = KITH_VERB_SEND, .fd_count = 2, .fd_kinds = KITH_FD_MEMFD | KITH_FD_PIPE), NULL, "default");
    assert_rule(policy, &user, ASK(.verb = KITH_VERB_SEND, .fd_count = 1), NULL, "default");
    assert_rule(policy, &root, ASK(.verb = KITH_VERB_SEND, .fd_count = 2, .fd_kinds = KITH_FD_FILE | KITH_FD_PIPE), NULL, "root");
    assert_rule(policy, &root, ASK(.verb = KITH_VERB_SEND, .fd_count = 2, .fd_kinds = KITH_FD_FILE | KITH_FD_DEVICE), NULL, "no devices");
    user.may_forge = 1;
    assert_rule(policy, &user, ASK(.verb = KITH_VERB_SEND), NULL, "default");
}

static void test_operators_and_a_program_of_a_user(void **state) {
    _cleanup_(kith_policy_unrefp) kith_policy *operators = example("operators"), *program = example("program-of-a-user");
    const struct who adm = {.uid = 5, .gid = 4, .exe = "/usr/bin/foo"}, ann = {.uid = 1000, .gid = 1000, .exe = "/usr/bin/foo"};
    struct who web = {.uid = 33, .exe = "/opt/collector/2/bin/collector (deleted)", .cgroup = "/system.slice/collector.service"};
    assert_rule(operators, &adm, ASK(.verb = KITH_VERB_SEND), NULL, "operators");
    assert_rule(operators, &ann, ASK(.verb = KITH_VERB_CONNECT), NULL, "onlookers");
    assert_rule(operators, &ann, ASK(.verb = KITH_VERB_SEND), NULL, "default");
    assert_rule(program, &web, ASK(.verb = KITH_VERB_SEND), NULL, "collector");
    web.cgroup = "/machine.slice/x";
    assert_rule(program, &web, ASK(.verb = KITH_VERB_SEND), NULL, "no container");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_example_is_a_policy_that_keeps_strangers_out),
        cmocka_unit_test(test_one_service),
        cmocka_unit_test(test_publish_by_topic),
        cmocka_unit_test(test_rate_limited_user),
        cmocka_unit_test(test_demand_server),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_operators_and_a_program_of_a_user),
    };
    return cmocka_run_group_tests_name("config/examples", tests, NULL, NULL);
}
