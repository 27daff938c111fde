/* flow/decode/link.c: children, depths, and work that was put off while a socket was locked. */
#include <errno.h>
#include <stdlib.h>

#include "flow/decode/build.h"

static bool ends_with(const char *name, const char *end) {
    size_t size = strlen(name), end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

/* A protocol's backlog_rcv: tcp_v4_do_rcv, __udp_queue_rcv_skb, ... */
static bool is_receiver(const char *name) {
    return ends_with(name, "_rcv") || ends_with(name, "_rcv_skb");
}

static bool is_release(const char *name) {
    return strcmp(name, "release_sock") == 0 || strcmp(name, "__release_sock") == 0;
}

static void link_down(struct flow_model *model, uint8_t *releasing) {
    for (size_t i = 0; i < model->call_count; i++) {
        struct flow_call *call = &model->calls[i];
        const char *name = model->functions[call->function].name;
        const struct flow_call *parent = call->parent == FLOW_NONE ? NULL : &model->calls[call->parent];
        bool below = parent && releasing[call->parent];

        call->depth = !parent ? 0 : parent->depth < UINT16_MAX ? parent->depth + 1 : UINT16_MAX;
        call->first_child = call->next = FLOW_NONE;
        releasing[i] = below || is_release(name);
        if (parent && ((parent->flags & FLOW_BACKLOG) || (below && is_receiver(name))))
            call->flags |= FLOW_BACKLOG;
    }
}

int flow_build_link(struct flow_build *build) {
    struct flow_model *model = build->model;
    uint8_t *releasing = calloc(model->call_count + 1, 1);

    if (!releasing)
        return -ENOMEM;
    link_down(model, releasing);
    free(releasing);
    for (size_t i = model->call_count; i-- > 0;) {
        struct flow_call *call = &model->calls[i];
        model->functions[call->function].calls++;
        if (call->parent == FLOW_NONE)
            continue;
        call->next = model->calls[call->parent].first_child;
        model->calls[call->parent].first_child = (uint32_t)i;
    }
    return 0;
}
