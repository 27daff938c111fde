#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/zpeer.h"

int interop_setup(void **state) {
    struct interop *interop = calloc(1, sizeof(*interop));
    assert_non_null(interop);
    support_init(&interop->support);
    interop->context = zmq_ctx_new();
    assert_non_null(interop->context);
    *state = interop;
    return 0;
}

int interop_teardown(void **state) {
    struct interop *interop = *state;
    for (size_t i = 0; i < interop->zcount; i++)
        if (interop->zsockets[i])
            zmq_close(interop->zsockets[i]);
    zmq_ctx_term(interop->context);
    bool clean = support_deinit(&interop->support);
    free(interop);
    return clean ? 0 : -1;
}

static void *adopt(struct interop *interop, void *zsocket) {
    assert_non_null(zsocket);
    assert_true(interop->zcount < INTEROP_ZSOCKETS);
    interop->zsockets[interop->zcount++] = zsocket;
    return zsocket;
}

void *zpeer_new(struct interop *interop, int type) {
    void *zsocket = adopt(interop, zmq_socket(interop->context, type));
    zpeer_set(zsocket, ZMQ_LINGER, 0);
    zpeer_set(zsocket, ZMQ_RECONNECT_IVL, 5);
    zpeer_set(zsocket, ZMQ_RECONNECT_IVL_MAX, 50);
    zpeer_set(zsocket, ZMQ_IPV6, 1);
    return zsocket;
}

void zpeer_close(struct interop *interop, void *zsocket) {
    for (size_t i = 0; i < interop->zcount; i++)
        if (interop->zsockets[i] == zsocket)
            interop->zsockets[i] = NULL;
    zmq_close(zsocket);
}

void zpeer_set(void *zsocket, int option, int value) {
    if (zmq_setsockopt(zsocket, option, &value, sizeof(value)) < 0)
        fail_msg("zmq_setsockopt %d: %s", option, zmq_strerror(errno));
}

void zpeer_set_id(void *zsocket, const char *routing_id) {
    if (zmq_setsockopt(zsocket, ZMQ_ROUTING_ID, routing_id, strlen(routing_id)) < 0)
        fail_msg("ZMQ_ROUTING_ID: %s", zmq_strerror(errno));
}

void zpeer_bind(void *zsocket, const char *endpoint, char ret_endpoint[static INTEROP_ENDPOINT]) {
    if (zmq_bind(zsocket, endpoint) < 0)
        fail_msg("zmq_bind %s: %s", endpoint, zmq_strerror(errno));
    size_t size = INTEROP_ENDPOINT;
    assert_int_equal(zmq_getsockopt(zsocket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size), 0);
}

void zpeer_connect(void *zsocket, const char *endpoint) {
    if (zmq_connect(zsocket, endpoint) < 0)
        fail_msg("zmq_connect %s: %s", endpoint, zmq_strerror(errno));
}

/* Runs the kith loop until the zmq socket has something to do, once. */
static void turn(struct interop *interop, void *zsocket, short events) {
    kith_loop *loop = interop->support.loop;
    zmq_pollitem_t items[2] = {{.socket = zsocket, .events = events}, {.fd = kith_loop_fd(loop), .events = ZMQ_POLLIN}};
    int left = support_left(&interop->support);
    if (left == 0)
        fail_msg("libzmq did not get what the test waits for");
    if (zmq_poll(items, 2, left) > 0 && items[1].revents)
        assert_true(kith_loop_step(loop, 0) >= 0);
}

/* A frame that waits until the socket takes it. EHOSTUNREACH is what a mandatory ROUTER says before its peer's handshake is done: it
 * becomes possible by running the loop on. */
static void send_frame(struct interop *interop, void *zsocket, const void *data, size_t size, int flags) {
    while (zmq_send(zsocket, data, size, flags | ZMQ_DONTWAIT) < 0) {
        if (errno != EAGAIN && errno != EHOSTUNREACH)
            fail_msg("zmq_send: %s", zmq_strerror(errno));
        if (errno == EAGAIN)
            turn(interop, zsocket, ZMQ_POLLOUT);
        else
            support_run_for(&interop->support, 1);
    }
}

void zpeer_send(struct interop *interop, void *zsocket, const kith_msg *msg) {
    size_t count = kith_msg_count(msg);
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        const uint8_t *data = kith_msg_frame(msg, i, &size);
        send_frame(interop, zsocket, data, size, i + 1 < count ? ZMQ_SNDMORE : 0);
    }
}

kith_msg *zpeer_recv(struct interop *interop, void *zsocket) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_msg_new(&msg), 0);
    bool more = true;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        while (zmq_msg_recv(&frame, zsocket, ZMQ_DONTWAIT) < 0) {
            if (errno != EAGAIN)
                fail_msg("zmq_msg_recv: %s", zmq_strerror(errno));
            turn(interop, zsocket, ZMQ_POLLIN);
        }
        assert_int_equal(kith_msg_add(msg, zmq_msg_data(&frame), zmq_msg_size(&frame)), 0);
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
    return msg;
}

bool zpeer_readable(void *zsocket) {
    zmq_pollitem_t item = {.socket = zsocket, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, 0) > 0;
}

void *zpeer_monitor(struct interop *interop, void *zsocket) {
    static unsigned number;
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "inproc://monitor-%u", number++);
    assert_int_equal(zmq_socket_monitor(zsocket, endpoint, ZMQ_EVENT_ALL), 0);
    void *monitor = adopt(interop, zmq_socket(interop->context, ZMQ_PAIR));
    zpeer_set(monitor, ZMQ_LINGER, 0);
    zpeer_connect(monitor, endpoint);
    return monitor;
}

/* An event is two frames: event (16 bits) and value (32 bits) in host order, and the address; zmq_socket_monitor(3). */
static uint16_t parse_event(const kith_msg *msg, uint32_t *ret_value) {
    size_t size = 0;
    const uint8_t *data = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, 6);
    uint16_t event;
    memcpy(&event, data, sizeof(event));
    memcpy(ret_value, data + 2, sizeof(*ret_value));
    return event;
}

uint16_t zpeer_monitor_wait(struct interop *interop, void *monitor, unsigned mask, uint32_t *ret_value, unsigned *ret_seen) {
    for (;;) {
        _cleanup_(kith_msg_freep) kith_msg *msg = zpeer_recv(interop, monitor);
        uint32_t value = 0;
        uint16_t event = parse_event(msg, &value);
        if (event & mask) {
            if (ret_value)
                *ret_value = value;
            return event;
        }
        if (ret_seen)
            *ret_seen |= event;
    }
}

unsigned zpeer_monitor_seen(void *monitor) {
    unsigned seen = 0;
    uint8_t event[6];
    while (zmq_recv(monitor, event, sizeof(event), ZMQ_DONTWAIT) == sizeof(event)) {
        uint16_t type;
        memcpy(&type, event, sizeof(type));
        seen |= type;
        zmq_recv(monitor, NULL, 0, 0); /* the address */
    }
    return seen;
}
