/* socket/test-large.c: bodies that do not lie in one receive: copied together, or received straight into their messages. */
#include "socket/testing-scene.h"

#define KIB ((size_t)1024)

static const size_t sizes[] = {64 * KIB - 1, 64 * KIB,  64 * KIB + 1,    128 * KIB - 9, 256 * KIB - 1,
                               256 * KIB,    320 * KIB, 321 * KIB,       KIB *KIB,      KIB *KIB + 13,
                               3 * KIB *KIB, 17,        5 * KIB *KIB + 1};

/* |number|octets|small| */
static kith_msg *large(uint8_t number, size_t size) {
    kith_msg *msg;
    uint8_t *octets = pattern_new(size);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, &number, 1), 0);
    assert_int_equal(kith_msg_add(msg, octets, size), 0);
    assert_int_equal(kith_msg_add(msg, "small", 5), 0);
    free(octets);
    return msg;
}

static void assert_pattern(const uint8_t *octets, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (octets[i] != pattern(i))
            fail_msg("octet %zu of %zu is not what was sent", i, size);
}

static void assert_large(const kith_msg *msg, uint8_t number, size_t size) {
    size_t got;
    assert_int_equal(kith_msg_count(msg), 3);
    const uint8_t *octets = kith_msg_frame(msg, 0, &got);
    assert_int_equal(octets[0], number);
    octets = kith_msg_frame(msg, 1, &got);
    assert_int_equal(got, size);
    assert_pattern(octets, size);
    octets = kith_msg_frame(msg, 2, &got);
    assert_int_equal(got, 5);
    assert_memory_equal(octets, "small", 5);
}

static void test_bodies_of_all_sizes_come_whole_and_small_ones_between_them(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_PULL);
    join(scene, &scene->client, KITH_PUSH);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        assert_int_equal(kith_socket_send(scene->client.socket, large((uint8_t)i, sizes[i]), 10000), 0);
        send_words(&scene->client, "between");
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        kith_msg *msg;
        pid_t pid = 0;
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        assert_large(msg, (uint8_t)i, sizes[i]);
        if (kith_origin_pid(kith_msg_origin(msg), &pid) != KITH_WITNESS_NONE)
            assert_int_equal(pid, getpid());
        kith_msg_free(msg);
        expect_words(&scene->server, "between");
    }
}

/* By hand ---------------------------------------------------------------------------------------------------------------- */

#define BODY_SIZE (KIB * KIB)

static size_t long_header(uint8_t octets[static 9], bool more, size_t size) {
    octets[0] = more ? 3 : 2;
    for (size_t i = 0; i < 8; i++)
        octets[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    return 9;
}

static void begin_by_hand(struct scene *scene, int *ret_fd) {
    serve(scene, KITH_PULL);
    *ret_fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
}

/* Two frames of one message; the pieces end before, in and behind headers. */
static void test_body_is_whole_however_it_is_cut(void **state) {
    struct scene *scene = *state;
    static const size_t cuts[] = {
        1, 8, 9, 10, 4096, 4105, 65536, 65545, 300000, BODY_SIZE + 8, BODY_SIZE + 9, BODY_SIZE + 10, BODY_SIZE + 18};
    uint8_t *octets = malloc(2 * (9 + BODY_SIZE)), *body = pattern_new(BODY_SIZE);
    int fd;
    assert_non_null(octets);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *frame = octets + i * (9 + BODY_SIZE);
        memcpy(frame + long_header(frame, i == 0, BODY_SIZE), body, BODY_SIZE);
    }
    begin_by_hand(scene, &fd);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cuts); i++) {
        kith_msg *msg;
        size_t size;
        pour(&scene->world, fd, octets, cuts[i]);
        settle_down(&scene->world);
        pour(&scene->world, fd, octets + cuts[i], 2 * (9 + BODY_SIZE) - cuts[i]);
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        assert_int_equal(kith_msg_count(msg), 2);
        for (size_t frame = 0; frame < 2; frame++) {
            const uint8_t *data = kith_msg_frame(msg, frame, &size);
            assert_int_equal(size, BODY_SIZE);
            assert_pattern(data, size);
        }
        kith_msg_free(msg);
    }
    free(body);
    free(octets);
    close(fd);
}

static void test_peer_that_dies_in_a_large_body_leaves_nothing(void **state) {
    struct scene *scene = *state;
    uint8_t header[9], *body = pattern_new(BODY_SIZE);
    for (size_t size = 1; size < BODY_SIZE; size *= 31) {
        int fd;
        if (size == 1)
            begin_by_hand(scene, &fd);
        else
            fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
        raw_send(fd, header, long_header(header, false, BODY_SIZE));
        pour(&scene->world, fd, body, size);
        settle_down(&scene->world);
        close(fd);
        until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    }
    expect_nothing(&scene->world, &scene->server);
    free(body);
}

/* The credentials of what is received in place count as those of anything else. */
static void test_large_body_of_two_writers_is_refused(void **state) {
    struct scene *scene = *state;
    uint8_t header[9], *body = pattern_new(BODY_SIZE);
    int fd;
    begin_by_hand(scene, &fd);
    raw_send(fd, header, long_header(header, false, BODY_SIZE));
    pour(&scene->world, fd, body, BODY_SIZE / 2);
    settle_down(&scene->world);
    raw_send_forked(fd, body, 1000);
    until(&scene->world, scene->server.events[KITH_EVENT_SPLIT_MESSAGE] == 1);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    expect_nothing(&scene->world, &scene->server);
    close(fd);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROWS(test_bodies_of_all_sizes_come_whole_and_small_ones_between_them),
        ROW(test_body_is_whole_however_it_is_cut, "ipc"),
        ROW(test_peer_that_dies_in_a_large_body_leaves_nothing, "ipc"),
        ROW(test_large_body_of_two_writers_is_refused, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
