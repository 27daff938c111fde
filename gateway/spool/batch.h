/* gateway/spool/batch.h: messages that wait for a commit, one behind the other in one block of memory. */
#ifndef KITH_GATEWAY_SPOOL_BATCH_H
#define KITH_GATEWAY_SPOOL_BATCH_H

#include <stddef.h>
#include <stdint.h>

struct batch_record {
    uint64_t id, sequence;
    int64_t time_ms;
    uint32_t flags, source_size, data_size;
    /* source, NUL, data; the next record begins at a multiple of 8 */
};

/* All zero: empty. */
struct batch {
    unsigned char *octets;
    size_t size, capacity;
    uint64_t count, charged;
};

/* What a message costs a bound. */
uint64_t batch_charge(size_t source_size, size_t data_size);
/* Errors: -ENOMEM (nothing is changed). */
int batch_add(struct batch *batch, const struct batch_record *record, const char *source, const void *data);
/* Walk: NULL to begin; NULL at the end. */
const struct batch_record *batch_next(const struct batch *batch, const struct batch_record *record);
const char *batch_source(const struct batch_record *record);
const void *batch_data(const struct batch_record *record);
/* Empties it and keeps its memory. */
void batch_clear(struct batch *batch);
void batch_deinit(struct batch *batch);

#endif
