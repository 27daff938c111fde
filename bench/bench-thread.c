/*
 * bench/bench-thread.c: what a thread of its own costs a loop: the round trip of a question of 64 octets, REQ to REP over AF_UNIX, asked by
 * a thread that waits for the answer.
 *
 * - alone: the loop has no thread, the asker drives it; with each backend.
 * - threaded: the loop has one (kith_loop_thread()), and the asker drives it all the same while it waits.
 * - accompanied: another thread waits on another socket of that loop all the time.
 * - handed: the loop's thread receives the answer and wakes the asker: what every message costs where an I/O thread stands between.
 *
 * The answers come from a kith REP, without a thread on epoll, in a child. All contestants run in one invocation, in an order shuffled anew
 * for each repetition; what is printed is the median of the repetitions, the quartiles, and the ratio to "alone-epoll": only ratios of one
 * run are to be trusted.
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
#include <kith/socket.h>

#include "bench/measure.h"

#define QUESTION_SIZE 64
#define WARM_UP 200
#define REPETITIONS_MAX 101

struct contestant {
    const char *name, *title, *backend;
    bool threaded, accompanied, handed;
};

static const struct contestant contestants[] = {
    {.name = "alone-epoll", .title = "no thread, the asker drives; epoll", .backend = "epoll"},
    {.name = "alone-uring", .title = "the same; io_uring", .backend = "uring"},
    {.name = "threaded", .title = "a thread of its own, the asker drives", .threaded = true},
    {.name = "accompanied", .title = "the same, another thread waits too", .threaded = true, .accompanied = true},
    {.name = "handed", .title = "a thread of its own, which wakes the asker", .threaded = true, .handed = true},
};
#define CONTESTANTS (sizeof(contestants) / sizeof(contestants[0]))

struct plan {
    unsigned repetitions;
    unsigned long count;
    bool two_cores;
    cpu_set_t allowed;
    const char *only;
};

struct client {
    const struct contestant *contestant;
    kith_loop *loop;
    kith_socket *socket;
    kith_socket *other; /* accompanied: on which `companion` waits */
    pthread_t companion;
    pthread_mutex_t mutex; /* handed: guards `answer` */
    pthread_cond_t changed;
    kith_msg *answer;
};

static void hand_over(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct client *client = userdata;
    pthread_mutex_lock(&client->mutex);
    client->answer = msg;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->mutex);
}

static void *keep_company(void *userdata) {
    const struct client *client = userdata;
    kith_msg *msg;
    (void)kith_socket_recv(client->other, &msg, -1); /* until the socket is freed */
    return NULL;
}

static int accompany(struct client *client) {
    int r = kith_socket_new(client->loop, KITH_PULL, &client->other);
    if (r == 0)
        r = kith_socket_bind(client->other, "ipc://@*", NULL);
    if (r == 0)
        r = -pthread_create(&client->companion, NULL, keep_company, client);
    return r;
}

static int client_init(struct client *client, const struct contestant *contestant, const char *endpoint) {
    static const struct kith_socket_handler handler = {.message = hand_over};
    *client = (struct client){.contestant = contestant, .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    int r = kith_loop_new_with(&(struct kith_loop_options){.backend = contestant->backend}, &client->loop, NULL);
    if (r == 0 && contestant->threaded)
        r = kith_loop_thread(client->loop, NULL);
    if (r == 0)
        r = kith_socket_new(client->loop, KITH_REQ, &client->socket);
    if (r == 0 && contestant->handed)
        kith_socket_set_handler(client->socket, &handler, client);
    if (r == 0 && contestant->accompanied)
        r = accompany(client);
    return r == 0 ? kith_socket_connect(client->socket, endpoint, NULL) : r;
}

static void client_deinit(struct client *client) {
    kith_socket_free(client->socket);
    if (client->companion) {
        kith_loop_stop(client->loop);
        pthread_join(client->companion, NULL);
    }
    kith_socket_free(client->other);
    kith_loop_free(client->loop);
}

static int receive(struct client *client, kith_msg **ret_answer) {
    if (!client->contestant->handed)
        return kith_socket_recv(client->socket, ret_answer, -1);
    pthread_mutex_lock(&client->mutex);
    while (!client->answer)
        pthread_cond_wait(&client->changed, &client->mutex);
    *ret_answer = client->answer;
    client->answer = NULL;
    pthread_mutex_unlock(&client->mutex);
    return 0;
}

static int ask(struct client *client, unsigned long count) {
    static const char question[QUESTION_SIZE];
    int r = 0;
    for (unsigned long i = 0; i < count && r == 0; i++) {
        kith_msg *msg = NULL, *answer = NULL;
        r = kith_msg_new(&msg);
        if (r == 0)
            r = kith_msg_add(msg, question, sizeof(question));
        if (r == 0)
            r = kith_socket_send(client->socket, msg, -1);
        if (r < 0) {
            kith_msg_free(msg);
            return r;
        }
        r = receive(client, &answer);
        if (r == 0 && kith_msg_size(answer) != QUESTION_SIZE)
            r = -EIO;
        kith_msg_free(answer);
    }
    return r;
}

/* In the child: answers until it is killed. */
static int serve(const char *endpoint, int ready) {
    kith_loop *loop = NULL;
    kith_socket *socket = NULL;
    int r = kith_loop_new_with(&(struct kith_loop_options){.backend = "epoll"}, &loop, NULL);
    if (r == 0)
        r = kith_socket_new(loop, KITH_REP, &socket);
    if (r == 0)
        r = kith_socket_bind(socket, endpoint, NULL);
    if (r == 0 && write(ready, "r", 1) < 0)
        r = -errno;
    while (r == 0) {
        kith_msg *msg = NULL;
        r = kith_socket_recv(socket, &msg, -1);
        if (r == 0)
            r = kith_socket_send(socket, msg, -1);
    }
    return r;
}

static pid_t start_server(const char *endpoint, const struct plan *plan) {
    char word;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    pid_t child = measure_fork();
    if (child == 0)
        _exit(measure_pin(&plan->allowed, plan->two_cores) < 0 || serve(endpoint, fds[1]) < 0);
    close(fds[1]);
    if (child > 0 && recv(fds[0], &word, 1, 0) != 1) {
        measure_kill(child);
        child = -EIO;
    }
    close(fds[0]);
    return child;
}

/* Microseconds a round trip: of time, and of this process's processor time. */
struct figure {
    double us, cpu_us;
};

static int measure(const struct contestant *contestant, const struct plan *plan, struct figure *ret_figure) {
    static unsigned number;
    struct client client = {0};
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "ipc://@kith-bench-thread-%d-%u", getpid(), number++);
    pid_t child = start_server(endpoint, plan);
    if (child < 0)
        return child;
    int r = client_init(&client, contestant, endpoint);
    if (r == 0)
        r = ask(&client, WARM_UP);
    double start = measure_seconds(CLOCK_MONOTONIC), cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (r == 0)
        r = ask(&client, plan->count);
    ret_figure->us = (measure_seconds(CLOCK_MONOTONIC) - start) * 1e6 / (double)plan->count;
    ret_figure->cpu_us = (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / (double)plan->count;
    client_deinit(&client);
    measure_kill(child);
    return r;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const struct figure *all, unsigned count, bool cpu) {
    double values[REPETITIONS_MAX];
    for (unsigned i = 0; i < count; i++)
        values[i] = cpu ? all[i].cpu_us : all[i].us;
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static void print(struct figure figures[CONTESTANTS][REPETITIONS_MAX], unsigned repetitions) {
    struct figure base = {0};
    for (size_t i = 0; i < CONTESTANTS; i++) {
        struct figure median = {median_of(figures[i], repetitions, false), median_of(figures[i], repetitions, true)};
        if (median.us < 0)
            printf("%-12s not to be had here\n", contestants[i].name);
        if (median.us <= 0)
            continue;
        if (base.us == 0)
            base = median;
        printf("%-12s %7.2f us %.2fx  processor %6.2f us %.2fx  %s\n", contestants[i].name, median.us, median.us / base.us, median.cpu_us,
               median.cpu_us / base.cpu_us, contestants[i].title);
    }
}

static int run(const struct plan *plan) {
    static struct figure figures[CONTESTANTS][REPETITIONS_MAX];
    size_t order[CONTESTANTS];
    for (unsigned repetition = 0; repetition < plan->repetitions; repetition++) {
        measure_shuffle(order, CONTESTANTS);
        for (size_t i = 0; i < CONTESTANTS; i++) {
            struct figure *figure = &figures[order[i]][repetition];
            if (plan->only && strcmp(plan->only, contestants[order[i]].name) != 0)
                continue;
            int r = measure(&contestants[order[i]], plan, figure);
            if (r == -ENOSYS)
                figure->us = -1;
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
    struct plan plan = {.repetitions = 11, .count = 5000};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--two-cores") == 0)
            plan.two_cores = true;
        else if (strcmp(argv[i], "--only") == 0 && has_value)
            plan.only = argv[++i];
        else if (strcmp(argv[i], "--count") == 0 && has_value && atol(argv[i + 1]) > 0)
            plan.count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--repetitions") == 0 && has_value && atol(argv[i + 1]) > 0 && atol(argv[i + 1]) <= REPETITIONS_MAX)
            plan.repetitions = (unsigned)strtoul(argv[++i], NULL, 10);
        else {
            fprintf(stderr, "usage: bench-thread [--only NAME] [--count N] [--repetitions N] [--two-cores]\n");
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
