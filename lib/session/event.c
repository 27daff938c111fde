/* session/event.c: events with the peer's name in front of what happened. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
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
    [KITH_EVENT_HANDSHAKING] = "handshaking",
    [KITH_EVENT_SUBSCRIBED] = "subscribed",
    [KITH_EVENT_UNSUBSCRIBED] = "unsubscribed",
    [KITH_EVENT_HIGH_WATER] = "high-water",
    [KITH_EVENT_DENIED_SUBSCRIBE] = "denied-subscribe",
    [KITH_EVENT_DENIED_RECEIVE] = "denied-receive",
};

const char *kith_event_name(enum kith_event_type type) {
    return (unsigned)type < KITH_EVENT_COUNT_ ? event_names[type] : "unknown";
}

/* Room for an endpoint, an exe path and a sentence; longer texts are cut. */
#define EVENT_TEXT_MAX 1024

static kith_origin *session_who(const struct kith_session *session) {
    return session->origin ? session->origin : session->peer_origin;
}

static void describe(kith_origin *origin, char *text, size_t size) {
    text[0] = '\0';
    if (origin)
        (void)kith_origin_format(origin, text, size);
    if (text[0] == '\0')
        (void)snprintf(text, size, "unknown peer");
}

void kith_session_describe(struct kith_session *session, char *text, size_t size) {
    describe(session_who(session), text, size);
}

/* Peers come and go by the thousand, and few who listen to events read of each: its program and its unit are then not looked up for the
 * text, but named when they are known. Who wants them has the origin. */
static bool is_usual(enum kith_event_type type) {
    return type == KITH_EVENT_HANDSHAKING || type == KITH_EVENT_CONNECTED || type == KITH_EVENT_DISCONNECTED ||
           type == KITH_EVENT_SUBSCRIBED || type == KITH_EVENT_UNSUBSCRIBED || type == KITH_EVENT_HIGH_WATER;
}

static void describe_for(enum kith_event_type type, kith_origin *origin, char *text, size_t size) {
    if (is_usual(type))
        (void)kith_origin_format_at_hand(origin, text, size);
    else
        describe(origin, text, size);
}

/* What the event has of its own is in it already: an origin when it is about another than who wrote last. */
static void __attribute__((format(printf, 3, 0)))
tell(struct kith_session *session, struct kith_event *event, const char *format, va_list args) {
    char text[EVENT_TEXT_MAX];
    if (!event->origin)
        event->origin = session_who(session);
    /* A peer that was never reached has no name: then the endpoint alone says it. */
    if (event->origin) {
        describe_for(event->type, event->origin, text, sizeof(text) / 2);
        strcat(text, ": ");
    } else {
        text[0] = '\0';
    }
    size_t used = strlen(text);
    (void)vsnprintf(text + used, sizeof(text) - used, format, args);
    event->endpoint = session->place->text;
    event->peer = session->peer;
    event->text = text;
    session->host->ops->event(event, session->host->userdata);
}

static void __attribute__((format(printf, 5, 0)))
tell_counted(struct kith_session *session, enum kith_event_type type, int error, uint64_t count, const char *format, va_list args) {
    struct kith_event event = {.type = type, .error = error, .count = count};
    if (session->host->tells)
        tell(session, &event, format, args);
}

void kith_session_tell(struct kith_session *session, enum kith_event_type type, int error, uint64_t count, const char *format, ...) {
    va_list args;
    kith_counters_note(&session->counters, type, count);
    va_start(args, format);
    tell_counted(session, type, error, count, format, args);
    va_end(args);
}

void kith_session_tell_late(struct kith_session *session, enum kith_event_type type, int error, uint64_t count, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell_counted(session, type, error, count, format, args);
    va_end(args);
}

static void tell_event(struct kith_session *session, struct kith_event *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell_event(struct kith_session *session, struct kith_event *event, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell(session, event, format, args);
    va_end(args);
}

/* Of a topic in a text: longer ones are cut. */
#define TOPIC_TEXT_MAX 128

void kith_session_tell_topic(struct kith_session *session, enum kith_event_type type, const void *topic, size_t size) {
    if (!session->host->tells)
        return;
    char name[TOPIC_TEXT_MAX];
    struct kith_text text = kith_text_init(name, sizeof(name));
    kith_text_put_printable(&text, topic, size);
    struct kith_event event = {.type = type, .count = 1, .topic = size > 0 ? topic : "", .topic_size = size};
    tell_event(session, &event, "%s \"%s\"", type == KITH_EVENT_SUBSCRIBED ? "subscribed to" : "takes back", name);
}

static enum kith_event_type denied_type(enum kith_verb verb) {
    switch (verb) {
    case KITH_VERB_SEND:
        return KITH_EVENT_DENIED_SEND;
    case KITH_VERB_SUBSCRIBE:
        return KITH_EVENT_DENIED_SUBSCRIBE;
    case KITH_VERB_RECEIVE:
        return KITH_EVENT_DENIED_RECEIVE;
    default: /* of us to them, or of them to us */
        return KITH_EVENT_DENIED_CONNECT;
    }
}

void kith_session_tell_rule(struct kith_session *session, kith_origin *who, enum kith_verb verb, const struct kith_verdict *verdict,
                            uint64_t count, const void *topic, size_t size) {
    struct kith_event event = {.type = denied_type(verb),
                               .origin = who,
                               .error = -EACCES,
                               .count = count,
                               .topic = topic,
                               .topic_size = size,
                               .verb = verb,
                               .rule = verdict->rule >= 0 ? verdict->rule_name : NULL};
    kith_counters_note(&session->counters, event.type, count);
    if (!session->host->tells)
        return;
    char name[TOPIC_TEXT_MAX] = "";
    struct kith_text text = kith_text_init(name, sizeof(name));
    kith_text_put_printable(&text, topic, size);
    bool rule = verdict->rule >= 0;
    kith_policy *policy = session->host->policy ? kith_policy_ref(session->host->policy) : NULL; /* the name is its */
    if (who)
        kith_origin_ref(who); /* who is told may close the session, whose it is */
    tell_event(session, &event, "policy: %s%s%s%s denied by %s%s%s", kith_verb_name(verb), topic ? " \"" : "", name, topic ? "\"" : "",
               rule ? "rule \"" : "", verdict->rule_name, rule ? "\"" : "");
    kith_origin_unref(who);
    kith_policy_unref(policy);
}

void kith_session_host_tell(struct kith_session_host *host, enum kith_event_type type, const char *endpoint, int error, uint64_t count,
                            const char *format, ...) {
    kith_counters_note(&host->past, type, count);
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
