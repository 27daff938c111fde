/*
 * wiretest-socket TYPE ENDPOINT [OPTION=VALUE...]: a socket of kith for kith wiretest to look at: what it receives it sends back, where its
 * type can; a PUB, XPUB, PUSH, SCATTER or RADIO sends all the time; a SUB or XSUB subscribes, a DISH joins.
 *
 * Standard output has one line: the endpoint. SIGTERM ends it, with 0.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <kith/kith.h>

#include "base/cleanup.h"
#include "base/error.h"

/* So often that even a short silence means something, and within a queue's room when nobody reads. */
#define TICK_MS 5

KITH_DEFINE_CLEANUP(kith_loop *, kith_loop_free)
KITH_DEFINE_CLEANUP(kith_socket *, kith_socket_free)
KITH_DEFINE_CLEANUP(kith_timer *, kith_timer_free)
KITH_DEFINE_CLEANUP(kith_signal *, kith_signal_free)

/* What cannot be sent, as to one that has gone, is dropped: the suite leaves in the middle of things. */
static void send_or_drop(kith_socket *socket, kith_msg *msg) {
    if (kith_socket_send(socket, msg, 0) < 0)
        kith_msg_free(msg);
}

static void echo(kith_socket *socket, kith_msg *msg, void *userdata) {
    switch (kith_socket_type_of(socket)) {
    case KITH_XPUB: /* a subscription is not for subscribers */
    case KITH_XSUB:
    case KITH_REQ:
        kith_msg_free(msg);
        break;
    default:
        if (kith_socket_sends(socket))
            send_or_drop(socket, msg);
        else
            kith_msg_free(msg);
    }
}

static int send_text(kith_socket *socket, const char *one, size_t size, const char *two) {
    kith_msg *msg;
    int r = kith_msg_new(&msg);
    if (r < 0)
        return r;
    r = kith_msg_add(msg, one, size);
    if (r >= 0 && two)
        r = kith_msg_add(msg, two, strlen(two));
    if (r >= 0 && kith_socket_type_of(socket) == KITH_RADIO)
        r = kith_msg_set_group(msg, "kith");
    if (r < 0)
        kith_msg_free(msg);
    else
        send_or_drop(socket, msg);
    return r;
}

static void tick(kith_timer *timer, void *userdata) {
    const enum kith_socket_type type = kith_socket_type_of(userdata);
    const bool single = type == KITH_RADIO || type == KITH_SCATTER; /* they know no further frames */
    send_text(userdata, "alpha", 5, single ? NULL : "one");
    send_text(userdata, "beta", 4, single ? NULL : "two");
}

static void stop(kith_signal *sig, int signo, void *userdata) {
    kith_loop_stop(userdata);
}

static int set_options(kith_socket *socket, char **options, struct kith_error *error) {
    int r = 0;
    for (; *options && r >= 0; options++) {
        char *value = strchr(*options, '=');
        if (!value)
            return kith_error_set(error, -EINVAL, "%s: OPTION=VALUE is wanted", *options);
        *value = '\0';
        r = kith_socket_set_option(socket, *options, value + 1, error);
    }
    return r;
}

static int begin(kith_socket *socket, kith_timer *timer) {
    switch (kith_socket_type_of(socket)) {
    case KITH_PUB:
    case KITH_XPUB:
    case KITH_PUSH:
    case KITH_SCATTER:
    case KITH_RADIO:
        return kith_timer_arm(timer, TICK_MS, TICK_MS);
    case KITH_SUB:
        return kith_socket_subscribe(socket, "kith", 4);
    case KITH_XSUB:
        return send_text(socket, "\1kith", 5, NULL);
    case KITH_DISH:
        return kith_socket_join(socket, "kith");
    default:
        return 0;
    }
}

static int serve(enum kith_socket_type type, char **argv, struct kith_error *error) {
    static const struct kith_socket_handler receives = {.message = echo}, sends = {.message = NULL};
    _cleanup_(kith_loop_freep) kith_loop *loop = NULL;
    _cleanup_(kith_socket_freep) kith_socket *socket = NULL;
    _cleanup_(kith_timer_freep) kith_timer *timer = NULL;
    _cleanup_(kith_signal_freep) kith_signal *term = NULL;
    int r = kith_loop_new(&loop);
    if (r >= 0)
        r = kith_socket_new(loop, type, &socket);
    if (r >= 0)
        r = kith_timer_new(loop, tick, socket, &timer);
    if (r >= 0)
        r = kith_signal_new(loop, SIGTERM, stop, loop, &term);
    if (r >= 0)
        r = set_options(socket, argv + 3, error);
    if (r < 0)
        return r;
    kith_socket_set_handler(socket, kith_socket_receives(socket) ? &receives : &sends, NULL);
    r = kith_socket_bind(socket, argv[2], error);
    if (r >= 0)
        r = begin(socket, timer);
    if (r < 0)
        return r;
    printf("%s\n", kith_socket_last_endpoint(socket));
    fflush(stdout);
    return kith_loop_run(loop);
}

int main(int argc, char **argv) {
    struct kith_error error = KITH_ERROR_NONE;
    enum kith_socket_type type;
    if (argc < 3 || kith_socket_type_find(argv[1], &type) < 0) {
        fprintf(stderr, "usage: wiretest-socket TYPE ENDPOINT [OPTION=VALUE...]\n");
        return 2;
    }
    int r = serve(type, argv, &error);
    if (r < 0)
        fprintf(stderr, "wiretest-socket: %s\n", error.text[0] ? error.text : kith_error_name(r));
    return r < 0;
}
