/* See peer.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bench/measure.h"
#include "bench/messages/peer.h"

#define SILENCE_MS 60000

struct order {
    enum job job;
    uint64_t first, count;
};

static int ask(const struct contestant_ops *ops, struct end *end, const struct order *order) {
    int r = 0;
    if (ops->ask)
        return ops->ask(end, order->first, order->count);
    for (uint64_t i = 0; i < order->count && r == 0; i++) {
        r = ops->put(end, order->first + i);
        if (r == 0)
            r = ops->take(end, order->first + i);
    }
    return r;
}

static int send_all(const struct contestant_ops *ops, struct end *end, const struct order *order) {
    int r = 0;
    if (ops->send)
        return ops->send(end, order->first, order->count);
    for (uint64_t i = 0; i < order->count && r == 0; i++)
        r = ops->put(end, order->first + i);
    return r;
}

static int receive_all(const struct contestant_ops *ops, struct end *end, const struct order *order) {
    int r = 0;
    if (ops->receive)
        return ops->receive(end, order->first, order->count);
    for (uint64_t i = 0; i < order->count && r == 0; i++)
        r = ops->take(end, order->first + i);
    return r;
}

static int work(const struct contestant_ops *ops, struct end *end, const struct order *order) {
    switch (order->job) {
    case JOB_ASK:
        return ask(ops, end, order);
    case JOB_ANSWER:
        return ops->answer(end);
    case JOB_SEND:
        return send_all(ops, end, order);
    case JOB_RECEIVE:
        return receive_all(ops, end, order);
    case JOB_SUBSCRIBE:
        return ops->subscribe(end);
    case JOB_AWAIT:
        return ops->await(end, order->count);
    }
    return -EINVAL;
}

/* The result of a job. An error is said here, before: whoever is told of it may end this process at once. */
static bool report(const struct contestant *contestant, bool serving, int fd, int result) {
    if (result < 0)
        fprintf(stderr, "%s: %s, the %s end: %s\n", program_invocation_short_name, contestant->name, serving ? "serving" : "connecting",
                kith_error_name(result));
    return write(fd, &result, sizeof(result)) == (ssize_t)sizeof(result) && result == 0;
}

/* In the child. It ends with its first error, or with its parent. */
static _Noreturn void serve(const struct contestant *contestant, const struct setup *setup, bool serving, int fd) {
    const struct contestant_ops *ops = contestant->ops;
    struct order order;
    struct end *end;
    int r = ops->open(setup, serving, &end);
    while (report(contestant, serving, fd, r)) {
        if (ops->wait)
            r = ops->wait(end, fd);
        if (r == 0 && read(fd, &order, sizeof(order)) != (ssize_t)sizeof(order))
            break;
        if (r == 0)
            r = work(ops, end, &order);
    }
    _exit(1);
}

int peer_start(const struct contestant *contestant, const struct setup *setup, bool serving, const cpu_set_t *processors,
               struct peer *ret_peer) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid_t pid = measure_fork();
    if (pid == 0) {
        kith_close(ends[0]);
        if (sched_setaffinity(0, sizeof(*processors), processors) < 0)
            _exit(127);
        serve(contestant, setup, serving, ends[1]);
    }
    kith_close(ends[1]);
    *ret_peer = (struct peer){.pid = pid, .fd = ends[0]};
    int r = pid < 0 ? pid : peer_await(ret_peer);
    if (r == 0)
        r = -clock_getcpuclockid(pid, &ret_peer->clock);
    if (r == 0)
        return 0;
    if (pid > 0)
        measure_kill(pid);
    kith_close(ends[0]);
    return r;
}

void peer_stop(struct peer *peer) {
    measure_kill(peer->pid);
    peer->fd = kith_close(peer->fd);
}

int peer_tell(const struct peer *peer, enum job job, uint64_t first, uint64_t count) {
    struct order order = {.job = job, .first = first, .count = count};
    return send(peer->fd, &order, sizeof(order), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int peer_await(const struct peer *peer) {
    struct pollfd waiting = {.fd = peer->fd, .events = POLLIN};
    int result, ready = poll(&waiting, 1, SILENCE_MS);
    if (ready <= 0)
        return ready == 0 ? -ETIMEDOUT : -errno;
    ssize_t n = read(peer->fd, &result, sizeof(result));
    return n == (ssize_t)sizeof(result) ? result : -EIO;
}
