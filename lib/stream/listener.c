/*
 * Listeners.
 *
 * The loop brings the clients (watch.h). When the process is out of descriptors, a spare one is given up for a moment to accept the waiting
 * client and hang up on it: otherwise it would wait in the backlog, and a level-triggered loop would spin on it. Whatever that cannot help
 * against (the system is out of files or memory) pauses accepting for a while.
 *
 * A listener knows the connections that were made with kith_conn_new_accepted(): it counts them, and drains them. They outlive it: its
 * memory goes with the last of them.
 *
 * Draining: accepting is switched off -> what the backend had accepted is handed over -> what waits in the backlog is accepted -> the
 * socket is closed -> the connections drain -> `drained`. So no client that connect() has told of success is lost.
 *
 * Invariants: spare is -1 only while the process had no descriptor for it; resting is true exactly while the timer is armed for it; what is
 * watched follows from paused, resting, draining and retired (watch()); waiting holds what was accepted while nobody was wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "stream/conn.h"
#include "stream/internal.h"
#include "stream/listen.h"
#include "stream/listener.h"
#include "stream/net.h"
#include "stream/quota.h"

/* Pause after a failure that a spare descriptor does not mend, milliseconds. */
#define REST_MS 100
#define TELL_AGAIN_NS KITH_NS_PER_S

struct kith_listener {
    struct kith_watch watch;
    unsigned refs;
    kith_loop *loop;
    int fd;
    int family;
    int spare;
    kith_timer *timer;
    bool closed;
    bool identity;
    bool paused;   /* by the application */
    bool resting;  /* by a failure */
    bool draining; /* no more clients; `drained` is due when the last connection has gone */
    bool retired;  /* another process accepts */
    bool told;     /* this episode of failures */
    uint64_t told_at;
    int64_t drain_ms;
    uint64_t drain_until; /* CONN_NEVER: no deadline */
    struct kith_defer defer;
    struct kith_bound_path path;
    size_t max_connections;
    struct kith_quota quota;
    struct kith_quota_entry *pending; /* of the client that `accept` is being asked about */
    struct kith_list conns;
    struct conn_profile *profile; /* of the last connection: most have the same options */
    struct kith_listener_stats stats;
    int *waiting; /* accepted while paused, those in [waiting_first, waiting_count) */
    size_t waiting_first, waiting_count;
    const struct kith_listener_ops *ops;
    void *userdata;
};

KITH_DEFINE_CLEANUP(kith_listener *, kith_listener_free)

static int open_spare(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool inert(const kith_listener *listener) {
    return kith_timer_inert(listener->timer);
}

/* Freed, or its loop is gone: nothing more is called. */
static bool is_over(const kith_listener *listener) {
    return listener->closed || inert(listener);
}

static void watch(kith_listener *listener) {
    if (!is_over(listener) && kith_watch_active(&listener->watch))
        kith_loop_set_watched(listener->loop, &listener->watch,
                              listener->paused || listener->resting || listener->draining || listener->retired ? 0 : KITH_IO_READ);
}

static void release(kith_listener *listener) {
    if (--listener->refs > 0)
        return;
    conn_profile_unref(listener->profile);
    kith_quota_deinit(&listener->quota);
    free(listener);
}

/* Failures to accept ------------------------------------------------------------------------------------------------- */

static void tell(kith_listener *listener, int error) {
    uint64_t now = kith_loop_now(listener->loop);
    listener->stats.failed++;
    if (listener->told || (listener->told_at != 0 && now - listener->told_at < TELL_AGAIN_NS))
        return;
    listener->told = true;
    listener->told_at = now;
    if (listener->ops->error)
        listener->ops->error(listener, error, listener->userdata);
}

/* Out of descriptors: hangs up on the waiting client. Returns false when that cannot be done, or nobody waits: io_uring wants a descriptor
 * before there is a client. */
static bool turn_away(kith_listener *listener) {
    if (listener->spare < 0)
        return false;
    listener->spare = kith_close(listener->spare);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;
    if (fd >= 0)
        listener->stats.turned_away++;
    kith_close(fd);
    listener->spare = open_spare();
    return listener->spare >= 0 && (fd >= 0 || (error != EMFILE && error != ENFILE && error != EAGAIN));
}

static void rest(kith_listener *listener) {
    if (kith_timer_arm(listener->timer, REST_MS, 0) < 0)
        return; /* without a timer it spins rather than stops for ever */
    listener->resting = true;
    watch(listener);
}

static void on_rested(kith_timer *timer, void *userdata) {
    kith_listener *listener = userdata;
    if (listener->spare < 0)
        listener->spare = open_spare();
    listener->resting = false;
    watch(listener);
    if (listener->draining)
        kith_loop_defer(listener->loop, &listener->defer);
}

/* The client has gone again, or its network reports an error that has been pending on the new socket: accept(2). */
static bool is_harmless(int error) {
    switch (error) {
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
    default:
        return false;
    }
}

static void accept_failed(kith_listener *listener, int error) {
    if (is_harmless(-error))
        return;
    if (error != -EMFILE || !turn_away(listener))
        rest(listener);
    tell(listener, error);
}

/* Clients ------------------------------------------------------------------------------------------------------------------ */

/* Returns false when there are enough of them. */
static bool admit(kith_listener *listener, int fd) {
    if (listener->max_connections > 0 && listener->stats.connections >= listener->max_connections) {
        listener->stats.refused++;
        return false;
    }
    if (kith_quota_take(&listener->quota, fd, listener->family, &listener->pending) < 0) {
        listener->stats.refused_peer++;
        return false;
    }
    return true;
}

static void hand_over(kith_listener *listener, int fd) {
    listener->told = false;
    listener->stats.accepted++;
    if (!admit(listener, fd)) {
        kith_close(fd);
        return;
    }
    if (listener->ops->accept(listener, fd, listener->userdata) < 0)
        kith_close(fd);
    /* Not made with kith_conn_new_accepted(): then it is not counted. */
    kith_quota_give(&listener->quota, KITH_STEAL(listener->pending));
}

/* Those that the backend accepted before it knew of the pause: as many as the backlog held, at the most. */
static void keep_waiting(kith_listener *listener, int fd) {
    int *waiting = reallocarray(listener->waiting, listener->waiting_count + 1, sizeof(*waiting));
    if (!waiting) {
        listener->stats.failed++;
        kith_close(fd);
        return;
    }
    waiting[listener->waiting_count++] = fd;
    listener->waiting = waiting;
}

static unsigned on_accepted(struct kith_watch *watch, int fd) {
    kith_listener *listener = KITH_CONTAINER_OF(watch, kith_listener, watch);
    listener->refs++;
    bool wanted = !listener->paused && !listener->draining && !listener->retired;
    if (fd < 0 && wanted)
        accept_failed(listener, fd);
    else if (fd < 0)
        listener->stats.failed++; /* who waits is tried again later */
    else if (!wanted)
        keep_waiting(listener, fd);
    else
        hand_over(listener, fd);
    release(listener);
    return 1;
}

/* Those that came during a pause. */
static unsigned hand_over_waiting(kith_listener *listener) {
    unsigned count = 0;
    for (; listener->waiting_first < listener->waiting_count && !listener->paused && !is_over(listener); count++)
        hand_over(listener, listener->waiting[listener->waiting_first++]);
    if (is_over(listener))
        while (listener->waiting_first < listener->waiting_count)
            kith_close(listener->waiting[listener->waiting_first++]);
    if (listener->waiting_first == listener->waiting_count) {
        free(KITH_STEAL(listener->waiting));
        listener->waiting_first = listener->waiting_count = 0;
    }
    return count;
}

/* The connections of a listener ----------------------------------------------------------------------------------------- */

static bool same_options(const struct kith_conn_options *a, const struct kith_conn_options *b) {
    return a->identity == b->identity && a->receive_fds == b->receive_fds && a->control_size == b->control_size &&
           a->high_mark == b->high_mark && a->low_mark == b->low_mark && a->idle_ms == b->idle_ms && a->handshake_ms == b->handshake_ms &&
           a->linger_ms == b->linger_ms && a->connect_ms == b->connect_ms;
}

static struct conn_profile *profile_for(kith_listener *listener, const struct kith_conn_options *options, int *ret_error) {
    static const struct kith_conn_options none = {0};
    if (!options)
        options = &none;
    if (!listener->profile || !same_options(&listener->profile->asked, options)) {
        struct conn_profile *profile = conn_profile_new(options, ret_error);
        if (!profile)
            return NULL;
        conn_profile_unref(listener->profile);
        listener->profile = profile;
    }
    return listener->profile;
}

int kith_conn_new_accepted(kith_listener *listener, int fd, const struct kith_conn_options *options, const struct kith_conn_ops *ops,
                           void *userdata, kith_conn **ret_conn) {
    if (!listener || fd < 0 || !ops || !ops->data || !ret_conn)
        return -EINVAL;
    if (is_over(listener))
        return -ESHUTDOWN;
    int r = 0;
    struct conn_profile *profile = profile_for(listener, options, &r);
    if (!profile)
        return r;
    kith_conn *conn = NULL;
    r = conn_new(listener->loop, profile, NULL, ops, userdata, &conn);
    if (r < 0)
        return r;
    conn->family = (uint8_t)listener->family;
    conn->identity = conn->identity && listener->family == AF_UNIX;
    if (listener->family == AF_UNIX && conn->identity != listener->identity &&
        setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){conn->identity}, sizeof(int)) < 0)
        r = -errno;
    if (r >= 0 && options)
        r = kith_net_apply(fd, listener->family, options->net, KITH_NET_ACCEPTED, NULL);
    if (r >= 0)
        r = conn_adopt(conn, fd);
    if (r < 0) {
        kith_conn_free(conn);
        return r;
    }
    conn->listener = listener;
    listener->refs++;
    listener->stats.connections++;
    kith_list_push_back(&listener->conns, &conn->sibling);
    conn->quota = KITH_STEAL(listener->pending);
    *ret_conn = conn;
    return 0;
}

static void defer(kith_listener *listener) {
    if (!is_over(listener))
        kith_loop_defer(listener->loop, &listener->defer);
}

void listener_forget(kith_conn *conn) {
    kith_listener *listener = KITH_STEAL(conn->listener);
    if (!listener)
        return;
    kith_list_unlink(&conn->sibling);
    kith_quota_give(&listener->quota, KITH_STEAL(conn->quota));
    listener->stats.connections--;
    if (listener->draining && listener->stats.connections == 0)
        defer(listener);
    release(listener);
}

static const struct kith_watch_ops watch_ops = {.accepted = on_accepted};

/* Closes the socket, for nobody to connect to any more. */
static void close_socket(kith_listener *listener) {
    kith_bound_path_deinit(&listener->path); /* while the socket still listens: nobody takes the path for stale in between */
    if (kith_watch_active(&listener->watch))
        kith_loop_unwatch(listener->loop, &listener->watch, true);
    else
        kith_close(listener->fd);
    listener->fd = -1;
}

/* Accepts what waits in the backlog: bounded by its length. Returns false when some are left, because descriptors or memory are out. */
static bool accept_rest(kith_listener *listener) {
    while (!is_over(listener)) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            hand_over(listener, fd);
        else if (errno == EMFILE && listener->spare >= 0)
            listener->spare = kith_close(listener->spare); /* it will not be needed any more */
        else if (!is_harmless(errno))
            return errno == EAGAIN;
    }
    return true;
}

static bool time_is_up(const kith_listener *listener) {
    return kith_time_now() >= listener->drain_until;
}

/* Calls nobody back, so the list stays as it is. */
static void drain_conns(kith_listener *listener) {
    kith_list_foreach (&listener->conns, node)
        kith_conn_drain(kith_list_entry(node, kith_conn, sibling), listener->drain_ms);
}

static unsigned on_deferred(struct kith_defer *defer) {
    kith_listener *listener = KITH_CONTAINER_OF(defer, kith_listener, defer);
    unsigned count = 0;
    listener->refs++;
    if (!listener->paused)
        count = hand_over_waiting(listener);
    if (listener->draining && listener->fd >= 0 && !is_over(listener)) {
        count++;
        if (accept_rest(listener) || time_is_up(listener)) {
            if (!is_over(listener)) {
                close_socket(listener);
                drain_conns(listener);
            }
        } else {
            rest(listener); /* connections that end make room */
        }
    }
    if (listener->draining && listener->fd < 0 && listener->stats.connections == 0 && !is_over(listener)) {
        listener->draining = false;
        count++;
        if (listener->ops->drained)
            listener->ops->drained(listener, listener->userdata);
    }
    release(listener);
    return count;
}

void kith_listener_drain(kith_listener *listener, int64_t deadline_ms) {
    if (!listener || is_over(listener) || (listener->fd < 0 && !listener->draining))
        return;
    listener->drain_ms = deadline_ms;
    listener->drain_until = CONN_NEVER;
    if (deadline_ms >= 0 && (uint64_t)deadline_ms < UINT64_MAX / KITH_NS_PER_MS / 2)
        listener->drain_until = kith_time_now() + (uint64_t)deadline_ms * KITH_NS_PER_MS;
    if (listener->draining) {
        if (listener->fd < 0)
            drain_conns(listener);
        return;
    }
    listener->draining = true;
    listener->paused = false;
    kith_loop_stop_reading(listener->loop, &listener->watch);
    defer(listener);
}

void kith_listener_stats(const kith_listener *listener, struct kith_listener_stats *ret_stats) {
    if (listener && ret_stats)
        *ret_stats = listener->stats;
}

/* Makes ------------------------------------------------------------------------------------------------------------ */

static int make(kith_loop *loop, const struct kith_listener_options *options, const struct kith_listener_ops *ops, void *userdata,
                kith_listener **ret_listener, struct kith_error *ret_error) {
    kith_listener *listener = calloc(1, sizeof(*listener));
    if (!listener)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    *listener = (kith_listener){.refs = 1,
                                .loop = loop,
                                .fd = -1,
                                .spare = -1,
                                .identity = options->identity,
                                .max_connections = options->max_connections,
                                .quota = {.limit = options->max_per_peer},
                                .drain_until = CONN_NEVER,
                                .path = KITH_BOUND_PATH_INIT,
                                .ops = ops,
                                .userdata = userdata};
    kith_list_init(&listener->conns);
    kith_defer_init(&listener->defer, on_deferred);
    *ret_listener = listener;
    return 0;
}

static int start(kith_listener *listener, struct kith_error *ret_error) {
    socklen_t size = sizeof(listener->family);
    listener->spare = open_spare();
    int r = listener->spare < 0 || getsockopt(listener->fd, SOL_SOCKET, SO_DOMAIN, &listener->family, &size) < 0 ? -errno : 0;
    listener->identity = listener->identity && listener->family == AF_UNIX;
    if (r >= 0)
        r = kith_timer_new(listener->loop, on_rested, listener, &listener->timer);
    if (r >= 0)
        r = kith_loop_watch(listener->loop, &listener->watch, KITH_WATCH_LISTENER, listener->fd, KITH_IO_READ, &watch_ops);
    return r < 0 ? kith_error_set(ret_error, r, "the loop cannot watch the listening socket: %s", kith_error_name(r)) : 0;
}

static const struct kith_listener_options no_options = {0};

int kith_listener_new(kith_loop *loop, const struct kith_address *address, const struct kith_listener_options *options,
                      const struct kith_listener_ops *ops, void *userdata, kith_listener **ret_listener, struct kith_error *ret_error) {
    if (!loop || !address || !ops || !ops->accept || !ret_listener || address->size > sizeof(address->storage))
        return kith_error_set(ret_error, -EINVAL, "a listener needs a loop, an address and an accept callback");

    _cleanup_(kith_listener_freep) kith_listener *listener = NULL;
    int r = make(loop, options ? options : &no_options, ops, userdata, &listener, ret_error);
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
    int r = make(loop, options ? options : &no_options, ops, userdata, &listener, ret_error);
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
    kith_defer_cancel(&listener->defer);
    (void)hand_over_waiting(listener);
    close_socket(listener);
    listener->timer = kith_timer_free(listener->timer);
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
    if (!listener || listener->draining) /* who was told of success is not to wait for a resume that need not come */
        return;
    listener->paused = true;
    if (!is_over(listener) && kith_watch_active(&listener->watch))
        kith_loop_stop_reading(listener->loop, &listener->watch);
}

void kith_listener_resume(kith_listener *listener) {
    if (!listener)
        return;
    listener->paused = false;
    watch(listener);
    if (listener->waiting)
        defer(listener);
}

/* For the handover ---------------------------------------------------------------------------------------------------- */

int kith_listener_fd(const kith_listener *listener) {
    return listener->fd;
}

const struct kith_bound_path *kith_listener_path(const kith_listener *listener) {
    return &listener->path;
}

void kith_listener_retire(kith_listener *listener) {
    listener->retired = true;
    kith_loop_stop_reading(listener->loop, &listener->watch);
    kith_bound_path_release(&listener->path);
    listener->refs++;
    (void)hand_over_waiting(listener);
    release(listener);
}
