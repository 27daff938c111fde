/* pool/test-spare.c: blocks of all sizes are whole, and what a thread keeps it gives back, or on. */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pool/spare.h"

static void test_blocks_of_all_sizes_are_whole_and_their_own(void **state) {
    for (size_t size = 1; size <= KITH_SPARE_MAX + 100; size += size < 10000 ? 1 : 61) {
        uint8_t *a = kith_spare_alloc(size), *b = kith_spare_alloc(size);
        assert_non_null(a);
        assert_non_null(b);
        assert_true(malloc_usable_size(a) >= size && malloc_usable_size(b) >= size);
        memset(a, 1, size);
        memset(b, 2, size);
        assert_int_equal(a[size - 1], 1);
        kith_spare_free(a, size);
        kith_spare_free(b, size);
    }
    kith_spare_free(NULL, 1);
}

/* More than is kept. */
static void fill_and_empty(void) {
    enum { COUNT = 3000, SIZE = 1000 };
    static __thread void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = kith_spare_alloc(SIZE);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, SIZE);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(((uint8_t *)blocks[i])[SIZE - 1], (uint8_t)i);
        kith_spare_free(blocks[i], SIZE);
    }
}

static void test_large_blocks_are_whole_and_few_are_kept(void **state) {
    struct mallinfo2 before = mallinfo2();
    for (size_t size = KITH_SPARE_MAX + 1; size < 2 * KITH_SPARE_LARGE_OCTETS; size += size / 3) {
        uint8_t *blocks[4];
        for (size_t i = 0; i < 4; i++) {
            blocks[i] = kith_spare_alloc(size - i);
            assert_true(malloc_usable_size(blocks[i]) >= size - i);
            memset(blocks[i], (int)i, size - i);
        }
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(blocks[i][size - i - 1], i);
            kith_spare_free(blocks[i], size - i);
        }
    }
    struct mallinfo2 after = mallinfo2();
    assert_true(after.uordblks + after.hblkhd <= before.uordblks + before.hblkhd + KITH_SPARE_LARGE_OCTETS + 64 * 1024);
}

static void *work(void *unused) {
    fill_and_empty();
    return unused;
}

static void test_a_thread_that_ends_keeps_nothing(void **state) {
    work(NULL); /* what this thread keeps it has from here on */
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_true(mallinfo2().uordblks < before.uordblks + 4 * KITH_SPARE_OCTETS);
}

static void *take(void *block) {
    kith_spare_free(block, 500);
    return NULL;
}

static void test_a_block_may_be_freed_in_another_thread(void **state) {
    pthread_t thread;
    void *block = kith_spare_alloc(500);
    assert_int_equal(pthread_create(&thread, NULL, take, block), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#if defined(__has_feature)
#define NOTHING_IS_KEPT (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NOTHING_IS_KEPT true
#else
#define NOTHING_IS_KEPT false
#endif

/* What one thread frees and another one allocates goes round, and not to malloc(3) and back. */
enum { ROUND = 2000, ROUNDS = 50, SIZE = 500 };

static atomic_ulong mallocs;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size) {
    atomic_fetch_add(&mallocs, 1);
    return __real_malloc(size);
}

struct belt {
    pthread_barrier_t turn;
    void *blocks[ROUND];
};

static void *free_what_comes(void *userdata) {
    struct belt *belt = userdata;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&belt->turn);
        for (size_t i = 0; i < ROUND; i++)
            kith_spare_free(belt->blocks[i], SIZE);
        pthread_barrier_wait(&belt->turn);
    }
    return NULL;
}

static void test_blocks_that_another_thread_freed_come_back(void **state) {
    static struct belt belt;
    pthread_t thread;
    assert_int_equal(pthread_barrier_init(&belt.turn, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, free_what_comes, &belt), 0);
    unsigned long before = atomic_load(&mallocs);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ROUND; i++)
            belt.blocks[i] = kith_spare_alloc(SIZE);
        pthread_barrier_wait(&belt.turn);
        pthread_barrier_wait(&belt.turn);
    }
    unsigned long made = atomic_load(&mallocs) - before;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&belt.turn), 0);
    if (NOTHING_IS_KEPT)
        assert_true(made >= ROUND * ROUNDS);
    else
        assert_true(made < ROUND * ROUNDS / 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_of_all_sizes_are_whole_and_their_own),
        cmocka_unit_test(test_large_blocks_are_whole_and_few_are_kept),
        cmocka_unit_test(test_a_thread_that_ends_keeps_nothing),
        cmocka_unit_test(test_a_block_may_be_freed_in_another_thread),
        cmocka_unit_test(test_blocks_that_another_thread_freed_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
