/* gateway/event-json.c: see event-json.h. */
#include "gateway/event-json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/time.h"
#include "gateway/cleanup.h"
#include "gateway/origin-json.h"
#include "gateway/printable.h"
#include "gateway/visit.h"
#include "view/jsontext.h"

/* Of a topic or a routing id: longer ones are cut. */
#define OCTETS_MAX 255

void gateway_format_time(char text[static 32]) {
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t length = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + length, 32 - length, ".%06ldZ", now.tv_nsec / 1000);
}

/* Like view_json_text(), and what is not there is left out. */
static int put_text(json_t *json, const char *key, const char *text) {
    return text && *text ? json_object_set_new(json, key, view_json_text(text)) : 0;
}

/* Octets of whoever subscribes: made visible, as in the log. */
static int put_octets(json_t *json, const char *key, const void *octets, size_t size) {
    char buffer[4 * OCTETS_MAX + 1];
    struct kith_text text = kith_text_init(buffer, sizeof(buffer));
    gateway_put_printable(&text, octets, size, OCTETS_MAX, 0);
    return json_object_set_new(json, key, view_json_text(buffer));
}

static int put_number(json_t *json, const char *key, uint64_t number) {
    return json_object_set_new(json, key, json_integer((json_int_t)number));
}

json_t *gateway_origin_object(kith_origin *origin) {
    _cleanup_(freep) char *text = NULL;
    return gateway_origin_json(origin, &text) < 0 ? NULL : json_loads(text, 0, NULL);
}

static int put_origin(json_t *json, kith_origin *origin) {
    return origin ? json_object_set_new(json, "origin", gateway_origin_object(origin)) : 0;
}

/* What the policy denied, and by which rule; of its default there is none. */
static int put_decision(json_t *json, const struct kith_event *event) {
    int r = event->verb ? put_text(json, "verb", kith_verb_name(event->verb)) : 0;
    if (r >= 0)
        r = put_text(json, "rule", event->rule);
    if (r >= 0 && event->topic)
        r = put_octets(json, "topic", event->topic, event->topic_size);
    return r < 0 || event->peer == 0 ? r : put_number(json, "peer", event->peer);
}

json_t *gateway_event_json(const char *where, const struct kith_event *event) {
    char time[32];
    json_auto_t *json = json_object();
    gateway_format_time(time);
    int failed = !json || put_text(json, "time", time) < 0 || put_text(json, "where", where) < 0 ||
                 put_text(json, "event", kith_event_name(event->type)) < 0 || put_decision(json, event) < 0 ||
                 put_text(json, "endpoint", event->endpoint) < 0;
    if (!failed && event->count > 0)
        failed = put_number(json, "count", event->count) < 0;
    if (!failed && event->error < 0)
        failed = put_text(json, "error", strerrorname_np(-event->error)) < 0;
    if (!failed)
        failed = put_text(json, "text", event->text) < 0 || put_origin(json, event->origin) < 0;
    return failed ? NULL : json_incref(json);
}

static json_t *counters_json(const struct kith_counters *counters) {
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"messages_in", counters->messages_in},
        {"octets_in", counters->octets_in},
        {"messages_out", counters->messages_out},
        {"octets_out", counters->octets_out},
        {"dropped", counters->dropped},
        {"denied", counters->denied},
        {"fds_in", counters->fds_in},
        {"fds_out", counters->fds_out},
        {"fds_refused", counters->fds_refused},
        {"queued", counters->queued},
        {"queued_octets", counters->queued_octets},
        {"waiting", counters->waiting},
        {"waiting_octets", counters->waiting_octets},
    };
    json_auto_t *json = json_object();
    int failed = !json;
    for (size_t i = 0; !failed && i < KITH_ARRAY_SIZE(rows); i++)
        failed = put_number(json, rows[i].name, rows[i].value) < 0;
    return failed ? NULL : json_incref(json);
}

/* Milliseconds since then; left out when it never was. */
static int put_age(json_t *json, const char *key, uint64_t then, uint64_t now) {
    return then > 0 ? put_number(json, key, now > then ? (now - then) / KITH_NS_PER_MS : 0) : 0;
}

json_t *gateway_peer_json(const char *where, const struct kith_peer_info *info, uint64_t now) {
    char name[GATEWAY_WHERE_MAX + 24];
    snprintf(name, sizeof(name), "%s#%llu", where, (unsigned long long)info->peer);
    json_auto_t *json = json_object();
    int failed = !json || put_text(json, "peer", name) < 0 || put_text(json, "socket", where) < 0 ||
                 put_text(json, "state", kith_peer_state_name(info->state)) < 0 || put_text(json, "type", info->type) < 0 ||
                 json_object_set_new(json, "accepted", json_boolean(info->accepted)) < 0 ||
                 put_text(json, "endpoint", info->endpoint) < 0 || put_text(json, "transport", info->transport) < 0 ||
                 put_text(json, "mechanism", info->mechanism) < 0;
    if (!failed && info->routing_id_size > 0)
        failed = put_octets(json, "routing_id", info->routing_id, info->routing_id_size) < 0;
    if (!failed)
        failed = put_age(json, "age_ms", info->counters.since, now) < 0 || put_age(json, "heard_ms", info->counters.heard, now) < 0 ||
                 json_object_set_new(json, "counters", counters_json(&info->counters)) < 0 || put_origin(json, info->origin) < 0;
    return failed ? NULL : json_incref(json);
}
