/*
 * bench/messages/kith.c: kith/socket.h as somebody who minds speed writes it: blocking calls for round trips; callbacks to receive; to
 * send, kith_socket_send() without waiting and a step of the loop when there is no room. Over ipc every message has its origin, by the
 * kernel's word, and whoever receives looks that it has. Options are the defaults, but that queues have at most QUEUE_OCTETS and that a
 * publisher waits for slow subscribers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

#include "bench/messages/contestant.h"
#include "bench/messages/curve.h"
#include "bench/messages/message.h"

struct end {
    struct setup setup;
    kith_loop *loop;
    kith_socket *socket;
    kith_origin *origin; /* whose pid was looked at last; messages of one writer share it */
    char *octets;        /* of a message that is sent */
    uint64_t next;       /* the number that is to come; it may come before receive() */
    int failure;
};

static const enum kith_socket_type types[PATTERN_COUNT_][2] = {
    [PATTERN_REQREP] = {KITH_REQ, KITH_REP},  [PATTERN_PAIR] = {KITH_PAIR, KITH_PAIR},       [PATTERN_PUSHPULL] = {KITH_PUSH, KITH_PULL},
    [PATTERN_PUBSUB] = {KITH_SUB, KITH_XPUB}, [PATTERN_ROUTER] = {KITH_DEALER, KITH_ROUTER},
};

static const char *const curve_options[2][3][2] = {
    {{"curve-server-key", SERVER_PUBLIC}, {"curve-public-key", CLIENT_PUBLIC}, {"curve-secret-key", CLIENT_SECRET}},
    {{"curve-server", "1"}, {"curve-public-key", SERVER_PUBLIC}, {"curve-secret-key", SERVER_SECRET}},
};

static int set_curve(struct end *end, bool serving) {
    int r = 0;
    for (size_t i = 0; i < 3 && r == 0; i++)
        r = kith_socket_set_option(end->socket, curve_options[serving][i][0], curve_options[serving][i][1], NULL);
    return r;
}

static int set_options(struct end *end, bool serving) {
    int r = kith_socket_set_number(end->socket, KITH_OPTION_SEND_HWM_BYTES, QUEUE_OCTETS, NULL);
    if (r == 0 && end->setup.pattern == PATTERN_PUBSUB && serving)
        r = kith_socket_set_number(end->socket, KITH_OPTION_XPUB_NO_DROP, 1, NULL);
    if (r == 0 && end->setup.pattern == PATTERN_PUBSUB && serving)
        r = kith_socket_set_number(end->socket, KITH_OPTION_XPUB_VERBOSE, 1, NULL);
    if (r == 0 && end->setup.pattern == PATTERN_ROUTER)
        r = kith_socket_set_number(end->socket, KITH_OPTION_BACKLOG, 4096, NULL);
    if (r == 0 && end->setup.curve)
        r = set_curve(end, serving);
    return r;
}

static int end_open(const struct setup *setup, bool serving, struct end **ret_end) {
    struct end *end = calloc(1, sizeof(*end));
    char *octets = calloc(1, setup->size);
    if (!end || !octets)
        return -ENOMEM;
    *end = (struct end){.setup = *setup, .octets = octets};
    int r = kith_loop_new(&end->loop);
    if (r == 0)
        r = kith_socket_new(end->loop, types[setup->pattern][serving], &end->socket);
    if (r == 0)
        r = set_options(end, serving);
    if (r == 0)
        r = serving ? kith_socket_bind(end->socket, setup->endpoint, NULL) : kith_socket_connect(end->socket, setup->endpoint, NULL);
    *ret_end = end;
    return r;
}

static int end_open_epoll(const struct setup *setup, bool serving, struct end **ret_end) {
    return setenv("KITH_LOOP", "epoll", 1) < 0 ? -errno : end_open(setup, serving, ret_end);
}

/* Over ipc the kernel has named the sender. */
static int check_origin(struct end *end, kith_msg *msg) {
    kith_origin *origin = kith_msg_origin(msg);
    if (end->setup.tcp || (origin && origin == end->origin))
        return 0;
    if (kith_origin_pid(origin, NULL) != KITH_WITNESS_KERNEL_MESSAGE)
        return -EPROTO;
    kith_origin_unref(end->origin);
    end->origin = kith_origin_ref(origin);
    return 0;
}

static int check(struct end *end, kith_msg *msg, uint64_t number) {
    size_t size;
    const uint8_t *data = kith_msg_frame(msg, 0, &size);
    int r = data ? message_check(&end->setup, data, size, number) : -EBADMSG;
    return r < 0 ? r : check_origin(end, msg);
}

static int make(struct end *end, uint64_t number, kith_msg **ret_msg) {
    kith_msg *msg;
    message_write(&end->setup, end->octets, number);
    int r = kith_msg_new(&msg);
    if (r < 0)
        return r;
    r = kith_msg_add(msg, end->octets, end->setup.size);
    if (r < 0)
        kith_msg_free(msg);
    else
        *ret_msg = msg;
    return r;
}

static int ask_once(struct end *end, uint64_t number) {
    kith_msg *msg, *answer;
    int r = make(end, number, &msg);
    if (r < 0)
        return r;
    r = kith_socket_send(end->socket, msg, -1);
    if (r < 0) {
        kith_msg_free(msg);
        return r;
    }
    r = kith_socket_recv(end->socket, &answer, -1);
    if (r < 0)
        return r;
    r = check(end, answer, number);
    kith_msg_free(answer);
    return r;
}

static int end_ask(struct end *end, uint64_t first, uint64_t count) {
    int r = 0;
    for (uint64_t i = 0; i < count && r == 0; i++)
        r = ask_once(end, first + i);
    return r;
}

static int end_answer(struct end *end) {
    kith_msg *msg;
    int r;
    while ((r = kith_socket_recv(end->socket, &msg, -1)) == 0) {
        r = check_origin(end, msg);
        if (r == 0)
            r = kith_socket_send(end->socket, msg, -1);
        if (r < 0)
            return r;
    }
    return r;
}

/* A step that waits and finds nothing was told to stop. */
static int step(struct end *end) {
    int r = kith_loop_step(end->loop, -1);
    return r == 0 ? -ECANCELED : r == -EINTR ? 0 : r < 0 ? r : end->failure;
}

static int end_send(struct end *end, uint64_t first, uint64_t count) {
    int r = 0;
    for (uint64_t i = 0; i < count && r == 0; i++) {
        kith_msg *msg;
        r = make(end, first + i, &msg);
        if (r < 0)
            return r;
        while ((r = kith_socket_send(end->socket, msg, 0)) == -EAGAIN) {
            r = step(end);
            if (r < 0)
                break;
        }
        if (r < 0)
            kith_msg_free(msg);
    }
    /* What is left goes out with the next step, and that with wait(). */
    return r;
}

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    (void)socket;
    struct end *end = userdata;
    int r = check(end, msg, end->next++);
    kith_msg_free(msg);
    if (r < 0)
        end->failure = r;
}

static int end_receive(struct end *end, uint64_t first, uint64_t count) {
    static const struct kith_socket_handler handler = {.message = on_message};
    int r = 0;
    if (first == 0)
        kith_socket_set_handler(end->socket, &handler, end);
    while (end->next < first + count && r == 0)
        r = step(end);
    return r;
}

static int end_subscribe(struct end *end) {
    if (end->setup.topics == 0)
        return kith_socket_subscribe(end->socket, "", 0);
    char topic[TOPIC_SIZE];
    int r = 0;
    for (unsigned i = 0; i < end->setup.topics && r == 0; i++) {
        topic_write(topic, i, false);
        r = kith_socket_subscribe(end->socket, topic, sizeof(topic));
    }
    return r;
}

/* XPUB receives a message of each. */
static int end_await(struct end *end, uint64_t count) {
    int r = 0;
    for (uint64_t i = 0; i < count && r == 0; i++) {
        kith_msg *msg;
        r = kith_socket_recv(end->socket, &msg, -1);
        if (r == 0)
            kith_msg_free(msg);
    }
    return r;
}

static void on_command(kith_io *io, int fd, unsigned events, void *userdata) {
    (void)io;
    (void)fd;
    (void)events;
    *(bool *)userdata = true;
}

static int end_wait(struct end *end, int fd) {
    bool readable = false;
    kith_io *io;
    int r = kith_io_new(end->loop, fd, KITH_IO_READ, on_command, &readable, &io);
    if (r < 0)
        return r;
    while (!readable && r == 0)
        r = step(end);
    kith_io_free(io);
    return r;
}

#define KITH_OPS(open_fn)                                                                                                                  \
    {                                                                                                                                      \
        .open = open_fn, .ask = end_ask, .answer = end_answer, .send = end_send, .receive = end_receive, .subscribe = end_subscribe,       \
        .await = end_await, .wait = end_wait                                                                                               \
    }

const struct contestant_ops contestant_kith = KITH_OPS(end_open);
const struct contestant_ops contestant_kith_epoll = KITH_OPS(end_open_epoll);
