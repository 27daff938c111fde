/*
 * bench/bench-thread.c: what a thread of its own costs a loop: the round trip of a question of 64 octets to another process over AF_UNIX,
 * asked by a thread that waits for the answer.
 *
 * - alone: the loop has no thread, the asker drives it; with each backend.
 * - threaded: the loop has one (kith_loop_thread()), and the asker drives it all the same while it waits.
 * - handed: the loop has one, which receives the answer and wakes the asker: what every message costs where an I/O thread stands between.
 *
 * The answers come from a raw blocking echo in a child. All contestants run in one invocation, in an order shuffled anew for each
 * repetition; what is printed is the median of the repetitions, its spread, and the ratio to "alone-epoll": only ratios of one run are to
 * be trusted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <kith/loop.h>
#include <kith/stream.h>

#include "bench/measure.h"

#define QUESTION_SIZE 64
#define WARM_UP 500
#define REPETITIONS_MAX 101

struct contestant {
    const char *name, *title, *backend;
    bool threaded, handed;
};

static const struct contestant contestants[] = {
    {"alone-epoll", "no thread, the asker drives; epoll", "epoll", false, false},
    {"alone-uring", "the same; io_uring", "uring", false, false},
    {"threaded", "a thread of its own, the asker drives", NULL, true, false},
    {"handed", "a thread of its own, which wakes the asker", NULL, true, true},
};
#define CONTESTANTS (sizeof(contestants) / sizeof(contestants[0]))

struct plan {
    unsigned repetitions;
    unsigned long count;
    bool two_cores;
    cpu_set_t allowed;
};

struct client {
    const struct contestant *contestant;
    kith_loop *loop;
    kith_conn *conn;
    pthread_mutex_t mutex; /* handed: guards `received` */
    pthread_cond_t changed;
    size_t received;
    bool closed;
};

static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct client *client = userdata;
    if (!client->contestant->handed) {
        client->received += batch->slice.size;
        return;
    }
    pthread_mutex_lock(&client->mutex);
    client->received += batch->slice.size;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    ((struct client *)userdata)->closed = true;
}

static int client_init(struct client *client, const struct contestant *contestant, int fd) {
    static const struct kith_conn_ops ops = {.data = on_data, .closed = on_closed};
    static const struct kith_conn_options options = {.identity = true};
    *client = (struct client){.contestant = contestant, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    int r = kith_loop_new_with(&(struct kith_loop_options){.backend = contestant->backend}, &client->loop, NULL);
    if (r == 0 && contestant->threaded)
        r = kith_loop_thread(client->loop, NULL);
    if (r < 0)
        return r;
    kith_loop_lock(client->loop);
    r = kith_conn_new_fd(client->loop, fd, &options, &ops, client, &client->conn);
    kith_loop_unlock(client->loop);
    return r;
}

static void client_deinit(struct client *client) {
    if (!client->loop)
        return;
    kith_loop_lock(client->loop);
    kith_conn_free(client->conn);
    kith_loop_unlock(client->loop);
    kith_loop_free(client->loop);
}

static int put(struct client *client, const char *question) {
    kith_loop_lock(client->loop);
    int r = kith_conn_write(client->conn, question, QUESTION_SIZE);
    kith_conn_flush(client->conn);
    kith_loop_unlock(client->loop);
    return r;
}

/* Waits until so many octets have come. */
static int get(struct client *client, size_t octets) {
    if (client->contestant->handed) {
        pthread_mutex_lock(&client->mutex);
        while (client->received < octets)
            pthread_cond_wait(&client->changed, &client->mutex);
        pthread_mutex_unlock(&client->mutex);
        return 0;
    }
    int r = 0;
    for (bool done = false; !done && (r >= 0 || r == -EINTR);) {
        r = kith_loop_step(client->loop, -1);
        kith_loop_lock(client->loop);
        done = client->received >= octets || client->closed;
        kith_loop_unlock(client->loop);
    }
    return client->closed ? -EPIPE : r < 0 ? r : 0;
}

static int ask(struct client *client, unsigned long count) {
    char question[QUESTION_SIZE];
    memset(question, 'q', sizeof(question));
    int r = 0;
    size_t due = client->received;
    for (unsigned long i = 0; i < count && r == 0; i++) {
        due += QUESTION_SIZE;
        r = put(client, question);
        if (r == 0)
            r = get(client, due);
    }
    return r;
}

static void echo(int fd) {
    char data[QUESTION_SIZE];
    while (recv(fd, data, sizeof(data), MSG_WAITALL) == QUESTION_SIZE)
        if (send(fd, data, sizeof(data), MSG_NOSIGNAL) < 0)
            break;
    _exit(0);
}

/* Microseconds a round trip, or a negative errno. */
static int measure(const struct contestant *contestant, const struct plan *plan, double *ret_us) {
    struct client client = {0};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    pid_t child = measure_fork();
    if (child == 0) {
        close(fds[0]);
        if (measure_pin(&plan->allowed, plan->two_cores) < 0)
            _exit(2);
        echo(fds[1]);
    }
    close(fds[1]);
    int r = child < 0 ? child : client_init(&client, contestant, fds[0]);
    if (r == 0)
        r = ask(&client, WARM_UP);
    double start = measure_seconds(CLOCK_MONOTONIC);
    if (r == 0)
        r = ask(&client, plan->count);
    *ret_us = (measure_seconds(CLOCK_MONOTONIC) - start) * 1e6 / (double)plan->count;
    client_deinit(&client);
    if (child > 0)
        measure_kill(child);
    return r;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(double figures[CONTESTANTS][REPETITIONS_MAX], unsigned repetitions) {
    double base = 0;
    for (size_t i = 0; i < CONTESTANTS; i++) {
        double *all = figures[i];
        if (all[0] < 0) {
            printf("%-12s not to be had here\n", contestants[i].name);
            continue;
        }
        qsort(all, repetitions, sizeof(*all), compare);
        double median = all[repetitions / 2];
        if (i == 0)
            base = median;
        printf("%-12s %7.2f us  (%.2f to %.2f)  %.2fx  %s\n", contestants[i].name, median, all[repetitions / 4],
               all[repetitions - 1 - repetitions / 4], median / base, contestants[i].title);
    }
}

static int run(const struct plan *plan) {
    static double figures[CONTESTANTS][REPETITIONS_MAX];
    size_t order[CONTESTANTS];
    for (unsigned repetition = 0; repetition < plan->repetitions; repetition++) {
        measure_shuffle(order, CONTESTANTS);
        for (size_t i = 0; i < CONTESTANTS; i++) {
            double *figure = &figures[order[i]][repetition];
            int r = measure(&contestants[order[i]], plan, figure);
            if (r == -ENOSYS)
                *figure = -1;
            else if (r < 0) {
                fprintf(stderr, "bench-thread: %s: %s\n", contestants[order[i]].name, strerror(-r));
                return 1;
            }
        }
    }
    print(figures, plan->repetitions);
    return 0;
}

int main(int argc, char **argv) {
    struct plan plan = {.repetitions = 11, .count = 20000};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--two-cores") == 0)
            plan.two_cores = true;
        else if (strcmp(argv[i], "--count") == 0 && has_value && atol(argv[i + 1]) > 0)
            plan.count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--repetitions") == 0 && has_value && atol(argv[i + 1]) > 0 && atol(argv[i + 1]) <= REPETITIONS_MAX)
            plan.repetitions = (unsigned)strtoul(argv[++i], NULL, 10);
        else {
            fprintf(stderr, "usage: bench-thread [--count N] [--repetitions N] [--two-cores]\n");
            return 2;
        }
    }
    srandom((unsigned)time(NULL));
    int r = sched_getaffinity(0, sizeof(plan.allowed), &plan.allowed) < 0 ? -errno : measure_pin(&plan.allowed, plan.two_cores);
    if (r == 0)
        r = measure_pin(&plan.allowed, false);
    if (r < 0) {
        fprintf(stderr, "bench-thread: cannot choose a processor%s: %s\n", plan.two_cores ? " and a second one" : "", strerror(-r));
        return 1;
    }
    return run(&plan);
}
