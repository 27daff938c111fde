/* cache/test-store.c: the store with a clock of our own, and without memory. calloc() and reallocarray() are ours, see meson.build. */
#include "cache/testing.h"

#include "cache/store.h"

#define DAY_MS UINT64_C(86400000)

/* The names are the linker's. */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);

/* So many allocations succeed, then one fails; -1: all succeed. */
static int until_failure = -1;
static unsigned failures;

static bool fails(void) {
    if (until_failure < 0 || until_failure-- > 0)
        return false;
    failures++;
    return true;
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size) {
    return fails() ? NULL : __real_reallocarray(memory, count, size);
}

static struct kith_cache_name name_of(const char *text) {
    struct kith_cache_name name;
    struct kith_cache_key key = routing_id(text);
    assert_int_equal(kith_cache_name_of(&key, &name), 0);
    return name;
}

static struct kith_cache_who user(uint64_t uid) {
    return (struct kith_cache_who){.owner = uid, .exe = "/bin/a", .uid_witness = KITH_WITNESS_KERNEL_MESSAGE};
}

static int store_put(struct kith_store *store, const char *text, uint64_t uid, uintptr_t n, uint64_t ttl_ns, uint64_t now) {
    struct kith_cache_name name = name_of(text);
    struct kith_cache_who who = user(uid);
    struct kith_store_item item = {.state = number(n), .size = 100, .ttl_ns = ttl_ns};
    return kith_store_put(store, &name, &who, &item, now);
}

static unsigned bury_all(struct kith_store *store) {
    enum kith_cache_reason why;
    unsigned count = 0;
    void *state;

    while (kith_store_bury(store, &state, &why))
        count++;
    return count;
}

static void end(struct kith_store *store) {
    kith_store_kill_all(store, KITH_CACHE_FREED);
    bury_all(store);
    assert_int_equal(store->by_id.count + store->names.count + store->programs.count + store->owners.by_id.count, 0);
    assert_int_equal(store->owners.sessions + store->owners.octets + store->expiry.count, 0);
    kith_store_deinit(store);
}

static void test_times_from_a_millisecond_to_days_are_exact(void **state) {
    static const uint64_t ms[] = {1, 2, 999, 1000, 3600000, DAY_MS, 7 * DAY_MS, 365 * DAY_MS};
    struct kith_store store;
    uint64_t now = 12345678901;
    kith_store_init(&store, 1000, 1000000, 1000);

    for (size_t i = KITH_ARRAY_SIZE(ms); i-- > 0;) {
        char text[2] = {(char)('a' + i), 0};
        assert_int_equal(store_put(&store, text, 1000, i + 1, ms[i] * KITH_NS_PER_MS, now), 0);
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(ms); i++) {
        enum kith_cache_reason why;
        void *gone = NULL;
        uint64_t until = now + ms[i] * KITH_NS_PER_MS;
        assert_int_equal(kith_store_next(&store), until);
        kith_store_expire(&store, until - 1);
        assert_false(kith_store_bury(&store, &gone, &why));
        kith_store_expire(&store, until);
        assert_true(kith_store_bury(&store, &gone, &why));
        assert_ptr_equal(gone, number(i + 1));
        assert_int_equal(why, KITH_CACHE_EXPIRED);
    }
    assert_int_equal(kith_store_next(&store), UINT64_MAX);
    end(&store);
}

static void test_times_beyond_the_clock_are_never(void **state) {
    struct kith_store store;
    kith_store_init(&store, 1000, 1000000, 1000);

    assert_int_equal(store_put(&store, "a", 1000, 1, UINT64_MAX, 5), 0);
    assert_int_equal(store_put(&store, "b", 1000, 2, UINT64_MAX - 1, 5), 0);
    assert_int_equal(kith_store_next(&store), UINT64_MAX);
    kith_store_expire(&store, UINT64_MAX - 1);
    assert_int_equal(bury_all(&store), 0);
    end(&store);
}

/* Puts with the allocation `index` failing. False when there is none, and so it is put; else nothing has changed. */
static bool put_fails(struct kith_store *store, const char *text, uint64_t uid, int index) {
    size_t sessions = store->owners.sessions, octets = store->owners.octets, owners = store->owners.by_id.count;
    unsigned before = failures;

    until_failure = index;
    int r = store_put(store, text, uid, 9, UINT64_MAX, 5);
    until_failure = -1;
    if (failures == before) {
        assert_int_equal(r, 0);
        return false;
    }
    assert_int_equal(r, -ENOMEM);
    assert_int_equal(store->owners.sessions, sessions);
    assert_int_equal(store->owners.octets, octets);
    assert_int_equal(store->owners.by_id.count, owners);
    assert_int_equal(bury_all(store), 0);
    return true;
}

static void test_a_first_put_without_memory_changes_nothing(void **state) {
    bool failed = true;

    for (int i = 0; failed; i++) {
        struct kith_store store;
        kith_store_init(&store, 1000, 1000000, 1000);
        failed = put_fails(&store, "a", 1000, i);
        /* The session; the name, the program and the owner with their maps; the owner's two heaps; the heap of times; the map of ids. */
        assert_int_equal(failed, i < 11);
        end(&store);
    }
}

static void test_further_puts_without_memory_change_nothing(void **state) {
    struct kith_store store;
    int count = 0;
    kith_store_init(&store, 1000, 1000000, 1000);

    assert_false(put_fails(&store, "a", 1000, 100));
    while (put_fails(&store, "b", 1001, count))
        count++;
    assert_int_equal(count, 3); /* session, name, owner */
    count = 0;
    while (put_fails(&store, "a", 1000, count))
        count++;
    assert_int_equal(count, 1); /* what carries the old state out */
    assert_int_equal(bury_all(&store), 1);
    assert_int_equal(store.owners.sessions, 2);
    end(&store);
}

static void test_a_cache_without_memory_is_not_made(void **state) {
    kith_loop *loop = NULL;
    kith_cache *cache = NULL;
    struct world world = {0};
    int r = -ENOMEM;
    unsigned before = failures;

    assert_int_equal(kith_loop_new(&loop), 0);
    for (int i = 0; r == -ENOMEM; i++) {
        until_failure = i;
        r = kith_cache_new(loop, NULL, world_drop, &world, &cache);
        until_failure = -1;
    }
    assert_int_equal(r, 0);
    assert_true(failures - before >= 2);
    kith_cache_free(cache);
    kith_loop_free(loop);
}

/* A peer who chooses names so that they would meet in a table that did not keep its key secret: all of one length, with one octet or
 * none in common. Chains stay short. */
static void test_no_names_make_long_chains(void **state) {
    enum { COUNT = 20000 };
    struct kith_store store;
    size_t longest = 0;
    kith_store_init(&store, COUNT, SIZE_MAX / 2, COUNT);

    for (unsigned i = 0; i < COUNT; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%08x%016x", i << 12, 0);
        assert_int_equal(store_put(&store, text, 1000, i + 1, UINT64_MAX, 5), 0);
    }
    for (size_t i = 0; i < store.names.bucket_count; i++) {
        size_t length = 0;
        for (const struct kith_map_node *node = store.names.buckets[i]; node; node = node->next)
            length++;
        if (length > longest)
            longest = length;
    }
    assert_true(longest < 16); /* by chance once in more than 10^9 runs at one node a bucket */
    end(&store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_from_a_millisecond_to_days_are_exact),
        cmocka_unit_test(test_times_beyond_the_clock_are_never),
        cmocka_unit_test(test_a_first_put_without_memory_changes_nothing),
        cmocka_unit_test(test_further_puts_without_memory_change_nothing),
        cmocka_unit_test(test_a_cache_without_memory_is_not_made),
        cmocka_unit_test(test_no_names_make_long_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
