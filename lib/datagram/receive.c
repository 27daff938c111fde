/*
 * datagram/receive.c: batches of datagrams, each with what the kernel says of it.
 *
 * The buffers of a batch are as large as datagrams may be and lie in memory that is taken with the first receive: of it the kernel backs
 * what datagrams have touched, so small ones cost a page each. A turn receives at most two batches; the loop comes back when there is more.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <kith/cmsg.h>

#include "base/time.h"
#include "datagram/internal.h"

#define BATCHES_A_TURN 2
/* Room for the control messages of one datagram on an IPv6 socket: packet information, hops, class, time, drops, and as much again. */
#define CONTROL_SIZE 256

/* Texts are made once as long as they are of the same: within one turn, since interfaces are renamed. */
struct known_address {
    struct kith_address address;
    char text[96];
};

struct kith_datagram_inbox {
    struct known_address sender, destination;
    unsigned interface;
    char interface_name[IF_NAMESIZE];
    struct mmsghdr headers[KITH_DATAGRAM_BATCH];
    struct iovec parts[KITH_DATAGRAM_BATCH];
    struct sockaddr_storage senders[KITH_DATAGRAM_BATCH];
    _Alignas(struct cmsghdr) uint8_t control[KITH_DATAGRAM_BATCH][CONTROL_SIZE];
    uint8_t octets[KITH_DATAGRAM_BATCH][KITH_DATAGRAM_MAX + 1]; /* the last octet is never written: sizes stay even */
};

void kith_datagram_inbox_free(struct kith_datagram_inbox *inbox) {
    free(inbox);
}

static void inbox_prepare(struct kith_datagram_inbox *inbox) {
    for (size_t i = 0; i < KITH_DATAGRAM_BATCH; i++) {
        inbox->parts[i] = (struct iovec){.iov_base = inbox->octets[i], .iov_len = KITH_DATAGRAM_MAX};
        inbox->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &inbox->senders[i],
            .msg_namelen = sizeof(inbox->senders[i]),
            .msg_iov = &inbox->parts[i],
            .msg_iovlen = 1,
            .msg_control = inbox->control[i],
            .msg_controllen = sizeof(inbox->control[i]),
        };
    }
}

/* IPv4 on an IPv6 socket is shown as what it is. */
static void unmap(struct kith_address *address) {
    struct sockaddr_in6 in6;
    memcpy(&in6, &address->storage, sizeof(in6));
    if (in6.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = in6.sin6_port};
    memcpy(&in.sin_addr, &in6.sin6_addr.s6_addr[12], sizeof(in.sin_addr));
    *address = (struct kith_address){.size = sizeof(in)};
    memcpy(&address->storage, &in, sizeof(in));
}

static void take_destination(struct kith_packet *packet, const struct kith_cmsg *cmsg, in_port_t port) {
    struct kith_address *address = &packet->destination;
    packet->interface = cmsg->value.packet.interface;
    *address = (struct kith_address){.size = 0};
    if (cmsg->value.packet.size == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;
        in->sin_family = AF_INET;
        in->sin_port = port;
        memcpy(&in->sin_addr, cmsg->value.packet.destination, sizeof(in->sin_addr));
        address->size = sizeof(*in);
        return;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    memcpy(&in6->sin6_addr, cmsg->value.packet.destination, sizeof(in6->sin6_addr));
    if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&in6->sin6_addr))
        in6->sin6_scope_id = packet->interface;
    address->size = sizeof(*in6);
    unmap(address);
}

/* The counter of drops is the socket's, and says how many there were until this datagram was queued. */
static void read_control(const struct kith_datagram *datagram, const struct msghdr *header, struct kith_packet *packet, uint32_t *drops) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(header->msg_control, header->msg_controllen);
    struct kith_cmsg cmsg;
    while (kith_cmsg_next(&iter, &cmsg) > 0) {
        switch (cmsg.kind) {
        case KITH_CMSG_PACKET:
            take_destination(packet, &cmsg, datagram->port);
            break;
        case KITH_CMSG_HOPS:
            packet->ttl = cmsg.value.hops;
            break;
        case KITH_CMSG_TRAFFIC:
            packet->tos = (int)cmsg.value.traffic;
            break;
        case KITH_CMSG_TIMESTAMP:
            packet->time_ns = (uint64_t)cmsg.value.timestamp.tv_sec * KITH_NS_PER_S + (uint64_t)cmsg.value.timestamp.tv_nsec;
            break;
        case KITH_CMSG_DROPS:
            *drops = cmsg.value.drops;
            break;
        default:
            break;
        }
    }
}

static void forget_texts(struct kith_datagram_inbox *inbox) {
    inbox->sender.address.size = inbox->destination.address.size = 0;
    inbox->sender.text[0] = inbox->destination.text[0] = '\0';
    inbox->interface = 0;
    inbox->interface_name[0] = '\0';
}

static const char *address_text(struct known_address *known, const struct kith_address *address) {
    if (address->size == known->address.size && memcmp(&address->storage, &known->address.storage, address->size) == 0)
        return known->text;
    known->address = *address;
    if (address->size == 0 || kith_address_format(address, known->text, sizeof(known->text)) < 0)
        known->text[0] = '\0';
    return known->text;
}

static const char *interface_name(struct kith_datagram_inbox *inbox, unsigned interface) {
    if (interface != inbox->interface) {
        inbox->interface = interface;
        if (interface == 0 || !if_indextoname(interface, inbox->interface_name))
            inbox->interface_name[0] = '\0';
    }
    return inbox->interface_name;
}

static unsigned deliver(struct kith_datagram *datagram, const struct mmsghdr *entry) {
    const struct msghdr *header = &entry->msg_hdr;
    struct kith_packet packet = {.data = header->msg_iov->iov_base, .size = entry->msg_len, .ttl = -1, .tos = -1};
    uint32_t drops = datagram->drops;
    unsigned count = 0;
    packet.truncated = (header->msg_flags & MSG_TRUNC) != 0;
    packet.sender.size = header->msg_namelen;
    memcpy(&packet.sender.storage, header->msg_name, header->msg_namelen);
    unmap(&packet.sender);
    read_control(datagram, header, &packet, &drops);
    if (drops != datagram->drops && datagram->ops->dropped) {
        datagram->ops->dropped(datagram, drops - datagram->drops, datagram->userdata);
        count++;
    }
    datagram->drops = drops;
    /* A group that is joined on one interface is let in at others where another socket joined it (IPv6). */
    if (kith_datagram_over(datagram) || (datagram->interface != 0 && packet.interface != datagram->interface))
        return count;
    packet.sender_text = address_text(&datagram->inbox->sender, &packet.sender);
    packet.destination_text = address_text(&datagram->inbox->destination, &packet.destination);
    packet.interface_name = interface_name(datagram->inbox, packet.interface);
    datagram->ops->received(datagram, &packet, datagram->userdata);
    return count + 1;
}

unsigned kith_datagram_receive(struct kith_datagram *datagram) {
    unsigned callbacks = 0;
    if (!datagram->inbox)
        datagram->inbox = malloc(sizeof(*datagram->inbox));
    if (!datagram->inbox)
        return kith_datagram_tell_failed(datagram, -ENOMEM, 0);
    forget_texts(datagram->inbox);
    for (int i = 0; i < BATCHES_A_TURN && !kith_datagram_over(datagram) && !datagram->paused; i++) {
        struct kith_datagram_inbox *inbox = datagram->inbox;
        inbox_prepare(inbox);
        int count = recvmmsg(datagram->watch.fd, inbox->headers, KITH_DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            callbacks += kith_datagram_tell_failed(datagram, -errno, 0);
        for (int k = 0; k < count && !kith_datagram_over(datagram); k++)
            callbacks += deliver(datagram, &inbox->headers[k]);
        if (count < KITH_DATAGRAM_BATCH)
            break;
    }
    return callbacks;
}
