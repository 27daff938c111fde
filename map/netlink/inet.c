/* map/netlink/inet.c: TCP, UDP, raw and MPTCP: inet_diag. */
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "map/netlink/internal.h"

#define EXTENSION(name) (1U << ((name)-1))
#define ALL_EXTENSIONS 0xffU

void map_inet_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request) {
    struct inet_diag_req_v2 *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));

    ask->sdiag_family = dump->family;
    ask->sdiag_protocol = (uint8_t)dump->protocol;
    ask->idiag_states = UINT32_MAX;
    ask->idiag_ext = depth == MAP_FULL ? ALL_EXTENSIONS : EXTENSION(INET_DIAG_INFO);
    if (dump->protocol > UINT8_MAX) { /* MPTCP's number has no room there */
        ask->sdiag_protocol = UINT8_MAX;
        mnl_attr_put_u32(request, INET_DIAG_REQ_PROTOCOL, dump->protocol);
    }
    /* Of raw sockets, all protocols (inet_diag_req_raw). */
}

/* The request of before Linux 3.3 is the only one that takes both families (inet_diag_dump_compat()): the table of connections, with a
 * quarter of a million buckets on a large machine, is walked once and not twice. */
void map_tcp_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request) {
    struct inet_diag_req *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));

    request->nlmsg_type = TCPDIAG_GETSOCK;
    ask->idiag_family = AF_INET;
    ask->idiag_states = UINT32_MAX;
    ask->idiag_ext = depth == MAP_FULL ? ALL_EXTENSIONS : EXTENSION(INET_DIAG_INFO);
}

static void read_address(struct map_address *address, uint8_t family, const void *octets, uint16_t port, uint32_t interface) {
    address->form = family == AF_INET6 ? MAP_INET6 : MAP_INET;
    memcpy(address->octets, octets, family == AF_INET6 ? 16 : 4);
    address->port = ntohs(port);
    address->interface = interface;
}

static uint8_t type_of(enum map_kind kind) {
    return kind == MAP_TCP || kind == MAP_MPTCP ? SOCK_STREAM : kind == MAP_RAW ? SOCK_RAW : SOCK_DGRAM;
}

static void read_message(const struct inet_diag_msg *message, struct map_socket *socket) {
    bool stream = socket->kind == MAP_TCP || socket->kind == MAP_MPTCP;

    socket->family = message->idiag_family;
    socket->type = type_of(socket->kind);
    socket->state = message->idiag_state < MAP_STATES_ ? (enum map_state)message->idiag_state : MAP_STATE_UNKNOWN;
    socket->inode = message->idiag_inode;
    /* MPTCP's accepted sockets are clones that keep the cookie of their listener (sk_clone_lock()): it names none of them. */
    if (socket->kind != MAP_MPTCP)
        socket->cookie = cookie_of(message->id.idiag_cookie);
    read_address(&socket->local, message->idiag_family, message->id.idiag_src, message->id.idiag_sport, message->id.idiag_if);
    read_address(&socket->remote, message->idiag_family, message->id.idiag_dst, message->id.idiag_dport, 0);
    socket->receive_queue = message->idiag_rqueue;
    socket->send_queue = message->idiag_wqueue;
    if (socket->kind == MAP_RAW) { /* the "port" is the protocol's number */
        socket->protocol = (uint16_t)socket->local.port;
        socket->remote.port = 0;
    }
    /* The owner of a socket without an inode is not known: the kernel says 0 for that. */
    if (message->idiag_inode != 0) {
        socket->uid = message->idiag_uid;
        socket->flags |= MAP_HAS_UID;
    }
    if (stream && socket->state == MAP_LISTEN) {
        socket->backlog = message->idiag_rqueue;
        socket->backlog_limit = message->idiag_wqueue;
        socket->flags |= MAP_HAS_BACKLOG;
    }
    if (stream && message->idiag_inode == 0 && socket->state != MAP_ESTABLISHED && socket->state != MAP_CLOSE_WAIT &&
        socket->state != MAP_SYN_RECV)
        socket->flags |= MAP_IS_ORPHAN;
}

static int read_timer(const struct inet_diag_msg *message, const struct map_decoded *decoded) {
    static const char *const timers[] = {NULL, "retransmission", "keepalive", "time-wait", "zero window probe"};
    const char *timer = message->idiag_timer < KITH_ARRAY_SIZE(timers) ? timers[message->idiag_timer] : "of an unknown kind";

    if (!timer)
        return 0;
    int r = map_fact_text(decoded, "timer", "kind", timer);
    if (r == 0)
        r = map_fact_number(decoded, "timer", "expires in ms", message->idiag_expires);
    return r < 0 ? r : map_fact_number(decoded, "timer", "retransmissions", message->idiag_retrans);
}

static bool read_counter(const struct nlattr *attribute, size_t offset, uint64_t *ret_value) {
    if (mnl_attr_get_payload_len(attribute) < offset + sizeof(*ret_value))
        return false;
    memcpy(ret_value, (const char *)mnl_attr_get_payload(attribute) + offset, sizeof(*ret_value));
    return true;
}

/* Octets of data, each once. Kernels before 4.19 count only what was acknowledged, in which a SYN is one. */
static void read_weight(const struct nlattr *attribute, struct map_socket *socket) {
    uint64_t again;

    if (socket->kind != MAP_TCP || !read_counter(attribute, offsetof(struct tcp_info, tcpi_bytes_received), &socket->received))
        return;
    if (read_counter(attribute, offsetof(struct tcp_info, tcpi_bytes_retrans), &again) &&
        read_counter(attribute, offsetof(struct tcp_info, tcpi_bytes_sent), &socket->sent))
        socket->sent -= again;
    else
        read_counter(attribute, offsetof(struct tcp_info, tcpi_bytes_acked), &socket->sent);
    socket->flags |= MAP_HAS_BYTES;
}

/*
 * Which end of a connection this is. The SYN counts as an octet of what the peer has acknowledged (tcp_snd_una_update(), when the SYN-ACK
 * comes); an accepted socket begins after its own (tcp_create_openreq_child()), so there the numbers are equal. One more than was sent is a
 * proof; as many as were sent is one only when nothing is on its way. Data in a SYN (TCP Fast Open) is counted in other ways.
 */
static void read_side(const struct nlattr *attribute, struct map_socket *socket) {
    struct tcp_info info;
    const void *payload = payload_of(attribute, offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans));

    if (socket->kind != MAP_TCP || !payload)
        return;
    memcpy(&info, payload, offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans));
    if (info.tcpi_options & TCPI_OPT_SYN_DATA || info.tcpi_fastopen_client_fail)
        return;
    uint64_t more = info.tcpi_bytes_acked + info.tcpi_bytes_retrans - info.tcpi_bytes_sent;
    bool is_settled = info.tcpi_state == MAP_ESTABLISHED || info.tcpi_state == MAP_CLOSE_WAIT || info.tcpi_state == MAP_FIN_WAIT_2;
    bool is_closing = info.tcpi_state == MAP_FIN_WAIT_1 || info.tcpi_state == MAP_LAST_ACK || info.tcpi_state == MAP_CLOSING;

    if (info.tcpi_state == MAP_FIN_WAIT_2)
        more--; /* the FIN is acknowledged, too */
    if (is_settled && more == 0 && info.tcpi_unacked == 0)
        socket->flags |= MAP_WAS_ACCEPTED;
    if ((is_settled || is_closing) && more == 1)
        socket->flags |= MAP_HAS_CONNECTED;
}

static void read_attribute(const struct nlattr *attribute, struct map_socket *socket) {
    const void *payload;

    switch (mnl_attr_get_type(attribute)) {
    case INET_DIAG_INFO:
        read_weight(attribute, socket);
        read_side(attribute, socket);
        break;
    case INET_DIAG_SKV6ONLY:
        payload = payload_of(attribute, 1);
        if (payload)
            socket->flags |= *(const uint8_t *)payload ? MAP_IS_IPV6_ONLY : 0;
        break;
    case INET_DIAG_CGROUP_ID:
        payload = payload_of(attribute, sizeof(socket->cgroup));
        if (payload)
            memcpy(&socket->cgroup, payload, sizeof(socket->cgroup));
        break;
    default:
        break;
    }
}

static bool is_family(const struct map_dump *dump, uint8_t family) {
    return dump->family == AF_UNSPEC ? family == AF_INET || family == AF_INET6 : family == dump->family;
}

int map_inet_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded) {
    const struct inet_diag_msg *message = mnl_nlmsg_get_payload(answer);
    const struct nlattr *attribute;

    if (mnl_nlmsg_get_payload_len(answer) < sizeof(*message) || !is_family(dump, message->idiag_family))
        return -EBADMSG;
    map_decoded_begin(decoded, dump);
    read_message(message, &decoded->socket);
    int r = read_timer(message, decoded);
    mnl_attr_for_each(attribute, answer, sizeof(*message)) {
        read_attribute(attribute, &decoded->socket);
        if (r == 0 && decoded->fact)
            r = map_inet_facts(decoded, attribute);
    }
    return r;
}
