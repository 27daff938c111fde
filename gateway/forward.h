/*
 * gateway/forward.h: one proxy of the gateway: two sockets that kith_proxy joins, each with its endpoints and its policy.
 *
 *     publishers --> [XSUB] <--> [XPUB] --> subscribers
 *     producers  --> [PULL]  --> [PUSH] --> consumers
 *     clients    <-> [ROUTER] <-> [DEALER] <-> workers
 */
#ifndef KITH_GATEWAY_FORWARD_H
#define KITH_GATEWAY_FORWARD_H

#include <kith/proxy.h>

#include "gateway/config.h"
#include "gateway/log.h"
#include "gateway/visit.h"

struct gateway_forward;

/* Binds and connects all endpoints; `config` and `log` must outlive it. Errors: those of kith_socket_bind(), with text. */
int gateway_forward_new(kith_loop *loop, struct gateway_log *log, const struct gateway_forward_config *config,
                        struct gateway_forward **ret_forward, struct kith_error *ret_error);
/* The type of the socket on one side. */
enum kith_socket_type gateway_forward_type(enum gateway_forward_pattern pattern, enum gateway_side side);
/* Closes at once. NULL is allowed. Always NULL. */
struct gateway_forward *gateway_forward_free(struct gateway_forward *forward);
int gateway_forward_visit(struct gateway_forward *forward, gateway_visit_fn fn, void *userdata);
const char *gateway_forward_name(const struct gateway_forward *forward);
/* Takes over policies. False when the rest differs, or a policy is gone: that needs a restart. */
bool gateway_forward_reload(struct gateway_forward *forward, const struct gateway_forward_config *config);
/* Listens no more; who is connected goes on. */
void gateway_forward_stop(struct gateway_forward *forward);
/* Does a message wait for room on the other side? */
bool gateway_forward_busy(const struct gateway_forward *forward);
/* Hands nothing more on, and drives the loop until what was handed on is with the kernel, at most timeout_ms. Not inside a callback. */
void gateway_forward_drain(struct gateway_forward *forward, int timeout_ms);

struct gateway_forward_counts {
    size_t frontend_peers, backend_peers;
    struct kith_proxy_stats proxy;
};

void gateway_forward_counts(const struct gateway_forward *forward, struct gateway_forward_counts *ret_counts);

KITH_DEFINE_CLEANUP(struct gateway_forward *, gateway_forward_free)

#endif
