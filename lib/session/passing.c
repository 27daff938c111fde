/* session/passing.c: see passing.h. */
#include "session/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "pool/memfd.h"
#include "session/rings.h"

size_t kith_passing_max(const struct kith_session *session) {
    return kith_session_passes(session) ? (size_t)session->profile->numbers[KITH_OPTION_MAX_FDS] : 0;
}

static bool takes_memfd(const struct kith_session *session) {
    return kith_session_passes(session) && session->profile->numbers[KITH_OPTION_MEMFD_FROM] > 0;
}

size_t kith_passing_room(const struct kith_session *session) {
    size_t max = kith_passing_max(session);
    return max > 0 ? max : takes_memfd(session);
}

/* What is no number of descriptors announces none. */
static uint8_t read_max(const struct kith_zmtp_property *property) {
    unsigned max = 0;
    for (size_t i = 0; i < property->size; i++) {
        unsigned digit = (unsigned)property->value[i] - '0';
        if (digit > 9 || i == 3)
            return 0;
        max = 10 * max + digit;
    }
    return (uint8_t)(max < KITH_FDS_MAX ? max : KITH_FDS_MAX);
}

bool kith_session_take_feature(struct kith_session *session, const struct kith_zmtp_property *property) {
    if (strcasecmp(property->name, KITH_FEATURE_DESCRIPTORS) == 0) {
        session->peer_fds = kith_session_passes(session) ? read_max(property) : 0;
        return true;
    }
    if (strcasecmp(property->name, KITH_FEATURE_MEMFD) == 0) {
        session->peer_memfd = takes_memfd(session) && property->size == 1 && property->value[0] == '1';
        return true;
    }
    return false;
}

/* How long the last octets of a process that has ended may take from the kernel to us. */
#define LAST_OCTETS_MS 1000

static bool holds_any(const struct kith_session *session) {
    const struct kith_passing *passing = session->passing;
    return passing->count > 0 || passing->next || (session->incoming && session->incoming->fds);
}

/* Octets that are still to be read, maybe because we do not want them yet. */
static bool has_unread(const struct kith_session *session) {
    int unread = 0;
    return session->account->full || (ioctl(kith_conn_fd(session->conn), SIOCINQ, &unread) == 0 && unread > 0);
}

/* Its last octets may still be on their way; or another one has gone on since. */
static void on_timer(kith_timer *timer, void *userdata) {
    struct kith_passing *passing = userdata;
    struct kith_session *session = passing->session;
    if (!holds_any(session) || (session->writer_watch && kith_watch_alive(session->writer_watch)))
        kith_timer_disarm(timer);
    else if (!has_unread(session))
        kith_session_fail(session, -ECONNRESET, "the peer died in the middle of a message with descriptors");
}

static void on_mourn(struct kith_mourner *mourner) {
    struct kith_passing *passing = KITH_CONTAINER_OF(mourner, struct kith_passing, mourner);
    if (passing->timer || kith_timer_new(passing->session->host->loop, on_timer, passing, &passing->timer) >= 0)
        kith_timer_arm(passing->timer, LAST_OCTETS_MS, LAST_OCTETS_MS);
}

/* Descriptors come from whoever writes now. */
static void wait_for_writer(struct kith_passing *passing) {
    struct kith_watch *writer = passing->session->writer_watch;
    if (!writer || (writer == passing->writer && kith_watch_alive(writer)))
        return;
    kith_mourner_leave(&passing->mourner);
    kith_watch_ref(writer);
    kith_watch_unref(passing->writer);
    passing->writer = writer;
    if (kith_watch_alive(writer))
        kith_watch_mourn(writer, &passing->mourner, on_mourn);
    else
        on_mourn(&passing->mourner);
}

static struct kith_passing *passing_of(struct kith_session *session) {
    if (session->passing)
        return session->passing;
    struct kith_passing *passing = calloc(1, sizeof(*passing));
    if (!passing)
        return NULL;
    passing->session = session;
    kith_mourner_init(&passing->mourner);
    session->passing = passing;
    return passing;
}

/* Takes them all out of the batch. Errors: -ENOMEM. */
static int take_out(struct kith_batch *batch, struct kith_fds **ret_fds) {
    int r = kith_fds_new(batch->fd_count, ret_fds);
    if (r < 0)
        return r;
    for (size_t i = 0; i < batch->fd_count; i++)
        (*ret_fds)->fd[(*ret_fds)->count++] = KITH_STEAL_FD(batch->fds[i]);
    return 0;
}

static int keep(struct kith_session *session, struct kith_batch *batch) {
    struct kith_passing *passing = passing_of(session);
    if (!passing)
        return -ENOMEM;
    if (passing->count == KITH_ARRIVALS)
        return -EPROTO;
    struct kith_arrival arrival = {.cut = batch->fd_refused > 0};
    int r = batch->fd_count > 0 ? take_out(batch, &arrival.fds) : 0;
    if (r < 0)
        return r;
    passing->arrivals[passing->count++] = arrival;
    wait_for_writer(passing);
    return 0;
}

/* cut: there were more, of which the kernel does not say how many. */
static void tell_refused(struct kith_session *session, int error, size_t count, bool cut, const char *why) {
    kith_session_tell(session, KITH_EVENT_FDS_REFUSED, error, count, "%s%zu passed descriptors closed: %s", cut ? "at least " : "", count,
                      why);
}

void kith_passing_arrived(struct kith_session *session, struct kith_batch *batch) {
    size_t count = batch->fd_count + batch->fd_refused;
    if (count == 0)
        return;
    if (kith_passing_room(session) == 0 && !kith_rings_expect_fd(session)) {
        tell_refused(session, -EPERM, count, batch->fd_refused > 0, "this socket accepts none");
        return;
    }
    int r = keep(session, batch);
    if (r == -EPROTO)
        kith_session_fail(session, r, "descriptors came that no message announced, again and again");
    else if (r < 0)
        kith_session_fail(session, r, "out of memory while receiving descriptors");
}

/* The next command's: the caller's. False: there is none. */
static bool pop(struct kith_session *session, struct kith_arrival *ret_arrival) {
    struct kith_passing *passing = session->passing;
    *ret_arrival = (struct kith_arrival){0};
    if (!passing || passing->count == 0)
        return false;
    *ret_arrival = passing->arrivals[0];
    passing->arrivals[0] = passing->arrivals[1];
    passing->count--;
    return true;
}

static void fail_by_count(struct kith_session *session, const char *command, unsigned announced, unsigned came) {
    char why[128];
    (void)snprintf(why, sizeof(why), "%s announced %u descriptors and %u came with it", command, announced, came);
    kith_session_fail(session, -EPROTO, why);
}

/* A command whose descriptors go with its first octet. */
static int write_word(struct kith_session *session, enum kith_zmtp_word word, const uint8_t *body, size_t body_size, struct kith_fds *fds) {
    uint8_t *place;
    size_t size = kith_zmtp_word_wire_size(session->engine, word, body_size);
    int r = kith_conn_write_place_fds(session->conn, size, fds, &place);
    if (r < 0)
        return r;
    kith_zmtp_word_write(session->engine, word, body, body_size, place);
    kith_conn_written(session->conn, size);
    return 0;
}

int kith_passing_write_fds(struct kith_session *session, struct kith_fds *fds) {
    uint8_t body[KITH_ZMTP_FDS_SIZE];
    size_t count = kith_fds_count_there(fds);
    if (count == 0)
        return 0; /* they were all taken out */
    kith_zmtp_fds_body((unsigned)count, body);
    int r = write_word(session, KITH_ZMTP_WORD_FDS, body, sizeof(body), fds);
    if (r >= 0)
        session->sending_fds = true;
    return r;
}

static void tell_lost(struct kith_session *session, unsigned announced, unsigned came) {
    size_t max = kith_passing_max(session);
    if (announced > max)
        kith_session_tell(session, KITH_EVENT_FDS_LOST, -EMSGSIZE, announced,
                          "a message was dropped: it has %u descriptors, and this socket takes %zu a message (max-fds)", announced, max);
    else
        kith_session_tell(session, KITH_EVENT_FDS_LOST, -EMFILE, announced,
                          "a message was dropped: of its %u descriptors %u could be received; raise RLIMIT_NOFILE, or close some",
                          announced, came);
}

void kith_passing_announced(struct kith_session *session, unsigned count) {
    struct kith_arrival arrival;
    struct kith_passing *passing = passing_of(session);
    bool came = pop(session, &arrival);
    unsigned got = arrival.fds ? arrival.fds->count : 0;
    if (!passing) {
        kith_session_fail(session, -ENOMEM, "out of memory while receiving descriptors");
    } else if (passing->next || passing->lost) {
        kith_session_fail(session, -EPROTO, "descriptors were announced twice for one message");
    } else if (count > kith_passing_max(session) || arrival.cut) {
        passing->lost = true;
        tell_lost(session, count, got);
    } else if (!came || got != count) {
        fail_by_count(session, "FDS", count, got);
    } else {
        passing->next = KITH_STEAL(arrival.fds);
    }
    kith_fds_unref(arrival.fds);
}

bool kith_passing_announces(const struct kith_session *session) {
    return session->passing && (session->passing->next || session->passing->lost);
}

bool kith_passing_begin(struct kith_session *session, struct kith_fds **ret_fds) {
    struct kith_passing *passing = session->passing;
    *ret_fds = NULL;
    if (!passing)
        return true;
    bool lost = passing->lost;
    passing->lost = false;
    *ret_fds = KITH_STEAL(passing->next);
    return !lost;
}

/* Frames in descriptors ----------------------------------------------------------------------------------------------------- */

static kith_buffer *open_memfd(struct kith_session *session, int fd, uint64_t size) {
    kith_buffer *buffer;
    const char *what;
    char why[128];
    int r = kith_buffer_new_received(fd, size, &buffer, &what);
    if (r >= 0)
        return buffer;
    (void)snprintf(why, sizeof(why), "a frame of %llu octets came in a descriptor that cannot be taken: %s", (unsigned long long)size,
                   what);
    kith_session_fail(session, r, why);
    return NULL;
}

kith_buffer *kith_passing_take_memfd(struct kith_session *session, uint64_t size) {
    struct kith_arrival arrival;
    kith_buffer *buffer = NULL;
    bool came = pop(session, &arrival), lost = came && arrival.cut;
    unsigned got = arrival.fds ? arrival.fds->count : 0;
    session->memfd_taken += size;
    if (!takes_memfd(session))
        kith_session_fail(session, -EPROTO, "a frame came in a descriptor, and this socket announced that it takes none (memfd-from)");
    else if (lost)
        kith_session_tell(
            session, KITH_EVENT_FDS_LOST, -EMFILE, 1,
            "a message was dropped: a frame of %llu octets in a descriptor could not be received; raise RLIMIT_NOFILE, or close "
            "some",
            (unsigned long long)size);
    else if (got != 1)
        fail_by_count(session, "MEMFD", 1, got);
    else
        buffer = open_memfd(session, KITH_STEAL_FD(arrival.fds->fd[0]), size);
    kith_fds_unref(arrival.fds);
    return buffer;
}

int kith_passing_take_fd(struct kith_session *session) {
    struct kith_arrival arrival;
    int fd = pop(session, &arrival) && arrival.fds && arrival.fds->count == 1 ? KITH_STEAL_FD(arrival.fds->fd[0]) : -EBADF;
    kith_fds_unref(arrival.fds);
    return fd;
}

void kith_passing_taken(struct kith_session *session, uint64_t octets) {
    session->memfd_sent -= octets < session->memfd_sent ? octets : session->memfd_sent;
    kith_session_on_room(session);
}

/* While draining nothing of the peer's is heard any more, and there is no more to come than waits. */
static bool must_wait(const struct kith_session *session, uint64_t size) {
    uint64_t limit = (uint64_t)session->profile->numbers[KITH_OPTION_SEND_HWM_BYTES];
    return session->state == KITH_SESSION_READY && session->memfd_sent > 0 && (size > limit || session->memfd_sent > limit - size);
}

/* A list of this one, which stays the buffer's. Without one the frame goes through the socket. */
static struct kith_fds *fds_of(int fd) {
    struct kith_fds *fds = NULL;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0 && kith_fds_add(&fds, copy) < 0)
        kith_close(copy);
    return fds;
}

int kith_passing_write_memfd(struct kith_session *session, const kith_msg *msg, size_t index) {
    uint64_t size = kith_msg_at(msg, index)->slice.size;
    uint8_t body[KITH_ZMTP_MEMFD_SIZE];
    if (must_wait(session, size))
        return -EAGAIN;
    int fd = kith_msg_frame_memfd(msg, index);
    struct kith_fds *fds = fd < 0 ? NULL : fds_of(fd);
    if (!fds)
        return 1;
    kith_zmtp_memfd_body(size, index + 1 < msg->count, body);
    int r = write_word(session, KITH_ZMTP_WORD_MEMFD, body, sizeof(body), fds);
    kith_fds_unref(fds);
    if (r >= 0)
        session->memfd_sent += size;
    return r;
}

/* ---------------------------------------------------------------------------------------------------------------------------- */

void kith_passing_settle(struct kith_session *session) {
    struct kith_arrival arrival;
    size_t closed = 0;
    bool cut = false;
    while (pop(session, &arrival)) {
        cut = cut || arrival.cut;
        closed += (arrival.fds ? arrival.fds->count : 0) + arrival.cut;
        kith_fds_unref(arrival.fds);
    }
    if (closed > 0)
        tell_refused(session, -EPROTO, closed, cut, "they belong to no message");
}

void kith_passing_drop(struct kith_session *session) {
    struct kith_arrival arrival;
    while (pop(session, &arrival))
        kith_fds_unref(arrival.fds);
    struct kith_passing *passing = KITH_STEAL(session->passing);
    if (!passing)
        return;
    kith_fds_unref(passing->next);
    kith_mourner_leave(&passing->mourner);
    kith_watch_unref(passing->writer);
    kith_timer_free(passing->timer);
    free(passing);
}
