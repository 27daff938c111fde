/*
 * bench-flow-decode.c: how long a large recording takes to decode, and how much memory: bench-flow-decode [EVENTS] (a million).
 *
 * The recording is made in memory: two tasks on four processors that call down twenty levels of a few hundred functions, with a probe now
 * and then. The time is also given as a ratio to the least that can be done, one pass over the pages' octets.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/measure.h"
#include "flow/decode/decode.h"
#include "flow/decode/testing.h"

#define LEVELS 20
#define FUNCTIONS 400
#define CPUS 4
#define PER_STAY 500 /* events of a task on a processor before the other one's turn */

static void make_events(struct maker *maker, size_t count) {
    uint64_t time = 1000000, random = 1;
    unsigned stacks[2][LEVELS], depths[2] = {0};

    for (size_t i = 0; i < count; i++) {
        unsigned task = i / PER_STAY % 2, cpu = i / PER_STAY % CPUS, *depth = &depths[task];
        random = random * 6364136223846793005 + 1442695040888963407;
        time += 50 + (random >> 40) % 1000;
        bool down = *depth == 0 || (*depth < LEVELS && (random >> 33) % 2);
        if (i % 100 == 99) {
            maker_probe(maker, MAKER_CONNECT, cpu, time, 7 + (int)task, 0, 0xabc, 0);
        } else if (down) {
            stacks[task][*depth] = (unsigned)(random >> 50) % FUNCTIONS;
            maker_entry(maker, cpu, time, 7 + (int)task, stacks[task][*depth], (int)*depth);
            ++*depth;
        } else {
            --*depth;
            maker_exit(maker, cpu, time, 7 + (int)task, stacks[task][*depth], (int)*depth);
        }
    }
    maker_flush(maker);
}

/* So that it cannot be left out. */
static volatile uint64_t total;

static double read_once(const struct flow_recording *recording) {
    double begin = measure_seconds(CLOCK_MONOTONIC);
    uint64_t sum = 0;

    for (size_t i = 0; i < recording->count; i++)
        for (size_t k = 0; k + 8 <= recording->sections[i].size; k += 8)
            sum += recording->sections[i].data[k];
    total = sum;
    return measure_seconds(CLOCK_MONOTONIC) - begin;
}

static long peak_megabytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss / 1024 : -1;
}

int main(int argc, char **argv) {
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    struct kith_error error = KITH_ERROR_NONE;
    struct flow_model *model = NULL;
    char names[FUNCTIONS * 16], *end = names;
    struct maker maker;

    for (unsigned i = 0; i < FUNCTIONS; i++)
        end += sprintf(end, "tcp_%u ", i);
    maker_init(&maker, "{}", names);
    make_events(&maker, count);
    long before = peak_megabytes();
    double least = read_once(&maker.recording), begin = measure_seconds(CLOCK_MONOTONIC);
    int r = flow_model_new(&maker.recording, NULL, &model, &error);
    double took = measure_seconds(CLOCK_MONOTONIC) - begin;
    if (r < 0) {
        fprintf(stderr, "bench-flow-decode: %s\n", error.text);
    } else {
        printf("%zu events, %zu calls: %.2f s, %.0f ns an event, %.0f times a pass over the octets; %ld MB at most, %ld MB of them the "
               "recording\n",
               count, model->call_count, took, took * 1e9 / (double)count, took / least, peak_megabytes(), before);
        if (model->seen_events != count || model_check(model))
            r = -1;
    }
    flow_model_free(model);
    maker_deinit(&maker);
    return r < 0;
}
