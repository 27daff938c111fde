/*
 * stream/path.h: a path of AF_UNIX that was bound: which inode it is, and whose it is to remove.
 */
#ifndef KITH_STREAM_PATH_H
#define KITH_STREAM_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include <kith/stream.h>

/* What the paths of one handover share: the process that takes them over may remove them once they have been given to it, and not while
 * the old one might still go on. */
struct kith_grant {
    unsigned refs;
    bool given;
};

/* NULL without memory. */
struct kith_grant *kith_grant_new(void);
struct kith_grant *kith_grant_ref(struct kith_grant *grant);
struct kith_grant *kith_grant_unref(struct kith_grant *grant);

struct kith_bound_path {
    int dirfd; /* of its directory, or -1: no path is held. Kept open, so that chdir() and a renamed directory do no harm */
    char name[108];
    dev_t device;
    ino_t inode;
    pid_t owner;              /* a child process of fork() must not remove its parent's path */
    struct kith_grant *grant; /* NULL: ours from the start */
};

#define KITH_BOUND_PATH_INIT ((struct kith_bound_path){.dirfd = -1})

/* Notes which inode fd was bound to at dirfd and name (both set), then gives it mode and owner, as the options say, through a descriptor
 * of that inode: whoever may write in the directory can put something else at the name, but not have us change it. `path` is for error
 * texts. Errors: -ESTALE (the name is something else by now), -EPERM (the owner needs CAP_CHOWN), those of openat(2), chmod(2) and
 * chown(2). */
int kith_bound_path_claim(struct kith_bound_path *bound, int fd, const struct kith_listener_options *options, const char *path,
                          struct kith_error *ret_error);
/* True when this process is the one that removes the path. */
bool kith_bound_path_held(const struct kith_bound_path *bound);
/* Takes what is held over: *from holds nothing afterwards. */
struct kith_bound_path kith_bound_path_steal(struct kith_bound_path *from);
/* Forgets the path without removing it: it is somebody else's now. */
void kith_bound_path_release(struct kith_bound_path *bound);
/* Removes the path when it is held and still the one that was bound, and forgets it. */
void kith_bound_path_deinit(struct kith_bound_path *bound);

#endif
