/* gateway/route-receipts.c: see route-receipts.h. */
#include "gateway/route-receipts.h"

#include <errno.h>
#include <stdlib.h>

static struct route_receipt *at(const struct route_receipts *receipts, size_t index) {
    return &receipts->ring[(receipts->head + index) & (receipts->size - 1)];
}

void route_receipts_deinit(struct route_receipts *receipts) {
    free(receipts->ring);
    *receipts = (struct route_receipts){0};
}

static int make_room(struct route_receipts *receipts) {
    if (receipts->count < receipts->size)
        return 0;
    size_t size = receipts->size > 0 ? 2 * receipts->size : 64;
    struct route_receipt *ring = malloc(size * sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    for (size_t i = 0; i < receipts->count; i++)
        ring[i] = *at(receipts, i);
    free(receipts->ring);
    receipts->ring = ring;
    receipts->size = size;
    receipts->head = 0;
    return 0;
}

int route_receipts_push(struct route_receipts *receipts, uint64_t id, const struct kith_receipt *receipt) {
    int r = make_room(receipts);
    if (r < 0)
        return r;
    *at(receipts, receipts->count++) = (struct route_receipt){.id = id, .receipt = *receipt};
    return 0;
}

bool route_receipts_take(struct route_receipts *receipts, uint64_t upto, struct kith_receipt *ret_receipt) {
    bool taken = false;
    while (receipts->count > 0) {
        const struct route_receipt *first = at(receipts, 0);
        if (first->id > upto || (taken && first->receipt.connection != ret_receipt->connection))
            break;
        *ret_receipt = first->receipt;
        taken = true;
        receipts->head++;
        receipts->count--;
    }
    return taken;
}
