/*
 * flow/decode/softirq.c: packets' ways up become roots in a lane of their own.
 *
 * On loopback all of a handshake runs below the client's connect(): a softirq runs on the stack of whoever is there. Cut out is what begins
 * at the outermost __netif_receive_skb*; what leads to it (do_softirq, net_rx_action, process_backlog) goes away, and so do timers and RCU,
 * which are there by chance, and the places where a softirq could have run in a task that does nothing else here and none did. How many
 * that were is counted, for a note.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow/decode/build.h"

enum place { OUTSIDE, FRAME, PACKET, NOISE, CHANCE };

static const char *const frames[] = {"do_softirq",     "__do_softirq",   "do_softirq.part.0",   "handle_softirqs",
                                     "run_ksoftirqd",  "net_rx_action",  "net_tx_action",       "irq_exit_rcu",
                                     "__irq_exit_rcu", "invoke_softirq", "do_softirq_own_stack"};
static const char *const noises[] = {"run_timer_softirq",   "rcu_core",          "rcu_core_si",
                                     "tasklet_action",      "tasklet_hi_action", "run_rebalance_domains",
                                     "hrtimer_run_softirq", "blk_done_softirq"};

static bool is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static enum place kind_of(const char *name) {
    if (strncmp(name, "__netif_receive_skb", strlen("__netif_receive_skb")) == 0)
        return PACKET;
    if (is_one_of(name, frames, KITH_ARRAY_SIZE(frames)))
        return FRAME;
    if (strcmp(name, "__local_bh_enable_ip") == 0)
        return CHANCE;
    return is_one_of(name, noises, KITH_ARRAY_SIZE(noises)) ? NOISE : OUTSIDE;
}

struct cut {
    uint8_t *kinds;   /* a function -> enum place */
    bool *calls;      /* a call -> does it call anything? */
    uint8_t *places;  /* a call -> enum place */
    uint32_t *origin; /* a call in a softirq -> the innermost outside of it, or FLOW_NONE */
    uint32_t *place;  /* flow_build_move_calls() */
};

/* Where a call belongs, by where its caller does. */
static enum place place_call(enum place caller, enum place kind) {
    if (caller == NOISE || kind == NOISE)
        return NOISE;
    if (caller == PACKET || kind == PACKET)
        return PACKET;
    return caller == FRAME || kind == FRAME ? FRAME : OUTSIDE;
}

static void cut_call(struct flow_build *build, struct cut *cut, uint32_t i, uint32_t *kept) {
    struct flow_call *call = &build->model->calls[i];
    uint32_t parent = call->parent;
    enum place kind = cut->kinds[call->function];
    if (kind == CHANCE)
        kind = parent == FLOW_NONE && !cut->calls[i] ? FRAME : OUTSIDE;
    enum place caller = parent == FLOW_NONE ? OUTSIDE : cut->places[parent], here = place_call(caller, kind);

    cut->places[i] = (uint8_t)here;
    cut->origin[i] = caller == OUTSIDE ? parent : cut->origin[parent];
    if (here == NOISE && caller == PACKET)
        cut->origin[i] = parent; /* marks go to what they interrupted */
    cut->place[i] = here == FRAME || here == NOISE ? FLOW_NONE : (*kept)++;
    build->cut_frames += here == FRAME;
    build->cut_noise += here == NOISE;
    if (here != PACKET)
        return;
    call->lane = FLOW_SOFTIRQ;
    if (caller != PACKET) {
        call->handed_from = cut->origin[i];
        call->parent = FLOW_NONE;
        call->flags |= FLOW_HANDED;
    }
}

int flow_build_cut_softirq(struct flow_build *build) {
    struct flow_model *model = build->model;
    struct cut cut = {
        .kinds = calloc(model->function_count + 1, 1),
        .calls = calloc(model->call_count + 1, sizeof(*cut.calls)),
        .places = calloc(model->call_count + 1, 1),
        .origin = calloc(model->call_count + 1, sizeof(*cut.origin)),
        .place = calloc(model->call_count + 1, sizeof(*cut.place)),
    };
    uint32_t kept = 0;
    int r = -ENOMEM;

    if (cut.kinds && cut.calls && cut.places && cut.origin && cut.place) {
        for (size_t i = 0; i < model->function_count; i++)
            cut.kinds[i] = (uint8_t)kind_of(model->functions[i].name);
        for (size_t i = 0; i < model->call_count; i++)
            if (model->calls[i].parent != FLOW_NONE)
                cut.calls[model->calls[i].parent] = true;
        for (size_t i = 0; i < model->call_count; i++)
            cut_call(build, &cut, (uint32_t)i, &kept);
        r = flow_build_move_calls(build, cut.place, cut.origin, kept);
    }
    free(cut.kinds);
    free(cut.calls);
    free(cut.places);
    free(cut.origin);
    free(cut.place);
    return r;
}
