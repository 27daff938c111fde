/* flow/decode/format.c: format files, line by line. */
#include <endian.h>
#include <errno.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "flow/decode/format.h"

/* No event is larger than a page of the ring buffer, and no page than this (64 KiB on some machines). */
#define OFFSET_MAX 65000

static const struct {
    const char *name;
    enum flow_event_kind kind;
} kinds[] = {
    {"funcgraph_entry", FLOW_EVENT_ENTRY},
    {"funcgraph_exit", FLOW_EVENT_EXIT},
    {"inet_sock_set_state", FLOW_EVENT_STATE},
    {"packet", FLOW_EVENT_PACKET},
    {"sent", FLOW_EVENT_SENT},
    {"answer", FLOW_EVENT_ANSWER},
    {"link", FLOW_EVENT_LINK},
    {"accept", FLOW_EVENT_ACCEPT},
    {"connect", FLOW_EVENT_SOCKET},
    {"sendmsg", FLOW_EVENT_SOCKET},
    {"recvmsg", FLOW_EVENT_SOCKET},
    {"close", FLOW_EVENT_SOCKET},
    {"datagram", FLOW_EVENT_DATAGRAM},
    {"datagram_sent", FLOW_EVENT_DATAGRAM_SENT},
};

static const char *const field_names[FLOW_FIELDS_] = {
    [FLOW_FIELD_PID] = "common_pid", [FLOW_FIELD_FUNC] = "func",     [FLOW_FIELD_DEPTH] = "depth", [FLOW_FIELD_PROBE_IP] = "__probe_ip",
    [FLOW_FIELD_SK] = "sk",          [FLOW_FIELD_CHILD] = "child",   [FLOW_FIELD_OWN] = "own",     [FLOW_FIELD_OLD] = "oldstate",
    [FLOW_FIELD_NEW] = "newstate",   [FLOW_FIELD_FAMILY] = "family", [FLOW_FIELD_SPORT] = "sport", [FLOW_FIELD_DPORT] = "dport",
    [FLOW_FIELD_SADDR] = "saddr",    [FLOW_FIELD_DADDR] = "daddr",   [FLOW_FIELD_SEQ] = "seq",     [FLOW_FIELD_END] = "end",
    [FLOW_FIELD_FLAGS] = "flags",    [FLOW_FIELD_OCTETS] = "octets", [FLOW_FIELD_HEAD] = "head",   [FLOW_FIELD_REST] = "rest",
};

/* Fields that the kernel's own event calls otherwise, and its IPv6 addresses, which are two numbers here. */
static const struct {
    const char *name;
    enum flow_field_name field, second;
} other_names[] = {
    {"skaddr", FLOW_FIELD_SK, FLOW_FIELDS_},
    {"saddr_v6", FLOW_FIELD_S6A, FLOW_FIELD_S6B},
    {"daddr_v6", FLOW_FIELD_D6A, FLOW_FIELD_D6B},
};

bool flow_span_number(struct flow_span span, unsigned base, uint64_t *ret_number) {
    uint64_t number = 0;

    for (size_t i = 0; i < span.size; i++) {
        char c = span.text[i];
        unsigned digit = c >= '0' && c <= '9'                     ? (unsigned)(c - '0')
                         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (unsigned)((c | 0x20) - 'a') + 10
                                                                  : base;
        if (digit >= base || __builtin_mul_overflow(number, base, &number) || __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *ret_number = number;
    return span.size > 0;
}

/* "key:N" of the rest of a field's line. */
static bool cut_number(struct flow_span *rest, const char *key, uint64_t *ret_number) {
    struct flow_span part;

    if (!flow_span_cut(rest, ';', &part))
        return false;
    while (part.size > 0 && (*part.text == '\t' || *part.text == ' '))
        part.text++, part.size--;
    if (!flow_span_begins(part, key))
        return false;
    return flow_span_number((struct flow_span){part.text + strlen(key), part.size - strlen(key)}, 10, ret_number);
}

bool flow_format_field(struct flow_span line, struct flow_span *ret_name, uint64_t *ret_offset, uint64_t *ret_size) {
    struct flow_span declaration;

    while (line.size > 0 && (*line.text == '\t' || *line.text == ' '))
        line.text++, line.size--;
    if (!flow_span_begins(line, "field:") || !flow_span_cut(&line, ';', &declaration))
        return false;
    const char *bracket = memchr(declaration.text, '[', declaration.size);
    if (bracket)
        declaration.size = (size_t)(bracket - declaration.text);
    size_t begin = declaration.size;
    while (begin > 0 && declaration.text[begin - 1] != ' ' && declaration.text[begin - 1] != '*' && declaration.text[begin - 1] != ':')
        begin--;
    *ret_name = (struct flow_span){declaration.text + begin, declaration.size - begin};
    return cut_number(&line, "offset:", ret_offset) && cut_number(&line, "size:", ret_size);
}

static enum flow_event_kind kind_of(struct flow_span name) {
    while (name.size > 0 && name.text[name.size - 1] >= '0' && name.text[name.size - 1] <= '9')
        name.size--; /* packet6 is a packet */
    for (size_t i = 0; i < KITH_ARRAY_SIZE(kinds); i++)
        if (flow_span_is(name, kinds[i].name))
            return kinds[i].kind;
    return FLOW_EVENT_OTHER;
}

static void set_field(struct flow_format *format, enum flow_field_name field, uint64_t offset, uint64_t size) {
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return;
    format->fields[field] = (struct flow_field){.offset = (uint16_t)offset, .size = (uint8_t)size};
    if (offset + size > format->size)
        format->size = (uint32_t)(offset + size);
}

static void take_field(struct flow_format *format, struct flow_span line) {
    struct flow_span name;
    uint64_t offset, size;

    if (!flow_format_field(line, &name, &offset, &size) || offset > OFFSET_MAX)
        return;
    for (size_t i = 0; i < FLOW_FIELDS_; i++)
        if (field_names[i] && flow_span_is(name, field_names[i]))
            set_field(format, (enum flow_field_name)i, offset, size);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(other_names); i++) {
        bool is_pair = other_names[i].second != FLOW_FIELDS_;
        if (!flow_span_is(name, other_names[i].name) || (is_pair && size != 16))
            continue;
        set_field(format, other_names[i].field, offset, is_pair ? 8 : size);
        if (is_pair)
            set_field(format, other_names[i].second, offset + 8, 8);
    }
}

static int check(const struct flow_format *format, struct flow_span name, struct kith_error *ret_error) {
    static const enum flow_field_name graph[] = {FLOW_FIELD_PID, FLOW_FIELD_FUNC, FLOW_FIELD_DEPTH};
    size_t needed = format->kind == FLOW_EVENT_ENTRY || format->kind == FLOW_EVENT_EXIT ? 3 : format->kind == FLOW_EVENT_OTHER ? 0 : 1;

    for (size_t i = 0; i < needed; i++)
        if (format->fields[graph[i]].size == 0)
            return kith_error_set(ret_error, -EBADMSG, "event %.*s: its format has no field %s", (int)(name.size < 64 ? name.size : 64),
                                  name.text, field_names[graph[i]]);
    return 0;
}

int flow_format_parse(struct flow_span text, struct flow_format *ret_format, struct kith_error *ret_error) {
    struct flow_format format = {.kind = FLOW_EVENT_OTHER};
    struct flow_span name = {"", 0}, line;
    uint64_t id = UINT64_MAX;

    while (flow_span_cut(&text, '\n', &line)) {
        if (flow_span_begins(line, "name: "))
            name = (struct flow_span){line.text + 6, line.size - 6};
        else if (flow_span_begins(line, "ID: ") && !flow_span_number((struct flow_span){line.text + 4, line.size - 4}, 10, &id))
            id = UINT64_MAX;
        else
            take_field(&format, line);
    }
    if (name.size == 0 || id > UINT16_MAX)
        return kith_error_set(ret_error, -EBADMSG, "an event's format has no name or no number");
    format.kind = kind_of(name);
    format.id = (uint16_t)id;
    int r = check(&format, name, ret_error);
    if (r == 0)
        *ret_format = format;
    return r;
}

uint64_t flow_format_get(const struct flow_format *format, const uint8_t *event, enum flow_field_name name) {
    const struct flow_field *field = &format->fields[name];
    uint64_t number = 0;

    memcpy(&number, event + field->offset, field->size);
    return le64toh(number);
}
