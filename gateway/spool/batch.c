/* See batch.h. */
#include "gateway/spool/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/spool/spool.h"

#define FIRST_CAPACITY 65536

uint64_t batch_charge(size_t source_size, size_t data_size) {
    return (uint64_t)source_size + data_size + SPOOL_MESSAGE_OVERHEAD;
}

static size_t record_size(const struct batch_record *record) {
    size_t size = sizeof(*record) + record->source_size + 1 + record->data_size;
    return (size + 7) & ~(size_t)7;
}

static int make_room(struct batch *batch, size_t size) {
    size_t capacity = batch->capacity ? batch->capacity : FIRST_CAPACITY;

    if (batch->capacity - batch->size >= size)
        return 0;
    while (capacity - batch->size < size)
        capacity *= 2;
    unsigned char *octets = realloc(batch->octets, capacity);
    if (!octets)
        return -ENOMEM;
    batch->octets = octets;
    batch->capacity = capacity;
    return 0;
}

int batch_add(struct batch *batch, const struct batch_record *record, const char *source, const void *data) {
    size_t size = record_size(record);
    int r = make_room(batch, size);
    if (r < 0)
        return r;
    unsigned char *to = batch->octets + batch->size;
    memcpy(to, record, sizeof(*record));
    memcpy(to + sizeof(*record), source, record->source_size);
    to[sizeof(*record) + record->source_size] = '\0';
    if (record->data_size > 0)
        memcpy(to + sizeof(*record) + record->source_size + 1, data, record->data_size);
    batch->size += size;
    batch->count++;
    batch->charged += batch_charge(record->source_size, record->data_size);
    return 0;
}

const struct batch_record *batch_next(const struct batch *batch, const struct batch_record *record) {
    size_t at = record ? (size_t)((const unsigned char *)record - batch->octets) + record_size(record) : 0;
    return at < batch->size ? (const struct batch_record *)(const void *)(batch->octets + at) : NULL;
}

const char *batch_source(const struct batch_record *record) {
    return (const char *)(record + 1);
}

const void *batch_data(const struct batch_record *record) {
    return batch_source(record) + record->source_size + 1;
}

void batch_clear(struct batch *batch) {
    batch->size = 0;
    batch->count = batch->charged = 0;
}

void batch_deinit(struct batch *batch) {
    free(batch->octets);
    *batch = (struct batch){0};
}
