/*
 * transport/transport.h: endpoints, and what differs between transports. One table; a transport is a row and a file.
 *
 * All stream transports share kith/stream.h, inproc stands on inproc/, UDP on datagram/; a transport says how its endpoint text becomes an
 * address or a name and back, and what the kernel says of a peer.
 */
#ifndef KITH_TRANSPORT_TRANSPORT_H
#define KITH_TRANSPORT_TRANSPORT_H

#include <stdbool.h>

#include <kith/error.h>
#include <kith/stream.h>

#include "datagram/datagram.h"
#include "inproc/pipe.h"
#include "origin/internal.h"

/* "ipc://" + 107 octets each as \xNN; "tcp://", a name of 255 octets and a port are shorter. */
#define KITH_ENDPOINT_MAX 512
#define KITH_ENDPOINT_NAME_MAX 255

struct kith_transport;

struct kith_endpoint {
    const struct kith_transport *transport;
    struct kith_address address; /* none while there is a name */
    /* What must be looked up before there is an address: a host to connect to, an interface to listen at; an inproc name, a
     * channel, or the interface of a datagram endpoint, with its address; else "". */
    char name[KITH_ENDPOINT_NAME_MAX + 1];
    unsigned port; /* with a name */
};

struct kith_transport {
    const char *scheme; /* "ipc" */
    bool identity;      /* the kernel names the writer of each batch */
    bool inproc;        /* no connections: pipes within this process */
    bool datagrams;     /* no connections: datagrams */
    bool kernel;        /* no connections: a channel of a kernel module */
    /* The whole text -> all of *ret_endpoint but the transport; asks nobody. Errors: -EINVAL, -ENAMETOOLONG, with text. */
    int (*parse)(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error);
    /* The text of an endpoint; as snprintf(3). */
    int (*format)(const struct kith_endpoint *endpoint, char *text, size_t size);
    /* Listening: turns a name into an address as of now. NULL: it has no names to listen at. Errors: with text. */
    int (*locate)(struct kith_endpoint *endpoint, struct kith_error *ret_error);
    /* Socket options for a socket that has connected; an accepted one has them from its listener (TCP_NODELAY). May be NULL. */
    void (*tune)(int fd);
    /* What the kernel says of the peer as a whole, with witness KERNEL_CONNECT: process (NULL when none) and origin. NULL: it is
     * not asked. */
    int (*peer)(kith_conn *conn, struct kith_process **ret_process, kith_origin **ret_origin);
};

/* Parses "scheme://rest". Errors: -EINVAL, -EPROTONOSUPPORT (the error lists the schemes there are), -ENAMETOOLONG. */
int kith_endpoint_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error);
/* Listening: sees to it that there is an address. Errors: those of the transport, with text. */
int kith_endpoint_locate(struct kith_endpoint *endpoint, struct kith_error *ret_error);

/* kith_transport.parse of those whose endpoints are addresses (kith_address_parse()). */
int kith_endpoint_parse_address(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error);
/* kith_transport.peer of those of whom the kernel knows an address and no process; *ret_address may be NULL. */
int kith_endpoint_peer_address(kith_conn *conn, kith_origin **ret_origin, struct kith_address *ret_address);

extern const struct kith_transport kith_transport_unix;
extern const struct kith_transport kith_transport_tcp;
extern const struct kith_transport kith_transport_inproc;
extern const struct kith_transport kith_transport_vsock;
extern const struct kith_transport kith_transport_udp;
extern const struct kith_transport kith_transport_kernel;

#endif
