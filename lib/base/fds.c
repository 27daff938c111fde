/* base/fds.c: see fds.h. */
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"

KITH_DEFINE_CLEANUP(struct kith_fds *, kith_fds_unref)

/* One descriptor is what most messages with descriptors have. */
#define ROOM_FIRST 2

int kith_fds_new(size_t room, struct kith_fds **ret_fds) {
    struct kith_fds *fds = malloc(sizeof(*fds) + room * sizeof(fds->fd[0]));
    if (!fds)
        return -ENOMEM;
    kith_refs_init(&fds->refs);
    fds->count = 0;
    fds->room = (unsigned)room;
    *ret_fds = fds;
    return 0;
}

struct kith_fds *kith_fds_unref(struct kith_fds *fds) {
    if (!fds || !kith_refs_drop(&fds->refs))
        return NULL;
    for (unsigned i = 0; i < fds->count; i++)
        kith_close(fds->fd[i]);
    free(fds);
    return NULL;
}

int kith_fds_own(struct kith_fds **fds) {
    const struct kith_fds *from = *fds;
    if (!kith_refs_others(&from->refs))
        return 0;
    _cleanup_(kith_fds_unrefp) struct kith_fds *copy = NULL;
    int r = kith_fds_new(from->count, &copy);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < from->count; i++) {
        int fd = from->fd[i] < 0 ? -1 : fcntl(from->fd[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0 && from->fd[i] >= 0)
            return -errno;
        copy->fd[copy->count++] = fd;
    }
    kith_fds_unref(*fds);
    *fds = KITH_STEAL(copy);
    return 0;
}

static int make_room(struct kith_fds **fds) {
    if (!*fds)
        return kith_fds_new(ROOM_FIRST, fds);
    if ((*fds)->count >= KITH_FDS_MAX)
        return -E2BIG;
    if ((*fds)->count < (*fds)->room)
        return 0;
    unsigned room = (*fds)->room < ROOM_FIRST ? ROOM_FIRST : 2 * (*fds)->room;
    struct kith_fds *grown = realloc(*fds, sizeof(**fds) + room * sizeof((*fds)->fd[0]));
    if (!grown)
        return -ENOMEM;
    grown->room = room;
    *fds = grown;
    return 0;
}

int kith_fds_add(struct kith_fds **fds, int fd) {
    int r = make_room(fds);
    if (r >= 0)
        (*fds)->fd[(*fds)->count++] = fd;
    return r;
}

size_t kith_fds_there(const struct kith_fds *fds, int to[static KITH_FDS_MAX]) {
    size_t count = 0;
    for (unsigned i = 0; i < fds->count; i++)
        if (fds->fd[i] >= 0)
            to[count++] = fds->fd[i];
    return count;
}

size_t kith_fds_count_there(const struct kith_fds *fds) {
    size_t count = 0;
    for (unsigned i = 0; i < fds->count; i++)
        count += fds->fd[i] >= 0;
    return count;
}
