/*
 * bench/bench-reqrep.c: the round trip of a small message between two processes over AF_UNIX: raw sockets, kith, libzmq.
 *
 * All contestants run in one invocation, in an order shuffled anew for each repetition, so that what else the machine does falls on all of
 * them alike: only the ratios within one run are to be trusted. One repetition of one contestant is a fresh server process (the child) and
 * a client (the parent): a warm-up, then `count` round trips under the clock. Processor time is that of all threads of both processes.
 *
 * Output, one line a repetition: NAME <tab> microseconds a round trip <tab> microseconds of processor time a round trip. tools/bench makes
 * the table of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/contestant.h"
#include "bench/measure.h"

#define WARM_UP 500

static const struct contestant *const contestants[] = {
    &contestant_raw_epoll, &contestant_raw_epoll_creds, &contestant_raw_blocking, &contestant_raw_blocking_creds,
    &contestant_kith,      &contestant_kith_anonymous,  &contestant_libzmq,
};
#define CONTESTANTS (sizeof(contestants) / sizeof(contestants[0]))

struct plan {
    unsigned repetitions;
    unsigned long count;
    bool two_cores;
    cpu_set_t allowed; /* processors this process was started on */
    const struct contestant *only;
};

struct figures {
    double us, cpu_us;
};

/* Runs the server in a child until it is killed. The child says over `ready` that it listens. */
static pid_t start_server(const struct contestant *contestant, const char *name, const struct plan *plan) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid_t pid = measure_fork();
    if (pid == 0) {
        close(pair[0]);
        if (measure_pin(&plan->allowed, plan->two_cores) < 0)
            _exit(2);
        _exit(contestant->serve(name, pair[1]) < 0);
    }
    close(pair[1]);
    char word;
    bool ready = pid > 0 && recv(pair[0], &word, 1, 0) == 1;
    close(pair[0]);
    if (!ready && pid > 0)
        waitpid(pid, NULL, 0);
    return ready ? pid : pid < 0 ? pid : -EIO;
}

static int measure(const struct contestant *contestant, const struct plan *plan, struct figures *ret_figures) {
    char name[64];
    static unsigned number;
    clockid_t server_clock;
    snprintf(name, sizeof(name), "kith-bench-%d-%u", getpid(), number++);
    pid_t server = start_server(contestant, name, plan);
    if (server < 0)
        return server;
    void *client = NULL;
    int result = contestant->connect(name, &client);
    if (result == 0)
        result = contestant->ask(client, WARM_UP);
    if (result == 0 && clock_getcpuclockid(server, &server_clock) == 0) {
        double cpu = measure_seconds(CLOCK_PROCESS_CPUTIME_ID) + measure_seconds(server_clock), start = measure_seconds(CLOCK_MONOTONIC);
        result = contestant->ask(client, plan->count);
        ret_figures->us = (measure_seconds(CLOCK_MONOTONIC) - start) * 1e6 / (double)plan->count;
        ret_figures->cpu_us = (measure_seconds(CLOCK_PROCESS_CPUTIME_ID) + measure_seconds(server_clock) - cpu) * 1e6 / (double)plan->count;
    }
    if (client)
        contestant->disconnect(client);
    measure_kill(server);
    return result;
}

static int run(const struct plan *plan) {
    size_t order[CONTESTANTS];
    for (unsigned repetition = 0; repetition < plan->repetitions; repetition++) {
        measure_shuffle(order, CONTESTANTS);
        for (size_t i = 0; i < CONTESTANTS; i++) {
            const struct contestant *contestant = contestants[order[i]];
            struct figures figures = {0};
            if (plan->only && plan->only != contestant)
                continue;
            int result = measure(contestant, plan, &figures);
            if (result < 0) {
                fprintf(stderr, "bench-reqrep: %s: %s\n", contestant->name, strerror(-result));
                return 1;
            }
            printf("%s\t%.3f\t%.3f\n", contestant->name, figures.us, figures.cpu_us);
            fflush(stdout);
        }
    }
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: bench-reqrep [--list] [--only NAME] [--count N] [--repetitions N] [--two-cores]\n");
    return 2;
}

static const struct contestant *find(const char *name) {
    for (size_t i = 0; i < CONTESTANTS; i++)
        if (strcmp(contestants[i]->name, name) == 0)
            return contestants[i];
    return NULL;
}

int main(int argc, char **argv) {
    struct plan plan = {.repetitions = 11, .count = 20000};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--list") == 0) {
            for (size_t j = 0; j < CONTESTANTS; j++)
                printf("%s\t%s\n", contestants[j]->name, contestants[j]->title);
            return 0;
        }
        if (strcmp(argv[i], "--two-cores") == 0)
            plan.two_cores = true;
        else if (strcmp(argv[i], "--only") == 0 && has_value && find(argv[i + 1]))
            plan.only = find(argv[++i]);
        else if (strcmp(argv[i], "--count") == 0 && has_value && atol(argv[i + 1]) > 0)
            plan.count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--repetitions") == 0 && has_value && atol(argv[i + 1]) > 0)
            plan.repetitions = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            return usage();
    }
    srandom((unsigned)time(NULL));
    int result = sched_getaffinity(0, sizeof(plan.allowed), &plan.allowed) < 0 ? -errno : measure_pin(&plan.allowed, plan.two_cores);
    if (result == 0)
        result = measure_pin(&plan.allowed, false);
    if (result < 0) {
        fprintf(stderr, "bench-reqrep: cannot choose a processor%s: %s\n", plan.two_cores ? " and a second one" : "", strerror(-result));
        return 1;
    }
    return run(&plan);
}
