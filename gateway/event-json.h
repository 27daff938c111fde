/*
 * gateway/event-json.h: an event as one JSON object, for the audit and for those who monitor; and a peer.
 *
 *     {"time":"2026-11-29T15:05:21.123456Z","where":"service echo","event":"denied-send","verb":"send","rule":"no pings",
 *      "topic":"news","peer":12,"endpoint":"ipc:///run/x.sock","count":1,"error":"EACCES","text":"...","origin":{...}}
 *
 * What is not there is left out; "peer" is the number of the connection.
 */
#ifndef KITH_GATEWAY_EVENT_JSON_H
#define KITH_GATEWAY_EVENT_JSON_H

#include <jansson.h>

#include <kith/event.h>
#include <kith/peer.h>

/* RFC 3339, UTC, now. */
void gateway_format_time(char text[static 32]);
/* NULL: no memory. */
json_t *gateway_event_json(const char *where, const struct kith_event *event);
/* The origin as an object of its own; NULL: no memory. */
json_t *gateway_origin_object(kith_origin *origin);
/* {"peer":"service/echo#12","socket":..,"state":..,"type":..,"accepted":..,"endpoint":..,"transport":..,"mechanism":..,"routing_id":..,
 *  "age_ms":..,"heard_ms":..,"counters":{...},"origin":{...}}; now: CLOCK_MONOTONIC nanoseconds. NULL: no memory. */
json_t *gateway_peer_json(const char *where, const struct kith_peer_info *info, uint64_t now);

#endif
