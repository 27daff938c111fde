/*
 * base/fds.h: descriptors that travel together, in their order, shared by counting references.
 *
 * The list owns its descriptors: those that are still in it are closed with the last reference. A descriptor that was taken out leaves its
 * place, so that the others keep their numbers. Only a list that nobody else holds is changed; kith_fds_own() makes one of a shared one.
 */
#ifndef KITH_BASE_FDS_H
#define KITH_BASE_FDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/refs.h"

/* What Linux passes with one message: SCM_MAX_FD in include/net/scm.h; unix(7). */
#define KITH_FDS_MAX 253

struct kith_fds {
    struct kith_refs refs;
    unsigned count, room;
    int fd[]; /* -1: taken out */
};

/* An empty list with room for so many. Errors: -ENOMEM. */
int kith_fds_new(size_t room, struct kith_fds **ret_fds);
static inline struct kith_fds *kith_fds_ref(struct kith_fds *fds) {
    kith_refs_take(&fds->refs);
    return fds;
}
/* NULL is allowed. Always NULL. */
struct kith_fds *kith_fds_unref(struct kith_fds *fds);
/* Other threads may hold references from now on; to be called before they do. */
static inline void kith_fds_share(struct kith_fds *fds) {
    kith_refs_share(&fds->refs);
}

/* Makes *fds one's own: itself when nobody else holds it, else a list of duplicates that takes its place (*fds is as it was on failure).
 * Errors: -EMFILE, -ENFILE, -ENOMEM. */
int kith_fds_own(struct kith_fds **fds);
/* Puts a descriptor at the end; the list's when this returns 0. *fds NULL: a new list. One's own only. Errors: -E2BIG (more than
 * KITH_FDS_MAX), -ENOMEM. */
int kith_fds_add(struct kith_fds **fds, int fd);
/* Writes those that are there to `to`, in their order; returns how many. */
size_t kith_fds_there(const struct kith_fds *fds, int to[static KITH_FDS_MAX]);
size_t kith_fds_count_there(const struct kith_fds *fds);

#endif
