/* flow/decode/events.c: a heap of processors, by the time of the next event of each. A page that is broken is left out and counted. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "flow/decode/events.h"
#include "flow/decode/model.h"

#define CPUS_MAX 65536U
#define CPU_OCTETS 4

static uint32_t page_cpu(const struct flow_section *section) {
    uint32_t cpu;

    if (section->size < CPU_OCTETS)
        return UINT32_MAX;
    memcpy(&cpu, section->data, sizeof(cpu));
    return le32toh(cpu);
}

static bool open_next_page(struct flow_events *events, struct flow_stream *stream) {
    while (stream->next_page != FLOW_NONE) {
        const struct flow_section *section = &events->recording->sections[stream->next_page];
        stream->next_page = events->following[stream->next_page];
        if (flow_page_open(&events->layout, section->data + CPU_OCTETS, section->size - CPU_OCTETS, &stream->page) < 0) {
            events->broken_pages++;
            continue;
        }
        stream->lost |= stream->page.missed;
        stream->lost_count += stream->page.missed_count;
        return true;
    }
    return false;
}

/* Puts the stream into the heap again, when it has another event. */
static void advance(struct flow_events *events, struct flow_stream *stream) {
    for (;;) {
        int r = flow_page_next(&stream->page, &stream->event);
        if (r == 1)
            break;
        if (r < 0)
            events->broken_pages++;
        if (!open_next_page(events, stream)) {
            kith_heap_remove(&events->heap, &stream->node);
            return;
        }
    }
    if (stream->page.time > stream->time)
        stream->time = stream->page.time;
    kith_heap_set(&events->heap, &stream->node, stream->time, stream->cpu);
}

/* Chains the pages of each processor. `last` has an index for each possible processor. */
static int chain_pages(struct flow_events *events, uint32_t *last, struct kith_error *ret_error) {
    const struct flow_recording *recording = events->recording;

    for (size_t i = 0; i < recording->count; i++) {
        events->following[i] = FLOW_NONE;
        if (recording->sections[i].type != FLOW_PAGE)
            continue;
        uint32_t cpu = page_cpu(&recording->sections[i]);
        if (cpu >= CPUS_MAX)
            return kith_error_set(ret_error, -EBADMSG, "a page of the recording is of processor %u; there are at most %u", cpu, CPUS_MAX);
        if (last[cpu] == FLOW_NONE)
            events->streams[events->stream_count++] =
                (struct flow_stream){.node = KITH_HEAP_NODE_INIT, .cpu = (uint16_t)cpu, .next_page = (uint32_t)i};
        else
            events->following[last[cpu]] = (uint32_t)i;
        last[cpu] = (uint32_t)i;
    }
    return 0;
}

static size_t count_pages(const struct flow_recording *recording) {
    size_t pages = 0;

    for (size_t i = 0; i < recording->count; i++)
        pages += recording->sections[i].type == FLOW_PAGE;
    return pages < CPUS_MAX ? pages : CPUS_MAX;
}

int flow_events_init(struct flow_events *events, const struct flow_recording *recording, const struct flow_page_layout *layout,
                     struct kith_error *ret_error) {
    uint32_t *last = malloc(CPUS_MAX * sizeof(*last));
    int r = -ENOMEM;

    *events = (struct flow_events){.recording = recording, .layout = *layout};
    events->streams = calloc(count_pages(recording) + 1, sizeof(*events->streams));
    events->following = calloc(recording->count + 1, sizeof(*events->following));
    if (last && events->streams && events->following && recording->count < FLOW_NONE) {
        memset(last, 0xff, CPUS_MAX * sizeof(*last)); /* FLOW_NONE */
        r = chain_pages(events, last, ret_error);
    }
    free(last);
    if (r == 0)
        r = kith_heap_reserve(&events->heap, events->stream_count);
    for (size_t i = 0; r == 0 && i < events->stream_count; i++)
        advance(events, &events->streams[i]);
    if (r == -ENOMEM)
        kith_error_set(ret_error, r, "the recording's pages: %s", kith_error_name(r));
    return r;
}

bool flow_events_next(struct flow_events *events, struct flow_event *ret_event) {
    struct kith_heap_node *node = kith_heap_first(&events->heap);

    if (!node)
        return false;
    struct flow_stream *stream = KITH_CONTAINER_OF(node, struct flow_stream, node);
    *ret_event = (struct flow_event){.data = stream->event.data,
                                     .size = stream->event.size,
                                     .cpu = stream->cpu,
                                     .time = stream->time,
                                     .lost = stream->lost,
                                     .lost_count = stream->lost_count};
    stream->lost = false;
    stream->lost_count = 0;
    advance(events, stream);
    return true;
}

void flow_events_deinit(struct flow_events *events) {
    kith_heap_deinit(&events->heap);
    free(events->streams);
    free(events->following);
    *events = (struct flow_events){0};
}
