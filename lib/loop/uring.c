/*
 * loop/uring.c: waiting with io_uring(7).
 *
 * One ring. The word of each request is the watch's id with the kind of request in its top three bits; ids are never reused within any
 * time that matters, so a completion of a watch that is gone is recognised, and what it brought is disposed of.
 *
 * - Readiness is a multishot poll. It is edge-triggered, so after each event that was wanted the poll is updated in place, which looks
 *   again: that makes it level-triggered at the price of one entry in the next submission.
 * - A stream that is read has one multishot receive. It goes on until it is cancelled, the end, an error, or no buffer, and is armed anew
 *   only after its last completion, so that octets keep their order.
 * - Clients are accepted by system calls when a listener is ready, a few at a time. A multishot accept takes a whole backlog in one step,
 *   and while a crowd comes and goes nobody else has a turn (measured: round trips of up to 1 s beside it, 70 ms now).
 * - A send is one entry that never waits (MSG_DONTWAIT): it is complete, in whole, in part or not at all, when the submission returns, and
 *   has a completion only when something is left (MSG_WAITALL makes less than all a failure, IOSQE_CQE_SKIP_SUCCESS keeps silent about
 *   success). The kernel holds on to nothing: memory and descriptor are free again then. So sends do not end a wait; when an owner has
 *   something to do at the end of one, there is no waiting (awaited()).
 * - Everything is submitted with the wait: a busy step is one system call, and it hands over several requests where they come together
 *   (uring-batch.h). What a caller outside a step must see at once goes by flush().
 *
 * The first use is in the thread that runs the loop, which need not be the one that made it (IORING_SETUP_R_DISABLED); from then on the
 * kernel takes requests from that thread alone. Completions are made when this thread asks for them (IORING_SETUP_DEFER_TASKRUN): no
 * signal interrupts other system calls of it.
 *
 * Two passes over the completions of a wait: the first takes what is only noted (readiness, sends), so that the loop can handle the urgent
 * before the second (complete()) hands over octets and clients.
 */
#include "loop/uring-state.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/time.h"
#include "loop/private.h"

/* A wait without limit is one of this length, again and again: only a wait that could have timed out tells a signal from an event. */
#define LONG_WAIT_NS (3600 * KITH_NS_PER_S)
/* A wait shorter than this is not made longer for a batch. */
#define SHORT_WAIT_NS (KITH_NS_PER_MS / 2)
/* From linux/io_uring.h of Linux 6.12 and 6.15, which Debian 12's headers do not have. */
#define FEATURE_MIN_TIMEOUT (1U << 15)
#define FEATURE_NO_IOWAIT (1U << 17)
#define ENTER_NO_IOWAIT (1U << 7)

/* Life ------------------------------------------------------------------------------------------------------------------ */

static const char *reason_of(int r) {
    switch (r) {
    case -ENOSYS:
        return "this kernel has no io_uring";
    case -EPERM:
    case -EACCES:
        return "io_uring is forbidden here (kernel.io_uring_disabled, seccomp)";
    case -ENOMEM:
        return "the locked memory that this user may have (RLIMIT_MEMLOCK) is used up";
    case -EINVAL:
        return "this kernel's io_uring is too old: it takes Linux 6.1";
    default:
        return "io_uring cannot be set up";
    }
}

/* *ret_reason is set where another backend will do: what the kernel refuses, not what this process has no memory for. */
static int set_up(struct uring *state, const char **ret_reason) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = COMPLETIONS,
    };

    int r = io_uring_queue_init_params(SUBMISSIONS, &state->ring, &params);
    if (r < 0) {
        *ret_reason = reason_of(r);
        return r == -EMFILE || r == -ENFILE ? r : -ENOSYS;
    }
    r = kith_ring_buffers_init(&state->buffers, &state->ring, state->watches->pool);
    if (r < 0) {
        io_uring_queue_exit(&state->ring);
        kith_ring_buffers_deinit(&state->buffers);
    }
    return r;
}

static int create(struct kith_watches *watches, void **ret_state, const char **ret_reason) {
    struct uring *state = calloc(1, sizeof(*state));
    if (!state)
        return -ENOMEM;
    state->watches = watches;
    state->host = KITH_RING_HOST_INIT;
    state->batch = KITH_BATCH_SIZE_INIT;
    int r = set_up(state, ret_reason);
    if (r < 0) {
        free(state);
        return r;
    }
    *ret_state = state;
    return 0;
}

static void enable(struct uring *state) {
    if (state->enabled)
        return;
    state->thread = pthread_self();
    /* liburing 2.3 declares io_uring_enable_rings(3) and does not export it. */
    (void)io_uring_register((unsigned)state->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    state->enabled = true;
}

/* Never NULL in practice: it takes a kernel without memory for requests. */
struct io_uring_sqe *uring_entry_new(struct uring *state) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&state->ring);

    if (entry)
        return entry;
    enable(state);
    (void)io_uring_submit(&state->ring);
    return io_uring_get_sqe(&state->ring);
}

/* False before the first use, when the kernel knows of nothing yet, and in a thread that may not use the ring. */
bool uring_is_ours(const struct uring *state) {
    return state->enabled && pthread_equal(state->thread, pthread_self());
}

bool uring_is_hosted(const struct uring *state) {
    return state->host.epoll >= 0;
}

void uring_flush(void *opaque) {
    struct uring *state = opaque;

    if (!uring_is_ours(state))
        return;
    /* A send that has ended may have its owner ask for this. What would be submitted now would be taken for done with the sends before it.
     */
    state->flush_wanted = true;
    if (state->noting)
        return;
    while (state->flush_wanted) {
        state->flush_wanted = false;
        if (uring_is_hosted(state))
            kith_ring_host_clear(&state->host);
        if (io_uring_sq_ready(&state->ring) > 0 || uring_is_hosted(state))
            (void)io_uring_submit_and_get_events(&state->ring);
        if (!state->completing) /* sends have ended */
            (void)uring_note(state);
    }
    if (uring_is_hosted(state) && io_uring_cq_ready(&state->ring) > 0)
        kith_ring_host_raise(&state->host);
}

static int host_fd(void *opaque) {
    struct uring *state = opaque;

    if (uring_is_hosted(state))
        return state->host.epoll;
    enable(state);
    int r = kith_ring_host_open(&state->host, &state->ring);
    if (r < 0)
        return r;
    for (size_t fd = 0; fd < state->watches->room; fd++)
        if (state->watches->by_fd[fd] && state->watches->by_fd[fd]->kind == KITH_WATCH_READY)
            uring_apply_host(state, state->watches->by_fd[fd]);
    uring_flush(state);
    return state->host.epoll;
}

/* Waiting ------------------------------------------------------------------------------------------------------------------ */

/* Submits, and waits for `wanted` completions, at most ns. io_uring_submit_and_wait_timeout(3) of liburing 2.3
 * does not know the time limit of a batch. */
static int submit_and_wait(struct uring *state, unsigned wanted, uint64_t ns) {
    struct io_uring_sq *sq = &state->ring.sq;
    struct __kernel_timespec limit = {.tv_sec = (int64_t)(ns / KITH_NS_PER_S), .tv_nsec = (long long)(ns % KITH_NS_PER_S)};
    struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8, .ts = (uint64_t)(uintptr_t)&limit};
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;

    if (wanted > 1)
        arg.pad = KITH_BATCH_WAIT_US; /* min_wait_usec */
    if (state->ring.features & FEATURE_NO_IOWAIT)
        flags |= ENTER_NO_IOWAIT;
    sq->sqe_head = sq->sqe_tail;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return io_uring_enter2((unsigned)state->ring.enter_ring_fd, sq->sqe_tail - *sq->khead, wanted, flags, (sigset_t *)&arg, sizeof(arg));
}

/* The kernel could not take everything: what is left goes with the next call. */
static bool is_short_of_memory(int r) {
    return r == -EAGAIN || r == -EBUSY || r == -ENOMEM;
}

/* The wrong thread (-EEXIST), say: no call will do better. */
static bool is_fatal(int r) {
    return r < 0 && r != -EINTR && r != -ETIME && !is_short_of_memory(r);
}

/* Whether somebody waits for the end of a send, which nothing else would tell. */
static bool awaited(const struct uring *state) {
    for (unsigned i = 0; i < state->send_count; i++) {
        struct kith_watch *watch = kith_watches_find(state->watches, state->sends[i].id);
        if (watch && (watch->armed & ARMED_SEND) && watch->ops->awaits_sent(watch))
            return true;
    }
    return false;
}

static int wait(void *opaque, int64_t timeout_ns) {
    struct uring *state = opaque;

    enable(state);
    /* What a flush has noted waits to be handed over. */
    if (timeout_ns == 0 || awaited(state) || state->batch_end != *state->ring.cq.khead) {
        int r = io_uring_submit_and_get_events(&state->ring);
        uring_note(state);
        return is_fatal(r) ? r : 0;
    }
    uint64_t begin = kith_time_now(), ns = timeout_ns < 0 || (uint64_t)timeout_ns > LONG_WAIT_NS ? LONG_WAIT_NS : (uint64_t)timeout_ns;
    bool batches = (state->ring.features & FEATURE_MIN_TIMEOUT) && ns > SHORT_WAIT_NS;
    int r = submit_and_wait(state, batches ? state->batch.wanted : 1, ns);
    unsigned count = uring_note(state);
    if (batches && count > 0)
        kith_batch_size_update(&state->batch, count);
    if (is_fatal(r))
        return r;
    /* A signal that comes after something was submitted does not make the call fail. */
    return count == 0 && !is_short_of_memory(r) && (r == -EINTR || kith_time_now() - begin < ns) ? -EINTR : 0;
}

static size_t slabs(const void *opaque) {
    const struct uring *state = opaque;
    return KITH_RING_MAX - state->buffers.unused_count;
}

static void refill(void *opaque) {
    struct uring *state = opaque;

    (void)kith_ring_buffers_fill(&state->buffers);
    kith_watches_feed(state->watches);
}

/* Whatever is still under way ends, and what it brought is disposed of: the watches are forgotten already. */
static void drain(struct uring *state) {
    struct io_uring_sync_cancel_reg everything = {.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
                                                  .timeout = {.tv_sec = -1, .tv_nsec = -1}};

    if (!state->enabled)
        return;
    (void)io_uring_submit(&state->ring); /* closings */
    (void)io_uring_register_sync_cancel(&state->ring, &everything);
    do {
        (void)io_uring_get_events(&state->ring);
        state->batch_end = *state->ring.cq.khead + io_uring_cq_ready(&state->ring);
        (void)uring_complete(state);
    } while (io_uring_cq_has_overflow(&state->ring));
}

static void destroy(void *opaque, bool in_child) {
    struct uring *state = opaque;

    if (!in_child)
        drain(state);
    io_uring_queue_exit(&state->ring);
    kith_ring_host_close(&state->host);
    kith_ring_buffers_deinit(&state->buffers);
    free(state);
}

const struct kith_loop_backend kith_loop_uring = {
    .name = "uring",
    .create = create,
    .destroy = destroy,
    .fd = host_fd,
    .add = uring_add,
    .apply = uring_apply,
    .remove = uring_remove,
    .stop_reading = uring_stop_reading,
    .send = uring_send,
    .wait = wait,
    .complete = uring_complete,
    .flush = uring_flush,
    .slabs = slabs,
    .refill = refill,
};
