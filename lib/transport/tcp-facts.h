/* transport/tcp-facts.h: interface, TTL and type of service of an accepted TCP connection. */
#ifndef KITH_TRANSPORT_TCP_FACTS_H
#define KITH_TRANSPORT_TCP_FACTS_H

#include "origin/internal.h"

/* Sets interface, ttl and tos, whose values say unknown before; the addresses are there. Five system calls (IPv6: eight). */
void kith_tcp_facts(int fd, struct kith_tcp_connection *connection);

#endif
