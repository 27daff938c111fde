/*
 * fuzz-flow-diff.c: two recordings whose sections are anybody's. Their differences can be told and drawn: every call of each is in the
 * forest of both, and that forest is a sound model.
 *
 * The input: two octets with the size of the first row of sections (little-endian), both rows (maker_sections()).
 */
#include <errno.h>
#include <stdio.h>

#include "flow/decode/decode.h"
#include "flow/decode/testing.h"
#include "flow/diff/diff.h"
#include "flow/view/chart.h"
#include "fuzz.h"

#define EVENTS_MAX 2000

static int count_octets(void *userdata, const void *data, size_t size) {
    *(size_t *)userdata += size;
    return 0;
}

static void must(bool right, const char *what) {
    if (right)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static struct flow_model *model_of(struct maker *maker, const uint8_t *data, size_t size) {
    struct flow_decode_options options = {.events_max = EVENTS_MAX};
    struct flow_model *model = NULL;

    maker_init(maker, "{}", "__x64_sys_connect tcp_v4_connect net_rx_action __netif_receive_skb release_sock tcp_v4_do_rcv");
    maker_sections(maker, data, size);
    (void)flow_model_new(&maker->recording, &options, &model, NULL);
    maker->recording.count = 0; /* the pages are the input's */
    return model;
}

static void draw(const struct flow_merge *merge, struct view_out *out) {
    _cleanup_(flow_model_freep) struct flow_model *both = NULL;
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    _cleanup_(flow_chart_freep) struct flow_chart *chart = NULL;
    uint8_t *tags = NULL;

    must(flow_merge_model(merge, &both, &tags) == 0, "no model of both");
    const char *wrong = model_check(both);
    must(!wrong, wrong);
    must(flow_select(both, &(struct flow_select){0}, selection, NULL) == 0, "no selection");
    selection->tags = tags;
    int r = flow_chart_new(both, selection, (enum flow_level)(both->call_count % 5), &chart, NULL);
    must(r == -E2BIG || (r == 0 && flow_view_dot(chart, out) == 0), "no chart");
    free(tags);
}

static void compare(const struct flow_model *before, const struct flow_model *after) {
    _cleanup_(flow_diff_freep) struct flow_diff *diff = NULL;
    struct view_out out;
    size_t octets = 0, calls[2] = {0};

    must(flow_diff_new(before, after, &diff) == 0, "no difference can be told");
    for (size_t i = 0; i < diff->merge.count; i++)
        for (size_t s = 0; s < 2; s++)
            calls[s] += diff->merge.calls[i].call[s] != FLOW_NONE;
    must(calls[0] == before->call_count && calls[1] == after->call_count, "calls are missing in the forest, or twice");
    view_out_init(&out, count_octets, &octets);
    must(flow_view_diff(diff, &out) == 0 && flow_view_diff_json(diff, &out) == 0, "a view failed");
    draw(&diff->merge, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct maker makers[2];

    if (size < 2)
        return 0;
    size_t first = data[0] | (size_t)data[1] << 8;
    first = first < size - 2 ? first : size - 2;
    _cleanup_(flow_model_freep) struct flow_model *before = model_of(&makers[0], data + 2, first);
    _cleanup_(flow_model_freep) struct flow_model *after = model_of(&makers[1], data + 2 + first, size - 2 - first);
    if (before && after)
        compare(before, after);
    maker_deinit(&makers[0]);
    maker_deinit(&makers[1]);
    return 0;
}
