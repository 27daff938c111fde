/*
 * stream/net.c: see net.h.
 *
 * The order of the rows matters: the type of service sets the kernel's priority of the socket (ip(7)), so the priority comes after it. A
 * TCP listener hands all down to accepted sockets but the priority (sk_clone_lock() of net/core/sock.c begins it anew). On AF_UNIX the
 * accepted socket is made by whoever connects, and has nothing of the listener.
 */
#include "stream/net.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "stream/interface.h"
#include "stream/internal.h"

/* Sockets that know an option. */
enum {
    NET_IPV4 = 1,
    NET_IPV6 = 2,
    NET_UNIX = 4,
    NET_TCP = NET_IPV4 | NET_IPV6,
};

static const struct net_row {
    const char *name; /* for messages, as the kernel's manual pages have it */
    size_t member;    /* of struct kith_net_options, a uint32_t; 0: leave it alone */
    uint32_t max;
    int level, option;
    unsigned families;
    unsigned accepted; /* families whose accepted sockets do not have it from their listener */
    const char *permission;
} rows[] = {
#define MEMBER(name) offsetof(struct kith_net_options, name)
    {"IP_TOS", MEMBER(tos), 255, IPPROTO_IP, IP_TOS, NET_TCP, 0, "CAP_NET_ADMIN"},
    {"IPV6_TCLASS", MEMBER(tos), 255, IPPROTO_IPV6, IPV6_TCLASS, NET_IPV6, 0, "CAP_NET_ADMIN"},
    {"SO_PRIORITY", MEMBER(priority), INT_MAX, SOL_SOCKET, SO_PRIORITY, NET_TCP, NET_TCP, "CAP_NET_ADMIN for a value above 6"},
    {"SO_KEEPALIVE", MEMBER(keepalive), 1, SOL_SOCKET, SO_KEEPALIVE, NET_TCP, 0, NULL},
    {"TCP_KEEPIDLE", MEMBER(keepalive_idle_s), 32767, IPPROTO_TCP, TCP_KEEPIDLE, NET_TCP, 0, NULL},
    {"TCP_KEEPINTVL", MEMBER(keepalive_interval_s), 32767, IPPROTO_TCP, TCP_KEEPINTVL, NET_TCP, 0, NULL},
    {"TCP_KEEPCNT", MEMBER(keepalive_count), 127, IPPROTO_TCP, TCP_KEEPCNT, NET_TCP, 0, NULL},
    {"TCP_USER_TIMEOUT", MEMBER(user_timeout_ms), INT_MAX, IPPROTO_TCP, TCP_USER_TIMEOUT, NET_TCP, 0, NULL},
    {"SO_SNDBUF", MEMBER(send_buffer), INT_MAX / 2, SOL_SOCKET, SO_SNDBUF, NET_TCP | NET_UNIX, NET_UNIX, NULL},
    {"SO_RCVBUF", MEMBER(receive_buffer), INT_MAX / 2, SOL_SOCKET, SO_RCVBUF, NET_TCP | NET_UNIX, NET_UNIX, NULL},
#undef MEMBER
};

static unsigned family_bit(int family) {
    return family == AF_INET ? NET_IPV4 : family == AF_INET6 ? NET_IPV6 : family == AF_UNIX ? NET_UNIX : 0;
}

static int set_row(int fd, const struct net_row *row, const struct kith_net_options *options, struct kith_error *ret_error) {
    uint32_t value;
    memcpy(&value, (const uint8_t *)options + row->member, sizeof(value));
    if (value == 0)
        return 0;
    if (value > row->max)
        return kith_error_set(ret_error, -EINVAL, "%s: %u is too much; at most %u", row->name, value, row->max);
    int number = (int)value;
    if (setsockopt(fd, row->level, row->option, &number, sizeof(number)) == 0)
        return 0;
    int r = -errno;
    if (r == -EPERM && row->permission)
        return kith_error_set(ret_error, r, "%s %u: not permitted: it needs %s", row->name, value, row->permission);
    return kith_error_set(ret_error, r, "%s %u: %s", row->name, value, kith_error_name(r));
}

static int set_device(int fd, const char *device, struct kith_error *ret_error) {
    if (!kith_interface_name_valid(device))
        return kith_error_set(ret_error, -EINVAL, "SO_BINDTODEVICE: \"%s\" cannot be the name of an interface", device);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) == 0)
        return 0;
    int r = -errno;
    if (r == -EPERM)
        return kith_error_set(ret_error, r, "SO_BINDTODEVICE %s: not permitted: it needs CAP_NET_RAW", device);
    if (r == -ENODEV)
        return kith_error_set(ret_error, r, "SO_BINDTODEVICE %s: there is no such interface; ip addr shows those there are", device);
    return kith_error_set(ret_error, r, "SO_BINDTODEVICE %s: %s", device, kith_error_name(r));
}

int kith_net_apply(int fd, int family, const struct kith_net_options *options, enum kith_net_moment moment, struct kith_error *ret_error) {
    unsigned bit = family_bit(family);
    int r = 0;
    if (!options)
        return 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows) && r >= 0; i++)
        if ((moment == KITH_NET_FRESH ? rows[i].families : rows[i].accepted) & bit)
            r = set_row(fd, &rows[i], options, ret_error);
    if (r >= 0 && moment == KITH_NET_FRESH && options->device && (bit & NET_TCP))
        r = set_device(fd, options->device, ret_error);
    return r;
}

int kith_net_check(int family, const struct kith_net_options *options, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        int r = -errno;
        return kith_error_set(ret_error, r, "%s", kith_address_remedy(family, r));
    }
    return kith_net_apply(fd, family, options, KITH_NET_FRESH, ret_error);
}
