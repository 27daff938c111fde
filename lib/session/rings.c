/* session/rings.c: how rings begin and end; see rings.h. What passes through them is in rings-pass.c. */
#include "session/rings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "session/link-stream.h"

/* On a processor alone whoever looks again and again keeps the other from writing. */
static bool may_spin(void) {
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

static bool are_wanted(const struct kith_session *session) {
    const int64_t *numbers = session->profile->numbers;
    /* With conflate as little as possible waits where it cannot be replaced. */
    return numbers[KITH_OPTION_SHM] != 0 && session->place->endpoint.transport == &kith_transport_unix &&
           numbers[KITH_OPTION_CONFLATE] == 0 && numbers[KITH_OPTION_MAX_FDS] == 0;
}

size_t kith_rings_receive_fds(const struct kith_session *session) {
    return session->accepted && session->link == &kith_link_zmtp && are_wanted(session) ? 1 : 0;
}

static size_t ring_size(const struct kith_session *session) {
    size_t wanted = (size_t)session->profile->numbers[KITH_OPTION_SHM_SIZE], size = KITH_SHM_SIZE_MIN;
    while (size < wanted && size < KITH_SHM_SIZE_MAX)
        size *= 2;
    return size;
}

static struct kith_rings *rings_new(struct kith_session *session) {
    struct kith_rings *rings = calloc(1, sizeof(*rings));
    if (!rings)
        return NULL;
    rings->session = session;
    rings->limit = ring_size(session);
    (void)snprintf(rings->text, sizeof(rings->text), "%zu", rings->limit);
    kith_rings_init_passing(rings);
    session->host->ring_count++;
    return rings;
}

struct kith_rings *kith_rings_free(struct kith_rings *rings) {
    if (!rings)
        return NULL;
    rings->session->host->ring_count--;
    kith_rings_deinit_passing(rings);
    kith_mourner_leave(&rings->mourner);
    kith_shm_free(rings->shm);
    free(rings);
    return NULL;
}

/* Without memory for it nothing is offered. */
void kith_rings_offer(struct kith_session *session, struct kith_zmtp_options *options) {
    if (!are_wanted(session) || session->host->ring_count >= (size_t)session->profile->numbers[KITH_OPTION_SHM_PEERS])
        return;
    struct kith_rings *rings = options->feature_count < KITH_RINGS_FEATURES ? rings_new(session) : NULL;
    if (!rings)
        return;
    for (size_t i = 0; i < options->feature_count; i++)
        rings->features[i] = options->features[i];
    rings->features[options->feature_count++] =
        (struct kith_zmtp_property){.name = KITH_FEATURE_MEMORY, .value = (const uint8_t *)rings->text, .size = strlen(rings->text)};
    options->features = rings->features;
    session->rings = rings;
}

bool kith_rings_expect_fd(const struct kith_session *session) {
    return session->rings && !session->rings->on && session->accepted;
}

/* What is no number of octets allows none. */
static size_t read_limit(const struct kith_zmtp_property *property) {
    size_t limit = 0;
    for (size_t i = 0; i < property->size; i++) {
        unsigned digit = (unsigned)property->value[i] - '0';
        if (digit > 9 || limit > KITH_SHM_SIZE_MAX)
            return 0;
        limit = 10 * limit + digit;
    }
    return limit;
}

/* The octets of a ring that the peer allows; 0: it knows of none. */
static size_t peers_limit(const struct kith_session *session) {
    struct kith_zmtp_property property;
    for (size_t i = 0; kith_zmtp_peer_property(session->engine, i, &property); i++)
        if (strcasecmp(property.name, KITH_FEATURE_MEMORY) == 0)
            return read_limit(&property);
    return 0;
}

/* Says MEMORY behind all that was said before. */
static int say(struct kith_session *session, bool there) {
    const uint8_t octet = there;
    uint8_t *place;
    kith_session_speak(session);
    size_t size = kith_zmtp_word_wire_size(session->engine, KITH_ZMTP_WORD_MEMORY, 1);
    int r = kith_conn_write_place(session->conn, size, &place);
    if (r < 0)
        return r;
    kith_zmtp_word_write(session->engine, KITH_ZMTP_WORD_MEMORY, &octet, 1, place);
    kith_conn_written(session->conn, size);
    return 0;
}

/* The first octet of MEMORY carries the descriptor, so nothing may wait before it. */
static int pass(struct kith_session *session, int fd) {
    uint8_t words[KITH_ZMTP_WIRE_MAX + 16], octet = 1;
    size_t size = kith_zmtp_word_wire_size(session->engine, KITH_ZMTP_WORD_MEMORY, 1);
    kith_session_speak(session);
    kith_conn_flush(session->conn);
    if (kith_conn_queued(session->conn) > 0 || size > sizeof(words))
        return -EAGAIN;
    kith_zmtp_word_write(session->engine, KITH_ZMTP_WORD_MEMORY, &octet, 1, words);
    struct iovec iov = {.iov_base = words, .iov_len = size};
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = sendmsg(kith_conn_fd(session->conn), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EPIPE;
}

/* Who connected: memory of the size that both allow. */
static int make(struct kith_session *session) {
    struct kith_rings *rings = session->rings;
    _cleanup_(kith_closep) int fd = -1;
    int r = kith_shm_new(rings->limit, &rings->shm, &fd);
    return r < 0 ? r : pass(session, fd);
}

bool kith_rings_begin(struct kith_session *session) {
    struct kith_rings *rings = session->rings;
    size_t allowed = rings && session->peer_fds == 0 ? peers_limit(session) : 0;
    while (rings && rings->limit > allowed)
        rings->limit /= 2;
    if (!rings || rings->limit < KITH_SHM_SIZE_MIN) {
        session->rings = kith_rings_free(rings);
        return false;
    }
    rings->begun = true;
    if (session->accepted)
        return true;
    int r = make(session);
    if (r >= 0)
        return true;
    /* Not even a part of MEMORY may be out; else the peer takes the rest of the stream for something else. */
    if (r == -EPIPE || say(session, false) < 0)
        kith_session_break(session, -EPIPE);
    session->rings = kith_rings_free(rings);
    return false;
}

static void mourn(struct kith_mourner *mourner) {
    struct kith_rings *rings = KITH_CONTAINER_OF(mourner, struct kith_rings, mourner);
    kith_rings_closed(rings->session, 0);
}

/* From here on octets go through the rings. */
static int switch_over(struct kith_session *session) {
    struct kith_rings *rings = session->rings;
    int r = kith_session_identify_rings(session);
    if (r < 0)
        return r;
    uint64_t spin_us = (uint64_t)session->profile->numbers[KITH_OPTION_SHM_SPIN];
    rings->poller.spin_ns = may_spin() ? spin_us * (KITH_NS_PER_MS / 1000) : 0;
    rings->on = rings->reading = true;
    if (session->writer_watch)
        kith_watch_mourn(session->writer_watch, &rings->mourner, mourn);
    kith_loop_poll(session->host->loop, &rings->poller);
    return 0;
}

/* Who accepted: maps what came, and answers. 1: it does. */
static int answer(struct kith_session *session, bool offered) {
    struct kith_rings *rings = session->rings;
    if (!offered)
        return 0;
    _cleanup_(kith_closep) int fd = kith_passing_take_fd(session);
    int r = fd < 0 ? fd : kith_shm_open(fd, rings->limit, &rings->shm);
    bool there = r >= 0;
    r = say(session, there);
    return r < 0 ? r : there;
}

void kith_rings_told(struct kith_session *session, bool offered) {
    struct kith_rings *rings = session->rings;
    if (!rings || !rings->begun || rings->on)
        return; /* of no use, as any command that is not known */
    int r = session->accepted ? answer(session, offered) : offered;
    if (r > 0)
        r = switch_over(session);
    else
        session->rings = kith_rings_free(rings);
    if (r < 0)
        kith_session_fail(session, r, "shared memory could not be set up");
    else
        kith_session_reached_ready(session);
}
