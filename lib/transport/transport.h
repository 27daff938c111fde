/*
 * transport/transport.h: endpoints, and what differs between transports. One table; a transport is a row and a file.
 *
 * All stream transports share kith/stream.h, UDP stands on datagram/; a transport says how its endpoint text becomes an address and back
 * and what the kernel says of a peer.
 */
#ifndef KITH_TRANSPORT_TRANSPORT_H
#define KITH_TRANSPORT_TRANSPORT_H

#include <stdbool.h>

#include <kith/error.h>
#include <kith/stream.h>

#include "datagram/datagram.h"
#include "origin/internal.h"

/* "ipc://" + 107 octets each as \xNN, tcp shorter. */
#define KITH_ENDPOINT_MAX 512

struct kith_transport;

struct kith_endpoint {
    const struct kith_transport *transport;
    struct kith_address address;
    char interface[KITH_DATAGRAM_INTERFACE_MAX]; /* udp: as written; else "" */
};

struct kith_transport {
    const char *scheme; /* "ipc" */
    bool identity;      /* the kernel names the writer of each batch */
    bool datagrams;     /* no stream connections: kith_datagram, and nobody is known before he sends */
    /* The whole endpoint -> all of *ret_endpoint but the transport. Errors: -EINVAL, -ENAMETOOLONG, with text. */
    int (*parse)(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error);
    /* The text of an endpoint; as snprintf(3). */
    int (*format)(const struct kith_endpoint *endpoint, char *text, size_t size);
    /* Socket options for a socket that has connected; an accepted one has them from its listener (TCP_NODELAY). May be NULL. */
    void (*tune)(int fd);
    /* What the kernel says of the peer as a whole, with witness KERNEL_CONNECT: process (NULL when none) and origin. NULL: nothing. */
    int (*peer)(kith_conn *conn, struct kith_process **ret_process, kith_origin **ret_origin);
};

/* Parses "scheme://rest". Errors: -EINVAL, -EPROTONOSUPPORT (the error lists the schemes there are), -ENAMETOOLONG. */
int kith_endpoint_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error);

/* kith_transport.parse of those whose endpoints are addresses (kith_address_parse()). */
int kith_endpoint_parse_address(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error);

extern const struct kith_transport kith_transport_unix;
extern const struct kith_transport kith_transport_tcp;
extern const struct kith_transport kith_transport_udp;

#endif
