/* pool/test-shared.c: slabs and buffers that several threads let go of. What goes wrong here is found by the thread sanitizer above all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "pool/pool.h"

#define THREADS 3
#define ROUNDS 200

static void *let_go(void *userdata) {
    kith_buffer **slabs = userdata;

    for (size_t i = 0; i < ROUNDS; i++) {
        kith_buffer_ref(slabs[i]);
        kith_buffer_unref(slabs[i]);
        kith_buffer_unref(slabs[i]);
    }
    return NULL;
}

static void count_room(void *userdata) {
    atomic_fetch_add((atomic_uint *)userdata, 1);
}

/* Every thread has a reference of each slab; the pool goes while the last of them are out. */
static void test_slabs_of_a_shared_pool_come_back_from_any_thread(void **state) {
    static kith_buffer *slabs[ROUNDS];
    struct kith_pool *pool = NULL;
    pthread_t threads[THREADS];
    atomic_uint room = 0;

    assert_int_equal(kith_pool_new(4, ROUNDS, &pool), 0);
    assert_int_equal(kith_pool_share(pool), 0);
    kith_pool_on_room(pool, count_room, &room);
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(kith_pool_get(pool, &slabs[i]), 0);
        for (size_t j = 1; j < THREADS; j++)
            kith_buffer_ref(slabs[i]);
    }
    assert_false(kith_pool_has_room(pool));
    kith_pool_want(pool);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, let_go, slabs), 0);
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    for (size_t i = 1; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&room), 1);
    assert_int_equal(kith_pool_used(pool), 0);
    kith_pool_free(pool);
}

static void *write_and_let_go(void *userdata) {
    kith_buffer *slab = userdata;

    memset(kith_buffer_data(slab), 1, 100);
    kith_buffer_unref(slab);
    return NULL;
}

static void test_last_slab_takes_a_closed_pool_with_it_from_another_thread(void **state) {
    struct kith_pool *pool = NULL;
    kith_buffer *slab = NULL;
    pthread_t thread;

    assert_int_equal(kith_pool_new(4, 4, &pool), 0);
    assert_int_equal(kith_pool_share(pool), 0);
    assert_int_equal(kith_pool_get(pool, &slab), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_and_let_go, slab), 0);
    kith_pool_free(pool);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Whoever finds himself alone may write: he must see that the others have read. */
static void *ref_often(void *userdata) {
    kith_buffer *buffer = userdata;

    for (size_t i = 0; i < ROUNDS; i++) {
        kith_buffer_ref(buffer);
        assert_int_equal(kith_buffer_data(buffer)[0], 7);
        kith_buffer_unref(buffer);
    }
    kith_buffer_unref(buffer);
    return NULL;
}

static void test_shared_buffer_is_alone_again_when_the_other_thread_has_let_go(void **state) {
    kith_buffer *buffer = NULL;
    pthread_t thread;

    assert_int_equal(kith_buffer_new(10, &buffer), 0);
    kith_buffer_data(buffer)[0] = 7;
    kith_buffer_share(buffer);
    kith_buffer_ref(buffer);
    assert_int_equal(pthread_create(&thread, NULL, ref_often, buffer), 0);
    while (kith_buffer_shared(buffer))
        continue;
    kith_buffer_data(buffer)[0] = 8;
    assert_int_equal(pthread_join(thread, NULL), 0);
    kith_buffer_unref(buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slabs_of_a_shared_pool_come_back_from_any_thread),
        cmocka_unit_test(test_last_slab_takes_a_closed_pool_with_it_from_another_thread),
        cmocka_unit_test(test_shared_buffer_is_alone_again_when_the_other_thread_has_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
