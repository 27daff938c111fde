/* flow/decode/events.h: pages of all processors -> one row of events, in the order of time. */
#ifndef KITH_FLOW_EVENTS_H
#define KITH_FLOW_EVENTS_H

#include "base/heap.h"
#include "flow/decode/page.h"
#include "flow/recording/recording.h"

/* One processor: its pages lie in the recording in their order. */
struct flow_stream {
    struct kith_heap_node node;
    uint16_t cpu;
    uint32_t next_page; /* index of a section; FLOW_NONE: none */
    struct flow_page page;
    struct flow_raw_event event; /* the next one, at `time` */
    uint64_t time;               /* never goes back */
    bool lost;                   /* events were lost in front of it, */
    uint64_t lost_count;         /* so many, where it is known */
};

struct flow_events {
    const struct flow_recording *recording;
    struct flow_page_layout layout;
    struct flow_stream *streams;
    size_t stream_count;
    uint32_t *following; /* a section -> the next page of the same processor */
    struct kith_heap heap;
    uint64_t broken_pages;
};

struct flow_event {
    const uint8_t *data;
    uint32_t size;
    uint16_t cpu;
    uint64_t time;
    bool lost; /* in front of it, on this processor */
    uint64_t lost_count;
};

/* Errors: -EBADMSG, -ENOMEM, with text. */
int flow_events_init(struct flow_events *events, const struct flow_recording *recording, const struct flow_page_layout *layout,
                     struct kith_error *ret_error);
bool flow_events_next(struct flow_events *events, struct flow_event *ret_event);
void flow_events_deinit(struct flow_events *events);

#endif
