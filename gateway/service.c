/*
 * gateway/service.c: see service.h.
 *
 * Everything happens in callbacks of the loop. Each way a request can end without a reply is logged with the reason.
 */
#include "gateway/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "gateway/cleanup.h"
#include "gateway/endpoints.h"
#include "gateway/envelope.h"
#include "gateway/origin-json.h"
#include "gateway/printable.h"

struct lane {
    struct gateway_service *service;
    kith_socket *socket; /* DEALER, or NULL: the service has no such endpoint */
    bool with_origin;
    size_t in_flight;
};

struct gateway_service {
    const struct gateway_service_config *config; /* what it was made with */
    struct gateway_log *log;
    char who[sizeof("service ") + GATEWAY_SERVICE_NAME_MAX]; /* "service echo", for log lines */
    kith_loop *loop;
    kith_socket *front;
    struct lane lanes[2];
    size_t turn; /* of the round robin */
    struct gateway_requests requests;
    uint64_t request_timeout_ms;
    kith_timer *timer;  /* for the oldest request; armed while there is one */
    kith_timer *settle; /* armed when a worker has gone: its socket counts it until the event is over */
    bool guarded;       /* clients are under a policy */
    bool paused;        /* clients are not read from: too many requests wait */
    bool stopped;       /* nor ever again */
    uint64_t request_count, reply_count, dropped_count;
    void (*changed)(void *userdata);
    void *changed_userdata;
    int (*status)(void *userdata, char **ret_json);
    void *status_userdata;
};

/* Kinds of log lines beside the events of sockets, as keys of the rate limits. */
enum line {
    LINE_MALFORMED = KITH_EVENT_COUNT_,
    LINE_FULL,
    LINE_UNSENT,
    LINE_GARBAGE,
    LINE_TIMEOUT,
    LINE_LOST,
    LINE_MEMORY,
};

static void notify_changed(struct gateway_service *service) {
    if (service->changed)
        service->changed(service->changed_userdata);
}

/* A line about a message, limited per kind and uid of its sender. */
static void complain(struct gateway_service *service, enum line line, const kith_msg *msg, const char *what) {
    kith_origin *origin = msg ? kith_msg_origin(msg) : NULL;
    uid_t uid = (uid_t)-1;
    char who[256] = "a client";
    if (origin) {
        kith_origin_uid(origin, &uid);
        kith_origin_format(origin, who, sizeof(who));
    }
    gateway_log_limited(service->log, LOG_WARNING, (uint64_t)line << 32 | uid, "%s: %s: %s", service->who, who, what);
}

static void drop(struct gateway_service *service, enum line line, kith_msg *msg, const char *what) {
    complain(service, line, msg, what);
    service->dropped_count++;
    kith_msg_free(msg);
}

/* Replies --------------------------------------------------------------------------------------------------------- */

/* Sends to the client that the reply's first frame names; the message is consumed. */
static void reply(struct gateway_service *service, kith_msg *msg) {
    int r = kith_socket_send(service->front, msg, 0);
    if (r >= 0) {
        service->reply_count++;
        return;
    }
    service->dropped_count++;
    gateway_log_limited(service->log, LOG_WARNING, (uint64_t)LINE_UNSENT << 32 | (uint32_t)-r, "%s: reply dropped: %s", service->who,
                        gateway_unsent_reason(r));
    kith_msg_free(msg);
}

/* What a builtin answers with instead of the request's body. Errors: -ENOMEM. */
static int make_answer(struct gateway_service *service, const kith_msg *request, size_t frames, kith_msg **ret_reply) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    _cleanup_(freep) char *json = NULL;
    int r = service->config->answer == GATEWAY_ANSWER_STATUS ? service->status(service->status_userdata, &json)
                                                             : gateway_origin_json(kith_msg_origin(request), &json);
    if (r >= 0)
        r = gateway_envelope_copy(request, frames, &msg);
    if (r >= 0)
        r = kith_msg_add(msg, json, strlen(json));
    if (r < 0)
        return r;
    *ret_reply = KITH_STEAL(msg);
    return 0;
}

static void answer(struct gateway_service *service, kith_msg *msg, size_t frames) {
    if (service->config->answer == GATEWAY_ANSWER_ECHO) {
        reply(service, msg);
        return;
    }
    kith_msg *made;
    int r = make_answer(service, msg, frames, &made);
    if (r < 0) {
        drop(service, LINE_MEMORY, msg, "request dropped: out of memory");
        return;
    }
    kith_msg_free(msg);
    reply(service, made);
}

/* Requests -------------------------------------------------------------------------------------------------------- */

static void arm_timer(struct gateway_service *service) {
    const struct gateway_request *oldest = gateway_requests_oldest(&service->requests);
    if (!oldest) {
        kith_timer_disarm(service->timer);
        return;
    }
    /* An armed timer is left alone: when it fires early it is armed again, which is cheaper than moving it with each request. */
    if (kith_timer_armed(service->timer))
        return;
    uint64_t age = (kith_loop_now(service->loop) - oldest->since) / KITH_NS_PER_MS;
    kith_timer_arm(service->timer, age < service->request_timeout_ms ? service->request_timeout_ms - age : 0, 0);
}

static void end_request(struct gateway_service *service, struct gateway_request *request) {
    struct lane *lane = request->worker;
    if (lane)
        lane->in_flight--;
    gateway_request_free(&service->requests, request);
}

static const struct kith_socket_handler front_open, front_closed;

/* While too many wait for a worker, clients are not read from: their requests stay with the kernel and with them. */
static void update_intake(struct gateway_service *service) {
    struct gateway_requests *requests = &service->requests;
    bool pause = service->stopped || (service->paused ? !gateway_requests_low(requests) : gateway_requests_full(requests));
    if (pause == service->paused)
        return;
    service->paused = pause;
    kith_socket_set_handler(service->front, pause ? &front_closed : &front_open, service);
    if (pause && !service->stopped)
        gateway_log_limited(
            service->log, LOG_WARNING, (uint64_t)LINE_FULL << 32,
            "%s: %zu requests (%zu octets) wait for a worker: clients must wait until half of them are gone (queue, queue_bytes)",
            service->who, requests->waiting_count, requests->waiting_octets);
}

/* Hands the request to a worker of the lane. Errors: -EAGAIN (none is there, or all are full), -ENOMEM; the request is then as before. */
static int send_to(struct lane *lane, struct gateway_request *request) {
    kith_msg *msg = request->body;
    size_t added = 0;
    int r = 0;
    if (lane->with_origin) {
        _cleanup_(freep) char *json = NULL;
        r = gateway_origin_json(kith_msg_origin(msg), &json);
        if (r >= 0)
            r = kith_msg_prepend(msg, json, strlen(json));
        added += r >= 0;
    }
    if (r >= 0)
        r = kith_msg_prepend(msg, NULL, 0);
    if (r >= 0) {
        added++;
        r = kith_msg_prepend(msg, request->id, sizeof(request->id));
        added += r >= 0;
    }
    if (r >= 0)
        r = kith_socket_send(lane->socket, msg, 0);
    if (r < 0)
        kith_msg_drop(msg, added);
    return r;
}

static size_t lane_workers(const struct lane *lane) {
    return lane->socket ? kith_socket_peer_count(lane->socket) : 0;
}

static size_t worker_count(const struct gateway_service *service) {
    return lane_workers(&service->lanes[0]) + lane_workers(&service->lanes[1]);
}

/* One step of the round robin: each ready worker has one turn in a round, whatever its lane; within a lane its DEALER turns. */
static int send_to_next(struct gateway_service *service, struct gateway_request *request) {
    size_t workers[2] = {lane_workers(&service->lanes[0]), lane_workers(&service->lanes[1])};
    size_t total = workers[0] + workers[1];
    if (total == 0)
        return -EAGAIN;
    size_t first = service->turn % total < workers[0] ? 0 : 1;
    int r = -EAGAIN;
    for (size_t i = 0; i < 2 && r == -EAGAIN; i++) {
        struct lane *lane = &service->lanes[first ^ i];
        if (workers[first ^ i] == 0)
            continue;
        r = send_to(lane, request);
        if (r >= 0) {
            lane->in_flight++;
            gateway_requests_sent(&service->requests, request, lane, kith_socket_last_peer(lane->socket));
        }
    }
    service->turn += r >= 0;
    return r;
}

/* Gives waiting requests to workers as far as these take them. */
static void pump(struct gateway_service *service) {
    struct gateway_request *request;
    while ((request = gateway_requests_next(&service->requests, worker_count(service)))) {
        int r = send_to_next(service, request);
        if (r == -EAGAIN)
            break;
        if (r < 0) {
            complain(service, LINE_MEMORY, request->body, kith_error_name(r));
            service->dropped_count++;
            end_request(service, request);
        }
    }
    arm_timer(service);
    update_intake(service);
}

static void expire(kith_timer *timer, void *userdata) {
    struct gateway_service *service = userdata;
    uint64_t now = kith_loop_now(service->loop);
    struct gateway_request *request;
    while ((request = gateway_requests_oldest(&service->requests)) &&
           now - request->since >= service->request_timeout_ms * KITH_NS_PER_MS) {
        gateway_log_limited(service->log, LOG_WARNING, (uint64_t)LINE_TIMEOUT << 32, "%s: request given up after %llu ms: %s", service->who,
                            (unsigned long long)service->request_timeout_ms,
                            request->worker ? "its worker did not answer" : "no worker was free to take it");
        service->dropped_count++;
        end_request(service, request);
    }
    pump(service);
    notify_changed(service);
}

static void log_request(struct gateway_service *service, const kith_msg *msg, size_t frames) {
    if (!gateway_log_wants(service->log, LOG_DEBUG))
        return;
    char who[512] = "", what[1024];
    kith_origin *origin = kith_msg_origin(msg);
    if (origin)
        kith_origin_format(origin, who, sizeof(who));
    struct kith_text text = kith_text_init(what, sizeof(what));
    gateway_put_frames(&text, msg, frames);
    gateway_log(service->log, LOG_DEBUG, "%s: %s: %s", service->who, who, what);
}

static void front_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct gateway_service *service = userdata;
    size_t frames = gateway_envelope_frames(msg);
    if (frames == 0) {
        drop(service, LINE_MALFORMED, msg, GATEWAY_MALFORMED);
        return;
    }
    service->request_count++;
    log_request(service, msg, frames);
    if (service->config->answer != GATEWAY_ANSWER_WORKERS) {
        answer(service, msg, frames);
        return;
    }
    if (gateway_requests_add(&service->requests, msg, frames, kith_loop_now(service->loop)) < 0) {
        drop(service, LINE_MEMORY, msg, "request dropped: out of memory");
        return;
    }
    pump(service);
    notify_changed(service);
}

/* Workers --------------------------------------------------------------------------------------------------------- */

static void lane_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct lane *lane = userdata;
    struct gateway_service *service = lane->service;
    size_t id_size, empty_size;
    const uint8_t *id = kith_msg_frame(msg, 0, &id_size);
    const uint8_t *empty = kith_msg_frame(msg, 1, &empty_size);
    if (kith_msg_count(msg) < 3 || !empty || empty_size != 0) {
        drop(service, LINE_GARBAGE, msg,
             "worker's message dropped: it is no reply (a DEALER worker sends back the two frames before the body)");
        return;
    }
    struct gateway_request *request = gateway_requests_find(&service->requests, id, id_size);
    if (!request || request->worker != lane) {
        drop(service, LINE_GARBAGE, msg, "worker's reply dropped: no such request is open (answered twice, too late, or made up)");
        return;
    }
    kith_msg_drop(msg, 2);
    kith_msg *envelope = KITH_STEAL(request->envelope);
    end_request(service, request);
    int r = kith_msg_append(envelope, msg);
    if (r < 0) {
        drop(service, LINE_MEMORY, msg, "worker's reply dropped: out of memory");
        kith_msg_free(envelope);
    } else {
        kith_msg_free(msg);
        reply(service, envelope);
    }
    pump(service);
    notify_changed(service);
}

static void lane_writable(kith_socket *socket, void *userdata) {
    struct lane *lane = userdata;
    pump(lane->service);
    notify_changed(lane->service);
}

static void settled(kith_timer *timer, void *userdata) {
    struct gateway_service *service = userdata;
    pump(service);
    notify_changed(service);
}

/* Its client is told, as far as it understands that: what waits for the reply waits no longer. */
static void fail_request(struct gateway_request *request, void *userdata) {
    struct gateway_service *service = userdata;
    size_t size;
    const void *id = kith_msg_frame(request->envelope, 0, &size);
    (void)kith_socket_fail_request(service->front, id, size, "the worker died");
    service->dropped_count++;
    end_request(service, request);
}

static void worker_gone(struct lane *lane, const struct kith_event *event) {
    struct gateway_service *service = lane->service;
    size_t before = lane->in_flight;
    kith_timer_arm(service->settle, 0, 0);
    gateway_log_limited(service->log, LOG_NOTICE, (uint64_t)KITH_EVENT_DISCONNECTED << 32, "%s: a worker has gone: %s", service->who,
                        event->text);
    /* What had not left goes to another worker by itself (the DEALER takes it back). What it had is lost. */
    size_t doubtful = gateway_requests_gone(&service->requests, lane, event->peer, event->count, fail_request, service);
    if (before > lane->in_flight)
        gateway_log_limited(service->log, LOG_WARNING, (uint64_t)LINE_LOST << 32,
                            "%s: %zu request(s) were lost with it: their clients are told", service->who, before - lane->in_flight);
    if (doubtful > 0)
        gateway_log_limited(
            service->log, LOG_WARNING, (uint64_t)LINE_LOST << 32,
            "%s: some of %zu request(s) in flight may have been lost with it; those without reply are given up after %llu ms", service->who,
            doubtful, (unsigned long long)service->request_timeout_ms);
}

static void lane_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct lane *lane = userdata;
    struct gateway_service *service = lane->service;
    gateway_log_told(service->log, socket, event);
    switch (event->type) {
    case KITH_EVENT_CONNECTED:
        gateway_log_limited(service->log, LOG_NOTICE, (uint64_t)event->type << 32, "%s: worker connected: %s", service->who, event->text);
        pump(service);
        notify_changed(service);
        break;
    case KITH_EVENT_DISCONNECTED:
        worker_gone(lane, event);
        break;
    default:
        gateway_log_event(service->log, service->who, event);
        break;
    }
}

static void front_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct gateway_service *service = userdata;
    gateway_log_told(service->log, socket, event);
    gateway_log_event(service->log, service->who, event);
}

static const struct kith_socket_handler front_open = {.message = front_message, .event = front_event};
static const struct kith_socket_handler front_closed = {.event = front_event};

/* Making and ending ----------------------------------------------------------------------------------------------- */

/* Those of clients first: workers may share one, and clients' is the more open one. */
static void make_directories(const struct gateway_service_config *config) {
    gateway_endpoints_make_directories(config->listen, config->mode);
    gateway_endpoints_make_directories(config->workers, config->workers_mode);
    gateway_endpoints_make_directories(config->workers_with_origin, config->workers_mode);
}

/* A reply may be as large as the request was: what the gateway put in front of that comes back with it. Without this room a client could
 * make the connection of any worker that echoes end. */
static int allow_envelope(kith_socket *socket, struct kith_error *ret_error) {
    const int64_t envelope = 2 * KITH_FRAME_COST + GATEWAY_REQUEST_ID_SIZE;
    int64_t max;
    int r = kith_socket_get_number(socket, KITH_OPTION_MAX_MESSAGE, &max);
    if (r >= 0)
        r = kith_socket_set_number(socket, KITH_OPTION_MAX_MESSAGE, max + envelope, NULL);
    if (r >= 0 || r == -ERANGE) /* it is as large as it can be */
        return 0;
    return kith_error_set(ret_error, r, "max_message: %s", kith_error_name(r));
}

static int open_lane(struct gateway_service *service, struct lane *lane, char **endpoints, struct kith_error *ret_error) {
    static const struct kith_socket_handler handler = {.message = lane_message, .writable = lane_writable, .event = lane_event};
    if (!endpoints || !endpoints[0])
        return 0;
    int r = kith_socket_new(service->loop, KITH_DEALER, &lane->socket);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: cannot make a socket: %s", service->who, kith_error_name(r));
    kith_socket_set_handler(lane->socket, &handler, lane);
    kith_socket_set_policy(lane->socket, service->config->worker_policy);
    r = gateway_endpoints_set_options(lane->socket, service->config->name, service->config->options, service->config->option_count,
                                      service->config->workers_mode, ret_error);
    if (r >= 0)
        r = allow_envelope(lane->socket, ret_error);
    return r < 0 ? r : gateway_endpoints_bind(lane->socket, endpoints, ret_error);
}

static int open_front(struct gateway_service *service, struct kith_error *ret_error) {
    int r = kith_socket_new(service->loop, KITH_ROUTER, &service->front);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: cannot make a socket: %s", service->who, kith_error_name(r));
    kith_socket_set_handler(service->front, &front_open, service);
    kith_socket_set_policy(service->front, service->config->policy);
    service->guarded = service->config->policy != NULL;
    r = gateway_endpoints_set_options(service->front, service->config->name, service->config->options, service->config->option_count,
                                      service->config->mode, ret_error);
    if (r >= 0)
        r = kith_socket_set_number(service->front, KITH_OPTION_ROUTER_MANDATORY, 1, ret_error);
    return r < 0 ? r : gateway_endpoints_bind(service->front, service->config->listen, ret_error);
}

static int make_timers(struct gateway_service *service, struct kith_error *ret_error) {
    int r = kith_timer_new(service->loop, expire, service, &service->timer);
    if (r >= 0)
        r = kith_timer_new(service->loop, settled, service, &service->settle);
    return r < 0 ? kith_error_set(ret_error, r, "%s: cannot make a timer: %s", service->who, kith_error_name(r)) : 0;
}

int gateway_service_new(kith_loop *loop, struct gateway_log *log, const struct gateway_service_config *config,
                        struct gateway_service **ret_service, struct kith_error *ret_error) {
    _cleanup_(gateway_service_freep) struct gateway_service *service = calloc(1, sizeof(*service));
    if (!service)
        return kith_error_set(ret_error, -ENOMEM, "service %s: out of memory", config->name);
    service->loop = loop;
    service->log = log;
    service->config = config;
    service->request_timeout_ms = config->request_timeout_ms;
    snprintf(service->who, sizeof(service->who), "service %s", config->name);
    gateway_requests_init(&service->requests, &config->limits);
    service->lanes[0] = (struct lane){.service = service};
    service->lanes[1] = (struct lane){.service = service, .with_origin = true};
    int r = make_timers(service, ret_error);
    if (r < 0)
        return r;
    make_directories(config);
    /* Workers first: when the front is there, requests find them. */
    r = open_lane(service, &service->lanes[0], config->workers, ret_error);
    if (r >= 0)
        r = open_lane(service, &service->lanes[1], config->workers_with_origin, ret_error);
    if (r >= 0)
        r = open_front(service, ret_error);
    if (r < 0)
        return r;
    *ret_service = KITH_STEAL(service);
    return 0;
}

struct gateway_service *gateway_service_free(struct gateway_service *service) {
    if (!service)
        return NULL;
    kith_socket_free(service->front);
    kith_socket_free(service->lanes[0].socket);
    kith_socket_free(service->lanes[1].socket);
    kith_timer_free(service->timer);
    kith_timer_free(service->settle);
    gateway_requests_deinit(&service->requests);
    free(service);
    return NULL;
}

const char *gateway_service_name(const struct gateway_service *service) {
    return service->config->name;
}

int gateway_service_visit(struct gateway_service *service, gateway_visit_fn fn, void *userdata) {
    static const char *const parts[] = {"/workers", "/workers_with_origin"};
    char where[GATEWAY_WHERE_MAX];
    snprintf(where, sizeof(where), "service/%s", service->config->name);
    int r = fn(where, service->front, userdata);
    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(service->lanes); i++) {
        snprintf(where, sizeof(where), "service/%s%s", service->config->name, parts[i]);
        if (service->lanes[i].socket)
            r = fn(where, service->lanes[i].socket, userdata);
    }
    return r;
}

void gateway_service_set_changed(struct gateway_service *service, void (*fn)(void *userdata), void *userdata) {
    service->changed = fn;
    service->changed_userdata = userdata;
}

void gateway_service_set_status(struct gateway_service *service, int (*fn)(void *userdata, char **ret_json), void *userdata) {
    service->status = fn;
    service->status_userdata = userdata;
}

/* A policy comes and changes at once. One that is gone from the text stays until a restart: the socket was made for it, and no slip of
 * an editor shall open a service to everybody. */
static bool reload_policies(struct gateway_service *service, const struct gateway_service_config *config) {
    if (config->policy)
        kith_socket_set_policy(service->front, config->policy);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(service->lanes); i++)
        if (service->lanes[i].socket && config->worker_policy)
            kith_socket_set_policy(service->lanes[i].socket, config->worker_policy);
    bool gone = service->guarded && !config->policy;
    service->guarded = service->guarded || config->policy;
    return !gone;
}

bool gateway_service_reload(struct gateway_service *service, const struct gateway_service_config *config) {
    bool policies = reload_policies(service, config);
    service->requests.limits = config->limits;
    service->request_timeout_ms = config->request_timeout_ms;
    kith_timer_disarm(service->timer);
    pump(service);
    return gateway_service_config_same_sockets(service->config, config) && policies;
}

void gateway_service_stop(struct gateway_service *service) {
    service->stopped = true;
    update_intake(service);
}

bool gateway_service_busy(const struct gateway_service *service) {
    const struct gateway_requests *requests = &service->requests;
    return requests->in_flight_count + requests->waiting_count > 0 && worker_count(service) > 0;
}

void gateway_service_drain(struct gateway_service *service, int timeout_ms) {
    size_t open = service->requests.waiting_count + service->requests.in_flight_count;
    if (open > 0)
        gateway_log(service->log, LOG_WARNING, "%s: %zu request(s) stay without a reply%s", service->who, open,
                    worker_count(service) > 0 ? "" : ": there is no worker");
    if (kith_socket_drain(service->front, timeout_ms) < 0)
        gateway_log(service->log, LOG_WARNING, "%s: stopped before all replies were taken by their clients", service->who);
}

void gateway_service_counts(const struct gateway_service *service, struct gateway_service_counts *ret_counts) {
    *ret_counts = (struct gateway_service_counts){
        .clients = kith_socket_peer_count(service->front),
        .workers = worker_count(service),
        .waiting = service->requests.waiting_count,
        .in_flight = service->requests.in_flight_count,
        .requests = service->request_count,
        .replies = service->reply_count,
        .dropped = service->dropped_count,
    };
}
