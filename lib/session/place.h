/* session/place.h: an endpoint that is bound or connected to, shared by all that has to do with it: a session is small, its address is not.
 */
#ifndef KITH_SESSION_PLACE_H
#define KITH_SESSION_PLACE_H

#include "transport/transport.h"

struct kith_place {
    unsigned refs;
    struct kith_endpoint endpoint;
    char text[]; /* for people and events, with the port that the kernel chose */
};

/* Errors: -ENOMEM. */
int kith_place_new(const struct kith_endpoint *endpoint, struct kith_place **ret_place);
struct kith_place *kith_place_ref(struct kith_place *place);
struct kith_place *kith_place_unref(struct kith_place *place);

#endif
