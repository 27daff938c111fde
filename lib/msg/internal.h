/*
 * msg/internal.h: a message as the other rooms see it.
 *
 * Frames lie in one array with some room in front, so that an envelope frame is put there without moving the others. A frame of up to
 * KITH_FRAME_SMALL octets lies in the array itself (buffer is NULL), a larger one in a buffer that it holds a reference of.
 */
#ifndef KITH_MSG_INTERNAL_H
#define KITH_MSG_INTERNAL_H

#include <stdint.h>

#include <kith/msg.h>

#include "base/fds.h"
#include "base/list.h"
#include "msg/account.h"
#include "pool/pool.h"

/* The 64 octets that most requests fit into. */
#define KITH_FRAME_SMALL 64
/* From here on a received frame that lies whole in a slab shares it instead of being copied: a quarter of the slab, so that what a kept
 * message pins is at most four times what it was charged for. */
#define KITH_FRAME_SHARE (KITH_SLAB_SIZE / 4)
struct kith_frame {
    struct kith_slice slice; /* buffer NULL: size octets in small[], data is NULL */
    uint8_t small[KITH_FRAME_SMALL];
};

/* A frame of two octets on the wire costs its place in the array, of which a third may be empty. */
_Static_assert(KITH_FRAME_COST >= sizeof(struct kith_frame), "a frame costs no more than is counted for it");

#define KITH_MSG_INLINE_FRAMES 4

/* A copy into a memfd costs as much as a message through a socket does both ends together: it pays from the second peer on. */
#define KITH_MSG_MANY 2

struct kith_msg {
    struct kith_list link;     /* in a queue of its pattern or session */
    struct kith_frame *frames; /* inline_frames, or heap */
    size_t first, count, capacity;
    size_t size;                  /* octets of all frames */
    struct kith_fds *fds;         /* referenced; NULL: it has none. A copy shares it */
    kith_origin *origin;          /* referenced */
    struct kith_account *account; /* of the peer that sent it, referenced; NULL: not received */
    char *group;                  /* NULL: none */
    struct kith_receipt receipt;  /* connection 0: none */
    uint64_t sequence, time;      /* by its source; 0: not known */
    bool again;
    uint32_t routing_id; /* 0: none */
    uint8_t published;   /* to how many peers, up to KITH_MSG_MANY */
    uint8_t command;     /* what the queue or pipe that it is in makes of it; 0: it is a message */
    bool charged;        /* the account has it on its books, with `charge` octets and `fd_charge` descriptors */
    uint8_t fd_charge;
    size_t charge;
    size_t filling; /* octets of the last frame's buffer filled so far, while it is being received */
    struct kith_frame inline_frames[KITH_MSG_INLINE_FRAMES];
};

static inline struct kith_frame *kith_msg_at(const kith_msg *msg, size_t index) {
    return &msg->frames[msg->first + index];
}

static inline const uint8_t *kith_frame_data(const struct kith_frame *frame) {
    return frame->slice.buffer ? frame->slice.data : frame->small;
}

static inline struct kith_slice kith_frame_slice(const struct kith_frame *frame) {
    struct kith_slice slice = frame->slice;
    slice.data = kith_frame_data(frame);
    return slice;
}

/* Octets as limits count them. */
static inline size_t kith_msg_cost(const kith_msg *msg) {
    return msg->size + msg->count * KITH_FRAME_COST;
}

/* A piece of a frame of `frame_size` octets arrived: the first (offset 0) begins a frame, others continue the last. Memory grows with what
 * has arrived, never ahead of it by more than double (see kith_msg_room() for more). `slice` holds the piece. Errors: -ENOMEM. */
int kith_msg_receive(kith_msg *msg, const struct kith_slice *slice, const uint8_t *data, size_t size, uint64_t frame_size, uint64_t offset);

/* Room for the next octets of a frame of which kith_msg_receive() has told a first piece and `left` are still to come; what is written
 * there is told by kith_msg_receive() with `data` being the place, which copies nothing then. Memory is bounded by twice what has arrived,
 * from KITH_MSG_AHEAD_FROM octets on by KITH_MSG_AHEAD times that; nothing of it is touched. Returns the octets of room, 0 without memory.
 */
#define KITH_MSG_AHEAD 16
#define KITH_MSG_AHEAD_FROM ((size_t)64 * 1024)
size_t kith_msg_room(kith_msg *msg, uint64_t left, uint8_t **ret_place);

/* Moves frames from the front of `from` behind those of `to`; descriptors stay. Errors: -ENOMEM (nothing is moved). */
int kith_msg_move(kith_msg *to, kith_msg *from, size_t count);
/* Moves all frames of `from` in front of those of `to`, and leaves `from` the room to move them back (kith_msg_move() then cannot fail).
 * Errors: -ENOMEM (nothing is moved). */
int kith_msg_move_front(kith_msg *to, kith_msg *from);

/* Moves the descriptors of `from` behind those of `to`. Errors: -E2BIG (more than a message may have), -EMFILE, -ENFILE, -ENOMEM (nothing
 * is moved). */
int kith_msg_move_fds(kith_msg *to, kith_msg *from);

/* The sealed memfd that frame `index` is as a whole, owned by its buffer. Of a message for several peers the octets are moved into one when
 * they do not lie in one already: what the application looked at is at another place then. Errors: -ENOTSUP (it is none), those of memfd.h.
 */
int kith_msg_frame_memfd(const kith_msg *msg, size_t index);

/* Puts the message on its account's books (which it takes a reference of), and off them. Both may be called twice. */
void kith_msg_charge(kith_msg *msg, struct kith_account *account);
void kith_msg_refund(kith_msg *msg);

/* What the message refers to, and others refer to as well, may be let go of in another thread from now on. Frames in slabs that belong to
 * one thread's loop are copied. Errors: -ENOMEM; never for a message that was received on a loop with a thread of its own. */
int kith_msg_share(kith_msg *msg);

/* Frees all messages of a queue; returns how many. */
size_t kith_msg_queue_free(struct kith_list *queue);

#endif
