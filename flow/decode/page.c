/* flow/decode/page.c: pages, octet by octet checked. */
#include <endian.h>
#include <errno.h>

#include "base/error.h"
#include "flow/decode/format.h"
#include "flow/decode/page.h"

/* Kernel, kernel/trace/ring_buffer.c. */
#define COMMIT_MASK ((1U << 27) - 1)
#define MISSED_STORED (1U << 30)
#define MISSED_EVENTS (1U << 31)
#define TYPE_PADDING 29U
#define TYPE_TIME_EXTEND 30U
#define TYPE_TIME_STAMP 31U
#define DELTA_BITS 27
/* An absolute time has 59 bits; the others are those of the page's. */
#define STAMP_HIGH (0x1fULL << 59)

#define PAGE_MAX (1U << 20)

static uint32_t get32(const uint8_t *data) {
    uint32_t number;
    memcpy(&number, data, sizeof(number));
    return le32toh(number);
}

static uint64_t get64(const uint8_t *data) {
    uint64_t number;
    memcpy(&number, data, sizeof(number));
    return le64toh(number);
}

int flow_page_layout_parse(struct flow_span text, struct flow_page_layout *ret_layout, struct kith_error *ret_error) {
    struct flow_page_layout layout = {0};
    struct flow_span line, name;
    uint64_t offset, size;

    while (flow_span_cut(&text, '\n', &line)) {
        if (!flow_format_field(line, &name, &offset, &size) || offset > PAGE_MAX)
            continue;
        if (flow_span_is(name, "commit") && (size == 4 || size == 8)) {
            layout.commit_offset = (uint32_t)offset;
            layout.commit_size = (uint32_t)size;
        } else if (flow_span_is(name, "data")) {
            layout.data_offset = (uint32_t)offset;
        }
    }
    if (layout.commit_size == 0 || layout.data_offset < layout.commit_offset + layout.commit_size ||
        layout.commit_offset < sizeof(uint64_t))
        return kith_error_set(ret_error, -EBADMSG, "the recording's header_page does not say where a page's data lie");
    *ret_layout = layout;
    return 0;
}

int flow_page_open(const struct flow_page_layout *layout, const uint8_t *data, size_t size, struct flow_page *ret_page) {
    if (size < layout->data_offset || size > PAGE_MAX)
        return -EBADMSG;
    uint32_t room = (uint32_t)size - layout->data_offset, commit = get32(data + layout->commit_offset);
    struct flow_page page = {.data = data + layout->data_offset, .size = commit & COMMIT_MASK, .time = get64(data)};

    if (page.size > room)
        return -EBADMSG;
    page.missed = commit & MISSED_EVENTS;
    if (page.missed && (commit & MISSED_STORED) && room - page.size >= layout->commit_size)
        page.missed_count = layout->commit_size == 8 ? get64(page.data + page.size) : get32(page.data + page.size);
    *ret_page = page;
    return 0;
}

/* The octets of the event whose head is `head`, the head included; 0: it reaches out of the page. `*ret_skip`: those before its data. */
static uint32_t event_size(const struct flow_page *page, uint32_t head, uint32_t *ret_skip) {
    uint32_t left = page->size - page->at, type = head & 31, size;

    *ret_skip = 4;
    if (type != 0 && type < TYPE_PADDING) {
        size = 4 + type * 4;
        return size <= left ? size : 0;
    }
    if (left < 8)
        return 0;
    *ret_skip = 8;
    if (type == TYPE_TIME_EXTEND || type == TYPE_TIME_STAMP)
        return 8;
    /* The length is the next word: with itself, but for the head. Checked before it is rounded: it may be near the largest number. */
    size = get32(page->data + page->at + 4);
    if (size < 4 || size > left - 4)
        return 0;
    size = 4 + ((size + 3) & ~3U);
    return size <= left ? size : 0;
}

static void advance_time(struct flow_page *page, uint32_t head) {
    uint64_t delta = head >> 5;
    uint32_t type = head & 31;

    if (type == TYPE_TIME_EXTEND || type == TYPE_TIME_STAMP)
        delta += (uint64_t)get32(page->data + page->at + 4) << DELTA_BITS;
    page->time = type == TYPE_TIME_STAMP ? delta | (page->time & STAMP_HIGH) : page->time + delta;
}

int flow_page_next(struct flow_page *page, struct flow_raw_event *ret_event) {
    while (page->size - page->at >= 4) {
        const uint8_t *at = page->data + page->at;
        uint32_t head = get32(at), type = head & 31, skip;

        if (type == TYPE_PADDING && head >> 5 == 0)
            break; /* the rest of the page is empty */
        uint32_t size = event_size(page, head, &skip);
        if (size == 0)
            return -EBADMSG;
        advance_time(page, head);
        page->at += size;
        if (type < TYPE_PADDING) {
            *ret_event = (struct flow_raw_event){.data = at + skip, .size = size - skip};
            return 1;
        }
    }
    page->at = page->size;
    return 0;
}
