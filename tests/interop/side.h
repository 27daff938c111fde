/*
 * tests/interop/side.h: one end of a conversation, on kith or on libzmq, so that a test is written once and run with either at either end.
 */
#ifndef KITH_TESTS_SIDE_H
#define KITH_TESTS_SIDE_H

#include "interop/zpeer.h"

struct side {
    kith_socket *kith; /* one of the two */
    void *zmq;
    enum kith_socket_type type;
};

struct pairing {
    enum kith_socket_type asker, answerer;
    bool kith_asks; /* false: kith answers */
};

enum where { WHERE_PATH, WHERE_ABSTRACT, WHERE_TCP4, WHERE_TCP6, WHERE_COUNT };

const char *where_name(enum where where);
/* False where this host has no IPv6. */
bool where_possible(enum where where);

struct side side_new(struct interop *interop, bool on_kith, enum kith_socket_type type);
void side_close(struct interop *interop, struct side *side);
/* Binds one side at a fresh endpoint and connects the other. */
void sides_join(struct interop *interop, struct side *binder, struct side *connecter, enum where where);
/* Makes and joins both sides of a pairing; routing ids are set where both are ROUTER. */
void sides_new(struct interop *interop, struct pairing pairing, bool asker_binds, enum where where, struct side *ret_asker,
               struct side *ret_answerer);

void side_send(struct interop *interop, struct side *side, const kith_msg *msg);
kith_msg *side_recv(struct interop *interop, struct side *side);

/* One question with this body and its answer, which is the question as received; checks envelopes and octets at both ends. */
void sides_exchange(struct interop *interop, struct side *asker, struct side *answerer, const kith_msg *body);

#endif
