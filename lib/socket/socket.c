/* socket/socket.c: a socket's life, its endpoints, and what its sessions tell it. */
#include "socket/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "socket/zap.h"
#include "stream/net.h"

KITH_DEFINE_CLEANUP(kith_socket *, kith_socket_unref)

static const struct kith_pattern_ops *const patterns[] = {
    [KITH_REQ] = &kith_pattern_req,       [KITH_REP] = &kith_pattern_rep,         [KITH_DEALER] = &kith_pattern_dealer,
    [KITH_ROUTER] = &kith_pattern_router, [KITH_PUB] = &kith_pattern_pub,         [KITH_SUB] = &kith_pattern_sub,
    [KITH_XPUB] = &kith_pattern_xpub,     [KITH_XSUB] = &kith_pattern_xsub,       [KITH_PUSH] = &kith_pattern_push,
    [KITH_PULL] = &kith_pattern_pull,     [KITH_PAIR] = &kith_pattern_pair,       [KITH_STREAM] = &kith_pattern_stream,
    [KITH_CLIENT] = &kith_pattern_client, [KITH_SERVER] = &kith_pattern_server,   [KITH_RADIO] = &kith_pattern_radio,
    [KITH_DISH] = &kith_pattern_dish,     [KITH_SCATTER] = &kith_pattern_scatter, [KITH_GATHER] = &kith_pattern_gather,
    [KITH_PEER] = &kith_pattern_peer,     [KITH_CHANNEL] = &kith_pattern_channel,
};

static const char *const names[] = {
    [KITH_REQ] = "REQ",   [KITH_REP] = "REP",         [KITH_DEALER] = "DEALER", [KITH_ROUTER] = "ROUTER", [KITH_PUB] = "PUB",
    [KITH_SUB] = "SUB",   [KITH_XPUB] = "XPUB",       [KITH_XSUB] = "XSUB",     [KITH_PUSH] = "PUSH",     [KITH_PULL] = "PULL",
    [KITH_PAIR] = "PAIR", [KITH_STREAM] = "STREAM",   [KITH_CLIENT] = "CLIENT", [KITH_SERVER] = "SERVER", [KITH_RADIO] = "RADIO",
    [KITH_DISH] = "DISH", [KITH_SCATTER] = "SCATTER", [KITH_GATHER] = "GATHER", [KITH_PEER] = "PEER",     [KITH_CHANNEL] = "CHANNEL",
};

const char *kith_socket_type_name(enum kith_socket_type type) {
    return (unsigned)type < KITH_ARRAY_SIZE(names) ? names[type] : NULL;
}

int kith_socket_type_find(const char *name, enum kith_socket_type *ret_type) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        if (strcasecmp(names[i], name) != 0)
            continue;
        *ret_type = (enum kith_socket_type)i;
        return 0;
    }
    return -EINVAL;
}

/* Upcalls of sessions ---------------------------------------------------------------------------------------------------- */

static void socket_tell_writable(kith_socket *socket) {
    if (!socket->starved || !socket->handler.writable || kith_socket_check(socket) < 0)
        return;
    socket->starved = false;
    socket->handler.writable(socket, socket->handler_userdata);
}

static int socket_on_ready(struct kith_session *session, void *userdata) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    int r = kith_pattern_attach(socket->pattern, session);
    if (r < 0)
        return r;
    if (!session->link->one_way) /* else nobody has connected */
        kith_session_tell(session, KITH_EVENT_CONNECTED, 0, 0, "connected");
    if (socket->closed)
        return 0;
    if (socket->pattern->ops->pump)
        socket->pattern->ops->pump(socket->pattern);
    socket_tell_writable(socket);
    kith_socket_linger(socket);
    return 0;
}

static void socket_on_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size,
                              void *userdata) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    kith_pattern_command(socket->pattern, session, command, octets, size);
}

static void socket_on_review(struct kith_session *session, void *userdata) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    if (socket->pattern->ops->review)
        socket->pattern->ops->review(socket->pattern, session);
}

static void socket_on_emptied(void *userdata) {
    kith_socket *socket = userdata;
    if (socket->lingering && !socket->closed && !kith_timer_inert(socket->tether))
        kith_loop_defer(socket->loop, &socket->reap);
}

static void socket_on_message(struct kith_session *session, kith_msg *msg, void *userdata) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    kith_pattern_receive(socket->pattern, session, msg);
}

static void socket_on_writable(struct kith_session *session, void *userdata) {
    (void)session;
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    if (socket->pattern->ops->pump)
        socket->pattern->ops->pump(socket->pattern);
    socket_tell_writable(socket);
}

static void socket_on_gone(struct kith_session *session, void *userdata) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    kith_pattern_detach(socket->pattern, session);
    /* Who waited for room with that peer has to look again: another has room, or none will. */
    socket_tell_writable(socket);
    kith_socket_linger(socket);
}

static void socket_on_refused(struct kith_session *session, int error, void *userdata) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    if (socket->pattern->ops->refused)
        socket->pattern->ops->refused(socket->pattern, session, error);
}

static void socket_on_event(const struct kith_event *event, void *userdata) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(userdata);
    if (!socket->handler.event || kith_socket_check(socket) < 0)
        return;
    if (event->origin && kith_loop_is_shared(socket->loop))
        kith_origin_share(event->origin);
    socket->handler.event(socket, event, socket->handler_userdata);
}

static const struct kith_session_ops socket_session_ops = {
    .ready = socket_on_ready,
    .message = socket_on_message,
    .command = socket_on_command,
    .review = socket_on_review,
    .credentials = kith_socket_on_credentials,
    .emptied = socket_on_emptied,
    .writable = socket_on_writable,
    .gone = socket_on_gone,
    .refused = socket_on_refused,
    .event = socket_on_event,
};

/* Upcalls of the pattern ----------------------------------------------------------------------------------------------------- */

void kith_socket_deliver(kith_socket *socket) {
    if (socket->delivering)
        return; /* the loop below, further up the stack, goes on */
    kith_socket_ref(socket);
    socket->delivering = true;
    while (socket->handler.message && kith_socket_check(socket) >= 0) {
        kith_msg *msg;
        int r = kith_pattern_take(socket->pattern, &msg);
        if (r == -EAGAIN || r == -EPROTO || r == -ENOTSUP)
            break;
        if (r >= 0)
            kith_socket_hand_out(socket, msg);
        if (r >= 0)
            socket->handler.message(socket, msg, socket->handler_userdata);
        else if (socket->handler.failed)
            socket->handler.failed(socket, r, socket->handler_userdata);
    }
    socket->delivering = false;
    kith_socket_unref(socket);
}

static void socket_on_received(struct kith_pattern *pattern) {
    kith_socket_deliver(KITH_CONTAINER_OF(pattern->sessions, struct kith_socket, sessions));
}

/* Past the queue, to a handler that waits for just that. */
static bool socket_take(struct kith_pattern *pattern, kith_msg *msg) {
    kith_socket *socket = KITH_CONTAINER_OF(pattern->sessions, struct kith_socket, sessions);
    if (!socket->handler.message || socket->delivering || kith_socket_check(socket) < 0)
        return false;
    kith_socket_ref(socket);
    socket->delivering = true;
    kith_socket_hand_out(socket, msg);
    socket->handler.message(socket, msg, socket->handler_userdata);
    socket->delivering = false;
    /* Others may have come meanwhile, when the callback had switched the handler off and on. */
    if (!kith_list_empty(&pattern->received))
        kith_socket_deliver(socket);
    kith_socket_unref(socket);
    return true;
}

static const struct kith_pattern_host socket_pattern_host = {.take = socket_take, .received = socket_on_received};

static unsigned socket_on_defer(struct kith_defer *defer) {
    kith_socket_deliver(KITH_CONTAINER_OF(defer, struct kith_socket, deliver));
    return 1;
}

/* From the loop: those who are denied now are told of, and others may be sent what waited. */
static unsigned socket_review(struct kith_defer *defer) {
    _cleanup_(kith_socket_unrefp) kith_socket *socket = kith_socket_ref(KITH_CONTAINER_OF(defer, kith_socket, review));
    kith_session_host_review(&socket->sessions);
    if (socket->closed)
        return 1;
    if (socket->pattern->ops->pump)
        socket->pattern->ops->pump(socket->pattern);
    socket_tell_writable(socket);
    kith_socket_linger(socket);
    return 1;
}

/* Life ------------------------------------------------------------------------------------------------------------------------ */

static void socket_on_tether(kith_timer *timer, void *userdata) {
    (void)timer;
    (void)userdata;
}

int kith_socket_new(kith_loop *loop, enum kith_socket_type type, kith_socket **ret_socket) {
    if (!loop || (unsigned)type >= KITH_ARRAY_SIZE(patterns))
        return -EINVAL;
    KITH_LOOP_HOLD(loop);
    _cleanup_(kith_socket_unrefp) kith_socket *socket = calloc(1, sizeof(*socket));
    if (!socket)
        return -ENOMEM;
    socket->refs = 1;
    socket->type = type;
    socket->loop = loop;
    kith_list_init(&socket->acceptors);
    kith_list_init(&socket->tenant.link);
    kith_defer_init(&socket->deliver, socket_on_defer);
    kith_defer_init(&socket->reap, kith_socket_reap);
    kith_defer_init(&socket->review, socket_review);
    struct kith_profile *profile;
    int r = kith_timer_new(loop, socket_on_tether, NULL, &socket->tether);
    if (r < 0)
        return r;
    r = kith_profile_new(&profile);
    if (r < 0)
        return r;
    kith_socket_default_options(profile);
    kith_session_host_init(&socket->sessions, loop, &socket_session_ops, socket, patterns[type]->name, profile);
    socket->sessions.raw = patterns[type]->raw;
    socket->sessions.kernel_use = patterns[type]->kernel_use;
    r = kith_pattern_new(patterns[type], &socket_pattern_host, &socket->sessions, &socket->pattern);
    if (r < 0)
        return r;
    *ret_socket = KITH_STEAL(socket);
    return 0;
}

int kith_socket_check(const kith_socket *socket) {
    return socket->closed || kith_timer_inert(socket->tether) ? -ESHUTDOWN : kith_loop_check_fork(socket->loop);
}

/* The same for what has a text to give. */
static int socket_check_text(const kith_socket *socket, const char *endpoint, struct kith_error *ret_error) {
    int r = kith_socket_check(socket);
    if (r == -ECHILD)
        return kith_error_set(ret_error, r, "%s: this loop was made in the parent process; make one after fork()", endpoint);
    return r < 0 ? kith_error_set(ret_error, r, "%s: the loop of this socket was freed", endpoint) : 0;
}

kith_socket *kith_socket_ref(kith_socket *socket) {
    socket->refs++;
    return socket;
}

void kith_socket_free_acceptors(kith_socket *socket) {
    while (!kith_list_empty(&socket->acceptors))
        kith_acceptor_free(kith_list_first(&socket->acceptors, struct kith_acceptor, host_link));
}

kith_socket *kith_socket_unref(kith_socket *socket) {
    if (!socket || --socket->refs > 0)
        return NULL;
    kith_zap_free(socket->zap);
    kith_pattern_free(socket->pattern);
    kith_session_host_deinit(&socket->sessions);
    kith_timer_free(socket->linger_timer);
    kith_timer_free(socket->tether);
    free(socket);
    return NULL;
}

kith_socket *kith_socket_free(kith_socket *socket) {
    if (!socket)
        return NULL;
    KITH_SOCKET_HOLD(socket);
    socket->closed = true;
    socket->sessions.tells = false;
    kith_defer_cancel(&socket->deliver);
    kith_defer_cancel(&socket->reap);
    kith_defer_cancel(&socket->review);
    kith_list_unlink(&socket->tenant.link);
    kith_socket_free_acceptors(socket);
    while (!kith_list_empty(&socket->sessions.peers)) {
        struct kith_session *session = kith_list_first(&socket->sessions.peers, struct kith_session, host_link);
        kith_pattern_let_go(socket->pattern, session);
        kith_session_close(session);
    }
    return kith_socket_unref(socket);
}

enum kith_socket_type kith_socket_type_of(const kith_socket *socket) {
    return socket->type;
}

bool kith_socket_sends(const kith_socket *socket) {
    return socket->pattern->ops->send != NULL;
}

bool kith_socket_receives(const kith_socket *socket) {
    return !socket->pattern->ops->sends_only;
}

/* Endpoints ---------------------------------------------------------------------------------------------------------------------- */

static bool socket_asks_for_security(const kith_socket *socket) {
    const struct kith_profile *profile = socket->sessions.profile;
    return profile->numbers[KITH_OPTION_PLAIN_SERVER] != 0 || profile->octets[KITH_OPTION_PLAIN_USERNAME].data ||
           profile->numbers[KITH_OPTION_CURVE_SERVER] != 0 || profile->octets[KITH_OPTION_CURVE_SERVER_KEY].data ||
           profile->octets[KITH_OPTION_ZAP_DOMAIN].data;
}

/* Not every pattern goes over every transport. UDP carries one pattern, one way, in the clear. */
static int socket_check_transport(const kith_socket *socket, const char *text, const struct kith_endpoint *endpoint, bool listening,
                                  struct kith_error *ret_error) {
    const struct kith_pattern_ops *ops = socket->pattern->ops;
    if (ops->raw && endpoint->transport->inproc)
        return kith_error_set(ret_error, -EPROTONOSUPPORT, "%s: a %s speaks with streams of octets: use ipc or tcp", text, ops->name);
    if (!endpoint->transport->datagrams && !endpoint->transport->kernel)
        return 0;
    if (socket_asks_for_security(socket))
        return kith_error_set(ret_error, -EPROTONOSUPPORT, "%s: %s has neither PLAIN, CURVE nor ZAP, which this socket's options ask for",
                              text, endpoint->transport->scheme);
    if (endpoint->transport->kernel && ops->kernel_use == KITH_KERNEL_NO_USE)
        return kith_error_set(
            ret_error, -EPROTONOSUPPORT,
            "%s: a %s has no use for a channel of the kernel: SUB, PULL, GATHER and REP receive, PUSH, SCATTER and REQ send", text,
            ops->name);
    if (endpoint->transport->kernel)
        return 0;
    if (listening ? ops->receives_datagrams : ops->sends_datagrams)
        return 0;
    return kith_error_set(ret_error, -EPROTONOSUPPORT, "%s: a %s cannot %s over %s: a RADIO connects there, a DISH binds", text, ops->name,
                          listening ? "bind" : "connect", endpoint->transport->scheme);
}

int kith_socket_bind(kith_socket *socket, const char *endpoint, struct kith_error *ret_error) {
    KITH_SOCKET_HOLD(socket);
    struct kith_endpoint parsed;
    int r = socket_check_text(socket, endpoint, ret_error);
    if (r < 0)
        return r;
    r = kith_endpoint_parse(endpoint, true, &parsed, ret_error);
    if (r >= 0)
        r = kith_socket_check_security(socket, ret_error);
    if (r >= 0)
        r = socket_check_transport(socket, endpoint, &parsed, true, ret_error);
    if (r < 0)
        return r;
    struct kith_acceptor *acceptor;
    _cleanup_(kith_socket_unrefp) kith_socket *held = kith_socket_ref(socket);
    r = kith_acceptor_new(&socket->sessions, &parsed, &acceptor, ret_error);
    if (r < 0)
        return r;
    if (held->closed) { /* in a callback, when told of a peer */
        kith_acceptor_free(acceptor);
        return -ESHUTDOWN;
    }
    kith_list_push_back(&socket->acceptors, &acceptor->host_link);
    (void)snprintf(socket->last_endpoint, sizeof(socket->last_endpoint), "%s", acceptor->place->text);
    kith_session_host_tell(&socket->sessions, KITH_EVENT_LISTENING, socket->last_endpoint, 0, 0, "%s: listening", socket->last_endpoint);
    return 0;
}

int kith_endpoint_check(const char *endpoint, bool listening, struct kith_error *ret_error) {
    struct kith_endpoint parsed;
    return kith_endpoint_parse(endpoint, listening, &parsed, ret_error);
}

/* Will the kernel take the options of its sockets? Connecting a stream, which goes on in the loop, could not say what is missing. */
static int socket_check_net(const kith_socket *socket, const char *text, const struct kith_endpoint *endpoint,
                            struct kith_error *ret_error) {
    struct kith_net_options net;
    int family = endpoint->name[0] != '\0' ? AF_INET : endpoint->address.storage.ss_family;
    bool stream = !endpoint->transport->inproc && !endpoint->transport->datagrams && !endpoint->transport->kernel;
    int r = stream && kith_profile_net(socket->sessions.profile, &net) ? kith_net_check(family, &net, ret_error) : 0;
    return r < 0 && ret_error ? kith_error_set(ret_error, r, "%s: %s", text, ret_error->text) : r;
}

/* What connecting to it brings about may be told inside, and the socket freed in that. *ret_number (NULL: not asked for): of the peer. */
static int socket_connect_to(kith_socket *socket, struct kith_place *place, uint32_t *ret_number, struct kith_error *ret_error) {
    struct kith_session *session;
    int r = kith_session_new_connecting(&socket->sessions, place, &session);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", place->text, kith_address_remedy(place->endpoint.address.storage.ss_family, r));
    (void)snprintf(socket->last_endpoint, sizeof(socket->last_endpoint), "%s", place->text);
    if (ret_number)
        r = kith_pattern_expect(socket->pattern, session);
    if (ret_number && r >= 0)
        *ret_number = session->number;
    kith_session_unref(session);
    return 0;
}

static int socket_connect(kith_socket *socket, const char *endpoint, uint32_t *ret_number, struct kith_error *ret_error) {
    struct kith_endpoint parsed;
    int r = socket_check_text(socket, endpoint, ret_error);
    if (r < 0)
        return r;
    r = kith_endpoint_parse(endpoint, false, &parsed, ret_error);
    if (r >= 0)
        r = kith_socket_check_security(socket, ret_error);
    if (r >= 0)
        r = socket_check_transport(socket, endpoint, &parsed, false, ret_error);
    if (r >= 0 && !parsed.transport->datagrams)
        r = socket_check_net(socket, endpoint, &parsed, ret_error);
    if (r < 0)
        return r;
    struct kith_place *place;
    r = kith_place_new(&parsed, &place);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: out of memory", endpoint);
    kith_socket_ref(socket);
    r = socket_connect_to(socket, place, ret_number, ret_error);
    kith_socket_unref(socket);
    kith_place_unref(place);
    return r;
}

int kith_socket_connect(kith_socket *socket, const char *endpoint, struct kith_error *ret_error) {
    KITH_SOCKET_HOLD(socket);
    return socket_connect(socket, endpoint, NULL, ret_error);
}

int kith_socket_connect_peer(kith_socket *socket, const char *endpoint, uint32_t *ret_routing_id, struct kith_error *ret_error) {
    KITH_SOCKET_HOLD(socket);
    if (!socket->pattern->ops->expect)
        return kith_error_set(ret_error, -ENOTSUP, "%s: a %s does not know its peers by routing ids that it gives", endpoint,
                              socket->pattern->ops->name);
    return socket_connect(socket, endpoint, ret_routing_id, ret_error);
}

/* The text of an endpoint as places have it: as it was given, or as the kernel's answer made it. */
static int socket_canonical(const char *endpoint, bool listening, char text[static KITH_ENDPOINT_MAX]) {
    struct kith_endpoint parsed;
    if (kith_endpoint_parse(endpoint, listening, &parsed, NULL) < 0 || (listening && kith_endpoint_locate(&parsed, NULL) < 0))
        return -ENOENT;
    (void)parsed.transport->format(&parsed, text, KITH_ENDPOINT_MAX);
    return 0;
}

int kith_socket_unbind(kith_socket *socket, const char *endpoint) {
    KITH_SOCKET_HOLD(socket);
    char text[KITH_ENDPOINT_MAX];
    int r = kith_socket_check(socket);
    if (r >= 0)
        r = socket_canonical(endpoint, true, text);
    if (r < 0)
        return r;
    kith_list_foreach_safe (&socket->acceptors, node) {
        struct kith_acceptor *acceptor = kith_list_entry(node, struct kith_acceptor, host_link);
        if (strcmp(acceptor->place->text, text) != 0)
            continue;
        kith_acceptor_free(acceptor);
        kith_session_host_tell(&socket->sessions, KITH_EVENT_UNBOUND, text, 0, 0, "%s: listening no more", text);
        return 0;
    }
    return -ENOENT;
}

int kith_socket_disconnect(kith_socket *socket, const char *endpoint) {
    KITH_SOCKET_HOLD(socket);
    char text[KITH_ENDPOINT_MAX];
    int r = kith_socket_check(socket);
    if (r >= 0)
        r = socket_canonical(endpoint, false, text);
    if (r < 0)
        return r;
    kith_list_foreach_safe (&socket->sessions.peers, node) {
        struct kith_session *session = kith_list_entry(node, struct kith_session, host_link);
        bool ended = session->state == KITH_SESSION_DRAINING && !session->dismissed;
        if (session->accepted || ended || strcmp(session->place->text, text) != 0)
            continue;
        kith_pattern_let_go(socket->pattern, session);
        kith_session_drain(session, socket->sessions.profile->numbers[KITH_OPTION_LINGER]);
        return 0;
    }
    return -ENOENT;
}

/* Subscriptions and groups ------------------------------------------------------------------------------------------------------ */

static int socket_ask(kith_socket *socket, enum kith_session_command command, const void *octets, size_t size) {
    KITH_SOCKET_HOLD(socket);
    int r = kith_socket_check(socket);
    if (r >= 0 && !octets && size > 0)
        r = -EINVAL;
    return r < 0 ? r : kith_pattern_ask(socket->pattern, command, octets, size);
}

int kith_socket_subscribe(kith_socket *socket, const void *topic, size_t size) {
    return socket_ask(socket, KITH_COMMAND_SUBSCRIBE, topic, size);
}

int kith_socket_unsubscribe(kith_socket *socket, const void *topic, size_t size) {
    return socket_ask(socket, KITH_COMMAND_CANCEL, topic, size);
}

int kith_socket_join(kith_socket *socket, const char *group) {
    return socket_ask(socket, KITH_COMMAND_JOIN, group, strnlen(group, KITH_GROUP_MAX + 1));
}

int kith_socket_leave(kith_socket *socket, const char *group) {
    return socket_ask(socket, KITH_COMMAND_LEAVE, group, strnlen(group, KITH_GROUP_MAX + 1));
}

const char *kith_socket_last_endpoint(const kith_socket *socket) {
    KITH_SOCKET_HOLD(socket);
    return socket->last_endpoint[0] ? socket->last_endpoint : NULL;
}

size_t kith_socket_peer_count(const kith_socket *socket) {
    KITH_SOCKET_HOLD(socket);
    return socket->pattern->peer_count;
}

bool kith_socket_taken(const kith_socket *socket) {
    KITH_SOCKET_HOLD(socket);
    if (socket->pattern->pending_count > 0)
        return false;
    kith_list_foreach (&socket->sessions.peers, node)
        if (!kith_session_taken(kith_list_entry(node, struct kith_session, host_link)))
            return false;
    return true;
}

void kith_socket_set_policy(kith_socket *socket, kith_policy *policy) {
    KITH_SOCKET_HOLD(socket);
    kith_session_host_set_policy(&socket->sessions, policy);
    if (!kith_list_empty(&socket->sessions.peers) && kith_socket_check(socket) >= 0)
        kith_loop_defer(socket->loop, &socket->review);
}

void kith_socket_set_handler(kith_socket *socket, const struct kith_socket_handler *handler, void *userdata) {
    KITH_SOCKET_HOLD(socket);
    socket->handler = handler ? *handler : (struct kith_socket_handler){0};
    socket->handler_userdata = userdata;
    socket->sessions.tells = socket->handler.event != NULL;
    /* Messages may have come before, or a request failed. */
    if (socket->handler.message && kith_socket_check(socket) >= 0)
        kith_loop_defer(socket->loop, &socket->deliver);
}

kith_loop *kith_socket_loop(const kith_socket *socket) {
    return kith_timer_inert(socket->tether) ? NULL : socket->loop;
}
