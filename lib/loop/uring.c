/*
 * loop/uring.c: waiting with io_uring(7).
 *
 * One ring. The word of each request is the watch's id with the kind of request in its top three bits; ids are never reused within any
 * time that matters, so a completion of a watch that is gone is recognised, and what it brought is disposed of.
 *
 * - Readiness is a multishot poll. It is edge-triggered, so after each event that was wanted the poll is updated in place, which looks
 *   again: that makes it level-triggered at the price of one entry in the next submission.
 * - A stream that is read has one multishot receive, a listener one multishot accept. Both go on until they are cancelled, the end, an
 *   error, or no buffer. They are armed anew only after their last completion, so that octets keep their order.
 * - A send is one entry that never waits (MSG_DONTWAIT) and is complete, in whole, in part or not at all, when the submission returns. The
 *   kernel holds on to nothing: memory and descriptor are free again then. Only one that did not go out whole posts a completion
 *   (IOSQE_CQE_SKIP_SUCCESS; with MSG_WAITALL a part counts as a failure), which ends the wait like any other event. The others are told
 *   when the wait is over, whatever ended it; when an owner has something to do then, there is no waiting (awaited()).
 * - Everything is submitted with the wait: a busy step is one system call. What a caller outside a step must see at once goes by flush().
 *
 * The first use is in the thread that runs the loop, which need not be the one that made it (IORING_SETUP_R_DISABLED); from then on the
 * kernel takes requests from that thread alone. Completions are made when this thread asks for them (IORING_SETUP_DEFER_TASKRUN): no
 * signal interrupts other system calls of it.
 *
 * Two passes over the completions of a wait: the first takes what is only noted (readiness, sends), so that the loop can handle the urgent
 * before the second (complete()) hands over octets and clients.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <liburing.h>

#include <kith/cmsg.h>

#include "base/fd.h"
#include "base/time.h"
#include "loop/private.h"
#include "loop/uring-buffers.h"
#include "loop/uring-host.h"

#define SUBMISSIONS 256
/* Room for a burst: the kernel keeps more on a list, which is slower and ends multishot requests. */
#define COMPLETIONS 4096
/* A wait without limit is one of this length, again and again: only a wait that could have timed out tells a signal from an event. */
/* A cancellation takes one round; more only when completions did not fit the ring. */
#define STOP_TRIES 64
#define LONG_WAIT_NS (3600 * KITH_NS_PER_S)

enum request {
    REQUEST_NONE, /* nobody waits for it: a cancellation, a closing */
    REQUEST_POLL,
    REQUEST_RECEIVE, /* octets alone */
    REQUEST_MESSAGE, /* with control messages */
    REQUEST_ACCEPT,
    REQUEST_SEND,
};

#define REQUEST_SHIFT 61

/* struct kith_watch.armed */
enum {
    ARMED_POLL = 1 << 0,
    ARMED_CANCEL = 1 << 1,  /* the cancellation of the receive or accept that is under way (watch->reading) */
    ARMED_SEND = 1 << 2,    /* a send is prepared, or how it ended has not been told */
    ARMED_TOLD = 1 << 3,    /* nothing is wanted, and the hang-up was reported */
    ARMED_RECHECK = 1 << 4, /* the poll has reported: look again */
    ARMED_HOSTED = 1 << 5,  /* in the set that a host sees */
};

struct send {
    uint64_t id; /* of the watch */
    int size;
};

struct state {
    struct kith_watches *watches;
    struct io_uring ring;
    bool enabled;
    struct kith_ring_host host;
    struct send *sends; /* prepared, or submitted and not told yet */
    size_t send_count, send_room;
    bool grown;         /* the ring of buffers, for this batch */
    unsigned batch_end; /* the completions before this one belong to the last wait */
    struct kith_ring_buffers buffers;
    struct msghdr headers[SUBMISSIONS]; /* of a receive, by its entry; needed until that is submitted */
};

static uint64_t word_of(const struct kith_watch *watch, enum request request) {
    return watch->id | (uint64_t)request << REQUEST_SHIFT;
}

/* Life ------------------------------------------------------------------------------------------------------------------ */

static const char *reason_of(int r) {
    switch (r) {
    case -ENOSYS:
        return "this kernel has no io_uring";
    case -EPERM:
    case -EACCES:
        return "io_uring is forbidden here (kernel.io_uring_disabled, seccomp)";
    case -EINVAL:
        return "this kernel's io_uring is too old: it takes Linux 6.1";
    default:
        return "io_uring cannot be set up";
    }
}

static int set_up(struct state *state) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = COMPLETIONS,
    };

    int r = io_uring_queue_init_params(SUBMISSIONS, &state->ring, &params);
    if (r < 0)
        return r;
    r = kith_ring_buffers_init(&state->buffers, &state->ring, state->watches->pool);
    if (r < 0) {
        io_uring_queue_exit(&state->ring);
        kith_ring_buffers_deinit(&state->buffers);
    }
    return r;
}

static int create(struct kith_watches *watches, void **ret_state, const char **ret_reason) {
    struct state *state = calloc(1, sizeof(*state));
    if (!state)
        return -ENOMEM;
    state->watches = watches;
    state->host = KITH_RING_HOST_INIT;
    int r = set_up(state);
    if (r < 0) {
        free(state);
        *ret_reason = reason_of(r);
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : -ENOSYS;
    }
    *ret_state = state;
    return 0;
}

static void enable(struct state *state) {
    if (!state->enabled)
        /* liburing 2.3 declares io_uring_enable_rings(3) and does not export it. */
        (void)io_uring_register((unsigned)state->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    state->enabled = true;
}

/* Never NULL in practice: it takes a kernel without memory for requests. */
static struct io_uring_sqe *entry_new(struct state *state) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&state->ring);

    if (entry)
        return entry;
    enable(state);
    (void)io_uring_submit(&state->ring);
    return io_uring_get_sqe(&state->ring);
}

/* Whether somebody waits for the end of a send. */
static bool awaited(const struct state *state) {
    for (size_t i = 0; i < state->send_count; i++) {
        struct kith_watch *watch = kith_watches_find(state->watches, state->sends[i].id);
        if (watch && (watch->armed & ARMED_SEND) && watch->ops->awaits_sent(watch))
            return true;
    }
    return false;
}

static bool is_hosted(const struct state *state) {
    return state->host.epoll >= 0;
}

static void flush(void *opaque) {
    struct state *state = opaque;

    enable(state);
    if (is_hosted(state))
        kith_ring_host_clear(&state->host);
    if (io_uring_sq_ready(&state->ring) > 0 || is_hosted(state))
        (void)io_uring_submit_and_get_events(&state->ring);
    if (is_hosted(state) && (io_uring_cq_ready(&state->ring) > 0 || awaited(state)))
        kith_ring_host_raise(&state->host);
}

/* A watch of readiness: what a host has to see of it. A hang-up that nobody waits for is seen until it has been told. */
static void apply_host(struct state *state, struct kith_watch *watch) {
    bool wanted = watch->events != 0 || !(watch->armed & ARMED_TOLD);
    bool in_set = kith_ring_host_watch(&state->host, watch, watch->armed & ARMED_HOSTED, wanted);

    watch->armed = (uint8_t)((watch->armed & ~ARMED_HOSTED) | (in_set ? ARMED_HOSTED : 0));
}

static int host_fd(void *opaque) {
    struct state *state = opaque;

    if (is_hosted(state))
        return state->host.epoll;
    enable(state);
    int r = kith_ring_host_open(&state->host, &state->ring);
    if (r < 0)
        return r;
    for (size_t fd = 0; fd < state->watches->room; fd++)
        if (state->watches->by_fd[fd] && state->watches->by_fd[fd]->kind == KITH_WATCH_READY)
            apply_host(state, state->watches->by_fd[fd]);
    flush(state);
    return state->host.epoll;
}

/* What completions bring ---------------------------------------------------------------------------------------------- */

static uint32_t buffer_id(const struct io_uring_cqe *completion) {
    return completion->flags >> IORING_CQE_BUFFER_SHIFT;
}

/* Finds control messages and octets in what a receive wrote (io_uring_prep_recvmsg_multishot(3)): a header, room for a name (none) and for
 * control messages, then the octets. */
static void open_message(const struct io_uring_cqe *completion, kith_buffer *buffer, struct kith_receipt *receipt) {
    const uint8_t *octets = kith_buffer_data(buffer);
    struct io_uring_recvmsg_out header;

    memcpy(&header, octets, sizeof(header));
    receipt->control = header.controllen > 0 ? octets + sizeof(header) : NULL;
    receipt->control_size = header.controllen;
    receipt->flags = (int)header.flags;
    receipt->result = (int)header.payloadlen;
    receipt->data = octets + completion->res - header.payloadlen;
}

/* For nobody: descriptors are open since the kernel made the completion. */
static void dispose(const struct kith_receipt *receipt) {
    (void)kith_cmsg_adopt_fds(receipt->control, receipt->control_size, NULL, 0, NULL, NULL);
}

/* The kernel found no buffer, and each time that costs a request anew: so there are more from now on, up to a limit. Without any the watch
 * waits for one. */
static unsigned out_of_buffers(struct state *state, struct kith_watch *watch) {
    int r = state->grown ? kith_ring_buffers_fill(&state->buffers) : kith_ring_buffers_grow(&state->buffers);

    state->grown = true;
    if (r == 0)
        return 0;
    if (r == -ENOBUFS) {
        kith_watches_starve(state->watches, watch);
        return 0;
    }
    return watch->ops->received(watch, &(struct kith_receipt){.result = r});
}

/* The request is over, whatever the reason; whoever wants more arms it again. */
static void read_over(struct state *state, struct kith_watch *watch) {
    watch->reading = false;
    watch->armed &= (uint8_t)~ARMED_CANCEL;
    kith_watches_touch(state->watches, watch);
}

static unsigned received(struct state *state, const struct io_uring_cqe *completion, enum request request, uint64_t id) {
    struct kith_watch *watch = kith_watches_find(state->watches, id);
    struct kith_receipt receipt = {.result = completion->res};
    unsigned count = 0;

    if (watch && !(completion->flags & IORING_CQE_F_MORE))
        read_over(state, watch);
    if (completion->flags & IORING_CQE_F_BUFFER) {
        kith_buffer *slab = kith_ring_buffers_used(&state->buffers, buffer_id(completion));
        if (request == REQUEST_MESSAGE)
            open_message(completion, slab, &receipt);
        else
            receipt.data = kith_buffer_data(slab);
        receipt.buffer = receipt.result > 0 ? slab : NULL;
        if (watch)
            count = watch->ops->received(watch, &receipt);
        else
            dispose(&receipt);
        kith_ring_buffers_give_back(&state->buffers, buffer_id(completion));
        return count;
    }
    if (!watch || receipt.result == -ECANCELED)
        return 0;
    if (receipt.result == -ENOBUFS)
        return out_of_buffers(state, watch);
    if (receipt.result == -EAGAIN || receipt.result == -EINTR || receipt.result == -ENOMEM)
        return 0; /* armed again, which may have an answer that stays */
    return watch->ops->received(watch, &receipt);
}

static unsigned accepted(struct state *state, const struct io_uring_cqe *completion, uint64_t id) {
    struct kith_watch *watch = kith_watches_find(state->watches, id);

    if (watch && !(completion->flags & IORING_CQE_F_MORE))
        read_over(state, watch);
    if (!watch) {
        kith_close(completion->res);
        return 0;
    }
    if (completion->res == -ECANCELED || completion->res == -EAGAIN)
        return 0;
    return watch->ops->accepted(watch, completion->res);
}

static void polled(struct state *state, const struct io_uring_cqe *completion, uint64_t id) {
    struct kith_watch *watch = kith_watches_find(state->watches, id);
    unsigned events = 0, happened = (unsigned)completion->res;

    if (!watch)
        return;
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        watch->armed &= (uint8_t)~ARMED_POLL;
        kith_watches_touch(state->watches, watch);
    }
    if (completion->res == -ECANCELED)
        return;
    if (completion->res < 0)
        happened = POLLERR;
    if (happened & watch->polling & POLLIN)
        events |= KITH_IO_READ;
    if (happened & watch->polling & POLLOUT)
        events |= KITH_IO_WRITE;
    if (happened & (POLLHUP | POLLERR))
        events |= KITH_IO_HANGUP;
    if (events == 0) /* the peer will send no more, which nobody asked about */
        return;
    /* Level-triggered: to be looked at again as long as something is wanted; and a hang-up that nobody waits for is told once. */
    watch->armed |= watch->polling == 0 || completion->res < 0 ? ARMED_TOLD : ARMED_RECHECK;
    kith_watches_touch(state->watches, watch);
    kith_watches_report(state->watches, id, events);
}

static void sent(struct state *state, uint64_t id, int result) {
    struct kith_watch *watch = kith_watches_find(state->watches, id);

    if (!watch)
        return;
    watch->armed &= (uint8_t)~ARMED_SEND;
    watch->ops->sent(watch, result);
}

/* After the completions were looked at: the sends without one went out whole. Not yet, when not everything was submitted, or when there are
 * completions that did not fit the ring. */
static void settle_sends(struct state *state) {
    bool all = io_uring_sq_ready(&state->ring) == 0 && !io_uring_cq_has_overflow(&state->ring);
    size_t kept = 0;

    for (size_t i = 0; i < state->send_count; i++) {
        const struct kith_watch *watch = kith_watches_find(state->watches, state->sends[i].id);
        if (!watch || !(watch->armed & ARMED_SEND))
            continue;
        if (all)
            sent(state, state->sends[i].id, state->sends[i].size);
        else
            state->sends[kept++] = state->sends[i];
    }
    state->send_count = kept;
}

static const struct io_uring_cqe *completion_at(const struct state *state, unsigned index) {
    return &state->ring.cq.cqes[index & state->ring.cq.ring_mask];
}

static enum request request_of(const struct io_uring_cqe *completion) {
    return (enum request)(completion->user_data >> REQUEST_SHIFT);
}

static uint64_t id_of(const struct io_uring_cqe *completion) {
    return completion->user_data & (((uint64_t)1 << REQUEST_SHIFT) - 1);
}

/* Returns whether anything has happened. */
static bool note(struct state *state) {
    unsigned first = *state->ring.cq.khead;

    state->grown = false;
    state->batch_end = first + io_uring_cq_ready(&state->ring);
    for (unsigned i = first; i != state->batch_end; i++) {
        const struct io_uring_cqe *completion = completion_at(state, i);
        enum request request = request_of(completion);
        if (request == REQUEST_POLL)
            polled(state, completion, id_of(completion));
        else if (request == REQUEST_SEND)
            sent(state, id_of(completion), completion->res);
    }
    settle_sends(state);
    return state->batch_end != first;
}

static unsigned complete(void *opaque) {
    struct state *state = opaque;
    unsigned count = 0;

    while (*state->ring.cq.khead != state->batch_end) {
        /* A copy, and its place is free: what the callbacks do may need room in the ring. */
        struct io_uring_cqe completion = *completion_at(state, *state->ring.cq.khead);
        enum request request = request_of(&completion);
        io_uring_cq_advance(&state->ring, 1);
        if (request == REQUEST_RECEIVE || request == REQUEST_MESSAGE)
            count += received(state, &completion, request, id_of(&completion));
        else if (request == REQUEST_ACCEPT)
            count += accepted(state, &completion, id_of(&completion));
    }
    return count;
}

static int wait(void *opaque, int64_t timeout_ns) {
    struct state *state = opaque;

    enable(state);
    if (timeout_ns == 0 || awaited(state)) {
        int r = io_uring_submit_and_get_events(&state->ring);
        note(state);
        return r == -EINTR ? r : 0;
    }
    struct __kernel_timespec limit;
    struct io_uring_cqe *unused;
    uint64_t begin = kith_time_now(), ns = timeout_ns < 0 || (uint64_t)timeout_ns > LONG_WAIT_NS ? LONG_WAIT_NS : (uint64_t)timeout_ns;
    limit.tv_sec = (int64_t)(ns / KITH_NS_PER_S);
    limit.tv_nsec = (long long)(ns % KITH_NS_PER_S);
    int r = io_uring_submit_and_wait_timeout(&state->ring, &unused, 1, &limit, NULL);
    /* A signal that comes after something was submitted does not make the call fail. */
    if (!note(state) && (r == -EINTR || kith_time_now() - begin < ns))
        return -EINTR;
    return 0;
}

/* What is asked of the kernel -------------------------------------------------------------------------------------------- */

/* A request for whose outcome nobody waits. */
static struct io_uring_sqe *quiet(struct io_uring_sqe *entry) {
    entry->user_data = 0;
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    return entry;
}

static int cancel(struct state *state, uint64_t word) {
    struct io_uring_sqe *entry = entry_new(state);

    if (!entry)
        return -ENOMEM;
    io_uring_prep_cancel64(entry, word, 0);
    quiet(entry);
    return 0;
}

static enum request read_request(const struct kith_watch *watch) {
    return watch->kind == KITH_WATCH_LISTENER ? REQUEST_ACCEPT : watch->plain ? REQUEST_RECEIVE : REQUEST_MESSAGE;
}

static int arm_read(struct state *state, struct kith_watch *watch) {
    if (watch->kind == KITH_WATCH_STREAM && state->buffers.provided == 0 && state->buffers.target == 0)
        (void)kith_ring_buffers_grow(&state->buffers);
    struct io_uring_sqe *entry = entry_new(state);
    if (!entry)
        return -ENOMEM;
    if (watch->kind == KITH_WATCH_LISTENER) {
        io_uring_prep_multishot_accept(entry, watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } else if (watch->plain) {
        io_uring_prep_recv_multishot(entry, watch->fd, NULL, 0, 0);
    } else {
        struct msghdr *header = &state->headers[entry - state->ring.sq.sqes];
        *header = (struct msghdr){.msg_controllen = watch->control_room};
        io_uring_prep_recvmsg_multishot(entry, watch->fd, header, MSG_CMSG_CLOEXEC);
    }
    if (watch->kind == KITH_WATCH_STREAM) {
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = KITH_RING_GROUP;
    }
    entry->user_data = word_of(watch, read_request(watch));
    watch->control_armed = watch->control_room;
    watch->reading = true;
    return 0;
}

static int apply_read(struct state *state, struct kith_watch *watch) {
    bool wanted = kith_watch_reads(watch);

    if (wanted && !watch->reading)
        return arm_read(state, watch);
    if (watch->reading && !(watch->armed & ARMED_CANCEL) && (!wanted || watch->control_armed != watch->control_room)) {
        watch->armed |= ARMED_CANCEL;
        return cancel(state, word_of(watch, read_request(watch)));
    }
    return 0;
}

/* A stream that is read learns of a hang-up by reading. */
static bool needs_poll(const struct kith_watch *watch) {
    if (watch->kind == KITH_WATCH_READY)
        return true;
    return watch->kind == KITH_WATCH_STREAM && ((watch->events & KITH_IO_WRITE) || !kith_watch_reads(watch));
}

static int apply_poll(struct state *state, struct kith_watch *watch) {
    unsigned mask = 0;

    if (watch->kind == KITH_WATCH_READY && (watch->events & KITH_IO_READ))
        mask |= POLLIN;
    if (watch->events & KITH_IO_WRITE)
        mask |= POLLOUT;
    if (watch->armed & ARMED_POLL) {
        /* Kept for what it still can tell, the hang-up, even when it is not needed. */
        if (mask == watch->polling && !(watch->armed & ARMED_RECHECK))
            return 0;
    } else if (!needs_poll(watch) || (watch->armed & ARMED_TOLD)) {
        return 0;
    }
    struct io_uring_sqe *entry = entry_new(state);
    if (!entry)
        return -ENOMEM;
    if (watch->armed & ARMED_POLL) {
        io_uring_prep_poll_update(entry, word_of(watch, REQUEST_POLL), 0, mask, IORING_POLL_UPDATE_EVENTS | IORING_POLL_ADD_MULTI);
        quiet(entry);
    } else {
        io_uring_prep_poll_multishot(entry, watch->fd, mask);
        entry->user_data = word_of(watch, REQUEST_POLL);
    }
    watch->polling = (uint8_t)mask;
    watch->armed = (uint8_t)((watch->armed | ARMED_POLL) & ~ARMED_RECHECK);
    return 0;
}

static int apply(void *opaque, struct kith_watch *watch) {
    struct state *state = opaque;

    if (watch->applied != watch->events) {
        watch->applied = watch->events;
        if (watch->armed & ARMED_TOLD)
            watch->armed = (uint8_t)((watch->armed & ~ARMED_TOLD) | ARMED_RECHECK);
    }
    if (watch->kind == KITH_WATCH_READY && is_hosted(state))
        apply_host(state, watch);
    int r = watch->kind == KITH_WATCH_READY ? 0 : apply_read(state, watch);
    return r < 0 || watch->kind == KITH_WATCH_LISTENER ? r : apply_poll(state, watch);
}

/* The errors that epoll_ctl(2) has: a poll of such a file would always be ready. */
static int check(int fd) {
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? -EPERM : 0;
}

static int add(void *opaque, struct kith_watch *watch) {
    struct state *state = opaque;
    int r = watch->kind == KITH_WATCH_READY ? check(watch->fd) : 0;

    if (r < 0)
        return r;
    watch->applied = watch->events;
    kith_watches_touch(state->watches, watch);
    return 0;
}

/* Hands over what has come for this watch, before its turn. */
static void take_out(struct state *state, uint64_t id) {
    unsigned first = *state->ring.cq.khead, count = io_uring_cq_ready(&state->ring);

    for (unsigned i = first; i != first + count; i++) {
        struct io_uring_cqe *place = &state->ring.cq.cqes[i & state->ring.cq.ring_mask], completion = *place;
        enum request request = request_of(&completion);
        if (id_of(&completion) != id || (request != REQUEST_RECEIVE && request != REQUEST_MESSAGE && request != REQUEST_ACCEPT))
            continue;
        place->user_data = 0; /* nobody's, when its turn comes */
        if (request == REQUEST_ACCEPT)
            (void)accepted(state, &completion, id);
        else
            (void)received(state, &completion, request, id);
    }
}

static void stop_reading(void *opaque, struct kith_watch *watch) {
    struct state *state = opaque;
    const uint64_t id = watch->id;

    if (watch->reading && !(watch->armed & ARMED_CANCEL)) {
        watch->armed |= ARMED_CANCEL;
        (void)cancel(state, word_of(watch, read_request(watch)));
    }
    enable(state);
    for (int i = 0; i < STOP_TRIES && watch && watch->reading; i++) {
        (void)io_uring_submit_and_get_events(&state->ring);
        take_out(state, id);
        watch = kith_watches_find(state->watches, id);
    }
}

static void remove_watch(void *opaque, struct kith_watch *watch, bool close_fd) {
    struct state *state = opaque;
    struct io_uring_sqe *entry = NULL;

    if (watch->armed & ARMED_HOSTED)
        (void)kith_ring_host_watch(&state->host, watch, true, false);
    if (watch->armed & ARMED_SEND)
        flush(state); /* its octets may be freed when this returns */
    if (watch->reading && !(watch->armed & ARMED_CANCEL))
        (void)cancel(state, word_of(watch, read_request(watch)));
    if (watch->armed & ARMED_POLL)
        (void)cancel(state, word_of(watch, REQUEST_POLL));
    if (!close_fd)
        return;
    entry = entry_new(state);
    if (!entry) {
        kith_close(watch->fd);
        return;
    }
    io_uring_prep_close(entry, watch->fd);
    quiet(entry);
}

static bool has_send_room(struct state *state) {
    if (state->send_count < state->send_room)
        return true;
    size_t room = state->send_room > 0 ? 2 * state->send_room : SUBMISSIONS;
    struct send *sends = reallocarray(state->sends, room, sizeof(*sends));
    if (!sends)
        return false;
    state->sends = sends;
    state->send_room = room;
    return true;
}

static int send_octets(void *opaque, struct kith_watch *watch, const void *data, size_t size) {
    struct state *state = opaque;
    struct io_uring_sqe *entry = has_send_room(state) ? entry_new(state) : NULL;

    if (!entry)
        return kith_direct_send(watch->fd, data, size);
    size = size < INT32_MAX ? size : INT32_MAX;
    io_uring_prep_send(entry, watch->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    entry->user_data = word_of(watch, REQUEST_SEND);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    watch->armed |= ARMED_SEND;
    state->sends[state->send_count++] = (struct send){.id = watch->id, .size = (int)size};
    return -EINPROGRESS;
}

static size_t slabs(const void *opaque) {
    const struct state *state = opaque;
    return KITH_RING_MAX - state->buffers.unused_count;
}

static void refill(void *opaque) {
    struct state *state = opaque;

    (void)kith_ring_buffers_fill(&state->buffers);
    kith_watches_feed(state->watches);
}

/* Whatever is still under way ends, and what it brought is disposed of: the watches are forgotten already. */
static void drain(struct state *state) {
    struct io_uring_sync_cancel_reg everything = {.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
                                                  .timeout = {.tv_sec = -1, .tv_nsec = -1}};

    if (!state->enabled)
        return;
    (void)io_uring_submit(&state->ring); /* closings */
    (void)io_uring_register_sync_cancel(&state->ring, &everything);
    do {
        (void)io_uring_get_events(&state->ring);
        state->batch_end = *state->ring.cq.khead + io_uring_cq_ready(&state->ring);
        (void)complete(state);
    } while (io_uring_cq_has_overflow(&state->ring));
}

static void destroy(void *opaque, bool in_child) {
    struct state *state = opaque;

    if (!in_child)
        drain(state);
    io_uring_queue_exit(&state->ring);
    kith_ring_host_close(&state->host);
    kith_ring_buffers_deinit(&state->buffers);
    free(state->sends);
    free(state);
}

const struct kith_loop_backend kith_loop_uring = {
    .name = "uring",
    .create = create,
    .destroy = destroy,
    .fd = host_fd,
    .add = add,
    .apply = apply,
    .remove = remove_watch,
    .stop_reading = stop_reading,
    .send = send_octets,
    .wait = wait,
    .complete = complete,
    .flush = flush,
    .slabs = slabs,
    .refill = refill,
};
