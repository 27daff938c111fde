/* Both views: the JSON is held against another implementation's parser, whatever octets go in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <jansson.h>

#include "origin/fake-source.h"
#include "origin/json.h"

static kith_origin *new_origin(void) {
    kith_origin *origin;

    assert_int_equal(kith_origin_new(&origin), 0);
    return origin;
}

static json_t *parse(kith_origin *origin) {
    char text[16384];
    json_error_t error;
    json_t *json;
    int length = kith_origin_to_json(origin, text, sizeof(text));

    assert_in_range(length, 2, sizeof(text) - 1);
    assert_int_equal(strlen(text), length);
    json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json)
        fail_msg("%s: %s", error.text, text);
    return json;
}

static const char *string_at(json_t *json, const char *object, const char *name) {
    return json_string_value(json_object_get(object ? json_object_get(json, object) : json, name));
}

static void test_the_json_form_is_the_one_promised(void **state) {
    static const struct kith_credentials credentials = {.pid = 812, .uid = 1000, .gid = 100};
    struct fake fake = fake_init();
    struct kith_process *process;
    kith_origin *origin;
    char text[1024];

    assert_int_equal(kith_process_new_from(&fake.source, 812, -1, false, &process), 0);
    assert_int_equal(kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_MESSAGE, process, &origin), 0);
    kith_process_unref(process);
    assert_int_equal(kith_origin_add_claim(origin, "User-Id", "root", 4), 0);
    assert_int_equal(kith_origin_add_claim(origin, "Key", "\xff\x00\x01\x02", 4), 0);
    kith_origin_to_json(origin, text, sizeof(text));
    assert_string_equal(text,
                        "{\"pid\":812,\"uid\":1000,\"gid\":100,\"groups\":[4,27],\"exe\":\"/usr/sbin/nginx\",\"unit\":\"nginx.service\","
                        "\"cgroup\":\"/system.slice/nginx.service\",\"label\":\"unconfined\",\"start_time\":4711,"
                        "\"pid_namespace\":4026531836,\"user_namespace\":4026531837,\"may_forge\":false,"
                        "\"witness\":{\"pid\":\"kernel-message\",\"uid\":\"kernel-message\",\"gid\":\"kernel-message\","
                        "\"groups\":\"inferred\",\"exe\":\"inferred\",\"unit\":\"inferred\",\"cgroup\":\"inferred\","
                        "\"label\":\"inferred\",\"start_time\":\"inferred\",\"pid_namespace\":\"inferred\","
                        "\"user_namespace\":\"inferred\",\"may_forge\":\"inferred\"},"
                        "\"claimed\":{\"User-Id\":\"root\"},\"claimed_b64\":{\"Key\":\"/wABAg==\"}}");
    json_decref(parse(origin));
    kith_origin_unref(origin);
}

static void test_an_unknown_origin_is_an_empty_witness(void **state) {
    kith_origin *origin = new_origin();
    char text[64];

    assert_int_equal(kith_origin_to_json(origin, text, sizeof(text)), 14);
    assert_string_equal(text, "{\"witness\":{}}");
    assert_int_equal(kith_origin_format(origin, text, sizeof(text)), 7);
    assert_string_equal(text, "unknown");
    kith_origin_unref(origin);
}

static void test_no_origin_at_all_is_an_unknown_one(void **state) {
    char text[64];

    assert_int_equal(kith_origin_pid(NULL, &(pid_t){0}), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_uid(NULL, &(uid_t){0}), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_gid(NULL, &(gid_t){0}), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_groups(NULL, &(const gid_t *){NULL}, &(size_t){0}), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_start_time(NULL, &(uint64_t){0}), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_text(NULL, KITH_FACT_EXE, &(const char *){NULL}), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_claim(NULL, 0, &(const char *){NULL}, &(const uint8_t *){NULL}, &(size_t){0}), 0);
    assert_false(kith_origin_alive(NULL));
    assert_int_equal(kith_origin_to_json(NULL, text, sizeof(text)), 14);
    assert_string_equal(text, "{\"witness\":{}}");
    assert_int_equal(kith_origin_format(NULL, text, sizeof(text)), 7);
    assert_string_equal(text, "unknown");
    assert_int_equal(kith_origin_set_number(NULL, KITH_FACT_PID, 1, KITH_WITNESS_CLAIMED), -EINVAL);
}

static void test_every_octet_of_a_path_yields_valid_json(void **state) {
    for (int octet = 1; octet < 256; octet++) {
        char path[] = {'/', (char)octet, 'x', '\0'};
        kith_origin *origin = new_origin();
        json_t *json;

        assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, path, KITH_WITNESS_INFERRED), 0);
        json = parse(origin);
        assert_string_equal(string_at(json, NULL, "exe"), octet < 0x80 ? path : "/\xef\xbf\xbdx");
        assert_string_equal(string_at(json, "witness", "exe"), "inferred");
        json_decref(json);
        kith_origin_unref(origin);
    }
}

static void test_octets_that_are_not_utf8_are_replaced_one_by_one(void **state) {
    static const char *const cases[][2] = {
        {"\xc3\xa4\xf0\x9f\x90\xa7", "\xc3\xa4\xf0\x9f\x90\xa7"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"a\xc0\xafz", "a\xef\xbf\xbd\xef\xbf\xbdz"},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        kith_origin *origin = new_origin();
        json_t *json;

        assert_int_equal(kith_origin_set_text(origin, KITH_FACT_LABEL, cases[i][0], KITH_WITNESS_KERNEL_CONNECT), 0);
        json = parse(origin);
        assert_string_equal(string_at(json, NULL, "label"), cases[i][1]);
        json_decref(json);
        kith_origin_unref(origin);
    }
}

static void test_a_claim_cannot_pose_as_a_fact_nor_leave_its_string(void **state) {
    static const char hostile[] = "x\",\"uid\":0,\"y\":\"\n\0z";
    kith_origin *origin = new_origin();
    json_t *json, *value;

    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, 1000, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_add_claim(origin, "uid", "0", 1), 0);
    assert_int_equal(kith_origin_add_claim(origin, "a\":{\"\xff", hostile, sizeof(hostile) - 1), 0);
    json = parse(origin);
    assert_int_equal(json_integer_value(json_object_get(json, "uid")), 1000);
    assert_int_equal(json_object_size(json), 3); /* uid, witness, claimed */
    assert_int_equal(json_object_size(json_object_get(json, "claimed")), 2);
    value = json_object_get(json_object_get(json, "claimed"), "a\":{\"\xef\xbf\xbd");
    assert_int_equal(json_string_length(value), sizeof(hostile) - 1);
    assert_memory_equal(json_string_value(value), hostile, sizeof(hostile));
    json_decref(json);
    kith_origin_unref(origin);
}

static void test_of_claims_with_one_name_the_first_is_shown(void **state) {
    kith_origin *origin = new_origin();
    json_t *json;

    assert_int_equal(kith_origin_add_claim(origin, "User-Id", "first", 5), 0);
    assert_int_equal(kith_origin_add_claim(origin, "User-Id", "second", 6), 0);
    assert_int_equal(kith_origin_add_claim(origin, "User-Id", "\xff", 1), 0);
    json = parse(origin);
    assert_string_equal(string_at(json, "claimed", "User-Id"), "first");
    assert_null(json_object_get(json, "claimed_b64"));
    json_decref(json);
    kith_origin_unref(origin);
}

static void test_numbers_of_every_size_survive(void **state) {
    kith_origin *origin = new_origin();
    char text[256];

    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_UID, UINT32_MAX, KITH_WITNESS_KEY), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_START_TIME, UINT64_MAX, KITH_WITNESS_KEY), 0);
    assert_int_equal(kith_origin_set_groups(origin, NULL, 0, KITH_WITNESS_KEY), 0);
    kith_origin_to_json(origin, text, sizeof(text));
    assert_string_equal(text, "{\"uid\":4294967295,\"groups\":[],\"start_time\":18446744073709551615,"
                              "\"witness\":{\"uid\":\"key\",\"groups\":\"key\",\"start_time\":\"key\"}}");
    kith_origin_unref(origin);
}

static void test_the_facts_of_a_datagram_are_shown(void **state) {
    kith_origin *origin;
    char text[512];

    assert_int_equal(kith_origin_new(&origin), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_ADDRESS, "10.0.0.7:4711", KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_DESTINATION, "239.1.1.1:5555", KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_INTERFACE, "eth0", KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_TTL, 1, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_TOS, 0, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_TIME, 1700000000000000001, KITH_WITNESS_KERNEL_MESSAGE), 0);
    kith_origin_to_json(origin, text, sizeof(text));
    assert_string_equal(text, "{\"address\":\"10.0.0.7:4711\",\"destination\":\"239.1.1.1:5555\",\"interface\":\"eth0\","
                              "\"ttl\":1,\"tos\":0,\"time\":1700000000000000001,"
                              "\"witness\":{\"address\":\"kernel-message\",\"destination\":\"kernel-message\","
                              "\"interface\":\"kernel-message\",\"ttl\":\"kernel-message\",\"tos\":\"kernel-message\","
                              "\"time\":\"kernel-message\"}}");
    kith_origin_format(origin, text, sizeof(text));
    assert_string_equal(text, "address 10.0.0.7:4711 interface eth0");
    kith_origin_unref(origin);
}

static void test_a_short_buffer_gets_a_prefix_and_the_length(void **state) {
    kith_origin *origin = new_origin();
    char whole[256], cut[256];
    int length;

    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, "/bin/\x01", KITH_WITNESS_INFERRED), 0);
    length = kith_origin_to_json(origin, whole, sizeof(whole));
    assert_int_equal(kith_origin_to_json(origin, NULL, 0), length);
    for (size_t size = 1; size <= (size_t)length; size++) {
        memset(cut, '#', sizeof(cut));
        assert_int_equal(kith_origin_to_json(origin, cut, size), length);
        assert_int_equal(strlen(cut), size - 1);
        assert_memory_equal(cut, whole, size - 1);
        assert_int_equal(cut[size], '#');
    }
    kith_origin_unref(origin);
}

static void test_base64_is_that_of_the_rfc(void **state) {
    /* RFC 4648, section 10, and the two digits that differ from the URL alphabet. */
    static const struct {
        const char *data;
        size_t size;
        const char *expected;
    } cases[] = {
        {"", 0, "\"\""},
        {"f", 1, "\"Zg==\""},
        {"fo", 2, "\"Zm8=\""},
        {"foo", 3, "\"Zm9v\""},
        {"foob", 4, "\"Zm9vYg==\""},
        {"fooba", 5, "\"Zm9vYmE=\""},
        {"foobar", 6, "\"Zm9vYmFy\""},
        {"\xfb\xff\xfe", 3, "\"+//+\""},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        char memory[32];
        struct kith_text text = kith_text_init(memory, sizeof(memory));

        kith_json_base64(&text, cases[i].data, cases[i].size);
        assert_string_equal(memory, cases[i].expected);
    }
}

static void test_the_line_for_a_person_shows_what_is_known_and_is_harmless(void **state) {
    kith_origin *origin = new_origin();
    char text[128];

    assert_int_equal(kith_origin_set_number(origin, KITH_FACT_PID, 812, KITH_WITNESS_KERNEL_MESSAGE), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_EXE, "/tmp/\x1b[2J\nx", KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_UNIT, "my\\x2dapp.service", KITH_WITNESS_KERNEL_CONNECT), 0);
    assert_int_equal(kith_origin_set_text(origin, KITH_FACT_ADDRESS, "[::1]:4711", KITH_WITNESS_KERNEL_CONNECT), 0);
    kith_origin_format(origin, text, sizeof(text));
    assert_string_equal(text, "pid 812 exe /tmp/\\x1b[2J\\x0ax unit my\\x2dapp.service address [::1]:4711");
    kith_origin_unref(origin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_json_form_is_the_one_promised),
        cmocka_unit_test(test_an_unknown_origin_is_an_empty_witness),
        cmocka_unit_test(test_no_origin_at_all_is_an_unknown_one),
        cmocka_unit_test(test_every_octet_of_a_path_yields_valid_json),
        cmocka_unit_test(test_octets_that_are_not_utf8_are_replaced_one_by_one),
        cmocka_unit_test(test_a_claim_cannot_pose_as_a_fact_nor_leave_its_string),
        cmocka_unit_test(test_of_claims_with_one_name_the_first_is_shown),
        cmocka_unit_test(test_numbers_of_every_size_survive),
        cmocka_unit_test(test_the_facts_of_a_datagram_are_shown),
        cmocka_unit_test(test_a_short_buffer_gets_a_prefix_and_the_length),
        cmocka_unit_test(test_base64_is_that_of_the_rfc),
        cmocka_unit_test(test_the_line_for_a_person_shows_what_is_known_and_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
