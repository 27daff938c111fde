/*
 * tests/interop/zpeer.h: libzmq as the foreign peer. It works in a thread of its own; the test's only thread runs the kith loop whenever it
 * waits for libzmq.
 */
#ifndef KITH_TESTS_ZPEER_H
#define KITH_TESTS_ZPEER_H

#include <zmq.h>

#include "support/support.h"

#define INTEROP_ZSOCKETS 128
#define INTEROP_ENDPOINT 256

/* A kith fixture (its address is the fixture's) and a libzmq context. */
struct interop {
    struct support support;
    void *context;
    void *zsockets[INTEROP_ZSOCKETS];
    size_t zcount;
};

int interop_setup(void **state);
int interop_teardown(void **state);

/* A socket that forgets what is unsent when it is closed, and reconnects fast. Closed with the fixture. */
void *zpeer_new(struct interop *interop, int type);
void zpeer_close(struct interop *interop, void *zsocket);
void zpeer_set(void *zsocket, int option, int value);
void zpeer_set_id(void *zsocket, const char *routing_id);
/* Binds, and copies the endpoint with its port to ret_endpoint. */
void zpeer_bind(void *zsocket, const char *endpoint, char ret_endpoint[static INTEROP_ENDPOINT]);
void zpeer_connect(void *zsocket, const char *endpoint);

/* Sends a copy of the message; waits for room. */
void zpeer_send(struct interop *interop, void *zsocket, const kith_msg *msg);
kith_msg *zpeer_recv(struct interop *interop, void *zsocket);
/* True when a message waits. */
bool zpeer_readable(void *zsocket);

/* Watches all events of the socket; the monitor is closed with the fixture. */
void *zpeer_monitor(struct interop *interop, void *zsocket);
/* Waits for an event that is in `mask` and returns it with its value; others are counted in *ret_seen (a mask; may be NULL). */
uint16_t zpeer_monitor_wait(struct interop *interop, void *monitor, unsigned mask, uint32_t *ret_value, unsigned *ret_seen);
/* Takes what has been reported by now; returns its mask. */
unsigned zpeer_monitor_seen(void *monitor);

#endif
