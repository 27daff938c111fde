/*
 * Listening sockets, before anybody accepts from them.
 *
 * Accepted sockets inherit what is set here (SO_PASSCRED, TCP_NODELAY): one call a listener instead of one a connection, and in force
 * before a client can send.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "stream/bind.h"
#include "stream/inherit.h"
#include "stream/internal.h"
#include "stream/listen.h"
#include "stream/net.h"

#define BACKLOG_DEFAULT 4096

static int bind_and_listen(int fd, const struct kith_address *address, int backlog) {
    return bind(fd, (const struct sockaddr *)&address->storage, address->size) < 0 || listen(fd, backlog) < 0 ? -errno : 0;
}

static int bind_name(int fd, const struct kith_address *address, int backlog, struct kith_error *ret_error) {
    char name[512];
    int r = kith_address_format(address, name, sizeof(name));
    if (r < 0)
        return kith_error_set(ret_error, r, "this is no address to listen at: %s", kith_error_name(r));
    r = bind_and_listen(fd, address, backlog);
    if (r == -EADDRINUSE && address->storage.ss_family == AF_UNIX) {
        pid_t pid = 0;
        if (kith_bind_probe(address, &pid) > 0)
            return kith_bind_in_use(address, pid, ret_error);
        r = bind_and_listen(fd, address, backlog); /* it may have gone meanwhile */
        if (r == -EADDRINUSE)
            return kith_error_set(ret_error, r, "%s: another socket holds this name", name);
    }
    return r == 0 ? 0 : kith_error_set(ret_error, r, "%s: %s", name, kith_address_remedy(address->storage.ss_family, r));
}

static bool is_tcp(int family) {
    return family == AF_INET || family == AF_INET6;
}

/* Holds for a socket of our own and for one that came from elsewhere. Identity is only ever switched on: another process may share the
 * socket and count on it. A connection that does not want it switches it off for itself. */
static int set_inherited_options(int fd, int family, bool identity) {
    static const int one = 1;
    int r = 0;
    if (is_tcp(family))
        r = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* the write queue gathers; Nagle would only add a delay */
    else if (family == AF_UNIX && identity)
        r = setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
    return r < 0 ? -errno : 0;
}

static int set_options(int fd, int family, const struct kith_listener_options *options) {
    static const int one = 1;
    int r = 0;
    /* Connections of a server that ended still linger; its successor may listen. Two live listeners are refused all the same. */
    if (is_tcp(family))
        r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (r == 0 && options->reuse_port && is_tcp(family))
        r = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    /* Said either way: what a socket begins with is a setting of the system. */
    if (r == 0 && family == AF_INET6)
        r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){!options->dual_stack}, sizeof(int));
    return r < 0 ? -errno : set_inherited_options(fd, family, options->identity);
}

static int set_net(int fd, const struct kith_address *address, const struct kith_net_options *net, struct kith_error *ret_error) {
    char name[512] = "";
    int r = kith_net_apply(fd, address->storage.ss_family, net, KITH_NET_FRESH, ret_error);
    if (r >= 0 || !ret_error)
        return r;
    (void)kith_address_format(address, name, sizeof(name));
    return kith_error_set(ret_error, r, "%s: %s", name, ret_error->text);
}

static int open_new(const struct kith_address *address, const struct kith_listener_options *options, int *ret_fd,
                    struct kith_bound_path *ret_path, struct kith_error *ret_error) {
    int family = address->storage.ss_family, backlog = options->backlog > 0 ? options->backlog : BACKLOG_DEFAULT;
    _cleanup_(kith_closep) int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : set_options(fd, family, options);
    if (r < 0)
        return kith_error_set(ret_error, r, "a listening socket cannot be made: %s", kith_address_remedy(family, r));
    r = set_net(fd, address, options->net, ret_error);
    if (r < 0)
        return r;
    r = kith_bind_is_path(address) ? kith_bind_path(fd, address, backlog, options, ret_path, ret_error)
                                   : bind_name(fd, address, backlog, ret_error);
    if (r < 0)
        return r;
    *ret_fd = KITH_STEAL_FD(fd);
    return 0;
}

int kith_listen_open(const struct kith_address *address, const struct kith_listener_options *options, int *ret_fd,
                     struct kith_bound_path *ret_path, struct kith_error *ret_error) {
    _cleanup_(kith_bound_path_deinit) struct kith_bound_path path = KITH_BOUND_PATH_INIT;
    _cleanup_(kith_closep) int fd = kith_inherited_take_bound(options->inherited, address, &path);
    if (fd < 0)
        return open_new(address, options, ret_fd, ret_path, ret_error);

    struct kith_listener_options adopt = *options;
    adopt.remove_path = false; /* who made it is known: what is ours has come with it */
    int r = kith_listen_adopt(fd, &adopt, NULL, ret_error);
    if (r < 0)
        return r;
    *ret_fd = KITH_STEAL_FD(fd);
    *ret_path = kith_bound_path_steal(&path);
    return 0;
}

int kith_listen_check(int fd, const char *name, struct kith_error *ret_error) {
    char what[KITH_INHERITED_NAME_MAX + 32];
    int type, family, listens;
    socklen_t size = sizeof(int);
    snprintf(what, sizeof(what), name ? "descriptor %d (%s)" : "descriptor %d", fd, name);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0) {
        int r = -errno;
        return kith_error_set(ret_error, r,
                              r == -ENOTSOCK ? "%s is no socket"
                              : r == -EBADF  ? "%s is not open"
                                             : "%s: %s",
                              what, kith_error_name(r));
    }
    if (family != AF_UNIX && family != AF_VSOCK && !is_tcp(family))
        return kith_error_set(ret_error, -EAFNOSUPPORT, "%s is a socket of address family %d, not of AF_UNIX, TCP or AF_VSOCK", what,
                              family);
    if (type != SOCK_STREAM)
        return kith_error_set(ret_error, -EPROTOTYPE, "%s is no stream socket (in a systemd unit: ListenStream=)", what);
    if (!listens)
        return kith_error_set(ret_error, -EINVAL, "%s does not listen (in a systemd unit: Accept=no)", what);
    return 0;
}

int kith_listen_adopt(int fd, const struct kith_listener_options *options, struct kith_bound_path *ret_path, struct kith_error *ret_error) {
    int r = kith_listen_check(fd, NULL, ret_error);
    if (r < 0)
        return r;
    struct kith_address address = {.size = sizeof(address.storage)};
    if (getsockname(fd, (struct sockaddr *)&address.storage, &address.size) < 0)
        r = -errno;
    if (r == 0)
        r = kith_fd_set_nonblock(fd);
    if (r == 0)
        r = kith_fd_set_cloexec(fd);
    if (r == 0)
        r = set_inherited_options(fd, address.storage.ss_family, options->identity);
    if (r == 0 && options->backlog > 0 && listen(fd, options->backlog) < 0) /* listening already, it changes the backlog alone */
        r = -errno;
    if (r < 0)
        return kith_error_set(ret_error, r, "descriptor %d cannot be made a listener: %s", fd, kith_error_name(r));
    return options->remove_path && kith_bind_is_path(&address) ? kith_bind_adopt_path(fd, &address, ret_path, ret_error) : 0;
}
