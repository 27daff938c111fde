/* socket/test-security.c: PLAIN and CURVE between sockets, over each transport: who comes in, who does not, and what is known of whom. */
#include <kith/curve.h>

#include "socket/testing-scene.h"

static struct { uint8_t server_public[32], server_secret[32], client_public[32], client_secret[32]; } keys;

static int make_keys(void **state) {
    int r = kith_curve_keypair(keys.server_public, keys.server_secret);
    return r < 0 ? r : kith_curve_keypair(keys.client_public, keys.client_secret);
}

static void set(struct node *node, const char *name, const char *value) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_socket_set_option(node->socket, name, value, &error) < 0)
        fail_msg("%s", error.text);
}

static void set_key(struct node *node, enum kith_option option, const uint8_t *key) {
    assert_int_equal(kith_socket_set_octets(node->socket, option, key, 32, NULL), 0);
}

static void begin(struct scene *scene, enum kith_socket_type server, enum kith_socket_type client) {
    node_init(&scene->world, &scene->server, server, &quiet_handler);
    node_init(&scene->world, &scene->client, client, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 60000); /* one try a test */
}

static void meet(struct scene *scene) {
    node_bind(&scene->server, scene->endpoint);
    node_connect(&scene->client, &scene->server);
}

static void until_met(struct scene *scene) {
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
}

static void plain(struct scene *scene, const char *name, const char *password) {
    begin(scene, KITH_REP, KITH_REQ);
    set(&scene->server, "plain-server", "yes");
    set(&scene->client, "plain-username", name);
    set(&scene->client, "plain-password", password);
}

static void curve(struct scene *scene, enum kith_socket_type server, enum kith_socket_type client) {
    begin(scene, server, client);
    node_option(&scene->server, KITH_OPTION_CURVE_SERVER, 1);
    set_key(&scene->server, KITH_OPTION_CURVE_SECRET_KEY, keys.server_secret);
    set_key(&scene->client, KITH_OPTION_CURVE_SECRET_KEY, keys.client_secret);
    set_key(&scene->client, KITH_OPTION_CURVE_SERVER_KEY, keys.server_public);
}

/* PLAIN ---------------------------------------------------------------------------------------------------------------------- */

static void test_name_and_password_open_the_door(void **state) {
    struct scene *scene = *state;
    plain(scene, "bob", "s1c3t");
    set(&scene->server, "plain-username", "bob");
    set(&scene->server, "plain-password", "s1c3t");
    meet(scene);
    until_met(scene);
    send_words(&scene->client, "ask");
    kith_msg *msg;
    const char *user;
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_words(msg, "ask");
    assert_int_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_USER, &user), KITH_WITNESS_KEY);
    assert_string_equal(user, "bob");
    kith_msg_free(msg);
    send_words(&scene->server, "say");
    assert_int_equal(kith_socket_recv(scene->client.socket, &msg, 10000), 0);
    assert_int_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_USER, NULL), KITH_WITNESS_NONE); /* the server proved nothing */
    kith_msg_free(msg);
}

/* A server proves nothing by PLAIN, so there is nothing to wait for: whoever may not be it does not learn the password. */
static void test_who_may_not_serve_is_not_told_the_password(void **state) {
    struct scene *scene = *state;
    plain(scene, "bob", "s1c3t");
    node_policy(&scene->client, true, KITH_VERB_SERVE, "key=0000000000000000000000000000000000000000");
    meet(scene);
    until(&scene->world, scene->client.events[KITH_EVENT_DENIED_CONNECT] == 1);
    until(&scene->world, scene->server.events[KITH_EVENT_REFUSED] + scene->server.events[KITH_EVENT_HANDSHAKE_FAILED] > 0);
    assert_int_equal(scene->client.verb, KITH_VERB_SERVE);
    assert_int_equal(scene->server.events[KITH_EVENT_AUTHENTICATION_FAILED], 0); /* this server knows of no bob */
}

static void expect_refusal(struct scene *scene, const char *why) {
    meet(scene);
    until(&scene->world, scene->client.events[KITH_EVENT_REFUSED] == 1 && scene->server.events[KITH_EVENT_AUTHENTICATION_FAILED] == 1);
    assert_non_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], "400"));
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_AUTHENTICATION_FAILED], why));
    assert_null(strstr(scene->server.texts[KITH_EVENT_AUTHENTICATION_FAILED], "s1c3t"));
    assert_int_equal(scene->server.errors[KITH_EVENT_AUTHENTICATION_FAILED], -EACCES);
    settle_down(&scene->world);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
    assert_int_equal(scene->server.events[KITH_EVENT_CONNECTED], 0);
}

static void test_another_password_does_not(void **state) {
    struct scene *scene = *state;
    plain(scene, "bob", "s1c3t");
    set(&scene->server, "plain-username", "bob");
    set(&scene->server, "plain-password", "s1c3tt");
    expect_refusal(scene, "not the user name and password");
}

static void test_another_name_does_not(void **state) {
    struct scene *scene = *state;
    plain(scene, "bob", "");
    set(&scene->server, "plain-username", "alice");
    expect_refusal(scene, "not the user name and password");
}

static void test_a_plain_server_that_knows_nobody_lets_nobody_in(void **state) {
    struct scene *scene = *state;
    plain(scene, "", "");
    expect_refusal(scene, "neither plain-username nor a ZAP handler");
}

static void test_mechanisms_must_be_the_same(void **state) {
    struct scene *scene = *state;
    plain(scene, "bob", "s1c3t");
    set(&scene->server, "plain-server", "no");
    meet(scene);
    until(&scene->world, scene->server.events[KITH_EVENT_HANDSHAKE_FAILED] > 0);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_HANDSHAKE_FAILED], "PLAIN"));
    assert_int_equal(scene->server.errors[KITH_EVENT_HANDSHAKE_FAILED], -EPROTONOSUPPORT);
}

/* CURVE ---------------------------------------------------------------------------------------------------------------------- */

static void assert_key(kith_origin *origin, const uint8_t *key) {
    char text[KITH_CURVE_TEXT_SIZE];
    const char *fact = NULL;
    assert_int_equal(kith_z85_encode(key, 32, text, sizeof(text)), 0);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_KEY, &fact), KITH_WITNESS_KEY);
    assert_string_equal(fact, text);
}

static void test_both_ends_know_each_others_key(void **state) {
    struct scene *scene = *state;
    kith_msg *msg;
    curve(scene, KITH_REP, KITH_REQ);
    meet(scene);
    until_met(scene);
    for (int i = 0; i < 3; i++) {
        send_words(&scene->client, "ask");
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        assert_words(msg, "ask");
        assert_key(kith_msg_origin(msg), keys.client_public);
        kith_msg_free(msg);
        send_words(&scene->server, "say");
        assert_int_equal(kith_socket_recv(scene->client.socket, &msg, 10000), 0);
        assert_key(kith_msg_origin(msg), keys.server_public);
        kith_msg_free(msg);
    }
}

static void test_messages_of_every_size_arrive_sealed(void **state) {
    struct scene *scene = *state;
    static const size_t sizes[] = {0, 1, 4096, 4097, 65000, 70000, 1000000, 3};
    static uint8_t body[1000000];
    kith_msg *msg;
    curve(scene, KITH_PULL, KITH_PUSH);
    meet(scene);
    until_met(scene);
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7 >> 3);
    for (int round = 0; round < 5; round++) {
        assert_int_equal(kith_msg_new(&msg), 0);
        for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++)
            assert_int_equal(kith_msg_add(msg, body, sizes[i]), 0);
        assert_int_equal(kith_socket_send(scene->client.socket, msg, 10000), 0);
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        assert_int_equal(kith_msg_count(msg), KITH_ARRAY_SIZE(sizes));
        for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
            size_t size;
            const uint8_t *data = kith_msg_frame(msg, i, &size);
            assert_int_equal(size, sizes[i]);
            assert_memory_equal(data, body, size);
        }
        kith_msg_free(msg);
    }
}

/* Many small ones, so that PINGs, PONGs and messages mix and a batch ends inside of a frame. */
static void test_a_stream_of_sealed_messages_with_heartbeats(void **state) {
    struct scene *scene = *state;
    curve(scene, KITH_PAIR, KITH_PAIR);
    node_option(&scene->server, KITH_OPTION_HEARTBEAT_INTERVAL, 1);
    node_option(&scene->client, KITH_OPTION_HEARTBEAT_INTERVAL, 1);
    node_option(&scene->server, KITH_OPTION_HEARTBEAT_TIMEOUT, 10000);
    node_option(&scene->client, KITH_OPTION_HEARTBEAT_TIMEOUT, 10000);
    meet(scene);
    until_met(scene);
    for (int i = 0; i < 3000; i++) {
        send_words(&scene->client, "there|and");
        send_words(&scene->server, "back");
        expect_words(&scene->server, "there|and");
        expect_words(&scene->client, "back");
    }
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 0);
}

static void test_subscriptions_are_sealed_too(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    curve(scene, KITH_XPUB, KITH_SUB);
    meet(scene);
    assert_int_equal(kith_socket_subscribe(scene->client.socket, "news", 4), 0);
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_words(msg, "\x01news");
    kith_msg_free(msg);
    send_words(&scene->server, "old|x");
    send_words(&scene->server, "news|y");
    expect_words(&scene->client, "news|y");
}

static void test_groups_are_sealed_too(void **state) {
    struct scene *scene = *state;
    kith_msg *msg;
    curve(scene, KITH_RADIO, KITH_DISH);
    assert_int_equal(kith_socket_join(scene->client.socket, "group"), 0);
    meet(scene);
    until_met(scene);
    settle_down(&scene->world);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, "body", 4), 0);
    assert_int_equal(kith_msg_set_group(msg, "group"), 0);
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), 0);
    assert_int_equal(kith_socket_recv(scene->client.socket, &msg, 10000), 0);
    assert_words(msg, "body");
    assert_string_equal(kith_msg_group(msg), "group");
    kith_msg_free(msg);
}

static void test_a_server_knows_the_key_behind_a_number(void **state) {
    struct scene *scene = *state;
    kith_msg *msg;
    curve(scene, KITH_SERVER, KITH_CLIENT);
    meet(scene);
    send_words(&scene->client, "who am I?");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_int_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_KEY, NULL), KITH_WITNESS_KEY);
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 10000), 0); /* a received message knows its way back */
    expect_words(&scene->client, "who am I?");
}

static void test_a_client_with_another_servers_key_does_not_come_in(void **state) {
    struct scene *scene = *state;
    curve(scene, KITH_REP, KITH_REQ);
    set_key(&scene->client, KITH_OPTION_CURVE_SERVER_KEY, keys.client_public);
    meet(scene);
    until(&scene->world, scene->server.events[KITH_EVENT_HANDSHAKE_FAILED] > 0);
    assert_int_equal(scene->server.errors[KITH_EVENT_HANDSHAKE_FAILED], -EKEYREJECTED);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
}

static void test_the_client_may_bind_and_the_server_connect(void **state) {
    struct scene *scene = *state;
    curve(scene, KITH_REP, KITH_REQ);
    node_bind(&scene->client, scene->endpoint);
    node_connect(&scene->server, &scene->client);
    until_met(scene);
    send_words(&scene->client, "ask");
    expect_words(&scene->server, "ask");
}

static void test_an_enforced_domain_without_a_handler_keeps_all_out(void **state) {
    struct scene *scene = *state;
    curve(scene, KITH_REP, KITH_REQ);
    set(&scene->server, "zap-domain", "test");
    set(&scene->server, "zap-enforce-domain", "yes");
    meet(scene);
    until(&scene->world,
          scene->server.events[KITH_EVENT_AUTHENTICATION_FAILED] == 1 && scene->client.events[KITH_EVENT_HANDSHAKE_FAILED] == 1);
    assert_int_equal(scene->client.events[KITH_EVENT_REFUSED], 0); /* without a word: it may try again */
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
}

/* What others vouch for has names that a peer cannot take. */
static void test_a_peer_cannot_speak_for_the_handler(void **state) {
    struct scene *scene = *state;
    kith_msg *msg;
    const char *name;
    const uint8_t *value;
    size_t size;
    uint8_t octets[GREETING_SIZE];
    node_init(&scene->world, &scene->server, KITH_PULL, &quiet_handler);
    node_bind(&scene->server, "ipc");
    int fd = raw_connect(&scene->server);
    raw_greeting(octets, 1);
    raw_send(fd, octets, sizeof(octets));
    raw_text(fd, "\x04\x3a\x05READY\x0bSocket-Type\0\0\0\x04PUSH\x0bZAP:User-Id\0\0\0\x04root\x05X-Who\0\0\0\x02me\0\x02hi");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_int_equal(kith_origin_claim(kith_msg_origin(msg), 0, &name, &value, &size), 1);
    assert_string_equal(name, "X-Who");
    assert_int_equal(kith_origin_claim(kith_msg_origin(msg), 1, &name, &value, &size), 0);
    kith_msg_free(msg);
    close(fd);
}

/* Options -------------------------------------------------------------------------------------------------------------------- */

static void test_keys_are_octets_or_z85(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    const void *value;
    size_t size;
    begin(scene, KITH_REP, KITH_REQ);
    set(&scene->client, "curve-server-key", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    assert_int_equal(kith_socket_get_octets(scene->client.socket, KITH_OPTION_CURVE_SERVER_KEY, &value, &size), 0);
    assert_int_equal(size, 32);
    char text[KITH_CURVE_TEXT_SIZE];
    assert_int_equal(kith_z85_encode(value, size, text, sizeof(text)), 0);
    assert_string_equal(text, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    assert_int_equal(kith_socket_set_option(scene->client.socket, "curve-secret-key", "short", &error), -ERANGE);
    assert_non_null(strstr(error.text, "32 octets, or 40 characters of Z85"));
    assert_int_equal(
        kith_socket_set_option(scene->client.socket, "curve-secret-key", "secret\"secret\"secret\"secret\"secret\"secre", &error), -EINVAL);
    assert_null(strstr(error.text, "secret\"secret"));
    assert_int_equal(kith_socket_get_octets(scene->client.socket, KITH_OPTION_CURVE_SECRET_KEY, &value, &size), -EACCES);
}

static void test_curve_without_a_secret_key_is_refused_with_the_remedy(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    begin(scene, KITH_REP, KITH_REQ);
    set(&scene->server, "curve-server", "yes");
    assert_int_equal(kith_socket_bind(scene->server.socket, "tcp://127.0.0.1:0", &error), -EINVAL);
    assert_non_null(strstr(error.text, "curve-server: needs curve-secret-key too"));
    set_key(&scene->client, KITH_OPTION_CURVE_SERVER_KEY, keys.server_public);
    assert_int_equal(kith_socket_connect(scene->client.socket, "tcp://127.0.0.1:1", &error), -EINVAL);
    assert_non_null(strstr(error.text, "curve-server-key: needs curve-secret-key too"));
}

/* Policies on what was proved ------------------------------------------------------------------------------------------------- */

static void key_condition(char text[static 64], const uint8_t *key) {
    strcpy(text, "key=");
    assert_int_equal(kith_z85_encode(key, 32, text + 4, 60), 0);
}

static void test_a_policy_lets_keys_in(void **state) {
    struct scene *scene = *state;
    char condition[64];
    for (int right = 0; right < 2; right++) {
        curve(scene, KITH_REP, KITH_REQ);
        key_condition(condition, right ? keys.client_public : keys.server_public);
        node_policy(&scene->server, true, KITH_VERB_CONNECT, condition);
        meet(scene);
        if (right) {
            send_words(&scene->client, "ask");
            expect_words(&scene->server, "ask");
        } else {
            until(&scene->world, scene->client.events[KITH_EVENT_REFUSED] == 1);
            assert_non_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], "access denied by policy: connect"));
            assert_int_equal(scene->server.events[KITH_EVENT_DENIED_CONNECT], 1);
            assert_int_equal(scene->server.events[KITH_EVENT_CONNECTED], 0);
        }
        node_deinit(&scene->client);
        node_deinit(&scene->server);
    }
}

static void test_a_client_has_a_policy_on_its_servers_key(void **state) {
    struct scene *scene = *state;
    char condition[64];
    for (int right = 0; right < 2; right++) {
        curve(scene, KITH_REP, KITH_REQ);
        key_condition(condition, right ? keys.server_public : keys.client_public);
        node_policy(&scene->client, true, KITH_VERB_SERVE, condition);
        meet(scene);
        if (right) {
            send_words(&scene->client, "ask");
            expect_words(&scene->server, "ask");
        } else {
            until(&scene->world, scene->client.events[KITH_EVENT_DENIED_CONNECT] == 1);
            assert_int_equal(scene->client.verb, KITH_VERB_SERVE);
            assert_int_equal(scene->client.events[KITH_EVENT_CONNECTED], 0);
            until(&scene->world, scene->server.events[KITH_EVENT_REFUSED] == 1 || scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
        }
        node_deinit(&scene->client);
        node_deinit(&scene->server);
    }
}

static void test_a_policy_lets_names_in(void **state) {
    struct scene *scene = *state;
    for (int right = 0; right < 2; right++) {
        plain(scene, "bob", "s1c3t");
        set(&scene->server, "plain-username", "bob");
        set(&scene->server, "plain-password", "s1c3t");
        node_policy(&scene->server, true, KITH_VERB_CONNECT | KITH_VERB_SEND, right ? "user_id=b*" : "user_id=alice");
        meet(scene);
        if (right) {
            send_words(&scene->client, "ask");
            expect_words(&scene->server, "ask");
        } else {
            until(&scene->world, scene->client.events[KITH_EVENT_REFUSED] == 1);
            assert_int_equal(scene->server.events[KITH_EVENT_DENIED_CONNECT], 1);
        }
        node_deinit(&scene->client);
        node_deinit(&scene->server);
    }
}

/* Without a mechanism nothing is proved: then the answer is the one at the greeting. */
static void test_a_policy_on_keys_lets_nobody_in_without_one(void **state) {
    struct scene *scene = *state;
    char condition[64];
    begin(scene, KITH_REP, KITH_REQ);
    key_condition(condition, keys.client_public);
    node_policy(&scene->server, true, KITH_VERB_CONNECT, condition);
    meet(scene);
    until(&scene->world, scene->client.events[KITH_EVENT_REFUSED] == 1);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_CONNECT], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STREAM_ROWS(test_a_policy_lets_keys_in),
        STREAM_ROWS(test_a_client_has_a_policy_on_its_servers_key),
        STREAM_ROWS(test_a_policy_lets_names_in),
        ROWS(test_a_policy_on_keys_lets_nobody_in_without_one),
        STREAM_ROWS(test_name_and_password_open_the_door),
        STREAM_ROWS(test_who_may_not_serve_is_not_told_the_password),
        STREAM_ROWS(test_another_password_does_not),
        STREAM_ROWS(test_another_name_does_not),
        STREAM_ROWS(test_a_plain_server_that_knows_nobody_lets_nobody_in),
        STREAM_ROWS(test_mechanisms_must_be_the_same),
        STREAM_ROWS(test_both_ends_know_each_others_key),
        STREAM_ROWS(test_messages_of_every_size_arrive_sealed),
        STREAM_ROWS(test_a_stream_of_sealed_messages_with_heartbeats),
        STREAM_ROWS(test_subscriptions_are_sealed_too),
        STREAM_ROWS(test_groups_are_sealed_too),
        STREAM_ROWS(test_a_server_knows_the_key_behind_a_number),
        STREAM_ROWS(test_a_client_with_another_servers_key_does_not_come_in),
        STREAM_ROWS(test_the_client_may_bind_and_the_server_connect),
        STREAM_ROWS(test_an_enforced_domain_without_a_handler_keeps_all_out),
        ROW(test_a_peer_cannot_speak_for_the_handler, "ipc"),
        ROW(test_keys_are_octets_or_z85, "ipc"),
        ROW(test_curve_without_a_secret_key_is_refused_with_the_remedy, "ipc"),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
