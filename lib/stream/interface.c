/*
 * stream/interface.c: see interface.h.
 *
 * The address is looked up once, when somebody binds: one that changes later (DHCP) leaves the listener behind. Who wants whatever comes in
 * through an interface, under any address, binds "*" with bind-device.
 */
#include "stream/interface.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

KITH_DEFINE_CLEANUP(struct ifaddrs *, freeifaddrs)

bool kith_interface_name_valid(const char *name) {
    size_t size = strlen(name);
    /* dev_valid_name() of the kernel: no slash, no colon, no white space, not only dots. What an endpoint means something else by is not a
     * name in one: brackets, a semicolon, a zone's %, a number. */
    return size >= 1 && size < IF_NAMESIZE && strcspn(name, "/: \t\n\v\f\r[];%") == size && strspn(name, "0123456789.") != size;
}

/* How good an address is to bind to; 0: not at all. */
static unsigned worth(const struct sockaddr *address) {
    if (!address || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return 0;
    if (address->sa_family == AF_INET)
        return 3;
    return IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)address)->sin6_addr) ? 1 : 2;
}

static const struct sockaddr *choose(const struct ifaddrs *all, const char *name, bool *ret_exists) {
    const struct sockaddr *best = NULL;
    *ret_exists = false;
    for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
        if (strcmp(one->ifa_name, name) != 0)
            continue;
        *ret_exists = true;
        if (worth(one->ifa_addr) > worth(best))
            best = one->ifa_addr;
    }
    return best;
}

int kith_interface_address(const char *name, struct kith_address *address) {
    _cleanup_(freeifaddrsp) struct ifaddrs *all = NULL;
    bool exists;
    if (getifaddrs(&all) < 0)
        return -errno;
    const struct sockaddr *best = choose(all, name, &exists);
    if (!best)
        return exists ? -EADDRNOTAVAIL : -ENODEV;
    /* The port lies at the same place in both families. */
    in_port_t port = ((const struct sockaddr_in *)&address->storage)->sin_port;
    address->size = best->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    memcpy(&address->storage, best, address->size);
    ((struct sockaddr_in *)&address->storage)->sin_port = port;
    return 0;
}

int kith_interface_listen_address(const char *endpoint, const char *name, unsigned port, struct kith_address *ret_address,
                                  struct kith_error *ret_error) {
    struct kith_address address = {0};
    ((struct sockaddr_in *)&address.storage)->sin_port = htons((uint16_t)port);
    int r = kith_interface_address(name, &address);
    if (r == -ENODEV)
        return kith_error_set(ret_error, r,
                              "%s: \"%s\" is neither a numeric address nor an interface of this host; ip addr shows those there are",
                              endpoint, name);
    if (r == -EADDRNOTAVAIL)
        return kith_error_set(ret_error, r, "%s: the interface %s has no IP address; give it one, or listen on *", endpoint, name);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: the interfaces of this host cannot be listed: %s", endpoint, kith_error_name(r));
    *ret_address = address;
    return 0;
}
