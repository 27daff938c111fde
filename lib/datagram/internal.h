/* datagram/internal.h: between the files of this room. */
#ifndef KITH_DATAGRAM_INTERNAL_H
#define KITH_DATAGRAM_INTERNAL_H

#include "datagram/datagram.h"
#include "loop/internal.h"

/* Datagrams one system call receives or sends: the call's own cost is then a tenth of what the kernel does for them. */
#define KITH_DATAGRAM_BATCH 32

/* What has to go out: whole datagrams one behind the other in `octets`, the first `sent` of the `count` sizes are out. */
struct kith_datagram_queue {
    uint8_t *octets;
    size_t size, capacity; /* octets */
    size_t offset;         /* of the first datagram that is not out */
    uint32_t *sizes;
    size_t count, sent, sizes_capacity;
};

struct kith_datagram_inbox; /* receive.c: buffers of one batch */

struct kith_datagram {
    unsigned refs;
    kith_loop *loop; /* valid while the watch is active */
    struct kith_watch watch;
    struct kith_defer flush;
    const struct kith_datagram_ops *ops;
    void *userdata;
    struct kith_datagram_endpoint endpoint;
    unsigned interface; /* index: what came in elsewhere is not for us; 0: any */
    uint16_t port;      /* own, network order */
    bool connected;
    bool closed; /* freed by its owner: nothing is called any more */
    bool paused;
    bool blocked; /* the kernel's buffer is full: waiting to write */
    bool starved; /* `writable` is due */
    bool draining;
    bool struck; /* the first datagram of the queue was tried and met an error already */
    int error;   /* to be told by `failed`, with `lost`; 0: nothing is */
    unsigned lost;
    uint32_t drops; /* the kernel's count so far */
    struct kith_datagram_queue queue;
    struct kith_datagram_inbox *inbox; /* made with the first receive */
};

static inline void kith_datagram_ref(kith_datagram *datagram) {
    datagram->refs++;
}
void kith_datagram_unref(kith_datagram *datagram);

/* Nothing may be called or touched any more but to let go of it. */
static inline bool kith_datagram_over(const kith_datagram *datagram) {
    return datagram->closed || !kith_watch_active(&datagram->watch);
}

/* open.c. The socket, non-blocking and close-on-exec, with all options; *ret_interface: the index of the endpoint's interface, or 0. */
int kith_datagram_open_bound(const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options, int *ret_fd,
                             unsigned *ret_interface, struct kith_error *ret_error);
int kith_datagram_open_connected(const struct kith_datagram_endpoint *endpoint, const struct kith_datagram_options *options, int *ret_fd,
                                 unsigned *ret_interface, struct kith_error *ret_error);

/* interface.c. By name or by an address that it has. Errors: -ENODEV; those of getifaddrs(3). */
int kith_interface_find(const char *text, unsigned *ret_index);

/* receive.c. Receives batches and tells them. Returns the callbacks run. */
unsigned kith_datagram_receive(kith_datagram *datagram);
void kith_datagram_inbox_free(struct kith_datagram_inbox *inbox);

/* send.c */
unsigned kith_datagram_transmit(kith_datagram *datagram);
void kith_datagram_queue_deinit(struct kith_datagram_queue *queue);

/* datagram.c */
void kith_datagram_update_watch(kith_datagram *datagram);
/* Counts a callback that it made. */
unsigned kith_datagram_tell_failed(kith_datagram *datagram, int error, unsigned lost);

#endif
