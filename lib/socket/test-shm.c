/* socket/test-shm.c: sockets whose peers share memory with them: all as over the socket, and who falls back to it. */
#include <kith/curve.h>
#include <sys/resource.h>

#include "socket/testing-shm.h"

static void test_both_sides_share_memory_when_both_want_to(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_REP);
    join_shm(scene, &scene->client, KITH_REQ);
    assert_true(node_shares(&scene->client) && node_shares(&scene->server));
}

/* Who it is was said when the memory came; with the message the kernel says nothing. */
static void test_messages_are_known_by_their_connection(void **state) {
    struct scene *scene = *state;
    kith_msg *msg = NULL;
    uid_t uid;
    pid_t pid;
    serve_shm(scene, KITH_PULL);
    join_shm(scene, &scene->client, KITH_PUSH);
    send_words(&scene->client, "mine");
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_int_equal(kith_origin_pid(kith_msg_origin(msg), &pid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_uid(kith_msg_origin(msg), &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(pid, getpid());
    assert_int_equal(uid, getuid());
    kith_msg_free(msg);
}

/* Larger than a ring, in one frame and in many, between small ones. */
static void test_messages_of_all_sizes_keep_their_order(void **state) {
    static const size_t sizes[] = {0, 1, 255, 256, 4000, 5000, 32767, 65535, 65536, 70000, 300000, 3000000};
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    join_shm(scene, &scene->client, KITH_PUSH);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
            kith_msg *msg = NULL;
            uint8_t *octets = pattern_new(sizes[i] + 1);
            assert_int_equal(kith_msg_new(&msg), 0);
            for (unsigned frame = 0; frame <= round; frame++)
                assert_int_equal(kith_msg_add(msg, octets, sizes[i]), 0);
            assert_int_equal(kith_socket_send(scene->client.socket, msg, 0), 0);
            assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
            assert_int_equal(kith_msg_count(msg), round + 1);
            for (unsigned frame = 0; frame <= round; frame++) {
                size_t size;
                const uint8_t *got = kith_msg_frame(msg, frame, &size);
                assert_int_equal(size, sizes[i]);
                assert_memory_equal(got, octets, size);
            }
            kith_msg_free(msg);
            free(octets);
        }
    }
}

static kith_msg *numbered(uint32_t number, size_t size) {
    uint8_t *octets = pattern_new(size);
    kith_msg *msg;
    memcpy(octets, &number, sizeof(number));
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, octets, size), 0);
    free(octets);
    return msg;
}

static void expect_number(struct node *node, uint32_t number) {
    kith_msg *msg = NULL;
    uint32_t got;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    memcpy(&got, kith_msg_frame(msg, 0, &(size_t){0}), sizeof(got));
    assert_int_equal(got, number);
    kith_msg_free(msg);
}

/* Sends until nothing more is taken; returns how many messages were. */
static uint32_t fill(struct node *node, uint32_t from, size_t size) {
    for (;; from++) {
        kith_msg *msg = numbered(from, size);
        int r = kith_socket_send(node->socket, msg, 0);
        if (r < 0) {
            kith_msg_free(msg);
            assert_int_equal(r, -EAGAIN);
            return from;
        }
        assert_true(from < 100000);
    }
}

static void test_a_receiver_that_takes_nothing_stops_the_sender(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 10);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SEND_HWM, 10);
    meet(scene, &scene->client);
    uint32_t sent = 0, before;
    do {
        before = sent;
        sent = fill(&scene->client, sent, 1000);
        settle_down(&scene->world);
    } while (sent > before);
    /* Its own queue, a ring, and a turn of the receiver's. */
    assert_in_range(sent, 60, 10 + 2 * 66 + 10);
    for (uint32_t i = 0; i < sent; i++)
        expect_number(&scene->server, i);
    settle_down(&scene->world);
    assert_true(scene->client.writable > 0);
    assert_true(fill(&scene->client, 0, 1000) > 10);
}

/* Messages whose octets fill the ring to the last one. */
static void test_a_ring_that_is_full_to_the_last_octet_goes_on(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 10);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SEND_HWM, 10);
    meet(scene, &scene->client);
    uint32_t from = 0;
    for (unsigned round = 0; round < 3; round++) {
        uint32_t sent = from, before;
        do {
            before = sent;
            sent = fill(&scene->client, sent, 14);
            settle_down(&scene->world);
        } while (sent > before);
        for (; from < sent; from++)
            expect_number(&scene->server, from);
    }
}

static void test_what_is_queued_arrives_after_the_socket_was_closed(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    join_shm(scene, &scene->client, KITH_PUSH);
    uint32_t sent = fill(&scene->client, 0, 3000);
    kith_socket_close(KITH_STEAL(scene->client.socket));
    for (uint32_t i = 0; i < sent; i++)
        expect_number(&scene->server, i);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], 0);
}

static void test_draining_ends_when_the_peer_has_it_all(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    join_shm(scene, &scene->client, KITH_PUSH);
    send_words(&scene->client, "one");
    assert_int_equal(kith_socket_drain(scene->client.socket, 10000), 0);
    expect_words(&scene->server, "one");
}

static void test_replies_go_both_ways_at_once(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PAIR);
    join_shm(scene, &scene->client, KITH_PAIR);
    uint32_t up = fill(&scene->client, 0, 2000), down = fill(&scene->server, 0, 2000);
    for (uint32_t i = 0; i < up || i < down; i++) {
        if (i < up)
            expect_number(&scene->server, i);
        if (i < down)
            expect_number(&scene->client, i);
    }
}

static void test_sealed_frames_go_through_memory_too(void **state) {
    struct scene *scene = *state;
    uint8_t public[KITH_CURVE_KEY_SIZE], secret[KITH_CURVE_KEY_SIZE];
    assert_int_equal(kith_curve_keypair(public, secret), 0);
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_CURVE_SERVER, 1);
    assert_int_equal(kith_socket_set_octets(scene->server.socket, KITH_OPTION_CURVE_SECRET_KEY, secret, sizeof(secret), NULL), 0);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    assert_int_equal(kith_socket_set_octets(scene->client.socket, KITH_OPTION_CURVE_SECRET_KEY, secret, sizeof(secret), NULL), 0);
    assert_int_equal(kith_socket_set_octets(scene->client.socket, KITH_OPTION_CURVE_SERVER_KEY, public, sizeof(public), NULL), 0);
    meet(scene, &scene->client);
    assert_true(node_shares(&scene->client) && node_shares(&scene->server));
    uint32_t sent = fill(&scene->client, 0, 20000);
    for (uint32_t i = 0; i < sent; i++)
        expect_number(&scene->server, i);
}

static void test_heartbeats_go_through_memory(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_HEARTBEAT_INTERVAL, 10);
    node_option(&scene->client, KITH_OPTION_HEARTBEAT_TIMEOUT, 5000);
    meet(scene, &scene->client);
    struct kith_session *session = node_session(&scene->client);
    uint64_t heard = session->heard_at;
    until(&scene->world, session->heard_at > heard); /* nobody else speaks */
    assert_int_equal(scene->client.events[KITH_EVENT_DISCONNECTED], 0);
}

/* Who goes over the socket -------------------------------------------------------------------------------------------------- */

static void expect_socket(struct scene *scene) {
    assert_false(node_shares(&scene->client) || node_shares(&scene->server));
    send_words(&scene->client, "all the same");
    expect_words(&scene->server, "all the same");
}

static void test_a_side_that_does_not_want_to_is_served_over_the_socket(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SHM, 0);
    meet(scene, &scene->client);
    expect_socket(scene);
    node_deinit(&scene->client);
    node_option(&scene->server, KITH_OPTION_SHM, 0);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    join_shm(scene, &scene->client, KITH_PUSH);
    expect_socket(scene);
}

static void test_where_only_the_last_message_counts_nothing_waits_in_memory(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_CONFLATE, 1);
    meet(scene, &scene->client);
    expect_socket(scene);
}

static void test_over_tcp_no_memory_is_shared(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    node_deinit(&scene->server);
    scene->endpoint = "tcp://127.0.0.1:0";
    serve(scene, KITH_PULL);
    node_shm(&scene->server, SMALL_RING);
    join_shm(scene, &scene->client, KITH_PUSH);
    expect_socket(scene);
}

static void test_the_number_of_peers_is_limited(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_SHM_PEERS, 1);
    join_shm(scene, &scene->client, KITH_PUSH);
    join_shm(scene, &scene->other, KITH_PUSH);
    assert_true(node_shares(&scene->client));
    assert_false(node_shares(&scene->other));
    send_words(&scene->other, "two");
    expect_words(&scene->server, "two");
    node_deinit(&scene->client);
    node_deinit(&scene->other);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    join_shm(scene, &scene->client, KITH_PUSH); /* the place is free again */
    assert_true(node_shares(&scene->client));
}

static void test_the_smaller_ring_counts(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_SHM_SIZE, 200000);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SHM_SIZE, 1024 * 1024);
    meet(scene, &scene->client);
    assert_int_equal(kith_shm_size(node_session(&scene->client)->rings->shm), 262144);
    assert_int_equal(kith_shm_size(node_session(&scene->server)->rings->shm), 262144);
}

/* No descriptor for the memory, and none to receive it with. */
static void test_without_descriptors_it_goes_over_the_socket(void **state) {
    struct scene *scene = *state;
    struct rlimit before;
    serve_shm(scene, KITH_PULL);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) + node_session(&scene->client)->state > KITH_SESSION_CONNECTING);
    /* Both ends are there, or one is to be accepted still. */
    until(&scene->world, scene->server.socket->sessions.accepted_count == 1);
    int probe = dup(0);
    struct rlimit none = {.rlim_cur = (rlim_t)probe, .rlim_max = before.rlim_max};
    kith_close(probe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_socket(scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHM_TEST(test_both_sides_share_memory_when_both_want_to),
        SHM_TEST(test_messages_are_known_by_their_connection),
        SHM_TEST(test_messages_of_all_sizes_keep_their_order),
        SHM_TEST(test_a_receiver_that_takes_nothing_stops_the_sender),
        SHM_TEST(test_a_ring_that_is_full_to_the_last_octet_goes_on),
        SHM_TEST(test_what_is_queued_arrives_after_the_socket_was_closed),
        SHM_TEST(test_draining_ends_when_the_peer_has_it_all),
        SHM_TEST(test_replies_go_both_ways_at_once),
        SHM_TEST(test_sealed_frames_go_through_memory_too),
        SHM_TEST(test_heartbeats_go_through_memory),
        SHM_TEST(test_a_side_that_does_not_want_to_is_served_over_the_socket),
        SHM_TEST(test_where_only_the_last_message_counts_nothing_waits_in_memory),
        SHM_TEST(test_over_tcp_no_memory_is_shared),
        SHM_TEST(test_the_number_of_peers_is_limited),
        SHM_TEST(test_the_smaller_ring_counts),
        SHM_TEST(test_without_descriptors_it_goes_over_the_socket),
    };
    return cmocka_run_group_tests_name("socket/shm", tests, NULL, NULL);
}
