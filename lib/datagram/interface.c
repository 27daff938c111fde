/* datagram/interface.c: interfaces by what people call them. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "datagram/internal.h"

static socklen_t sockaddr_size(const struct sockaddr *address) {
    return address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static bool same_host(const struct sockaddr *address, const struct kith_address *wanted) {
    if (!address || address->sa_family != wanted->storage.ss_family)
        return false;
    if (address->sa_family == AF_INET)
        return ((const struct sockaddr_in *)address)->sin_addr.s_addr == ((const struct sockaddr_in *)&wanted->storage)->sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)address)->sin6_addr,
                              &((const struct sockaddr_in6 *)&wanted->storage)->sin6_addr);
}

int kith_interface_find(const char *text, unsigned *ret_index) {
    struct kith_address wanted;
    struct ifaddrs *list;
    unsigned index = if_nametoindex(text);
    if (index == 0) {
        if (kith_address_ip(text, 0, &wanted) < 0)
            return -ENODEV;
        if (getifaddrs(&list) < 0)
            return -errno;
        for (const struct ifaddrs *entry = list; entry && index == 0; entry = entry->ifa_next)
            if (same_host(entry->ifa_addr, &wanted))
                index = if_nametoindex(entry->ifa_name);
        freeifaddrs(list);
    }
    if (index == 0)
        return -ENODEV;
    *ret_index = index;
    return 0;
}

/* The lower the better. */
static int rank(const struct sockaddr *address) {
    if (!address)
        return 3;
    if (address->sa_family == AF_INET)
        return 0;
    if (address->sa_family != AF_INET6)
        return 3;
    return IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)address)->sin6_addr) ? 2 : 1;
}

int kith_interface_address(const char *name, struct kith_address *address) {
    const struct sockaddr *best = NULL;
    struct ifaddrs *list;
    if (if_nametoindex(name) == 0)
        return -ENODEV;
    if (getifaddrs(&list) < 0)
        return -errno;
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
        if (strcmp(entry->ifa_name, name) == 0 && rank(entry->ifa_addr) < rank(best))
            best = entry->ifa_addr;
    if (best) {
        /* The port lies at the same place in both families. */
        in_port_t port = ((const struct sockaddr_in *)&address->storage)->sin_port;
        address->size = sockaddr_size(best);
        memcpy(&address->storage, best, address->size);
        ((struct sockaddr_in *)&address->storage)->sin_port = port;
    }
    freeifaddrs(list);
    return best ? 0 : -EADDRNOTAVAIL;
}
