/*
 * loop/watch.h: watched descriptors, the same for every backend.
 *
 * A watch is embedded in its owner (kith_io, a connection, a listener, a signal hub, the loop's own descriptors). The set has one place a
 * descriptor number, so that a second watch of it is refused, and it gives each watch an id: the number and a generation. Backends know
 * ids, not pointers: what the kernel still says about a watch that is gone (it was removed while its event lay in the batch, or its
 * descriptor was closed too early and lives on in another process) is recognised and dropped.
 *
 * Three kinds. KITH_WATCH_READY tells that a descriptor is ready, and its owner does the rest. KITH_WATCH_STREAM and KITH_WATCH_LISTENER
 * are sockets whose octets and clients are brought: an io_uring backend has the kernel receive ahead of time, others do it by system calls
 * when the descriptor is ready (direct.c), as all do while the owner has a place of its own for what comes (`placing`), and for clients.
 * The owner sees the same calls in the same order. What was brought and cannot be handed over any more (the watch is gone) is closed,
 * descriptors in control messages included.
 *
 * Life of an event: the backend's wait reports readiness (kith_watches_report) -> the watch is linked into `urgent` or `ready` -> the loop
 * dispatches: urgent ones, what the backend brought (complete), the others. Removing a watch unlinks it, so nothing of it is called
 * afterwards.
 *
 * Changes of the wanted events are collected and told to the backend before it waits: on, off and on again within a step costs nothing.
 */
#ifndef KITH_LOOP_WATCH_H
#define KITH_LOOP_WATCH_H

#include <kith/buffer.h>
#include <kith/loop.h>

#include "base/list.h"
#include "pool/pool.h"

struct kith_loop_backend;
struct kith_thread;
struct kith_watch;

/* What one receive brought. Everything is lent; keeping octets takes a reference of the buffer (which holds the control messages too, or
 * is NULL when there are no octets). */
struct kith_reception {
    int result;          /* octets; 0: the end; or a negative errno, never -EAGAIN */
    int flags;           /* of recvmsg(2): MSG_CTRUNC */
    kith_buffer *buffer; /* NULL: they are where place() said */
    const uint8_t *data;
    const void *control;
    size_t control_size;
};

/* The first two return how many callbacks of the user they ran; each may free the watch. */
struct kith_watch_ops {
    /* With what is ready and still wanted. STREAM: KITH_IO_WRITE and KITH_IO_HANGUP only. */
    unsigned (*ready)(struct kith_watch *watch, unsigned events);
    /* STREAM. After the end or an error nothing more comes. Something may come although reading was switched off: it had been read. */
    unsigned (*received)(struct kith_watch *watch, const struct kith_reception *receipt);
    /* STREAM, while `placing`: where the next octets shall be written. Returns for how many there is room, 0: anywhere. */
    size_t (*place)(struct kith_watch *watch, uint8_t **ret_place);
    /* LISTENER. A new connection, close-on-exec and non-blocking, now the owner's; or the negative errno of accept(2), never -EAGAIN. As
     * above, clients may come although accepting was switched off. */
    unsigned (*accepted)(struct kith_watch *watch, int fd);
    /* STREAM: how a send ended that kith_watch_send() said was under way. Must not run callbacks of the user. */
    void (*sent)(struct kith_watch *watch, int result);
    /* STREAM: whether there is something to do when the send under way has gone out whole; else that may be told with whatever happens
     * next. */
    bool (*awaits_sent)(struct kith_watch *watch);
};

enum kith_watch_kind {
    KITH_WATCH_READY,
    KITH_WATCH_STREAM,
    KITH_WATCH_LISTENER,
};

struct kith_watch {
    uint64_t id; /* 0: in no set */
    int fd;
    uint8_t events;  /* KITH_IO_READ | KITH_IO_WRITE, as wanted */
    uint8_t applied; /* as the backend was told */
    uint8_t ready;   /* KITH_IO_*, reported and not yet dispatched */
    uint8_t kind;    /* enum kith_watch_kind */
    bool urgent;
    bool starved; /* in `starved`: there is no memory to read into */
    bool plain;   /* STREAM: no control messages can come, and nobody asks for flags: recv(2) will do */
    bool placing; /* STREAM: octets go where place() says */
    bool local;   /* STREAM: of AF_UNIX */
    /* The backend's: */
    bool reading; /* something may still come */
    uint8_t armed;
    uint16_t polling;
    uint16_t control_armed; /* what it receives with */
    uint16_t control_room;  /* STREAM: room for control messages, octets; as wanted */
    struct kith_list ready_link, changed_link;
    const struct kith_watch_ops *ops;
};

/* False once removed, and once the loop is gone. */
static inline bool kith_watch_active(const struct kith_watch *watch) {
    return watch->id != 0;
}

struct kith_watches {
    const struct kith_loop_backend *backend;
    void *state;                /* the backend's */
    struct kith_thread *thread; /* NULL: the set belongs to one thread; else its lock is let go of in a wait (thread.h) */
    struct kith_pool *pool;     /* what is received lies in its slabs */
    struct kith_watch **by_fd;
    size_t room;
    uint32_t generation;
    struct kith_list urgent, ready, changed, starved;
};

void kith_watches_init(struct kith_watches *watches, struct kith_pool *pool);
/* Forgets all watches, without telling the backend. */
void kith_watches_deinit(struct kith_watches *watches);

/* The watch with this id, or NULL when it is gone. */
static inline struct kith_watch *kith_watches_find(const struct kith_watches *watches, uint64_t id) {
    size_t fd = (uint32_t)id;
    struct kith_watch *watch = fd < watches->room ? watches->by_fd[fd] : NULL;
    return watch && watch->id == id ? watch : NULL;
}

/* STREAM: `plain`, `local` and `control_room` are set before, else 0. Errors: -EEXIST, -EBADF, -EPERM, -ENOMEM, -ENOSPC. */
int kith_watches_add(struct kith_watches *watches, struct kith_watch *watch, enum kith_watch_kind kind, int fd, unsigned events,
                     const struct kith_watch_ops *ops);
/* keep_kernel_object: in a forked child, whose parent goes on using it. close_fd: the descriptor is closed too, at once or with what else
 * the backend has to tell the kernel. */
void kith_watches_remove(struct kith_watches *watches, struct kith_watch *watch, bool keep_kernel_object, bool close_fd);
void kith_watches_set_events(struct kith_watches *watches, struct kith_watch *watch, unsigned events);
/* STREAM, LISTENER: switches reading off. What the backend has under way comes before this returns, through received() and accepted(), and
 * nothing after it. */
void kith_watches_stop_reading(struct kith_watches *watches, struct kith_watch *watch);
/* STREAM: for what is received from now on. */
void kith_watches_set_control_room(struct kith_watches *watches, struct kith_watch *watch, size_t room);
/* STREAM: from now on octets go where place() says, by system calls in every backend; what one has under way comes before. */
void kith_watches_set_placing(struct kith_watches *watches, struct kith_watch *watch, bool placing);
/* Tells the backend what changed. A watch whose descriptor the kernel does not know any more hangs up. */
void kith_watches_apply(struct kith_watches *watches);

/* For backends: `events` of the watch with this id happened. */
void kith_watches_report(struct kith_watches *watches, uint64_t id, unsigned events);
/* For backends: the watch is to be applied (again) before the next wait. */
void kith_watches_touch(struct kith_watches *watches, struct kith_watch *watch);
/* For backends: nothing can be read for the watch, because the pool has no slab; reading goes on after kith_watches_feed(), which is to be
 * called when it has one. */
void kith_watches_starve(struct kith_watches *watches, struct kith_watch *watch);
void kith_watches_feed(struct kith_watches *watches);

/* Whether the backend is to bring octets by itself. */
static inline bool kith_watch_receives(const struct kith_watch *watch) {
    return (watch->events & KITH_IO_READ) && !watch->starved && !watch->placing;
}

/* What can be read for this watch now: never more than wanted. */
static inline bool kith_watch_reads(const struct kith_watch *watch) {
    return (watch->events & KITH_IO_READ) && !watch->starved;
}

bool kith_watches_pending(const struct kith_watches *watches);
/* Calls everything reported and what the backend brought, the urgent ones first. Returns how many callbacks of the user ran. */
unsigned kith_watches_dispatch(struct kith_watches *watches);

/* direct.c: by system calls. The first two return how many callbacks ran. */
unsigned kith_direct_receive(struct kith_watches *watches, struct kith_watch *watch);
unsigned kith_direct_accept(struct kith_watches *watches, struct kith_watch *watch);
/* Returns the octets sent or a negative errno. */
int kith_direct_send(int fd, const void *data, size_t size);

#endif
