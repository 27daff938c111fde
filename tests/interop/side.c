#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interop/side.h"

#define ASKER_ID "asker"
#define ANSWERER_ID "answerer"

const char *where_name(enum where where) {
    static const char *const names[] = {"ipc path", "ipc abstract", "tcp v4", "tcp v6"};
    return names[where];
}

bool where_possible(enum where where) {
    if (where != WHERE_TCP6)
        return true;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool possible = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return possible;
}

static int zmq_type(enum kith_socket_type type) {
    static const struct {
        enum kith_socket_type kith;
        int zmq;
    } types[] = {
        {KITH_REQ, ZMQ_REQ},   {KITH_REP, ZMQ_REP},   {KITH_DEALER, ZMQ_DEALER}, {KITH_ROUTER, ZMQ_ROUTER},
        {KITH_PUB, ZMQ_PUB},   {KITH_SUB, ZMQ_SUB},   {KITH_XPUB, ZMQ_XPUB},     {KITH_XSUB, ZMQ_XSUB},
        {KITH_PUSH, ZMQ_PUSH}, {KITH_PULL, ZMQ_PULL}, {KITH_PAIR, ZMQ_PAIR},     {KITH_STREAM, ZMQ_STREAM},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(types); i++)
        if (types[i].kith == type)
            return types[i].zmq;
    fail_msg("type %d", type);
    return -1;
}

struct side side_new(struct interop *interop, bool on_kith, enum kith_socket_type type) {
    struct side side = {.type = type};
    if (on_kith) {
        side.kith = support_socket(&interop->support, type);
        support_set(side.kith, KITH_OPTION_RECONNECT_MIN, 5);
        support_set(side.kith, KITH_OPTION_RECONNECT_MAX, 50);
        if (type == KITH_ROUTER)
            support_set(side.kith, KITH_OPTION_ROUTER_MANDATORY, 1);
    } else {
        side.zmq = zpeer_new(interop, zmq_type(type));
        if (type == KITH_ROUTER)
            zpeer_set(side.zmq, ZMQ_ROUTER_MANDATORY, 1);
    }
    return side;
}

void side_close(struct interop *interop, struct side *side) {
    if (side->kith)
        support_socket_free(&interop->support, side->kith);
    else
        zpeer_close(interop, side->zmq);
    *side = (struct side){0};
}

static void set_id(struct side *side, const char *routing_id) {
    if (side->kith)
        support_set_id(side->kith, routing_id);
    else
        zpeer_set_id(side->zmq, routing_id);
}

static const char *fresh_endpoint(struct interop *interop, enum where where, bool on_kith) {
    switch (where) {
    case WHERE_PATH:
        return support_ipc(&interop->support);
    case WHERE_ABSTRACT:
        return support_abstract(&interop->support);
    case WHERE_TCP4:
        return on_kith ? "tcp://127.0.0.1:0" : "tcp://127.0.0.1:*";
    default:
        return on_kith ? "tcp://[::1]:0" : "tcp://[::1]:*";
    }
}

void sides_join(struct interop *interop, struct side *binder, struct side *connecter, enum where where) {
    char endpoint[INTEROP_ENDPOINT];
    const char *fresh = fresh_endpoint(interop, where, binder->kith != NULL);
    if (binder->kith) {
        support_bind(binder->kith, fresh);
        strncpy(endpoint, kith_socket_last_endpoint(binder->kith), sizeof(endpoint) - 1);
        endpoint[sizeof(endpoint) - 1] = '\0';
    } else {
        zpeer_bind(binder->zmq, fresh, endpoint);
    }
    if (connecter->kith)
        support_connect(connecter->kith, endpoint);
    else
        zpeer_connect(connecter->zmq, endpoint);
}

void sides_new(struct interop *interop, struct pairing pairing, bool asker_binds, enum where where, struct side *ret_asker,
               struct side *ret_answerer) {
    *ret_asker = side_new(interop, pairing.kith_asks, pairing.asker);
    *ret_answerer = side_new(interop, !pairing.kith_asks, pairing.answerer);
    if (pairing.asker == KITH_ROUTER) {
        set_id(ret_asker, ASKER_ID);
        set_id(ret_answerer, ANSWERER_ID);
    }
    sides_join(interop, asker_binds ? ret_asker : ret_answerer, asker_binds ? ret_answerer : ret_asker, where);
}

void side_send(struct interop *interop, struct side *side, const kith_msg *msg) {
    if (side->zmq) {
        zpeer_send(interop, side->zmq, msg);
        return;
    }
    kith_msg *copy = support_copy(msg);
    int result;
    /* A mandatory ROUTER knows a peer it connects to only after the handshake: one turn of the loop later or some. */
    while ((result = kith_socket_send(side->kith, copy, support_left(&interop->support))) == -EHOSTUNREACH)
        support_wait(&interop->support, -1, 0);
    if (result < 0)
        fail_msg("kith_socket_send: %s", strerror(-result));
}

kith_msg *side_recv(struct interop *interop, struct side *side) {
    return side->zmq ? zpeer_recv(interop, side->zmq) : support_recv(&interop->support, side->kith);
}

void sides_exchange(struct interop *interop, struct side *asker, struct side *answerer, const kith_msg *body) {
    _cleanup_(kith_msg_freep) kith_msg *question = support_copy(body);
    if (asker->type == KITH_DEALER && answerer->type == KITH_REP)
        assert_int_equal(kith_msg_prepend(question, NULL, 0), 0);
    if (asker->type == KITH_ROUTER)
        assert_int_equal(kith_msg_prepend(question, ANSWERER_ID, strlen(ANSWERER_ID)), 0);
    side_send(interop, asker, question);

    /* A ROUTER sees the asker's id in front, and the delimiter that a REQ puts before its body. */
    _cleanup_(kith_msg_freep) kith_msg *heard = side_recv(interop, answerer);
    size_t envelope = answerer->type != KITH_ROUTER ? 0 : asker->type == KITH_REQ ? 2 : 1;
    support_assert_body(heard, envelope, body);
    if (asker->type == KITH_ROUTER)
        support_assert_frame(heard, 0, ASKER_ID);
    side_send(interop, answerer, heard);

    _cleanup_(kith_msg_freep) kith_msg *answer = side_recv(interop, asker);
    support_assert_body(answer, 0, question);
}
