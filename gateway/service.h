/*
 * gateway/service.h: one service of the gateway: a ROUTER towards clients, DEALERs towards workers, and the requests between them.
 *
 *     client REQ, DEALER --> [front ROUTER] --> requests --> [lane DEALER] --> worker REP, DEALER
 *
 * There are at most two lanes: workers that get requests as they are, and workers that get the client's origin as JSON in a frame before
 * them. Requests go round robin over all ready workers of both. What a worker gets is [request id, empty frame, (origin,) body...] and what
 * it must send back is [request id, empty frame, reply...], which a REP worker does by itself. Frame 0 of the body on the lane with origin
 * is always the gateway's: the client's own frames come after it, whatever they look like.
 */
#ifndef KITH_GATEWAY_SERVICE_H
#define KITH_GATEWAY_SERVICE_H

#include <stdbool.h>

#include <kith/loop.h>

#include "gateway/config.h"
#include "gateway/log.h"
#include "gateway/visit.h"

struct gateway_service;

/* Binds all endpoints of the service; `config` and `log` must outlive it. Errors: those of kith_socket_bind() and of setting options, with
 * text. */
int gateway_service_new(kith_loop *loop, struct gateway_log *log, const struct gateway_service_config *config,
                        struct gateway_service **ret_service, struct kith_error *ret_error);
/* Closes at once. NULL is allowed. Always NULL. */
struct gateway_service *gateway_service_free(struct gateway_service *service);

const char *gateway_service_name(const struct gateway_service *service);

int gateway_service_visit(struct gateway_service *service, gateway_visit_fn fn, void *userdata);

/* Called after each change that gateway_service_busy() or the counts below may show. */
void gateway_service_set_changed(struct gateway_service *service, void (*fn)(void *userdata), void *userdata);

/* What the service of builtin = "status" answers with: JSON, to free(). */
void gateway_service_set_status(struct gateway_service *service, int (*fn)(void *userdata, char **ret_json), void *userdata);

/* Takes over what can change while it runs: policies, limits, the request's timeout. False when the rest differs from what the service
 * was made with, or it is to have no policy any more: that needs a restart. */
bool gateway_service_reload(struct gateway_service *service, const struct gateway_service_config *config);

/* From now on clients are not read from; requests that were taken go on. */
void gateway_service_stop(struct gateway_service *service);
/* Are there requests that may still be answered: not yet answered, while a worker is there? */
bool gateway_service_busy(const struct gateway_service *service);
/* Drives the loop until replies are with the kernel, at most timeout_ms. Not inside a callback. */
void gateway_service_drain(struct gateway_service *service, int timeout_ms);

struct gateway_service_counts {
    size_t clients, workers, waiting, in_flight;
    uint64_t requests, replies, dropped;
};

void gateway_service_counts(const struct gateway_service *service, struct gateway_service_counts *ret_counts);

KITH_DEFINE_CLEANUP(struct gateway_service *, gateway_service_free)

#endif
