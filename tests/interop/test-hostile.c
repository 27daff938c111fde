/*
 * Peers that mean harm or are broken. Whatever one sends: it is closed by a named event or ignored, memory does not follow its claims, its
 * descriptors and buffers are given back, and the server answers a well-behaved libzmq client afterwards.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "interop/zpeer.h"
#include "support/raw.h"

/* What memory may grow by at most while a peer lies; far below what they claim. */
#define GROWTH_KB 4096

struct hostile {
    const char *name;
    const void *octets;
    size_t size;
    bool greet;     /* after a correct greeting */
    bool handshake; /* after a correct handshake as REQ */
    int error;      /* of the event */
};

#define OCTETS(text) text, sizeof(text) - 1
#define GREETING_START "\xff\0\0\0\0\0\0\0\0\x7f"
#define ZERO20 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZERO32 ZERO20 "\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct hostile hostiles[] = {
    {"an HTTP request", OCTETS("GET / HTTP/1.1\r\nHost: kith\r\n\r\nand some more octets, to have sixty-four"), false, false,
     -EPROTONOSUPPORT},
    {"a ZMTP 1 greeting", OCTETS("\1\0\5\0hell"), false, false, -EPROTONOSUPPORT},
    {"a ZMTP 2 greeting", OCTETS("\xff\0\0\0\0\0\0\0\1\x7f\1\3\0\0"), false, false, -EPROTONOSUPPORT},
    {"an unknown mechanism", OCTETS(GREETING_START "\3\1KERBEROS\0\0\0\0\0\0\0\0\0\0\0\0" ZERO32), false, false, -EPROTONOSUPPORT},
    {"a message instead of READY", OCTETS("\0\5hello"), true, false, -EPROTO},
    {"a READY without a type", OCTETS("\4\6\5READY"), true, false, -EPROTOTYPE},
    {"a READY with a type that does not exist", OCTETS("\4\x1a\5READY\xbSocket-Type\0\0\0\4MOON"), true, false, -EPROTOTYPE},
    {"a READY with a type that does not fit", OCTETS("\4\x19\5READY\xbSocket-Type\0\0\0\3PUB"), true, false, -EPROTOTYPE},
    {"a READY whose value is longer than it", OCTETS("\4\x19\5READY\xbSocket-Type\x7f\xff\xff\xffREQ"), true, false, -EPROTO},
    {"a command of 2^63-1 octets instead of READY", OCTETS("\6\x7f\xff\xff\xff\xff\xff\xff\xff"), true, false, -EMSGSIZE},
    {"a frame of 2^63-1 octets", OCTETS("\2\x7f\xff\xff\xff\xff\xff\xff\xff"), false, true, -EMSGSIZE},
    {"a frame of 2^64-1 octets", OCTETS("\2\xff\xff\xff\xff\xff\xff\xff\xff"), false, true, -EPROTO},
    {"a command of 2^40 octets", OCTETS("\6\0\0\1\0\0\0\0\0"), false, true, -EMSGSIZE},
};

/* The server is alive: a libzmq client gets its answer. */
static void assert_serves(struct interop *interop, kith_socket *server) {
    size_t peers = kith_socket_peer_count(server);
    void *client = zpeer_new(interop, ZMQ_REQ);
    zpeer_connect(client, kith_socket_last_endpoint(server));
    _cleanup_(kith_msg_freep) kith_msg *question = support_msg("alive?", NULL);
    zpeer_send(interop, client, question);
    _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(interop, client);
    support_assert_body(answer, 0, question);
    zpeer_close(interop, client);
    support_until(&interop->support, kith_socket_peer_count(server) == peers);
    support_forget_events(&interop->support);
}

static kith_socket *echo_server(struct support *support) {
    kith_socket *server = support_server(support, KITH_REP, support_ipc(support));
    support_echo(support, server);
    return server;
}

static void attack(struct support *support, kith_socket *server, const struct hostile *hostile) {
    struct raw raw;
    uint8_t greeting[RAW_GREETING];
    raw_greeting(greeting);
    assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), &raw), 0);
    if (hostile->greet)
        assert_int_equal(raw_write(&raw, greeting, sizeof(greeting)), 0);
    if (hostile->handshake)
        assert_int_equal(raw_handshake(&raw, "REQ", NULL), 0);
    assert_int_equal(raw_write(&raw, hostile->octets, hostile->size), 0);
    const struct support_event *event =
        support_event(support, server, hostile->handshake ? KITH_EVENT_DISCONNECTED : KITH_EVENT_HANDSHAKE_FAILED);
    if (event->error != hostile->error)
        fail_msg("%s: error %d (%s), not %d", hostile->name, event->error, event->text, hostile->error);
    assert_int_equal(raw_until_closed(&raw), 0);
    raw_close(&raw);
}

static void test_each_hostile_peer_is_closed_by_name(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = echo_server(support);
    attack(support, server, &hostiles[0]); /* with its first peer the loop makes what it then keeps */
    size_t fds = support_fd_count(), heap = support_heap(), rss = support_rss_kb();
    for (size_t i = 0; i < KITH_ARRAY_SIZE(hostiles); i++) {
        print_message("    %s\n", hostiles[i].name);
        attack(support, server, &hostiles[i]);
        assert_int_equal(support_fd_count(), fds);
    }
    assert_true(support_heap() < heap + (size_t)GROWTH_KB * 1024);
    assert_true(support_rss_kb() < rss + GROWTH_KB);
    assert_serves(interop, server);
}

static void test_random_octets_harm_nothing(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = echo_server(support);
    uint32_t random = 1; /* fixed: a failure repeats */
    for (int round = 0; round < 64; round++) {
        struct raw raw;
        uint8_t octets[512];
        for (size_t i = 0; i < sizeof(octets); i++) {
            random = random * 1664525u + 1013904223u;
            octets[i] = (uint8_t)(random >> 24);
        }
        assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), &raw), 0);
        if (round % 2)
            assert_int_equal(raw_handshake(&raw, "REQ", NULL), 0);
        /* It may be closed while it still writes. */
        int result = raw_write(&raw, octets, sizeof(octets));
        assert_true(result == 0 || result == -EPIPE || result == -ECONNRESET);
        raw_close(&raw);
        support_until(support, kith_socket_peer_count(server) == 0);
    }
    assert_serves(interop, server);
}

/* Within the cap, but nothing of it comes: a hundred such peers must not cost a hundred times what they announce. */
static void test_announced_octets_cost_nothing_before_they_arrive(void **state) {
    enum { LIARS = 100 };
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = echo_server(support);
    struct raw liars[LIARS];
    for (size_t i = 0; i < LIARS; i++) {
        assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "REQ", NULL, &liars[i]), 0);
    }
    size_t heap = support_heap(), rss = support_rss_kb();
    for (size_t i = 0; i < LIARS; i++)
        assert_int_equal(raw_write(&liars[i], "\2\0\0\0\0\3\xff\0\0x", 10), 0); /* just below 64 MiB, and one octet */
    /* Each is answered, so each header has been read: the loop is level-triggered and fair. */
    assert_serves(interop, server);
    assert_true(support_heap() < heap + (size_t)16 * 1024 * 1024);
    assert_true(support_rss_kb() < rss + 16 * 1024);
    for (size_t i = 0; i < LIARS; i++)
        raw_close(&liars[i]);
    support_until(support, kith_socket_peer_count(server) == 0);
}

static void test_one_octet_at_a_time_is_a_peer_like_any_other(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = echo_server(support);
    struct raw raw;
    uint8_t wire[RAW_GREETING + RAW_READY_MAX + 64];
    raw_greeting(wire);
    size_t size = RAW_GREETING;
    size += raw_ready(wire + size, "REQ", (struct raw_property[]){{"Identity", "slow"}, {NULL, NULL}});
    memcpy(wire + size, "\1\0\0\4slow", 8);
    size += 8;
    assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), &raw), 0);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(raw_write(&raw, wire + i, 1), 0);
        while (kith_loop_step(support->loop, 0) > 0)
            continue;
    }
    uint8_t greeting[RAW_GREETING], body[256];
    unsigned flags = 0;
    assert_int_equal(raw_read(&raw, greeting, sizeof(greeting)), 0);
    assert_int_equal(raw_recv(&raw, &flags, body, sizeof(body), &size), 0);
    assert_int_equal(flags, RAW_COMMAND);
    char text[16];
    assert_int_equal(raw_recv_text(&raw, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(raw_recv_text(&raw, text, sizeof(text)), 0);
    assert_string_equal(text, "slow");
    raw_close(&raw);
}

/* A message is delivered whole or not at all. */
static void test_a_peer_that_leaves_in_the_middle_leaves_nothing_behind(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    static const struct {
        const char *octets;
        size_t size;
    } cuts[] = {{OCTETS("\1")}, {OCTETS("\0\5hell")}, {OCTETS("\1\1x")}, {OCTETS("\1\1x\2\0\0\0")}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cuts); i++) {
        struct raw raw;
        assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "DEALER", NULL, &raw), 0);
        assert_int_equal(raw_write(&raw, cuts[i].octets, cuts[i].size), 0);
        raw_close(&raw);
        support_event(support, server, KITH_EVENT_DISCONNECTED);
        kith_msg *nothing = NULL;
        assert_int_equal(kith_socket_recv(server, &nothing, 0), -EAGAIN);
    }
}

/* Malformed requests (no delimiter) reach no REP; the next good one does. */
static void test_a_rep_drops_what_has_no_envelope(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = echo_server(support);
    struct raw raw;
    assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "DEALER", NULL, &raw), 0);
    assert_int_equal(raw_write(&raw, OCTETS("\1\1a\0\1b"
                                            "\0\5alone"
                                            "\1\0\0\4good")),
                     0);
    char text[16];
    assert_int_equal(raw_recv_text(&raw, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(raw_recv_text(&raw, text, sizeof(text)), 0);
    assert_string_equal(text, "good");
    raw_close(&raw);
}

/* A DEALER that claims this id (NULL: none); `id` becomes the one it is known by. */
static struct raw claim_id(struct support *support, kith_socket *server, bool claims, uint8_t id[static 5]) {
    struct raw raw;
    struct raw_property claim[] = {{"Identity", (const char *)id, 5}, {NULL, NULL, 0}};
    assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "DEALER", claims ? claim : NULL, &raw), 0);
    assert_int_equal(raw_send(&raw, 0, "hello", 5), 0);
    _cleanup_(kith_msg_freep) kith_msg *msg = support_recv(support, server);
    size_t size = 0;
    const uint8_t *frame = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, 5);
    if (claims)
        assert_memory_equal(frame, id, 5);
    memcpy(id, frame, 5);
    return raw;
}

/* Automatic ids begin with a zero octet; a peer may claim any id, so also the one that comes next, wherever the number has its low end. */
static void test_a_claimed_id_that_looks_automatic_blocks_nobody(void **state) {
    enum { ROUNDS = 4 };
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct raw peers[3 * ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        uint8_t given[5] = {0}, low_end[5], high_end[5];
        peers[3 * i] = claim_id(support, server, false, given);
        assert_int_equal(given[0], 0);
        memcpy(low_end, given, sizeof(given));
        memcpy(high_end, given, sizeof(given));
        low_end[1]++;
        high_end[4]++;
        peers[3 * i + 1] = claim_id(support, server, true, low_end);
        peers[3 * i + 2] = claim_id(support, server, true, high_end);
    }
    assert_int_equal(kith_socket_peer_count(server), 3 * ROUNDS);
    for (size_t i = 0; i < 3 * ROUNDS; i++)
        raw_close(&peers[i]);
}

/* Nobody takes its messages, so reading stops: memory has a bound, and the flood waits in the kernel and with its sender. */
static void flood(struct support *support, const void *message, size_t size) {
    kith_socket *server = support_server(support, KITH_ROUTER, support_ipc(support));
    struct raw raw;
    assert_int_equal(raw_join(support, kith_socket_last_endpoint(server), "DEALER", NULL, &raw), 0);
    size_t heap = support_heap(), sent = 0;
    for (bool progress = true; progress;) {
        ssize_t count = send(raw.fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += count > 0 ? (size_t)count : 0;
        progress = count > 0;
        while (kith_loop_step(support->loop, 0) > 0)
            progress = true;
        assert_true(sent < (size_t)1024 * 1024 * 1024);
        assert_true(support_heap() < heap + (size_t)96 * 1024 * 1024);
    }
    print_message("    %zu octets until nothing more was taken\n", sent);
    raw_close(&raw);
    support_socket_free(support, server);
}

static void test_a_flood_that_nobody_takes_is_bounded(void **state) {
    enum { FRAMES = 20000 };
    struct interop *interop = *state;
    static uint8_t many_frames[2 * FRAMES], large[9 + 60000];
    flood(&interop->support, OCTETS("\0\1x"));
    for (size_t i = 0; i < FRAMES; i++)
        many_frames[2 * i] = i + 1 < FRAMES ? RAW_MORE : 0; /* empty frames: each costs more than its two octets */
    flood(&interop->support, many_frames, sizeof(many_frames));
    raw_header(large, 0, 60000);
    flood(&interop->support, large, sizeof(large));
}

static void test_more_peers_than_allowed_are_turned_away_by_name(void **state) {
    struct interop *interop = *state;
    struct support *support = &interop->support;
    kith_socket *server = support_socket(support, KITH_REP);
    support_set(server, KITH_OPTION_MAX_PEERS, 2);
    support_bind(server, support_ipc(support));
    support_echo(support, server);
    struct raw raw[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(raw_connect(support, kith_socket_last_endpoint(server), &raw[i]), 0);
    support_event(support, server, KITH_EVENT_ACCEPT_FAILED);
    assert_int_equal(raw_until_closed(&raw[2]), 0);
    assert_int_equal(raw_handshake(&raw[0], "REQ", NULL), 0);
    for (size_t i = 0; i < 3; i++)
        raw_close(&raw[i]);
    support_until(support, kith_socket_peer_count(server) == 0);
    assert_serves(interop, server);
}

#define HOSTILE_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(test_each_hostile_peer_is_closed_by_name),
        HOSTILE_TEST(test_random_octets_harm_nothing),
        HOSTILE_TEST(test_announced_octets_cost_nothing_before_they_arrive),
        HOSTILE_TEST(test_one_octet_at_a_time_is_a_peer_like_any_other),
        HOSTILE_TEST(test_a_peer_that_leaves_in_the_middle_leaves_nothing_behind),
        HOSTILE_TEST(test_a_rep_drops_what_has_no_envelope),
        HOSTILE_TEST(test_a_claimed_id_that_looks_automatic_blocks_nobody),
        HOSTILE_TEST(test_a_flood_that_nobody_takes_is_bounded),
        HOSTILE_TEST(test_more_peers_than_allowed_are_turned_away_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
