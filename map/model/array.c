/* map/model/array.c: see array.h. */
#include "map/model/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16
#define CHUNK ((size_t)64 * 1024)

struct map_arena_chunk {
    struct map_arena_chunk *next;
    size_t used, size;
    char octets[];
};

int map_array_grow(void **items, size_t count, size_t size) {
    if (count != 0 && (count < FIRST_ROOM || (count & (count - 1)) != 0))
        return 0;
    void *grown = reallocarray(*items, count == 0 ? FIRST_ROOM : count * 2, size);
    if (!grown)
        return -ENOMEM;
    *items = grown;
    return 0;
}

void *map_arena_copy(struct map *map, const void *data, size_t size) {
    size_t needed = (size + 1 + 7) & ~(size_t)7;
    struct map_arena_chunk *chunk = map->arena;

    if (!chunk || chunk->size - chunk->used < needed) {
        size_t room = needed > CHUNK ? needed : CHUNK;
        chunk = malloc(sizeof(*chunk) + room);
        if (!chunk)
            return NULL;
        *chunk = (struct map_arena_chunk){.next = map->arena, .size = room};
        map->arena = chunk;
    }
    char *copy = chunk->octets + chunk->used;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    chunk->used += needed;
    return copy;
}

int map_arena_text(struct map *map, const char **text) {
    if (!*text)
        return 0;
    const char *copy = map_arena_copy(map, *text, strlen(*text));
    if (!copy)
        return -ENOMEM;
    *text = copy;
    return 0;
}

void map_arena_free(struct map_arena_chunk *chunk) {
    while (chunk) {
        struct map_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}
