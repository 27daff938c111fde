/* gateway/route-queue-type.h: what a kind of queue supplies; see route-queue.h for what each does. */
#ifndef KITH_GATEWAY_ROUTE_QUEUE_TYPE_H
#define KITH_GATEWAY_ROUTE_QUEUE_TYPE_H

#include "gateway/route-queue.h"

struct route_queue_type {
    bool keeps;
    int (*append)(struct route_queue *queue, const char *source, uint64_t sequence, uint32_t flags, const void *data, size_t size,
                  uint64_t *ret_id);
    int (*read)(struct route_queue *queue, uint64_t after, size_t max_bytes, spool_message_fn *fn, void *userdata,
                struct kith_error *ret_error);
    void (*done)(struct route_queue *queue, unsigned target, uint64_t id);
    uint64_t (*cursor)(const struct route_queue *queue, unsigned target);
    void (*id)(struct route_queue *queue, uint8_t ret_id[SPOOL_ID_SIZE]);
    void (*statistics)(struct route_queue *queue, struct spool_statistics *ret);
    int (*close)(struct route_queue *queue, struct kith_error *ret_error);
};

struct route_queue {
    const struct route_queue_type *type;
    const struct route_queue_ops *ops;
    void *userdata;
    uint64_t last, safe;
};

/* Notes it, and tells. */
void route_queue_now_safe(struct route_queue *queue, uint64_t upto);

int route_queue_memory_new(kith_loop *loop, const struct gateway_route_config *route, struct route_queue **ret_queue);
int route_queue_spool_new(kith_loop *loop, const struct gateway_route_config *route, struct route_queue **ret_queue,
                          struct kith_error *ret_error);

#endif
