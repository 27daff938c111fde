/*
 * tests/interop/test-mechanisms.c: the engine alone, without kith's sockets, on a connection to libzmq: PLAIN and CURVE in both roles, what
 * is said in traffic, and refusals both ways. So the octets of each mechanism are proved by those who wrote the other end.
 *
 * All in one thread: libzmq's ZAP handler (RFC 27) is a socket that the test answers by itself.
 */
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>

#include "interop/zpeer.h"
#include "support/raw.h"
#include "zmtp/test-transcript.h"

struct duet {
    struct interop *interop;
    void *zsocket, *handler; /* of libzmq */
    const char *status;      /* what the handler says */
    char asked[256];         /* and was asked: mechanism and credentials */
    struct raw raw;
    struct subject engine;
    size_t written; /* of what the engine has sent */
    bool ended;     /* libzmq has closed the connection */
};

/* As text for libzmq, as octets for the engine. */
static struct {
    char public_text[41], secret_text[41];
    uint8_t public_key[32], secret_key[32];
} client_pair, server_pair, other_pair;

enum mechanism { PLAIN, CURVE };

/* libzmq's side ------------------------------------------------------------------------------------------------------------ */

static void zset(void *zsocket, int option, const void *value, size_t size) {
    if (zmq_setsockopt(zsocket, option, value, size) < 0)
        fail_msg("zmq_setsockopt %d: %s", option, zmq_strerror(zmq_errno()));
}

static void zsecure(void *zsocket, enum mechanism mechanism, bool server) {
    if (mechanism == PLAIN && server) {
        zpeer_set(zsocket, ZMQ_PLAIN_SERVER, 1);
    } else if (mechanism == PLAIN) {
        zset(zsocket, ZMQ_PLAIN_USERNAME, "bob", 3);
        zset(zsocket, ZMQ_PLAIN_PASSWORD, "s1c3t", 5);
    } else if (server) {
        zpeer_set(zsocket, ZMQ_CURVE_SERVER, 1);
        zset(zsocket, ZMQ_CURVE_SECRETKEY, server_pair.secret_text, 41);
    } else {
        zset(zsocket, ZMQ_CURVE_SERVERKEY, server_pair.public_text, 41);
        zset(zsocket, ZMQ_CURVE_PUBLICKEY, client_pair.public_text, 41);
        zset(zsocket, ZMQ_CURVE_SECRETKEY, client_pair.secret_text, 41);
    }
}

/* RFC 27: version, id, domain, address, routing id, mechanism, credentials. */
static void answer(struct duet *duet) {
    char part[16][100];
    size_t count = 0;
    int more = 1;
    for (size_t size = sizeof(more); more && count < 16; count++) {
        int n = zmq_recv(duet->handler, part[count], sizeof(part[0]) - 1, ZMQ_DONTWAIT);
        if (n < 0)
            return;
        part[count][n] = 0;
        zmq_getsockopt(duet->handler, ZMQ_RCVMORE, &more, &size);
    }
    assert_true(count >= 6);
    if (strcmp(part[5], "PLAIN") == 0)
        snprintf(duet->asked, sizeof(duet->asked), "PLAIN %.100s %.100s", part[6], part[7]);
    else if (strcmp(part[5], "CURVE") == 0)
        snprintf(duet->asked, sizeof(duet->asked), "CURVE %s",
                 memcmp(part[6], client_pair.public_key, 32) == 0 ? "the client's key" : "another key");
    const struct {
        const void *data;
        size_t size;
    } reply[] = {{"1.0", 3}, {part[1], strlen(part[1])}, {duet->status, 3}, {"", 0}, {"user", 4}, {"", 0}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(reply); i++)
        assert_true(zmq_send(duet->handler, reply[i].data, reply[i].size, i + 1 < KITH_ARRAY_SIZE(reply) ? ZMQ_SNDMORE : 0) >= 0);
}

/* The engine's side ---------------------------------------------------------------------------------------------------------- */

static struct kith_zmtp_options engine_options(const char *type, enum mechanism mechanism, bool server) {
    struct kith_zmtp_options options = {.socket_type = type, .max_frame = (uint64_t)64 * 1024 * 1024, .as_server = server};
    if (mechanism == PLAIN) {
        options.security = KITH_ZMTP_SECURITY_PLAIN;
        options.username = (const uint8_t *)"bob";
        options.password = (const uint8_t *)"s1c3t";
        options.username_size = 3;
        options.password_size = 5;
    } else {
        options.security = KITH_ZMTP_SECURITY_CURVE;
        options.secret_key = server ? server_pair.secret_key : client_pair.secret_key;
        options.server_key = server ? NULL : server_pair.public_key;
    }
    return options;
}

/* Moves octets, and has the handler answer, until something was done or `zevents` are there. */
static void turn(struct duet *duet, short zevents) {
    struct subject *engine = &duet->engine;
    while (!duet->ended && duet->written < engine->sent.size) {
        ssize_t n = send(duet->raw.fd, engine->sent.data + duet->written, engine->sent.size - duet->written, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            break;
        duet->written += (size_t)n;
    }
    short events = POLLIN | (duet->written < engine->sent.size ? POLLOUT : 0);
    zmq_pollitem_t items[] = {{.fd = duet->ended ? -1 : duet->raw.fd, .events = events},
                              {.socket = duet->zsocket, .events = zevents},
                              {.socket = duet->handler, .events = ZMQ_POLLIN}};
    int count = duet->handler ? 3 : 2, left = support_left(&duet->interop->support);
    if (left == 0)
        fail_msg("nothing came (%zu of %zu octets written%s): %s", duet->written, engine->sent.size, duet->ended ? ", ended" : "",
                 subject_text(engine));
    zmq_poll(duet->ended ? items + 1 : items, duet->ended ? count - 1 : count, left);
    if (duet->handler)
        answer(duet);
    uint8_t octets[65536];
    ssize_t n = duet->ended ? -1 : recv(duet->raw.fd, octets, sizeof(octets), MSG_DONTWAIT);
    if (n > 0)
        subject_feed(engine, octets, (size_t)n);
    else if (n == 0)
        duet->ended = true;
}

#define until(duet, condition)                                                                                                             \
    while (!(condition))                                                                                                                   \
    turn((duet), 0)

/* `server`: libzmq's. It binds as a server and connects as a client. */
static void duet_begin(struct duet *duet, struct interop *interop, int ztype, const char *type, enum mechanism mechanism, bool server) {
    char endpoint[INTEROP_ENDPOINT];
    struct kith_zmtp_options options = engine_options(type, mechanism, !server);
    duet->interop = interop;
    if (!duet->status)
        duet->status = "200";
    duet->zsocket = zpeer_new(interop, ztype);
    zpeer_set(duet->zsocket, ZMQ_HEARTBEAT_IVL, 100);
    zpeer_set(duet->zsocket, ZMQ_HEARTBEAT_TIMEOUT, SUPPORT_PATIENCE_MS);
    if (strcmp(duet->status, "300") == 0)
        zpeer_set(duet->zsocket, ZMQ_HANDSHAKE_IVL, 500);
    zsecure(duet->zsocket, mechanism, server);
    if (server) {
        duet->handler = zpeer_new(interop, ZMQ_REP);
        assert_int_equal(zmq_bind(duet->handler, "inproc://zeromq.zap.01"), 0);
        zpeer_bind(duet->zsocket, support_ipc(&interop->support), endpoint);
        assert_int_equal(raw_connect(NULL, endpoint, &duet->raw), 0);
    } else {
        const char *path = support_ipc(&interop->support);
        int listener = raw_listen(path);
        assert_true(listener >= 0);
        zpeer_connect(duet->zsocket, path);
        assert_int_equal(raw_accept(NULL, listener, &duet->raw), 0);
        close(listener);
    }
    unsigned status = duet->engine.status;
    subject_init(&duet->engine, &options, DECISION_ACCEPT);
    if (status != 0)
        duet->engine.status = status;
    subject_fetch(&duet->engine);
}

static void duet_end(struct duet *duet) {
    if (duet->handler) {
        /* At once: zmq_close() would give the name back later. */
        assert_int_equal(zmq_unbind(duet->handler, "inproc://zeromq.zap.01"), 0);
        zpeer_close(duet->interop, duet->handler);
    }
    zpeer_close(duet->interop, duet->zsocket);
    raw_close(&duet->raw);
    subject_deinit(&duet->engine);
}

/* Tests ------------------------------------------------------------------------------------------------------------------------ */

static const size_t sizes[] = {0, 1, 200, 222, 223, 255, 256, 1000, 70000, 1000000};

static void to_libzmq(struct duet *duet, const uint8_t *body) {
    static uint8_t got[1000000];
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++)
        subject_write(&duet->engine, body, sizes[i], i + 1 < KITH_ARRAY_SIZE(sizes));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        int n;
        while ((n = zmq_recv(duet->zsocket, got, sizeof(got), ZMQ_DONTWAIT)) < 0)
            turn(duet, ZMQ_POLLIN);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(got, body, sizes[i]);
    }
}

/* PINGs come when they come, between the frames of a message too. */
static void forget_pings(struct subject *engine) {
    static const char ping[] = "PINGED 0\n";
    for (char *at; (at = (char *)(uintptr_t)strstr(subject_text(engine), ping));) {
        memmove(at, at + sizeof(ping) - 1, strlen(at) - (sizeof(ping) - 1));
        engine->text.size -= sizeof(ping) - 1;
    }
}

static void from_libzmq(struct duet *duet, const uint8_t *body) {
    struct subject expected = {0};
    duet->engine.text.size = 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        bool more = i + 1 < KITH_ARRAY_SIZE(sizes);
        assert_int_equal(zmq_send(duet->zsocket, body, sizes[i], more ? ZMQ_SNDMORE : 0), sizes[i]);
        say(&expected, "FRAME");
        say_octets(&expected, body, sizes[i]);
        say(&expected, more ? " more\n" : "\n");
    }
    until(duet, strstr(subject_text(&duet->engine), "FRAME 1000000:"));
    forget_pings(&duet->engine);
    assert_non_null(strstr(subject_text(&duet->engine), subject_text(&expected)));
    octets_clear(&expected.text);
}

static void exchange(void **state, enum mechanism mechanism, bool server) {
    static uint8_t body[1000000];
    struct duet duet = {0};
    randombytes_buf(body, sizeof(body));
    duet_begin(&duet, *state, ZMQ_DEALER, "DEALER", mechanism, server);
    until(&duet, strstr(subject_text(&duet.engine), "READY DEALER\n"));
    if (server)
        assert_string_equal(duet.asked, mechanism == PLAIN ? "PLAIN bob s1c3t" : "CURVE the client's key");
    else
        assert_non_null(
            strstr(subject_text(&duet.engine), mechanism == PLAIN ? "CREDENTIALS PLAIN \"bob\" \"s1c3t\"\n" : "CREDENTIALS CURVE "));
    assert_int_equal(kith_zmtp_seals(duet.engine.engine), mechanism == CURVE);
    to_libzmq(&duet, body);
    from_libzmq(&duet, body);
    /* PINGs travel inside of the seal. */
    duet.engine.text.size = 0;
    until(&duet, strstr(subject_text(&duet.engine), "PINGED"));
    duet.engine.text.size = 0;
    until(&duet, strstr(subject_text(&duet.engine), "PINGED"));
    assert_int_equal(kith_zmtp_ping(duet.engine.engine, 1000, "abc", 3), 0);
    subject_fetch(&duet.engine);
    until(&duet, strstr(subject_text(&duet.engine), "PONG \"abc\"\n"));
    assert_false(duet.ended);
    duet_end(&duet);
}

static void test_plain_as_a_client(void **state) {
    exchange(state, PLAIN, true);
}

static void test_plain_as_a_server(void **state) {
    exchange(state, PLAIN, false);
}

static void test_curve_as_a_client(void **state) {
    exchange(state, CURVE, true);
}

static void test_curve_as_a_server(void **state) {
    exchange(state, CURVE, false);
}

/* Subscriptions as commands, in both directions; libzmq's are sealed together with their name. */
static void subscriptions(void **state, enum mechanism mechanism) {
    char topic[255], got[300];
    struct duet duet = {0};
    memset(topic, 't', sizeof(topic));
    duet_begin(&duet, *state, ZMQ_XPUB, "SUB", mechanism, true);
    until(&duet, strstr(subject_text(&duet.engine), "READY XPUB\n"));
    for (size_t size = 0; size <= sizeof(topic); size += 5) {
        subject_say(&duet.engine, KITH_ZMTP_WORD_SUBSCRIBE, topic, size);
        int n;
        while ((n = zmq_recv(duet.zsocket, got, sizeof(got), ZMQ_DONTWAIT)) < 0)
            turn(&duet, ZMQ_POLLIN);
        assert_int_equal(n, 1 + size);
        assert_int_equal(got[0], 1);
    }
    subject_say(&duet.engine, KITH_ZMTP_WORD_CANCEL, topic, 5);
    while (zmq_recv(duet.zsocket, got, sizeof(got), ZMQ_DONTWAIT) < 0)
        turn(&duet, ZMQ_POLLIN);
    assert_memory_equal(got, "\0ttttt", 6);
    duet_end(&duet);

    duet = (struct duet){0};
    duet_begin(&duet, *state, ZMQ_SUB, "PUB", mechanism, false);
    zset(duet.zsocket, ZMQ_SUBSCRIBE, "abc", 3);
    until(&duet, strstr(subject_text(&duet.engine), "SUBSCRIBE \"abc\"\n"));
    zset(duet.zsocket, ZMQ_UNSUBSCRIBE, "abc", 3);
    until(&duet, strstr(subject_text(&duet.engine), "CANCEL \"abc\"\n"));
    duet_end(&duet);
}

static void test_subscriptions_in_clear(void **state) {
    subscriptions(state, PLAIN);
}

static void test_subscriptions_sealed(void **state) {
    subscriptions(state, CURVE);
}

static void test_libzmq_refuses_us(void **state) {
    static const char *const status[] = {"400", "500", "300"};
    for (int mechanism = PLAIN; mechanism <= CURVE; mechanism++)
        for (size_t i = 0; i < KITH_ARRAY_SIZE(status); i++) {
            struct duet duet = {.status = status[i]};
            char text[64];
            duet_begin(&duet, *state, ZMQ_DEALER, "DEALER", mechanism, true);
            /* Behind an ERROR it is the client that has to close; a silent refusal ends at times with the handshake's time only. */
            until(&duet, duet.ended || strstr(subject_text(&duet.engine), "REFUSED"));
            snprintf(text, sizeof(text), "REFUSED \"%s\" handshake\n", status[i]);
            assert_int_equal(strstr(subject_text(&duet.engine), text) != NULL, strcmp(status[i], "300") != 0);
            assert_null(strstr(subject_text(&duet.engine), "READY"));
            duet_end(&duet);
        }
}

/* A PLAIN client of libzmq 4.3.4 knows ERROR only as its own servers write it (lib/zmtp/frame.c): ours is a broken handshake to it. */
static void test_libzmq_understands_our_refusal(void **state) {
    static const int events[] = {[PLAIN] = ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, [CURVE] = ZMQ_EVENT_HANDSHAKE_FAILED_AUTH};
    for (int mechanism = PLAIN; mechanism <= CURVE; mechanism++)
        for (unsigned status = 400; status <= 500; status += 100) {
            struct duet duet = {.engine.status = status};
            uint32_t value = 0;
            duet_begin(&duet, *state, ZMQ_DEALER, "DEALER", mechanism, false);
            void *monitor = zpeer_monitor(*state, duet.zsocket);
            until(&duet, strstr(subject_text(&duet.engine), "CREDENTIALS"));
            until(&duet, duet.ended);
            zpeer_monitor_wait(*state, monitor, events[mechanism], &value, NULL);
            if (mechanism == CURVE)
                assert_int_equal(value, status);
            duet_end(&duet);
        }
}

static void test_a_client_with_another_servers_key_gets_nowhere(void **state) {
    struct duet duet = {0};
    memcpy(&other_pair, &server_pair, sizeof(server_pair));
    crypto_box_keypair(server_pair.public_key, server_pair.secret_key);
    duet_begin(&duet, *state, ZMQ_DEALER, "DEALER", CURVE, false); /* the engine has the new key, libzmq the old text */
    until(&duet, strstr(subject_text(&duet.engine), "FAILED EKEYREJECTED: HELLO does not open"));
    memcpy(&server_pair, &other_pair, sizeof(server_pair));
    duet_end(&duet);
}

static int make_keys(void **state) {
    assert_true(sodium_init() >= 0);
    assert_int_equal(zmq_curve_keypair(client_pair.public_text, client_pair.secret_text), 0);
    assert_int_equal(zmq_curve_keypair(server_pair.public_text, server_pair.secret_text), 0);
    assert_non_null(zmq_z85_decode(client_pair.public_key, client_pair.public_text));
    assert_non_null(zmq_z85_decode(client_pair.secret_key, client_pair.secret_text));
    assert_non_null(zmq_z85_decode(server_pair.public_key, server_pair.public_text));
    assert_non_null(zmq_z85_decode(server_pair.secret_key, server_pair.secret_text));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain_as_a_client, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_plain_as_a_server, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_curve_as_a_client, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_curve_as_a_server, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_subscriptions_in_clear, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_subscriptions_sealed, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_libzmq_refuses_us, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_libzmq_understands_our_refusal, interop_setup, interop_teardown),
        cmocka_unit_test_setup_teardown(test_a_client_with_another_servers_key_gets_nowhere, interop_setup, interop_teardown),
    };
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
