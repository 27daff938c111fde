/*
 * cmsg/internal.h: how the table, the walk and the views of ancillary data fit together.
 *
 * A level (SOL_SOCKET, ...) is one file with its rows: a row is one control message, its public entry and what decodes and
 * prints its data. A new control message is a row, and a small function when its data look like nobody else's.
 */
#ifndef KITH_CMSG_INTERNAL_H
#define KITH_CMSG_INTERNAL_H

#include <kith/cmsg.h>

#include "base/text.h"

/* A number in the data, in the machine's order unless it is marked. */
struct kith_cmsg_field {
    const char *name;
    uint8_t offset;
    uint8_t width;                                                                     /* 1, 2, 4 or 8 octets */
    enum { KITH_CMSG_PLAIN, KITH_CMSG_SIGNED, KITH_CMSG_HEX, KITH_CMSG_NETWORK } form; /* NETWORK: big-endian, shown in hex */
};

struct kith_cmsg_row {
    struct kith_cmsg_type type;
    size_t min_size;                      /* of the data; decode is never called with fewer */
    const struct kith_cmsg_field *fields; /* of KITH_CMSG_NUMBERS, ended by one without a name */
    /* Sets cmsg->value from data and size, which may be unaligned. -EBADMSG when the data make no sense. NULL: nothing to set. */
    int (*decode)(struct kith_cmsg *cmsg);
    /* What follows the name: " pid=812 uid=1000 gid=1000". NULL: by kind (KITH_CMSG_NUMBERS, KITH_CMSG_OCTETS). */
    void (*format)(const struct kith_cmsg *cmsg, struct kith_text *text);
};

/* Rows are ordered by type; levels, in types.c, by level. */
struct kith_cmsg_level {
    int level;
    const struct kith_cmsg_row *rows;
    size_t count;
};

/* The beginning of a row of numbers: what it is made of is the array's to say, how many octets the macro's caller's. */
#define KITH_CMSG_FIELDS(...)                                                                                                              \
    (const struct kith_cmsg_field[]) {                                                                                                     \
        __VA_ARGS__, {                                                                                                                     \
            .name = NULL                                                                                                                   \
        }                                                                                                                                  \
    }

extern const struct kith_cmsg_level kith_cmsg_level_ip, kith_cmsg_level_socket, kith_cmsg_level_tcp, kith_cmsg_level_udp,
    kith_cmsg_level_ipv6, kith_cmsg_level_can, kith_cmsg_level_j1939, kith_cmsg_level_sctp, kith_cmsg_level_packet, kith_cmsg_level_netlink,
    kith_cmsg_level_alg, kith_cmsg_level_tls, kith_cmsg_level_vsock;

/* internet.c: what the levels of IPv4 and IPv6 share. */
int kith_cmsg_decode_hops(struct kith_cmsg *cmsg);
int kith_cmsg_decode_traffic(struct kith_cmsg *cmsg);
void kith_cmsg_format_packet(const struct kith_cmsg *cmsg, struct kith_text *text);
void kith_cmsg_format_hops(const struct kith_cmsg *cmsg, struct kith_text *text);
void kith_cmsg_format_traffic(const struct kith_cmsg *cmsg, struct kith_text *text);

/* address.c: from the socket address at the data's `offset`: 0 with family 0 when there is none, -EBADMSG when it is cut. */
int kith_cmsg_read_address(const struct kith_cmsg *cmsg, size_t offset, struct kith_cmsg_address *ret_address);
int kith_cmsg_decode_address(struct kith_cmsg *cmsg);
void kith_cmsg_format_address(const struct kith_cmsg *cmsg, struct kith_text *text);
int kith_cmsg_decode_path_mtu(struct kith_cmsg *cmsg);
void kith_cmsg_format_path_mtu(const struct kith_cmsg *cmsg, struct kith_text *text);
void kith_cmsg_put_address(const struct kith_cmsg_address *address, struct kith_text *text);

/* error-queue.c */
int kith_cmsg_decode_error(struct kith_cmsg *cmsg);
void kith_cmsg_format_error(const struct kith_cmsg *cmsg, struct kith_text *text);

/* numbers.c: what KITH_CMSG_NUMBERS and KITH_CMSG_OCTETS look like. */
void kith_cmsg_format_numbers(const struct kith_cmsg *cmsg, const struct kith_cmsg_row *row, struct kith_text *text);
void kith_cmsg_format_octets(const struct kith_cmsg *cmsg, struct kith_text *text);

/* NULL when kith does not know it. */
const struct kith_cmsg_row *kith_cmsg_row_find(int level, int type);

/* One step of the walk: level, type, data and size of the next control message and nothing else, known to lie inside the buffer.
 * Returns 1, 0 at the end, -EBADMSG. */
int kith_cmsg_step(struct kith_cmsg_iter *iter, struct kith_cmsg *ret_cmsg);

/* kith_cmsg_adopt_fds() with the closing left to `refuse`, so that it can be fed with descriptor numbers that are not ours. */
size_t kith_cmsg_adopt_fds_with(const void *control, size_t size, int *fds, size_t max, size_t *ret_refused, int *ret_pidfd,
                                void (*refuse)(int fd, void *userdata), void *userdata);

#endif
