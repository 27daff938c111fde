/* See load.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "bench/server/load.h"

#define EVENTS 256
#define SCRATCH_SIZE ((size_t)256 * 1024)
#define SILENCE_MS 10000
#define ONCE_BUSY 64 /* clients that ask at a time where each asks once */

#define PING "PING\r\n"
#define PONG "+PONG\r\n"

struct client {
    int fd;
    bool under_way, blocked;
    size_t sent, received; /* octets of the batch */
    char *questions, *answers;
};

struct load {
    struct load_plan plan;
    struct place server;
    int epoll;
    size_t question_size, answer_size; /* of a batch */
    struct client *clients;
    char *octets;                 /* of all clients' batches */
    unsigned long serial;         /* connections made */
    unsigned long batches, asked; /* of this run: wanted, begun */
    unsigned long stamp;
    unsigned under_way;
    bool once;
    char scratch[SCRATCH_SIZE];
};

static int watch(struct load *load, struct client *client, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = client};
    return epoll_ctl(load->epoll, operation, client->fd, &event) < 0 ? -errno : 0;
}

static int client_connect(struct load *load, struct client *client) {
    client->fd = place_connect(&load->server, load->serial++);
    return client->fd < 0 ? client->fd : watch(load, client, EPOLL_CTL_ADD, EPOLLIN);
}

struct load *load_free(struct load *load) {
    if (!load)
        return NULL;
    for (unsigned i = 0; load->clients && i < load->plan.connections; i++)
        kith_close(load->clients[i].fd);
    kith_close(load->epoll);
    free(load->clients);
    free(load->octets);
    free(load);
    return NULL;
}

KITH_DEFINE_CLEANUP(struct load *, load_free)

/* The questions of all clients: one block, and all alike where the protocol has but one question. */
static int write_questions(struct load *load) {
    const struct load_plan *plan = &load->plan;
    unsigned writers = plan->resp ? 1 : plan->connections;
    load->question_size = plan->depth * (plan->resp ? strlen(PING) : plan->size);
    load->answer_size = plan->depth * (plan->resp ? strlen(PONG) : plan->size);
    load->octets = malloc(writers * load->question_size + load->answer_size + 1);
    if (!load->octets)
        return -ENOMEM;
    memset(load->octets, 'q', writers * load->question_size);
    char *answers = load->octets + writers * load->question_size;
    for (unsigned i = 0; plan->resp && i < plan->depth; i++) {
        memcpy(load->octets + i * strlen(PING), PING, strlen(PING));
        memcpy(answers + i * strlen(PONG), PONG, strlen(PONG));
    }
    for (unsigned i = 0; i < plan->connections; i++) {
        struct client *client = &load->clients[i];
        client->questions = load->octets + (plan->resp ? 0 : i * load->question_size);
        client->answers = plan->resp ? answers : client->questions;
    }
    return 0;
}

int load_new(const struct load_plan *plan, const struct place *server, struct load **ret_load) {
    _cleanup_(load_freep) struct load *load = calloc(1, sizeof(*load));
    if (!load)
        return -ENOMEM;
    load->plan = *plan;
    load->server = *server;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->clients = calloc(plan->connections, sizeof(*load->clients));
    if (load->epoll < 0 || !load->clients)
        return load->epoll < 0 ? -errno : -ENOMEM;
    for (unsigned i = 0; i < plan->connections; i++)
        load->clients[i].fd = -1;
    int r = write_questions(load);
    for (unsigned i = 0; r == 0 && i < plan->connections; i++)
        r = client_connect(load, &load->clients[i]);
    if (r < 0)
        return r;
    *ret_load = KITH_STEAL(load);
    return 0;
}

/* Sends what the kernel takes; the rest when it is writable again. */
static int push(struct load *load, struct client *client) {
    ssize_t n = send(client->fd, client->questions + client->sent, load->question_size - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return -errno;
    client->sent += n > 0 ? (size_t)n : 0;
    bool blocked = client->sent < load->question_size;
    if (blocked == client->blocked)
        return 0;
    client->blocked = blocked;
    return watch(load, client, EPOLL_CTL_MOD, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Every question is another one: an answer that belongs to another client, or to an earlier question, does not pass. */
static void stamp(struct load *load, struct client *client) {
    if (load->plan.resp)
        return;
    for (unsigned i = 0; i < load->plan.depth; i++) {
        load->stamp++;
        memcpy(client->questions + i * load->plan.size, &load->stamp, sizeof(load->stamp));
    }
}

static int begin(struct load *load, struct client *client) {
    stamp(load, client);
    client->sent = client->received = 0;
    client->under_way = true;
    load->asked++;
    load->under_way++;
    return push(load, client);
}

/* Who asks next when `last` has its answers. */
static struct client *next(struct load *load, struct client *last) {
    if (load->once)
        return &load->clients[load->asked];
    struct client *client = last;
    if (load->plan.busy > 0)
        do
            client = &load->clients[(unsigned long)random() % load->plan.connections];
        while (client->under_way);
    return client;
}

static int answered(struct load *load, struct client *client) {
    client->under_way = false;
    load->under_way--;
    if (load->plan.churn) {
        client->fd = kith_close(client->fd);
        int r = client_connect(load, client);
        if (r < 0)
            return r;
    }
    return load->asked < load->batches ? begin(load, next(load, client)) : 0;
}

static int pull(struct load *load, struct client *client) {
    ssize_t n = recv(client->fd, load->scratch, sizeof(load->scratch), MSG_DONTWAIT);
    if (n <= 0)
        return n == 0 ? -ECONNRESET : errno == EAGAIN ? 0 : -errno;
    if (!client->under_way || (size_t)n > load->answer_size - client->received ||
        memcmp(load->scratch, client->answers + client->received, (size_t)n) != 0)
        return -EBADMSG;
    client->received += (size_t)n;
    return client->received < load->answer_size ? 0 : answered(load, client);
}

static int wait_for_all(struct load *load) {
    struct epoll_event events[EVENTS];
    int r = 0;
    while (r == 0 && load->under_way > 0) {
        int count = epoll_wait(load->epoll, events, EVENTS, SILENCE_MS);
        if (count <= 0)
            return count == 0 ? -ETIMEDOUT : -errno;
        for (int i = 0; i < count && r == 0; i++) {
            struct client *client = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                r = push(load, client);
            if (r == 0 && (events[i].events & ~(unsigned)EPOLLOUT))
                r = pull(load, client);
        }
    }
    return r;
}

static int run(struct load *load, unsigned long batches, unsigned busy) {
    load->batches = batches;
    load->asked = 0;
    int r = 0;
    while (r == 0 && load->asked < busy && load->asked < batches)
        r = begin(load, &load->clients[load->asked]);
    return r < 0 ? r : wait_for_all(load);
}

int load_run(struct load *load, unsigned long requests) {
    load->once = false;
    return run(load, (requests + load->plan.depth - 1) / load->plan.depth, load->plan.busy > 0 ? load->plan.busy : load->plan.connections);
}

int load_run_once(struct load *load) {
    load->once = true;
    return run(load, load->plan.connections, ONCE_BUSY);
}
