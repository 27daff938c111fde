/*
 * flow/decode/build.h: a model while it is made.
 *
 *     calls.c   events of functions -> calls, a stack a task
 *     marks.c   dynamic events -> marks
 *     order.c   calls that began before the recording did: put in front of what they called
 *     softirq.c packets' ways up are cut out into roots of their own
 *     lanes.c   tasks -> lanes
 *     files.c   functions -> source files
 *     layers.c  functions -> layers, landmarks, helpers
 *     notes.c   what must be said below every view
 */
#ifndef KITH_FLOW_BUILD_H
#define KITH_FLOW_BUILD_H

#include "flow/decode/decode.h"
#include "flow/decode/events.h"
#include "flow/decode/format.h"
#include "flow/decode/meta.h"
#include "flow/decode/symbols.h"
#include "flow/decode/table.h"
#include "flow/decode/texts.h"

/* What only the making needs of a task. */
struct flow_stack {
    uint32_t top;     /* the innermost call that is open */
    uint32_t orphans; /* newest call that lacks callers between it and its parent; chained by `next` */
    uint32_t mark;    /* one whose function is about to begin: a probe runs in front of ftrace */
    uint32_t mark_function;
};

struct flow_build {
    struct flow_model *model;
    struct flow_texts *texts;
    struct flow_meta meta;
    struct flow_symbols symbols;
    struct flow_events events;
    struct flow_format *formats;
    size_t format_count;
    uint8_t *format_of;          /* number of an event -> 1 + index of its format; 0: not known */
    struct flow_stack *stacks;   /* a task each */
    struct flow_table tasks;     /* pid -> index */
    struct flow_table strangers; /* addresses without a symbol -> function */
    uint32_t *function_of;       /* a symbol -> function */
    uint64_t *symbol_of;         /* a function -> symbol + 1, 0: none */
    size_t function_room, task_room, call_room, mark_room, note_room;
    uint64_t first_ns, last_ns;
    uint64_t unfinished, unbegun, cut_frames, cut_noise, lost_told;
};

/* Room for one more in an array that grows: false when there is no memory. */
bool flow_build_room(void **items, size_t *room, size_t count, size_t item_size);
#define FLOW_ROOM(items, room, count) flow_build_room((void **)&(items), &(room), (count), sizeof(*(items)))

/* All of these: -ENOMEM or 0, unless they say more. */
int flow_build_function(struct flow_build *build, uint64_t address, uint32_t *ret_function);
int flow_build_task(struct flow_build *build, int32_t pid, uint16_t cpu, uint32_t *ret_task);
int flow_build_entry(struct flow_build *build, const struct flow_format *format, const struct flow_event *event);
int flow_build_exit(struct flow_build *build, const struct flow_format *format, const struct flow_event *event);
int flow_build_mark(struct flow_build *build, const struct flow_format *format, const struct flow_event *event);
int flow_build_loss(struct flow_build *build, const struct flow_event *event);
void flow_build_end_calls(struct flow_build *build);

int flow_build_order(struct flow_build *build);
int flow_build_cut_softirq(struct flow_build *build);
/* Puts calls into a new order: `place[i]` is where call i goes, or FLOW_NONE: it goes away, and marks in it to `instead[i]` (an old index).
 */
int flow_build_move_calls(struct flow_build *build, const uint32_t *place, const uint32_t *instead, size_t count);
/* Children, depths, backlog. */
int flow_build_link(struct flow_build *build);
void flow_build_lanes(struct flow_build *build);
/* Where net/ is, when the recorder did not say. */
void flow_build_find_net(struct flow_build *build);
/* A module that is recorded at all is one of the network's. */
bool flow_build_is_inside(const struct flow_build *build, uint64_t address, bool module);
int flow_build_files(struct flow_build *build);
int flow_build_layers(struct flow_build *build);
int flow_build_notes(struct flow_build *build);
/* The text may be NULL: no memory. */
int flow_build_note(struct flow_build *build, bool is_loss, const char *text);

#endif
