/* Tests of route sections (gateway/config.h): what a text becomes. What is said of wrong ones is tested end to end,
 * tests/e2e/test_route.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "gateway/testing-config.h"

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

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"

static void write_key(const char *path, const char *text, mode_t mode) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* A route to two targets of which the second says something itself. */
static int parse_keys(const char *of_route, const char *of_target, struct gateway_config **ret_config, struct kith_error *error) {
    char text[1024];
    int size = snprintf(text, sizeof(text), "route \"r\" { from = {\"ipc://@s\"}  %s  target \"t\" { to = \"tcp://h:1\"  %s } }\n",
                        of_route, of_target);
    return gateway_config_parse(text, (size_t)size, "test.conf", ret_config, error);
}

static void test_keys_of_curve_arrive_and_wrong_ones_are_named(void **state) {
    char path[] = "/tmp/kith-test-config-route-XXXXXX";
    static const uint8_t key[] = {0x54, 0xfc, 0xba, 0x24}; /* how KEY begins: RFC 26 */
    struct kith_error error = KITH_ERROR_NONE;
    struct gateway_config *config = NULL;
    char with_file[256];
    assert_int_equal(close(mkstemp(path)), 0);
    write_key(path, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n", 0600);
    snprintf(with_file, sizeof(with_file), "curve_secret_key_file = \"%s\"", path);
    assert_int_equal(parse_keys("curve_server_key = \"" KEY "\"", with_file, &config, &error), 0);
    const struct output_options *options = &config->routes[0].targets[0].options;
    assert_true(options->curve && !options->anonymous);
    assert_memory_equal(options->curve_server_key, key, sizeof(key));
    assert_int_equal(options->curve_secret_key[0], 0x8e);
    gateway_config_free(config);
    assert_int_equal(parse_keys("", "curve_server_key = \"" KEY "\"", &config, &error), 0);
    options = &config->routes[0].targets[0].options;
    assert_true(options->curve && options->anonymous);
    gateway_config_free(config);
    assert_int_equal(parse_keys("", with_file, &config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "give it curve_server_key"));
    assert_int_equal(parse_keys("", "curve_server_key = \"short\"", &config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "40 characters"));
    write_key(path, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n", 0644);
    assert_int_equal(parse_keys("curve_server_key = \"" KEY "\"", with_file, &config, &error), -EPERM);
    assert_non_null(strstr(error.text, "chmod o="));
    write_key(path, "no key\n", 0600);
    assert_int_equal(parse_keys("curve_server_key = \"" KEY "\"", with_file, &config, &error), -EINVAL);
    assert_non_null(strstr(error.text, "not a secret key"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(parse_keys("curve_server_key = \"" KEY "\"", with_file, &config, &error), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_curve_arrive_and_wrong_ones_are_named),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_value_arrives),
        cmocka_unit_test(test_a_target_of_its_own_begins_with_the_routes_options),
        cmocka_unit_test(test_what_needs_a_restart_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
