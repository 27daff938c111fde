/* flow/decode/notes.c: what must be said below every view: what was lost, left out, or cannot be seen. */
#include <errno.h>
#include <inttypes.h>

#include "flow/decode/build.h"

int flow_build_note(struct flow_build *build, bool is_loss, const char *text) {
    struct flow_model *model = build->model;

    if (!text || !FLOW_ROOM(model->notes, build->note_room, model->note_count))
        return -ENOMEM;
    model->notes[model->note_count++] = (struct flow_note){.is_loss = is_loss, .text = text};
    return 0;
}

static int note_losses(struct flow_build *build) {
    struct flow_model *model = build->model;
    struct flow_texts **texts = &build->texts;
    double all = (double)model->lost_events + (double)model->seen_events;
    int r = 0;

    if (model->lost_events > 0)
        r = flow_build_note(build, true,
                            flow_texts_printf(texts, "%" PRIu64 " of %.0f events were lost (%.2f %%): calls are missing here.",
                                              model->lost_events, all, 100.0 * (double)model->lost_events / all));
    if (r == 0 && build->events.broken_pages > 0)
        r = flow_build_note(
            build, true,
            flow_texts_printf(texts, "%" PRIu64 " pages of the recording are broken and were left out.", build->events.broken_pages));
    if (r == 0 && !model->whole)
        r = flow_build_note(build, true, flow_texts_printf(texts, "The recording ends early: the recorder did not come to its end."));
    return r;
}

static int note_halves(struct flow_build *build) {
    if (build->unfinished == 0 && build->unbegun == 0)
        return 0;
    return flow_build_note(build, false,
                           flow_texts_printf(&build->texts,
                                             "The end of %" PRIu64 " calls and the beginning of %" PRIu64 " were not recorded.",
                                             build->unfinished, build->unbegun));
}

static int note_cuts(struct flow_build *build) {
    if (build->cut_frames == 0 && build->cut_noise == 0)
        return 0;
    return flow_build_note(build, false,
                           flow_texts_printf(&build->texts,
                                             "Left out: %" PRIu64 " calls that lead a softirq to its packets or to none (net_rx_action, "
                                             "process_backlog, __local_bh_enable_ip), %" PRIu64 " of timers, tasklets and RCU.",
                                             build->cut_frames, build->cut_noise));
}

static int note_what_cannot_be_seen(struct flow_build *build) {
    if (build->model->probes_only)
        return flow_build_note(build, false, flow_texts_printf(&build->texts, "Only probes were recorded, no functions."));
    if (build->model->call_count == 0)
        return 0;
    int r = flow_build_note(
        build, false,
        flow_texts_printf(&build->texts, "Functions that the compiler inlined, and those that the recorder filtered out, do not occur."));
    if (r == 0)
        r = flow_build_note(
            build, false,
            flow_texts_printf(&build->texts, "A function that ends with a jump to another (tail call) looks as if it had called it."));
    return r;
}

int flow_build_notes(struct flow_build *build) {
    int r = note_losses(build);

    for (size_t i = 0; r == 0 && i < build->meta.note_count; i++)
        r = flow_build_note(build, false, build->meta.notes[i]);
    if (r == 0)
        r = note_halves(build);
    if (r == 0)
        r = note_cuts(build);
    if (r == 0)
        r = note_what_cannot_be_seen(build);
    return r;
}
