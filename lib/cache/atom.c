/* cache/atom.c: see atom.h. Invariant: an atom is in its map exactly while it has references. */
#include "cache/atom.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct kith_atom *kith_atom_find(const struct kith_map *atoms, const void *octets, size_t size) {
    struct kith_map_node *node = kith_map_find(atoms, octets, size);
    return node ? KITH_CONTAINER_OF(node, struct kith_atom, node) : NULL;
}

int kith_atom_get(struct kith_map *atoms, const void *octets, size_t size, struct kith_atom **ret_atom) {
    struct kith_atom *atom = kith_atom_find(atoms, octets, size);

    if (!atom) {
        atom = calloc(1, sizeof(*atom) + size + 1);
        if (!atom)
            return -ENOMEM;
        atom->size = size;
        memcpy(atom->octets, octets, size);
        int r = kith_map_insert(atoms, &atom->node, atom->octets, size);
        if (r < 0) {
            free(atom);
            return r;
        }
    }
    atom->refs++;
    *ret_atom = atom;
    return 0;
}

struct kith_atom *kith_atom_unref(struct kith_map *atoms, struct kith_atom *atom) {
    if (!atom || --atom->refs > 0)
        return NULL;
    kith_map_remove(atoms, &atom->node);
    free(atom);
    return NULL;
}
