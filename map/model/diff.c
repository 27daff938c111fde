/* map/model/diff.c: see diff.h. */
#include "map/model/diff.h"

#include "map/model/join.h"

#define MARKS (MAP_IS_BORN | MAP_IS_GONE | MAP_IS_CHANGED)

/* Of one cookie a map may have a socket in each namespace (join.c). */
static bool is_same(const struct map *x, const struct map_socket *a, const struct map *y, const struct map_socket *b) {
    return a->kind == b->kind && a->cookie == b->cookie && x->netns[a->netns].inode == y->netns[b->netns].inode;
}

/* In `map`, the socket that is one of `from`. */
static uint32_t find(const struct map *map, const struct map *from, const struct map_socket *socket) {
    size_t count;
    const struct map_index *index = socket->cookie != 0 ? &map->index->by_cookie : &map->index->by_inode;
    uint64_t key = socket->cookie != 0 ? socket->cookie : socket->inode;
    const struct map_index_entry *entry = key == 0 ? NULL : map_index_find(index, key, &count);

    for (size_t i = 0; entry && i < count; i++)
        if (is_same(map, &map->sockets[entry[i].value], from, socket))
            return entry[i].value;
    return MAP_NONE;
}

static bool is_changed(const struct map *before, const struct map_socket *old, const struct map *after, const struct map_socket *now) {
    if (old->state != now->state || old->holder_count != now->holder_count || ((old->flags ^ now->flags) & MAP_IS_WAITING))
        return true;
    for (uint32_t i = 0; i < now->holder_count; i++) {
        const struct map_holder *x = &before->holders[old->first_holder + i], *y = &after->holders[now->first_holder + i];
        if (x->fd != y->fd || before->processes[x->process].pid != after->processes[y->process].pid)
            return true;
    }
    return false;
}

void map_diff(struct map *before, struct map *after) {
    for (size_t i = 0; i < before->socket_count; i++) {
        before->sockets[i].flags &= ~(uint32_t)MARKS;
        if (find(after, before, &before->sockets[i]) == MAP_NONE)
            before->sockets[i].flags |= MAP_IS_GONE;
    }
    for (size_t i = 0; i < after->socket_count; i++) {
        struct map_socket *now = &after->sockets[i];
        uint32_t old = find(before, after, now);
        now->flags &= ~(uint32_t)MARKS;
        if (old == MAP_NONE)
            now->flags |= MAP_IS_BORN;
        else if (is_changed(before, &before->sockets[old], after, now))
            now->flags |= MAP_IS_CHANGED;
    }
}
