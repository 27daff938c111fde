/* socket/test-effects.c: options of one pattern or one transport do what the table says of them. */
#include "socket/testing-scene.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* REQ ------------------------------------------------------------------------------------------------------------------------ */

static void join_relaxed(struct scene *scene, bool correlate) {
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_REQ_RELAXED, 1);
    node_option(&scene->client, KITH_OPTION_REQ_CORRELATE, correlate);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
}

static void test_relaxed_asks_anew_without_waiting(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join_relaxed(scene, false);
    send_words(&scene->client, "first");
    send_words(&scene->client, "second");
    expect_words(&scene->server, "first"); /* what has left is not taken back */
    send_words(&scene->server, "one");
    expect_words(&scene->server, "second");
    send_words(&scene->server, "two");
    expect_words(&scene->client, "one"); /* without ids nothing tells the replies apart */
    expect_nothing(&scene->world, &scene->server);
}

static void test_correlated_replies_are_told_apart(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join_relaxed(scene, true);
    send_words(&scene->client, "first");
    send_words(&scene->client, "second");
    expect_words(&scene->server, "first");
    send_words(&scene->server, "one");
    expect_words(&scene->server, "second");
    send_words(&scene->server, "two");
    expect_words(&scene->client, "two");
    assert_int_equal(scene->client.events[KITH_EVENT_DROPPED], 1);
}

static void test_a_correlated_request_begins_with_its_id(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    size_t size;
    serve(scene, KITH_ROUTER);
    join_relaxed(scene, true);
    send_words(&scene->client, "question");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_int_equal(kith_msg_count(msg), 4); /* the first is the peer's */
    (void)kith_msg_frame(msg, 1, &size);
    assert_int_equal(size, 4);
    (void)kith_msg_frame(msg, 2, &size);
    assert_int_equal(size, 0);
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), 0);
    expect_words(&scene->client, "question");
}

/* Of a crowd of given-up requests that have not left yet the next peer gets the last one only, and one reply is waited for. */
static void test_given_up_requests_die_with_their_peer(void **state) {
    static const char body[64 * 1024];
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    join_relaxed(scene, false);
    while (node_session(&scene->client)->queued < 3) { /* the server takes no more in: they wait here */
        kith_msg *msg;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, body, sizeof(body)), 0);
        assert_int_equal(kith_socket_send(scene->client.socket, msg, 0), 0);
        settle_down(&scene->world);
    }
    send_words(&scene->client, "the last");
    node_init(&scene->world, &scene->other, KITH_REP, &quiet_handler);
    node_bind(&scene->other, scene->endpoint);
    node_connect(&scene->client, &scene->other);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 2);
    node_deinit(&scene->server);
    expect_words(&scene->other, "the last");
    send_words(&scene->other, "heard");
    expect_words(&scene->client, "heard");
    expect_error(&scene->client, -EPROTO); /* nothing more is waited for */
    expect_nothing(&scene->world, &scene->other);
}

/* Greetings ------------------------------------------------------------------------------------------------------------------ */

static void test_a_probe_tells_a_router_of_us(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_PROBE_ROUTER, 1);
    node_id(&scene->client, "me");
    node_connect(&scene->client, &scene->server);
    expect_words(&scene->server, "me|");
    send_words(&scene->server, "me|welcome");
    expect_words(&scene->client, "welcome");
}

/* Waits until a STREAM has told of one connection; returns what the notice says: its id. */
static kith_msg *stream_notice(struct node *node) {
    kith_msg *msg = NULL;
    size_t size;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    assert_int_equal(kith_msg_count(msg), 2);
    (void)kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, 5);
    (void)kith_msg_frame(msg, 1, &size);
    assert_int_equal(size, 0);
    return msg;
}

static void test_a_stream_tells_who_comes_and_goes(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_STREAM);
    node_init(&scene->world, &scene->client, KITH_STREAM, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    kith_msg_free(stream_notice(&scene->server));
    kith_msg_free(stream_notice(&scene->client));
    node_deinit(&scene->client);
    kith_msg_free(stream_notice(&scene->server));
}

static void test_without_notices_a_stream_only_hears_octets(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    size_t size;
    node_init(&scene->world, &scene->server, KITH_STREAM, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_STREAM_NOTIFY, 0);
    node_bind(&scene->server, scene->endpoint);
    node_init(&scene->world, &scene->client, KITH_STREAM, &quiet_handler);
    node_connect(&scene->client, &scene->server);

    kith_msg *notice = stream_notice(&scene->client);
    const void *id = kith_msg_frame(notice, 0, &size);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, id, size), 0);
    assert_int_equal(kith_msg_add(msg, "octets", 6), 0);
    kith_msg_free(notice);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 0), 0);
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_memory_equal(kith_msg_frame(msg, 1, &size), "octets", 6);
    assert_int_equal(size, 6);
    kith_msg_free(msg);

    node_deinit(&scene->client);
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    expect_nothing(&scene->world, &scene->server);
}

/* Times ------------------------------------------------------------------------------------------------------------------------ */

static void test_the_options_time_is_waited_for_a_message(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    serve(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_TIMEOUT, 30);
    uint64_t begin = kith_time_now();
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, KITH_TIMEOUT_OPTION), -EAGAIN);
    assert_true(kith_time_now() - begin >= 30 * KITH_NS_PER_MS);
}

static int stream_socket(int flags) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    assert_true(fd >= 0);
    return fd;
}

/* A listener whose queue is full answers no SYN: connecting to it takes for ever. */
static void test_a_try_to_connect_ends_with_its_time(void **state) {
    struct scene *scene = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char endpoint[64];
    int listener = stream_socket(0), waiting = stream_socket(0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(waiting, (struct sockaddr *)&address, sizeof(address)), 0);

    (void)snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_CONNECT_TIMEOUT, 50);
    uint64_t begin = kith_time_now();
    assert_int_equal(kith_socket_connect(scene->client.socket, endpoint, NULL), 0);
    until(&scene->world, scene->client.events[KITH_EVENT_RETRY] == 1);
    assert_true(kith_time_now() - begin >= 50 * KITH_NS_PER_MS);
    assert_int_equal(scene->client.errors[KITH_EVENT_RETRY], -ETIMEDOUT);
    close(waiting);
    close(listener);
}

/* Datagrams ---------------------------------------------------------------------------------------------------------------------- */

/* The descriptor of this process that sends to the address, or -1. */
static int descriptor_to(const char *text, uint16_t port) {
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in address;
        socklen_t size = sizeof(address);
        if (getpeername(fd, (struct sockaddr *)&address, &size) == 0 && address.sin_family == AF_INET && ntohs(address.sin_port) == port &&
            address.sin_addr.s_addr == inet_addr(text))
            return fd;
    }
    return -1;
}

static int number_of(int fd, int option) {
    int value = -1;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(fd, IPPROTO_IP, option, &value, &size), 0);
    return value;
}

static void test_multicast_goes_as_far_as_asked(void **state) {
    struct scene *scene = *state;
    const char *endpoint = "udp://lo;239.255.8.2:5555";
    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    assert_int_equal(kith_socket_connect(scene->radio.socket, endpoint, NULL), 0);
    int fd = descriptor_to("239.255.8.2", 5555);
    assert_int_equal(number_of(fd, IP_MULTICAST_TTL), 1);
    assert_int_equal(number_of(fd, IP_MULTICAST_LOOP), 1);
    node_deinit(&scene->radio);

    node_init(&scene->world, &scene->radio, KITH_RADIO, &quiet_handler);
    node_option(&scene->radio, KITH_OPTION_MULTICAST_TTL, 7);
    node_option(&scene->radio, KITH_OPTION_MULTICAST_LOOP, 0);
    assert_int_equal(kith_socket_connect(scene->radio.socket, endpoint, NULL), 0);
    fd = descriptor_to("239.255.8.2", 5555);
    assert_int_equal(number_of(fd, IP_MULTICAST_TTL), 7);
    assert_int_equal(number_of(fd, IP_MULTICAST_LOOP), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_relaxed_asks_anew_without_waiting),
        ROWS(test_correlated_replies_are_told_apart),
        ROWS(test_a_correlated_request_begins_with_its_id),
        STREAM_ROWS(test_given_up_requests_die_with_their_peer),
        ROWS(test_a_probe_tells_a_router_of_us),
        STREAM_ROWS(test_a_stream_tells_who_comes_and_goes),
        STREAM_ROWS(test_without_notices_a_stream_only_hears_octets),
        ROW(test_the_options_time_is_waited_for_a_message, "ipc"),
        ROW(test_a_try_to_connect_ends_with_its_time, "tcp"),
        ROW(test_multicast_goes_as_far_as_asked, "udp"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
