/*
 * The new process of a hot restart. It waits for the old one: whoever starts has nothing else to do, and a loop may not exist yet.
 *
 * Paths: what comes with a listening socket is known by descriptor of its directory and by inode. Until the old process has stopped, it is
 * the one that removes them; they all share a grant that is given at that moment, wherever they have gone by then.
 *
 * After READY the old process stops without asking again. So a word of it that it goes on by itself (CANCEL) is believed, and silence is
 * waited for; but when it is gone without a word, nobody else serves, and all is ours.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "stream/exchange.h"
#include "stream/inherit.h"

struct kith_takeover {
    int fd;
    struct kith_sender peer;
    struct kith_record_in in;
    kith_inherited *inherited;
    struct kith_grant *grant;
    bool ready; /* READY was sent */
    int conns;
};

KITH_DEFINE_CLEANUP(kith_takeover *, kith_takeover_free)

#define NO_DEADLINE UINT64_MAX

static uint64_t deadline_of(int timeout_ms) {
    return timeout_ms < 0 ? NO_DEADLINE : kith_time_now() + (uint64_t)timeout_ms * KITH_NS_PER_MS;
}

/* Milliseconds, rounded up; -1 without a deadline. */
static int left(uint64_t deadline) {
    uint64_t now = kith_time_now();
    if (deadline == NO_DEADLINE)
        return -1;
    return deadline > now ? (int)((deadline - now + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS) : 0;
}

/* Waits until fd has one of the events. Returns 0 or a negative errno, -ETIMEDOUT at the deadline. */
static int wait_for(int fd, short events, uint64_t deadline) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        int n = poll(&poll_fd, 1, left(deadline));
        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

/* Waits for a whole record. */
static int receive(kith_takeover *takeover, unsigned types, uint64_t deadline) {
    for (;;) {
        int r = kith_record_receive(takeover->fd, &takeover->in, types);
        if (r == 0)
            r = wait_for(takeover->fd, POLLIN, deadline);
        if (r != 0)
            return r;
    }
}

/* Sends the record and frees it, whatever comes of it. */
static int send_record(kith_takeover *takeover, struct kith_record_out *out, uint64_t deadline) {
    int r;
    while ((r = kith_record_send(takeover->fd, out)) == 0) {
        r = wait_for(takeover->fd, POLLOUT, deadline);
        if (r < 0)
            break;
    }
    kith_record_out_free(out);
    return r < 0 ? r : 0;
}

/* The other end is closed; what it had sent before can still be received. */
static bool is_closed(int r) {
    return r == -EPIPE || r == -ECONNRESET || r == -ENODATA;
}

/* The old process said why. */
static int canceled(kith_takeover *takeover, struct kith_error *ret_error) {
    char text[KITH_RECORD_TEXT_MAX + 1];
    kith_record_decode_cancel(&takeover->in.record, takeover->in.body, text);
    return kith_error_set(ret_error, -ECANCELED, "pid %d goes on by itself: %s", (int)takeover->peer.pid, text);
}

static int failed(const kith_takeover *takeover, int r, struct kith_error *ret_error) {
    int pid = (int)takeover->peer.pid;
    switch (r) {
    case -ETIMEDOUT:
        return kith_error_set(ret_error, r, "pid %d has not answered in time", pid);
    case -ENODATA:
        return kith_error_set(ret_error, r, "pid %d closed before it had handed over", pid);
    case -EPROTO:
        return kith_error_set(ret_error, r, "pid %d does not speak the handover protocol", pid);
    case -EPROTONOSUPPORT:
        return kith_error_set(ret_error, r, "pid %d speaks another version of the handover protocol than %d", pid, KITH_RECORD_VERSION);
    case -EMFILE:
        return kith_error_set(ret_error, r, "what pid %d hands over needs more descriptors than this process may have (ulimit -n)", pid);
    default:
        return kith_error_set(ret_error, r, "what pid %d hands over cannot be received: %s", pid, kith_error_name(r));
    }
}

/* Asks --------------------------------------------------------------------------------------------------------------------- */

static int connect_to(const struct kith_address *address, int timeout_ms, int *ret_fd) {
    _cleanup_(kith_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* At a full backlog connect() waits as long as sending may (unix(7)). 0 would be without limit. */
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    if (timeout_ms == 0)
        limit.tv_usec = 1;
    if (timeout_ms >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
        return -errno;
    int r;
    do
        r = connect(fd, (const struct sockaddr *)&address->storage, address->size);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    *ret_fd = KITH_STEAL_FD(fd);
    return 0;
}

static int ask(kith_takeover *takeover, const struct kith_address *address, int timeout_ms, uint64_t deadline,
               struct kith_error *ret_error) {
    char name[512];
    struct kith_record_out *out;
    if (kith_address_format(address, name, sizeof(name)) < 0)
        return kith_error_set(ret_error, -EINVAL, "this is no address of a handover");
    int r = connect_to(address, timeout_ms, &takeover->fd);
    if (r == -ENOENT || r == -ECONNREFUSED)
        return kith_error_set(ret_error, r, "%s: no process offers to be taken over here", name);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", name, kith_error_name(r));
    r = kith_exchange_check_peer(takeover->fd, &takeover->peer);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: pid %d of uid %u offers here, which is neither uid %u nor root: nothing is taken from it",
                              name, (int)takeover->peer.pid, (unsigned)takeover->peer.uid, (unsigned)geteuid());
    r = kith_record_new_hello(&out);
    if (r == 0)
        r = send_record(takeover, out, deadline);
    /* It may have refused us already, and then it says why. */
    return r < 0 && !is_closed(r) ? failed(takeover, r, ret_error) : 0;
}

/* One socket and what belongs to it, from the record into the set. */
static int add_listener(kith_takeover *takeover, struct kith_error *ret_error) {
    struct kith_record_in *in = &takeover->in;
    struct kith_record_listener listener;
    _cleanup_(kith_bound_path_release) struct kith_bound_path path = KITH_BOUND_PATH_INIT;
    struct stat st;
    int r = kith_record_decode_listener(&in->record, in->body, &listener);
    if (r < 0)
        return failed(takeover, r, ret_error);
    if (in->fd_count == 2) {
        if (fstat(in->fds[1], &st) < 0 || !S_ISDIR(st.st_mode))
            return failed(takeover, -EPROTO, ret_error);
        path = (struct kith_bound_path){
            .dirfd = KITH_STEAL_FD(in->fds[1]), .device = (dev_t)listener.device, .inode = (ino_t)listener.inode, .owner = getpid()};
        path.grant = kith_grant_ref(takeover->grant);
        strcpy(path.name, listener.path);
    }
    r = kith_inherited_add_bound(takeover->inherited, listener.name, in->fds[0], &path, ret_error);
    if (r == 0)
        in->fds[0] = -1;
    return r;
}

static int receive_offer(kith_takeover *takeover, uint64_t deadline, struct kith_error *ret_error) {
    for (uint32_t count = 0; count <= KITH_HANDOVER_LISTENERS_MAX; count++) {
        int r = receive(takeover, 1U << KITH_RECORD_LISTENER | 1U << KITH_RECORD_END, deadline);
        if (r < 0)
            return failed(takeover, r, ret_error);
        if (takeover->in.record.type == KITH_RECORD_CANCEL)
            return canceled(takeover, ret_error);
        if (takeover->in.record.type == KITH_RECORD_END)
            return kith_record_decode_number(takeover->in.body) == count ? 0 : failed(takeover, -EPROTO, ret_error);
        r = add_listener(takeover, ret_error);
        if (r < 0)
            return r;
        kith_record_in_reset(&takeover->in);
    }
    return failed(takeover, -EPROTO, ret_error);
}

int kith_takeover_new(const struct kith_address *address, int timeout_ms, kith_takeover **ret_takeover, struct kith_error *ret_error) {
    if (!address || !ret_takeover || address->size > sizeof(address->storage))
        return kith_error_set(ret_error, -EINVAL, "a takeover needs an address");
    if (address->storage.ss_family != AF_UNIX)
        return kith_error_set(ret_error, -EAFNOSUPPORT, "a handover is at a path or an abstract name");

    uint64_t deadline = deadline_of(timeout_ms);
    _cleanup_(kith_takeover_freep) kith_takeover *takeover = calloc(1, sizeof(*takeover));
    if (!takeover)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    takeover->fd = -1;
    takeover->grant = kith_grant_new();
    if (!takeover->grant || kith_inherited_new(&takeover->inherited) < 0)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    int r = ask(takeover, address, timeout_ms, deadline, ret_error);
    if (r == 0)
        r = receive_offer(takeover, deadline, ret_error);
    if (r < 0) {
        if (takeover->fd >= 0 && r != -ECANCELED)
            kith_record_cancel(takeover->fd, r, kith_error_name(r));
        return r;
    }
    kith_record_in_reset(&takeover->in);
    *ret_takeover = KITH_STEAL(takeover);
    return 0;
}

kith_inherited *kith_takeover_inherited(kith_takeover *takeover) {
    return takeover ? takeover->inherited : NULL;
}

pid_t kith_takeover_pid(const kith_takeover *takeover) {
    return takeover ? takeover->peer.pid : 0;
}

kith_takeover *kith_takeover_free(kith_takeover *takeover) {
    if (!takeover)
        return NULL;
    kith_record_in_reset(&takeover->in);
    kith_close(takeover->fd);
    kith_inherited_free(takeover->inherited);
    kith_grant_unref(takeover->grant);
    free(takeover);
    return NULL;
}

/* Takes over ----------------------------------------------------------------------------------------------------------------- */

static int hand_on(kith_takeover *takeover, kith_takeover_conn_fn fn, void *userdata) {
    struct kith_taken_conn conn;
    int type = 0;
    socklen_t size = sizeof(type);
    int r = kith_record_decode_conn(&takeover->in.record, takeover->in.body, &conn);
    if (r < 0)
        return r;
    conn.fd = takeover->in.fds[0];
    if (!fn || getsockopt(conn.fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return -EPROTO;
    takeover->in.fds[0] = -1;
    if (fn(&conn, userdata) < 0)
        kith_close(conn.fd);
    takeover->conns++;
    return 0;
}

/* Returns 1 when the old process has said all, or is gone. */
static int take_next(kith_takeover *takeover, uint64_t deadline, kith_takeover_conn_fn fn, void *userdata, struct kith_error *ret_error) {
    int r = receive(takeover, 1U << KITH_RECORD_CONN | 1U << KITH_RECORD_DONE, deadline);
    if (r == 1 && takeover->in.record.type == KITH_RECORD_CANCEL)
        return takeover->grant->given ? failed(takeover, -EPROTO, ret_error) : canceled(takeover, ret_error);
    bool gone = r < 0 && is_closed(r);
    if (r == 1 || gone)
        takeover->grant->given = true;
    if (r == 1 && takeover->in.record.type == KITH_RECORD_CONN) {
        r = hand_on(takeover, fn, userdata);
        if (r == 0)
            kith_record_in_reset(&takeover->in);
    } else if (r == 1 && kith_record_decode_number(takeover->in.body) != (uint32_t)takeover->conns) {
        r = -EPROTO;
    }
    return gone ? 1 : r < 0 ? failed(takeover, r, ret_error) : r;
}

int kith_takeover_ready(kith_takeover *takeover, int timeout_ms, uint32_t state_version, kith_takeover_conn_fn fn, void *userdata,
                        struct kith_error *ret_error) {
    if (!takeover || (fn && state_version == 0))
        return kith_error_set(ret_error, -EINVAL, "whoever takes connections over must say which state of theirs it understands");
    uint64_t deadline = deadline_of(timeout_ms);
    int r = 0;
    if (!takeover->ready) {
        struct kith_record_out *out;
        r = kith_record_new_number(KITH_RECORD_READY, fn ? state_version : 0, &out);
        if (r == 0)
            r = send_record(takeover, out, deadline);
        if (r < 0 && !is_closed(r)) /* closed: it has said why, or is gone */
            return failed(takeover, r, ret_error);
        takeover->ready = true;
    }
    do
        r = take_next(takeover, deadline, fn, userdata, ret_error);
    while (r == 0);
    return r < 0 ? r : takeover->conns;
}
