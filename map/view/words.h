/* map/view/words.h: what a map holds, in words. */
#ifndef KITH_MAP_WORDS_H
#define KITH_MAP_WORDS_H

#include "base/text.h"
#include "map/model/map.h"

#define MAP_WORDS_MAX 512

/* "tcp", "unix"...: also what --family takes. */
const char *map_kind_name(enum map_kind kind);
/* "inet6", "unix"...; of a family without a name "unknown". */
const char *map_family_name(const struct map_socket *socket);
/* "stream"...; NULL: unknown. */
const char *map_type_name(const struct map_socket *socket);
/* "established"...; "unconnected" of what has no connections. */
const char *map_state_name(const struct map_socket *socket);
/* Of a name, MAP_STATE_UNKNOWN when there is none. */
enum map_state map_state_of_name(const char *name);
/* "exact", "bind bucket", "matched", "ambiguous"; "unknown". */
const char *map_known_name(enum map_known known);
/* The protocol within the family: "tcp", netlink's "generic", raw's "icmp", a packet socket's "arp"; a number where it has no name; ""
 * where there is none (unix). */
void map_protocol_words(const struct map_socket *socket, struct kith_text *text);

/* The address as a person writes it: "127.0.0.1:80", "[fe80::1%eth0]:80", "/run/x.sock", "@name", "lo". Any octets become printable. */
void map_address_words(const struct map *map, const struct map_socket *socket, const struct map_address *address, struct kith_text *text);
/* The host of an IP address alone: "fe80::1". */
void map_host_words(const struct map_address *address, struct kith_text *text);
/* "inetd[812]", its program's name when it has one. */
void map_process_words(const struct map_process *process, struct kith_text *text);
/* Who has the socket: processes and descriptors, or why nobody has. */
void map_holders_words(const struct map *map, const struct map_socket *socket, struct kith_text *text);
/* What its process says that it is: "service who, ROUTER". It has a claim. */
void map_claim_words(const struct map *map, const struct map_socket *socket, struct kith_text *text);
/* A netlink socket's groups: "nlctrl.notify, 3". */
void map_groups_words(const struct map *map, const struct map_socket *socket, struct kith_text *text);

#endif
