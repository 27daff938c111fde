/*
 * kith/msg.h: a message: one or more frames, and the origin of a received one.
 *
 * Frames are octets; small ones are copied into the message, large ones are shared by reference. A message belongs to one
 * owner at a time and to its loop's thread. One that was received on a loop with a thread of its own (kith_loop_thread()) may be used in
 * any thread, one after the other; what it shares with other messages (origin, large frames) takes care of itself.
 */
#ifndef KITH_MSG_H
#define KITH_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/buffer.h>
#include <kith/error.h>
#include <kith/origin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_msg kith_msg;

/* What limits in octets (KITH_OPTION_MAX_MESSAGE, ..._HWM_BYTES) count for each frame beside its octets: its place in memory. */
#define KITH_FRAME_COST 128

/* Octets of a group's name (RFC 48). */
#define KITH_GROUP_MAX 255

/* An empty message: it has no frames and cannot be sent before it has one. Errors: -ENOMEM. */
KITH_PUBLIC int kith_msg_new(kith_msg **ret_msg);
/* Frees a message with its references. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_msg *kith_msg_free(kith_msg *msg);

/* Appends a frame with a copy of the octets. data may be NULL when size is 0. Errors: -ENOMEM. */
KITH_PUBLIC int kith_msg_add(kith_msg *msg, const void *data, size_t size);
/* Appends a frame that shares the slice's buffer (a reference is taken; a slice without buffer is copied). Errors: -ENOMEM. */
KITH_PUBLIC int kith_msg_add_slice(kith_msg *msg, struct kith_slice slice);
/* Puts a copy of the octets in front of frame 0. Errors: -ENOMEM. */
KITH_PUBLIC int kith_msg_prepend(kith_msg *msg, const void *data, size_t size);
/* Removes `count` frames from the front (at most all). */
KITH_PUBLIC void kith_msg_drop(kith_msg *msg, size_t count);
/* Moves all frames and descriptors of `from` behind those of `msg`; `from` becomes empty. Errors: -ENOMEM, -E2BIG (too many descriptors),
 * -EMFILE, -ENFILE (as kith_msg_add_fd()); nothing is moved. */
KITH_PUBLIC int kith_msg_append(kith_msg *msg, kith_msg *from);

KITH_PUBLIC size_t kith_msg_count(const kith_msg *msg);
/* Octets of all frames. */
KITH_PUBLIC size_t kith_msg_size(const kith_msg *msg);
/* Frame `index`, or NULL (and *ret_size 0) beyond the last. An empty frame is not NULL. Valid until the message changes. */
KITH_PUBLIC const uint8_t *kith_msg_frame(const kith_msg *msg, size_t index, size_t *ret_size);

/* A copy: large frames are shared, so that both belong to one thread, unless one was received on, or sent to, a loop with a thread of its
 * own. It has no origin. Errors: -ENOMEM. */
KITH_PUBLIC int kith_msg_copy(const kith_msg *msg, kith_msg **ret_copy);

/* Descriptors that go with the message, over inproc://, and over ipc:// to peers that take them (option max-fds). They belong to the
 * message: those that nobody takes are closed with it. A copy of it shares them. */
#define KITH_MSG_FDS_MAX 253
/* Puts a descriptor behind those it has, and makes it close-on-exec. fd is the message's when this returns 0. Errors: -E2BIG (more than
 * KITH_MSG_FDS_MAX), -EBADF; -EMFILE, -ENFILE (those that it shares with a copy could not be duplicated), -ENOMEM. */
KITH_PUBLIC int kith_msg_add_fd(kith_msg *msg, int fd);
/* How many it has, or had: taking one leaves the others their numbers. */
KITH_PUBLIC size_t kith_msg_fd_count(const kith_msg *msg);
/* Descriptor `index`, to look at: it stays the message's. Errors: -EBADF (there is none, or it was taken). */
KITH_PUBLIC int kith_msg_fd(const kith_msg *msg, size_t index);
/* Gives descriptor `index` to the caller, who closes it. It is close-on-exec. Errors: as kith_msg_fd(); -EMFILE, -ENFILE, -ENOMEM (as
 * above): it stays. */
KITH_PUBLIC int kith_msg_take_fd(kith_msg *msg, size_t index);

/* SERVER, PEER: whom it came from or is for; 0: none. */
KITH_PUBLIC uint32_t kith_msg_routing_id(const kith_msg *msg);
KITH_PUBLIC void kith_msg_set_routing_id(kith_msg *msg, uint32_t routing_id);
/* RADIO, DISH: its group, "" at first; at most 255 octets, copied. Errors: -EINVAL (too long), -ENOMEM. */
KITH_PUBLIC const char *kith_msg_group(const kith_msg *msg);
KITH_PUBLIC int kith_msg_set_group(kith_msg *msg, const char *group);

/* kernel://, in messages received; 0, false: the transport, or the program that sends there, does not say so. The sequence number is the
 * channel's (1 more than the one before: a gap is a loss) and with the channel names the message, for de-duplication; the time is when the
 * module sent it, nanoseconds of CLOCK_REALTIME; `again`: it was sent to a receiver before that did not acknowledge it, another one
 * maybe. */
KITH_PUBLIC uint64_t kith_msg_sequence(const kith_msg *msg);
KITH_PUBLIC uint64_t kith_msg_time(const kith_msg *msg);
KITH_PUBLIC bool kith_msg_again(const kith_msg *msg);

/* What kith_socket_acknowledge() needs to know of a message: may be copied and kept when the message has gone. */
struct kith_receipt {
    uint64_t connection, sequence;
};
/* False, and *ret_receipt is untouched: whoever sent it does not wait for an acknowledgement. */
KITH_PUBLIC bool kith_msg_receipt(const kith_msg *msg, struct kith_receipt *ret_receipt);

/* Who sent it: NULL for a message that was not received. Lives as long as the message; take a reference to keep it. */
KITH_PUBLIC kith_origin *kith_msg_origin(const kith_msg *msg);

#ifdef __cplusplus
}
#endif
#endif
