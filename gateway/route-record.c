/* gateway/route-record.c: see route-record.h. */
#include "gateway/route-record.h"

#include <errno.h>
#include <string.h>

#define LENGTH_SIZE 4

size_t route_record_head_size(const char *origin) {
    return origin ? LENGTH_SIZE + strlen(origin) : 0;
}

void route_record_put_head(uint8_t *head, const char *origin) {
    size_t size = origin ? strlen(origin) : 0;
    if (!origin)
        return;
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        head[i] = (uint8_t)(size >> (8 * (LENGTH_SIZE - 1 - i)));
    memcpy(head + LENGTH_SIZE, origin, size);
}

int route_record_parse(uint32_t flags, const void *data, size_t size, struct route_record *ret_record) {
    const uint8_t *octets = data;
    uint32_t length = 0;
    if (!(flags & ROUTE_RECORD_ORIGIN)) {
        *ret_record = (struct route_record){.body = data, .size = size};
        return 0;
    }
    if (size < LENGTH_SIZE)
        return -EBADMSG;
    for (size_t i = 0; i < LENGTH_SIZE; i++)
        length = length << 8 | octets[i];
    if (length > size - LENGTH_SIZE)
        return -EBADMSG;
    *ret_record = (struct route_record){.origin = (const char *)octets + LENGTH_SIZE,
                                        .origin_size = length,
                                        .body = octets + LENGTH_SIZE + length,
                                        .size = size - LENGTH_SIZE - length};
    return 0;
}
