/* Connections that change their process in a hot restart, with what the application knows of them. */
#include "stream/testing-handover.h"

#include "stream/internal.h"

#define STATE_VERSION 3

/* Ends of socket pairs that the tests hold, and connections over the others that the old process has. */
static void make_conns(struct house *house, int *peers, struct end *ends, size_t count) {
    for (size_t i = 0; i < count; i++) {
        peers[i] = end_over_pair(&house->world, &ends[i], NULL, &end_ops);
        house->conns[i] = KITH_STEAL(ends[i].conn);
    }
    house->conn_count = count;
}

/* New processes --------------------------------------------------------------------------------------------------------------- */

struct heir {
    struct house *house;
    int count;
    bool bad;
};

/* Answers what was sent to the old process and not read by it. */
static int on_conn(const struct kith_taken_conn *conn, void *userdata) {
    struct heir *heir = userdata;
    char octet;
    const uint8_t *state = conn->state;
    for (size_t i = 0; i < conn->state_size; i++)
        heir->bad = heir->bad || state[i] != pattern(i);
    heir->bad = heir->bad || conn->state_size != heir->house->state_size || conn->unread_size != 0;
    heir->count++;
    if (recv(conn->fd, &octet, 1, 0) != 1 || send(conn->fd, &octet, 1, MSG_NOSIGNAL) != 1)
        heir->bad = true;
    close(conn->fd);
    return 0;
}

/* Exits with 0 when as many connections have come as the house gives. */
static int inherit(struct house *house) {
    struct heir heir = {.house = house};
    kith_takeover *takeover = NULL;
    if (take_over(house, &takeover) < 0)
        return leave(house, takeover, 2);
    int r = kith_takeover_ready(takeover, 20000, STATE_VERSION, on_conn, &heir, &house->error);
    return leave(house, takeover, r == heir.count && r == (int)house->conn_count && !heir.bad ? 0 : 3);
}

static int refuse_conn(const struct kith_taken_conn *conn, void *userdata) {
    return -EPERM;
}

static int inherit_and_refuse(struct house *house) {
    kith_takeover *takeover = NULL;
    if (take_over(house, &takeover) < 0)
        return leave(house, takeover, 2);
    int r = kith_takeover_ready(takeover, 20000, STATE_VERSION, refuse_conn, NULL, &house->error);
    return leave(house, takeover, r == 1 ? 0 : 3);
}

static int inherit_no_conns(struct house *house) {
    kith_takeover *takeover = NULL;
    if (take_over(house, &takeover) < 0)
        return leave(house, takeover, 2);
    int r = kith_takeover_ready(takeover, 20000, 0, NULL, NULL, &house->error);
    return leave(house, takeover, r == 0 ? 0 : 3);
}

static int die_at_the_first(const struct kith_taken_conn *conn, void *userdata) {
    raise(SIGKILL);
    return 0;
}

static int die_while_inheriting(struct house *house) {
    kith_takeover *takeover = NULL;
    if (take_over(house, &takeover) < 0)
        return leave(house, takeover, 2);
    kith_takeover_ready(takeover, 20000, STATE_VERSION, die_at_the_first, NULL, &house->error);
    return 3;
}

static void completes(struct house *house, int (*fn)(struct house *house), int status) {
    offer(house, 0);
    start(house, fn);
    until(&house->world, house->completed == 1);
    ends_with(house, status);
    house->listener = kith_listener_free(house->listener);
    unlink(house->path);
}

/* Tests ------------------------------------------------------------------------------------------------------------------------- */

static void test_connections_go_over_with_their_state(void **state) {
    struct house *house = *state;
    struct end ends[3] = {0};
    int peers[3];
    char octet;
    house->state_size = 5;
    make_conns(house, peers, ends, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(peers[i], &"abc"[i], 1, 0), 1); /* waits in the socket */
    for (int i = 0; i < 3; i++)
        kith_conn_pause(house->conns[i]);
    completes(house, inherit, 0);
    assert_int_equal(house->completed_error, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(house->given[i], 0);
        assert_int_equal(kith_conn_fd(house->conns[i]), -1);
        assert_int_equal(recv(peers[i], &octet, 1, 0), 1);
        assert_int_equal(octet, "abc"[i]);
        assert_int_equal(recv(peers[i], &octet, 1, 0), 0);
        close(peers[i]);
        assert_int_equal(ends[i].closed, 0); /* no callback */
        end_deinit(&ends[i]);
    }
}

/* More than a socket takes at once: they are sent as the new process reads. */
static void test_many_connections_go_over(void **state) {
    struct house *house = *state;
    static struct end ends[CONNS_MAX];
    int peers[CONNS_MAX];
    char octet;
    house->state_size = 4096;
    make_conns(house, peers, ends, CONNS_MAX);
    for (int i = 0; i < CONNS_MAX; i++) {
        kith_conn_pause(house->conns[i]);
        assert_int_equal(send(peers[i], "x", 1, 0), 1);
    }
    completes(house, inherit, 0);
    assert_int_equal(house->completed_error, 0);
    for (int i = 0; i < CONNS_MAX; i++) {
        assert_int_equal(house->given[i], 0);
        assert_int_equal(recv(peers[i], &octet, 1, 0), 1);
        close(peers[i]);
        end_deinit(&ends[i]);
    }
}

static void test_the_largest_state_goes_over_and_a_larger_one_stays(void **state) {
    struct house *house = *state;
    struct end end = {0};
    int peer;
    house->state_size = KITH_HANDOVER_STATE_MAX;
    make_conns(house, &peer, &end, 1);
    kith_conn_pause(house->conns[0]);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    completes(house, inherit, 0);
    assert_int_equal(house->given[0], 0);
    close(peer);
    house->conns[0] = kith_conn_free(house->conns[0]);

    assert_int_equal(kith_listener_new(house->world.loop, &house->address, NULL, &accept_ops, house, &house->listener, &house->error), 0);
    house->handover = kith_handover_free(house->handover);
    house->completed = 0;
    house->state_size++;
    make_conns(house, &peer, &end, 1);
    completes(house, inherit_no_conns, 0);
    assert_int_equal(house->given[0], -EOPNOTSUPP);
    close(peer);
}

static void test_connections_that_cannot_go_stay_and_are_served(void **state) {
    struct house *house = *state;
    struct end ends[3] = {0};
    int peers[3];
    char word[5] = {0};
    make_conns(house, peers, ends, 3);
    assert_int_equal(kith_conn_write(house->conns[0], "reply", 5), 0); /* is sent at the end of this step... */
    kith_conn_pause(house->conns[0]);
    kith_conn_close(house->conns[1]);
    kith_conn_drain(house->conns[2], -1);
    struct kith_slice unread;
    int fd;
    assert_int_equal(kith_conn_detach(house->conns[0], &fd, &unread), -EBUSY); /* ... so now it is queued */
    assert_int_equal(kith_conn_detach(house->conns[1], &fd, &unread), -EBUSY);
    assert_int_equal(kith_conn_detach(house->conns[2], &fd, &unread), -EBUSY);
    house->conn_count = 0;
    completes(house, inherit, 0);
    assert_int_equal(recv(peers[0], word, 5, MSG_WAITALL), 5);
    assert_memory_equal(word, "reply", 5);
    assert_int_equal(kith_handover_add_conn(house->handover, house->conns[0], NULL, 0), -ENOTCONN); /* too late */
    for (int i = 0; i < 3; i++) {
        house->conns[i] = kith_conn_free(house->conns[i]);
        close(peers[i]);
    }
}

static void test_a_connection_that_the_new_process_does_not_keep_is_closed(void **state) {
    struct house *house = *state;
    struct end end = {0};
    int peer;
    char octet;
    make_conns(house, &peer, &end, 1);
    completes(house, inherit_and_refuse, 0);
    assert_int_equal(recv(peer, &octet, 1, 0), 0);
    close(peer);
}

static void test_a_new_process_that_dies_while_it_inherits_is_told(void **state) {
    struct house *house = *state;
    static struct end ends[CONNS_MAX];
    int peers[CONNS_MAX];
    char octet;
    house->state_size = 4096;
    make_conns(house, peers, ends, CONNS_MAX);
    completes(house, die_while_inheriting, 256 + SIGKILL);
    assert_true(house->completed_error == -EPIPE || house->completed_error == -ECONNRESET);
    for (int i = 0; i < CONNS_MAX; i++) { /* all are closed, none hangs */
        assert_int_equal(recv(peers[i], &octet, 1, 0), 0);
        close(peers[i]);
    }
}

static void test_a_detached_connection_is_out_of_the_loop(void **state) {
    struct house *house = *state;
    struct end end = {0};
    int peer, fd;
    char octet;
    struct kith_slice unread = {.size = 99};
    make_conns(house, &peer, &end, 1);
    assert_int_equal(kith_conn_detach(house->conns[0], &fd, &unread), 0);
    assert_int_equal(unread.size, 0);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    settle_down(&house->world);
    assert_int_equal(end.size, 0);
    assert_int_equal(recv(fd, &octet, 1, 0), 1);
    assert_int_equal(kith_conn_write(house->conns[0], "x", 1), -EPIPE);
    assert_int_equal(kith_conn_detach(house->conns[0], &fd, &unread), -EBUSY);
    close(fd);
    close(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_connections_go_over_with_their_state),
        HOUSE_TEST(test_many_connections_go_over),
        HOUSE_TEST(test_the_largest_state_goes_over_and_a_larger_one_stays),
        HOUSE_TEST(test_connections_that_cannot_go_stay_and_are_served),
        HOUSE_TEST(test_a_connection_that_the_new_process_does_not_keep_is_closed),
        HOUSE_TEST(test_a_new_process_that_dies_while_it_inherits_is_told),
        HOUSE_TEST(test_a_detached_connection_is_out_of_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
