/* stream/test-placing.c: octets that are received where the application wants them. */
#include "stream/testing.h"

#include <sys/wait.h>

#define BLOCK_SIZE ((size_t)1024 * 1024)

static const struct kith_conn_options identity = {.identity = true};

/* The first BLOCK_SIZE octets belong in `octets`, the others behind them in `rest`. */
struct block {
    struct end end;
    uint8_t octets[BLOCK_SIZE], rest[256];
    size_t at, placed; /* octets so far; those of them that were received in place */
    size_t rest_size;
    pid_t writers[2];  /* the first of placed octets, and the last */
    size_t place_from; /* octets after which placing is switched on; 0: not by the callback */
};

static size_t block_place(kith_conn *conn, uint8_t **ret_place, void *userdata) {
    struct block *block = userdata;
    *ret_place = block->octets + block->at;
    return BLOCK_SIZE - block->at;
}

static void block_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct block *block = userdata;
    const struct kith_slice *slice = &batch->slice;
    size_t missing = BLOCK_SIZE - block->at, size = slice->size < missing ? slice->size : missing;
    if (!slice->buffer) {
        assert_ptr_equal(slice->data, block->octets + block->at);
        assert_true(slice->size <= missing);
        if (block->placed == 0)
            block->writers[0] = batch->sender.pid;
        block->writers[1] = batch->sender.pid;
        block->placed += size;
    } else {
        memcpy(block->octets + block->at, slice->data, size);
        assert_true(slice->size - size <= sizeof(block->rest) - block->rest_size);
        memcpy(block->rest + block->rest_size, slice->data + size, slice->size - size);
        block->rest_size += slice->size - size;
    }
    block->at += size;
    if (block->place_from > 0 && block->at >= block->place_from)
        kith_conn_set_placing(conn, true);
}

static const struct kith_conn_ops block_ops = {.data = block_data, .place = block_place, .end = end_end, .closed = end_closed};

static struct block *block_new(struct world *world, int *ret_peer) {
    struct block *block = calloc(1, sizeof(*block));
    assert_non_null(block);
    *ret_peer = end_over_pair(world, &block->end, &identity, &block_ops);
    return block;
}

static void block_free(struct block *block, int peer) {
    end_deinit(&block->end);
    free(block);
    close(peer);
}

static void assert_whole(const struct block *block) {
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        if (block->octets[i] != pattern(i))
            fail_msg("octet %zu is not what was sent", i);
}

static void test_block_is_received_where_it_belongs_and_what_follows_is_not(void **state) {
    struct world *world = *state;
    uint8_t *octets = pattern_new(BLOCK_SIZE);
    int peer;
    struct block *block = block_new(world, &peer);
    kith_conn_set_placing(block->end.conn, true);
    settle_down(world);
    pour(world, peer, octets, BLOCK_SIZE);
    assert_int_equal(send(peer, "more", 4, 0), 4);
    until(world, block->rest_size == 4);
    assert_int_equal(block->placed, BLOCK_SIZE);
    assert_whole(block);
    assert_memory_equal(block->rest, "more", 4);
    assert_int_equal(block->writers[0], getpid());

    kith_conn_set_placing(block->end.conn, false);
    assert_int_equal(send(peer, "again", 5, 0), 5);
    until(world, block->rest_size == 9);
    assert_memory_equal(block->rest, "moreagain", 9);
    settle_down(world);
    free(octets);
    block_free(block, peer);
}

/* What a backend has received ahead comes before what is received in place. */
static void test_octets_keep_their_order_when_placing_begins_among_them(void **state) {
    struct world *world = *state;
    uint8_t *octets = pattern_new(BLOCK_SIZE);
    for (size_t from = 1; from < BLOCK_SIZE; from *= 8) {
        int peer;
        struct block *block = block_new(world, &peer);
        block->place_from = from;
        pour(world, peer, octets, BLOCK_SIZE);
        until(world, block->at == BLOCK_SIZE);
        assert_true(block->placed > 0);
        assert_whole(block);
        block_free(block, peer);
    }
    free(octets);
}

static void test_it_may_be_switched_on_and_off_at_any_time(void **state) {
    struct world *world = *state;
    uint8_t *octets = pattern_new(BLOCK_SIZE);
    int peer;
    struct block *block = block_new(world, &peer);
    for (size_t sent = 0, i = 0; sent < BLOCK_SIZE; i++) {
        size_t size = 1 + (i * 7919) % 50000;
        size = size < BLOCK_SIZE - sent ? size : BLOCK_SIZE - sent;
        pour(world, peer, octets + sent, size);
        sent += size;
        kith_conn_set_placing(block->end.conn, i % 3 == 0);
        if (i % 2)
            kith_conn_set_placing(block->end.conn, i % 5 == 0);
    }
    until(world, block->at == BLOCK_SIZE);
    assert_whole(block);
    block_free(block, peer);
    free(octets);
}

static void test_writers_of_one_block_are_told_apart(void **state) {
    struct world *world = *state;
    uint8_t *octets = pattern_new(BLOCK_SIZE);
    int peer, status;
    struct block *block = block_new(world, &peer);
    kith_conn_set_placing(block->end.conn, true);
    assert_int_equal(send(peer, octets, 1000, 0), 1000);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(send(peer, octets + 1000, 500, MSG_NOSIGNAL) == 500 ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    until(world, block->at == 1500);
    assert_int_equal(block->placed, 1500);
    assert_int_equal(block->writers[0], getpid());
    assert_int_equal(block->writers[1], child);
    assert_memory_equal(block->octets, octets, 1500);
    free(octets);
    block_free(block, peer);
}

static void test_pause_holds_for_a_place_too(void **state) {
    struct world *world = *state;
    uint8_t *octets = pattern_new(BLOCK_SIZE);
    int peer;
    struct block *block = block_new(world, &peer);
    assert_int_equal(send(peer, octets, 1000, 0), 1000);
    until(world, block->at == 1000);
    kith_conn_pause(block->end.conn);
    kith_conn_set_placing(block->end.conn, true);
    assert_int_equal(send(peer, octets + 1000, 1000, 0), 1000);
    settle_down(world);
    assert_int_equal(block->at, 1000);
    kith_conn_resume(block->end.conn);
    pour(world, peer, octets + 2000, BLOCK_SIZE - 2000);
    until(world, block->at == BLOCK_SIZE);
    assert_whole(block);
    free(octets);
    block_free(block, peer);
}

static void test_end_in_the_middle_of_a_block_is_told_once(void **state) {
    struct world *world = *state;
    int peer;
    struct block *block = block_new(world, &peer);
    assert_int_equal(send(peer, "begun", 5, 0), 5);
    settle_down(world);
    kith_conn_pause(block->end.conn);
    assert_int_equal(send(peer, "held", 4, 0), 4);
    settle_down(world);
    kith_conn_set_placing(block->end.conn, true);
    assert_int_equal(send(peer, "placed", 6, 0), 6);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    kith_conn_resume(block->end.conn);
    until(world, block->end.ended == 1);
    settle_down(world);
    assert_int_equal(block->end.ended, 1);
    assert_int_equal(block->at, 15);
    assert_memory_equal(block->octets, "begunheldplaced", 15);
    block_free(block, peer);
}

static void test_without_a_wish_for_places_nothing_changes(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    kith_conn_set_placing(end.conn, true);
    kith_conn_set_placing(NULL, true);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    until(world, end.size == 1);
    end_deinit(&end);
    close(peer);
}

static void test_over_tcp_as_well(void **state) {
    struct world *world = *state;
    uint8_t *octets = pattern_new(BLOCK_SIZE);
    struct block *block = calloc(1, sizeof(*block));
    int fds[2];
    assert_non_null(block);
    tcp_pair(fds);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &block_ops, block, &block->end.conn), 0);
    block->place_from = 1;
    pour(world, fds[1], octets, BLOCK_SIZE);
    close(fds[1]);
    until(world, block->end.ended == 1);
    assert_true(block->placed > 0);
    assert_whole(block);
    free(octets);
    end_deinit(&block->end);
    free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_block_is_received_where_it_belongs_and_what_follows_is_not),
        WORLD_TEST(test_octets_keep_their_order_when_placing_begins_among_them),
        WORLD_TEST(test_it_may_be_switched_on_and_off_at_any_time),
        WORLD_TEST(test_writers_of_one_block_are_told_apart),
        WORLD_TEST(test_pause_holds_for_a_place_too),
        WORLD_TEST(test_end_in_the_middle_of_a_block_is_told_once),
        WORLD_TEST(test_without_a_wish_for_places_nothing_changes),
        WORLD_TEST(test_over_tcp_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
