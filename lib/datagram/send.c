/*
 * datagram/send.c: the queue of what has to go out, and sendmmsg(2).
 *
 * Datagrams lie one behind the other in one block, so queueing is a copy and a batch is made without touching them again. A socket that
 * meets an error is tried again with the same datagram: what ICMP had to say of an earlier one is said once and is gone; an error of the
 * datagram itself comes again, and it is dropped. (When some of a batch went out, sendmmsg(2) keeps the error that stopped it to itself: a
 * report by ICMP is then lost.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datagram/internal.h"

/* Octets that may wait: more than the kernel's own buffer holds. */
#define QUEUE_MAX ((size_t)256 * 1024)
/* Kept when the queue is empty; what is beyond was for a burst. */
#define QUEUE_KEEP ((size_t)64 * 1024)

void kith_datagram_queue_deinit(struct kith_datagram_queue *queue) {
    free(queue->octets);
    free(queue->sizes);
    *queue = (struct kith_datagram_queue){.octets = NULL};
}

/* Moves what is not out to the front, so that the block does not grow for ever. */
static void queue_compact(struct kith_datagram_queue *queue) {
    if (queue->sent == 0)
        return;
    queue->size -= queue->offset;
    queue->count -= queue->sent;
    if (queue->count > 0) {
        memmove(queue->octets, queue->octets + queue->offset, queue->size);
        memmove(queue->sizes, queue->sizes + queue->sent, queue->count * sizeof(*queue->sizes));
    } else if (queue->capacity > QUEUE_KEEP) {
        kith_datagram_queue_deinit(queue);
    }
    queue->offset = queue->sent = 0;
}

static int queue_reserve(struct kith_datagram_queue *queue, size_t size) {
    if (queue->size + size > queue->capacity) {
        size_t capacity = (queue->size + size) * 2 < 4096 ? 4096 : (queue->size + size) * 2;
        uint8_t *octets = realloc(queue->octets, capacity);
        if (!octets)
            return -ENOMEM;
        queue->octets = octets;
        queue->capacity = capacity;
    }
    if (queue->count == queue->sizes_capacity) {
        size_t capacity = queue->count ? queue->count * 2 : KITH_DATAGRAM_BATCH;
        uint32_t *sizes = reallocarray(queue->sizes, capacity, sizeof(*sizes));
        if (!sizes)
            return -ENOMEM;
        queue->sizes = sizes;
        queue->sizes_capacity = capacity;
    }
    return 0;
}

static void queue_put(struct kith_datagram_queue *queue, const struct iovec *parts, size_t count, size_t size) {
    for (size_t i = 0; i < count; i++) {
        if (parts[i].iov_len > 0)
            memcpy(queue->octets + queue->size, parts[i].iov_base, parts[i].iov_len);
        queue->size += parts[i].iov_len;
    }
    queue->sizes[queue->count++] = (uint32_t)size;
}

/* The first datagram is out, or given up. */
static void queue_pop(struct kith_datagram_queue *queue) {
    queue->offset += queue->sizes[queue->sent++];
}

/* An empty datagram is one too: it counts as if it had an octet. */
static bool queue_full(const struct kith_datagram_queue *queue) {
    return queue->size - queue->offset + queue->count - queue->sent >= QUEUE_MAX;
}

size_t kith_datagram_queued(const kith_datagram *datagram) {
    return datagram->queue.count - datagram->queue.sent;
}

/* Told later, from the loop: whoever sends is not called back. The last error stands for those before it. */
static void note(struct kith_datagram *datagram, int error, unsigned lost) {
    datagram->error = error;
    datagram->lost += lost;
}

/* Sends one batch. False: no more for now. */
static bool send_batch(struct kith_datagram *datagram) {
    struct kith_datagram_queue *queue = &datagram->queue;
    struct mmsghdr headers[KITH_DATAGRAM_BATCH] = {{.msg_len = 0}};
    struct iovec parts[KITH_DATAGRAM_BATCH];
    size_t offset = queue->offset, count = 0;
    for (; count < KITH_DATAGRAM_BATCH && queue->sent + count < queue->count; count++) {
        uint32_t size = queue->sizes[queue->sent + count];
        parts[count] = (struct iovec){.iov_base = size > 0 ? queue->octets + offset : NULL, .iov_len = size};
        headers[count].msg_hdr = (struct msghdr){.msg_iov = &parts[count], .msg_iovlen = 1};
        offset += size;
    }
    int sent = sendmmsg(datagram->watch.fd, headers, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
        datagram->blocked = true;
        return false;
    }
    if (sent < 0 && errno != EINTR) {
        note(datagram, -errno, datagram->struck ? 1 : 0);
        if (datagram->struck)
            queue_pop(queue);
        datagram->struck = !datagram->struck;
        return true;
    }
    if (sent > 0)
        datagram->struck = false;
    for (int i = 0; i < sent; i++)
        queue_pop(queue);
    return true;
}

/* As far as the kernel takes it. */
static void send_queued(struct kith_datagram *datagram) {
    while (!datagram->blocked && kith_datagram_queued(datagram) > 0 && send_batch(datagram))
        ;
    queue_compact(&datagram->queue);
    kith_datagram_update_watch(datagram);
    /* There is something to tell, and a queue that has room again may be waited for: from the loop. */
    if (datagram->error != 0 || (datagram->starved && !datagram->blocked))
        kith_loop_defer(datagram->loop, &datagram->flush);
}

int kith_datagram_send(kith_datagram *datagram, const struct iovec *parts, size_t count) {
    size_t size = 0;
    if (kith_datagram_over(datagram))
        return -ESHUTDOWN;
    if (!datagram->connected)
        return -EDESTADDRREQ;
    if (datagram->draining)
        return -EPIPE;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].iov_len > KITH_DATAGRAM_MAX - size)
            return -EMSGSIZE;
        size += parts[i].iov_len;
    }
    if (queue_full(&datagram->queue)) {
        datagram->starved = true;
        return -EAGAIN;
    }
    int r = queue_reserve(&datagram->queue, size);
    if (r < 0)
        return r;
    queue_put(&datagram->queue, parts, count, size);
    if (kith_datagram_queued(datagram) >= KITH_DATAGRAM_BATCH && !datagram->blocked)
        send_queued(datagram); /* waiting would not make the batch larger */
    else
        kith_loop_defer(datagram->loop, &datagram->flush);
    return 0;
}

void kith_datagram_flush(kith_datagram *datagram) {
    if (!kith_datagram_over(datagram) && kith_datagram_queued(datagram) > 0)
        send_queued(datagram);
}

void kith_datagram_drain(kith_datagram *datagram) {
    if (kith_datagram_over(datagram) || datagram->draining)
        return;
    datagram->draining = true;
    kith_loop_defer(datagram->loop, &datagram->flush);
}

static unsigned tell_drained(struct kith_datagram *datagram) {
    if (kith_datagram_over(datagram) || !datagram->draining || kith_datagram_queued(datagram) > 0 || !datagram->ops->drained)
        return 0;
    datagram->ops->drained(datagram, datagram->userdata);
    return 1;
}

unsigned kith_datagram_transmit(struct kith_datagram *datagram) {
    unsigned callbacks = 0;
    send_queued(datagram);
    kith_defer_cancel(&datagram->flush); /* it is told here */
    if (datagram->error != 0) {
        int error = datagram->error;
        unsigned lost = datagram->lost;
        datagram->error = 0;
        datagram->lost = 0;
        callbacks += kith_datagram_tell_failed(datagram, error, lost);
    }
    if (!kith_datagram_over(datagram) && datagram->starved && !queue_full(&datagram->queue)) {
        datagram->starved = false;
        if (datagram->ops->writable) {
            datagram->ops->writable(datagram, datagram->userdata);
            callbacks++;
        }
    }
    return callbacks + tell_drained(datagram);
}
