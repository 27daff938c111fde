/* session/place.c: see place.h. */
#include "session/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int kith_place_new(const struct kith_endpoint *endpoint, struct kith_place **ret_place) {
    char text[KITH_ENDPOINT_MAX] = "";
    (void)endpoint->transport->format(endpoint, text, sizeof(text));
    size_t size = strlen(text) + 1;
    struct kith_place *place = malloc(sizeof(*place) + size);
    if (!place)
        return -ENOMEM;
    place->refs = 1;
    place->endpoint = *endpoint;
    memcpy(place->text, text, size);
    *ret_place = place;
    return 0;
}

struct kith_place *kith_place_ref(struct kith_place *place) {
    place->refs++;
    return place;
}

struct kith_place *kith_place_unref(struct kith_place *place) {
    if (place && --place->refs == 0)
        free(place);
    return NULL;
}
