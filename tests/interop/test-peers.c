/*
 * Peers come and go: many at a time, restarts on either side, and the names (routing ids) under which they are known.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "interop/side.h"

#define CLIENTS 50

static void ask(struct interop *interop, void *client, const char *text) {
    _cleanup_(kith_msg_freep) kith_msg *question = support_msg(text, NULL);
    zpeer_send(interop, client, question);
    _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(interop, client);
    support_assert_body(answer, 0, question);
}

static void many_clients(struct interop *interop, enum kith_socket_type type, int client_type) {
    struct support *support = &interop->support;
    kith_socket *server = support_server(support, type, support_ipc(support));
    support_echo(support, server);
    void *clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = zpeer_new(interop, client_type);
        zpeer_connect(clients[i], kith_socket_last_endpoint(server));
    }
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < CLIENTS; i++) {
            _cleanup_(kith_msg_freep) kith_msg *question = support_body(1 + i % 3, i * 17 + round, 0);
            if (client_type == ZMQ_DEALER && type == KITH_REP)
                assert_int_equal(kith_msg_prepend(question, NULL, 0), 0);
            zpeer_send(interop, clients[i], question);
        }
        /* Each gets its own answer, whatever the others do. */
        for (unsigned i = 0; i < CLIENTS; i++) {
            _cleanup_(kith_msg_freep) kith_msg *expected = support_body(1 + i % 3, i * 17 + round, 0);
            _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(interop, clients[i]);
            support_assert_body(answer, kith_msg_count(answer) - kith_msg_count(expected), expected);
        }
    }
    assert_int_equal(kith_socket_peer_count(server), CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++)
        zpeer_close(interop, clients[i]);
    support_until(support, kith_socket_peer_count(server) == 0);
}

static void test_fifty_zmq_req_clients_of_one_rep(void **state) {
    many_clients(*state, KITH_REP, ZMQ_REQ);
}

static void test_fifty_zmq_dealer_clients_of_one_rep(void **state) {
    many_clients(*state, KITH_REP, ZMQ_DEALER);
}

static void test_fifty_zmq_dealer_clients_of_one_router(void **state) {
    many_clients(*state, KITH_ROUTER, ZMQ_DEALER);
}

static void test_a_zmq_client_comes_back_to_a_restarted_server(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    const char *endpoint = support_ipc(support);
    void *client = zpeer_new(interop, ZMQ_REQ);
    void *monitor = zpeer_monitor(interop, client);
    zpeer_connect(client, endpoint); /* before anybody listens */
    for (int i = 0; i < 3; i++) {
        kith_socket *server = support_server(support, KITH_REP, endpoint);
        support_echo(support, server);
        ask(interop, client, "are you there?");
        support_socket_free(support, server);
        /* What libzmq writes to a connection before it has seen its end is lost, and a REQ waits for ever (RFC 28). */
        (void)zpeer_monitor_wait(interop, monitor, ZMQ_EVENT_DISCONNECTED, NULL, NULL);
    }
}

static void test_kith_comes_back_to_a_restarted_zmq_server(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    const char *endpoint = support_ipc(support);
    struct side client = side_new(interop, true, KITH_REQ);
    support_connect(client.kith, endpoint);
    for (int i = 0; i < 3; i++) {
        struct side server = side_new(interop, false, KITH_REP);
        char bound[INTEROP_ENDPOINT];
        zpeer_bind(server.zmq, endpoint, bound);
        _cleanup_(kith_msg_freep) kith_msg *question = support_body(2, 40, 0);
        sides_exchange(interop, &client, &server, question);
        side_close(interop, &server);
        support_event(support, client.kith, KITH_EVENT_DISCONNECTED);
        support_event(support, client.kith, KITH_EVENT_RETRY);
    }
}

/* RFC 28 lets a REQ wait for ever; kith says that the peer asked is gone. */
static void test_a_zmq_rep_that_dies_before_it_answers_is_an_error(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    struct side client = side_new(interop, true, KITH_REQ), server = side_new(interop, false, KITH_REP);
    sides_join(interop, &server, &client, WHERE_PATH);
    support_send(support, client.kith, support_msg("last words", NULL));
    _cleanup_(kith_msg_freep) kith_msg *heard = zpeer_recv(interop, server.zmq);
    support_assert_frame(heard, 0, "last words");
    side_close(interop, &server);
    kith_msg *answer = NULL;
    assert_int_equal(kith_socket_recv(client.kith, &answer, support_left(support)), -ECONNRESET);
    assert_null(answer);
}

static void test_a_zmq_routing_id_names_the_peer_of_a_kith_router(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *router = support_server(support, KITH_ROUTER, support_ipc(support));
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    const char *const ids[] = {"a", "alpha", "with space and \xc3\xa9", longest};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(ids); i++) {
        void *dealer = zpeer_new(interop, ZMQ_DEALER);
        zpeer_set_id(dealer, ids[i]);
        zpeer_connect(dealer, kith_socket_last_endpoint(router));
        _cleanup_(kith_msg_freep) kith_msg *hello = support_msg("hello", NULL);
        zpeer_send(interop, dealer, hello);
        kith_msg *heard = support_recv(support, router);
        support_assert_frame(heard, 0, ids[i]);
        support_send(support, router, heard);
        _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(interop, dealer);
        support_assert_body(answer, 0, hello);
    }
}

static void test_peers_without_a_routing_id_get_one_that_begins_with_zero(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *router = support_server(support, KITH_ROUTER, support_ipc(support));
    uint8_t ids[2][5];
    for (int i = 0; i < 2; i++) {
        void *dealer = zpeer_new(interop, ZMQ_DEALER);
        zpeer_connect(dealer, kith_socket_last_endpoint(router));
        _cleanup_(kith_msg_freep) kith_msg *hello = support_msg("hello", NULL);
        zpeer_send(interop, dealer, hello);
        _cleanup_(kith_msg_freep) kith_msg *heard = support_recv(support, router);
        size_t size = 0;
        const uint8_t *id = kith_msg_frame(heard, 0, &size);
        assert_int_equal(size, 5);
        assert_int_equal(id[0], 0);
        memcpy(ids[i], id, size);
    }
    assert_memory_not_equal(ids[0], ids[1], 5);
}

static void test_a_kith_routing_id_names_the_peer_of_a_zmq_router(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    char endpoint[INTEROP_ENDPOINT];
    void *router = zpeer_new(interop, ZMQ_ROUTER);
    zpeer_bind(router, support_ipc(support), endpoint);
    static const enum kith_socket_type types[] = {KITH_DEALER, KITH_REQ};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++) {
        kith_socket *client = support_socket(support, types[i]);
        support_set_id(client, i == 0 ? "the dealer" : "the asker");
        support_connect(client, endpoint);
        support_send(support, client, support_msg("hello", NULL));
        _cleanup_(kith_msg_freep) kith_msg *heard = zpeer_recv(interop, router);
        support_assert_frame(heard, 0, i == 0 ? "the dealer" : "the asker");
    }
}

static void test_a_routing_id_in_use_is_refused_by_name(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *router = support_server(support, KITH_ROUTER, support_ipc(support));
    support_set(router, KITH_OPTION_ROUTER_MANDATORY, 1);
    void *first = zpeer_new(interop, ZMQ_DEALER), *second = zpeer_new(interop, ZMQ_DEALER);
    zpeer_set_id(first, "twin");
    zpeer_set_id(second, "twin");
    zpeer_connect(first, kith_socket_last_endpoint(router));
    support_event(support, router, KITH_EVENT_CONNECTED);
    zpeer_connect(second, kith_socket_last_endpoint(router));
    const struct support_event *event = support_event(support, router, KITH_EVENT_DUPLICATE_ID);
    assert_int_equal(event->pid, getpid());
    char holder[64];
    snprintf(holder, sizeof(holder), "in use by pid %d", getpid());
    assert_non_null(strstr(event->text, holder));
    assert_int_equal(kith_socket_peer_count(router), 1);

    /* The first keeps the name: what is sent to it arrives there. */
    support_send(support, router, support_msg("twin", "still you", NULL));
    _cleanup_(kith_msg_freep) kith_msg *heard = zpeer_recv(interop, first);
    support_assert_frame(heard, 0, "still you");
    assert_false(zpeer_readable(second));
}

static void test_with_handover_the_newcomer_takes_the_routing_id(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *router = support_socket(support, KITH_ROUTER);
    support_set(router, KITH_OPTION_ROUTER_HANDOVER, 1);
    support_bind(router, support_ipc(support));
    void *first = zpeer_new(interop, ZMQ_DEALER), *second = zpeer_new(interop, ZMQ_DEALER);
    zpeer_set_id(first, "twin");
    zpeer_set_id(second, "twin");
    zpeer_set(first, ZMQ_RECONNECT_IVL, -1); /* or it would take the id back */
    zpeer_connect(first, kith_socket_last_endpoint(router));
    support_event(support, router, KITH_EVENT_CONNECTED);
    zpeer_connect(second, kith_socket_last_endpoint(router));
    support_event(support, router, KITH_EVENT_CONNECTED);
    support_send(support, router, support_msg("twin", "now you", NULL));
    _cleanup_(kith_msg_freep) kith_msg *heard = zpeer_recv(interop, second);
    support_assert_frame(heard, 0, "now you");
    assert_false(zpeer_readable(first));
}

/* One libzmq DEALER and kith REPs: each gets its share, none is lost. */
static void test_a_zmq_dealer_shares_out_to_kith_replies(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    char endpoint[INTEROP_ENDPOINT];
    void *dealer = zpeer_new(interop, ZMQ_DEALER);
    zpeer_bind(dealer, support_ipc(support), endpoint);
    kith_socket *workers[3];
    for (int i = 0; i < 3; i++) {
        workers[i] = support_socket(support, KITH_REP);
        support_echo(support, workers[i]);
        support_connect(workers[i], endpoint);
        support_event(support, workers[i], KITH_EVENT_CONNECTED);
    }
    for (int i = 0; i < 30; i++) {
        _cleanup_(kith_msg_freep) kith_msg *work = support_msg("", "work", NULL);
        zpeer_send(interop, dealer, work);
    }
    for (int i = 0; i < 30; i++) {
        _cleanup_(kith_msg_freep) kith_msg *done = zpeer_recv(interop, dealer);
        support_assert_frame(done, 1, "work");
    }
}

#define PEERS_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PEERS_TEST(test_fifty_zmq_req_clients_of_one_rep),
        PEERS_TEST(test_fifty_zmq_dealer_clients_of_one_rep),
        PEERS_TEST(test_fifty_zmq_dealer_clients_of_one_router),
        PEERS_TEST(test_a_zmq_client_comes_back_to_a_restarted_server),
        PEERS_TEST(test_kith_comes_back_to_a_restarted_zmq_server),
        PEERS_TEST(test_a_zmq_rep_that_dies_before_it_answers_is_an_error),
        PEERS_TEST(test_a_zmq_routing_id_names_the_peer_of_a_kith_router),
        PEERS_TEST(test_peers_without_a_routing_id_get_one_that_begins_with_zero),
        PEERS_TEST(test_a_kith_routing_id_names_the_peer_of_a_zmq_router),
        PEERS_TEST(test_a_routing_id_in_use_is_refused_by_name),
        PEERS_TEST(test_with_handover_the_newcomer_takes_the_routing_id),
        PEERS_TEST(test_a_zmq_dealer_shares_out_to_kith_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
