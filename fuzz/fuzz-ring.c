/*
 * Fuzzes the reader of rings over memory that says anything: nothing is lent that lies outside it, whatever sizes and positions are there,
 * and positions only go forward.
 *
 * The first octet: bits 0 to 3 the ring's size, bit 4 the writer. Then the positions of reader and writer and where more room is waited
 * for, 8 octets each; the rest are the records. While the reader goes on, each octet of the input also says what changes: a position moves,
 * as that of a kernel that runs, or of one that has gone mad, or everything that was read is released.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ring/internal.h"

#define HEAD (1 + 3 * sizeof(uint64_t))

static void must(bool condition) {
    if (!condition)
        abort();
}

/* Every octet that is lent can be read. */
static uint8_t look_at(const uint8_t *data, size_t size) {
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + data[i]);
    return sum;
}

static void change(struct kith_ring *ring, struct kith_ring_producer *producer, uint8_t how, uint64_t read) {
    if (how & 1)
        kith_ring_release(ring, read);
    if (how & 2)
        producer->position += how >> 2;
    if (how & 4)
        producer->position += 8 * (how >> 3);
    if (how & 8)
        producer->waiting = producer->position - (how >> 4);
}

static void read_all(struct kith_ring *ring, struct kith_ring_producer *producer, const uint8_t *data, size_t size) {
    const uint8_t *record;
    size_t octets;
    uint64_t before = ring->read, position;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        int r = kith_ring_next(ring, &record, &octets, &position);
        if (r < 0)
            return;
        if (r == 1) {
            must(record >= ring->records && octets <= ring->size && record + octets <= ring->records + 2 * ring->size);
            must(position - before >= octets && position - before <= ring->size && position == ring->read);
            sum = (uint8_t)(sum + look_at(record, octets));
            before = position;
        }
        must(kith_ring_pending(ring) <= ring->size);
        before = ring->read;
        change(ring, producer, data[i], before);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kith_ring_consumer consumer = {0};
    struct kith_ring_producer producer = {0};
    if (size < HEAD)
        return 0;
    struct kith_ring ring = {.writer = data[0] & 16 ? KITH_RING_BPF : KITH_RING_KITH, .fd = -1, .size = (size_t)1 << (data[0] & 15)};
    uint8_t *records = calloc(2, ring.size);
    must(records != NULL);
    memcpy(&consumer.position, data + 1, 8);
    memcpy(&producer.position, data + 9, 8);
    memcpy(&producer.waiting, data + 17, 8);
    memcpy(records, data + HEAD, size - HEAD < ring.size ? size - HEAD : ring.size);
    memcpy(records + ring.size, records, ring.size);
    ring.consumer = &consumer;
    ring.producer = &producer;
    ring.records = records;
    if (kith_ring_begin(&ring) == 0)
        read_all(&ring, &producer, data + HEAD, size - HEAD);
    free(records);
    return 0;
}
