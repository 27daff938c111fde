/*
 * cmsg/internet.c: what the control messages of IPv4 and IPv6 share: how a datagram's way and marks are decoded and shown.
 *
 * The kernel says a number below 256 in an int, but IP_TOS, which it has brought in one octet since ever (ip_cmsg_recv_tos()). A sender may
 * give either. So a message of four octets or more is an int, a shorter one an octet.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cmsg/internal.h"

static int decode_octet(const struct kith_cmsg *cmsg, unsigned *ret_number) {
    int number;

    if (cmsg->size < sizeof(number)) {
        *ret_number = *(const uint8_t *)cmsg->data;
        return 0;
    }
    memcpy(&number, cmsg->data, sizeof(number));
    if (number < 0 || number > UINT8_MAX)
        return -EBADMSG;
    *ret_number = (unsigned)number;
    return 0;
}

int kith_cmsg_decode_hops(struct kith_cmsg *cmsg) {
    unsigned hops = 0;
    int r = decode_octet(cmsg, &hops);

    cmsg->value.hops = (int)hops;
    return r;
}

int kith_cmsg_decode_traffic(struct kith_cmsg *cmsg) {
    return decode_octet(cmsg, &cmsg->value.traffic);
}

void kith_cmsg_format_packet(const struct kith_cmsg *cmsg, struct kith_text *text) {
    char address[INET6_ADDRSTRLEN];

    (void)inet_ntop(cmsg->value.packet.size == 4 ? AF_INET : AF_INET6, cmsg->value.packet.destination, address, sizeof(address));
    kith_text_printf(text, " interface=%u destination=%s", cmsg->value.packet.interface, address);
}

void kith_cmsg_format_hops(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_printf(text, " hops=%d", cmsg->value.hops);
}

void kith_cmsg_format_traffic(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_printf(text, " class=0x%02x", cmsg->value.traffic);
}
