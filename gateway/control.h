/*
 * gateway/control.h: the gateway's control socket: what it counts, who its peers are, ending one, and watching what happens.
 *
 * A ROUTER that is asked by a REQ, or a DEALER that sends the empty frame: one frame, a JSON object (or the bare word of "op").
 *     {"op":"status"}                               -> as gateway/status.h
 *     {"op":"peers"}                                -> {"peers":[...], "omitted":0}       of all sockets, as gateway/event-json.h
 *     {"op":"kick","peer":"service/echo#12","reason":"..."} -> {"kicked":"service/echo#12"}
 *     {"op":"monitor"}                              -> {"monitoring":true}, then each event of any other socket, until the asker goes
 * What cannot be done: {"error":"ENOENT","text":"..."}.
 *
 * It is under policy: who may use it may end anybody's connection and sees who talks to whom. Bounds: requests have 64 KiB at most, there
 * are at most GATEWAY_CONTROL_PEERS connections and as many who monitor (behind proxies a connection may be of several; -EUSERS), an answer
 * names GATEWAY_CONTROL_LIST peers at most. Whoever monitors and does not keep up, loses lines, and so do all beyond GATEWAY_CONTROL_RATE
 * events a second: {"event":"lost","count":812} says how many, before the next line and within a second. The gateway never waits for them.
 */
#ifndef KITH_GATEWAY_CONTROL_H
#define KITH_GATEWAY_CONTROL_H

#include <kith/loop.h>

#include "gateway/config.h"
#include "gateway/log.h"
#include "gateway/visit.h"

#define GATEWAY_CONTROL_PEERS 64
#define GATEWAY_CONTROL_LIST 1000
#define GATEWAY_CONTROL_RATE 2000

struct gateway_control;

/* What the control socket is of. */
struct gateway_control_host {
    int (*status)(void *userdata, char **ret_json); /* as gateway_status_json() */
    /* Visits every socket but the control socket itself. */
    int (*visit)(void *userdata, gateway_visit_fn fn, void *fn_userdata);
    void *userdata;
};

/* config (listening somewhere), log and host's userdata must outlive it. Errors: those of kith_socket_bind() and of setting options, with
 * text. */
int gateway_control_new(kith_loop *loop, struct gateway_log *log, const struct gateway_control_config *config,
                        const struct gateway_control_host *host, struct gateway_control **ret_control, struct kith_error *ret_error);
/* NULL is allowed. Always NULL. */
struct gateway_control *gateway_control_free(struct gateway_control *control);
/* Takes over the policy. False: the rest differs, which needs a restart. */
bool gateway_control_reload(struct gateway_control *control, const struct gateway_control_config *config);
/* An event of a socket of the gateway. */
void gateway_control_tell(struct gateway_control *control, kith_socket *socket, const struct kith_event *event);

KITH_DEFINE_CLEANUP(struct gateway_control *, gateway_control_free)

#endif
