/* gateway/route-queue.c: see route-queue.h: what both kinds do alike. */
#include "base/error.h"
#include "gateway/cleanup.h"
#include "gateway/route-queue-type.h"

int route_queue_open(kith_loop *loop, const struct gateway_route_config *route, const struct route_queue_ops *ops, void *userdata,
                     struct route_queue **ret_queue, struct kith_error *ret_error) {
    int r = route->spool ? route_queue_spool_new(loop, route, ret_queue, ret_error) : route_queue_memory_new(loop, route, ret_queue);
    if (r < 0)
        return route->spool ? r : kith_error_set(ret_error, r, "route %s: %s", route->name, kith_error_name(r));
    (*ret_queue)->ops = ops;
    (*ret_queue)->userdata = userdata;
    return 0;
}

int route_queue_close(struct route_queue *queue, struct kith_error *ret_error) {
    return queue ? queue->type->close(queue, ret_error) : 0;
}

int route_queue_append(struct route_queue *queue, const char *source, uint64_t sequence, uint32_t flags, const void *data, size_t size) {
    return queue->type->append(queue, source, sequence, flags, data, size, &queue->last);
}

int route_queue_read(struct route_queue *queue, uint64_t after, size_t max_bytes, spool_message_fn *fn, void *userdata,
                     struct kith_error *ret_error) {
    return queue->type->read(queue, after, max_bytes, fn, userdata, ret_error);
}

void route_queue_done(struct route_queue *queue, unsigned target, uint64_t id) {
    queue->type->done(queue, target, id);
}

uint64_t route_queue_cursor(const struct route_queue *queue, unsigned target) {
    return queue->type->cursor(queue, target);
}

bool route_queue_keeps(const struct route_queue *queue) {
    return queue->type->keeps;
}

uint64_t route_queue_last(const struct route_queue *queue) {
    return queue->last;
}

uint64_t route_queue_safe(const struct route_queue *queue) {
    return queue->safe;
}

void route_queue_id(struct route_queue *queue, uint8_t ret_id[SPOOL_ID_SIZE]) {
    queue->type->id(queue, ret_id);
}

void route_queue_statistics(struct route_queue *queue, struct spool_statistics *ret) {
    queue->type->statistics(queue, ret);
}

void route_queue_now_safe(struct route_queue *queue, uint64_t upto) {
    if (upto <= queue->safe)
        return;
    queue->safe = upto;
    queue->ops->safe(upto, queue->userdata);
}
