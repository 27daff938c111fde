#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "interop/flood.h"

/* Messages of more frames are an attacker's. */
#define HONEST_FRAMES 4

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct flood *flood = userdata;
    size_t count = kith_msg_count(msg);
    flood->frames = count > flood->frames ? count : flood->frames;
    if (!kith_socket_sends(socket) || count > HONEST_FRAMES || kith_socket_send(socket, msg, 0) < 0)
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
    enum kith_socket_type type = kith_socket_type_of(flood->server);
    return type == KITH_PUB || type == KITH_XPUB;
}

void flood_new(struct flood *flood, struct interop *interop, enum kith_socket_type type) {
    *flood = (struct flood){.interop = interop, .server = support_socket(&interop->support, type)};
    struct kith_socket_handler handler = {.event = on_event, .message = publishes(flood) ? NULL : on_message};
    kith_socket_set_handler(flood->server, &handler, flood);
}

void flood_serve(struct flood *flood, const char *endpoint) {
    support_bind(flood->server, endpoint);
    flood->client = zpeer_new(flood->interop, publishes(flood) ? ZMQ_SUB : ZMQ_REQ);
    if (publishes(flood))
        assert_int_equal(zmq_setsockopt(flood->client, ZMQ_SUBSCRIBE, "honest", 6), 0);
    zpeer_connect(flood->client, kith_socket_last_endpoint(flood->server));
    support_until(&flood->interop->support, kith_socket_peer_count(flood->server) == 1);
    if (publishes(flood)) /* its subscription comes right behind its handshake */
        support_run_for(&flood->interop->support, 50);
    flood_trip(flood);
    flood->heap = flood->most = support_heap();
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
    if (publishes(flood))
        support_send(&flood->interop->support, flood->server, support_copy(question));
    else
        zpeer_send(flood->interop, flood->client, question);
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
    size_t heap = support_heap();
    flood->most = heap > flood->most ? heap : flood->most;
}

void flood_until(struct flood *flood, enum kith_event_type type, size_t count) {
    support_until(&flood->interop->support, flood->events[type] >= count);
}

size_t flood_growth(const struct flood *flood) {
    return flood->most - flood->heap;
}

void flood_end(struct flood *flood, const char *what, size_t octets) {
    flood_trip(flood);
    print_message("    %s: memory grew by %zu KiB at most, %u round trips beside it, the slowest in %u ms\n", what,
                  flood_growth(flood) / 1024, flood->trips, flood->slowest);
    if (flood_growth(flood) > octets)
        fail_msg("%s: memory grew by %zu octets, more than %zu", what, flood_growth(flood), octets);
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
