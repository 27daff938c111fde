/* flow/decode/table.h: from a number to an index. The numbers come from a file: hashing is keyed, so that nobody can make it slow. */
#ifndef KITH_FLOW_TABLE_H
#define KITH_FLOW_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct flow_table_slot {
    uint64_t key;
    uint32_t value; /* FLOW_NONE: free */
};

/* An all-zero table is valid and empty; its key is drawn with the first insertion. */
struct flow_table {
    struct flow_table_slot *slots;
    size_t room, count; /* room is a power of two */
    uint64_t seed[2];
};

void flow_table_deinit(struct flow_table *table);
/* FLOW_NONE: not there. */
uint32_t flow_table_find(const struct flow_table *table, uint64_t key);
/* For a key that is not there, and a value that is not FLOW_NONE. Errors: -ENOMEM. */
int flow_table_insert(struct flow_table *table, uint64_t key, uint32_t value);

#endif
