/* map/source/collect.c: all sources, in order. */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "map/source/internal.h"

/* Root without a privilege is in a container, or under a security module. */
const char *map_remedy(void) {
    return geteuid() == 0 ? "run outside of what takes it from root: a container, a security module" : "run as root";
}

/* Namespaces that only a descriptor leads to are read after the descriptors; what holds their sockets was seen with them. */
static int collect(struct map *map, int proc, const struct map_wanted *wanted, struct kith_error *error) {
    int r = map_find_namespaces(map, proc, wanted->own_namespace);
    if (r == 0)
        r = map_read_namespaces(map, wanted, error);
    if (r < 0 || wanted->no_processes)
        return r;
    if (proc < 0)
        return map_add_missing(map, "processes", "/proc cannot be read", "mount it");
    size_t known = map->netns_count;
    r = map_read_processes(map, proc, wanted->own_namespace);
    if (r == 0 && map->netns_count > known)
        r = map_read_namespaces(map, wanted, error);
    if (r == 0 && wanted->kinds == 0)
        r = map_read_unlisted(map);
    return r < 0 ? r : map_read_cgroups(map);
}

int map_collect(const struct map_wanted *wanted, struct map **ret_map, struct kith_error *ret_error) {
    _cleanup_(map_freep) struct map *map = NULL;
    uint64_t seed[2];

    if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
        return kith_error_set(ret_error, -EIO, "getrandom: %s", kith_error_name(-errno));
    if (map_new(seed, &map) < 0)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    _cleanup_(kith_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = collect(map, proc, wanted, ret_error);
    if (r == -ENOMEM)
        return kith_error_set(ret_error, r, "out of memory");
    if (r < 0)
        return r;
    *ret_map = KITH_STEAL(map);
    return 0;
}
