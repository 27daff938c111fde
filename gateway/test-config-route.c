/* Tests of route sections (gateway/config.h): what a text becomes. What is said of wrong ones is tested end to end,
 * tests/e2e/test_route.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/cleanup.h"
#include "gateway/config.h"

static struct gateway_config *parse(const char *text) {
    struct gateway_config *config = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    if (gateway_config_parse(text, strlen(text), "test.conf", &config, &error) < 0)
        fail_msg("%s", error.text);
    return config;
}

static void test_defaults(void **state) {
    static const struct output_options none;
    _cleanup_(gateway_config_freep) struct gateway_config *config = parse("route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"} }");
    const struct gateway_route_config *route = &config->routes[0];
    assert_int_equal(config->route_count, 1);
    assert_string_equal(route->name, "r");
    assert_string_equal(route->from[0], "ipc://@s");
    assert_null(route->from[1]);
    assert_null(route->from_bind);
    assert_int_equal(route->from_type, KITH_PULL);
    assert_null(route->subscribe);
    assert_null(route->policy);
    assert_int_equal(route->mode, 0);
    assert_int_equal(route->frames, GATEWAY_FRAMES_REFUSE);
    assert_null(route->spool);
    assert_int_equal(route->queue_bytes, 16 << 20);
    assert_int_equal(route->max_message, 1 << 20);
    assert_int_equal(route->option_count, 1);
    assert_int_equal(route->options[0].option, KITH_OPTION_MAX_MESSAGE);
    assert_int_equal(route->options[0].value, 1 << 20);
    assert_int_equal(route->target_count, 1);
    assert_string_equal(route->targets[0].name, "file:/x");
    assert_string_equal(route->targets[0].to, "file:/x");
    assert_memory_equal(&route->targets[0].options, &none, sizeof(none));
}

static void test_every_value_arrives(void **state) {
    _cleanup_(gateway_config_freep) struct gateway_config *config =
        parse("policy \"p\" { }\n"
              "route \"r\" {\n"
              "  from_bind = {\"ipc://@b\"}  from = {\"ipc://@c\", \"tcp://h:1\"}  from_type = \"sub\"  subscribe = {\"a\", \"b\"}\n"
              "  policy = \"p\"  frames = \"join\"  max_message = 5000000  recv_hwm = 7\n"
              "  spool = \"/s\"  spool_bytes = 100000  spool_age = 60000  overflow = \"drop-oldest\"\n"
              "  to = {\"raw+tcp://h:2\"}\n"
              "  framing = \"length\"  newline = \"escape\"  origin = yes  shell = yes  in_flight = 8  in_flight_bytes = 9\n"
              "  retry_min = 10  retry_max = 11  stop_timeout = 12  rotate_bytes = 13  rotate_age = 1400  keep = 15  sync = 16\n"
              "}\n");
    const struct gateway_route_config *route = &config->routes[0];
    const struct output_options *options = &route->targets[0].options;
    assert_string_equal(route->from_bind[0], "ipc://@b");
    assert_string_equal(route->from[1], "tcp://h:1");
    assert_int_equal(route->from_type, KITH_SUB);
    assert_string_equal(route->subscribe[1], "b");
    assert_non_null(route->policy);
    assert_int_equal(route->mode, 0666);
    assert_int_equal(route->frames, GATEWAY_FRAMES_JOIN);
    assert_int_equal(route->max_message, 5000000);
    assert_int_equal(route->option_count, 2);
    assert_string_equal(route->spool, "/s");
    assert_int_equal(route->spool_bytes, 100000);
    assert_int_equal(route->spool_age_ms, 60000);
    assert_int_equal(route->overflow, SPOOL_DROP_OLDEST);
    assert_int_equal(options->framing, OUTPUT_FRAMING_LENGTH);
    assert_int_equal(options->newline, OUTPUT_NEWLINE_ESCAPE);
    assert_true(options->origin && options->shell && !options->acks && !options->publish);
    assert_int_equal(options->flight_messages, 8);
    assert_int_equal(options->flight_octets, 9);
    assert_int_equal(options->retry_min_ms, 10);
    assert_int_equal(options->retry_max_ms, 11);
    assert_int_equal(options->stop_ms, 12);
    assert_int_equal(options->rotate_octets, 13);
    assert_int_equal(options->rotate_ms, 1400);
    assert_int_equal(options->keep, 15);
    assert_int_equal(options->sync_ms, 16);
}

static void test_a_target_of_its_own_begins_with_the_routes_options(void **state) {
    _cleanup_(gateway_config_freep) struct gateway_config *config =
        parse("route \"r\" { from = {\"ipc://@s\"}  origin = yes  keep = 3  to = {\"file:/x\"}\n"
              "  target \"net\" { to = \"raw+tcp://h:1\"  acks = yes  keep = 4 } }");
    const struct gateway_route_config *route = &config->routes[0];
    assert_int_equal(route->target_count, 2);
    assert_string_equal(route->targets[1].name, "net");
    assert_string_equal(route->targets[1].to, "raw+tcp://h:1");
    assert_true(route->targets[1].options.acks && route->targets[1].options.origin && !route->targets[0].options.acks);
    assert_int_equal(route->targets[0].options.keep, 3);
    assert_int_equal(route->targets[1].options.keep, 4);
}

static void test_what_needs_a_restart_is_told_apart(void **state) {
    static const char *const others[] = {
        "route \"r\" { from = {\"ipc://@t\"}  to = {\"file:/x\"}  spool = \"/s\" }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/y\"}  spool = \"/s\" }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/t\" }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"} }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/s\"  spool_age = 5000 }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/s\"  from_type = \"sub\" }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/s\"  frames = \"last\" }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/s\"  keep = 9 }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/s\"  recv_hwm = 9 }",
        "route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\", \"file:/y\"}  spool = \"/s\" }",
    };
    _cleanup_(gateway_config_freep) struct gateway_config *first =
        parse("route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/s\" }");
    _cleanup_(gateway_config_freep) struct gateway_config *policy =
        parse("policy \"p\" { }  route \"r\" { from = {\"ipc://@s\"}  to = {\"file:/x\"}  spool = \"/s\"  policy = \"p\"  mode = 0 }");
    assert_true(gateway_route_config_same(&first->routes[0], &first->routes[0]));
    assert_true(gateway_route_config_same(&first->routes[0], &policy->routes[0]));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(others); i++) {
        _cleanup_(gateway_config_freep) struct gateway_config *other = parse(others[i]);
        assert_false(gateway_route_config_same(&first->routes[0], &other->routes[0]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_value_arrives),
        cmocka_unit_test(test_a_target_of_its_own_begins_with_the_routes_options),
        cmocka_unit_test(test_what_needs_a_restart_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
