/*
 * gateway/route-target.c: see route-target.h.
 *
 * `passed` is the last id that the output took, or that it can never carry; `in_output` the last one it took. When that is done, so is all
 * that was passed over behind it.
 */
#include "gateway/route-target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "gateway/cleanup.h"
#include "gateway/route-record.h"

/* Octets that are read from the queue at once. */
#define CHUNK ((size_t)256 << 10)
/* After the disk failed, or memory was short. */
#define RETRY_MS 1000

struct route_target {
    struct route_target_options options;
    struct output *output;
    kith_timer *timer; /* to go on reading */
    uint64_t passed, in_output;
    uint64_t highest; /* that the output ever took */
    bool ready;       /* the output takes messages */
    bool up;          /* it was said so */
    bool stopping, draining, ended;
    bool guarded; /* the far end is under a policy */
    uint64_t deadline_ms;
    uint64_t refused;
    char *origin; /* JSON of the message under way */
    size_t origin_size;
    char last_line[OUTPUT_LOG_LINE_MAX];
};

static void log_limited(struct route_target *target, int priority, const char *what) {
    gateway_log_limited(target->options.log, priority, (uint64_t)(uintptr_t)target, "%s: %s: %s", target->options.who,
                        target->options.config->name, what);
}

/* Messages --------------------------------------------------------------------------------------------------------- */

static int reserve_origin(struct route_target *target, size_t size) {
    if (size <= target->origin_size)
        return 0;
    char *origin = realloc(target->origin, size);
    if (!origin)
        return -ENOMEM;
    target->origin = origin;
    target->origin_size = size;
    return 0;
}

static void put_hex(char *text, const uint8_t *octets, size_t size) {
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", octets[i]);
}

/* The origin's JSON with a first member of the gateway's own. Errors: -ENOMEM. */
static int put_origin(struct route_target *target, const struct spool_message *message, const struct route_record *record) {
    uint8_t id[SPOOL_ID_SIZE];
    char hex[2 * SPOOL_ID_SIZE + 1] = "", own[192];
    bool again = message->again || message->id <= target->highest || (message->flags & ROUTE_RECORD_AGAIN);
    route_queue_id(target->options.queue, id);
    put_hex(hex, id, sizeof(id));
    /* What was stored as an object has at least its braces. */
    size_t rest = record->origin_size >= 2 ? record->origin_size - 1 : 1;
    const char *facts = record->origin_size >= 2 ? record->origin + 1 : "}";
    int length =
        snprintf(own, sizeof(own), "{\"message\":{\"spool\":\"%s\",\"source_sequence\":%" PRIu64 ",\"time\":%" PRId64 ",\"again\":%s}%s",
                 hex, message->sequence, message->time_ms, again ? "true" : "false", rest > 1 ? "," : "");
    int r = reserve_origin(target, (size_t)length + rest + 1);
    if (r < 0)
        return r;
    memcpy(target->origin, own, (size_t)length);
    memcpy(target->origin + length, facts, rest);
    target->origin[(size_t)length + rest] = '\0';
    return 0;
}

static void pass(struct route_target *target, uint64_t id) {
    target->passed = id;
    if (id > target->highest)
        target->highest = id;
}

static void refuse(struct route_target *target, uint64_t id, int error) {
    bool idle = target->in_output <= route_queue_cursor(target->options.queue, target->options.index);
    if (id > target->highest) {
        char what[192];
        snprintf(what, sizeof(what), "message %" PRIu64 " cannot be carried and is passed over: %s", id,
                 error == -EMSGSIZE  ? "it is too long for its framing"
                 : error == -EBADMSG ? "it has a newline: use newline = \"escape\" or framing = \"length\""
                 : error == -EACCES  ? "the target's policy denies it to who is there (receive)"
                                     : "what the queue has of it is no message");
        log_limited(target, LOG_WARNING, what);
        target->refused++;
    }
    pass(target, id);
    if (idle)
        route_queue_done(target->options.queue, target->options.index, id);
}

static int send_message(struct route_target *target, const struct spool_message *message) {
    struct route_record record;
    const struct output_options *options = &target->options.config->options;
    if (route_record_parse(message->flags, message->data, message->size, &record) < 0)
        return -EILSEQ;
    int r = options->origin ? put_origin(target, message, &record) : 0;
    if (r < 0)
        return r;
    struct output_message out = {.id = message->id,
                                 .source = message->source,
                                 .body = record.body,
                                 .size = record.size,
                                 .origin = options->origin ? target->origin : NULL};
    return output_send(target->output, &out);
}

/* A callback of route_queue_read(). */
static int take(const struct spool_message *message, void *userdata) {
    struct route_target *target = userdata;
    int r = send_message(target, message);
    switch (r) {
    case 0:
        target->in_output = message->id;
        pass(target, message->id);
        return 0;
    case -EBADMSG:
    case -EMSGSIZE:
    case -EACCES:
    case -EILSEQ:
        refuse(target, message->id, r);
        return 0;
    case -EAGAIN: /* `ready` will come */
    case -EPIPE:
        target->ready = false;
        return 1;
    default: /* -ENOMEM */
        log_limited(target, LOG_WARNING, kith_error_name(r));
        target->ready = false;
        kith_timer_arm(target->timer, RETRY_MS, 0);
        return 1;
    }
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

static bool has_all(const struct route_target *target) {
    return route_queue_cursor(target->options.queue, target->options.index) >= route_queue_last(target->options.queue);
}

/* What a queue keeps can wait for the next process. */
static void drain_when_due(struct route_target *target) {
    if (!target->stopping || target->draining || (!route_queue_keeps(target->options.queue) && !has_all(target)))
        return;
    target->draining = true;
    target->ready = false;
    output_drain(target->output, (int64_t)target->deadline_ms);
}

void route_target_pump(struct route_target *target) {
    struct kith_error error = KITH_ERROR_NONE;
    drain_when_due(target);
    if (!target->ready || target->draining)
        return;
    int r = route_queue_read(target->options.queue, target->passed, CHUNK, take, target, &error);
    if (r < 0 && r != -EUCLEAN) { /* then `readable` tells when to go on */
        log_limited(target, LOG_ERR, error.text);
        kith_timer_arm(target->timer, RETRY_MS, 0);
    } else if (r > 0 && target->ready) {
        kith_timer_arm(target->timer, 0, 0); /* others have their turn between chunks */
    }
}

static void on_timer(kith_timer *timer, void *userdata) {
    struct route_target *target = userdata;
    target->ready = target->ready || target->up;
    route_target_pump(target);
}

/* The output ------------------------------------------------------------------------------------------------------- */

static void on_done(struct output *output, uint64_t upto, void *userdata) {
    struct route_target *target = userdata;
    route_queue_done(target->options.queue, target->options.index, upto >= target->in_output ? target->passed : upto);
    drain_when_due(target);
}

static void on_back(struct output *output, uint64_t from, void *userdata) {
    struct route_target *target = userdata;
    target->passed = target->in_output = from - 1;
    target->ready = false;
    route_queue_done(target->options.queue, target->options.index, from - 1);
}

static void on_ready(struct output *output, void *userdata) {
    struct route_target *target = userdata;
    if (!target->up) {
        target->up = true;
        *target->last_line = '\0';
        gateway_log(target->options.log, LOG_NOTICE, "%s: %s: up", target->options.who, target->options.config->name);
    }
    target->ready = true;
    route_target_pump(target);
}

static void on_ended(struct output *output, void *userdata) {
    struct route_target *target = userdata;
    target->ended = true;
    target->options.ended(target->options.userdata);
}

/* A loss is news; that it lasts is not. */
static void on_log(struct output *output, int priority, const char *line, void *userdata) {
    struct route_target *target = userdata;
    struct output_stats stats;
    output_stats(output, &stats);
    if (priority == LOG_WARNING && stats.state != OUTPUT_UP) {
        bool repeated = !target->up && strcmp(target->last_line, line) == 0;
        target->up = false;
        snprintf(target->last_line, sizeof(target->last_line), "%s", line);
        priority = repeated ? LOG_DEBUG : priority;
    }
    gateway_log(target->options.log, priority, "%s: %s%s%s", target->options.who,
                strcmp(target->options.config->name, target->options.config->to) == 0 ? "" : target->options.config->name,
                strcmp(target->options.config->name, target->options.config->to) == 0 ? "" : ": ", line);
}

static const struct output_callbacks callbacks = {.done = on_done, .back = on_back, .ready = on_ready, .ended = on_ended, .log = on_log};

/* The route's side ------------------------------------------------------------------------------------------------- */

int route_target_new(const struct route_target_options *options, struct route_target **ret_target, struct kith_error *ret_error) {
    _cleanup_(route_target_freep) struct route_target *target = calloc(1, sizeof(*target));
    struct kith_error error = KITH_ERROR_NONE;
    if (!target)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", options->who);
    struct output_options output = options->config->options;
    output.policy = options->config->policy;
    output.service = options->service;
    target->options = *options;
    target->guarded = output.policy != NULL;
    target->passed = target->in_output = route_queue_cursor(options->queue, options->index);
    int r = kith_timer_new(options->loop, on_timer, target, &target->timer);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", options->who, kith_error_name(r));
    r = output_new(options->loop, options->config->to, &output, &callbacks, target, &target->output, &error);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", options->who, error.text);
    *ret_target = KITH_STEAL(target);
    return 0;
}

struct route_target *route_target_free(struct route_target *target) {
    if (!target)
        return NULL;
    output_free(target->output);
    kith_timer_free(target->timer);
    free(target->origin);
    free(target);
    return NULL;
}

/* As with services: a policy comes and changes at once, and does not go before a restart. */
bool route_target_reload(struct route_target *target, const struct gateway_target_config *config) {
    if (config->policy)
        output_set_policy(target->output, config->policy);
    bool gone = target->guarded && !config->policy;
    target->guarded |= config->policy != NULL;
    return !gone;
}

void route_target_stop(struct route_target *target, uint64_t deadline_ms) {
    target->stopping = true;
    target->deadline_ms = deadline_ms;
    drain_when_due(target);
}

bool route_target_ended(const struct route_target *target) {
    return target->ended;
}

uint64_t route_target_delivered(const struct route_target *target) {
    struct output_stats stats;
    output_stats(target->output, &stats);
    return stats.done;
}

static int take_time(const struct spool_message *message, void *userdata) {
    *(int64_t *)userdata = message->time_ms;
    return 1;
}

static void find_lag(struct route_target *target, struct route_target_counts *counts) {
    struct route_queue *queue = target->options.queue;
    uint64_t cursor = route_queue_cursor(queue, target->options.index);
    struct timespec now;
    int64_t oldest = 0;
    counts->lag = route_queue_last(queue) > cursor ? route_queue_last(queue) - cursor : 0;
    if (counts->lag == 0 || route_queue_read(queue, cursor, 1, take_time, &oldest, NULL) <= 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - oldest;
    counts->lag_ms = age > 0 ? (uint64_t)age : 0;
}

void route_target_counts(struct route_target *target, struct route_target_counts *ret_counts) {
    struct output_stats stats;
    uint64_t now = kith_loop_now(target->options.loop);
    output_stats(target->output, &stats);
    *ret_counts = (struct route_target_counts){.name = target->options.config->name,
                                               .to = target->options.config->to,
                                               .state = output_state_name(stats.state),
                                               .sent = stats.sent,
                                               .delivered = stats.done,
                                               .retried = stats.retried,
                                               .refused = target->refused,
                                               .reconnects = stats.reconnects,
                                               .failures = stats.failures,
                                               .in_flight = stats.flight_messages,
                                               .in_flight_bytes = stats.flight_octets,
                                               .up_ms = stats.up_since_ns > 0 ? (now - stats.up_since_ns) / KITH_NS_PER_MS + 1 : 0};
    snprintf(ret_counts->last_error, sizeof(ret_counts->last_error), "%s", stats.last_error);
    find_lag(target, ret_counts);
}
