/*
 * soak-client LIBRARY ROLE ENDPOINT ID MS: one client, on kith or on libzmq, for so many milliseconds; then it leaves as a good client
 * does.
 *
 * Roles: req and dealer ask and check each answer, push counts, sub checks that the numbers it sees have no gap. The last line on standard
 * output is the number of messages; exit status 1 and a line on standard error say what was promised and not kept.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kith/kith.h>
#include <zmq.h>

#include "base/cleanup.h"
#include "base/time.h"

/* Frames of a dealer's question: they come back as they are. */
#define PARTS 3
#define BODY_MAX 70000
/* An answer that takes longer is lost. */
#define PATIENCE_MS 20000

struct peer {
    void *context, *zsocket; /* libzmq */
    kith_loop *loop;         /* or kith */
    kith_socket *socket;
};

static const char *who;

static _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", who);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

/* Octets that depend on a number, so that an answer to another question is seen. */
static size_t make_body(uint8_t *body, const char *id, uint64_t number) {
    size_t size = 24 + (number * 2654435761U) % (number % 50 == 0 ? BODY_MAX - 24 : 200);
    memset(body, (int)number, size);
    snprintf((char *)body, 24, "%s %llu", id, (unsigned long long)number);
    return size;
}

static void open_zmq(struct peer *peer, int type, const char *endpoint) {
    int patience = PATIENCE_MS;
    peer->context = zmq_ctx_new();
    peer->zsocket = zmq_socket(peer->context, type);
    zmq_setsockopt(peer->zsocket, ZMQ_LINGER, &patience, sizeof(patience));
    zmq_setsockopt(peer->zsocket, ZMQ_RCVTIMEO, &patience, sizeof(patience));
    zmq_setsockopt(peer->zsocket, ZMQ_SNDTIMEO, &patience, sizeof(patience));
    if (type == ZMQ_SUB)
        zmq_setsockopt(peer->zsocket, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_connect(peer->zsocket, endpoint) < 0)
        die("connect %s: %s", endpoint, zmq_strerror(zmq_errno()));
}

static void open_kith(struct peer *peer, enum kith_socket_type type, const char *endpoint) {
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_loop_new(&peer->loop) < 0 || kith_socket_new(peer->loop, type, &peer->socket) < 0)
        die("cannot make a %s", kith_socket_type_name(type));
    if (type == KITH_SUB && kith_socket_subscribe(peer->socket, "", 0) < 0)
        die("cannot subscribe");
    if (kith_socket_connect(peer->socket, endpoint, &error) < 0)
        die("%s", error.text);
}

static void send_parts(struct peer *peer, const uint8_t *body, size_t size, int parts) {
    int r = 0;
    if (peer->zsocket) {
        for (int i = 0; i < parts; i++)
            if (zmq_send(peer->zsocket, body, size, i + 1 < parts ? ZMQ_SNDMORE : 0) < 0)
                die("send: %s", zmq_strerror(zmq_errno()));
        return;
    }
    kith_msg *msg;
    r = kith_msg_new(&msg);
    for (int i = 0; r >= 0 && i < parts; i++)
        r = kith_msg_add(msg, body, size);
    if (r >= 0)
        r = kith_socket_send(peer->socket, msg, PATIENCE_MS);
    if (r < 0)
        die("send: %s", strerror(-r));
}

/* The frames one behind the other. Returns their number. */
static int recv_parts(struct peer *peer, uint8_t *body, size_t room, size_t *ret_size) {
    int parts = 0;
    *ret_size = 0;
    if (peer->zsocket) {
        int more = 1;
        for (size_t length = sizeof(more); more; parts++) {
            int n = zmq_recv(peer->zsocket, body + *ret_size, room - *ret_size, 0);
            if (n < 0)
                die("recv: %s", zmq_strerror(zmq_errno()));
            *ret_size += (size_t)n;
            zmq_getsockopt(peer->zsocket, ZMQ_RCVMORE, &more, &length);
        }
        return parts;
    }
    kith_msg *msg;
    int r = kith_socket_recv(peer->socket, &msg, PATIENCE_MS);
    if (r < 0)
        die("recv: %s", strerror(-r));
    for (size_t size; parts < (int)kith_msg_count(msg); parts++) {
        const uint8_t *frame = kith_msg_frame(msg, (size_t)parts, &size);
        if (size > room - *ret_size)
            die("recv: a frame of %zu octets", size);
        memcpy(body + *ret_size, frame, size);
        *ret_size += size;
    }
    kith_msg_free(msg);
    return parts;
}

static void ask(struct peer *peer, const char *id, uint64_t number, int parts) {
    static uint8_t question[BODY_MAX], answer[PARTS * BODY_MAX + 64];
    size_t size = make_body(question, id, number), answered;
    send_parts(peer, question, size, parts);
    int got = recv_parts(peer, answer, sizeof(answer), &answered);
    if (got != parts || answered != (size_t)parts * size)
        die("question %llu: %d frames of %zu octets came back", (unsigned long long)number, got, answered);
    for (int i = 0; i < parts; i++)
        if (memcmp(answer + (size_t)i * size, question, size) != 0)
            die("question %llu: another answer came back", (unsigned long long)number);
}

static void push(struct peer *peer, const char *id, uint64_t number) {
    static uint8_t body[BODY_MAX];
    send_parts(peer, body, make_body(body, id, number), 1);
}

static void check_next(struct peer *peer) {
    static uint64_t last;
    uint64_t number = 0;
    size_t size;
    static uint8_t body[BODY_MAX];
    recv_parts(peer, body, sizeof(body), &size);
    if (size < sizeof(number))
        die("published: %zu octets", size);
    memcpy(&number, body, sizeof(number));
    if (last != 0 && number != last + 1)
        die("published: %llu came after %llu", (unsigned long long)number, (unsigned long long)last);
    last = number;
}

/* What was taken for sending is sent before this returns. */
static void leave(struct peer *peer) {
    if (peer->zsocket) {
        zmq_close(peer->zsocket);
        zmq_ctx_term(peer->context);
        return;
    }
    int r = kith_socket_drain(peer->socket, PATIENCE_MS);
    if (r < 0)
        die("drain: %s", strerror(-r));
    kith_socket_free(peer->socket);
    kith_loop_free(peer->loop);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        enum kith_socket_type kith;
        int zmq;
    } roles[] = {
        {"req", KITH_REQ, ZMQ_REQ}, {"dealer", KITH_DEALER, ZMQ_DEALER}, {"push", KITH_PUSH, ZMQ_PUSH}, {"sub", KITH_SUB, ZMQ_SUB}};
    size_t role = 0;
    struct peer peer = {0};
    uint64_t count = 0;
    if (argc != 6)
        die("usage: LIBRARY ROLE ENDPOINT ID MS");
    who = argv[4];
    while (role < KITH_ARRAY_SIZE(roles) && strcmp(roles[role].name, argv[2]) != 0)
        role++;
    if (role == KITH_ARRAY_SIZE(roles))
        die("there is no role %s", argv[2]);
    if (strcmp(argv[1], "zmq") == 0)
        open_zmq(&peer, roles[role].zmq, argv[3]);
    else
        open_kith(&peer, roles[role].kith, argv[3]);
    uint64_t end = kith_time_now() + strtoull(argv[5], NULL, 10) * KITH_NS_PER_MS;
    for (; kith_time_now() < end; count++) {
        if (role == 0)
            ask(&peer, who, count, 1);
        else if (role == 1)
            ask(&peer, who, count, PARTS);
        else if (role == 2)
            push(&peer, who, count);
        else
            check_next(&peer);
    }
    leave(&peer);
    printf("%llu\n", (unsigned long long)count);
    return 0;
}
