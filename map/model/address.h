/* map/model/address.h: addresses compared, as one form: IPv4 is a part of IPv6 (RFC 4291, 2.5.5.2). */
#ifndef KITH_MAP_MODEL_ADDRESS_H
#define KITH_MAP_MODEL_ADDRESS_H

#include "map/model/map.h"

static inline bool map_address_is_ip(const struct map_address *address) {
    return address->form == MAP_INET || address->form == MAP_INET6;
}

/* IPv4 as ::ffff:a.b.c.d. */
void map_address_mapped(const struct map_address *address, uint8_t ret_octets[16]);
/* The same host address, whatever port and interface. */
bool map_address_same_host(const struct map_address *a, const struct map_address *b);
/* 0.0.0.0 or ::. */
bool map_address_is_any(const struct map_address *address);
/* IPv4, also mapped into IPv6. */
bool map_address_is_ipv4(const struct map_address *address);
bool map_address_is_loopback(const struct map_address *address);
/* Is it an address of the namespace? */
bool map_is_local(const struct map *map, uint32_t netns, const struct map_address *address);
/* And of that interface? 0: any. */
bool map_is_local_at(const struct map *map, uint32_t netns, uint32_t interface, const struct map_address *address);

#endif
