/* socket/test-pubsub.c: PUB, SUB, XPUB and XSUB, kith to kith, over each transport. Peers that write by hand: test-pubsub-octets.c. */
#include "socket/testing-scene.h"

static int subscribe(struct node *node, const char *topic) {
    return kith_socket_subscribe(node->socket, topic, strlen(topic));
}

static int unsubscribe(struct node *node, const char *topic) {
    return kith_socket_unsubscribe(node->socket, topic, strlen(topic));
}

/* A SUB whose subscriptions the server knows. */
static void listen_to(struct scene *scene, struct node *node, const char *topic) {
    join(scene, node, KITH_SUB);
    assert_int_equal(subscribe(node, topic), 0);
    settle_down(&scene->world);
}

static void octets(struct node *node, enum kith_option option, const char *text) {
    assert_int_equal(kith_socket_set_octets(node->socket, option, text, strlen(text), NULL), 0);
}

/* Subscribers ---------------------------------------------------------------------------------------------------------------- */

static void test_a_subscriber_gets_what_begins_with_its_topics(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    listen_to(scene, &scene->client, "new");
    listen_to(scene, &scene->other, "");
    send_words(&scene->server, "ne");
    send_words(&scene->server, "news|in two parts");
    send_words(&scene->server, "old");
    expect_words(&scene->client, "news|in two parts");
    expect_nothing(&scene->world, &scene->client);
    expect_words(&scene->other, "ne");
    expect_words(&scene->other, "news|in two parts");
    expect_words(&scene->other, "old");
    assert_int_equal(unsubscribe(&scene->other, ""), 0);
    settle_down(&scene->world);
    send_words(&scene->server, "news");
    expect_words(&scene->client, "news");
    expect_nothing(&scene->world, &scene->other);
}

static void test_each_end_has_one_direction(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    listen_to(scene, &scene->client, "");
    expect_error(&scene->server, -ENOTSUP);
    assert_int_equal(try_words(&scene->client, "back", 0), -ENOTSUP);
    assert_int_equal(subscribe(&scene->server, ""), -ENOTSUP);
    assert_int_equal(kith_socket_join(scene->client.socket, "group"), -ENOTSUP);
}

static void test_subscriptions_are_counted(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    listen_to(scene, &scene->client, "a");
    assert_int_equal(subscribe(&scene->client, "a"), 0);
    assert_int_equal(unsubscribe(&scene->client, "a"), 0);
    settle_down(&scene->world);
    send_words(&scene->server, "a1");
    expect_words(&scene->client, "a1");
    assert_int_equal(unsubscribe(&scene->client, "a"), 0);
    assert_int_equal(unsubscribe(&scene->client, "a"), -ENOENT);
    settle_down(&scene->world);
    send_words(&scene->server, "a2");
    expect_nothing(&scene->world, &scene->client);
}

/* Publishers come when they come: at either end, again and again. */
static void test_a_new_publisher_learns_of_all_subscriptions(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_SUB);
    assert_int_equal(subscribe(&scene->server, "a"), 0);
    assert_int_equal(subscribe(&scene->server, "b"), 0);
    for (int round = 0; round < 2; round++) {
        join(scene, &scene->client, KITH_XPUB);
        expect_words(&scene->client, "\1a");
        expect_words(&scene->client, "\1b");
        send_words(&scene->client, "b|for all");
        send_words(&scene->client, "c|for none");
        expect_words(&scene->server, "b|for all");
        node_deinit(&scene->client);
        until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    }
}

static void test_many_long_subscriptions_arrive(void **state) {
    enum { COUNT = 3000, SIZE = 300 };
    struct scene *scene = *state;
    char topic[SIZE + 1];
    serve(scene, KITH_XPUB);
    node_init(&scene->world, &scene->client, KITH_SUB, &quiet_handler);
    for (int i = 0; i < COUNT; i++) {
        snprintf(topic, sizeof(topic), "%0*d", SIZE, i);
        assert_int_equal(subscribe(&scene->client, topic), 0);
    }
    node_connect(&scene->client, &scene->server);
    for (int i = 0; i < COUNT; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        assert_int_equal(kith_msg_size(msg), 1 + SIZE);
        kith_msg_free(msg);
    }
    snprintf(topic, sizeof(topic), "%0*d", SIZE, COUNT - 1);
    send_words(&scene->server, topic);
    expect_words(&scene->client, topic);
}

/* XPUB shows --------------------------------------------------------------------------------------------------------------------- */

/* Two subscribers of the same topic, one of them twice; and back. */
static void subscribe_and_cancel(struct scene *scene) {
    serve(scene, KITH_XPUB);
    join(scene, &scene->client, KITH_SUB);
    join(scene, &scene->other, KITH_SUB);
}

static void step(struct scene *scene, int r) {
    assert_int_equal(r, 0);
    settle_down(&scene->world);
}

static void test_an_xpub_sees_the_first_subscription_and_the_last_cancel(void **state) {
    struct scene *scene = *state;
    subscribe_and_cancel(scene);
    step(scene, subscribe(&scene->client, "a"));
    expect_words(&scene->server, "\1a");
    step(scene, subscribe(&scene->client, "a"));
    step(scene, subscribe(&scene->other, "a"));
    step(scene, unsubscribe(&scene->client, "a"));
    step(scene, unsubscribe(&scene->client, "a"));
    expect_nothing(&scene->world, &scene->server);
    step(scene, unsubscribe(&scene->other, "a"));
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_int_equal(kith_msg_size(msg), 2);
    assert_memory_equal(kith_msg_frame(msg, 0, NULL), "\0a", 2);
    assert_non_null(kith_msg_origin(msg));
    kith_msg_free(msg);
    expect_nothing(&scene->world, &scene->server);
}

static void test_a_verbose_xpub_sees_every_subscription(void **state) {
    struct scene *scene = *state;
    subscribe_and_cancel(scene);
    node_option(&scene->server, KITH_OPTION_XPUB_VERBOSE, 1);
    step(scene, subscribe(&scene->client, "a"));
    step(scene, subscribe(&scene->client, "a")); /* a SUB says it once */
    step(scene, subscribe(&scene->other, "a"));
    for (int i = 0; i < 2; i++)
        expect_words(&scene->server, "\1a");
    step(scene, unsubscribe(&scene->other, "a"));
    expect_nothing(&scene->world, &scene->server);
}

static void test_a_verboser_xpub_sees_every_cancel_too(void **state) {
    struct scene *scene = *state;
    subscribe_and_cancel(scene);
    node_option(&scene->server, KITH_OPTION_XPUB_VERBOSER, 1);
    step(scene, subscribe(&scene->client, "a"));
    step(scene, subscribe(&scene->other, "a"));
    expect_words(&scene->server, "\1a");
    expect_words(&scene->server, "\1a");
    step(scene, unsubscribe(&scene->other, "a"));
    expect_cancel(&scene->server, "a");
    node_deinit(&scene->client);
    expect_cancel(&scene->server, "a");
    expect_nothing(&scene->world, &scene->server);
}

static void test_a_lost_subscriber_cancels_what_nobody_else_has(void **state) {
    struct scene *scene = *state;
    subscribe_and_cancel(scene);
    step(scene, subscribe(&scene->client, "both"));
    step(scene, subscribe(&scene->client, "own"));
    step(scene, subscribe(&scene->other, "both"));
    expect_words(&scene->server, "\1both");
    expect_words(&scene->server, "\1own");
    node_deinit(&scene->client);
    expect_cancel(&scene->server, "own");
    expect_nothing(&scene->world, &scene->server);
    send_words(&scene->server, "both");
    expect_words(&scene->other, "both");
}

static void test_a_manual_xpub_decides_itself(void **state) {
    struct scene *scene = *state;
    subscribe_and_cancel(scene);
    assert_int_equal(subscribe(&scene->server, "x"), -ENOTSUP);
    node_option(&scene->server, KITH_OPTION_XPUB_MANUAL, 1);
    assert_int_equal(subscribe(&scene->server, "x"), -EHOSTUNREACH);
    step(scene, subscribe(&scene->client, "a"));
    expect_words(&scene->server, "\1a");
    send_words(&scene->server, "a1");
    expect_nothing(&scene->world, &scene->client); /* nobody has subscribed for it */
    step(scene, subscribe(&scene->server, "a"));
    step(scene, subscribe(&scene->other, "b"));
    expect_words(&scene->server, "\1b");
    step(scene, subscribe(&scene->server, "a")); /* instead of b: what it does not match it does not get */
    step(scene, subscribe(&scene->other, "a"));
    expect_words(&scene->server, "\1a");
    send_words(&scene->server, "a2");
    send_words(&scene->server, "b1");
    expect_words(&scene->client, "a2");
    expect_words(&scene->other, "a2");
    expect_nothing(&scene->world, &scene->other);
    step(scene, unsubscribe(&scene->server, "a"));
    assert_int_equal(unsubscribe(&scene->server, "a"), -ENOENT);
    send_words(&scene->server, "a3");
    expect_words(&scene->client, "a3");
    expect_nothing(&scene->world, &scene->other);
    node_deinit(&scene->other); /* what it had asked for, whatever became of it */
    expect_cancel(&scene->server, "a");
    expect_cancel(&scene->server, "b");
    assert_int_equal(subscribe(&scene->server, "a"), -EHOSTUNREACH);
    expect_nothing(&scene->world, &scene->server);
}

static void test_a_welcome_is_the_first_message(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_XPUB, &quiet_handler);
    octets(&scene->server, KITH_OPTION_XPUB_WELCOME, "welcome");
    node_bind(&scene->server, scene->endpoint);
    node_init(&scene->world, &scene->client, KITH_SUB, &quiet_handler);
    assert_int_equal(subscribe(&scene->client, "w"), 0);
    node_connect(&scene->client, &scene->server);
    expect_words(&scene->client, "welcome");
}

static void test_inverted_matching_sends_what_does_not_match(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    node_option(&scene->server, KITH_OPTION_INVERT_MATCHING, 1);
    listen_to(scene, &scene->client, "a");
    listen_to(scene, &scene->other, "a");
    node_option(&scene->client, KITH_OPTION_INVERT_MATCHING, 1);
    send_words(&scene->server, "a1");
    send_words(&scene->server, "b1");
    expect_words(&scene->client, "b1");
    expect_nothing(&scene->world, &scene->client);
    expect_nothing(&scene->world, &scene->other); /* it got b1 and does not want it */
}

/* XSUB says ---------------------------------------------------------------------------------------------------------------------- */

/* A message of one frame with octets that are no string. */
static int send_octets(struct node *node, const void *data, size_t size) {
    kith_msg *msg;
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, data, size), 0);
    int r = kith_socket_send(node->socket, msg, 10000);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

static void test_an_xsub_subscribes_by_messages_and_sends_the_rest_upstream(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    join(scene, &scene->client, KITH_XSUB);
    send_words(&scene->client, "\1a");
    expect_words(&scene->server, "\1a");
    send_words(&scene->client, "word|to the publisher");
    expect_words(&scene->server, "word|to the publisher");
    send_words(&scene->client, ""); /* an empty frame is no cancel */
    expect_words(&scene->server, "");
    send_words(&scene->server, "a1");
    expect_words(&scene->client, "a1");
    assert_int_equal(send_octets(&scene->client, "\0a", 2), 0);
    assert_int_equal(send_octets(&scene->client, "\0a", 2), 0); /* it has none: nothing to say */
    expect_cancel(&scene->server, "a");
    expect_nothing(&scene->world, &scene->server);
}

static void test_a_pub_takes_no_messages(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    join(scene, &scene->client, KITH_XSUB);
    send_words(&scene->client, "word");
    until(&scene->world, scene->server.events[KITH_EVENT_DROPPED] == 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DROPPED], -EPROTO);
    send_words(&scene->client, "\1a");
    settle_down(&scene->world);
    send_words(&scene->server, "a1");
    expect_words(&scene->client, "a1");
}

static void test_frames_behind_the_first_subscribe_too(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    join(scene, &scene->client, KITH_XSUB);
    send_words(&scene->client, "\1a|data|\1b|more");
    expect_words(&scene->server, "\1a");
    expect_words(&scene->server, "\1b");
    expect_words(&scene->server, "data|more");
    node_option(&scene->client, KITH_OPTION_ONLY_FIRST_SUBSCRIBE, 1);
    node_option(&scene->server, KITH_OPTION_ONLY_FIRST_SUBSCRIBE, 1);
    send_words(&scene->client, "data|\1c");
    expect_words(&scene->server, "data|\1c");
    node_option(&scene->server, KITH_OPTION_ONLY_FIRST_SUBSCRIBE, 0);
    send_words(&scene->client, "data|\1d");
    expect_words(&scene->server, "\1d");
    expect_words(&scene->server, "data");
    expect_nothing(&scene->world, &scene->server);
}

/* Each of them, and each cancel: the publisher counts along, also when it comes later. */
static void test_an_xsub_passes_everything_on(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XSUB);
    assert_int_equal(send_octets(&scene->server, "\1a", 2), 0);
    assert_int_equal(send_octets(&scene->server, "\1a", 2), 0);
    node_init(&scene->world, &scene->client, KITH_XPUB, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_XPUB_VERBOSER, 1);
    node_connect(&scene->client, &scene->server);
    expect_words(&scene->client, "\1a");
    expect_words(&scene->client, "\1a");
    assert_int_equal(send_octets(&scene->server, "\1a", 2), 0);
    expect_words(&scene->client, "\1a");
    for (int i = 0; i < 3; i++) {
        send_words(&scene->client, "a1");
        expect_words(&scene->server, "a1");
        assert_int_equal(send_octets(&scene->server, "\0a", 2), 0);
        expect_cancel(&scene->client, "a");
    }
    send_words(&scene->client, "a1");
    expect_nothing(&scene->world, &scene->server);
}

static void pass(struct node *from, struct node *to) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(from->socket, &msg, 10000), 0);
    assert_int_equal(kith_socket_send(to->socket, msg, 10000), 0);
}

static void test_a_forwarder_passes_messages_down_and_subscriptions_up(void **state) {
    struct scene *scene = *state;
    struct node back, subscriber;
    serve(scene, KITH_XPUB); /* the forwarder's front */
    node_init(&scene->world, &scene->other, KITH_PUB, &quiet_handler);
    node_bind(&scene->other, scene->endpoint);
    node_init(&scene->world, &back, KITH_XSUB, &quiet_handler);
    node_connect(&back, &scene->other);
    until(&scene->world, kith_socket_peer_count(scene->other.socket) == 1 && kith_socket_peer_count(back.socket) == 1);
    join(scene, &subscriber, KITH_SUB);
    step(scene, subscribe(&subscriber, "a"));
    pass(&scene->server, &back);
    settle_down(&scene->world);
    send_words(&scene->other, "a1|body");
    send_words(&scene->other, "b1|body");
    pass(&back, &scene->server);
    expect_words(&subscriber, "a1|body");
    node_deinit(&subscriber);
    pass(&scene->server, &back);
    settle_down(&scene->world);
    send_words(&scene->other, "a2");
    expect_nothing(&scene->world, &back);
    node_deinit(&back);
}

/* Full peers ------------------------------------------------------------------------------------------------------------------ */

/* Publishes under # until a message is not taken, or a hundred are lost; returns how many were taken. */
static unsigned publish_until_full(struct node *node) {
    static const uint8_t body[1000] = "#";
    unsigned count = 0;
    for (kith_msg *msg;; count++) {
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, body, sizeof(body)), 0);
        int r = kith_socket_send(node->socket, msg, 0);
        if (r < 0) {
            assert_int_equal(r, -EAGAIN);
            kith_msg_free(msg);
            return count;
        }
        if (node->counts[KITH_EVENT_DROPPED] >= 100)
            return count + 1;
        assert_true(count < 10000000);
    }
}

static void test_what_a_full_subscriber_loses_is_told(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    listen_to(scene, &scene->client, "");
    unsigned sent = publish_until_full(&scene->server);
    assert_in_range(scene->server.events[KITH_EVENT_DROPPED], 2, 10); /* at 1, 2, 4, ..., 128 */
    assert_int_equal(scene->server.errors[KITH_EVENT_DROPPED], -EAGAIN);
    sent += publish_until_full(&scene->server);
    unsigned received = take_all(scene, &scene->client);
    until(&scene->world, (received += take_all(scene, &scene->client), received + scene->server.counts[KITH_EVENT_DROPPED] == sent));
    send_words(&scene->server, "and on");
    expect_words(&scene->client, "and on");
    assert_int_equal(received + scene->server.counts[KITH_EVENT_DROPPED], sent);
}

static void test_the_losses_of_a_lost_subscriber_are_told(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    listen_to(scene, &scene->client, "");
    listen_to(scene, &scene->other, "t");
    (void)publish_until_full(&scene->server);
    for (int i = 0; i < 10; i++)
        assert_int_equal(try_words(&scene->server, "t", 0), 0); /* nobody else is hindered */
    uint64_t before = scene->server.counts[KITH_EVENT_DROPPED];
    for (int i = 0; i < 10; i++)
        expect_words(&scene->other, "t");
    node_deinit(&scene->client);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    assert_true(scene->server.counts[KITH_EVENT_DROPPED] >= before + 10);
}

static void test_without_dropping_the_publisher_waits(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    node_option(&scene->server, KITH_OPTION_XPUB_NO_DROP, 1);
    listen_to(scene, &scene->client, "");
    listen_to(scene, &scene->other, "t");
    unsigned sent = publish_until_full(&scene->server);
    assert_int_equal(try_words(&scene->server, "t", 0), -EAGAIN); /* not even for whom there is room */
    assert_int_equal(scene->server.events[KITH_EVENT_DROPPED], 0);
    unsigned received = take_all(scene, &scene->client);
    until(&scene->world, (received += take_all(scene, &scene->client), received == sent && scene->server.writable > 0));
    send_words(&scene->server, "t");
    expect_words(&scene->client, "t");
    expect_words(&scene->other, "t");
    expect_nothing(&scene->world, &scene->other);
}

static void test_the_last_message_replaces_those_that_wait_with_conflate(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PUB, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_CONFLATE, 1);
    node_bind(&scene->server, scene->endpoint);
    node_init(&scene->world, &scene->client, KITH_SUB, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_CONFLATE, 1);
    assert_int_equal(subscribe(&scene->client, ""), 0);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    settle_down(&scene->world);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(try_words(&scene->server, i < 999 ? "old|news" : "the|last", 0), 0);
    settle_down(&scene->world);
    expect_words(&scene->client, "the|last");
    expect_nothing(&scene->world, &scene->client);
}

static void free_socket(struct node *node) {
    if (node->events[KITH_EVENT_DROPPED] > 0)
        node_deinit(node);
}

static void test_a_publisher_may_go_in_the_event_of_a_drop(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    listen_to(scene, &scene->client, "");
    listen_to(scene, &scene->other, "");
    scene->server.on_other = free_socket;
    static const char large[100000];
    while (scene->server.socket)
        assert_int_equal(send_octets(&scene->server, large, sizeof(large)), 0);
    /* Who is full sees the end when it has taken what came before. */
    until(&scene->world, (take_all(scene, &scene->client), kith_socket_peer_count(scene->client.socket) == 0));
}

static void send_more(struct node *node) {
    if (node->counts[KITH_EVENT_DROPPED] > 0 && node->counts[KITH_EVENT_DROPPED] < 50)
        assert_int_equal(try_words(node, "in between", 0), 0);
}

static void test_a_publisher_may_send_in_the_event_of_a_drop(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    listen_to(scene, &scene->client, "");
    listen_to(scene, &scene->other, "in");
    scene->server.on_other = send_more;
    (void)publish_until_full(&scene->server);
    expect_words(&scene->other, "in between");
}

/* Floods ----------------------------------------------------------------------------------------------------------------------- */

static void test_subscriptions_beyond_the_limit_are_refused_and_told(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    node_option(&scene->server, KITH_OPTION_MAX_SUBSCRIPTIONS, 10);
    join(scene, &scene->client, KITH_SUB);
    for (int i = 0; i < 100; i++)
        assert_int_equal(subscribe(&scene->client, (char[]){(char)('0' + i), '\0'}), 0);
    until(&scene->world, scene->server.counts[KITH_EVENT_SUBSCRIPTIONS_REFUSED] == 64);
    settle_down(&scene->world);
    assert_int_equal(scene->server.events[KITH_EVENT_SUBSCRIPTIONS_REFUSED], 7); /* at 1, 2, 4, ..., 64 */
    assert_int_equal(scene->server.errors[KITH_EVENT_SUBSCRIPTIONS_REFUSED], -ENOBUFS);
    until(&scene->world, scene->client.events[KITH_EVENT_REFUSED] >= 7); /* and the subscriber knows */
    send_words(&scene->server, "9 is one of the first ten");
    send_words(&scene->server, ": is not");
    expect_words(&scene->client, "9 is one of the first ten");
    expect_nothing(&scene->world, &scene->client);
    node_deinit(&scene->client);
    until(&scene->world, scene->server.counts[KITH_EVENT_SUBSCRIPTIONS_REFUSED] == 90);
}

static void test_long_topics_count_for_more(void **state) {
    struct scene *scene = *state;
    char topic[4001];
    serve(scene, KITH_XPUB);
    node_option(&scene->server, KITH_OPTION_MAX_SUBSCRIPTIONS, 10);
    join(scene, &scene->client, KITH_SUB);
    memset(topic, 'x', sizeof(topic) - 1);
    topic[sizeof(topic) - 1] = '\0';
    step(scene, subscribe(&scene->client, topic));
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIPTIONS_REFUSED] == 1);
    step(scene, subscribe(&scene->client, "short"));
    expect_words(&scene->server, "\1short");
    expect_nothing(&scene->world, &scene->server);
}

/* A message of many frames is no way to make as many messages of it. */
static void test_few_frames_of_a_message_may_be_subscriptions(void **state) {
    struct scene *scene = *state;
    enum { FRAMES = 10000, LOOKED_AT = 256 };
    serve(scene, KITH_XPUB);
    join(scene, &scene->client, KITH_XSUB);
    const struct kith_account *account = node_session(&scene->server)->account;
    kith_msg *msg;
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, "data", 4), 0);
    for (int i = 1; i < FRAMES; i++)
        assert_int_equal(kith_msg_add(msg, i % 2 ? "\1a" : "\0a", 2), 0);
    node_option(&scene->client, KITH_OPTION_ONLY_FIRST_SUBSCRIBE, 1); /* it sends them as they are */
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 10000), 0);
    until(&scene->world, account->messages >= LOOKED_AT);
    assert_int_equal(account->messages, LOOKED_AT);
    for (int i = 1; i < LOOKED_AT; i++) {
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 0), 0);
        assert_memory_equal(kith_msg_frame(msg, 0, NULL), i % 2 ? "\1a" : "\0a", 2);
        kith_msg_free(msg);
    }
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 0), 0);
    assert_int_equal(kith_msg_count(msg), 1 + FRAMES - LOOKED_AT);
    kith_msg_free(msg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_a_subscriber_gets_what_begins_with_its_topics),
        ROWS(test_each_end_has_one_direction),
        ROWS(test_subscriptions_are_counted),
        ROWS(test_a_new_publisher_learns_of_all_subscriptions),
        ROWS(test_many_long_subscriptions_arrive),
        ROWS(test_an_xpub_sees_the_first_subscription_and_the_last_cancel),
        ROWS(test_a_verbose_xpub_sees_every_subscription),
        ROWS(test_a_verboser_xpub_sees_every_cancel_too),
        ROWS(test_a_lost_subscriber_cancels_what_nobody_else_has),
        ROWS(test_a_manual_xpub_decides_itself),
        ROWS(test_a_welcome_is_the_first_message),
        ROWS(test_inverted_matching_sends_what_does_not_match),
        ROWS(test_an_xsub_subscribes_by_messages_and_sends_the_rest_upstream),
        ROWS(test_a_pub_takes_no_messages),
        ROWS(test_frames_behind_the_first_subscribe_too),
        ROWS(test_an_xsub_passes_everything_on),
        ROWS(test_a_forwarder_passes_messages_down_and_subscriptions_up),
        ROWS(test_what_a_full_subscriber_loses_is_told),
        ROWS(test_the_losses_of_a_lost_subscriber_are_told),
        ROWS(test_without_dropping_the_publisher_waits),
        ROWS(test_the_last_message_replaces_those_that_wait_with_conflate),
        ROWS(test_a_publisher_may_go_in_the_event_of_a_drop),
        ROWS(test_a_publisher_may_send_in_the_event_of_a_drop),
        ROWS(test_subscriptions_beyond_the_limit_are_refused_and_told),
        ROWS(test_long_topics_count_for_more),
        ROWS(test_few_frames_of_a_message_may_be_subscriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
