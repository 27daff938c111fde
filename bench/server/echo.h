/*
 * bench/server/echo.h: one connection of a readiness loop: when it is readable, one read and one write. A reply that the kernel does not
 * take whole waits in a block of its own, and nothing is read meanwhile.
 */
#ifndef KITH_BENCH_SERVER_ECHO_H
#define KITH_BENCH_SERVER_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct echo {
    int fd;
    char *rest; /* not sent yet, or NULL */
    size_t rest_size, rest_sent;
};

/* What to wait for now; a negative errno: the connection is over. */
enum echo_next { ECHO_READABLE, ECHO_WRITABLE };

/* Readable: reads and replies. */
int echo_read(struct echo *echo);
/* Writable, after ECHO_WRITABLE: goes on. */
int echo_write(struct echo *echo);
/* The half of echo_read() after the read. */
int echo_reply(struct echo *echo, const char *data, size_t size);
/* Is the first control message of a batch the credentials of its writer? For the servers that ask for them. */
bool echo_has_creds(const struct cmsghdr *first);
/* Closes. */
void echo_deinit(struct echo *echo);

#endif
