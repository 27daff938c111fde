/*
 * bench/messages/libzmq.c: libzmq with blocking calls, one I/O thread and the defaults but for what makes it faster or keeps it from
 * losing messages: queues of at most QUEUE_OCTETS, and a publisher that waits for slow subscribers.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench/messages/contestant.h"
#include "bench/messages/curve.h"
#include "bench/messages/message.h"
#include "bench/messages/zeromq.h"

/* Messages queued for one peer, at each end: the default. 10,000, 100,000 and no limit are slower, because what waits is fresh memory. */
#define HIGH_WATER_MARK 1000

struct end {
    struct setup setup;
    void *socket;
    char *octets;              /* of a message that is sent */
    struct zeromq_msg arrived; /* received last */
};

static const int types[PATTERN_COUNT_][2] = {
    [PATTERN_REQREP] = {ZMQ_REQ, ZMQ_REP},  [PATTERN_PAIR] = {ZMQ_PAIR, ZMQ_PAIR},       [PATTERN_PUSHPULL] = {ZMQ_PUSH, ZMQ_PULL},
    [PATTERN_PUBSUB] = {ZMQ_SUB, ZMQ_XPUB}, [PATTERN_ROUTER] = {ZMQ_DEALER, ZMQ_ROUTER},
};

static int set(struct end *end, int option, int value) {
    return zeromq.setsockopt(end->socket, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_curve(struct end *end, bool serving) {
    const char *public_key = serving ? SERVER_PUBLIC : CLIENT_PUBLIC, *secret = serving ? SERVER_SECRET : CLIENT_SECRET;
    int r = serving ? set(end, ZMQ_CURVE_SERVER, 1) : 0;
    if (r == 0 && !serving && zeromq.setsockopt(end->socket, ZMQ_CURVE_SERVERKEY, SERVER_PUBLIC, strlen(SERVER_PUBLIC)) < 0)
        r = -errno;
    if (r == 0 && (zeromq.setsockopt(end->socket, ZMQ_CURVE_PUBLICKEY, public_key, strlen(public_key)) < 0 ||
                   zeromq.setsockopt(end->socket, ZMQ_CURVE_SECRETKEY, secret, strlen(secret)) < 0))
        r = -errno;
    return r;
}

static int high_water_mark(const struct end *end) {
    size_t mark = 1 + QUEUE_OCTETS / end->setup.size; /* 0 would be no limit */
    if (end->setup.topics > 0)
        return 0; /* subscriptions beyond it would be lost */
    return mark < HIGH_WATER_MARK ? (int)mark : HIGH_WATER_MARK;
}

static int set_options(struct end *end, bool serving) {
    int r = set(end, ZMQ_SNDHWM, high_water_mark(end));
    if (r == 0)
        r = set(end, ZMQ_RCVHWM, high_water_mark(end));
    if (r == 0 && end->setup.pattern == PATTERN_PUBSUB && serving)
        r = set(end, ZMQ_XPUB_NODROP, 1);
    if (r == 0 && end->setup.pattern == PATTERN_PUBSUB && serving)
        r = set(end, ZMQ_XPUB_VERBOSE, 1);
    if (r == 0 && end->setup.pattern == PATTERN_ROUTER)
        r = set(end, ZMQ_BACKLOG, 4096);
    if (r == 0 && end->setup.curve)
        r = set_curve(end, serving);
    return r;
}

static int end_open(const struct setup *setup, bool serving, struct end **ret_end) {
    struct end *end = calloc(1, sizeof(*end));
    char *octets = calloc(1, setup->size);
    int r = zeromq_load();
    if (r < 0)
        return r;
    void *context = zeromq.ctx_new();
    if (!end || !octets || !context)
        return -ENOMEM;
    *end = (struct end){.setup = *setup, .octets = octets};
    /* Of clients: their number is not libzmq's to limit. */
    if (zeromq.ctx_set(context, ZMQ_MAX_SOCKETS, zeromq.ctx_get(context, ZMQ_SOCKET_LIMIT)) < 0)
        return -errno;
    zeromq.msg_init(&end->arrived);
    end->socket = zeromq.socket(context, types[setup->pattern][serving]);
    if (!end->socket)
        return -errno;
    *ret_end = end;
    r = set_options(end, serving);
    if (r < 0)
        return r;
    return (serving ? zeromq.bind(end->socket, setup->endpoint) : zeromq.connect(end->socket, setup->endpoint)) < 0 ? -errno : 0;
}

static int end_put(struct end *end, uint64_t number) {
    message_write(&end->setup, end->octets, number);
    return zeromq.send(end->socket, end->octets, end->setup.size, 0) < 0 ? -errno : 0;
}

static int end_take(struct end *end, uint64_t number) {
    struct zeromq_msg *msg = &end->arrived;
    return zeromq.msg_recv(msg, end->socket, 0) < 0 ? -errno
                                                    : message_check(&end->setup, zeromq.msg_data(msg), zeromq.msg_size(msg), number);
}

static int end_answer(struct end *end) {
    struct zeromq_msg *msg = &end->arrived;
    for (;;)
        if (zeromq.msg_recv(msg, end->socket, 0) < 0 || zeromq.msg_send(msg, end->socket, zeromq.msg_more(msg) ? ZMQ_SNDMORE : 0) < 0)
            return -errno;
}

static int end_subscribe(struct end *end) {
    char topic[TOPIC_SIZE];
    unsigned i = 0;
    do {
        topic_write(topic, i, false);
        if (zeromq.setsockopt(end->socket, ZMQ_SUBSCRIBE, topic, end->setup.topics > 0 ? sizeof(topic) : 0) < 0)
            return -errno;
    } while (++i < end->setup.topics);
    return 0;
}

/* XPUB receives a message of each. */
static int end_await(struct end *end, uint64_t count) {
    char topic[1 + TOPIC_SIZE];
    for (uint64_t i = 0; i < count; i++)
        if (zeromq.recv(end->socket, topic, sizeof(topic), 0) < 0)
            return -errno;
    return 0;
}

const struct contestant_ops contestant_libzmq = {
    .open = end_open,
    .put = end_put,
    .take = end_take,
    .answer = end_answer,
    .subscribe = end_subscribe,
    .await = end_await,
};
