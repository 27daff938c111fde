/*
 * stream/interface.h: the address of a network interface, for "tcp://eth0:5555".
 */
#ifndef KITH_STREAM_INTERFACE_H
#define KITH_STREAM_INTERFACE_H

#include <stdbool.h>

#include <kith/stream.h>

/* Could this be an interface in an endpoint? Asks nobody. */
bool kith_interface_name_valid(const char *name);
/* The address that the interface has now, for a socket to be bound to: its first IPv4 one, else a global IPv6 one, else a link-local one
 * with its zone; the port in *address stays. Errors: -ENODEV (no such interface), -EADDRNOTAVAIL (it has no address), those of
 * getifaddrs(3). */
int kith_interface_address(const char *name, struct kith_address *address);
/* The same with a port and text; `endpoint` is for the text. */
int kith_interface_listen_address(const char *endpoint, const char *name, unsigned port, struct kith_address *ret_address,
                                  struct kith_error *ret_error);

#endif
