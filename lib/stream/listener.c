/*
 * Listeners.
 *
 * Readiness accepts up to ACCEPT_MAX clients, then the other descriptors have their turn. When the process is out of descriptors, a spare
 * one is given up for a moment to accept the waiting client and hang up on it: otherwise it would wait in the backlog, and the
 * level-triggered loop would spin on it. Whatever that cannot help against (the system is out of files or memory) pauses accepting for a
 * while.
 *
 * Invariants: spare is -1 only while the process had no descriptor for it; resting is true exactly while the timer is armed; what is
 * watched follows from paused and resting (watch()).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "loop/internal.h"
#include "stream/bind.h"
#include "stream/internal.h"

#define BACKLOG_DEFAULT 4096
#define ACCEPT_MAX 16
/* Pause after a failure that a spare descriptor does not mend, milliseconds. */
#define REST_MS 100
#define TELL_AGAIN_NS KITH_NS_PER_S

struct kith_listener {
    unsigned refs;
    kith_loop *loop;
    int fd;
    int spare;
    kith_io *io;
    kith_timer *timer;
    bool closed;
    bool paused;  /* by the application */
    bool resting; /* by a failure */
    bool told;    /* this episode of failures */
    uint64_t told_at;
    struct kith_bound_path path;
    const struct kith_listener_ops *ops;
    void *userdata;
};

KITH_DEFINE_CLEANUP(kith_listener *, kith_listener_free)

static int open_spare(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void watch(kith_listener *listener) {
    if (!listener->closed)
        (void)kith_io_set_events(listener->io, listener->paused || listener->resting ? 0 : KITH_IO_READ);
}

static void tell(kith_listener *listener, int error) {
    uint64_t now = kith_loop_now(listener->loop);
    if (listener->told || (listener->told_at != 0 && now - listener->told_at < TELL_AGAIN_NS))
        return;
    listener->told = true;
    listener->told_at = now;
    if (listener->ops->error)
        listener->ops->error(listener, error, listener->userdata);
}

/* Out of descriptors: hangs up on the waiting client. Returns false when that cannot be done. */
static bool turn_away(kith_listener *listener) {
    if (listener->spare < 0)
        return false;
    listener->spare = kith_close(listener->spare);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;
    kith_close(fd);
    listener->spare = open_spare();
    return listener->spare >= 0 && (fd >= 0 || (error != EMFILE && error != ENFILE));
}

static void rest(kith_listener *listener) {
    if (kith_timer_arm(listener->timer, REST_MS, 0) < 0)
        return; /* without a timer it spins rather than stops for ever */
    listener->resting = true;
    watch(listener);
}

/* Returns true when the next client may be tried at once. */
static bool accept_failed(kith_listener *listener, int error) {
    switch (error) {
    case EAGAIN:
        return false;
    /* The client has gone again, or its network reports an error that has been pending on the new socket: accept(2). */
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case EOPNOTSUPP:
        return true;
    default: {
        bool mended = error == EMFILE && turn_away(listener);
        if (!mended)
            rest(listener);
        tell(listener, -error);
        return mended;
    }
    }
}

static void hand_over(kith_listener *listener, int fd, const struct kith_address *peer) {
    listener->told = false;
    if (listener->ops->accept(listener, fd, peer, listener->userdata) < 0)
        kith_close(fd);
}

static void release(kith_listener *listener) {
    if (--listener->refs == 0)
        free(listener);
}

static void on_ready(kith_io *io, int listener_fd, unsigned events, void *userdata) {
    kith_listener *listener = userdata;
    bool more = true;
    listener->refs++;
    for (int i = 0; i < ACCEPT_MAX && more && !listener->closed && !listener->paused && !listener->resting; i++) {
        if (kith_timer_inert(listener->timer))
            break; /* a callback has freed the loop */
        struct kith_address peer = {.size = sizeof(peer.storage)};
        int fd = accept4(listener_fd, (struct sockaddr *)&peer.storage, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            hand_over(listener, fd, &peer);
        else
            more = accept_failed(listener, errno);
    }
    release(listener);
}

static void on_rested(kith_timer *timer, void *userdata) {
    kith_listener *listener = userdata;
    if (listener->spare < 0)
        listener->spare = open_spare();
    listener->resting = false;
    watch(listener);
}

/* Makes ------------------------------------------------------------------------------------------------------------ */

static int bind_name(int fd, const struct kith_address *address, int backlog, struct kith_error *ret_error) {
    char name[512];
    int r = kith_address_format(address, name, sizeof(name));
    if (r < 0)
        return kith_error_set(ret_error, r, "this is no address to listen at: %s", kith_error_name(r));
    r = 0;
    if (bind(fd, (const struct sockaddr *)&address->storage, address->size) < 0 || listen(fd, backlog) < 0)
        r = -errno;
    if (r == 0)
        return 0;

    pid_t pid = 0;
    if (r == -EADDRINUSE && address->storage.ss_family == AF_UNIX)
        return kith_bind_probe(address, &pid) > 0 ? kith_bind_in_use(address, pid, ret_error)
                                                  : kith_error_set(ret_error, r, "%s: another socket holds this name", name);
    if (r == -EADDRINUSE)
        return kith_error_set(ret_error, r, "%s: another socket holds this address; ss -ltnp shows whose", name);
    if (r == -EADDRNOTAVAIL)
        return kith_error_set(ret_error, r, "%s: no interface of this host has this address; ip addr shows those there are", name);
    if (r == -EACCES)
        return kith_error_set(ret_error, r, "%s: permission denied: ports below 1024 need CAP_NET_BIND_SERVICE", name);
    return kith_error_set(ret_error, r, "%s: %s", name, kith_error_name(r));
}

static int set_options(int fd, int family, bool identity, bool reuse_port) {
    static const int one = 1;
    int r = 0;
    if (family == AF_UNIX) {
        if (identity) /* from here on, so that accepted sockets have it before their peer can send */
            r = setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
        return r < 0 ? -errno : 0;
    }
    /* Connections of a server that ended still linger; its successor may listen. Two live listeners are refused all the same. */
    r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (r == 0 && reuse_port)
        r = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    /* "[::]" is IPv6 alone, so that a peer's IPv4 address has one spelling; listen on "*" too for both. */
    if (r == 0 && family == AF_INET6)
        r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    return r < 0 ? -errno : 0;
}

static bool is_path(const struct kith_address *address) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    return un->sun_family == AF_UNIX && address->size > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0] != '\0';
}

static int listen_on(kith_listener *listener, const struct kith_address *address, const struct kith_listener_options *options,
                     struct kith_error *ret_error) {
    int family = address->storage.ss_family, backlog = options->backlog > 0 ? options->backlog : BACKLOG_DEFAULT;
    int r;
    listener->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    listener->spare = open_spare();
    if (listener->fd < 0 || listener->spare < 0)
        r = -errno;
    else
        r = set_options(listener->fd, family, options->identity, options->reuse_port);
    if (r < 0)
        return kith_error_set(ret_error, r, "a listening socket cannot be made: %s", kith_error_name(r));
    if (is_path(address))
        return kith_bind_path(listener->fd, address, backlog, options->mode, &listener->path, ret_error);
    return bind_name(listener->fd, address, backlog, ret_error);
}

int kith_listener_new(kith_loop *loop, const struct kith_address *address, const struct kith_listener_options *options,
                      const struct kith_listener_ops *ops, void *userdata, kith_listener **ret_listener, struct kith_error *ret_error) {
    static const struct kith_listener_options none = {0};
    if (!loop || !address || !ops || !ops->accept || !ret_listener || address->size > sizeof(address->storage))
        return kith_error_set(ret_error, -EINVAL, "a listener needs a loop, an address and an accept callback");

    _cleanup_(kith_listener_freep) kith_listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    *listener =
        (kith_listener){.refs = 1, .loop = loop, .fd = -1, .spare = -1, .path = KITH_BOUND_PATH_INIT, .ops = ops, .userdata = userdata};
    int r = listen_on(listener, address, options ? options : &none, ret_error);
    if (r < 0)
        return r;
    r = kith_io_new(loop, listener->fd, KITH_IO_READ, on_ready, listener, &listener->io);
    if (r >= 0)
        r = kith_timer_new(loop, on_rested, listener, &listener->timer);
    if (r < 0)
        return kith_error_set(ret_error, r, "the loop cannot watch the listening socket: %s", kith_error_name(r));
    *ret_listener = KITH_STEAL(listener);
    return 0;
}

kith_listener *kith_listener_free(kith_listener *listener) {
    if (!listener)
        return NULL;
    listener->closed = true;
    listener->io = kith_io_free(listener->io);
    listener->timer = kith_timer_free(listener->timer);
    kith_bound_path_deinit(&listener->path); /* while the socket still listens: nobody takes the path for stale in between */
    listener->fd = kith_close(listener->fd);
    listener->spare = kith_close(listener->spare);
    release(listener);
    return NULL;
}

int kith_listener_address(const kith_listener *listener, struct kith_address *ret_address) {
    if (!listener || !ret_address)
        return -EINVAL;
    struct kith_address address = {.size = sizeof(address.storage)};
    if (getsockname(listener->fd, (struct sockaddr *)&address.storage, &address.size) < 0)
        return -errno;
    *ret_address = address;
    return 0;
}

void kith_listener_pause(kith_listener *listener) {
    if (!listener)
        return;
    listener->paused = true;
    watch(listener);
}

void kith_listener_resume(kith_listener *listener) {
    if (!listener)
        return;
    listener->paused = false;
    watch(listener);
}

int kith_listener_fd(const kith_listener *listener) {
    return listener->fd;
}
