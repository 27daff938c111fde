/* fuzz-control.c: what anybody asks of a gateway's control socket is a request whose parts are in their bounds, or has a problem that is
 * said. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/control-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gateway_control_request request;
    const char *problem = NULL;
    int r = gateway_control_parse(data, size, &request, &problem);
    if (r < 0 ? !problem : request.op >= GATEWAY_CONTROL_OP_COUNT)
        abort();
    if (!memchr(request.where, '\0', sizeof(request.where)) || !memchr(request.reason, '\0', sizeof(request.reason)))
        abort();
    if (r >= 0 && (request.op == GATEWAY_CONTROL_OP_KICK) != (request.peer > 0))
        abort();
    return 0;
}
