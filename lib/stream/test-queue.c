/* The write queue: order, references, memory. No kernel is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>

#include "base/cleanup.h"
#include "stream/queue.h"

struct fixture {
    struct kith_arena arena;
    struct kith_queue queue;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    kith_arena_init(&f->arena);
    kith_queue_init(&f->queue);
    *state = f;
    return 0;
}

/* Whatever a test did: an emptied queue owns nothing. */
static int teardown(void **state) {
    struct fixture *f = *state;
    kith_queue_clear(&f->queue);
    int r = f->queue.octets == 0 && !f->queue.slices && (!f->arena.buffer || !kith_buffer_shared(f->arena.buffer)) ? 0 : -1;
    kith_arena_deinit(&f->arena);
    free(f);
    return r;
}

/* Takes `size` octets from the front, in gulps of at most `gulp`. */
static void take(struct kith_queue *queue, uint8_t *octets, size_t size, size_t gulp) {
    while (size > 0) {
        struct iovec iov[8];
        size_t sum, count = kith_queue_front(queue, iov, KITH_ARRAY_SIZE(iov), &sum), n = 0;
        assert_true(count > 0);
        for (size_t i = 0; i < count && n < gulp && n < size; i++) {
            size_t part = iov[i].iov_len;
            part = part < gulp - n ? part : gulp - n;
            part = part < size - n ? part : size - n;
            memcpy(octets + n, iov[i].iov_base, part);
            n += part;
        }
        kith_queue_consume(queue, n);
        octets += n;
        size -= n;
    }
}

static void test_small_writes_share_one_piece(void **state) {
    struct fixture *f = *state;
    struct iovec iov[4];
    size_t sum;
    for (int i = 0; i < 100; i++)
        assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "0123456789", 10), 0);
    assert_int_equal(kith_queue_front(&f->queue, iov, 4, &sum), 1);
    assert_int_equal(sum, 1000);
    assert_true(kith_buffer_shared(f->arena.buffer));
    kith_queue_consume(&f->queue, 1000);
    assert_false(kith_buffer_shared(f->arena.buffer));
}

static void test_an_empty_write_leaves_nothing(void **state) {
    struct fixture *f = *state;
    struct iovec iov[1];
    size_t sum;
    assert_int_equal(kith_queue_copy(&f->queue, &f->arena, NULL, 0), 0);
    assert_int_equal(kith_queue_slice(&f->queue, &f->arena, (struct kith_slice){0}), 0);
    assert_int_equal(kith_queue_front(&f->queue, iov, 1, &sum), 0);
    assert_int_equal(sum, 0);
}

/* Small and large, copied and by reference, read in gulps that fit nothing: the octets come out as they went in. */
static void test_order_is_kept_whatever_the_sizes(void **state) {
    static const size_t sizes[] = {1, 511, 512, 513, 7, 16384, 16385, 3, 70000, 65536, 2, 100000, 600, 5};
    struct fixture *f = *state;
    size_t total = 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++)
        total += sizes[i];
    uint8_t *written = malloc(total), *taken = calloc(1, total);
    assert_non_null(written);
    assert_non_null(taken);
    for (size_t i = 0; i < total; i++)
        written[i] = (uint8_t)(i * 131 + i / 251);

    static const size_t gulps[] = {1000, 1, 65536, 9999};
    for (size_t g = 0; g < KITH_ARRAY_SIZE(gulps); g++) {
        const uint8_t *next = written;
        for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
            struct kith_slice slice = {.data = next, .size = sizes[i]};
            assert_int_equal(i % 2 ? kith_queue_slice(&f->queue, &f->arena, slice) : kith_queue_copy(&f->queue, &f->arena, next, sizes[i]),
                             0);
            next += sizes[i];
            if (i == 5)
                kith_queue_settle(&f->queue);
        }
        assert_int_equal(f->queue.octets, total);
        take(&f->queue, taken, total, gulps[g]);
        assert_memory_equal(taken, written, total);
        assert_int_equal(f->queue.octets, 0);
    }
    free(written);
    free(taken);
}

/* A long life with a queue that is never empty: the row of slices must neither grow without end nor lose its place. */
static void test_a_queue_that_never_empties_stays_small(void **state) {
    struct fixture *f = *state;
    uint8_t block[600], taken[600];
    for (uint32_t i = 0; i < 10000; i++) {
        memset(block, (int)(i % 251), sizeof(block));
        kith_buffer *buffer;
        assert_int_equal(kith_buffer_new(sizeof(block), &buffer), 0);
        memcpy(kith_buffer_data(buffer), block, sizeof(block));
        struct kith_slice slice = {.buffer = buffer, .data = kith_buffer_data(buffer), .size = sizeof(block)};
        assert_int_equal(kith_queue_slice(&f->queue, &f->arena, slice), 0);
        kith_buffer_unref(buffer);
        if (i < 10)
            continue;
        take(&f->queue, taken, sizeof(taken), 77);
        memset(block, (int)((i - 10) % 251), sizeof(block));
        assert_memory_equal(taken, block, sizeof(block));
    }
    assert_true(f->queue.room <= 32);
}

static void count_free(void *data, void *userdata) {
    (*(int *)userdata)++;
}

static void test_a_reference_is_held_until_its_last_octet_is_sent(void **state) {
    struct fixture *f = *state;
    static char block[1000];
    int freed = 0;
    kith_buffer *buffer;
    assert_int_equal(kith_buffer_new_take(block, sizeof(block), count_free, &freed, &buffer), 0);
    struct kith_slice slice = {.buffer = buffer, .data = (uint8_t *)block, .size = sizeof(block)};
    assert_int_equal(kith_queue_slice(&f->queue, &f->arena, slice), 0);
    kith_buffer_unref(buffer);
    assert_int_equal(freed, 0);
    kith_queue_consume(&f->queue, 999);
    assert_int_equal(freed, 0);
    kith_queue_consume(&f->queue, 1);
    assert_int_equal(freed, 1);
}

static void test_a_small_slice_does_not_pin_its_buffer(void **state) {
    struct fixture *f = *state;
    static char block[KITH_QUEUE_COPY_MAX];
    int freed = 0;
    kith_buffer *buffer;
    assert_int_equal(kith_buffer_new_take(block, sizeof(block), count_free, &freed, &buffer), 0);
    struct kith_slice slice = {.buffer = buffer, .data = (uint8_t *)block, .size = sizeof(block)};
    assert_int_equal(kith_queue_slice(&f->queue, &f->arena, slice), 0);
    kith_buffer_unref(buffer);
    assert_int_equal(freed, 1);
    assert_int_equal(f->queue.octets, sizeof(block));
}

static void test_a_waiting_queue_leaves_the_arena(void **state) {
    struct fixture *f = *state;
    uint8_t taken[10];
    assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "abcdefghij", 10), 0);
    kith_queue_consume(&f->queue, 3);
    kith_queue_settle(&f->queue);
    assert_false(kith_buffer_shared(f->arena.buffer));
    assert_int_equal(kith_queue_copy(&f->queue, NULL, "klm", 3), 0);
    take(&f->queue, taken, 10, 10);
    assert_memory_equal(taken, "defghijklm", 10);
}

/* Two queues write in turn: each has its octets in order, and both lie in one buffer, which is used from its beginning again. */
static void test_queues_share_the_arena(void **state) {
    struct fixture *f = *state;
    struct kith_queue other;
    uint8_t taken[200];
    kith_queue_init(&other);
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 20; i++) {
            assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "0123456789", 10), 0);
            assert_int_equal(kith_queue_copy(&other, &f->arena, "abcde", 5), 0);
        }
        take(&f->queue, taken, 200, 33);
        for (int i = 0; i < 20; i++)
            assert_memory_equal(taken + 10 * i, "0123456789", 10);
        take(&other, taken, 100, 7);
        for (int i = 0; i < 20; i++)
            assert_memory_equal(taken + 5 * i, "abcde", 5);
        assert_true(f->arena.used <= 300);
    }
    kith_queue_clear(&other);
}

/* What waits is written one behind the other into memory of its own, not into that of others. */
static void test_a_waiting_queue_fills_its_own_buffers(void **state) {
    struct fixture *f = *state;
    struct iovec iov[4];
    size_t sum;
    for (int i = 0; i < 800; i++)
        assert_int_equal(kith_queue_copy(&f->queue, NULL, "0123456789", 10), 0);
    assert_int_equal(kith_queue_front(&f->queue, iov, 4, &sum), 2);
    assert_int_equal(sum, 8000);
    assert_null(f->arena.buffer);
}

static void test_cutting_back_leaves_what_was_there(void **state) {
    struct fixture *f = *state;
    static const uint8_t block[2000];
    uint8_t taken[8];
    for (int filled = 0; filled < 2; filled++) {
        if (filled)
            assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "abc", 3), 0);
        struct kith_queue_mark mark = kith_queue_mark(&f->queue);
        assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "defg", 4), 0);
        assert_int_equal(kith_queue_slice(&f->queue, &f->arena, (struct kith_slice){.data = block, .size = sizeof(block)}), 0);
        kith_queue_cut(&f->queue, mark);
        assert_int_equal(f->queue.octets, filled ? 3 : 0);
    }
    assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "h", 1), 0);
    take(&f->queue, taken, 4, 4);
    assert_memory_equal(taken, "abch", 4);
}

/* A file stands in its place, is no memory to send, and is closed when its last octet was sent or the queue is dropped. */
static void test_a_file_is_closed_with_its_last_octet(void **state) {
    struct fixture *f = *state;
    struct iovec iov[4];
    size_t sum, size;
    for (int dropped = 0; dropped < 2; dropped++) {
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "abc", 3), 0);
        assert_int_equal(kith_queue_add_file(&f->queue, fd, 5, 100), 0);
        assert_int_equal(kith_queue_copy(&f->queue, &f->arena, "d", 1), 0);
        assert_int_equal(f->queue.octets, 104);
        assert_int_equal(kith_queue_front(&f->queue, iov, 4, &sum), 1);
        assert_null(kith_queue_front_file(&f->queue, &size));
        kith_queue_consume(&f->queue, 3);
        assert_int_equal(kith_queue_front(&f->queue, iov, 4, &sum), 0);
        assert_int_equal(kith_queue_front_file(&f->queue, &size)->offset, 5);
        assert_int_equal(size, 100);
        kith_queue_consume(&f->queue, 99);
        assert_non_null(kith_queue_front_file(&f->queue, &size));
        assert_int_equal(size, 1);
        assert_true(fcntl(fd, F_GETFD) >= 0);
        if (dropped)
            kith_queue_clear(&f->queue);
        else
            kith_queue_consume(&f->queue, 1);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        kith_queue_clear(&f->queue);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_small_writes_share_one_piece),
        TEST(test_an_empty_write_leaves_nothing),
        TEST(test_order_is_kept_whatever_the_sizes),
        TEST(test_a_queue_that_never_empties_stays_small),
        TEST(test_a_reference_is_held_until_its_last_octet_is_sent),
        TEST(test_a_small_slice_does_not_pin_its_buffer),
        TEST(test_a_waiting_queue_leaves_the_arena),
        TEST(test_queues_share_the_arena),
        TEST(test_a_waiting_queue_fills_its_own_buffers),
        TEST(test_cutting_back_leaves_what_was_there),
        TEST(test_a_file_is_closed_with_its_last_octet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
