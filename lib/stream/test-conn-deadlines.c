/* Peers that take their time: with the handshake, with reading, with each octet; and many idle ones at once. */
#include "stream/testing.h"

static void test_a_handshake_that_is_not_over_in_time_ends_the_connection(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint64_t begin = kith_time_now();
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.handshake_ms = 30}, &end_ops);
    while (!end.closed) { /* it talks all the time, and says nothing */
        (void)send(peer, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(kith_loop_step(world->loop, 5) >= 0);
        assert_true(kith_time_now() - begin < PATIENCE_NS);
    }
    assert_int_equal(end.error, -ETIMEDOUT);
    assert_true(kith_time_now() - begin >= 30 * KITH_NS_PER_MS);
    end_deinit(&end);
    close(peer);
}

/* A timer beside the connection says how long nothing happened. */
static void count_timer(kith_timer *timer, void *userdata) {
    ++*(unsigned *)userdata;
}

static void wait_ms(struct world *world, uint64_t ms) {
    kith_timer *timer = NULL;
    unsigned fired = 0;
    assert_int_equal(kith_timer_new(world->loop, count_timer, &fired, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, ms, 0), 0);
    until(world, fired == 1);
    kith_timer_free(timer);
}

static void shake_hands(struct end *end, struct kith_batch *batch) {
    kith_conn_handshake_done(end->conn);
}

static void test_a_handshake_that_is_over_has_no_deadline_any_more(void **state) {
    struct world *world = *state;
    struct end end = {.on_data = shake_hands};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.handshake_ms = 60}, &end_ops);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    until(world, end.size == 5);
    wait_ms(world, 90);
    assert_int_equal(end.closed, 0);
    end_deinit(&end);
    close(peer);
}

static void test_a_peer_that_has_ended_and_never_reads_is_given_up_after_linger(void **state) {
    struct world *world = *state;
    struct end end = {0};
    size_t size = 4 * 1024 * 1024; /* more than a socket takes */
    uint8_t *octets = calloc(1, size);
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.linger_ms = 40, .high_mark = size + 1}, &plain_ops);
    struct kith_slice slice = {.data = octets, .size = size};
    assert_int_equal(kith_conn_write_slice(end.conn, slice), 0);
    settle_down(world);
    uint64_t begin = kith_time_now();
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ETIMEDOUT);
    assert_true(kith_time_now() - begin >= 40 * KITH_NS_PER_MS);
    assert_int_equal(kith_loop_unsent(world->loop)->used, 0);
    end_deinit(&end);
    free(octets);
    close(peer);
}

static void test_a_peer_that_has_ended_and_reads_slowly_gets_everything_within_linger(void **state) {
    struct world *world = *state;
    struct end end = {0};
    size_t size = 1024 * 1024, got = 0;
    uint8_t *octets = pattern_new(size), *read = malloc(size);
    bool over = false;
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.linger_ms = UINT64_MAX, .high_mark = 2 * size}, &plain_ops);
    assert_int_equal(kith_conn_write(end.conn, octets, size), 0);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    while (!over) {
        size_t most = size - got < 10000 ? size - got : 10000;
        got += most > 0 ? slurp(peer, read + got, most, &over) : slurp(peer, (uint8_t[1]){0}, 1, &over);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
    assert_int_equal(got, size);
    assert_memory_equal(read, octets, size);
    until(world, end.closed == 1);
    assert_int_equal(end.error, 0);
    end_deinit(&end);
    free(octets);
    free(read);
    close(peer);
}

static void test_octets_that_dribble_in_keep_a_connection_alive(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.idle_ms = 80}, &end_ops);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(send(peer, "x", 1, 0), 1);
        wait_ms(world, 20);
        assert_int_equal(end.closed, 0);
    }
    assert_int_equal(end.size, 10);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ETIMEDOUT);
    end_deinit(&end);
    close(peer);
}

#define CROWD 1000

static void test_a_thousand_idle_connections_time_out_and_those_that_talk_do_not(void **state) {
    struct world *world = *state;
    struct end *ends = calloc(CROWD, sizeof(*ends));
    int *peers = calloc(CROWD, sizeof(*peers));
    size_t closed = 0;
    uint64_t begin = kith_time_now(), limit = begin + PATIENCE_NS;
    for (size_t i = 0; i < CROWD; i++)
        peers[i] = end_over_pair(world, &ends[i], &(struct kith_conn_options){.idle_ms = i % 10 == 0 ? 60000 : 200}, &plain_ops);
    while (closed < CROWD - CROWD / 10 && kith_time_now() < limit) {
        assert_true(kith_loop_step(world->loop, 50) >= 0);
        closed = 0;
        for (size_t i = 0; i < CROWD; i++)
            closed += ends[i].closed;
    }
    assert_true(kith_time_now() - begin >= 200 * KITH_NS_PER_MS);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(ends[i].closed, i % 10 != 0);
        assert_int_equal(ends[i].error, i % 10 != 0 ? -ETIMEDOUT : 0);
        end_deinit(&ends[i]);
        close(peers[i]);
    }
    free(ends);
    free(peers);
}

static void test_a_client_that_says_nothing_does_not_hold_up_others(void **state) {
    struct world *world = *state;
    struct end silent = {0}, other = {0};
    int silent_peer = end_over_pair(world, &silent, NULL, &end_ops), peer = end_over_pair(world, &other, NULL, &end_ops);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(send(peer, "x", 1, 0), 1);
        until(world, other.size == i + 1);
    }
    assert_int_equal(silent.batches + silent.closed, 0);
    end_deinit(&silent);
    end_deinit(&other);
    close(silent_peer);
    close(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_handshake_that_is_not_over_in_time_ends_the_connection),
        WORLD_TEST(test_a_handshake_that_is_over_has_no_deadline_any_more),
        WORLD_TEST(test_a_peer_that_has_ended_and_never_reads_is_given_up_after_linger),
        WORLD_TEST(test_a_peer_that_has_ended_and_reads_slowly_gets_everything_within_linger),
        WORLD_TEST(test_octets_that_dribble_in_keep_a_connection_alive),
        WORLD_TEST(test_a_thousand_idle_connections_time_out_and_those_that_talk_do_not),
        WORLD_TEST(test_a_client_that_says_nothing_does_not_hold_up_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
