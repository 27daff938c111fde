/* socket/test-zap.c: a ZAP handler (RFC 27) that decides on peers: what it is asked, and what its answers do. */
#include <kith/curve.h>

#include "socket/testing.h"

struct scene {
    struct world world; /* first: the world's helpers take it */
    const char *endpoint;
    struct node handler, server, client;
    const char *answer; /* "status|text|user|metadata"; NULL: none */
    char asked[512];    /* the question from the domain on */
    unsigned questions;
    kith_msg *question; /* kept, when there is no answer */
};

static int scene_setup(void **state) {
    const char *endpoint = *state;
    struct scene *scene = world_new(state, sizeof(*scene));
    if (!scene)
        return -1;
    scene->endpoint = endpoint;
    scene->answer = "200|OK||";
    return 0;
}

static int scene_teardown(void **state) {
    struct scene *scene = *state;
    node_deinit(&scene->client);
    node_deinit(&scene->server);
    node_deinit(&scene->handler);
    kith_msg_free(scene->question);
    return world_teardown(state);
}

/* The handler --------------------------------------------------------------------------------------------------------------- */

static void answer(struct scene *scene, const kith_msg *question) {
    size_t size;
    const void *number = kith_msg_frame(question, 1, &size);
    kith_msg *reply = NULL;
    assert_int_equal(kith_msg_new(&reply), 0);
    assert_int_equal(kith_msg_add(reply, "1.0", 3), 0);
    assert_int_equal(kith_msg_add(reply, number, size), 0);
    const char *text = scene->answer;
    for (const char *end; (end = strchr(text, '|')); text = end + 1)
        assert_int_equal(kith_msg_add(reply, text, (size_t)(end - text)), 0);
    /* A property of three octets, when there is one. */
    uint8_t metadata[64];
    size = strlen(text);
    if (size > 0) {
        metadata[0] = 6;
        memcpy(metadata + 1, "X-Dept\0\0\0", 9);
        metadata[10] = (uint8_t)size;
        memcpy(metadata + 11, text, size);
        size += 11;
    }
    assert_int_equal(kith_msg_add(reply, metadata, size), 0);
    assert_int_equal(kith_socket_send(scene->handler.socket, reply, 0), 0);
}

static void on_question(struct node *node, kith_msg *msg) {
    struct scene *scene = node->extra;
    size_t size, used = 0;
    assert_true(kith_msg_count(msg) >= 6);
    const void *version = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, 3);
    assert_memory_equal(version, "1.0", 3);
    for (size_t i = 2; i < kith_msg_count(msg); i++) {
        const uint8_t *data = kith_msg_frame(msg, i, &size);
        char text[KITH_CURVE_TEXT_SIZE] = "";
        bool key = size == KITH_CURVE_KEY_SIZE && kith_z85_encode(data, size, text, sizeof(text)) == 0;
        used += (size_t)snprintf(scene->asked + used, sizeof(scene->asked) - used, "%s%.*s", i > 2 ? "|" : "",
                                 key ? KITH_CURVE_TEXT_SIZE - 1 : (int)size, key ? text : (const char *)data);
    }
    scene->questions++;
    if (scene->answer)
        answer(scene, msg);
    else
        assert_int_equal(kith_msg_copy(msg, &scene->question), 0);
    kith_msg_free(msg);
}

static void begin(struct scene *scene) {
    node_init(&scene->world, &scene->handler, KITH_REP, &full_handler);
    scene->handler.on_message = on_question;
    scene->handler.extra = scene;
    node_bind(&scene->handler, "inproc://zeromq.zap.01");
    node_init(&scene->world, &scene->server, KITH_REP, &quiet_handler);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 60000); /* one try a test */
}

static void set(struct node *node, const char *name, const char *value) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_socket_set_option(node->socket, name, value, &error) < 0)
        fail_msg("%s", error.text);
}

static void plain(struct scene *scene) {
    begin(scene);
    set(&scene->server, "plain-server", "yes");
    set(&scene->client, "plain-username", "bob");
    set(&scene->client, "plain-password", "s1c3t");
}

static void meet(struct scene *scene) {
    node_bind(&scene->server, scene->endpoint);
    node_connect(&scene->client, &scene->server);
}

static void until_met(struct scene *scene) {
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
}

static bool over_tcp(const struct scene *scene) {
    return strncmp(scene->endpoint, "tcp", 3) == 0;
}

static void assert_asked(const struct scene *scene, const char *domain, const char *rest) {
    char expected[512];
    snprintf(expected, sizeof(expected), "%s|%s|%s", domain, over_tcp(scene) ? "127.0.0.1" : "", rest);
    assert_string_equal(scene->asked, expected);
}

/* Questions and answers -------------------------------------------------------------------------------------------------------- */

static void test_the_handler_sees_name_and_password(void **state) {
    struct scene *scene = *state;
    plain(scene);
    set(&scene->server, "zap-domain", "shop");
    set(&scene->server, "routing-id", "till");
    meet(scene);
    until_met(scene);
    assert_asked(scene, "shop", "till|PLAIN|bob|s1c3t");
    assert_int_equal(scene->questions, 1);
    send_words(&scene->client, "ask");
    expect_words(&scene->server, "ask");
}

static void test_the_handler_sees_the_clients_key(void **state) {
    struct scene *scene = *state;
    uint8_t keys[4][KITH_CURVE_KEY_SIZE];
    char text[KITH_CURVE_TEXT_SIZE], expected[64];
    begin(scene);
    assert_int_equal(kith_curve_keypair(keys[0], keys[1]), 0);
    assert_int_equal(kith_curve_keypair(keys[2], keys[3]), 0);
    set(&scene->server, "curve-server", "yes");
    assert_int_equal(kith_socket_set_octets(scene->server.socket, KITH_OPTION_CURVE_SECRET_KEY, keys[1], 32, NULL), 0);
    assert_int_equal(kith_socket_set_octets(scene->client.socket, KITH_OPTION_CURVE_SERVER_KEY, keys[0], 32, NULL), 0);
    assert_int_equal(kith_socket_set_octets(scene->client.socket, KITH_OPTION_CURVE_SECRET_KEY, keys[3], 32, NULL), 0);
    meet(scene);
    until_met(scene);
    assert_int_equal(kith_z85_encode(keys[2], 32, text, sizeof(text)), 0);
    snprintf(expected, sizeof(expected), "|CURVE|%s", text);
    assert_asked(scene, "", expected);
}

/* NULL has nothing to show: it is asked about when there is a domain. Its READY may have come with its greeting and is kept meanwhile. */
static void test_null_is_asked_about_with_a_domain_only(void **state) {
    struct scene *scene = *state;
    begin(scene);
    meet(scene);
    until_met(scene);
    assert_int_equal(scene->questions, 0);
    node_deinit(&scene->client);
    node_deinit(&scene->server);
    node_init(&scene->world, &scene->server, KITH_REP, &quiet_handler);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    set(&scene->server, "zap-domain", "shop");
    meet(scene);
    until_met(scene);
    assert_asked(scene, "shop", "|NULL");
    send_words(&scene->client, "ask");
    expect_words(&scene->server, "ask");
}

static void test_what_the_handler_says_are_claims_of_its_own(void **state) {
    struct scene *scene = *state;
    kith_msg *msg;
    const char *name;
    const uint8_t *value;
    size_t size;
    plain(scene);
    scene->answer = "200|OK|bob@shop|sales";
    assert_int_equal(kith_socket_add_metadata(scene->client.socket, "User-Id", "root", 4, NULL), 0);
    meet(scene);
    until_met(scene);
    send_words(&scene->client, "ask");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    static const char *const claims[][2] = {{"zap:User-Id", "bob@shop"}, {"zap:X-Dept", "sales"}, {"User-Id", "root"}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(claims); i++) {
        assert_int_equal(kith_origin_claim(kith_msg_origin(msg), i, &name, &value, &size), 1);
        assert_string_equal(name, claims[i][0]);
        assert_int_equal(size, strlen(claims[i][1]));
        assert_memory_equal(value, claims[i][1], size);
    }
    assert_int_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_USER, &name), KITH_WITNESS_KEY);
    assert_string_equal(name, "bob@shop");
    kith_msg_free(msg);
}

static void test_each_refusal_has_its_way(void **state) {
    struct scene *scene = *state;
    static const struct {
        const char *answer, *refusal, *why;
    } table[] = {
        {"400|not on the list||", "400", "not let in (400): the ZAP handler says: not on the list"},
        {"500|database down||", "500", "not let in (500): the ZAP handler says: database down"},
        {"300|later||", NULL, "not let in (300): the ZAP handler says: later"},
        {"201|what||", "500", "not let in (500): the ZAP handler's answer is none"},
        {"200|one frame less|", "500", "not let in (500): the ZAP handler's answer is none"},
    };
    plain(scene);
    node_bind(&scene->server, scene->endpoint);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        if (i > 0) {
            node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
            set(&scene->client, "plain-username", "bob");
            node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 60000);
        }
        scene->answer = table[i].answer;
        node_connect(&scene->client, &scene->server);
        until(&scene->world, scene->client.events[KITH_EVENT_HANDSHAKE_FAILED] == 1);
        assert_int_equal(scene->client.events[KITH_EVENT_REFUSED], table[i].refusal != NULL);
        if (table[i].refusal)
            assert_non_null(strstr(scene->client.texts[KITH_EVENT_REFUSED], table[i].refusal));
        assert_non_null(strstr(scene->server.texts[KITH_EVENT_AUTHENTICATION_FAILED], table[i].why));
        assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
        node_deinit(&scene->client);
    }
}

/* While it thinks ---------------------------------------------------------------------------------------------------------------- */

static void leave_open(struct scene *scene) {
    plain(scene);
    scene->answer = NULL;
    meet(scene);
    until(&scene->world, scene->questions == 1);
    settle_down(&scene->world);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
    assert_int_equal(kith_socket_peer_count(scene->client.socket), 0);
}

static void test_an_answer_may_come_later(void **state) {
    struct scene *scene = *state;
    leave_open(scene);
    scene->answer = "200|OK||";
    answer(scene, scene->question);
    until_met(scene);
}

static void test_a_handler_that_does_not_answer_gives_nobody_more_time(void **state) {
    struct scene *scene = *state;
    plain(scene);
    node_option(&scene->server, KITH_OPTION_HANDSHAKE_TIMEOUT, 50);
    scene->answer = NULL;
    meet(scene);
    until(&scene->world, scene->server.events[KITH_EVENT_HANDSHAKE_FAILED] == 1);
    assert_int_equal(scene->questions, 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_HANDSHAKE_FAILED], -ETIMEDOUT);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
}

static void test_a_client_may_leave_before_the_answer(void **state) {
    struct scene *scene = *state;
    leave_open(scene);
    node_deinit(&scene->client);
    settle_down(&scene->world);
    scene->answer = "200|OK||";
    answer(scene, scene->question);
    settle_down(&scene->world);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
}

static void test_a_server_may_go_before_the_answer(void **state) {
    struct scene *scene = *state;
    leave_open(scene);
    node_deinit(&scene->server);
    scene->answer = "200|OK||";
    until(&scene->world, scene->client.events[KITH_EVENT_HANDSHAKE_FAILED] == 1);
}

static void test_a_handler_that_goes_has_not_decided(void **state) {
    struct scene *scene = *state;
    leave_open(scene);
    node_deinit(&scene->handler);
    until(&scene->world, scene->client.events[KITH_EVENT_HANDSHAKE_FAILED] == 1);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_AUTHENTICATION_FAILED], "not let in (300): the ZAP handler has gone"));
    assert_int_equal(scene->client.events[KITH_EVENT_REFUSED], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STREAM_ROWS(test_the_handler_sees_name_and_password),
        STREAM_ROWS(test_the_handler_sees_the_clients_key),
        STREAM_ROWS(test_null_is_asked_about_with_a_domain_only),
        STREAM_ROWS(test_what_the_handler_says_are_claims_of_its_own),
        STREAM_ROWS(test_each_refusal_has_its_way),
        STREAM_ROWS(test_an_answer_may_come_later),
        STREAM_ROWS(test_a_handler_that_does_not_answer_gives_nobody_more_time),
        STREAM_ROWS(test_a_client_may_leave_before_the_answer),
        STREAM_ROWS(test_a_server_may_go_before_the_answer),
        STREAM_ROWS(test_a_handler_that_goes_has_not_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
