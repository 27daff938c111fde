/*
 * flow/view/chart.c: model -> boxes and arrows.
 *
 * One pass over calls and marks in the order of time. stand_in[] says for each call which box stands for it: its own, or that of the
 * nearest shown call above. A packet that was received is matched with one that was sent alike.
 */
#include "flow/view/chart.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "flow/view/words.h"

#define TEXT_MAX 160
/* Names in one box of a chain. */
#define CHAIN_MAX 5
#define OUTLINE_CHAIN_MAX 3 /* on a line */
#define TCP_FIN 1
#define TCP_SYN 2

/* Something that an arrow begins at when its other end is seen: a packet that was sent, a socket that was made. */
struct open_end {
    uint32_t mark, box;
};

struct making {
    struct flow_chart *chart;
    const struct flow_selection *selection;
    uint32_t *stand_in;                /* a call each */
    uint32_t *shown_above;             /* a call each: the nearest shown call above it, itself included; FLOW_NONE */
    uint32_t newest[FLOW_LANES_];      /* a lane each: its last box */
    uint32_t newest_call[FLOW_LANES_]; /* the last call that box stands for as part of a chain */
    unsigned chain;                    /* names in the last box */
    struct open_end *sent, *children;
    size_t sent_count, child_count;
    size_t box_room, arrow_room, texts_room;
    int error;
};

/* Room ------------------------------------------------------------------------------------------------------------------ */

/* For one more; false: no memory, which ends it all. */
static bool reserve(struct making *making, void **rows, size_t *room, size_t count, size_t size) {
    if (count < *room)
        return true;
    size_t more = *room < 64 ? 64 : *room * 2;
    void *larger = reallocarray(*rows, more, size);
    if (!larger) {
        making->error = -ENOMEM;
        return false;
    }
    *rows = larger;
    *room = more;
    return true;
}

static void add_arrow(struct making *making, enum flow_arrow_kind kind, uint32_t from, uint32_t to) {
    struct flow_chart *chart = making->chart;

    if (from == FLOW_NONE || to == FLOW_NONE || from == to ||
        !reserve(making, (void **)&chart->arrows, &making->arrow_room, chart->arrow_count, sizeof(*chart->arrows)))
        return;
    chart->arrows[chart->arrow_count++] = (struct flow_arrow){.kind = kind, .from = from, .to = to};
    chart->has_arrow[kind] = true;
}

/* Behind the texts that are there; the last one may be made longer that way. */
static bool put_text(struct making *making, const char *text) {
    struct flow_chart *chart = making->chart;
    size_t size = strlen(text) + 1;

    while (chart->texts_size + size > making->texts_room)
        if (!reserve(making, (void **)&chart->texts, &making->texts_room, making->texts_room, 1))
            return false;
    memcpy(chart->texts + chart->texts_size, text, size);
    chart->texts_size += size;
    return true;
}

static uint32_t add_box(struct making *making, const struct flow_box *box, const char *text) {
    struct flow_chart *chart = making->chart;

    if (chart->box_count == FLOW_BOXES_MAX)
        making->error = -E2BIG;
    if (making->error < 0 || !reserve(making, (void **)&chart->boxes, &making->box_room, chart->box_count, sizeof(*chart->boxes)))
        return FLOW_NONE;
    uint32_t index = (uint32_t)chart->box_count++;
    chart->boxes[index] = *box;
    chart->boxes[index].text = chart->texts_size;
    chart->boxes[index].lines = 1;
    if (!put_text(making, text))
        return FLOW_NONE;
    chart->has_lane[box->lane] = true;
    chart->has_layer[box->layer] |= box->kind == FLOW_BOX_CALL;
    chart->has_backlog |= box->backlog;
    chart->has_received |= box->kind == FLOW_BOX_RECEIVED;
    making->newest[box->lane] = index;
    making->newest_call[box->lane] = FLOW_NONE;
    return index;
}

/* Calls ------------------------------------------------------------------------------------------------------------------ */

static enum flow_tag tag_of(const struct making *making, uint32_t call) {
    return making->selection->tags ? (enum flow_tag)making->selection->tags[call] : FLOW_TAG_BOTH;
}

/* Where the ways of two recordings part is always shown. */
/* From one source file into another; where they are not known, from one layer into another. */
static bool crosses_border(const struct flow_function *from, const struct flow_function *to) {
    if (!from->file || !to->file)
        return from->layer != to->layer;
    return strcmp(from->file, to->file) != 0;
}

static bool is_shown(const struct making *making, uint32_t index, uint32_t above) {
    const struct flow_model *model = making->chart->model;
    const struct flow_call *call = &model->calls[index];
    const struct flow_function *function = &model->functions[call->function];

    if (call->parent == FLOW_NONE || above == FLOW_NONE || tag_of(making, index) != tag_of(making, call->parent))
        return true;
    switch (making->chart->level) {
    case FLOW_LEVEL_OUTLINE:
        return function->landmark && function->layer == FLOW_TRANSPORT;
    case FLOW_LEVEL_LAYERS:
        return function->landmark;
    case FLOW_LEVEL_BORDERS:
        return function->landmark || (function->layer != FLOW_ELSEWHERE && !function->helper &&
                                      crosses_border(&model->functions[model->calls[above].function], function));
    case FLOW_LEVEL_NET:
        return function->layer != FLOW_ELSEWHERE;
    case FLOW_LEVEL_ALL:
        break;
    }
    return true;
}

/* At the lowest levels a call goes into its caller's box, when nothing has come between; except in outlines only when it is of the same
 * layer. */
static bool join_chain(struct making *making, uint32_t index, uint32_t above) {
    struct flow_chart *chart = making->chart;
    const struct flow_model *model = chart->model;
    const struct flow_call *call = &model->calls[index];
    uint32_t box = making->newest[call->lane];
    bool outline = chart->level == FLOW_LEVEL_OUTLINE;

    if (chart->level > FLOW_LEVEL_LAYERS || above == FLOW_NONE || box == FLOW_NONE || making->newest_call[call->lane] != above ||
        box + 1 != chart->box_count || making->chain == (outline ? OUTLINE_CHAIN_MAX : CHAIN_MAX))
        return false;
    if ((!outline && chart->boxes[box].layer != model->functions[call->function].layer) ||
        chart->boxes[box].backlog != !!(call->flags & FLOW_BACKLOG) || chart->boxes[box].tag != tag_of(making, index))
        return false;
    chart->texts_size--; /* the end of its text, which is the last */
    if (!put_text(making, outline ? " \u203a " : "\n") || (chart->texts_size--, !put_text(making, model->functions[call->function].name)))
        return false;
    chart->boxes[box].lines += !outline;
    making->stand_in[index] = box;
    making->newest_call[call->lane] = index;
    making->chain++;
    return true;
}

static void add_call(struct making *making, uint32_t index) {
    struct flow_chart *chart = making->chart;
    const struct flow_model *model = chart->model;
    const struct flow_call *call = &model->calls[index];
    uint32_t above = call->parent == FLOW_NONE ? FLOW_NONE : making->shown_above[call->parent];
    uint32_t parent = above == FLOW_NONE ? FLOW_NONE : making->stand_in[above];

    making->shown_above[index] = above;
    making->stand_in[index] = parent;
    if (!making->selection->shown[index] || !is_shown(making, index, above))
        return;
    making->shown_above[index] = index;
    if (join_chain(making, index, above))
        return;
    struct flow_box box = {.kind = FLOW_BOX_CALL,
                           .lane = call->lane,
                           .layer = model->functions[call->function].layer,
                           .call = index,
                           .parent = parent,
                           .depth = parent == FLOW_NONE ? 0 : chart->boxes[parent].depth + 1,
                           .backlog = call->flags & FLOW_BACKLOG,
                           .tag = tag_of(making, index),
                           .time_ns = call->begin_ns};
    uint32_t made = add_box(making, &box, model->functions[call->function].name);
    making->stand_in[index] = made;
    making->newest_call[call->lane] = index;
    making->chain = 1;
    add_arrow(making, FLOW_ARROW_CALL, parent, made);
    if (call->handed_from != FLOW_NONE)
        add_arrow(making, FLOW_ARROW_HANDED, making->stand_in[call->handed_from], made);
}

/* Marks -------------------------------------------------------------------------------------------------------------------- */

/* What a socket is in this recording: a listener, its child, the one that connects. */
static const char *role_of(const struct flow_model *model, uint64_t socket) {
    const char *role = "socket";

    for (size_t i = 0; i < model->mark_count; i++) {
        const struct flow_mark *mark = &model->marks[i];
        if (mark->type == FLOW_MARK_LINK && mark->link.child == socket)
            return "child";
        if (mark->type == FLOW_MARK_LINK && mark->socket == socket)
            return "listener";
        if (mark->type != FLOW_MARK_STATE || mark->socket != socket)
            continue;
        if (mark->state.after == 10) /* TCP_LISTEN */
            role = "listener";
        else if (mark->state.after == 2) /* TCP_SYN_SENT */
            role = "client";
    }
    return role;
}

static uint32_t add_happening(struct making *making, const struct flow_mark *mark, enum flow_box_kind kind, const char *text) {
    struct flow_chart *chart = making->chart;
    uint32_t parent = making->stand_in[mark->call];
    struct flow_box box = {.kind = kind,
                           .lane = chart->model->calls[mark->call].lane,
                           .call = mark->call,
                           .tag = tag_of(making, mark->call),
                           .parent = parent,
                           .depth = parent == FLOW_NONE ? 0 : chart->boxes[parent].depth + 1,
                           .time_ns = mark->time_ns};
    return add_box(making, &box, text);
}

static void open_at(const struct making *making, struct open_end *ends, size_t *count, const struct flow_mark *mark, uint32_t box) {
    if (box != FLOW_NONE)
        ends[(*count)++] = (struct open_end){.mark = (uint32_t)(mark - making->chart->model->marks), .box = box};
}

/* Datagrams have no number: the same ports and size must do. */
static bool is_same_segment(const struct flow_mark *a, const struct flow_mark *b) {
    return a->type == b->type && (a->type == FLOW_MARK_PACKET || a->packet.octets == b->packet.octets) &&
           a->packet.flags == b->packet.flags && a->packet.source == b->packet.source && a->packet.destination == b->packet.destination &&
           a->packet.sequence == b->packet.sequence;
}

/* What is alike came in the order in which it was sent: datagrams, and segments that only acknowledge, which have one number. Of others
 * that are alike the last one came, because it was sent again. */
static bool is_sent_again(const struct flow_mark *mark) {
    return mark->type == FLOW_MARK_PACKET && (mark->packet.octets > 0 || (mark->packet.flags & (TCP_FIN | TCP_SYN)));
}

/* False: nobody saw it sent. */
static bool match_packet(struct making *making, const struct flow_mark *mark) {
    const struct flow_model *model = making->chart->model;
    size_t found = making->sent_count;

    for (size_t i = 0; i < making->sent_count; i++)
        if (is_same_segment(&model->marks[making->sent[i].mark], mark) && (found == making->sent_count || is_sent_again(mark)))
            found = i;
    if (found == making->sent_count)
        return false;
    add_arrow(making, FLOW_ARROW_PACKET, making->sent[found].box, making->stand_in[mark->call]);
    making->sent_count--; /* a segment comes once */
    memmove(&making->sent[found], &making->sent[found + 1], (making->sent_count - found) * sizeof(*making->sent));
    return true;
}

static void add_packet(struct making *making, const struct flow_mark *mark) {
    char text[TEXT_MAX], flags[64];

    if (!mark->packet.sent && match_packet(making, mark))
        return;
    struct kith_text words = kith_text_init(text, sizeof(text));
    flow_words_flags(mark->packet.flags, flags, sizeof(flags));
    if (mark->type == FLOW_MARK_DATAGRAM)
        kith_text_printf(&words, "%sdatagram", mark->packet.sent ? "" : "received: ");
    else
        kith_text_printf(&words, "%s%s", mark->packet.sent ? "" : "received: ", flags);
    /* In a chart of two recordings the number is that of only one. */
    if (mark->type != FLOW_MARK_DATAGRAM && (!making->selection->tags || tag_of(making, mark->call) != FLOW_TAG_BOTH))
        kith_text_printf(&words, "  seq %" PRIu32, mark->packet.sequence);
    if (mark->packet.octets > 0)
        kith_text_printf(&words, ", %" PRIu32 " octets", mark->packet.octets);
    uint32_t box = add_happening(making, mark, mark->packet.sent ? FLOW_BOX_PACKET : FLOW_BOX_RECEIVED, text);
    if (mark->packet.sent)
        open_at(making, making->sent, &making->sent_count, mark, box);
}

static void add_child(struct making *making, const struct flow_mark *mark) {
    uint32_t box = add_happening(making, mark, FLOW_BOX_LINK, "listener \u2192 child: a new socket");
    open_at(making, making->children, &making->child_count, mark, box);
}

static void add_accept(struct making *making, const struct flow_mark *mark) {
    uint32_t box = add_happening(making, mark, FLOW_BOX_LINK, "accept() gives the child out");

    for (size_t i = making->child_count; i-- > 0;) {
        if (making->chart->model->marks[making->children[i].mark].link.child != mark->socket)
            continue;
        add_arrow(making, FLOW_ARROW_SOCKET, making->children[i].box, box);
        making->children[i] = making->children[--making->child_count]; /* its address may be another socket's later */
        return;
    }
}

static void add_mark(struct making *making, const struct flow_mark *mark) {
    const struct flow_model *model = making->chart->model;
    char text[TEXT_MAX];

    if (mark->call == FLOW_NONE || !making->selection->shown[mark->call])
        return;
    struct kith_text words = kith_text_init(text, sizeof(text));
    switch (mark->type) {
    case FLOW_MARK_STATE:
        kith_text_printf(&words, "%s: %s \u2192 %s", role_of(model, mark->socket), flow_state_name(mark->state.before),
                         flow_state_name(mark->state.after));
        (void)add_happening(making, mark, FLOW_BOX_STATE, text);
        return;
    case FLOW_MARK_LINK:
        add_child(making, mark);
        return;
    case FLOW_MARK_ACCEPT:
        add_accept(making, mark);
        return;
    case FLOW_MARK_PACKET:
    case FLOW_MARK_DATAGRAM:
        add_packet(making, mark);
        return;
    case FLOW_MARK_SOCKET:
    case FLOW_MARK_LOST:
        return;
    }
}

/* All ----------------------------------------------------------------------------------------------------------------------- */

/* What happened in a call comes behind its box. A probe at a function's first instruction comes before the function has begun. */
static int make(struct making *making) {
    const struct flow_model *model = making->chart->model;
    size_t mark = 0;

    for (size_t i = 0; i < model->call_count && making->error == 0; i++) {
        uint64_t next = i + 1 < model->call_count ? model->calls[i + 1].begin_ns : UINT64_MAX;
        add_call(making, (uint32_t)i);
        for (; mark < model->mark_count && model->marks[mark].time_ns < next; mark++) {
            if (model->marks[mark].call != FLOW_NONE && model->marks[mark].call > i)
                break;
            add_mark(making, &model->marks[mark]);
        }
    }
    return making->error;
}

int flow_chart_new(const struct flow_model *model, const struct flow_selection *selection, enum flow_level level,
                   struct flow_chart **ret_chart, struct kith_error *ret_error) {
    _cleanup_(flow_chart_freep) struct flow_chart *chart = calloc(1, sizeof(*chart));
    struct making making = {.selection = selection, .chart = chart};
    int r = -ENOMEM;

    making.stand_in = malloc((model->call_count + 1) * sizeof(*making.stand_in));
    making.shown_above = malloc((model->call_count + 1) * sizeof(*making.shown_above));
    making.sent = calloc(model->mark_count + 1, sizeof(*making.sent));
    making.children = calloc(model->mark_count + 1, sizeof(*making.children));
    for (size_t i = 0; i < FLOW_LANES_; i++)
        making.newest[i] = making.newest_call[i] = FLOW_NONE;
    if (chart && making.stand_in && making.shown_above && making.sent && making.children) {
        chart->model = model;
        chart->level = level;
        chart->compares = selection->tags != NULL;
        memcpy(chart->what, selection->what, sizeof(chart->what));
        r = make(&making);
    }
    free(making.stand_in);
    free(making.shown_above);
    free(making.sent);
    free(making.children);
    if (r == -E2BIG)
        return kith_error_set(ret_error, r,
                              "a chart of more than %d boxes: narrow it (--call, --lane, --from, --depth) or take a lower --level",
                              FLOW_BOXES_MAX);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    *ret_chart = KITH_STEAL(chart);
    return 0;
}

int flow_chart_new_page(const struct flow_model *model, const struct flow_selection *selection, struct flow_chart **ret_chart,
                        struct kith_error *ret_error) {
    int r = -E2BIG;

    for (int level = FLOW_LEVEL_BORDERS; level >= FLOW_LEVEL_OUTLINE && r == -E2BIG; level--) {
        _cleanup_(flow_chart_freep) struct flow_chart *chart = NULL;
        r = flow_chart_new(model, selection, (enum flow_level)level, &chart, ret_error);
        if (r == 0 && level > FLOW_LEVEL_OUTLINE && flow_chart_height(chart) > FLOW_PAGE_HEIGHT)
            r = -E2BIG;
        if (r == 0)
            *ret_chart = KITH_STEAL(chart);
    }
    return r;
}

struct flow_chart *flow_chart_free(struct flow_chart *chart) {
    if (!chart)
        return NULL;
    free(chart->boxes);
    free(chart->arrows);
    free(chart->texts);
    free(chart);
    return NULL;
}
