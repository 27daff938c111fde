/* socket/test-pubsub-octets.c: PUB and XPUB with a subscriber that writes ZMTP by hand: both versions, both forms, both ways of counting.
 */
#include "socket/testing-scene.h"

static void expect_octets(struct scene *scene, int fd, const char *text, size_t size) {
    uint8_t octets[1024];
    bool over = false;
    size_t got = 0;
    settle_down(&scene->world);
    got = slurp(fd, octets, sizeof(octets), &over);
    assert_int_equal(got, size);
    assert_memory_equal(octets, text, size);
}

#define EXPECT_OCTETS(scene, fd, text) expect_octets(scene, fd, text, sizeof(text) - 1)

static void test_a_peer_of_zmtp_3_0_subscribes_by_messages(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    int fd = raw_peer_of(&scene->world, &scene->server, 0, "SUB", NULL);
    raw_text(fd, "\x00\x02\x01"
                 "a");
    expect_words(&scene->server, "\1a");
    send_words(&scene->server, "a1");
    EXPECT_OCTETS(scene, fd,
                  "\x00\x02"
                  "a1");
    raw_text(fd, "\x00\x02\x00"
                 "a");
    expect_cancel(&scene->server, "a");
    send_words(&scene->server, "a2");
    EXPECT_OCTETS(scene, fd, "");
    close(fd);
}

static void test_a_peer_of_zmtp_3_1_subscribes_by_commands_or_messages(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    int fd = raw_peer_of(&scene->world, &scene->server, 1, "SUB", NULL);
    raw_text(fd, "\x04\x0b\x09SUBSCRIBEa"
                 "\x04\x0a\x09SUBSCRIBE"
                 "\x00\x02\x01"
                 "b");
    expect_words(&scene->server, "\1a");
    expect_words(&scene->server, "\1");
    expect_words(&scene->server, "\1b");
    raw_text(fd, "\x04\x08\x06"
                 "CANCELb" /* in the other form */
                 "\x00\x01\x00"
                 "\x00\x02\x00"
                 "a");
    expect_cancel(&scene->server, "b");
    expect_cancel(&scene->server, "");
    expect_cancel(&scene->server, "a");
    send_words(&scene->server, "a2");
    EXPECT_OCTETS(scene, fd, "");
    close(fd);
}

/* RFC 37: two subscriptions need two cancels; and cancels of what nobody has are no news. */
static void test_a_peer_that_asked_twice_cancels_twice(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_XPUB);
    int fd = raw_peer_of(&scene->world, &scene->server, 1, "SUB", NULL);
    raw_text(fd, "\x04\x08\x06"
                 "CANCELn\x04\x0b\x09SUBSCRIBEa\x04\x0b\x09SUBSCRIBEa\x04\x08\x06"
                 "CANCELa");
    expect_words(&scene->server, "\1a");
    expect_nothing(&scene->world, &scene->server);
    send_words(&scene->server, "a1");
    EXPECT_OCTETS(scene, fd,
                  "\x00\x02"
                  "a1");
    raw_text(fd, "\x04\x08\x06"
                 "CANCELa");
    expect_cancel(&scene->server, "a");
    send_words(&scene->server, "a2");
    EXPECT_OCTETS(scene, fd, "");
    close(fd);
    expect_nothing(&scene->world, &scene->server);
}

/* libzmq 4.3, by its greeting, says the second subscription and not the first cancel. */
static void test_libzmq_cancels_once_what_it_asked_for_twice(void **state) {
    struct scene *scene = *state;
    uint8_t octets[GREETING_SIZE + 256];
    serve(scene, KITH_XPUB);
    int fd = raw_connect(&scene->server);
    raw_greeting(octets, 1);
    octets[8] = 1;
    raw_send(fd, octets, GREETING_SIZE + raw_ready(octets + GREETING_SIZE, "SUB", NULL));
    raw_text(fd, "\x04\x0b\x09SUBSCRIBEa\x04\x0b\x09SUBSCRIBEa\x04\x08\x06"
                 "CANCELa");
    expect_words(&scene->server, "\1a");
    expect_cancel(&scene->server, "a");
    close(fd);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    expect_nothing(&scene->world, &scene->server);
}

/* Nobody takes what an XPUB shows: the peer is not read from, and what it said counts against it. */
static void test_subscriptions_that_nobody_takes_are_held_back(void **state) {
    struct scene *scene = *state;
    static const char one[] = "\x04\x0b\x09SUBSCRIBEa\x04\x08\x06"
                              "CANCELa";
    char many[100 * (sizeof(one) - 1)];
    for (size_t i = 0; i < 100; i++)
        memcpy(many + i * (sizeof(one) - 1), one, sizeof(one) - 1);
    serve(scene, KITH_XPUB);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1000);
    int fd = raw_peer_of(&scene->world, &scene->server, 1, "SUB", NULL);
    size_t sent = 0;
    for (int quiet = 0; quiet < 3;) { /* until neither the kernel nor the publisher takes more */
        ssize_t n = send(fd, many, sizeof(many), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n == (ssize_t)sizeof(many)) {
            sent += 200;
            quiet = 0;
        } else {
            assert_true(n < 0 && errno == EAGAIN); /* small writes are taken whole or not at all */
            quiet++;
        }
        settle_down(&scene->world);
    }
    const struct kith_account *account = node_session(&scene->server)->account;
    assert_true(account->full);
    assert_in_range(account->messages, 1000, 10000); /* one receive more than the mark */
    unsigned taken = 0;
    until(&scene->world, (taken += take_all(scene, &scene->server), taken == sent));
    close(fd);
}

/* Topics that a SUB asks for; each third one it cancels at once. */
#define WAITING 30000
#define WAITING_TOPIC 20

/* Appends a command with the topic; `name` has its size in front. */
static uint8_t *put_command(uint8_t *end, const char *name, const char *topic) {
    *end++ = 4;
    *end++ = (uint8_t)(strlen(name) + WAITING_TOPIC);
    end = mempcpy(end, name, strlen(name));
    return mempcpy(end, topic, WAITING_TOPIC);
}

/* More than the connection and the kernel take. Returns the octets of it all, to be freed. */
static uint8_t *ask_for_much(struct scene *scene, size_t *ret_size) {
    uint8_t *octets = malloc((size_t)WAITING * 2 * (12 + WAITING_TOPIC)), *end = octets;
    char topic[WAITING_TOPIC + 1];
    assert_non_null(octets);
    for (unsigned i = 0; i < WAITING; i++) {
        assert_int_equal(snprintf(topic, sizeof(topic), "telemetry/%05u/rate", i), WAITING_TOPIC);
        assert_int_equal(kith_socket_subscribe(scene->server.socket, topic, WAITING_TOPIC), 0);
        end = put_command(end, "\x09SUBSCRIBE", topic);
        if (i % 3 > 0)
            continue;
        assert_int_equal(kith_socket_unsubscribe(scene->server.socket, topic, WAITING_TOPIC), 0);
        end = put_command(end,
                          "\x06"
                          "CANCEL",
                          topic);
    }
    *ret_size = (size_t)(end - octets);
    return octets;
}

static void test_subscriptions_wait_in_order_and_in_few_messages_for_a_publisher_that_does_not_read(void **state) {
    struct scene *scene = *state;
    size_t size, got = 0;
    bool over = false;
    serve(scene, KITH_SUB);
    int fd = raw_peer_of(&scene->world, &scene->server, 1, "PUB", NULL);
    uint8_t *expected = ask_for_much(scene, &size), *octets = malloc(size + 1);
    assert_non_null(octets);
    const struct kith_session *session = node_session(&scene->server);
    assert_in_range(session->queued, 1, WAITING / 100);
    until(&scene->world, (got += slurp(fd, octets + got, size + 1 - got, &over), got >= size));
    settle_down(&scene->world);
    assert_int_equal(slurp(fd, octets, 1, &over), 0);
    assert_memory_equal(octets, expected, size);
    assert_int_equal(session->queued, 0);
    assert_int_equal(session->queued_octets, 0);
    free(octets);
    free(expected);
    close(fd);
}

/* They will be said to the next one: nothing is lost. */
static void test_subscriptions_that_wait_for_a_peer_that_is_lost_are_no_dropped_messages(void **state) {
    struct scene *scene = *state;
    size_t size;
    serve(scene, KITH_SUB);
    int fd = raw_peer_of(&scene->world, &scene->server, 1, "PUB", NULL);
    free(ask_for_much(scene, &size));
    assert_true(node_session(&scene->server)->queued > 0);
    close(fd);
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    settle_down(&scene->world);
    assert_int_equal(scene->server.events[KITH_EVENT_DROPPED], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(test_a_peer_of_zmtp_3_0_subscribes_by_messages, "ipc"),
        ROW(test_a_peer_of_zmtp_3_1_subscribes_by_commands_or_messages, "ipc"),
        ROW(test_a_peer_that_asked_twice_cancels_twice, "ipc"),
        ROW(test_libzmq_cancels_once_what_it_asked_for_twice, "ipc"),
        ROW(test_subscriptions_that_nobody_takes_are_held_back, "ipc"),
        ROW(test_subscriptions_wait_in_order_and_in_few_messages_for_a_publisher_that_does_not_read, "ipc"),
        ROW(test_subscriptions_that_wait_for_a_peer_that_is_lost_are_no_dropped_messages, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
