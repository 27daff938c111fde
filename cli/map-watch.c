/*
 * cli/map-watch.c: kith map --watch: a map again and again, with what changed.
 *
 * On a terminal the whole table each time, with marks. Elsewhere the table once, and then a line for each change, so that a log or another
 * program can follow; with --json each change is an object.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/map.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "map/model/diff.h"
#include "map/view/view.h"
#include "view/jsontext.h"

struct state {
    const struct cli_map_watch *watch;
    struct map *before; /* NULL: this is the first */
    struct map *now;
    uint32_t *gone, *shown;
    size_t gone_count, shown_count;
    bool screen;
};

/* Of what is selected, what has one of the marks; 0: all. */
static int choose(const struct map *map, const struct map_select *select, uint32_t marks, uint32_t **sockets, size_t *ret_count) {
    struct map_select marked = *select;

    marked.marks = marks;
    free(*sockets);
    *sockets = NULL;
    return map_select(map, &marked, sockets, ret_count);
}

static int choose_all(struct state *state) {
    bool whole = !state->before || state->screen;
    int r = choose(state->now, state->watch->select, whole ? 0 : MAP_IS_BORN | MAP_IS_CHANGED, &state->shown, &state->shown_count);

    state->gone_count = 0;
    return r < 0 || !state->before ? r : choose(state->before, state->watch->select, MAP_IS_GONE, &state->gone, &state->gone_count);
}

static void put_time(struct view_out *out) {
    time_t now = time(NULL);
    struct tm local;
    char text[32];

    if (localtime_r(&now, &local) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) > 0)
        view_out_printf(out, "# %s\n", text);
}

static int write_table(struct state *state, struct view_out *out) {
    const struct map_view shown = {state->now, state->shown, state->shown_count}, gone = {state->before, state->gone, state->gone_count};
    bool whole = !state->before || state->screen;
    struct map_table table;

    if (!whole && shown.count + gone.count == 0)
        return 0;
    map_table_begin(&table, true);
    int r = map_table_add(&table, &shown);
    if (r == 0)
        r = map_table_add(&table, &gone);
    if (state->screen)
        view_out_puts(out, "\033[H\033[2J"); /* the cursor home, and the screen empty (ECMA-48) */
    put_time(out);
    map_table_put(&table, whole, out);
    if (whole)
        map_view_missing(state->now, out);
    return r < 0 ? r : out->error;
}

static int put_change(const struct map *map, uint32_t number, const char *change, struct view_out *out) {
    return view_json_line(out, json_pack("{s:s, s:o}", "change", change, "socket", map_json_socket(map, number)));
}

static int write_json(struct state *state, struct view_out *out) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < state->shown_count; i++) {
        uint32_t flags = state->now->sockets[state->shown[i]].flags;
        const char *change = !state->before ? "there" : flags & MAP_IS_BORN ? "new" : "changed";
        r = put_change(state->now, state->shown[i], change, out);
    }
    for (size_t i = 0; r == 0 && i < state->gone_count; i++)
        r = put_change(state->before, state->gone[i], "gone", out);
    return r;
}

static int write_state(void *userdata, struct view_out *out) {
    struct state *state = userdata;
    return state->watch->json ? write_json(state, out) : write_table(state, out);
}

static int look(struct state *state) {
    int status = cli_map_read(state->watch->wanted, &state->now);
    if (status != 0)
        return status;
    if (state->before)
        map_diff(state->before, state->now);
    int r = choose_all(state);
    if (r == 0)
        r = cli_view_print(write_state, state);
    if (r < 0) {
        cli_error("out of memory");
        return CLI_ERROR;
    }
    state->before = map_free(state->before);
    state->before = KITH_STEAL(state->now);
    return 0;
}

/* On the beat; but looks that were missed, while this was stopped, are not made up for. */
static uint64_t next_look(uint64_t last, uint64_t step) {
    uint64_t now = kith_time_now();
    return (now > last + step ? now : last) + step;
}

int cli_map_watch(const struct cli_map_watch *watch) {
    struct state state = {.watch = watch, .screen = !watch->json && isatty(STDOUT_FILENO)};
    uint64_t next = kith_time_now(), step = (uint64_t)(watch->seconds * (double)KITH_NS_PER_S);
    int status = 0;

    for (int64_t i = 0; status == 0 && (watch->count == 0 || i < watch->count); i++) {
        if (i > 0) {
            struct timespec until = {.tv_sec = (time_t)(next / KITH_NS_PER_S), .tv_nsec = (long)(next % KITH_NS_PER_S)};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        }
        next = next_look(next, step);
        status = look(&state);
        if (cli_flush() < 0)
            break; /* nobody reads any more, or it cannot be written: said at the end */
    }
    map_free(state.before);
    map_free(state.now);
    free(state.gone);
    free(state.shown);
    return status;
}
