/*
 * gateway/route-receipts.h: what is to be acknowledged to a source once its messages are safe: receipts (kith/msg.h) in the order of the
 * queue's ids. Those of one connection in a row are one: an acknowledgement is of everything up to it.
 */
#ifndef KITH_GATEWAY_ROUTE_RECEIPTS_H
#define KITH_GATEWAY_ROUTE_RECEIPTS_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/msg.h>

struct route_receipt {
    uint64_t id; /* of the message in the queue */
    struct kith_receipt receipt;
};

/* A ring; all zero: empty. */
struct route_receipts {
    struct route_receipt *ring;
    size_t size, head, count;
};

void route_receipts_deinit(struct route_receipts *receipts);
/* Errors: -ENOMEM. */
int route_receipts_push(struct route_receipts *receipts, uint64_t id, const struct kith_receipt *receipt);
/* The next acknowledgement for what is safe up to this id; false: there is none. */
bool route_receipts_take(struct route_receipts *receipts, uint64_t upto, struct kith_receipt *ret_receipt);

#endif
