/*
 * cmsg/builder.c: a control buffer for sendmsg().
 *
 * Invariant: size <= capacity, and control[0..size) is whole control messages, padding zeroed: nothing of the caller's memory
 * reaches the kernel by accident. An append either fits completely or changes nothing.
 */
#include <errno.h>
#include <string.h>

#include "cmsg/internal.h"

int kith_cmsg_put(struct kith_cmsg_builder *builder, int level, int type, const void *data, size_t size) {
    size_t room = builder->capacity - builder->size;
    struct cmsghdr header = {.cmsg_level = level, .cmsg_type = type};
    uint8_t *place = builder->control + builder->size;

    if (size > 0 && !data)
        return -EINVAL;
    /* First without CMSG_SPACE(), which overflows for a size near SIZE_MAX. */
    if (size > room || CMSG_SPACE(size) > room)
        return -ENOBUFS;

    header.cmsg_len = CMSG_LEN(size);
    memset(place, 0, CMSG_SPACE(size));
    memcpy(place, &header, sizeof(header));
    if (size > 0)
        memcpy(place + CMSG_LEN(0), data, size);
    builder->size += CMSG_SPACE(size);
    return 0;
}

int kith_cmsg_put_fds(struct kith_cmsg_builder *builder, const int *fds, size_t count) {
    if (count == 0 || count > KITH_CMSG_MAX_FDS || !fds)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (fds[i] < 0)
            return -EINVAL;
    }
    return kith_cmsg_put(builder, SOL_SOCKET, SCM_RIGHTS, fds, count * sizeof(int));
}

int kith_cmsg_put_credentials(struct kith_cmsg_builder *builder, pid_t pid, uid_t uid, gid_t gid) {
    struct ucred ucred;

    memset(&ucred, 0, sizeof(ucred));
    ucred.pid = pid;
    ucred.uid = uid;
    ucred.gid = gid;
    return kith_cmsg_put(builder, SOL_SOCKET, SCM_CREDENTIALS, &ucred, sizeof(ucred));
}
