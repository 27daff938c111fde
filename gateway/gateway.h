/*
 * gateway/gateway.h: the running gateway: services, proxies, routes, signals, readiness.
 *
 * SIGTERM and SIGINT stop it: requests that were taken are answered, and what was sent to targets is delivered, at most `drain`
 * milliseconds long; a second one ends it at once. SIGHUP reads the configuration again: a bad one changes nothing. Readiness, reloading,
 * stopping and a line of status are told to the service manager as sd_notify(3) says.
 */
#ifndef KITH_GATEWAY_GATEWAY_H
#define KITH_GATEWAY_GATEWAY_H

#include <kith/loop.h>

#include "gateway/config.h"
#include "gateway/log.h"

struct gateway;

/* Opens all services of `config`, or none. `path` is where SIGHUP finds the configuration again (NULL: it is the default one). On success
 * the gateway owns config; log and path must outlive it. Errors: those of gateway_service_new(), with text. */
int gateway_new(kith_loop *loop, struct gateway_log *log, struct gateway_config *config, const char *path, struct gateway **ret_gateway,
                struct kith_error *ret_error);
/* Serves until a signal stops it. Returns 0, or what ended the loop. */
int gateway_run(struct gateway *gateway);
/* NULL is allowed. Always NULL. */
struct gateway *gateway_free(struct gateway *gateway);

KITH_DEFINE_CLEANUP(struct gateway *, gateway_free)

#endif
