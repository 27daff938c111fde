/*
 * stream/bind.h: binding to a path without stealing it.
 */
#ifndef KITH_STREAM_BIND_H
#define KITH_STREAM_BIND_H

#include <stdbool.h>
#include <sys/types.h>

#include <kith/stream.h>

#include "stream/path.h"

/* The address is a path, not an abstract name nor of another family. */
bool kith_bind_is_path(const struct kith_address *address);

/* Binds fd to a path address, gives it mode and owner as the options say, and listens. Errors: -EADDRINUSE (a live server), -EEXIST (not a
 * socket), -EBUSY (the directory stays locked), those of kith_bound_path_claim(), open(2), bind(2) and listen(2), all with text. */
int kith_bind_path(int fd, const struct kith_address *address, int backlog, const struct kith_listener_options *options,
                   struct kith_bound_path *ret_path, struct kith_error *ret_error);
/* A path that fd is bound to and that another program made: from now on it is ours to remove. Errors: -ESTALE (the path is something else
 * by now), those of open(2), all with text. */
int kith_bind_adopt_path(int fd, const struct kith_address *address, struct kith_bound_path *ret_path, struct kith_error *ret_error);

/* Who listens at an AF_UNIX address, by connecting and closing at once. Waits a little for a listener whose process has ended. Returns 1 (a
 * live server; *ret_pid is its pid, or 0 when it cannot be told), 0 (nobody), or a negative errno (it cannot be found out). */
int kith_bind_probe(const struct kith_address *address, pid_t *ret_pid);
/* Sets ret_error to -EADDRINUSE and names the holder. */
int kith_bind_in_use(const struct kith_address *address, pid_t pid, struct kith_error *ret_error);

#endif
