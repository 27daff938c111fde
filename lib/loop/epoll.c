/*
 * loop/epoll.c: waiting with epoll(7).
 *
 * One epoll descriptor, level-triggered; the data word of each registration is the watch's id. A watch that wants nothing is registered
 * with EPOLLONESHOT: the kernel then tells its hang-up once and keeps silent until the next EPOLL_CTL_MOD, without a system call of ours.
 *
 * Several threads may wait at once, when the loop has one of its own (thread.h). So what a wait finds lies on its stack, and a wait that
 * was overtaken tells nothing: all is said again to the next one, what is said once only because it is asked for again.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/time.h"
#include "loop/backend.h"
#include "loop/thread.h"

/* More than this in one wait gains nothing measurable, and urgent descriptors would wait for a longer batch. */
#define BATCH 128

struct state {
    struct kith_watches *watches;
    int fd;
};

static int create(struct kith_watches *watches, void **ret_state, const char **ret_reason) {
    struct state *state = calloc(1, sizeof(*state));
    if (!state)
        return -ENOMEM;
    state->watches = watches;
    state->fd = epoll_create1(EPOLL_CLOEXEC);
    if (state->fd < 0) {
        int r = -errno;
        free(state);
        return r;
    }
    *ret_state = state;
    return 0;
}

static void destroy(void *opaque, bool in_child) {
    struct state *state = opaque;

    kith_close(state->fd);
    free(state);
}

static int fd(void *opaque) {
    const struct state *state = opaque;
    return state->fd;
}

static int control(const struct state *state, int operation, const struct kith_watch *watch, unsigned wanted) {
    struct epoll_event event = {.data.u64 = watch->id};

    if (wanted & KITH_IO_READ)
        event.events |= EPOLLIN;
    if (wanted & KITH_IO_WRITE)
        event.events |= EPOLLOUT;
    if (event.events == 0)
        event.events = EPOLLONESHOT;
    return epoll_ctl(state->fd, operation, watch->fd, &event) < 0 ? -errno : 0;
}

static int add(void *state, struct kith_watch *watch) {
    watch->applied = watch->events;
    return control(state, EPOLL_CTL_ADD, watch, watch->events);
}

static int apply(void *state, struct kith_watch *watch) {
    uint8_t wanted = watch->starved ? watch->events & (uint8_t)~KITH_IO_READ : watch->events;

    watch->control_armed = watch->control_room;
    if (wanted == watch->applied)
        return 0;
    watch->applied = wanted;
    return control(state, EPOLL_CTL_MOD, watch, wanted);
}

static void remove_watch(void *opaque, struct kith_watch *watch, bool close_fd) {
    struct state *state = opaque;

    /* Closing takes it out of the set, unless another process has the socket too. */
    control(state, EPOLL_CTL_DEL, watch, 0);
    if (close_fd)
        kith_close(watch->fd);
}

static int send_octets(void *state, struct kith_watch *watch, const void *data, size_t size) {
    return kith_direct_send(watch->fd, data, size);
}

static void refill(void *opaque) {
    struct state *state = opaque;
    kith_watches_feed(state->watches);
}

/* Rounded up: a timer must not be early, and rounding down would wait for nothing again and again before each one. */
static int to_ms(int64_t timeout_ns) {
    if (timeout_ns < 0)
        return -1;
    uint64_t ms = ((uint64_t)timeout_ns + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void report(struct state *state, const struct epoll_event *event) {
    unsigned events = 0;

    if (event->events & EPOLLIN)
        events |= KITH_IO_READ;
    if (event->events & EPOLLOUT)
        events |= KITH_IO_WRITE;
    if (event->events & (EPOLLHUP | EPOLLERR))
        events |= KITH_IO_HANGUP;
    kith_watches_report(state->watches, event->data.u64, events);
}

static void ask_again(struct state *state, const struct epoll_event *event) {
    const struct kith_watch *watch = kith_watches_find(state->watches, event->data.u64);

    if (watch && watch->applied == 0)
        control(state, EPOLL_CTL_MOD, watch, 0);
}

static int wait(void *opaque, int64_t timeout_ns) {
    struct state *state = opaque;
    struct kith_thread *thread = timeout_ns != 0 ? state->watches->thread : NULL;
    struct epoll_event events[BATCH];

    unsigned turn = thread ? kith_thread_let_go(thread) : 0;
    int count = epoll_wait(state->fd, events, BATCH, to_ms(timeout_ns));
    int r = count < 0 ? -errno : 0;
    bool current = !thread || kith_thread_take(thread, turn);
    for (int i = 0; i < count; i++)
        (current ? report : ask_again)(state, &events[i]);
    return r;
}

const struct kith_loop_backend kith_loop_epoll = {
    .name = "epoll",
    .create = create,
    .destroy = destroy,
    .fd = fd,
    .add = add,
    .apply = apply,
    .remove = remove_watch,
    .send = send_octets,
    .wait = wait,
    .refill = refill,
};
