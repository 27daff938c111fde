/* inproc/pipe.c: both ends of a pipe. See pipe.h. */
#include "inproc/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inproc/registry.h"

/* Messages that are gathered before they are handed over within a step: the other thread begins while this one goes on, and a lock costs
 * nothing a message. */
#define BATCH 32
/* Messages delivered before others get their turn. */
#define TURN 256

static const struct kith_guest_ops pipe_guest_ops;

static void pair_unref(struct kith_pipe_pair *pair) {
    if (atomic_fetch_sub_explicit(&pair->refs, 1, memory_order_acq_rel) > 1)
        return;
    kith_guest_deinit(&pair->ends[0].guest);
    kith_guest_deinit(&pair->ends[1].guest);
    free(pair);
}

/* The other end ---------------------------------------------------------------------------------------------------------- */

/* What is left in its box between these two it will find there; with `news` it is told. */
static struct kith_pipe *pipe_reach(struct kith_pipe *pipe) {
    if (pipe->remote)
        kith_port_lock(pipe->peer->guest.port);
    return pipe->peer;
}

static void pipe_reached(struct kith_pipe *pipe, bool news) {
    struct kith_pipe *peer = pipe->peer;
    if (!pipe->remote) {
        if (news)
            kith_guest_schedule(&peer->guest);
        return;
    }
    if (news)
        kith_guest_post(&peer->guest);
    kith_port_unlock(peer->guest.port);
}

static void pipe_tell_end(struct kith_pipe *pipe, int error) {
    struct kith_pipe *peer = pipe_reach(pipe);
    peer->box.ended = true;
    peer->box.error = error;
    pipe_reached(pipe, true);
}

/* Our own box, which the other end may be reaching into. */
static void pipe_open_box(struct kith_pipe *pipe) {
    if (pipe->remote)
        kith_port_lock(pipe->guest.port);
}

static void pipe_close_box(struct kith_pipe *pipe) {
    if (pipe->remote)
        kith_port_unlock(pipe->guest.port);
}

/* Out -------------------------------------------------------------------------------------------------------------------- */

static bool pipe_has_room(const struct kith_pipe *pipe) {
    return pipe->written.messages - pipe->taken.messages < pipe->window.messages &&
           pipe->written.octets - pipe->taken.octets < pipe->window.octets;
}

/* The last known figure says that there is none: is that still so? If it is, the other end tells when it has changed. */
static bool pipe_found_room(struct kith_pipe *pipe) {
    pipe_open_box(pipe);
    pipe->taken = pipe->box.taken;
    bool room = pipe_has_room(pipe);
    pipe->box.wants_room = !room;
    pipe_close_box(pipe);
    pipe->starved = !room;
    return room;
}

/* A body that the reader's thread may own: this one lets go of it. */
static int frame_make_portable(struct kith_frame *frame) {
    if (!frame->slice.buffer || kith_buffer_portable(frame->slice.buffer))
        return 0;
    kith_buffer *copy;
    int r = kith_buffer_new(frame->slice.size, &copy);
    if (r < 0)
        return r;
    memcpy(kith_buffer_data(copy), frame->slice.data, frame->slice.size);
    kith_buffer_unref(frame->slice.buffer);
    frame->slice.buffer = copy;
    frame->slice.data = kith_buffer_data(copy);
    return 0;
}

static int msg_make_portable(kith_msg *msg) {
    int r = 0;
    for (size_t i = 0; i < msg->count && r >= 0; i++)
        r = frame_make_portable(kith_msg_at(msg, i));
    return r;
}

/* Whose it was here is nothing to the other side. */
static void msg_strip(kith_msg *msg) {
    kith_msg_refund(msg);
    msg->account = kith_account_unref(msg->account);
    msg->origin = kith_origin_unref(msg->origin);
    kith_list_unlink(&msg->link);
}

void kith_pipe_narrow(struct kith_pipe *pipe, size_t messages) {
    if (pipe->window.messages > messages)
        pipe->window.messages = messages;
}

void kith_pipe_flush(struct kith_pipe *pipe) {
    kith_defer_cancel(&pipe->flush);
    if (pipe->gathered_count == 0)
        return;
    struct kith_pipe *peer = pipe_reach(pipe);
    bool gone = peer->box.gone;
    if (!gone)
        kith_list_splice(&peer->box.messages, &pipe->gathered);
    pipe_reached(pipe, !gone);
    (void)kith_msg_queue_free(&pipe->gathered); /* nobody is there to take them */
    pipe->gathered_count = 0;
}

static unsigned pipe_on_flush(struct kith_defer *defer) {
    kith_pipe_flush(KITH_CONTAINER_OF(defer, struct kith_pipe, flush));
    return 0;
}

static void pipe_gather(struct kith_pipe *pipe, kith_msg *msg) {
    kith_list_push_back(&pipe->gathered, &msg->link);
    if (++pipe->gathered_count >= BATCH)
        kith_pipe_flush(pipe);
    else
        kith_loop_defer(pipe->guest.port->loop, &pipe->flush);
}

int kith_pipe_say(struct kith_pipe *pipe, kith_msg *msg) {
    if (pipe->state != KITH_PIPE_OPEN || (!pipe->remote && pipe->peer->box.gone))
        return -EPIPE;
    int r = pipe->remote ? msg_make_portable(msg) : 0;
    if (r < 0)
        return r;
    msg_strip(msg);
    pipe->written.messages++;
    pipe->written.octets += kith_msg_cost(msg);
    if (pipe->remote) {
        pipe_gather(pipe, msg);
    } else {
        kith_list_push_back(&pipe->peer->box.messages, &msg->link);
        kith_guest_schedule(&pipe->peer->guest);
    }
    return 0;
}

int kith_pipe_write(struct kith_pipe *pipe, kith_msg *msg) {
    if (pipe->state == KITH_PIPE_OPEN && !pipe_has_room(pipe) && !pipe_found_room(pipe))
        return -EAGAIN;
    return kith_pipe_say(pipe, msg);
}

/* In --------------------------------------------------------------------------------------------------------------------- */

struct news {
    bool opened, ended;
    int error;
};

static struct news pipe_empty_box(struct kith_pipe *pipe) {
    pipe_open_box(pipe);
    struct news news = {.opened = pipe->box.opened, .ended = pipe->box.ended, .error = pipe->box.error};
    kith_list_splice(&pipe->arrived, &pipe->box.messages);
    pipe->taken = pipe->box.taken;
    pipe_close_box(pipe);
    return news;
}

/* The other end may write as much more as ours is done with. */
static void pipe_acknowledge(struct kith_pipe *pipe) {
    struct kith_pipe_count held = {0};
    if (pipe->ops->held)
        pipe->ops->held(pipe, &held.messages, &held.octets, pipe->userdata);
    struct kith_pipe_count done = {pipe->delivered.messages - held.messages, pipe->delivered.octets - held.octets};
    if (done.messages == pipe->acknowledged.messages && done.octets == pipe->acknowledged.octets)
        return;
    pipe->acknowledged = done;
    struct kith_pipe *peer = pipe_reach(pipe);
    peer->box.taken = done;
    bool wanted = peer->box.wants_room && !peer->box.gone;
    peer->box.wants_room = false;
    pipe_reached(pipe, wanted);
}

static unsigned pipe_deliver(struct kith_pipe *pipe) {
    unsigned count = 0;
    while (pipe->state == KITH_PIPE_OPEN && pipe->reading && count < TURN && !kith_list_empty(&pipe->arrived)) {
        kith_msg *msg = kith_list_first(&pipe->arrived, kith_msg, link);
        kith_list_unlink(&msg->link);
        pipe->delivered.messages++;
        pipe->delivered.octets += kith_msg_cost(msg);
        count++;
        pipe->ops->message(pipe, msg, pipe->userdata);
    }
    return count;
}

static unsigned pipe_tell_opened(struct kith_pipe *pipe) {
    pipe->state = KITH_PIPE_OPEN;
    pipe->remote = pipe->peer->guest.port != pipe->guest.port;
    pipe->window = pipe->peer->limits;
    pipe->ops->opened(pipe, pipe->userdata);
    return 1;
}

static unsigned pipe_tell_room(struct kith_pipe *pipe) {
    if (pipe->state != KITH_PIPE_OPEN || !pipe->starved || !pipe_found_room(pipe))
        return 0;
    pipe->ops->writable(pipe, pipe->userdata);
    return 1;
}

static unsigned pipe_tell_closed(struct kith_pipe *pipe, int error) {
    pipe->state = KITH_PIPE_CLOSED;
    pipe->ops->closed(pipe, error, pipe->userdata);
    return 1;
}

static unsigned pipe_work(struct kith_guest *guest) {
    struct kith_pipe *pipe = KITH_CONTAINER_OF(guest, struct kith_pipe, guest);
    struct kith_pipe_pair *pair = pipe->pair;
    unsigned count = 0;
    atomic_fetch_add_explicit(&pair->refs, 1, memory_order_relaxed);
    struct news news = pipe_empty_box(pipe);
    if (pipe->state == KITH_PIPE_WAITING && news.opened)
        count += pipe_tell_opened(pipe);
    unsigned delivered = pipe_deliver(pipe);
    if (pipe->state == KITH_PIPE_OPEN && !news.ended)
        pipe_acknowledge(pipe);
    count += delivered + pipe_tell_room(pipe);
    if (pipe->state == KITH_PIPE_OPEN && !kith_list_empty(&pipe->arrived)) {
        if (pipe->reading)
            kith_guest_schedule(&pipe->guest);
    } else if (pipe->state == KITH_PIPE_DRAINED) {
        count += pipe_tell_closed(pipe, 0);
    } else if (pipe->state != KITH_PIPE_CLOSED && news.ended) {
        count += pipe_tell_closed(pipe, news.error);
    }
    pair_unref(pair);
    return count;
}

void kith_pipe_set_reading(struct kith_pipe *pipe, bool reading) {
    pipe->reading = reading;
    if (reading)
        kith_guest_schedule(&pipe->guest);
}

/* Life -------------------------------------------------------------------------------------------------------------------- */

static void pipe_init(struct kith_pipe *pipe, struct kith_pipe_pair *pair, struct kith_pipe *peer) {
    kith_guest_init(&pipe->guest, &pipe_guest_ops);
    pipe->pair = pair;
    pipe->peer = peer;
    pipe->reading = true;
    kith_list_init(&pipe->arrived);
    kith_list_init(&pipe->gathered);
    kith_list_init(&pipe->box.messages);
    kith_defer_init(&pipe->flush, pipe_on_flush);
}

int kith_pipe_connect(kith_loop *loop, const char *name, bool wait, const struct kith_pipe_limits *limits, const struct kith_pipe_ops *ops,
                      void *userdata, struct kith_pipe **ret_pipe) {
    size_t size = strnlen(name, KITH_INPROC_NAME_MAX + 1);
    if (size == 0 || size > KITH_INPROC_NAME_MAX)
        return -EINVAL;
    struct kith_port *port;
    int r = kith_port_get(loop, &port);
    if (r < 0)
        return r;
    struct kith_pipe_pair *pair = calloc(1, sizeof(*pair) + size + 1);
    if (!pair) {
        kith_port_put(port);
        return -ENOMEM;
    }
    atomic_init(&pair->refs, 2);
    kith_list_init(&pair->link);
    memcpy(pair->name, name, size);
    pipe_init(&pair->ends[0], pair, &pair->ends[1]);
    pipe_init(&pair->ends[1], pair, &pair->ends[0]);
    pair->ends[0].thread = gettid();
    pair->ends[0].limits = *limits;
    pair->ends[0].ops = ops;
    pair->ends[0].userdata = userdata;
    /* Who accepts may be in another thread; whether it is shows then. */
    pair->ends[0].remote = true;
    kith_guest_enter(&pair->ends[0].guest, port);
    kith_port_put(port);
    r = kith_pipe_announce(pair, wait);
    if (r < 0)
        kith_pipe_free(&pair->ends[0]);
    else
        *ret_pipe = &pair->ends[0];
    return r;
}

struct kith_pipe *kith_pipe_claim(struct kith_pipe_pair *pair, struct kith_port *port) {
    struct kith_pipe *pipe = &pair->ends[1];
    kith_list_unlink(&pair->link);
    pair->claimed = true;
    pipe->remote = pipe->peer->guest.port != port;
    kith_guest_enter(&pipe->guest, port);
    return pipe;
}

void kith_pipe_open(struct kith_pipe *pipe, const struct kith_pipe_limits *limits, const struct kith_pipe_ops *ops, void *userdata) {
    pipe->ops = ops;
    pipe->userdata = userdata;
    pipe->thread = gettid();
    pipe->limits = *limits;
    pipe->window = pipe->peer->limits;
    pipe->state = KITH_PIPE_OPEN;
    pipe_reach(pipe)->box.opened = true;
    pipe_reached(pipe, true);
    /* The connector may have gone already. */
    kith_guest_schedule(&pipe->guest);
}

pid_t kith_pipe_peer_thread(const struct kith_pipe *pipe) {
    return pipe->peer->thread;
}

/* Nobody has accepted it: then nobody will. */
static bool pipe_withdraw(struct kith_pipe_pair *pair) {
    struct kith_registry *registry = kith_registry_lock();
    kith_list_unlink(&pair->link);
    bool claimed = pair->claimed;
    kith_registry_unlock(registry);
    return !claimed;
}

/* In a forked child: nobody is told. A box that another thread reaches into may have been copied in the middle of something. */
static void pipe_end_in_child(struct kith_pipe *pipe) {
    if (pipe->state == KITH_PIPE_WAITING && !pipe->pair->claimed)
        pair_unref(pipe->pair);
    if (!pipe->remote)
        (void)kith_msg_queue_free(&pipe->box.messages);
    (void)kith_msg_queue_free(&pipe->gathered);
    pipe->gathered_count = 0;
    pipe->box.gone = true;
}

/* Writes and receives no more. */
static void pipe_end(struct kith_pipe *pipe, int error) {
    kith_defer_cancel(&pipe->flush);
    (void)kith_msg_queue_free(&pipe->arrived);
    if (kith_port_forked(pipe->guest.port)) {
        pipe_end_in_child(pipe);
        return;
    }
    if (pipe->state == KITH_PIPE_WAITING && pipe_withdraw(pipe->pair)) {
        pair_unref(pipe->pair); /* of the end that nobody accepted */
        return;
    }
    struct kith_list unread = KITH_LIST_INIT(unread);
    kith_pipe_flush(pipe);
    pipe_tell_end(pipe, error);
    pipe_open_box(pipe);
    kith_list_splice(&unread, &pipe->box.messages);
    pipe->box.gone = true;
    pipe_close_box(pipe);
    (void)kith_msg_queue_free(&unread);
}

void kith_pipe_drain(struct kith_pipe *pipe) {
    if (pipe->state != KITH_PIPE_OPEN)
        return;
    pipe_end(pipe, 0);
    pipe->state = KITH_PIPE_DRAINED;
    kith_guest_schedule(&pipe->guest);
}

static void pipe_leave(struct kith_pipe *pipe, int error) {
    if (!kith_list_empty(&pipe->guest.link) && !pipe->box.gone)
        pipe_end(pipe, error);
    pipe->state = KITH_PIPE_CLOSED;
    kith_guest_leave(&pipe->guest);
}

static void pipe_evict(struct kith_guest *guest) {
    pipe_leave(KITH_CONTAINER_OF(guest, struct kith_pipe, guest), 0);
}

static const struct kith_guest_ops pipe_guest_ops = {.work = pipe_work, .evict = pipe_evict};

void kith_pipe_refuse(struct kith_pipe *pipe, int error) {
    pipe_leave(pipe, error);
    pair_unref(pipe->pair);
}

struct kith_pipe *kith_pipe_free(struct kith_pipe *pipe) {
    if (!pipe)
        return NULL;
    pipe_leave(pipe, 0);
    pair_unref(pipe->pair);
    return NULL;
}
