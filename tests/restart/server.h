/*
 * tests/restart/server.h: the server that is restarted. It counts the requests of each connection, which is what must survive, and answers
 * with the count and its own generation.
 */
#ifndef KITH_TESTS_RESTART_SERVER_H
#define KITH_TESTS_RESTART_SERVER_H

#include <stdint.h>

/* On the wire, in the host's byte order. */
struct request {
    uint32_t number, check; /* check is ~number */
};

struct reply {
    uint32_t number;     /* of the request */
    uint32_t count;      /* requests on this connection so far */
    uint32_t generation; /* of the process that answered */
};

/* Serves at folder/service.sock and at 127.0.0.1:port, taking over from the process that does when there is one, until the next one has
 * taken over from it and all of its own clients are gone, or until SIGTERM. Writes an octet to `up` when it serves. Returns the exit
 * status. */
int server_run(const char *folder, unsigned port, uint32_t generation, int up);

#endif
