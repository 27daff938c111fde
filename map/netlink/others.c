/* map/netlink/others.c: netlink's own sockets, packet sockets, vsock and AF_XDP. */
#include <arpa/inet.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/vm_sockets_diag.h>
#include <linux/xdp_diag.h>
#include <sys/socket.h>

#include "map/netlink/internal.h"

/* Netlink ------------------------------------------------------------------------------------------------------------ */

void map_netlink_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request) {
    struct netlink_diag_req *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));

    ask->sdiag_family = dump->family;
    ask->sdiag_protocol = NDIAG_PROTO_ALL;
    ask->ndiag_show = NDIAG_SHOW_GROUPS | NDIAG_SHOW_MEMINFO; /* its only way to tell of queues */
    if (depth == MAP_FULL)
        ask->ndiag_show |= NDIAG_SHOW_FLAGS;
}

static void read_groups(const struct nlattr *attribute, struct map_decoded *decoded) {
    size_t words = mnl_attr_get_payload_len(attribute) / sizeof(uint32_t);

    if (words > KITH_ARRAY_SIZE(decoded->groups))
        words = KITH_ARRAY_SIZE(decoded->groups);
    memcpy(decoded->groups, mnl_attr_get_payload(attribute), words * sizeof(uint32_t));
    decoded->socket.groups = decoded->groups;
    decoded->socket.group_words = words;
}

static int read_flags(const struct nlattr *attribute, const struct map_decoded *decoded) {
    static const struct {
        uint32_t flag;
        const char *name;
    } flags[] = {
        {NDIAG_FLAG_CB_RUNNING, "a dump is running"},
        {NDIAG_FLAG_PKTINFO, "NETLINK_PKTINFO"},
        {NDIAG_FLAG_BROADCAST_ERROR, "NETLINK_BROADCAST_ERROR"},
        {NDIAG_FLAG_NO_ENOBUFS, "NETLINK_NO_ENOBUFS"},
        {NDIAG_FLAG_LISTEN_ALL_NSID, "NETLINK_LISTEN_ALL_NSID"},
        {NDIAG_FLAG_CAP_ACK, "NETLINK_CAP_ACK"},
    };
    uint32_t value = u32_of(attribute, 0);
    int r = 0;
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(flags); i++)
        r = map_fact_text(decoded, "options", flags[i].name, value & flags[i].flag ? "on" : "off");
    return r;
}

/* The first two numbers of sock_diag's memory: octets in the receive queue, and their limit; the third is what is being sent. */
static void read_memory(const struct nlattr *attribute, struct map_socket *socket) {
    uint32_t memory[3];
    const void *payload = payload_of(attribute, sizeof(memory));

    if (!payload)
        return;
    memcpy(memory, payload, sizeof(memory));
    socket->receive_queue = memory[0];
    socket->send_queue = memory[2];
}

int map_netlink_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded) {
    const struct netlink_diag_msg *message = mnl_nlmsg_get_payload(answer);
    struct map_socket *socket = &decoded->socket;
    const struct nlattr *attribute;
    int r = 0;

    if (mnl_nlmsg_get_payload_len(answer) < sizeof(*message) || message->ndiag_family != AF_NETLINK)
        return -EBADMSG;
    map_decoded_begin(decoded, dump);
    socket->type = message->ndiag_type;
    socket->protocol = message->ndiag_protocol;
    socket->state = message->ndiag_dst_portid != 0 || message->ndiag_dst_group != 0 ? MAP_ESTABLISHED : MAP_CLOSE;
    socket->inode = message->ndiag_ino;
    socket->cookie = cookie_of(message->ndiag_cookie);
    socket->local = (struct map_address){.form = MAP_PORTID, .number = message->ndiag_portid};
    if (message->ndiag_dst_portid != 0)
        socket->remote = (struct map_address){.form = MAP_PORTID, .number = message->ndiag_dst_portid};
    mnl_attr_for_each(attribute, answer, sizeof(*message)) {
        if (r < 0)
            break;
        if (mnl_attr_get_type(attribute) == NETLINK_DIAG_GROUPS)
            read_groups(attribute, decoded);
        if (mnl_attr_get_type(attribute) == NETLINK_DIAG_FLAGS)
            r = read_flags(attribute, decoded);
        if (mnl_attr_get_type(attribute) == NETLINK_DIAG_MEMINFO) {
            read_memory(attribute, socket);
            r = map_fact_memory(decoded, attribute);
        }
    }
    return r;
}

/* Packet sockets ----------------------------------------------------------------------------------------------------- */

void map_packet_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request) {
    struct packet_diag_req *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));

    ask->sdiag_family = dump->family;
    ask->pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MEMINFO;
    if (depth == MAP_FULL)
        ask->pdiag_show |= PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT | PACKET_SHOW_MCLIST;
}

static int read_info(const struct nlattr *attribute, struct map_decoded *decoded) {
    static const struct {
        uint32_t flag;
        const char *name;
    } flags[] = {{PDI_RUNNING, "running"},
                 {PDI_AUXDATA, "PACKET_AUXDATA"},
                 {PDI_ORIGDEV, "PACKET_ORIGDEV"},
                 {PDI_VNETHDR, "PACKET_VNET_HDR"},
                 {PDI_LOSS, "PACKET_LOSS"}};
    struct packet_diag_info info;
    const void *payload = payload_of(attribute, sizeof(info));

    if (!payload)
        return 0;
    memcpy(&info, payload, sizeof(info));
    decoded->socket.local.interface = info.pdi_index;
    int r = map_fact_number(decoded, "options", "PACKET_VERSION", info.pdi_version + 1);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(flags); i++)
        r = map_fact_text(decoded, "options", flags[i].name, info.pdi_flags & flags[i].flag ? "on" : "off");
    return r;
}

static int read_ring(const struct nlattr *attribute, const struct map_decoded *decoded, const char *group) {
    struct packet_diag_ring ring;
    const void *payload = payload_of(attribute, sizeof(ring));

    if (!payload)
        return 0;
    memcpy(&ring, payload, sizeof(ring));
    int r = map_fact_number(decoded, group, "blocks", ring.pdr_block_nr);
    if (r == 0)
        r = map_fact_number(decoded, group, "block size", ring.pdr_block_size);
    if (r == 0)
        r = map_fact_number(decoded, group, "frames", ring.pdr_frame_nr);
    return r < 0 ? r : map_fact_number(decoded, group, "frame size", ring.pdr_frame_size);
}

static int read_packet_attribute(const struct nlattr *attribute, struct map_decoded *decoded) {
    struct map_socket *socket = &decoded->socket;

    switch (mnl_attr_get_type(attribute)) {
    case PACKET_DIAG_INFO:
        return read_info(attribute, decoded);
    case PACKET_DIAG_UID:
        socket->uid = u32_of(attribute, 0);
        socket->flags |= MAP_HAS_UID;
        return 0;
    case PACKET_DIAG_MEMINFO:
        read_memory(attribute, socket);
        return map_fact_memory(decoded, attribute);
    case PACKET_DIAG_RX_RING:
        return read_ring(attribute, decoded, "receive ring");
    case PACKET_DIAG_TX_RING:
        return read_ring(attribute, decoded, "send ring");
    case PACKET_DIAG_FANOUT:
        return map_fact_number(decoded, "options", "PACKET_FANOUT group", u32_of(attribute, 0) & 0xffff);
    default:
        return 0;
    }
}

int map_packet_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded) {
    const struct packet_diag_msg *message = mnl_nlmsg_get_payload(answer);
    struct map_socket *socket = &decoded->socket;
    const struct nlattr *attribute;
    int r = 0;

    if (mnl_nlmsg_get_payload_len(answer) < sizeof(*message) || message->pdiag_family != AF_PACKET)
        return -EBADMSG;
    map_decoded_begin(decoded, dump);
    socket->type = message->pdiag_type;
    socket->state = MAP_CLOSE;
    socket->protocol = message->pdiag_num; /* the kernel has turned it into host order */
    socket->inode = message->pdiag_ino;
    socket->cookie = cookie_of(message->pdiag_cookie);
    socket->local = (struct map_address){.form = MAP_DEVICE, .port = socket->protocol};
    mnl_attr_for_each(attribute, answer, sizeof(*message)) {
        if (r == 0)
            r = read_packet_attribute(attribute, decoded);
    }
    return r;
}

/* vsock -------------------------------------------------------------------------------------------------------------- */

void map_vsock_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request) {
    struct vsock_diag_req *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));

    ask->sdiag_family = dump->family;
    ask->vdiag_states = UINT32_MAX;
}

int map_vsock_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded) {
    const struct vsock_diag_msg *message = mnl_nlmsg_get_payload(answer);
    struct map_socket *socket = &decoded->socket;

    if (mnl_nlmsg_get_payload_len(answer) < sizeof(*message) || message->vdiag_family != AF_VSOCK)
        return -EBADMSG;
    map_decoded_begin(decoded, dump);
    socket->type = message->vdiag_type;
    socket->state = message->vdiag_state < MAP_STATES_ ? (enum map_state)message->vdiag_state : MAP_STATE_UNKNOWN;
    socket->inode = message->vdiag_ino;
    socket->cookie = cookie_of(message->vdiag_cookie);
    socket->local = (struct map_address){.form = MAP_CID, .number = message->vdiag_src_cid, .port = message->vdiag_src_port};
    if (message->vdiag_dst_port != UINT32_MAX || message->vdiag_dst_cid != UINT32_MAX) /* VMADDR_CID_ANY, VMADDR_PORT_ANY: none */
        socket->remote = (struct map_address){.form = MAP_CID, .number = message->vdiag_dst_cid, .port = message->vdiag_dst_port};
    return 0;
}

/* AF_XDP ------------------------------------------------------------------------------------------------------------- */

void map_xdp_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request) {
    struct xdp_diag_req *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));

    ask->sdiag_family = dump->family;
    ask->xdiag_show = XDP_SHOW_INFO | XDP_SHOW_MEMINFO;
    if (depth == MAP_FULL)
        ask->xdiag_show |= XDP_SHOW_STATS;
}

static int read_statistics(const struct nlattr *attribute, const struct map_decoded *decoded) {
    static const char *const names[] = {"receive dropped", "receive invalid", "receive ring full",
                                        "fill ring empty", "send invalid",    "send ring empty"};
    struct xdp_diag_stats statistics;
    const uint8_t *payload = payload_of(attribute, sizeof(statistics));
    int r = 0;

    for (size_t i = 0; payload && r == 0 && i < KITH_ARRAY_SIZE(names); i++) {
        uint64_t value;
        memcpy(&value, payload + i * sizeof(value), sizeof(value));
        r = map_fact_number(decoded, "statistics", names[i], value);
    }
    return r;
}

int map_xdp_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded) {
    const struct xdp_diag_msg *message = mnl_nlmsg_get_payload(answer);
    struct map_socket *socket = &decoded->socket;
    const struct nlattr *attribute;
    int r = 0;

    if (mnl_nlmsg_get_payload_len(answer) < sizeof(*message) || message->xdiag_family != AF_XDP)
        return -EBADMSG;
    map_decoded_begin(decoded, dump);
    socket->type = message->xdiag_type;
    socket->state = MAP_CLOSE;
    socket->inode = message->xdiag_ino;
    socket->cookie = cookie_of(message->xdiag_cookie);
    socket->local = (struct map_address){.form = MAP_DEVICE};
    mnl_attr_for_each(attribute, answer, sizeof(*message)) {
        if (r < 0)
            break;
        if (mnl_attr_get_type(attribute) == XDP_DIAG_INFO && payload_of(attribute, sizeof(struct xdp_diag_info)))
            socket->local.interface = u32_of(attribute, 0); /* its first member */
        if (mnl_attr_get_type(attribute) == XDP_DIAG_UID) {
            socket->uid = u32_of(attribute, 0);
            socket->flags |= MAP_HAS_UID;
        }
        if (mnl_attr_get_type(attribute) == XDP_DIAG_MEMINFO)
            r = map_fact_memory(decoded, attribute);
        if (r == 0 && mnl_attr_get_type(attribute) == XDP_DIAG_STATS)
            r = read_statistics(attribute, decoded);
    }
    return r;
}
