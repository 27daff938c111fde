/*
 * REQ, REP, DEALER and ROUTER between kith and kith: what each promises beyond what ZeroMQ does, and what happens when a peer dies, is
 * unknown, or is slow.
 */
#include <errno.h>
#include <string.h>

#include "support/support.h"

static kith_socket *client_of(struct support *support, enum kith_socket_type type, kith_socket *server) {
    kith_socket *client = support_socket(support, type);
    support_set(client, KITH_OPTION_RECONNECT_MIN, 5);
    support_set(client, KITH_OPTION_RECONNECT_MAX, 50);
    support_connect(client, kith_socket_last_endpoint(server));
    return client;
}

static int send_now(kith_socket *socket, kith_msg *msg) {
    int result = kith_socket_send(socket, msg, 0);
    if (result < 0)
        kith_msg_free(msg); /* on failure it stays ours */
    return result;
}

static void expect_frame(struct support *support, kith_socket *socket, size_t index, const char *text) {
    _cleanup_(kith_msg_freep) kith_msg *msg = support_recv(support, socket);
    support_assert_frame(msg, index, text);
}

static void test_a_request_and_its_reply_alternate(void **state) {
    struct support *support = *state;
    kith_socket *rep = support_server(support, KITH_REP, support_ipc(support)), *req = client_of(support, KITH_REQ, rep);
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(req, &nothing, 0), -EPROTO);
    assert_int_equal(send_now(rep, support_msg("unasked", NULL)), -EPROTO);
    for (int i = 0; i < 3; i++) {
        support_send(support, req, support_msg("question", NULL));
        assert_int_equal(send_now(req, support_msg("another", NULL)), -EPROTO);
        expect_frame(support, rep, 0, "question");
        assert_int_equal(kith_socket_recv(rep, &nothing, 0), -EPROTO);
        support_send(support, rep, support_msg("answer", NULL));
        assert_int_equal(send_now(rep, support_msg("twice", NULL)), -EPROTO);
        expect_frame(support, req, 0, "answer");
        assert_int_equal(kith_socket_recv(req, &nothing, 0), -EPROTO);
    }
    assert_null(nothing);
}

static void test_a_message_without_frames_cannot_be_sent(void **state) {
    struct support *support = *state;
    static const enum kith_socket_type types[] = {KITH_REQ, KITH_DEALER, KITH_ROUTER};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++) {
        kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
        kith_socket *client = client_of(support, types[i], server);
        kith_msg *empty = NULL;
        assert_int_equal(kith_msg_new(&empty), 0);
        assert_int_equal(send_now(client, empty), -EINVAL);
    }
}

static void test_an_asker_learns_that_the_replier_died(void **state) {
    struct support *support = *state;
    const char *endpoint = support_ipc(support);
    kith_socket *rep = support_server(support, KITH_REP, endpoint), *req = client_of(support, KITH_REQ, rep);
    support_send(support, req, support_msg("question", NULL));
    expect_frame(support, rep, 0, "question");
    support_socket_free(support, rep);
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(req, &nothing, support_left(support)), -ECONNRESET);

    /* And may ask the next one. */
    rep = support_server(support, KITH_REP, endpoint);
    support_send(support, req, support_msg("again", NULL));
    expect_frame(support, rep, 0, "again");
    support_send(support, rep, support_msg("answer", NULL));
    expect_frame(support, req, 0, "answer");
}

static void test_a_reply_to_a_dead_asker_is_an_error(void **state) {
    struct support *support = *state;
    kith_socket *rep = support_server(support, KITH_REP, support_ipc(support)), *req = client_of(support, KITH_REQ, rep);
    support_send(support, req, support_msg("question", NULL));
    expect_frame(support, rep, 0, "question");
    support_socket_free(support, req);
    support_event(support, rep, KITH_EVENT_DISCONNECTED);
    assert_int_equal(send_now(rep, support_msg("too late", NULL)), -EHOSTUNREACH);

    /* The next asker is served. */
    req = client_of(support, KITH_REQ, rep);
    support_send(support, req, support_msg("question", NULL));
    expect_frame(support, rep, 0, "question");
    support_send(support, rep, support_msg("answer", NULL));
    expect_frame(support, req, 0, "answer");
}

static void test_receiving_without_a_message_times_out(void **state) {
    struct support *support = *state;
    kith_socket *rep = support_server(support, KITH_REP, support_ipc(support)), *req = client_of(support, KITH_REQ, rep);
    kith_msg *nothing = NULL;
    assert_int_equal(kith_socket_recv(rep, &nothing, 0), -EAGAIN);
    assert_int_equal(kith_socket_recv(rep, &nothing, 20), -EAGAIN);
    support_send(support, req, support_msg("question", NULL));
    assert_int_equal(kith_socket_recv(req, &nothing, 20), -EAGAIN);
    /* A timeout ends the wait, not the question. */
    expect_frame(support, rep, 0, "question");
    support_send(support, rep, support_msg("answer", NULL));
    expect_frame(support, req, 0, "answer");
}

static void test_a_mandatory_router_names_the_unreachable(void **state) {
    struct support *support = *state;
    kith_socket *router = support_server(support, KITH_ROUTER, support_ipc(support));
    assert_int_equal(send_now(router, support_msg("nobody", "hello", NULL)), 0); /* dropped, as ZeroMQ does */
    support_set(router, KITH_OPTION_ROUTER_MANDATORY, 1);
    assert_int_equal(send_now(router, support_msg("nobody", "hello", NULL)), -EHOSTUNREACH);
    assert_int_equal(send_now(router, support_msg("only an id", NULL)), -EINVAL);
}

static kith_socket *named_dealer(struct support *support, const char *id, kith_socket *router) {
    kith_socket *dealer = support_socket(support, KITH_DEALER);
    support_set_id(dealer, id);
    support_set(dealer, KITH_OPTION_RECONNECT_MIN, 60000); /* stays away once it is gone */
    support_set(dealer, KITH_OPTION_RECONNECT_MAX, 60000);
    support_connect(dealer, kith_socket_last_endpoint(router));
    return dealer;
}

static void test_a_routing_id_in_use_is_refused_or_handed_over(void **state) {
    struct support *support = *state;
    for (int handover = 0; handover <= 1; handover++) {
        kith_socket *router = support_socket(support, KITH_ROUTER);
        support_set(router, KITH_OPTION_ROUTER_HANDOVER, handover);
        support_bind(router, support_ipc(support));
        kith_socket *first = named_dealer(support, "twin", router);
        support_event(support, router, KITH_EVENT_CONNECTED);
        kith_socket *second = named_dealer(support, "twin", router);
        support_event(support, router, handover ? KITH_EVENT_CONNECTED : KITH_EVENT_DUPLICATE_ID);
        support_send(support, router, support_msg("twin", "hello", NULL));
        expect_frame(support, handover ? second : first, 0, "hello");
        kith_msg *nothing = NULL;
        assert_int_equal(kith_socket_recv(handover ? first : second, &nothing, 0), -EAGAIN);
        support_until(support, kith_socket_peer_count(router) == 1);
        if (!handover)
            assert_non_null(support_event(support, second, KITH_EVENT_REFUSED)->text);
    }
}

static void test_a_dealer_deals_round(void **state) {
    enum { SERVERS = 3, EACH = 4 };
    struct support *support = *state;
    kith_socket *dealer = support_socket(support, KITH_DEALER), *servers[SERVERS];
    for (int i = 0; i < SERVERS; i++) {
        servers[i] = support_server(support, KITH_DEALER, support_ipc(support));
        support_connect(dealer, kith_socket_last_endpoint(servers[i]));
        support_event(support, servers[i], KITH_EVENT_CONNECTED);
    }
    support_until(support, kith_socket_peer_count(dealer) == SERVERS);
    for (int i = 0; i < SERVERS * EACH; i++)
        support_send(support, dealer, support_msg("work", NULL));
    for (int i = 0; i < SERVERS * EACH; i++)
        expect_frame(support, servers[i % SERVERS], 0, "work");
    kith_msg *nothing = NULL;
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(kith_socket_recv(servers[i], &nothing, 0), -EAGAIN);
}

static void count_writable(kith_socket *socket, void *userdata) {
    (void)socket;
    ++*(unsigned *)userdata;
}

/* Runs the loop until nothing is left to do. Returns how much there was. */
static int settle(struct support *support) {
    int total = 0, count;
    while ((count = kith_loop_step(support->loop, 0)) > 0)
        total += count;
    assert_int_equal(count, 0);
    return total;
}

/* Sends messages numbered from `from` until there is no room left anywhere on the way; returns the number behind the last. */
static unsigned fill(struct support *support, kith_socket *socket, unsigned from, size_t size) {
    for (unsigned number = from;;) {
        assert_true(number < 1000000); /* a bound exists */
        kith_msg *msg = support_body(1, size, 0);
        assert_int_equal(kith_msg_prepend(msg, &number, sizeof(number)), 0);
        int result = send_now(socket, msg);
        if (result == 0)
            number++;
        else
            assert_int_equal(result, -EAGAIN);
        /* What was sent goes on its way as far as it can; the receiver takes nothing. */
        if (settle(support) == 0 && result == -EAGAIN)
            return number;
    }
}

static void drain_numbers(struct support *support, kith_socket *socket, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        _cleanup_(kith_msg_freep) kith_msg *msg = support_recv(support, socket);
        size_t size = 0;
        const uint8_t *frame = kith_msg_frame(msg, 0, &size);
        assert_int_equal(size, sizeof(i));
        assert_memory_equal(frame, &i, sizeof(i));
    }
}

static void backpressure(struct support *support, size_t size) {
    kith_socket *receiver = support_socket(support, KITH_DEALER), *sender = support_socket(support, KITH_DEALER);
    support_set(receiver, KITH_OPTION_RECV_HWM, 10);
    support_bind(receiver, support_ipc(support));
    support_set(sender, KITH_OPTION_SEND_HWM, 10);
    unsigned writable = 0;
    kith_socket_set_handler(sender, &(struct kith_socket_handler){.writable = count_writable}, &writable);
    support_connect(sender, kith_socket_last_endpoint(receiver));
    support_until(support, kith_socket_peer_count(sender) == 1);

    unsigned sent = fill(support, sender, 0, size);
    print_message("    %u messages of %zu octets until there was no room\n", sent, size);
    assert_true(sent >= 10);
    writable = 0; /* it came while there was room on the way */
    kith_msg *msg = support_msg("no room", NULL);
    assert_int_equal(kith_socket_send(sender, msg, 20), -EAGAIN);
    kith_msg_free(msg);
    assert_int_equal(writable, 0);
    drain_numbers(support, receiver, 0, sent);
    support_until(support, writable > 0);
    assert_int_equal(writable, 1);
    unsigned more = fill(support, sender, sent, size);
    assert_true(more > sent);
    drain_numbers(support, receiver, sent, more);
    support_socket_free(support, sender);
    support_socket_free(support, receiver);
}

static void test_a_full_peer_says_eagain_and_writable_comes(void **state) {
    backpressure(*state, 8);
    backpressure(*state, 100000);
}

static void test_a_dealer_without_a_peer_holds_on_to_the_message(void **state) {
    struct support *support = *state;
    const char *endpoint = support_ipc(support);
    kith_socket *dealer = support_socket(support, KITH_DEALER);
    kith_msg *msg = support_msg("hello", NULL);
    assert_int_equal(kith_socket_send(dealer, msg, 0), -EAGAIN);
    support_set(dealer, KITH_OPTION_RECONNECT_MIN, 5);
    support_set(dealer, KITH_OPTION_RECONNECT_MAX, 50);
    support_connect(dealer, endpoint);
    kith_socket *server = support_server(support, KITH_DEALER, endpoint);
    support_send(support, dealer, msg);
    expect_frame(support, server, 0, "hello");
}

/* Far more than the kernel's buffers and both high-water marks hold: drain must run the loop for the receiver's sake too. */
static void take_number(kith_socket *socket, kith_msg *msg, void *userdata) {
    (void)socket;
    unsigned *count = userdata;
    size_t size = 0;
    const uint8_t *frame = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, sizeof(*count));
    assert_memory_equal(frame, count, sizeof(*count));
    ++*count;
    kith_msg_free(msg);
}

static void test_drain_loses_nothing(void **state) {
    struct support *support = *state;
    unsigned received = 0;
    kith_socket *receiver = support_server(support, KITH_DEALER, support_ipc(support));
    kith_socket *sender = client_of(support, KITH_DEALER, receiver);
    support_until(support, kith_socket_peer_count(sender) == 1);
    unsigned sent = fill(support, sender, 0, 60000);
    kith_socket_set_handler(receiver, &(struct kith_socket_handler){.message = take_number}, &received);
    assert_int_equal(kith_socket_drain(sender, support_left(support)), 0);
    support_socket_free(support, sender);
    support_until(support, received == sent);
}

static void test_drain_towards_a_peer_that_never_reads_times_out(void **state) {
    struct support *support = *state;
    kith_socket *receiver = support_socket(support, KITH_DEALER);
    support_set(receiver, KITH_OPTION_RECV_HWM, 1);
    support_bind(receiver, support_ipc(support));
    kith_socket *sender = client_of(support, KITH_DEALER, receiver);
    support_until(support, kith_socket_peer_count(sender) == 1);
    fill(support, sender, 0, 60000);
    assert_int_equal(kith_socket_drain(sender, 50), -ETIMEDOUT);
}

static void test_an_option_out_of_its_range_is_refused_by_name(void **state) {
    struct support *support = *state;
    kith_socket *socket = support_socket(support, KITH_ROUTER);
    size_t count = 0;
    const struct kith_option_info *options = kith_socket_options(&count);
    assert_int_equal(count, KITH_OPTION_COUNT_);
    for (size_t i = 0; i < count; i++) {
        struct kith_error error = KITH_ERROR_NONE;
        bool octets = options[i].type != KITH_OPTION_TYPE_NUMBER && options[i].type != KITH_OPTION_TYPE_FLAG;
        bool shm = options[i].option == KITH_OPTION_SHM || options[i].option == KITH_OPTION_SHM_SIZE;
        if (octets || options[i].option == KITH_OPTION_IPC_MODE || (shm && getenv("TESTING_SHM")) /* the fixture's */)
            continue;
        assert_int_equal(kith_socket_set_number(socket, options[i].option, options[i].min - 1, &error), -ERANGE);
        assert_non_null(strstr(error.text, options[i].name));
        int64_t value = 0;
        assert_int_equal(kith_socket_get_number(socket, options[i].option, &value), 0);
        assert_int_equal(value, options[i].default_value);
    }
}

static void test_malformed_endpoints_are_refused_with_a_text(void **state) {
    struct support *support = *state;
    static const char *const malformed[] = {"",
                                            "ipc://",
                                            "tcp://",
                                            "tcp://127.0.0.1",
                                            "tcp://127.0.0.1:x",
                                            "carrot://x",
                                            "tcp://host name:1",
                                            "tcp://127.0.0.1:70000",
                                            "/run/x.sock"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(malformed); i++) {
        kith_socket *socket = support_socket(support, KITH_REP);
        struct kith_error error = KITH_ERROR_NONE;
        assert_true(kith_socket_bind(socket, malformed[i], &error) < 0);
        assert_true(strlen(error.text) > 0);
        error = KITH_ERROR_NONE;
        assert_true(kith_socket_connect(socket, malformed[i], &error) < 0);
        assert_true(strlen(error.text) > 0);
        for (int listening = 0; listening <= 1; listening++) {
            error = KITH_ERROR_NONE;
            assert_true(kith_endpoint_check(malformed[i], listening, &error) < 0);
            assert_true(strlen(error.text) > 0);
        }
    }
}

/* What is for listening only is no address to connect to; and looking opens nothing. */
static void test_an_endpoint_can_be_looked_at_without_being_opened(void **state) {
    static const struct {
        const char *endpoint;
        bool to_listen, to_connect;
    } cases[] = {
        {"ipc:///nowhere/at/all.sock", true, true},
        {"ipc://@kith-test-nobody", true, true},
        {"tcp://127.0.0.1:1", true, true},
        {"tcp://127.0.0.1:*", true, false},
        {"tcp://*:1", true, false},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(kith_endpoint_check(cases[i].endpoint, true, &error) == 0, cases[i].to_listen);
        assert_int_equal(kith_endpoint_check(cases[i].endpoint, false, &error) == 0, cases[i].to_connect);
    }
}

static void test_a_live_server_keeps_its_path(void **state) {
    struct support *support = *state;
    const char *endpoint = support_ipc(support);
    kith_socket *first = support_server(support, KITH_REP, endpoint), *second = support_socket(support, KITH_REP);
    struct kith_error error = KITH_ERROR_NONE;
    assert_int_equal(kith_socket_bind(second, endpoint, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, "pid"));
    kith_socket *req = client_of(support, KITH_REQ, first);
    support_send(support, req, support_msg("question", NULL));
    expect_frame(support, first, 0, "question");
}

#define PATTERN_TEST(name) cmocka_unit_test_setup_teardown(name, support_setup, support_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PATTERN_TEST(test_a_request_and_its_reply_alternate),
        PATTERN_TEST(test_a_message_without_frames_cannot_be_sent),
        PATTERN_TEST(test_an_asker_learns_that_the_replier_died),
        PATTERN_TEST(test_a_reply_to_a_dead_asker_is_an_error),
        PATTERN_TEST(test_receiving_without_a_message_times_out),
        PATTERN_TEST(test_a_mandatory_router_names_the_unreachable),
        PATTERN_TEST(test_a_routing_id_in_use_is_refused_or_handed_over),
        PATTERN_TEST(test_a_dealer_deals_round),
        PATTERN_TEST(test_a_full_peer_says_eagain_and_writable_comes),
        PATTERN_TEST(test_a_dealer_without_a_peer_holds_on_to_the_message),
        PATTERN_TEST(test_drain_loses_nothing),
        PATTERN_TEST(test_drain_towards_a_peer_that_never_reads_times_out),
        PATTERN_TEST(test_an_option_out_of_its_range_is_refused_by_name),
        PATTERN_TEST(test_malformed_endpoints_are_refused_with_a_text),
        PATTERN_TEST(test_an_endpoint_can_be_looked_at_without_being_opened),
        PATTERN_TEST(test_a_live_server_keeps_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
