/* cli/map.h: what the verbs of maps share. */
#ifndef KITH_CLI_MAP_H
#define KITH_CLI_MAP_H

#include "cli/view.h"
#include "map/model/map.h"
#include "map/model/select.h"
#include "map/source/source.h"

/* Reads this host and joins it. Returns 0, or CLI_ERROR after it has said why not. */
int cli_map_read(const struct map_wanted *wanted, struct map **ret_map);

/* map-endpoint.c: what a person calls a socket. Each: 0, or CLI_USAGE after it has said what is wrong. */

/* "8080", ":8080", "127.0.0.1:8080", "[::1]:8080", a path, "@name". The memory of a name is the text's. */
int cli_map_address(const char *option, const char *text, struct map_address *ret_address);
/* "812/7": true, and both. */
bool cli_map_is_descriptor(const char *text, pid_t *ret_pid, int *ret_fd);

/* map-watch.c: a map again and again, with what changed; until SIGINT, or `count` times (0: without end). */
struct cli_map_watch {
    const struct map_wanted *wanted;
    const struct map_select *select;
    double seconds;
    int64_t count;
    bool json;
};
int cli_map_watch(const struct cli_map_watch *watch);

/* map-kernel.c: map_wanted's visit, which adds what the kernel's own tables say. Userdata: struct map_kernel_tables. */
int cli_map_visit_tables(void *userdata, struct map *map, uint32_t netns, struct kith_error *ret_error);

/* map-follow.c: connections as they are accepted; until SIGINT or SIGTERM, or for some seconds. Then *ret_map is a map that knows these
 * links (not with json). An exit status. */
struct cli_map_follow {
    const struct map_wanted *wanted;
    const struct map_select *select; /* its listener */
    double seconds;                  /* 0: without end */
    int64_t count;                   /* of events; 0: without end */
    bool json;
};
int cli_map_follow(const struct cli_map_follow *follow, struct map **ret_map);

#endif
