/*
 * fuzz-route-record.c: what a route finds in its queue, the disk's or not, is split into an origin and a body that lie in it and, together
 * with what stands before them, are all of it.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "gateway/route-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct route_record record;
    if (size < 1)
        return 0;
    uint32_t flags = data[0];
    data++;
    size--;
    if (route_record_parse(flags, data, size, &record) < 0)
        return 0;
    const uint8_t *body = record.body, *end = data + size;
    if (record.size > size || body + record.size != end)
        abort();
    size_t head = flags & ROUTE_RECORD_ORIGIN ? 4 + record.origin_size : 0;
    if (body != data + head || (record.origin && (const uint8_t *)record.origin + record.origin_size != body))
        abort();
    return 0;
}
