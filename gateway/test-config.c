/* Tests of gateway/config.h: what a text becomes. What is said of wrong texts is tested end to end, tests/e2e/test_serve.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/testing-config.h"

static void test_defaults(void **state) {
    (void)state;
    _cleanup_(gateway_config_freep) struct gateway_config *config = parse("service \"x\" { listen = {\"ipc://@x\"}  builtin = \"echo\" }");
    assert_int_equal(config->service_count, 1);
    assert_int_equal(config->drain_ms, 5000);
    const struct gateway_service_config *service = &config->services[0];
    assert_string_equal(service->name, "x");
    assert_string_equal(service->listen[0], "ipc://@x");
    assert_null(service->listen[1]);
    assert_null(service->workers);
    assert_int_equal(service->answer, GATEWAY_ANSWER_ECHO);
    assert_null(service->policy);
    assert_null(service->worker_policy);
    assert_int_equal(service->mode, 0);
    assert_int_equal(service->limits.waiting, 1000);
    assert_int_equal(service->limits.waiting_octets, 64 << 20);
    assert_int_equal(service->limits.in_flight, 100);
    assert_int_equal(service->request_timeout_ms, 30000);
    assert_int_equal(service->option_count, 0);
}

static void test_every_value_arrives(void **state) {
    (void)state;
    _cleanup_(gateway_config_freep) struct gateway_config *config =
        parse("drain = 77\n"
              "service \"x\" {\n"
              "  listen = {\"ipc://@a\", \"tcp://127.0.0.1:0\"}  policy = \"p\"  mode = 640\n"
              "  workers = {\"ipc://@w\"}  workers_with_origin = {\"ipc://@wo\"}  worker_policy = \"q\"  workers_mode = 0600\n"
              "  queue = 5  queue_bytes = 6  in_flight = 7  request_timeout = 8\n"
              "  max_message = 1000  handshake_timeout = 9  heartbeat_interval = 10  send_hwm = 11  recv_hwm_bytes = 12\n"
              "}\n"
              "policy \"p\" { rule \"a\" { allow = {\"*\"} } }\n"
              "policy \"q\" { rule \"a\" { allow = {\"*\"} }  rule \"b\" { deny = {\"*\"} } }\n");
    const struct gateway_service_config *service = &config->services[0];
    assert_int_equal(config->drain_ms, 77);
    assert_string_equal(service->listen[1], "tcp://127.0.0.1:0");
    assert_string_equal(service->workers[0], "ipc://@w");
    assert_string_equal(service->workers_with_origin[0], "ipc://@wo");
    assert_int_equal(service->answer, GATEWAY_ANSWER_WORKERS);
    assert_int_equal(kith_policy_rule_count(service->policy), 1);
    assert_int_equal(kith_policy_rule_count(service->worker_policy), 2);
    assert_int_equal(service->mode, 0640);
    assert_int_equal(service->workers_mode, 0600);
    assert_int_equal(service->limits.waiting, 5);
    assert_int_equal(service->limits.waiting_octets, 6);
    assert_int_equal(service->limits.in_flight, 7);
    assert_int_equal(service->request_timeout_ms, 8);
    static const struct gateway_option expected[] = {
        {KITH_OPTION_MAX_MESSAGE, 1000}, {KITH_OPTION_HANDSHAKE_TIMEOUT, 9}, {KITH_OPTION_HEARTBEAT_INTERVAL, 10},
        {KITH_OPTION_SEND_HWM, 11},      {KITH_OPTION_RECV_HWM_BYTES, 12},
    };
    assert_int_equal(service->option_count, KITH_ARRAY_SIZE(expected));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(expected); i++) {
        size_t k = 0;
        while (k < service->option_count && service->options[k].option != expected[i].option)
            k++;
        assert_true(k < service->option_count);
        assert_int_equal(service->options[k].value, expected[i].value);
    }
}

static void test_with_a_policy_the_path_is_open_to_all(void **state) {
    (void)state;
    _cleanup_(gateway_config_freep) struct gateway_config *config =
        parse("policy \"p\" { }\nservice \"x\" { listen = {\"ipc://@x\"}  builtin = \"who\"  policy = \"p\" }");
    assert_int_equal(config->services[0].mode, 0666);
    assert_int_equal(config->services[0].answer, GATEWAY_ANSWER_WHO);
}

static bool allows(kith_policy *policy, uid_t uid) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, uid, KITH_WITNESS_KERNEL_MESSAGE), 0);
    return kith_policy_decide(policy, KITH_VERB_SEND, origin).allow;
}

static void test_workers_without_policy_must_be_root_or_ourselves(void **state) {
    (void)state;
    _cleanup_(gateway_config_freep) struct gateway_config *config =
        parse("service \"x\" { listen = {\"ipc://@x\"}  workers = {\"ipc://@w\"} }");
    kith_policy *policy = config->services[0].worker_policy;
    assert_non_null(policy);
    assert_true(allows(policy, 0));
    assert_true(allows(policy, geteuid()));
    assert_false(allows(policy, 65534));
}

static void test_a_policy_file_lies_beside_the_configuration(void **state) {
    (void)state;
    char folder[] = "/tmp/kith-config-XXXXXX", path[64], name[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/x.policy", folder);
    snprintf(name, sizeof(name), "%s/kith.conf", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("rule \"a\" { allow = {\"*\"} }\n", file);
    fclose(file);

    static const char text[] = "service \"x\" { listen = {\"ipc://@x\"}  builtin = \"echo\"  policy = \"./x.policy\" }";
    _cleanup_(gateway_config_freep) struct gateway_config *config = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    int r = gateway_config_parse(text, sizeof(text) - 1, name, &config, &error);
    unlink(path);
    rmdir(folder);
    assert_int_equal(r, 0);
    assert_int_equal(kith_policy_rule_count(config->services[0].policy), 1);
}

static void test_what_needs_a_restart_is_told_apart(void **state) {
    (void)state;
    static const char *const others[] = {
        "service \"x\" { listen = {\"ipc://@y\"}  workers = {\"ipc://@w\"} }",
        "service \"x\" { listen = {\"ipc://@x\", \"ipc://@y\"}  workers = {\"ipc://@w\"} }",
        "service \"x\" { listen = {\"ipc://@x\"}  workers_with_origin = {\"ipc://@w\"} }",
        "service \"x\" { listen = {\"ipc://@x\"}  builtin = \"echo\" }",
        "service \"x\" { listen = {\"ipc://@x\"}  workers = {\"ipc://@w\"}  mode = 0600 }",
        "service \"x\" { listen = {\"ipc://@x\"}  workers = {\"ipc://@w\"}  send_hwm = 5 }",
    };
    _cleanup_(gateway_config_freep) struct gateway_config *first =
        parse("service \"x\" { listen = {\"ipc://@x\"}  workers = {\"ipc://@w\"} }");
    _cleanup_(gateway_config_freep) struct gateway_config *limits =
        parse("service \"x\" { listen = {\"ipc://@x\"}  workers = {\"ipc://@w\"}  queue = 3  request_timeout = 1 }");
    assert_true(gateway_service_config_same_sockets(&first->services[0], &limits->services[0]));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(others); i++) {
        _cleanup_(gateway_config_freep) struct gateway_config *other = parse(others[i]);
        assert_false(gateway_service_config_same_sockets(&first->services[0], &other->services[0]));
    }
}

static void test_the_default_text_is_right_for_every_user(void **state) {
    (void)state;
    struct kith_error error = KITH_ERROR_NONE;
    _cleanup_(freep) char *text = NULL;
    setenv("RUNTIME_DIRECTORY", "/run/here", 1);
    assert_int_equal(gateway_config_default(&text, &error), 0);
    unsetenv("RUNTIME_DIRECTORY");
    _cleanup_(gateway_config_freep) struct gateway_config *config = parse(text);
    assert_int_equal(config->service_count, 2);
    assert_string_equal(config->services[0].listen[0], "ipc:///run/here/echo.sock");
    assert_true(allows(config->services[0].policy, geteuid()));
    assert_true(allows(config->services[0].policy, 0));
    assert_false(allows(config->services[0].policy, 65534));

    char *other = NULL;
    setenv("RUNTIME_DIRECTORY", "/run/\"quoted\"", 1);
    assert_int_equal(gateway_config_default(&other, &error), -EINVAL);
    unsetenv("RUNTIME_DIRECTORY");
    assert_null(other);
}

static void test_on_failure_nothing_is_made(void **state) {
    (void)state;
    static const char text[] = "service \"x\" { listen = {\"ipc://@x\"}  builtin = \"echo\"  queue = \"many\" }";
    struct gateway_config *config = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    assert_int_equal(gateway_config_parse(text, sizeof(text) - 1, "test.conf", &config, &error), -EINVAL);
    assert_null(config);
    assert_memory_equal(error.text, "test.conf:1: ", strlen("test.conf:1: "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_value_arrives),
        cmocka_unit_test(test_with_a_policy_the_path_is_open_to_all),
        cmocka_unit_test(test_workers_without_policy_must_be_root_or_ourselves),
        cmocka_unit_test(test_a_policy_file_lies_beside_the_configuration),
        cmocka_unit_test(test_what_needs_a_restart_is_told_apart),
        cmocka_unit_test(test_the_default_text_is_right_for_every_user),
        cmocka_unit_test(test_on_failure_nothing_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
