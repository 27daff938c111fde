/*
 * A bound path.
 *
 * bind() tells nobody which inode it made, and between it and us whoever may write in the directory can have replaced the name, by a hard
 * link to a file of ours, say. So mode and owner are never set by name. With CAP_NET_ADMIN the kernel gives a descriptor of the very inode
 * (SIOCUNIXFILE); without it the name is opened once, without following a link, and must be a socket of ours that has no second name. In
 * a directory that only we may write, or a sticky one, that is the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "stream/path.h"

/* From linux/un.h (Linux 4.10), which cannot be included beside sys/un.h. */
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

struct kith_grant *kith_grant_new(void) {
    struct kith_grant *grant = calloc(1, sizeof(*grant));
    if (grant)
        grant->refs = 1;
    return grant;
}

struct kith_grant *kith_grant_ref(struct kith_grant *grant) {
    if (grant)
        grant->refs++;
    return grant;
}

struct kith_grant *kith_grant_unref(struct kith_grant *grant) {
    if (grant && --grant->refs == 0)
        free(grant);
    return NULL;
}

static bool is_inode(const struct stat *st, dev_t device, ino_t inode) {
    return S_ISSOCK(st->st_mode) && st->st_dev == device && st->st_ino == inode;
}

/* Opens the inode that fd is bound to, for fchownat() and the like (O_PATH). Returns the descriptor, or a negative errno: -ESTALE when it
 * is not what the name says, or not surely. */
static int open_inode(const struct kith_bound_path *bound, int fd, struct stat *ret_st) {
    struct stat named;
    _cleanup_(kith_closep) int inode = ioctl(fd, SIOCUNIXFILE);
    bool exact = inode >= 0;
    if (!exact)
        inode = openat(bound->dirfd, bound->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (inode < 0 || fstat(inode, ret_st) < 0 || fstatat(bound->dirfd, bound->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? -ESTALE : -errno;
    if (!is_inode(&named, ret_st->st_dev, ret_st->st_ino) || (!exact && (named.st_uid != geteuid() || named.st_nlink != 1)))
        return -ESTALE;
    return KITH_STEAL_FD(inode);
}

static int set_mode(int inode, mode_t mode, const char *path, struct kith_error *ret_error) {
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", inode); /* fchmod() refuses O_PATH */
    if (chmod(link, mode) == 0)
        return 0;
    int r = -errno;
    return kith_error_set(ret_error, r, "%s: mode %04o cannot be set: %s", path, (unsigned)mode, kith_error_name(r));
}

static int set_owner(int inode, uid_t uid, gid_t gid, const char *path, struct kith_error *ret_error) {
    if (fchownat(inode, "", uid, gid, AT_EMPTY_PATH) == 0)
        return 0;
    int r = -errno;
    if (r == -EPERM)
        return kith_error_set(ret_error, r,
                              "%s: owner %d:%d cannot be set by uid %u: that needs CAP_CHOWN, or for the group alone to be in it", path,
                              (int)uid, (int)gid, (unsigned)geteuid());
    return kith_error_set(ret_error, r, "%s: owner %d:%d cannot be set: %s", path, (int)uid, (int)gid, kith_error_name(r));
}

int kith_bound_path_claim(struct kith_bound_path *bound, int fd, const struct kith_listener_options *options, const char *path,
                          struct kith_error *ret_error) {
    struct stat st;
    _cleanup_(kith_closep) int inode = -1;
    int r = open_inode(bound, fd, &st);
    if (r == -ESTALE)
        return kith_error_set(ret_error, r, "%s: another program has replaced this path; look who may write in its directory", path);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: the new path cannot be looked at: %s", path, kith_error_name(r));
    inode = r;

    bound->device = st.st_dev;
    bound->inode = st.st_ino;
    bound->owner = getpid();
    r = 0;
    /* The mode first: afterwards it may be somebody else's. Nobody can connect yet, whatever he may. */
    if (options->mode != 0 && (st.st_mode & 07777) != (mode_t)options->mode)
        r = set_mode(inode, (mode_t)options->mode, path, ret_error);
    if (r == 0 && options->set_owner)
        r = set_owner(inode, options->uid, options->gid, path, ret_error);
    return r;
}

bool kith_bound_path_held(const struct kith_bound_path *bound) {
    return bound->dirfd >= 0 && bound->owner == getpid() && (!bound->grant || bound->grant->given);
}

struct kith_bound_path kith_bound_path_steal(struct kith_bound_path *from) {
    struct kith_bound_path bound = *from;
    *from = KITH_BOUND_PATH_INIT;
    return bound;
}

void kith_bound_path_release(struct kith_bound_path *bound) {
    bound->dirfd = kith_close(bound->dirfd);
    bound->grant = kith_grant_unref(bound->grant);
}

void kith_bound_path_deinit(struct kith_bound_path *bound) {
    struct stat st;
    if (kith_bound_path_held(bound) && fstatat(bound->dirfd, bound->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        is_inode(&st, bound->device, bound->inode))
        unlinkat(bound->dirfd, bound->name, 0);
    kith_bound_path_release(bound);
}
