/*
 * gateway/output/testing-far.h: far ends for the tests of outputs: real ones, which write down what they got.
 *
 * Messages are sent with `origin`, a line each, so that a far end knows what it has: "ID<TAB>SOURCE<TAB>ORIGIN<TAB>BODY".
 */
#ifndef KITH_GATEWAY_OUTPUT_TESTING_FAR_H
#define KITH_GATEWAY_OUTPUT_TESTING_FAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/loop.h>

#include "gateway/output/output.h"

struct far;

struct far_type {
    const char *name;
    bool acks;
    bool never_slow; /* it takes whatever comes */
    /* Begins to be there, at far->target; after stop(), at the same. */
    void (*start)(struct far *far);
    /* Is there no more, in a way in which the output's promise holds. */
    void (*stop)(struct far *far);
    /* Does not take anything for a while. */
    void (*pause)(struct far *far);
    void (*resume)(struct far *far);
    /* Writes down what came and is not written down yet. */
    void (*collect)(struct far *far);
    void (*deinit)(struct far *far);
};

struct far {
    const struct far_type *type;
    kith_loop *loop;
    char target[320];
    struct output_options *options; /* of the output: a far end may have its own wishes */
    uint64_t *ids;                  /* as they came, over all connections */
    size_t count, room;
    size_t bad; /* lines that are not what was sent, and ids that went back within a connection */
    uint64_t last;
    bool quiet; /* bad lines are expected */
    void *extra;
};

/* In the place of main() of a command that is a far end; returns its exit status, or -1: this is not one. */
int far_main(int argc, char **argv);

void far_init(struct far *far, const struct far_type *type, kith_loop *loop, struct output_options *options);
void far_deinit(struct far *far);

/* The body of message `id`, of at least 16 octets. */
void far_body(uint64_t id, char *body, size_t size);
#define FAR_SOURCE "source"
#define FAR_ORIGIN "{\"pid\":1}"

/* A connection begins: ids may go back. */
void far_begin(struct far *far);
/* Writes a line down, without its newline. */
void far_line(struct far *far, const char *line, size_t size);
/* Lines in a row, the last may be incomplete. Returns how many octets were whole lines. */
size_t far_lines(struct far *far, const char *text, size_t size);

extern const struct far_type far_tcp, far_tcp_acks, far_ipc, far_exec, far_exec_acks, far_file, far_zmtp_tcp, far_zmtp_ipc;

#endif
