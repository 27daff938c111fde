/*
 * gateway/control.c: see control.h.
 *
 * Nothing is kept of a request but the routing ids of those who monitor, which go with their connections. An event is put together once for
 * all of them, and only when there are any.
 */
#include "gateway/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/list.h"
#include "base/time.h"
#include "gateway/cleanup.h"
#include "gateway/control-request.h"
#include "gateway/endpoints.h"
#include "gateway/envelope.h"
#include "gateway/event-json.h"

#define WHO "control"
/* Of a request: an op, a name, a reason. */
#define REQUEST_MAX ((int64_t)64 * 1024)
/* Lines that wait for one who monitors: some seconds of a busy gateway. */
#define LINES_MAX 1000
#define LINES_OCTETS_MAX ((int64_t)4 << 20)

struct monitor {
    struct kith_list link;
    kith_msg *envelope;
    uint64_t lost; /* lines, that it has not been told of */
};

struct gateway_control {
    const struct gateway_control_config *config;
    struct gateway_control_host host;
    struct gateway_log *log;
    kith_loop *loop;
    kith_socket *socket;
    struct kith_list monitors;
    kith_timer *timer; /* armed while one of them is to be told of a loss */
    uint64_t second;   /* begin of the running one */
    unsigned lines;    /* events told in it */
};

/* Answers ------------------------------------------------------------------------------------------------------------- */

static void monitor_free(struct monitor *monitor) {
    kith_list_unlink(&monitor->link);
    kith_msg_free(monitor->envelope);
    free(monitor);
}

/* Errors: those of kith_socket_send(). */
static int send_text(struct gateway_control *control, const kith_msg *envelope, const char *text) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = gateway_envelope_copy(envelope, kith_msg_count(envelope), &msg);
    if (r >= 0)
        r = kith_msg_add(msg, text, strlen(text));
    if (r >= 0)
        r = kith_socket_send(control->socket, msg, 0);
    if (r >= 0)
        KITH_STEAL(msg);
    return r;
}

static int send_json(struct gateway_control *control, const kith_msg *envelope, const json_t *json) {
    _cleanup_(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    return text ? send_text(control, envelope, text) : -ENOMEM;
}

static int answer_error(struct gateway_control *control, const kith_msg *envelope, int error, const char *text) {
    json_auto_t *json = json_pack("{s:s, s:s}", "error", strerrorname_np(-error), "text", text);
    return send_json(control, envelope, json);
}

static int answer_status(struct gateway_control *control, const kith_msg *envelope, struct gateway_control_request *request) {
    _cleanup_(freep) char *json = NULL;
    int r = control->host.status(control->host.userdata, &json);
    return r < 0 ? answer_error(control, envelope, r, "out of memory") : send_text(control, envelope, json);
}

/* Peers --------------------------------------------------------------------------------------------------------------- */

struct listing {
    struct gateway_control *control;
    json_t *peers;
    const char *where; /* of the socket that is being visited */
    size_t omitted;
};

static int list_peer(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct listing *listing = userdata;
    if (json_array_size(listing->peers) >= GATEWAY_CONTROL_LIST) {
        listing->omitted++;
        return 0;
    }
    return json_array_append_new(listing->peers, gateway_peer_json(listing->where, info, kith_loop_now(listing->control->loop))) < 0
               ? -ENOMEM
               : 0;
}

static int list_socket(const char *where, kith_socket *socket, void *userdata) {
    struct listing *listing = userdata;
    listing->where = where;
    return kith_socket_peers(socket, list_peer, listing);
}

static int answer_peers(struct gateway_control *control, const kith_msg *envelope, struct gateway_control_request *request) {
    json_auto_t *peers = json_array();
    struct listing listing = {.control = control, .peers = peers};
    int r = peers ? control->host.visit(control->host.userdata, list_socket, &listing) : -ENOMEM;
    if (r < 0)
        return answer_error(control, envelope, r, kith_error_name(r));
    json_auto_t *json = json_pack("{s:O, s:I}", "peers", peers, "omitted", (json_int_t)listing.omitted);
    return send_json(control, envelope, json);
}

/* 1: it was here, and is gone. */
static int kick_there(const char *where, kith_socket *socket, void *userdata) {
    const struct gateway_control_request *request = userdata;
    if (strcmp(where, request->where) != 0)
        return 0;
    int r = kith_socket_kick(socket, request->peer, request->reason[0] ? request->reason : NULL);
    return r < 0 ? r : 1;
}

static int answer_kick(struct gateway_control *control, const kith_msg *envelope, struct gateway_control_request *request) {
    char name[GATEWAY_WHERE_MAX + 24], text[256];
    snprintf(name, sizeof(name), "%s#%llu", request->where, (unsigned long long)request->peer);
    int r = control->host.visit(control->host.userdata, kick_there, request);
    if (r <= 0) {
        snprintf(text, sizeof(text), "%s: %s", name, r == 0 || r == -ENOENT ? "no such peer is there (any more)" : kith_error_name(r));
        return answer_error(control, envelope, r == 0 ? -ENOENT : r, text);
    }
    gateway_log(control->log, LOG_NOTICE, WHO ": %s was kicked%s%s", name, request->reason[0] ? ": " : "", request->reason);
    json_auto_t *json = json_pack("{s:s}", "kicked", name);
    return send_json(control, envelope, json);
}

/* Monitors ------------------------------------------------------------------------------------------------------------ */

static bool same_frame(const kith_msg *msg, size_t index, const void *data, size_t size) {
    size_t own_size;
    const void *own = kith_msg_frame(msg, index, &own_size);
    return own_size == size && memcmp(own, data, size) == 0;
}

static bool same_envelope(const kith_msg *a, const kith_msg *b) {
    bool same = kith_msg_count(a) == kith_msg_count(b);
    for (size_t i = 0; same && i < kith_msg_count(a); i++) {
        size_t size;
        const void *data = kith_msg_frame(b, i, &size);
        same = same_frame(a, i, data, size);
    }
    return same;
}

static size_t count_monitors(const struct gateway_control *control) {
    size_t count = 0;
    kith_list_foreach (&control->monitors, node)
        count++;
    return count;
}

/* Whoever asks once more is told the same, and of each event once. */
static bool is_monitoring(const struct gateway_control *control, const kith_msg *envelope) {
    kith_list_foreach (&control->monitors, node)
        if (same_envelope(kith_list_entry(node, struct monitor, link)->envelope, envelope))
            return true;
    return false;
}

static int add_monitor(struct gateway_control *control, const kith_msg *envelope) {
    struct monitor *monitor = calloc(1, sizeof(*monitor));
    if (!monitor)
        return -ENOMEM;
    kith_list_init(&monitor->link);
    int r = gateway_envelope_copy(envelope, kith_msg_count(envelope), &monitor->envelope);
    if (r < 0) {
        free(monitor);
        return r;
    }
    kith_list_push_back(&control->monitors, &monitor->link);
    return 0;
}

static int answer_monitor(struct gateway_control *control, const kith_msg *envelope, struct gateway_control_request *request) {
    bool again = is_monitoring(control, envelope);
    char text[64];
    if (!again && count_monitors(control) >= GATEWAY_CONTROL_PEERS) {
        snprintf(text, sizeof(text), "%d monitor already, no more may: end one of them", GATEWAY_CONTROL_PEERS);
        return answer_error(control, envelope, -EUSERS, text);
    }
    int r = send_text(control, envelope, "{\"monitoring\":true}");
    return r < 0 || again ? r : add_monitor(control, envelope);
}

static void forget(struct gateway_control *control, const void *id, size_t size) {
    kith_list_foreach_safe (&control->monitors, node) {
        struct monitor *monitor = kith_list_entry(node, struct monitor, link);
        if (same_frame(monitor->envelope, 0, id, size))
            monitor_free(monitor);
    }
}

static int tell_lost(struct gateway_control *control, struct monitor *monitor) {
    char text[64];
    if (monitor->lost == 0)
        return 0;
    snprintf(text, sizeof(text), "{\"event\":\"lost\",\"count\":%llu}", (unsigned long long)monitor->lost);
    int r = send_text(control, monitor->envelope, text);
    if (r >= 0)
        monitor->lost = 0;
    return r;
}

static void note_unsent(struct gateway_control *control, struct monitor *monitor, int error) {
    if (error == -EHOSTUNREACH)
        monitor_free(monitor);
    else if (!kith_timer_armed(control->timer))
        kith_timer_arm(control->timer, 1000, 0);
}

/* What it has lost is said before the next line that it gets, or when a second has passed: not for each one that is left out. */
static void tell_monitor(struct gateway_control *control, struct monitor *monitor, const char *line) {
    int r = line ? tell_lost(control, monitor) : -EAGAIN;
    if (r >= 0)
        r = send_text(control, monitor->envelope, line);
    if (r >= 0)
        return;
    monitor->lost++;
    note_unsent(control, monitor, r);
}

static void on_timer(kith_timer *timer, void *userdata) {
    struct gateway_control *control = userdata;
    kith_list_foreach_safe (&control->monitors, node) {
        struct monitor *monitor = kith_list_entry(node, struct monitor, link);
        int r = tell_lost(control, monitor);
        if (r < 0)
            note_unsent(control, monitor, r);
    }
}

static bool within_rate(struct gateway_control *control) {
    uint64_t now = kith_loop_now(control->loop);
    if (now - control->second >= KITH_NS_PER_S) {
        control->second = now;
        control->lines = 0;
    }
    return control->lines++ < GATEWAY_CONTROL_RATE;
}

struct naming {
    const kith_socket *socket;
    char where[GATEWAY_WHERE_MAX];
};

static int name_socket(const char *where, kith_socket *socket, void *userdata) {
    struct naming *naming = userdata;
    if (socket != naming->socket)
        return 0;
    snprintf(naming->where, sizeof(naming->where), "%s", where);
    return 1;
}

void gateway_control_tell(struct gateway_control *control, kith_socket *socket, const struct kith_event *event) {
    struct naming naming = {.socket = socket, .where = ""};
    _cleanup_(freep) char *line = NULL;
    if (kith_list_empty(&control->monitors))
        return;
    if (within_rate(control) && control->host.visit(control->host.userdata, name_socket, &naming) > 0) {
        json_auto_t *json = gateway_event_json(naming.where, event);
        line = json ? json_dumps(json, JSON_COMPACT) : NULL;
    }
    kith_list_foreach_safe (&control->monitors, node)
        tell_monitor(control, kith_list_entry(node, struct monitor, link), line);
}

/* Requests ------------------------------------------------------------------------------------------------------------ */

static int (*const answers[GATEWAY_CONTROL_OP_COUNT])(struct gateway_control *control, const kith_msg *envelope,
                                                      struct gateway_control_request *request) = {
    [GATEWAY_CONTROL_OP_STATUS] = answer_status,
    [GATEWAY_CONTROL_OP_PEERS] = answer_peers,
    [GATEWAY_CONTROL_OP_KICK] = answer_kick,
    [GATEWAY_CONTROL_OP_MONITOR] = answer_monitor,
};

static int answer(struct gateway_control *control, const kith_msg *envelope, const kith_msg *msg) {
    struct gateway_control_request request;
    const char *problem = "a request has one frame";
    size_t size;
    const void *data = kith_msg_frame(msg, kith_msg_count(msg) - 1, &size);
    int r = kith_msg_count(msg) == kith_msg_count(envelope) + 1 ? gateway_control_parse(data, size, &request, &problem) : -EINVAL;
    return r < 0 ? answer_error(control, envelope, r, problem) : answers[request.op](control, envelope, &request);
}

static void on_message(kith_socket *socket, kith_msg *received, void *userdata) {
    struct gateway_control *control = userdata;
    _cleanup_(kith_msg_freep) kith_msg *msg = received, *envelope = NULL;
    size_t frames = gateway_envelope_frames(msg);
    if (frames == 0 || gateway_envelope_copy(msg, frames, &envelope) < 0)
        return;
    int r = answer(control, envelope, msg);
    if (r < 0)
        gateway_log_limited(control->log, LOG_WARNING, (uint64_t)(KITH_EVENT_COUNT_ + 1) << 32 | (uint32_t)-r,
                            WHO ": a request was not answered: %s", gateway_unsent_reason(r));
}

static int forget_peer(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    const struct kith_event *event = ((void **)userdata)[1];
    if (info->peer == event->peer && info->routing_id_size > 0)
        forget(((void **)userdata)[0], info->routing_id, info->routing_id_size);
    return 0;
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct gateway_control *control = userdata;
    void *both[] = {control, (void *)(uintptr_t)event};
    if (event->type == KITH_EVENT_DISCONNECTED && !kith_list_empty(&control->monitors))
        (void)kith_socket_peers(socket, forget_peer, both);
    gateway_log_event(control->log, WHO, event);
}

/* Life ---------------------------------------------------------------------------------------------------------------- */

static int set_options(kith_socket *socket, struct kith_error *ret_error) {
    static const struct {
        enum kith_option option;
        int64_t value;
    } rows[] = {
        {KITH_OPTION_ROUTER_MANDATORY, 1}, {KITH_OPTION_MAX_MESSAGE, REQUEST_MAX},         {KITH_OPTION_MAX_PEERS, GATEWAY_CONTROL_PEERS},
        {KITH_OPTION_SEND_HWM, LINES_MAX}, {KITH_OPTION_SEND_HWM_BYTES, LINES_OCTETS_MAX},
    };
    int r = 0;
    for (size_t i = 0; r >= 0 && i < KITH_ARRAY_SIZE(rows); i++)
        r = kith_socket_set_number(socket, rows[i].option, rows[i].value, ret_error);
    return r;
}

int gateway_control_new(kith_loop *loop, struct gateway_log *log, const struct gateway_control_config *config,
                        const struct gateway_control_host *host, struct gateway_control **ret_control, struct kith_error *ret_error) {
    static const struct kith_socket_handler handler = {.message = on_message, .event = on_event};
    _cleanup_(gateway_control_freep) struct gateway_control *control = calloc(1, sizeof(*control));
    if (!control)
        return kith_error_set(ret_error, -ENOMEM, WHO ": out of memory");
    *control = (struct gateway_control){.config = config, .host = *host, .log = log, .loop = loop};
    kith_list_init(&control->monitors);
    int r = kith_timer_new(loop, on_timer, control, &control->timer);
    if (r < 0)
        return kith_error_set(ret_error, r, WHO ": cannot make a timer: %s", kith_error_name(r));
    r = kith_socket_new(loop, KITH_ROUTER, &control->socket);
    if (r < 0)
        return kith_error_set(ret_error, r, WHO ": cannot make a socket: %s", kith_error_name(r));
    kith_socket_set_handler(control->socket, &handler, control);
    kith_socket_set_policy(control->socket, config->policy);
    gateway_endpoints_make_directories(config->listen, config->mode);
    r = gateway_endpoints_set_options(control->socket, "control", NULL, 0, config->mode, ret_error);
    if (r >= 0)
        r = set_options(control->socket, ret_error);
    if (r >= 0)
        r = gateway_endpoints_bind(control->socket, config->listen, ret_error);
    if (r < 0)
        return r;
    *ret_control = KITH_STEAL(control);
    return 0;
}

struct gateway_control *gateway_control_free(struct gateway_control *control) {
    if (!control)
        return NULL;
    while (!kith_list_empty(&control->monitors))
        monitor_free(kith_list_first(&control->monitors, struct monitor, link));
    kith_socket_free(control->socket);
    kith_timer_free(control->timer);
    free(control);
    return NULL;
}

bool gateway_control_reload(struct gateway_control *control, const struct gateway_control_config *config) {
    if (config->policy)
        kith_socket_set_policy(control->socket, config->policy);
    return config->policy && gateway_control_config_same_socket(control->config, config);
}
