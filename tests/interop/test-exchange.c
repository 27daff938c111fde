/*
 * Questions and answers between kith and libzmq: every pairing of socket types that RFC 28 allows, kith at either end, either end bound,
 * over every transport both have, with every shape of message that takes another path through a framer.
 */
#include "interop/side.h"

static const struct pairing pairings[] = {
    {KITH_REQ, KITH_REP, false},       {KITH_DEALER, KITH_REP, false},    {KITH_REQ, KITH_ROUTER, false},
    {KITH_DEALER, KITH_ROUTER, false}, {KITH_DEALER, KITH_DEALER, false}, {KITH_ROUTER, KITH_ROUTER, false},
    {KITH_REQ, KITH_REP, true},        {KITH_DEALER, KITH_REP, true},     {KITH_REQ, KITH_ROUTER, true},
    {KITH_DEALER, KITH_ROUTER, true},  {KITH_DEALER, KITH_DEALER, true},  {KITH_ROUTER, KITH_ROUTER, true},
};

struct shape {
    size_t parts, size;
    unsigned empty;
};

/* Around the borders of ZMTP's short and long frames (255), of a 64 KiB receive buffer, and of a read that carries many frames. */
static const struct shape small_shapes[] = {
    {1, 0, 0},
    {1, 1, 0},
    {1, 255, 0},
    {1, 256, 0},
    {1, 65535, 0},
    {1, 65536, 0},
    {2, 100, 0},
    {10, 255, 0},
    {10, 256, 0},
    {10, 20000, 0},
    {500, 10, 0},
    {3, 33, EMPTY_FIRST},
    {5, 33, EMPTY_MIDDLE},
    {3, 33, EMPTY_LAST},
    {4, 0, 0},
    {9, 300, EMPTY_FIRST | EMPTY_MIDDLE | EMPTY_LAST},
};

static const struct shape large_shapes[] = {{1, 1 << 20, 0}, {1, 16 << 20, 0}, {3, 1 << 20, EMPTY_MIDDLE}, {500, 4096, 0}};

static void exchange_shapes(struct interop *interop, struct side *asker, struct side *answerer, const struct shape *shapes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        _cleanup_(kith_msg_freep) kith_msg *body = support_body(shapes[i].parts, shapes[i].size, shapes[i].empty);
        sides_exchange(interop, asker, answerer, body);
    }
}

static void run_pairings(struct interop *interop, enum where where, bool asker_binds, const struct shape *shapes, size_t count) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(pairings); i++) {
        struct side asker, answerer;
        print_message("    %s %s asks %s %s, %s, %s binds\n", pairings[i].kith_asks ? "kith" : "zmq",
                      kith_socket_type_name(pairings[i].asker), pairings[i].kith_asks ? "zmq" : "kith",
                      kith_socket_type_name(pairings[i].answerer), where_name(where), asker_binds ? "asker" : "answerer");
        sides_new(interop, pairings[i], asker_binds, where, &asker, &answerer);
        exchange_shapes(interop, &asker, &answerer, shapes, count);
        side_close(interop, &asker);
        side_close(interop, &answerer);
    }
}

static void run_where(void **state, enum where where) {
    if (!where_possible(where)) {
        print_message("    this host has no %s\n", where_name(where));
        skip();
    }
    run_pairings(*state, where, false, small_shapes, KITH_ARRAY_SIZE(small_shapes));
    run_pairings(*state, where, true, small_shapes, KITH_ARRAY_SIZE(small_shapes));
}

static void test_every_pairing_over_an_ipc_path(void **state) {
    run_where(state, WHERE_PATH);
}

static void test_every_pairing_over_an_abstract_name(void **state) {
    run_where(state, WHERE_ABSTRACT);
}

static void test_every_pairing_over_tcp_v4(void **state) {
    run_where(state, WHERE_TCP4);
}

static void test_every_pairing_over_tcp_v6(void **state) {
    run_where(state, WHERE_TCP6);
}

static void test_large_messages_over_ipc(void **state) {
    run_pairings(*state, WHERE_PATH, false, large_shapes, KITH_ARRAY_SIZE(large_shapes));
}

static void test_large_messages_over_tcp(void **state) {
    run_pairings(*state, WHERE_TCP4, false, large_shapes, KITH_ARRAY_SIZE(large_shapes));
}

/* The wildcard "*" is both libraries' way to let the kernel choose a port. */
static void test_the_wildcard_port_is_told(void **state) {
    struct interop *interop = *state;
    kith_socket *server = support_server(&interop->support, KITH_REP, "tcp://127.0.0.1:*");
    support_echo(&interop->support, server);
    void *client = zpeer_new(interop, ZMQ_REQ);
    zpeer_connect(client, kith_socket_last_endpoint(server));
    _cleanup_(kith_msg_freep) kith_msg *question = support_msg("which port?", NULL);
    zpeer_send(interop, client, question);
    _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(interop, client);
    support_assert_body(answer, 0, question);
}

#define EXCHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        EXCHANGE_TEST(test_every_pairing_over_an_ipc_path), EXCHANGE_TEST(test_every_pairing_over_an_abstract_name),
        EXCHANGE_TEST(test_every_pairing_over_tcp_v4),      EXCHANGE_TEST(test_every_pairing_over_tcp_v6),
        EXCHANGE_TEST(test_large_messages_over_ipc),        EXCHANGE_TEST(test_large_messages_over_tcp),
        EXCHANGE_TEST(test_the_wildcard_port_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
