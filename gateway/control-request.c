/* gateway/control-request.c: see control-request.h. */
#include "gateway/control-request.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"

static const char *const ops[GATEWAY_CONTROL_OP_COUNT] = {
    [GATEWAY_CONTROL_OP_STATUS] = "status",
    [GATEWAY_CONTROL_OP_PEERS] = "peers",
    [GATEWAY_CONTROL_OP_KICK] = "kick",
    [GATEWAY_CONTROL_OP_MONITOR] = "monitor",
};

static int find_op(const char *word, size_t size, enum gateway_control_op *ret_op) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(ops); i++) {
        if (size != strlen(ops[i]) || memcmp(word, ops[i], size) != 0)
            continue;
        *ret_op = (enum gateway_control_op)i;
        return 0;
    }
    return -EINVAL;
}

/* "service/echo#12" -> where it is, and its number. */
static bool parse_peer(const char *name, struct gateway_control_request *request) {
    const char *mark = strrchr(name, '#');
    char *end;
    if (!mark || mark[1] < '1' || mark[1] > '9' || (size_t)(mark - name) >= sizeof(request->where))
        return false;
    memcpy(request->where, name, (size_t)(mark - name));
    request->where[mark - name] = '\0';
    errno = 0;
    request->peer = strtoull(mark + 1, &end, 10);
    return *end == '\0' && errno == 0;
}

static int parse_kick(const json_t *json, struct gateway_control_request *request, const char **ret_problem) {
    const char *name = json_string_value(json_object_get(json, "peer")), *reason = json_string_value(json_object_get(json, "reason"));
    if (!name || !parse_peer(name, request)) {
        *ret_problem = "\"peer\" names no peer: write one as kith peers lists it, such as service/echo#12";
        return -EINVAL;
    }
    if (reason && strlen(reason) > GATEWAY_CONTROL_REASON_MAX) {
        *ret_problem = "the reason is longer than 255 octets";
        return -E2BIG;
    }
    if (reason)
        strcpy(request->reason, reason);
    return 0;
}

int gateway_control_parse(const void *data, size_t size, struct gateway_control_request *ret_request, const char **ret_problem) {
    *ret_request = (struct gateway_control_request){.op = GATEWAY_CONTROL_OP_STATUS};
    if (find_op(data, size, &ret_request->op) >= 0 && ret_request->op != GATEWAY_CONTROL_OP_KICK)
        return 0;
    json_auto_t *json = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
    const char *op = json_string_value(json_object_get(json, "op"));
    if (!op || find_op(op, strlen(op), &ret_request->op) < 0) {
        *ret_problem = "a request is one frame, a JSON object whose \"op\" is \"status\", \"peers\", \"kick\" or \"monitor\"";
        return -EINVAL;
    }
    return ret_request->op == GATEWAY_CONTROL_OP_KICK ? parse_kick(json, ret_request, ret_problem) : 0;
}
