/* flow/trace/seen.c: see seen.h. Events in a page: struct ring_buffer_event of the kernel's include/linux/ring_buffer.h. */
#include "flow/trace/seen.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024
/* Of the number of octets in a page; above are flags of the kernel's. */
#define COMMIT_MASK 0xfffff

/* What the first 5 of an event's 32 bits say, when they are not the number of its words. */
enum { LONG = 0, PADDING = 29, TIME_EXTEND = 30, TIME_STAMP = 31 };

static size_t find_number(const char *text, const char *field, const char *word, size_t otherwise) {
    const char *found = strstr(text, field);

    found = found ? strstr(found, word) : NULL;
    return found ? strtoul(found + strlen(word), NULL, 10) : otherwise;
}

void flow_seen_init(struct flow_seen *seen, const char *format, const char *header_page) {
    *seen = (struct flow_seen){0};
    if (__BYTE_ORDER == __LITTLE_ENDIAN) /* the other order has its bits at the other end */
        seen->entry = (unsigned)find_number(format, "\nID:", "ID:", 0);
    seen->func_at = find_number(format, " func;", "offset:", 8);
    seen->data_at = find_number(header_page, "char data;", "offset:", 16);
}

void flow_seen_deinit(struct flow_seen *seen) {
    free(seen->slots);
    *seen = (struct flow_seen){0};
}

/* Functions begin at multiples of 16. */
static size_t slot_of(const uint64_t *slots, size_t room, uint64_t address) {
    size_t i = (size_t)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (room - 1);

    while (slots[i] && slots[i] != address)
        i = (i + 1) & (room - 1);
    return i;
}

static int grow(struct flow_seen *seen) {
    size_t room = seen->room ? 2 * seen->room : FIRST_ROOM;
    uint64_t *slots = calloc(room, sizeof(*slots));

    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < seen->room; i++)
        if (seen->slots[i])
            slots[slot_of(slots, room, seen->slots[i])] = seen->slots[i];
    free(seen->slots);
    seen->slots = slots;
    seen->room = room;
    return 0;
}

static int add(struct flow_seen *seen, uint64_t address) {
    if (2 * seen->count >= seen->room && grow(seen) < 0)
        return -ENOMEM;
    size_t i = slot_of(seen->slots, seen->room, address);
    seen->count += seen->slots[i] == 0;
    seen->slots[i] = address;
    return 0;
}

bool flow_seen_has(const struct flow_seen *seen, uint64_t address) {
    return seen->entry == 0 || (seen->room > 0 && address && seen->slots[slot_of(seen->slots, seen->room, address)] == address);
}

static uint32_t word_at(const uint8_t *octets) {
    uint32_t word;

    memcpy(&word, octets, sizeof(word));
    return word;
}

/* Where an event's own octets are, and how long they are; 0: nothing comes any more. Returns the octets that it takes in all. */
static size_t measure(const uint8_t *event, size_t left, size_t *ret_at, size_t *ret_size) {
    unsigned type = word_at(event) & 31;

    *ret_at = *ret_size = 0;
    if (type == PADDING || left < 8)
        return left;
    if (type == TIME_EXTEND || type == TIME_STAMP)
        return 8;
    size_t size = type == LONG ? word_at(event + 4) : 4 * type;
    *ret_at = type == LONG ? 8 : 4;
    *ret_size = type == LONG ? size - 4 : size;
    return 4 + size;
}

int flow_seen_add_page(struct flow_seen *seen, const void *page, size_t size) {
    const uint8_t *octets = page;
    size_t at, length, taken;

    if (seen->entry == 0 || size < seen->data_at || seen->data_at < 16)
        return 0;
    size_t used = word_at(octets + 8) & COMMIT_MASK;
    size_t end = used < size - seen->data_at ? seen->data_at + used : size;
    for (size_t i = seen->data_at; end - i >= 4; i += taken) {
        uint64_t address;
        taken = measure(octets + i, end - i, &at, &length);
        if (taken > end - i)
            return 0;
        if (length < seen->func_at + sizeof(address) || (word_at(octets + i + at) & 0xffff) != seen->entry)
            continue;
        memcpy(&address, octets + i + at + seen->func_at, sizeof(address));
        if (address && add(seen, address) < 0)
            return -ENOMEM;
    }
    return 0;
}
