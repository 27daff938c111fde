/*
 * session/identify.c: who wrote this batch.
 *
 * The kernel's credentials name the writer; the pidfd that guards what is looked up about it comes, by strength,
 *  1. from SO_PEERPIDFD, for the process that made the connection;
 *  2. from SCM_PIDFD, for any other writer: switched on when one shows up, so it comes with the batch after the first;
 *  3. from pidfd_open(pid) after the fact, for that first batch and on kernels before 6.5: the process may be another one by then, so what
 * is looked up through it has the witness "inferred". pid, uid and gid are the kernel's word for the message in each case.
 *
 * Of the process that made the connection it is known when it has ended: who has its pid today is not asked then, he would have to have
 * inherited the connection together with the pid. If he writes again, it is with his own pidfd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/time.h"
#include "session/rings.h"

static void session_want_pidfd(struct kith_session *session, bool want) {
    if (session->pass_pidfd == want)
        return;
    /* A kernel before 6.5 says no: then nothing stronger than "inferred" is to be had. */
    (void)kith_conn_set_pass_pidfd(session->conn, want);
    session->pass_pidfd = want;
}

/* The same process runs another program since it was looked at: what is known and was decided of it is of the one before. Asked now and
 * then (exec-check), as it costs two system calls; no more than a comparison for a process of which nothing was looked up. */
bool kith_session_execed(const struct kith_session *session, struct kith_watch *watch) {
    int64_t max_age_ms = session->profile->numbers[KITH_OPTION_EXEC_CHECK];
    return max_age_ms >= 0 && kith_watch_execed(watch, session->heard_at, (uint64_t)max_age_ms * KITH_NS_PER_MS);
}

/* Is it the process that made the connection? It lives, so the pid was nobody else's since then. */
static bool session_wrote_itself(struct kith_session *session, const struct kith_sender *sender) {
    if (!session->peer_watch)
        return false;
    struct kith_process *process = kith_watch_process(session->peer_watch);
    return kith_process_pid(process) == sender->pid && kith_process_pidfd(process) >= 0 && kith_process_alive(process, true);
}

/* It has the pid of the process that made the connection, which has ended. */
static bool session_wrote_before_it_ended(const struct kith_session *session, const struct kith_sender *sender) {
    if (!session->peer_watch)
        return false;
    struct kith_process *process = kith_watch_process(session->peer_watch);
    return kith_process_pid(process) == sender->pid && !kith_process_alive(process, true);
}

/* Of a process that has ended: nothing will be looked up of it. */
static int session_watch_ended(struct kith_session *session, pid_t pid, struct kith_watch **ret_watch) {
    struct kith_process *process;
    int r = kith_process_new(pid, -1, false, &process);
    if (r < 0)
        return r;
    kith_process_set_dead(process);
    r = kith_watch_get_process(&session->host->watches, process, ret_watch);
    kith_process_unref(process);
    return r;
}

/* The process that wrote, for a pid this namespace sees. */
static int session_find_writer(struct kith_session *session, struct kith_sender *sender, struct kith_watch **ret_watch) {
    int r = 0;
    if (sender->pidfd < 0 && session_wrote_itself(session, sender)) {
        if (kith_session_execed(session, session->peer_watch))
            r = kith_watch_renew(&session->host->watches, &session->peer_watch);
        if (r >= 0)
            *ret_watch = kith_watch_ref(session->peer_watch);
    } else if (sender->pidfd < 0 && session_wrote_before_it_ended(session, sender)) {
        r = session_watch_ended(session, sender->pid, ret_watch);
    } else {
        r = kith_watch_get(&session->host->watches, sender->pid, KITH_STEAL_FD(sender->pidfd), ret_watch);
    }
    if (r < 0)
        return r;
    session_want_pidfd(session, !kith_process_exact(kith_watch_process(*ret_watch)));
    return 0;
}

/* Another process wrote than the one that made the connection: it inherited it, or was passed it; or one that may has stated a pid that is
 * not its own. */
static void session_name_connector(struct kith_session *session, kith_origin *origin, pid_t writer) {
    pid_t connector;
    enum kith_witness witness = kith_origin_pid(session->peer_origin, &connector);
    if (witness != KITH_WITNESS_NONE && connector != writer)
        (void)kith_origin_set_number(origin, KITH_FACT_CONNECTOR, (uint64_t)connector, witness);
}

/* What every origin of this connection has. Without memory for it the key (the user) is unknown, which denies. */
static void session_complete(const struct kith_session *session, kith_origin *origin) {
    if (session->claims)
        kith_origin_set_claims(origin, session->claims);
    if (session->key)
        (void)kith_origin_set_text(origin, KITH_FACT_KEY, session->key, KITH_WITNESS_KEY);
    if (session->user)
        (void)kith_origin_set_text(origin, KITH_FACT_USER, session->user, KITH_WITNESS_KEY);
}

/* From here on `origin` (taken) is who writes; what was decided for the one before it is forgotten with it. */
static void session_set_origin(struct kith_session *session, kith_origin *origin, struct kith_watch *watch, struct kith_writer writer) {
    session_complete(session, origin);
    session_name_connector(session, origin, writer.pid);
    kith_origin_unref(session->origin);
    session->origin = origin;
    kith_judge_forget(session);
    kith_watch_unref(session->writer_watch);
    session->writer_watch = watch;
    session->writer = writer;
}

/* Credentials that say nothing: an origin without facts. */
static int session_identify_nobody(struct kith_session *session) {
    kith_origin *origin;
    int r = kith_origin_new(&origin);
    if (r < 0)
        return r;
    session_set_origin(session, origin, NULL, (struct kith_writer){.known = false});
    return 0;
}

/* May what is known of the last writer be used again? */
static bool session_same_writer(const struct kith_session *session, const struct kith_sender *sender) {
    struct kith_writer now = {.known = sender->known, .pid = sender->pid, .uid = sender->uid, .gid = sender->gid};
    if (!session->origin || !kith_writer_equal(&session->writer, &now))
        return false;
    if (!session->writer_watch)
        return true;
    if (!kith_watch_alive(session->writer_watch))
        return false;
    return sender->pidfd < 0 || kith_process_exact(kith_watch_process(session->writer_watch));
}

/* The same writer after an exec; without a watch when it has ended meanwhile: of the program that wrote nothing is known then. */
static int session_renew_writer(struct kith_session *session, struct kith_watch **ret_watch) {
    struct kith_watch *watch = kith_watch_ref(session->writer_watch);
    int r = kith_watch_renew(&session->host->watches, &watch);
    if (r >= 0)
        *ret_watch = watch;
    else
        kith_watch_unref(watch);
    return r;
}

/* An origin of the kernel's word and the process behind it (taken), which was found or not (`found`, a negative errno). */
static int session_identify_as(struct kith_session *session, const struct kith_sender *sender, struct kith_watch *watch, int found) {
    struct kith_credentials credentials = {.pid = sender->pid, .uid = sender->uid, .gid = sender->gid};
    kith_origin *origin = NULL;
    int r = found == -ESRCH ? 0 : found;
    if (r >= 0)
        r = kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_MESSAGE, watch ? kith_watch_process(watch) : NULL, &origin);
    if (r < 0) {
        kith_watch_unref(watch);
        return r;
    }
    session_set_origin(session, origin, watch,
                       (struct kith_writer){.known = true, .pid = sender->pid, .uid = sender->uid, .gid = sender->gid});
    return 0;
}

/* The same process runs another program: an origin of what it is now. */
static int session_renew(struct kith_session *session) {
    const struct kith_sender sender = {
        .known = true, .pid = session->writer.pid, .uid = session->writer.uid, .gid = session->writer.gid, .pidfd = -1};
    const kith_origin *before = session->origin;
    struct kith_watch *watch = NULL;
    int r = session_renew_writer(session, &watch);
    r = session_identify_as(session, &sender, watch, r);
    if (r >= 0)
        kith_judge_renew(session, before);
    return r;
}

/* Is the connection all that is known of who writes? */
static bool session_is_by_connection(const struct kith_session *session) {
    return !session->place->endpoint.transport->identity || session->profile->numbers[KITH_OPTION_IDENTITY] == 0;
}

/* kith_session_execed() of who made the connection. */
static bool session_peer_execed(struct kith_session *session, uint64_t now) {
    int64_t max_age_ms = session->profile->numbers[KITH_OPTION_EXEC_CHECK];
    if (max_age_ms < 0 || now - session->peer_asked_at < (uint64_t)max_age_ms * KITH_NS_PER_MS)
        return false;
    session->peer_asked_at = now;
    return kith_origin_execed(session->peer_origin);
}

/* Whoever made the connection is looked at anew. */
static int session_renew_peer(struct kith_session *session) {
    const kith_origin *before = session->origin;
    int r = kith_session_identify_peer(session);
    if (r < 0)
        return r;
    session_complete(session, session->peer_origin);
    kith_origin_unref(session->origin);
    session->origin = kith_origin_ref(session->peer_origin);
    kith_judge_forget(session);
    kith_judge_renew(session, before);
    return 0;
}

static int session_identify_by_connection(struct kith_session *session) {
    if (!session->peer_origin)
        return session->origin ? 0 : session_identify_nobody(session);
    if (!session->origin)
        session->origin = kith_origin_ref(session->peer_origin);
    return session_peer_execed(session, session->heard_at) ? session_renew_peer(session) : 0;
}

int kith_session_identify(struct kith_session *session, struct kith_sender *sender) {
    if (session_is_by_connection(session))
        return session_identify_by_connection(session);
    struct kith_watch *watch = NULL;
    int r = 0;
    if (session_same_writer(session, sender)) {
        bool execed = session->writer_watch && kith_session_execed(session, session->writer_watch);
        return execed ? session_renew(session) : 0;
    } else if (!sender->known) {
        return session_identify_nobody(session);
    } else if (sender->pid > 0) {
        r = session_find_writer(session, sender, &watch);
    }
    return session_identify_as(session, sender, watch, r);
}

int kith_session_identify_rings(struct kith_session *session) {
    if (session->profile->numbers[KITH_OPTION_IDENTITY] == 0 || !session->writer.known)
        return 0;
    struct kith_credentials credentials = {.pid = session->writer.pid, .uid = session->writer.uid, .gid = session->writer.gid};
    struct kith_watch *watch = session->writer_watch;
    const kith_origin *before = session->origin;
    kith_origin *origin;
    int r = kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_CONNECT, watch ? kith_watch_process(watch) : NULL, &origin);
    if (r >= 0)
        session_set_origin(session, origin, watch ? kith_watch_ref(watch) : NULL, session->writer);
    if (r >= 0)
        kith_judge_renew(session, before);
    return r;
}

bool kith_session_look_again(struct kith_session *session) {
    int64_t max_age_ms = session->profile->numbers[KITH_OPTION_EXEC_CHECK];
    uint64_t now = kith_loop_now(session->host->loop);
    if (session->conn && session->peer_origin && session_is_by_connection(session))
        return session_peer_execed(session, now) && session_renew_peer(session) >= 0;
    if (!session->writer_watch || max_age_ms < 0 || !kith_watch_execed(session->writer_watch, now, (uint64_t)max_age_ms * KITH_NS_PER_MS))
        return false;
    if (kith_rings_on(session)) {
        kith_rings_closed(session, 0); /* they are of the program before: nobody writes into them in the name of this one */
        return false;
    }
    return session_renew(session) >= 0;
}

int kith_session_identify_peer(struct kith_session *session) {
    struct kith_process *process = NULL;
    kith_origin *origin = NULL;
    const struct kith_transport *transport = session->place->endpoint.transport;
    int r = transport->peer ? transport->peer(session->conn, &process, &origin) : 0;
    if (r < 0)
        return r;
    kith_origin_unref(session->peer_origin);
    session->peer_origin = origin;
    if (!process)
        return 0;
    struct kith_watch *watch;
    r = kith_watch_get_process(&session->host->watches, process, &watch);
    kith_process_unref(process);
    if (r < 0)
        return r;
    /* A pidfd a process, not a connection. */
    kith_origin_share_process(origin, kith_watch_process(watch));
    kith_watch_unref(session->peer_watch);
    session->peer_watch = watch;
    return 0;
}

int kith_session_claim(struct kith_session *session, const char *name, const void *value, size_t size) {
    int r = session->claims ? 0 : kith_claims_new(&session->claims);
    if (r >= 0)
        r = kith_claims_add(session->claims, name, value, size);
    return r == -E2BIG ? 0 : r;
}

void kith_session_share_claims(struct kith_session *session) {
    if (!session->claims)
        return;
    if (session->peer_origin)
        kith_origin_set_claims(session->peer_origin, session->claims);
    if (session->origin && session->origin != session->peer_origin)
        kith_origin_set_claims(session->origin, session->claims);
}

int kith_session_set_routing_id(struct kith_session *session, const void *id, size_t size) {
    if (session->routing_id != session->short_id)
        free(session->routing_id);
    session->routing_id = NULL;
    session->routing_id_size = 0;
    if (size == 0)
        return 0;
    session->routing_id = size <= KITH_SHORT_ID ? session->short_id : malloc(size);
    if (!session->routing_id)
        return -ENOMEM;
    memcpy(session->routing_id, id, size);
    session->routing_id_size = (uint8_t)size;
    return 0;
}

void kith_session_forget(struct kith_session *session) {
    session->peer_type = NULL;
    session->peer_watch = kith_watch_unref(session->peer_watch);
    session->writer_watch = kith_watch_unref(session->writer_watch);
    session->peer_origin = kith_origin_unref(session->peer_origin);
    session->origin = kith_origin_unref(session->origin);
    session->claims = kith_claims_unref(session->claims);
    free(session->key);
    session->key = NULL;
    free(session->user);
    session->user = NULL;
    session->writer = (struct kith_writer){.known = false};
    session->pass_pidfd = false;
    session->peer_asked_at = 0;
}

/* READY ------------------------------------------------------------------------------------------------------------------ */

static int keep_property(struct kith_session *session, const struct kith_zmtp_property *property) {
    if (kith_session_take_feature(session, property))
        return 0;
    if (strcasecmp(property->name, "Socket-Type") == 0 || strcasecmp(property->name, KITH_FEATURE_MEMORY) == 0)
        return 0;
    if (strncasecmp(property->name, "zap:", 4) == 0)
        return 0; /* of such names it is not the peer who speaks */
    /* Most clients send an empty Identity: that claims nothing. */
    if (property->size == 0 && strcasecmp(property->name, "Identity") == 0)
        return 0;
    return kith_session_claim(session, property->name, property->value, property->size);
}

int kith_session_keep_properties(struct kith_session *session, const struct kith_zmtp_event *event) {
    struct kith_zmtp_property property;
    for (size_t i = 0; i < event->ready.property_count && kith_zmtp_peer_property(session->engine, i, &property); i++) {
        int r = keep_property(session, &property);
        if (r < 0)
            return r;
    }
    kith_session_share_claims(session);
    return kith_session_set_routing_id(session, event->ready.routing_id, event->ready.routing_id_size);
}
