/*
 * fuzz/patterns.h: what the fuzz targets of patterns share: input, and peers as a pattern sees them, ready sessions whose link is the
 * target's.
 */
#ifndef KITH_FUZZ_PATTERNS_H
#define KITH_FUZZ_PATTERNS_H

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pattern/pattern.h"

#define CHECK(condition)                                                                                                                   \
    do {                                                                                                                                   \
        if (!(condition))                                                                                                                  \
            abort();                                                                                                                       \
    } while (0)

struct input {
    const uint8_t *data;
    size_t size;
};

static inline uint8_t next(struct input *input) {
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

static inline bool take_none(struct kith_pattern *pattern, kith_msg *msg) {
    return false;
}

static inline void received(struct kith_pattern *pattern) {
}

static const struct kith_pattern_host pattern_host = {.take = take_none, .received = received};

static inline void link_nothing(struct kith_session *session) {
}

static inline void link_refuse(struct kith_session *session, const char *reason) {
}

static inline void link_set_reading(struct kith_session *session, bool reading) {
}

static inline void relieved(void *owner) {
}

/* What a host needs beside what the target gives it: a loop, one for all inputs, which is never run. */
static inline void host_begin(struct kith_session_host *host) {
    static kith_loop *loop;
    CHECK(loop || kith_loop_new(&loop) == 0);
    host->loop = loop;
    kith_list_init(&host->peers);
    kith_session_host_count(host);
}

static inline void host_end(struct kith_session_host *host) {
    kith_defer_cancel(&host->tell_high);
}

/* owner: what the target knows of this peer, see session_owner(). The pattern has not been told of it yet. */
static inline struct kith_session *session_new(struct kith_session_host *host, const struct kith_link *link, void *owner) {
    struct kith_session *session = calloc(1, sizeof(*session));
    CHECK(session);
    session->refs = 1;
    session->state = KITH_SESSION_READY;
    session->host = host;
    session->profile = host->profile;
    session->link = link;
    session->pipe = owner; /* any place for it will do */
    session->place = malloc(sizeof(struct kith_place) + 2);
    CHECK(session->place);
    strcpy(session->place->text, "p");
    kith_list_init(&session->host_link);
    kith_list_init(&session->pattern_link);
    kith_list_init(&session->queue);
    kith_list_init(&session->high_link);
    CHECK(kith_account_new(session, relieved, &session->account) == 0);
    session->account->message_limit = session->account->octet_limit = 10;
    return session;
}

static inline void *session_owner(const struct kith_session *session) {
    return session->pipe;
}

static inline void session_free(struct kith_session *session) {
    (void)kith_msg_queue_free(&session->queue);
    kith_list_unlink(&session->high_link);
    session->account->owner = NULL;
    kith_account_unref(session->account);
    (void)kith_session_set_routing_id(session, NULL, 0);
    free(session->place);
    free(session);
}

#endif
