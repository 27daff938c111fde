/*
 * stream/bind.h: binding to a path without stealing it.
 */
#ifndef KITH_STREAM_BIND_H
#define KITH_STREAM_BIND_H

#include <stdint.h>
#include <sys/types.h>

#include <kith/stream.h>

/* A path of AF_UNIX that a listener made, and how to know later that it is still its own. */
struct kith_bound_path {
    int dirfd; /* of its directory, or -1: no path is held. Kept open, so that chdir() and a renamed directory do no harm */
    char name[108];
    dev_t device;
    ino_t inode;
    pid_t owner; /* a child process of fork() must not remove its parent's path */
};

#define KITH_BOUND_PATH_INIT ((struct kith_bound_path){.dirfd = -1})

/* Binds fd to a path address and listens. mode as in struct kith_listener_options. Errors: -EADDRINUSE (a live server), -EEXIST (not a
 * socket), -EBUSY (the directory stays locked), those of open(2), bind(2) and listen(2), all with text. */
int kith_bind_path(int fd, const struct kith_address *address, int backlog, int mode, struct kith_bound_path *ret_path,
                   struct kith_error *ret_error);
/* Removes the path when it is still the one that was made. */
void kith_bound_path_deinit(struct kith_bound_path *path);

/* Who listens at an AF_UNIX address, by connecting and closing at once. Returns 1 (a live server; *ret_pid is its pid, or 0 when it cannot
 * be told), 0 (nobody), or a negative errno (it cannot be found out). */
int kith_bind_probe(const struct kith_address *address, pid_t *ret_pid);
/* Sets ret_error to -EADDRINUSE and names the holder. */
int kith_bind_in_use(const struct kith_address *address, pid_t pid, struct kith_error *ret_error);

#endif
