#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "interop/flood.h"

/* A sanitizer keeps what is freed resident, on purpose. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* Messages of more frames are an attacker's. */
#define HONEST_FRAMES 4

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct flood *flood = userdata;
    size_t count = kith_msg_count(msg);
    flood->frames = count > flood->frames ? count : flood->frames;
    if (count > HONEST_FRAMES || kith_socket_send(socket, msg, 0) < 0)
        kith_msg_free(msg);
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct flood *flood = userdata;
    assert_non_null(event->text);
    flood->events[event->type]++;
    flood->counts[event->type] += event->count;
    flood->errors[event->type] = event->error;
    snprintf(flood->texts[event->type], sizeof(flood->texts[0]), "%s", event->text);
}

static bool publishes(const struct flood *flood) {
    return kith_socket_type_of(flood->server) == KITH_PUB;
}

static bool answers(const struct flood *flood) {
    return kith_socket_receives(flood->server);
}

void flood_new(struct flood *flood, struct interop *interop, enum kith_socket_type type) {
    *flood = (struct flood){.interop = interop, .server = support_socket(&interop->support, type)};
    struct kith_socket_handler handler = {.event = on_event, .message = answers(flood) ? on_message : NULL};
    kith_socket_set_handler(flood->server, &handler, flood);
}

void flood_seal(struct flood *flood) {
    assert_int_equal(zmq_curve_keypair(flood->public_key, flood->secret_key), 0);
    support_set(flood->server, KITH_OPTION_CURVE_SERVER, 1);
    assert_int_equal(kith_socket_set_option(flood->server, "curve-secret-key", flood->secret_key, NULL), 0);
}

void flood_unlock(const struct flood *flood, void *client) {
    assert_int_equal(zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, flood->public_key, 41), 0);
    assert_int_equal(zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, flood->public_key, 41), 0);
    assert_int_equal(zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, flood->secret_key, 41), 0);
}

void flood_serve(struct flood *flood, const char *endpoint) {
    support_bind(flood->server, endpoint);
    flood->client = zpeer_new(flood->interop, answers(flood) ? ZMQ_REQ : publishes(flood) ? ZMQ_SUB : ZMQ_PULL);
    if (publishes(flood))
        assert_int_equal(zmq_setsockopt(flood->client, ZMQ_SUBSCRIBE, "honest", 6), 0);
    if (flood->public_key[0])
        flood_unlock(flood, flood->client);
    zpeer_connect(flood->client, kith_socket_last_endpoint(flood->server));
    support_until(&flood->interop->support, kith_socket_peer_count(flood->server) == 1);
    if (publishes(flood)) /* its subscription comes right behind its handshake */
        support_run_for(&flood->interop->support, 50);
    flood_trip(flood);
    flood_note(flood);
}

void flood_note(struct flood *flood) {
    flood->heap = flood->most = support_heap();
    flood->rss_kb = flood->most_kb = support_rss_kb();
    flood->trips = flood->slowest = 0;
}

static unsigned now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

void flood_trip(struct flood *flood) {
    char text[32];
    unsigned start = now_ms();
    snprintf(text, sizeof(text), "honest %u", flood->trips);
    _cleanup_(kith_msg_freep) kith_msg *question = support_msg(text, NULL);
    if (answers(flood))
        zpeer_send(flood->interop, flood->client, question);
    else
        support_send(&flood->interop->support, flood->server, support_copy(question));
    _cleanup_(kith_msg_freep) kith_msg *answer = zpeer_recv(flood->interop, flood->client);
    support_assert_body(answer, 0, question);
    unsigned took = now_ms() - start;
    flood->slowest = took > flood->slowest ? took : flood->slowest;
    flood->trips++;
}

void flood_settle(struct flood *flood) {
    int r;
    while ((r = kith_loop_step(flood->interop->support.loop, 0)) > 0)
        ;
    assert_int_equal(r, 0);
    flood_measure(flood);
}

void flood_measure(struct flood *flood) {
    size_t heap = support_heap();
    flood->most = heap > flood->most ? heap : flood->most;
    size_t rss_kb = support_rss_kb();
    flood->most_kb = rss_kb > flood->most_kb ? rss_kb : flood->most_kb;
}

void flood_until(struct flood *flood, enum kith_event_type type, size_t count) {
    support_until(&flood->interop->support, flood->events[type] >= count);
}

void flood_end(struct flood *flood, const char *what, size_t octets) {
    flood_trip(flood);
    flood_settle(flood);
    size_t heap = flood->most - flood->heap, resident = (flood->most_kb - flood->rss_kb) * 1024;
    print_message("    %s: %zu KiB more in use at most, %zu KiB more resident; %u round trips beside it, the slowest in %u ms\n", what,
                  heap / 1024, resident / 1024, flood->trips, flood->slowest);
    if (heap > octets + FLOOD_POOLS || (!SANITIZED && resident > octets + FLOOD_POOLS))
        fail_msg("%s: memory grew by more than %zu octets", what, octets);
    zpeer_close(flood->interop, flood->client);
    support_socket_free(&flood->interop->support, flood->server);
}

/* Attackers ---------------------------------------------------------------------------------------------------------- */

void flood_connect(struct flood *flood, struct raw *ret_raw) {
    assert_int_equal(raw_connect(&flood->interop->support, kith_socket_last_endpoint(flood->server), ret_raw), 0);
}

void flood_join(struct flood *flood, struct raw *ret_raw, const char *type, const struct raw_property *properties) {
    flood_connect(flood, ret_raw);
    assert_int_equal(raw_handshake(ret_raw, type, properties), 0);
}

ssize_t flood_push(struct flood *flood, struct raw *raw, const void *octets, size_t size) {
    ssize_t count = send(raw->fd, octets, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    int error = errno;
    flood_settle(flood);
    return count >= 0 ? count : error == EAGAIN ? 0 : -error;
}

bool flood_pour(struct flood *flood, struct raw *raw, const void *octets, size_t size) {
    ssize_t count = 0;
    for (size_t at = 0; at < size && count >= 0; at += (size_t)count) {
        count = flood_push(flood, raw, (const uint8_t *)octets + at, size - at);
        if (count == 0)
            support_wait(&flood->interop->support, raw->fd, POLLOUT);
    }
    assert_true(count >= 0 || count == -EPIPE || count == -ECONNRESET);
    return count >= 0;
}
