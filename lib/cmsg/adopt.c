/*
 * cmsg/adopt.c: taking the descriptors out of a received control buffer.
 *
 * Whatever a peer sends is open in this process before anybody has looked at it. So this walks by headers alone, and each descriptor ends
 * in exactly one place: the caller's array, the caller's pidfd, or closed. Negative numbers are no descriptors: the kernel puts the
 * errno value into SCM_PIDFD when it could not make one (scm_pidfd_recv()).
 */
#include <string.h>

#include "base/fd.h"
#include "cmsg/internal.h"

struct adoption {
    int *fds;
    size_t max;
    size_t count;
    size_t refused;
    int pidfd;
    bool want_pidfd;
    void (*refuse)(int fd, void *userdata);
    void *userdata;
};

static void adopt_fd(struct adoption *adoption, int fd) {
    if (fd < 0)
        return;
    if (adoption->count < adoption->max) {
        adoption->fds[adoption->count++] = fd;
    } else {
        adoption->refused++;
        adoption->refuse(fd, adoption->userdata);
    }
}

static void adopt_pidfd(struct adoption *adoption, int fd) {
    if (fd < 0)
        return;
    if (adoption->want_pidfd && adoption->pidfd < 0)
        adoption->pidfd = fd;
    else
        adoption->refuse(fd, adoption->userdata);
}

size_t kith_cmsg_adopt_fds_with(const void *control, size_t size, int *fds, size_t max, size_t *ret_refused, int *ret_pidfd,
                                void (*refuse)(int fd, void *userdata), void *userdata) {
    struct adoption adoption = {
        .fds = fds, .max = max, .pidfd = -1, .want_pidfd = ret_pidfd != NULL, .refuse = refuse, .userdata = userdata};
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(control, size);
    struct kith_cmsg cmsg;

    while (kith_cmsg_step(&iter, &cmsg) > 0) {
        const struct kith_cmsg_row *row = kith_cmsg_row_find(cmsg.level, cmsg.type);

        if (!row || (row->type.kind != KITH_CMSG_FDS && row->type.kind != KITH_CMSG_PIDFD))
            continue;
        for (size_t offset = 0; cmsg.size - offset >= sizeof(int); offset += sizeof(int)) {
            int fd;

            memcpy(&fd, (const uint8_t *)cmsg.data + offset, sizeof(fd));
            if (row->type.kind == KITH_CMSG_FDS)
                adopt_fd(&adoption, fd);
            else if (offset == 0)
                adopt_pidfd(&adoption, fd);
        }
    }

    if (ret_refused)
        *ret_refused = adoption.refused;
    if (ret_pidfd)
        *ret_pidfd = adoption.pidfd;
    return adoption.count;
}

static void refuse_by_close(int fd, void *userdata) {
    kith_close(fd);
}

size_t kith_cmsg_adopt_fds(const void *control, size_t size, int *fds, size_t max, size_t *ret_refused, int *ret_pidfd) {
    return kith_cmsg_adopt_fds_with(control, size, fds, max, ret_refused, ret_pidfd, refuse_by_close, NULL);
}
