/*
 * session/secure.c: the security of one connection: which mechanism, in which role, and who the owner lets in.
 *
 * The mechanism follows from the options alone, never from who bound: CURVE when there is a key to expect (curve-server, curve-server-key),
 * else PLAIN when there is a name to ask for or to tell, else NULL. What a peer shows is the owner's to judge; until it has, nothing more
 * of the peer is read, and its time for the handshake runs on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kith/curve.h>

#include "session/session.h"

/* RFC 27: of a user id; as of a PLAIN user name (RFC 24). */
#define USER_MAX 255

static void security_curve(const struct kith_profile *profile, struct kith_zmtp_options *options) {
    options->security = KITH_ZMTP_SECURITY_CURVE;
    options->as_server = profile->numbers[KITH_OPTION_CURVE_SERVER] != 0;
    options->secret_key = profile->octets[KITH_OPTION_CURVE_SECRET_KEY].data;
    options->public_key = profile->octets[KITH_OPTION_CURVE_PUBLIC_KEY].data;
    options->server_key = profile->octets[KITH_OPTION_CURVE_SERVER_KEY].data;
}

static void security_plain(const struct kith_profile *profile, struct kith_zmtp_options *options) {
    options->security = KITH_ZMTP_SECURITY_PLAIN;
    options->as_server = profile->numbers[KITH_OPTION_PLAIN_SERVER] != 0;
    options->username = profile->octets[KITH_OPTION_PLAIN_USERNAME].data;
    options->username_size = profile->octets[KITH_OPTION_PLAIN_USERNAME].size;
    options->password = profile->octets[KITH_OPTION_PLAIN_PASSWORD].data;
    options->password_size = profile->octets[KITH_OPTION_PLAIN_PASSWORD].size;
}

static bool is_curve(const struct kith_profile *profile) {
    return profile->numbers[KITH_OPTION_CURVE_SERVER] != 0 || profile->octets[KITH_OPTION_CURVE_SERVER_KEY].data;
}

bool kith_session_passes(const struct kith_session *session) {
    return session->link == &kith_link_zmtp && session->place->endpoint.transport->identity && !is_curve(session->profile);
}

void kith_session_security(const struct kith_session *session, struct kith_zmtp_options *options) {
    const struct kith_profile *profile = session->profile;
    if (is_curve(profile))
        security_curve(profile, options);
    else if (profile->numbers[KITH_OPTION_PLAIN_SERVER] != 0 || profile->octets[KITH_OPTION_PLAIN_USERNAME].data)
        security_plain(profile, options);
    else
        options->ask = profile->octets[KITH_OPTION_ZAP_DOMAIN].data != NULL;
}

bool kith_session_proves(const struct kith_session *session) {
    struct kith_zmtp_options options = {0};
    if (session->link != &kith_link_zmtp)
        return false;
    kith_session_security(session, &options);
    /* By PLAIN the client shows its name and password, and the server nothing. */
    if (options.security == KITH_ZMTP_SECURITY_PLAIN)
        return options.as_server;
    return options.security != KITH_ZMTP_SECURITY_NULL || options.ask;
}

/* A fact of the connection: of the origins that there are, and of those to come (*place, text is taken). */
static int set_proved(struct kith_session *session, enum kith_fact fact, char *text, char **place) {
    free(*place);
    *place = text;
    kith_judge_forget(session);
    int r = 0;
    if (session->peer_origin)
        r = kith_origin_set_text(session->peer_origin, fact, text, KITH_WITNESS_KEY);
    if (r >= 0 && session->origin && session->origin != session->peer_origin)
        r = kith_origin_set_text(session->origin, fact, text, KITH_WITNESS_KEY);
    return r;
}

int kith_session_set_key(struct kith_session *session, const uint8_t *public_key) {
    char *text = malloc(KITH_CURVE_TEXT_SIZE);
    if (!text)
        return -ENOMEM;
    (void)kith_z85_encode(public_key, KITH_CURVE_KEY_SIZE, text, KITH_CURVE_TEXT_SIZE);
    return set_proved(session, KITH_FACT_KEY, text, &session->key);
}

int kith_session_set_user(struct kith_session *session, const void *name, size_t size) {
    if (size == 0 || size > USER_MAX || memchr(name, '\0', size))
        return 0;
    char *text = strndup(name, size);
    return text ? set_proved(session, KITH_FACT_USER, text, &session->user) : -ENOMEM;
}

void kith_session_shown(struct kith_session *session, const struct kith_zmtp_event *event) {
    const struct kith_credentials_shown shown = {
        .mechanism = event->credentials.mechanism,
        .username = event->credentials.username,
        .username_size = event->credentials.username_size,
        .password = event->credentials.password,
        .password_size = event->credentials.password_size,
        .public_key = event->credentials.public_key,
    };
    if (shown.public_key && kith_session_set_key(session, shown.public_key) < 0) {
        kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    session->asking = true;
    if (session->host->ops->credentials)
        session->host->ops->credentials(session, &shown, session->host->userdata);
    else
        kith_session_authenticate(session, 400, "nobody decides on credentials here");
    session->asking = false;
}

int kith_session_vouch(struct kith_session *session, const char *name, const void *value, size_t size) {
    char prefixed[sizeof("zap:") + 255];
    if (snprintf(prefixed, sizeof(prefixed), "zap:%s", name) >= (int)sizeof(prefixed))
        return 0;
    return kith_session_claim(session, prefixed, value, size);
}

static void session_turn_away(struct kith_session *session, unsigned status, const char *why) {
    kith_session_tell(session, KITH_EVENT_AUTHENTICATION_FAILED, -EACCES, 1, "not let in (%u): %s", status, why);
    if (session->state != KITH_SESSION_HANDSHAKE)
        return;
    if (status == 300)
        kith_session_fail(session, -EACCES, "not let in for now");
    else
        kith_session_dismiss(session);
}

/* It has proved who it is, and the handler let it in: does the policy? */
static bool session_judge_proved(struct kith_session *session) {
    kith_session_ref(session);
    bool allow = kith_session_judge_proved(session);
    if (!allow && session->state == KITH_SESSION_HANDSHAKE) {
        (void)kith_zmtp_refuse(session->engine, kith_session_peer_denial(session));
        kith_session_dismiss(session);
    }
    kith_session_unref(session);
    return allow;
}

void kith_session_authenticate(struct kith_session *session, unsigned status, const char *why) {
    const bool waiting = session->waiting;
    if (session->state != KITH_SESSION_HANDSHAKE || (!waiting && !session->asking))
        return;
    session->asking = session->waiting = false;
    if (status == 200 && !session_judge_proved(session))
        return;
    if (kith_zmtp_authenticate(session->engine, status) < 0) {
        kith_session_fail(session, -ENOMEM, "out of memory in the handshake");
        return;
    }
    kith_session_ref(session);
    if (status != 200)
        session_turn_away(session, status, why);
    else if (waiting)
        kith_link_zmtp_go_on(session);
    kith_session_unref(session);
}
