/*
 * stream/endpoint.h: the parts of an address text, for those who look names up themselves.
 */
#ifndef KITH_STREAM_ENDPOINT_H
#define KITH_STREAM_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/stream.h>

/* A name of DNS, or an address with its zone, and a NUL. */
#define KITH_HOST_SIZE 256

struct kith_host_port {
    char host[KITH_HOST_SIZE]; /* without brackets; "*" only for listening */
    uint32_t port;             /* 0: any, only for listening */
};

/* "tcp://HOST:PORT", "tcp://[HOST]:PORT"; what the host is, is not asked. Errors: -EINVAL, with text. */
int kith_host_port_parse(const char *endpoint, bool listening, struct kith_host_port *ret_place, struct kith_error *ret_error);

#endif
