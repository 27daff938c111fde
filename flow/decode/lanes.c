/*
 * flow/decode/lanes.c: which task is the client, and which the server.
 *
 * The recorder's word counts (META's roles). Tasks of which it says nothing are told by what they do, each kind of evidence only where
 * there is none of the one before: who accepts and who connects; who receives first and who sends first.
 */
#include <stdlib.h>

#include "flow/decode/build.h"

enum deed { NOTHING, CONNECTS, ACCEPTS, SENDS, RECEIVES };

static const struct {
    const char *function;
    enum deed deed;
} deeds[] = {
    {"sys_connect", CONNECTS},    {"sys_accept", ACCEPTS},
    {"sys_accept4", ACCEPTS},     {"sys_listen", ACCEPTS},
    {"sys_sendto", SENDS},        {"sys_sendmsg", SENDS},
    {"sys_sendmmsg", SENDS},      {"sys_recvfrom", RECEIVES},
    {"sys_recvmsg", RECEIVES},    {"sys_recvmmsg", RECEIVES},
    {"tcp_v4_connect", CONNECTS}, {"inet_csk_accept", ACCEPTS},
    {"unix_accept", ACCEPTS},     {"unix_stream_connect", CONNECTS},
};

static enum deed deed_of(const char *name) {
    const char *call = strstr(name, "_sys_"); /* __x64_sys_connect, __sys_connect */
    if (call)
        name = call + 1;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(deeds); i++)
        if (strcmp(name, deeds[i].function) == 0)
            return deeds[i].deed;
    return NOTHING;
}

static bool apply_roles(struct flow_build *build) {
    struct flow_model *model = build->model;
    bool any = false;

    for (size_t i = 0; i < build->meta.role_count; i++) {
        uint32_t task = flow_table_find(&build->tasks, (uint32_t)build->meta.roles[i].pid);
        if (task == FLOW_NONE || build->meta.roles[i].pid == 0)
            continue;
        model->tasks[task].lane = build->meta.roles[i].lane;
        any |= model->tasks[task].lane != FLOW_OTHER;
    }
    return any;
}

/* The first deed of each task that is one of these two decides. */
static bool apply_deeds(struct flow_model *model, enum deed client, enum deed server) {
    bool any = false;

    for (size_t i = 0; i < model->call_count; i++) {
        const struct flow_call *call = &model->calls[i];
        if (call->lane == FLOW_SOFTIRQ)
            continue;
        enum deed deed = deed_of(model->functions[call->function].name);
        struct flow_task *task = &model->tasks[call->task];
        if (deed == NOTHING || (deed != client && deed != server) || task->lane != FLOW_OTHER)
            continue;
        task->lane = deed == client ? FLOW_CLIENT : FLOW_SERVER;
        any = true;
    }
    return any;
}

void flow_build_lanes(struct flow_build *build) {
    struct flow_model *model = build->model;

    if (!apply_roles(build) && !apply_deeds(model, CONNECTS, ACCEPTS))
        apply_deeds(model, SENDS, RECEIVES);
    for (size_t i = 0; i < model->call_count; i++)
        if (model->calls[i].lane != FLOW_SOFTIRQ)
            model->calls[i].lane = (uint8_t)model->tasks[model->calls[i].task].lane;
}
