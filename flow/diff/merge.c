/*
 * flow/diff/merge.c: first which call belongs to which, from the outermost calls on, then the forest in one walk.
 *
 * The calls of two callers that belong together are two rows of names. What is the same at their beginnings and ends is paired at once;
 * what is between, by their longest common subsequence.
 */
#include "flow/diff/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Cells of a table for the longest common subsequence; rows that would need more have nothing in common. */
#define CELLS_MAX ((size_t)16 << 20)

struct side {
    const struct flow_model *model;
    const uint32_t *number_of;
    uint32_t *first, *next; /* a call each, and one more in front of them: what it called; index + 1 */
    uint32_t *partner;      /* in the other model, or FLOW_NONE */
    uint32_t *row;          /* the calls of one caller, for a while */
    size_t row_count;
};

struct merging {
    struct side sides[2];
    uint32_t *queue; /* calls of the first model whose calls are to be paired */
    size_t queue_count;
    uint32_t *cells;
    size_t cell_room;
};

static uint32_t name_of(const struct side *side, uint32_t call) {
    return side->number_of[side->model->calls[call].function];
}

/* Backwards, so that each list is in order. */
static void link_calls(struct side *side) {
    for (size_t i = side->model->call_count; i-- > 0;) {
        const struct flow_call *call = &side->model->calls[i];
        uint32_t caller = call->parent != FLOW_NONE ? call->parent : call->handed_from;
        uint32_t at = caller == FLOW_NONE ? 0 : caller + 1;
        side->next[i + 1] = side->first[at];
        side->first[at] = (uint32_t)i + 1;
        side->partner[i] = FLOW_NONE;
    }
}

static int side_init(struct side *side, const struct flow_model *model, const uint32_t *number_of) {
    size_t count = model->call_count + 1;

    *side = (struct side){.model = model, .number_of = number_of};
    side->first = calloc(count, sizeof(uint32_t));
    side->next = calloc(count, sizeof(uint32_t));
    side->partner = calloc(count, sizeof(uint32_t));
    side->row = calloc(count, sizeof(uint32_t));
    if (!side->first || !side->next || !side->partner || !side->row)
        return -ENOMEM;
    link_calls(side);
    return 0;
}

static void side_deinit(struct side *side) {
    free(side->first);
    free(side->next);
    free(side->partner);
    free(side->row);
}

/* Pairing ------------------------------------------------------------------------------------------------------------------ */

static bool is_same(const struct merging *merging, size_t a, size_t b) {
    const struct side *sides = merging->sides;
    return name_of(&sides[0], sides[0].row[a]) == name_of(&sides[1], sides[1].row[b]) &&
           sides[0].model->calls[sides[0].row[a]].lane == sides[1].model->calls[sides[1].row[b]].lane;
}

static void pair(struct merging *merging, size_t a, size_t b) {
    uint32_t left = merging->sides[0].row[a], right = merging->sides[1].row[b];

    merging->sides[0].partner[left] = right;
    merging->sides[1].partner[right] = left;
    merging->queue[merging->queue_count++] = left;
}

/* cells[a * width + b]: how much rows a and on, b and on have in common. Both ends are ahead of what is compared. */
static int pair_middle(struct merging *merging, size_t a, size_t a_end, size_t b, size_t b_end) {
    size_t height = a_end - a + 1, width = b_end - b + 1;

    if (height == 1 || width == 1 || height > CELLS_MAX / width)
        return 0;
    if (height * width > merging->cell_room) {
        free(merging->cells);
        merging->cell_room = height * width;
        merging->cells = malloc(merging->cell_room * sizeof(*merging->cells));
        if (!merging->cells)
            return -ENOMEM;
    }
    uint32_t *cells = merging->cells;
    for (size_t i = height; i-- > 0;) {
        for (size_t j = width; j-- > 0;) {
            uint32_t down = i + 1 < height ? cells[(i + 1) * width + j] : 0, right = j + 1 < width ? cells[i * width + j + 1] : 0;
            cells[i * width + j] = i + 1 == height || j + 1 == width ? 0
                                   : is_same(merging, a + i, b + j)  ? cells[(i + 1) * width + j + 1] + 1
                                   : down > right                    ? down
                                                                     : right;
        }
    }
    for (size_t i = 0, j = 0; i + 1 < height && j + 1 < width;) {
        if (is_same(merging, a + i, b + j))
            pair(merging, a + i++, b + j++);
        else if (cells[(i + 1) * width + j] >= cells[i * width + j + 1])
            i++;
        else
            j++;
    }
    return 0;
}

static size_t take_row(struct side *side, uint32_t at) {
    size_t count = 0;

    for (uint32_t i = side->first[at]; i != 0; i = side->next[i])
        side->row[count++] = i - 1;
    return count;
}

/* at: a call's index + 1 in each model, or 0: the outermost calls. */
static int pair_rows(struct merging *merging, uint32_t at, uint32_t partner) {
    size_t a = 0, a_end = take_row(&merging->sides[0], at), b = 0, b_end = take_row(&merging->sides[1], partner);

    while (a < a_end && b < b_end && is_same(merging, a, b))
        pair(merging, a++, b++);
    while (a < a_end && b < b_end && is_same(merging, a_end - 1, b_end - 1))
        pair(merging, --a_end, --b_end);
    return pair_middle(merging, a, a_end, b, b_end);
}

static int pair_all(struct merging *merging) {
    int r = pair_rows(merging, 0, 0);

    for (size_t i = 0; r == 0 && i < merging->queue_count; i++) {
        uint32_t call = merging->queue[i];
        r = pair_rows(merging, call + 1, merging->sides[0].partner[call] + 1);
    }
    return r;
}

/* The forest ------------------------------------------------------------------------------------------------------------------ */

struct frame {
    uint32_t at[2]; /* the next call of each side, index + 1; 0: no more */
    uint32_t merged;
};

/* What comes next of a caller's calls: first what only the first recording has. */
static struct flow_merged next_of(const struct merging *merging, struct frame *frame) {
    const struct side *left = &merging->sides[0], *right = &merging->sides[1];
    uint32_t a = frame->at[0], b = frame->at[1];
    struct flow_merged merged = {.call = {FLOW_NONE, FLOW_NONE}, .parent = frame->merged};

    if (a != 0 && (left->partner[a - 1] == FLOW_NONE || b == 0 || right->partner[b - 1] == a - 1)) {
        merged.call[0] = a - 1;
        frame->at[0] = left->next[a];
        if (left->partner[a - 1] == FLOW_NONE)
            return merged;
    }
    merged.call[1] = b - 1;
    frame->at[1] = right->next[b];
    return merged;
}

static struct frame frame_of(const struct merging *merging, const struct flow_merged *merged, uint32_t index) {
    struct frame frame = {.merged = index};

    for (size_t s = 0; s < 2; s++)
        frame.at[s] = merged->call[s] == FLOW_NONE ? 0 : merging->sides[s].first[merged->call[s] + 1];
    return frame;
}

static void walk(const struct merging *merging, struct flow_merge *merge, struct frame *frames) {
    size_t depth = 1;

    frames[0] = (struct frame){.at = {merging->sides[0].first[0], merging->sides[1].first[0]}, .merged = FLOW_NONE};
    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];
        if (frame->at[0] == 0 && frame->at[1] == 0) {
            depth--;
            continue;
        }
        struct flow_merged merged = next_of(merging, frame);
        uint32_t index = (uint32_t)merge->count++;
        merge->calls[index] = merged;
        frames[depth++] = frame_of(merging, &merged, index);
    }
    for (size_t i = merge->count; i-- > 0;)
        if (merge->calls[i].parent != FLOW_NONE)
            merge->calls[merge->calls[i].parent].below += merge->calls[i].below + 1;
}

static uint32_t merged_name(const struct merging *merging, const struct flow_merged *merged) {
    size_t side = merged->call[1] != FLOW_NONE;
    return name_of(&merging->sides[side], merged->call[side]);
}

/* Among the calls of one caller. */
static void mark_repeats(const struct merging *merging, struct flow_merge *merge) {
    for (size_t i = 0; i < merge->count; i++) {
        struct flow_merged *merged = &merge->calls[i];
        size_t after = i + merged->below + 1;
        if (after >= merge->count || merge->calls[after].parent != merged->parent)
            continue;
        struct flow_merged *next = &merge->calls[after];
        if (merged_name(merging, merged) != merged_name(merging, next))
            continue;
        merged->repeats |= !flow_merged_is_both(merged) && (flow_merged_is_both(next) || next->repeats);
        next->repeats |= !flow_merged_is_both(next) && (flow_merged_is_both(merged) || merged->repeats);
    }
}

int flow_merge_init(struct flow_merge *merge, const struct flow_model *const models[2], const struct flow_names *names) {
    size_t count = models[0]->call_count + models[1]->call_count;
    struct merging merging = {0};
    struct frame *frames = calloc(count + 2, sizeof(*frames));
    int r = 0;

    *merge = (struct flow_merge){.models = {models[0], models[1]}, .calls = calloc(count + 1, sizeof(*merge->calls))};
    merging.queue = calloc(models[0]->call_count + 1, sizeof(*merging.queue));
    if (!merge->calls || !frames || !merging.queue)
        r = -ENOMEM;
    for (size_t s = 0; r == 0 && s < 2; s++)
        r = side_init(&merging.sides[s], models[s], names->number_of[s]);
    if (r == 0)
        r = pair_all(&merging);
    if (r == 0) {
        walk(&merging, merge, frames);
        mark_repeats(&merging, merge);
    }
    for (size_t s = 0; s < 2; s++)
        side_deinit(&merging.sides[s]);
    free(merging.queue);
    free(merging.cells);
    free(frames);
    return r;
}

void flow_merge_deinit(struct flow_merge *merge) {
    free(merge->calls);
    *merge = (struct flow_merge){0};
}
