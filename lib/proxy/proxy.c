/*
 * proxy/proxy.c: see kith/proxy.h.
 *
 * A side is a socket, the side it sends to, and at most one message that waits for room there. While one waits, or while the proxy is
 * paused, the side's message callback is off: its socket then queues up to its high-water mark and stops reading.
 */
#include <kith/proxy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

KITH_DEFINE_CLEANUP(kith_proxy *, kith_proxy_free)
KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)
KITH_DEFINE_CLEANUP(kith_loop *, kith_loop_unlock)

struct side {
    kith_proxy *proxy;
    kith_socket *socket;
    struct side *other;
    kith_msg *waiting;         /* received here, for the other side */
    struct kith_proxy_way way; /* handed on from here */
    bool open;                 /* the message callback is on */
};

struct kith_proxy {
    struct kith_proxy_options options;
    struct side front, back;
    uint64_t uncaptured, dropped;
    bool paused;
    bool terminated;
};

static void side_message(kith_socket *socket, kith_msg *msg, void *userdata);
static void side_writable(kith_socket *socket, void *userdata);

static void side_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct side *side = userdata;
    if (side->proxy->options.event)
        side->proxy->options.event(socket, event, side->proxy->options.userdata);
}

static const struct kith_socket_handler open_handler = {.message = side_message, .writable = side_writable, .event = side_event};
static const struct kith_socket_handler closed_handler = {.writable = side_writable, .event = side_event};

static void side_update(struct side *side) {
    bool open = !side->waiting && !side->proxy->paused;
    if (open == side->open)
        return;
    side->open = open;
    kith_socket_set_handler(side->socket, open ? &open_handler : &closed_handler, side);
}

static void capture(kith_proxy *proxy, const kith_msg *msg) {
    kith_msg *copy;
    if (!proxy->options.capture)
        return;
    if (kith_msg_copy(msg, &copy) < 0) {
        proxy->uncaptured++;
        return;
    }
    if (kith_socket_send(proxy->options.capture, copy, 0) < 0) {
        kith_msg_free(copy);
        proxy->uncaptured++;
    }
}

/* False: the other side has no room, and the message waits. */
static bool side_pass(struct side *side, kith_msg *msg) {
    size_t octets = kith_msg_size(msg);
    int r = kith_socket_send(side->other->socket, msg, 0);
    if (r == -EAGAIN) {
        side->waiting = msg;
        return false;
    }
    if (r < 0) { /* nobody to send it to, or no memory: nothing would tell when that is over */
        kith_msg_free(msg);
        side->proxy->dropped++;
        return true;
    }
    side->way.messages++;
    side->way.octets += octets;
    return true;
}

static void side_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    (void)socket;
    struct side *side = userdata;
    capture(side->proxy, msg);
    if (!side_pass(side, msg))
        side_update(side);
}

/* This side has room again: for what waits at the other. */
static void side_writable(kith_socket *socket, void *userdata) {
    (void)socket;
    struct side *side = userdata, *from = side->other;
    if (!from->waiting)
        return;
    if (side_pass(from, KITH_STEAL(from->waiting)))
        side_update(from);
}

/* Control --------------------------------------------------------------------------------------------------------------- */

static void terminate(kith_proxy *proxy) {
    proxy->terminated = true;
    kith_proxy_pause(proxy);
    if (proxy->options.terminated)
        proxy->options.terminated(proxy, proxy->options.userdata);
}

static int add_number(kith_msg *msg, uint64_t number) {
    return kith_msg_add(msg, &number, sizeof(number));
}

/* What one side received from its peers, and sent to them. */
static int add_side(kith_msg *msg, const struct kith_proxy_way *received, const struct kith_proxy_way *sent) {
    int r = add_number(msg, received->messages);
    if (r >= 0)
        r = add_number(msg, received->octets);
    if (r >= 0)
        r = add_number(msg, sent->messages);
    return r >= 0 ? add_number(msg, sent->octets) : r;
}

static int make_statistics(const kith_proxy *proxy, kith_msg *msg) {
    int r = add_side(msg, &proxy->front.way, &proxy->back.way);
    return r >= 0 ? add_side(msg, &proxy->back.way, &proxy->front.way) : r;
}

static void answer(kith_proxy *proxy, bool statistics) {
    enum kith_socket_type type = kith_socket_type_of(proxy->options.control);
    if (!statistics && type != KITH_REP)
        return;
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = statistics ? make_statistics(proxy, msg) : kith_msg_add(msg, NULL, 0);
    if (r >= 0 && kith_socket_send(proxy->options.control, msg, 0) >= 0)
        msg = NULL;
}

static bool is_word(const kith_msg *msg, const char *word) {
    size_t size;
    const uint8_t *frame = kith_msg_frame(msg, 0, &size);
    return kith_msg_count(msg) == 1 && size == strlen(word) && memcmp(frame, word, size) == 0;
}

static void on_control(kith_socket *socket, kith_msg *msg, void *userdata) {
    (void)socket;
    kith_proxy *proxy = userdata;
    bool end = is_word(msg, "TERMINATE") || is_word(msg, "KILL");
    if (is_word(msg, "PAUSE"))
        kith_proxy_pause(proxy);
    else if (is_word(msg, "RESUME"))
        kith_proxy_resume(proxy);
    bool statistics = is_word(msg, "STATISTICS");
    kith_msg_free(msg);
    answer(proxy, statistics);
    if (end)
        terminate(proxy);
}

/* ------------------------------------------------------------------------------------------------------------------------ */

/* On a loop with a thread, nobody else is here until the scope ends. */
#define HOLD(socket) _cleanup_(kith_loop_unlockp) __attribute__((unused)) kith_loop *held_ = lock(socket)

static kith_loop *lock(kith_socket *socket) {
    kith_loop *loop = kith_socket_loop(socket);
    kith_loop_lock(loop);
    return loop;
}

/* Can anything go from a socket of type `from` to one of type `to`? */
static bool fits(kith_socket *from, kith_socket *to) {
    return kith_socket_receives(from) && kith_socket_sends(to);
}

static int check(const struct kith_proxy_options *options) {
    kith_socket *sockets[] = {options->frontend, options->backend, options->capture, options->control};
    if (!options->frontend || !options->backend)
        return -EINVAL;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sockets); i++) {
        if (sockets[i] && kith_socket_loop(sockets[i]) != kith_socket_loop(options->frontend))
            return -EINVAL;
        for (size_t k = 0; sockets[i] && k < i; k++)
            if (sockets[k] == sockets[i])
                return -EINVAL;
    }
    if (!kith_socket_loop(options->frontend))
        return -ESHUTDOWN;
    return fits(options->frontend, options->backend) || fits(options->backend, options->frontend) ? 0 : -ENOTSUP;
}

int kith_proxy_new(const struct kith_proxy_options *options, kith_proxy **ret_proxy) {
    static const struct kith_socket_handler control_handler = {.message = on_control};
    int r = options ? check(options) : -EINVAL;
    if (r < 0)
        return r;
    kith_proxy *proxy = calloc(1, sizeof(*proxy));
    if (!proxy)
        return -ENOMEM;
    HOLD(options->frontend);
    proxy->options = *options;
    proxy->front = (struct side){.proxy = proxy, .socket = options->frontend, .other = &proxy->back};
    proxy->back = (struct side){.proxy = proxy, .socket = options->backend, .other = &proxy->front};
    side_update(&proxy->front);
    side_update(&proxy->back);
    if (options->control)
        kith_socket_set_handler(options->control, &control_handler, proxy);
    *ret_proxy = proxy;
    return 0;
}

kith_proxy *kith_proxy_free(kith_proxy *proxy) {
    if (!proxy)
        return NULL;
    HOLD(proxy->front.socket);
    kith_socket_set_handler(proxy->front.socket, NULL, NULL);
    kith_socket_set_handler(proxy->back.socket, NULL, NULL);
    if (proxy->options.control)
        kith_socket_set_handler(proxy->options.control, NULL, NULL);
    kith_msg_free(proxy->front.waiting);
    kith_msg_free(proxy->back.waiting);
    free(proxy);
    return NULL;
}

static void set_paused(kith_proxy *proxy, bool paused) {
    proxy->paused = paused;
    side_update(&proxy->front);
    side_update(&proxy->back);
}

void kith_proxy_pause(kith_proxy *proxy) {
    HOLD(proxy->front.socket);
    set_paused(proxy, true);
}

void kith_proxy_resume(kith_proxy *proxy) {
    HOLD(proxy->front.socket);
    set_paused(proxy, proxy->terminated);
}

void kith_proxy_stats(const kith_proxy *proxy, struct kith_proxy_stats *ret_stats) {
    HOLD(proxy->front.socket);
    *ret_stats = (struct kith_proxy_stats){
        .to_backend = proxy->front.way,
        .to_frontend = proxy->back.way,
        .uncaptured = proxy->uncaptured,
        .dropped = proxy->dropped,
        .waiting = (size_t)(proxy->front.waiting != NULL) + (proxy->back.waiting != NULL),
        .paused = proxy->paused,
    };
}

static void stop(kith_proxy *proxy, void *userdata) {
    (void)userdata;
    kith_loop *loop = kith_socket_loop(proxy->options.frontend);
    if (loop)
        kith_loop_stop(loop);
}

int kith_proxy_run(kith_socket *frontend, kith_socket *backend, kith_socket *capture, kith_socket *control) {
    struct kith_proxy_options options = {
        .frontend = frontend, .backend = backend, .capture = capture, .control = control, .terminated = stop};
    _cleanup_(kith_proxy_freep) kith_proxy *proxy = NULL;
    int r = kith_proxy_new(&options, &proxy);
    if (r >= 0)
        r = kith_loop_run(kith_socket_loop(frontend));
    if (r < 0)
        return r;
    HOLD(frontend);
    return proxy->terminated ? 0 : -ECANCELED;
}
