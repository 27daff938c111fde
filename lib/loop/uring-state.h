/*
 * loop/uring-state.h: the io_uring backend from inside. uring.c has the model, the life of a ring and the wait; uring-request.c what is
 * asked of the kernel, uring-complete.c what comes of it.
 */
#ifndef KITH_LOOP_URING_STATE_H
#define KITH_LOOP_URING_STATE_H

#include <pthread.h>
#include <sys/socket.h>

#include <liburing.h>

#include "loop/backend.h"
#include "loop/uring-batch.h"
#include "loop/uring-buffers.h"
#include "loop/uring-host.h"

#define SUBMISSIONS 256
/* Sends in one wait; more go by system calls of their own. */
#define SENDS 1024
/* Room for a burst: the kernel keeps more on a list, which is slower and ends multishot requests. */
#define COMPLETIONS 4096

enum request {
    REQUEST_NONE, /* nobody waits for it: a cancellation, a closing */
    REQUEST_POLL,
    REQUEST_UPDATE,  /* of a poll; it has a completion only when it failed */
    REQUEST_RECEIVE, /* octets alone */
    REQUEST_MESSAGE, /* with control messages */
    REQUEST_SEND,
};

#define REQUEST_SHIFT 61

/* struct kith_watch.armed */
enum {
    ARMED_POLL = 1 << 0,
    ARMED_CANCEL = 1 << 1,  /* the cancellation of the receive that is under way (watch->reading) */
    ARMED_SEND = 1 << 2,    /* a send is prepared, or is not known to have ended */
    ARMED_TOLD = 1 << 3,    /* the poll told of a hang-up that nobody waits for; not armed again until other events are wanted */
    ARMED_RECHECK = 1 << 4, /* the poll has reported: look again */
    ARMED_HOSTED = 1 << 5,  /* in the set that a host sees */
    ARMED_LAST = 1 << 6,    /* the peer will send no more */
    ARMED_ANEW = 1 << 7,    /* ... of which a receive armed before may never hear */
};

struct uring {
    struct kith_watches *watches;
    struct io_uring ring;
    bool enabled;
    pthread_t thread; /* the kernel takes requests from it alone, once enabled */
    struct kith_ring_host host;
    struct {
        uint64_t id;
        int size;
    } sends[SENDS]; /* not known to have ended */
    unsigned send_count;
    bool noting;        /* inside uring_note(): nothing may be submitted */
    bool flush_wanted;  /* meanwhile */
    bool completing;    /* inside complete(): what has come since belongs to the next batch */
    bool grown;         /* the ring of buffers, for this batch */
    bool fed_others;    /* in this batch buffers went to more than one socket */
    uint64_t fed;       /* whom the last one went to; 0: nobody yet */
    unsigned batch_end; /* the completions before this one belong to the last wait */
    struct kith_batch_size batch;
    struct kith_ring_buffers buffers;
    struct msghdr headers[SUBMISSIONS]; /* of a receive, by its entry; needed until that is submitted */
};

static inline uint64_t word_of(const struct kith_watch *watch, enum request request) {
    return watch->id | (uint64_t)request << REQUEST_SHIFT;
}

/* uring.c */

/* An entry to fill in; what is queued is submitted when there is no room. Never NULL in practice: it takes a kernel without memory for
 * requests. */
struct io_uring_sqe *uring_entry_new(struct uring *state);
/* False before the first use, when the kernel knows of nothing yet, and in a thread that may not use the ring. */
bool uring_is_ours(const struct uring *state);
bool uring_is_hosted(const struct uring *state);
/* Submits; what that ends is noted. */
void uring_flush(void *state);

/* uring-complete.c */

/* Takes note of completions that are new: readiness, sends. Returns of how many sockets they are. No callback of the user runs. */
unsigned uring_note(struct uring *state);
/* Hands over what the noted ones brought. */
unsigned uring_complete(void *state);
/* Hands over what has come for this watch, before its turn. */
void uring_take_out(struct uring *state, uint64_t id);

/* uring-request.c: of the table of operations. */
int uring_add(void *state, struct kith_watch *watch);
int uring_apply(void *state, struct kith_watch *watch);
/* A watch of readiness: what a host has to see of it. */
void uring_apply_host(struct uring *state, struct kith_watch *watch);
void uring_remove(void *state, struct kith_watch *watch, bool close_fd);
void uring_stop_reading(void *state, struct kith_watch *watch);
int uring_send(void *state, struct kith_watch *watch, const void *data, size_t size);

#endif
