/* gateway/control-request.h: what somebody asks of the control socket (control.h): octets in, a request or what is wrong with it out. */
#ifndef KITH_GATEWAY_CONTROL_REQUEST_H
#define KITH_GATEWAY_CONTROL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/visit.h"

#define GATEWAY_CONTROL_REASON_MAX 255

enum gateway_control_op {
    GATEWAY_CONTROL_OP_STATUS,
    GATEWAY_CONTROL_OP_PEERS,
    GATEWAY_CONTROL_OP_KICK,
    GATEWAY_CONTROL_OP_MONITOR,
    GATEWAY_CONTROL_OP_COUNT,
};

struct gateway_control_request {
    enum gateway_control_op op;
    /* kick: which socket, which of its connections, and why ("": no reason). */
    char where[GATEWAY_WHERE_MAX];
    uint64_t peer;
    char reason[GATEWAY_CONTROL_REASON_MAX + 1];
};

/* Errors: -EINVAL, -E2BIG, with *ret_problem, a line that says what is to be written instead. */
int gateway_control_parse(const void *data, size_t size, struct gateway_control_request *ret_request, const char **ret_problem);

#endif
