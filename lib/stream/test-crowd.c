/*
 * Thousands of connections that all have something in one wait: more than any ring or array of a backend has room for. Everything arrives,
 * in order, and nothing stays open.
 */
#include "stream/testing.h"

#include <sys/resource.h>

#define CROWD 3000
#define BATCHES 3

struct crowd {
    struct world world; /* first: the world's helpers take it */
    struct end *ends;
    int *peers;
    size_t open;
    size_t batches, closed;
};

static bool has_descriptors(rlim_t count) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < count && limit.rlim_max >= count) {
        limit.rlim_cur = count;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    return limit.rlim_cur >= count;
}

static int crowd_setup(void **state) {
    struct crowd *crowd = world_new(state, sizeof(*crowd));
    if (!crowd)
        return -1;
    crowd->ends = calloc(CROWD, sizeof(*crowd->ends));
    crowd->peers = calloc(CROWD, sizeof(*crowd->peers));
    return crowd->ends && crowd->peers ? 0 : -1;
}

static int crowd_teardown(void **state) {
    struct crowd *crowd = *state;
    for (size_t i = 0; i < crowd->open; i++) {
        end_deinit(&crowd->ends[i]);
        kith_close(crowd->peers[i]);
    }
    free(crowd->ends);
    free(crowd->peers);
    return world_teardown(state);
}

/* Each batch comes with a descriptor, so that the kernel keeps them apart. */
static void send_batch(int socket, uint8_t octet) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    memset(CMSG_DATA(&control.header), 0, sizeof(int)); /* our standard input */
    assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), 1);
}

static void count_batch(struct end *end, struct kith_batch *batch) {
    struct crowd *crowd = end->extra;
    crowd->batches++;
    assert_int_equal(batch->fd_count, 1);
}

static void count_closed(struct end *end) {
    struct crowd *crowd = end->extra;
    crowd->closed += end->closed;
}

static void crowd_open(struct crowd *crowd, void (*on_data)(struct end *end, struct kith_batch *batch)) {
    struct kith_conn_options options = {.receive_fds = 1};
    for (size_t i = 0; i < CROWD; i++, crowd->open++) {
        crowd->ends[i] = (struct end){.on_data = on_data, .on_other = count_closed, .extra = crowd};
        crowd->peers[i] = end_over_pair(&crowd->world, &crowd->ends[i], &options, &plain_ops);
    }
}

static void send_batches(struct crowd *crowd) {
    for (size_t i = 0; i < CROWD; i++)
        for (uint8_t k = 0; k < BATCHES; k++)
            send_batch(crowd->peers[i], (uint8_t)('a' + k));
}

static void check_batches(struct crowd *crowd) {
    until(&crowd->world, crowd->batches == (size_t)CROWD * BATCHES);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(crowd->ends[i].size, BATCHES);
        assert_memory_equal(crowd->ends[i].octets, "abc", BATCHES);
        assert_int_equal(crowd->ends[i].closed, 0);
    }
}

static void test_more_batches_than_the_ring_has_room_for_all_arrive_in_order(void **state) {
    struct crowd *crowd = *state;
    if (!has_descriptors(2 * CROWD + 100))
        skip();
    crowd_open(crowd, count_batch);
    settle_down(&crowd->world); /* the kernel receives for all of them from now on */
    send_batches(crowd);
    check_batches(crowd);
}

static void test_octets_that_are_there_before_the_loop_looks_arrive_too(void **state) {
    struct crowd *crowd = *state;
    if (!has_descriptors(2 * CROWD + 100))
        skip();
    crowd_open(crowd, count_batch);
    send_batches(crowd);
    check_batches(crowd);
}

static void reply(struct end *end, struct kith_batch *batch) {
    count_batch(end, batch);
    assert_int_equal(kith_conn_write_slice(end->conn, batch->slice), 0);
}

static void test_more_replies_than_the_ring_has_room_for_all_go_out(void **state) {
    struct crowd *crowd = *state;
    if (!has_descriptors(2 * CROWD + 100))
        skip();
    crowd_open(crowd, reply);
    settle_down(&crowd->world);
    send_batches(crowd);
    check_batches(crowd);
    for (size_t i = 0; i < CROWD; i++) {
        uint8_t octets[BATCHES + 1];
        bool end = false;
        size_t got = 0;
        until(&crowd->world, (got += slurp(crowd->peers[i], octets + got, BATCHES + 1 - got, &end)) == BATCHES);
        assert_memory_equal(octets, "abc", BATCHES);
    }
}

/* More sends than completions have room, of which every other fails: it must not be taken for a success. */
static void test_failures_among_more_sends_than_the_ring_has_room_for_are_noticed(void **state) {
    struct crowd *crowd = *state;
    if (!has_descriptors(2 * CROWD + 100))
        skip();
    crowd_open(crowd, count_batch);
    settle_down(&crowd->world);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(kith_conn_write(crowd->ends[i].conn, "octets", 6), 0);
        if (i % 2)
            crowd->peers[i] = kith_close(crowd->peers[i]);
    }
    until(&crowd->world, crowd->closed == CROWD / 2);
    settle_down(&crowd->world);
    for (size_t i = 0; i < CROWD; i++) {
        char octets[8];
        assert_int_equal(crowd->ends[i].closed, i % 2);
        if (i % 2 == 0)
            assert_int_equal(recv(crowd->peers[i], octets, sizeof(octets), MSG_DONTWAIT), 6);
    }
}

static void test_all_drained_at_once_have_an_end(void **state) {
    struct crowd *crowd = *state;
    if (!has_descriptors(2 * CROWD + 100))
        skip();
    crowd_open(crowd, count_batch);
    settle_down(&crowd->world);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(kith_conn_write(crowd->ends[i].conn, "bye", 3), 0);
        kith_conn_drain(crowd->ends[i].conn, -1);
        assert_int_equal(shutdown(crowd->peers[i], SHUT_WR), 0);
    }
    until(&crowd->world, crowd->closed == CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        uint8_t octets[8];
        bool end = false;
        assert_int_equal(slurp(crowd->peers[i], octets, sizeof(octets), &end), 3);
        assert_true(end);
        assert_int_equal(crowd->ends[i].error, 0);
    }
}

/* The kernel holds receives, octets and descriptors for nobody: the peers see the end, and nothing is left. */
static void test_a_loop_freed_with_everything_under_way_leaves_nothing_behind(void **state) {
    struct crowd *crowd = *state;
    if (!has_descriptors(2 * CROWD + 100))
        skip();
    crowd_open(crowd, count_batch);
    settle_down(&crowd->world);
    send_batches(crowd);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(kith_conn_write(crowd->ends[i].conn, "octets", 6), 0);
    assert_true(kith_loop_step(crowd->world.loop, 0) >= 0);
    crowd->world.loop = kith_loop_free(crowd->world.loop);
    for (size_t i = 0; i < CROWD; i++) {
        char octets[8];
        end_deinit(&crowd->ends[i]);
        ssize_t n = 1;
        while (n > 0) { /* the kernel may let go of the socket a moment later */
            assert_int_equal(poll(&(struct pollfd){.fd = crowd->peers[i], .events = POLLIN}, 1, PATIENCE_NS / KITH_NS_PER_MS), 1);
            n = recv(crowd->peers[i], octets, sizeof(octets), 0);
        }
        assert_true(n == 0 || errno == ECONNRESET);
    }
}

#define CROWD_TEST(name) cmocka_unit_test_setup_teardown(name, crowd_setup, crowd_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CROWD_TEST(test_more_batches_than_the_ring_has_room_for_all_arrive_in_order),
        CROWD_TEST(test_octets_that_are_there_before_the_loop_looks_arrive_too),
        CROWD_TEST(test_more_replies_than_the_ring_has_room_for_all_go_out),
        CROWD_TEST(test_failures_among_more_sends_than_the_ring_has_room_for_are_noticed),
        CROWD_TEST(test_all_drained_at_once_have_an_end),
        CROWD_TEST(test_a_loop_freed_with_everything_under_way_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
