/* map/source/names.c: what numbers are called in the namespace that this thread is in: interfaces, netlink groups; and its addresses. */
#include <errno.h>
#include <stdlib.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "map/source/internal.h"

struct reading {
    struct map *map;
    uint32_t netns;
};

static int take_link(const struct nlmsghdr *answer, void *userdata) {
    struct reading *reading = userdata;
    uint32_t number;
    const char *name;

    return map_link_decode(answer, &number, &name) < 0 ? 0 : map_add_interface(reading->map, reading->netns, number, name);
}

static int take_local(const struct nlmsghdr *answer, void *userdata) {
    struct reading *reading = userdata;
    struct map_address address;

    return map_local_decode(answer, &address) < 0 ? 0 : map_add_local(reading->map, reading->netns, &address);
}

static int add_group(void *userdata, const char *family, uint32_t number, const char *name) {
    struct reading *reading = userdata;
    return map_add_genl_group(reading->map, reading->netns, number, family, name);
}

static int take_family(const struct nlmsghdr *answer, void *userdata) {
    int r = map_genl_decode(answer, add_group, userdata);
    return r == -EBADMSG ? 0 : r;
}

static int read_routing(struct reading *reading) {
    struct map_ask ask;

    int r = map_ask_open(&ask, NETLINK_ROUTE);
    if (r < 0)
        return r;
    struct nlmsghdr *request = map_ask_begin(&ask, 0);
    map_links_ask(request);
    r = map_ask_dump(&ask, request, take_link, reading);
    request = map_ask_begin(&ask, 0);
    map_locals_ask(request);
    if (r != -ENOMEM)
        r = map_ask_dump(&ask, request, take_local, reading);
    map_ask_close(&ask);
    return r;
}

static int read_generic(struct reading *reading) {
    struct map_ask ask;

    int r = map_ask_open(&ask, NETLINK_GENERIC);
    if (r < 0)
        return r;
    struct nlmsghdr *request = map_ask_begin(&ask, 0);
    map_genl_ask(GENL_ID_CTRL, request);
    r = map_ask_dump(&ask, request, take_family, reading);
    map_ask_close(&ask);
    return r;
}

int map_read_names(struct map *map, uint32_t netns) {
    struct reading reading = {.map = map, .netns = netns};

    /* A name that is not to be had is shown as its number: only memory is worth an error. */
    return read_routing(&reading) == -ENOMEM || read_generic(&reading) == -ENOMEM ? -ENOMEM : 0;
}
