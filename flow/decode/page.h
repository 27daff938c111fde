/*
 * flow/decode/page.h: events of a page of the kernel's ring buffer, as trace_pipe_raw gives it.
 *
 * A page is what the kernel's include/linux/ring_buffer.h says: a time, the octets in use with two flags, and events, each with the time
 * since the one before. libtraceevent's kbuffer reads the same, but trusts the lengths in it; a test holds both against each other.
 */
#ifndef KITH_FLOW_PAGE_H
#define KITH_FLOW_PAGE_H

#include <kith/error.h>

#include "flow/decode/lines.h"

/* From events/header_page: where a page's parts lie. */
struct flow_page_layout {
    uint32_t commit_offset, commit_size, data_offset;
};

struct flow_page {
    const uint8_t *data; /* of the first event */
    uint32_t size, at;
    uint64_t time;         /* of the last event that was read, in ns */
    bool missed;           /* events were lost in front of this page */
    uint64_t missed_count; /* 0: the kernel does not say how many */
};

struct flow_raw_event {
    const uint8_t *data;
    uint32_t size;
};

/* Errors, with text: -EBADMSG. */
int flow_page_layout_parse(struct flow_span text, struct flow_page_layout *ret_layout, struct kith_error *ret_error);
/* -EBADMSG: the page is shorter than what it says. */
int flow_page_open(const struct flow_page_layout *layout, const uint8_t *data, size_t size, struct flow_page *ret_page);
/* 1: *ret_event, at page->time; 0: there are no more; -EBADMSG: an event reaches out of the page. */
int flow_page_next(struct flow_page *page, struct flow_raw_event *ret_event);

#endif
