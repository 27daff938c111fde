/*
 * origin/tcp-peer.h: who is at the other end of a TCP connection, as far as this host knows.
 *
 * What the kernel had to say when the connection was made is here from the beginning. The rest is looked up when somebody asks, once: the
 * owner of the peer's socket, when that is in this network namespace, and the process that has a descriptor of it.
 */
#ifndef KITH_ORIGIN_TCP_PEER_H
#define KITH_ORIGIN_TCP_PEER_H

#include "origin/process.h"

/* KITH_FACT_UID, TTL, TOS: true when known. Looks up unless `at_hand`. */
bool kith_tcp_peer_number(struct kith_tcp_peer *peer, enum kith_fact fact, bool at_hand, uint64_t *ret_number);
/* The name of the interface. */
bool kith_tcp_peer_interface(struct kith_tcp_peer *peer, const char **ret_name);
/* The process that holds the peer's socket, or NULL. Inferred, and yet no other: while its pidfd lives it has its number. */
struct kith_process *kith_tcp_peer_process(struct kith_tcp_peer *peer, bool at_hand);

#endif
