/*
 * loop/uring-complete.c: what comes of requests.
 *
 * Completions [khead, batch_end) have been noted and wait to be handed over. Each is copied and its place freed before anybody is called:
 * what the callbacks do may need room in the ring.
 */
#include "loop/uring-state.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <kith/cmsg.h>

#include "base/fd.h"

static uint32_t buffer_id(const struct io_uring_cqe *completion) {
    return completion->flags >> IORING_CQE_BUFFER_SHIFT;
}

/* Finds control messages and octets in what a receive wrote (io_uring_prep_recvmsg_multishot(3)): a header, room for a name (none) and for
 * control messages, then the octets. */
static void open_message(const struct io_uring_cqe *completion, kith_buffer *buffer, struct kith_reception *receipt) {
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
static void dispose(const struct kith_reception *receipt) {
    (void)kith_cmsg_adopt_fds(receipt->control, receipt->control_size, NULL, 0, NULL, NULL);
}

/* The kernel found no buffer, and each time that costs a request anew: so there are more from now on, up to a limit; unless one socket
 * alone had them all, whose peer writes as fast as we read: more would only be memory that is touched in turn, and cold. Without any the
 * watch waits for one. */
static unsigned out_of_buffers(struct uring *state, struct kith_watch *watch) {
    bool fill = state->grown || (state->fed == watch->id && !state->fed_others);
    int r = fill ? kith_ring_buffers_fill(&state->buffers) : kith_ring_buffers_grow(&state->buffers);

    state->grown |= !fill;
    if (r == 0)
        return 0;
    if (r == -ENOBUFS) {
        kith_watches_starve(state->watches, watch);
        return 0;
    }
    return watch->ops->received(watch, &(struct kith_reception){.result = r});
}

/* The request is over, whatever the reason; whoever wants more arms it again. */
static void read_over(struct uring *state, struct kith_watch *watch) {
    watch->reading = false;
    watch->armed &= (uint8_t)~ARMED_CANCEL;
    kith_watches_touch(state->watches, watch);
}

static unsigned received(struct uring *state, const struct io_uring_cqe *completion, enum request request, uint64_t id) {
    struct kith_watch *watch = kith_watches_find(state->watches, id);
    struct kith_reception receipt = {.result = completion->res};
    unsigned count = 0;

    if (watch && !(completion->flags & IORING_CQE_F_MORE))
        read_over(state, watch);
    if (completion->flags & IORING_CQE_F_BUFFER) {
        kith_buffer *slab = kith_ring_buffers_used(&state->buffers, buffer_id(completion));
        if (request == REQUEST_MESSAGE)
            open_message(completion, slab, &receipt);
        else
            receipt.data = kith_buffer_data(slab);
        if (!watch || receipt.result == 0)
            dispose(&receipt);
        receipt.buffer = slab;
        state->fed_others |= state->fed != 0 && state->fed != id;
        state->fed = id;
        if (receipt.result == 0) /* the end, which needs no buffer: nothing of this one may be looked at later */
            receipt = (struct kith_reception){0};
        if (watch)
            count = watch->ops->received(watch, &receipt);
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

static void polled(struct uring *state, const struct io_uring_cqe *completion, uint64_t id) {
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
    if ((happened & watch->polling & POLLRDHUP) && !(watch->armed & ARMED_LAST)) {
        watch->armed |= ARMED_LAST | ARMED_ANEW;
        kith_watches_touch(state->watches, watch);
    }
    if (events == 0)
        return;
    bool waited_for = (watch->polling & ~POLLRDHUP) != 0;
    /* Level-triggered: to be looked at again as long as something is wanted; and a hang-up that nobody waits for is told once. */
    watch->armed |= waited_for && completion->res >= 0 ? ARMED_RECHECK : ARMED_TOLD;
    if (!waited_for && kith_watch_receives(watch)) /* which learns of it by reading */
        return;
    kith_watches_touch(state->watches, watch);
    kith_watches_report(state->watches, id, events);
}

/* The poll was just being handled (-EALREADY), so that it goes on as it was, or it has ended (-ENOENT), which is told too. */
static void update_failed(struct uring *state, uint64_t id) {
    struct kith_watch *watch = kith_watches_find(state->watches, id);

    if (!watch)
        return;
    watch->armed |= ARMED_RECHECK;
    kith_watches_touch(state->watches, watch);
}

/* A send has ended with less than all. */
static void send_failed(struct uring *state, const struct io_uring_cqe *completion, uint64_t id) {
    struct kith_watch *watch = kith_watches_find(state->watches, id);

    if (!watch)
        return;
    watch->armed &= (uint8_t)~ARMED_SEND;
    watch->ops->sent(watch, completion->res);
}

/* Those that were submitted and have no completion have sent everything: unless completions did not fit the ring, which then come later.
 * What is kept until then is what is under way: a send whose completion has come must not be taken for the next one of its socket. */
static void sends_done(struct uring *state) {
    bool all = io_uring_sq_ready(&state->ring) == 0 && !io_uring_cq_has_overflow(&state->ring);
    unsigned kept = 0;

    for (unsigned i = 0; i < state->send_count; i++) {
        struct kith_watch *watch = kith_watches_find(state->watches, state->sends[i].id);
        if (!watch || !(watch->armed & ARMED_SEND))
            continue;
        if (!all) {
            state->sends[kept++] = state->sends[i];
            continue;
        }
        watch->armed &= (uint8_t)~ARMED_SEND;
        watch->ops->sent(watch, state->sends[i].size);
    }
    state->send_count = kept;
}

static const struct io_uring_cqe *completion_at(const struct uring *state, unsigned index) {
    return &state->ring.cq.cqes[index & state->ring.cq.ring_mask];
}

static enum request request_of(const struct io_uring_cqe *completion) {
    return (enum request)(completion->user_data >> REQUEST_SHIFT);
}

static uint64_t id_of(const struct io_uring_cqe *completion) {
    return completion->user_data & (((uint64_t)1 << REQUEST_SHIFT) - 1);
}

/* Returns of how many sockets there is something to tell that was not known yet. */
unsigned uring_note(struct uring *state) {
    struct kith_batch_tally tally = {0};
    unsigned first = state->batch_end;

    state->noting = true;
    state->grown = state->fed_others = false;
    state->fed = 0;
    state->batch_end = *state->ring.cq.khead + io_uring_cq_ready(&state->ring);
    for (unsigned i = first; i != state->batch_end; i++) {
        const struct io_uring_cqe *completion = completion_at(state, i);
        enum request request = request_of(completion);
        kith_batch_tally_add(&tally, completion->user_data);
        if (request == REQUEST_POLL)
            polled(state, completion, id_of(completion));
        else if (request == REQUEST_UPDATE)
            update_failed(state, id_of(completion));
        else if (request == REQUEST_SEND)
            send_failed(state, completion, id_of(completion));
    }
    sends_done(state);
    state->noting = false;
    return tally.sockets;
}

unsigned uring_complete(void *opaque) {
    struct uring *state = opaque;
    unsigned count = 0;

    state->completing = true;
    while (*state->ring.cq.khead != state->batch_end) {
        /* A copy, and its place is free: what the callbacks do may need room in the ring. */
        struct io_uring_cqe completion = *completion_at(state, *state->ring.cq.khead);
        enum request request = request_of(&completion);
        io_uring_cq_advance(&state->ring, 1);
        if (request == REQUEST_RECEIVE || request == REQUEST_MESSAGE)
            count += received(state, &completion, request, id_of(&completion));
    }
    state->completing = false;
    /* Buffers that came back to the ring never left the pool, which therefore has nothing to tell. */
    if (state->buffers.provided > 0)
        kith_watches_feed(state->watches);
    return count;
}

/* Hands over what has come for this watch, before its turn. */
void uring_take_out(struct uring *state, uint64_t id) {
    unsigned first = *state->ring.cq.khead, count = io_uring_cq_ready(&state->ring);

    for (unsigned i = first; i != first + count; i++) {
        struct io_uring_cqe *place = &state->ring.cq.cqes[i & state->ring.cq.ring_mask], completion = *place;
        enum request request = request_of(&completion);
        if (id_of(&completion) != id || (request != REQUEST_RECEIVE && request != REQUEST_MESSAGE))
            continue;
        place->user_data = 0; /* nobody's, when its turn comes */
        (void)received(state, &completion, request, id);
    }
}
