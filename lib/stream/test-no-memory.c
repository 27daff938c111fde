/*
 * No memory for slabs: the connection that has something to be read fails, the others go on. The linker puts the function below in front of
 * the C library's (--wrap).
 */
#include "stream/testing.h"

/* The names are the linker's. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool no_slabs;
static unsigned refused;

void *__wrap_malloc(size_t size) {
    if (no_slabs && size >= KITH_SLAB_SIZE) {
        refused++;
        return NULL;
    }
    return __real_malloc(size);
}

/* io_uring asks for a buffer when it begins to receive, so that nothing need have been sent. */
static void test_without_memory_for_slabs_a_connection_fails_and_the_loop_goes_on(void **state) {
    struct world *world = *state;
    struct end first = {0}, second = {0};
    no_slabs = true;
    int peer = end_over_pair(world, &first, NULL, &end_ops);
    assert_int_equal(send(peer, "octets", 6, 0), 6);
    until(world, first.closed == 1);
    assert_int_equal(first.error, -ENOMEM);
    assert_int_equal(first.size, 0);
    assert_true(refused > 0);
    settle_down(world); /* does not spin */

    no_slabs = false;
    int other = end_over_pair(world, &second, NULL, &end_ops);
    assert_int_equal(send(other, "octets", 6, 0), 6);
    until(world, second.size == 6);
    end_deinit(&first);
    end_deinit(&second);
    close(peer);
    close(other);
}

static kith_buffer *kept[64];
static size_t kept_count;

static void keep(struct end *end, struct kith_batch *batch) {
    assert_true(kept_count < KITH_ARRAY_SIZE(kept));
    kept[kept_count++] = kith_buffer_ref(batch->slice.buffer);
}

/* The backend has slabs in hand, and the application takes them away one by one. */
static void test_memory_that_runs_out_later_fails_only_who_finds_none(void **state) {
    struct world *world = *state;
    struct end first = {.on_data = keep}, second = {0};
    int peer = end_over_pair(world, &first, NULL, &end_ops), other = end_over_pair(world, &second, NULL, &end_ops);
    assert_int_equal(send(other, "octets", 6, 0), 6);
    until(world, second.size == 6);
    no_slabs = true;
    while (!first.closed) {
        size_t size = first.size;
        assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
        until(world, first.size > size || first.closed);
    }
    assert_int_equal(first.error, -ENOMEM);
    assert_int_equal(first.size, kept_count); /* each octet came, or the failure */
    no_slabs = false;
    while (kept_count > 0)
        kith_buffer_unref(kept[--kept_count]);
    assert_int_equal(send(other, "octets", 6, 0), 6);
    until(world, second.size == 12);
    assert_int_equal(second.closed, 0);
    end_deinit(&first);
    end_deinit(&second);
    close(peer);
    close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_without_memory_for_slabs_a_connection_fails_and_the_loop_goes_on),
        WORLD_TEST(test_memory_that_runs_out_later_fails_only_who_finds_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
