/*
 * bench/messages/raw.c: round trips as the kernel alone has them: a stream socket, one send and one receive a direction, waiting in
 * level-triggered epoll, with nothing parsed and nothing kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "bench/messages/address.h"
#include "bench/messages/contestant.h"
#include "bench/messages/message.h"

struct end {
    struct setup setup;
    int fd, listener, epoll; /* the serving end accepts when it is asked */
    bool creds;
    char *octets;
};

static int watch(struct end *end) {
    struct epoll_event event = {.events = EPOLLIN};
    end->epoll = epoll_create1(EPOLL_CLOEXEC);
    return end->epoll < 0 || epoll_ctl(end->epoll, EPOLL_CTL_ADD, end->fd, &event) < 0 ? -errno : 0;
}

static int open_with(const struct setup *setup, bool serving, bool creds, struct end **ret_end) {
    struct end *end = calloc(1, sizeof(*end));
    char *octets = calloc(1, setup->size);
    if (!end || !octets)
        return -ENOMEM;
    *end = (struct end){.setup = *setup, .fd = -1, .listener = -1, .epoll = -1, .creds = creds, .octets = octets};
    *ret_end = end;
    if (serving) {
        end->listener = address_listen(setup, creds);
        return end->listener < 0 ? end->listener : 0;
    }
    end->fd = address_connect(setup, creds);
    return end->fd < 0 ? end->fd : watch(end);
}

static int end_open(const struct setup *setup, bool serving, struct end **ret_end) {
    return open_with(setup, serving, false, ret_end);
}

static int end_open_creds(const struct setup *setup, bool serving, struct end **ret_end) {
    return open_with(setup, serving, true, ret_end);
}

static int push(struct end *end) {
    ssize_t n = send(end->fd, end->octets, end->setup.size, MSG_NOSIGNAL);
    return n == (ssize_t)end->setup.size ? 0 : n < 0 ? -errno : -EIO;
}

/* Both ends write whole messages, which are small, so they arrive whole. */
static int pull(struct end *end) {
    struct epoll_event event;
    int count;
    while ((count = epoll_wait(end->epoll, &event, 1, -1)) < 0 && errno == EINTR)
        continue;
    if (count < 0)
        return -errno;
    long n = end->creds ? address_receive_creds(end->fd, end->octets, end->setup.size) : recv(end->fd, end->octets, end->setup.size, 0);
    return n == (long)end->setup.size ? 0 : n < 0 ? -errno : -EIO;
}

static int end_put(struct end *end, uint64_t number) {
    message_write(&end->setup, end->octets, number);
    return push(end);
}

static int end_take(struct end *end, uint64_t number) {
    int r = pull(end);
    return r < 0 ? r : message_check(&end->setup, end->octets, end->setup.size, number);
}

static int end_answer(struct end *end) {
    end->fd = accept4(end->listener, NULL, NULL, SOCK_CLOEXEC);
    int r = end->fd < 0 ? -errno : watch(end);
    while (r == 0) {
        r = pull(end);
        if (r == 0)
            r = push(end);
    }
    return r;
}

const struct contestant_ops contestant_raw = {.open = end_open, .put = end_put, .take = end_take, .answer = end_answer};
const struct contestant_ops contestant_raw_creds = {.open = end_open_creds, .put = end_put, .take = end_take, .answer = end_answer};
