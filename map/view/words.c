/* map/view/words.c: see words.h. */
#include "map/view/words.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static const char *const kinds[MAP_KINDS_] = {
    [MAP_TCP] = "tcp",       [MAP_MPTCP] = "mptcp", [MAP_UDP] = "udp",   [MAP_UDPLITE] = "udplite",
    [MAP_RAW] = "raw",       [MAP_PING] = "ping",   [MAP_UNIX] = "unix", [MAP_NETLINK] = "netlink",
    [MAP_PACKET] = "packet", [MAP_VSOCK] = "vsock", [MAP_XDP] = "xdp",   [MAP_OTHER] = "other",
};

const char *map_kind_name(enum map_kind kind) {
    return kinds[kind];
}

struct number_name {
    unsigned number;
    const char *name;
};

static const char *name_of(const struct number_name *names, size_t count, unsigned number) {
    for (size_t i = 0; i < count; i++)
        if (names[i].number == number)
            return names[i].name;
    return NULL;
}
#define NAME_OF(names, number) name_of(names, KITH_ARRAY_SIZE(names), number)

const char *map_family_name(const struct map_socket *socket) {
    static const struct number_name names[] = {{AF_INET, "inet"},     {AF_INET6, "inet6"}, {AF_UNIX, "unix"}, {AF_NETLINK, "netlink"},
                                               {AF_PACKET, "packet"}, {AF_VSOCK, "vsock"}, {AF_XDP, "xdp"}};
    const char *name = NAME_OF(names, socket->family);
    return name ? name : "unknown";
}

const char *map_type_name(const struct map_socket *socket) {
    static const struct number_name names[] = {
        {SOCK_STREAM, "stream"}, {SOCK_DGRAM, "dgram"}, {SOCK_SEQPACKET, "seqpacket"}, {SOCK_RAW, "raw"}, {SOCK_PACKET, "packet"}};
    return NAME_OF(names, socket->type);
}

static const char *const states[MAP_STATES_] = {
    "unknown",     "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait",
    "unconnected", "close-wait",  "last-ack", "listen",   "closing",    "syn-recv",   "bound",
};

static bool has_connections(const struct map_socket *socket) {
    return socket->kind == MAP_TCP || socket->kind == MAP_MPTCP || socket->kind == MAP_VSOCK;
}

const char *map_state_name(const struct map_socket *socket) {
    return socket->state == MAP_CLOSE && has_connections(socket) ? "close" : states[socket->state];
}

enum map_state map_state_of_name(const char *name) {
    if (strcmp(name, "close") == 0)
        return MAP_CLOSE;
    for (size_t i = 1; i < MAP_STATES_; i++)
        if (strcmp(states[i], name) == 0)
            return (enum map_state)i;
    return MAP_STATE_UNKNOWN;
}

const char *map_known_name(enum map_known known) {
    static const char *const names[] = {"unknown", "ambiguous", "matched", "bind bucket", "exact"};
    return names[known];
}

/* Protocols ---------------------------------------------------------------------------------------------------------- */

static const struct number_name ip_protocols[] = {
    {IPPROTO_ICMP, "icmp"}, {IPPROTO_ICMPV6, "icmp6"},    {IPPROTO_IGMP, "igmp"}, {IPPROTO_TCP, "tcp"},
    {IPPROTO_UDP, "udp"},   {IPPROTO_GRE, "gre"},         {IPPROTO_ESP, "esp"},   {IPPROTO_AH, "ah"},
    {IPPROTO_SCTP, "sctp"}, {IPPROTO_UDPLITE, "udplite"}, {IPPROTO_RAW, "raw"},   {89, "ospf"},
    {112, "vrrp"}};
static const struct number_name netlink_protocols[] = {{NETLINK_ROUTE, "route"},
                                                       {NETLINK_USERSOCK, "usersock"},
                                                       {NETLINK_SOCK_DIAG, "sock_diag"},
                                                       {NETLINK_NFLOG, "nflog"},
                                                       {NETLINK_XFRM, "xfrm"},
                                                       {NETLINK_SELINUX, "selinux"},
                                                       {NETLINK_ISCSI, "iscsi"},
                                                       {NETLINK_AUDIT, "audit"},
                                                       {NETLINK_FIB_LOOKUP, "fib_lookup"},
                                                       {NETLINK_CONNECTOR, "connector"},
                                                       {NETLINK_NETFILTER, "netfilter"},
                                                       {NETLINK_IP6_FW, "ip6_fw"},
                                                       {NETLINK_DNRTMSG, "dnrtmsg"},
                                                       {NETLINK_KOBJECT_UEVENT, "kobject_uevent"},
                                                       {NETLINK_GENERIC, "generic"},
                                                       {NETLINK_SCSITRANSPORT, "scsitransport"},
                                                       {NETLINK_ECRYPTFS, "ecryptfs"},
                                                       {NETLINK_RDMA, "rdma"},
                                                       {NETLINK_CRYPTO, "crypto"},
                                                       {NETLINK_SMC, "smc"}};
static const struct number_name ethernet_protocols[] = {{ETH_P_ALL, "all"},   {ETH_P_IP, "ip"},     {ETH_P_IPV6, "ipv6"},
                                                        {ETH_P_ARP, "arp"},   {ETH_P_LLDP, "lldp"}, {ETH_P_PAE, "eapol"},
                                                        {ETH_P_8021Q, "vlan"}};

void map_protocol_words(const struct map_socket *socket, struct kith_text *text) {
    const char *name = NULL;

    switch (socket->kind) {
    case MAP_UNIX:
    case MAP_XDP:
    case MAP_VSOCK:
        return;
    case MAP_RAW:
        name = NAME_OF(ip_protocols, socket->protocol);
        break;
    case MAP_PING:
        name = socket->family == AF_INET6 ? "icmp6" : "icmp";
        break;
    case MAP_NETLINK:
        name = NAME_OF(netlink_protocols, socket->protocol);
        break;
    case MAP_PACKET:
        name = NAME_OF(ethernet_protocols, socket->protocol);
        if (!name && socket->protocol == 0)
            name = "none"; /* it receives nothing */
        break;
    case MAP_OTHER:
        kith_text_put_printable(text, socket->protocol_name ? socket->protocol_name : "",
                                strlen(socket->protocol_name ? socket->protocol_name : ""));
        return;
    default:
        name = kinds[socket->kind];
        break;
    }
    if (name)
        kith_text_puts(text, name);
    else
        kith_text_printf(text, socket->kind == MAP_PACKET ? "0x%04x" : "%u", socket->protocol);
}

/* Addresses ---------------------------------------------------------------------------------------------------------- */

void map_host_words(const struct map_address *address, struct kith_text *text) {
    char host[INET6_ADDRSTRLEN];

    if (inet_ntop(address->form == MAP_INET6 ? AF_INET6 : AF_INET, address->octets, host, sizeof(host)))
        kith_text_puts(text, host);
}

static void put_interface(const struct map *map, const struct map_socket *socket, uint32_t number, struct kith_text *text) {
    const char *name = map_interface_name(map, socket->netns, number);

    if (name)
        kith_text_put_printable(text, name, strlen(name));
    else
        kith_text_printf(text, "if%u", number);
}

static void put_ip(const struct map *map, const struct map_socket *socket, const struct map_address *address, struct kith_text *text) {
    kith_text_puts(text, address->form == MAP_INET6 ? "[" : "");
    map_host_words(address, text);
    if (address->interface != 0) {
        kith_text_putc(text, '%');
        put_interface(map, socket, address->interface, text);
    }
    kith_text_puts(text, address->form == MAP_INET6 ? "]" : "");
    if (socket->kind == MAP_RAW)
        return;
    if (address->port != 0)
        kith_text_printf(text, ":%u", address->port);
    else
        kith_text_puts(text, ":*");
}

void map_address_words(const struct map *map, const struct map_socket *socket, const struct map_address *address, struct kith_text *text) {
    switch (address->form) {
    case MAP_NO_ADDRESS:
        break;
    case MAP_INET:
    case MAP_INET6:
        put_ip(map, socket, address, text);
        break;
    case MAP_ABSTRACT:
        kith_text_putc(text, '@');
        kith_text_put_printable(text, address->name, address->name_size);
        break;
    case MAP_PATH:
        kith_text_put_printable(text, address->name, address->name_size);
        break;
    case MAP_CID:
        kith_text_printf(text, address->number == UINT32_MAX ? "*" : "%u", address->number);
        kith_text_printf(text, address->port == UINT32_MAX ? ":*" : ":%u", address->port);
        break;
    case MAP_PORTID:
        kith_text_printf(text, address->number == 0 ? "kernel" : "%u", address->number);
        break;
    case MAP_DEVICE:
        if (address->interface == 0)
            kith_text_putc(text, '*');
        else
            put_interface(map, socket, address->interface, text);
        break;
    }
}

/* Processes ---------------------------------------------------------------------------------------------------------- */

void map_process_words(const struct map_process *process, struct kith_text *text) {
    const char *slash = process->exe ? strrchr(process->exe, '/') : NULL;
    const char *name = process->comm && process->comm[0] ? process->comm : slash ? slash + 1 : "?";

    kith_text_put_printable(text, name, strlen(name));
    kith_text_printf(text, "[%d]", process->pid);
}

static void put_nobody(const struct map *map, const struct map_socket *socket, struct kith_text *text) {
    const char *unit = map_socket_unit(map, socket);

    if (socket->flags & MAP_IS_WAITING)
        kith_text_puts(text, "waiting to be accepted");
    else if (socket->state == MAP_NEW_SYN_RECV || (socket->state == MAP_SYN_RECV && socket->inode == 0))
        kith_text_puts(text, "being made");
    else if (socket->state == MAP_TIME_WAIT || socket->flags & MAP_IS_ORPHAN)
        kith_text_puts(text, "closed; the kernel finishes");
    else if (socket->kind == MAP_NETLINK && socket->local.number == 0)
        kith_text_puts(text, "the kernel");
    else if (unit)
        kith_text_put_printable(text, unit, strlen(unit));
    else
        kith_text_puts(text, "?");
}

void map_holders_words(const struct map *map, const struct map_socket *socket, struct kith_text *text) {
    uint32_t processes = 0, last = MAP_NONE;

    if (socket->holder_count == 0) {
        put_nobody(map, socket, text);
        return;
    }
    const struct map_holder *first = &map->holders[socket->first_holder];
    map_process_words(&map->processes[first->process], text);
    kith_text_printf(text, "/%d", first->fd);
    for (uint32_t i = 0; i < socket->holder_count; i++) {
        processes += first[i].process != last;
        last = first[i].process;
    }
    if (processes > 1)
        kith_text_printf(text, " +%u", processes - 1);
    if (socket->claim != MAP_NONE) {
        kith_text_puts(text, " (");
        map_claim_words(map, socket, text);
        kith_text_putc(text, ')');
    }
}

void map_claim_words(const struct map *map, const struct map_socket *socket, struct kith_text *text) {
    const struct map_claim *claim = &map->claims[socket->claim];

    kith_text_put_printable(text, claim->name, strlen(claim->name));
    kith_text_puts(text, ", ");
    kith_text_put_printable(text, claim->type, strlen(claim->type));
}

void map_groups_words(const struct map *map, const struct map_socket *socket, struct kith_text *text) {
    bool first = true;

    for (uint32_t i = 0; i < socket->group_words * 32; i++) {
        if (!(socket->groups[i / 32] >> (i % 32) & 1))
            continue;
        const struct map_genl_group *group = map_is_generic(socket) ? map_genl_group_find(map, socket->netns, i + 1) : NULL;
        kith_text_puts(text, first ? "" : ", ");
        first = false;
        if (!group) {
            kith_text_printf(text, "%u", i + 1);
            continue;
        }
        kith_text_put_printable(text, group->family, strlen(group->family));
        kith_text_putc(text, '.');
        kith_text_put_printable(text, group->name, strlen(group->name));
    }
}
