/* map/model/address.c: see address.h. */
#include "map/model/address.h"

#include <string.h>

#include "map/model/join.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void map_address_mapped(const struct map_address *address, uint8_t ret_octets[16]) {
    if (address->form == MAP_INET6) {
        memcpy(ret_octets, address->octets, 16);
        return;
    }
    memcpy(ret_octets, mapped_prefix, sizeof(mapped_prefix));
    memcpy(ret_octets + 12, address->octets, 4);
}

bool map_address_same_host(const struct map_address *a, const struct map_address *b) {
    uint8_t x[16], y[16];

    if (!map_address_is_ip(a) || !map_address_is_ip(b))
        return false;
    map_address_mapped(a, x);
    map_address_mapped(b, y);
    return memcmp(x, y, sizeof(x)) == 0;
}

bool map_address_is_any(const struct map_address *address) {
    static const uint8_t zero[16];
    return map_address_is_ip(address) && memcmp(address->octets, zero, address->form == MAP_INET ? 4 : 16) == 0;
}

bool map_address_is_ipv4(const struct map_address *address) {
    return address->form == MAP_INET || (address->form == MAP_INET6 && memcmp(address->octets, mapped_prefix, sizeof(mapped_prefix)) == 0);
}

bool map_address_is_loopback(const struct map_address *address) {
    static const uint8_t one[16] = {[15] = 1};

    if (map_address_is_ipv4(address))
        return address->octets[address->form == MAP_INET ? 0 : 12] == 127;
    return address->form == MAP_INET6 && memcmp(address->octets, one, sizeof(one)) == 0;
}

/* LOOPBACK_IFINDEX (include/linux/netdevice.h): the first interface of every namespace. */
#define LOOPBACK 1

bool map_is_local_at(const struct map *map, uint32_t netns, uint32_t interface, const struct map_address *address) {
    if (map_address_is_loopback(address))
        return interface == 0 || interface == LOOPBACK;
    size_t count;
    const struct map_index_entry *entry = map_index_find(&map->index->by_local, map_hash_host(map, address), &count);
    for (size_t i = 0; i < count; i++) {
        const struct map_local *local = &map->locals[entry[i].value];
        if (local->netns == netns && (interface == 0 || local->address.interface == interface) &&
            map_address_same_host(&local->address, address))
            return true;
    }
    return false;
}

bool map_is_local(const struct map *map, uint32_t netns, const struct map_address *address) {
    return map_is_local_at(map, netns, 0, address);
}
