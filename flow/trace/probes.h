/* flow/trace/probes.h: what ties calls to sockets: dynamic events of the group "kith" (flow/recording/recording.h says what they hold). */
#ifndef KITH_FLOW_PROBES_H
#define KITH_FLOW_PROBES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "flow/btf/btf.h"

#define FLOW_PROBE_TEXT_MAX 1024

struct flow_probe {
    const char *event;  /* several probes may make the same event: then with the same fields */
    const char *target; /* a function, or SYSTEM/EVENT */
    char type;          /* as in dynamic_events: 'p' at a function's entry, 'r' at its return; 't': the kernel's own event, as it is */
    const char *fields; /* with {SUM} for an offset: numbers and STRUCTURE:MEMBER from BTF, with "+" between */
    bool of_calls;      /* says which socket a call works on: without functions there are no calls */
};

extern const struct flow_probe flow_probes[];
extern const size_t flow_probe_count;

/* The line for dynamic_events. Errors: -ENOENT (this kernel has no such member or function), -ENAMETOOLONG, -EINVAL. */
int flow_probe_write(const struct flow_probe *probe, const struct flow_btf *btf, struct kith_text *text);

#endif
