/*
 * gateway/output/zmtp.c: ZMTP peers: a PUSH socket (or PUB) that connects to one endpoint.
 *
 * With `origin` a message has two frames before its body: the id, 8 octets big-endian, and the origin (empty: not known); else it is one
 * frame, as a stock peer expects it. The source's name is not sent.
 *
 * The socket is made anew for each connection: what the old one had queued is the caller's again, so that nothing is sent both by the
 * socket that reconnects and by the caller. Done is told when the peer's kernel has everything that was sent (kith_socket_taken()): not
 * message by message, but whenever nothing is under way; at the latest when the bound of what is in flight has stopped the caller. A peer
 * that dies loses what its kernel or its own queue had. A PUB has nothing to wait for when nobody subscribes, or a subscription has not
 * arrived yet.
 *
 * A policy judges who the far end is (serve) and what may be handed to it (receive): to a PUSH's peer nothing else can be sent then, so
 * what is denied to it is never sent; a PUB passes its peer over.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include <kith/socket.h>

#include "base/error.h"
#include "gateway/output/type.h"

struct zmtp {
    struct output output; /* first */
    kith_socket *socket;
    struct kith_error denial; /* the policy has denied the far end, which is lost then. code 0: it has not */
};

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

static struct zmtp *zmtp_of(struct output *output) {
    return KITH_CONTAINER_OF(output, struct zmtp, output);
}

static void zmtp_close(struct output *output) {
    struct zmtp *zmtp = zmtp_of(output);
    zmtp->socket = kith_socket_free(zmtp->socket);
    zmtp->denial.code = 0;
}

/* The text goes with the socket. */
static void zmtp_lose(struct zmtp *zmtp, const struct kith_event *event) {
    struct kith_error error = zmtp->denial;
    if (error.code == 0)
        kith_error_set(&error, event->error < 0 ? event->error : -ENOTCONN, "%s", event->text);
    zmtp_close(&zmtp->output);
    output_lost(&zmtp->output, error.code, "%s", error.text);
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct output *output = userdata;
    switch (event->type) {
    case KITH_EVENT_CONNECTED:
        output_up(output);
        break;
    case KITH_EVENT_DENIED_CONNECT: /* it is told so before the connection ends */
        kith_error_set(&zmtp_of(output)->denial, -EACCES, "%s", event->text);
        break;
    case KITH_EVENT_DISCONNECTED:
    case KITH_EVENT_HANDSHAKE_FAILED:
    case KITH_EVENT_REFUSED:
    case KITH_EVENT_RETRY:
    case KITH_EVENT_GIVEN_UP:
        zmtp_lose(zmtp_of(output), event);
        break;
    case KITH_EVENT_HANDSHAKING: /* with each try; and what a queue and subscribers do as they should */
    case KITH_EVENT_HIGH_WATER:
    case KITH_EVENT_SUBSCRIBED:
    case KITH_EVENT_UNSUBSCRIBED:
        output_log(output, LOG_DEBUG, "%s: %s", output->target, event->text);
        break;
    default:
        output_log(output, LOG_WARNING, "%s: %s", output->target, event->text);
    }
}

static void on_writable(kith_socket *socket, void *userdata) {
    output_room(userdata);
}

static const struct kith_socket_handler handler = {.writable = on_writable, .event = on_event};

static int set_keys(kith_socket *socket, const struct output_options *options, struct kith_error *ret_error) {
    uint8_t public[KITH_CURVE_KEY_SIZE], secret[KITH_CURVE_KEY_SIZE];
    if (!options->curve)
        return 0;
    memcpy(secret, options->curve_secret_key, sizeof(secret));
    int r = options->anonymous ? kith_curve_keypair(public, secret) : 0;
    if (r < 0)
        return kith_error_set(ret_error, r, "no keys can be made: %s", kith_error_name(r));
    r = kith_socket_set_octets(socket, KITH_OPTION_CURVE_SECRET_KEY, secret, sizeof(secret), ret_error);
    explicit_bzero(secret, sizeof(secret));
    if (r < 0)
        return r;
    return kith_socket_set_octets(socket, KITH_OPTION_CURVE_SERVER_KEY, options->curve_server_key, KITH_CURVE_KEY_SIZE, ret_error);
}

static void zmtp_policy_changed(struct output *output) {
    struct zmtp *zmtp = zmtp_of(output);
    if (zmtp->socket)
        kith_socket_set_policy(zmtp->socket, output->options.policy);
}

static int set_policy(kith_socket *socket, const struct output_options *options, struct kith_error *ret_error) {
    kith_socket_set_policy(socket, options->policy);
    return options->service
               ? kith_socket_set_octets(socket, KITH_OPTION_SERVICE_NAME, options->service, strlen(options->service), ret_error)
               : 0;
}

static int zmtp_open(struct output *output, struct kith_error *ret_error) {
    struct zmtp *zmtp = zmtp_of(output);
    int r = kith_socket_new(output->loop, output->options.publish ? KITH_PUB : KITH_PUSH, &zmtp->socket);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    /* Nothing is queued for a peer that is not there. */
    r = kith_socket_set_number(zmtp->socket, KITH_OPTION_IMMEDIATE, 1, ret_error);
    if (r >= 0)
        r = kith_socket_set_number(zmtp->socket, KITH_OPTION_CONNECT_TIMEOUT, (int64_t)output->options.connect_ms, ret_error);
    if (r >= 0)
        r = set_keys(zmtp->socket, &output->options, ret_error);
    if (r >= 0)
        r = set_policy(zmtp->socket, &output->options, ret_error);
    if (r < 0)
        return r;
    kith_socket_set_handler(zmtp->socket, &handler, output);
    return kith_socket_connect(zmtp->socket, output->target, ret_error);
}

static int make_message(const struct output *output, const struct output_message *message, kith_msg **ret_msg) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    const char *origin = message->origin ? message->origin : "";
    uint8_t id[8];
    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = (uint8_t)(message->id >> (8 * (sizeof(id) - 1 - i)));
    int r = kith_msg_new(&msg);
    if (r >= 0 && output->options.origin)
        r = kith_msg_add(msg, id, sizeof(id));
    if (r >= 0 && output->options.origin)
        r = kith_msg_add(msg, origin, strlen(origin));
    if (r >= 0)
        r = kith_msg_add(msg, message->body, message->size);
    if (r >= 0)
        *ret_msg = KITH_STEAL(msg);
    return r;
}

static int zmtp_send(struct output *output, const struct output_message *message, struct kith_error *ret_error) {
    struct zmtp *zmtp = zmtp_of(output);
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = make_message(output, message, &msg);
    if (r < 0)
        return r;
    size_t cost = kith_msg_size(msg) + kith_msg_count(msg) * KITH_FRAME_COST;
    r = kith_socket_send(zmtp->socket, msg, 0);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    KITH_STEAL(msg);
    output->octets += cost;
    return 0;
}

static int zmtp_delivered(struct output *output, uint64_t *ret_octets, struct kith_error *ret_error) {
    *ret_octets = kith_socket_taken(zmtp_of(output)->socket) ? output->octets : 0;
    return 0;
}

/* The peer has everything: the socket says so to it in its own time. */
static void zmtp_finish(struct output *output) {
    struct zmtp *zmtp = zmtp_of(output);
    (void)kith_socket_set_number(zmtp->socket, KITH_OPTION_LINGER, (int64_t)output->options.stop_ms, NULL);
    zmtp->socket = kith_socket_close(zmtp->socket);
    output_ended(output);
}

static int zmtp_parse(struct output *output, const char *rest, struct kith_error *ret_error) {
    if (output->options.acks)
        return kith_error_set(ret_error, -EINVAL, "%s: a %s socket receives no acks: leave them off", output->target,
                              output->options.publish ? "PUB" : "PUSH");
    return kith_endpoint_check(output->target, false, ret_error);
}

static void zmtp_deinit(struct output *output) {
    (void)output; /* zmtp_close() has freed all there is */
}

const struct output_type output_type_zmtp = {
    .size = sizeof(struct zmtp),
    .curve = true,
    .policy_changed = zmtp_policy_changed,
    .parse = zmtp_parse,
    .open = zmtp_open,
    .send = zmtp_send,
    .delivered = zmtp_delivered,
    .finish = zmtp_finish,
    .close = zmtp_close,
    .deinit = zmtp_deinit,
};
