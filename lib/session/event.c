/* session/event.c: events with the peer's name in front of what happened. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "session/session.h"

static const char *const event_names[KITH_EVENT_COUNT_] = {
    [KITH_EVENT_LISTENING] = "listening",
    [KITH_EVENT_CONNECTED] = "connected",
    [KITH_EVENT_DISCONNECTED] = "disconnected",
    [KITH_EVENT_HANDSHAKE_FAILED] = "handshake-failed",
    [KITH_EVENT_RETRY] = "retry",
    [KITH_EVENT_REFUSED] = "refused",
    [KITH_EVENT_DENIED_CONNECT] = "denied-connect",
    [KITH_EVENT_DENIED_SEND] = "denied-send",
    [KITH_EVENT_DUPLICATE_ID] = "duplicate-id",
    [KITH_EVENT_SPLIT_MESSAGE] = "split-message",
    [KITH_EVENT_DROPPED] = "dropped",
    [KITH_EVENT_FDS_REFUSED] = "fds-refused",
    [KITH_EVENT_ACCEPT_FAILED] = "accept-failed",
    [KITH_EVENT_UNBOUND] = "unbound",
    [KITH_EVENT_GIVEN_UP] = "given-up",
    [KITH_EVENT_PEER_REFUSED] = "peer-refused",
    [KITH_EVENT_SUBSCRIPTIONS_REFUSED] = "subscriptions-refused",
    [KITH_EVENT_AUTHENTICATION_FAILED] = "authentication-failed",
    [KITH_EVENT_FDS_LOST] = "fds-lost",
};

const char *kith_event_name(enum kith_event_type type) {
    return (unsigned)type < KITH_EVENT_COUNT_ ? event_names[type] : "unknown";
}

/* Room for an endpoint, an exe path and a sentence; longer texts are cut. */
#define EVENT_TEXT_MAX 1024

void kith_session_describe(struct kith_session *session, char *text, size_t size) {
    kith_origin *origin = session->origin ? session->origin : session->peer_origin;
    text[0] = '\0';
    if (origin)
        (void)kith_origin_format(origin, text, size);
    if (text[0] == '\0')
        (void)snprintf(text, size, "unknown peer");
}

/* Peers come and go by the thousand, and few who listen to events read of each: its program and its unit are then not looked up for the
 * text, but named when they are known. Who wants them has the origin. */
static void describe_for(struct kith_session *session, enum kith_event_type type, char *text, size_t size) {
    if (type == KITH_EVENT_CONNECTED || type == KITH_EVENT_DISCONNECTED)
        (void)kith_origin_format_at_hand(session->origin ? session->origin : session->peer_origin, text, size);
    else
        kith_session_describe(session, text, size);
}

void kith_session_tell(struct kith_session *session, enum kith_event_type type, int error, uint64_t count, const char *format, ...) {
    struct kith_session_host *host = session->host;
    if (!host->tells)
        return;
    char text[EVENT_TEXT_MAX];
    /* A peer that was never reached has no name: then the endpoint alone says it. */
    if (session->origin || session->peer_origin) {
        describe_for(session, type, text, sizeof(text) / 2);
        strcat(text, ": ");
    } else {
        text[0] = '\0';
    }
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + used, sizeof(text) - used, format, args);
    va_end(args);
    struct kith_event event = {.type = type,
                               .endpoint = session->place->text,
                               .origin = session->origin ? session->origin : session->peer_origin,
                               .error = error,
                               .count = count,
                               .text = text};
    host->ops->event(&event, host->userdata);
}

void kith_session_host_tell(struct kith_session_host *host, enum kith_event_type type, const char *endpoint, int error, uint64_t count,
                            const char *format, ...) {
    if (!host->tells)
        return;
    char text[EVENT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct kith_event event = {.type = type, .endpoint = endpoint, .error = error, .count = count, .text = text};
    host->ops->event(&event, host->userdata);
}
