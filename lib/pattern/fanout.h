/*
 * pattern/fanout.h: one message to many peers: who has no room for it loses it, which is told, but not once a message.
 *
 * A peer's drops are told when they begin, whenever their number has doubled, and when there is room again or the peer has gone: what the
 * events count adds up to what was dropped. Publishing calls nobody up; the telling does, and comes after all peers have the message.
 */
#ifndef KITH_PATTERN_FANOUT_H
#define KITH_PATTERN_FANOUT_H

#include "pattern/pattern.h"

struct kith_fanout {
    struct kith_list dropping; /* peers who have lost something since they had room */
    struct kith_list due;      /* of them, those for whom an event is due */
};

/* Embedded in what the pattern knows of a peer. */
struct kith_fanout_peer {
    struct kith_session *session;
    struct kith_list dropping, due;
    uint64_t dropped, told;
    int error; /* the last one */
};

void kith_fanout_init(struct kith_fanout *fanout);
void kith_fanout_join(struct kith_fanout_peer *peer, struct kith_session *session);
/* Takes the peer out; what was not told is not told any more. */
void kith_fanout_leave(struct kith_fanout_peer *peer);
/* Of a copy of one that was lost, and was taken out: tells what was not told. Calls up; the session must be held. */
void kith_fanout_tell_rest(const struct kith_fanout_peer *peer);

/* Sends to one peer. */
void kith_fanout_publish(struct kith_fanout *fanout, struct kith_fanout_peer *peer, kith_msg *msg);
/* Tells what is due. Calls up: any peer may have gone when it returns. */
void kith_fanout_tell(struct kith_fanout *fanout);
/* Somebody has room again. Calls up. */
void kith_fanout_pump(struct kith_fanout *fanout);
/* For a blocking send: everything on its way to any peer of the pattern. */
void kith_fanout_flush(struct kith_pattern *pattern);

/* Of a growing number: is this one worth an event? */
static inline bool kith_fanout_worth_telling(uint64_t number) {
    return (number & (number - 1)) == 0;
}

#endif
