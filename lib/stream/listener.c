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
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "loop/internal.h"
#include "stream/listen.h"
#include "stream/listener.h"

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

static int make(kith_loop *loop, const struct kith_listener_ops *ops, void *userdata, kith_listener **ret_listener,
                struct kith_error *ret_error) {
    kith_listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    *listener =
        (kith_listener){.refs = 1, .loop = loop, .fd = -1, .spare = -1, .path = KITH_BOUND_PATH_INIT, .ops = ops, .userdata = userdata};
    *ret_listener = listener;
    return 0;
}

static int start(kith_listener *listener, struct kith_error *ret_error) {
    listener->spare = open_spare();
    int r = listener->spare < 0 ? -errno : kith_io_new(listener->loop, listener->fd, KITH_IO_READ, on_ready, listener, &listener->io);
    if (r >= 0)
        r = kith_timer_new(listener->loop, on_rested, listener, &listener->timer);
    return r < 0 ? kith_error_set(ret_error, r, "the loop cannot watch the listening socket: %s", kith_error_name(r)) : 0;
}

static const struct kith_listener_options no_options = {0};

int kith_listener_new(kith_loop *loop, const struct kith_address *address, const struct kith_listener_options *options,
                      const struct kith_listener_ops *ops, void *userdata, kith_listener **ret_listener, struct kith_error *ret_error) {
    if (!loop || !address || !ops || !ops->accept || !ret_listener || address->size > sizeof(address->storage))
        return kith_error_set(ret_error, -EINVAL, "a listener needs a loop, an address and an accept callback");

    _cleanup_(kith_listener_freep) kith_listener *listener = NULL;
    int r = make(loop, ops, userdata, &listener, ret_error);
    if (r >= 0)
        r = kith_listen_open(address, options ? options : &no_options, &listener->fd, &listener->path, ret_error);
    if (r >= 0)
        r = start(listener, ret_error);
    if (r < 0)
        return r;
    *ret_listener = KITH_STEAL(listener);
    return 0;
}

int kith_listener_new_fd(kith_loop *loop, int fd, const struct kith_listener_options *options, const struct kith_listener_ops *ops,
                         void *userdata, kith_listener **ret_listener, struct kith_error *ret_error) {
    if (!loop || !ops || !ops->accept || !ret_listener)
        return kith_error_set(ret_error, -EINVAL, "a listener needs a loop and an accept callback");

    _cleanup_(kith_listener_freep) kith_listener *listener = NULL;
    _cleanup_(kith_bound_path_release) struct kith_bound_path path = KITH_BOUND_PATH_INIT;
    int r = make(loop, ops, userdata, &listener, ret_error);
    if (r >= 0)
        r = kith_listen_adopt(fd, options ? options : &no_options, &path, ret_error);
    if (r < 0)
        return r;
    listener->fd = fd;
    r = start(listener, ret_error);
    if (r < 0) {
        listener->fd = -1; /* stays the caller's */
        return r;
    }
    listener->path = kith_bound_path_steal(&path);
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

/* For the handover ---------------------------------------------------------------------------------------------------- */

int kith_listener_fd(const kith_listener *listener) {
    return listener->fd;
}

const struct kith_bound_path *kith_listener_path(const kith_listener *listener) {
    return &listener->path;
}

void kith_listener_release_path(kith_listener *listener) {
    kith_bound_path_release(&listener->path);
}
