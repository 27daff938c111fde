/*
 * The walk and the decoders over buffers made by hand: what the kernel would never send has to be survived all the same. Buffers are
 * exact heap blocks, so that a sanitizer sees the first octet read beyond one, and lie at every alignment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <asm/socket.h>
#include <errno.h>
#include <linux/time_types.h>

#include "base/cleanup.h"
#include "cmsg/internal.h"

#define SCM_SECURITY_TYPE 3
#define SCM_PIDFD_TYPE 4

/* Appends a control message whose length says `claimed`, with the data as they are and no padding. */
static size_t append(uint8_t *buffer, size_t offset, int level, int type, size_t claimed, const void *data, size_t size) {
    struct cmsghdr header = {.cmsg_len = claimed, .cmsg_level = level, .cmsg_type = type};

    memcpy(buffer + offset, &header, sizeof(header));
    if (size > 0)
        memcpy(buffer + offset + sizeof(header), data, size);
    return offset + sizeof(header) + size;
}

/* Walks a copy of the buffer at `shift` octets from alignment; returns the result that ended the walk and counts what came before. */
static int walk(const uint8_t *buffer, size_t size, size_t shift, struct kith_cmsg *last, size_t *count) {
    uint8_t *copy = malloc(shift + size + (shift + size == 0));
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;
    int r;

    assert_non_null(copy);
    if (size > 0)
        memcpy(copy + shift, buffer, size);
    iter = kith_cmsg_iter_init(copy + shift, size);
    *count = 0;
    while ((r = kith_cmsg_next(&iter, &cmsg)) > 0) {
        if (last)
            *last = cmsg;
        ++*count;
        assert_in_range((uintptr_t)cmsg.data, (uintptr_t)copy + shift, (uintptr_t)copy + shift + size);
        assert_true(cmsg.size <= size);
    }
    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 0); /* the walk is over, whatever ended it */
    free(copy);
    return r;
}

static void test_nothing_received_is_the_end(void **state) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(NULL, 0);
    struct kith_cmsg cmsg;

    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 0);
}

static void test_a_length_that_does_not_fit_ends_the_walk(void **state) {
    static const size_t lengths[] = {0, 1, sizeof(struct cmsghdr) - 1, CMSG_LEN(5), CMSG_LEN(4096), SIZE_MAX - 7, SIZE_MAX};
    uint8_t buffer[CMSG_SPACE(12) + CMSG_LEN(4)];
    struct ucred ucred = {.pid = 1};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(lengths); i++) {
        size_t count;

        memset(buffer, 0, sizeof(buffer));
        append(buffer, 0, SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(ucred)), &ucred, sizeof(ucred));
        append(buffer, CMSG_SPACE(sizeof(ucred)), SOL_SOCKET, SCM_RIGHTS, lengths[i], "\1\0\0\0", 4);
        assert_int_equal(walk(buffer, sizeof(buffer), 0, NULL, &count), -EBADMSG);
        assert_int_equal(count, 1);
    }
}

static void test_every_cut_of_a_buffer_is_survived_at_every_alignment(void **state) {
    uint8_t buffer[CMSG_SPACE(12) + CMSG_LEN(8)] = {0};
    struct ucred ucred = {.pid = 812, .uid = 1000, .gid = 100};
    int fds[2] = {7, 8};

    append(buffer, 0, SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(ucred)), &ucred, sizeof(ucred));
    append(buffer, CMSG_SPACE(sizeof(ucred)), SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(sizeof(fds)), fds, sizeof(fds));

    for (size_t shift = 0; shift < sizeof(size_t); shift++) {
        for (size_t size = 0; size <= sizeof(buffer); size++) {
            /* Whole: nothing, one message with or without its padding, both. */
            bool one = size >= CMSG_LEN(sizeof(ucred)) && size <= CMSG_SPACE(sizeof(ucred));
            bool whole = size == 0 || one || size == sizeof(buffer);
            size_t count;

            assert_int_equal(walk(buffer, size, shift, NULL, &count), whole ? 0 : -EBADMSG);
            assert_int_equal(count, size == sizeof(buffer) ? 2 : size >= CMSG_LEN(sizeof(ucred)) ? 1 : 0);
        }
    }
}

static void test_data_too_short_for_a_known_type_are_refused(void **state) {
    const struct kith_cmsg_type *type;

    for (size_t i = 0; (type = kith_cmsg_type_at(i)); i++) {
        const struct kith_cmsg_row *row = kith_cmsg_row_find(type->level, type->type);
        uint8_t zeros[64] = {0};

        assert_true(row->min_size <= sizeof(zeros));
        for (size_t size = 0; size <= row->min_size; size++) {
            uint8_t buffer[CMSG_SPACE(sizeof(zeros))];
            size_t end = append(buffer, 0, type->level, type->type, CMSG_LEN(size), zeros, size);
            size_t count;

            assert_int_equal(walk(buffer, end, 0, NULL, &count), size < row->min_size ? -EBADMSG : 0);
            assert_int_equal(count, size == row->min_size);
        }
    }
}

static void test_the_table_has_each_type_once_and_finds_it(void **state) {
    const struct kith_cmsg_type *type;
    size_t count = 0;

    for (; (type = kith_cmsg_type_at(count)); count++) {
        assert_ptr_equal(kith_cmsg_type_find(type->level, type->type), type);
        assert_int_not_equal(type->kind, KITH_CMSG_UNKNOWN);
        assert_non_null(type->name);
        assert_true(type->since || type->send_since);
        assert_non_null(type->data);
        assert_non_null(type->manual);
        assert_non_null(type->summary);
    }
    assert_int_equal(count, 77);
    assert_null(kith_cmsg_type_find(SOL_SOCKET, 4711));
    assert_null(kith_cmsg_type_find(4711, SCM_RIGHTS));
}

static void test_each_type_is_decoded_and_printed(void **state) {
    static const int fds[3] = {5, 6, 70};
    static const struct ucred ucred = {.pid = 812, .uid = 4294967294, .gid = 100};
    static const int pidfd = 9, no_pidfd = -EMFILE;
    static const uint32_t drops = UINT32_MAX;
    static const struct __kernel_old_timeval timeval_old = {1700000000, 5};
    static const struct __kernel_sock_timeval timeval_new = {1700000000, 999999};
    static const struct __kernel_old_timespec timespec_old = {1700000000, 5}, stamps_old[3] = {{1, 2}, {0, 0}, {3, 4}};
    static const struct __kernel_timespec timespec_new = {1700000000, 999999999}, stamps_new[3] = {{-1, 2}, {0, 0}, {0, 0}};
    static const struct {
        int type;
        const void *data;
        size_t size;
        enum kith_cmsg_kind kind;
        const char *text;
    } cases[] = {
        {SCM_RIGHTS, fds, sizeof(fds), KITH_CMSG_FDS, "SCM_RIGHTS fds=5,6,70"},
        {SCM_RIGHTS, fds, sizeof(fds) - 1, KITH_CMSG_FDS, "SCM_RIGHTS fds=5,6"},
        {SCM_CREDENTIALS, &ucred, sizeof(ucred), KITH_CMSG_CREDENTIALS, "SCM_CREDENTIALS pid=812 uid=4294967294 gid=100"},
        {SCM_PIDFD_TYPE, &pidfd, sizeof(pidfd), KITH_CMSG_PIDFD, "SCM_PIDFD pidfd=9"},
        {SCM_PIDFD_TYPE, &no_pidfd, sizeof(no_pidfd), KITH_CMSG_PIDFD, "SCM_PIDFD pidfd=-24"},
        {SCM_SECURITY_TYPE, "unconfined", 10, KITH_CMSG_SECURITY, "SCM_SECURITY label=unconfined"},
        {SCM_SECURITY_TYPE, "unconfined", 11, KITH_CMSG_SECURITY, "SCM_SECURITY label=unconfined"},
        {SCM_SECURITY_TYPE, "a\nb", 3, KITH_CMSG_SECURITY, "SCM_SECURITY label=a\\x0ab"},
        {SCM_SECURITY_TYPE, "", 0, KITH_CMSG_SECURITY, "SCM_SECURITY label="},
        {SO_TIMESTAMP_OLD, &timeval_old, sizeof(timeval_old), KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMP time=1700000000.000005000"},
        {SO_TIMESTAMP_NEW, &timeval_new, sizeof(timeval_new), KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMP_NEW time=1700000000.999999000"},
        {SO_TIMESTAMPNS_OLD, &timespec_old, sizeof(timespec_old), KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMPNS time=1700000000.000000005"},
        {SO_TIMESTAMPNS_NEW, &timespec_new, sizeof(timespec_new), KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMPNS_NEW time=1700000000.999999999"},
        {SO_TIMESTAMPING_OLD, stamps_old, sizeof(stamps_old), KITH_CMSG_TIMESTAMPING,
         "SCM_TIMESTAMPING software=1.000000002 hardware=3.000000004"},
        {SO_TIMESTAMPING_NEW, stamps_new, sizeof(stamps_new), KITH_CMSG_TIMESTAMPING, "SCM_TIMESTAMPING_NEW software=-1.000000002"},
        {SO_RXQ_OVFL, &drops, sizeof(drops), KITH_CMSG_DROPS, "SO_RXQ_OVFL drops=4294967295"},
        {4711, "\x01\x02\xff", 3, KITH_CMSG_UNKNOWN, "level=1 type=4711 size=3 data=0102ff"},
        {4711, "0123456789abcdefg", 17, KITH_CMSG_UNKNOWN, "level=1 type=4711 size=17 data=30313233343536373839616263646566..."},
        {4711, "", 0, KITH_CMSG_UNKNOWN, "level=1 type=4711 size=0"},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        for (size_t shift = 0; shift < sizeof(size_t); shift++) {
            uint8_t buffer[CMSG_SPACE(64) + 8];
            size_t end = append(buffer, shift, SOL_SOCKET, cases[i].type, CMSG_LEN(cases[i].size), cases[i].data, cases[i].size);
            struct kith_cmsg_iter iter = kith_cmsg_iter_init(buffer + shift, end - shift);
            struct kith_cmsg cmsg;
            char text[160];

            assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
            assert_int_equal(cmsg.kind, cases[i].kind);
            assert_int_equal(cmsg.size, cases[i].size);
            assert_ptr_equal(cmsg.entry, kith_cmsg_type_find(SOL_SOCKET, cases[i].type));
            assert_int_equal(kith_cmsg_format(&cmsg, text, sizeof(text)), strlen(cases[i].text));
            assert_string_equal(text, cases[i].text);
            assert_int_equal(kith_cmsg_next(&iter, &cmsg), 0);
        }
    }
}

static void test_a_time_with_an_impossible_fraction_is_refused(void **state) {
    static const struct __kernel_old_timeval negative_us = {1, -1}, huge_us = {1, 1000000}, overflowing_us = {1, INT64_MAX};
    static const struct __kernel_timespec negative_ns = {1, -1}, huge_ns = {1, 1000000000};
    static const struct __kernel_timespec third[3] = {{1, 1}, {1, 1}, {1, INT64_MIN}};
    static const struct {
        int type;
        const void *data;
        size_t size;
    } cases[] = {
        {SO_TIMESTAMP_OLD, &negative_us, sizeof(negative_us)},
        {SO_TIMESTAMP_OLD, &huge_us, sizeof(huge_us)},
        {SO_TIMESTAMP_OLD, &overflowing_us, sizeof(overflowing_us)},
        {SO_TIMESTAMPNS_NEW, &negative_ns, sizeof(negative_ns)},
        {SO_TIMESTAMPNS_NEW, &huge_ns, sizeof(huge_ns)},
        {SO_TIMESTAMPING_NEW, third, sizeof(third)},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        uint8_t buffer[CMSG_SPACE(64)];
        size_t end = append(buffer, 0, SOL_SOCKET, cases[i].type, CMSG_LEN(cases[i].size), cases[i].data, cases[i].size);
        size_t count;

        assert_int_equal(walk(buffer, end, 0, NULL, &count), -EBADMSG);
        assert_int_equal(count, 0);
    }
}

static void test_an_unknown_message_is_handed_out_raw_and_the_walk_goes_on(void **state) {
    uint8_t buffer[CMSG_SPACE(3) + CMSG_SPACE(12)] = {0};
    struct ucred ucred = {.pid = 812, .uid = 1, .gid = 2};
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;

    append(buffer, 0, 99, 8, CMSG_LEN(3), "abc", 3);
    append(buffer, CMSG_SPACE(3), SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(ucred)), &ucred, sizeof(ucred));
    iter = kith_cmsg_iter_init(buffer, sizeof(buffer));

    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
    assert_int_equal(cmsg.kind, KITH_CMSG_UNKNOWN);
    assert_null(cmsg.entry);
    assert_int_equal(cmsg.level, 99);
    assert_int_equal(cmsg.type, 8);
    assert_memory_equal(cmsg.data, "abc", 3);
    assert_int_equal(kith_cmsg_fd(&cmsg, 0), -1);
    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
    assert_int_equal(cmsg.value.credentials.pid, 812);
}

static void test_data_longer_than_expected_stay_reachable(void **state) {
    struct {
        struct ucred ucred;
        char more[4];
    } data = {{.pid = 812, .uid = 1, .gid = 2}, "more"};
    uint8_t buffer[CMSG_SPACE(sizeof(data))];
    size_t end = append(buffer, 0, SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(data)), &data, sizeof(data));
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(buffer, end);
    struct kith_cmsg cmsg;

    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
    assert_int_equal(cmsg.value.credentials.gid, 2);
    assert_int_equal(cmsg.size, sizeof(data));
    assert_memory_equal((const uint8_t *)cmsg.data + sizeof(struct ucred), "more", 4);
}

static void test_a_descriptor_beyond_the_end_is_none(void **state) {
    static const int fds[2] = {5, 6};
    uint8_t buffer[CMSG_SPACE(sizeof(fds))];
    size_t end = append(buffer, 0, SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(sizeof(fds)), fds, sizeof(fds));
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(buffer, end);
    struct kith_cmsg cmsg;

    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
    assert_int_equal(kith_cmsg_fd(&cmsg, 0), 5);
    assert_int_equal(kith_cmsg_fd(&cmsg, 1), 6);
    assert_int_equal(kith_cmsg_fd(&cmsg, 2), -1);
    assert_int_equal(kith_cmsg_fd(&cmsg, SIZE_MAX), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_received_is_the_end),
        cmocka_unit_test(test_a_length_that_does_not_fit_ends_the_walk),
        cmocka_unit_test(test_every_cut_of_a_buffer_is_survived_at_every_alignment),
        cmocka_unit_test(test_data_too_short_for_a_known_type_are_refused),
        cmocka_unit_test(test_the_table_has_each_type_once_and_finds_it),
        cmocka_unit_test(test_each_type_is_decoded_and_printed),
        cmocka_unit_test(test_a_time_with_an_impossible_fraction_is_refused),
        cmocka_unit_test(test_an_unknown_message_is_handed_out_raw_and_the_walk_goes_on),
        cmocka_unit_test(test_data_longer_than_expected_stay_reachable),
        cmocka_unit_test(test_a_descriptor_beyond_the_end_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
