/*
 * flow/decode/format.h: format files of events (EVNT): which field lies where.
 *
 * Only integers are of interest, and files come from anybody: so these lines are read here, strictly, and not by libtraceevent, whose
 * parser builds a tree of the print format as well. A test holds both against each other.
 */
#ifndef KITH_FLOW_FORMAT_H
#define KITH_FLOW_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#include "flow/decode/lines.h"

enum flow_event_kind {
    FLOW_EVENT_OTHER,
    FLOW_EVENT_ENTRY,
    FLOW_EVENT_EXIT,
    FLOW_EVENT_STATE,
    FLOW_EVENT_PACKET,
    FLOW_EVENT_SENT,
    FLOW_EVENT_ANSWER,
    FLOW_EVENT_DATAGRAM,
    FLOW_EVENT_DATAGRAM_SENT,
    FLOW_EVENT_LINK,
    FLOW_EVENT_ACCEPT,
    FLOW_EVENT_SOCKET,
};

enum flow_field_name {
    FLOW_FIELD_PID,
    FLOW_FIELD_FUNC,
    FLOW_FIELD_DEPTH,
    FLOW_FIELD_PROBE_IP,
    FLOW_FIELD_SK,
    FLOW_FIELD_CHILD,
    FLOW_FIELD_OWN,
    FLOW_FIELD_OLD,
    FLOW_FIELD_NEW,
    FLOW_FIELD_FAMILY,
    FLOW_FIELD_SPORT,
    FLOW_FIELD_DPORT,
    FLOW_FIELD_SADDR,
    FLOW_FIELD_DADDR,
    FLOW_FIELD_S6A,
    FLOW_FIELD_S6B,
    FLOW_FIELD_D6A,
    FLOW_FIELD_D6B,
    FLOW_FIELD_SEQ,
    FLOW_FIELD_END,
    FLOW_FIELD_FLAGS,
    FLOW_FIELD_OCTETS,
    FLOW_FIELD_HEAD,
    FLOW_FIELD_REST,
    FLOW_FIELDS_
};

struct flow_field {
    uint16_t offset;
    uint8_t size; /* 1, 2, 4, 8; 0: the event has none */
};

struct flow_format {
    enum flow_event_kind kind;
    uint16_t id;
    uint32_t size; /* an event has at least so many octets */
    struct flow_field fields[FLOW_FIELDS_];
};

/* Errors, with text: -EBADMSG. */
int flow_format_parse(struct flow_span text, struct flow_format *ret_format, struct kith_error *ret_error);

/* Little-endian, zero-extended; 0 when there is none. `event` has at least format->size octets. */
uint64_t flow_format_get(const struct flow_format *format, const uint8_t *event, enum flow_field_name name);

/* "field:TYPE NAME[N];\toffset:N;\tsize:N;..." -> name, offset, size. */
bool flow_format_field(struct flow_span line, struct flow_span *ret_name, uint64_t *ret_offset, uint64_t *ret_size);

#endif
