/* socket/test-peers.c: numbers of connections, counters, listing, kicking, waiting for subscribers, failed requests; over each transport.
 */
#include "socket/testing-scene.h"

/* What a node was told, in order. */
struct record {
    enum kith_event_type type;
    uint64_t peer, count;
    int error;
    bool has_origin;
    char topic[16];
};

static struct record records[256];
static size_t record_count;

static void record_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    node_event(socket, event, userdata);
    assert_in_range(record_count, 0, KITH_ARRAY_SIZE(records) - 1);
    struct record *record = &records[record_count++];
    *record = (struct record){
        .type = event->type, .peer = event->peer, .count = event->count, .error = event->error, .has_origin = event->origin != NULL};
    if (event->topic)
        snprintf(record->topic, sizeof(record->topic), "%.*s", (int)event->topic_size, (const char *)event->topic);
}

static const struct kith_socket_handler recorder = {.writable = node_writable, .event = record_event};

static int setup(void **state) {
    record_count = 0;
    return scene_setup(state);
}

static void serve_recorded(struct scene *scene, enum kith_socket_type type) {
    serve(scene, type);
    kith_socket_set_handler(scene->server.socket, &recorder, &scene->server);
}

/* The first record of this kind from `from` on. */
static const struct record *find(enum kith_event_type type, size_t from) {
    for (size_t i = from; i < record_count; i++)
        if (records[i].type == type)
            return &records[i];
    return NULL;
}

/* Peers, as they were listed. */
struct listed {
    struct kith_peer_info info[8];
    char ids[8][32], types[8][16];
    pid_t pids[8];
    size_t count;
};

static int list_one(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct listed *listed = userdata;
    size_t i = listed->count++;
    assert_in_range(i, 0, 7);
    listed->info[i] = *info;
    snprintf(listed->ids[i], sizeof(listed->ids[i]), "%.*s", (int)info->routing_id_size, (const char *)info->routing_id);
    snprintf(listed->types[i], sizeof(listed->types[i]), "%s", info->type ? info->type : "");
    if (info->origin)
        (void)kith_origin_pid(info->origin, &listed->pids[i]);
    return 0;
}

static struct listed list(const struct node *node) {
    struct listed listed = {.count = 0};
    assert_int_equal(kith_socket_peers(node->socket, list_one, &listed), 0);
    return listed;
}

static struct kith_counters counters_of(const struct node *node) {
    struct kith_counters counters;
    kith_socket_counters(node->socket, &counters);
    return counters;
}

/* Numbers ------------------------------------------------------------------------------------------------------------------ */

static void test_each_connection_has_a_number_of_its_own(void **state) {
    struct scene *scene = *state;
    uint64_t numbers[3];
    serve_recorded(scene, KITH_ROUTER);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(numbers); i++) {
        size_t from = record_count;
        join(scene, &scene->client, KITH_DEALER);
        const struct record *begun = find(KITH_EVENT_HANDSHAKING, from), *connected = find(KITH_EVENT_CONNECTED, from);
        assert_non_null(begun);
        assert_non_null(connected);
        assert_ptr_equal(connected > begun ? begun : NULL, begun);
        assert_int_equal(begun->peer, connected->peer);
        assert_true(connected->has_origin);
        numbers[i] = connected->peer;
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(numbers[i], numbers[k]);
        node_deinit(&scene->client);
        until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == i + 1);
        assert_int_equal(find(KITH_EVENT_DISCONNECTED, from)->peer, numbers[i]);
    }
    assert_int_equal(find(KITH_EVENT_CONNECTED, 0)->peer, numbers[0]);
}

static void test_a_connecting_end_has_another_number_each_time(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    node_init(&scene->world, &scene->client, KITH_DEALER, &recorder);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && scene->client.events[KITH_EVENT_CONNECTED] == 1);
    uint64_t first = list(&scene->client).info[0].peer;
    assert_int_equal(kith_socket_kick(scene->server.socket, list(&scene->server).info[0].peer, "try again"), 0);
    until(&scene->world, scene->client.events[KITH_EVENT_CONNECTED] == 2);
    assert_true(list(&scene->client).info[0].peer > first);
    assert_int_equal(find(KITH_EVENT_DISCONNECTED, 0)->peer, first);
    assert_non_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], "kicked: try again"));
    assert_int_equal(kith_socket_kick(scene->client.socket, first, NULL), -ENOENT);
}

/* Counters ------------------------------------------------------------------------------------------------------------------ */

static void test_counters_are_exact(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    for (int i = 0; i < 100; i++)
        send_words(&scene->client, "12345|678");
    settle_down(&scene->world);
    assert_int_equal(list(&scene->server).info[0].counters.waiting, 100);
    for (int i = 0; i < 100; i++)
        expect_words(&scene->server, "12345|678");
    struct kith_counters in = list(&scene->server).info[0].counters, out = list(&scene->client).info[0].counters;
    assert_int_equal(in.messages_in, 100);
    assert_int_equal(in.octets_in, 800);
    assert_int_equal(in.messages_out + in.octets_out + in.dropped + in.denied + in.fds_in + in.fds_out + in.fds_refused, 0);
    assert_int_equal(in.waiting + in.waiting_octets + in.queued + in.queued_octets, 0);
    assert_in_range(in.heard, in.since, kith_loop_now(scene->world.loop));
    assert_true(in.since > 0);
    assert_int_equal(out.messages_out, 100);
    assert_int_equal(out.octets_out, 800);
    assert_int_equal(out.messages_in + out.octets_in, 0);
    /* What the socket counts stays when the peer has gone. */
    node_deinit(&scene->client);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    join(scene, &scene->client, KITH_PUSH);
    send_words(&scene->client, "1");
    expect_words(&scene->server, "1");
    assert_int_equal(counters_of(&scene->server).messages_in, 101);
    assert_int_equal(counters_of(&scene->server).octets_in, 801);
    assert_int_equal(list(&scene->server).info[0].counters.messages_in, 1);
}

static void test_large_messages_count_once(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    static uint8_t octets[700 * 1000];
    for (int i = 0; i < 3; i++) {
        kith_msg *msg;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
        assert_int_equal(kith_socket_send(scene->client.socket, msg, 10000), 0);
    }
    for (int i = 0; i < 3; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        kith_msg_free(msg);
    }
    settle_down(&scene->world);
    assert_int_equal(counters_of(&scene->client).messages_out, 3);
    assert_int_equal(counters_of(&scene->client).octets_out, 3 * sizeof(octets));
    assert_int_equal(counters_of(&scene->client).queued, 0);
    assert_int_equal(counters_of(&scene->server).octets_in, 3 * sizeof(octets));
}

/* Sends what there is room for; returns how many that were. */
static unsigned fill_once(struct scene *scene, struct node *node) {
    unsigned count = 0;
    static uint8_t octets[50 * 1000];
    for (int r = 0; r == 0 && count < 10000; count += r == 0) {
        kith_msg *msg;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
        r = kith_socket_send(node->socket, msg, 0);
        if (r < 0)
            kith_msg_free(msg);
    }
    settle_down(&scene->world);
    return count;
}

/* The same until the kernel has no more room either. */
static unsigned fill(struct scene *scene, struct node *node) {
    unsigned count = 0, more;
    do {
        more = fill_once(scene, node);
        count += more;
    } while (more > 0);
    return count;
}

/* Takes this many messages. */
static void take(struct node *node, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
        kith_msg_free(msg);
    }
}

static void test_the_high_water_mark_is_told_once(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_SEND_HWM, 10);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    unsigned sent = fill(scene, &scene->client);
    unsigned told = scene->client.events[KITH_EVENT_HIGH_WATER]; /* the kernel may have taken half of them now and then */
    assert_true(told >= 1);
    assert_in_range(scene->client.counts[KITH_EVENT_HIGH_WATER], told, 10 * told);
    assert_int_equal(list(&scene->client).info[0].counters.queued, 10);
    assert_int_equal(fill(scene, &scene->client), 0);
    assert_int_equal(scene->client.events[KITH_EVENT_HIGH_WATER], told);
    take(&scene->server, sent);
    assert_int_equal(list(&scene->client).info[0].counters.queued, 0);
    sent += fill(scene, &scene->client);
    assert_true(scene->client.events[KITH_EVENT_HIGH_WATER] > told);
    struct kith_counters counters = counters_of(&scene->client);
    assert_int_equal(counters.messages_out + counters.queued, sent);
}

static void test_what_is_published_in_vain_is_counted_at_once(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    node_option(&scene->server, KITH_OPTION_SEND_HWM, 1);
    node_init(&scene->world, &scene->client, KITH_SUB, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECV_HWM, 1);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "", 0), 0);
    node_connect(&scene->client, &scene->server);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "any", 3, 1, 10000), 1);
    static uint8_t octets[60 * 1000];
    for (int i = 0; i < 100; i++) {
        kith_msg *msg;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
        assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), 0);
    }
    struct kith_counters counters = list(&scene->server).info[0].counters;
    assert_true(counters.dropped > 0);
    assert_int_equal(counters.dropped + counters.messages_out + counters.queued, 100);
    take(&scene->client, (unsigned)(100 - counters.dropped));
    settle_down(&scene->world);
    assert_int_equal(list(&scene->server).info[0].counters.messages_out, 100 - counters.dropped);
    assert_int_equal(scene->server.counts[KITH_EVENT_DROPPED], counters.dropped);
}

static void test_denials_count(void **state) {
    struct scene *scene = *state;
    serve_recorded(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    node_deny(&scene->server, getpid(), KITH_VERB_SEND);
    for (int i = 0; i < 3; i++)
        send_words(&scene->client, "no");
    until(&scene->world, scene->server.events[KITH_EVENT_DENIED_SEND] == 3);
    struct listed listed = list(&scene->server);
    assert_int_equal(listed.info[0].counters.denied, 3);
    assert_int_equal(listed.info[0].counters.messages_in, 0);
    assert_int_equal(find(KITH_EVENT_DENIED_SEND, 0)->peer, listed.info[0].peer);
}

/* Listing ----------------------------------------------------------------------------------------------------------------- */

static void test_peers_are_listed(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    assert_int_equal(list(&scene->server).count, 0);
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_id(&scene->client, "number-7");
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    struct listed listed = list(&scene->server);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.ids[0], "number-7");
    assert_string_equal(listed.types[0], "DEALER");
    assert_int_equal(listed.info[0].state, KITH_PEER_READY);
    assert_true(listed.info[0].accepted);
    assert_string_equal(listed.info[0].endpoint, kith_socket_last_endpoint(scene->server.socket));
    assert_true(strncmp(listed.info[0].endpoint, listed.info[0].transport, strlen(listed.info[0].transport)) == 0);
    if (strcmp(scene->endpoint, "ipc") == 0) {
        assert_int_equal(listed.pids[0], getpid());
        assert_string_equal(listed.info[0].mechanism, "NULL");
    }
    listed = list(&scene->client);
    assert_false(listed.info[0].accepted);
    assert_string_equal(listed.types[0], "ROUTER");
    node_deinit(&scene->server);
    until(&scene->world, list(&scene->client).info[0].state != KITH_PEER_READY);
    assert_string_equal(list(&scene->client).types[0], "");
}

struct ending {
    struct scene *scene;
    unsigned told;
    int r; /* what the callback returns */
};

static int kick_all(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct ending *ending = userdata;
    ending->told++;
    for (size_t i = 0; i < 3 && list(&ending->scene->server).count > 0; i++) {
        struct listed listed = list(&ending->scene->server);
        for (size_t k = 0; k < listed.count; k++)
            (void)kith_socket_kick(socket, listed.info[k].peer, NULL);
    }
    return ending->r;
}

static int free_it(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct ending *ending = userdata;
    ending->told++;
    node_deinit(&ending->scene->server);
    return 0;
}

static void test_whoever_is_told_of_a_peer_may_end_all_of_them(void **state) {
    struct scene *scene = *state;
    struct ending ending = {.scene = scene, .r = 5};
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    join(scene, &scene->other, KITH_PUSH);
    assert_int_equal(kith_socket_peers(scene->server.socket, kick_all, &ending), 5);
    assert_int_equal(ending.told, 1);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 2); /* they come again */
    ending.told = 0;
    assert_int_equal(kith_socket_peers(scene->server.socket, free_it, &ending), 0);
    assert_int_equal(ending.told, 1);
}

/* Kicking ------------------------------------------------------------------------------------------------------------------- */

static void test_a_peer_is_kicked_and_told_why(void **state) {
    struct scene *scene = *state;
    serve_recorded(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    uint64_t peer = list(&scene->server).info[0].peer;
    send_words(&scene->client, "question");
    settle_down(&scene->world);
    assert_int_equal(kith_socket_kick(scene->server.socket, peer, "maintenance"), 0);
    const struct record *gone = find(KITH_EVENT_DISCONNECTED, 0);
    assert_non_null(gone);
    assert_int_equal(gone->peer, peer);
    assert_int_equal(gone->error, -ECONNABORTED);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DISCONNECTED], "kicked: maintenance"));
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
    expect_error(&scene->client, -EACCES);
    assert_non_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], "kicked: maintenance"));
    until(&scene->world, scene->client.events[KITH_EVENT_DISCONNECTED] == 1);
    assert_int_equal(kith_socket_kick(scene->server.socket, peer, NULL), -ENOENT);
    assert_int_equal(kith_socket_kick(scene->server.socket, 0, NULL), -ENOENT);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    send_words(&scene->client, "again");
    /* The first question is still there: it was received before. Its answer goes nowhere. */
    expect_words(&scene->server, "question");
    assert_int_equal(try_words(&scene->server, "late", 0), -EHOSTUNREACH);
    expect_words(&scene->server, "again");
    send_words(&scene->server, "answer");
    expect_words(&scene->client, "answer");
}

static void test_messages_of_a_kicked_peer_go_to_another(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUSH);
    node_option(&scene->server, KITH_OPTION_SEND_HWM, 5);
    node_init(&scene->world, &scene->client, KITH_PULL, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECV_HWM, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    unsigned sent = fill(scene, &scene->server);
    struct kith_peer_info info = list(&scene->server).info[0];
    assert_int_equal(info.counters.queued, 5);
    assert_int_equal(info.counters.messages_out, sent - 5);
    assert_int_equal(kith_socket_kick(scene->server.socket, info.peer, NULL), 0);
    assert_int_equal(scene->server.counts[KITH_EVENT_DISCONNECTED], 5);
    assert_int_equal(scene->server.events[KITH_EVENT_DROPPED], 0);
    node_deinit(&scene->client);
    join(scene, &scene->other, KITH_PULL);
    assert_true(take_all(scene, &scene->other) >= 5);
}

static void test_a_peer_in_its_handshake_is_kicked(void **state) {
    struct scene *scene = *state;
    uint8_t octets[256];
    serve_recorded(scene, KITH_REP);
    int fd = raw_connect(&scene->server);
    until(&scene->world, scene->server.events[KITH_EVENT_HANDSHAKING] == 1);
    struct listed listed = list(&scene->server);
    assert_int_equal(listed.info[0].state, KITH_PEER_HANDSHAKE);
    assert_int_equal(kith_socket_kick(scene->server.socket, listed.info[0].peer, "not today"), 0);
    assert_int_equal(scene->server.errors[KITH_EVENT_HANDSHAKE_FAILED], -ECONNABORTED);
    (void)raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_int_equal(list(&scene->server).count, 0);
    close(fd);
}

static void test_a_peer_of_any_protocol_is_kicked(void **state) {
    struct scene *scene = *state;
    uint8_t octets[256];
    serve_recorded(scene, KITH_STREAM);
    int fd = raw_connect(&scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    struct listed listed = list(&scene->server);
    assert_null(listed.info[0].mechanism);
    assert_int_equal(kith_socket_kick(scene->server.socket, listed.info[0].peer, "no"), 0);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -ECONNABORTED);
    assert_int_equal(raw_until_end(&scene->world, fd, octets, sizeof(octets)), 0);
    close(fd);
}

static void test_what_has_no_connection_is_not_kicked(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DISH);
    struct listed listed = list(&scene->server);
    for (size_t i = 0; i < listed.count; i++)
        assert_int_equal(kith_socket_kick(scene->server.socket, listed.info[i].peer, NULL), -EOPNOTSUPP);
    node_init(&scene->world, &scene->client, KITH_RADIO, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    assert_int_equal(kith_socket_wait_subscribed(scene->client.socket, "any", 3, 1, 10000), 1); /* it gets everything */
    assert_int_equal(kith_socket_kick(scene->client.socket, list(&scene->client).info[0].peer, NULL), -EOPNOTSUPP);
}

/* Without the loop there is nothing to say, and nothing to be hurt by. */
static void test_a_socket_without_its_loop_says_so(void **state) {
    struct scene *scene = *state;
    struct listed listed = {.count = 0};
    serve(scene, KITH_PUB);
    join(scene, &scene->client, KITH_SUB);
    uint64_t peer = list(&scene->server).info[0].peer;
    scene->world.loop = kith_loop_free(scene->world.loop);
    assert_int_equal(kith_socket_peers(scene->server.socket, list_one, &listed), -ESHUTDOWN);
    assert_int_equal(kith_socket_kick(scene->server.socket, peer, NULL), -ESHUTDOWN);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "", 0, 1, 0), -ESHUTDOWN);
    assert_int_equal(counters_of(&scene->server).messages_out, 0);
}

/* Subscriptions ------------------------------------------------------------------------------------------------------------- */

static void test_subscriptions_are_told_when_they_are_live(void **state) {
    struct scene *scene = *state;
    serve_recorded(scene, KITH_PUB);
    join(scene, &scene->client, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "news", 4), 0);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "news", 4), 0);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "", 0), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 2);
    const struct record *first = find(KITH_EVENT_SUBSCRIBED, 0);
    assert_string_equal(first->topic, "news");
    assert_int_equal(first->peer, list(&scene->server).info[0].peer);
    assert_string_equal(find(KITH_EVENT_SUBSCRIBED, (size_t)(first - records) + 1)->topic, "");
    assert_int_equal(kith_socket_unsubscribe(scene->client.socket, "news", 4), 0);
    assert_int_equal(kith_socket_unsubscribe(scene->client.socket, "news", 4), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_UNSUBSCRIBED] == 1);
    assert_string_equal(find(KITH_EVENT_UNSUBSCRIBED, 0)->topic, "news");
    settle_down(&scene->world);
    assert_int_equal(scene->server.events[KITH_EVENT_SUBSCRIBED], 2);
}

static void test_a_manual_subscription_is_told_when_the_application_makes_it(void **state) {
    struct scene *scene = *state;
    serve_recorded(scene, KITH_XPUB);
    node_option(&scene->server, KITH_OPTION_XPUB_MANUAL, 1);
    join(scene, &scene->client, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "a", 1), 0);
    expect_words(&scene->server, "\1a");
    assert_int_equal(scene->server.events[KITH_EVENT_SUBSCRIBED], 0);
    assert_int_equal(kith_socket_subscribe(scene->server.socket, "b", 1), 0);
    assert_string_equal(find(KITH_EVENT_SUBSCRIBED, 0)->topic, "b");
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "b", 1, 1, 0), 1);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "a", 1, 1, 0), -EAGAIN);
}

static void test_groups_are_told_too(void **state) {
    struct scene *scene = *state;
    serve_recorded(scene, KITH_RADIO);
    join(scene, &scene->client, KITH_DISH);
    assert_int_equal(kith_socket_join(scene->client.socket, "g"), 0);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "g", 1, 1, 10000), 1);
    assert_string_equal(find(KITH_EVENT_SUBSCRIBED, 0)->topic, "g");
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "other", 5, 1, 0), -EAGAIN);
    assert_int_equal(kith_socket_leave(scene->client.socket, "g"), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_UNSUBSCRIBED] == 1);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "g", 1, 1, 0), -EAGAIN);
}

static void test_nothing_is_lost_after_waiting_for_subscribers(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "t1", 2, 1, 0), -EAGAIN);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "t1", 2, 0, 0), 0);
    node_init(&scene->world, &scene->client, KITH_SUB, &quiet_handler);
    node_init(&scene->world, &scene->other, KITH_SUB, &quiet_handler);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "t", 1), 0);
    assert_int_equal(kith_socket_subscribe(scene->other.socket, "t1", 2), 0);
    assert_int_equal(kith_socket_subscribe(scene->other.socket, "", 0), 0); /* matches twice, is one peer */
    node_connect(&scene->client, &scene->server);
    node_connect(&scene->other, &scene->server);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "t1", 2, 2, 10000), 2);
    send_words(&scene->server, "t1");
    expect_words(&scene->client, "t1");
    expect_words(&scene->other, "t1");
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, "t1", 2, 3, 1), -EAGAIN);
    assert_int_equal(kith_socket_wait_subscribed(scene->client.socket, "t1", 2, 1, 0), -ENOTSUP);
    assert_int_equal(kith_socket_wait_subscribed(scene->server.socket, NULL, 2, 1, 0), -EINVAL);
}

/* Requests -------------------------------------------------------------------------------------------------------------------- */

static void test_a_request_whose_worker_has_died_fails(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "question");
    kith_msg *msg = NULL;
    size_t size;
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    const uint8_t *id = kith_msg_frame(msg, 0, &size);
    assert_int_equal(kith_socket_fail_request(scene->server.socket, id, size, "the worker died"), 0);
    assert_int_equal(kith_socket_fail_request(scene->server.socket, "nobody", 6, NULL), -EHOSTUNREACH);
    assert_int_equal(kith_socket_fail_request(scene->client.socket, id, size, NULL), -ENOTSUP);
    kith_msg_free(msg);
    expect_error(&scene->client, -ECONNRESET);
    assert_int_equal(scene->client.errors[KITH_EVENT_REFUSED], -ECONNRESET);
    assert_non_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], "no reply will come: the worker died"));
    send_words(&scene->client, "another");
    assert_int_equal(scene->client.events[KITH_EVENT_DISCONNECTED], 0);
}

static void test_whom_the_last_message_went_to(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUSH);
    assert_int_equal(kith_socket_last_peer(scene->server.socket), 0);
    join(scene, &scene->client, KITH_PULL);
    join(scene, &scene->other, KITH_PULL);
    struct listed listed = list(&scene->server);
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        send_words(&scene->server, "a");
        sum += kith_socket_last_peer(scene->server.socket);
    }
    assert_int_equal(sum, listed.info[0].peer + listed.info[1].peer);
}

#define PEER_ROW(test, endpoint)                                                                                                           \
    { #test " " endpoint, test, setup, scene_teardown, (void *)(uintptr_t)(endpoint) }
#define PEER_ROWS(test) PEER_ROW(test, "ipc"), PEER_ROW(test, "tcp://127.0.0.1:0"), PEER_ROW(test, "inproc")

int main(void) {
    const struct CMUnitTest tests[] = {
        PEER_ROWS(test_each_connection_has_a_number_of_its_own),
        PEER_ROWS(test_a_connecting_end_has_another_number_each_time),
        PEER_ROWS(test_counters_are_exact),
        PEER_ROWS(test_large_messages_count_once),
        PEER_ROWS(test_the_high_water_mark_is_told_once),
        PEER_ROWS(test_what_is_published_in_vain_is_counted_at_once),
        PEER_ROW(test_denials_count, "ipc"),
        PEER_ROW(test_denials_count, "inproc"),
        PEER_ROWS(test_peers_are_listed),
        PEER_ROWS(test_whoever_is_told_of_a_peer_may_end_all_of_them),
        PEER_ROWS(test_a_peer_is_kicked_and_told_why),
        PEER_ROWS(test_messages_of_a_kicked_peer_go_to_another),
        PEER_ROW(test_a_peer_in_its_handshake_is_kicked, "ipc"),
        PEER_ROW(test_a_peer_of_any_protocol_is_kicked, "ipc"),
        PEER_ROW(test_what_has_no_connection_is_not_kicked, "udp://127.0.0.1:0"),
        PEER_ROWS(test_a_socket_without_its_loop_says_so),
        PEER_ROWS(test_subscriptions_are_told_when_they_are_live),
        PEER_ROWS(test_a_manual_subscription_is_told_when_the_application_makes_it),
        PEER_ROWS(test_groups_are_told_too),
        PEER_ROWS(test_nothing_is_lost_after_waiting_for_subscribers),
        PEER_ROWS(test_a_request_whose_worker_has_died_fails),
        PEER_ROWS(test_whom_the_last_message_went_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
