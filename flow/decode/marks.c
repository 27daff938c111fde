/* flow/decode/marks.c: dynamic events -> marks. What a field of them means: flow/recording/recording.h. */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <sys/socket.h>

#include "flow/decode/build.h"

#define TCP_FIN 1
#define TCP_SYN 2

static struct flow_address address(const struct flow_format *format, const uint8_t *data, uint8_t family,
                                   const enum flow_field_name names[4]) {
    struct flow_address result = {.family = family, .port = (uint16_t)flow_format_get(format, data, names[0])};
    uint64_t halves[2] = {htole64(flow_format_get(format, data, names[2])), htole64(flow_format_get(format, data, names[3]))};
    uint32_t four = htole32((uint32_t)flow_format_get(format, data, names[1]));

    if (family == AF_INET)
        memcpy(result.octets, &four, sizeof(four));
    else if (family == AF_INET6)
        memcpy(result.octets, halves, sizeof(halves));
    return result;
}

static void fill_state(struct flow_mark *mark, const struct flow_format *format, const uint8_t *data) {
    static const enum flow_field_name local[] = {FLOW_FIELD_SPORT, FLOW_FIELD_SADDR, FLOW_FIELD_S6A, FLOW_FIELD_S6B},
                                      remote[] = {FLOW_FIELD_DPORT, FLOW_FIELD_DADDR, FLOW_FIELD_D6A, FLOW_FIELD_D6B};
    uint8_t family = (uint8_t)flow_format_get(format, data, FLOW_FIELD_FAMILY);

    mark->type = FLOW_MARK_STATE;
    mark->state.before = (uint8_t)flow_format_get(format, data, FLOW_FIELD_OLD);
    mark->state.after = (uint8_t)flow_format_get(format, data, FLOW_FIELD_NEW);
    mark->state.local = address(format, data, family, local);
    mark->state.remote = address(format, data, family, remote);
}

/* Of a whole segment, made or received, as it is on the wire: RFC 9293. */
static void fill_segment(struct flow_mark *mark, const struct flow_format *format, const uint8_t *data) {
    struct {
        uint16_t source, destination;
        uint32_t sequence, acknowledged;
        uint8_t offset, flags, rest[2];
    } header;
    uint64_t words[2] = {htole64(flow_format_get(format, data, FLOW_FIELD_HEAD)), htole64(flow_format_get(format, data, FLOW_FIELD_REST))};

    static_assert(sizeof(header) == sizeof(words), "two words of the header");
    memcpy(&header, words, sizeof(header));
    mark->type = FLOW_MARK_PACKET;
    mark->packet.sent = format->kind == FLOW_EVENT_ANSWER;
    mark->packet.source = be16toh(header.source);
    mark->packet.destination = be16toh(header.destination);
    mark->packet.sequence = be32toh(header.sequence);
    mark->packet.acknowledged = be32toh(header.acknowledged);
    mark->packet.flags = header.flags;
    mark->packet.octets = (uint32_t)flow_format_get(format, data, FLOW_FIELD_OCTETS);
    mark->packet.octets -= (header.offset >> 4) * 4U <= mark->packet.octets ? (header.offset >> 4) * 4U : 0;
}

/* The sequence number behind it counts SYN and FIN as well. */
static void fill_sent(struct flow_mark *mark, const struct flow_format *format, const uint8_t *data) {
    uint32_t end = (uint32_t)flow_format_get(format, data, FLOW_FIELD_END);

    mark->type = FLOW_MARK_PACKET;
    mark->packet.sent = true;
    mark->packet.source = (uint16_t)flow_format_get(format, data, FLOW_FIELD_SPORT);
    mark->packet.destination = __builtin_bswap16((uint16_t)flow_format_get(format, data, FLOW_FIELD_DPORT));
    mark->packet.sequence = (uint32_t)flow_format_get(format, data, FLOW_FIELD_SEQ);
    mark->packet.flags = (uint8_t)flow_format_get(format, data, FLOW_FIELD_FLAGS);
    mark->packet.octets = end - mark->packet.sequence;
    for (unsigned flag = TCP_FIN; flag <= TCP_SYN; flag <<= 1)
        if ((mark->packet.flags & flag) && mark->packet.octets > 0)
            mark->packet.octets--;
}

#define UDP_HEADER 8

static void fill_datagram(struct flow_mark *mark, const struct flow_format *format, const uint8_t *data) {
    uint32_t octets = (uint32_t)flow_format_get(format, data, FLOW_FIELD_OCTETS);
    uint64_t head = flow_format_get(format, data, FLOW_FIELD_HEAD);

    mark->type = FLOW_MARK_DATAGRAM;
    mark->packet.sent = format->kind == FLOW_EVENT_DATAGRAM_SENT;
    if (format->fields[FLOW_FIELD_HEAD].size == 0)
        head = flow_format_get(format, data, FLOW_FIELD_SPORT) | flow_format_get(format, data, FLOW_FIELD_DPORT) << 16;
    mark->packet.source = __builtin_bswap16((uint16_t)head);
    mark->packet.destination = __builtin_bswap16((uint16_t)(head >> 16));
    mark->packet.octets = octets > UDP_HEADER ? octets - UDP_HEADER : 0;
}

/* False: it says nothing (accept() that failed, another processor's link). */
static bool fill(struct flow_mark *mark, const struct flow_format *format, const uint8_t *data) {
    mark->socket = flow_format_get(format, data, FLOW_FIELD_SK);
    switch (format->kind) {
    case FLOW_EVENT_STATE:
        fill_state(mark, format, data);
        return true;
    case FLOW_EVENT_PACKET:
    case FLOW_EVENT_ANSWER:
        fill_segment(mark, format, data);
        return mark->packet.flags != 0; /* 0: there was no memory to make one */
    case FLOW_EVENT_SENT:
        fill_sent(mark, format, data);
        return true;
    case FLOW_EVENT_DATAGRAM:
    case FLOW_EVENT_DATAGRAM_SENT:
        fill_datagram(mark, format, data);
        return true;
    case FLOW_EVENT_LINK:
        mark->type = FLOW_MARK_LINK;
        mark->link.child = flow_format_get(format, data, FLOW_FIELD_CHILD);
        return format->fields[FLOW_FIELD_OWN].size == 0 || (flow_format_get(format, data, FLOW_FIELD_OWN) & 0xff) != 0;
    case FLOW_EVENT_ACCEPT:
        mark->type = FLOW_MARK_ACCEPT;
        mark->socket = flow_format_get(format, data, FLOW_FIELD_CHILD);
        return mark->socket != 0;
    default:
        mark->type = FLOW_MARK_SOCKET;
        return mark->socket != 0;
    }
}

static int add_mark(struct flow_build *build, const struct flow_mark *mark) {
    struct flow_model *model = build->model;

    if (model->mark_count >= FLOW_NONE || !FLOW_ROOM(model->marks, build->mark_room, model->mark_count))
        return -ENOMEM;
    model->marks[model->mark_count++] = *mark;
    return 0;
}

int flow_build_mark(struct flow_build *build, const struct flow_format *format, const struct flow_event *event) {
    struct flow_mark mark = {.time_ns = event->time, .cpu = event->cpu};
    uint32_t function;
    int r = flow_build_task(build, (int32_t)flow_format_get(format, event->data, FLOW_FIELD_PID), event->cpu, &mark.task);

    if (r < 0 || !fill(&mark, format, event->data))
        return r;
    struct flow_stack *stack = &build->stacks[mark.task];
    mark.call = stack->top;
    r = add_mark(build, &mark);
    uint64_t place = flow_format_get(format, event->data, FLOW_FIELD_PROBE_IP);
    if (r < 0 || flow_symbols_find(&build->symbols, place) == SIZE_MAX)
        return r;
    /* A probe at a function's beginning may run before the function is seen to begin. */
    r = flow_build_function(build, place, &function);
    if (r == 0 && (stack->top == FLOW_NONE || build->model->calls[stack->top].function != function)) {
        stack->mark = (uint32_t)build->model->mark_count - 1;
        stack->mark_function = function;
    }
    return r;
}

int flow_build_loss(struct flow_build *build, const struct flow_event *event) {
    struct flow_mark mark = {.type = FLOW_MARK_LOST, .time_ns = event->time, .cpu = event->cpu, .call = FLOW_NONE, .task = FLOW_NONE};

    mark.lost.events = event->lost_count;
    build->model->lost_events += event->lost_count;
    return add_mark(build, &mark);
}
