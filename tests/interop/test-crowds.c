/*
 * Thousands of connections that are of no use: halves of handshakes, more than there are descriptors, peers under one name, peers under the
 * longest names. Memory for each is small and given back, each end has its name, and an honest libzmq client is served all the while.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "interop/flood.h"

/* Handshakes that stop ------------------------------------------------------------------------------------------------- */

enum { CROWD = 2000 };

/* Nothing, half a greeting, a greeting, a greeting and a part of READY: each as often. */
static void begin_handshake(struct raw *raw, size_t number) {
    static const size_t cuts[] = {0, RAW_GREETING / 2, RAW_GREETING, RAW_GREETING + 20};
    uint8_t octets[RAW_GREETING + RAW_READY_MAX];
    raw_greeting(octets);
    raw_ready(octets + RAW_GREETING, "REQ", NULL);
    assert_int_equal(raw_write(raw, octets, cuts[number % KITH_ARRAY_SIZE(cuts)]), 0);
}

static void assemble(struct flood *flood, struct raw *raws) {
    for (size_t i = 0; i < CROWD; i++) {
        flood_connect(flood, &raws[i]);
        begin_handshake(&raws[i], i);
        flood_settle(flood);
        if (i % 100 == 0)
            flood_trip(flood);
    }
}

/* program: a failed handshake's event names the peer's program, and for a process whose program is known there is a descriptor, by which an
 * exec is noticed. All peers are one process. */
static void half_open(struct interop *interop, const char *endpoint, size_t program) {
    struct flood flood;
    struct raw *raws = calloc(CROWD, sizeof(*raws));
    assert_non_null(raws);
    flood_new(&flood, interop, KITH_REP);
    support_set(flood.server, KITH_OPTION_HANDSHAKE_TIMEOUT, 4000);
    flood_serve(&flood, endpoint);
    size_t fds = support_fd_count();
    assemble(&flood, raws);
    assert_int_equal(flood.events[KITH_EVENT_HANDSHAKE_FAILED], 0);
    assert_int_equal(support_fd_count(), fds + (size_t)2 * CROWD); /* all are there at once, at both ends */
    flood_until(&flood, KITH_EVENT_HANDSHAKE_FAILED, CROWD);
    assert_int_equal(flood.errors[KITH_EVENT_HANDSHAKE_FAILED], -ETIMEDOUT);
    for (size_t i = 0; i < CROWD; i++)
        raw_close(&raws[i]);
    flood_settle(&flood);
    assert_int_equal(support_fd_count(), fds + program);
    assert_int_equal(kith_socket_peer_count(flood.server), 1);
    free(raws);
    flood_end(&flood, endpoint, (size_t)CROWD * 2048);
}

static void test_handshakes_that_stop_end_in_time_over_ipc(void **state) {
    half_open(*state, support_ipc(*state), 1);
}

static void test_handshakes_that_stop_end_in_time_over_tcp(void **state) {
    half_open(*state, "tcp://127.0.0.1:*", 0);
}

/* More than there are descriptors -------------------------------------------------------------------------------------- */

/* Sockets that are not connected yet: whoever connects needs no descriptor then, but the server does. */
static void prepare(int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fds[i] >= 0);
    }
}

/* So many more descriptors can be opened. */
static rlim_t limit_descriptors(rlim_t more) {
    struct rlimit limit;
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)next + more;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void unlimit_descriptors(rlim_t before) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void late_comer(struct flood *flood) {
    void *late = zpeer_new(flood->interop, ZMQ_REQ);
    zpeer_connect(late, kith_socket_last_endpoint(flood->server));
    _cleanup_(kith_msg_freep) kith_msg *question = support_msg("late", NULL);
    zpeer_send(flood->interop, late, question);
    _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(flood->interop, late);
    support_assert_body(answer, 0, question);
    zpeer_close(flood->interop, late);
}

/* Who is in is served; who comes without a descriptor left is hung up on, which is told once; who comes later is served again. */
static void test_more_clients_than_descriptors_disturb_nobody(void **state) {
    enum { COMERS = 400, ROOM = 100 };
    struct flood flood;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[COMERS];
    unsigned port;
    prepare(fds, COMERS);
    rlim_t before = limit_descriptors(ROOM); /* io_uring looks at the limit when it is asked to accept */
    flood_new(&flood, *state, KITH_REP);
    flood_serve(&flood, "tcp://127.0.0.1:*");
    assert_int_equal(sscanf(kith_socket_last_endpoint(flood.server), "tcp://127.0.0.1:%u", &port), 1);
    address.sin_port = htons((uint16_t)port);
    for (size_t i = 0; i < COMERS; i++)
        assert_true(connect(fds[i], (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EINPROGRESS);
    flood_until(&flood, KITH_EVENT_ACCEPT_FAILED, 1);
    assert_int_equal(flood.errors[KITH_EVENT_ACCEPT_FAILED], -EMFILE);
    assert_non_null(strstr(flood.texts[KITH_EVENT_ACCEPT_FAILED], "RLIMIT_NOFILE"));
    for (size_t i = 0; i < 200; i++)
        flood_trip(&flood);
    assert_int_equal(flood.events[KITH_EVENT_ACCEPT_FAILED], 1);
    unlimit_descriptors(before);
    for (size_t i = 0; i < COMERS; i++)
        close(fds[i]);
    late_comer(&flood);
    flood_end(&flood, "more clients than descriptors", FLOOD_MIB);
}

/* Names ---------------------------------------------------------------------------------------------------------------- */

/* A name of 255 octets; those of different numbers differ. */
static void long_name(char name[static 255], unsigned number) {
    memset(name, 'n', 255);
    for (size_t i = 0; i < 8; i++, number >>= 4)
        name[247 + i] = "0123456789abcdef"[number & 15];
}

static void test_peers_with_the_longest_names_cost_little_each(void **state) {
    enum { PEERS = 1000 };
    struct flood flood;
    struct raw raws[PEERS];
    char name[255];
    flood_new(&flood, *state, KITH_ROUTER);
    flood_serve(&flood, support_ipc(*state));
    for (unsigned i = 0; i < PEERS; i++) {
        long_name(name, i);
        flood_join(&flood, &raws[i], "DEALER", (struct raw_property[]){{"Identity", name, sizeof(name)}, {NULL, NULL, 0}});
        if (i % 100 == 0)
            flood_trip(&flood);
    }
    assert_int_equal(kith_socket_peer_count(flood.server), 1 + PEERS);
    assert_int_equal(flood.events[KITH_EVENT_DUPLICATE_ID], 0);
    flood_settle(&flood);
    for (size_t i = 0; i < PEERS; i++)
        raw_close(&raws[i]);
    flood_until(&flood, KITH_EVENT_DISCONNECTED, PEERS);
    flood_end(&flood, "a thousand names of 255 octets", (size_t)PEERS * 3072);
}

/* Without handover the first keeps the name, and each that comes is refused; with it each takes the name from the one before. */
static void one_name(struct interop *interop, bool handover) {
    enum { CLAIMS = 1000 };
    struct flood flood;
    struct raw raws[2] = {{.fd = -1}, {.fd = -1}}, *last = &raws[0];
    char name[255];
    long_name(name, 7);
    const struct raw_property claim[] = {{"Identity", name, sizeof(name)}, {NULL, NULL, 0}};
    flood_new(&flood, interop, KITH_ROUTER);
    support_set(flood.server, KITH_OPTION_ROUTER_HANDOVER, handover);
    flood_serve(&flood, support_ipc(&interop->support));
    flood_join(&flood, last, "DEALER", claim);
    for (size_t i = 1; i <= CLAIMS; i++) {
        struct raw *next = last == &raws[0] ? &raws[1] : &raws[0];
        flood_connect(&flood, next);
        assert_int_equal(raw_handshake(next, "DEALER", claim), 0); /* the refusal comes behind READY */
        flood_until(&flood, KITH_EVENT_DUPLICATE_ID, i);
        assert_int_equal(raw_until_closed(handover ? last : next), 0);
        raw_close(handover ? last : next);
        last = handover ? next : last;
        if (i % 20 == 0)
            flood_trip(&flood);
    }
    flood_settle(&flood);
    assert_int_equal(kith_socket_peer_count(flood.server), 2);
    assert_int_equal(flood.errors[KITH_EVENT_DUPLICATE_ID], -EEXIST);
    raw_close(last);
    flood_end(&flood, handover ? "a name that is taken over" : "a name that is in use", FLOOD_MIB);
}

static void test_a_name_in_use_is_refused_as_often_as_it_is_claimed(void **state) {
    one_name(*state, false);
}

static void test_a_name_is_handed_over_as_often_as_it_is_claimed(void **state) {
    one_name(*state, true);
}

#define CROWD_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CROWD_TEST(test_handshakes_that_stop_end_in_time_over_ipc),
        CROWD_TEST(test_handshakes_that_stop_end_in_time_over_tcp),
        CROWD_TEST(test_more_clients_than_descriptors_disturb_nobody),
        CROWD_TEST(test_peers_with_the_longest_names_cost_little_each),
        CROWD_TEST(test_a_name_in_use_is_refused_as_often_as_it_is_claimed),
        CROWD_TEST(test_a_name_is_handed_over_as_often_as_it_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
