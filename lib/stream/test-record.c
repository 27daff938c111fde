/* Records of a handover: what is written is read again, and whatever else comes is refused. */
#include "stream/testing.h"

#include "stream/record.h"

/* Header as a struct, to be damaged field by field. */
struct form {
    const char *magic;
    unsigned version, type, fd_count, zero;
    uint32_t size;
};

static void put(uint8_t *octets, size_t count, uint64_t number) {
    for (size_t i = 0; i < count; i++)
        octets[i] = (uint8_t)(number >> 8 * i);
}

static int decode(const struct form *form, struct kith_record *ret_record) {
    uint8_t header[KITH_RECORD_HEADER];
    memcpy(header, form->magic, 4);
    put(header + 4, 2, form->version);
    put(header + 6, 2, form->type);
    put(header + 8, 4, form->size);
    put(header + 12, 2, form->fd_count);
    put(header + 14, 2, form->zero);
    return kith_record_decode(header, ret_record);
}

static void test_headers_are_read_within_their_limits(void **state) {
    static const struct {
        struct form form;
        int expected;
    } cases[] = {
        {{"kith", 1, KITH_RECORD_HELLO, 0, 0, 0}, 0},
        {{"kith", 1, KITH_RECORD_LISTENER, 1, 0, 19}, 0},
        {{"kith", 1, KITH_RECORD_LISTENER, 2, 0, 380}, 0},
        {{"kith", 1, KITH_RECORD_CONN, 1, 0, KITH_RECORD_BODY_MAX}, 0},
        {{"kith", 1, KITH_RECORD_CANCEL, 0, 0, 259}, 0},
        {{"kith", 7, KITH_RECORD_CANCEL, 0, 0, 4}, 0}, /* of every version */
        {{"kitH", 1, KITH_RECORD_HELLO, 0, 0, 0}, -EPROTO},
        {{"kith", 0, KITH_RECORD_HELLO, 0, 0, 0}, -EPROTONOSUPPORT},
        {{"kith", 2, KITH_RECORD_HELLO, 0, 0, 0}, -EPROTONOSUPPORT},
        {{"kith", 2, 99, 0, 0, 0}, -EPROTONOSUPPORT},
        {{"kith", 1, 0, 0, 0, 0}, -EPROTO},
        {{"kith", 1, KITH_RECORD_CANCEL + 1, 0, 0, 0}, -EPROTO},
        {{"kith", 1, UINT16_MAX, 0, 0, 0}, -EPROTO},
        {{"kith", 1, KITH_RECORD_HELLO, 0, 1, 0}, -EPROTO},
        {{"kith", 1, KITH_RECORD_HELLO, 0, 0, 1}, -EPROTO},
        {{"kith", 1, KITH_RECORD_HELLO, 1, 0, 0}, -EPROTO},
        {{"kith", 1, KITH_RECORD_LISTENER, 0, 0, 19}, -EPROTO},
        {{"kith", 1, KITH_RECORD_LISTENER, 3, 0, 19}, -EPROTO},
        {{"kith", 1, KITH_RECORD_LISTENER, 1, 0, 18}, -EPROTO},
        {{"kith", 1, KITH_RECORD_LISTENER, 1, 0, 381}, -EPROTO},
        {{"kith", 1, KITH_RECORD_END, 0, 0, 3}, -EPROTO},
        {{"kith", 1, KITH_RECORD_READY, 0, 0, 5}, -EPROTO},
        {{"kith", 1, KITH_RECORD_CONN, 1, 0, KITH_RECORD_BODY_MAX + 1}, -EPROTO},
        {{"kith", 1, KITH_RECORD_CONN, 1, 0, UINT32_MAX}, -EPROTO},
        {{"kith", 1, KITH_RECORD_CONN, 2, 0, 4}, -EPROTO},
        {{"kith", 1, KITH_RECORD_CANCEL, 0, 0, 260}, -EPROTO},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_record record = {0};
        assert_int_equal(decode(&cases[i].form, &record), cases[i].expected);
        if (cases[i].expected == 0) {
            assert_int_equal(record.type, cases[i].form.type);
            assert_int_equal(record.size, cases[i].form.size);
            assert_int_equal(record.fd_count, cases[i].form.fd_count);
        }
    }
}

static struct kith_record header_of(const struct kith_record_out *out) {
    struct kith_record record;
    assert_int_equal(kith_record_decode(out->octets, &record), 0);
    assert_int_equal(record.size, out->size - KITH_RECORD_HEADER);
    assert_int_equal(record.fd_count, out->fd_count);
    return record;
}

static void test_a_listener_comes_back_as_it_was(void **state) {
    struct kith_record_listener longest = {.device = UINT64_MAX, .inode = UINT64_MAX - 1}, back;
    memset(longest.name, 'n', sizeof(longest.name) - 1);
    memset(longest.path, 'p', sizeof(longest.path) - 1);
    const struct kith_record_listener cases[] = {{.name = "web"}, {.device = 7, .inode = 8, .name = "w", .path = "x.sock"}, longest};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_record_out *out;
        assert_int_equal(kith_record_new_listener(&cases[i], 5, cases[i].path[0] ? 6 : -1, &out), 0);
        struct kith_record record = header_of(out);
        assert_int_equal(record.type, KITH_RECORD_LISTENER);
        assert_int_equal(kith_record_decode_listener(&record, out->octets + KITH_RECORD_HEADER, &back), 0);
        assert_true(back.device == cases[i].device && back.inode == cases[i].inode);
        assert_string_equal(back.name, cases[i].name);
        assert_string_equal(back.path, cases[i].path);
        kith_record_out_free(out);
    }
}

static void test_a_listener_that_makes_no_sense_is_refused(void **state) {
    static const struct {
        unsigned name_size, path_size;
        const char *rest; /* name and path */
        size_t size, fd_count;
    } cases[] = {
        {0, 3, "abc", 3, 2},      /* no name */
        {3, 0, "abcd", 4, 1},     /* an octet too many */
        {3, 2, "abcd", 4, 2},     /* one too few */
        {255, 255, "abcd", 4, 2}, /* far too few */
        {1, 200, "a", 201, 2},    /* a path longer than there is room for */
        {3, 0, "a\0c", 3, 1},     /* a NUL in the name */
        {1, 3, "nx\0y", 4, 2},    /* ... and in the path */
        {1, 3, "n../", 4, 2},     /* a path that leads elsewhere */
        {1, 8, "n../x.so", 9, 2}, /* the same */
        {1, 3, "nabc", 4, 1},     /* a path without its directory */
        {3, 0, "abc", 3, 2},      /* a directory without a path */
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_record record = {.type = KITH_RECORD_LISTENER, .size = 18 + cases[i].size, .fd_count = cases[i].fd_count};
        struct kith_record_listener listener;
        uint8_t *body = calloc(1, record.size); /* as large as it says, for the sanitizer */
        body[16] = (uint8_t)cases[i].name_size;
        body[17] = (uint8_t)cases[i].path_size;
        memcpy(body + 18, cases[i].rest, cases[i].size < 9 ? cases[i].size : 1);
        assert_int_equal(kith_record_decode_listener(&record, body, &listener), -EPROTO);
        free(body);
    }
}

static void test_a_connection_comes_back_with_state_and_unread_octets(void **state) {
    static const struct kith_taken_conn cases[] = {
        {.fd = 5},
        {.fd = 5, .state = "state", .state_size = 5},
        {.fd = 5, .unread = "unread", .unread_size = 6},
        {.fd = 5, .state = "s", .state_size = 1, .unread = "\0", .unread_size = 1},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_record_out *out;
        struct kith_taken_conn back;
        assert_int_equal(kith_record_new_conn(&cases[i], &out), 0);
        out->own_fds = false; /* 5 is none of ours */
        struct kith_record record = header_of(out);
        assert_int_equal(kith_record_decode_conn(&record, out->octets + KITH_RECORD_HEADER, &back), 0);
        assert_int_equal(back.state_size, cases[i].state_size);
        assert_int_equal(back.unread_size, cases[i].unread_size);
        assert_true(back.state_size == 0 || memcmp(back.state, cases[i].state, back.state_size) == 0);
        assert_true(back.unread_size == 0 || memcmp(back.unread, cases[i].unread, back.unread_size) == 0);
        kith_record_out_free(out);
    }
}

static void test_a_connection_whose_state_does_not_fit_is_refused(void **state) {
    static const uint32_t sizes[] = {5, 1U << 31, UINT32_MAX};
    uint8_t body[8] = {0};
    struct kith_record record = {.type = KITH_RECORD_CONN, .size = sizeof(body), .fd_count = 1};
    struct kith_taken_conn conn;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        put(body, 4, sizes[i]);
        assert_int_equal(kith_record_decode_conn(&record, body, &conn), -EPROTO);
    }
    put(body, 4, 4);
    assert_int_equal(kith_record_decode_conn(&record, body, &conn), 0);
}

static void test_a_cancel_says_why(void **state) {
    static const struct { int sent, expected; } cases[] = {{-EBUSY, -EBUSY}, {0, -ECANCELED}, {INT32_MIN, -ECANCELED}};
    char longest[400], text[KITH_RECORD_TEXT_MAX + 1];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_record_out *out;
        assert_int_equal(kith_record_new_cancel(cases[i].sent, i == 0 ? "too late" : longest, &out), 0);
        struct kith_record record = header_of(out);
        assert_int_equal(kith_record_decode_cancel(&record, out->octets + KITH_RECORD_HEADER, text), cases[i].expected);
        assert_int_equal(strlen(text), i == 0 ? strlen("too late") : KITH_RECORD_TEXT_MAX);
        kith_record_out_free(out);
    }
}

static void test_numbers_come_back(void **state) {
    static const uint32_t numbers[] = {0, 1, 0x01020304, UINT32_MAX};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(numbers); i++) {
        struct kith_record_out *out;
        assert_int_equal(kith_record_new_number(KITH_RECORD_READY, numbers[i], &out), 0);
        assert_int_equal(header_of(out).type, KITH_RECORD_READY);
        assert_int_equal(kith_record_decode_number(out->octets + KITH_RECORD_HEADER), numbers[i]);
        kith_record_out_free(out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_are_read_within_their_limits),
        cmocka_unit_test(test_a_listener_comes_back_as_it_was),
        cmocka_unit_test(test_a_listener_that_makes_no_sense_is_refused),
        cmocka_unit_test(test_a_connection_comes_back_with_state_and_unread_octets),
        cmocka_unit_test(test_a_connection_whose_state_does_not_fit_is_refused),
        cmocka_unit_test(test_a_cancel_says_why),
        cmocka_unit_test(test_numbers_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
