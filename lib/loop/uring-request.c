/*
 * loop/uring-request.c: what is asked of the kernel: to watch, receive, accept, send, close, and to stop.
 */
#include "loop/uring-state.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/fd.h"

/* A cancellation takes one round; more only when completions did not fit the ring. */
#define STOP_TRIES 64

/* A request for whose outcome nobody waits. */
static struct io_uring_sqe *quiet(struct io_uring_sqe *entry) {
    entry->user_data = 0;
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    return entry;
}

static int cancel(struct uring *state, uint64_t word) {
    struct io_uring_sqe *entry = uring_entry_new(state);

    if (!entry)
        return -ENOMEM;
    io_uring_prep_cancel64(entry, word, 0);
    quiet(entry);
    return 0;
}

static enum request read_request(const struct kith_watch *watch) {
    return watch->plain ? REQUEST_RECEIVE : REQUEST_MESSAGE;
}

static int arm_read(struct uring *state, struct kith_watch *watch) {
    if (state->buffers.provided == 0 && state->buffers.target == 0)
        (void)kith_ring_buffers_grow(&state->buffers);
    struct io_uring_sqe *entry = uring_entry_new(state);
    if (!entry)
        return -ENOMEM;
    if (watch->plain) {
        io_uring_prep_recv_multishot(entry, watch->fd, NULL, 0, 0);
    } else {
        struct msghdr *header = &state->headers[entry - state->ring.sq.sqes];
        *header = (struct msghdr){.msg_controllen = watch->control_room};
        io_uring_prep_recvmsg_multishot(entry, watch->fd, header, MSG_CMSG_CLOEXEC);
    }
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = KITH_RING_GROUP;
    entry->user_data = word_of(watch, read_request(watch));
    watch->control_armed = watch->control_room;
    watch->armed &= (uint8_t)~ARMED_ANEW;
    watch->reading = true;
    return 0;
}

static int apply_read(struct uring *state, struct kith_watch *watch) {
    bool wanted = kith_watch_receives(watch);

    if (wanted && !watch->reading)
        return arm_read(state, watch);
    bool stale = !wanted || watch->control_armed != watch->control_room || (watch->armed & ARMED_ANEW);
    if (watch->reading && !(watch->armed & ARMED_CANCEL) && stale) {
        watch->armed |= ARMED_CANCEL;
        return cancel(state, word_of(watch, read_request(watch)));
    }
    return 0;
}

/* A stream that is read learns of a hang-up by reading. But on Linux 6.18 a multishot receive of an AF_UNIX stream may never be told of the
 * end when that comes close behind octets; a poll for POLLRDHUP is, and a receive that is armed then finds it. */
static bool needs_poll(const struct kith_watch *watch) {
    return watch->kind != KITH_WATCH_STREAM || (watch->events & KITH_IO_WRITE) || !kith_watch_receives(watch) || watch->local;
}

static int apply_poll(struct uring *state, struct kith_watch *watch) {
    unsigned mask = 0;

    if (watch->kind != KITH_WATCH_STREAM ? watch->events & KITH_IO_READ : watch->placing && kith_watch_reads(watch) && !watch->reading)
        mask |= POLLIN;
    if (watch->events & KITH_IO_WRITE)
        mask |= POLLOUT;
    if (watch->local)
        mask |= POLLRDHUP;
    if (watch->armed & ARMED_POLL) {
        /* Kept for what it still can tell, the hang-up, even when it is not needed. */
        if (mask == watch->polling && !(watch->armed & ARMED_RECHECK))
            return 0;
    } else if (!needs_poll(watch) || (watch->armed & ARMED_TOLD)) {
        return 0;
    }
    struct io_uring_sqe *entry = uring_entry_new(state);
    if (!entry)
        return -ENOMEM;
    if (watch->armed & ARMED_POLL) {
        io_uring_prep_poll_update(entry, word_of(watch, REQUEST_POLL), 0, mask, IORING_POLL_UPDATE_EVENTS | IORING_POLL_ADD_MULTI);
        quiet(entry)->user_data = word_of(watch, REQUEST_UPDATE);
    } else {
        io_uring_prep_poll_multishot(entry, watch->fd, mask);
        entry->user_data = word_of(watch, REQUEST_POLL);
    }
    watch->polling = (uint16_t)mask;
    watch->armed = (uint8_t)((watch->armed | ARMED_POLL) & ~ARMED_RECHECK);
    return 0;
}

/* A watch of readiness: what a host has to see of it. A hang-up that nobody waits for is seen until it has been told. */
void uring_apply_host(struct uring *state, struct kith_watch *watch) {
    bool wanted = watch->events != 0 || !(watch->armed & ARMED_TOLD);
    bool in_set = kith_ring_host_watch(&state->host, watch, watch->armed & ARMED_HOSTED, wanted);

    watch->armed = (uint8_t)((watch->armed & ~ARMED_HOSTED) | (in_set ? ARMED_HOSTED : 0));
}

int uring_apply(void *opaque, struct kith_watch *watch) {
    struct uring *state = opaque;

    if (watch->applied != watch->events) {
        watch->applied = watch->events;
        if (watch->armed & ARMED_TOLD)
            watch->armed = (uint8_t)((watch->armed & ~ARMED_TOLD) | ARMED_RECHECK);
    }
    if (watch->kind == KITH_WATCH_READY && uring_is_hosted(state))
        uring_apply_host(state, watch);
    int r = watch->kind == KITH_WATCH_STREAM ? apply_read(state, watch) : 0;
    return r < 0 ? r : apply_poll(state, watch);
}

/* The errors that epoll_ctl(2) has: a poll of such a file would always be ready. */
static int check(int fd) {
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? -EPERM : 0;
}

int uring_add(void *opaque, struct kith_watch *watch) {
    struct uring *state = opaque;
    int r = watch->kind == KITH_WATCH_READY ? check(watch->fd) : 0;

    if (r < 0)
        return r;
    watch->applied = watch->events;
    kith_watches_touch(state->watches, watch);
    return 0;
}

void uring_stop_reading(void *opaque, struct kith_watch *watch) {
    struct uring *state = opaque;
    const uint64_t id = watch->id;

    if (!uring_is_ours(state))
        return;
    if (watch->reading && !(watch->armed & ARMED_CANCEL)) {
        watch->armed |= ARMED_CANCEL;
        (void)cancel(state, word_of(watch, read_request(watch)));
    }
    for (int i = 0; i < STOP_TRIES && watch && watch->reading; i++) {
        (void)io_uring_submit_and_get_events(&state->ring);
        uring_take_out(state, id);
        watch = kith_watches_find(state->watches, id);
    }
}

/* The octets may be freed when this returns. What the kernel has not taken, being out of memory, it must not take later. */
static void forget_send(struct uring *state, const struct kith_watch *watch) {
    const struct io_uring_sq *sq = &state->ring.sq;

    uring_flush(state);
    for (unsigned i = *sq->khead; i != sq->sqe_tail; i++) {
        struct io_uring_sqe *entry = &sq->sqes[i & sq->ring_mask];
        if (entry->user_data == word_of(watch, REQUEST_SEND)) {
            io_uring_prep_nop(entry);
            quiet(entry);
        }
    }
}

void uring_remove(void *opaque, struct kith_watch *watch, bool close_fd) {
    struct uring *state = opaque;
    struct io_uring_sqe *entry = NULL;

    if (watch->armed & ARMED_HOSTED)
        (void)kith_ring_host_watch(&state->host, watch, true, false);
    if (watch->armed & ARMED_SEND)
        forget_send(state, watch);
    if (watch->reading && !(watch->armed & ARMED_CANCEL))
        (void)cancel(state, word_of(watch, read_request(watch)));
    if (watch->armed & ARMED_POLL)
        (void)cancel(state, word_of(watch, REQUEST_POLL));
    if (!close_fd)
        return;
    entry = uring_is_ours(state) ? uring_entry_new(state) : NULL;
    if (!entry) {
        kith_close(watch->fd);
        return;
    }
    io_uring_prep_close(entry, watch->fd);
    quiet(entry);
}

int uring_send(void *opaque, struct kith_watch *watch, const void *data, size_t size) {
    struct uring *state = opaque;
    int most = size < INT32_MAX ? (int)size : INT32_MAX;
    struct io_uring_sqe *entry = state->send_count < SENDS ? uring_entry_new(state) : NULL;

    if (!entry)
        return kith_direct_send(watch->fd, data, size);
    io_uring_prep_send(entry, watch->fd, data, (size_t)most, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry->user_data = word_of(watch, REQUEST_SEND);
    watch->armed |= ARMED_SEND;
    state->sends[state->send_count].id = watch->id;
    state->sends[state->send_count++].size = most;
    return -EINPROGRESS;
}
