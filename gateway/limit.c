/* gateway/limit.c: see limit.h. */
#include "gateway/limit.h"

#include "base/time.h"

static void entry_flush(struct gateway_limit *limit, size_t index) {
    if (limit->entries[index].held == 0)
        return;
    limit->flush(index, limit->userdata);
    limit->entries[index].held = 0;
    limit->entries[index].shared = false;
}

/* The key's entry: the one that it has, else one whose second is over. */
static size_t find_entry(struct gateway_limit *limit, uint64_t key, uint64_t now) {
    size_t idle = GATEWAY_LIMIT_ENTRIES;
    for (size_t i = 0; i < GATEWAY_LIMIT_ENTRIES; i++) {
        const struct gateway_limit_entry *entry = &limit->entries[i];
        if (entry->since != 0 && entry->key == key)
            return i;
        if (idle == GATEWAY_LIMIT_ENTRIES && (entry->since == 0 || now - entry->since >= KITH_NS_PER_S))
            idle = i;
    }
    if (idle == GATEWAY_LIMIT_ENTRIES)
        return key % GATEWAY_LIMIT_ENTRIES;
    entry_flush(limit, idle);
    limit->entries[idle] = (struct gateway_limit_entry){.key = key, .since = now};
    return idle;
}

bool gateway_limit_admit(struct gateway_limit *limit, uint64_t key, uint64_t now, size_t *ret_index) {
    size_t index = find_entry(limit, key, now);
    struct gateway_limit_entry *entry = &limit->entries[index];
    if (now - entry->since >= KITH_NS_PER_S) {
        entry_flush(limit, index);
        entry->since = now;
        entry->lines = 0;
    }
    *ret_index = index;
    if (entry->lines < limit->burst) {
        entry->lines++;
        return true;
    }
    entry->held++;
    entry->shared |= entry->key != key;
    return false;
}

void gateway_limit_flush(struct gateway_limit *limit) {
    for (size_t i = 0; i < GATEWAY_LIMIT_ENTRIES; i++)
        entry_flush(limit, i);
}
