/* datagram/interface.c: interfaces by what people call them. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "datagram/internal.h"

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
