/* Files and several slices in the write queue: order, bounds, files that change under way, and who closes them. */
#include "stream/testing.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define BIG ((uint64_t)100 * 1024 * 1024)

/* A file without a name, its octets as pattern() has them. */
static int file_of(size_t size) {
    int fd = memfd_create("kith-test-file", MFD_CLOEXEC);
    uint8_t *octets = pattern_new(size);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, octets, size), (ssize_t)size);
    free(octets);
    return fd;
}

/* Steps the loop and reads until so many octets are there, or the end. */
static size_t read_all(struct world *world, int fd, uint8_t *octets, size_t size) {
    size_t got = 0;
    bool end = false;
    uint64_t limit = kith_time_now() + PATIENCE_NS;
    while (got < size && !end) {
        assert_true(kith_time_now() < limit);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
        got += slurp(fd, octets + got, size - got, &end);
    }
    return got;
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_files_and_writes_keep_their_order(void **state) {
    struct end end = {0};
    uint8_t octets[4 + 3000 + 6 + 5000 + 4], *expected = pattern_new(8000);
    int peer = end_over_pair(*state, &end, NULL, &end_ops), first = file_of(8000), second = file_of(8000);
    assert_int_equal(kith_conn_write(end.conn, "head", 4), 0);
    assert_int_equal(kith_conn_write_file(end.conn, first, 0, 3000), 0);
    assert_int_equal(kith_conn_write(end.conn, "middle", 6), 0);
    assert_int_equal(kith_conn_write_file(end.conn, second, 3000, 5000), 0);
    assert_int_equal(kith_conn_write(end.conn, "tail", 4), 0);
    assert_int_equal(kith_conn_queued(end.conn), sizeof(octets));
    assert_int_equal(read_all(*state, peer, octets, sizeof(octets)), sizeof(octets));
    assert_memory_equal(octets, "head", 4);
    assert_memory_equal(octets + 4, expected, 3000);
    assert_memory_equal(octets + 3004, "middle", 6);
    assert_memory_equal(octets + 3010, expected + 3000, 5000);
    assert_memory_equal(octets + 8010, "tail", 4);
    settle_down(*state);
    assert_false(is_open(first));
    assert_false(is_open(second));
    free(expected);
    end_deinit(&end);
    close(peer);
}

static void test_nothing_of_a_file_is_sent_and_it_is_closed(void **state) {
    struct end end = {0};
    int peer = end_over_pair(*state, &end, NULL, &end_ops), file = file_of(100);
    assert_int_equal(kith_conn_write_file(end.conn, file, 100, 0), 0);
    assert_false(is_open(file));
    assert_int_equal(kith_conn_queued(end.conn), 0);
    settle_down(*state);
    assert_int_equal(recv(peer, &(char){0}, 1, MSG_DONTWAIT), -1);
    end_deinit(&end);
    close(peer);
}

static void test_what_cannot_be_sent_as_a_file_stays_the_callers(void **state) {
    struct end end = {0};
    int pipe_fds[2], peer = end_over_pair(*state, &end, &(struct kith_conn_options){.high_mark = 10}, &end_ops), file = file_of(100);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(kith_conn_write_file(end.conn, file, 0, 101), -EINVAL);
    assert_int_equal(kith_conn_write_file(end.conn, file, 101, 0), -EINVAL);
    assert_int_equal(kith_conn_write_file(end.conn, file, UINT64_MAX, 2), -EINVAL);
    assert_int_equal(kith_conn_write_file(end.conn, file, 1, UINT64_MAX), -EINVAL);
    assert_int_equal(kith_conn_write_file(end.conn, pipe_fds[0], 0, 1), -ENOTSUP);
    assert_int_equal(kith_conn_write_file(end.conn, peer, 0, 1), -ENOTSUP);
    assert_int_equal(kith_conn_write_file(end.conn, -1, 0, 1), -EBADF);
    kith_conn_drain(end.conn, -1);
    assert_int_equal(kith_conn_write_file(end.conn, file, 0, 1), -EPIPE);
    assert_int_equal(kith_conn_write_file(end.conn, file, 0, 0), -EPIPE);
    assert_int_equal(kith_conn_queued(end.conn), 0);
    assert_true(is_open(file));
    close(file);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    end_deinit(&end);
    close(peer);
}

static void test_a_file_cut_short_under_way_ends_the_connection(void **state) {
    struct end end = {0};
    uint8_t octets[4096];
    bool over = false;
    int peer = end_over_pair(*state, &end, NULL, &end_ops), file = file_of(2 * 1024 * 1024), again = fcntl(file, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(kith_conn_write_file(end.conn, file, 0, 2 * 1024 * 1024), 0);
    settle_down(*state); /* as much as the socket takes */
    size_t sent = 2 * 1024 * 1024 - kith_conn_queued(end.conn);
    assert_in_range(sent, 1, 2 * 1024 * 1024 - 1);
    assert_int_equal(ftruncate(again, (off_t)sent), 0);
    size_t got = 0;
    while (!end.closed) {
        got += slurp(peer, octets, sizeof(octets), &over);
        assert_true(kith_loop_step(((struct world *)*state)->loop, 0) >= 0);
    }
    while (!over)
        got += slurp(peer, octets, sizeof(octets), &over);
    assert_int_equal(got, sent);
    assert_int_equal(end.error, -ENODATA);
    assert_int_equal(end.closed, 1);
    assert_false(is_open(file));
    close(again);
    end_deinit(&end);
    close(peer);
}

static void test_a_peer_that_stops_reading_does_not_end_the_process(void **state) {
    struct end end = {0};
    static uint8_t octets[65536];
    bool over = false;
    int peer = end_over_pair(*state, &end, NULL, &plain_ops), file = file_of(2 * 1024 * 1024);
    assert_int_equal(kith_conn_write_file(end.conn, file, 0, 2 * 1024 * 1024), 0);
    settle_down(*state);
    assert_int_equal(shutdown(peer, SHUT_RD), 0);
    while (slurp(peer, octets, sizeof(octets), &over) > 0) /* there is room again, and nobody to take anything */
        continue;
    until((struct world *)*state, end.closed);
    assert_int_equal(end.error, -EPIPE);
    assert_false(is_open(file));
    end_deinit(&end);
    close(peer);
}

/* SIGPIPE of somebody else's, which a program keeps blocked to take it by itself. */
static void test_a_signal_that_was_pending_before_stays(void **state) {
    struct end end = {0};
    sigset_t pipes, before;
    uint8_t octets[1000];
    int peer = end_over_pair(*state, &end, NULL, &end_ops);
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    assert_int_equal(sigprocmask(SIG_BLOCK, &pipes, &before), 0);
    assert_int_equal(raise(SIGPIPE), 0);
    assert_int_equal(kith_conn_write_file(end.conn, file_of(1000), 0, 1000), 0);
    assert_int_equal(read_all(*state, peer, octets, sizeof(octets)), sizeof(octets));
    assert_int_equal(sigtimedwait(&pipes, NULL, &(struct timespec){0}), SIGPIPE);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    end_deinit(&end);
    close(peer);
}

static void test_a_file_of_100_mib_passes_a_slow_reader_under_marks(void **state) {
    struct world *world = *state;
    struct end end = {0};
    static uint8_t octets[256 * 1024];
    bool over = false;
    uint64_t got = 0, limit = kith_time_now() + 2 * PATIENCE_NS;
    int peer = end_over_pair(world, &end, &(struct kith_conn_options){.high_mark = 1024 * 1024, .low_mark = 1000}, &end_ops);
    int file = memfd_create("kith-test-big", MFD_CLOEXEC);
    assert_int_equal(ftruncate(file, (off_t)BIG), 0);
    assert_int_equal(pwrite(file, "first", 5, 0), 5);
    assert_int_equal(pwrite(file, "last!", 5, (off_t)BIG - 5), 5);
    assert_int_equal(kith_conn_write_file(end.conn, file, 0, BIG), 0);
    assert_int_equal(kith_conn_write(end.conn, "more", 4), -EAGAIN); /* its octets count */
    while (got < BIG) {
        size_t n = slurp(peer, octets, sizeof(octets), &over);
        if (got == 0 && n >= 5)
            assert_memory_equal(octets, "first", 5);
        got += n;
        if (got == BIG)
            assert_memory_equal(octets + n - 5, "last!", 5);
        assert_true(kith_time_now() < limit);
        assert_true(kith_loop_step(world->loop, 0) >= 0);
        assert_true(end.writable == 0 || kith_conn_queued(end.conn) <= 1000);
    }
    until(world, end.writable == 1);
    assert_false(is_open(file));
    assert_int_equal(kith_loop_unsent(world->loop)->used, 0);
    end_deinit(&end);
    close(peer);
}

static void test_a_file_is_closed_with_its_connection(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops), first = file_of(4 * 1024 * 1024), second = file_of(10);
    assert_int_equal(kith_conn_write_file(end.conn, first, 0, 4 * 1024 * 1024), 0);
    settle_down(world);
    end_deinit(&end); /* in the middle of the file */
    assert_false(is_open(first));
    assert_int_equal(kith_loop_unsent(world->loop)->used, 0);
    close(peer);
    peer = end_over_pair(world, &end, NULL, &end_ops);
    assert_int_equal(kith_conn_write_file(end.conn, second, 0, 10), 0);
    end_deinit(&end); /* before anything was sent */
    assert_false(is_open(second));
    close(peer);
}

static void test_slices_are_written_in_order(void **state) {
    struct end end = {0};
    size_t size = 70000;
    uint8_t *octets = pattern_new(size), *got = malloc(size);
    struct kith_slice slices[100];
    size_t at = 0;
    int peer = end_over_pair(*state, &end, NULL, &end_ops);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(slices); i++) {
        size_t n = i + 1 == KITH_ARRAY_SIZE(slices) ? size - at : (i * 7919) % 1300; /* empty ones too */
        slices[i] = (struct kith_slice){.data = octets + at, .size = n};
        at += n;
    }
    assert_int_equal(kith_conn_write_slices(end.conn, slices, KITH_ARRAY_SIZE(slices)), 0);
    assert_int_equal(kith_conn_write_slices(end.conn, NULL, 0), 0);
    assert_int_equal(read_all(*state, peer, got, size), size);
    assert_memory_equal(got, octets, size);
    end_deinit(&end);
    free(octets);
    free(got);
    close(peer);
}

static void test_slices_are_refused_all_or_none(void **state) {
    struct end end = {0};
    struct kith_slice slices[] = {{.data = (const uint8_t *)"one", .size = 3}, {.data = NULL, .size = 3}, {.data = (const uint8_t *)"x"}};
    uint8_t got[20];
    bool over = false;
    int peer = end_over_pair(*state, &end, &(struct kith_conn_options){.high_mark = 5}, &end_ops);
    assert_int_equal(kith_conn_write_slices(end.conn, slices, 3), -EINVAL);
    assert_int_equal(kith_conn_write_slices(end.conn, NULL, 1), -EINVAL);
    assert_int_equal(kith_conn_write_slices(NULL, slices, 1), -EINVAL);
    assert_int_equal(kith_conn_queued(end.conn), 0);
    settle_down(*state);
    assert_int_equal(slurp(peer, got, sizeof(got), &over), 0);
    kith_conn_close(end.conn);
    assert_int_equal(kith_conn_write_slices(end.conn, slices, 1), -EPIPE);
    end_deinit(&end);
    close(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_files_and_writes_keep_their_order),
        WORLD_TEST(test_nothing_of_a_file_is_sent_and_it_is_closed),
        WORLD_TEST(test_what_cannot_be_sent_as_a_file_stays_the_callers),
        WORLD_TEST(test_a_file_cut_short_under_way_ends_the_connection),
        WORLD_TEST(test_a_peer_that_stops_reading_does_not_end_the_process),
        WORLD_TEST(test_a_signal_that_was_pending_before_stays),
        WORLD_TEST(test_a_file_of_100_mib_passes_a_slow_reader_under_marks),
        WORLD_TEST(test_a_file_is_closed_with_its_connection),
        WORLD_TEST(test_slices_are_written_in_order),
        WORLD_TEST(test_slices_are_refused_all_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
