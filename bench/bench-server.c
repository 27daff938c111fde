/*
 * bench/bench-server.c: echo servers against each other: raw sockets, kith, and what else people write servers with.
 *
 * All contestants of a scenario (server/scenario.c) run in one invocation, in an order shuffled anew for each repetition, so that what else
 * the machine does falls on all of them alike: only the ratios within one run are to be trusted. One repetition of one contestant is a
 * fresh server process, warmed up, and clients in this process: a closed loop that compares every reply. What counts is the processor time
 * of the server: on two cores it may be idle while the clients work.
 *
 * With --one-core both are on one, under SCHED_BATCH: whoever runs does all that there is to do before the other has its turn, so a server
 * finds the requests of all clients waiting, as it does at its limit.
 *
 * Output, one line a repetition: SCENARIO <tab> NAME, and a <tab> KEY=VALUE for each figure (struct figures). tools/bench-server makes the
 * tables of it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/measure.h"
#include "bench/server/scenario.h"

/* Descriptors of a process that are no connections. */
#define DESCRIPTORS_ELSE 100

/* With a number behind it, it has to fit into sockaddr_un. */
#define FOLDER_MAX 96

struct plan {
    unsigned repetitions;
    bool one_core, quick, counting;
    struct measure_names only, scenarios;
    cpu_set_t server_processor;
    unsigned connections_max;
    char folder[FOLDER_MAX]; /* of the sockets */
};

static void print_figure(const char *key, double value) {
    if (!isnan(value))
        printf("\t%s=%.6g", key, value);
}

static void print_figures(const struct scenario *scenario, const struct contestant *contestant, const struct figures *figures) {
    printf("%s\t%s", scenario->name, contestant->name);
    print_figure("us", figures->us);
    print_figure("cpu_us", figures->cpu_us);
    print_figure("calls", figures->calls);
    print_figure("memory", figures->memory);
    print_figure("alone", figures->alone);
    printf("\n");
    fflush(stdout);
}

static int measure(const struct scenario *scenario, const struct contestant *contestant, const struct plan *plan) {
    static unsigned number;
    struct server servers[SERVERS_MAX];
    struct figures figures = {.us = NAN, .cpu_us = NAN, .calls = NAN, .memory = NAN, .alone = NAN};
    unsigned started = 0;
    int r = 0;
    for (; r == 0 && started < 1 + scenario->more_servers; started += r == 0) {
        char path[FOLDER_MAX + 12];
        snprintf(path, sizeof(path), "%s/%u", plan->folder, number++);
        r = server_start(contestant, scenario->tcp ? NULL : path, &plan->server_processor, &servers[started]);
    }
    if (r == 0)
        r = scenario->measure(scenario, servers, &figures);
    while (started > 0)
        server_stop(&servers[--started]);
    if (r < 0)
        fprintf(stderr, "bench-server: %s: %s: %s\n", scenario->name, contestant->name, kith_error_name(r));
    else
        print_figures(scenario, contestant, &figures);
    return r;
}

static int run_scenario(const struct scenario *scenario, const struct plan *plan) {
    size_t *order = calloc(contestant_count, sizeof(*order));
    int r = order ? 0 : -ENOMEM;
    for (unsigned repetition = 0; r == 0 && repetition < plan->repetitions; repetition++) {
        if (scenario->repetitions_max > 0 && repetition == scenario->repetitions_max)
            break;
        measure_shuffle(order, contestant_count);
        for (size_t i = 0; r == 0 && i < contestant_count; i++) {
            const struct contestant *contestant = &contestants[order[i]];
            if (scenario_takes(scenario, contestant) && measure_wanted(&plan->only, contestant->name))
                r = measure(scenario, contestant, plan);
        }
    }
    free(order);
    return r;
}

static int run(const struct plan *plan) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < scenario_count; i++) {
        struct scenario scenario = plan->quick ? scenario_quick(&scenarios[i]) : scenarios[i];
        if (!measure_wanted(&plan->scenarios, scenario.name) || (plan->counting && !scenario_count_calls(&scenario)))
            continue;
        if (scenario.plan.connections > plan->connections_max) {
            scenario.plan.connections = plan->connections_max;
            fprintf(stderr, "bench-server: %s: %u connections only: RLIMIT_NOFILE\n", scenario.name, plan->connections_max);
        }
        r = run_scenario(&scenario, plan);
    }
    return r;
}

static int make_folder(struct plan *plan) {
    const char *parent = getenv("TMPDIR");
    int length = snprintf(plan->folder, sizeof(plan->folder), "%s/kith-bench-XXXXXX", parent ? parent : "/tmp");
    if (length >= (int)sizeof(plan->folder))
        return -ENAMETOOLONG;
    return mkdtemp(plan->folder) ? 0 : -errno;
}

/* Processors, scheduling, descriptors, folder. */
static int prepare(struct plan *plan) {
    cpu_set_t allowed;
    struct rlimit limit;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    plan->connections_max = limit.rlim_cur > 1000000 ? 1000000 : (unsigned)limit.rlim_cur - DESCRIPTORS_ELSE;
    if (plan->one_core && sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}) < 0)
        return -errno;
    int r = measure_pin(&allowed, !plan->one_core);
    if (r == 0 && sched_getaffinity(0, sizeof(plan->server_processor), &plan->server_processor) < 0)
        r = -errno;
    if (r == 0)
        r = measure_pin(&allowed, false);
    if (r < 0)
        return r;
    return make_folder(plan);
}

static int list(void) {
    for (size_t i = 0; i < contestant_count; i++)
        printf("contestant\t%s\t%s\n", contestants[i].name, contestants[i].title);
    for (size_t i = 0; i < scenario_count; i++)
        printf("scenario\t%s\t%s\t%zu\n", scenarios[i].name, scenarios[i].title, scenarios[i].plan.size);
    return 0;
}

static int usage(void) {
    fprintf(
        stderr,
        "usage: bench-server [--list] [--only NAME]... [--scenario NAME]... [--repetitions N] [--one-core] [--quick] [--count-calls]\n");
    return 2;
}

static bool read_arguments(struct plan *plan, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--one-core") == 0)
            plan->one_core = true;
        else if (strcmp(argv[i], "--quick") == 0)
            plan->quick = true;
        else if (strcmp(argv[i], "--count-calls") == 0)
            plan->counting = true;
        else if (strcmp(argv[i], "--only") == 0 && has_value && contestant_find(argv[i + 1]) && measure_want(&plan->only, argv[i + 1]))
            i++;
        else if (strcmp(argv[i], "--scenario") == 0 && has_value && scenario_find(argv[i + 1]) &&
                 measure_want(&plan->scenarios, argv[i + 1]))
            i++;
        else if (strcmp(argv[i], "--repetitions") == 0 && has_value && atol(argv[i + 1]) > 0)
            plan->repetitions = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    struct plan plan = {.repetitions = 7};
    if (argc > 1 && strcmp(argv[1], "--serve") == 0)
        return server_main(argc, argv);
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (!read_arguments(&plan, argc, argv))
        return usage();
    srandom((unsigned)time(NULL));
    int r = prepare(&plan);
    if (r < 0) {
        fprintf(stderr, "bench-server: cannot choose a processor%s or make a folder: %s\n", plan.one_core ? "" : " and a second one",
                kith_error_name(r));
        return 1;
    }
    r = run(&plan);
    rmdir(plan.folder);
    return r < 0;
}
