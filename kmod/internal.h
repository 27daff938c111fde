/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * internal.h: what the files of kith.ko share.
 *
 * What waits in a channel is a list of chunks, each a datagram with several messages as user space gets it: sending is a clone. Sequence
 * numbers are contiguous over the list; receivers are cursors into it. A chunk that was sent is never written to again. What is in a
 * receiver's ring is behind its cursor: when nothing waits in the list, and every receiver has a ring with room, a message goes into the
 * rings at once.
 *
 * Two locks. `mutex`: receivers come, go and are sent to, in process context. `lock`: the messages and every cursor, in any context. The
 * list of receivers is changed with both held, so either is enough to walk it. A ring is written to under `lock` while the list is empty,
 * and by the worker, under `mutex`, while it is not. A channel is found in a registry under its lock, and lives as long as somebody holds a
 * reference; `gate` is held for reading by a callback and for writing to close.
 */
#ifndef KITH_INTERNAL_H
#define KITH_INTERNAL_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "kith_kernel.h"
#include "ring.h"

/* Together with what the kernel puts behind the data of a buffer, one of 16 KiB. */
#define KITH_BATCH_SIZE (15 * 1024)

struct kith_chunk {
    struct list_head link;
    u64 first, last; /* sequences */
    bool open;       /* was not sent: more may be added */
    struct sk_buff *skb;
};

struct kith_receiver {
    struct list_head link;  /* of its channel */
    struct kith_ring *ring; /* NULL: it gets datagrams */
    struct sock *socket;    /* held, to tell it from a later one of the same port */
    struct net *net;        /* which the socket keeps alive until it is closed */
    u32 port;
    u32 window;
    bool begun;
    struct kith_chunk *next; /* has next_sequence; NULL: not looked for yet, or not there yet */
    u64 next_sequence;
    u64 acknowledged;             /* or in the ring */
    u64 batches[KITH_WINDOW_MAX]; /* last sequence of each datagram on its way, a ring */
    u32 batch_first, batch_count;
};

struct kith_counts {
    u64 sent, refused, lost, received, denied;
};

struct kith_channel {
    struct kref refs;
    struct list_head link; /* registry.c's, as the next two */
    struct hlist_node hash;
    struct net *net; /* NULL: of all */
    char name[KITH_CHANNEL_NAME_MAX + 1];
    char owner[MODULE_NAME_LEN];
    struct kith_channel_config config; /* without its name and owner */
    struct rw_semaphore gate;
    bool closed; /* written with the mutex held, before the gate is passed: either is enough to read it */

    struct mutex mutex;
    spinlock_t lock;
    struct list_head receivers;
    u32 receiver_count;
    u32 ring_count;         /* of the receivers */
    struct kith_ring *left; /* ONE: of a receiver that has left, with what it did not acknowledge; there is none then */
    struct list_head chunks;
    size_t bytes;      /* of the chunks, as kith_chunk_charge() counts */
    size_t chunk_size; /* of the next one: more when they fill up, less when they are sent before */
    u64 last_sequence; /* given to a message */
    u64 done;          /* ONE: acknowledged, by whomever */
    u64 most_sent;     /* ONE: what is not after this goes out again */
    bool ended;        /* its network namespace is gone */
    struct kith_counts counts;
    struct work_struct work;   /* sends what can be sent; queued with the mutex held and not closed, by the owner, or by a ring's poll */
    struct delayed_work retry; /* the same, later: a receiver that has no room does not make the others wait */

    struct list_head requests; /* of kith_channel_request(), under lock */
    u32 last_request;
};

/* registry.c: the channels that there are */
int kith_registry_init(void);
void kith_registry_exit(void);
/* -EEXIST: the namespace has a channel of this name. */
int kith_registry_add(struct kith_channel *channel);
void kith_registry_remove(struct kith_channel *channel);
/* The channel that `net` knows by this name, with a reference; or NULL. */
struct kith_channel *kith_registry_find(const struct net *net, const char *name);
/* The one behind the first `skip` that `net` sees, with a reference; or NULL. *ret_changes counts what came and went. */
struct kith_channel *kith_registry_nth(const struct net *net, unsigned long skip, unsigned int *ret_changes);

/* channel.c */
struct kith_channel *kith_channel_ref(struct kith_channel *channel);
/* May sleep. */
void kith_channel_unref(struct kith_channel *channel);
/* kith_channel_send(); `request` is 0 or what KITH_CMD_REPLY must name. */
int kith_channel_append(struct kith_channel *channel, const void *data, size_t size, gfp_t gfp, u32 request);

/* receiver.c: -ENOTCONN: it is no receiver. One that has joined is sent nothing before it begins. `ring`: NULL, or it gets no datagrams. */
int kith_channel_join(struct kith_channel *channel, struct sock *socket, u32 port, u32 window, struct kith_ring *ring);
int kith_channel_begin(struct kith_channel *channel, const struct net *net, u32 port);
int kith_channel_leave(struct kith_channel *channel, const struct net *net, u32 port);
/* If one has this ring, it leaves. */
void kith_channel_leave_ring(struct kith_channel *channel, const struct kith_ring *ring);
/* -ERANGE: it was not sent so much. */
int kith_channel_acknowledge(struct kith_channel *channel, const struct net *net, u32 port, u64 sequence);
/* Those whose sockets are closed leave. */
void kith_channel_bury(struct kith_channel *channel);
/* With the mutex held. Not one whose socket is closed. */
struct kith_receiver *kith_channel_receiver(struct kith_channel *channel, const struct net *net, u32 port);
/* It has begun, and its socket is there. */
bool kith_receiver_listens(const struct kith_receiver *receiver);
void kith_receiver_free(struct kith_channel *channel, struct kith_receiver *receiver);
/* With the lock held: what nobody needs any more goes to `gone`. */
void kith_channel_trim(struct kith_channel *channel, struct list_head *gone);
/* With the lock held: the oldest chunk goes; receivers that had not got it lose it. */
void kith_channel_drop_oldest(struct kith_channel *channel, struct list_head *gone);

/* chunk.c */
#define KITH_CHUNK_LEAST 512
/* With one message, which has no number yet; `header` has the rest. NULL: no memory. */
struct kith_chunk *kith_chunk_new(const struct kith_channel *channel, const struct kith_message_header *header, const void *data,
                                  gfp_t gfp);
/* With none, and room for so many octets as kith_frame_size() counts; nothing is added once it is in the list. */
struct kith_chunk *kith_chunk_empty(const struct kith_channel *channel, size_t room, gfp_t gfp);
void kith_chunk_free(struct kith_chunk *chunk);
/* All of a list, which nobody uses any more. */
void kith_chunks_free(struct list_head *chunks);
/* With the lock held. */
void kith_channel_put_chunk(struct kith_channel *channel, struct kith_chunk *chunk);
/* One more message in the newest chunk. False: it has no room. */
bool kith_channel_put_message(struct kith_channel *channel, struct kith_message_header *header, const void *data);
/* It is to be sent. */
void kith_channel_seal(struct kith_channel *channel, struct kith_chunk *chunk);
/* To `gone`, for kith_chunks_free() once the lock is not held. */
void kith_channel_remove_chunk(struct kith_channel *channel, struct kith_chunk *chunk, struct list_head *gone);

/* inherit.c, with the mutex held: what the last receiver has left in its ring goes back into the list. -ENOMEM: it is where it was. */
int kith_channel_inherit(struct kith_channel *channel);

/* request.c: -ESRCH: nobody waits for this answer (any more). */
int kith_channel_answer(struct kith_channel *channel, const struct net *net, u32 port, u32 request, const void *data, size_t size);

/* deliver.c */
extern struct workqueue_struct *kith_workqueue;
/* Sends what can be sent. May sleep. */
void kith_channel_deliver(struct kith_channel *channel);
void kith_channel_work(struct work_struct *work);
void kith_channel_retry(struct work_struct *work);

/* netlink.c */
int kith_netlink_init(void);
void kith_netlink_exit(void);

/* frame.c: what goes to user space */
extern struct genl_family kith_family;
/* Messages, none yet, with room for at least so many octets of them, as kith_frame_size() counts. NULL: no memory. */
struct sk_buff *kith_frame_messages(const struct kith_channel *channel, size_t room, gfp_t gfp);
size_t kith_frame_size(size_t size);
/* False: no room. */
bool kith_frame_add(struct sk_buff *skb, const struct kith_message_header *header, const void *data);
/* The first message's number, in a frame that has it already. */
void kith_frame_number(struct sk_buff *skb, u64 sequence);
/* Nothing is added any more. */
void kith_frame_end(struct sk_buff *skb);
/* Hands on each message of a frame that is not before `from`, until one is not taken; what is not after `again` is marked. */
typedef bool kith_frame_take_fn(void *userdata, const struct kith_message_header *header, const void *data);
void kith_frame_each(const struct sk_buff *whole, u64 from, u64 again, kith_frame_take_fn *take, void *userdata);
/* A copy of the same. NULL: no memory. */
struct sk_buff *kith_frame_rest(const struct kith_channel *channel, const struct sk_buff *whole, u64 from, u64 again);
struct sk_buff *kith_frame_closed(const struct kith_channel *channel);
/* `ring`: NULL, or what the receiver gets. */
struct sk_buff *kith_frame_channel(struct kith_channel *channel, u32 port, u32 sequence, const struct kith_ring_file *ring);
int kith_frame_put_channel(struct sk_buff *skb, struct kith_channel *channel);

/* access.c */
bool kith_access_allows(const struct kith_access *access, const struct kith_channel *channel, const struct sk_buff *skb);

static inline size_t kith_chunk_charge(const struct kith_chunk *chunk) {
    return sizeof(*chunk) + chunk->skb->truesize;
}

static inline struct kith_chunk *kith_channel_oldest(struct kith_channel *channel) {
    return list_first_entry_or_null(&channel->chunks, struct kith_chunk, link);
}

/* The one behind it, or NULL. */
static inline struct kith_chunk *kith_channel_after(struct kith_channel *channel, struct kith_chunk *chunk) {
    return list_is_last(&chunk->link, &channel->chunks) ? NULL : list_next_entry(chunk, link);
}

#endif
