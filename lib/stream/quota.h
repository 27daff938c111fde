/*
 * stream/quota.h: how many connections each peer has, for a listener that limits them.
 *
 * A peer is a uid on AF_UNIX, a context id on AF_VSOCK, an address on TCP: an IPv4 address, or the first 64 bits of an IPv6 one, which is
 * what one host is given (RFC 6177). Without a limit nothing is looked up. An entry exists while its peer has a connection.
 */
#ifndef KITH_STREAM_QUOTA_H
#define KITH_STREAM_QUOTA_H

#include "base/map.h"

struct kith_quota {
    struct kith_map peers;
    unsigned limit; /* 0: none */
};

struct kith_quota_entry;

/* May the peer of this connected socket have one more? On success *ret_entry is counted and to be given back, NULL without a limit. Errors:
 * -EUSERS (the limit), -ENOMEM, those of getsockopt(2) and getpeername(2). */
int kith_quota_take(struct kith_quota *quota, int fd, int family, struct kith_quota_entry **ret_entry);
void kith_quota_give(struct kith_quota *quota, struct kith_quota_entry *entry);
void kith_quota_deinit(struct kith_quota *quota);

#endif
