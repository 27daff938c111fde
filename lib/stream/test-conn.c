/* Connections: writing, reading, ends, and what callbacks may do. */
#include "stream/testing.h"

#include <sys/un.h>

#include "stream/conn.h"

static void close_now(struct end *end) {
    kith_conn_close(end->conn);
}

static void free_now(struct end *end) {
    end->conn = kith_conn_free(end->conn);
}

static void close_on_data(struct end *end, struct kith_batch *batch) {
    kith_conn_close(end->conn);
}

static void free_on_data(struct end *end, struct kith_batch *batch) {
    end->conn = kith_conn_free(end->conn);
}

static void echo(struct end *end, struct kith_batch *batch) {
    assert_int_equal(kith_conn_write(end->conn, batch->slice.data, batch->slice.size), 0);
}

/* Adopting ---------------------------------------------------------------------------------------------------------- */

static void test_what_is_no_stream_socket_is_refused_and_stays_the_callers(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &end_ops, &end, &end.conn), -ENOTSOCK);
    assert_int_equal(close(fds[0]) | close(fds[1]), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &end_ops, &end, &end.conn), -EPROTOTYPE);
    assert_int_equal(close(fds[0]) | close(fds[1]), 0);
    assert_int_equal(kith_conn_new_fd(world->loop, -1, NULL, &end_ops, &end, &end.conn), -EBADF);
    assert_null(end.conn);
}

static void test_options_that_contradict_each_other_are_refused(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    const struct kith_conn_options bad[] = {{.high_mark = 10, .low_mark = 10}, {.receive_fds = 254}, {.idle_ms = UINT64_MAX}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(bad); i++)
        assert_int_equal(kith_conn_new_fd(world->loop, fds[0], &bad[i], &end_ops, &end, &end.conn), -EINVAL);
    const struct kith_conn_ops deaf = {.closed = end_closed};
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &deaf, &end, &end.conn), -EINVAL);
    assert_int_equal(close(fds[0]) | close(fds[1]), 0);
}

static void test_an_adopted_socket_is_nonblocking_and_not_inherited(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &end_ops, &end, &end.conn), 0);
    assert_int_equal(kith_conn_fd(end.conn), fds[0]);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    end_deinit(&end);
    close(fds[1]);
}

static void test_a_connection_outlives_its_loop_inert(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.idle_ms = 1000}, &end_ops);
    assert_int_equal(kith_conn_write(end.conn, "x", 1), 0);
    kith_loop_free(world->loop);
    end_deinit(&end);
    close(peer);
    assert_int_equal(kith_loop_new(&world->loop), 0);
}

/* Writing ------------------------------------------------------------------------------------------------------------- */

static void test_writes_go_out_together_when_the_loop_would_idle(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint8_t octets[16];
    bool over = false;
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(kith_conn_write(end.conn, "abc", 3), 0);
    assert_int_equal(kith_conn_write(end.conn, "def", 3), 0);
    assert_int_equal(kith_conn_queued(end.conn), 6);
    assert_int_equal(slurp(peer, octets, sizeof(octets), &over), 0);
    until(world, kith_conn_queued(end.conn) == 0);
    assert_int_equal(recv(peer, octets, sizeof(octets), 0), 6);
    assert_memory_equal(octets, "abcdef", 6);
    end_deinit(&end);
    close(peer);
}

static void test_flush_and_64_kib_go_out_at_once(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    uint8_t *octets = pattern_new(65536), back[65536];
    bool over = false;
    assert_int_equal(kith_conn_write(end.conn, octets, 10), 0);
    kith_conn_flush(end.conn);
    assert_int_equal(kith_conn_queued(end.conn), 0);
    assert_int_equal(kith_conn_write(end.conn, octets, 65535), 0);
    assert_int_equal(kith_conn_queued(end.conn), 65535);
    assert_int_equal(kith_conn_write(end.conn, octets, 1), 0);
    assert_int_equal(kith_conn_queued(end.conn), 0);
    assert_int_equal(slurp(peer, back, 10, &over), 10);
    assert_int_equal(slurp(peer, back, sizeof(back), &over), sizeof(back));
    assert_memory_equal(back, octets, 65535);
    free(octets);
    end_deinit(&end);
    close(peer);
}

static void test_a_tiny_socket_buffer_gets_everything_in_order(void **state) {
    enum { SIZE = 300000 };
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.high_mark = SIZE + 1}, &end_ops);
    uint8_t *octets = pattern_new(SIZE), *back = malloc(SIZE);
    size_t got = 0;
    bool over = false;
    assert_int_equal(setsockopt(kith_conn_fd(end.conn), SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)), 0);
    for (size_t at = 0, step = 1; at < SIZE; at += step, step = step * 3 % 7001) {
        if (step > SIZE - at)
            step = SIZE - at;
        struct kith_slice slice = {.data = octets + at, .size = step};
        assert_int_equal(step % 2 ? kith_conn_write(end.conn, octets + at, step) : kith_conn_write_slice(end.conn, slice), 0);
    }
    assert_true(kith_conn_queued(end.conn) > SIZE / 2);
    while (got < SIZE) {
        struct pollfd pollfd = {.fd = peer, .events = POLLIN};
        assert_true(kith_loop_step(world->loop, 0) >= 0);
        assert_int_equal(poll(&pollfd, 1, 10000), 1);
        got += slurp(peer, back + got, SIZE - got, &over);
    }
    assert_memory_equal(back, octets, SIZE);
    settle_down(world);
    assert_int_equal(kith_conn_queued(end.conn), 0);
    assert_int_equal(end.closed, 0);
    free(octets);
    free(back);
    end_deinit(&end);
    close(peer);
}

static void test_16_mib_pass_by_slices(void **state) {
    enum { SIZE = 16 * 1024 * 1024 };
    struct world *world = *state;
    struct end from = {0}, to = {0};
    int fd = end_over_pair(world, &from, NULL, &end_ops);
    assert_int_equal(kith_conn_new_fd(world->loop, fd, NULL, &end_ops, &to, &to.conn), 0);
    uint8_t *octets = pattern_new(SIZE);
    assert_int_equal(kith_conn_write_slice(from.conn, (struct kith_slice){.data = octets, .size = SIZE}), 0);
    until(world, to.size == SIZE);
    assert_memory_equal(to.octets, octets, SIZE);
    assert_int_equal(from.writable, 1);
    free(octets);
    end_deinit(&from);
    end_deinit(&to);
}

static void test_marks_bound_the_queue(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.high_mark = 300000, .low_mark = 50000}, &end_ops);
    uint8_t *octets = pattern_new(1000000), *back = malloc(1000000);
    size_t got = 0;
    bool over = false;

    /* Exactly one write may pass the mark; what is refused leaves the queue as it was. */
    assert_int_equal(kith_conn_write(end.conn, octets, 1000000), 0);
    size_t queued = kith_conn_queued(end.conn);
    assert_true(queued >= 300000);
    assert_int_equal(kith_conn_write(end.conn, octets, 1), -EAGAIN);
    assert_int_equal(kith_conn_write_slice(end.conn, (struct kith_slice){.data = octets, .size = 1000}), -EAGAIN);
    assert_int_equal(kith_conn_queued(end.conn), queued);
    settle_down(world);
    assert_int_equal(end.writable, 0);

    /* Below the high mark writing is possible, but `writable` waits for the low one. */
    bool between = false;
    while (!end.writable) {
        got += slurp(peer, back + got, 20000, &over);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
        if (!end.writable && kith_conn_queued(end.conn) < 300000)
            between = true;
    }
    assert_true(between);
    assert_true(kith_conn_queued(end.conn) <= 50000);
    while (got < 1000000) {
        got += slurp(peer, back + got, 1000000 - got, &over);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
    settle_down(world);
    assert_int_equal(end.writable, 1);
    assert_memory_equal(back, octets, 1000000);
    free(octets);
    free(back);
    end_deinit(&end);
    close(peer);
}

static void test_a_queue_below_its_mark_never_says_writable(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint8_t octets[16];
    bool over = false;
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.high_mark = 8}, &end_ops);
    for (int i = 0; i < 10; i++)
        assert_int_equal(kith_conn_write(end.conn, "0123456789", 10), 0); /* above the mark, but the kernel takes it at once */
    settle_down(world);
    assert_int_equal(end.writable, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(slurp(peer, octets, 10, &over), 10);
    end_deinit(&end);
    close(peer);
}

/* Ends ---------------------------------------------------------------------------------------------------------------- */

static void test_after_the_peers_end_writing_goes_on(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint8_t octets[8];
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(send(peer, "bye", 3, 0), 3);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    until(world, end.ended == 1);
    assert_int_equal(end.size, 3);
    settle_down(world);
    assert_int_equal(kith_conn_write(end.conn, "still", 5), 0);
    until(world, kith_conn_queued(end.conn) == 0);
    assert_int_equal(recv(peer, octets, sizeof(octets), 0), 5);
    assert_int_equal(end.closed, 0);
    close(peer);
    until(world, end.closed == 1);
    assert_int_equal(end.error, 0);
    assert_int_equal(end.ended, 1);
    assert_int_equal(kith_conn_fd(end.conn), -1);
    assert_int_equal(kith_conn_write(end.conn, "x", 1), -EPIPE);
    settle_down(world);
    assert_int_equal(end.closed, 1);
    end_deinit(&end);
}

static void test_without_end_callback_the_queue_is_sent_and_then_all_is_over(void **state) {
    enum { SIZE = 900000 };
    struct world *world = *state;
    struct end end = {.on_data = NULL};
    int peer = end_over_pair(world, &end, NULL, &plain_ops);
    uint8_t *octets = pattern_new(SIZE), *back = malloc(SIZE + 1);
    size_t got = 0;
    bool over = false;
    assert_int_equal(kith_conn_write(end.conn, octets, SIZE), 0);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    settle_down(world);
    assert_int_equal(end.closed, 0);
    while (!over) {
        got += slurp(peer, back + got, SIZE - got + 1, &over);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
    assert_int_equal(got, SIZE);
    assert_memory_equal(back, octets, SIZE);
    assert_int_equal(end.closed, 1);
    assert_int_equal(end.error, 0);
    free(octets);
    free(back);
    end_deinit(&end);
    close(peer);
}

static void test_what_was_sent_before_the_hang_up_is_delivered_before_closed(void **state) {
    enum { SIZE = 150000 };
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    uint8_t *octets = pattern_new(SIZE);
    assert_int_equal(send(peer, octets, SIZE, 0), SIZE);
    assert_int_equal(kith_conn_write(end.conn, "lost", 4), 0);
    close(peer);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -EPIPE);
    assert_int_equal(end.size, SIZE);
    assert_memory_equal(end.octets, octets, SIZE);
    free(octets);
    end_deinit(&end);
}

static void test_a_peer_that_left_our_octets_unread_is_a_reset(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(send(peer, "last words", 10, 0), 10);
    assert_int_equal(kith_conn_write(end.conn, "unread", 6), 0);
    kith_conn_flush(end.conn);
    close(peer);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -ECONNRESET);
    assert_int_equal(end.size, 10);
    end_deinit(&end);
}

static void test_a_tcp_reset_is_told_once(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2];
    tcp_pair(fds);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &end_ops, &end, &end.conn), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)), 0);
    close(fds[1]);
    until(world, end.closed > 0);
    assert_int_equal(end.error, -ECONNRESET);
    settle_down(world);
    assert_int_equal(end.closed, 1);
    assert_int_equal(end.ended, 0);
    end_deinit(&end);
}

static void test_a_reset_after_the_peers_end_is_told_too(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int fds[2];
    tcp_pair(fds);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], NULL, &end_ops, &end, &end.conn), 0);
    shutdown(fds[1], SHUT_WR);
    until(world, end.ended == 1);
    settle_down(world);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)), 0);
    close(fds[1]);
    until(world, end.closed > 0);
    assert_true(end.error == -ECONNRESET || end.error == -EPIPE);
    end_deinit(&end);
}

/* The peer reads no more, but has more to say: its octets come, then the failure of our write. */
static void test_a_peer_that_stops_reading_fails_the_write_side_only(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(send(peer, "words", 5, 0), 5);
    assert_int_equal(shutdown(peer, SHUT_RD), 0);
    assert_int_equal(kith_conn_write(end.conn, "x", 1), 0);
    kith_conn_flush(end.conn);
    assert_int_equal(end.closed, 0);
    assert_int_equal(kith_conn_write(end.conn, "x", 1), -EPIPE);
    until(world, end.closed == 1);
    assert_int_equal(end.error, -EPIPE);
    assert_int_equal(end.size, 5);
    end_deinit(&end);
    close(peer);
}

/* Backpressure ---------------------------------------------------------------------------------------------------------- */

static void pause_now(struct end *end, struct kith_batch *batch) {
    kith_conn_pause(end->conn);
}

static void test_after_pause_nothing_comes_until_resume(void **state) {
    enum { SIZE = 150000 };
    struct world *world = *state;
    struct end end = {.on_data = pause_now};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    uint8_t *octets = pattern_new(SIZE);
    assert_int_equal(send(peer, octets, SIZE, 0), SIZE);
    for (unsigned batch = 1; end.size < SIZE; batch++) {
        until(world, end.batches == batch);
        settle_down(world);
        assert_int_equal(end.batches, batch);
        kith_conn_resume(end.conn);
        assert_int_equal(end.batches, batch); /* never inside the call */
    }
    assert_true(end.batches >= 3);
    assert_memory_equal(end.octets, octets, SIZE);
    free(octets);
    end_deinit(&end);
    close(peer);
}

static void test_a_hang_up_while_paused_neither_spins_nor_loses_octets(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    kith_conn_pause(end.conn);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    close(peer);
    settle_down(world);
    assert_int_equal(end.batches + end.ended + end.closed, 0);
    kith_conn_resume(end.conn);
    until(world, end.closed == 1);
    assert_int_equal(end.size, 5);
    assert_int_equal(end.error, 0);
    end_deinit(&end);
}

static void test_pausing_does_not_stop_writing(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint8_t octets[8];
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    kith_conn_pause(end.conn);
    assert_int_equal(send(peer, "in", 2, 0), 2);
    assert_int_equal(kith_conn_write(end.conn, "out", 3), 0);
    settle_down(world);
    assert_int_equal(recv(peer, octets, sizeof(octets), MSG_DONTWAIT), 3);
    assert_int_equal(end.size, 0);
    end_deinit(&end);
    close(peer);
}

/* Callbacks may end their connection ---------------------------------------------------------------------------------- */

static void test_close_and_free_inside_data(void **state) {
    struct world *world = *state;
    void (*const hooks[])(struct end *, struct kith_batch *) = {close_on_data, free_on_data};
    uint8_t *octets = pattern_new(150000);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(hooks); i++) {
        struct end end = {.on_data = hooks[i]};
        int peer = end_over_pair(world, &end, NULL, &end_ops);
        assert_int_equal(send(peer, octets, 150000, 0), 150000);
        until(world, end.batches > 0);
        settle_down(world);
        assert_int_equal(end.batches, 1);
        assert_int_equal(end.closed, 0);
        assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
        end_deinit(&end);
        close(peer);
    }
    free(octets);
}

static void test_close_and_free_inside_end_and_closed(void **state) {
    struct world *world = *state;
    void (*const hooks[])(struct end *) = {close_now, free_now};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(hooks); i++) {
        struct end end = {.on_other = hooks[i]};
        int peer = end_over_pair(world, &end, NULL, &end_ops);
        shutdown(peer, SHUT_WR);
        until(world, end.ended == 1);
        settle_down(world);
        assert_int_equal(end.closed, 0);
        end_deinit(&end);
        close(peer);

        end = (struct end){.on_other = hooks[i]};
        peer = end_over_pair(world, &end, NULL, &plain_ops);
        close(peer);
        until(world, end.closed == 1);
        settle_down(world);
        end_deinit(&end);
    }
}

static void test_close_and_free_inside_writable(void **state) {
    struct world *world = *state;
    void (*const hooks[])(struct end *) = {close_now, free_now};
    uint8_t *octets = pattern_new(1000000), *back = malloc(1000000);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(hooks); i++) {
        struct end end = {.on_other = hooks[i]};
        bool over = false;
        int peer = end_over_pair(world, &end, &(struct kith_conn_options){.high_mark = 100000, .low_mark = 99999}, &end_ops);
        assert_int_equal(kith_conn_write(end.conn, octets, 1000000), 0);
        while (!end.writable) {
            slurp(peer, back, 50000, &over);
            assert_true(kith_loop_step(world->loop, 0) >= 0);
        }
        settle_down(world);
        assert_int_equal(end.closed, 0);
        end_deinit(&end);
        close(peer);
    }
    free(octets);
    free(back);
}

static void test_a_reply_written_in_data_goes_out_in_the_same_step(void **state) {
    struct world *world = *state;
    struct end end = {.on_data = echo};
    uint8_t octets[8];
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(send(peer, "ping", 4, 0), 4);
    assert_true(kith_loop_step(world->loop, 1000) >= 0);
    assert_int_equal(recv(peer, octets, sizeof(octets), MSG_DONTWAIT), 4);
    end_deinit(&end);
    close(peer);
}

static void keep_slice(struct end *end, struct kith_batch *batch) {
    struct kith_slice *kept = end->extra;
    *kept = kith_slice_ref(batch->slice);
}

static void test_a_kept_slice_is_not_overwritten(void **state) {
    struct world *world = *state;
    struct kith_slice kept = {0};
    struct end end = {.on_data = keep_slice, .extra = &kept};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(send(peer, "first", 5, 0), 5);
    until(world, end.batches == 1);
    struct kith_slice first = kept;
    assert_int_equal(send(peer, "other", 5, 0), 5);
    until(world, end.batches == 2);
    assert_memory_equal(first.data, "first", 5);
    kith_slice_unref(&first);
    kith_slice_unref(&kept);
    end_deinit(&end);
    close(peer);
}

static void test_an_idle_connection_owns_no_slab(void **state) {
    struct world *world = *state;
    struct end end = {.on_data = echo};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(send(peer, "ping", 4, 0), 4);
    until(world, end.batches == 1);
    settle_down(world);
    assert_int_equal(kith_loop_slabs_kept(world->loop), 0);
    end_deinit(&end);
    close(peer);
}

static void test_a_few_octets_for_a_slow_reader_hold_no_slab(void **state) {
    struct world *world = *state;
    struct end end = {0};
    uint8_t *octets = pattern_new(8000), back[8001];
    size_t got = 0;
    bool over = false;
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(setsockopt(kith_conn_fd(end.conn), SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)), 0);
    assert_int_equal(kith_conn_write(end.conn, octets, 8000), 0);
    settle_down(world);
    assert_true(kith_conn_queued(end.conn) > 0);
    assert_int_equal(kith_loop_slabs_kept(world->loop), 0);
    while (got < 8000) {
        got += slurp(peer, back + got, sizeof(back) - got, &over);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
    assert_memory_equal(back, octets, 8000);
    free(octets);
    end_deinit(&end);
    close(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_what_is_no_stream_socket_is_refused_and_stays_the_callers),
        WORLD_TEST(test_options_that_contradict_each_other_are_refused),
        WORLD_TEST(test_an_adopted_socket_is_nonblocking_and_not_inherited),
        WORLD_TEST(test_a_connection_outlives_its_loop_inert),
        WORLD_TEST(test_writes_go_out_together_when_the_loop_would_idle),
        WORLD_TEST(test_flush_and_64_kib_go_out_at_once),
        WORLD_TEST(test_a_tiny_socket_buffer_gets_everything_in_order),
        WORLD_TEST(test_16_mib_pass_by_slices),
        WORLD_TEST(test_marks_bound_the_queue),
        WORLD_TEST(test_a_queue_below_its_mark_never_says_writable),
        WORLD_TEST(test_after_the_peers_end_writing_goes_on),
        WORLD_TEST(test_without_end_callback_the_queue_is_sent_and_then_all_is_over),
        WORLD_TEST(test_what_was_sent_before_the_hang_up_is_delivered_before_closed),
        WORLD_TEST(test_a_peer_that_left_our_octets_unread_is_a_reset),
        WORLD_TEST(test_a_tcp_reset_is_told_once),
        WORLD_TEST(test_a_reset_after_the_peers_end_is_told_too),
        WORLD_TEST(test_a_peer_that_stops_reading_fails_the_write_side_only),
        WORLD_TEST(test_after_pause_nothing_comes_until_resume),
        WORLD_TEST(test_a_hang_up_while_paused_neither_spins_nor_loses_octets),
        WORLD_TEST(test_pausing_does_not_stop_writing),
        WORLD_TEST(test_close_and_free_inside_data),
        WORLD_TEST(test_close_and_free_inside_end_and_closed),
        WORLD_TEST(test_close_and_free_inside_writable),
        WORLD_TEST(test_a_reply_written_in_data_goes_out_in_the_same_step),
        WORLD_TEST(test_a_kept_slice_is_not_overwritten),
        WORLD_TEST(test_an_idle_connection_owns_no_slab),
        WORLD_TEST(test_a_few_octets_for_a_slow_reader_hold_no_slab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
