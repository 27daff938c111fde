/*
 * tests/support/raw.h: a peer that speaks ZMTP 3.1 by hand on a plain socket, so that a test decides which process writes which octet.
 *
 * It works in the process that runs the kith loop (which is then run while the peer waits) and in forked children (support NULL), where
 * nothing of kith or cmocka may be called: every function returns 0 or a negative errno, -ETIMEDOUT at the deadline.
 */
#ifndef KITH_TESTS_RAW_H
#define KITH_TESTS_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct support;

#define RAW_GREETING 64
#define RAW_READY_MAX 1024

enum { RAW_MORE = 1, RAW_LONG = 2, RAW_COMMAND = 4 };

struct raw {
    int fd;
    struct support *support;
    char refusal[256]; /* reason of the ERROR command that came instead of READY */
};

struct raw_property {
    const char *name;
    const char *value;
    size_t size; /* of a value that holds NULs; 0: as long as the string */
};

/* What ZMTP puts on the wire. */
void raw_greeting(uint8_t greeting[static RAW_GREETING]);
/* A READY command frame; properties end with a NULL name and may be NULL. Returns its size. */
size_t raw_ready(uint8_t frame[static RAW_READY_MAX], const char *socket_type, const struct raw_property *properties);
/* A frame header. Returns its size: 2 or 9. */
size_t raw_header(uint8_t header[static 9], unsigned flags, uint64_t size);

/* Connects to ipc://PATH, ipc://@NAME or tcp://A.B.C.D:PORT. */
int raw_connect(struct support *support, const char *endpoint, struct raw *ret_raw);
/* Listens on ipc://PATH, and accepts one connection. */
int raw_listen(const char *endpoint);
int raw_accept(struct support *support, int listener, struct raw *ret_raw);
void raw_close(struct raw *raw);

int raw_write(struct raw *raw, const void *data, size_t size);
int raw_read(struct raw *raw, void *data, size_t size);
/* Reads and forgets until the peer closes; -ETIMEDOUT when it does not. */
int raw_until_closed(struct raw *raw);

/* Greeting and READY both ways. -EACCES when the peer answered with ERROR (raw->refusal), -EPROTO on anything else than READY. */
int raw_handshake(struct raw *raw, const char *socket_type, const struct raw_property *properties);
/* raw_connect() and raw_handshake(); open only when it returns 0. */
int raw_join(struct support *support, const char *endpoint, const char *socket_type, const struct raw_property *properties,
             struct raw *ret_raw);
/* One frame. */
int raw_send(struct raw *raw, unsigned flags, const void *body, size_t size);
/* Next frame; at most `room` octets, longer ones are -EMSGSIZE. */
int raw_recv(struct raw *raw, unsigned *ret_flags, void *body, size_t room, size_t *ret_size);
/* Next message frame, commands skipped; NUL-terminated. */
int raw_recv_text(struct raw *raw, char *text, size_t room);

#endif
