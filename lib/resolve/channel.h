/*
 * resolve/channel.h: c-ares on the loop: its sockets are watched, its timeouts are a timer.
 *
 * c-ares must not be torn down inside its own callbacks. So the outcome is only recorded there, and told by whoever had called into
 * c-ares, when it has returned: kith_resolve is the one user, and asks `outcome` then.
 *
 * A channel a request: c-ares can cancel all that a channel has or nothing, and each new channel sees the resolv.conf(5) of today.
 */
#ifndef KITH_RESOLVE_CHANNEL_H
#define KITH_RESOLVE_CHANNEL_H

#include <ares.h>
#include <stdbool.h>

#include <kith/resolve.h>

#include "base/list.h"

struct kith_channel {
    kith_loop *loop;
    ares_channel ares;        /* NULL: closed */
    struct kith_list sockets; /* those that c-ares wants watched */
    int failure;              /* negative errno: a socket could not be watched; 0: none */
    /* c-ares has been called because a socket was ready: look what came of it. */
    void (*progressed)(struct kith_channel *channel);
};

void kith_channel_init(struct kith_channel *channel, kith_loop *loop, void (*progressed)(struct kith_channel *channel));
/* servers: see struct kith_resolve_options. Errors: -EINVAL (servers), -ENOMEM, -EIO (c-ares cannot start). */
int kith_channel_open(struct kith_channel *channel, const char *servers);
/* Ends all questions, whose callbacks are told so, and closes all sockets; not inside a callback of c-ares. */
void kith_channel_close(struct kith_channel *channel);
/* Milliseconds until c-ares has something to do even if no socket is ready; at most `limit`. */
uint64_t kith_channel_timeout(struct kith_channel *channel, uint64_t limit);
/* That time has passed. */
void kith_channel_timed_out(struct kith_channel *channel);

#endif
