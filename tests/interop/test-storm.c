/*
 * All at once: eleven processes attack a ROUTER, a PUB and a PUSH for some seconds, each in its way and as fast as it can, while a REQ, a
 * SUB and a PULL of libzmq use them. Nothing that is theirs is lost, and the server's memory has a bound.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "interop/flood.h"
#include "support/child.h"

enum { SECONDS = 4, MANY = 64 };

/* The attackers: each goes on until it is killed, and ends when it cannot ---------------------------------------------------- */

struct attack {
    const char *name;
    void (*run)(const struct attack *attack);
    enum kith_socket_type target;
    const char *type; /* what the attacker says that it is */
    char endpoint[128];
};

/* A connection, its handshake done; it is tried again when the server has it closed. */
static void join(const struct attack *attack, const char *id, size_t id_size, struct raw *ret_raw) {
    const struct raw_property properties[] = {{id ? "Identity" : NULL, id, id_size}, {NULL, NULL, 0}};
    for (;;) {
        if (raw_connect(NULL, attack->endpoint, ret_raw) < 0)
            _exit(1);
        if (raw_handshake(ret_raw, attack->type, properties) == 0)
            return;
        raw_close(ret_raw);
    }
}

/* The same octets until the server hangs up, or so often. */
static void pour(struct raw *raw, const void *octets, size_t size, unsigned times) {
    for (unsigned i = 0; i < times && raw_write(raw, octets, size) == 0; i++)
        ;
    raw_close(raw);
}

static void fill(uint8_t *octets, size_t size, const void *frame, size_t frame_size) {
    for (size_t at = 0; at < size; at += frame_size)
        memcpy(octets + at, frame, frame_size);
}

static void frames_without_end(const struct attack *attack) {
    static uint8_t octets[3000];
    struct raw raw;
    fill(octets, sizeof(octets), "\1\1x", 3);
    join(attack, NULL, 0, &raw);
    pour(&raw, octets, sizeof(octets), 1000000);
}

static void pings(const struct attack *attack) {
    static uint8_t octets[25 * 100];
    struct raw raw;
    fill(octets, sizeof(octets),
         "\4\x17\4PING\0\0"
         "0123456789abcdef",
         25);
    join(attack, NULL, 0, &raw);
    pour(&raw, octets, sizeof(octets), 1000);
}

static void requests_without_reading(const struct attack *attack) {
    static uint8_t octets[13 * 100];
    struct raw raw;
    fill(octets, sizeof(octets), "\1\0\0\11a request", 13);
    join(attack, NULL, 0, &raw);
    pour(&raw, octets, sizeof(octets), 1000);
}

static void halves(const struct attack *attack) {
    struct raw raw;
    join(attack, NULL, 0, &raw);
    pour(&raw, "\1\3one\0\5tw", 9, 1);
}

static void one_name(const struct attack *attack) {
    char name[255];
    struct raw raws[2];
    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < 2; i++)
        join(attack, name, sizeof(name), &raws[i]);
    for (size_t i = 0; i < 2; i++)
        raw_close(&raws[i]);
}

static void topics(const struct attack *attack) {
    static uint32_t number;
    struct raw raw;
    join(attack, NULL, 0, &raw);
    for (unsigned i = 0; i < 200; i++) {
        uint8_t octets[100][8];
        for (size_t topic = 0; topic < 100; topic++) {
            memcpy(octets[topic], "\0\6\1t", 4);
            number++;
            memcpy(octets[topic] + 4, &number, 4);
        }
        if (raw_write(&raw, octets, sizeof(octets)) < 0)
            break;
    }
    raw_close(&raw);
}

/* Many at a time that stop after so many octets of their handshake. */
static void half_open(const struct attack *attack) {
    uint8_t octets[RAW_GREETING + RAW_READY_MAX];
    struct raw raws[MANY];
    raw_greeting(octets);
    raw_ready(octets + RAW_GREETING, attack->type, NULL);
    for (size_t i = 0; i < MANY; i++)
        if (raw_connect(NULL, attack->endpoint, &raws[i]) < 0 || raw_write(&raws[i], octets, i * (RAW_GREETING + 10) / MANY) < 0)
            _exit(1);
    for (size_t i = 0; i < MANY; i++)
        raw_close(&raws[i]);
}

static void wrong_type(const struct attack *attack) {
    struct raw raw;
    join(attack, NULL, 0, &raw);
    (void)raw_until_closed(&raw);
    raw_close(&raw);
}

static void noise(const struct attack *attack) {
    static uint32_t random = 1;
    uint8_t octets[512];
    struct raw raw;
    for (size_t i = 0; i < sizeof(octets); i++) {
        random = random * 1664525u + 1013904223u;
        octets[i] = (uint8_t)(random >> 24);
    }
    if (raw_connect(NULL, attack->endpoint, &raw) < 0)
        _exit(1);
    pour(&raw, octets, sizeof(octets), 1);
}

static struct attack attacks[] = {
    {.name = "frames without end", .run = frames_without_end, .target = KITH_ROUTER, .type = "DEALER"},
    {.name = "PINGs", .run = pings, .target = KITH_ROUTER, .type = "REQ"},
    {.name = "requests without reading", .run = requests_without_reading, .target = KITH_ROUTER, .type = "REQ"},
    {.name = "halves of messages", .run = halves, .target = KITH_ROUTER, .type = "DEALER"},
    {.name = "one name", .run = one_name, .target = KITH_ROUTER, .type = "DEALER"},
    {.name = "half-open", .run = half_open, .target = KITH_ROUTER, .type = "DEALER"},
    {.name = "topics", .run = topics, .target = KITH_PUB, .type = "SUB"},
    {.name = "half-open", .run = half_open, .target = KITH_PUB, .type = "SUB"},
    {.name = "noise", .run = noise, .target = KITH_PUSH, .type = "PULL"},
    {.name = "half-open", .run = half_open, .target = KITH_PUSH, .type = "PULL"},
    {.name = "a wrong type", .run = wrong_type, .target = KITH_PUSH, .type = "SUB"},
};

/* One round ends with a word to the test, so that the test knows that it has begun. */
static int attacker(int line, void *userdata) {
    const struct attack *attack = userdata;
    keep_only(line, -1);
    (void)setpriority(PRIO_PROCESS, 0, 19); /* attacks come from elsewhere: it is the server's work that is to be measured */
    attack->run(attack);
    if (line_tell(line, 'r') != 0)
        return 1;
    for (;;)
        attack->run(attack);
}

/* The defence -------------------------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void serve(struct flood *flood, struct interop *interop, enum kith_socket_type type) {
    flood_new(flood, interop, type);
    support_set(flood->server, KITH_OPTION_MAX_MESSAGE, FLOOD_MIB);
    support_set(flood->server, KITH_OPTION_SEND_HWM_BYTES, FLOOD_MIB);
    if (type == KITH_PUB)
        support_set(flood->server, KITH_OPTION_MAX_SUBSCRIPTIONS, 10000);
    flood_serve(flood, support_ipc(&interop->support));
}

/* Each sees each of its messages, in order, or the round trip fails. */
static void use(struct flood floods[static 3]) {
    for (size_t i = 0; i < 3; i++) {
        flood_trip(&floods[i]);
        flood_measure(&floods[i]);
    }
}

static void test_a_storm_of_all_attacks_costs_the_honest_nothing(void **state) {
    static const enum kith_socket_type types[] = {KITH_ROUTER, KITH_PUB, KITH_PUSH};
    struct interop *interop = *state;
    struct flood floods[3];
    struct child children[KITH_ARRAY_SIZE(attacks)];
    for (size_t i = 0; i < 3; i++)
        serve(&floods[i], interop, types[i]);
    for (size_t i = 0; i < 3; i++)
        flood_note(&floods[i]);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(attacks); i++) {
        const struct flood *target = &floods[attacks[i].target == KITH_ROUTER ? 0 : attacks[i].target == KITH_PUB ? 1 : 2];
        snprintf(attacks[i].endpoint, sizeof(attacks[i].endpoint), "%s", kith_socket_last_endpoint(target->server));
        children[i] = child_start(attacker, &attacks[i]);
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(attacks); i++)
        assert_int_equal(child_hear(&interop->support, &children[i]), 'r');
    for (uint64_t end = now_ms() + (uint64_t)SECONDS * 1000; now_ms() < end;)
        use(floods);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(attacks); i++) {
        assert_int_equal(kill(children[i].pid, SIGKILL), 0);
        assert_int_equal(child_end(&interop->support, &children[i]), 256 + SIGKILL); /* it had not ended by itself */
    }
    assert_true(floods[0].trips >= 10 * SECONDS);
    assert_true(floods[0].events[KITH_EVENT_HANDSHAKE_FAILED] > 0 && floods[0].events[KITH_EVENT_DISCONNECTED] > 0);
    assert_true(floods[0].events[KITH_EVENT_DUPLICATE_ID] > 0 && floods[0].counts[KITH_EVENT_DROPPED] > 0);
    assert_true(floods[1].counts[KITH_EVENT_SUBSCRIPTIONS_REFUSED] > 0 && floods[2].events[KITH_EVENT_HANDSHAKE_FAILED] > 0);
    for (size_t i = 0; i < 3; i++)
        support_until(&interop->support, kith_socket_peer_count(floods[i].server) == 1);
    for (size_t i = 0; i < 3; i++) /* what the loop receives into is 32 MiB of it */
        flood_end(&floods[i], kith_socket_type_name(types[i]), 48 * FLOOD_MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_storm_of_all_attacks_costs_the_honest_nothing, interop_setup, interop_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
