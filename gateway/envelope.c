/* gateway/envelope.c: see envelope.h. */
#include "gateway/envelope.h"

#include <errno.h>

#include "base/error.h"
#include "gateway/cleanup.h"

size_t gateway_envelope_frames(const kith_msg *request) {
    size_t count = kith_msg_count(request);
    for (size_t i = 1; i + 1 < count && i <= 1 + GATEWAY_HOPS_MAX; i++) {
        size_t size;
        kith_msg_frame(request, i, &size);
        if (size == 0)
            return i + 1;
        if (size > GATEWAY_ADDRESS_MAX)
            return 0;
    }
    return 0;
}

int gateway_envelope_copy(const kith_msg *request, size_t frames, kith_msg **ret_envelope) {
    _cleanup_(kith_msg_freep) kith_msg *envelope = NULL;
    int r = kith_msg_new(&envelope);
    for (size_t i = 0; r >= 0 && i < frames; i++) {
        size_t size;
        const uint8_t *frame = kith_msg_frame(request, i, &size);
        r = kith_msg_add(envelope, frame, size);
    }
    if (r < 0)
        return r;
    *ret_envelope = KITH_STEAL(envelope);
    return 0;
}

const char *gateway_unsent_reason(int error) {
    switch (error) {
    case -EHOSTUNREACH:
        return "the client has gone";
    case -EAGAIN:
        return "the client does not take its replies: its queue is full (send-hwm, send-hwm-bytes)";
    default:
        return kith_error_name(error);
    }
}
