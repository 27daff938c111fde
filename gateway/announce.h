/*
 * gateway/announce.h: what the gateway's sockets are, for whoever looks at its process from outside (kith map).
 *
 * A file in memory that nobody can change any more, "kith-sockets" in /proc/PID/fd, a line a socket, its parts separated by tabs:
 *
 *     bind|connect  ENDPOINT  TYPE  NAME
 *
 * TYPE is ZMTP's ("ROUTER"), NAME the configuration's ("service who"). It is the process's own word. Who may look at the descriptors of
 * the process (ptrace(2), PTRACE_MODE_READ_FSCREDS) may read it.
 */
#ifndef KITH_GATEWAY_ANNOUNCE_H
#define KITH_GATEWAY_ANNOUNCE_H

#include "gateway/config.h"

#define GATEWAY_ANNOUNCE_NAME "kith-sockets"

/* The descriptor is the caller's, who keeps it open as long as the sockets. Errors: those of memfd_create(2) and write(2). */
int gateway_announce_new(const struct gateway_config *config, int *ret_fd);

#endif
