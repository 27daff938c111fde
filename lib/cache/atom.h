/* cache/atom.h: octets that are kept once, however many sessions have them: names and programs. */
#ifndef KITH_CACHE_ATOM_H
#define KITH_CACHE_ATOM_H

#include "base/map.h"

struct kith_atom {
    struct kith_map_node node;
    size_t refs;
    size_t size;
    uint8_t octets[]; /* and a NUL */
};

/* A reference of the atom with these octets, which is made when it is not there. Errors: -ENOMEM. */
int kith_atom_get(struct kith_map *atoms, const void *octets, size_t size, struct kith_atom **ret_atom);
/* The atom, without a reference, or NULL. */
struct kith_atom *kith_atom_find(const struct kith_map *atoms, const void *octets, size_t size);
/* `atoms` is the map it is in. NULL is allowed. Always NULL. */
struct kith_atom *kith_atom_unref(struct kith_map *atoms, struct kith_atom *atom);

#endif
