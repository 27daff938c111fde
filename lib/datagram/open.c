/*
 * datagram/open.c: making the socket: options, group, interface, bind or connect.
 *
 * What asks the kernel to say more of each datagram is switched on before the socket is bound: the first datagram has it too. An IPv6
 * socket that takes IPv4 as well needs the options of both levels.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "datagram/internal.h"
#include "stream/interface.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29 /* linux/in6.h, Linux 4.20 */
#endif

/* One socket option, with what to say when it cannot be set. */
struct setting {
    int level, name;
    int value;
    bool wanted;
    const char *what;
};

static int apply(int fd, const struct setting *settings, size_t count, const char *text, struct kith_error *ret_error) {
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = &settings[i];
        if (!setting->wanted || setsockopt(fd, setting->level, setting->name, &setting->value, sizeof(setting->value)) == 0)
            continue;
        int error = -errno;
        return kith_error_set(ret_error, error, "%s: %s %d: %s", text, setting->what, setting->value, kith_error_name(error));
    }
    return 0;
}

static int set_common(int fd, bool ipv6, const struct kith_datagram_options *options, const char *text, struct kith_error *ret_error) {
    const struct setting settings[] = {
        {SOL_SOCKET, SO_SNDBUF, options->send_buffer, options->send_buffer > 0, "send buffer"},
        {SOL_SOCKET, SO_RCVBUF, options->receive_buffer, options->receive_buffer > 0, "receive buffer"},
        {IPPROTO_IP, IP_TOS, options->tos, options->tos > 0, "type of service"},
        {IPPROTO_IPV6, IPV6_TCLASS, options->tos, options->tos > 0 && ipv6, "traffic class"},
        /* After the type of service, which sets a priority too. */
        {SOL_SOCKET, SO_PRIORITY, options->priority, options->priority > 0, "priority"},
    };
    int r = apply(fd, settings, KITH_ARRAY_SIZE(settings), text, ret_error);
    if (r < 0 || !options->device)
        return r;
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device, (socklen_t)strlen(options->device)) == 0)
        return 0;
    return kith_error_set(ret_error, -errno, "%s: device %s: %s", text, options->device, kith_error_name(-errno));
}

static int set_receiving(int fd, bool ipv6, const struct kith_datagram_options *options, const char *text, struct kith_error *ret_error) {
    const struct setting settings[] = {
        {SOL_SOCKET, SO_TIMESTAMPNS, 1, true, "time of receipt"},
        {SOL_SOCKET, SO_RXQ_OVFL, 1, true, "count of drops"},
        {IPPROTO_IP, IP_PKTINFO, 1, !ipv6, "packet information"},
        {IPPROTO_IP, IP_RECVTTL, 1, true, "received TTL"},
        {IPPROTO_IP, IP_RECVTOS, 1, true, "received type of service"},
        {IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, ipv6, "packet information"},
        {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, ipv6, "received hop limit"},
        {IPPROTO_IPV6, IPV6_RECVTCLASS, 1, ipv6, "received traffic class"},
        {IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only, ipv6, "IPv6 only"},
    };
    return apply(fd, settings, KITH_ARRAY_SIZE(settings), text, ret_error);
}

static int set_sending(int fd, bool ipv6, const struct kith_datagram_options *options, const char *text, struct kith_error *ret_error) {
    int loop = !options->no_multicast_loop;
    const struct setting settings[] = {
        {IPPROTO_IP, IP_TTL, options->hops, options->hops > 0 && !ipv6, "TTL"},
        {IPPROTO_IP, IP_MULTICAST_TTL, options->multicast_hops, options->multicast_hops >= 0 && !ipv6, "multicast TTL"},
        {IPPROTO_IP, IP_MULTICAST_LOOP, loop, !ipv6, "multicast loop"},
        {IPPROTO_IPV6, IPV6_UNICAST_HOPS, options->hops, options->hops > 0 && ipv6, "hop limit"},
        {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, options->multicast_hops, options->multicast_hops >= 0 && ipv6, "multicast hop limit"},
        {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loop, ipv6, "multicast loop"},
    };
    return apply(fd, settings, KITH_ARRAY_SIZE(settings), text, ret_error);
}

/* Takes groups that this socket joined and no other's: the kernel would deliver those of all sockets on this host. */
static int set_own_groups(int fd, bool ipv6, const char *text, struct kith_error *ret_error) {
    const struct setting settings[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1, true, "sharing the group's port"},
        {IPPROTO_IP, IP_MULTICAST_ALL, 0, !ipv6, "groups of others"},
        {IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0, ipv6, "groups of others"},
    };
    return apply(fd, settings, KITH_ARRAY_SIZE(settings), text, ret_error);
}

static int join(int fd, const struct kith_address *group, unsigned interface, const char *text, struct kith_error *ret_error) {
    int r;
    if (group->storage.ss_family == AF_INET) {
        struct ip_mreqn request = {.imr_multiaddr = ((const struct sockaddr_in *)&group->storage)->sin_addr, .imr_ifindex = (int)interface};
        r = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&group->storage;
        struct ipv6_mreq request = {.ipv6mr_multiaddr = in6->sin6_addr, .ipv6mr_interface = interface ? interface : in6->sin6_scope_id};
        r = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request));
    }
    if (r == 0)
        return 0;
    int error = -errno;
    if (error == -ENODEV && interface == 0)
        return kith_error_set(ret_error, error, "%s: no interface leads to this group; name one: udp://INTERFACE;GROUP:PORT", text);
    return kith_error_set(ret_error, error, "%s: joining the group: %s%s", text, kith_error_name(error),
                          error == -ENOBUFS ? " (more groups than net.ipv4.igmp_max_memberships)" : "");
}

static int set_outgoing(int fd, bool ipv6, unsigned interface, const char *text, struct kith_error *ret_error) {
    struct ip_mreqn request = {.imr_ifindex = (int)interface};
    int index = (int)interface;
    int r = ipv6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index))
                 : setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request));
    return r == 0 ? 0 : kith_error_set(ret_error, -errno, "%s: the interface: %s", text, kith_error_name(-errno));
}

/* A link-local group means nothing without its interface: the kernel wants it in the address. */
static void set_zone(struct kith_address *address, unsigned interface) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
    if (in6->sin6_family == AF_INET6 && in6->sin6_scope_id == 0 &&
        (IN6_IS_ADDR_MC_LINKLOCAL(&in6->sin6_addr) || IN6_IS_ADDR_MC_NODELOCAL(&in6->sin6_addr)))
        in6->sin6_scope_id = interface;
}

/* The group's interface, or the address of the interface that is bound to. `address` becomes what bind() or connect() takes. */
static int find_interface(const struct kith_datagram_endpoint *endpoint, struct kith_address *address, unsigned *ret_interface,
                          const char *text, struct kith_error *ret_error) {
    unsigned interface = 0;
    bool group = kith_address_is_multicast(&endpoint->address);
    *address = endpoint->address;
    if (endpoint->interface[0]) {
        int r = group ? kith_interface_find(endpoint->interface, &interface) : kith_interface_address(endpoint->interface, address);
        if (r < 0)
            return kith_error_set(ret_error, r, "%s: %s \"%s\": %s (ip addr lists them)", text, group ? "the interface" : "an address of",
                                  endpoint->interface, kith_error_name(r));
    }
    if (group)
        set_zone(address, interface);
    *ret_interface = interface;
    return 0;
}

static int open_socket(const struct kith_datagram_endpoint *endpoint, struct kith_address *address, unsigned *ret_interface, char *text,
                       size_t text_size, int *ret_fd, struct kith_error *ret_error) {
    (void)kith_datagram_endpoint_format(endpoint, text, text_size);
    int r = find_interface(endpoint, address, ret_interface, text, ret_error);
    if (r < 0)
        return r;
    int fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0)
        return kith_error_set(ret_error, -errno, "%s: %s", text, kith_error_name(-errno));
    *ret_fd = fd;
    return 0;
}

int kith_datagram_open_bound(const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options, int *ret_fd,
                             unsigned *ret_interface, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int fd = -1;
    struct kith_address address;
    char text[192] = "";
    unsigned interface;
    int r = open_socket(endpoint, &address, &interface, text, sizeof(text), &fd, ret_error);
    if (r < 0)
        return r;
    bool ipv6 = address.storage.ss_family == AF_INET6, group = kith_address_is_multicast(&address);
    r = set_common(fd, ipv6, options, text, ret_error);
    if (r >= 0)
        r = set_receiving(fd, ipv6, options, text, ret_error);
    if (r >= 0 && group)
        r = set_own_groups(fd, ipv6, text, ret_error);
    if (r < 0)
        return r;
    if (bind(fd, (const struct sockaddr *)&address.storage, address.size) < 0)
        return kith_error_set(ret_error, -errno, "%s: %s%s", text, kith_error_name(-errno),
                              errno == EADDRINUSE ? " (ss -ulpn shows by whom)" : "");
    /* Only now: before, any socket of this host could be sent to on whatever port. */
    if (group)
        r = join(fd, &address, interface, text, ret_error);
    if (r < 0)
        return r;
    *ret_interface = interface;
    *ret_fd = KITH_STEAL_FD(fd);
    return 0;
}

int kith_datagram_open_connected(const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options, int *ret_fd,
                                 unsigned *ret_interface, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int fd = -1;
    struct kith_address address;
    char text[192] = "";
    unsigned interface;
    int r = open_socket(endpoint, &address, &interface, text, sizeof(text), &fd, ret_error);
    if (r < 0)
        return r;
    bool ipv6 = address.storage.ss_family == AF_INET6;
    r = set_common(fd, ipv6, options, text, ret_error);
    if (r >= 0)
        r = set_sending(fd, ipv6, options, text, ret_error);
    if (r >= 0 && interface != 0)
        r = set_outgoing(fd, ipv6, interface, text, ret_error);
    if (r < 0)
        return r;
    if (connect(fd, (const struct sockaddr *)&address.storage, address.size) < 0)
        return kith_error_set(ret_error, -errno, "%s: %s%s", text, kith_error_name(-errno),
                              errno == ENETUNREACH ? " (no route; for a group name its interface: udp://INTERFACE;GROUP:PORT)" : "");
    *ret_interface = 0; /* what the peer sends back may come in anywhere */
    *ret_fd = KITH_STEAL_FD(fd);
    return 0;
}
