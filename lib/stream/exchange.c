/*
 * Records over a socket.
 *
 * Header and body are read apart and to the octet: recvmsg() would else run on into the next record and bring its descriptors with the
 * wrong one. Every descriptor is adopted before anything is judged.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kith/cmsg.h>

#include "base/fd.h"
#include "stream/exchange.h"

static size_t wanted_size(const struct kith_record_in *in) {
    return KITH_RECORD_HEADER + (in->body ? in->record.size : 0);
}

/* Takes the descriptors that came. They belong to the first octet of a record: `first` says that this was it. */
static int adopt(struct kith_record_in *in, const struct msghdr *message, bool first) {
    size_t refused;
    size_t count = kith_cmsg_adopt_fds(message->msg_control, message->msg_controllen, in->fds + in->fd_count,
                                       KITH_RECORD_FDS_MAX - in->fd_count, &refused, NULL);
    in->fd_count += count;
    if (refused > 0 || (count > 0 && !first))
        return -EPROTO;
    return message->msg_flags & MSG_CTRUNC ? -EMFILE : 0; /* our own limit, or far too many: the kernel does not say */
}

/* Returns 1 when octets came, 0 when none are there now. */
static int receive_some(int fd, struct kith_record_in *in) {
    union {
        struct cmsghdr align;
        uint8_t octets[CMSG_SPACE(KITH_RECORD_FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = in->body ? in->body + in->have - KITH_RECORD_HEADER : in->header + in->have,
                        .iov_len = wanted_size(in) - in->have};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    int r = adopt(in, &message, in->have == 0);
    if (r < 0)
        return r;
    if (n == 0)
        return in->have == 0 ? -ENODATA : -EPROTO;
    in->have += (size_t)n;
    return 1;
}

static int begin_body(struct kith_record_in *in, unsigned types) {
    int r = kith_record_decode(in->header, &in->record);
    if (r < 0)
        return r;
    if (!((types | 1U << KITH_RECORD_CANCEL) & 1U << in->record.type) || in->record.fd_count != in->fd_count)
        return -EPROTO;
    in->body = malloc(in->record.size > 0 ? in->record.size : 1);
    return in->body ? 0 : -ENOMEM;
}

int kith_record_receive(int fd, struct kith_record_in *in, unsigned types) {
    while (!in->body || in->have < wanted_size(in)) {
        int r = receive_some(fd, in);
        if (r <= 0)
            return r;
        if (!in->body && in->have == KITH_RECORD_HEADER && (r = begin_body(in, types)) < 0)
            return r;
    }
    return 1;
}

void kith_record_in_reset(struct kith_record_in *in) {
    for (size_t i = 0; i < in->fd_count; i++)
        kith_close(in->fds[i]);
    free(in->body);
    *in = (struct kith_record_in){0};
}

int kith_record_send(int fd, struct kith_record_out *out) {
    while (out->sent < out->size) {
        union {
            struct cmsghdr align;
            uint8_t octets[CMSG_SPACE(KITH_RECORD_FDS_MAX * sizeof(int))];
        } control;
        struct kith_cmsg_builder builder = kith_cmsg_builder_init(control.octets, sizeof(control.octets));
        if (out->sent == 0 && out->fd_count > 0)
            (void)kith_cmsg_put_fds(&builder, out->fds, out->fd_count); /* at most two, and there is room for two */
        struct iovec iov = {.iov_base = out->octets + out->sent, .iov_len = out->size - out->sent};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_controllen = builder.size};
        message.msg_control = builder.size > 0 ? &control : NULL;

        ssize_t n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        out->sent += (size_t)n;
    }
    return 1;
}

void kith_record_cancel(int fd, int error, const char *text) {
    struct kith_record_out *out;
    if (kith_record_new_cancel(error, text, &out) < 0)
        return;
    (void)kith_record_send(fd, out);
    kith_record_out_free(out);
}

int kith_exchange_check_peer(int fd, struct kith_sender *ret_peer) {
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -errno;
    *ret_peer = (struct kith_sender){.known = true, .pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid, .pidfd = -1};
    return credentials.uid == 0 || credentials.uid == geteuid() ? 0 : -EPERM;
}
