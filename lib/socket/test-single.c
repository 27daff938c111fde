/*
 * socket/test-single.c: the rules of CLIENT, SERVER, PEER, SCATTER, GATHER and CHANNEL, whose messages have one frame: kith to kith over
 * each transport, and in raw octets, because the packaged libzmq is built without them.
 */
#include "socket/testing-scene.h"

/* Sends a word to the peer of that number; returns what sending said. */
static int send_to(struct node *node, uint32_t routing_id, const char *text, int timeout_ms) {
    kith_msg *msg = words(text);
    kith_msg_set_routing_id(msg, routing_id);
    int r = kith_socket_send(node->socket, msg, timeout_ms);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

/* Receives that word and returns whose it is. */
static uint32_t expect_from(struct node *node, const char *text) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    assert_words(msg, text);
    uint32_t routing_id = kith_msg_routing_id(msg);
    kith_msg_free(msg);
    return routing_id;
}

/* Client, server ---------------------------------------------------------------------------------------------------------- */

static void test_a_server_answers_each_client_by_its_number(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_SERVER);
    join(scene, &scene->client, KITH_CLIENT);
    join(scene, &scene->other, KITH_CLIENT);
    send_words(&scene->client, "first");
    uint32_t first = expect_from(&scene->server, "first");
    send_words(&scene->other, "second");
    uint32_t second = expect_from(&scene->server, "second");
    assert_int_not_equal(first, 0);
    assert_int_not_equal(second, 0);
    assert_int_not_equal(first, second);
    for (int i = 0; i < 3; i++) { /* any number of answers, in any order */
        assert_int_equal(send_to(&scene->server, second, "to the second", 10000), 0);
        assert_int_equal(send_to(&scene->server, first, "to the first", 10000), 0);
        assert_int_equal(expect_from(&scene->client, "to the first"), 0);
        assert_int_equal(expect_from(&scene->other, "to the second"), 0);
    }
}

static void test_a_number_that_names_nobody_is_an_error(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_SERVER);
    join(scene, &scene->client, KITH_CLIENT);
    send_words(&scene->client, "hello");
    uint32_t id = expect_from(&scene->server, "hello");
    assert_int_equal(send_to(&scene->server, 0, "x", 10000), -EHOSTUNREACH);
    assert_int_equal(send_to(&scene->server, id ^ 1, "x", 10000), -EHOSTUNREACH);
    node_deinit(&scene->client);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    assert_int_equal(send_to(&scene->server, id, "x", 10000), -EHOSTUNREACH);
    join(scene, &scene->client, KITH_CLIENT); /* another one, with another number */
    send_words(&scene->client, "hello");
    assert_int_not_equal(expect_from(&scene->server, "hello"), id);
}

static void test_a_full_client_is_waited_for_and_the_server_loses_nothing(void **state) {
    static char octets[4096];
    struct scene *scene = *state;
    serve(scene, KITH_SERVER);
    join(scene, &scene->client, KITH_CLIENT);
    send_words(&scene->client, "hello");
    uint32_t id = expect_from(&scene->server, "hello");
    int sent = 0, r;
    for (;; sent++) {
        kith_msg *msg;
        memcpy(octets, &sent, sizeof(sent));
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
        kith_msg_set_routing_id(msg, id);
        r = kith_socket_send(scene->server.socket, msg, 0);
        if (r < 0) {
            kith_msg_free(msg);
            break;
        }
    }
    assert_int_equal(r, -EAGAIN);
    for (int i = 0; i < sent; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_socket_recv(scene->client.socket, &msg, 10000), 0);
        assert_memory_equal(kith_msg_frame(msg, 0, NULL), &i, sizeof(i));
        kith_msg_free(msg);
    }
    assert_int_equal(send_to(&scene->server, id, "room again", 10000), 0);
    (void)expect_from(&scene->client, "room again");
}

static void test_a_client_goes_round_its_servers(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_SERVER);
    node_init(&scene->world, &scene->other, KITH_SERVER, &quiet_handler);
    node_bind(&scene->other, strncmp(scene->endpoint, "inproc", 6) == 0 ? "inproc://another name" : scene->endpoint);
    node_init(&scene->world, &scene->client, KITH_CLIENT, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    node_connect(&scene->client, &scene->other);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 2);
    for (int i = 0; i < 4; i++)
        send_words(&scene->client, "work");
    for (int i = 0; i < 2; i++) {
        (void)expect_from(&scene->server, "work");
        (void)expect_from(&scene->other, "work");
    }
}

/* Peer --------------------------------------------------------------------------------------------------------------------- */

static void test_a_peer_is_known_by_its_number_before_it_is_there(void **state) {
    struct scene *scene = *state;
    uint32_t id = 0, again = 0, back;
    serve(scene, KITH_PEER);
    node_init(&scene->world, &scene->client, KITH_PEER, &quiet_handler);
    const char *endpoint = kith_socket_last_endpoint(scene->server.socket);
    assert_int_equal(kith_socket_connect_peer(scene->client.socket, endpoint, &id, NULL), 0);
    assert_int_not_equal(id, 0);
    assert_int_equal(send_to(&scene->client, id, "too early", 0), -EAGAIN);
    assert_int_equal(send_to(&scene->client, id, "hello", 10000), 0);
    back = expect_from(&scene->server, "hello");
    assert_int_equal(send_to(&scene->server, back, "hello yourself", 10000), 0);
    assert_int_equal(expect_from(&scene->client, "hello yourself"), id);
    assert_int_equal(kith_socket_connect_peer(scene->client.socket, endpoint, &again, NULL), 0);
    assert_int_not_equal(again, id);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 2);
}

static void test_a_peer_keeps_its_number_when_it_comes_again(void **state) {
    struct scene *scene = *state;
    char endpoint[KITH_ENDPOINT_MAX];
    uint32_t id = 0;
    serve(scene, KITH_PEER);
    (void)snprintf(endpoint, sizeof(endpoint), "%s", kith_socket_last_endpoint(scene->server.socket));
    node_init(&scene->world, &scene->client, KITH_PEER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 5);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MAX, 20);
    assert_int_equal(kith_socket_connect_peer(scene->client.socket, endpoint, &id, NULL), 0);
    assert_int_equal(send_to(&scene->client, id, "hello", 10000), 0);
    (void)expect_from(&scene->server, "hello");

    node_deinit(&scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 0);
    assert_int_equal(send_to(&scene->client, id, "away", 0), -EAGAIN);
    assert_int_equal(send_to(&scene->client, id ^ 1, "nobody", 0), -EHOSTUNREACH);
    node_init(&scene->world, &scene->server, KITH_PEER, &quiet_handler);
    assert_int_equal(kith_socket_bind(scene->server.socket, endpoint, NULL), 0);
    assert_int_equal(send_to(&scene->client, id, "again", 10000), 0);
    uint32_t back = expect_from(&scene->server, "again");
    assert_int_equal(send_to(&scene->server, back, "and back", 10000), 0);
    assert_int_equal(expect_from(&scene->client, "and back"), id);

    assert_int_equal(kith_socket_disconnect(scene->client.socket, endpoint), 0);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    assert_int_equal(send_to(&scene->client, id, "gone", 0), -EHOSTUNREACH);
}

static void test_only_peers_have_numbers_to_connect_to(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    uint32_t id = 7;
    serve(scene, KITH_SERVER);
    node_init(&scene->world, &scene->client, KITH_CLIENT, &quiet_handler);
    assert_int_equal(kith_socket_connect_peer(scene->client.socket, kith_socket_last_endpoint(scene->server.socket), &id, &error),
                     -ENOTSUP);
    assert_non_null(strstr(error.text, "a CLIENT does not"));
    assert_int_equal(id, 7);
    node_deinit(&scene->client);
    node_init(&scene->world, &scene->client, KITH_PEER, &quiet_handler);
    assert_int_equal(kith_socket_connect_peer(scene->client.socket, "tcp://", &id, &error), -EINVAL);
    assert_int_equal(id, 7);
}

/* Scatter, gather, channel ---------------------------------------------------------------------------------------------------- */

static void test_scattered_messages_go_round_and_are_gathered(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_SCATTER);
    join(scene, &scene->client, KITH_GATHER);
    join(scene, &scene->other, KITH_GATHER);
    for (int i = 0; i < 4; i++)
        send_words(&scene->server, "work");
    for (int i = 0; i < 2; i++) {
        expect_words(&scene->client, "work");
        expect_words(&scene->other, "work");
    }
    expect_error(&scene->server, -ENOTSUP);
    assert_int_equal(try_words(&scene->client, "back", 0), -ENOTSUP);
    node_deinit(&scene->client);
    node_deinit(&scene->other);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    assert_int_equal(try_words(&scene->server, "nobody", 0), -EAGAIN); /* never dropped */
}

static void test_a_channel_talks_both_ways_and_refuses_a_third(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_CHANNEL);
    join(scene, &scene->client, KITH_CHANNEL);
    send_words(&scene->client, "ping");
    expect_words(&scene->server, "ping");
    send_words(&scene->server, "pong");
    expect_words(&scene->client, "pong");
    node_init(&scene->world, &scene->other, KITH_CHANNEL, &quiet_handler);
    node_connect(&scene->other, &scene->server);
    until(&scene->world, scene->server.events[KITH_EVENT_PEER_REFUSED] > 0);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_PEER_REFUSED], "CHANNEL"));
    send_words(&scene->client, "still here");
    expect_words(&scene->server, "still here");
}

/* What they share ------------------------------------------------------------------------------------------------------------- */

static void test_several_frames_are_not_sent(void **state) {
    static const enum kith_socket_type types[][2] = {{KITH_SERVER, KITH_CLIENT},
                                                     {KITH_CLIENT, KITH_SERVER},
                                                     {KITH_GATHER, KITH_SCATTER},
                                                     {KITH_CHANNEL, KITH_CHANNEL},
                                                     {KITH_PEER, KITH_PEER}};
    struct scene *scene = *state;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++) {
        serve(scene, types[i][0]);
        join(scene, &scene->client, types[i][1]);
        assert_int_equal(try_words(&scene->client, "one|two", 0), -EINVAL);
        kith_msg *empty;
        assert_int_equal(kith_msg_new(&empty), 0);
        assert_int_equal(kith_socket_send(scene->client.socket, empty, 0), -EINVAL);
        kith_msg_free(empty);
        node_deinit(&scene->client);
        node_deinit(&scene->server);
    }
}

static void test_types_that_do_not_fit_are_refused(void **state) {
    static const enum kith_socket_type types[][2] = {{KITH_SERVER, KITH_DEALER},
                                                     {KITH_SERVER, KITH_SERVER},
                                                     {KITH_GATHER, KITH_PUSH},
                                                     {KITH_CHANNEL, KITH_PAIR},
                                                     {KITH_PEER, KITH_ROUTER}};
    struct scene *scene = *state;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++) {
        serve(scene, types[i][0]);
        node_init(&scene->world, &scene->client, types[i][1], &quiet_handler);
        node_connect(&scene->client, &scene->server);
        until(&scene->world, scene->server.events[KITH_EVENT_HANDSHAKE_FAILED] > 0);
        assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
        node_deinit(&scene->client);
        node_deinit(&scene->server);
    }
}

/* In raw octets (ipc alone) ----------------------------------------------------------------------------------------------------- */

/* What a peer of this type is sent on the wire is READY with its name and plain frames: RFC 37, 41, 49, 51, 52. */
static void test_on_the_wire_a_message_is_one_frame(void **state) {
    static const struct {
        enum kith_socket_type ours;
        const char *name, *theirs;
        bool sends;
    } cases[] = {
        {KITH_SERVER, "SERVER", "CLIENT", false},  {KITH_CLIENT, "CLIENT", "SERVER", true},    {KITH_SCATTER, "SCATTER", "GATHER", true},
        {KITH_GATHER, "GATHER", "SCATTER", false}, {KITH_CHANNEL, "CHANNEL", "CHANNEL", true}, {KITH_PEER, "PEER", "PEER", false},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        uint8_t octets[1024], ready[256];
        bool over = false;
        size_t size = 0;
        node_init(&scene->world, &scene->server, cases[i].ours, &quiet_handler);
        node_option(&scene->server, KITH_OPTION_MEMFD_FROM, 0); /* kith's own is not of these RFCs */
        node_option(&scene->server, KITH_OPTION_SHM, 0);        /* nor is this */
        node_bind(&scene->server, scene->endpoint);
        int fd = raw_connect(&scene->server);
        raw_handshake(fd, 1, cases[i].theirs, NULL);
        /* Not a property beside the type: Identity is for REQ, DEALER and ROUTER. */
        size_t ready_size = raw_ready(ready, cases[i].name, NULL);
        until(&scene->world, (size += slurp(fd, octets + size, sizeof(octets) - size, &over)) >= GREETING_SIZE + ready_size);
        assert_int_equal(size, GREETING_SIZE + ready_size);
        assert_memory_equal(octets + GREETING_SIZE, ready, ready_size);
        if (cases[i].sends) {
            send_words(&scene->server, "word");
            size = 0;
            until(&scene->world, (size += slurp(fd, octets + size, sizeof(octets) - size, &over)) >= 6);
            assert_int_equal(size, 6);
            assert_memory_equal(octets, "\x00\x04word", 6);
        }
        if (cases[i].ours != KITH_SCATTER) {
            raw_text(fd, "\x01\x01"
                         "a"
                         "\x00\x01"
                         "b"
                         "\x00\x02ok"); /* the message of two frames is dropped */
            expect_words(&scene->server, "ok");
            assert_int_equal(scene->server.events[KITH_EVENT_DROPPED], 1);
        }
        close(fd);
        node_deinit(&scene->server);
    }
}

static void test_answers_reach_the_raw_client_that_asked(void **state) {
    struct scene *scene = *state;
    uint8_t octets[64];
    bool over = false;
    size_t size = 0;
    serve(scene, KITH_SERVER);
    int one = raw_peer(&scene->world, &scene->server, "CLIENT", NULL);
    int two = raw_peer(&scene->world, &scene->server, "CLIENT", NULL);
    raw_text(two, "\x00\x03"
                  "two");
    uint32_t id = expect_from(&scene->server, "two");
    assert_int_equal(send_to(&scene->server, id, "answer", 10000), 0);
    until(&scene->world, (size += slurp(two, octets + size, sizeof(octets) - size, &over)) >= 8);
    assert_int_equal(size, 8);
    assert_memory_equal(octets,
                        "\x00\x06"
                        "answer",
                        8);
    settle_down(&scene->world);
    assert_int_equal(slurp(one, octets, sizeof(octets), &over), 0);
    close(one);
    close(two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_a_server_answers_each_client_by_its_number),
        ROWS(test_a_number_that_names_nobody_is_an_error),
        ROWS(test_a_full_client_is_waited_for_and_the_server_loses_nothing),
        ROWS(test_a_client_goes_round_its_servers),
        ROWS(test_a_peer_is_known_by_its_number_before_it_is_there),
        ROWS(test_a_peer_keeps_its_number_when_it_comes_again),
        ROW(test_only_peers_have_numbers_to_connect_to, "ipc"),
        ROWS(test_scattered_messages_go_round_and_are_gathered),
        ROWS(test_a_channel_talks_both_ways_and_refuses_a_third),
        ROW(test_several_frames_are_not_sent, "ipc"),
        ROW(test_types_that_do_not_fit_are_refused, "ipc"),
        ROW(test_on_the_wire_a_message_is_one_frame, "ipc"),
        ROW(test_answers_reach_the_raw_client_that_asked, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
