/*
 * session/rings-pass.c: octets through rings.
 *
 * Out: small frames are written where they lie in the ring; what was written is published at the end of the step, or when there is enough
 * for the peer to begin with. A frame that does not fit waits by reference (`rest`), one at a time, and while it does nothing else is
 * taken. Sealed frames are sealed in our own memory first.
 * In: a turn copies what there is, at most a scratch of octets, out of the ring; only then the engine looks at it. Large bodies go straight
 * into their message.
 */
#include <errno.h>
#include <string.h>

#include "session/link-stream.h"
#include "session/rings.h"

/* Octets worth a publication of their own: the peer works on these while we write the next. */
#define PUBLISH_SIZE ((size_t)16 * 1024)
/* Octets of a turn. */
#define SCRATCH_SIZE ((size_t)64 * 1024)
/* Ringfuls of a large frame in a row, before others have their turn. */
#define PUSHES 4
/* Bells that wait to be sent: the peer has more than enough of them. */
#define BELLS 64

static const uint8_t bell_octet = 0;

/* Whatever cannot be sent is as good as sent: a peer that has bells unread will look. */
static void ring_bell(struct kith_session *session, bool now) {
    if (!session->conn || kith_conn_queued(session->conn) > BELLS)
        return;
    (void)kith_conn_write(session->conn, &bell_octet, 1);
    if (now)
        kith_conn_flush(session->conn);
}

/* Out ------------------------------------------------------------------------------------------------------------------ */

static void publish(struct kith_rings *rings, bool now) {
    rings->unpublished = 0;
    if (kith_shm_publish(rings->shm))
        ring_bell(rings->session, now);
}

/* The peer has written what cannot be. Told in the loop's next step, not inside the caller's call. */
static int nonsense(struct kith_rings *rings) {
    kith_session_break(rings->session, -EPROTO);
    return -EPIPE;
}

static void let_go_of_rest(struct kith_rings *rings, size_t size) {
    rings->rest.data += size;
    rings->rest.size -= size;
    if (rings->rest.size == 0)
        kith_slice_unref(&rings->rest);
}

/* Writes on what is left of a frame. */
static int push(struct kith_rings *rings, bool now) {
    for (unsigned i = 0; i < PUSHES && rings->rest.size > 0; i++) {
        ssize_t n = kith_shm_write(rings->shm, rings->rest.data, rings->rest.size);
        if (n < 0)
            return nonsense(rings);
        let_go_of_rest(rings, (size_t)n);
        publish(rings, now);
        if (rings->rest.size > 0 && !kith_shm_await_room(rings->shm))
            return 0; /* a bell comes */
    }
    if (rings->rest.size > 0)
        kith_loop_defer(rings->session->host->loop, &rings->publish);
    return 0;
}

/* Sealed octets are made in our own memory, and so is what does not fit well into a ring. */
static int place_now(struct kith_rings *rings, size_t size, uint8_t **ret_place) {
    if (rings->rest.size > 0)
        return -EAGAIN;
    if (size <= kith_shm_size(rings->shm) / 2 && !kith_zmtp_seals(rings->session->engine))
        return kith_shm_place(rings->shm, size, ret_place);
    int r = kith_buffer_new(size, &rings->staged);
    if (r >= 0)
        *ret_place = kith_buffer_data(rings->staged);
    return r;
}

/* There was no room: the peer is to make some. True: there is now. */
static bool await_room(struct kith_rings *rings) {
    publish(rings, true);
    return kith_shm_await_room(rings->shm) && push(rings, true) >= 0 && rings->rest.size == 0;
}

int kith_rings_place(struct kith_session *session, size_t size, uint8_t **ret_place) {
    struct kith_rings *rings = session->rings;
    if (rings->closed || session->broken < 0)
        return -EPIPE;
    int r = place_now(rings, size, ret_place);
    if (r == -EAGAIN && await_room(rings))
        r = place_now(rings, size, ret_place);
    if (r == -EAGAIN)
        rings->starved = true;
    return r == -EBADMSG ? nonsense(rings) : r;
}

void kith_rings_written(struct kith_session *session, size_t size) {
    struct kith_rings *rings = session->rings;
    if (rings->staged) {
        rings->rest = (struct kith_slice){.buffer = rings->staged, .data = kith_buffer_data(rings->staged), .size = size};
        rings->staged = NULL;
        (void)push(rings, false); /* what is wrong is told later */
        return;
    }
    kith_shm_written(rings->shm, size);
    rings->unpublished += size;
    if (rings->unpublished >= PUBLISH_SIZE)
        publish(rings, true);
    else
        kith_loop_defer(session->host->loop, &rings->publish);
}

int kith_rings_slice(struct kith_session *session, struct kith_slice slice) {
    struct kith_rings *rings = session->rings;
    if (rings->closed || session->broken < 0)
        return -EPIPE;
    if (rings->rest.size > 0 && (push(rings, true) < 0 || rings->rest.size > 0)) {
        rings->starved = true;
        return session->broken < 0 ? -EPIPE : -EAGAIN;
    }
    rings->rest = kith_slice_ref(slice);
    return push(rings, false);
}

void kith_rings_flush(struct kith_session *session) {
    struct kith_rings *rings = session->rings;
    if (rings->unpublished > 0)
        publish(rings, true);
    if (rings->rest.size == 0 && !rings->starved)
        kith_defer_cancel(&rings->publish);
    kith_conn_flush(session->conn);
}

/* The end of a step in which something was written, and after a bell. */
static unsigned on_publish(struct kith_defer *defer) {
    struct kith_rings *rings = KITH_CONTAINER_OF(defer, struct kith_rings, publish);
    struct kith_session *session = rings->session;
    publish(rings, false);
    bool pushed = rings->rest.size > 0;
    if (pushed && push(rings, false) < 0)
        return 0;
    if (rings->rest.size > 0 || (!rings->starved && !pushed))
        return 0;
    if (rings->starved && !kith_shm_await_room(rings->shm))
        return 0;
    rings->starved = false;
    kith_session_on_room(session);
    return 1;
}

bool kith_rings_spoken(const struct kith_session *session) {
    return session->rings->rest.size == 0;
}

bool kith_rings_taken(const struct kith_session *session) {
    return session->rings->rest.size == 0 && !session->rings->closed && kith_shm_taken(session->rings->shm);
}

/* In ------------------------------------------------------------------------------------------------------------------- */

static struct kith_rings *rings_of(const struct kith_poller *poller) {
    return KITH_CONTAINER_OF(poller, struct kith_rings, poller);
}

static bool look(const struct kith_poller *poller) {
    const struct kith_rings *rings = rings_of(poller);
    return rings->reading && (rings->closed || kith_shm_look(rings->shm));
}

static bool fall_asleep(struct kith_poller *poller) {
    struct kith_rings *rings = rings_of(poller);
    return rings->reading && (rings->closed || kith_shm_await_octets(rings->shm));
}

/* Where the next octets go, and how many of them. */
static int find_place(struct kith_session *session, uint8_t **ret_place, size_t *ret_size) {
    struct kith_session_host *host = session->host;
    *ret_size = kith_link_zmtp_place(session, ret_place);
    if (*ret_size > 0)
        return 0;
    int r = host->scratch ? 0 : kith_buffer_new(SCRATCH_SIZE, &host->scratch);
    if (r < 0)
        return r;
    *ret_place = kith_buffer_data(host->scratch);
    *ret_size = SCRATCH_SIZE;
    return 0;
}

static void finish(struct kith_session *session) {
    kith_link_stream_on_closed(session->conn, session->rings->error, session);
}

/* One turn. A session that drains drops what comes. */
static void read_on(struct kith_session *session) {
    struct kith_rings *rings = session->rings;
    struct kith_slice slice = {0};
    uint8_t *place;
    size_t room;
    bool ring;
    int r = find_place(session, &place, &room);
    if (r < 0) {
        kith_session_fail(session, r, "out of memory while receiving");
        return;
    }
    if (rings->closed && room > rings->left)
        room = rings->left;
    ssize_t n = kith_shm_read(rings->shm, place, room, &ring);
    if (ring)
        ring_bell(session, false);
    if (n < 0) {
        kith_session_fail(session, -EPROTO, "what it wrote into shared memory is no ring");
        return;
    }
    rings->left -= rings->closed ? (size_t)n : 0;
    if (n > 0 && session->state == KITH_SESSION_READY) {
        kith_session_heard(session);
        if (session->writer_watch && kith_session_execed(session, session->writer_watch))
            kith_rings_closed(session, 0);
        slice.data = place;
        slice.size = (size_t)n;
        kith_link_zmtp_feed(session, &slice);
    }
    if (session->rings == rings && rings->closed && rings->left == 0)
        finish(session);
}

static unsigned on_turn(struct kith_poller *poller) {
    struct kith_rings *rings = rings_of(poller);
    struct kith_session *session = kith_session_ref(rings->session);
    unsigned count = 0;
    kith_shm_awake(rings->shm);
    if (look(poller)) {
        count = 1;
        read_on(session);
    }
    kith_session_unref(session);
    return count;
}

static const struct kith_poller_ops poller_ops = {.look = look, .sleep = fall_asleep, .work = on_turn};

void kith_rings_set_reading(struct kith_session *session, bool reading) {
    session->rings->reading = reading;
    if (reading)
        kith_loop_poll(session->host->loop, &session->rings->poller);
}

void kith_rings_rung(struct kith_session *session, const uint8_t *octets, size_t size) {
    struct kith_rings *rings = session->rings;
    for (size_t i = 0; i < size; i++) {
        if (octets[i] == bell_octet)
            continue;
        kith_session_fail(session, -EPROTO, "an octet on the socket of shared memory is no bell");
        return;
    }
    kith_loop_poll(session->host->loop, &rings->poller);
    if (rings->starved || rings->rest.size > 0)
        kith_loop_defer(session->host->loop, &rings->publish);
}

/* What was written by now is the peer's last; nobody's octets come after it. */
void kith_rings_closed(struct kith_session *session, int error) {
    struct kith_rings *rings = session->rings;
    if (rings->closed)
        return;
    ssize_t left = session->state == KITH_SESSION_READY ? kith_shm_readable(rings->shm) : 0;
    rings->closed = true;
    rings->error = error == -ECONNRESET ? 0 : error; /* of bells that the peer left unread */
    rings->left = left > 0 ? (size_t)left : 0;
    kith_loop_poll(session->host->loop, &rings->poller);
}

/* ---------------------------------------------------------------------------------------------------------------------- */

void kith_rings_init_passing(struct kith_rings *rings) {
    kith_poller_init(&rings->poller, &poller_ops);
    kith_defer_init(&rings->publish, on_publish);
    kith_mourner_init(&rings->mourner);
}

void kith_rings_deinit_passing(struct kith_rings *rings) {
    kith_poller_stop(&rings->poller);
    kith_defer_cancel(&rings->publish);
    kith_slice_unref(&rings->rest);
    kith_buffer_unref(rings->staged);
}
