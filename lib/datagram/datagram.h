/*
 * datagram/datagram.h: UDP sockets on a loop: IPv4 and IPv6, one peer or a multicast group, with all that the kernel says of each datagram.
 *
 * A socket either is bound and receives, or is connected and sends (what its peer sends back is received too). Its endpoint is written as
 * ZeroMQ users write it:
 *
 *     udp://HOST:PORT              an address, or a multicast group on the interface that the kernel chooses; bind: * for all addresses,
 *                                  * or 0 for any free port
 *     udp://INTERFACE:PORT         bind: the address of that interface
 *     udp://INTERFACE;GROUP:PORT   a group on that interface, given by name or by an address that it has
 *
 * IPv6 addresses stand in brackets, link-local ones may have a zone ([fe80::1%eth0]).
 *
 * - Receiving is recvmmsg(2) in batches, so many a turn that other descriptors get theirs. A batch is delivered whole:
 * kith_datagram_pause() in a callback holds for what comes after it.
 * - A socket bound to a group gets what was sent to that group and came in at the interface, whatever other sockets of this host joined
 *   (IP_MULTICAST_ALL is off), and shares group and port with them (SO_REUSEADDR). A unicast port is shared with nobody.
 * - Sending copies into a queue that goes out with sendmmsg(2) when the callbacks of this step have run. A datagram is sent whole or not
 *   at all; nothing says that it arrived. What ICMP reports (-ECONNREFUSED) is told with the next one that is sent, which is not lost by
 * it.
 * - Freeing is allowed in any callback; with the loop freed first a socket is inert and must still be freed.
 */
#ifndef KITH_DATAGRAM_DATAGRAM_H
#define KITH_DATAGRAM_DATAGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <kith/error.h>
#include <kith/loop.h>
#include <kith/origin.h>
#include <kith/stream.h>

/* An interface's name, or an IPv6 address with a zone. */
#define KITH_DATAGRAM_INTERFACE_MAX 64
/* Payload of the largest datagram of IPv4: 65535 octets less both headers. IPv6 takes 20 more, which nobody should count on. */
#define KITH_DATAGRAM_MAX 65507

struct kith_datagram_endpoint {
    struct kith_address address;                 /* with an interface and no group: any address */
    char interface[KITH_DATAGRAM_INTERFACE_MAX]; /* as written; "": none */
};

/* No I/O, but that a zone's interface must exist. Errors: -EINVAL, with text. */
int kith_datagram_endpoint_parse(const char *text, bool listening, struct kith_datagram_endpoint *ret_endpoint,
                                 struct kith_error *ret_error);
/* "udp://eth0;239.1.1.1:5555", as snprintf(3). */
int kith_datagram_endpoint_format(const struct kith_datagram_endpoint *endpoint, char *text, size_t size);
bool kith_address_is_multicast(const struct kith_address *address);

typedef struct kith_datagram kith_datagram;

/* One datagram received. Lent. */
struct kith_packet {
    const uint8_t *data;
    size_t size;
    bool truncated;                  /* it was longer than KITH_DATAGRAM_MAX */
    struct kith_address sender;      /* IPv4 on an IPv6 socket: as IPv4 */
    struct kith_address destination; /* size 0: the kernel did not say */
    unsigned interface;              /* index; 0: the kernel did not say */
    /* The same as texts (kith_address_format()); "": not known, or gone by now. */
    const char *sender_text, *destination_text, *interface_name;
    int ttl, tos;     /* -1: the kernel did not say */
    uint64_t time_ns; /* of receipt, CLOCK_REALTIME; 0: the kernel did not say */
};

struct kith_datagram_ops {
    /* Required. */
    void (*received)(kith_datagram *datagram, const struct kith_packet *packet, void *userdata);
    /* There is room again after kith_datagram_send() had said -EAGAIN. */
    void (*writable)(kith_datagram *datagram, void *userdata);
    /* After kith_datagram_drain(): all that was queued is with the kernel. */
    void (*drained)(kith_datagram *datagram, void *userdata);
    /* What an earlier datagram met (ICMP: -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH), `lost` 0; or `lost` datagrams could not be sent
     * (-EMSGSIZE: longer than the interface takes and not to be fragmented; -ENETUNREACH: no route; -EPERM: a firewall's rule). The
     * socket goes on. */
    void (*failed)(kith_datagram *datagram, int error, unsigned lost, void *userdata);
    /* The kernel dropped `count` datagrams since the last time, because the receive buffer was full. */
    void (*dropped)(kith_datagram *datagram, uint32_t count, void *userdata);
};

struct kith_datagram_options {
    int multicast_hops;     /* TTL or hop limit of what is sent to groups, 0 (this host) to 255; -1: the system's, 1 */
    int hops;               /* of what is sent to others, 1 to 255; 0: the system's */
    bool no_multicast_loop; /* what is sent to a group does not come to this host's own members */
    int tos;                /* type of service, traffic class of what is sent, 0 to 255 */
    int priority;           /* SO_PRIORITY; 0: the system's */
    int send_buffer;        /* SO_SNDBUF, SO_RCVBUF; 0: the system's */
    int receive_buffer;
    const char *device; /* SO_BINDTODEVICE; NULL: none */
    bool ipv6_only;     /* [::] takes no IPv4 */
};

/* Binds to the endpoint, joins its group. Errors: those of socket(2), bind(2) and of the options, -ENODEV (no such interface), -EADDRINUSE,
 * -ENOMEM, -ECHILD, -ESHUTDOWN (the loop is gone); with text. */
int kith_datagram_new_bound(kith_loop *loop, const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options,
                            const struct kith_datagram_ops *ops, void *userdata, kith_datagram **ret_datagram,
                            struct kith_error *ret_error);
/* Connects to the endpoint, which asks nobody: it is where datagrams go. Errors: the same, -ENETUNREACH (no route). */
int kith_datagram_new_connected(kith_loop *loop, const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options,
                                const struct kith_datagram_ops *ops, void *userdata, kith_datagram **ret_datagram,
                                struct kith_error *ret_error);
/* What is queued is lost, no callback follows. NULL is allowed. Always NULL. */
kith_datagram *kith_datagram_free(kith_datagram *datagram);

/* The endpoint, with the port that the kernel chose and the interface as it was written. */
const struct kith_datagram_endpoint *kith_datagram_endpoint(const kith_datagram *datagram);
/* Its own address. Errors: those of getsockname(2). */
int kith_datagram_address(const kith_datagram *datagram, struct kith_address *ret_address);
int kith_datagram_fd(const kith_datagram *datagram);

/* Queues one datagram, a copy of the parts in order; connected sockets only. Errors: -EMSGSIZE (above KITH_DATAGRAM_MAX), -EAGAIN (the
 * queue is full: `writable` comes), -EDESTADDRREQ (bound), -EPIPE (draining), -ENOMEM, -ESHUTDOWN (the loop is gone). */
int kith_datagram_send(kith_datagram *datagram, const struct iovec *parts, size_t count);
/* Sends what is queued now, as far as the kernel takes it. No callback runs inside. */
void kith_datagram_flush(kith_datagram *datagram);
/* Sends what is queued, then calls `drained`, from the loop; nothing more can be sent (-EPIPE). */
void kith_datagram_drain(kith_datagram *datagram);
/* Datagrams queued. */
size_t kith_datagram_queued(const kith_datagram *datagram);

/* Backpressure: what comes while paused waits in the kernel's buffer, and is dropped when that is full. */
void kith_datagram_pause(kith_datagram *datagram);
void kith_datagram_resume(kith_datagram *datagram);

/* Who sent it, as far as the kernel knows: sender's address, destination, interface, TTL, TOS, time, each with the witness KERNEL_MESSAGE.
 * That an address is the kernel's word means that the datagram had it, not that the owner of the address sent it. Errors: -ENOMEM. */
int kith_packet_origin(const struct kith_packet *packet, kith_origin **ret_origin);

#endif
