/* socket/test-inproc.c: what is particular to inproc://, within one loop. What it shares with other transports is in their tests' rows. */
#include "socket/testing-scene.h"

static void make(struct scene *scene, struct node *node, enum kith_socket_type type) {
    node_init(&scene->world, node, type, &quiet_handler);
}

static void test_the_peer_is_this_process(void **state) {
    struct scene *scene = *state;
    kith_msg *msg;
    pid_t pid = 0;
    uid_t uid = 0;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    send_words(&scene->client, "who?");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    kith_origin *origin = kith_msg_origin(msg);
    assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(pid, getpid());
    uint64_t thread = 0;
    assert_int_equal(kith_origin_number(origin, KITH_FACT_THREAD, &thread), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(thread, gettid());
    assert_int_equal(uid, getuid());
    assert_true(kith_origin_alive(origin) || testing_under_valgrind());
    kith_msg_free(msg);
}

static void test_metadata_is_claimed_as_over_the_wire(void **state) {
    struct scene *scene = *state;
    const char *name;
    const uint8_t *value;
    size_t size;
    serve(scene, KITH_ROUTER);
    make(scene, &scene->client, KITH_DEALER);
    node_id(&scene->client, "me");
    assert_int_equal(kith_socket_add_metadata(scene->client.socket, "X-Shoe-Size", "44", 2, NULL), 0);
    node_connect(&scene->client, &scene->server);
    send_words(&scene->client, "hello");
    kith_msg *msg;
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_words(msg, "me|hello");
    assert_int_equal(kith_origin_claim(kith_msg_origin(msg), 0, &name, &value, &size), 1);
    assert_string_equal(name, "Identity");
    assert_int_equal(kith_origin_claim(kith_msg_origin(msg), 1, &name, &value, &size), 1);
    assert_string_equal(name, "X-Shoe-Size");
    assert_int_equal(size, 2);
    assert_memory_equal(value, "44", 2);
    assert_int_equal(kith_origin_claim(kith_msg_origin(msg), 2, &name, &value, &size), 0);
    kith_msg_free(msg);
}

static void test_who_connects_first_waits_for_the_name(void **state) {
    struct scene *scene = *state;
    make(scene, &scene->client, KITH_PUSH);
    assert_int_equal(kith_socket_connect(scene->client.socket, "inproc://kith-test-later", NULL), 0);
    send_words(&scene->client, "early");
    settle_down(&scene->world);
    assert_int_equal(scene->client.events[KITH_EVENT_RETRY], 0);
    make(scene, &scene->server, KITH_PULL);
    node_bind(&scene->server, "inproc://kith-test-later");
    expect_words(&scene->server, "early");

    /* and again when the other one comes back */
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 1);
    node_deinit(&scene->server);
    until(&scene->world, scene->client.events[KITH_EVENT_DISCONNECTED] == 1);
    make(scene, &scene->server, KITH_PULL);
    node_bind(&scene->server, "inproc://kith-test-later");
    send_words(&scene->client, "again");
    expect_words(&scene->server, "again");
}

static void test_a_name_in_use_is_named(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    make(scene, &scene->server, KITH_PULL);
    make(scene, &scene->other, KITH_REP);
    node_bind(&scene->server, "inproc://kith-test-twice");
    assert_string_equal(kith_socket_last_endpoint(scene->server.socket), "inproc://kith-test-twice");
    assert_int_equal(kith_socket_bind(scene->other.socket, "inproc://kith-test-twice", &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, "kith-test-twice"));
    assert_int_equal(kith_socket_unbind(scene->server.socket, "inproc://kith-test-twice"), 0);
    assert_int_equal(kith_socket_bind(scene->other.socket, "inproc://kith-test-twice", &error), 0);
}

static void test_types_that_do_not_go_together_are_both_told(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    make(scene, &scene->client, KITH_REQ);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, scene->server.events[KITH_EVENT_HANDSHAKE_FAILED] > 0 && scene->client.events[KITH_EVENT_HANDSHAKE_FAILED] > 0);
    assert_int_equal(scene->server.errors[KITH_EVENT_HANDSHAKE_FAILED], -EPROTOTYPE);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_HANDSHAKE_FAILED], "REQ socket does not talk with a PULL"));
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 0);
}

static void test_streams_of_octets_have_no_inproc(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    make(scene, &scene->server, KITH_STREAM);
    assert_int_equal(kith_socket_bind(scene->server.socket, "inproc://x", &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, "a STREAM"));
    assert_int_equal(kith_socket_connect(scene->server.socket, "inproc://x", &error), -EPROTONOSUPPORT);
}

/* Sends until it is full. */
static int fill(struct node *node) {
    int count = 0;
    while (try_words(node, "x", 0) == 0)
        count++;
    return count;
}

static void test_the_limits_are_exact(void **state) {
    struct scene *scene = *state;
    make(scene, &scene->server, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 10);
    node_bind(&scene->server, "inproc");
    make(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SEND_HWM, 5);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    settle_down(&scene->world);
    int count = fill(&scene->client);
    settle_down(&scene->world);
    count += fill(&scene->client);
    assert_int_equal(count, 15);

    for (int i = 0; i < 10; i++)
        expect_words(&scene->server, "x");
    until(&scene->world, scene->client.writable > 0);
    assert_int_equal(fill(&scene->client), 10);
    for (int i = 0; i < 15; i++)
        expect_words(&scene->server, "x");
    expect_nothing(&scene->world, &scene->server);
}

static void test_a_message_beyond_the_limit_ends_the_pipe(void **state) {
    struct scene *scene = *state;
    uint8_t octets[5000] = {0};
    kith_msg *msg;
    make(scene, &scene->server, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_MAX_MESSAGE, 4096);
    node_bind(&scene->server, "inproc");
    make(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 0), 0);
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -EMSGSIZE);
    send_words(&scene->client, "small");
    expect_words(&scene->server, "small");
}

static void test_more_peers_than_may_come_are_refused(void **state) {
    struct scene *scene = *state;
    make(scene, &scene->server, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_MAX_PEERS, 1);
    node_bind(&scene->server, "inproc");
    make(scene, &scene->client, KITH_PUSH);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    make(scene, &scene->other, KITH_PUSH);
    node_option(&scene->other, KITH_OPTION_RECONNECT_MIN, 1);
    node_connect(&scene->other, &scene->server);
    until(&scene->world, scene->other.events[KITH_EVENT_RETRY] > 0);
    assert_int_equal(scene->server.events[KITH_EVENT_ACCEPT_FAILED], 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_ACCEPT_FAILED], -EUSERS);
    node_deinit(&scene->client); /* then there is room */
    until(&scene->world, kith_socket_peer_count(scene->other.socket) == 1);
}

static void test_a_heartbeat_needs_no_answer_here(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    make(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_HEARTBEAT_INTERVAL, 1);
    node_option(&scene->client, KITH_OPTION_HEARTBEAT_TIMEOUT, 1);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    uint64_t end = kith_time_now() + 20 * KITH_NS_PER_MS;
    while (kith_time_now() < end)
        assert_true(kith_loop_step(scene->world.loop, 1) >= 0);
    assert_int_equal(scene->client.events[KITH_EVENT_DISCONNECTED], 0);
}

/* A body goes through without being copied; the sender's copy stays the sender's. */
static void test_a_large_body_is_not_copied(void **state) {
    struct scene *scene = *state;
    kith_buffer *buffer;
    kith_msg *msg;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    assert_int_equal(kith_buffer_new(1000000, &buffer), 0);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add_slice(msg, (struct kith_slice){buffer, kith_buffer_data(buffer), 1000000}), 0);
    assert_int_equal(kith_socket_send(scene->client.socket, msg, 0), 0);
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_ptr_equal(kith_msg_frame(msg, 0, NULL), kith_buffer_data(buffer));
    kith_msg_free(msg);
    assert_false(kith_buffer_shared(buffer));
    kith_buffer_unref(buffer);
}

static void test_a_socket_may_be_its_own_peer(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_connect(&scene->server, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 2);
    send_words(&scene->server, "to myself");
    expect_words(&scene->server, "to myself");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(test_the_peer_is_this_process, "inproc"),
        ROW(test_metadata_is_claimed_as_over_the_wire, "inproc"),
        ROW(test_who_connects_first_waits_for_the_name, "inproc"),
        ROW(test_a_name_in_use_is_named, "inproc"),
        ROW(test_types_that_do_not_go_together_are_both_told, "inproc"),
        ROW(test_streams_of_octets_have_no_inproc, "inproc"),
        ROW(test_the_limits_are_exact, "inproc"),
        ROW(test_a_message_beyond_the_limit_ends_the_pipe, "inproc"),
        ROW(test_more_peers_than_may_come_are_refused, "inproc"),
        ROW(test_a_heartbeat_needs_no_answer_here, "inproc"),
        ROW(test_a_large_body_is_not_copied, "inproc"),
        ROW(test_a_socket_may_be_its_own_peer, "inproc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
