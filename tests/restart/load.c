/* The clients. See load.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "restart/load.h"

#define TICK_MS 2
#define PATIENCE_MS 20000
#define TIMER LOAD_CLIENTS /* its number in epoll's data */

/* Connects, waiting if it must: on this host that is the kernel's work alone, whatever the server does. */
static void connect_client(struct load *load, struct client *client) {
    int family = client->address->storage.ss_family;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(client - load->clients)};
    client->fd = kith_close(client->fd);
    client->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    client->waiting = false;
    client->done = 0;
    client->have = 0;
    load->connections++;
    if (connect(client->fd, (const struct sockaddr *)&client->address->storage, client->address->size) < 0 ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0) {
        load->refused++;
        client->fd = kith_close(client->fd);
    } else if (family == AF_INET) {
        /* Or the second piece of a request waits for the acknowledgement of the first. */
        (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
}

static void request(struct load *load, struct client *client) {
    if (client->fd < 0 || client->done == LOAD_REQUESTS)
        connect_client(load, client);
    if (client->fd < 0)
        return;
    const struct request request = {.number = load->number, .check = ~load->number};
    const uint8_t *octets = (const uint8_t *)&request;
    size_t first = load->number % 3 == 0 ? 3 : sizeof(request);
    client->reply.number = load->number++; /* what is expected */
    client->waiting = true;
    client->sent_at = kith_time_now();
    bool sent = send(client->fd, octets, first, MSG_NOSIGNAL) == (ssize_t)first;
    if (sent && first < sizeof(request))
        sent = send(client->fd, octets + first, sizeof(request) - first, MSG_NOSIGNAL) == (ssize_t)(sizeof(request) - first);
    if (!sent) {
        load->lost++;
        client->waiting = false;
        client->fd = kith_close(client->fd);
    }
}

static void check(struct load *load, struct client *client, const struct reply *reply, uint32_t number) {
    uint64_t took = kith_time_now() - client->sent_at;
    client->waiting = false;
    client->done++;
    client->have = 0;
    load->replies++;
    if (reply->number != number || reply->count != client->done || reply->generation >= LOAD_GENERATIONS)
        load->wrong++;
    else
        load->by_generation[reply->generation]++;
    if (took > load->slowest_ns)
        load->slowest_ns = took;
}

static void receive(struct load *load, struct client *client) {
    uint32_t number = client->reply.number;
    struct reply *reply = &client->reply;
    uint8_t octets[sizeof(*reply)];
    memcpy(octets, reply, client->have);
    ssize_t n = recv(client->fd, octets + client->have, sizeof(octets) - client->have, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !client->waiting) {
        load->lost++;
        client->waiting = false;
        client->fd = kith_close(client->fd);
        return;
    }
    client->have += (size_t)n;
    if (client->have < sizeof(octets))
        return;
    struct reply whole;
    memcpy(&whole, octets, sizeof(whole));
    check(load, client, &whole, number);
}

/* As many requests as the time since the last tick asks for, from clients that wait for nothing. */
static void on_tick(struct load *load) {
    uint64_t ticks;
    if (read(load->timer, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
        return;
    uint64_t due = ticks * TICK_MS * LOAD_RATE / 1000;
    for (size_t i = 0; i < LOAD_CLIENTS && due > 0; i++) {
        struct client *client = &load->clients[load->turn];
        load->turn = (load->turn + 1) % LOAD_CLIENTS;
        if (client->waiting)
            continue;
        request(load, client);
        due--;
    }
}

static bool step(struct load *load, bool more) {
    struct epoll_event events[64];
    int n = epoll_wait(load->epoll, events, 64, PATIENCE_MS);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u32 != TIMER)
            receive(load, &load->clients[events[i].data.u32]);
        else if (more)
            on_tick(load);
    }
    return n > 0;
}

int load_start(struct load *load, const struct kith_address addresses[static 2]) {
    const struct timespec tick = {.tv_nsec = TICK_MS * KITH_NS_PER_MS};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = TIMER};
    *load = (struct load){.epoll = epoll_create1(EPOLL_CLOEXEC), .timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    for (size_t i = 0; i < LOAD_CLIENTS; i++)
        load->clients[i] = (struct client){.fd = -1, .address = &addresses[i % 2]};
    if (load->epoll < 0 || load->timer < 0 || epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &event) < 0 ||
        timerfd_settime(load->timer, 0, &(struct itimerspec){.it_interval = tick, .it_value = tick}, NULL) < 0)
        return -errno;
    return 0;
}

/* The timer ticks whatever the server does, so the clock says when nothing moves. */
bool load_run(struct load *load, uint64_t replies) {
    uint64_t seen = load->replies, give_up = kith_time_now() + PATIENCE_MS * KITH_NS_PER_MS;
    while (load->replies < replies) {
        if (!step(load, true) || kith_time_now() > give_up)
            return false;
        if (load->replies > seen) {
            seen = load->replies;
            give_up = kith_time_now() + PATIENCE_MS * KITH_NS_PER_MS;
        }
    }
    return true;
}

bool load_finish(struct load *load) {
    load->timer = kith_close(load->timer);
    for (size_t i = 0; i < LOAD_CLIENTS; i++) {
        while (load->clients[i].waiting) {
            if (!step(load, false))
                return false;
        }
    }
    return true;
}

void load_stop(struct load *load) {
    for (size_t i = 0; i < LOAD_CLIENTS; i++)
        load->clients[i].fd = kith_close(load->clients[i].fd);
    load->timer = kith_close(load->timer);
    load->epoll = kith_close(load->epoll);
}
