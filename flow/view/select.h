/*
 * flow/view/select.h: which calls a view shows.
 *
 * A packet's way up counts as called by the call that it was handed over from: `--call connect` shows what connect() caused in the softirq
 * too.
 */
#ifndef KITH_FLOW_SELECT_H
#define KITH_FLOW_SELECT_H

#include <kith/error.h>

#include "flow/decode/model.h"

/* All-zero: everything. */
struct flow_select {
    const char *call; /* system call, "connect", or a function: only what such calls did */
    unsigned nth;     /* of them only this one, counted from 1; 0: all */
    const char *from; /* only below calls of this function, itself included */
    const char *to;   /* only ways that lead to calls of this function, itself included */
    const char *lane; /* "client", "softirq", "server", "other" */
    unsigned depth;   /* at most so many levels; 0: all */
    uint64_t socket;  /* only call trees that worked on this socket, or on its children; 0: any */
};

/* Of two recordings in one model: which of them has a call. */
enum flow_tag { FLOW_TAG_BOTH, FLOW_TAG_BEFORE, FLOW_TAG_AFTER };

struct flow_selection {
    uint8_t *shown; /* a call each: 1 or 0 */
    size_t count;   /* of those that are */
    bool all;
    char what[96];       /* in words, for titles; "": everything */
    const uint8_t *tags; /* a call each, enum flow_tag; NULL: the model is of one recording */
};

/* Errors, with text: -EINVAL (no such lane), -ENOENT (no such function, socket or call in the recording), -ENOMEM. */
int flow_select(const struct flow_model *model, const struct flow_select *select, struct flow_selection *ret_selection,
                struct kith_error *ret_error);
void flow_selection_deinit(struct flow_selection *selection);
KITH_DEFINE_CLEANUP(struct flow_selection *, flow_selection_deinit)

bool flow_selection_has_mark(const struct flow_selection *selection, const struct flow_mark *mark);

/* Is the function `name` the one that is meant by `word`: the same, its system call ("connect": __x64_sys_connect), or what C libraries
 * make of it ("send": sendto, sendmsg, sendmmsg; "close": sock_close, which is put off until the call returns)? */
bool flow_select_is_call(const char *name, const char *word);
/* The word for a function, cut to `room`: "send" for __x64_sys_sendto; its name when it is no system call. */
void flow_select_word(const char *name, char *word, size_t room);

#endif
