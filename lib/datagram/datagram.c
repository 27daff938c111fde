/* datagram/datagram.c: a UDP socket's life on its loop. See datagram.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "datagram/internal.h"

KITH_DEFINE_CLEANUP(kith_datagram *, kith_datagram_free)

void kith_datagram_unref(kith_datagram *datagram) {
    if (--datagram->refs > 0)
        return;
    kith_datagram_inbox_free(datagram->inbox);
    kith_datagram_queue_deinit(&datagram->queue);
    free(datagram);
}

kith_datagram *kith_datagram_free(kith_datagram *datagram) {
    if (!datagram)
        return NULL;
    datagram->closed = true;
    kith_defer_cancel(&datagram->flush);
    if (kith_watch_active(&datagram->watch))
        kith_loop_unwatch(datagram->loop, &datagram->watch, true);
    else
        kith_close(datagram->watch.fd);
    kith_datagram_unref(datagram);
    return NULL;
}

unsigned kith_datagram_tell_failed(kith_datagram *datagram, int error, unsigned lost) {
    if (kith_datagram_over(datagram) || !datagram->ops->failed)
        return 0;
    datagram->ops->failed(datagram, error, lost, datagram->userdata);
    return 1;
}

void kith_datagram_update_watch(kith_datagram *datagram) {
    if (!kith_watch_active(&datagram->watch))
        return;
    unsigned events = (datagram->paused ? 0U : KITH_IO_READ) | (datagram->blocked ? KITH_IO_WRITE : 0U);
    if (events != datagram->watch.events)
        kith_loop_set_watched(datagram->loop, &datagram->watch, events);
}

/* The error that made the socket ready, which is thereby taken: else it would stay so. */
static unsigned take_error(kith_datagram *datagram) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(datagram->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error == 0)
        return 0;
    return kith_datagram_tell_failed(datagram, -error, 0);
}

static unsigned on_ready(struct kith_watch *watch, unsigned events) {
    kith_datagram *datagram = KITH_CONTAINER_OF(watch, struct kith_datagram, watch);
    unsigned callbacks = 0;
    kith_datagram_ref(datagram);
    if (events & KITH_IO_HANGUP)
        callbacks += take_error(datagram);
    if ((events & KITH_IO_READ) && !kith_datagram_over(datagram))
        callbacks += kith_datagram_receive(datagram);
    if ((events & KITH_IO_WRITE) && !kith_datagram_over(datagram)) {
        datagram->blocked = false;
        callbacks += kith_datagram_transmit(datagram);
    }
    kith_datagram_unref(datagram);
    return callbacks;
}

static const struct kith_watch_ops watch_ops = {.ready = on_ready};

static unsigned on_flush(struct kith_defer *defer) {
    kith_datagram *datagram = KITH_CONTAINER_OF(defer, struct kith_datagram, flush);
    kith_datagram_ref(datagram);
    unsigned callbacks = kith_datagram_transmit(datagram);
    kith_datagram_unref(datagram);
    return callbacks;
}

/* The port lies at the same place in both families. */
static void learn_port(kith_datagram *datagram) {
    struct kith_address address;
    if (kith_datagram_address(datagram, &address) < 0)
        return;
    datagram->port = ((struct sockaddr_in *)&address.storage)->sin_port;
    if (!datagram->connected)
        ((struct sockaddr_in *)&datagram->endpoint.address.storage)->sin_port = datagram->port;
}

static int datagram_new(kith_loop *loop, const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options,
                        const struct kith_datagram_ops *ops, void *userdata, bool connected, kith_datagram **ret_datagram,
                        struct kith_error *ret_error) {
    static const struct kith_datagram_options defaults = {.multicast_hops = -1};
    _cleanup_(kith_datagram_freep) kith_datagram *datagram = calloc(1, sizeof(*datagram));
    if (!datagram)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    *datagram = (struct kith_datagram){
        .refs = 1, .loop = loop, .watch.fd = -1, .ops = ops, .userdata = userdata, .endpoint = *endpoint, .connected = connected};
    kith_defer_init(&datagram->flush, on_flush);
    int fd;
    int r = (connected ? kith_datagram_open_connected : kith_datagram_open_bound)(endpoint, options ? options : &defaults, &fd,
                                                                                  &datagram->interface, ret_error);
    if (r < 0)
        return r;
    r = kith_loop_watch(loop, &datagram->watch, KITH_WATCH_READY, fd, KITH_IO_READ, &watch_ops);
    if (r < 0) {
        kith_close(fd);
        return kith_error_set(ret_error, r, "watching a UDP socket: %s", kith_error_name(r));
    }
    learn_port(datagram);
    *ret_datagram = KITH_STEAL(datagram);
    return 0;
}

int kith_datagram_new_bound(kith_loop *loop, const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options,
                            const struct kith_datagram_ops *ops, void *userdata, kith_datagram **ret_datagram,
                            struct kith_error *ret_error) {
    return datagram_new(loop, endpoint, options, ops, userdata, false, ret_datagram, ret_error);
}

int kith_datagram_new_connected(kith_loop *loop, const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options,
                                const struct kith_datagram_ops *ops, void *userdata, kith_datagram **ret_datagram,
                                struct kith_error *ret_error) {
    return datagram_new(loop, endpoint, options, ops, userdata, true, ret_datagram, ret_error);
}

const struct kith_datagram_endpoint *kith_datagram_endpoint(const kith_datagram *datagram) {
    return &datagram->endpoint;
}

int kith_datagram_address(const kith_datagram *datagram, struct kith_address *ret_address) {
    struct kith_address address = {.size = sizeof(address.storage)};
    if (getsockname(datagram->watch.fd, (struct sockaddr *)&address.storage, &address.size) < 0)
        return -errno;
    *ret_address = address;
    return 0;
}

int kith_datagram_fd(const kith_datagram *datagram) {
    return datagram->watch.fd;
}

void kith_datagram_pause(kith_datagram *datagram) {
    datagram->paused = true;
    kith_datagram_update_watch(datagram);
}

void kith_datagram_resume(kith_datagram *datagram) {
    datagram->paused = false;
    kith_datagram_update_watch(datagram);
}
