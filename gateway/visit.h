/*
 * gateway/visit.h: the gateway's sockets, one by one, each with a name: "service/echo", "service/echo/workers", "proxy/weather/frontend",
 * "route/syn/0". A peer's name is that of the socket, a # and the number of its connection: no two peers that ever were have the same.
 */
#ifndef KITH_GATEWAY_VISIT_H
#define KITH_GATEWAY_VISIT_H

#include <kith/socket.h>

/* Longest name: a kind, a section's name of 64 octets, a part. */
#define GATEWAY_WHERE_MAX 128

/* A value other than 0 ends the visit and is returned. */
typedef int (*gateway_visit_fn)(const char *where, kith_socket *socket, void *userdata);

#endif
