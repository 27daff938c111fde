/*
 * flow/decode/testing.h: recordings made in memory, for tests, the benchmark and the fuzz target: pages as Linux 6.1 writes them.
 *
 * An address is a function's: 1000 + 100 * its index in the list of names that the maker is given.
 */
#ifndef KITH_FLOW_TESTING_H
#define KITH_FLOW_TESTING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/decode/model.h"
#include "flow/recording/recording.h"

#define MAKER_PAGE 4096
#define MAKER_HEAD 16
#define MAKER_SECTION (4 + MAKER_PAGE)

#define COMMON_FIELDS                                                                                                                      \
    "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                                                        \
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                                                                 \
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"                                                         \
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

static const char maker_header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
                                        "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
                                        "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
                                        "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";

enum { MAKER_EXIT = 10, MAKER_ENTRY = 11, MAKER_LINK = 1300, MAKER_CONNECT = 1301 };

static const char *const maker_formats[] = {
    "name: funcgraph_entry\nID: 11\n" COMMON_FIELDS "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n\nprint fmt: \"--> %ps (%d)\", (void *)REC->func, REC->depth\n",
    "name: funcgraph_exit\nID: 10\n" COMMON_FIELDS "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n\tfield:unsigned int overrun;\toffset:20;\tsize:4;\tsigned:0;\n"
    "\tfield:unsigned long long calltime;\toffset:24;\tsize:8;\tsigned:0;\n\tfield:unsigned long long "
    "rettime;\toffset:32;\tsize:8;\tsigned:0;\n"
    "\nprint fmt: \"<-- %ps (%d)\", (void *)REC->func, REC->depth\n",
    "name: link\nID: 1300\n" COMMON_FIELDS "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 sk;\toffset:16;\tsize:8;\tsigned:0;\n\tfield:u64 child;\toffset:24;\tsize:8;\tsigned:0;\n\nprint fmt: \"\"\n",
    "name: connect6\nID: 1301\n" COMMON_FIELDS "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:u64 sk;\toffset:16;\tsize:8;\tsigned:0;\n\nprint fmt: \"\"\n",
};
#define MAKER_FORMATS (sizeof(maker_formats) / sizeof(maker_formats[0]))

struct maker {
    struct flow_recording recording;
    size_t room;
    char *symbols;
    uint8_t *page; /* the one that is filled, with the processor's number in front; NULL: none */
    uint32_t used; /* of its data */
    uint64_t time;
    uint32_t cpu;
    uint32_t commit_flags; /* of the next page */
};

/* The octets must live as long as the maker; those of pages are freed with it. */
static inline void maker_section(struct maker *maker, enum flow_section_type type, const void *data, size_t size) {
    if (maker->recording.count == maker->room) {
        maker->room = maker->room ? maker->room * 2 : 64;
        maker->recording.sections = reallocarray(maker->recording.sections, maker->room, sizeof(*maker->recording.sections));
        if (!maker->recording.sections)
            abort();
    }
    maker->recording.sections[maker->recording.count++] = (struct flow_section){type, data, size};
}

static inline void maker_text(struct maker *maker, enum flow_section_type type, const char *text) {
    maker_section(maker, type, text, strlen(text));
}

static inline uint64_t maker_function(unsigned index) {
    return 1000 + 100 * (uint64_t)index;
}

/* `names` are separated by blanks. */
static inline void maker_init(struct maker *maker, const char *meta, const char *names) {
    size_t size = 32 * strlen(names) + 1, used = 0;
    *maker = (struct maker){.recording.whole = true, .symbols = calloc(1, size)};
    if (!maker->symbols)
        abort();
    unsigned index = 0;
    for (const char *at = names; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        used += (size_t)snprintf(maker->symbols + used, size - used, "%llx %.*s\n", (unsigned long long)maker_function(index++),
                                 (int)length, at);
        at += length;
    }
    maker_text(maker, FLOW_META, meta);
    maker_text(maker, FLOW_HEADER_PAGE, maker_header_page);
    for (size_t i = 0; i < MAKER_FORMATS; i++)
        maker_text(maker, FLOW_EVENT, maker_formats[i]);
    maker_text(maker, FLOW_SYMBOLS, maker->symbols);
}

static inline void maker_flush(struct maker *maker) {
    if (!maker->page)
        return;
    uint64_t commit = maker->used | maker->commit_flags;
    memcpy(maker->page + 4 + 8, &commit, sizeof(commit));
    maker_section(maker, FLOW_PAGE, maker->page, MAKER_SECTION);
    maker->page = NULL;
    maker->commit_flags = 0;
}

/* An event of `size` octets (a multiple of 4, at most 112). Time may go on by less than 2^27 ns within a page. */
static inline void maker_event(struct maker *maker, uint32_t cpu, uint64_t time, const void *event, uint32_t size) {
    if (maker->page && (cpu != maker->cpu || maker->used + 4 + size > MAKER_PAGE - MAKER_HEAD || time - maker->time >= 1U << 27))
        maker_flush(maker);
    if (!maker->page) {
        maker->page = calloc(1, MAKER_SECTION);
        if (!maker->page)
            abort();
        memcpy(maker->page, &cpu, sizeof(cpu));
        memcpy(maker->page + 4, &time, sizeof(time));
        maker->cpu = cpu;
        maker->used = 0;
        maker->time = time;
    }
    uint32_t head = size / 4 | (uint32_t)(time - maker->time) << 5;
    uint8_t *at = maker->page + 4 + MAKER_HEAD + maker->used;
    memcpy(at, &head, sizeof(head));
    memcpy(at + 4, event, size);
    maker->used += 4 + size;
    maker->time = time;
}

struct maker_graph {
    uint16_t type;
    uint8_t flags, preempt;
    int32_t pid;
    uint64_t function;
    int32_t depth;
    uint32_t overrun;
    uint64_t times[2];
};

static inline void maker_entry(struct maker *maker, uint32_t cpu, uint64_t time, int32_t pid, unsigned function, int32_t depth) {
    struct maker_graph event = {.type = MAKER_ENTRY, .pid = pid, .function = maker_function(function), .depth = depth};
    maker_event(maker, cpu, time, &event, 20);
}

static inline void maker_exit(struct maker *maker, uint32_t cpu, uint64_t time, int32_t pid, unsigned function, int32_t depth) {
    struct maker_graph event = {.type = MAKER_EXIT, .pid = pid, .function = maker_function(function), .depth = depth};
    maker_event(maker, cpu, time, &event, sizeof(event));
}

/* A probe at the beginning of a function. */
static inline void maker_probe(struct maker *maker, uint16_t type, uint32_t cpu, uint64_t time, int32_t pid, unsigned function, uint64_t sk,
                               uint64_t child) {
    struct {
        uint16_t type;
        uint8_t flags, preempt;
        int32_t pid;
        uint64_t ip, sk, child;
    } event = {.type = type, .pid = pid, .ip = maker_function(function), .sk = sk, .child = child};
    maker_event(maker, cpu, time, &event, type == MAKER_LINK ? 32 : 24);
}

static inline void maker_deinit(struct maker *maker) {
    maker_flush(maker);
    for (size_t i = 0; i < maker->recording.count; i++)
        if (maker->recording.sections[i].type == FLOW_PAGE)
            free((void *)(uintptr_t)maker->recording.sections[i].data);
    free(maker->recording.sections);
    free(maker->symbols);
}

/* Sections of anybody: an octet with the type, two with the size (little-endian), the octets. */
static inline void maker_sections(struct maker *maker, const uint8_t *data, size_t size) {
    while (size >= 3) {
        size_t length = data[1] | (size_t)data[2] << 8;
        if (length > size - 3)
            length = size - 3;
        maker_section(maker, data[0] % FLOW_SECTION_TYPES_, data + 3, length);
        data += 3 + length;
        size -= 3 + length;
    }
}

/* NULL, or what is wrong with a model: model.h's invariants. */
static inline const char *model_check(const struct flow_model *model) {
    for (size_t i = 0; i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        if (call->function >= model->function_count || call->task >= model->task_count || call->lane >= FLOW_LANES_)
            return "an index is too large";
        if (call->end_ns < call->begin_ns || (i > 0 && call->begin_ns < model->calls[i - 1].begin_ns))
            return "calls are not in the order of time";
        if (call->handed_from != FLOW_NONE && call->handed_from >= i)
            return "handed over by a later call";
        if (call->parent == FLOW_NONE)
            continue;
        const struct flow_call *parent = call->parent < i ? &model->calls[call->parent] : NULL;
        if (!parent || parent->begin_ns > call->begin_ns || parent->end_ns < call->end_ns)
            return "a caller does not hold its call";
        if (call->next != FLOW_NONE && (call->next <= i || model->calls[call->next].parent != call->parent))
            return "children are not linked in order";
    }
    for (size_t i = 0; i < model->mark_count; i++)
        if ((model->marks[i].call != FLOW_NONE && model->marks[i].call >= model->call_count) ||
            (i > 0 && model->marks[i].time_ns < model->marks[i - 1].time_ns))
            return "marks are not in the order of time";
    return NULL;
}

#endif
