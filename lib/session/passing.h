/*
 * session/passing.h: descriptors that come and go with the messages of one ZMTP connection over AF_UNIX (kith-zmtp(7), Descriptors).
 *
 * Going: the command FDS, and in the same send its descriptors, precede the message they belong to; a large frame that is a sealed memfd is
 * the command MEMFD with one descriptor. So each such command has a send of its own, and the kernel never joins descriptors of two sends in
 * one receive.
 *
 * Coming: what one receive brought is an *arrival*, and belongs to exactly one command: the next one that asks for descriptors. An arrival
 * comes with the first octet of its command at the latest, so no more than two wait at any time: one whose command ends in this batch, and
 * one whose command has begun in it. One that the kernel has cut off (RLIMIT_NOFILE, more than we make room for) costs its message and
 * nothing else, as the others keep their order. An arrival that no command asked for by the end of the batch is closed and told.
 *
 * A peer can pass its own end of the connection, which then does not end with its process: whoever died in the middle of something that
 * holds descriptors is found out by its pidfd.
 *
 * A frame in a descriptor takes a few octets of the socket, whose buffers therefore hold nobody up. So the receiver says how much it has
 * taken (TAKEN), and beyond send-hwm-bytes that were not, the sender waits.
 */
#ifndef KITH_SESSION_PASSING_H
#define KITH_SESSION_PASSING_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/msg.h>

#include "base/fds.h"
#include "session/watch.h"

struct kith_batch;
struct kith_session;

/* What one receive brought. */
struct kith_arrival {
    struct kith_fds *fds; /* none when all were cut off */
    bool cut;
};

#define KITH_ARRIVALS 2

/* Of a connection that has been passed descriptors; others have none. */
struct kith_passing {
    struct kith_session *session;
    struct kith_watch *writer;   /* the process that is waited for, referenced; NULL: it is not known */
    struct kith_mourner mourner; /* of that one */
    kith_timer *timer;           /* since it ended, or NULL */
    struct kith_arrival arrivals[KITH_ARRIVALS];
    unsigned count;
    struct kith_fds *next; /* of the message that comes next, or NULL */
    bool lost;             /* the message that comes next is dropped: its descriptors did not come */
};

/* Descriptors for which a connection of this session makes room with each receive: 0: none are accepted. */
size_t kith_passing_room(const struct kith_session *session);
/* How many a message of the peer's may have; 0: none. */
size_t kith_passing_max(const struct kith_session *session);

/* A batch came: takes its descriptors, or refuses them by an event. Afterwards the session may be closed. */
void kith_passing_arrived(struct kith_session *session, struct kith_batch *batch);
/* FDS came: the next message has these descriptors, or is dropped. Calls up. */
void kith_passing_announced(struct kith_session *session, unsigned count);
/* MEMFD came: the frame in its descriptor, as a buffer. NULL: its message is to be dropped, or the session has failed. Calls up. */
kith_buffer *kith_passing_take_memfd(struct kith_session *session, uint64_t size);
/* MEMORY came (rings.h): its descriptor, the caller's. Errors: -EBADF (not exactly one came with it). */
int kith_passing_take_fd(struct kith_session *session);
/* TAKEN came. Calls up. */
void kith_passing_taken(struct kith_session *session, uint64_t octets);
/* Announces the descriptors of the message that is being written; they go with that. Errors: as kith_conn_write(). */
int kith_passing_write_fds(struct kith_session *session, struct kith_fds *fds);
/* Writes a frame as a descriptor. 1: it is to go through the socket. Errors: as kith_conn_write(). */
int kith_passing_write_memfd(struct kith_session *session, const kith_msg *msg, size_t index);
/* Was the message that comes next announced by its descriptors? */
bool kith_passing_announces(const struct kith_session *session);
/* A message begins: gives it its descriptors, in *ret_fds. False: they were lost, and it is to be dropped. */
bool kith_passing_begin(struct kith_session *session, struct kith_fds **ret_fds);
/* The batch has been read: what is left belongs to nothing, unless a command has begun. Calls up. */
void kith_passing_settle(struct kith_session *session);
void kith_passing_drop(struct kith_session *session);

#endif
