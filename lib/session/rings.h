/*
 * session/rings.h: a ZMTP session over a local socket whose octets go through memory that both sides share (shm/shm.h).
 *
 * The socket stays: it is who the peer is, how either side wakes the other, and when the connection ends. What changes is where the octets
 * of the ZMTP stream lie; engine, framing, limits and policy are the same.
 *
 * How it begins, both sides willing (option shm; a property of READY, "Kith-Memory": the octets of a ring, as a decimal number):
 *   who connected makes the memory and passes it with the command MEMORY 1, or says MEMORY 0 when it cannot;
 *   who accepted maps it and answers MEMORY 1, or MEMORY 0 when it cannot.
 * A connection that passes descriptors (passing.h) has no rings: these two would be in each other's way on the socket.
 * No message goes before the answer, so these commands are the last octets of the ZMTP stream on the socket, each way, or nothing changes
 * and the stream goes on there. From the answer on an octet on the socket, always 0, is a bell: look at the rings.
 *
 * Whose octets they are: the process that the kernel named when MEMORY came, for as long as it lives. Its end ends the connection, as that
 * of the socket does; what it had written by then is still delivered. That nobody else writes into the memory is the peer's doing, not the
 * kernel's word: so messages say that they are known by the connection.
 */
#ifndef KITH_SESSION_RINGS_H
#define KITH_SESSION_RINGS_H

#include "session/session.h"
#include "shm/shm.h"

/* To be made before the handshake: offers rings in READY, when the options and the place allow it; else nothing happens. */
void kith_rings_offer(struct kith_session *session, struct kith_zmtp_options *options);
/* Room for descriptors in what the connection receives. */
size_t kith_rings_receive_fds(const struct kith_session *session);
/* May a descriptor come with MEMORY? */
bool kith_rings_expect_fd(const struct kith_session *session);
/* READY came. True: the handshake goes on; kith_session_reached_ready() comes with kith_rings_told(). */
bool kith_rings_begin(struct kith_session *session);
/* MEMORY came. Calls up. */
void kith_rings_told(struct kith_session *session, bool offered);
struct kith_rings *kith_rings_free(struct kith_rings *rings);

/* What the peer said on the socket since: bells. */
void kith_rings_rung(struct kith_session *session, const uint8_t *octets, size_t size);
/* The socket has ended: so will the session, when what is in the ring has been delivered. */
void kith_rings_closed(struct kith_session *session, int error);
void kith_rings_set_reading(struct kith_session *session, bool reading);

/* As kith_conn_write_place() and what goes with it; size is at least one. Errors: -EAGAIN, -EPIPE, -ENOMEM. */
int kith_rings_place(struct kith_session *session, size_t size, uint8_t **ret_place);
void kith_rings_written(struct kith_session *session, size_t size);
/* Takes a reference of its own. */
int kith_rings_slice(struct kith_session *session, struct kith_slice slice);
void kith_rings_flush(struct kith_session *session);
/* Is all in the ring? */
bool kith_rings_spoken(const struct kith_session *session);
/* Has the peer read it? */
bool kith_rings_taken(const struct kith_session *session);

/* Properties of READY, at most: more than there are. */
#define KITH_RINGS_FEATURES 8

struct kith_rings {
    bool on;
    bool begun; /* MEMORY is expected */
    bool reading;
    bool closed;  /* the socket is: `left` octets are still delivered */
    bool starved; /* a write was refused: on_room is due */
    struct kith_session *session;
    struct kith_shm *shm;
    struct kith_poller poller;   /* reads */
    struct kith_defer publish;   /* at the end of the step: what was written, or is left of `rest` */
    struct kith_mourner mourner; /* of whose octets they are */
    kith_buffer *staged;         /* what does not fit in one piece, or has to be sealed, while it is being written */
    struct kith_slice rest;      /* of what is written: the ring is full */
    size_t unpublished, left;
    int error;
    size_t limit; /* octets of a ring, at most */
    char text[12];
    struct kith_zmtp_property features[KITH_RINGS_FEATURES]; /* those of the session, and ours */
};

static inline bool kith_rings_on(const struct kith_session *session) {
    return session->rings && session->rings->on;
}

/* rings-pass.c */
void kith_rings_init_passing(struct kith_rings *rings);
void kith_rings_deinit_passing(struct kith_rings *rings);

/* link-zmtp.c: octets of the peer's, out of memory that nobody else writes to. Calls up. */
void kith_link_zmtp_feed(struct kith_session *session, const struct kith_slice *slice);
/* link-zmtp.c: where the next octets shall lie: room for the rest of a body that is being received, 0: anywhere. */
size_t kith_link_zmtp_place(const struct kith_session *session, uint8_t **ret_place);

#endif
