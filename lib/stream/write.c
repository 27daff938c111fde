/*
 * What the application writes: into the queue, whole or not at all.
 *
 * A write that follows another one only makes the queue longer, until there is enough to send or too much to take. That length is `quiet`.
 * It is 0 again whenever anything else happens: the queue meets the kernel, or is dropped, or nothing more may be written. So while it is
 * not, the connection is open, and either the end of the step sends the queue or the kernel will say when it has room. That all connections
 * together hold too much is not this connection's doing, so that is asked each time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "stream/conn.h"
#include "stream/internal.h"

/* Queued octets that are worth a system call of their own (notes: bigger batches gain nothing). */
#define FLUSH_SIZE ((size_t)64 * 1024)

static bool is_quiet(const kith_conn *conn) {
    if (conn->queue.octets >= conn->quiet || !kith_watch_active(&conn->watch))
        return false;
    const struct kith_charge *unsent = kith_loop_unsent(conn->loop);
    return unsent->used < unsent->limit;
}

static int may_write(kith_conn *conn) {
    if (is_quiet(conn))
        return 0;
    if (conn_is_inert(conn))
        return -ESHUTDOWN;
    /* A failure to connect is told by `closed` alone. */
    if (conn->state == CONN_CLOSED || conn->draining || (conn->failure != 0 && conn->state == CONN_OPEN))
        return -EPIPE;
    if (conn->queue.octets >= conn_high_mark(conn)) {
        conn->choked = true;
        return -EAGAIN;
    }
    return 0;
}

/* Small writes of a connection that goes out with the end of the step lie with those of others, of one that waits by themselves. */
static struct kith_arena *arena(kith_conn *conn) {
    return conn->blocked || conn->state == CONN_CONNECTING ? NULL : kith_loop_arena(conn->loop);
}

static __attribute__((noinline)) void look_after(kith_conn *conn, bool again) {
    size_t high_mark = conn_high_mark(conn), enough = high_mark < FLUSH_SIZE ? high_mark : FLUSH_SIZE;
    if (conn->state == CONN_OPEN && conn->queue.octets >= enough)
        conn_transmit(conn, true);
    if (conn->queue.octets >= high_mark)
        conn->choked = true;
    /* Already waiting for room: the loop has been told. */
    if (!conn->blocked || !(conn->watch.events & KITH_IO_WRITE))
        kith_loop_defer(conn->loop, &conn->defer);
    size_t mark = conn->blocked ? high_mark : enough;
    if (again && conn->state == CONN_OPEN && conn->failure == 0)
        conn->quiet = mark < UINT32_MAX ? (uint32_t)mark : UINT32_MAX;
}

static void written(kith_conn *conn, size_t octets_before) {
    kith_loop_unsent(conn->loop)->used += conn->queue.octets - octets_before;
    if (!is_quiet(conn))
        look_after(conn, octets_before > 0);
}

int kith_conn_write_place(kith_conn *conn, size_t size, uint8_t **ret_place) {
    int r = may_write(conn);
    return r < 0 ? r : kith_queue_place(&conn->queue, arena(conn), size, ret_place);
}

int kith_conn_write_place_fds(kith_conn *conn, size_t size, struct kith_fds *fds, uint8_t **ret_place) {
    if (conn->family != AF_UNIX)
        return -EOPNOTSUPP;
    int r = may_write(conn);
    return r < 0 ? r : kith_queue_place_fds(&conn->queue, arena(conn), size, fds, ret_place);
}

void kith_conn_written(kith_conn *conn, size_t size) {
    written(conn, conn->queue.octets - size);
}

int kith_conn_write(kith_conn *conn, const void *data, size_t size) {
    if (!conn || (!data && size > 0))
        return -EINVAL;
    int r = may_write(conn);
    if (r < 0)
        return r;
    size_t before = conn->queue.octets;
    r = kith_queue_copy(&conn->queue, arena(conn), data, size);
    if (r < 0)
        return r;
    written(conn, before);
    return 0;
}

int kith_conn_write_fds(kith_conn *conn, const void *data, size_t size, const int *fds, size_t count) {
    struct kith_fds *list;
    uint8_t *place;
    if (!conn || !data || size == 0 || !fds || count == 0 || count > KITH_FDS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        if (fcntl(fds[i], F_GETFD) < 0)
            return -errno;
    int r = kith_fds_new(count, &list);
    if (r < 0)
        return r;
    memcpy(list->fd, fds, count * sizeof(*fds));
    r = kith_conn_write_place_fds(conn, size, list, &place);
    if (r >= 0) {
        list->count = (unsigned)count;
        memcpy(place, data, size);
        kith_conn_written(conn, size);
    }
    kith_fds_unref(list);
    return r;
}

int kith_conn_write_slice(kith_conn *conn, struct kith_slice slice) {
    return kith_conn_write_slices(conn, &slice, 1);
}

int kith_conn_write_slices(kith_conn *conn, const struct kith_slice *slices, size_t count) {
    if (!conn || (!slices && count > 0))
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        if (!slices[i].data && slices[i].size > 0)
            return -EINVAL;
    int r = may_write(conn);
    if (r < 0)
        return r;
    size_t before = conn->queue.octets;
    struct kith_queue_mark mark = kith_queue_mark(&conn->queue);
    for (size_t i = 0; i < count && r >= 0; i++)
        r = kith_queue_slice(&conn->queue, arena(conn), slices[i]);
    if (r < 0) {
        kith_queue_cut(&conn->queue, mark);
        return r;
    }
    written(conn, before);
    return 0;
}

int kith_conn_write_file(kith_conn *conn, int fd, uint64_t offset, uint64_t size) {
    struct stat st;
    if (!conn)
        return -EINVAL;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ENOTSUP;
    if (offset > INT64_MAX || size > INT64_MAX - offset || size > SIZE_MAX || offset + size > (uint64_t)st.st_size)
        return -EINVAL;
    int r = may_write(conn);
    if (r < 0)
        return r;
    if (size == 0) {
        kith_close(fd);
        return 0;
    }
    size_t before = conn->queue.octets;
    r = kith_queue_add_file(&conn->queue, fd, (off_t)offset, (size_t)size);
    if (r < 0)
        return r;
    written(conn, before);
    return 0;
}

/* Nothing for the end of the step to do. */
static bool at_rest(const kith_conn *conn) {
    return conn->queue.octets == 0 && conn->failure == 0 && !conn->relieved && !conn->draining && !conn->read_end && !conn->held;
}

void kith_conn_flush(kith_conn *conn) {
    if (!conn || conn->state != CONN_OPEN || conn->queue.octets == 0 || conn->blocked || conn_is_inert(conn))
        return;
    conn_transmit(conn, true);
    /* What was deferred when the octets were queued would only keep the loop from waiting at once. */
    if (at_rest(conn))
        kith_defer_cancel(&conn->defer);
    else
        kith_loop_defer(conn->loop, &conn->defer);
}

size_t kith_conn_queued(const kith_conn *conn) {
    return conn ? conn->queue.octets : 0;
}
