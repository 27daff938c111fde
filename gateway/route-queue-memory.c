/*
 * gateway/route-queue-memory.c: a route's messages in memory, up to queue_bytes: a ring in the order of ids, from which a message goes when
 * all targets are done with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/error.h"
#include "base/time.h"
#include "gateway/cleanup.h"
#include "gateway/route-queue-type.h"

struct entry {
    struct spool_message message; /* its source and data point into octets */
    char octets[];
};

struct memory_queue {
    struct route_queue queue; /* first */
    size_t max_bytes, bytes;
    struct entry **ring; /* of `size`, a power of two */
    size_t size, head, count;
    uint64_t cursors[SPOOL_TARGETS_MAX];
    size_t target_count;
    uint64_t appended;
    size_t refused; /* what the last message that was refused is charged; 0: none was */
    uint8_t id[SPOOL_ID_SIZE];
    kith_timer *tell; /* armed while there is something to tell */
    bool tell_readable;
};

static struct memory_queue *of(const struct route_queue *queue) {
    return (struct memory_queue *)queue;
}

static struct entry *at(const struct memory_queue *self, size_t index) {
    return self->ring[(self->head + index) & (self->size - 1)];
}

/* As the spool charges. */
static size_t charge(const char *source, size_t size) {
    return strlen(source) + size + SPOOL_MESSAGE_OVERHEAD;
}

/* Up to where all targets are done. */
static uint64_t done_by_all(const struct memory_queue *self) {
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < self->target_count; i++)
        least = self->cursors[i] < least ? self->cursors[i] : least;
    return least;
}

static void drop_done(struct memory_queue *self) {
    uint64_t upto = done_by_all(self);
    while (self->count > 0 && at(self, 0)->message.id <= upto) {
        struct entry *entry = at(self, 0);
        self->bytes -= charge(entry->message.source, entry->message.size);
        free(entry);
        self->head++;
        self->count--;
    }
}

static void on_tell(kith_timer *timer, void *userdata) {
    struct memory_queue *self = userdata;
    const struct route_queue_ops *ops = self->queue.ops;
    route_queue_now_safe(&self->queue, done_by_all(self));
    if (self->refused > 0 && self->bytes + self->refused <= self->max_bytes) {
        self->refused = 0;
        ops->room(self->queue.userdata);
    }
    if (self->tell_readable) {
        self->tell_readable = false;
        ops->readable(self->queue.userdata);
    }
}

/* The interface ---------------------------------------------------------------------------------------------------- */

static int make_room(struct memory_queue *self) {
    if (self->count < self->size)
        return 0;
    size_t size = self->size > 0 ? 2 * self->size : 64;
    struct entry **ring = malloc(size * sizeof(struct entry *));
    if (!ring)
        return -ENOMEM;
    for (size_t i = 0; i < self->count; i++)
        ring[i] = at(self, i);
    free(self->ring);
    self->ring = ring;
    self->size = size;
    self->head = 0;
    return 0;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct entry *entry_new(const char *source, const void *data, size_t size) {
    size_t source_size = strlen(source) + 1;
    struct entry *entry = calloc(1, sizeof(*entry) + source_size + size);
    if (!entry)
        return NULL;
    memcpy(entry->octets, source, source_size);
    if (size > 0)
        memcpy(entry->octets + source_size, data, size);
    entry->message.source = entry->octets;
    entry->message.data = entry->octets + source_size;
    entry->message.size = size;
    return entry;
}

static int append(struct route_queue *queue, const char *source, uint64_t sequence, uint32_t flags, const void *data, size_t size,
                  uint64_t *ret_id) {
    struct memory_queue *self = of(queue);
    size_t cost = charge(source, size);
    if (cost > self->max_bytes)
        return -EMSGSIZE;
    if (self->bytes + cost > self->max_bytes) {
        self->refused = cost;
        return -EAGAIN;
    }
    int r = make_room(self);
    struct entry *entry = r < 0 ? NULL : entry_new(source, data, size);
    if (!entry)
        return -ENOMEM;
    entry->message.id = ++self->appended;
    entry->message.time_ms = now_ms();
    entry->message.sequence = sequence;
    entry->message.flags = flags;
    self->ring[(self->head + self->count++) & (self->size - 1)] = entry;
    self->bytes += cost;
    self->tell_readable = true;
    if (!kith_timer_armed(self->tell))
        kith_timer_arm(self->tell, 0, 0);
    *ret_id = entry->message.id;
    return 0;
}

static int read_messages(struct route_queue *queue, uint64_t after, size_t max_bytes, spool_message_fn *fn, void *userdata,
                         struct kith_error *ret_error) {
    struct memory_queue *self = of(queue);
    int shown = 0;
    /* By id: the callback may be done with what lies at the front, and that goes. */
    for (uint64_t id = after + 1; self->count > 0; id++) {
        uint64_t first = at(self, 0)->message.id;
        id = id < first ? first : id;
        if (id - first >= self->count)
            break;
        const struct spool_message *message = &at(self, id - first)->message;
        if (shown > 0 && message->size > max_bytes)
            break;
        max_bytes -= message->size < max_bytes ? message->size : max_bytes;
        shown++;
        if (fn(message, userdata) != 0)
            break;
    }
    return shown;
}

static void done(struct route_queue *queue, unsigned target, uint64_t id) {
    struct memory_queue *self = of(queue);
    if (id > self->appended)
        id = self->appended;
    if (target >= self->target_count || id <= self->cursors[target])
        return;
    self->cursors[target] = id;
    drop_done(self);
    if (!kith_timer_armed(self->tell))
        kith_timer_arm(self->tell, 0, 0);
}

static uint64_t cursor(const struct route_queue *queue, unsigned target) {
    return of(queue)->cursors[target];
}

static void id(struct route_queue *queue, uint8_t ret_id[SPOOL_ID_SIZE]) {
    memcpy(ret_id, of(queue)->id, SPOOL_ID_SIZE);
}

static void statistics(struct route_queue *queue, struct spool_statistics *ret) {
    struct memory_queue *self = of(queue);
    int64_t age = self->count > 0 ? now_ms() - at(self, 0)->message.time_ms : 0;
    *ret = (struct spool_statistics){.messages = self->count,
                                     .bytes = self->bytes,
                                     .oldest_age_ms = age > 0 ? (uint64_t)age : 0,
                                     .appended = self->appended,
                                     .last_id = self->appended};
}

static int close_queue(struct route_queue *queue, struct kith_error *ret_error) {
    struct memory_queue *self = of(queue);
    size_t lost = self->count;
    for (size_t i = 0; i < self->count; i++)
        free(at(self, i));
    free(self->ring);
    kith_timer_free(self->tell);
    free(self);
    return lost == 0 ? 0
                     : kith_error_set(ret_error, -ECANCELED,
                                      "%zu messages that waited in memory are lost: their targets did not take them in time (drain): "
                                      "with spool = \"PATH\" they are kept on disk",
                                      lost);
}

static const struct route_queue_type type = {
    .append = append,
    .read = read_messages,
    .done = done,
    .cursor = cursor,
    .id = id,
    .statistics = statistics,
    .close = close_queue,
};

int route_queue_memory_new(kith_loop *loop, const struct gateway_route_config *route, struct route_queue **ret_queue) {
    struct memory_queue *self = calloc(1, sizeof(*self));
    if (!self)
        return -ENOMEM;
    self->queue.type = &type;
    self->max_bytes = route->queue_bytes;
    self->target_count = route->target_count;
    if (getrandom(self->id, sizeof(self->id), GRND_NONBLOCK) != sizeof(self->id))
        memcpy(self->id, &(uint64_t){kith_time_now()}, sizeof(uint64_t));
    int r = kith_timer_new(loop, on_tell, self, &self->tell);
    if (r < 0) {
        free(self);
        return r;
    }
    *ret_queue = &self->queue;
    return 0;
}
