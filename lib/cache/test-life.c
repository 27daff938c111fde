/* cache/test-life.c: a cache on its loop: time, callbacks that do anything, walks, a loop that is gone, a child process. */
#include "cache/testing.h"

#include <sys/wait.h>
#include <unistd.h>

static int put_for(struct world *world, struct kith_cache_key key, kith_origin *origin, uintptr_t n, uint64_t ttl_ms) {
    return kith_cache_put(world->cache, &key, origin, number(n), 100, ttl_ms);
}

#define STEP_UNTIL(world, condition)                                                                                                       \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_NS;                                                                               \
        while (!(condition)) {                                                                                                             \
            assert_true(kith_time_now() < until_end_);                                                                                     \
            assert_true(kith_loop_step((world)->loop, 1000) >= 0);                                                                         \
        }                                                                                                                                  \
    } while (0)

/* A step of the loop has one time: what is put in it is put at once, however slow the machine. */
static void put_three(kith_timer *timer, void *userdata) {
    struct world *world = userdata;
    _origin_ alice = origin_of(1000, NULL);

    assert_int_equal(put_for(world, routing_id("never"), alice, 1, KITH_CACHE_NEVER), 0);
    assert_int_equal(put_for(world, routing_id("a"), alice, 2, 0), 0);
    assert_int_equal(put_for(world, routing_id("b"), alice, 3, 5), 0);
}

static void check_time(struct world *world, void *state, enum kith_cache_reason reason) {
    const uint64_t *begun = world->extra;
    bool first = world->dropped[KITH_CACHE_EXPIRED] == 1;

    assert_int_equal(reason, KITH_CACHE_EXPIRED);
    assert_ptr_equal(state, number(first ? 3 : 2));
    assert_true(kith_time_now() - *begun >= (first ? 5 : 30) * KITH_NS_PER_MS);
}

static void test_sessions_go_when_their_time_is_up_and_not_before(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    uint64_t begun = kith_time_now();
    kith_timer *timer = NULL;
    world->on_drop = check_time;
    world->extra = &begun;
    make_cache(world, &(struct kith_cache_options){.ttl_ms = 30});

    assert_int_equal(kith_timer_new(world->loop, put_three, world, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 0, 0), 0);
    STEP_UNTIL(world, world->dropped[KITH_CACHE_EXPIRED] == 2);
    assert_int_equal(stats_of(world).expired, 2);
    assert_int_equal(take(world, routing_id("never"), alice, 1), 0);
    kith_timer_free(timer);
}

static void test_the_timer_fires_once_a_time(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    int callbacks = 0;
    make_cache(world, NULL);

    /* The second is over a fraction of a millisecond after the first: rounded down, the timer would fire until that has passed. */
    assert_int_equal(put_for(world, routing_id("a"), alice, 1, 2), 0);
    for (uint64_t until = kith_time_now() + KITH_NS_PER_MS / 2; kith_time_now() < until;)
        continue;
    assert_int_equal(put_for(world, routing_id("b"), alice, 2, 2), 0);
    while (world->dropped[KITH_CACHE_EXPIRED] < 2) {
        int n = kith_loop_step(world->loop, 1000);
        assert_true(n > 0);
        callbacks += n;
    }
    assert_in_range(callbacks, 1, 2);
    assert_int_equal(kith_loop_step(world->loop, 0), 0);
}

/* Two milliseconds, in which the loop does not run. */
static void let_time_pass(void) {
    uint64_t until = kith_time_now() + 2 * KITH_NS_PER_MS;
    while (kith_time_now() < until)
        continue;
}

/* The loop was busy elsewhere: its timer has not fired, the time is up all the same. */
static void test_what_is_over_is_not_given_although_the_loop_did_not_run(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    make_cache(world, NULL);

    assert_int_equal(put_for(world, routing_id("a"), alice, 1, 1), 0);
    let_time_pass();
    assert_int_equal(take(world, routing_id("a"), alice, 0), -ENOENT);
    assert_int_equal(world->dropped[KITH_CACHE_EXPIRED], 1);
}

static enum kith_cache_step see_time(const struct kith_cache_session *session, void *userdata) {
    *(uint64_t *)userdata = session->left_ms;
    return KITH_CACHE_KEEP;
}

/* In a callback of the loop no time passes between the two. */
static void get_and_see(kith_timer *timer, void *userdata) {
    struct world *world = userdata;
    _origin_ alice = origin_of(1000, NULL);
    struct kith_cache_key key = routing_id("a");
    void *got = NULL;

    assert_int_equal(kith_cache_get(world->cache, &key, alice, &got), 0);
    assert_ptr_equal(got, number(1));
    assert_int_equal(kith_cache_walk(world->cache, see_time, world->extra), 1);
}

static uint64_t left_after_get(struct world *world, bool renew) {
    _origin_ alice = origin_of(1000, NULL);
    kith_timer *timer = NULL;
    uint64_t left = 0;

    make_cache(world, &(struct kith_cache_options){.ttl_ms = 100000, .renew = renew});
    assert_int_equal(put(world, routing_id("a"), alice, 1), 0);
    world->extra = &left;
    assert_int_equal(kith_timer_new(world->loop, get_and_see, world, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 3, 0), 0);
    STEP_UNTIL(world, left > 0);
    kith_timer_free(timer);
    world->cache = kith_cache_free(world->cache);
    return left;
}

static void test_looking_renews_the_time_only_when_asked_to(void **state) {
    struct world *world = *state;

    assert_true(left_after_get(world, false) <= 100000 - 3);
    assert_int_equal(left_after_get(world, true), 100000);
}

static void put_again(struct world *world, void *state, enum kith_cache_reason reason) {
    kith_origin *alice = world->extra;

    if (reason == KITH_CACHE_EVICTED && world->dropped[KITH_CACHE_EVICTED] < 5)
        assert_int_equal(put(world, routing_id("again"), alice, 10 + world->dropped[KITH_CACHE_EVICTED]), 0);
}

static void test_a_callback_may_put(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    world->on_drop = put_again;
    world->extra = alice;
    make_cache(world, &(struct kith_cache_options){.max_sessions = 2});

    assert_int_equal(put(world, routing_id("a"), alice, 1), 0);
    assert_int_equal(put(world, routing_id("b"), alice, 2), 0);
    assert_int_equal(put(world, routing_id("c"), alice, 3), 0);
    /* "a" gave way to "c", then "b" to what the callback put, which the callback for "b" replaced. */
    assert_int_equal(world->dropped[KITH_CACHE_EVICTED], 2);
    assert_int_equal(world->dropped[KITH_CACHE_REPLACED], 1);
    assert_int_equal(stats_of(world).sessions, 2);
    assert_int_equal(take(world, routing_id("c"), alice, 3), 0);
    assert_int_equal(take(world, routing_id("again"), alice, 12), 0);
}

struct depth {
    kith_origin *origin;
    unsigned now, most;
};

static void remove_another(struct world *world, void *state, enum kith_cache_reason reason) {
    struct depth *depth = world->extra;
    char name[2] = {(char)('a' + world->dropped[KITH_CACHE_REMOVED]), 0};
    struct kith_cache_key key = routing_id(name);

    depth->now++;
    if (depth->now > depth->most)
        depth->most = depth->now;
    kith_cache_remove(world->cache, &key, depth->origin);
    depth->now--;
}

static void test_callbacks_are_not_nested(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    struct depth depth = {.origin = alice};
    struct kith_cache_key first = routing_id("a");
    world->on_drop = remove_another;
    world->extra = &depth;
    make_cache(world, NULL);

    for (char c = 'a'; c <= 'j'; c++)
        assert_int_equal(put(world, routing_id((char[2]){c, 0}), alice, 1), 0);
    assert_int_equal(kith_cache_remove(world->cache, &first, alice), 0);
    assert_int_equal(world->dropped[KITH_CACHE_REMOVED], 10);
    assert_int_equal(depth.most, 1);
}

static void free_cache(struct world *world, void *state, enum kith_cache_reason reason) {
    kith_origin *alice = world->extra;
    static kith_cache *cache;
    struct kith_cache_key key = routing_id("late");

    if (world->cache) {
        cache = KITH_STEAL(world->cache);
        kith_cache_free(cache);
        world->over = true;
    } else {
        /* One of those that are dropped by it. */
        assert_int_equal(kith_cache_put(cache, &key, alice, number(9), 1, 0), -ESHUTDOWN);
        assert_int_equal(kith_cache_remove(cache, &key, alice), -ESHUTDOWN);
        assert_null(kith_cache_free(cache));
    }
}

static void test_a_callback_may_free_the_cache_in_a_put(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    make_cache(world, &(struct kith_cache_options){.max_octets = 5000});

    for (char c = 'a'; c <= 'j'; c++)
        assert_int_equal(put(world, routing_id((char[2]){c, 0}), alice, 1), 0);
    world->on_drop = free_cache;
    world->extra = alice;
    struct kith_cache_key key = routing_id("x");
    assert_int_equal(kith_cache_put(world->cache, &key, alice, number(1), 3000, 0), 0);
    assert_true(world->over);
    assert_true(world->dropped[KITH_CACHE_EVICTED] > 1); /* those that had left before, in the same call */
    assert_int_equal(world->dropped[KITH_CACHE_EVICTED] + world->dropped[KITH_CACHE_FREED], 11);
}

static void test_a_callback_may_free_the_cache_in_the_timer(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    world->on_drop = free_cache;
    world->extra = alice;
    make_cache(world, NULL);

    assert_int_equal(put_for(world, routing_id("a"), alice, 1, 0), 0);
    assert_int_equal(put_for(world, routing_id("b"), alice, 2, 1), 0);
    STEP_UNTIL(world, world->over);
    assert_int_equal(world->dropped[KITH_CACHE_EXPIRED], 1);
    assert_int_equal(world->dropped[KITH_CACHE_FREED], 1);
}

static void test_a_callback_may_free_the_cache_before_the_call_has_begun(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    world->on_drop = free_cache;
    world->extra = alice;
    make_cache(world, NULL);

    assert_int_equal(put_for(world, routing_id("b"), alice, 2, 0), 0);
    assert_int_equal(put_for(world, routing_id("a"), alice, 1, 1), 0);
    let_time_pass();
    assert_int_equal(take(world, routing_id("b"), alice, 0), -ESHUTDOWN);
    assert_true(world->over);
    assert_int_equal(world->dropped[KITH_CACHE_EXPIRED], 1);
    assert_int_equal(world->dropped[KITH_CACHE_FREED], 1);
}

/* Walks ------------------------------------------------------------------------------------------------------------- */

struct walker {
    struct world *world;
    kith_origin *origin;
    unsigned calls;
    char seen[64];
    enum kith_cache_step answer;
};

static enum kith_cache_step note(const struct kith_cache_session *session, void *userdata) {
    struct walker *walker = userdata;
    walker->seen[walker->calls++] = *(const char *)session->key.octets;
    return *(const char *)session->key.octets == 'c' ? walker->answer : KITH_CACHE_KEEP;
}

static void fill(struct world *world, kith_origin *origin) {
    for (char c = 'a'; c <= 'e'; c++)
        assert_int_equal(put(world, routing_id((char[2]){c, 0}), origin, (uintptr_t)c), 0);
}

static void test_a_walk_sees_all_oldest_first_and_may_remove_and_stop(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    struct walker walker = {.world = world, .answer = KITH_CACHE_REMOVE};
    make_cache(world, NULL);

    fill(world, alice);
    assert_int_equal(kith_cache_walk(world->cache, note, &walker), 5);
    assert_string_equal(walker.seen, "abcde");
    assert_int_equal(world->dropped[KITH_CACHE_REMOVED], 1);
    assert_ptr_equal(world->last, number('c'));
    assert_int_equal(put(world, routing_id("c"), alice, 'c'), 0);
    walker = (struct walker){.world = world, .answer = KITH_CACHE_STOP};
    assert_int_equal(kith_cache_walk(world->cache, note, &walker), 5);
    assert_string_equal(walker.seen, "abdec");
    assert_int_equal(put(world, routing_id("z"), alice, 'z'), 0);
    walker = (struct walker){.world = world, .answer = KITH_CACHE_STOP};
    assert_int_equal(kith_cache_walk(world->cache, note, &walker), 5);
    assert_int_equal(kith_cache_walk(world->cache, NULL, NULL), -EINVAL);
}

static enum kith_cache_step check_view(const struct kith_cache_session *session, void *userdata) {
    assert_ptr_equal(session->state, userdata);
    assert_int_equal(session->size, 100);
    assert_true(session->left_ms > 0 && session->left_ms <= 50000);
    if (session->key.kind == KITH_CACHE_PROVEN) {
        assert_false(session->uid_known);
        assert_null(session->exe);
    } else {
        assert_int_equal(session->key.kind, KITH_CACHE_ROUTING_ID);
        assert_true(session->uid_known);
        assert_int_equal(session->uid, 1000);
        assert_string_equal(session->exe, "/usr/bin/chat");
    }
    assert_int_equal(session->key.size, 3);
    assert_memory_equal(session->key.octets, "key", 3);
    return KITH_CACHE_REMOVE;
}

static void test_a_walk_tells_what_there_is_to_know(void **state) {
    struct world *world = *state;
    _origin_ chat = origin_of(1000, "/usr/bin/chat");
    make_cache(world, &(struct kith_cache_options){.exe = KITH_WITNESS_INFERRED, .ttl_ms = 50000});

    assert_int_equal(put(world, routing_id("key"), chat, 1), 0);
    assert_int_equal(kith_cache_walk(world->cache, check_view, number(1)), 1);
    assert_int_equal(put(world, proven("key"), NULL, 2), 0);
    assert_int_equal(kith_cache_walk(world->cache, check_view, number(2)), 1);
    assert_int_equal(stats_of(world).sessions, 0);
}

/* Takes what is under it and what is next, puts new ones, replaces the last, and walks in the walk. */
static enum kith_cache_step meddle(const struct kith_cache_session *session, void *userdata) {
    struct walker *walker = userdata;
    char c = *(const char *)session->key.octets;

    walker->seen[walker->calls++] = c;
    if (c == 'b') {
        struct walker inner = {.answer = KITH_CACHE_REMOVE};
        assert_int_equal(take(walker->world, routing_id("b"), walker->origin, 'b'), 0);
        assert_int_equal(kith_cache_walk(walker->world->cache, note, &inner), 3);
        assert_string_equal(inner.seen, "cde");
        assert_int_equal(put(walker->world, routing_id("e"), walker->origin, 'E'), 0);
        assert_int_equal(put(walker->world, routing_id("new"), walker->origin, 'n'), 0);
    }
    return KITH_CACHE_REMOVE;
}

static void test_a_walk_survives_whatever_its_callback_does(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    struct walker walker = {.world = world, .origin = alice};
    make_cache(world, NULL);

    fill(world, alice);
    assert_int_equal(kith_cache_walk(world->cache, meddle, &walker), 4);
    assert_string_equal(walker.seen, "abde");
    assert_int_equal(stats_of(world).sessions, 1);
    assert_int_equal(take(world, routing_id("new"), alice, 'n'), 0);
}

static enum kith_cache_step free_in_walk(const struct kith_cache_session *session, void *userdata) {
    struct walker *walker = userdata;
    walker->calls++;
    walker->world->cache = kith_cache_free(walker->world->cache);
    return KITH_CACHE_REMOVE;
}

static void test_a_walk_ends_when_its_callback_frees_the_cache(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    struct walker walker = {.world = world};
    make_cache(world, NULL);

    fill(world, alice);
    assert_int_equal(kith_cache_walk(world->cache, free_in_walk, &walker), 1);
    assert_int_equal(world->dropped[KITH_CACHE_FREED], 5);
    assert_int_equal(world->dropped[KITH_CACHE_REMOVED], 0);
}

/* Ends -------------------------------------------------------------------------------------------------------------- */

static void assert_refuses(struct world *world, kith_origin *origin, int error) {
    struct walker walker = {0};
    struct kith_cache_key key = routing_id("a");
    void *got = NULL;

    assert_int_equal(put(world, key, origin, 2), error);
    assert_int_equal(take(world, key, origin, 0), error);
    assert_int_equal(kith_cache_get(world->cache, &key, origin, &got), error);
    assert_int_equal(kith_cache_remove(world->cache, &key, origin), error);
    assert_int_equal(kith_cache_walk(world->cache, note, &walker), error);
}

static void test_a_cache_without_its_loop_is_inert(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    make_cache(world, NULL);

    assert_int_equal(put(world, routing_id("a"), alice, 1), 0);
    world->loop = kith_loop_free(world->loop);
    assert_refuses(world, alice, -ESHUTDOWN);
    assert_int_equal(stats_of(world).sessions, 1);
    world->cache = kith_cache_free(world->cache);
    assert_int_equal(world->dropped[KITH_CACHE_FREED], 1);
}

static void free_loop(struct world *world, void *state, enum kith_cache_reason reason) {
    world->loop = kith_loop_free(world->loop);
}

static void test_a_callback_may_free_the_loop(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    world->on_drop = free_loop;
    make_cache(world, NULL);

    assert_int_equal(put_for(world, routing_id("b"), alice, 2, 0), 0);
    assert_int_equal(put_for(world, routing_id("a"), alice, 1, 1), 0);
    STEP_UNTIL(world, world->dropped[KITH_CACHE_EXPIRED] > 0 || !world->loop);
    world->on_drop = NULL;
    assert_refuses(world, alice, -ESHUTDOWN);
}

static void test_a_child_process_can_only_free_it(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    struct kith_cache_key key = routing_id("a");
    int status = 0;
    make_cache(world, NULL);

    assert_int_equal(put(world, key, alice, 1), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        kith_cache *another = NULL;
        void *got = NULL;
        bool refused = kith_cache_put(world->cache, &key, alice, number(2), 1, 0) == -ECHILD &&
                       kith_cache_take(world->cache, &key, alice, &got) == -ECHILD &&
                       kith_cache_get(world->cache, &key, alice, &got) == -ECHILD &&
                       kith_cache_remove(world->cache, &key, alice) == -ECHILD && kith_cache_walk(world->cache, note, NULL) == -ECHILD &&
                       kith_cache_new(world->loop, NULL, world_drop, NULL, &another) == -ECHILD;
        kith_cache_free(world->cache);
        kith_origin_unref(alice);
        _exit(!refused || world->dropped[KITH_CACHE_FREED] != 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(take(world, key, alice, 1), 0);
}

static void test_wrong_arguments_are_refused(void **state) {
    struct world *world = *state;
    _origin_ alice = origin_of(1000, NULL);
    struct kith_cache_key key = routing_id("a");
    const struct kith_cache_options claimed = {.exe = KITH_WITNESS_CLAIMED};
    make_cache(world, NULL);

    assert_int_equal(kith_cache_new(NULL, NULL, world_drop, NULL, &world->cache), -EINVAL);
    assert_int_equal(kith_cache_new(world->loop, NULL, NULL, NULL, &world->cache), -EINVAL);
    assert_int_equal(kith_cache_new(world->loop, &claimed, world_drop, NULL, &world->cache), -EINVAL);
    assert_int_equal(kith_cache_put(world->cache, &key, alice, NULL, 1, 0), -EINVAL);
    assert_int_equal(kith_cache_put(NULL, &key, alice, number(1), 1, 0), -EINVAL);
    assert_int_equal(kith_cache_take(world->cache, &key, alice, NULL), -EINVAL);
    assert_int_equal(kith_cache_get(NULL, &key, alice, NULL), -EINVAL);
    assert_int_equal(kith_cache_remove(NULL, &key, alice), -EINVAL);
    kith_cache_free(NULL);
    kith_cache_stats(NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_sessions_go_when_their_time_is_up_and_not_before),
        WORLD_TEST(test_the_timer_fires_once_a_time),
        WORLD_TEST(test_what_is_over_is_not_given_although_the_loop_did_not_run),
        WORLD_TEST(test_looking_renews_the_time_only_when_asked_to),
        WORLD_TEST(test_a_callback_may_put),
        WORLD_TEST(test_callbacks_are_not_nested),
        WORLD_TEST(test_a_callback_may_free_the_cache_in_a_put),
        WORLD_TEST(test_a_callback_may_free_the_cache_in_the_timer),
        WORLD_TEST(test_a_callback_may_free_the_cache_before_the_call_has_begun),
        WORLD_TEST(test_a_walk_sees_all_oldest_first_and_may_remove_and_stop),
        WORLD_TEST(test_a_walk_tells_what_there_is_to_know),
        WORLD_TEST(test_a_walk_survives_whatever_its_callback_does),
        WORLD_TEST(test_a_walk_ends_when_its_callback_frees_the_cache),
        WORLD_TEST(test_a_cache_without_its_loop_is_inert),
        WORLD_TEST(test_a_callback_may_free_the_loop),
        WORLD_TEST(test_a_child_process_can_only_free_it),
        WORLD_TEST(test_wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
