/*
 * stream/listen.h: from an address and options, or from a descriptor, to a socket that listens.
 */
#ifndef KITH_STREAM_LISTEN_H
#define KITH_STREAM_LISTEN_H

#include <kith/stream.h>

#include "stream/path.h"

/* Takes the socket bound to the address from options->inherited, or makes one. ret_path holds the path that is ours to remove, if any.
 * Errors: those of kith_listener_new(). */
int kith_listen_open(const struct kith_address *address, const struct kith_listener_options *options, int *ret_fd,
                     struct kith_bound_path *ret_path, struct kith_error *ret_error);
/* Makes a socket that listens already fit for a listener; it stays the caller's. Errors: those of kith_listen_check() and, where a path is
 * to be ours, of kith_bind_adopt_path(). */
int kith_listen_adopt(int fd, const struct kith_listener_options *options, struct kith_bound_path *ret_path, struct kith_error *ret_error);
/* Says whether fd is a stream socket of AF_UNIX, TCP or AF_VSOCK that listens; `name` is for the error's text ("descriptor 3 (NAME)"), or
 * NULL. Errors: -EBADF, -ENOTSOCK, -EPROTOTYPE, -EAFNOSUPPORT, -EINVAL (does not listen), with text. */
int kith_listen_check(int fd, const char *name, struct kith_error *ret_error);

#endif
