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
    /* dev_valid_name() of the kernel: neither of these, no slash, no colon, no white space */
    return size >= 1 && size < IF_NAMESIZE && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strcspn(name, "/: \t\n\v\f\r") == size;
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

int kith_interface_address(const char *endpoint, const char *name, unsigned port, struct kith_address *ret_address,
                           struct kith_error *ret_error) {
    _cleanup_(freeifaddrsp) struct ifaddrs *all = NULL;
    bool exists;
    if (getifaddrs(&all) < 0) {
        int r = -errno;
        return kith_error_set(ret_error, r, "%s: the interfaces of this host cannot be listed: %s", endpoint, kith_error_name(r));
    }
    const struct sockaddr *address = choose(all, name, &exists);
    if (!exists)
        return kith_error_set(ret_error, -ENODEV,
                              "%s: \"%s\" is neither a numeric address nor an interface of this host; ip addr shows those there are",
                              endpoint, name);
    if (!address)
        return kith_error_set(ret_error, -EADDRNOTAVAIL, "%s: the interface %s has no IP address; give it one, or listen on *", endpoint,
                              name);

    struct kith_address found = {0};
    if (address->sa_family == AF_INET) {
        found.size = sizeof(struct sockaddr_in);
        memcpy(&found.storage, address, found.size);
        ((struct sockaddr_in *)&found.storage)->sin_port = htons((uint16_t)port);
    } else {
        found.size = sizeof(struct sockaddr_in6);
        memcpy(&found.storage, address, found.size);
        ((struct sockaddr_in6 *)&found.storage)->sin6_port = htons((uint16_t)port);
    }
    *ret_address = found;
    return 0;
}
