/*
 * A connection gets on by itself: what it has still to do when its octets have gone out waits for no other event. The loop runs here
 * without any limit to its waits, as a server's does, or is hosted by poll(2).
 */
#include "stream/testing.h"

#include <pthread.h>

/* Below what is sent at once, above what the socket of stingy() takes. */
#define LARGE ((size_t)60000)

struct alone {
    struct world world; /* first: the world's helpers take it */
    struct end end;
    int peer; /* read by a thread of its own */
    pthread_t reader;
    size_t expected; /* octets after which the reader leaves; SIZE_MAX: it reads to the end */
    size_t received;
    kith_timer *limit;
    bool late;
};

static int alone_setup(void **state) {
    struct alone *alone = world_new(state, sizeof(*alone));
    if (!alone)
        return -1;
    alone->peer = -1;
    alone->expected = SIZE_MAX;
    return 0;
}

static int alone_teardown(void **state) {
    struct alone *alone = *state;
    end_deinit(&alone->end);
    kith_timer_free(alone->limit);
    kith_close(alone->peer);
    return world_teardown(state); /* the world is first */
}

static void *read_it(void *userdata) {
    struct alone *alone = userdata;
    char octets[1000];
    ssize_t n = send(alone->peer, "?", 1, 0);
    while (n > 0 && alone->received < alone->expected) {
        n = recv(alone->peer, octets, sizeof(octets), 0);
        alone->received += n > 0 ? (size_t)n : 0;
    }
    alone->peer = kith_close(alone->peer);
    return NULL;
}

static void on_late(kith_timer *timer, void *userdata) {
    struct alone *alone = userdata;
    alone->late = true;
    kith_loop_stop(alone->world.loop);
}

static void stop_when_closed(struct end *end) {
    if (end->closed)
        kith_loop_stop(((struct alone *)end->extra)->world.loop);
}

static void open_with(struct alone *alone, const struct kith_conn_options *options, const struct kith_conn_ops *ops,
                      void (*on_data)(struct end *end, struct kith_batch *batch)) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    alone->peer = fds[1];
    alone->end = (struct end){.on_data = on_data, .on_other = stop_when_closed, .extra = alone};
    assert_int_equal(kith_conn_new_fd(alone->world.loop, fds[0], options, ops, &alone->end, &alone->end.conn), 0);
    assert_int_equal(kith_timer_new(alone->world.loop, on_late, alone, &alone->limit), 0);
    assert_int_equal(kith_timer_arm(alone->limit, PATIENCE_NS / KITH_NS_PER_MS, 0), 0);
    assert_int_equal(pthread_create(&alone->reader, NULL, read_it, alone), 0);
}

static void open_it(struct alone *alone, const struct kith_conn_options *options,
                    void (*on_data)(struct end *end, struct kith_batch *batch)) {
    open_with(alone, options, &plain_ops, on_data);
}

/* Until the connection is closed; the peer has everything then. */
static void run_it(struct alone *alone, size_t octets) {
    assert_int_equal(kith_loop_run(alone->world.loop), 0);
    assert_false(alone->late);
    assert_int_equal(pthread_join(alone->reader, NULL), 0);
    assert_int_equal(alone->received, octets);
    assert_int_equal(alone->end.closed, 1);
}

static void host_it(struct alone *alone, size_t octets) {
    struct pollfd host = {.fd = kith_loop_fd(alone->world.loop), .events = POLLIN};
    while (!alone->end.closed) {
        assert_int_equal(poll(&host, 1, PATIENCE_NS / KITH_NS_PER_MS), 1);
        assert_true(kith_loop_step(alone->world.loop, 0) >= 0);
        assert_false(alone->late);
    }
    assert_int_equal(pthread_join(alone->reader, NULL), 0);
    assert_int_equal(alone->received, octets);
}

static void write_large(struct end *end) {
    static const uint8_t octets[LARGE];
    assert_int_equal(kith_conn_write(end->conn, octets, sizeof(octets)), 0);
}

static void reply_and_drain(struct end *end, struct kith_batch *batch) {
    assert_int_equal(kith_conn_write(end->conn, "reply", 5), 0);
    kith_conn_drain(end->conn, -1);
}

static void test_a_drained_reply_is_followed_by_its_end(void **state) {
    open_it(*state, NULL, reply_and_drain);
    run_it(*state, 5);
}

static void test_a_drained_reply_is_followed_by_its_end_in_a_hosted_loop(void **state) {
    open_it(*state, NULL, reply_and_drain);
    host_it(*state, 5);
}

static void reply_large(struct end *end, struct kith_batch *batch) {
    write_large(end);
}

static void test_a_reply_that_the_kernel_takes_in_parts_goes_on(void **state) {
    struct alone *alone = *state;
    alone->expected = LARGE;
    open_it(alone, NULL, reply_large);
    run_it(alone, LARGE);
}

static void test_a_reply_that_the_kernel_takes_in_parts_goes_on_in_a_hosted_loop(void **state) {
    struct alone *alone = *state;
    alone->expected = LARGE;
    open_it(alone, NULL, reply_large);
    host_it(alone, LARGE);
}

/* Deferred work that writes behind a send which is prepared already. */
struct late_writer {
    struct kith_defer defer;
    struct end *end;
    unsigned rounds;
    void (*write)(struct end *end);
};

static struct late_writer writer;

static unsigned write_late(struct kith_defer *defer) {
    if (++writer.rounds < 3)
        kith_loop_defer(((struct alone *)writer.end->extra)->world.loop, defer);
    else
        writer.write(writer.end);
    return 0;
}

static void reply_and_write_late(struct end *end, void (*write)(struct end *end)) {
    writer = (struct late_writer){.end = end, .write = write};
    kith_defer_init(&writer.defer, write_late);
    assert_int_equal(kith_conn_write(end->conn, "reply", 5), 0);
    kith_loop_defer(((struct alone *)end->extra)->world.loop, &writer.defer);
}

static void write_behind(struct end *end) {
    assert_int_equal(kith_conn_write(end->conn, "behind", 6), 0);
}

static void reply_twice(struct end *end, struct kith_batch *batch) {
    reply_and_write_late(end, write_behind);
}

static void test_what_is_written_behind_a_send_goes_out_too(void **state) {
    struct alone *alone = *state;
    alone->expected = 11;
    open_it(alone, NULL, reply_twice);
    run_it(alone, 11);
}

/* Behind the first five the queue is at its mark while the send is under way (io_uring), or has room at once. */
static void write_to_the_mark(struct end *end) {
    assert_int_equal(kith_conn_write(end->conn, "behind", 6), 0);
    if (kith_conn_write(end->conn, NULL, 0) == 0)
        kith_conn_drain(end->conn, -1);
}

static void reply_to_the_mark(struct end *end, struct kith_batch *batch) {
    reply_and_write_late(end, write_to_the_mark);
}

static void drain_when_writable(struct end *end) {
    if (end->writable == 1 && !end->closed)
        kith_conn_drain(end->conn, -1);
    stop_when_closed(end);
}

static void open_marked(struct alone *alone) {
    static const struct kith_conn_ops ops = {.data = end_data, .writable = end_writable, .closed = end_closed};
    open_with(alone, &(struct kith_conn_options){.high_mark = 10, .low_mark = 1}, &ops, reply_to_the_mark);
    alone->end.on_other = drain_when_writable;
}

static void test_writable_is_told_when_the_octets_have_gone(void **state) {
    open_marked(*state);
    run_it(*state, 11);
}

static void test_writable_is_told_when_the_octets_have_gone_in_a_hosted_loop(void **state) {
    open_marked(*state);
    host_it(*state, 11);
}

#define ALONE_TEST(name) cmocka_unit_test_setup_teardown(name, alone_setup, alone_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ALONE_TEST(test_a_drained_reply_is_followed_by_its_end),
        ALONE_TEST(test_a_drained_reply_is_followed_by_its_end_in_a_hosted_loop),
        ALONE_TEST(test_a_reply_that_the_kernel_takes_in_parts_goes_on),
        ALONE_TEST(test_a_reply_that_the_kernel_takes_in_parts_goes_on_in_a_hosted_loop),
        ALONE_TEST(test_writable_is_told_when_the_octets_have_gone),
        ALONE_TEST(test_writable_is_told_when_the_octets_have_gone_in_a_hosted_loop),
        ALONE_TEST(test_what_is_written_behind_a_send_goes_out_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
