/* socket/test-policy.c: when a socket asks its policy for what, what becomes of what is denied, and of what was allowed when the policy
 * changes. How long a verdict holds is in test-verdicts.c. */
#include <fcntl.h>
#include <sys/mman.h>

#include "socket/testing-scene.h"

/* Nothing is counted where memory has run out; see meson.build. The names are the linker's. */
int __real_kith_policy_state_new(kith_policy_state **ret_state);
int __wrap_kith_policy_state_new(kith_policy_state **ret_state);

static bool no_counting;

int __wrap_kith_policy_state_new(kith_policy_state **ret_state) {
    return no_counting ? -ENOMEM : __real_kith_policy_state_new(ret_state);
}

static void until_refused(struct scene *scene, const char *verb) {
    until_event(scene, &scene->client, KITH_EVENT_REFUSED);
    assert_non_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], verb));
    assert_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], "the-rule"));
}

static void assert_denial(const struct node *node, enum kith_verb verb, const char *rule) {
    assert_int_equal(node->verb, verb);
    assert_string_equal(node->rule, rule);
}

static size_t audience(const struct node *node, const char *topic, size_t size) {
    return node->socket->pattern->ops->audience(node->socket->pattern, topic, size);
}

/* Connect and serve ------------------------------------------------------------------------------------------------------- */

static void test_who_may_not_connect_is_told_and_named(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    node_policy(&scene->server, false, KITH_VERB_CONNECT, "pattern=REP");
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_connect(&scene->client, &scene->server);
    until_refused(scene, "access denied by policy: connect");
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_CONNECT], 1);
    assert_denial(&scene->server, KITH_VERB_CONNECT, "the-rule");
}

static void connect_under(struct scene *scene, bool allow, unsigned verbs, const char *conditions) {
    serve(scene, KITH_REP);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_policy(&scene->client, allow, verbs, conditions);
    node_connect(&scene->client, &scene->server);
}

static void test_a_client_chooses_its_server(void **state) {
    struct scene *scene = *state;
    connect_under(scene, false, KITH_VERB_SERVE, "pattern=REQ");
    until_event(scene, &scene->client, KITH_EVENT_DENIED_CONNECT);
    assert_denial(&scene->client, KITH_VERB_SERVE, "the-rule");
    until_event(scene, &scene->client, KITH_EVENT_RETRY);
    assert_int_equal(kith_socket_peer_count(scene->client.socket), 0);
    assert_int_equal(try_words(&scene->client, "ask", 0), 0); /* waits for a server that may be one */
    node_policy(&scene->client, true, KITH_VERB_SERVE, "pattern=REQ");
    expect_words(&scene->server, "ask");
}

static void test_a_policy_without_serve_is_asked_for_connect_of_servers(void **state) {
    struct scene *scene = *state;
    connect_under(scene, false, KITH_VERB_CONNECT, "");
    until_event(scene, &scene->client, KITH_EVENT_DENIED_CONNECT);
    assert_denial(&scene->client, KITH_VERB_CONNECT, "the-rule");
}

static void test_a_server_is_not_asked_about_when_serve_is_allowed(void **state) {
    struct scene *scene = *state;
    connect_under(scene, true, KITH_VERB_SERVE, "");
    send_words(&scene->client, "ask");
    expect_words(&scene->server, "ask");
}

/* Send ------------------------------------------------------------------------------------------------------------------------ */

static void test_topics_decide_on_messages(void **state) {
    struct scene *scene = *state;
    pull_under(scene, true, "topic=good*");
    assert_int_equal(scene->server.socket->sessions.judge.decisive, KITH_DECISIVE_FIRST_FRAME);
    send_words(&scene->client, "bad");
    send_words(&scene->client, "bad|good");
    send_words(&scene->client, "good one");
    send_words(&scene->client, "good|two");
    send_words(&scene->client, "bad|three|frames");
    send_words(&scene->client, "good");
    expect_words(&scene->server, "good one");
    expect_words(&scene->server, "good|two");
    expect_words(&scene->server, "good");
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 3);
    assert_denial(&scene->server, KITH_VERB_SEND, "");
    until_refused(scene, "access denied by policy: send");
}

static kith_msg *message_of(size_t first, size_t second) {
    kith_msg *msg;
    char *octets = calloc(1, first + second + 1);
    assert_non_null(octets);
    memset(octets, 'x', first + second);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, octets, first), 0);
    if (second > 0)
        assert_int_equal(kith_msg_add(msg, octets + first, second), 0);
    free(octets);
    return msg;
}

static void test_sizes_decide_on_whole_messages(void **state) {
    struct scene *scene = *state;
    pull_under(scene, false, "size=100-2G");
    assert_int_equal(scene->server.socket->sessions.judge.decisive, KITH_DECISIVE_LAST_OCTET);
    static const size_t sizes[][2] = {{99, 0}, {100, 0}, {50, 49}, {50, 50}, {10, 3000000}, {3000000, 0}, {1, 0}};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(kith_socket_send(scene->client.socket, message_of(sizes[i][0], sizes[i][1]), 10000), 0);
    static const size_t expected[] = {99, 99, 1};
    for (size_t i = 0; i < 3; i++) {
        kith_msg *msg;
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        assert_int_equal(msg->size, expected[i]);
        kith_msg_free(msg);
    }
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 4);
    assert_int_equal(node_session(&scene->server)->account->octets, 0);
}

static void test_memory_that_is_passed_is_decided_on(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 4);
    node_policy(&scene->server, false, KITH_VERB_SEND, "size=5M-2G");
    node_init(&scene->world, &scene->client, KITH_PUSH, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_MEMFD_FROM, 65536);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    static const size_t sizes[][2] = {{6000000, 0}, {5, 6000000}, {6000000, 5}, {100000, 100000}, {1, 0}};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(kith_socket_send(scene->client.socket, message_of(sizes[i][0], sizes[i][1]), 10000), 0);
    for (size_t i = 3; i < 5; i++) {
        kith_msg *msg;
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        assert_int_equal(msg->size, sizes[i][0] + sizes[i][1]);
        kith_msg_free(msg);
    }
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 3);
    node_policy(&scene->server, false, KITH_VERB_SEND, "");
    assert_int_equal(kith_socket_send(scene->client.socket, message_of(1000000, 0), 10000), 0);
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 4);
}

static void send_fd(struct scene *scene, const char *word, int fd) {
    kith_msg *msg = words(word);
    if (fd >= 0)
        assert_int_equal(kith_msg_add_fd(msg, fd), 0);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 10000), 0);
}

static void test_descriptors_decide_on_messages(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 4);
    node_policy(&scene->server, false, KITH_VERB_SEND, "fd_kind=device");
    join(scene, &scene->client, KITH_PUSH);
    send_fd(scene, "device", open("/dev/null", O_RDONLY | O_CLOEXEC));
    send_fd(scene, "memory", memfd_create("x", MFD_CLOEXEC));
    send_fd(scene, "none", -1);
    expect_words(&scene->server, "memory");
    expect_words(&scene->server, "none");
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 1);
}

static void test_a_rate_holds_from_end_to_end(void **state) {
    struct scene *scene = *state;
    pull_under(scene, true, "rate=3/h per uid");
    for (int i = 0; i < 5; i++)
        send_words(&scene->client, "x");
    for (int i = 0; i < 3; i++)
        expect_words(&scene->server, "x");
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 2);
    node_policy(&scene->server, true, KITH_VERB_SEND, "rate=3/h per uid"); /* the same rule: it goes on counting */
    send_words(&scene->client, "x");
    expect_nothing(&scene->world, &scene->server);
}

static void test_what_cannot_be_counted_is_denied(void **state) {
    struct scene *scene = *state;
    no_counting = true;
    pull_under(scene, true, "");
    kith_policy *policy;
    assert_int_equal(kith_policy_new(&policy), 0);
    policy_rule(policy, "metered", true, KITH_VERB_SEND, "topic=metered;rate=1000/s");
    policy_rule(policy, "free", true, KITH_VERB_ALL, "topic=free");
    policy_rule(policy, "peers", true, KITH_VERB_CONNECT, "");
    kith_socket_set_policy(scene->server.socket, policy);
    kith_policy_unref(policy);
    send_words(&scene->client, "metered");
    send_words(&scene->client, "free");
    expect_words(&scene->server, "free");
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 1);
    no_counting = false;
    send_words(&scene->client, "metered"); /* the next one is tried anew */
    expect_words(&scene->server, "metered");
}

/* Subscribe ----------------------------------------------------------------------------------------------------------------- */

static void test_a_denied_subscription_is_not_taken(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    node_policy(&scene->server, true, KITH_VERB_SUBSCRIBE, "topic=public.**");
    join(scene, &scene->client, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "secret", 6), 0);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "", 0), 0); /* all, and so what is secret too */
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "public.a", 8), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 1);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SUBSCRIBE], 2);
    assert_denial(&scene->server, KITH_VERB_SUBSCRIBE, "");
    send_words(&scene->server, "secret");
    send_words(&scene->server, "public.a");
    expect_words(&scene->client, "public.a");
    until_refused(scene, "access denied by policy: subscribe");
}

static void test_a_denied_subscription_in_a_message_is_not_taken(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    node_policy(&scene->server, false, KITH_VERB_SUBSCRIBE, "topic=secret");
    int fd = raw_peer_of(&scene->world, &scene->server, 0, "SUB", NULL);
    raw_text(fd, "\0\7\1secret\0\7\1public\1\7\1secret\0\5\1more");
    expect_words(&scene->server, "\1public");
    expect_words(&scene->server, "\1more");
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SUBSCRIBE], 2);
    close(fd);
}

/* man: such a peer needs send as well. */
static void test_a_subscription_in_a_message_is_sent(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    node_policy(&scene->server, false, KITH_VERB_SEND, "");
    int fd = raw_peer_of(&scene->world, &scene->server, 0, "SUB", NULL);
    raw_text(fd, "\0\5\1open");
    until_event(scene, &scene->server, KITH_EVENT_DENIED_SEND);
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(audience(&scene->server, "open", 4), 0);
    close(fd);
}

/* A group is one topic and a subscription all that begin so: what is kept of one says nothing of the other. */
static void test_a_group_that_may_be_joined_opens_no_subscription(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    node_policy(&scene->server, true, KITH_VERB_SUBSCRIBE, "topic=news");
    int fd = raw_peer(&scene->world, &scene->server, "SUB", NULL);
    raw_text(fd, "\4\11\4JOINnews\4\16\11SUBSCRIBEnews");
    until_event(scene, &scene->server, KITH_EVENT_DENIED_SUBSCRIBE);
    assert_int_equal(audience(&scene->server, "news of others", 14), 0);
    close(fd);
}

static void test_a_denied_group_is_not_joined(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_RADIO);
    node_policy(&scene->server, false, KITH_VERB_SUBSCRIBE, "topic=secret");
    join(scene, &scene->client, KITH_DISH);
    assert_int_equal(kith_socket_join(scene->client.socket, "secret"), 0);
    assert_int_equal(kith_socket_join(scene->client.socket, "public"), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 1);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SUBSCRIBE], 1);
}

/* Receive --------------------------------------------------------------------------------------------------------------------- */

static void test_a_publisher_passes_over_who_may_not_have_it(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    node_policy(&scene->server, false, KITH_VERB_RECEIVE, "topic=secret*");
    join(scene, &scene->client, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "", 0), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 1);
    for (int i = 0; i < 5; i++)
        send_words(&scene->server, "secret|x");
    send_words(&scene->server, "public|x");
    expect_words(&scene->client, "public|x");
    expect_nothing(&scene->world, &scene->client);
    assert_denial(&scene->server, KITH_VERB_RECEIVE, "the-rule");
    assert_int_equal(scene->server.counts[KITH_EVENT_DENIED_RECEIVE], 5);
    assert_int_equal(scene->server.counts[KITH_EVENT_DROPPED], 0);
}

/* Four of them told. */
static void deny_seven(struct scene *scene) {
    serve(scene, KITH_PUB);
    node_policy(&scene->server, false, KITH_VERB_RECEIVE, "");
    join(scene, &scene->client, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "", 0), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 1);
    for (int i = 0; i < 7; i++) {
        send_words(&scene->server, "x");
        settle_down(&scene->world);
    }
    assert_int_equal(scene->server.counts[KITH_EVENT_DENIED_RECEIVE], 4);
}

static void test_what_was_denied_and_not_told_is_told_at_the_end(void **state) {
    struct scene *scene = *state;
    deny_seven(scene);
    node_deinit(&scene->client);
    until_event(scene, &scene->server, KITH_EVENT_DISCONNECTED);
    assert_int_equal(scene->server.counts[KITH_EVENT_DENIED_RECEIVE], 7);
}

/* A rule of the policy that there is now had nothing to do with it. */
static void test_what_an_earlier_policy_denied_is_told_as_that(void **state) {
    struct scene *scene = *state;
    deny_seven(scene);
    node_policy(&scene->server, false, KITH_VERB_RECEIVE, "topic=other");
    node_deinit(&scene->client);
    until_event(scene, &scene->server, KITH_EVENT_DISCONNECTED);
    assert_int_equal(scene->server.counts[KITH_EVENT_DENIED_RECEIVE], 7);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DENIED_RECEIVE], "an earlier policy"));
}

static void test_a_pusher_does_not_choose_who_may_not_have_it(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUSH);
    join(scene, &scene->client, KITH_PULL);
    node_policy(&scene->server, false, KITH_VERB_RECEIVE, "topic=secret");
    assert_int_equal(try_words(&scene->server, "secret", 0), -EACCES);
    send_words(&scene->server, "public");
    expect_words(&scene->client, "public");
    until_event(scene, &scene->server, KITH_EVENT_DENIED_RECEIVE);
    kith_socket_set_policy(scene->server.socket, NULL);
    send_words(&scene->server, "secret");
    expect_words(&scene->client, "secret");
}

static void test_a_denied_reply_is_an_error_on_both_sides(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    node_policy(&scene->server, false, KITH_VERB_RECEIVE, "");
    join(scene, &scene->client, KITH_REQ);
    send_words(&scene->client, "ask");
    expect_words(&scene->server, "ask");
    assert_int_equal(try_words(&scene->server, "say", 0), -EACCES);
    expect_error(&scene->client, -EACCES);
    kith_socket_set_policy(scene->server.socket, NULL);
    send_words(&scene->client, "again");
    expect_words(&scene->server, "again");
    send_words(&scene->server, "say");
    expect_words(&scene->client, "say");
}

static void test_a_router_says_that_a_message_is_denied(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_ROUTER);
    node_policy(&scene->server, false, KITH_VERB_RECEIVE, "topic=secret");
    node_init(&scene->world, &scene->client, KITH_DEALER, &quiet_handler);
    node_id(&scene->client, "A");
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    kith_msg *msg = words("A|secret");
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), -EACCES);
    assert_words(msg, "A|secret"); /* as it was */
    kith_msg_free(msg);
    send_words(&scene->server, "A|public");
    expect_words(&scene->client, "public");
}

/* Another policy ------------------------------------------------------------------------------------------------------------------ */

static void test_who_may_no_longer_connect_is_told_and_goes(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_REP);
    join(scene, &scene->client, KITH_REQ);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 60000);
    node_policy(&scene->server, false, KITH_VERB_CONNECT, "");
    until_refused(scene, "access denied by policy: connect");
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1 && kith_list_empty(&scene->server.socket->sessions.peers));
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -EACCES);
    assert_denial(&scene->server, KITH_VERB_CONNECT, "the-rule");
}

static void test_who_may_stay_keeps_what_waits_and_what_it_subscribed_to(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PUB);
    join(scene, &scene->client, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "public", 6), 0);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "secret", 6), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 2);
    send_words(&scene->server, "secret 1");
    node_policy(&scene->server, false, KITH_VERB_SUBSCRIBE, "topic=secret");
    until(&scene->world, scene->server.events[KITH_EVENT_UNSUBSCRIBED] == 1);
    send_words(&scene->server, "secret 2");
    send_words(&scene->server, "public");
    expect_words(&scene->client, "secret 1"); /* it was sent before */
    expect_words(&scene->client, "public");
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SUBSCRIBE], 1);
    assert_denial(&scene->server, KITH_VERB_SUBSCRIBE, "the-rule");
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 0);
}

static void test_an_xpub_is_shown_what_was_taken_back(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    join(scene, &scene->client, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "secret", 6), 0);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "secret", 6), 0); /* counted twice */
    expect_words(&scene->server, "\1secret");
    settle_down(&scene->world);
    node_policy(&scene->server, false, KITH_VERB_SUBSCRIBE, "topic=secret");
    expect_cancel(&scene->server, "secret");
    assert_int_equal(audience(&scene->server, "secret", 6), 0);
}

static void test_groups_are_taken_back(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_RADIO);
    join(scene, &scene->client, KITH_DISH);
    assert_int_equal(kith_socket_join(scene->client.socket, "secret"), 0);
    assert_int_equal(kith_socket_join(scene->client.socket, "public"), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 2);
    node_policy(&scene->server, false, KITH_VERB_SUBSCRIBE, "topic=secret");
    until_event(scene, &scene->server, KITH_EVENT_DENIED_SUBSCRIBE);
    assert_int_equal(audience(&scene->server, "secret", 6), 0);
    assert_int_equal(audience(&scene->server, "public", 6), 1);
}

static void free_at_denial(struct node *node) {
    if (node->socket &&
        (node->events[KITH_EVENT_DENIED_CONNECT] || node->events[KITH_EVENT_DENIED_SUBSCRIBE] || node->events[KITH_EVENT_DENIED_RECEIVE]))
        node_deinit(node);
}

static void test_a_socket_may_be_freed_when_told_of_a_denial(void **state) {
    struct scene *scene = *state;
    static const unsigned verbs[] = {KITH_VERB_CONNECT, KITH_VERB_SUBSCRIBE, KITH_VERB_RECEIVE};
    for (size_t i = 0; i < 3; i++) {
        serve(scene, KITH_PUB);
        scene->server.on_other = free_at_denial;
        join(scene, &scene->client, KITH_SUB);
        join(scene, &scene->other, KITH_SUB);
        assert_int_equal(kith_socket_subscribe(scene->client.socket, "a", 1), 0);
        assert_int_equal(kith_socket_subscribe(scene->other.socket, "a", 1), 0);
        until(&scene->world, scene->server.events[KITH_EVENT_SUBSCRIBED] == 2);
        node_policy(&scene->server, false, verbs[i], "");
        if (verbs[i] == KITH_VERB_RECEIVE)
            send_words(&scene->server, "a");
        until(&scene->world, !scene->server.socket);
        node_deinit(&scene->client);
        node_deinit(&scene->other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_who_may_not_connect_is_told_and_named),
        ROWS(test_a_client_chooses_its_server),
        ROWS(test_a_policy_without_serve_is_asked_for_connect_of_servers),
        ROWS(test_a_server_is_not_asked_about_when_serve_is_allowed),
        ROWS(test_topics_decide_on_messages),
        ROWS(test_sizes_decide_on_whole_messages),
        ROW(test_memory_that_is_passed_is_decided_on, "ipc"),
        ROW(test_descriptors_decide_on_messages, "ipc"),
        ROW(test_descriptors_decide_on_messages, "inproc"),
        ROW(test_a_rate_holds_from_end_to_end, "ipc"),
        ROW(test_a_rate_holds_from_end_to_end, "inproc"),
        ROW(test_what_cannot_be_counted_is_denied, "ipc"),
        ROWS(test_a_denied_subscription_is_not_taken),
        ROW(test_a_denied_subscription_in_a_message_is_not_taken, "ipc"),
        ROW(test_a_subscription_in_a_message_is_sent, "ipc"),
        ROW(test_a_group_that_may_be_joined_opens_no_subscription, "ipc"),
        ROWS(test_a_denied_group_is_not_joined),
        ROWS(test_a_publisher_passes_over_who_may_not_have_it),
        ROWS(test_what_was_denied_and_not_told_is_told_at_the_end),
        ROWS(test_what_an_earlier_policy_denied_is_told_as_that),
        ROWS(test_a_pusher_does_not_choose_who_may_not_have_it),
        ROWS(test_a_denied_reply_is_an_error_on_both_sides),
        ROWS(test_a_router_says_that_a_message_is_denied),
        ROWS(test_who_may_no_longer_connect_is_told_and_goes),
        ROWS(test_who_may_stay_keeps_what_waits_and_what_it_subscribed_to),
        ROWS(test_an_xpub_is_shown_what_was_taken_back),
        ROWS(test_groups_are_taken_back),
        ROWS(test_a_socket_may_be_freed_when_told_of_a_denial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
