/*
 * cli/wiretest/wire.h: one connection to the peer that is looked at: octets, frames and commands, with a deadline on every wait.
 *
 * Nothing of libkith's protocol code is used: a suite that shared it would share its mistakes. The socket is a plain one that does not
 * block; poll(2) waits. What the peer sends is kept (its last octets, for the report) and every frame's header is judged on the way.
 *
 * Every function returns 0 or a negative errno: -ETIMEDOUT at the deadline, -ECONNRESET when the peer has closed, whatever form that took
 * (end of file, reset, broken pipe), -ENOBUFS when the connection has written or read as much as one may.
 */
#ifndef KITH_CLI_WIRETEST_WIRE_H
#define KITH_CLI_WIRETEST_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

/* RFC 37, "Formal Grammar". */
#define WIRE_GREETING 64
#define WIRE_SIGNATURE 10
#define WIRE_MECHANISM 20
/* Octets of a frame's body that a case looks at: READY and replies to our own small requests are shorter. */
#define WIRE_BODY_MAX ((size_t)64 * 1024)
/* No case writes or reads more on one connection: a suite that looks at a server in use must not load it. */
#define WIRE_OCTETS_MAX ((size_t)1024 * 1024)
/* The last octets of the peer, for the report of a failure. */
#define WIRE_SEEN_MAX 96

enum wire_flag {
    WIRE_MORE = 1,
    WIRE_LONG = 2,
    WIRE_COMMAND = 4,
};

struct wire_curve;

struct wire_frame {
    unsigned flags; /* under CURVE those inside the box, LONG never */
    size_t size;
    uint8_t body[WIRE_BODY_MAX];
};

/* What was seen of the peer's framing in a whole run. */
struct wire_framing {
    size_t frames;
    size_t reserved, more_on_command, long_small;
};

struct wire {
    int fd;           /* -1: none */
    uint64_t timeout; /* ns: how long a thing that has to come is waited for */
    size_t written, received;
    struct wire_framing *framing;
    struct wire_curve *curve; /* NULL: frames go as they are */
    uint8_t seen[WIRE_SEEN_MAX];
    size_t seen_size;
};

/* Connects to ipc://PATH, ipc://@NAME or tcp://HOST:PORT. The error names the endpoint and the remedy. */
int wire_open(struct wire *wire, const char *endpoint, uint64_t timeout, struct wire_framing *framing, struct kith_error *ret_error);
/* Closes, and lets go of the keys. */
void wire_close(struct wire *wire);
/* No more octets from us; the peer's may still come. */
int wire_shut(struct wire *wire);

int wire_write(struct wire *wire, const void *data, size_t size);
int wire_read(struct wire *wire, void *data, size_t size);
/* As wire_read(), with another patience than the connection's. */
int wire_read_within(struct wire *wire, void *data, size_t size, uint64_t timeout);
/* Reads and forgets until the peer closes: 0 when it did. */
int wire_until_closed(struct wire *wire, uint64_t timeout);

/* A frame's header by flags and size as they are given, however little they fit: LONG decides on 8 octets of size. Returns its length. */
size_t wire_header(uint8_t header[static 9], unsigned flags, uint64_t size);
/* One frame as the RFC has it: LONG where the body needs it; sealed in a MESSAGE under CURVE. */
int wire_send(struct wire *wire, unsigned flags, const void *body, size_t size);
int wire_send_command(struct wire *wire, const char *name, const void *data, size_t size);
/* The next frame; -EMSGSIZE when its body is longer than a case looks at, -EPROTO when it cannot be unsealed. */
int wire_recv(struct wire *wire, struct wire_frame *frame, uint64_t timeout);

/* True when the frame is that command; *ret_data and *ret_size, both may be NULL, are what follows its name. */
bool wire_is_command(const struct wire_frame *frame, const char *name, const uint8_t **ret_data, size_t *ret_size);

/* Handshake ------------------------------------------------------------------------------------------------------------ */

void wire_greeting(uint8_t greeting[static WIRE_GREETING], unsigned minor, const char *mechanism, bool as_server);

/* Metadata of READY and INITIATE, written into place. */
struct wire_metadata {
    uint8_t data[2048];
    size_t size;
};

/* Adds a property; the value's length may be told wrong. */
void wire_metadata_add(struct wire_metadata *metadata, const char *name, const void *value, size_t size);
void wire_metadata_add_size(struct wire_metadata *metadata, const char *name, const void *value, size_t size, uint32_t told);
/* The property's value in a READY, name in any case; NULL when there is none. */
const uint8_t *wire_metadata_find(const uint8_t *data, size_t data_size, const char *name, size_t *ret_size);

#endif
