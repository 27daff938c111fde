/*
 * bench/bench-messages.c: message libraries against each other: kith, libzmq, nng, nanomsg, and what the kernel alone makes possible.
 *
 * All contestants of a scenario (messages/scenario.c) run in one invocation, in an order shuffled anew for each repetition, so that what
 * else the machine does falls on all of them alike: only the ratios within one run are to be trusted. One repetition of one contestant is a
 * process for each end, warmed up, and then as many messages as take the time asked for. Every message is checked where it arrives: one
 * that is lost, doubled or out of order ends the run.
 *
 * --placement: one-core (all ends on one), two-cores (the serving end on one, the others on another), free (as the kernel will). On one
 * core --batch has all ends under SCHED_BATCH: nobody is preempted by being woken.
 *
 * Output, one line a repetition: SCENARIO <tab> NAME, and a <tab> KEY=VALUE for each figure (struct figures). tools/bench-messages makes
 * the tables of it.
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
#include "bench/messages/address.h"
#include "bench/messages/scenario.h"

#define FOLDER_MAX 96 /* with a number behind it, it has to fit into sockaddr_un */

struct plan {
    unsigned repetitions;
    double seconds;
    const char *placement;
    bool batch;
    struct measure_names only, scenarios;
    cpu_set_t near, far;
    char folder[FOLDER_MAX]; /* of the sockets */
};

static void print_figure(const char *key, double value) {
    if (!isnan(value))
        printf("\t%s=%.6g", key, value);
}

static void print_figures(const struct trial *trial, const struct figures *figures) {
    printf("%s\t%s", trial->scenario->name, trial->contestant->name);
    print_figure("us", figures->times.us);
    print_figure("cpu_us", figures->times.cpu_us);
    print_figure("send_us", figures->times.send_us);
    print_figure("receive_us", figures->times.receive_us);
    print_figure("memory", figures->memory);
    print_figure("far_memory", figures->far_memory);
    printf("\n");
    fflush(stdout);
}

static int measure(const struct scenario *scenario, const struct contestant *contestant, const struct plan *plan) {
    struct trial trial = {
        .contestant = contestant,
        .scenario = scenario,
        .run = {.setup = scenario->setup, .near = plan->near, .far = plan->far, .seconds = plan->seconds},
    };
    struct figures figures;
    int r = address_choose(&trial.run.setup, plan->folder);
    if (r == 0)
        r = scenario_run(&trial, &figures);
    if (r < 0)
        fprintf(stderr, "bench-messages: %s: %s: %s\n", scenario->name, contestant->name, kith_error_name(r));
    else
        print_figures(&trial, &figures);
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
    for (size_t i = 0; r == 0 && i < scenario_count; i++)
        if (measure_wanted(&plan->scenarios, scenarios[i].name))
            r = run_scenario(&scenarios[i], plan);
    return r;
}

static int make_folder(struct plan *plan) {
    const char *parent = getenv("TMPDIR");
    int length = snprintf(plan->folder, sizeof(plan->folder), "%s/kith-bench-XXXXXX", parent ? parent : "/tmp");
    if (length >= (int)sizeof(plan->folder))
        return -ENAMETOOLONG;
    return mkdtemp(plan->folder) ? 0 : -errno;
}

/* Which processors the ends have. This process, which only waits, is where the serving end is. */
static int place(struct plan *plan) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return -errno;
    plan->near = plan->far = allowed;
    if (strcmp(plan->placement, "free") == 0)
        return 0;
    int r = measure_processor(&allowed, false, &plan->near);
    if (r == 0)
        r = measure_processor(&allowed, strcmp(plan->placement, "two-cores") == 0, &plan->far);
    return r < 0 ? r : measure_pin(&allowed, false);
}

static int prepare(struct plan *plan) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || (plan->batch && sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}) < 0))
        return -errno;
    int r = place(plan);
    return r < 0 ? r : make_folder(plan);
}

static int list(void) {
    for (size_t i = 0; i < contestant_count; i++)
        printf("contestant\t%s\t%s\n", contestants[i].name, contestants[i].title);
    for (size_t i = 0; i < scenario_count; i++)
        printf("scenario\t%s\t%s\t%s\t%zu\n", scenarios[i].name, scenarios[i].title, scenarios[i].kind, scenarios[i].setup.size);
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: bench-messages [--list] [--only NAME]... [--scenario NAME]... [--repetitions N] [--seconds S] [--quick]\n"
                    "                      [--placement one-core|two-cores|free] [--batch]\n");
    return 2;
}

static bool read_value(struct plan *plan, const char *option, const char *value) {
    if (strcmp(option, "--only") == 0)
        return contestant_find(value) && measure_want(&plan->only, value);
    if (strcmp(option, "--scenario") == 0)
        return scenario_find(value) && measure_want(&plan->scenarios, value);
    if (strcmp(option, "--repetitions") == 0)
        return (plan->repetitions = (unsigned)strtoul(value, NULL, 10)) > 0;
    if (strcmp(option, "--seconds") == 0)
        return (plan->seconds = strtod(value, NULL)) > 0;
    plan->placement = value;
    return strcmp(option, "--placement") == 0 &&
           (strcmp(value, "one-core") == 0 || strcmp(value, "two-cores") == 0 || strcmp(value, "free") == 0);
}

static bool read_arguments(struct plan *plan, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            plan->seconds = 0;
        else if (strcmp(argv[i], "--batch") == 0)
            plan->batch = true;
        else if (i + 1 == argc || !read_value(plan, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return true;
}

int main(int argc, char **argv) {
    struct plan plan = {.repetitions = 7, .seconds = 0.5, .placement = "two-cores"};
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (!read_arguments(&plan, argc, argv))
        return usage();
    srandom((unsigned)time(NULL));
    int r = prepare(&plan);
    if (r < 0) {
        fprintf(stderr, "bench-messages: cannot choose processors or make a folder: %s\n", kith_error_name(r));
        return 1;
    }
    r = run(&plan);
    rmdir(plan.folder);
    return r < 0;
}
