/* gateway/request.c: see request.h. */
#include "gateway/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/cleanup.h"
#include "gateway/envelope.h"

size_t gateway_request_cost(const kith_msg *msg) {
    return kith_msg_size(msg) + kith_msg_count(msg) * KITH_FRAME_COST;
}

void gateway_requests_init(struct gateway_requests *requests, const struct gateway_request_limits *limits) {
    *requests = (struct gateway_requests){.limits = *limits, .by_id = KITH_MAP_INIT};
    kith_list_init(&requests->waiting);
    kith_list_init(&requests->in_flight);
}

void gateway_requests_deinit(struct gateway_requests *requests) {
    struct gateway_request *request;
    while ((request = gateway_requests_oldest(requests)))
        gateway_request_free(requests, request);
    kith_map_deinit(&requests->by_id);
}

/* Random octets are fetched for many ids at a time: a system call for each request would be felt. */
static int make_id(struct gateway_requests *requests, uint8_t id[static GATEWAY_REQUEST_ID_SIZE]) {
    const size_t half = GATEWAY_REQUEST_ID_SIZE / 2;
    if (requests->random_left < half) {
        ssize_t n = getrandom(requests->random, sizeof(requests->random), 0); /* up to 256 octets are never cut short, random(7) */
        if (n < (ssize_t)half)
            return n < 0 ? -errno : -EIO;
        requests->random_left = (size_t)n;
    }
    requests->random_left -= half;
    uint64_t number = requests->next++;
    memcpy(id, &number, half);
    memcpy(id + half, requests->random + requests->random_left, half);
    return 0;
}

/* Makes the request's object, in the map, its message not taken yet. */
static int request_new(struct gateway_requests *requests, const kith_msg *msg, size_t frames, struct gateway_request **ret_request) {
    struct gateway_request *request = calloc(1, sizeof(*request));
    if (!request)
        return -ENOMEM;
    kith_list_init(&request->link);
    int r = make_id(requests, request->id);
    if (r >= 0)
        r = gateway_envelope_copy(msg, frames, &request->envelope);
    if (r >= 0)
        r = kith_map_insert(&requests->by_id, &request->node, request->id, sizeof(request->id));
    if (r < 0) {
        kith_msg_free(request->envelope);
        free(request);
        return r;
    }
    request->size = gateway_request_cost(msg);
    *ret_request = request;
    return 0;
}

int gateway_requests_add(struct gateway_requests *requests, kith_msg *msg, size_t envelope_frames, uint64_t now) {
    struct gateway_request *request;
    int r = request_new(requests, msg, envelope_frames, &request);
    if (r < 0)
        return r;
    kith_msg_drop(msg, envelope_frames);
    request->body = msg;
    request->since = now;
    requests->waiting_count++;
    requests->waiting_octets += request->size;
    kith_list_push_back(&requests->waiting, &request->link);
    return 0;
}

bool gateway_requests_full(const struct gateway_requests *requests) {
    return requests->waiting_count >= requests->limits.waiting || requests->waiting_octets >= requests->limits.waiting_octets;
}

bool gateway_requests_low(const struct gateway_requests *requests) {
    return requests->waiting_count <= requests->limits.waiting / 2 && requests->waiting_octets <= requests->limits.waiting_octets / 2;
}

struct gateway_request *gateway_requests_next(struct gateway_requests *requests, size_t workers) {
    if (requests->in_flight_count - requests->doubtful_count >= requests->limits.in_flight * workers)
        return NULL;
    return kith_list_first(&requests->waiting, struct gateway_request, link);
}

/* Takes the request out of the list it is in, with what it counts there. */
static void leave(struct gateway_requests *requests, struct gateway_request *request) {
    kith_list_unlink(&request->link);
    if (request->worker) {
        requests->in_flight_count--;
        requests->doubtful_count -= request->doubtful;
    } else {
        requests->waiting_count--;
        requests->waiting_octets -= request->size;
    }
}

void gateway_requests_sent(struct gateway_requests *requests, struct gateway_request *request, void *worker, uint64_t peer) {
    leave(requests, request);
    request->body = NULL; /* the worker's socket took it */
    request->worker = worker;
    request->peer = peer;
    requests->in_flight_count++;
    kith_list_push_back(&requests->in_flight, &request->link);
}

static bool is_of(const struct gateway_request *request, const void *worker, uint64_t peer) {
    return request->worker == worker && request->peer == peer;
}

static size_t doubt(struct gateway_requests *requests, const void *worker) {
    size_t count = 0;
    kith_list_foreach (&requests->in_flight, link) {
        struct gateway_request *request = kith_list_entry(link, struct gateway_request, link);
        if (!is_of(request, worker, 0))
            continue;
        requests->doubtful_count += !request->doubtful;
        request->doubtful = true;
        count++;
    }
    return count;
}

/* Messages leave in order, so those that had not left are the last ones. Some of them may be requests of which it was not known that they
 * were for this peer: then more are thought to have stayed than did, and nobody is told of a loss that was none. */
size_t gateway_requests_gone(struct gateway_requests *requests, const void *worker, uint64_t peer, uint64_t unsent,
                             void (*lost)(struct gateway_request *request, void *userdata), void *userdata) {
    uint64_t count = 0, stayed;
    kith_list_foreach (&requests->in_flight, link)
        count += is_of(kith_list_entry(link, struct gateway_request, link), worker, peer);
    stayed = unsent < count ? count - unsent : 0;
    kith_list_foreach_safe (&requests->in_flight, link) {
        struct gateway_request *request = kith_list_entry(link, struct gateway_request, link);
        if (peer == 0 || !is_of(request, worker, peer))
            continue;
        if (stayed == 0) {
            request->peer = 0;
            continue;
        }
        stayed--;
        lost(request, userdata);
    }
    return doubt(requests, worker);
}

struct gateway_request *gateway_requests_find(const struct gateway_requests *requests, const uint8_t *id, size_t size) {
    struct kith_map_node *node = kith_map_find(&requests->by_id, id, size);
    struct gateway_request *request = node ? KITH_CONTAINER_OF(node, struct gateway_request, node) : NULL;
    return request && request->worker ? request : NULL;
}

struct gateway_request *gateway_requests_oldest(const struct gateway_requests *requests) {
    struct gateway_request *waiting = kith_list_first(&requests->waiting, struct gateway_request, link);
    struct gateway_request *in_flight = kith_list_first(&requests->in_flight, struct gateway_request, link);
    if (!waiting || !in_flight)
        return waiting ? waiting : in_flight;
    return waiting->since < in_flight->since ? waiting : in_flight;
}

void gateway_request_free(struct gateway_requests *requests, struct gateway_request *request) {
    leave(requests, request);
    kith_map_remove(&requests->by_id, &request->node);
    kith_msg_free(request->envelope);
    kith_msg_free(request->body);
    free(request);
}
