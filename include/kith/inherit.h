/*
 * kith/inherit.h: listening sockets that came from elsewhere: from systemd, or from the process that ran before (kith/handover.h).
 *
 * A set holds sockets, each with the name that who made it gave it; a name may be there several times. Put the set into
 * kith_listener_options.inherited, and kith_listener_new() takes the socket that is bound to the wanted address instead of making one: the
 * same program then starts with and without. Or take sockets by name, for kith_listener_new_fd(). Addresses are compared as they are
 * written: a relative path is not found by its absolute one. Port 0 finds nothing. The set belongs to one thread.
 */
#ifndef KITH_INHERIT_H
#define KITH_INHERIT_H

#include <stdbool.h>
#include <stddef.h>

#include <kith/error.h>
#include <kith/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest name of a socket, as FileDescriptorName= of systemd.socket(5) has it. */
#define KITH_INHERITED_NAME_MAX 255

/* An empty set. Errors: -ENOMEM. */
KITH_PUBLIC int kith_inherited_new(kith_inherited **ret_inherited);
/* The sockets that systemd passed, by the rules of sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES. Without these variables, or
 * when they are for another process, the set is empty. Each descriptor must be a stream socket of AF_UNIX or TCP that listens; on success
 * all of them belong to the set, on failure none. All are made close-on-exec. unset_environment removes the variables in any case, as it
 * should be where child processes are started; setenv(3) is not thread-safe. Errors: -EINVAL (a variable makes no sense, more or fewer
 * names than sockets, a socket that does not listen), -EBADF, -ENOTSOCK, -EPROTOTYPE, -EAFNOSUPPORT, -ENOMEM, with text that names the
 * variable or the descriptor. */
KITH_PUBLIC int kith_inherited_new_systemd(bool unset_environment, kith_inherited **ret_inherited, struct kith_error *ret_error);
/* Closes what was not taken, frees. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_inherited *kith_inherited_free(kith_inherited *inherited);

/* Adds a socket, which belongs to the set from now on; on failure it stays the caller's. Errors: -EINVAL (no name, or one above
 * KITH_INHERITED_NAME_MAX octets; does not listen), -EBADF, -ENOTSOCK, -EPROTOTYPE, -EAFNOSUPPORT, -ENOMEM, with text. */
KITH_PUBLIC int kith_inherited_add(kith_inherited *inherited, const char *name, int fd, struct kith_error *ret_error);

/* Sockets that were not taken, their names (valid while the socket is there) and addresses, in the order in which they came: for a line in
 * the log. NULL and -ENOENT beyond the last. */
KITH_PUBLIC size_t kith_inherited_count(const kith_inherited *inherited);
KITH_PUBLIC const char *kith_inherited_name(const kith_inherited *inherited, size_t index);
KITH_PUBLIC int kith_inherited_address(const kith_inherited *inherited, size_t index, struct kith_address *ret_address);

/* Takes the first socket of that name, or bound to that address, out of the set. Returns the descriptor, which is the caller's, or -ENOENT.
 * A path goes on belonging to whoever made it. */
KITH_PUBLIC int kith_inherited_take(kith_inherited *inherited, const char *name);
KITH_PUBLIC int kith_inherited_take_address(kith_inherited *inherited, const struct kith_address *address);

#ifdef __cplusplus
}
#endif
#endif
