/* gateway/route-queue-spool.c: a route's messages on disk: gateway/spool, driven by the loop. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "gateway/cleanup.h"
#include "gateway/route-queue-type.h"

/* Appended and not durable yet: what a source may have sent before the first commit. */
#define PENDING_MIN ((size_t)4 << 20)
/* Beside the body: the source's name, the origin, what a row costs. */
#define PENDING_MORE ((size_t)128 << 10)

struct spool_queue {
    struct route_queue queue; /* first */
    struct spool *spool;
    kith_io *io;
};

static struct spool_queue *of(const struct route_queue *queue) {
    return (struct spool_queue *)queue;
}

/* Telling ---------------------------------------------------------------------------------------------------------- */

static void on_durable(uint64_t id, void *userdata) {
    struct route_queue *queue = userdata;
    route_queue_now_safe(queue, id);
    queue->ops->readable(queue->userdata);
}

static void on_room(void *userdata) {
    struct route_queue *queue = userdata;
    queue->ops->room(queue->userdata);
}

static void on_failed(const struct kith_error *error, void *userdata) {
    struct route_queue *queue = userdata;
    queue->ops->failed(error, queue->userdata);
}

/* Another file may have taken the place of a damaged one: reading goes on. */
static void on_notice(const char *text, void *userdata) {
    struct route_queue *queue = userdata;
    queue->ops->notice(text, queue->userdata);
    queue->ops->readable(queue->userdata);
}

static const struct spool_ops spool_callbacks = {.durable = on_durable, .room = on_room, .failed = on_failed, .notice = on_notice};

static void on_io(kith_io *io, int fd, unsigned events, void *userdata) {
    struct spool_queue *self = userdata;
    spool_dispatch(self->spool);
}

/* The interface ---------------------------------------------------------------------------------------------------- */

static int append(struct route_queue *queue, const char *source, uint64_t sequence, uint32_t flags, const void *data, size_t size,
                  uint64_t *ret_id) {
    return spool_append(of(queue)->spool, source, sequence, flags, data, size, ret_id);
}

static int read_messages(struct route_queue *queue, uint64_t after, size_t max_bytes, spool_message_fn *fn, void *userdata,
                         struct kith_error *ret_error) {
    return spool_read(of(queue)->spool, after, max_bytes, fn, userdata, ret_error);
}

static void done(struct route_queue *queue, unsigned target, uint64_t id) {
    spool_done(of(queue)->spool, target, id);
}

static uint64_t cursor(const struct route_queue *queue, unsigned target) {
    return spool_cursor(of(queue)->spool, target);
}

static void id(struct route_queue *queue, uint8_t ret_id[SPOOL_ID_SIZE]) {
    spool_id(of(queue)->spool, ret_id);
}

static void statistics(struct route_queue *queue, struct spool_statistics *ret) {
    spool_statistics(of(queue)->spool, ret);
}

static int close_queue(struct route_queue *queue, struct kith_error *ret_error) {
    struct spool_queue *self = of(queue);
    kith_io_free(self->io);
    int r = spool_close(self->spool, ret_error);
    free(self);
    return r;
}

static const struct route_queue_type type = {
    .keeps = true,
    .append = append,
    .read = read_messages,
    .done = done,
    .cursor = cursor,
    .id = id,
    .statistics = statistics,
    .close = close_queue,
};

static int open_spool(struct spool_queue *self, const struct gateway_route_config *route, struct kith_error *ret_error) {
    const char *names[SPOOL_TARGETS_MAX + 1] = {NULL};
    for (size_t i = 0; i < route->target_count; i++)
        names[i] = route->targets[i].name;
    size_t pending = route->max_message + PENDING_MORE;
    struct spool_options options = {.targets = names,
                                    .max_bytes = route->spool_bytes,
                                    .max_age_ms = route->spool_age_ms,
                                    .overflow = route->overflow,
                                    .pending_bytes = pending > PENDING_MIN ? pending : PENDING_MIN};
    struct kith_error error = KITH_ERROR_NONE;
    int r = spool_open(route->spool, &options, &spool_callbacks, self, &self->spool, &error);
    return r < 0 ? kith_error_set(ret_error, r, "route %s: %s", route->name, error.text) : 0;
}

int route_queue_spool_new(kith_loop *loop, const struct gateway_route_config *route, struct route_queue **ret_queue,
                          struct kith_error *ret_error) {
    struct spool_queue *self = calloc(1, sizeof(*self));
    if (!self)
        return kith_error_set(ret_error, -ENOMEM, "route %s: out of memory", route->name);
    self->queue.type = &type;
    int r = open_spool(self, route, ret_error);
    if (r >= 0) {
        struct spool_statistics found;
        spool_statistics(self->spool, &found);
        self->queue.last = self->queue.safe = found.last_id;
        r = kith_io_new(loop, spool_fd(self->spool), KITH_IO_READ, on_io, self, &self->io);
        if (r < 0)
            kith_error_set(ret_error, r, "route %s: %s", route->name, kith_error_name(r));
    }
    if (r < 0) {
        (void)close_queue(&self->queue, NULL);
        return r;
    }
    *ret_queue = &self->queue;
    return 0;
}
