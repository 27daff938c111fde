/*
 * stream/net.h: the kernel's options of a socket, by one table.
 */
#ifndef KITH_STREAM_NET_H
#define KITH_STREAM_NET_H

#include <kith/stream.h>

/* Which moment of a socket's life it is. */
enum kith_net_moment {
    KITH_NET_FRESH,    /* it is neither bound nor connected */
    KITH_NET_ACCEPTED, /* its listener had these options: what the kernel hands down is not set again */
};

/* Sets what `options` (NULL: nothing) say and the family knows. Errors: -EINVAL (no value for that option), -EPERM (with the capability
 * that is missing), -ENODEV (no such interface), those of setsockopt(2), with text. */
int kith_net_apply(int fd, int family, const struct kith_net_options *options, enum kith_net_moment moment, struct kith_error *ret_error);

/* Would they be taken? Tries them on a socket of the family, which is closed again. Errors: as above, those of socket(2). */
int kith_net_check(int family, const struct kith_net_options *options, struct kith_error *ret_error);

#endif
