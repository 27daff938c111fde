/* ZMTP peers that are libzmq's: what frames they get, and subscribers. */
#include "gateway/output/testing.h"

#include <zmq.h>

/* A stock socket, and the scene's target made its endpoint. */
static void *stock_bind(struct scene *scene, void *context, int type) {
    size_t size = sizeof(scene->target);
    int timeout = 20000;
    void *socket = zmq_socket(context, type);
    assert_non_null(socket);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof(timeout)), 0);
    assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, scene->target, &size), 0);
    return socket;
}

static void assert_frame(void *socket, const char *expected, size_t size, int more_expected) {
    char frame[256];
    int more = -1;
    size_t more_size = sizeof(more);
    assert_int_equal(zmq_recv(socket, frame, sizeof(frame), 0), size);
    assert_memory_equal(frame, expected, size);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size), 0);
    assert_int_equal(more, more_expected);
}

static void stock_close(void *socket, void *context) {
    assert_int_equal(zmq_close(socket), 0);
    assert_int_equal(zmq_ctx_term(context), 0);
}

static void test_a_stock_pull_gets_the_body_alone(void **state) {
    struct scene *scene = *state;
    void *context = zmq_ctx_new(), *socket = stock_bind(scene, context, ZMQ_PULL);
    scene_up(scene);
    assert_int_equal(scene_send(scene, 7, "two\nlines"), 0);
    assert_int_equal(scene_send(scene, 8, ""), 0);
    until(scene, scene->done == 8);
    assert_frame(socket, "two\nlines", 9, 0);
    assert_frame(socket, "", 0, 0);
    stock_close(socket, context);
}

/* Keys of both, in the options and in Z85. */
static void make_keys(struct scene *scene, char server_secret[static KITH_CURVE_TEXT_SIZE]) {
    uint8_t secret[KITH_CURVE_KEY_SIZE], public[KITH_CURVE_KEY_SIZE];
    assert_int_equal(kith_curve_keypair(scene->options.curve_server_key, secret), 0);
    assert_int_equal(kith_z85_encode(secret, sizeof(secret), server_secret, KITH_CURVE_TEXT_SIZE), 0);
    assert_int_equal(kith_curve_keypair(public, scene->options.curve_secret_key), 0);
    scene->options.curve = true;
}

static void test_a_stock_curve_server_with_that_key_is_spoken_to_and_another_is_not(void **state) {
    struct scene *scene = *state;
    char secret[KITH_CURVE_TEXT_SIZE];
    void *context = zmq_ctx_new();
    make_keys(scene, secret);
    for (int right = 0; right < 2; right++) {
        void *socket = zmq_socket(context, ZMQ_PULL);
        int timeout = 20000;
        size_t size = sizeof(scene->target);
        char other_public[KITH_CURVE_TEXT_SIZE], other_secret[KITH_CURVE_TEXT_SIZE];
        assert_int_equal(zmq_curve_keypair(other_public, other_secret), 0);
        assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &(int){1}, sizeof(int)), 0);
        assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, right ? secret : other_secret, KITH_CURVE_TEXT_SIZE), 0);
        assert_int_equal(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout, sizeof(timeout)), 0);
        assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
        assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, scene->target, &size), 0);
        if (right) {
            scene_up(scene);
            assert_int_equal(scene_send(scene, 7, "sealed"), 0);
            until(scene, scene->done == 7);
            assert_frame(socket, "sealed", 6, 0);
        } else {
            scene_open(scene);
            until(scene, scene_stats(scene).failures > 0);
            assert_int_equal(scene_stats(scene).sent, 0);
            scene->output = output_free(scene->output);
        }
        assert_int_equal(zmq_close(socket), 0);
    }
    assert_int_equal(zmq_ctx_term(context), 0);
}

static void test_who_has_no_curve_refuses_the_keys(void **state) {
    struct scene *scene = *state;
    static const char *const targets[] = {"raw+tcp://127.0.0.1:1", "raw+ipc://@x", "exec:cat", "file:/tmp/x"};
    struct kith_error error = KITH_ERROR_NONE;
    scene->options.curve = true;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(targets); i++) {
        assert_int_equal(output_check(targets[i], &scene->options, &error), -EPROTONOSUPPORT);
        assert_non_null(strstr(error.text, "CURVE"));
    }
    assert_int_equal(output_check("tcp://127.0.0.1:1", &scene->options, &error), 0);
}

static void test_with_origin_a_stock_pull_gets_id_and_origin_before_the_body(void **state) {
    struct scene *scene = *state;
    void *context = zmq_ctx_new(), *socket = stock_bind(scene, context, ZMQ_PULL);
    scene->options.origin = true;
    scene_up(scene);
    const struct output_message message = {.id = 258, .source = "s", .body = "body", .size = 4, .origin = "{\"pid\":1}"};
    assert_int_equal(output_send(scene->output, &message), 0);
    assert_int_equal(scene_send(scene, 259, "next"), 0);
    until(scene, scene->done == 259);
    assert_frame(socket, "\0\0\0\0\0\0\1\2", 8, 1);
    assert_frame(socket, "{\"pid\":1}", 9, 1);
    assert_frame(socket, "body", 4, 0);
    assert_frame(socket, "\0\0\0\0\0\0\1\3", 8, 1);
    assert_frame(socket, "", 0, 1);
    assert_frame(socket, "next", 4, 0);
    stock_close(socket, context);
}

static void test_a_stock_sub_gets_what_is_published(void **state) {
    struct scene *scene = *state;
    void *context = zmq_ctx_new(), *socket = stock_bind(scene, context, ZMQ_SUB);
    char frame[64];
    uint64_t id = 0;
    assert_int_equal(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), 0);
    scene->options.publish = true;
    scene_up(scene);
    /* What was published before the subscription came is nobody's. */
    while (zmq_recv(socket, frame, sizeof(frame), ZMQ_DONTWAIT) < 0) {
        assert_true(id < 1000000);
        assert_int_equal(scene_send(scene, ++id, "news"), 0);
        until(scene, scene->done == id);
    }
    assert_memory_equal(frame, "news", 4);
    stock_close(socket, context);
}

static void test_a_peer_of_another_type_is_said_and_tried_again(void **state) {
    struct scene *scene = *state;
    void *context = zmq_ctx_new(), *socket = stock_bind(scene, context, ZMQ_REP);
    scene_open(scene);
    until(scene, scene_stats(scene).failures >= 2);
    assert_int_equal(scene->ready, 0);
    assert_true(scene_stats(scene).last_error[0] != '\0');
    stock_close(socket, context);
}

static void test_a_wrong_target_is_refused_with_the_reason(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    static const char *const bad[] = {"tcp://127.0.0.1", "tcp://127.0.0.1:99999", "raw+tcp://", "raw+tcp://*:0", "ipc://", "inproc://"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(bad); i++) {
        error = KITH_ERROR_NONE;
        snprintf(scene->target, sizeof(scene->target), "%s", bad[i]);
        assert_true(scene_try(scene, &error) < 0);
        assert_true(error.text[0] != '\0');
    }
    scene->options.acks = scene->options.origin = true;
    snprintf(scene->target, sizeof(scene->target), "tcp://127.0.0.1:1");
    assert_int_equal(scene_try(scene, &error), -EINVAL);
    assert_non_null(strstr(error.text, "a PUSH socket receives no acks"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_a_stock_pull_gets_the_body_alone),
        SCENE_TEST(test_with_origin_a_stock_pull_gets_id_and_origin_before_the_body),
        SCENE_TEST(test_a_stock_curve_server_with_that_key_is_spoken_to_and_another_is_not),
        SCENE_TEST(test_who_has_no_curve_refuses_the_keys),
        SCENE_TEST(test_a_stock_sub_gets_what_is_published),
        SCENE_TEST(test_a_peer_of_another_type_is_said_and_tried_again),
        SCENE_TEST(test_a_wrong_target_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
