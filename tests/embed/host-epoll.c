/* tests/embed/host-epoll.c: a program with a loop of its own around epoll(7). */
#include "embed/host.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct host {
    int epoll, fd, timer;
    struct embed_calls calls;
};

static void watch(const struct host *host, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(host->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        abort();
}

static void *host_new(int fd, unsigned tick_ms, const struct embed_calls *calls) {
    const struct timespec period = {.tv_sec = tick_ms / 1000, .tv_nsec = tick_ms % 1000 * 1000000L};
    struct host *host = calloc(1, sizeof(*host));
    if (!host)
        abort();
    *host = (struct host){.epoll = epoll_create1(EPOLL_CLOEXEC), .fd = fd, .calls = *calls};
    host->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timerfd_settime(host->timer, 0, &(struct itimerspec){.it_value = period, .it_interval = period}, NULL) < 0)
        abort();
    watch(host, fd);
    watch(host, host->timer);
    return host;
}

static void host_once(void *userdata) {
    struct host *host = userdata;
    struct epoll_event events[2];
    uint64_t expirations;
    int count = epoll_wait(host->epoll, events, 2, -1);
    if (count < 0 && errno != EINTR)
        abort();
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == host->fd)
            host->calls.ready(host->calls.userdata);
        else if (read(host->timer, &expirations, sizeof(expirations)) > 0)
            host->calls.tick(host->calls.userdata);
    }
}

static void host_free(void *userdata) {
    struct host *host = userdata;
    close(host->timer);
    close(host->epoll);
    free(host);
}

const struct embed_host embed_epoll = {.name = "epoll", .new = host_new, .once = host_once, .free = host_free};
