/* socket/test-pipeline.c: the rules of PUSH, PULL and PAIR, kith to kith, over each transport; and what all sockets share beside patterns.
 */
#include "socket/testing-scene.h"

/* Pipeline --------------------------------------------------------------------------------------------------------------- */

static void test_work_goes_round(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUSH);
    join(scene, &scene->client, KITH_PULL);
    join(scene, &scene->other, KITH_PULL);
    for (int i = 0; i < 2; i++)
        send_words(&scene->server, "work|in two parts");
    expect_words(&scene->client, "work|in two parts");
    expect_words(&scene->other, "work|in two parts");
}

static void test_each_end_has_one_direction(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUSH);
    join(scene, &scene->client, KITH_PULL);
    expect_error(&scene->server, -ENOTSUP);
    assert_int_equal(try_words(&scene->client, "back", 0), -ENOTSUP);
}

static void test_push_without_a_peer_says_so(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUSH);
    assert_int_equal(try_words(&scene->server, "nobody", 0), -EAGAIN);
    assert_int_equal(try_words(&scene->server, "nobody", 20), -EAGAIN);
    node_option(&scene->server, KITH_OPTION_SEND_TIMEOUT, 20);
    assert_int_equal(try_words(&scene->server, "nobody", KITH_TIMEOUT_OPTION), -EAGAIN);
}

static void test_immediate_keeps_nothing_for_a_peer_to_come(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_IMMEDIATE, 1);
    node_connect(&scene->client, &scene->server);
    assert_int_equal(try_words(&scene->client, "early", 0), -EAGAIN);
    send_words(&scene->client, "in time");
    expect_words(&scene->server, "in time");
}

/* Sends until the peer and all queues in between are full; returns how many messages were taken. */
static int fill(struct node *node, size_t size) {
    int count = 0;
    for (kith_msg *msg;; count++) {
        uint8_t *octets = calloc(1, size);
        memcpy(octets, &count, sizeof(count));
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, octets, size), 0);
        free(octets);
        if (kith_socket_send(node->socket, msg, 0) < 0) {
            kith_msg_free(msg);
            return count;
        }
        assert_true(count < 10000000);
    }
}

static void expect_numbers(struct node *node, int begin, int end) {
    for (int i = begin; i < end; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
        assert_memory_equal(kith_msg_frame(msg, 0, NULL), &i, sizeof(i));
        kith_msg_free(msg);
    }
}

static void test_what_a_peer_does_not_read_is_not_taken(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    until(&scene->world, kith_socket_taken(scene->client.socket));
    send_words(&scene->client, "taken");
    expect_words(&scene->server, "taken");
    until(&scene->world, kith_socket_taken(scene->client.socket));
    int count = fill(&scene->client, 10000);
    for (int i = 0; i < 20; i++)
        assert_true(kith_loop_step(scene->world.loop, 1) >= 0);
    /* The other socket's own queue, which is bounded, holds the first thousand. */
    assert_false(kith_socket_taken(scene->client.socket));
    expect_numbers(&scene->server, 0, count);
    until(&scene->world, kith_socket_taken(scene->client.socket));
}

static void test_a_full_pipeline_blocks_and_loses_nothing(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    int count = fill(&scene->client, 1000);
    assert_true(count > 1000);
    expect_numbers(&scene->server, 0, count);
    send_words(&scene->client, "and on");
    expect_words(&scene->server, "and on");
}

static void test_the_last_message_replaces_those_that_wait_with_conflate(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_CONFLATE, 1);
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_CONFLATE, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(try_words(&scene->client, i < 999 ? "old|news" : "the|last", 0), 0);
    settle_down(&scene->world);
    expect_words(&scene->server, "the|last");
    expect_nothing(&scene->world, &scene->server);
}

/* Pair -------------------------------------------------------------------------------------------------------------------- */

static void test_a_pair_talks_both_ways_and_refuses_a_third(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PAIR);
    join(scene, &scene->client, KITH_PAIR);
    send_words(&scene->client, "ping|");
    expect_words(&scene->server, "ping|");
    send_words(&scene->server, "pong");
    expect_words(&scene->client, "pong");

    node_init(&scene->world, &scene->other, KITH_PAIR, &quiet_handler);
    node_option(&scene->other, KITH_OPTION_RECONNECT_MIN, 5);
    node_connect(&scene->other, &scene->server);
    until(&scene->world, scene->server.events[KITH_EVENT_PEER_REFUSED] > 0);
    until(&scene->world, scene->other.events[KITH_EVENT_REFUSED] + scene->other.events[KITH_EVENT_DISCONNECTED] > 0);
    send_words(&scene->client, "still here");
    expect_words(&scene->server, "still here");

    node_deinit(&scene->client); /* the third comes in when there is room */
    until(&scene->world, kith_socket_peer_count(scene->other.socket) == 1 && kith_socket_peer_count(scene->server.socket) == 1);
    settle_down(&scene->world);
    send_words(&scene->other, "my turn");
    expect_words(&scene->server, "my turn");
}

/* Words at the beginning and the end ---------------------------------------------------------------------------------------- */

static void octets(struct node *node, enum kith_option option, const char *text) {
    assert_int_equal(kith_socket_set_octets(node->socket, option, text, strlen(text), NULL), 0);
}

static void test_hello_comes_first_and_disconnect_last(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_DEALER, &quiet_handler);
    octets(&scene->server, KITH_OPTION_DISCONNECT_MESSAGE, "gone");
    octets(&scene->server, KITH_OPTION_HELLO_MESSAGE, "hello from the server");
    node_bind(&scene->server, scene->endpoint);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    octets(&scene->client, KITH_OPTION_HELLO_MESSAGE, "hello from the client");
    node_connect(&scene->client, &scene->server);
    send_words(&scene->client, "one");
    expect_words(&scene->client, "hello from the server");
    expect_words(&scene->server, "hello from the client");
    expect_words(&scene->server, "one");
    node_deinit(&scene->client);
    expect_words(&scene->server, "gone");
}

static void test_a_lost_server_is_a_hiccup(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    octets(&scene->client, KITH_OPTION_HICCUP_MESSAGE, "hiccup");
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    node_deinit(&scene->server);
    expect_words(&scene->client, "hiccup");
}

/* Ends of endpoints ---------------------------------------------------------------------------------------------------------- */

static void test_unbound_endpoints_take_no_more_peers_and_keep_theirs(void **state) {
    struct scene *scene = *state;
    char endpoint[KITH_ENDPOINT_MAX];
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    snprintf(endpoint, sizeof(endpoint), "%s", kith_socket_last_endpoint(scene->server.socket));
    assert_int_equal(kith_socket_unbind(scene->server.socket, "ipc://@nowhere"), -ENOENT);
    assert_int_equal(kith_socket_unbind(scene->server.socket, endpoint), 0);
    assert_int_equal(scene->server.events[KITH_EVENT_UNBOUND], 1);
    assert_int_equal(kith_socket_unbind(scene->server.socket, endpoint), -ENOENT);
    send_words(&scene->client, "still connected");
    expect_words(&scene->server, "still connected");

    node_init(&scene->world, &scene->other, KITH_PUSH, &quiet_handler);
    assert_int_equal(kith_socket_connect(scene->other.socket, endpoint, NULL), 0);
    if (strcmp(scene->endpoint, "inproc") == 0) /* it waits for the name */
        settle_down(&scene->world);
    else
        until(&scene->world, scene->other.events[KITH_EVENT_RETRY] > 0);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 1);
}

static void test_a_disconnected_endpoint_gets_what_was_queued(void **state) {
    struct scene *scene = *state;
    char endpoint[KITH_ENDPOINT_MAX];
    serve(scene, KITH_PULL);
    snprintf(endpoint, sizeof(endpoint), "%s", kith_socket_last_endpoint(scene->server.socket));
    join(scene, &scene->client, KITH_PUSH);
    int count = fill(&scene->client, 1000);
    assert_int_equal(kith_socket_disconnect(scene->client.socket, endpoint), 0);
    assert_int_equal(kith_socket_disconnect(scene->client.socket, endpoint), -ENOENT);
    assert_int_equal(kith_socket_peer_count(scene->client.socket), 0);
    expect_numbers(&scene->server, 0, count);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
}

static void test_reconnect_stop_gives_an_endpoint_up(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    char endpoint[KITH_ENDPOINT_MAX];
    snprintf(endpoint, sizeof(endpoint), "%s", kith_socket_last_endpoint(scene->server.socket));
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECONNECT_STOP, KITH_RECONNECT_STOP_DISCONNECT | KITH_RECONNECT_STOP_REFUSED);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    node_deinit(&scene->server);
    until(&scene->world, scene->client.events[KITH_EVENT_GIVEN_UP] == 1);
    assert_int_equal(scene->client.events[KITH_EVENT_RETRY], 0);
    assert_int_equal(kith_socket_connect(scene->client.socket, endpoint, NULL), 0);
    until(&scene->world, scene->client.events[KITH_EVENT_GIVEN_UP] == 2);
    assert_int_equal(kith_socket_drain(scene->client.socket, 0), 0);
}

/* Closing ------------------------------------------------------------------------------------------------------------------- */

static void test_a_closed_socket_still_sends_what_it_has(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    int count = fill(&scene->client, 1000);
    scene->client.socket = kith_socket_close(scene->client.socket);
    assert_null(scene->client.socket);
    expect_numbers(&scene->server, 0, count);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
}

static void test_a_closed_socket_waits_for_its_first_peer(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    send_words(&scene->client, "in a bottle");
    scene->client.socket = kith_socket_close(scene->client.socket);
    expect_words(&scene->server, "in a bottle");
}

static void test_linger_ends_the_patience(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_LINGER, 20);
    int count = fill(&scene->client, 1000), received = 0;
    size_t fds = testing_fd_count();
    scene->client.socket = kith_socket_close(scene->client.socket);
    until(&scene->world, testing_fd_count() < fds);
    for (kith_msg *msg; kith_socket_recv(scene->server.socket, &msg, 0) == 0; received++)
        kith_msg_free(msg);
    assert_in_range(received, 1, count - 1);
}

static void test_the_loop_takes_a_closed_socket_with_it(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_LINGER, -1);
    (void)fill(&scene->client, 1000);
    scene->client.socket = kith_socket_close(scene->client.socket);
    /* the teardown frees the loop: nothing may be left */
}

static void test_no_linger_is_no_wait(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_LINGER, 0);
    (void)fill(&scene->client, 1000);
    scene->client.socket = kith_socket_close(scene->client.socket);
    assert_null(kith_socket_close(NULL));
    assert_false(kith_list_empty(&scene->server.socket->sessions.peers));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_work_goes_round),
        ROWS(test_each_end_has_one_direction),
        ROWS(test_push_without_a_peer_says_so),
        ROWS(test_what_a_peer_does_not_read_is_not_taken),
        ROWS(test_immediate_keeps_nothing_for_a_peer_to_come),
        ROWS(test_a_full_pipeline_blocks_and_loses_nothing),
        ROWS(test_the_last_message_replaces_those_that_wait_with_conflate),
        ROWS(test_a_pair_talks_both_ways_and_refuses_a_third),
        ROWS(test_hello_comes_first_and_disconnect_last),
        ROWS(test_a_lost_server_is_a_hiccup),
        ROWS(test_unbound_endpoints_take_no_more_peers_and_keep_theirs),
        ROWS(test_a_disconnected_endpoint_gets_what_was_queued),
        ROWS(test_reconnect_stop_gives_an_endpoint_up),
        ROWS(test_a_closed_socket_still_sends_what_it_has),
        ROWS(test_a_closed_socket_waits_for_its_first_peer),
        ROW(test_linger_ends_the_patience, "ipc"), /* TCP buffers may hold it all */
        ROWS(test_the_loop_takes_a_closed_socket_with_it),
        ROWS(test_no_linger_is_no_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
