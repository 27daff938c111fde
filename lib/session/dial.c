/* session/dial.c: see dial.h. */
#include "session/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kith/resolve.h>

#include "base/error.h"
#include "session/link-stream.h"

struct kith_dial {
    kith_resolve *request;          /* until it is over */
    struct kith_address *addresses; /* [next, count) are still to be tried */
    size_t count, next;
};

struct kith_dial *kith_dial_free(struct kith_dial *dial) {
    if (!dial)
        return NULL;
    kith_resolve_free(dial->request);
    free(dial->addresses);
    free(dial);
    return NULL;
}

/* The first that can be tried at all. False: none is left, and *error is that of the last tried, if any was. */
static bool try_next(struct kith_session *session, int *error) {
    struct kith_dial *dial = session->dial;
    while (dial->next < dial->count) {
        int r = kith_link_stream_try(session, &dial->addresses[dial->next++]);
        if (r >= 0)
            return true;
        *error = r;
    }
    return false;
}

static void describe_end(const struct kith_session *session, int error, char *text, size_t size) {
    const struct kith_dial *dial = session->dial;
    char last[KITH_ENDPOINT_MAX] = "";
    (void)kith_address_format(&dial->addresses[dial->count - 1], last, sizeof(last));
    if (dial->count == 1)
        (void)snprintf(text, size, "%s is %s: %s", session->place->endpoint.name, last, kith_error_name(error));
    else
        (void)snprintf(text, size, "%s: none of its %zu addresses answers; the last, %s: %s", session->place->endpoint.name, dial->count,
                       last, kith_error_name(error));
}

bool kith_dial_next(struct kith_session *session, int error, char *text, size_t text_size) {
    if (!session->dial || session->state != KITH_SESSION_CONNECTING)
        return false;
    if (try_next(session, &error))
        return true;
    describe_end(session, error, text, text_size);
    return false;
}

static void on_resolved(kith_resolve *request, const struct kith_address *addresses, size_t count, const struct kith_error *error,
                        void *userdata) {
    (void)request;
    struct kith_session *session = userdata;
    struct kith_dial *dial = session->dial;
    char text[KITH_ERROR_TEXT_MAX];
    dial->request = kith_resolve_free(dial->request);
    if (error) {
        kith_session_fail(session, error->code, error->text);
        return;
    }
    dial->addresses = calloc(count, sizeof(*addresses));
    if (!dial->addresses) {
        kith_session_fail(session, -ENOMEM, "out of memory while connecting");
        return;
    }
    memcpy(dial->addresses, addresses, count * sizeof(*addresses));
    dial->count = count;
    int r = 0;
    if (!try_next(session, &r)) {
        describe_end(session, r, text, sizeof(text));
        kith_session_fail(session, r, text);
    }
}

int kith_dial_begin(struct kith_session *session) {
    const struct kith_endpoint *endpoint = &session->place->endpoint;
    struct kith_resolve_options options = {.timeout_ms = kith_link_stream_connect_ms(session)};
    session->dial = kith_dial_free(session->dial);
    session->dial = calloc(1, sizeof(*session->dial));
    if (!session->dial)
        return -ENOMEM;
    int r = kith_resolve_new(session->host->loop, endpoint->name, endpoint->port, &options, on_resolved, session, &session->dial->request);
    if (r < 0)
        session->dial = kith_dial_free(session->dial);
    return r;
}
