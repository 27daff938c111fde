/*
 * Too much of everything that one peer may send: frames, PINGs, PONGs, subscriptions, halves of messages, and never a read. Each time the
 * server's memory has a bound, what happens has a name, and an honest libzmq client is served all the while.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "interop/flood.h"

#define OCTETS(text) text, sizeof(text) - 1

/* Frames of one message ---------------------------------------------------------------------------------------------- */

enum { MILLION = 1000000, PART = 20000 };

/* A million frames of an octet, in 50 parts with a round trip of the honest client after each; false when the server hung up before. */
static bool pour_million(struct flood *flood, struct raw *raw, bool ends) {
    static uint8_t octets[3 * PART];
    for (size_t i = 0; i < PART; i++)
        memcpy(octets + 3 * i, "\1\1x", 3);
    for (size_t part = 1; part <= MILLION / PART; part++) {
        if (ends && part == MILLION / PART)
            octets[sizeof(octets) - 3] = 0;
        if (!flood_pour(flood, raw, octets, sizeof(octets)))
            return false;
        flood_trip(flood);
    }
    return true;
}

static void test_a_message_of_a_million_frames_within_the_limit_comes_whole(void **state) {
    struct flood flood;
    struct raw raw;
    flood_new(&flood, *state, KITH_ROUTER);
    support_set(flood.server, KITH_OPTION_MAX_MESSAGE, 129 * MILLION);
    flood_serve(&flood, support_ipc(&flood.interop->support));
    flood_join(&flood, &raw, "DEALER", NULL);
    assert_true(pour_million(&flood, &raw, true));
    support_until(&flood.interop->support, flood.frames == 1 + MILLION); /* with the routing id */
    assert_int_equal(flood.events[KITH_EVENT_DISCONNECTED], 0);
    raw_close(&raw);
    flood_end(&flood, "a million frames", 129 * (size_t)MILLION);
}

static void test_a_message_that_never_ends_is_ended_at_the_limit(void **state) {
    struct flood flood;
    struct raw raw;
    flood_new(&flood, *state, KITH_ROUTER);
    flood_serve(&flood, support_ipc(&flood.interop->support));
    flood_join(&flood, &raw, "DEALER", NULL);
    assert_false(pour_million(&flood, &raw, false));
    flood_until(&flood, KITH_EVENT_DISCONNECTED, 1);
    assert_int_equal(flood.errors[KITH_EVENT_DISCONNECTED], -EMSGSIZE);
    assert_int_equal(flood.frames, 3); /* the honest client's */
    raw_close(&raw);
    flood_end(&flood, "frames without an end", 64 * FLOOD_MIB);
}

/* Commands ----------------------------------------------------------------------------------------------------------- */

enum { STORM = 8 * 1024 * 1024, COMMAND_ROOM = 65536 };

struct storm {
    const char *name;
    const char *command;
    size_t command_size, context; /* octets behind the command, in the same frame */
    bool reads;                   /* what the server answers */
};

static const struct storm storms[] = {
    {"PINGs of one who reads no PONG", OCTETS("\4PING\0\0"), 16, false},
    {"PINGs of one who reads all PONGs", OCTETS("\4PING\0\0"), 16, true},
    {"PINGs that are as large as a command may be", OCTETS("\4PING\xff\xff"), COMMAND_ROOM - 7, false},
    {"PONGs that nobody asked for", OCTETS("\4PONG"), 16, false},
    {"unknown commands, as large as may be", OCTETS("\4MOON"), COMMAND_ROOM - 5, false},
    {"errors after the handshake", OCTETS("\5ERROR\4moon"), 0, false},
};

static size_t drain(const struct raw *raw) {
    static uint8_t octets[65536];
    size_t size = 0;
    for (ssize_t count; (count = recv(raw->fd, octets, sizeof(octets), MSG_DONTWAIT)) > 0;)
        size += (size_t)count;
    return size;
}

static size_t command(uint8_t frame[static COMMAND_ROOM + 9], const struct storm *storm) {
    size_t size = storm->command_size + storm->context, header = raw_header(frame, RAW_COMMAND, size);
    memcpy(frame + header, storm->command, storm->command_size);
    memset(frame + header + storm->command_size, 'c', storm->context);
    return header + size;
}

/* Many to a write, with a round trip of the honest client after each; returns how many octets were answered. */
static size_t rage(struct flood *flood, struct raw *raw, const struct storm *storm) {
    static uint8_t octets[2 * COMMAND_ROOM + 18];
    size_t one = command(octets, storm), many = one, answered = 0;
    for (; many + one <= 2 * COMMAND_ROOM; many += one)
        memcpy(octets + many, octets, one);
    for (size_t sent = 0; sent < STORM; sent += many) {
        assert_true(flood_pour(flood, raw, octets, many));
        flood_trip(flood);
        answered += storm->reads ? drain(raw) : 0;
    }
    return answered;
}

static void test_a_storm_of_commands_takes_little_memory(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(storms); i++) {
        struct flood flood;
        struct raw raw;
        flood_new(&flood, *state, KITH_REP);
        flood_serve(&flood, support_ipc(&flood.interop->support));
        flood_join(&flood, &raw, "REQ", NULL);
        size_t answered = rage(&flood, &raw, &storms[i]);
        assert_true(answered > 0 || !storms[i].reads);
        assert_int_equal(flood.events[KITH_EVENT_DISCONNECTED], 0);
        raw_close(&raw);
        flood_until(&flood, KITH_EVENT_DISCONNECTED, 1);
        flood_end(&flood, storms[i].name, FLOOD_MIB);
    }
}

/* Peers that never read ---------------------------------------------------------------------------------------------- */

enum { LARGE = 4096 };

static kith_msg *large(const char *topic) {
    static char body[LARGE];
    kith_msg *msg = support_msg(topic, NULL);
    assert_int_equal(kith_msg_add(msg, body, sizeof(body)), 0);
    return msg;
}

static void test_a_subscriber_that_never_reads_loses_messages_by_name(void **state) {
    struct flood flood;
    struct raw raw;
    flood_new(&flood, *state, KITH_PUB);
    support_set(flood.server, KITH_OPTION_SEND_HWM_BYTES, FLOOD_MIB);
    support_set(flood.server, KITH_OPTION_SEND_HWM, MILLION);
    flood_serve(&flood, support_ipc(&flood.interop->support));
    flood_join(&flood, &raw, "SUB", NULL);
    assert_true(flood_pour(&flood, &raw, OCTETS("\0\1\1"))); /* to everything */
    for (size_t i = 0; i < 4000; i++) {
        support_send(&flood.interop->support, flood.server, large("of no interest to the honest"));
        flood_settle(&flood);
        if (i % 4 == 0)
            flood_trip(&flood);
    }
    assert_true(flood.counts[KITH_EVENT_DROPPED] > 2000);
    assert_int_equal(flood.errors[KITH_EVENT_DROPPED], -EAGAIN);
    raw_close(&raw);
    flood_end(&flood, "a SUB that never reads", 2 * FLOOD_MIB);
}

enum { REQUEST = 2 + 9 + LARGE, REQUESTS = 4000 };

static const uint8_t *requests(void) {
    static uint8_t octets[REQUESTS * REQUEST];
    for (uint8_t *request = octets; request < octets + sizeof(octets); request += REQUEST) {
        request[0] = RAW_MORE;
        raw_header(request + 2, 0, LARGE);
    }
    return octets;
}

static void serve_unread(struct flood *flood, struct interop *interop, enum kith_socket_type type, const char *client,
                         struct raw *ret_raw) {
    flood_new(flood, interop, type);
    support_set(flood->server, KITH_OPTION_SEND_HWM_BYTES, FLOOD_MIB);
    support_set(flood->server, KITH_OPTION_RECV_HWM_BYTES, FLOOD_MIB);
    flood_serve(flood, support_ipc(&interop->support));
    flood_join(flood, ret_raw, client, NULL);
}

static void test_a_router_drops_replies_that_nobody_reads_by_name(void **state) {
    const uint8_t *octets = requests();
    struct flood flood;
    struct raw raw;
    serve_unread(&flood, *state, KITH_ROUTER, "DEALER", &raw);
    for (size_t i = 0; i < REQUESTS; i += 40) {
        assert_true(flood_pour(&flood, &raw, octets + i * REQUEST, (size_t)40 * REQUEST));
        flood_trip(&flood);
    }
    assert_true(flood.counts[KITH_EVENT_DROPPED] > REQUESTS / 2);
    raw_close(&raw);
    flood_until(&flood, KITH_EVENT_DISCONNECTED, 1);
    flood_end(&flood, "requests to a ROUTER, no reply read", 2 * FLOOD_MIB);
}

/* What a PULL does not read waits up to the marks; then its PUSH is told so, and all goes to the one that reads. */
static void test_a_puller_that_never_reads_fills_no_more_than_its_mark(void **state) {
    struct flood flood;
    struct raw raw;
    flood_new(&flood, *state, KITH_PUSH);
    support_set(flood.server, KITH_OPTION_SEND_HWM_BYTES, FLOOD_MIB);
    support_set(flood.server, KITH_OPTION_SEND_HWM, MILLION);
    support_bind(flood.server, support_ipc(&flood.interop->support));
    flood_join(&flood, &raw, "PULL", NULL);
    flood_note(&flood);
    size_t taken = 0;
    for (;; taken++) {
        _cleanup_(kith_msg_freep) kith_msg *msg = large("work");
        int r = kith_socket_send(flood.server, msg, 0);
        flood_settle(&flood);
        if (r == -EAGAIN)
            break;
        assert_int_equal(r, 0);
        msg = NULL;
    }
    assert_in_range(taken * LARGE, FLOOD_MIB, 3 * FLOOD_MIB);
    flood.client = zpeer_new(flood.interop, ZMQ_PULL);
    zpeer_connect(flood.client, kith_socket_last_endpoint(flood.server));
    support_until(&flood.interop->support, kith_socket_peer_count(flood.server) == 2);
    for (size_t i = 0; i < 1000; i++)
        flood_trip(&flood);
    raw_close(&raw);
    flood_end(&flood, "a PULL that never reads", 2 * FLOOD_MIB);
}

/* Subscriptions ------------------------------------------------------------------------------------------------------ */

enum { TOPICS = 300000, TOPIC_ROOM = 200 };

struct subscribing {
    const char *name;
    uint8_t command; /* 1 subscribes, 0 cancels */
    bool distinct;
    size_t size; /* of a topic */
    size_t refused, growth;
};

/* max-subscriptions is 200000; a subscription costs some 100 octets and its topic. */
static const struct subscribing floods_of_topics[] = {
    {"distinct topics", 1, true, 12, TOPICS - 200000, (size_t)200000 * (110 + 12)},
    {"long topics", 1, true, 160, TOPICS - 200000, (size_t)200000 * (110 + 160)},
    {"the same topic", 1, false, 12, 0, FLOOD_MIB},
    {"cancels of nothing", 0, true, 12, 0, FLOOD_MIB},
};

static void subscribe_all(struct flood *flood, struct raw *raw, const struct subscribing *row) {
    static uint8_t octets[1000 * TOPIC_ROOM];
    const size_t frame = 3 + row->size;
    memset(octets, 't', sizeof(octets));
    for (unsigned number = 0; number < TOPICS; number += 1000) {
        for (unsigned i = 0; i < 1000; i++) {
            uint8_t *at = octets + i * frame;
            at[0] = 0;
            at[1] = (uint8_t)(1 + row->size);
            at[2] = row->command;
            uint32_t random = (row->distinct ? number + i : 0) * 2654435761u; /* one to one, and so are the octets */
            memcpy(at + 3, &random, sizeof(random));
        }
        assert_true(flood_pour(flood, raw, octets, 1000 * frame));
        drain(raw); /* what it is refused with */
        if (number % 10000 == 0)
            flood_trip(flood);
    }
}

static void test_a_flood_of_subscriptions_is_bounded_and_refused_by_name(void **state) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(floods_of_topics); i++) {
        const struct subscribing *row = &floods_of_topics[i];
        struct flood flood;
        struct raw raw;
        flood_new(&flood, *state, KITH_PUB);
        flood_serve(&flood, support_ipc(&flood.interop->support));
        flood_join(&flood, &raw, "SUB", NULL);
        subscribe_all(&flood, &raw, row);
        raw_close(&raw);
        flood_until(&flood, KITH_EVENT_DISCONNECTED, 1);
        assert_int_equal(flood.counts[KITH_EVENT_SUBSCRIPTIONS_REFUSED], row->refused);
        assert_true(row->refused == 0 || flood.errors[KITH_EVENT_SUBSCRIPTIONS_REFUSED] == -ENOBUFS);
        assert_in_range(support_heap(), 0, flood.heap + FLOOD_MIB); /* all of it is given back */
        flood_end(&flood, row->name, row->growth);
    }
}

/* Halves ------------------------------------------------------------------------------------------------------------- */

static void test_halves_of_messages_whose_sender_dies_leave_nothing(void **state) {
    enum { DEATHS = 1000, HALF = 40000 };
    static uint8_t half[3 + 9 + HALF] = "\1\1x";
    struct flood flood;
    raw_header(half + 3, RAW_MORE, (uint64_t)2 * HALF);
    flood_new(&flood, *state, KITH_ROUTER);
    flood_serve(&flood, support_ipc(&flood.interop->support));
    for (size_t i = 1; i <= DEATHS; i++) {
        struct raw raw;
        flood_join(&flood, &raw, "DEALER", NULL);
        assert_true(flood_pour(&flood, &raw, half, i % 2 ? sizeof(half) : 3));
        raw_close(&raw);
        flood_until(&flood, KITH_EVENT_DISCONNECTED, i);
        if (i % 10 == 0)
            flood_trip(&flood);
    }
    assert_int_equal(flood.frames, 3); /* the honest client's: no half was told as a message */
    assert_int_equal(kith_socket_peer_count(flood.server), 1);
    flood_end(&flood, "halves of messages", FLOOD_MIB);
}

#define FLOOD_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FLOOD_TEST(test_a_message_of_a_million_frames_within_the_limit_comes_whole),
        FLOOD_TEST(test_a_message_that_never_ends_is_ended_at_the_limit),
        FLOOD_TEST(test_a_storm_of_commands_takes_little_memory),
        FLOOD_TEST(test_a_subscriber_that_never_reads_loses_messages_by_name),
        FLOOD_TEST(test_a_puller_that_never_reads_fills_no_more_than_its_mark),
        FLOOD_TEST(test_a_router_drops_replies_that_nobody_reads_by_name),
        FLOOD_TEST(test_a_flood_of_subscriptions_is_bounded_and_refused_by_name),
        FLOOD_TEST(test_halves_of_messages_whose_sender_dies_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
