/*
 * inproc/pipe.h: messages between two loops of one process, in the same thread or in two, without a system call a message.
 *
 * A pipe has two ends; each belongs to one owner and one loop, and all calls for it are made in that loop's thread. What is written at one
 * end comes out at the other: whole, in order, once. The octets stay where they are; only what two threads must not share (a body that
 * somebody else refers to, a slab of a loop's pool, memory of the application) is copied, once, by the writer.
 *
 * The life of an end:   waiting --opened--> open --> closed
 *  - kith_pipe_connect() makes an end that waits for somebody who listens at the name, for as long as it takes if it may; the other end
 * comes into the world with the listener's accept callback, and is open when kith_pipe_open() has been called there.
 *  - Whoever frees his end ends the pipe: what he had written is still delivered, then the other side is told (closed). What it had written
 *    and he not received is lost, as with any connection.
 *  - When the loop goes first its ends are closed; they must still be freed.
 *
 * Room: an end says how much of its peer's it is willing to hold, in messages and octets (as kith_msg_cost() counts them): what is on its
 * way, and what its owner says that it still holds. At these limits the writer gets -EAGAIN, and `writable` when there is room again.
 *
 * Cost: in one loop a message is moved to the other end's list, and one round of deferred work delivers what has come. Between threads
 * messages are gathered by the writer and handed over together (under one lock: when the loop's step ends, or BATCH wait), and the reader
 * takes all there is; he is woken only when he is not looking by himself (port.h).
 */
#ifndef KITH_INPROC_PIPE_H
#define KITH_INPROC_PIPE_H

#include "inproc/port.h"
#include "msg/internal.h"

#define KITH_INPROC_NAME_MAX 255

struct kith_pipe;

/* Callbacks, from the loop. Each may free its end, the loop too. */
struct kith_pipe_ops {
    /* A waiting end is open. */
    void (*opened)(struct kith_pipe *pipe, void *userdata);
    /* A message came; it is the callback's. It has no origin and no account; `command` is as it was written. */
    void (*message)(struct kith_pipe *pipe, kith_msg *msg, void *userdata);
    /* How much of what was delivered the owner still holds. NULL: nothing. Called without any lock. */
    void (*held)(const struct kith_pipe *pipe, size_t *ret_messages, size_t *ret_octets, void *userdata);
    /* After -EAGAIN: there is room. */
    void (*writable)(struct kith_pipe *pipe, void *userdata);
    /* The pipe has ended, and all that was written to it has been delivered. Errors: -ECONNREFUSED (nobody wanted it), -ESHUTDOWN... as
     * kith_pipe_refuse() had it; 0: the other end was freed, or this one is drained. */
    void (*closed)(struct kith_pipe *pipe, int error, void *userdata);
};

struct kith_pipe_limits {
    size_t messages, octets;
};

/* A waiting end. Errors: -EINVAL (the name is empty or longer than KITH_INPROC_NAME_MAX), -ECONNREFUSED (not `wait`, and nobody listens
 * there), -ENOMEM, -EMFILE, -ENFILE, -ECHILD. */
int kith_pipe_connect(kith_loop *loop, const char *name, bool wait, const struct kith_pipe_limits *limits, const struct kith_pipe_ops *ops,
                      void *userdata, struct kith_pipe **ret_pipe);
/* In the accept callback: the end is open, and can be written to. */
void kith_pipe_open(struct kith_pipe *pipe, const struct kith_pipe_limits *limits, const struct kith_pipe_ops *ops, void *userdata);
/* Takes the message when it returns 0. Errors: -EAGAIN (no room: `writable` comes), -EPIPE (not open, or the other end is known to be
 * gone), -ENOMEM. Then it stays as it was, but for copies of bodies that were shared. */
int kith_pipe_write(struct kith_pipe *pipe, kith_msg *msg);
/* The same whatever the limits: for words of the protocol itself, whose number is bounded. */
int kith_pipe_say(struct kith_pipe *pipe, kith_msg *msg);
/* Of an open end: the thread in which the other end's loop runs, gettid(2). */
pid_t kith_pipe_peer_thread(const struct kith_pipe *pipe);
/* Of an open end: writes at most so many messages ahead of the reader, where he allows more. */
void kith_pipe_narrow(struct kith_pipe *pipe, size_t messages);
/* Hands over what was gathered now instead of when the loop's step ends. */
void kith_pipe_flush(struct kith_pipe *pipe);
/* false: nothing is delivered until it is true again. The owner also says true when it holds less than it did. */
void kith_pipe_set_reading(struct kith_pipe *pipe, bool reading);
/* An open end writes no more, and receives no more: all is handed over, the other side will be told the end, and so is ours, in the loop's
 * next round. */
void kith_pipe_drain(struct kith_pipe *pipe);
/* Ends it; no callback follows. NULL is allowed. Always NULL. */
struct kith_pipe *kith_pipe_free(struct kith_pipe *pipe);

/* Between the files of this room ----------------------------------------------------------------------------------- */

/* Since the pipe was opened; differences count, so they may wrap. */
struct kith_pipe_count {
    size_t messages, octets;
};

enum kith_pipe_state {
    KITH_PIPE_WAITING,
    KITH_PIPE_OPEN,
    KITH_PIPE_DRAINED,
    KITH_PIPE_CLOSED,
};

struct kith_pipe {
    struct kith_guest guest;
    struct kith_pipe_pair *pair;
    struct kith_pipe *peer;
    const struct kith_pipe_ops *ops;
    void *userdata;
    enum kith_pipe_state state;
    bool remote; /* the other end is on another loop */
    bool reading;
    bool starved; /* said -EAGAIN */
    /* in */
    pid_t thread;                   /* of its loop; not changed once somebody else knows of this end */
    struct kith_pipe_limits limits; /* not changed once somebody else knows of this end */
    struct kith_list arrived;
    struct kith_pipe_count delivered, acknowledged;
    /* out */
    struct kith_pipe_limits window; /* the other end's limits */
    struct kith_list gathered;      /* for a remote end */
    size_t gathered_count;
    struct kith_defer flush;
    struct kith_pipe_count written, taken;
    /* What the other end leaves here: under our port's lock if it is remote. */
    struct {
        struct kith_list messages;
        struct kith_pipe_count taken; /* of what we wrote */
        bool opened, ended, wants_room, gone;
        int error;
    } box;
};

/* Both ends are one block of memory, which goes with the second of them. */
struct kith_pipe_pair {
    atomic_uint refs;
    struct kith_pipe ends[2]; /* [0] connected, [1] was accepted */
    /* under the registry's lock */
    struct kith_list link; /* among those who wait for a name, or who have come to a listener */
    bool claimed;          /* end 1 belongs to a loop */
    char name[];
};

/* listener.c: the pair comes to the listener at its name, or is among the waiting, if it may. Errors: -ECONNREFUSED (it may not). */
int kith_pipe_announce(struct kith_pipe_pair *pair, bool wait);
/* pipe.c: end 1 belongs to this port from here on. Under the registry's lock. */
struct kith_pipe *kith_pipe_claim(struct kith_pipe_pair *pair, struct kith_port *port);
/* Nobody wants the end that was claimed: tells the other side, and frees it. */
void kith_pipe_refuse(struct kith_pipe *pipe, int error);

#endif
