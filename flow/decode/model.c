/* flow/decode/model.c: the end of a model, and names for people. */
#include <stdlib.h>

#include "flow/decode/model.h"
#include "flow/decode/texts.h"

struct flow_model *flow_model_free(struct flow_model *model) {
    if (!model)
        return NULL;
    free(model->functions);
    free(model->tasks);
    free(model->calls);
    free(model->marks);
    free(model->notes);
    flow_texts_free(model->memory);
    free(model);
    return NULL;
}

const char *flow_state_name(uint8_t state) {
    /* Linux' numbers: enum in net/tcp_states.h. SYN-RECEIVED has two: of a request, and of a socket. */
    static const char *const names[] = {NULL,     "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",  "TIME-WAIT",
                                        "CLOSED", "CLOSE-WAIT",  "LAST-ACK", "LISTEN",       "CLOSING",    "SYN-RECEIVED"};

    return state < KITH_ARRAY_SIZE(names) && names[state] ? names[state] : "?";
}

const char *flow_lane_name(enum flow_lane lane) {
    static const char *const names[FLOW_LANES_] = {
        [FLOW_CLIENT] = "client", [FLOW_SOFTIRQ] = "softirq", [FLOW_SERVER] = "server", [FLOW_OTHER] = "other"};

    return lane < FLOW_LANES_ ? names[lane] : "?";
}

const char *flow_layer_name(enum flow_layer layer) {
    static const char *const names[FLOW_LAYERS_] = {
        [FLOW_SYSCALL] = "system call", [FLOW_SOCKET] = "socket",   [FLOW_TRANSPORT] = "transport", [FLOW_IP] = "IP",
        [FLOW_DEVICE] = "device",       [FLOW_RECEIVE] = "receive", [FLOW_ELSEWHERE] = "elsewhere"};

    return layer < FLOW_LAYERS_ ? names[layer] : "?";
}
