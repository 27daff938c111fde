/* Connections against the clock: idle times, and draining with and without a deadline. */
#include "stream/testing.h"

#include "stream/conn.h"

/* Deadlines ------------------------------------------------------------------------------------------------------------- */

static void test_an_idle_connection_times_out(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint64_t begin = kith_time_now();
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.idle_ms = 30}, &end_ops);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ETIMEDOUT);
    assert_true(kith_time_now() - begin >= 30 * KITH_NS_PER_MS);
    end_deinit(&end);
    close(peer);
}

/* It talks for longer than idle_ms, then falls silent: the time counts from its last octet. */
static void test_the_idle_time_counts_from_the_last_octet(void **state) {
    struct world *world = *state;
    int peer;
    struct end end = {.extra = &peer};
    peer = end_over_pair(world, &end, &(struct kith_conn_options){.idle_ms = 40}, &end_ops);
    uint64_t begin = kith_time_now(), last = begin;
    while (kith_time_now() - begin < 100 * KITH_NS_PER_MS) {
        last = kith_time_now();
        assert_int_equal(send(peer, "x", 1, 0), 1);
        assert_true(kith_loop_step(world->loop, 1) >= 0);
    }
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ETIMEDOUT);
    assert_true(kith_time_now() - last >= 30 * KITH_NS_PER_MS);
    end_deinit(&end);
    close(peer);
}

/* An idle time of which twice can be put back on the clock, even of a machine that was just switched on. */
static uint64_t idle_ms_to_pretend(void) {
    uint64_t half = kith_time_now() / KITH_NS_PER_MS / 2;
    return half < 10000 ? half : 10000;
}

/* As if its last octet had come twice its idle time ago. */
static void pretend_idle(kith_conn *conn) {
    conn->deadlines->received_at -= 2 * conn->profile->options.idle_ms * KITH_NS_PER_MS;
    conn_schedule(conn);
}

/* A client that has sent its request and its end may take its time with a long reply, as long as it reads. */
static void test_after_the_peers_end_its_reading_counts_for_the_idle_time(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.idle_ms = idle_ms_to_pretend()}, &end_ops);
    uint8_t *octets = pattern_new(900000), *back = malloc(900000);
    bool over = false;
    assert_int_equal(kith_conn_write(end.conn, octets, 900000), 0);
    shutdown(peer, SHUT_WR);
    until(world, end.ended == 1);
    for (int reads = 1; reads >= 0; reads--) {
        if (reads)
            assert_true(slurp(peer, back, 900000, &over) > 0);
        pretend_idle(end.conn);
        settle_down(world);
        assert_int_equal(end.closed, !reads);
    }
    assert_int_equal(end.error, -ETIMEDOUT);
    free(octets);
    free(back);
    end_deinit(&end);
    close(peer);
}

/* More connections than the loop looks at in one step were talking while the application was busy: none of them is idle. */
static void test_octets_that_wait_to_be_read_count_for_the_idle_time(void **state) {
    enum { COUNT = 300 };
    struct world *world = *state;
    struct end *ends = calloc(COUNT, sizeof(*ends));
    int *peers = calloc(COUNT, sizeof(*peers));
    const uint64_t idle_ms = idle_ms_to_pretend();
    unsigned heard = 0, closed = 0;
    for (size_t i = 0; i < COUNT; i++) {
        peers[i] = end_over_pair(world, &ends[i], &(struct kith_conn_options){.idle_ms = idle_ms}, &end_ops);
        assert_int_equal(send(peers[i], "x", 1, 0), 1);
        pretend_idle(ends[i].conn);
    }
    while (heard < COUNT && closed == 0) {
        assert_true(kith_loop_step(world->loop, 1000) > 0);
        heard = 0;
        for (size_t i = 0; i < COUNT; i++) {
            heard += ends[i].batches;
            closed += ends[i].closed;
        }
    }
    assert_int_equal(closed, 0);
    for (size_t i = 0; i < COUNT; i++) {
        end_deinit(&ends[i]);
        close(peers[i]);
    }
    free(ends);
    free(peers);
}

static void on_alarm(kith_timer *timer, void *userdata) {
    *(bool *)userdata = true;
}

static void test_a_paused_connection_is_not_idle(void **state) {
    struct world *world = *state;
    struct end end = {0};
    bool rang = false;
    kith_timer *alarm;
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.idle_ms = 5}, &end_ops);
    kith_conn_pause(end.conn);
    assert_int_equal(kith_timer_new(world->loop, on_alarm, &rang, &alarm), 0);
    assert_int_equal(kith_timer_arm(alarm, 40, 0), 0);
    until(world, rang);
    assert_int_equal(end.closed, 0);
    kith_conn_resume(end.conn);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ETIMEDOUT);
    kith_timer_free(alarm);
    end_deinit(&end);
    close(peer);
}

static void test_drain_sends_everything_to_a_slow_reader(void **state) {
    enum { SIZE = 900000 };
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.high_mark = 1000}, &end_ops);
    uint8_t *octets = pattern_new(SIZE), *back = malloc(SIZE + 1);
    size_t got = 0;
    bool over = false;
    assert_int_equal(kith_conn_write(end.conn, octets, SIZE), 0);
    kith_conn_drain(end.conn, -1);
    assert_int_equal(kith_conn_write(end.conn, "x", 1), -EPIPE);
    assert_int_equal(send(peer, "late", 4, 0), 4);
    while (!over) {
        got += slurp(peer, back + got, 10000 < SIZE - got ? 10000 : SIZE - got + 1, &over);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
    assert_int_equal(got, SIZE);
    assert_memory_equal(back, octets, SIZE);
    assert_int_equal(end.closed, 0); /* the peer may still be sending */
    close(peer);
    until(world, end.closed == 1);
    assert_int_equal(end.error, 0);
    assert_int_equal(end.size, 4);
    assert_int_equal(end.writable + end.ended, 0);
    free(octets);
    free(back);
    end_deinit(&end);
}

static void test_drain_gives_up_at_its_deadline(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    uint8_t *octets = pattern_new(900000);
    assert_int_equal(kith_conn_write(end.conn, octets, 900000), 0);
    kith_conn_drain(end.conn, 20);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ETIMEDOUT);
    free(octets);
    end_deinit(&end);
    close(peer);
}

static void test_drain_of_an_empty_queue_ends_with_the_peers_end(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint8_t octet;
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    shutdown(peer, SHUT_WR);
    until(world, end.ended == 1);
    kith_conn_drain(end.conn, 10000);
    assert_int_equal(end.closed, 0); /* never inside the call */
    until(world, end.closed == 1);
    assert_int_equal(end.error, 0);
    assert_int_equal(recv(peer, &octet, 1, 0), 0);
    end_deinit(&end);
    close(peer);
}

/* A reply to a client that still sends: closing at once would reset the connection and lose the reply. */
static void test_drain_over_tcp_loses_nothing_to_a_peer_that_still_sends(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint8_t octets[8];
    bool over = false;
    int fds[2];
    tcp_pair(fds);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &plain_ops, &end, &end.conn), 0);
    assert_int_equal(kith_conn_write(end.conn, "error", 5), 0);
    kith_conn_drain(end.conn, 10000);
    settle_down(world);
    assert_int_equal(send(fds[1], "more", 4, MSG_NOSIGNAL), 4);
    until(world, end.size == 4);
    assert_int_equal(slurp(fds[1], octets, sizeof(octets), &over), 5);
    assert_true(over);
    close(fds[1]);
    until(world, end.closed == 1);
    assert_int_equal(end.error, 0);
    end_deinit(&end);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_an_idle_connection_times_out),
        WORLD_TEST(test_the_idle_time_counts_from_the_last_octet),
        WORLD_TEST(test_after_the_peers_end_its_reading_counts_for_the_idle_time),
        WORLD_TEST(test_octets_that_wait_to_be_read_count_for_the_idle_time),
        WORLD_TEST(test_a_paused_connection_is_not_idle),
        WORLD_TEST(test_drain_sends_everything_to_a_slow_reader),
        WORLD_TEST(test_drain_gives_up_at_its_deadline),
        WORLD_TEST(test_drain_of_an_empty_queue_ends_with_the_peers_end),
        WORLD_TEST(test_drain_over_tcp_loses_nothing_to_a_peer_that_still_sends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
