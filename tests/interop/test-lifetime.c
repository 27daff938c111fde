/*
 * How long a connection lives: heartbeats in both directions, peers that fall silent before or after the handshake, messages above the cap.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "interop/zpeer.h"
#include "support/raw.h"

#define PING_NAME "\4PING"
#define PONG_NAME "\4PONG"

/* Heartbeats far more frequent than anybody would ask for: many fit in the time a test may take. */
#define BEAT_MS 20
#define SILENCE_MS 400

static void ask(struct interop *interop, void *client) {
    _cleanup_(kith_msg_freep) kith_msg *question = support_msg("still here?", NULL);
    zpeer_send(interop, client, question);
    _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(interop, client);
    support_assert_body(answer, 0, question);
}

static void test_kith_answers_the_heartbeats_of_libzmq(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_server(support, KITH_REP, support_ipc(support));
    support_echo(support, server);
    void *client = zpeer_new(interop, ZMQ_REQ), *monitor = zpeer_monitor(interop, client);
    zpeer_set(client, ZMQ_HEARTBEAT_IVL, BEAT_MS);
    zpeer_set(client, ZMQ_HEARTBEAT_TIMEOUT, 5 * BEAT_MS);
    zpeer_connect(client, kith_socket_last_endpoint(server));
    ask(interop, client);
    support_run_for(support, SILENCE_MS);
    assert_false(zpeer_monitor_seen(monitor) & ZMQ_EVENT_DISCONNECTED);
    ask(interop, client);

    /* The proof that they were needed: while the loop does not run, nobody answers, and libzmq gives up. */
    zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
    unsigned seen = 0;
    while (!(seen & ZMQ_EVENT_DISCONNECTED)) {
        assert_true(zmq_poll(&item, 1, support_left(support)) > 0);
        seen |= zpeer_monitor_seen(monitor);
    }
}

static void test_libzmq_answers_the_heartbeats_of_kith(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_socket(support, KITH_REP);
    support_set(server, KITH_OPTION_HEARTBEAT_INTERVAL, BEAT_MS);
    support_set(server, KITH_OPTION_HEARTBEAT_TIMEOUT, 10 * BEAT_MS);
    support_set(server, KITH_OPTION_HEARTBEAT_TTL, 1000);
    support_bind(server, support_ipc(support));
    support_echo(support, server);
    void *client = zpeer_new(interop, ZMQ_REQ), *monitor = zpeer_monitor(interop, client);
    zpeer_connect(client, kith_socket_last_endpoint(server));
    ask(interop, client);
    support_run_for(support, SILENCE_MS);
    ask(interop, client);
    assert_int_equal(support_event_total(support, server, KITH_EVENT_DISCONNECTED), 0);
    assert_false(zpeer_monitor_seen(monitor) & ZMQ_EVENT_DISCONNECTED);
}

/* Reads frames until a PING came; returns the size of its context. */
static size_t await_ping(struct raw *raw, uint8_t context[static 16]) {
    uint8_t body[64];
    unsigned flags = 0;
    size_t size = 0;
    do
        assert_int_equal(raw_recv(raw, &flags, body, sizeof(body), &size), 0);
    while (!(flags & RAW_COMMAND) || size < 7 || memcmp(body, PING_NAME, 5) != 0);
    assert_in_range(size - 7, 0, 16);
    memcpy(context, body + 7, size - 7);
    return size - 7;
}

static void test_a_peer_that_stops_answering_heartbeats_is_given_up(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_socket(support, KITH_REP);
    support_set(server, KITH_OPTION_HEARTBEAT_INTERVAL, BEAT_MS);
    support_set(server, KITH_OPTION_HEARTBEAT_TIMEOUT, 2 * BEAT_MS);
    support_bind(server, support_ipc(support));
    struct raw raw;
    assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "REQ", NULL, &raw), 0);
    for (int i = 0; i < 5; i++) {
        uint8_t pong[5 + 16] = PONG_NAME;
        size_t context = await_ping(&raw, pong + 5);
        assert_int_equal(raw_send(&raw, RAW_COMMAND, pong, 5 + context), 0);
    }
    assert_int_equal(support_event_total(support, server, KITH_EVENT_DISCONNECTED), 0);
    const struct support_event *event = support_event(support, server, KITH_EVENT_DISCONNECTED);
    assert_int_equal(event->error, -ETIMEDOUT);
    assert_int_equal(raw_until_closed(&raw), 0);
    raw_close(&raw);
}

static void test_a_pong_echoes_the_context_of_its_ping(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct raw raw;
    assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "DEALER", NULL, &raw), 0);
    for (size_t size = 0; size <= 16; size++) {
        uint8_t ping[7 + 16] = PING_NAME "\0\0" /* TTL 0 */ "0123456789abcdef", answer[64];
        unsigned flags = 0;
        size_t answer_size = 0;
        assert_int_equal(raw_send(&raw, RAW_COMMAND, ping, 7 + size), 0);
        assert_int_equal(raw_recv(&raw, &flags, answer, sizeof(answer), &answer_size), 0);
        assert_int_equal(flags, RAW_COMMAND);
        assert_int_equal(answer_size, 5 + size);
        assert_memory_equal(answer, PONG_NAME, 5);
        assert_memory_equal(answer + 5, ping + 7, size);
    }
    raw_close(&raw);
}

static void test_a_peer_silent_beyond_its_own_ttl_is_given_up(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct raw raw;
    assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "DEALER", NULL, &raw), 0);
    assert_int_equal(raw_send(&raw, RAW_COMMAND, PING_NAME "\0\1" /* a tenth of a second */, 7), 0);
    const struct support_event *event = support_event(support, server, KITH_EVENT_DISCONNECTED);
    assert_int_equal(event->error, -ETIMEDOUT);
    raw_close(&raw);
}

static void test_a_client_that_never_says_hello_is_closed(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    static const char *const endpoints[] = {NULL, "tcp://127.0.0.1:0"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(endpoints); i++) {
        kith_socket *server = support_socket(support, KITH_REP);
        support_set(server, KITH_OPTION_HANDSHAKE_TIMEOUT, 50);
        support_bind(server, endpoints[i] ? endpoints[i] : support_ipc(support));
        struct raw raw;
        assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), &raw), 0);
        const struct support_event *event = support_event(support, server, KITH_EVENT_HANDSHAKE_FAILED);
        assert_int_equal(event->error, -ETIMEDOUT);
        assert_int_equal(raw_until_closed(&raw), 0);
        raw_close(&raw);
    }
}

/* One octet of the greeting each time the server moved on: each arrives, none prolongs the time allowed for the whole. */
static void test_a_slow_greeting_does_not_prolong_the_handshake(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_socket(support, KITH_REP);
    support_set(server, KITH_OPTION_HANDSHAKE_TIMEOUT, 200);
    support_bind(server, support_ipc(support));
    struct raw raw;
    uint8_t greeting[RAW_GREETING];
    raw_greeting(greeting);
    assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), &raw), 0);
    for (size_t i = 0; i < RAW_GREETING && support_event_total(support, server, KITH_EVENT_HANDSHAKE_FAILED) == 0; i++) {
        int result = raw_write(&raw, &greeting[i], 1);
        assert_true(result == 0 || result == -EPIPE || result == -ECONNRESET);
        support_run_for(support, 10);
    }
    assert_int_equal(support_event(support, server, KITH_EVENT_HANDSHAKE_FAILED)->error, -ETIMEDOUT);
    raw_close(&raw);
}

static void test_a_server_that_never_says_hello_is_left_and_tried_again(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    const char *endpoint = support_ipc(support);
    int listener = raw_listen(endpoint);
    assert_true(listener >= 0);
    kith_socket *client = support_socket(support, KITH_DEALER);
    support_set(client, KITH_OPTION_HANDSHAKE_TIMEOUT, 50);
    support_set(client, KITH_OPTION_RECONNECT_MIN, 5);
    support_connect(client, endpoint);
    for (int i = 0; i < 2; i++) {
        struct raw raw;
        assert_int_equal(raw_accept(support, listener, &raw), 0);
        assert_int_equal(support_event(support, client, KITH_EVENT_HANDSHAKE_FAILED)->error, -ETIMEDOUT);
        support_event(support, client, KITH_EVENT_RETRY);
        raw_close(&raw);
    }
    close(listener);
}

static void exceed_the_cap(struct interop *interop, size_t parts, size_t size) {
    struct support *support = &interop->support;
    kith_socket *server = support_socket(support, KITH_ROUTER);
    support_set(server, KITH_OPTION_MAX_MESSAGE, 5000);
    support_bind(server, support_ipc(support));
    void *client = zpeer_new(interop, ZMQ_DEALER), *monitor = zpeer_monitor(interop, client);
    zpeer_connect(client, kith_socket_last_endpoint(server));
    _cleanup_(kith_msg_freep) kith_msg *allowed = support_body(1, 4800, 0);
    zpeer_send(interop, client, allowed);
    _cleanup_(kith_msg_freep) kith_msg *heard = support_recv(support, server);
    support_assert_body(heard, 1, allowed);

    _cleanup_(kith_msg_freep) kith_msg *too_large = support_body(parts, size, 0);
    zpeer_send(interop, client, too_large);
    const struct support_event *event = support_event(support, server, KITH_EVENT_DISCONNECTED);
    assert_int_equal(event->error, -EMSGSIZE);
    zpeer_monitor_wait(interop, monitor, ZMQ_EVENT_DISCONNECTED, NULL, NULL);
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(server, &nothing, 0), -EAGAIN);
    zpeer_close(interop, client);
}

static void test_a_frame_above_the_cap_closes_the_connection_by_name(void **state) {
    exceed_the_cap(*state, 1, 5001);
    exceed_the_cap(*state, 1, 1 << 20);
}

static void test_many_small_frames_above_the_cap_close_it_too(void **state) {
    exceed_the_cap(*state, 10, 600);
    exceed_the_cap(*state, 500, 0); /* what a frame costs beyond its octets counts */
}

#define LIFETIME_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LIFETIME_TEST(test_kith_answers_the_heartbeats_of_libzmq),
        LIFETIME_TEST(test_libzmq_answers_the_heartbeats_of_kith),
        LIFETIME_TEST(test_a_peer_that_stops_answering_heartbeats_is_given_up),
        LIFETIME_TEST(test_a_pong_echoes_the_context_of_its_ping),
        LIFETIME_TEST(test_a_peer_silent_beyond_its_own_ttl_is_given_up),
        LIFETIME_TEST(test_a_client_that_never_says_hello_is_closed),
        LIFETIME_TEST(test_a_slow_greeting_does_not_prolong_the_handshake),
        LIFETIME_TEST(test_a_server_that_never_says_hello_is_left_and_tried_again),
        LIFETIME_TEST(test_a_frame_above_the_cap_closes_the_connection_by_name),
        LIFETIME_TEST(test_many_small_frames_above_the_cap_close_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
