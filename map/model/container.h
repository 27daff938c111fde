/* map/model/container.h: which container a cgroup's path names, by how engines call their cgroups. */
#ifndef KITH_MAP_MODEL_CONTAINER_H
#define KITH_MAP_MODEL_CONTAINER_H

#include <stdbool.h>

#include "base/text.h"

/* So many digits of an id are shown. */
#define MAP_CONTAINER_DIGITS 12

/* Writes the container's id (Docker, Podman, containerd, CRI-O: the first digits) or name (LXC, systemd-nspawn) and returns true; false:
 * the path names none. */
bool map_container_of_cgroup(const char *cgroup, struct kith_text *ret_text);

#endif
