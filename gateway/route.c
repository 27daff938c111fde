/* gateway/route.c: see route.h. */
#include "gateway/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gateway/cleanup.h"

struct gateway_route {
    const struct gateway_route_config *config; /* what it was made with */
    struct gateway_log *log;
    char who[sizeof("route ") + GATEWAY_SERVICE_NAME_MAX]; /* "route syn", for log lines */
    kith_loop *loop;
    struct route_queue *queue;
    struct route_source **sources;
    size_t source_count;
    struct route_target **targets;
    size_t target_count;
    bool guarded; /* its sources are under a policy */
    bool stopped;
    bool failing; /* the disk; it was said so */
    char last_error[KITH_ERROR_TEXT_MAX];
    void (*changed)(void *userdata);
    void *changed_userdata;
};

static void notify_changed(struct gateway_route *route) {
    if (route->changed)
        route->changed(route->changed_userdata);
}

/* The queue -------------------------------------------------------------------------------------------------------- */

static void on_safe(uint64_t upto, void *userdata) {
    struct gateway_route *route = userdata;
    for (size_t i = 0; i < route->source_count; i++)
        route_source_safe(route->sources[i], upto);
    if (route->failing)
        gateway_log(route->log, LOG_NOTICE, "%s: the spool is written again", route->who);
    route->failing = false;
    notify_changed(route);
}

static void on_readable(void *userdata) {
    struct gateway_route *route = userdata;
    for (size_t i = 0; i < route->target_count; i++)
        route_target_pump(route->targets[i]);
}

static void on_room(void *userdata) {
    struct gateway_route *route = userdata;
    for (size_t i = 0; i < route->source_count; i++)
        route_source_resume(route->sources[i]);
}

static void on_failed(const struct kith_error *error, void *userdata) {
    struct gateway_route *route = userdata;
    route->failing = true;
    snprintf(route->last_error, sizeof(route->last_error), "%s", error->text);
    gateway_log(route->log, LOG_ERR, "%s: %s: nothing is lost, sources wait, and it is tried again", route->who, error->text);
}

static void on_notice(const char *text, void *userdata) {
    struct gateway_route *route = userdata;
    gateway_log(route->log, LOG_WARNING, "%s: %s", route->who, text);
}

static const struct route_queue_ops queue_ops = {
    .safe = on_safe, .readable = on_readable, .room = on_room, .failed = on_failed, .notice = on_notice};

static void on_target_ended(void *userdata) {
    notify_changed(userdata);
}

/* Making ----------------------------------------------------------------------------------------------------------- */

static int open_targets(struct gateway_route *route, struct kith_error *ret_error) {
    const struct gateway_route_config *config = route->config;
    route->targets = calloc(config->target_count, sizeof(*route->targets));
    if (!route->targets)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", route->who);
    for (size_t i = 0; i < config->target_count; i++) {
        struct route_target_options options = {.loop = route->loop,
                                               .log = route->log,
                                               .who = route->who,
                                               .config = &config->targets[i],
                                               .service = config->name,
                                               .queue = route->queue,
                                               .index = (unsigned)i,
                                               .ended = on_target_ended,
                                               .userdata = route};
        int r = route_target_new(&options, &route->targets[i], ret_error);
        if (r < 0)
            return r;
        route->target_count++;
    }
    return 0;
}

static bool wants_origin(const struct gateway_route_config *config) {
    for (size_t i = 0; i < config->target_count; i++)
        if (config->targets[i].options.origin)
            return true;
    return false;
}

static size_t count(char **strings) {
    size_t n = 0;
    while (strings && strings[n])
        n++;
    return n;
}

static int open_some_sources(struct gateway_route *route, char **endpoints, bool bind, struct kith_error *ret_error) {
    for (; endpoints && *endpoints; endpoints++) {
        struct route_source_options options = {.loop = route->loop,
                                               .log = route->log,
                                               .who = route->who,
                                               .config = route->config,
                                               .endpoint = *endpoints,
                                               .bind = bind,
                                               .with_origin = wants_origin(route->config),
                                               .queue = route->queue};
        int r = route_source_new(&options, &route->sources[route->source_count], ret_error);
        if (r < 0)
            return r;
        route->source_count++;
    }
    return 0;
}

static int open_sources(struct gateway_route *route, struct kith_error *ret_error) {
    const struct gateway_route_config *config = route->config;
    route->sources = calloc(count(config->from) + count(config->from_bind), sizeof(*route->sources));
    if (!route->sources)
        return kith_error_set(ret_error, -ENOMEM, "%s: out of memory", route->who);
    int r = open_some_sources(route, config->from_bind, true, ret_error);
    return r < 0 ? r : open_some_sources(route, config->from, false, ret_error);
}

int gateway_route_new(kith_loop *loop, struct gateway_log *log, const struct gateway_route_config *config, struct gateway_route **ret_route,
                      struct kith_error *ret_error) {
    _cleanup_(gateway_route_freep) struct gateway_route *route = calloc(1, sizeof(*route));
    if (!route)
        return kith_error_set(ret_error, -ENOMEM, "route %s: out of memory", config->name);
    route->loop = loop;
    route->log = log;
    route->config = config;
    route->guarded = config->policy != NULL;
    snprintf(route->who, sizeof(route->who), "route %s", config->name);
    int r = route_queue_open(loop, config, &queue_ops, route, &route->queue, ret_error);
    if (r >= 0)
        r = open_targets(route, ret_error);
    if (r >= 0)
        r = open_sources(route, ret_error);
    if (r < 0)
        return r;
    *ret_route = KITH_STEAL(route);
    return 0;
}

struct gateway_route *gateway_route_free(struct gateway_route *route) {
    struct kith_error error = KITH_ERROR_NONE;
    if (!route)
        return NULL;
    for (size_t i = 0; i < route->source_count; i++)
        route_source_free(route->sources[i]);
    free(route->sources);
    for (size_t i = 0; i < route->target_count; i++)
        route_target_free(route->targets[i]);
    free(route->targets);
    if (route_queue_close(route->queue, &error) < 0)
        gateway_log(route->log, LOG_ERR, "%s: %s", route->who, error.text);
    free(route);
    return NULL;
}

const char *gateway_route_name(const struct gateway_route *route) {
    return route->config->name;
}

/* A target that has moved, or has another kind, is another one. */
static bool reload_targets(struct gateway_route *route, const struct gateway_route_config *config) {
    bool same = true;
    for (size_t i = 0; i < route->target_count && i < config->target_count; i++) {
        const struct gateway_target_config *was = &route->config->targets[i], *is = &config->targets[i];
        if (strcmp(was->name, is->name) == 0 && strcmp(was->to, is->to) == 0)
            same &= route_target_reload(route->targets[i], is);
    }
    return same;
}

/* As with services: a policy comes and changes at once, and does not go before a restart. */
bool gateway_route_reload(struct gateway_route *route, const struct gateway_route_config *config) {
    for (size_t i = 0; config->policy && i < route->source_count; i++)
        route_source_set_policy(route->sources[i], config->policy);
    bool same = gateway_route_config_same(route->config, config) && (config->policy || !route->guarded);
    route->guarded |= config->policy != NULL;
    return reload_targets(route, config) && same;
}

void gateway_route_stop(struct gateway_route *route, uint64_t deadline_ms, void (*changed)(void *userdata), void *userdata) {
    route->changed = changed;
    route->changed_userdata = userdata;
    route->stopped = true;
    for (size_t i = 0; i < route->source_count; i++)
        route_source_stop(route->sources[i]);
    for (size_t i = 0; i < route->target_count; i++)
        route_target_stop(route->targets[i], deadline_ms);
}

int gateway_route_visit(struct gateway_route *route, gateway_visit_fn fn, void *userdata) {
    char where[GATEWAY_WHERE_MAX];
    int r = 0;
    for (size_t i = 0; r == 0 && i < route->source_count; i++) {
        snprintf(where, sizeof(where), "route/%s/%zu", route->config->name, i);
        r = fn(where, route_source_socket(route->sources[i]), userdata);
    }
    return r;
}

bool gateway_route_busy(const struct gateway_route *route) {
    for (size_t i = 0; i < route->target_count; i++)
        if (!route_target_ended(route->targets[i]))
            return true;
    return route_queue_safe(route->queue) < route_queue_last(route->queue);
}

/* Counting --------------------------------------------------------------------------------------------------------- */

uint64_t gateway_route_delivered(const struct gateway_route *route) {
    uint64_t delivered = 0;
    for (size_t i = 0; i < route->target_count; i++)
        delivered += route_target_delivered(route->targets[i]);
    return delivered;
}

void gateway_route_counts(struct gateway_route *route, struct gateway_route_counts *ret_counts) {
    *ret_counts = (struct gateway_route_counts){.name = route->config->name,
                                                .spool = route->config->spool,
                                                .source_count = route->source_count,
                                                .target_count = route->target_count};
    for (size_t i = 0; i < route->source_count; i++) {
        struct route_source_counts source;
        route_source_counts(route->sources[i], &source);
        ret_counts->received += source.received;
        ret_counts->queued += source.queued;
        ret_counts->refused += source.refused;
        ret_counts->again += source.again;
        ret_counts->waiting |= source.waiting;
    }
    route_queue_statistics(route->queue, &ret_counts->queue);
    snprintf(ret_counts->last_error, sizeof(ret_counts->last_error), "%s", route->last_error);
}

void gateway_route_source_counts(const struct gateway_route *route, size_t index, struct route_source_counts *ret_counts) {
    route_source_counts(route->sources[index], ret_counts);
}

void gateway_route_target_counts(const struct gateway_route *route, size_t index, struct route_target_counts *ret_counts) {
    route_target_counts(route->targets[index], ret_counts);
}
