/* Descriptors in messages, between kith's own sockets: which message has which, who takes them, and that each is closed once on every way
 * that a message can go. world_teardown() counts. */
#include "socket/testing-fds.h"

static void test_a_message_brings_its_descriptors(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_PULL, 253);
    join(scene, &scene->client, KITH_PUSH);
    assert_int_equal(try_with(&scene->client, "one", 1, 1), 0);
    assert_int_equal(try_with(&scene->client, "none", 0, 0), 0);
    assert_int_equal(try_with(&scene->client, "three|in|frames", 5, 3), 0);
    assert_int_equal(try_with(&scene->client, "most", 100, 253), 0);
    expect_with(&scene->server, "one", 1, 1);
    expect_with(&scene->server, "none", 0, 0);
    expect_with(&scene->server, "three|in|frames", 5, 3);
    kith_msg *msg = receive_one(&scene->server);
    assert_fds(msg, 100, 253);
    int fd = kith_msg_take_fd(msg, 252);
    kith_msg_free(msg);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    assert_int_equal(scene->server.events[KITH_EVENT_FDS_REFUSED] + scene->server.events[KITH_EVENT_FDS_LOST], 0);
}

/* Whatever the kernel glues together: many small messages before, between and after. */
static void test_a_thousand_messages_keep_theirs_apart(void **state) {
    struct scene *scene = *state;
    char text[32];
    serve_fds(scene, KITH_PULL, 3);
    join(scene, &scene->client, KITH_PUSH);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 50; i++) {
            snprintf(text, sizeof(text), "%u", i);
            assert_int_equal(try_with(&scene->client, text, i + 1, i * 7 % 4), 0);
        }
        for (unsigned i = 0; i < 50; i++) {
            snprintf(text, sizeof(text), "%u", i);
            expect_with(&scene->server, text, i + 1, i * 7 % 4);
        }
    }
}

static void test_large_frames_and_descriptors_go_together(void **state) {
    struct scene *scene = *state;
    uint8_t *octets = pattern_new(300000);
    serve_fds(scene, KITH_PULL, 4);
    join(scene, &scene->client, KITH_PUSH);
    for (uint64_t i = 1; i < 6; i++) {
        kith_msg *msg = words_with("head", i, 2);
        assert_int_equal(kith_msg_add(msg, octets, 300000), 0);
        assert_int_equal(kith_socket_send(scene->client.socket, msg, 10000), 0);
        msg = receive_one(&scene->server);
        assert_fds(msg, i, 2);
        size_t size;
        const uint8_t *frame = kith_msg_frame(msg, 1, &size);
        assert_int_equal(size, 300000);
        assert_memory_equal(frame, octets, size);
        kith_msg_free(msg);
    }
    free(octets);
}

static void test_requests_and_replies_bring_theirs(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_REP, 1);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_MAX_FDS, 2);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    assert_int_equal(try_with(&scene->client, "open", 1, 2), -EOPNOTSUPP);
    assert_int_equal(try_with(&scene->client, "open", 1, 1), 0);
    expect_with(&scene->server, "open", 1, 1);
    assert_int_equal(try_with(&scene->server, "opened", 2, 3), -EOPNOTSUPP);
    assert_int_equal(try_with(&scene->server, "opened", 2, 2), 0);
    expect_with(&scene->client, "opened", 2, 2);
}

static void test_a_router_and_a_dealer_pass_them(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_ROUTER, 4);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_MAX_FDS, 4);
    node_id(&scene->client, "me");
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    assert_int_equal(try_with(&scene->client, "hello", 7, 1), 0);
    expect_with(&scene->server, "me|hello", 7, 1);
    assert_int_equal(try_with(&scene->server, "me|there", 8, 4), 0);
    expect_with(&scene->client, "there", 8, 4);
    assert_int_equal(try_with(&scene->server, "me|there", 8, 5), -EOPNOTSUPP);
}

static void test_subscribers_that_take_none_are_passed_over(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PUB, &quiet_handler);
    node_bind(&scene->server, scene->endpoint);
    node_init(&scene->world, &scene->client, KITH_SUB, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_MAX_FDS, 2);
    node_init(&scene->world, &scene->other, KITH_SUB, &quiet_handler);
    for (int i = 0; i < 2; i++) {
        struct node *node = i == 0 ? &scene->client : &scene->other;
        assert_int_equal(kith_socket_subscribe(node->socket, "", 0), 0);
        node_connect(node, &scene->server);
        until(&scene->world, kith_socket_peer_count(scene->server.socket) == (size_t)i + 1 && kith_socket_peer_count(node->socket) == 1);
        settle_down(&scene->world);
    }
    assert_int_equal(try_with(&scene->server, "with", 3, 2), 0);
    assert_int_equal(try_with(&scene->server, "without", 0, 0), 0);
    expect_with(&scene->client, "with", 3, 2);
    expect_words(&scene->client, "without");
    expect_words(&scene->other, "without");
    assert_int_equal(scene->server.counts[KITH_EVENT_DROPPED], 1);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DROPPED], "max-fds"));
}

static void test_all_subscribers_share_one_list(void **state) {
    struct scene *scene = *state;
    struct node subs[5];
    node_init(&scene->world, &scene->server, KITH_PUB, &quiet_handler);
    node_bind(&scene->server, scene->endpoint);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(subs); i++) {
        node_init(&scene->world, &subs[i], KITH_SUB, &quiet_handler);
        node_option(&subs[i], KITH_OPTION_MAX_FDS, 2);
        assert_int_equal(kith_socket_subscribe(subs[i].socket, "", 0), 0);
        node_connect(&subs[i], &scene->server);
        until(&scene->world, kith_socket_peer_count(scene->server.socket) == i + 1 && kith_socket_peer_count(subs[i].socket) == 1);
    }
    settle_down(&scene->world);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(try_with(&scene->server, "x", i, 2), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(subs); i++) {
        for (uint64_t number = 1; number <= 10; number++)
            expect_with(&subs[i], "x", number, 2);
        node_deinit(&subs[i]);
    }
}

/* Who does not take them -------------------------------------------------------------------------------------------------- */

static void test_a_peer_that_announced_none_gets_none(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_PULL, 0);
    join(scene, &scene->client, KITH_PUSH);
    kith_msg *msg = words_with("x", 1, 1);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 1000), -EOPNOTSUPP); /* at once: waiting does not help */
    assert_fds(msg, 1, 1);
    int fd = kith_msg_take_fd(msg, 0);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 1000), 0); /* there is none in it any more */
    close(fd);
    expect_with(&scene->server, "x", 0, 0);
}

static void test_the_peer_that_takes_them_is_found_among_others(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PUSH, &quiet_handler);
    node_bind(&scene->server, scene->endpoint);
    join(scene, &scene->other, KITH_PULL);
    node_init(&scene->world, &scene->client, KITH_PULL, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_MAX_FDS, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 2 && kith_socket_peer_count(scene->client.socket) == 1);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(try_with(&scene->server, "x", i, 1), 0);
    assert_int_equal(try_with(&scene->server, "x", 1, 2), -EOPNOTSUPP);
    for (uint64_t i = 1; i <= 10; i++)
        expect_with(&scene->client, "x", i, 1);
}

static void test_what_waited_for_a_peer_that_takes_none_is_dropped_and_told(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_REP, 0);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    assert_int_equal(try_with(&scene->client, "open", 1, 1), 0); /* nobody is there yet */
    expect_error(&scene->client, -EOPNOTSUPP);
    assert_int_equal(scene->client.counts[KITH_EVENT_DROPPED], 1);
    send_words(&scene->client, "plain");
    expect_words(&scene->server, "plain");
}

/* What becomes of them ------------------------------------------------------------------------------------------------------ */

static void test_what_nobody_takes_is_closed_with_the_sockets(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_PULL, 10);
    join(scene, &scene->client, KITH_PUSH);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(try_with(&scene->client, "x", i + 1, 2), 0);
    settle_down(&scene->world); /* some wait at the receiver, some in the kernel, some at the sender */
}

static void test_a_peer_that_is_gone_leaves_none(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_PULL, 10);
    join(scene, &scene->client, KITH_PUSH);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(try_with(&scene->client, "x", i + 1, 2), 0);
    node_deinit(&scene->client);
    settle_down(&scene->world);
    take_all(scene, &scene->server);
    join(scene, &scene->client, KITH_PUSH);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(try_with(&scene->client, "x", i + 1, 2), 0);
    node_deinit(&scene->server);
    settle_down(&scene->world);
}

static void test_linger_sends_them_or_lets_them_go(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_PULL, 10);
    join(scene, &scene->client, KITH_PUSH);
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(try_with(&scene->client, "x", i + 1, 1), 0);
    kith_socket_close(KITH_STEAL(scene->client.socket));
    for (uint64_t i = 0; i < 20; i++)
        expect_with(&scene->server, "x", i + 1, 1);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    join(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_LINGER, 0);
    assert_int_equal(try_with(&scene->client, "x", 1, 1), 0);
    kith_socket_close(KITH_STEAL(scene->client.socket));
    settle_down(&scene->world);
}

static void test_a_denied_message_leaves_none(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_PULL, 10);
    join(scene, &scene->client, KITH_PUSH);
    node_deny(&scene->server, getpid(), KITH_VERB_SEND);
    assert_int_equal(try_with(&scene->client, "x", 1, 3), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_DENIED_SEND] == 1);
    kith_socket_set_policy(scene->server.socket, NULL);
    assert_int_equal(try_with(&scene->client, "y", 4, 1), 0);
    expect_with(&scene->server, "y", 4, 1);
}

static void test_conflation_lets_those_of_older_messages_go(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PULL, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 10);
    node_option(&scene->server, KITH_OPTION_CONFLATE, 1);
    node_bind(&scene->server, scene->endpoint);
    join(scene, &scene->client, KITH_PUSH);
    for (uint64_t i = 0; i < 30; i++)
        assert_int_equal(try_with(&scene->client, "x", i + 1, 1), 0);
    settle_down(&scene->world);
    expect_with(&scene->server, "x", 30, 1);
}

static void test_a_message_that_is_too_large_leaves_none(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PULL, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 10);
    node_option(&scene->server, KITH_OPTION_MAX_MESSAGE, 300);
    node_bind(&scene->server, scene->endpoint);
    join(scene, &scene->client, KITH_PUSH);
    kith_msg *msg = words_with("x", 1, 3);
    assert_int_equal(kith_msg_add(msg, (uint8_t[200]){0}, 200), 0);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 0), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -EMSGSIZE);
}

static void test_a_receiver_holds_no_more_than_it_says(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PULL, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 2);
    node_option(&scene->server, KITH_OPTION_MAX_FDS_HELD, 10);
    node_bind(&scene->server, scene->endpoint);
    join(scene, &scene->client, KITH_PUSH);
    for (uint64_t i = 0; i < 200; i++)
        assert_int_equal(try_with(&scene->client, "x", i + 1, 2), 0);
    settle_down(&scene->world);
    const struct kith_account *account = node_session(&scene->server)->account;
    assert_true(account->full);
    assert_in_range(account->fds, 10, 11);
    for (uint64_t i = 0; i < 200; i++)
        expect_with(&scene->server, "x", i + 1, 2);
}

#define FD_ROWS(test) ROW(test, "ipc"), ROW(test, "inproc")

int main(void) {
    const struct CMUnitTest tests[] = {
        FD_ROWS(test_a_message_brings_its_descriptors),
        FD_ROWS(test_a_thousand_messages_keep_theirs_apart),
        FD_ROWS(test_large_frames_and_descriptors_go_together),
        ROW(test_requests_and_replies_bring_theirs, "ipc"),
        ROW(test_a_router_and_a_dealer_pass_them, "ipc"),
        ROW(test_subscribers_that_take_none_are_passed_over, "ipc"),
        FD_ROWS(test_all_subscribers_share_one_list),
        STREAM_ROWS(test_a_peer_that_announced_none_gets_none),
        ROW(test_the_peer_that_takes_them_is_found_among_others, "ipc"),
        STREAM_ROWS(test_what_waited_for_a_peer_that_takes_none_is_dropped_and_told),
        FD_ROWS(test_what_nobody_takes_is_closed_with_the_sockets),
        FD_ROWS(test_a_peer_that_is_gone_leaves_none),
        FD_ROWS(test_linger_sends_them_or_lets_them_go),
        FD_ROWS(test_a_denied_message_leaves_none),
        FD_ROWS(test_conflation_lets_those_of_older_messages_go),
        ROW(test_a_message_that_is_too_large_leaves_none, "ipc"),
        ROW(test_a_receiver_holds_no_more_than_it_says, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
