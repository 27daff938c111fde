/*
 * flow/view/tree.c: calls as a tree for a terminal.
 *
 * One tree for each root, in the order of time; what happened in a call stands between what it called. Where a packet was handed to the
 * softirq there is a line with its number, and the packet's own tree begins with that number. Calls are walked by their links, so that
 * depth costs nothing; lines deeper than DEPTH_MAX are not indented any further.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/view/text.h"
#include "flow/view/words.h"

#define DEPTH_MAX 100
#define NUMBER_MAX 32

struct tree {
    const struct flow_model *model;
    const struct flow_selection *selection;
    const struct flow_tree_options *options;
    struct view_out *out;
    uint8_t *visible;      /* a call: it is printed */
    uint8_t *last;         /* a call: no sibling after it is printed */
    uint32_t *folded;      /* a call: so many helpers that it called are not printed */
    uint32_t *run;         /* a call: the first of the equal leaves that it called last; 0: none */
    uint32_t *repeated;    /* a call: so many equal ones after it are not printed, */
    uint64_t *repeated_ns; /* which took so long */
    uint32_t *mark;        /* a call: its first mark that was not printed yet */
    uint32_t *next_mark;   /* a mark: the next one of the same call */
    uint32_t *handed;      /* a call: the first packet that was handed from it and not said yet */
    uint32_t *next_handed; /* a call that is a packet: the next one from the same call */
    uint32_t *number;      /* a call: the number of a packet's tree */
    uint32_t numbers;
    bool more[DEPTH_MAX]; /* a level: a sibling follows */
};

/* Preparation --------------------------------------------------------------------------------------------------------- */

/* A leaf that its caller called just before, too, and in which nothing happened, is counted there. */
static bool repeats(struct tree *tree, uint32_t index) {
    const struct flow_call *call = &tree->model->calls[index];
    uint32_t *run = call->parent != FLOW_NONE ? &tree->run[call->parent] : NULL;
    bool quiet = call->first_child == FLOW_NONE && tree->mark[index] == FLOW_NONE && tree->handed[index] == FLOW_NONE && call->flags == 0;

    if (!run)
        return false;
    if (!quiet) {
        *run = 0;
        return false;
    }
    /* 0 is no child of any call: it has the smallest index. */
    if (*run == 0 || tree->model->calls[*run].function != call->function) {
        *run = index;
        return false;
    }
    tree->repeated[*run]++;
    tree->repeated_ns[*run] += call->end_ns - call->begin_ns;
    return true;
}

static void find_visible(struct tree *tree) {
    const struct flow_model *model = tree->model;

    for (size_t i = 0; i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        bool helper = model->functions[call->function].helper && call->first_child == FLOW_NONE && call->parent != FLOW_NONE;
        bool folded = helper && !tree->options->unfold && tree->mark[i] == FLOW_NONE && tree->handed[i] == FLOW_NONE;
        tree->visible[i] = tree->selection->shown[i] && !folded && (tree->options->unfold || !repeats(tree, (uint32_t)i));
        if (tree->selection->shown[i] && folded)
            tree->folded[call->parent]++;
    }
    /* `last` serves as "a later child is printed" of the parent first. */
    uint8_t *has_later = tree->last;
    for (size_t i = model->call_count; i-- > 0;) {
        uint32_t parent = model->calls[i].parent;
        bool later = parent != FLOW_NONE && (has_later[parent] & 2);
        tree->last[i] = (uint8_t)((tree->last[i] & 2) | !later);
        if (parent != FLOW_NONE && tree->visible[i])
            has_later[parent] |= 2;
    }
}

static void chain_marks(struct tree *tree) {
    const struct flow_model *model = tree->model;

    for (size_t i = 0; i < model->call_count; i++)
        tree->mark[i] = tree->handed[i] = tree->next_handed[i] = FLOW_NONE;
    for (size_t i = model->mark_count; i-- > 0;) {
        uint32_t call = model->marks[i].call;
        tree->next_mark[i] = FLOW_NONE;
        if (call == FLOW_NONE)
            continue;
        tree->next_mark[i] = tree->mark[call];
        tree->mark[call] = (uint32_t)i;
    }
    for (size_t i = model->call_count; i-- > 0;) {
        uint32_t from = model->calls[i].handed_from;
        if (from == FLOW_NONE || !tree->selection->shown[i])
            continue;
        tree->next_handed[i] = tree->handed[from];
        tree->handed[from] = (uint32_t)i;
    }
    for (size_t i = 0; i < model->call_count; i++)
        if (model->calls[i].handed_from != FLOW_NONE && tree->selection->shown[i])
            tree->number[i] = ++tree->numbers;
}

static void tree_deinit(struct tree *tree) {
    free(tree->visible);
    free(tree->last);
    free(tree->folded);
    free(tree->run);
    free(tree->repeated);
    free(tree->repeated_ns);
    free(tree->mark);
    free(tree->next_mark);
    free(tree->handed);
    free(tree->next_handed);
    free(tree->number);
}

static int tree_init(struct tree *tree) {
    size_t calls = tree->model->call_count + 1, marks = tree->model->mark_count + 1;

    tree->visible = calloc(calls, 1);
    tree->last = calloc(calls, 1);
    tree->folded = calloc(calls, sizeof(*tree->folded));
    tree->run = calloc(calls, sizeof(*tree->run));
    tree->repeated = calloc(calls, sizeof(*tree->repeated));
    tree->repeated_ns = calloc(calls, sizeof(*tree->repeated_ns));
    tree->mark = calloc(calls, sizeof(*tree->mark));
    tree->next_mark = calloc(marks, sizeof(*tree->next_mark));
    tree->handed = calloc(calls, sizeof(*tree->handed));
    tree->next_handed = calloc(calls, sizeof(*tree->next_handed));
    tree->number = calloc(calls, sizeof(*tree->number));
    if (!tree->run || !tree->repeated || !tree->repeated_ns || !tree->visible || !tree->last || !tree->folded || !tree->mark ||
        !tree->next_mark || !tree->handed || !tree->next_handed || !tree->number)
        return -ENOMEM;
    chain_marks(tree);
    find_visible(tree);
    return 0;
}

/* Lines --------------------------------------------------------------------------------------------------------------- */

static void colour(struct tree *tree, const char *code) {
    if (tree->options->colour)
        view_out_printf(tree->out, "\033[%sm", code);
}

static const char *layer_colour(enum flow_layer layer) {
    static const char *const codes[FLOW_LAYERS_] = {[FLOW_SYSCALL] = "1", [FLOW_SOCKET] = "36",  [FLOW_TRANSPORT] = "32", [FLOW_IP] = "33",
                                                    [FLOW_DEVICE] = "35", [FLOW_RECEIVE] = "34", [FLOW_ELSEWHERE] = "2"};
    return codes[layer];
}

/* The lines down to the branch of a line at this level; level 0 has none. */
static void put_branches(struct tree *tree, unsigned level, bool last) {
    bool ascii = tree->options->ascii;

    colour(tree, "2");
    for (unsigned i = 1; i < level && i < DEPTH_MAX; i++)
        view_out_puts(tree->out, tree->more[i] ? (ascii ? "|  " : "\u2502  ") : "   ");
    if (level > 0)
        view_out_puts(tree->out, last ? (ascii ? "`- " : "\u2514\u2500 ") : (ascii ? "|- " : "\u251c\u2500 "));
    colour(tree, "0");
}

static void put_flags(struct tree *tree, const struct flow_call *call) {
    if (call->flags & FLOW_UNFINISHED)
        view_out_puts(tree->out, "  [end not recorded]");
    if (call->flags & FLOW_UNBEGUN)
        view_out_puts(tree->out, "  [beginning not recorded]");
    bool outer = call->parent == FLOW_NONE || !(tree->model->calls[call->parent].flags & FLOW_BACKLOG);
    if ((call->flags & FLOW_BACKLOG) && outer)
        view_out_puts(tree->out, "  [from the backlog: put off while the socket was locked]");
}

static void put_call(struct tree *tree, uint32_t index, unsigned level, bool last) {
    const struct flow_call *call = &tree->model->calls[index];
    const struct flow_function *function = &tree->model->functions[call->function];
    char duration[NUMBER_MAX];

    flow_words_duration(call->end_ns - call->begin_ns, duration, sizeof(duration));
    view_out_printf(tree->out, "%10s  ", duration);
    put_branches(tree, level, last);
    colour(tree, layer_colour(function->layer));
    view_out_name(tree->out, function->name);
    colour(tree, "0");
    if (function->module) {
        view_out_puts(tree->out, " [");
        view_out_name(tree->out, function->module);
        view_out_puts(tree->out, "]");
    }
    if (function->file && function->line > 0)
        view_out_printf(tree->out, "  %s:%u", function->file, function->line);
    if (tree->repeated[index] > 0) {
        flow_words_duration(tree->repeated_ns[index] + call->end_ns - call->begin_ns, duration, sizeof(duration));
        view_out_printf(tree->out, "  %u times, %s in all", tree->repeated[index] + 1, duration);
    }
    if (tree->folded[index] > 0)
        view_out_printf(tree->out, "  (+%u)", tree->folded[index]);
    put_flags(tree, call);
    view_out_puts(tree->out, "\n");
}

static void put_mark(struct tree *tree, const struct flow_mark *mark, unsigned level) {
    char words[FLOW_WORDS_MAX];

    flow_words_mark(mark, words);
    view_out_printf(tree->out, "%10s  ", "");
    put_branches(tree, level, false);
    colour(tree, "1");
    view_out_printf(tree->out, "* %s", words);
    colour(tree, "0");
    view_out_puts(tree->out, "\n");
}

static void put_handed(struct tree *tree, uint32_t packet, unsigned level) {
    view_out_printf(tree->out, "%10s  ", "");
    put_branches(tree, level, false);
    colour(tree, "34");
    view_out_printf(tree->out, "~> softirq #%u", tree->number[packet]);
    colour(tree, "0");
    view_out_puts(tree->out, "\n");
}

/* What happened in a call up to this time. */
static void put_events(struct tree *tree, uint32_t index, unsigned level, uint64_t until_ns) {
    for (;;) {
        uint32_t mark = tree->mark[index], packet = tree->handed[index];
        uint64_t mark_ns = mark == FLOW_NONE ? UINT64_MAX : tree->model->marks[mark].time_ns;
        uint64_t packet_ns = packet == FLOW_NONE ? UINT64_MAX : tree->model->calls[packet].begin_ns;
        if ((mark == FLOW_NONE && packet == FLOW_NONE) || (mark_ns < packet_ns ? mark_ns : packet_ns) > until_ns)
            return;
        if (mark_ns <= packet_ns && mark != FLOW_NONE) {
            put_mark(tree, &tree->model->marks[mark], level);
            tree->mark[index] = tree->next_mark[mark];
        } else {
            put_handed(tree, packet, level);
            tree->handed[index] = tree->next_handed[packet];
        }
    }
}

static void put_head(struct tree *tree, uint32_t index) {
    const struct flow_call *call = &tree->model->calls[index];
    const struct flow_task *task = &tree->model->tasks[call->task];

    view_out_puts(tree->out, "\n");
    colour(tree, "1");
    view_out_puts(tree->out, flow_lane_name(call->lane));
    if (tree->number[index] > 0)
        view_out_printf(tree->out, " #%u", tree->number[index]);
    colour(tree, "0");
    view_out_printf(tree->out, "  +%.3f ms  cpu %u  ", (double)call->begin_ns / 1e6, call->cpu);
    view_out_name(tree->out, task->name);
    view_out_printf(tree->out, " (%d)", task->pid);
    if (call->handed_from != FLOW_NONE) {
        view_out_puts(tree->out, "  handed over below ");
        view_out_name(tree->out, tree->model->functions[tree->model->calls[call->handed_from].function].name);
    }
    view_out_puts(tree->out, "\n");
}

/* The walk ------------------------------------------------------------------------------------------------------------ */

/* The outermost printed call of a tree: its parent is not. */
static void walk(struct tree *tree, uint32_t top) {
    const struct flow_call *calls = tree->model->calls;
    uint32_t at = top;
    unsigned level = 0;

    put_head(tree, top);
    put_call(tree, top, 0, true);
    for (;;) {
        uint32_t next = calls[at].first_child;
        while (next != FLOW_NONE && !tree->visible[next])
            next = calls[next].next;
        while (next == FLOW_NONE) { /* nothing below, or nothing left below: up, and on */
            put_events(tree, at, level + 1, UINT64_MAX);
            if (at == top)
                return;
            next = calls[at].next;
            while (next != FLOW_NONE && !tree->visible[next])
                next = calls[next].next;
            at = calls[at].parent;
            level--;
        }
        level++;
        put_events(tree, calls[next].parent, level, calls[next].begin_ns);
        bool last = (tree->last[next] & 1) && tree->mark[calls[next].parent] == FLOW_NONE && tree->handed[calls[next].parent] == FLOW_NONE;
        if (level < DEPTH_MAX)
            tree->more[level] = !last;
        put_call(tree, next, level, last);
        at = next;
    }
}

static void put_notes(struct tree *tree) {
    const struct flow_model *model = tree->model;

    view_out_puts(tree->out, "\n");
    if (tree->numbers > 0)
        view_out_puts(tree->out, "~> softirq #N: inferred: the softirq ran while that call did; its tree has the number.\n");
    for (size_t i = 0; i < model->note_count; i++) {
        colour(tree, model->notes[i].is_loss ? "31" : "2");
        view_out_name(tree->out, model->notes[i].text);
        colour(tree, "0");
        view_out_puts(tree->out, "\n");
    }
}

static void put_title(struct tree *tree) {
    const struct flow_model *model = tree->model;

    if (model->note_count > 0 && model->notes[0].is_loss) { /* a loss is said first */
        view_out_name(tree->out, model->notes[0].text);
        view_out_puts(tree->out, "\n");
    }
    view_out_puts(tree->out, "Linux ");
    view_out_name(tree->out, model->kernel ? model->kernel : "?");
    if (model->scenario || model->command) {
        view_out_puts(tree->out, ": ");
        view_out_name(tree->out, model->scenario ? model->scenario : model->command);
    }
    view_out_printf(tree->out, ", %zu calls in %.3f ms\n", model->call_count, (double)model->duration_ns / 1e6);
}

int flow_view_tree(const struct flow_model *model, const struct flow_selection *selection, const struct flow_tree_options *options,
                   struct view_out *out) {
    struct tree tree = {.model = model, .selection = selection, .options = options, .out = out};
    int r = tree_init(&tree);

    if (r == 0) {
        put_title(&tree);
        size_t mark = 0;
        for (size_t i = 0; i < model->call_count && out->error == 0; i++) {
            uint32_t parent = model->calls[i].parent;
            if (!tree.visible[i] || (parent != FLOW_NONE && tree.visible[parent]))
                continue;
            for (; mark < model->mark_count && model->marks[mark].time_ns <= model->calls[i].begin_ns; mark++)
                if (model->marks[mark].call == FLOW_NONE && flow_selection_has_mark(selection, &model->marks[mark]))
                    put_mark(&tree, &model->marks[mark], 0);
            walk(&tree, (uint32_t)i);
        }
        for (; mark < model->mark_count; mark++)
            if (model->marks[mark].call == FLOW_NONE && flow_selection_has_mark(selection, &model->marks[mark]))
                put_mark(&tree, &model->marks[mark], 0);
        put_notes(&tree);
        r = view_out_finish(out);
    }
    tree_deinit(&tree);
    return r;
}
