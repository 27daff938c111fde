/* flow/decode/meta.h: META: what was recorded, on what. */
#ifndef KITH_FLOW_META_H
#define KITH_FLOW_META_H

#include <kith/error.h>

#include "flow/decode/lines.h"
#include "flow/decode/model.h"
#include "flow/decode/texts.h"

struct flow_role {
    int32_t pid;
    enum flow_lane lane;
};

/* An all-zero one is valid. Texts are of `texts`. */
struct flow_meta {
    const char *kernel, *machine, *scenario, *command, *recorded_at;
    bool probes_only;
    uint64_t net_begin, net_end; /* 0: not told */
    struct flow_role *roles;
    const char **notes;
    size_t role_count, note_count;
};

/* Errors, with text: -EBADMSG, -ENOMEM. */
int flow_meta_parse(struct flow_span text, struct flow_texts **texts, struct flow_meta *ret_meta, struct kith_error *ret_error);
void flow_meta_deinit(struct flow_meta *meta);

#endif
