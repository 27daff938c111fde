/* flow/decode/decode.h: a recording -> what is looked at. No I/O; the recording may come from anybody. */
#ifndef KITH_FLOW_DECODE_H
#define KITH_FLOW_DECODE_H

#include <kith/error.h>

#include "flow/decode/model.h"
#include "flow/recording/recording.h"

/* About 100 octets of memory an event. */
#define FLOW_EVENTS_MAX ((size_t)16 * 1024 * 1024)

/* All-zero is the default. */
struct flow_decode_options {
    size_t events_max; /* 0: FLOW_EVENTS_MAX */
};

/* `options` may be NULL. Nothing of the recording is kept. Errors, with text: -EBADMSG (a section is not what it says), -E2BIG (more events
 * than the limit), -ENOMEM. Events that are lost, or whose other half is, are no error: notes say so. */
int flow_model_new(const struct flow_recording *recording, const struct flow_decode_options *options, struct flow_model **ret_model,
                   struct kith_error *ret_error);

#endif
