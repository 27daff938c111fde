/*
 * pattern/by-id.h: peers by routing id: their own, or one that is given to them. For the patterns that address a peer: ROUTER, STREAM;
 * and by session->number, four octets of memory: SERVER, PEER.
 *
 * An id that is given is a zero octet and a number that no peer has claimed: ids of peers may begin with a zero octet too.
 */
#ifndef KITH_PATTERN_BY_ID_H
#define KITH_PATTERN_BY_ID_H

#include "pattern/pattern.h"

struct kith_by_id {
    struct kith_map map; /* sessions, by id_node */
    uint32_t next;
    bool seeded;
};

/* Takes all peers of the pattern out. */
void kith_by_id_deinit(struct kith_by_id *by_id, struct kith_pattern *pattern);
/* NULL: nobody has it. */
struct kith_session *kith_by_id_find(const struct kith_by_id *by_id, const void *id, size_t size);
/* Puts it in under session->routing_id. Errors: -EEXIST, -ENOMEM (told). */
int kith_by_id_add(struct kith_by_id *by_id, struct kith_session *session);
/* The same under session->number. */
int kith_by_id_add_number(struct kith_by_id *by_id, struct kith_session *session);
/* Gives it an id. Errors: -ENOMEM (told). */
int kith_by_id_number(struct kith_by_id *by_id, struct kith_session *session);
/* Harmless when it is not in. */
void kith_by_id_remove(struct kith_by_id *by_id, struct kith_session *session);

/* Sends a message without frame 0, its peer's id; on failure it is as it was. Errors: -EAGAIN, -EHOSTUNREACH, -ENOMEM. */
int kith_by_id_pass(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg);

#endif
