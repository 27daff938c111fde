/* proxy/test-proxy.c: what goes in at one side comes out at the other, nothing is lost, and the control socket steers. */
#include "socket/testing.h"

#include <pthread.h>

#include <kith/proxy.h>

struct scene {
    struct world world; /* first: the world's helpers take it */
    struct node front, back, capture, control;
    struct node client, worker, watcher, steerer;
    kith_proxy *proxy;
    unsigned terminated;
};

static int scene_setup(void **state) {
    return world_new(state, sizeof(struct scene)) ? 0 : -1;
}

static int scene_teardown(void **state) {
    struct scene *scene = *state;
    kith_proxy_free(scene->proxy);
    struct node *nodes[] = {&scene->client, &scene->worker, &scene->watcher, &scene->steerer,
                            &scene->front,  &scene->back,   &scene->capture, &scene->control};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(nodes); i++)
        node_deinit(nodes[i]);
    return world_teardown(state);
}

static void bound(struct scene *scene, struct node *node, enum kith_socket_type type) {
    node_init(&scene->world, node, type, &quiet_handler);
    node_bind(node, "ipc");
}

static void connected(struct scene *scene, struct node *node, enum kith_socket_type type, struct node *to) {
    node_init(&scene->world, node, type, &quiet_handler);
    node_connect(node, to);
    until(&scene->world, kith_socket_peer_count(node->socket) == 1 && kith_socket_peer_count(to->socket) >= 1);
}

static void on_terminated(kith_proxy *proxy, void *userdata) {
    ((struct scene *)userdata)->terminated++;
}

static void join(struct scene *scene) {
    struct kith_proxy_options options = {.frontend = scene->front.socket,
                                         .backend = scene->back.socket,
                                         .capture = scene->capture.socket,
                                         .control = scene->control.socket,
                                         .terminated = on_terminated,
                                         .userdata = scene};
    assert_int_equal(kith_proxy_new(&options, &scene->proxy), 0);
}

static void test_requests_and_replies_find_their_way(void **state) {
    struct scene *scene = *state;
    bound(scene, &scene->front, KITH_ROUTER);
    bound(scene, &scene->back, KITH_DEALER);
    bound(scene, &scene->capture, KITH_PUSH);
    join(scene);
    connected(scene, &scene->client, KITH_REQ, &scene->front);
    connected(scene, &scene->worker, KITH_REP, &scene->back);
    connected(scene, &scene->watcher, KITH_PULL, &scene->capture);
    send_words(&scene->client, "question");
    expect_words(&scene->worker, "question");
    send_words(&scene->worker, "answer|in two");
    expect_words(&scene->client, "answer|in two");

    kith_msg *msg;
    for (size_t frames = 3; frames <= 4; frames++) { /* id, empty, body */
        assert_int_equal(kith_socket_recv(scene->watcher.socket, &msg, 10000), 0);
        assert_int_equal(kith_msg_count(msg), frames);
        kith_msg_free(msg);
    }
    struct kith_proxy_stats stats;
    kith_proxy_stats(scene->proxy, &stats);
    assert_int_equal(stats.to_backend.messages, 1);
    assert_int_equal(stats.to_backend.octets, 5 + 0 + 8);
    assert_int_equal(stats.to_frontend.messages, 1);
    assert_int_equal(stats.uncaptured + stats.dropped, 0);
}

static void test_a_reply_to_a_client_that_has_gone_is_counted(void **state) {
    struct scene *scene = *state;
    bound(scene, &scene->front, KITH_ROUTER);
    node_option(&scene->front, KITH_OPTION_ROUTER_MANDATORY, 1);
    bound(scene, &scene->back, KITH_DEALER);
    join(scene);
    connected(scene, &scene->client, KITH_REQ, &scene->front);
    connected(scene, &scene->worker, KITH_REP, &scene->back);
    send_words(&scene->client, "question");
    expect_words(&scene->worker, "question");
    node_deinit(&scene->client);
    until(&scene->world, kith_socket_peer_count(scene->front.socket) == 0);
    send_words(&scene->worker, "answer");
    struct kith_proxy_stats stats;
    until(&scene->world, (kith_proxy_stats(scene->proxy, &stats), stats.dropped == 1));
}

static void test_nothing_is_lost_when_one_side_is_slow(void **state) {
    enum { COUNT = 20000 };
    struct scene *scene = *state;
    bound(scene, &scene->front, KITH_PULL);
    bound(scene, &scene->back, KITH_PUSH);
    join(scene);
    connected(scene, &scene->client, KITH_PUSH, &scene->front);
    connected(scene, &scene->worker, KITH_PULL, &scene->back);
    static uint8_t octets[1000];
    int sent = 0, received = 0;
    while (received < COUNT) {
        kith_msg *msg;
        assert_int_equal(kith_msg_new(&msg), 0);
        memcpy(octets, &sent, sizeof(sent));
        assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
        if (sent < COUNT && kith_socket_send(scene->client.socket, msg, 0) == 0) {
            sent++;
            continue; /* until everything in between is full */
        }
        kith_msg_free(msg);
        assert_int_equal(kith_socket_recv(scene->worker.socket, &msg, 10000), 0);
        assert_memory_equal(kith_msg_frame(msg, 0, NULL), &received, sizeof(received));
        kith_msg_free(msg);
        received++;
    }
}

static void test_the_control_socket_steers(void **state) {
    struct scene *scene = *state;
    bound(scene, &scene->front, KITH_PULL);
    bound(scene, &scene->back, KITH_PUSH);
    bound(scene, &scene->control, KITH_REP);
    join(scene);
    connected(scene, &scene->client, KITH_PUSH, &scene->front);
    connected(scene, &scene->worker, KITH_PULL, &scene->back);
    connected(scene, &scene->steerer, KITH_REQ, &scene->control);
    send_words(&scene->client, "one");
    expect_words(&scene->worker, "one");
    send_words(&scene->steerer, "PAUSE");
    expect_words(&scene->steerer, "");
    send_words(&scene->client, "two");
    expect_nothing(&scene->world, &scene->worker);
    send_words(&scene->steerer, "RESUME");
    expect_words(&scene->steerer, "");
    expect_words(&scene->worker, "two");

    kith_msg *msg;
    uint64_t numbers[8];
    send_words(&scene->steerer, "STATISTICS");
    assert_int_equal(kith_socket_recv(scene->steerer.socket, &msg, 10000), 0);
    assert_int_equal(kith_msg_count(msg), 8);
    for (size_t i = 0; i < 8; i++)
        memcpy(&numbers[i], kith_msg_frame(msg, i, NULL), sizeof(numbers[i]));
    kith_msg_free(msg);
    const uint64_t expected[8] = {2, 6, 0, 0, 0, 0, 2, 6};
    assert_memory_equal(numbers, expected, sizeof(expected));

    send_words(&scene->steerer, "TERMINATE");
    until(&scene->world, scene->terminated == 1);
    send_words(&scene->client, "three");
    expect_nothing(&scene->world, &scene->worker);
    kith_proxy_resume(scene->proxy); /* what is over stays over */
    expect_nothing(&scene->world, &scene->worker);
}

static void test_what_cannot_be_joined_is_refused(void **state) {
    struct scene *scene = *state;
    bound(scene, &scene->front, KITH_PUSH);
    bound(scene, &scene->back, KITH_PUSH);
    kith_proxy *proxy = NULL;
    struct kith_proxy_options options = {.frontend = scene->front.socket, .backend = scene->back.socket};
    assert_int_equal(kith_proxy_new(&options, &proxy), -ENOTSUP);
    options.backend = options.frontend;
    assert_int_equal(kith_proxy_new(&options, &proxy), -EINVAL);
    options.backend = NULL;
    assert_int_equal(kith_proxy_new(&options, &proxy), -EINVAL);
    assert_int_equal(kith_proxy_new(NULL, &proxy), -EINVAL);
    assert_int_equal(kith_proxy_run(scene->front.socket, scene->back.socket, NULL, NULL), -ENOTSUP);
    assert_null(proxy);
    assert_null(kith_proxy_free(NULL));
}

static void stop_soon(kith_timer *timer, void *userdata) {
    struct scene *scene = userdata;
    if (scene->terminated++ == 0)
        kith_loop_stop(scene->world.loop);
    else
        assert_int_equal(try_words(&scene->steerer, "TERMINATE", 0), 0);
}

static void test_run_is_over_when_it_is_told_or_stopped(void **state) {
    struct scene *scene = *state;
    kith_timer *timer;
    bound(scene, &scene->front, KITH_PULL);
    bound(scene, &scene->back, KITH_PUSH);
    bound(scene, &scene->control, KITH_PAIR);
    connected(scene, &scene->steerer, KITH_PAIR, &scene->control);
    assert_int_equal(kith_timer_new(scene->world.loop, stop_soon, scene, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, 5, 0), 0);
    assert_int_equal(kith_proxy_run(scene->front.socket, scene->back.socket, NULL, scene->control.socket), -ECANCELED);
    assert_int_equal(kith_timer_arm(timer, 5, 0), 0);
    assert_int_equal(kith_proxy_run(scene->front.socket, scene->back.socket, NULL, scene->control.socket), 0);
    kith_timer_free(timer);
}

struct run {
    struct scene *scene;
    int result;
};

static void *run_proxy(void *userdata) {
    struct run *run = userdata;
    run->result = kith_proxy_run(run->scene->front.socket, run->scene->back.socket, NULL, NULL);
    return NULL;
}

/* One thread runs the proxy, another one has the sockets at its ends. */
static void test_a_loop_with_a_thread_joins_them_for_others(void **state) {
    struct scene *scene = *state;
    struct run run = {.scene = scene};
    pthread_t thread;
    assert_int_equal(kith_loop_thread(scene->world.loop, NULL), 0);
    bound(scene, &scene->front, KITH_PULL);
    bound(scene, &scene->back, KITH_PUSH);
    node_init(&scene->world, &scene->client, KITH_PUSH, NULL);
    node_connect(&scene->client, &scene->front);
    node_init(&scene->world, &scene->worker, KITH_PULL, NULL);
    node_connect(&scene->worker, &scene->back);
    assert_int_equal(pthread_create(&thread, NULL, run_proxy, &run), 0);
    for (uint32_t i = 0; i < 100; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, &i, sizeof(i)), 0);
        assert_int_equal(kith_socket_send(scene->client.socket, msg, -1), 0);
        assert_int_equal(kith_socket_recv(scene->worker.socket, &msg, -1), 0);
        assert_memory_equal(kith_msg_frame(msg, 0, NULL), &i, sizeof(i));
        kith_msg_free(msg);
    }
    kith_loop_stop(scene->world.loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(run.result, -ECANCELED);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_requests_and_replies_find_their_way),        TEST(test_a_reply_to_a_client_that_has_gone_is_counted),
        TEST(test_nothing_is_lost_when_one_side_is_slow),      TEST(test_the_control_socket_steers),
        TEST(test_what_cannot_be_joined_is_refused),           TEST(test_run_is_over_when_it_is_told_or_stopped),
        TEST(test_a_loop_with_a_thread_joins_them_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
