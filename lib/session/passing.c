/* session/passing.c: see passing.h. */
#include "session/passing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/fd.h"
#include "session/session.h"

size_t kith_passing_max(const struct kith_session *session) {
    return kith_session_passes(session) ? (size_t)session->profile->numbers[KITH_OPTION_MAX_FDS] : 0;
}

size_t kith_passing_room(const struct kith_session *session) {
    return kith_passing_max(session);
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
    if (strcasecmp(property->name, KITH_FEATURE_DESCRIPTORS) != 0)
        return false;
    if (kith_session_passes(session))
        session->peer_fds = read_max(property);
    return true;
}

static struct kith_passing *passing_of(struct kith_session *session) {
    if (!session->passing)
        session->passing = calloc(1, sizeof(*session->passing));
    return session->passing;
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
    if (r >= 0)
        passing->arrivals[passing->count++] = arrival;
    return r;
}

void kith_passing_arrived(struct kith_session *session, struct kith_batch *batch) {
    size_t count = batch->fd_count + batch->fd_refused;
    if (count == 0)
        return;
    if (kith_passing_room(session) == 0) {
        kith_session_tell(session, KITH_EVENT_FDS_REFUSED, -EPERM, count, "%zu passed descriptors closed: this socket accepts none", count);
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

void kith_passing_settle(struct kith_session *session) {
    struct kith_arrival arrival;
    size_t closed = 0;
    while (pop(session, &arrival)) {
        closed += (arrival.fds ? arrival.fds->count : 0) + arrival.cut;
        kith_fds_unref(arrival.fds);
    }
    if (closed > 0)
        kith_session_tell(session, KITH_EVENT_FDS_REFUSED, -EPROTO, closed, "%zu passed descriptors closed: they belong to no message",
                          closed);
}

void kith_passing_drop(struct kith_session *session) {
    struct kith_arrival arrival;
    while (pop(session, &arrival))
        kith_fds_unref(arrival.fds);
    if (session->passing)
        kith_fds_unref(session->passing->next);
    free(session->passing);
    session->passing = NULL;
}
