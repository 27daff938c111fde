/*
 * fuzz-flow-decode.c: a recording whose sections are anybody's: pages, formats, symbols, META. It decodes into a model that is sound, and
 * all views of it end; or it is refused with a reason.
 *
 * The input is a row of sections: maker_sections(). Formats of Linux 6.1 stand in front of them, so that pages alone mean something.
 */
#include <errno.h>
#include <stdio.h>

#include "flow/decode/decode.h"
#include "flow/decode/testing.h"
#include "flow/view/chart.h"
#include "flow/view/text.h"
#include "fuzz.h"

#define EVENTS_MAX 20000

static int count_octets(void *userdata, const void *data, size_t size) {
    *(size_t *)userdata += size;
    return 0;
}

/* One of too many boxes is refused. */
static int draw(const struct flow_model *model, const struct flow_selection *selection, struct view_out *out) {
    _cleanup_(flow_chart_freep) struct flow_chart *chart = NULL;
    int r = model->call_count % 2 ? flow_chart_new_page(model, selection, &chart, NULL)
                                  : flow_chart_new(model, selection, (enum flow_level)(model->call_count % 5), &chart, NULL);

    return r == -E2BIG ? 0 : r < 0 ? r : flow_view_dot(chart, out) | flow_view_mermaid(chart, out);
}

static void view(const struct flow_model *model, const struct flow_select *select) {
    _cleanup_(flow_selection_deinitp) struct flow_selection *selection = &(struct flow_selection){0};
    struct flow_tree_options options = {.colour = true, .unfold = model->call_count % 2};
    struct view_out out;
    size_t octets = 0;

    if (flow_select(model, select, selection, NULL) < 0)
        return;
    view_out_init(&out, count_octets, &octets);
    int r = flow_view_tree(model, selection, &options, &out);
    r |= flow_view_folded(model, selection, &out);
    r |= flow_view_json(model, selection, &out);
    r |= flow_view_perfetto(model, selection, &out);
    r |= draw(model, selection, &out);
    if (r < 0 || octets == 0) {
        fprintf(stderr, "a view failed: %d\n", r);
        abort();
    }
}

static void view_all(const struct flow_model *model) {
    view(model, &(struct flow_select){0});
    view(model, &(struct flow_select){.lane = "softirq"});
    if (model->function_count == 0)
        return;
    const char *name = model->functions[model->function_count - 1].name;
    view(model, &(struct flow_select){.from = name, .depth = 3});
    view(model, &(struct flow_select){.to = name});
    view(model, &(struct flow_select){.call = name, .socket = model->mark_count > 0 ? model->marks[0].socket : 0});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct flow_decode_options options = {.events_max = EVENTS_MAX};
    struct flow_model *model = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    struct maker maker;

    maker_init(&maker, "{}",
               "__x64_sys_connect tcp_v4_connect net_rx_action __netif_receive_skb release_sock tcp_v4_do_rcv run_timer_softirq");
    size_t own = maker.recording.count;
    maker_sections(&maker, data, size);
    maker.recording.whole = size % 2;
    if (size % 3 == 0) /* its own META, header and symbols count, which come first otherwise */
        maker.recording.sections += own, maker.recording.count -= own;
    else
        own = 0;
    int r = flow_model_new(&maker.recording, &options, &model, &error);
    if ((r < 0) != (error.text[0] != '\0') || (r < 0) != (model == NULL))
        abort();
    const char *wrong = model ? model_check(model) : NULL;
    if (wrong) {
        fprintf(stderr, "not sound: %s\n", wrong);
        abort();
    }
    if (model)
        view_all(model);
    flow_model_free(model);
    maker.recording.sections -= own;
    maker.recording.count = 0; /* the pages are the input's */
    maker_deinit(&maker);
    return 0;
}
