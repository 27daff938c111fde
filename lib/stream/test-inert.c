/* Connections and listeners that outlive their loop, or are asked for in a child process: kith/loop.h says they become inert. */
#include "stream/testing.h"

#include <sys/wait.h>

static void assert_inert(kith_conn *conn) {
    struct kith_slice slice = {.data = (const uint8_t *)"x", .size = 1};

    assert_int_equal(kith_conn_write(conn, "x", 1), -ESHUTDOWN);
    assert_int_equal(kith_conn_write_slice(conn, slice), -ESHUTDOWN);
    kith_conn_flush(conn);
    kith_conn_pause(conn);
    kith_conn_resume(conn);
    kith_conn_drain(conn, 10);
    kith_conn_drain(conn, -1);
}

static void lose_loop(struct world *world) {
    world->loop = kith_loop_free(world->loop);
}

static void test_an_open_connection_without_its_loop_does_nothing(void **state) {
    struct world *world = *state;
    struct end end = {0};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    char octet;

    assert_int_equal(kith_conn_write(end.conn, "queued", 6), 0);
    lose_loop(world);
    assert_inert(end.conn);
    assert_int_equal(recv(peer, &octet, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    end_deinit(&end);
    close(peer);
}

static void test_a_connecting_one_without_its_loop_does_nothing(void **state) {
    struct world *world = *state;
    struct end end = {0};
    struct kith_address nobody;

    assert_int_equal(kith_address_unix("@kith-test-inert-nobody", &nobody), 0);
    assert_int_equal(kith_conn_new_connect(world->loop, &nobody, NULL, &end_ops, &end, &end.conn), 0);
    lose_loop(world);
    assert_inert(end.conn);
    assert_int_equal(end.closed, 0);
    end_deinit(&end);
}

static void free_loop_in_data(struct end *end, struct kith_batch *batch) {
    lose_loop(end->extra);
}

static void free_loop_otherwise(struct end *end) {
    lose_loop(end->extra);
}

/* More was sent than one receive takes, and the peer's end behind it: the callback is the last. */
static void test_a_loop_freed_while_data_come_ends_it_all(void **state) {
    struct world *world = *state;
    struct end end = {.extra = world, .on_data = free_loop_in_data};
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    uint8_t *octets = pattern_new(100000);

    assert_int_equal(send(peer, octets, 100000, 0), 100000);
    close(peer);
    assert_true(kith_loop_step(world->loop, 1000) > 0);
    assert_null(world->loop);
    assert_int_equal(end.batches, 1);
    assert_int_equal(end.ended + end.closed, 0);
    assert_inert(end.conn);
    free(octets);
    end_deinit(&end);
}

static void test_a_loop_freed_at_the_peers_end_ends_it_all(void **state) {
    struct world *world = *state;
    struct end end = {.extra = world, .on_other = free_loop_otherwise};
    int peer = end_over_pair(world, &end, NULL, &end_ops);

    close(peer);
    assert_true(kith_loop_step(world->loop, 1000) > 0);
    assert_null(world->loop);
    assert_int_equal(end.ended, 1);
    assert_int_equal(end.closed, 0);
    assert_inert(end.conn);
    end_deinit(&end);
}

struct loser {
    struct world *world;
    unsigned accepted;
};

static int accept_and_lose(kith_listener *listener, int fd, void *userdata) {
    struct loser *loser = userdata;
    loser->accepted++;
    lose_loop(loser->world);
    return -ECONNABORTED;
}

static const struct kith_listener_ops losing_ops = {.accept = accept_and_lose};

static void test_a_loop_freed_while_accepting_ends_the_accepting(void **state) {
    struct world *world = *state;
    struct loser loser = {.world = world};
    struct kith_address address;
    kith_listener *listener = NULL;
    int clients[3];

    assert_int_equal(kith_address_unix("@kith-test-inert", &address), 0);
    assert_int_equal(kith_listener_new(world->loop, &address, NULL, &losing_ops, &loser, &listener, NULL), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(clients[i], (const struct sockaddr *)&address.storage, address.size), 0);
    }
    assert_true(kith_loop_step(world->loop, 1000) >= 0);
    assert_null(world->loop);
    assert_int_equal(loser.accepted, 1);
    kith_listener_pause(listener);
    kith_listener_resume(listener);
    kith_listener_free(listener);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_a_child_process_makes_no_connection(void **state) {
    struct world *world = *state;
    struct kith_address address;
    int pair[2], status = 0;

    assert_int_equal(kith_address_unix("@kith-test-inert-nobody", &address), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        kith_conn *conn = NULL;
        bool refused = kith_conn_new_connect(world->loop, &address, NULL, &end_ops, NULL, &conn) == -ECHILD &&
                       kith_conn_new_fd(world->loop, pair[0], NULL, &end_ops, NULL, &conn) == -ECHILD;
        _exit(!refused);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pair[0]);
    close(pair[1]);
}

static void test_an_address_of_no_size_is_none_to_listen_at(void **state) {
    struct world *world = *state;
    struct kith_address address = {.size = 0};
    struct kith_error error = KITH_ERROR_NONE;
    kith_listener *listener = NULL;

    address.storage.ss_family = AF_UNIX;
    assert_int_equal(kith_listener_new(world->loop, &address, NULL, &losing_ops, NULL, &listener, &error), -EINVAL);
    assert_string_equal(error.text, "this is no address to listen at: Invalid argument");
    assert_null(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_an_open_connection_without_its_loop_does_nothing), WORLD_TEST(test_a_connecting_one_without_its_loop_does_nothing),
        WORLD_TEST(test_a_loop_freed_while_data_come_ends_it_all),         WORLD_TEST(test_a_loop_freed_at_the_peers_end_ends_it_all),
        WORLD_TEST(test_a_loop_freed_while_accepting_ends_the_accepting),  WORLD_TEST(test_a_child_process_makes_no_connection),
        WORLD_TEST(test_an_address_of_no_size_is_none_to_listen_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
