/* msg/test-msg.c: frames go in and come out as they were, however they lie; accounts are paid back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msg/internal.h"

static kith_msg *msg_new(void) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_msg_new(&msg), 0);
    return msg;
}

static void assert_frame(const kith_msg *msg, size_t index, const void *data, size_t size) {
    size_t got_size = SIZE_MAX;
    const uint8_t *got = kith_msg_frame(msg, index, &got_size);
    assert_non_null(got);
    assert_int_equal(got_size, size);
    if (size > 0)
        assert_memory_equal(got, data, size);
}

static void test_frames_of_all_sizes_come_out_as_they_went_in(void **state) {
    static uint8_t octets[70000];
    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = (uint8_t)(i * 31);
    const size_t sizes[] = {0, 1, KITH_FRAME_SMALL - 1, KITH_FRAME_SMALL, KITH_FRAME_SMALL + 1, 4096, 70000};
    kith_msg *msg = msg_new();
    size_t total = 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        assert_int_equal(kith_msg_add(msg, octets, sizes[i]), 0);
        total += sizes[i];
    }
    assert_int_equal(kith_msg_count(msg), KITH_ARRAY_SIZE(sizes));
    assert_int_equal(kith_msg_size(msg), total);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++)
        assert_frame(msg, i, octets, sizes[i]);
    size_t size = 1;
    assert_null(kith_msg_frame(msg, KITH_ARRAY_SIZE(sizes), &size));
    assert_int_equal(size, 0);
    kith_msg_free(msg);
}

static void test_envelopes_are_put_in_front_and_taken_off(void **state) {
    kith_msg *msg = msg_new();
    assert_int_equal(kith_msg_add(msg, "body", 4), 0);
    for (int i = 0; i < 20; i++) {
        char text[8] = {(char)('a' + i)};
        assert_int_equal(kith_msg_prepend(msg, text, 1), 0);
    }
    assert_int_equal(kith_msg_count(msg), 21);
    assert_frame(msg, 0, "t", 1);
    assert_frame(msg, 19, "a", 1);
    assert_frame(msg, 20, "body", 4);
    kith_msg_drop(msg, 20);
    assert_int_equal(kith_msg_size(msg), 4);
    assert_frame(msg, 0, "body", 4);
    kith_msg_drop(msg, 5);
    assert_int_equal(kith_msg_count(msg), 0);
    assert_int_equal(kith_msg_size(msg), 0);
    kith_msg_free(msg);
}

/* Short ones lie in the array that grows meanwhile. */
static void test_a_frame_may_be_a_copy_of_one_that_the_message_has(void **state) {
    const size_t sizes[] = {0, 5, KITH_FRAME_SMALL, KITH_FRAME_SMALL + 1};
    uint8_t octets[KITH_FRAME_SMALL + 1];
    memset(octets, 'x', sizeof(octets));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        kith_msg *msg = msg_new();
        assert_int_equal(kith_msg_add(msg, octets, sizes[i]), 0);
        for (size_t count = 1; count < 100; count++) {
            size_t size;
            const uint8_t *frame = kith_msg_frame(msg, count / 2, &size);
            assert_int_equal(count % 2 ? kith_msg_add(msg, frame, size) : kith_msg_prepend(msg, frame, size), 0);
        }
        for (size_t j = 0; j < 100; j++)
            assert_frame(msg, j, octets, sizes[i]);
        assert_int_equal(kith_msg_size(msg), 100 * sizes[i]);
        kith_msg_free(msg);
    }
}

static void test_frames_move_behind_and_in_front_of_others(void **state) {
    kith_msg *envelope = msg_new(), *body = msg_new();
    char large[500];
    memset(large, 'x', sizeof(large));
    assert_int_equal(kith_msg_add(envelope, "id", 2), 0);
    assert_int_equal(kith_msg_add(envelope, NULL, 0), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(kith_msg_add(body, large, (size_t)i * 50), 0);
    size_t size = kith_msg_size(body);
    assert_int_equal(kith_msg_append(envelope, body), 0);
    assert_int_equal(kith_msg_count(body), 0);
    assert_int_equal(kith_msg_size(body), 0);
    assert_int_equal(kith_msg_count(envelope), 11);
    assert_frame(envelope, 10, large, 400);

    kith_msg_drop(envelope, 2);
    assert_int_equal(kith_msg_move(body, envelope, 9), 0);
    assert_int_equal(kith_msg_add(envelope, "id", 2), 0);
    assert_int_equal(kith_msg_add(envelope, NULL, 0), 0);
    assert_int_equal(kith_msg_move_front(body, envelope), 0);
    assert_int_equal(kith_msg_count(envelope), 0);
    assert_int_equal(kith_msg_size(envelope), 0);
    assert_int_equal(kith_msg_size(body), size + 2);
    assert_frame(body, 0, "id", 2);
    assert_frame(body, 1, NULL, 0);
    for (size_t i = 0; i < 9; i++)
        assert_frame(body, 2 + i, large, i * 50);

    assert_int_equal(kith_msg_move(envelope, body, 2), 0); /* and back */
    assert_int_equal(kith_msg_size(body), size);
    assert_frame(envelope, 0, "id", 2);
    assert_frame(body, 8, large, 400);
    assert_int_equal(kith_msg_append(body, body), -EINVAL);
    kith_msg_free(envelope);
    kith_msg_free(body);
}

static void test_a_slice_is_shared_and_outlives_its_giver(void **state) {
    kith_buffer *buffer;
    assert_int_equal(kith_buffer_new(1000, &buffer), 0);
    memset(kith_buffer_data(buffer), 7, 1000);
    kith_msg *msg = msg_new();
    struct kith_slice slice = {.buffer = buffer, .data = kith_buffer_data(buffer) + 100, .size = 800};
    assert_int_equal(kith_msg_add_slice(msg, slice), 0);
    assert_ptr_equal(kith_msg_frame(msg, 0, NULL), kith_buffer_data(buffer) + 100);
    kith_buffer_unref(buffer);
    uint8_t sevens[800];
    memset(sevens, 7, sizeof(sevens));
    assert_frame(msg, 0, sevens, 800);
    kith_msg_free(msg);
}

static void test_memory_never_runs_ahead_of_what_arrived(void **state) {
    static uint8_t piece[1000];
    memset(piece, 'p', sizeof(piece));
    struct kith_slice slice = {.data = piece, .size = sizeof(piece)};
    kith_msg *msg = msg_new();
    const uint64_t declared = UINT64_C(1) << 40;
    size_t arrived = 0;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(kith_msg_receive(msg, &slice, piece, sizeof(piece), declared, arrived), 0);
        arrived += sizeof(piece);
        assert_int_equal(kith_msg_size(msg), arrived);
        assert_true(kith_buffer_size(kith_msg_at(msg, 0)->slice.buffer) <= 2 * arrived);
    }
    kith_msg_free(msg);
}

static void test_a_frame_in_pieces_is_the_frame(void **state) {
    static uint8_t octets[100000];
    for (size_t i = 0; i < sizeof(octets); i++)
        octets[i] = (uint8_t)(i >> 3);
    const size_t steps[] = {1, 7, 63, 64, 65, 4096, 99999};
    for (size_t s = 0; s < KITH_ARRAY_SIZE(steps); s++) {
        struct kith_slice slice = {.data = octets, .size = sizeof(octets)};
        kith_msg *msg = msg_new();
        for (size_t at = 0; at < sizeof(octets); at += steps[s]) {
            size_t size = sizeof(octets) - at < steps[s] ? sizeof(octets) - at : steps[s];
            assert_int_equal(kith_msg_receive(msg, &slice, octets + at, size, sizeof(octets), at), 0);
        }
        assert_int_equal(kith_msg_receive(msg, &slice, octets, 0, 0, 0), 0);
        assert_int_equal(kith_msg_count(msg), 2);
        assert_frame(msg, 0, octets, sizeof(octets));
        kith_msg_free(msg);
    }
}

static void test_a_shared_message_holds_no_slab_of_one_thread_s_pool(void **state) {
    for (int shared = 0; shared < 2; shared++) {
        struct kith_pool *pool;
        kith_buffer *slab;
        kith_msg *msg = msg_new();
        assert_int_equal(kith_pool_new(1, 1, &pool), 0);
        if (shared)
            assert_int_equal(kith_pool_share(pool), 0);
        assert_int_equal(kith_pool_get(pool, &slab), 0);
        memset(kith_buffer_data(slab), 'x', 20000);
        struct kith_slice slice = {.buffer = slab, .data = kith_buffer_data(slab), .size = 20000};
        assert_int_equal(kith_msg_add_slice(msg, slice), 0);
        assert_int_equal(kith_msg_add(msg, "small", 5), 0);
        kith_buffer_unref(slab);
        assert_int_equal(kith_msg_share(msg), 0);
        assert_int_equal(kith_pool_used(pool), shared ? 1 : 0);
        size_t size;
        const uint8_t *octets = kith_msg_frame(msg, 0, &size);
        assert_int_equal(size, 20000);
        assert_int_equal(octets[0] + octets[19999], 2 * 'x');
        assert_memory_equal(kith_msg_frame(msg, 1, NULL), "small", 5);
        kith_msg_free(msg);
        kith_pool_free(pool);
    }
}

static void on_relieved(void *owner) {
    ++*(int *)owner;
}

static void test_an_account_is_full_at_its_mark_and_relieved_at_half(void **state) {
    int relieved = 0;
    struct kith_account *account;
    assert_int_equal(kith_account_new(&relieved, on_relieved, &account), 0);
    account->message_limit = 4;
    account->octet_limit = 1000000;
    kith_msg *msgs[4];
    for (int i = 0; i < 4; i++) {
        assert_false(account->full);
        msgs[i] = msg_new();
        assert_int_equal(kith_msg_add(msgs[i], "x", 1), 0);
        kith_msg_charge(msgs[i], account);
        kith_msg_charge(msgs[i], account);
    }
    assert_true(account->full);
    kith_msg_refund(msgs[0]);
    kith_msg_refund(msgs[0]);
    assert_int_equal(relieved, 0);
    msgs[1] = kith_msg_free(msgs[1]);
    assert_int_equal(relieved, 1);
    assert_false(account->full);
    account->owner = NULL;
    kith_account_unref(account);
    for (int i = 0; i < 4; i++)
        kith_msg_free(msgs[i]);
    assert_int_equal(relieved, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_of_all_sizes_come_out_as_they_went_in),
        cmocka_unit_test(test_envelopes_are_put_in_front_and_taken_off),
        cmocka_unit_test(test_a_frame_may_be_a_copy_of_one_that_the_message_has),
        cmocka_unit_test(test_frames_move_behind_and_in_front_of_others),
        cmocka_unit_test(test_a_slice_is_shared_and_outlives_its_giver),
        cmocka_unit_test(test_memory_never_runs_ahead_of_what_arrived),
        cmocka_unit_test(test_a_frame_in_pieces_is_the_frame),
        cmocka_unit_test(test_a_shared_message_holds_no_slab_of_one_thread_s_pool),
        cmocka_unit_test(test_an_account_is_full_at_its_mark_and_relieved_at_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
