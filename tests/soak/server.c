/*
 * soak-server: the side that stays: REP and ROUTER answer with what they were asked, PULL checks the order of each client's messages, PUB
 * counts. Each is bound at ipc and at tcp.
 *
 * Standard output begins with a line for each endpoint: NAME ENDPOINT. SIGUSR1: no more is published. SIGTERM ends it: it prints "pushed ID
 * COUNT" for each pusher, and exits with 1 when one of them had a gap, or when messages were dropped that a pattern may not drop.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kith/kith.h>

#include "base/cleanup.h"

#define PUSHERS 4096
#define TICK_MS 2
#define PER_TICK 20

struct pusher {
    char id[24];
    uint64_t count;
};

static struct server {
    kith_loop *loop;
    kith_socket *rep, *router, *pull, *pub;
    kith_timer *ticker;
    uint64_t published;
    struct pusher pushers[PUSHERS];
    size_t pusher_count;
    int status;
} server;

static void complain(const char *what, const char *more) {
    fprintf(stderr, "soak-server: %s %s\n", what, more);
    server.status = 1;
}

/* REP, ROUTER. A client that was killed meanwhile is no loss. */
static void echo(kith_socket *socket, kith_msg *msg, void *userdata) {
    int r = kith_socket_send(socket, msg, 0);
    if (r >= 0)
        return;
    kith_msg_free(msg);
    if (r != -EHOSTUNREACH)
        complain("an answer was not sent:", strerror(-r));
}

static struct pusher *find_pusher(const char *id) {
    for (size_t i = server.pusher_count; i-- > 0;)
        if (strcmp(server.pushers[i].id, id) == 0)
            return &server.pushers[i];
    if (server.pusher_count == PUSHERS)
        return NULL;
    struct pusher *pusher = &server.pushers[server.pusher_count++];
    snprintf(pusher->id, sizeof(pusher->id), "%s", id);
    return pusher;
}

static void count(kith_socket *socket, kith_msg *msg, void *userdata) {
    size_t size;
    const uint8_t *body = kith_msg_frame(msg, 0, &size);
    char text[25] = "", id[24];
    unsigned long long number;
    memcpy(text, body, size < 24 ? size : 24);
    if (sscanf(text, "%23s %llu", id, &number) != 2) {
        complain("what is this:", text);
    } else {
        struct pusher *pusher = find_pusher(id);
        if (!pusher || pusher->count != number)
            complain("out of order or lost before:", text);
        else
            pusher->count++;
    }
    kith_msg_free(msg);
}

static void publish(kith_timer *timer, void *userdata) {
    static uint8_t body[300];
    for (int i = 0; i < PER_TICK; i++) {
        kith_msg *msg;
        server.published++;
        memcpy(body, &server.published, sizeof(server.published));
        if (kith_msg_new(&msg) < 0 || kith_msg_add(msg, body, 8 + server.published % 200) < 0 || kith_socket_send(server.pub, msg, 0) < 0)
            complain("cannot", "publish");
    }
}

static void event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    /* A killed peer's answers may be dropped, nothing else. */
    if (event->type == KITH_EVENT_DROPPED && event->error != -ECONNRESET && event->error != -EPIPE && event->error != 0)
        complain("dropped:", event->text);
    if (event->type == KITH_EVENT_ACCEPT_FAILED)
        complain("accept:", event->text);
}

static void quiet(kith_signal *sig, int signo, void *userdata) {
    kith_timer_disarm(server.ticker);
}

static void stop(kith_signal *sig, int signo, void *userdata) {
    kith_loop_stop(server.loop);
}

static kith_socket *make(const char *name, enum kith_socket_type type, void (*message)(kith_socket *, kith_msg *, void *),
                         const char *directory) {
    struct kith_socket_handler handler = {.message = message, .event = event};
    struct kith_error error = KITH_ERROR_NONE;
    char path[256];
    kith_socket *socket;
    if (kith_socket_new(server.loop, type, &socket) < 0)
        exit(2);
    kith_socket_set_handler(socket, &handler, NULL);
    (void)kith_socket_set_number(socket, KITH_OPTION_ROUTER_MANDATORY, 1, NULL);
    (void)kith_socket_set_number(socket, KITH_OPTION_SEND_HWM, 100000, NULL);
    snprintf(path, sizeof(path), "ipc://%s/%s", directory, name);
    const char *endpoints[] = {path, "tcp://127.0.0.1:*"};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(endpoints); i++) {
        if (kith_socket_bind(socket, endpoints[i], &error) < 0) {
            fprintf(stderr, "%s\n", error.text);
            exit(2);
        }
        printf("%s %s\n", name, kith_socket_last_endpoint(socket));
    }
    return socket;
}

int main(int argc, char **argv) {
    kith_signal *signals[2];
    if (argc != 2 || kith_loop_new(&server.loop) < 0)
        return 2;
    if (kith_signal_new(server.loop, SIGTERM, stop, NULL, &signals[0]) < 0 ||
        kith_signal_new(server.loop, SIGUSR1, quiet, NULL, &signals[1]) < 0)
        return 2;
    server.rep = make("rep", KITH_REP, echo, argv[1]);
    server.router = make("router", KITH_ROUTER, echo, argv[1]);
    server.pull = make("pull", KITH_PULL, count, argv[1]);
    server.pub = make("pub", KITH_PUB, NULL, argv[1]);
    if (kith_timer_new(server.loop, publish, NULL, &server.ticker) < 0 || kith_timer_arm(server.ticker, TICK_MS, TICK_MS) < 0)
        return 2;
    printf("ready\n");
    fflush(stdout);
    int r = kith_loop_run(server.loop);
    if (r < 0)
        complain("the loop ended:", strerror(-r));
    for (size_t i = 0; i < server.pusher_count; i++)
        printf("pushed %s %llu\n", server.pushers[i].id, (unsigned long long)server.pushers[i].count);
    kith_socket_free(server.rep);
    kith_socket_free(server.router);
    kith_socket_free(server.pull);
    kith_socket_free(server.pub);
    kith_timer_free(server.ticker);
    kith_signal_free(signals[0]);
    kith_signal_free(signals[1]);
    kith_loop_free(server.loop);
    return server.status;
}
