/*
 * transport/transport.h: endpoints, and what differs between transports. One table; a transport is a row and a file.
 *
 * All stream transports share kith/stream.h; a transport says how its endpoint text becomes an address and back and what the kernel says of
 * a peer.
 */
#ifndef KITH_TRANSPORT_TRANSPORT_H
#define KITH_TRANSPORT_TRANSPORT_H

#include <stdbool.h>

#include <kith/error.h>
#include <kith/stream.h>

#include "origin/internal.h"

/* "ipc://" + 107 octets each as \xNN, tcp shorter. */
#define KITH_ENDPOINT_MAX 512

struct kith_transport {
    const char *scheme; /* "ipc" */
    bool identity;      /* the kernel names the writer of each batch */
    /* The whole endpoint -> address. Errors: -EINVAL, -ENAMETOOLONG, with text. */
    int (*parse)(const char *endpoint, bool listening, struct kith_address *ret_address, struct kith_error *ret_error);
    /* The endpoint text of an address; as snprintf(3). */
    int (*format)(const struct kith_address *address, char *text, size_t size);
    /* Socket options for a socket that has connected; an accepted one has them from its listener (TCP_NODELAY). May be NULL. */
    void (*tune)(int fd);
    /* What the kernel says of the peer as a whole, with witness KERNEL_CONNECT: process (NULL when none) and origin. */
    int (*peer)(kith_conn *conn, struct kith_process **ret_process, kith_origin **ret_origin);
};

struct kith_endpoint {
    const struct kith_transport *transport;
    struct kith_address address;
};

/* Parses "scheme://rest". Errors: -EINVAL, -EPROTONOSUPPORT (the error lists the schemes there are), -ENAMETOOLONG. */
int kith_endpoint_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error);

extern const struct kith_transport kith_transport_unix;
extern const struct kith_transport kith_transport_tcp;

#endif
