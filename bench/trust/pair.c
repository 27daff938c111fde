/* See pair.h. */
#include "bench/trust/pair.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/measure.h"

/* Longest wait for the other end: it is an error, not a slow machine. */
#define WAIT_MS 30000
/* What waits with the sender: memory for some milliseconds. */
#define QUEUE_OCTETS "67108864"

struct end {
    const struct pair_way *way;
    size_t size;
    unsigned long count;
    char endpoint[128];
    kith_loop *loop;
    kith_socket *socket;
    kith_origin *origin;          /* whose pid was looked at last; messages of one writer share it */
    unsigned long received, warm; /* messages; so many before the time is taken */
    double from;                  /* when `warm` were there */
    int failure;
};

static int complain(const struct end *end, const char *what, int r) {
    fprintf(stderr, "bench-trust: %s: %s: %s\n", end->way->name, what, kith_error_name(r));
    return r;
}

static int set_options(struct end *end, const struct pair_option *options) {
    int r = 0;
    for (size_t i = 0; r >= 0 && i < PAIR_OPTIONS_MAX && options[i].name; i++) {
        struct kith_error error;
        r = kith_socket_set_option(end->socket, options[i].name, options[i].value, &error);
        if (r < 0)
            fprintf(stderr, "bench-trust: %s\n", error.text);
    }
    return r;
}

static int set_policy(struct end *end) {
    kith_policy *policy;
    int r = end->way->policy ? end->way->policy(&policy) : 0;
    if (r < 0 || !end->way->policy)
        return r;
    kith_socket_set_policy(end->socket, policy);
    kith_policy_unref(policy);
    return 0;
}

static int open_end(struct end *end, enum kith_socket_type type, bool binds, bool receives) {
    static const struct pair_option queue[PAIR_OPTIONS_MAX] = {{"send-hwm-bytes", QUEUE_OCTETS}, {"recv-hwm-bytes", QUEUE_OCTETS}};
    int r = kith_loop_new(&end->loop);
    if (r >= 0)
        r = kith_socket_new(end->loop, type, &end->socket);
    if (r >= 0)
        r = set_options(end, queue);
    if (r >= 0)
        r = set_options(end, end->way->options);
    if (r >= 0 && receives)
        r = set_options(end, end->way->receiver_options);
    if (r >= 0 && receives)
        r = set_policy(end);
    if (r >= 0)
        r = binds ? kith_socket_bind(end->socket, end->endpoint, NULL) : kith_socket_connect(end->socket, end->endpoint, NULL);
    return r;
}

static void close_end(struct end *end) {
    kith_origin_unref(end->origin);
    kith_socket_free(end->socket);
    kith_loop_free(end->loop);
}

static int make(const struct pair_way *way, size_t size, kith_msg **ret_msg) {
    static char octets[4096];
    kith_msg *msg;
    if (way->make)
        return way->make(size, ret_msg);
    if (size > sizeof(octets))
        return -EMSGSIZE;
    int r = kith_msg_new(&msg);
    if (r >= 0 && (r = kith_msg_add(msg, octets, size)) < 0)
        kith_msg_free(msg);
    if (r >= 0)
        *ret_msg = msg;
    return r;
}

/* The octets are all there, and the kernel has named the sender. */
static int check(struct end *end, kith_msg *msg) {
    kith_origin *origin = kith_msg_origin(msg);
    if (kith_msg_size(msg) != end->size)
        return -EBADMSG;
    if (!end->way->anonymous && origin != end->origin) {
        if (kith_origin_pid(origin, NULL) < KITH_WITNESS_KERNEL_CONNECT || kith_origin_uid(origin, NULL) < KITH_WITNESS_KERNEL_CONNECT ||
            kith_origin_gid(origin, NULL) < KITH_WITNESS_KERNEL_CONNECT)
            return -EPROTO;
        kith_origin_unref(end->origin);
        end->origin = kith_origin_ref(origin);
    }
    return end->way->take ? end->way->take(msg) : 0;
}

/* One end a processor, where there are two. A child has its parent's processor: what is allowed is what was at first. */
static void pin(bool second) {
    static cpu_set_t allowed;
    if (CPU_COUNT(&allowed) == 0)
        (void)sched_getaffinity(0, sizeof(allowed), &allowed);
    if (CPU_COUNT(&allowed) > 1)
        (void)measure_pin(&allowed, second);
}

/* Streams ----------------------------------------------------------------------------------------------------------- */

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct end *end = userdata;
    int r = check(end, msg);
    if (r < 0)
        end->failure = r;
    if (++end->received == end->warm)
        end->from = measure_seconds(CLOCK_MONOTONIC);
    kith_msg_free(msg);
}

static int send_all(struct end *end, unsigned long count) {
    for (unsigned long i = 0; i < count; i++) {
        kith_msg *msg;
        int r = make(end->way, end->size, &msg);
        if (r < 0)
            return r;
        while ((r = kith_socket_send(end->socket, msg, end->way->alone ? WAIT_MS : 0)) == -EAGAIN &&
               kith_loop_step(end->loop, WAIT_MS) >= 0)
            ;
        if (r < 0) {
            kith_msg_free(msg);
            return r;
        }
    }
    return kith_socket_drain(end->socket, WAIT_MS);
}

/* Never returns. */
static void sender(struct end *end, unsigned long count) {
    pin(true);
    int r = open_end(end, KITH_PUSH, false, false);
    if (r >= 0)
        r = send_all(end, count);
    if (r < 0)
        complain(end, "sending", r);
    close_end(end);
    _exit(r < 0);
}

static int receive_until(struct end *end, unsigned long count) {
    int r = 0;
    while (r >= 0 && end->failure == 0 && end->received < count) {
        r = kith_loop_step(end->loop, WAIT_MS);
        r = r == 0 ? -ETIMEDOUT : r;
    }
    return end->failure < 0 ? end->failure : r;
}

static int measure_stream(struct end *end, double *ret_rate) {
    static const struct kith_socket_handler handler = {.message = on_message};
    int r = open_end(end, KITH_PULL, true, true);
    end->warm = end->count / 10 + 1;
    if (r < 0)
        return complain(end, "binding", r);
    kith_socket_set_handler(end->socket, &handler, end);
    pid_t child = measure_fork();
    if (child == 0) {
        struct end other = {.way = end->way, .size = end->size};
        strcpy(other.endpoint, end->endpoint);
        sender(&other, end->warm + end->count);
    }
    r = child < 0 ? child : receive_until(end, end->warm + end->count);
    *ret_rate = (double)(end->received - end->warm) / (measure_seconds(CLOCK_MONOTONIC) - end->from);
    if (child > 0)
        measure_kill(child);
    return r < 0 ? complain(end, "receiving", r) : 0;
}

static void prepare(struct end *end, const struct pair_way *way, const char *folder, size_t size, unsigned long count) {
    *end = (struct end){.way = way, .size = size, .count = count};
    snprintf(end->endpoint, sizeof(end->endpoint), "ipc://%s/pair", folder);
    pin(false);
}

/* Descriptors of this process. */
static size_t open_fds(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

int pair_stream(const struct pair_way *way, const char *folder, size_t size, unsigned long count, double *ret_rate) {
    struct end end;
    size_t fds = open_fds();
    prepare(&end, way, folder, size, count);
    int r = measure_stream(&end, ret_rate);
    close_end(&end);
    if (r >= 0 && open_fds() != fds)
        return complain(&end, "descriptors stayed behind", -EMFILE);
    return r;
}

/* Round trips ------------------------------------------------------------------------------------------------------- */

/* One message on: made here, or what came. */
static int pass(struct end *end, kith_msg *msg) {
    int r = kith_socket_send(end->socket, msg, WAIT_MS);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

static int take(struct end *end, kith_msg **ret_msg) {
    kith_msg *msg;
    int r = kith_socket_recv(end->socket, &msg, WAIT_MS);
    if (r < 0)
        return r;
    r = check(end, msg);
    if (r < 0)
        kith_msg_free(msg);
    else
        *ret_msg = msg;
    return r;
}

/* Answers until it is killed. */
static void answerer(struct end *end) {
    pin(true);
    kith_msg *msg;
    int r = open_end(end, KITH_REP, false, true);
    while (r >= 0 && (r = take(end, &msg)) >= 0)
        r = pass(end, msg);
    complain(end, "answering", r);
    _exit(1);
}

static int ask(struct end *end, unsigned long count) {
    int r = 0;
    for (unsigned long i = 0; r >= 0 && i < count; i++) {
        kith_msg *msg;
        r = make(end->way, end->size, &msg);
        if (r >= 0)
            r = pass(end, msg);
        if (r >= 0)
            r = take(end, &msg);
        if (r >= 0)
            kith_msg_free(msg);
    }
    return r;
}

static int measure_round_trip(struct end *end, double *ret_us) {
    int r = open_end(end, KITH_REQ, true, true);
    if (r < 0)
        return complain(end, "binding", r);
    pid_t child = measure_fork();
    if (child == 0) {
        struct end other = {.way = end->way, .size = end->size};
        strcpy(other.endpoint, end->endpoint);
        answerer(&other);
    }
    r = child < 0 ? child : ask(end, end->count / 10 + 1);
    double from = measure_seconds(CLOCK_MONOTONIC);
    if (r >= 0)
        r = ask(end, end->count);
    *ret_us = (measure_seconds(CLOCK_MONOTONIC) - from) * 1e6 / (double)end->count;
    if (child > 0)
        measure_kill(child);
    return r < 0 ? complain(end, "asking", r) : 0;
}

int pair_round_trip(const struct pair_way *way, const char *folder, size_t size, unsigned long count, double *ret_us) {
    struct end end;
    prepare(&end, way, folder, size, count);
    int r = measure_round_trip(&end, ret_us);
    close_end(&end);
    return r;
}
