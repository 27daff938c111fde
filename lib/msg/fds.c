/* msg/fds.c: the descriptors of a message: a list (base/fds.h) that copies of the message share until one of them changes it. */
#include <errno.h>

#include "base/fd.h"
#include "msg/internal.h"

int kith_msg_add_fd(kith_msg *msg, int fd) {
    int r = kith_fd_set_cloexec(fd);
    if (r >= 0 && msg->fds)
        r = kith_fds_own(&msg->fds);
    return r < 0 ? r : kith_fds_add(&msg->fds, fd);
}

size_t kith_msg_fd_count(const kith_msg *msg) {
    return msg->fds ? msg->fds->count : 0;
}

int kith_msg_fd(const kith_msg *msg, size_t index) {
    int fd = index < kith_msg_fd_count(msg) ? msg->fds->fd[index] : -1;
    return fd >= 0 ? fd : -EBADF;
}

int kith_msg_take_fd(kith_msg *msg, size_t index) {
    int r = kith_msg_fd(msg, index);
    if (r >= 0)
        r = kith_fds_own(&msg->fds);
    return r < 0 ? r : KITH_STEAL_FD(msg->fds->fd[index]);
}

/* All or none: what can fail comes before the first one moves. */
static int append_fds(struct kith_fds **to, struct kith_fds *from) {
    unsigned before = (*to)->count;
    for (unsigned i = 0; i < from->count; i++) {
        int r = kith_fds_add(to, from->fd[i]);
        if (r < 0) {
            (*to)->count = before; /* they are still those of `from` */
            return r;
        }
    }
    from->count = 0;
    return 0;
}

int kith_msg_move_fds(kith_msg *to, kith_msg *from) {
    if (kith_msg_fd_count(from) == 0)
        return 0;
    int r = 0;
    if (to->fds) {
        r = kith_fds_own(&to->fds);
        if (r >= 0)
            r = kith_fds_own(&from->fds);
        if (r >= 0)
            r = append_fds(&to->fds, from->fds);
        if (r < 0)
            return r;
        kith_fds_unref(from->fds);
    } else {
        to->fds = from->fds;
    }
    from->fds = NULL;
    return 0;
}
