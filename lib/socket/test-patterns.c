/* socket/test-patterns.c: the rules of REQ, REP, DEALER and ROUTER, kith to kith, over each transport. */
#include "socket/testing-scene.h"

#include <limits.h>

static void leave(struct scene *scene, struct node *node) {
    size_t peers = kith_socket_peer_count(scene->server.socket);
    node_deinit(node);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == peers - 1);
}

/* REQ and REP --------------------------------------------------------------------------------------------------------------- */

static void test_req_and_rep_take_turns(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    expect_error(&scene->client, -EPROTO);
    assert_int_equal(try_words(&scene->server, "too soon", 0), -EPROTO);
    for (int i = 0; i < 3; i++) {
        send_words(&scene->client, "question|in two parts");
        assert_int_equal(try_words(&scene->client, "again", 0), -EPROTO);
        expect_words(&scene->server, "question|in two parts");
        expect_error(&scene->server, -EPROTO);
        send_words(&scene->server, "answer");
        expect_words(&scene->client, "answer");
    }
}

static void test_a_request_can_be_sent_back_as_its_reply(void **state) {
    struct scene *scene = *state;
    kith_msg *msg;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "a||b");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_words(msg, "a||b");
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), 0);
    expect_words(&scene->client, "a||b");
}

static void test_a_request_waits_for_its_first_peer(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    assert_int_equal(try_words(&scene->client, "nobody", 0), -EAGAIN); /* and nobody is being connected to */
    node_connect(&scene->client, &scene->server);
    send_words(&scene->client, "early");
    expect_words(&scene->server, "early");
    send_words(&scene->server, "here");
    expect_words(&scene->client, "here");
}

static void test_a_request_fails_when_its_replier_goes(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "are you there?");
    expect_words(&scene->server, "are you there?");
    node_deinit(&scene->server);
    expect_error(&scene->client, -ECONNRESET);
    assert_int_equal(try_words(&scene->client, "then the next", 0), 0); /* waits for the next try to connect */
}

static void test_a_failure_from_before_the_handler_is_told_to_it(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "are you there?");
    expect_words(&scene->server, "are you there?");
    node_deinit(&scene->server);
    until(&scene->world, scene->client.events[KITH_EVENT_DISCONNECTED] == 1);
    kith_socket_set_handler(scene->client.socket, &full_handler, &scene->client);
    until(&scene->world, scene->client.failed == 1);
    assert_int_equal(scene->client.error, -ECONNRESET);
}

static void test_a_reply_to_a_gone_peer_is_an_error_and_stays_the_callers(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "first");
    expect_words(&scene->server, "first");
    leave(scene, &scene->client);
    kith_msg *reply = words("too|late");
    assert_int_equal(kith_socket_send(scene->server.socket, reply, 10000), -EHOSTUNREACH);
    assert_words(reply, "too|late");
    kith_msg_free(reply);

    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "second");
    expect_words(&scene->server, "second"); /* the server has its turn again */
}

static void answer_at_length(struct node *node, kith_msg *msg) {
    static const char body[100000];
    kith_msg *reply;
    kith_msg_free(msg);
    assert_int_equal(kith_msg_new(&reply), 0);
    assert_int_equal(kith_msg_add(reply, body, sizeof(body)), 0);
    assert_int_equal(kith_socket_send(node->socket, reply, 0), 0);
}

static void test_who_does_not_read_its_replies_loses_them_and_holds_up_nobody(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_REP, &full_handler);
    scene->server.on_message = answer_at_length;
    node_option(&scene->server, KITH_OPTION_SEND_HWM, 2);
    node_bind(&scene->server, scene->endpoint);
    node_init(&scene->world, &scene->other, KITH_DEALER, &quiet_handler);
    node_option(&scene->other, KITH_OPTION_RECV_HWM, 1);
    node_connect(&scene->other, &scene->server);
    while (scene->server.events[KITH_EVENT_DROPPED] == 0) {
        send_words(&scene->other, "|more");
        settle_down(&scene->world);
    }
    assert_int_equal(scene->server.errors[KITH_EVENT_DROPPED], -EAGAIN);
    join(scene, &scene->client, KITH_REQ);
    for (int i = 0; i < 3; i++) {
        kith_msg *msg = NULL;
        send_words(&scene->client, "one");
        assert_int_equal(kith_socket_recv(scene->client.socket, &msg, 10000), 0);
        kith_msg_free(msg);
    }
}

static void test_a_reply_never_reaches_another_connection_of_the_same_name(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    for (int i = 0; i < 2; i++) {
        node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
        node_id(&scene->client, "me");
        node_connect(&scene->client, &scene->server);
        until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
        if (i == 1)
            break;
        send_words(&scene->client, "|first");
        expect_words(&scene->server, "first");
        leave(scene, &scene->client);
    }
    assert_int_equal(try_words(&scene->server, "answer to the first", 10000), -EHOSTUNREACH);
    expect_nothing(&scene->world, &scene->client);
}

static void test_rep_keeps_the_envelope_and_drops_what_has_none(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_DEALER);
    send_words(&scene->client, "no|empty|frame");
    send_words(&scene->client, "nothing behind it|");
    send_words(&scene->client, "via|another||body");
    expect_words(&scene->server, "body");
    send_words(&scene->server, "reply");
    expect_words(&scene->client, "via|another||reply");
    assert_int_equal(scene->server.events[KITH_EVENT_DROPPED], 2);
}

static void test_req_drops_what_answers_nothing(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_id(&scene->client, "c");
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    send_words(&scene->server, "c||unasked");
    until(&scene->world, scene->client.events[KITH_EVENT_DROPPED] == 1);
    send_words(&scene->client, "asked");
    expect_words(&scene->server, "c||asked");
    send_words(&scene->server, "c|no empty frame");
    send_words(&scene->server, "c||answer");
    send_words(&scene->server, "c||twice");
    expect_words(&scene->client, "answer");
    until(&scene->world, scene->client.events[KITH_EVENT_DROPPED] == 3);
}

/* DEALER ------------------------------------------------------------------------------------------------------------------------ */

static void test_dealer_deals_in_turn(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    join(scene, &scene->client, KITH_DEALER);
    join(scene, &scene->other, KITH_DEALER);
    for (int i = 0; i < 4; i++)
        send_words(&scene->server, i < 2 ? "round one" : "round two");
    for (int i = 0; i < 2; i++) {
        struct node *node = i == 0 ? &scene->client : &scene->other;
        expect_words(node, "round one");
        expect_words(node, "round two");
        expect_nothing(&scene->world, node);
    }
}

static void test_dealer_keeps_messages_for_its_first_peer_up_to_the_mark(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_SEND_HWM, 2);
    node_connect(&scene->client, &scene->server);
    assert_int_equal(try_words(&scene->client, "one", 0), 0);
    assert_int_equal(try_words(&scene->client, "two", 0), 0);
    assert_int_equal(try_words(&scene->client, "three", 0), -EAGAIN);
    until(&scene->world, scene->client.writable == 1);
    assert_int_equal(try_words(&scene->client, "three", 0), 0);
    expect_words(&scene->server, "one");
    expect_words(&scene->server, "two");
    expect_words(&scene->server, "three");
}

#define BIG_SIZE ((size_t)1024 * 1024)

static kith_msg *big(char mark) {
    kith_msg *msg;
    char *octets = malloc(BIG_SIZE);
    assert_non_null(octets);
    memset(octets, mark, BIG_SIZE);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, octets, BIG_SIZE), 0);
    free(octets);
    return msg;
}

/* Sends big messages, marked a, b, c..., until nothing moves any more: queues, kernel and receiver are full. Returns how many went. */
static int fill(struct scene *scene, struct node *node) {
    int sent = 0;
    for (unsigned writable = UINT_MAX; node->writable != writable;) {
        writable = node->writable;
        for (int r = 0; r == 0;) {
            kith_msg *msg = big((char)('a' + sent));
            r = kith_socket_send(node->socket, msg, 0);
            if (r == 0)
                sent++;
            else
                kith_msg_free(msg);
            assert_true(r == 0 || r == -EAGAIN);
        }
        settle_down(&scene->world);
    }
    node->writable = 0;
    return sent;
}

static void expect_big(struct node *node, char mark) {
    kith_msg *msg = NULL;
    size_t size;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    const uint8_t *data = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, BIG_SIZE);
    assert_int_equal(data[0], mark);
    assert_int_equal(data[size - 1], mark);
    kith_msg_free(msg);
}

static void test_a_slow_receiver_stops_the_sender_and_loses_nothing(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_SEND_HWM, 2);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    int sent = fill(scene, &scene->client);
    assert_true(sent >= 2);
    for (int i = 0; i < sent; i++)
        expect_big(&scene->server, (char)('a' + i));
    assert_true(scene->client.writable > 0);
    expect_nothing(&scene->world, &scene->server);
}

static void test_dealer_gives_what_a_lost_peer_did_not_get_to_the_next(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_SEND_HWM, 4);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECV_HWM, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    int sent = fill(scene, &scene->server);
    node_deinit(&scene->client);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    assert_int_equal(scene->server.events[KITH_EVENT_DROPPED], 0);

    join(scene, &scene->other, KITH_DEALER);
    for (int i = sent - 4; i < sent; i++) /* what lay in the queue; the others were on their way */
        expect_big(&scene->other, (char)('a' + i));
    expect_nothing(&scene->world, &scene->other);
}

/* ROUTER ------------------------------------------------------------------------------------------------------------------------- */

static void named(struct scene *scene, struct node *node, const char *id) {
    size_t peers = kith_socket_peer_count(scene->server.socket);
    node_init(&scene->world, node, KITH_DEALER, &quiet_handler);
    node_option(node, KITH_OPTION_RECONNECT_MIN, 86400000);
    node_option(node, KITH_OPTION_RECONNECT_MAX, 86400000);
    node_id(node, id);
    node_connect(node, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == peers + 1 && kith_socket_peer_count(node->socket) == 1);
}

static void test_router_sends_to_whom_the_first_frame_names(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    named(scene, &scene->client, "anna");
    named(scene, &scene->other, "otto");
    send_words(&scene->server, "otto|for otto");
    send_words(&scene->server, "anna|for anna");
    expect_words(&scene->client, "for anna");
    expect_words(&scene->other, "for otto");
    send_words(&scene->other, "hello");
    expect_words(&scene->server, "otto|hello");
    assert_int_equal(try_words(&scene->server, "otto", 0), -EINVAL);
}

static void test_router_gives_ids_to_peers_that_have_none(void **state) {
    struct scene *scene = *state;
    kith_msg *msgs[2];
    serve(scene, KITH_ROUTER);
    join(scene, &scene->client, KITH_DEALER);
    join(scene, &scene->other, KITH_DEALER);
    send_words(&scene->client, "from client");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msgs[0], 10000), 0);
    send_words(&scene->other, "from other");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msgs[1], 10000), 0);
    size_t sizes[2];
    const uint8_t *ids[2];
    for (int i = 0; i < 2; i++) {
        ids[i] = kith_msg_frame(msgs[i], 0, &sizes[i]);
        assert_int_equal(sizes[i], 5);
        assert_int_equal(ids[i][0], 0);
    }
    assert_memory_not_equal(ids[0], ids[1], 5);
    assert_int_equal(kith_socket_send(scene->server.socket, msgs[1], 0), 0);
    assert_int_equal(kith_socket_send(scene->server.socket, msgs[0], 0), 0);
    expect_words(&scene->client, "from client");
    expect_words(&scene->other, "from other");
}

static void test_router_drops_or_says_what_it_cannot_route(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    named(scene, &scene->client, "anna");
    send_words(&scene->server, "otto|lost");
    assert_int_equal(scene->server.events[KITH_EVENT_DROPPED], 1);
    node_option(&scene->server, KITH_OPTION_ROUTER_MANDATORY, 1);
    kith_msg *msg = words("otto|kept");
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 10000), -EHOSTUNREACH);
    assert_words(msg, "otto|kept");
    kith_msg_free(msg);
}

static void test_router_refuses_an_id_in_use(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    named(scene, &scene->client, "anna");
    node_init(&scene->world, &scene->other, KITH_DEALER, &quiet_handler);
    node_id(&scene->other, "anna");
    node_connect(&scene->other, &scene->server);
    until(&scene->world, scene->server.events[KITH_EVENT_DUPLICATE_ID] == 1 && scene->other.events[KITH_EVENT_REFUSED] == 1);
    send_words(&scene->server, "anna|for the first");
    expect_words(&scene->client, "for the first");
    expect_nothing(&scene->world, &scene->other);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 1);
}

static void test_router_hands_an_id_over_when_told_to(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    node_option(&scene->server, KITH_OPTION_ROUTER_HANDOVER, 1);
    named(scene, &scene->client, "anna");
    node_init(&scene->world, &scene->other, KITH_DEALER, &quiet_handler);
    node_id(&scene->other, "anna");
    node_connect(&scene->other, &scene->server);
    until(&scene->world, scene->client.events[KITH_EVENT_DISCONNECTED] == 1 && kith_socket_peer_count(scene->other.socket) == 1);
    assert_int_equal(scene->server.events[KITH_EVENT_DUPLICATE_ID], 1);
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 1);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 1);
    send_words(&scene->server, "anna|for the second");
    expect_words(&scene->other, "for the second");
}

static void test_who_waits_for_room_hears_that_the_full_peer_went(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    node_option(&scene->server, KITH_OPTION_ROUTER_MANDATORY, 1);
    node_option(&scene->server, KITH_OPTION_SEND_HWM, 1);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECV_HWM, 1);
    node_id(&scene->client, "anna");
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    unsigned writable;
    do { /* until nothing moves any more */
        writable = scene->server.writable;
        for (int r = 0; r == 0;) {
            kith_msg *msg = big('x');
            assert_int_equal(kith_msg_prepend(msg, "anna", 4), 0);
            r = kith_socket_send(scene->server.socket, msg, 0);
            if (r < 0)
                kith_msg_free(msg);
            assert_true(r == 0 || r == -EAGAIN);
        }
        settle_down(&scene->world);
    } while (scene->server.writable != writable);
    scene->server.writable = 0;
    node_deinit(&scene->client);
    until(&scene->world, scene->server.writable == 1);
    assert_int_equal(try_words(&scene->server, "anna|gone", 0), -EHOSTUNREACH);
}

/* Policy --------------------------------------------------------------------------------------------------------------------------- */

static void test_a_denied_request_fails(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    node_deny(&scene->server, getpid(), KITH_VERB_SEND);
    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "denied");
    expect_error(&scene->client, -EACCES);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 1);
    expect_nothing(&scene->world, &scene->server);
    kith_socket_set_policy(scene->server.socket, NULL); /* holds from the next message on */
    send_words(&scene->client, "allowed");
    expect_words(&scene->server, "allowed");
}

static void test_a_request_fails_when_the_only_server_refuses_us(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    node_deny(&scene->server, getpid(), KITH_VERB_CONNECT);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    send_words(&scene->client, "let me in");
    expect_error(&scene->client, -EACCES);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DENIED_CONNECT], "not-him"));
    assert_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], "not-him"));
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
}

/* Draining, waiting ------------------------------------------------------------------------------------------------------------------ */

static void test_drain_hands_over_all_that_was_accepted(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_RECV_HWM_BYTES, 16 * BIG_SIZE);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    for (int i = 0; i < 10; i++)
        assert_int_equal(kith_socket_send(scene->client.socket, big((char)('a' + i)), 0), 0);
    assert_int_equal(kith_socket_drain(scene->client.socket, 10000), 0);
    node_deinit(&scene->client);
    for (int i = 0; i < 10; i++)
        expect_big(&scene->server, (char)('a' + i));
}

static void test_drain_says_when_a_peer_does_not_take_it(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    join(scene, &scene->client, KITH_DEALER);
    assert_true(fill(scene, &scene->client) > 0);
    assert_int_equal(kith_socket_drain(scene->client.socket, 0), -ETIMEDOUT);
    assert_int_equal(kith_socket_drain(scene->client.socket, 50), -ETIMEDOUT);
}

static void test_drain_of_a_quiet_socket_is_soon_over(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    join(scene, &scene->client, KITH_DEALER);
    assert_int_equal(kith_socket_drain(scene->server.socket, -1), 0);
    assert_int_equal(kith_socket_drain(scene->client.socket, 0), 0); /* its peer is gone: it only stops trying */
}

static void test_drain_gives_up_messages_that_have_no_peer_to_come(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECV_HWM, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    assert_true(fill(scene, &scene->server) > 1);
    leave(scene, &scene->client);
    assert_int_equal(kith_socket_drain(scene->server.socket, -1), -ENOTCONN);
}

static void test_waiting_is_as_long_as_asked(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    serve(scene, KITH_REP);
    uint64_t begin = kith_time_now();
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 30), -EAGAIN);
    assert_true(kith_time_now() - begin >= 30 * KITH_NS_PER_MS);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    begin = kith_time_now();
    assert_int_equal(try_words(&scene->client, "nobody", 30), -EAGAIN);
    assert_true(kith_time_now() - begin >= 30 * KITH_NS_PER_MS);
}

static void test_a_stop_ends_a_blocking_call(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    serve(scene, KITH_REP);
    kith_loop_stop(scene->world.loop);
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, -1), -ECANCELED);
    kith_loop_stop(scene->world.loop);
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), -ECANCELED);
}

static void answer_inside(struct node *node, kith_msg *msg) {
    kith_msg *more = NULL;
    assert_int_equal(kith_socket_send(node->socket, msg, 1), -EBUSY);
    assert_int_equal(kith_socket_drain(node->socket, 0), -EBUSY);
    assert_int_equal(kith_socket_recv(node->extra, &more, 1), -EBUSY);
    assert_int_equal(kith_socket_recv(node->extra, &more, 0), -EAGAIN);
    assert_int_equal(kith_socket_recv(node->socket, &more, 0), -EINVAL); /* messages go to the handler */
    assert_int_equal(kith_socket_send(node->socket, msg, 0), 0);
}

static void test_inside_a_callback_nothing_waits(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    kith_socket_set_handler(scene->server.socket, &full_handler, &scene->server);
    scene->server.on_message = answer_inside;
    join(scene, &scene->client, KITH_REQ);
    node_init(&scene->world, &scene->other, KITH_DEALER, &quiet_handler);
    scene->server.extra = scene->other.socket;
    send_words(&scene->client, "echo");
    expect_words(&scene->client, "echo");
}

static void test_in_a_child_process_it_only_can_be_freed(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    pid_t pid = fork();
    if (pid == 0) {
        kith_msg *msg = words("x");
        bool right = kith_socket_send(scene->client.socket, msg, 0) == -ECHILD &&
                     kith_socket_recv(scene->client.socket, &msg, 0) == -ECHILD && kith_socket_drain(scene->client.socket, -1) == -ECHILD &&
                     kith_socket_bind(scene->server.socket, "tcp://127.0.0.1:*", NULL) == -ECHILD &&
                     kith_socket_connect(scene->client.socket, "tcp://127.0.0.1:1", NULL) == -ECHILD;
        node_deinit(&scene->client);
        node_deinit(&scene->server);
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    send_words(&scene->client, "still ours"); /* the parent's are as they were */
    expect_words(&scene->server, "still ours");
}

/* Of a TCP peer no pid is known. */
#define PID_ROWS(test) ROW(test, "ipc"), ROW(test, "inproc")

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_req_and_rep_take_turns),
        ROWS(test_a_request_can_be_sent_back_as_its_reply),
        ROWS(test_a_request_waits_for_its_first_peer),
        ROWS(test_a_request_fails_when_its_replier_goes),
        ROWS(test_a_failure_from_before_the_handler_is_told_to_it),
        ROWS(test_a_reply_to_a_gone_peer_is_an_error_and_stays_the_callers),
        ROWS(test_who_does_not_read_its_replies_loses_them_and_holds_up_nobody),
        ROWS(test_a_reply_never_reaches_another_connection_of_the_same_name),
        ROWS(test_rep_keeps_the_envelope_and_drops_what_has_none),
        ROWS(test_req_drops_what_answers_nothing),
        ROWS(test_dealer_deals_in_turn),
        ROWS(test_dealer_keeps_messages_for_its_first_peer_up_to_the_mark),
        ROWS(test_a_slow_receiver_stops_the_sender_and_loses_nothing),
        ROWS(test_dealer_gives_what_a_lost_peer_did_not_get_to_the_next),
        ROWS(test_router_sends_to_whom_the_first_frame_names),
        ROWS(test_router_gives_ids_to_peers_that_have_none),
        ROWS(test_router_drops_or_says_what_it_cannot_route),
        ROWS(test_router_refuses_an_id_in_use),
        ROWS(test_router_hands_an_id_over_when_told_to),
        ROWS(test_who_waits_for_room_hears_that_the_full_peer_went),
        PID_ROWS(test_a_denied_request_fails),
        PID_ROWS(test_a_request_fails_when_the_only_server_refuses_us),
        ROWS(test_drain_hands_over_all_that_was_accepted),
        ROWS(test_drain_says_when_a_peer_does_not_take_it),
        ROWS(test_drain_of_a_quiet_socket_is_soon_over),
        ROWS(test_drain_gives_up_messages_that_have_no_peer_to_come),
        ROWS(test_waiting_is_as_long_as_asked),
        ROWS(test_a_stop_ends_a_blocking_call),
        ROWS(test_inside_a_callback_nothing_waits),
        ROWS(test_in_a_child_process_it_only_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
