/*
 * gateway/route-record.h: a message as a route's queue has it.
 *
 * Without ROUTE_RECORD_ORIGIN among its flags the data are the body, and nothing else. With it the sender's origin comes before: 4 octets,
 * big-endian, its length; the origin, kith_origin_to_json(); the body. So what needs no origin costs none, and the file can be read with
 * sqlite3(1).
 */
#ifndef KITH_GATEWAY_ROUTE_RECORD_H
#define KITH_GATEWAY_ROUTE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define ROUTE_RECORD_ORIGIN UINT32_C(1) /* the origin comes before the body */
#define ROUTE_RECORD_AGAIN UINT32_C(2)  /* its source said that it had sent it before */

/* Octets of a record before its body. */
size_t route_record_head_size(const char *origin);
/* Writes them. */
void route_record_put_head(uint8_t *head, const char *origin);

struct route_record {
    const char *origin; /* not ended by a NUL; NULL: none */
    size_t origin_size;
    const void *body;
    size_t size;
};

/* What the data are, which it points into. Errors: -EBADMSG (they are no record). */
int route_record_parse(uint32_t flags, const void *data, size_t size, struct route_record *ret_record);

#endif
