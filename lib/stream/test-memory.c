/* Memory that peers and the application can take is bounded, and who is within the bounds is served. */
#include "stream/testing.h"

#include <sys/resource.h>

#define MIB ((size_t)1024 * 1024)
#define READERS 40
#define SLOW 1000

/* A world whose loop has bounds of its own. */
static struct world *bounded(void **state, struct kith_loop_options options) {
    struct world *world = *state;
    world->loop = kith_loop_free(world->loop);
    assert_int_equal(kith_loop_new_with(&options, &world->loop, NULL), 0);
    return world;
}

/* Receiving --------------------------------------------------------------------------------------------------------------- */

/* An application that keeps the buffer of everything that it is told. */
struct keeper {
    struct end ends[READERS];
    int peers[READERS];
    kith_buffer *kept[READERS];
    size_t count; /* kept now */
    size_t told;
};

static void keep(struct end *end, struct kith_batch *batch) {
    struct keeper *keeper = end->extra;
    keeper->told++;
    assert_true(keeper->count < READERS);
    keeper->kept[keeper->count++] = kith_buffer_ref(batch->slice.buffer);
}

static void give_back(struct keeper *keeper, size_t count) {
    while (count-- > 0)
        kith_buffer_unref(keeper->kept[--keeper->count]);
}

static void keeper_open(struct world *world, struct keeper *keeper) {
    for (size_t i = 0; i < READERS; i++) {
        keeper->ends[i] = (struct end){.on_data = keep, .extra = keeper};
        keeper->peers[i] = end_over_pair(world, &keeper->ends[i], NULL, &end_ops);
        assert_int_equal(send(keeper->peers[i], "octets", 6, 0), 6);
    }
}

static void keeper_close(struct keeper *keeper) {
    give_back(keeper, keeper->count);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(keeper->ends[i].size, 6);
        assert_int_equal(keeper->ends[i].closed, 0);
        end_deinit(&keeper->ends[i]);
        close(keeper->peers[i]);
    }
}

static void test_reading_stops_when_the_application_keeps_everything(void **state) {
    struct world *world = bounded(state, (struct kith_loop_options){.receive_memory = MIB}); /* 16 slabs */
    struct keeper keeper = {0};
    keeper_open(world, &keeper);
    until(world, keeper.count == 16);
    settle_down(world);
    assert_int_equal(keeper.told, 16);
    assert_int_equal(kith_loop_slabs_kept(world->loop), 16);
    give_back(&keeper, 8);
    until(world, keeper.told == 24);
    settle_down(world);
    assert_int_equal(keeper.told, 24);
    give_back(&keeper, 16);
    until(world, keeper.told == READERS);
    keeper_close(&keeper);
}

/* Between two steps, before the loop has told the backend who waits. */
static void test_memory_that_comes_back_at_once_is_used(void **state) {
    struct world *world = bounded(state, (struct kith_loop_options){.receive_memory = MIB});
    struct keeper keeper = {0};
    keeper_open(world, &keeper);
    until(world, (give_back(&keeper, keeper.count), keeper.told == READERS));
    keeper_close(&keeper);
}

static void host_until(struct world *world, const size_t *value, size_t wanted) {
    struct pollfd host = {.fd = kith_loop_fd(world->loop), .events = POLLIN};
    while (*value < wanted) {
        assert_int_equal(poll(&host, 1, PATIENCE_NS / KITH_NS_PER_MS), 1);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
}

static void test_a_hosted_loop_goes_on_reading_when_buffers_come_back(void **state) {
    struct world *world = bounded(state, (struct kith_loop_options){.receive_memory = MIB});
    struct keeper keeper = {0};
    assert_true(kith_loop_fd(world->loop) >= 0);
    keeper_open(world, &keeper);
    host_until(world, &keeper.told, 16);
    settle_down(world);
    struct pollfd host = {.fd = kith_loop_fd(world->loop), .events = POLLIN};
    assert_int_equal(poll(&host, 1, 0), 0); /* does not spin */
    give_back(&keeper, 16);
    host_until(world, &keeper.told, 32);
    give_back(&keeper, 16);
    host_until(world, &keeper.told, READERS);
    keeper_close(&keeper);
}

static void test_who_waits_for_memory_learns_of_a_hang_up_and_loses_no_octets(void **state) {
    struct world *world = bounded(state, (struct kith_loop_options){.receive_memory = MIB});
    struct keeper keeper = {0};
    keeper_open(world, &keeper);
    until(world, keeper.count == 16);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(shutdown(keeper.peers[i], SHUT_RDWR), 0);
    settle_down(world); /* does not spin */
    /* To see the end takes a buffer too. */
    for (size_t i = 0; i < READERS; i++) {
        until(world, (give_back(&keeper, keeper.count), keeper.ends[i].ended + keeper.ends[i].closed > 0));
        assert_int_equal(keeper.ends[i].size, 6);
        end_deinit(&keeper.ends[i]);
        close(keeper.peers[i]);
    }
}

static void test_a_connection_closed_while_it_waits_for_memory_is_not_called(void **state) {
    struct world *world = bounded(state, (struct kith_loop_options){.receive_memory = MIB});
    struct keeper keeper = {0};
    keeper_open(world, &keeper);
    until(world, keeper.count == 16);
    settle_down(world);
    for (size_t i = 0; i < READERS; i++)
        if (keeper.ends[i].size == 0)
            end_deinit(&keeper.ends[i]);
    give_back(&keeper, 16);
    settle_down(world);
    assert_int_equal(keeper.told, 16);
    for (size_t i = 0; i < READERS; i++) {
        end_deinit(&keeper.ends[i]);
        close(keeper.peers[i]);
    }
}

/* Writing ------------------------------------------------------------------------------------------------------------------ */

struct crowd {
    struct end ends[SLOW + 1]; /* the last has a peer that reads */
    int peers[SLOW + 1];
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

static void crowd_open(struct world *world, struct crowd *crowd) {
    for (size_t i = 0; i <= SLOW; i++) {
        crowd->peers[i] = end_over_pair(world, &crowd->ends[i], NULL, &end_ops);
        assert_int_equal(setsockopt(kith_conn_fd(crowd->ends[i].conn), SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    }
}

static void test_clients_that_never_read_take_no_more_than_their_share(void **state) {
    const size_t bound = 4 * MIB;
    struct world *world = bounded(state, (struct kith_loop_options){.write_memory = bound});
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    uint8_t octets[1024] = {0}, got[4096];
    bool end = false;
    size_t most = 0, refused = 0, read = 0;
    assert_non_null(crowd);
    if (!has_descriptors(2 * SLOW + 100)) {
        free(crowd);
        skip();
    }
    crowd_open(world, crowd);
    for (unsigned round = 0; round < 40; round++) {
        for (size_t i = 0; i < SLOW; i++) {
            int r = kith_conn_write(crowd->ends[i].conn, octets, sizeof(octets));
            assert_true(r == 0 || r == -EAGAIN);
            refused += r == -EAGAIN;
        }
        assert_int_equal(kith_conn_write(crowd->ends[SLOW].conn, octets, sizeof(octets)), 0); /* is served all the time */
        assert_true(kith_loop_step(world->loop, 0) >= 0);
        size_t used = kith_loop_unsent(world->loop)->used;
        most = used > most ? used : most;
        for (size_t n = 1; n > 0; read += n)
            n = slurp(crowd->peers[SLOW], got, sizeof(got), &end);
    }
    for (uint64_t limit = kith_time_now() + PATIENCE_NS; read < 40 * sizeof(octets) && kith_time_now() < limit;) {
        assert_true(kith_loop_step(world->loop, 10) >= 0);
        read += slurp(crowd->peers[SLOW], got, sizeof(got), &end);
    }
    assert_int_equal(read, 40 * sizeof(octets));
    assert_in_range(most, bound, bound + (SLOW + 1) * (16 * 1024 + sizeof(octets)));
    assert_true(refused > 0);
    for (size_t i = 0; i <= SLOW; i++) {
        end_deinit(&crowd->ends[i]);
        close(crowd->peers[i]);
    }
    assert_int_equal(kith_loop_unsent(world->loop)->used, 0);
    free(crowd);
}

static void test_who_was_refused_for_the_crowd_is_told_when_there_is_room(void **state) {
    struct world *world = bounded(state, (struct kith_loop_options){.write_memory = MIB});
    struct end slow = {0}, other = {0};
    static uint8_t octets[900 * 1024], got[65536];
    bool over = false;
    size_t read = 0;
    int slow_peer = end_over_pair(world, &slow, &(struct kith_conn_options){.high_mark = 4 * MIB}, &end_ops);
    int other_peer = end_over_pair(world, &other, NULL, &end_ops);
    while (kith_conn_write(slow.conn, octets, sizeof(octets)) == 0)
        continue;
    assert_true(kith_loop_unsent(world->loop)->used >= MIB);
    assert_int_equal(setsockopt(kith_conn_fd(other.conn), SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    while (kith_conn_write(other.conn, octets, 1024) == 0)
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    assert_in_range(kith_conn_queued(other.conn), 16 * 1024, 17 * 1024);
    while (other.writable == 0) {
        read += slurp(other_peer, got, sizeof(got), &over);
        assert_true(kith_loop_step(world->loop, 100) >= 0);
    }
    assert_true(read > 0);
    assert_int_equal(slow.writable, 0);
    end_deinit(&slow);
    end_deinit(&other);
    close(slow_peer);
    close(other_peer);
}

/* The first of its writes, though it had room for more before the others came. */
static void test_who_waits_for_its_peer_is_refused_at_once_when_there_is_a_crowd(void **state) {
    struct world *world = bounded(state, (struct kith_loop_options){.write_memory = MIB});
    struct end waiting = {0}, other = {0};
    static uint8_t octets[900 * 1024];
    int waiting_peer = end_over_pair(world, &waiting, NULL, &end_ops);
    int other_peer = end_over_pair(world, &other, &(struct kith_conn_options){.high_mark = 4 * MIB}, &end_ops);
    assert_int_equal(setsockopt(kith_conn_fd(waiting.conn), SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    while (kith_conn_queued(waiting.conn) < 32 * 1024) {
        assert_int_equal(kith_conn_write(waiting.conn, octets, 1024), 0);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
    assert_int_equal(kith_conn_write(waiting.conn, octets, 1024), 0); /* after another one */
    while (kith_conn_write(other.conn, octets, sizeof(octets)) == 0)
        continue;
    size_t queued = kith_conn_queued(waiting.conn);
    assert_int_equal(kith_conn_write(waiting.conn, octets, 1024), -EAGAIN);
    assert_int_equal(kith_conn_queued(waiting.conn), queued);
    end_deinit(&waiting);
    end_deinit(&other);
    close(waiting_peer);
    close(other_peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_reading_stops_when_the_application_keeps_everything),
        WORLD_TEST(test_memory_that_comes_back_at_once_is_used),
        WORLD_TEST(test_a_hosted_loop_goes_on_reading_when_buffers_come_back),
        WORLD_TEST(test_who_waits_for_memory_learns_of_a_hang_up_and_loses_no_octets),
        WORLD_TEST(test_a_connection_closed_while_it_waits_for_memory_is_not_called),
        WORLD_TEST(test_clients_that_never_read_take_no_more_than_their_share),
        WORLD_TEST(test_who_was_refused_for_the_crowd_is_told_when_there_is_room),
        WORLD_TEST(test_who_waits_for_its_peer_is_refused_at_once_when_there_is_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
