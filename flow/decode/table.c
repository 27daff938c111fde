/* flow/decode/table.c: open addressing, at most half full. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/siphash.h"
#include "flow/decode/model.h"
#include "flow/decode/table.h"

#define ROOM_MIN 64

void flow_table_deinit(struct flow_table *table) {
    free(table->slots);
    *table = (struct flow_table){0};
}

static struct flow_table_slot *slot_of(const struct flow_table *table, uint64_t key) {
    size_t i = kith_siphash13(table->seed, &key, sizeof(key)) & (table->room - 1);

    while (table->slots[i].value != FLOW_NONE && table->slots[i].key != key)
        i = (i + 1) & (table->room - 1);
    return &table->slots[i];
}

uint32_t flow_table_find(const struct flow_table *table, uint64_t key) {
    return table->room > 0 ? slot_of(table, key)->value : FLOW_NONE;
}

static int grow(struct flow_table *table) {
    struct flow_table larger = *table;

    larger.room = table->room > 0 ? table->room * 2 : ROOM_MIN;
    larger.slots = malloc(larger.room * sizeof(*larger.slots));
    if (!larger.slots)
        return -ENOMEM;
    if (table->room == 0 && getrandom(larger.seed, sizeof(larger.seed), GRND_NONBLOCK) < 0)
        larger.seed[0] = (uintptr_t)larger.slots; /* early in a boot: better than nothing */
    for (size_t i = 0; i < larger.room; i++)
        larger.slots[i].value = FLOW_NONE;
    for (size_t i = 0; i < table->room; i++)
        if (table->slots[i].value != FLOW_NONE)
            *slot_of(&larger, table->slots[i].key) = table->slots[i];
    free(table->slots);
    *table = larger;
    return 0;
}

int flow_table_insert(struct flow_table *table, uint64_t key, uint32_t value) {
    if (table->count * 2 >= table->room) {
        int r = grow(table);
        if (r < 0)
            return r;
    }
    *slot_of(table, key) = (struct flow_table_slot){.key = key, .value = value};
    table->count++;
    return 0;
}
