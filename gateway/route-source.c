/* gateway/route-source.c: see route-source.h. */
#include "gateway/route-source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gateway/cleanup.h"
#include "gateway/endpoints.h"
#include "gateway/origin-json.h"
#include "gateway/route-receipts.h"
#include "gateway/route-record.h"

/* Nobody tells when there is memory again. */
#define RETRY_MS 100
/* A large message does not hold its memory for ever. */
#define BUFFER_KEPT ((size_t)256 << 10)

struct route_source {
    struct route_source_options options;
    kith_socket *socket; /* NULL: stopped */
    bool acknowledges;   /* its messages have receipts */
    kith_msg *held;      /* the queue had no room for it */
    kith_timer *retry;   /* armed while memory is short */
    bool stopped;
    struct route_receipts receipts;
    kith_origin *origin; /* whose JSON form is kept: messages of one sender come in a row */
    char *origin_json;
    uint8_t *buffer; /* of a record */
    size_t buffer_size;
    struct route_source_counts counts;
};

/* Kinds of log lines beside the events of sockets, as keys of the rate limits. */
enum line {
    LINE_FRAMES = KITH_EVENT_COUNT_ + 64,
    LINE_SIZE,
    LINE_WAITS,
    LINE_MEMORY,
};

static void complain(struct route_source *source, enum line line, const char *what) {
    gateway_log_limited(source->options.log, LOG_WARNING, (uint64_t)line << 32 | (uint32_t)(uintptr_t)source, "%s: %s: %s",
                        source->options.who, source->options.endpoint, what);
}

/* Records ---------------------------------------------------------------------------------------------------------- */

/* The JSON form of who sent the message; NULL: nobody wants it. Errors: -ENOMEM. */
static int find_origin(struct route_source *source, const kith_msg *msg, const char **ret_json) {
    kith_origin *origin = kith_msg_origin(msg);
    *ret_json = NULL;
    if (!source->options.with_origin)
        return 0;
    if (!source->origin_json || origin != source->origin) {
        free(KITH_STEAL(source->origin_json));
        int r = gateway_origin_json(origin, &source->origin_json);
        if (r < 0)
            return r;
        kith_origin_unref(source->origin);
        source->origin = origin ? kith_origin_ref(origin) : NULL;
    }
    *ret_json = source->origin_json;
    return 0;
}

static int reserve(struct route_source *source, size_t size) {
    if (size <= source->buffer_size)
        return 0;
    free(source->buffer);
    source->buffer = malloc(size);
    source->buffer_size = source->buffer ? size : 0;
    return source->buffer ? 0 : -ENOMEM;
}

static void let_go(struct route_source *source) {
    if (source->buffer_size <= BUFFER_KEPT)
        return;
    free(KITH_STEAL(source->buffer));
    source->buffer_size = 0;
}

/* The message's record in the buffer, frames from `first` on. */
static int put_record(struct route_source *source, const kith_msg *msg, size_t first, const char *origin, size_t *ret_size) {
    size_t head = route_record_head_size(origin), size = head + kith_msg_size(msg), frame_size;
    int r = reserve(source, size > 0 ? size : 1);
    if (r < 0)
        return r;
    route_record_put_head(source->buffer, origin);
    for (size = head; first < kith_msg_count(msg); first++, size += frame_size) {
        const uint8_t *frame = kith_msg_frame(msg, first, &frame_size);
        memcpy(source->buffer + size, frame, frame_size);
    }
    *ret_size = size;
    return 0;
}

static int append(struct route_source *source, const kith_msg *msg) {
    const char *origin;
    size_t first = source->options.config->frames == GATEWAY_FRAMES_LAST ? kith_msg_count(msg) - 1 : 0, size = 0;
    int r = find_origin(source, msg, &origin);
    if (r < 0)
        return r;
    uint32_t flags = (origin ? ROUTE_RECORD_ORIGIN : 0) | (kith_msg_again(msg) ? ROUTE_RECORD_AGAIN : 0);
    const void *data = kith_msg_frame(msg, first, &size);
    if (origin || first + 1 < kith_msg_count(msg)) {
        r = put_record(source, msg, first, origin, &size);
        data = source->buffer;
    }
    if (r >= 0)
        r = route_queue_append(source->options.queue, source->options.endpoint, kith_msg_sequence(msg), flags, data, size);
    let_go(source);
    return r;
}

/* Acknowledgements ------------------------------------------------------------------------------------------------- */

void route_source_safe(struct route_source *source, uint64_t upto) {
    struct kith_receipt receipt;
    while (route_receipts_take(&source->receipts, upto, &receipt)) {
        /* A connection that has gone needs none. */
        if (source->socket)
            (void)kith_socket_acknowledge(source->socket, &receipt);
        source->counts.acknowledged++;
    }
}

/* The message is dealt with when all that is in the queue now is safe. Without memory it comes again. */
static void note_receipt(struct route_source *source, const kith_msg *msg) {
    struct kith_receipt receipt;
    struct route_queue *queue = source->options.queue;
    if (!kith_msg_receipt(msg, &receipt))
        return;
    source->acknowledges = true;
    if (route_receipts_push(&source->receipts, route_queue_last(queue), &receipt) < 0)
        complain(source, LINE_MEMORY, "out of memory: a message is not acknowledged, and will come again");
    if (route_queue_last(queue) == route_queue_safe(queue))
        route_source_safe(source, route_queue_safe(queue));
}

/* Messages --------------------------------------------------------------------------------------------------------- */

static void refuse(struct route_source *source, enum line line, const kith_msg *msg, const char *what) {
    source->counts.refused++;
    complain(source, line, what);
    note_receipt(source, msg);
}

/* False: there is no room now; the message is as before. */
static bool take(struct route_source *source, const kith_msg *msg) {
    if (kith_msg_count(msg) > 1 && source->options.config->frames == GATEWAY_FRAMES_REFUSE) {
        refuse(source, LINE_FRAMES, msg, "a message of several frames is refused: write frames = \"join\" or \"last\" to have it");
        return true;
    }
    int r = append(source, msg);
    if (r >= 0) {
        source->counts.queued++;
        note_receipt(source, msg);
        return true;
    }
    if (r == -EMSGSIZE || r == -EINVAL) {
        refuse(source, LINE_SIZE, msg, "a message is refused: it is larger than what may wait (spool_bytes, queue_bytes)");
        return true;
    }
    if (r == -ENOSPC)
        complain(source, LINE_WAITS, "is not read from: the spool is full (spool_bytes)");
    if (r == -ENOMEM) {
        complain(source, LINE_MEMORY, "is not read from for a moment: out of memory");
        kith_timer_arm(source->retry, RETRY_MS, 0);
    }
    return false;
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct route_source *source = userdata;
    gateway_log_told(source->options.log, socket, event);
    gateway_log_event(source->options.log, source->options.who, event);
}

static const struct kith_socket_handler closed = {.event = on_event};

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct route_source *source = userdata;
    source->counts.received++;
    source->counts.again += kith_msg_again(msg);
    if (take(source, msg)) {
        kith_msg_free(msg);
        return;
    }
    source->held = msg;
    source->counts.waits++;
    kith_socket_set_handler(socket, &closed, source);
}

static const struct kith_socket_handler open_handler = {.message = on_message, .event = on_event};

kith_socket *route_source_socket(const struct route_source *source) {
    return source->socket;
}

void route_source_resume(struct route_source *source) {
    if (!source->held || !take(source, source->held))
        return;
    source->held = kith_msg_free(source->held);
    if (!source->stopped)
        kith_socket_set_handler(source->socket, &open_handler, source);
}

static void on_retry(kith_timer *timer, void *userdata) {
    route_source_resume(userdata);
}

/* Peers that wait for no acknowledgement keep what they have not sent. A channel of the kernel keeps what is not acknowledged, which goes
 * on to the end. */
void route_source_stop(struct route_source *source) {
    source->stopped = true;
    if (source->socket)
        kith_socket_set_handler(source->socket, &closed, source);
    route_source_resume(source);
    if (!source->acknowledges)
        source->socket = kith_socket_free(source->socket);
}

/* Making ----------------------------------------------------------------------------------------------------------- */

static int subscribe_to(struct route_source *source, const char *topic) {
    enum kith_socket_type type = source->options.config->from_type;
    return type == KITH_SUB    ? kith_socket_subscribe(source->socket, topic, strlen(topic))
           : type == KITH_DISH ? kith_socket_join(source->socket, topic)
                               : 0;
}

static int subscribe(struct route_source *source) {
    char **topics = source->options.config->subscribe;
    if (!topics)
        return subscribe_to(source, "");
    int r = 0;
    while (r >= 0 && *topics)
        r = subscribe_to(source, *topics++);
    return r;
}

static int open_socket(struct route_source *source, struct kith_error *ret_error) {
    const struct gateway_route_config *config = source->options.config;
    char *endpoints[] = {(char *)source->options.endpoint, NULL};
    struct kith_error error = KITH_ERROR_NONE;
    kith_socket_set_policy(source->socket, config->policy);
    kith_socket_set_handler(source->socket, &open_handler, source);
    int r = subscribe(source);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: subscribe: %s", source->options.who, kith_error_name(r));
    gateway_endpoints_make_directories(source->options.bind ? endpoints : NULL, config->mode);
    r = gateway_endpoints_set_options(source->socket, config->name, config->options, config->option_count, config->mode, &error);
    if (r >= 0)
        r = kith_socket_set_number(source->socket, KITH_OPTION_MANUAL_ACK, 1, &error);
    if (r >= 0)
        r = source->options.bind ? gateway_endpoints_bind(source->socket, endpoints, &error)
                                 : gateway_endpoints_connect(source->socket, endpoints, &error);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", source->options.who, error.text) : 0;
}

int route_source_new(const struct route_source_options *options, struct route_source **ret_source, struct kith_error *ret_error) {
    _cleanup_(route_source_freep) struct route_source *source = calloc(1, sizeof(*source));
    if (!source)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", options->who);
    source->options = *options;
    int r = kith_socket_new(options->loop, options->config->from_type, &source->socket);
    if (r >= 0)
        r = kith_timer_new(options->loop, on_retry, source, &source->retry);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: cannot make a socket: %s", options->who, kith_error_name(r));
    r = open_socket(source, ret_error);
    if (r < 0)
        return r;
    *ret_source = KITH_STEAL(source);
    return 0;
}

struct route_source *route_source_free(struct route_source *source) {
    if (!source)
        return NULL;
    kith_socket_free(source->socket);
    kith_timer_free(source->retry);
    kith_msg_free(source->held);
    kith_origin_unref(source->origin);
    route_receipts_deinit(&source->receipts);
    free(source->origin_json);
    free(source->buffer);
    free(source);
    return NULL;
}

void route_source_set_policy(struct route_source *source, kith_policy *policy) {
    if (source->socket)
        kith_socket_set_policy(source->socket, policy);
}

void route_source_counts(const struct route_source *source, struct route_source_counts *ret_counts) {
    *ret_counts = source->counts;
    ret_counts->endpoint = source->options.endpoint;
    ret_counts->peers = source->socket ? kith_socket_peer_count(source->socket) : 0;
    ret_counts->waiting = source->held != NULL;
}
