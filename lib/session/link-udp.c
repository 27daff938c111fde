/*
 * session/link-udp.c: datagrams, for RADIO (connected: sends) and DISH (bound: receives). There is no peer and no handshake: a session
 * stands for the socket, is ready at once, and hears nothing about who listens.
 *
 * A datagram is one octet with the length of the group, the group, the body: what libzmq sends. A message has these two frames.
 *
 * Every datagram has an origin of its own, made of what the kernel says of it. Nobody has connected, so for each the policy is asked for
 * both, connect and send. What does not fit into a datagram, what the kernel could not send and what it dropped is told as
 * KITH_EVENT_DROPPED, from the loop: nothing is ever told inside a call that sends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "loop/internal.h"
#include "session/acceptor.h"

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

struct kith_udp {
    struct kith_session *session;
    kith_datagram *datagram;
    struct kith_defer tell;
    unsigned too_long; /* messages that were no datagrams: to be told */
};

static const struct kith_datagram_ops datagram_ops;

/* Of the socket, not of whoever sent last. */
static void tell_dropped(struct kith_session *session, int error, uint64_t count, const char *why) {
    const char *endpoint = session->place->text;
    kith_session_host_tell(session->host, KITH_EVENT_DROPPED, endpoint, error, count, "%s: %llu messages dropped: %s", endpoint,
                           (unsigned long long)count, why);
}

static unsigned udp_tell(struct kith_defer *defer) {
    struct kith_udp *udp = KITH_CONTAINER_OF(defer, struct kith_udp, tell);
    unsigned count = udp->too_long;
    udp->too_long = 0;
    tell_dropped(udp->session, -EMSGSIZE, count, "group and body are more than a datagram holds");
    return 1;
}

/* Freed by drop(). Errors: -ENOMEM. */
static int udp_new(struct kith_session *session, struct kith_udp **ret_udp) {
    struct kith_udp *udp = calloc(1, sizeof(*udp));
    if (!udp)
        return -ENOMEM;
    udp->session = session;
    kith_defer_init(&udp->tell, udp_tell);
    session->udp = *ret_udp = udp;
    return 0;
}

static struct kith_datagram_options udp_options(const struct kith_session *session) {
    const int64_t *numbers = session->profile->numbers;
    const struct kith_octets *device = &session->profile->octets[KITH_OPTION_BIND_DEVICE];
    return (struct kith_datagram_options){
        .multicast_hops = (int)numbers[KITH_OPTION_MULTICAST_TTL],
        .no_multicast_loop = numbers[KITH_OPTION_MULTICAST_LOOP] == 0,
        .tos = (int)numbers[KITH_OPTION_TOS],
        .priority = (int)numbers[KITH_OPTION_PRIORITY],
        .send_buffer = (int)numbers[KITH_OPTION_SEND_BUFFER],
        .receive_buffer = (int)numbers[KITH_OPTION_RECV_BUFFER],
        .device = (const char *)device->data,
        .ipv6_only = numbers[KITH_OPTION_IPV6_ONLY] != 0,
    };
}

static struct kith_datagram_endpoint udp_endpoint(const struct kith_endpoint *endpoint) {
    struct kith_datagram_endpoint datagram = {.address = endpoint->address};
    memcpy(datagram.interface, endpoint->name, sizeof(datagram.interface));
    return datagram;
}

/* Nothing has to be waited for, so the outcome is told at once. */
static int udp_connect(struct kith_session *session) {
    struct kith_datagram_options options = udp_options(session);
    struct kith_datagram_endpoint endpoint = udp_endpoint(&session->place->endpoint);
    struct kith_udp *udp;
    int r = udp_new(session, &udp);
    if (r >= 0)
        r = kith_datagram_new_connected(session->host->loop, &endpoint, &options, &datagram_ops, session, &udp->datagram, NULL);
    if (r < 0)
        return r;
    kith_session_connected(session);
    return 0;
}

/* The place as the kernel made it: with the port that it chose. Errors: -ENOMEM. */
static int learn_place(struct kith_session *session, const kith_datagram *datagram) {
    struct kith_endpoint endpoint = session->place->endpoint;
    struct kith_place *place;
    endpoint.address = kith_datagram_endpoint(datagram)->address;
    int r = kith_place_new(&endpoint, &place);
    if (r < 0)
        return r;
    kith_place_unref(session->place);
    session->place = place;
    return 0;
}

static int udp_bind(struct kith_session *session, struct kith_error *ret_error) {
    struct kith_datagram_options options = udp_options(session);
    struct kith_datagram_endpoint endpoint = udp_endpoint(&session->place->endpoint);
    struct kith_udp *udp;
    int r = udp_new(session, &udp);
    if (r < 0)
        return kith_error_set(ret_error, r, "out of memory");
    r = kith_datagram_new_bound(session->host->loop, &endpoint, &options, &datagram_ops, session, &udp->datagram, ret_error);
    if (r < 0)
        return r;
    r = learn_place(session, udp->datagram);
    return r < 0 ? kith_error_set(ret_error, r, "out of memory") : 0;
}

/* There is one session, for all who send: it stays as long as the endpoint is bound. */
static int udp_listen(struct kith_acceptor *acceptor, const struct kith_endpoint *endpoint, struct kith_error *ret_error) {
    struct kith_place *place;
    int r = kith_place_new(endpoint, &place);
    if (r < 0)
        return kith_error_set(ret_error, r, "out of memory");
    struct kith_session *session;
    r = kith_session_new(acceptor->host, place, true, &session);
    kith_place_unref(place);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    acceptor->session = kith_session_ref(session);
    r = udp_bind(session, ret_error);
    if (r < 0) {
        kith_session_close(session);
        return r;
    }
    acceptor->place = kith_place_ref(session->place);
    kith_session_connected(session);
    return 0;
}

static void udp_unlisten(struct kith_acceptor *acceptor) {
    if (!acceptor->session)
        return;
    kith_session_fail(acceptor->session, 0, "bound no more");
    acceptor->session = kith_session_unref(acceptor->session);
}

static int udp_begin(struct kith_session *session) {
    kith_session_reached_ready(session);
    return 0;
}

/* Out ------------------------------------------------------------------------------------------------------------------ */

static int udp_write(struct kith_session *session, const kith_msg *msg) {
    struct kith_udp *udp = session->udp;
    const struct kith_frame *group = kith_msg_at(msg, 0), *body = kith_msg_at(msg, 1);
    if (msg->count != 2 || group->slice.size > KITH_GROUP_MAX)
        return 0; /* words that were for another kind of link (hello-message): nobody could read them */
    uint8_t length = (uint8_t)group->slice.size;
    struct iovec parts[] = {
        {.iov_base = &length, .iov_len = 1},
        {.iov_base = (void *)(uintptr_t)kith_frame_data(group), .iov_len = group->slice.size},
        {.iov_base = (void *)(uintptr_t)kith_frame_data(body), .iov_len = body->slice.size},
    };
    int r = kith_datagram_send(udp->datagram, parts, KITH_ARRAY_SIZE(parts));
    if (r == -EMSGSIZE) {
        udp->too_long++;
        kith_loop_defer(session->host->loop, &udp->tell);
        return 0;
    }
    return r == -ESHUTDOWN ? -EPIPE : r;
}

static int udp_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    (void)session;
    (void)command;
    (void)octets;
    (void)size;
    return -ENOTSUP;
}

static void udp_flush(struct kith_session *session) {
    struct kith_udp *udp = session->udp;
    if (udp && udp->datagram)
        kith_datagram_flush(udp->datagram);
}

static bool udp_spoken(const struct kith_session *session) {
    (void)session;
    return true;
}

static void udp_end(struct kith_session *session) {
    kith_datagram_drain(session->udp->datagram);
}

static void udp_on_writable(kith_datagram *datagram, void *userdata) {
    (void)datagram;
    kith_session_on_room(userdata);
}

static void udp_on_drained(kith_datagram *datagram, void *userdata) {
    (void)datagram;
    kith_session_fail(userdata, 0, "all is sent");
}

/* An ICMP report is of a datagram that is out: of one at least. */
static void udp_on_failed(kith_datagram *datagram, int error, unsigned lost, void *userdata) {
    (void)datagram;
    tell_dropped(userdata, error, lost > 0 ? lost : 1, error == -ECONNREFUSED ? "nobody is bound there" : kith_error_name(error));
}

/* In ------------------------------------------------------------------------------------------------------------------- */

/* From here on `origin` (taken) is who sends. */
static void udp_set_origin(struct kith_session *session, kith_origin *origin) {
    kith_origin_unref(session->origin);
    session->origin = origin;
    kith_judge_forget(session);
}

/* May it come? Tells the event if not. Afterwards the session may be closed. */
static bool udp_judge(struct kith_session *session, const struct kith_packet *packet) {
    size_t group = packet->size > 0 && packet->data[0] < packet->size ? packet->data[0] : 0;
    size_t size = packet->size > 0 ? packet->size - 1 : 0;
    return kith_session_judge_connect(session) && session->state == KITH_SESSION_READY &&
           kith_session_judge_send(session, packet->data + (size > 0), group, size, NULL);
}

static int udp_make_message(const struct kith_packet *packet, struct kith_session *session, kith_msg **ret_msg) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    size_t group = packet->data[0];
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, packet->data + 1, group);
    if (r >= 0)
        r = kith_msg_add(msg, packet->data + 1 + group, packet->size - 1 - group);
    if (r < 0)
        return r;
    msg->origin = kith_origin_ref(session->origin);
    *ret_msg = KITH_STEAL(msg);
    return 0;
}

static void udp_receive(struct kith_session *session, const struct kith_packet *packet) {
    kith_origin *origin;
    int r = kith_packet_origin(packet, &origin);
    if (r >= 0) {
        udp_set_origin(session, origin);
        if (!udp_judge(session, packet))
            return;
    }
    bool fits = packet->size > 0 && packet->data[0] < packet->size && !packet->truncated &&
                packet->size <= (uint64_t)session->profile->numbers[KITH_OPTION_MAX_MESSAGE];
    kith_msg *msg = NULL;
    if (r >= 0 && fits)
        r = udp_make_message(packet, session, &msg);
    if (r >= 0 && fits)
        kith_session_deliver(session, msg);
    else
        kith_session_tell(session, KITH_EVENT_DROPPED, r < 0 ? r : -EPROTO, 1, "a datagram was dropped: %s",
                          r < 0 ? kith_error_name(r) : "it is not a group and a body, or exceeds max-message");
}

static void udp_on_received(kith_datagram *datagram, const struct kith_packet *packet, void *userdata) {
    (void)datagram;
    struct kith_session *session = userdata;
    if (session->state != KITH_SESSION_READY || !session->accepted)
        return; /* what comes back to one who sends is nobody's */
    kith_session_ref(session);
    kith_session_heard(session);
    udp_receive(session, packet);
    kith_session_unref(session);
}

static void udp_on_dropped(kith_datagram *datagram, uint32_t count, void *userdata) {
    (void)datagram;
    tell_dropped(userdata, -ENOBUFS, count, "the kernel's receive buffer was full (recv-buffer)");
}

static void udp_set_reading(struct kith_session *session, bool reading) {
    struct kith_udp *udp = session->udp;
    if (udp && udp->datagram && reading)
        kith_datagram_resume(udp->datagram);
    else if (udp && udp->datagram)
        kith_datagram_pause(udp->datagram);
}

/* ------------------------------------------------------------------------------------------------------------------------- */

static void udp_close(struct kith_session *session) {
    struct kith_udp *udp = session->udp;
    if (!udp)
        return;
    kith_defer_cancel(&udp->tell);
    udp->datagram = kith_datagram_free(udp->datagram);
}

static void udp_drop(struct kith_session *session) {
    udp_close(session);
    free(session->udp);
    session->udp = NULL;
}

static const struct kith_datagram_ops datagram_ops = {
    .received = udp_on_received,
    .writable = udp_on_writable,
    .drained = udp_on_drained,
    .failed = udp_on_failed,
    .dropped = udp_on_dropped,
};

const struct kith_link kith_link_udp = {
    .name = "udp",
    .one_way = true,
    .listen = udp_listen,
    .unlisten = udp_unlisten,
    .connect = udp_connect,
    .begin = udp_begin,
    .write = udp_write,
    .command = udp_command,
    .flush = udp_flush,
    .set_reading = udp_set_reading,
    .spoken = udp_spoken,
    .end = udp_end,
    .close = udp_close,
    .drop = udp_drop,
};
