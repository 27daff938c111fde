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

struct kith_cmsg_row {
    struct kith_cmsg_type type;
    size_t min_size; /* of the data; decode is never called with fewer */
    /* Sets cmsg->value from data and size, which may be unaligned. -EBADMSG when the data make no sense. */
    int (*decode)(struct kith_cmsg *cmsg);
    /* What follows the name: " pid=812 uid=1000 gid=1000". */
    void (*format)(const struct kith_cmsg *cmsg, struct kith_text *text);
};

/* Rows are ordered by type; levels, in types.c, by level. */
struct kith_cmsg_level {
    int level;
    const struct kith_cmsg_row *rows;
    size_t count;
};

/* The public entry of a row; `level_` is the file's. */
#define KITH_CMSG_ENTRY(level_, type_, kind_, name_, option_, since_, summary_, sendable_)                                                 \
    .type = {.level = level_,                                                                                                              \
             .type = type_,                                                                                                                \
             .kind = kind_,                                                                                                                \
             .name = name_,                                                                                                                \
             .option = option_,                                                                                                            \
             .since = since_,                                                                                                              \
             .summary = summary_,                                                                                                          \
             .sendable = sendable_}

extern const struct kith_cmsg_level kith_cmsg_level_ip;
extern const struct kith_cmsg_level kith_cmsg_level_socket;
extern const struct kith_cmsg_level kith_cmsg_level_ipv6;

/* internet.c: what the levels of IPv4 and IPv6 share. */
int kith_cmsg_decode_hops(struct kith_cmsg *cmsg);
int kith_cmsg_decode_traffic(struct kith_cmsg *cmsg);
void kith_cmsg_format_packet(const struct kith_cmsg *cmsg, struct kith_text *text);
void kith_cmsg_format_hops(const struct kith_cmsg *cmsg, struct kith_text *text);
void kith_cmsg_format_traffic(const struct kith_cmsg *cmsg, struct kith_text *text);

/* NULL when kith does not know it. */
const struct kith_cmsg_row *kith_cmsg_row_find(int level, int type);

/* One step of the walk: level, type, data and size of the next control message and nothing else, known to lie inside the buffer.
 * Returns 1, 0 at the end, -EBADMSG. */
int kith_cmsg_step(struct kith_cmsg_iter *iter, struct kith_cmsg *ret_cmsg);

/* kith_cmsg_adopt_fds() with the closing left to `refuse`, so that it can be fed with descriptor numbers that are not ours. */
size_t kith_cmsg_adopt_fds_with(const void *control, size_t size, int *fds, size_t max, size_t *ret_refused, int *ret_pidfd,
                                void (*refuse)(int fd, void *userdata), void *userdata);

#endif
