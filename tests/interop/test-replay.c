/*
 * Somebody between a libzmq client and a server, who knows no key: he keeps what the client says (CURVE), and says it again, in another
 * order, too early, on connections of his own, or by the thousand.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "interop/flood.h"

enum { HANDSHAKE_FRAMES = 2, RECORD_ROOM = 65536 };

struct between {
    struct flood *flood;
    void *victim; /* DEALER, of libzmq */
    int listener;
    struct raw front, back; /* to the client, to the server */
    uint8_t record[RECORD_ROOM];
    size_t size;
    size_t passed; /* octets of the record that the server has been given */
    bool holds;    /* what the client says is kept, and not passed on */
};

/* The size of the frame at *octets, its header included; 0: it is not whole. */
static size_t frame_size(const uint8_t *octets, size_t have) {
    size_t header = have > 0 && (octets[0] & RAW_LONG) ? 9 : 2, size = 0;
    if (have < header)
        return 0;
    for (size_t i = 1; i < header; i++)
        size = size << 8 | octets[i];
    return have - header < size ? 0 : header + size;
}

/* Where the frame of this number (0: HELLO, 1: INITIATE, then messages) begins in what the client said; its size, 0 when it has not come.
 */
static size_t frame_at(const struct between *between, size_t number, const uint8_t **ret_frame) {
    size_t at = RAW_GREETING, size = 0;
    if (between->size < at)
        return 0;
    for (size_t i = 0; i <= number; i++) {
        at += size;
        size = frame_size(between->record + at, between->size - at);
        if (size == 0)
            return 0;
    }
    *ret_frame = between->record + at;
    return size;
}

/* Passes on what there is. */
static void relay(struct between *between) {
    uint8_t octets[4096];
    ssize_t count = recv(between->front.fd, between->record + between->size, RECORD_ROOM - between->size, MSG_DONTWAIT);
    between->size += count > 0 ? (size_t)count : 0;
    if (!between->holds && between->size > between->passed) {
        assert_int_equal(raw_write(&between->back, between->record + between->passed, between->size - between->passed), 0);
        between->passed = between->size;
    }
    while ((count = recv(between->back.fd, octets, sizeof(octets), MSG_DONTWAIT)) > 0)
        assert_int_equal(raw_write(&between->front, octets, (size_t)count), 0);
    flood_settle(between->flood);
}

/* Until the client has said the frame of this number. */
static void relay_until(struct between *between, size_t number) {
    const uint8_t *frame;
    while (frame_at(between, number, &frame) == 0) {
        assert_true(support_left(&between->flood->interop->support) > 0);
        relay(between);
    }
}

static void say(struct between *between, const char *text) {
    assert_int_equal(zmq_send(between->victim, text, strlen(text), 0), strlen(text));
}

/* The client is in, and has said one message, which the server got. */
static void come_between(struct between *between, struct flood *flood, struct interop *interop) {
    char endpoint[128];
    flood_new(flood, interop, KITH_ROUTER);
    flood_seal(flood);
    flood_serve(flood, support_ipc(&interop->support));
    *between = (struct between){.flood = flood};
    snprintf(endpoint, sizeof(endpoint), "%s", support_ipc(&interop->support));
    between->listener = raw_listen(endpoint);
    assert_true(between->listener >= 0);
    between->victim = zpeer_new(interop, ZMQ_DEALER);
    flood_unlock(flood, between->victim);
    zpeer_connect(between->victim, endpoint);
    assert_int_equal(raw_accept(&interop->support, between->listener, &between->front), 0);
    flood_connect(flood, &between->back);
    say(between, "the first");
    relay_until(between, HANDSHAKE_FRAMES);
    while (!zpeer_readable(between->victim)) { /* the echo */
        assert_true(support_left(&interop->support) > 0);
        relay(between);
    }
    assert_int_equal(kith_socket_peer_count(flood->server), 2);
}

static void leave(struct between *between, const char *what, size_t octets) {
    struct flood *flood = between->flood;
    zpeer_close(flood->interop, between->victim);
    close(between->listener);
    raw_close(&between->front);
    raw_close(&between->back);
    flood_end(flood, what, octets);
}

static void expect_end(const struct between *between, const char *text) {
    struct flood *flood = between->flood;
    flood_until(flood, KITH_EVENT_DISCONNECTED, 1);
    assert_int_equal(flood->errors[KITH_EVENT_DISCONNECTED], -EBADMSG);
    assert_non_null(strstr(flood->texts[KITH_EVENT_DISCONNECTED], text));
    assert_int_equal(kith_socket_peer_count(flood->server), 1);
}

static void test_a_sealed_message_said_again_ends_its_connection_alone(void **state) {
    struct flood flood;
    struct between between;
    const uint8_t *frame;
    come_between(&between, &flood, *state);
    size_t size = frame_at(&between, HANDSHAKE_FRAMES, &frame);
    assert_int_equal(raw_write(&between.back, frame, size), 0);
    expect_end(&between, "replayed");
    leave(&between, "a message said again", FLOOD_MIB);
}

static void test_sealed_messages_in_another_order_end_their_connection_alone(void **state) {
    struct flood flood;
    struct between between;
    const uint8_t *second, *third;
    come_between(&between, &flood, *state);
    between.holds = true;
    say(&between, "the second");
    say(&between, "the third");
    relay_until(&between, HANDSHAKE_FRAMES + 2);
    size_t second_size = frame_at(&between, HANDSHAKE_FRAMES + 1, &second), third_size = frame_at(&between, HANDSHAKE_FRAMES + 2, &third);
    assert_int_equal(raw_write(&between.back, third, third_size), 0);
    assert_int_equal(raw_write(&between.back, second, second_size), 0);
    expect_end(&between, "replayed");
    leave(&between, "messages in another order", FLOOD_MIB);
}

/* On connections of his own ---------------------------------------------------------------------------------------------- */

/* What of the record is said on a new connection, and how often. */
static void retell(struct between *between, size_t from, size_t to, unsigned times) {
    struct flood *flood = between->flood;
    for (unsigned i = 1; i <= times; i++) {
        struct raw raw;
        flood_connect(flood, &raw);
        assert_int_equal(raw_write(&raw, between->record, RAW_GREETING), 0);
        for (size_t number = from; number < to; number++) {
            const uint8_t *frame;
            size_t size = frame_at(between, number, &frame);
            assert_true(size > 0);
            if (flood_push(flood, &raw, frame, size) < 0) /* it has been hung up on */
                break;
        }
        flood_until(flood, KITH_EVENT_HANDSHAKE_FAILED, i);
        raw_close(&raw);
        if (i % 10 == 0)
            flood_trip(flood);
    }
}

static void test_a_handshake_said_again_lets_nobody_in(void **state) {
    struct flood flood;
    struct between between;
    come_between(&between, &flood, *state);
    retell(&between, 0, HANDSHAKE_FRAMES + 1, 200);
    assert_int_equal(flood.errors[KITH_EVENT_HANDSHAKE_FAILED], -EKEYREJECTED);
    assert_non_null(strstr(flood.texts[KITH_EVENT_HANDSHAKE_FAILED], "its cookie is not ours"));
    assert_int_equal(kith_socket_peer_count(flood.server), 2);
    leave(&between, "whole conversations said again", FLOOD_MIB);
}

static void test_a_message_before_the_handshake_lets_nobody_in(void **state) {
    struct flood flood;
    struct between between;
    come_between(&between, &flood, *state);
    retell(&between, HANDSHAKE_FRAMES, HANDSHAKE_FRAMES + 1, 200);
    assert_int_equal(flood.errors[KITH_EVENT_HANDSHAKE_FAILED], -EPROTO);
    assert_int_equal(kith_socket_peer_count(flood.server), 2);
    leave(&between, "messages without a handshake", FLOOD_MIB);
}

static unsigned cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (unsigned)((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* A HELLO costs the server its WELCOME: two boxes and a pair of keys. Who has said it gets no more out of that connection. */
static void test_a_storm_of_hellos_is_answered_and_others_are_served(void **state) {
    enum { STORM = 2000 };
    static struct raw raws[STORM];
    struct flood flood;
    struct between between;
    const uint8_t *hello;
    come_between(&between, &flood, *state);
    support_set(flood.server, KITH_OPTION_HANDSHAKE_TIMEOUT, 600000); /* in valgrind the first would be given up before the last has come */
    size_t size = frame_at(&between, 0, &hello), heap = support_heap();
    unsigned start = cpu_us();
    for (size_t i = 0; i < STORM; i++) {
        flood_connect(&flood, &raws[i]);
        assert_int_equal(raw_write(&raws[i], between.record, RAW_GREETING), 0);
        assert_int_equal(flood_push(&flood, &raws[i], hello, size), size);
        if (i % 100 == 0)
            flood_trip(&flood);
    }
    print_message("    a HELLO costs %u us of processor and %zu octets until its connection ends\n", (cpu_us() - start) / STORM,
                  (support_heap() - heap) / STORM);
    (void)flood_push(&flood, &raws[0], hello, size); /* twice on one connection ends that */
    flood_until(&flood, KITH_EVENT_HANDSHAKE_FAILED, 1);
    assert_int_equal(flood.errors[KITH_EVENT_HANDSHAKE_FAILED], -EPROTO);
    for (size_t i = 0; i < STORM; i++)
        raw_close(&raws[i]);
    flood_until(&flood, KITH_EVENT_HANDSHAKE_FAILED, STORM);
    assert_int_equal(kith_socket_peer_count(flood.server), 2);
    leave(&between, "HELLOs", (size_t)STORM * 3072);
}

#define REPLAY_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(test_a_sealed_message_said_again_ends_its_connection_alone),
        REPLAY_TEST(test_sealed_messages_in_another_order_end_their_connection_alone),
        REPLAY_TEST(test_a_handshake_said_again_lets_nobody_in),
        REPLAY_TEST(test_a_message_before_the_handshake_lets_nobody_in),
        REPLAY_TEST(test_a_storm_of_hellos_is_answered_and_others_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
