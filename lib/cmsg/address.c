/*
 * cmsg/address.c: socket addresses in control messages.
 *
 * The kernel writes struct sockaddr_in and sockaddr_in6; of a family that is neither there is no address to show, which is no error: the
 * error queue says AF_UNSPEC where nobody else is to blame.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "cmsg/internal.h"

int kith_cmsg_read_address(const struct kith_cmsg *cmsg, size_t offset, struct kith_cmsg_address *ret_address) {
    size_t left = cmsg->size > offset ? cmsg->size - offset : 0;
    const uint8_t *place = (const uint8_t *)cmsg->data + offset;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    sa_family_t family = AF_UNSPEC;

    memset(ret_address, 0, sizeof(*ret_address));
    if (left >= sizeof(family))
        memcpy(&family, place, sizeof(family));
    if (family == AF_INET) {
        if (left < sizeof(in))
            return -EBADMSG;
        memcpy(&in, place, sizeof(in));
        *ret_address = (struct kith_cmsg_address){.family = AF_INET, .port = ntohs(in.sin_port), .size = sizeof(in.sin_addr)};
        memcpy(ret_address->octets, &in.sin_addr, sizeof(in.sin_addr));
    } else if (family == AF_INET6) {
        if (left < sizeof(in6))
            return -EBADMSG;
        memcpy(&in6, place, sizeof(in6));
        *ret_address = (struct kith_cmsg_address){
            .family = AF_INET6, .port = ntohs(in6.sin6_port), .scope = in6.sin6_scope_id, .size = sizeof(in6.sin6_addr)};
        memcpy(ret_address->octets, &in6.sin6_addr, sizeof(in6.sin6_addr));
    }
    return 0;
}

int kith_cmsg_decode_address(struct kith_cmsg *cmsg) {
    return kith_cmsg_read_address(cmsg, 0, &cmsg->value.address);
}

int kith_cmsg_decode_path_mtu(struct kith_cmsg *cmsg) {
    memcpy(&cmsg->value.path_mtu.mtu, (const uint8_t *)cmsg->data + offsetof(struct ip6_mtuinfo, ip6m_mtu), sizeof(uint32_t));
    return kith_cmsg_read_address(cmsg, 0, &cmsg->value.path_mtu.destination);
}

void kith_cmsg_put_address(const struct kith_cmsg_address *address, struct kith_text *text) {
    char printed[INET6_ADDRSTRLEN];

    if (address->family != AF_INET && address->family != AF_INET6) {
        kith_text_puts(text, "-");
        return;
    }
    (void)inet_ntop(address->family, address->octets, printed, sizeof(printed));
    kith_text_puts(text, printed);
    if (address->scope != 0)
        kith_text_printf(text, "%%%u", address->scope);
}

void kith_cmsg_format_address(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_puts(text, " address=");
    kith_cmsg_put_address(&cmsg->value.address, text);
    kith_text_printf(text, " port=%u", cmsg->value.address.port);
}

void kith_cmsg_format_path_mtu(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_puts(text, " destination=");
    kith_cmsg_put_address(&cmsg->value.path_mtu.destination, text);
    kith_text_printf(text, " mtu=%u", cmsg->value.path_mtu.mtu);
}
