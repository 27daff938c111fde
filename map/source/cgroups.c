/* map/source/cgroups.c: the names of cgroups by their number, so that a socket of a process that cannot be seen has its unit. */
#include <errno.h>
#include <sys/types.h>

#include <sys/stat.h>

#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include <linux/magic.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "map/model/container.h"
#include "map/source/internal.h"
#include "origin/procfs.h"

/* Where cgroup v2 is: alone, or beside v1 ("hybrid", systemd's documentation). */
static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

static bool is_wanted(const struct map *map) {
    for (size_t i = 0; i < map->socket_count; i++)
        if (map->sockets[i].cgroup != 0)
            return true;
    return false;
}

static int add(struct map *map, const FTSENT *entry, size_t root) {
    const char *path = entry->fts_path[root] ? entry->fts_path + root : "/";
    _cleanup_(freep) char *unit = NULL;
    char container[256] = "";
    struct kith_text words = kith_text_init(container, sizeof(container));

    kith_procfs_unit(path, &unit);
    map_container_of_cgroup(path, &words);
    return map_add_cgroup(map, entry->fts_statp->st_ino, path, unit, container[0] ? container : NULL);
}

/* The number of a cgroup is its directory's inode. */
static int walk(struct map *map, const char *place) {
    char *const paths[] = {(char *)place, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    int r = 0;

    if (!tree)
        return errno == ENOMEM ? -ENOMEM : 0;
    for (FTSENT *entry; r == 0 && (entry = fts_read(tree));)
        if (entry->fts_info == FTS_D)
            r = add(map, entry, strlen(place));
    fts_close(tree);
    return r;
}

int map_read_cgroups(struct map *map) {
    struct statfs place;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(places) && is_wanted(map); i++)
        if (statfs(places[i], &place) == 0 && place.f_type == CGROUP2_SUPER_MAGIC)
            return walk(map, places[i]);
    return 0;
}
