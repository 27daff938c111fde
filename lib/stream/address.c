/*
 * Socket addresses: from text, and to text for a person.
 *
 * Names are never resolved here: only numbers and paths. What comes back from the kernel is not trusted to be well formed: a unix path
 * need not end in NUL and an abstract name may hold any octet, so formatting goes by the size alone and escapes what a terminal must not
 * see.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <kith/stream.h>

#include "base/text.h"

/* sun_path without its NUL: a path is NUL-terminated for portability, an abstract name has a NUL in front. */
#define NAME_MAX_SIZE (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

int kith_address_unix(const char *name, struct kith_address *ret_address) {
    if (!name || !ret_address)
        return -EINVAL;

    bool abstract = name[0] == '@';
    const char *octets = abstract ? name + 1 : name;
    size_t size = strlen(octets);
    if (size == 0)
        return -EINVAL;
    if (size > NAME_MAX_SIZE)
        return -ENAMETOOLONG;

    struct kith_address address = {.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size)};
    struct sockaddr_un *un = (struct sockaddr_un *)&address.storage;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + (abstract ? 1 : 0), octets, size);
    *ret_address = address;
    return 0;
}

/* "fe80::1%eth0" or "fe80::1%2": the zone of a link-local address, RFC 4007. */
static int parse_zone(const char *zone, uint32_t *ret_scope) {
    if (zone[0] == '\0')
        return -EINVAL;
    uint32_t scope = if_nametoindex(zone);
    if (scope == 0) {
        char *end;
        errno = 0;
        unsigned long number = strtoul(zone, &end, 10);
        if (errno != 0 || *end != '\0' || zone[0] < '0' || zone[0] > '9' || number == 0 || number > UINT32_MAX)
            return -EINVAL;
        scope = (uint32_t)number;
    }
    *ret_scope = scope;
    return 0;
}

static int parse_ipv6(const char *host, struct sockaddr_in6 *in6) {
    char number[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    size_t size = zone ? (size_t)(zone - host) : strlen(host);
    if (size >= sizeof(number))
        return -EINVAL;
    memcpy(number, host, size);
    number[size] = '\0';
    if (inet_pton(AF_INET6, number, &in6->sin6_addr) != 1)
        return -EINVAL;
    return zone ? parse_zone(zone + 1, &in6->sin6_scope_id) : 0;
}

int kith_address_ip(const char *host, unsigned port, struct kith_address *ret_address) {
    if (!host || !ret_address || port > UINT16_MAX)
        return -EINVAL;

    struct kith_address address = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address.storage;
    if (strcmp(host, "*") == 0 || inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        address.size = sizeof(*in);
    } else {
        int r = parse_ipv6(host, in6);
        if (r < 0)
            return r;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        address.size = sizeof(*in6);
    }
    *ret_address = address;
    return 0;
}

int kith_address_vsock(uint32_t cid, uint32_t port, struct kith_address *ret_address) {
    if (!ret_address)
        return -EINVAL;
    struct kith_address address = {.size = sizeof(struct sockaddr_vm)};
    struct sockaddr_vm *vm = (struct sockaddr_vm *)&address.storage;
    vm->svm_family = AF_VSOCK;
    vm->svm_cid = cid;
    vm->svm_port = port;
    *ret_address = address;
    return 0;
}

static int format_unix(const struct kith_address *address, char *memory, size_t size) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    if (address->size <= offsetof(struct sockaddr_un, sun_path))
        return snprintf(memory, size, "unnamed");
    size_t name_size = address->size - offsetof(struct sockaddr_un, sun_path);
    if (name_size > sizeof(un->sun_path))
        return -EINVAL;

    struct kith_text text = kith_text_init(memory, size);
    if (un->sun_path[0] == '\0') {
        kith_text_putc(&text, '@');
        kith_text_put_printable(&text, un->sun_path + 1, name_size - 1);
    } else {
        kith_text_put_printable(&text, un->sun_path, strnlen(un->sun_path, name_size));
    }
    return kith_text_result(&text);
}

static int format_ipv4(const struct in_addr *address, in_port_t port, char *text, size_t size) {
    char number[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, address, number, sizeof(number));
    return snprintf(text, size, "%s:%u", number, (unsigned)ntohs(port));
}

/* An IPv4 address has one spelling, on a socket of both families too. */
static int format_ipv6(const struct sockaddr_in6 *in6, char *text, size_t size) {
    char number[INET6_ADDRSTRLEN], name[IF_NAMESIZE];
    unsigned port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return format_ipv4((const struct in_addr *)&in6->sin6_addr.s6_addr[12], in6->sin6_port, text, size);
    inet_ntop(AF_INET6, &in6->sin6_addr, number, sizeof(number));
    if (in6->sin6_scope_id == 0)
        return snprintf(text, size, "[%s]:%u", number, port);
    if (if_indextoname(in6->sin6_scope_id, name))
        return snprintf(text, size, "[%s%%%s]:%u", number, name, port);
    return snprintf(text, size, "[%s%%%u]:%u", number, in6->sin6_scope_id, port);
}

static int format_vsock(const struct sockaddr_vm *vm, char *text, size_t size) {
    if (vm->svm_cid == VMADDR_CID_ANY)
        return snprintf(text, size, "*:%u", vm->svm_port);
    return snprintf(text, size, "%u:%u", vm->svm_cid, vm->svm_port);
}

int kith_address_format(const struct kith_address *address, char *text, size_t size) {
    if (!address || (!text && size > 0) || address->size < sizeof(sa_family_t) || address->size > sizeof(address->storage))
        return -EINVAL;

    switch (address->storage.ss_family) {
    case AF_UNIX:
        return format_unix(address, text, size);
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;
        return address->size < sizeof(*in) ? -EINVAL : format_ipv4(&in->sin_addr, in->sin_port, text, size);
    }
    case AF_INET6:
        if (address->size < sizeof(struct sockaddr_in6))
            return -EINVAL;
        return format_ipv6((const struct sockaddr_in6 *)&address->storage, text, size);
    case AF_VSOCK:
        if (address->size < sizeof(struct sockaddr_vm))
            return -EINVAL;
        return format_vsock((const struct sockaddr_vm *)&address->storage, text, size);
    default:
        return -EAFNOSUPPORT;
    }
}
