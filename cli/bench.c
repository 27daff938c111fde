/*
 * cli/bench.c: kith bench: how long a round trip takes, and how many messages go through, on this machine.
 *
 * The ends are those of the benchmark in bench/messages, a process each, kith's or the packaged libzmq's: every message is numbered and
 * checked where it arrives. A repetition is two (or more) fresh processes, warmed up; this process only waits and reads their clocks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kith/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "bench/measure.h"
#include "bench/messages/address.h"
#include "bench/messages/message.h"
#include "bench/messages/run.h"
#include "bench/messages/zeromq.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"

#define SIZE_LIMIT (8 * 1024 * 1024) /* half of what a socket takes by default: max-message */
#define REPETITIONS_MAX 1000
#define SUBSCRIBERS_MAX 1000

static const struct contestant kith = {.name = "kith", .ops = &contestant_kith};
static const struct contestant libzmq = {.name = "zeromq", .ops = &contestant_libzmq};

struct figure {
    const char *name, *unit, *meaning;
    size_t offset; /* in struct times */
};

struct bench {
    const struct kind *kind;
    const struct contestant *active, *passive;
    const char *endpoint; /* NULL: one of our own; "tcp": the same */
    const char *pattern, *placement;
    int64_t size, count, time_ms, repetitions, subscribers;
    bool zeromq, reverse, both, curve, json;
    struct run run;
    struct times *times; /* of each repetition */
};

struct pattern_name {
    const char *name;
    enum pattern pattern;
};

/* What can be measured, and with which patterns; the first is the default. */
struct kind {
    const char *name;
    struct pattern_name patterns[3];
    bool streams;
    int (*measure)(struct bench *bench, struct times *times);
};

static int measure_latency(struct bench *bench, struct times *times) {
    return run_round_trips(&bench->run, times);
}

static int measure_throughput(struct bench *bench, struct times *times) {
    return run_stream(&bench->run, times);
}

static int measure_fanout(struct bench *bench, struct times *times) {
    return run_fanout(&bench->run, (unsigned)bench->subscribers, times);
}

static const struct kind kinds[] = {
    {.name = "latency", .patterns = {{"req", PATTERN_REQREP}, {"pair", PATTERN_PAIR}}, .measure = measure_latency},
    {.name = "throughput",
     .patterns = {{"push", PATTERN_PUSHPULL}, {"pair", PATTERN_PAIR}},
     .streams = true,
     .measure = measure_throughput},
    {.name = "fanout", .patterns = {{"pub", PATTERN_PUBSUB}}, .streams = true, .measure = measure_fanout},
};

/* Options --------------------------------------------------------------------------------------------------------------------- */

enum {
    KEY_SIZE,
    KEY_COUNT,
    KEY_TIME,
    KEY_REPETITIONS,
    KEY_PATTERN,
    KEY_ENDPOINT,
    KEY_PLACEMENT,
    KEY_PEER,
    KEY_REVERSE,
    KEY_BOTH,
    KEY_SUBSCRIBERS,
    KEY_CURVE,
    KEY_JSON,
};

static const struct cli_option options[] = {
    {KEY_SIZE, "size", 's', "OCTETS", "of a message (64)"},
    {KEY_COUNT, "count", 'n', "N", "messages a repetition (as many as --time says)"},
    {KEY_TIME, "time", 't', "MS", "how long a repetition takes, about (500)"},
    {KEY_REPETITIONS, "repetitions", 0, "N", "medians and quartiles are of so many (5)"},
    {KEY_PATTERN, "pattern", 0, "NAME", "latency: req or pair; throughput: push or pair; fanout: pub"},
    {KEY_ENDPOINT, "endpoint", 'e', "ENDPOINT", "ipc or tcp, or ipc://... or tcp://127.0.0.1:PORT (ipc)"},
    {KEY_PLACEMENT, "placement", 0, "WHERE", "one-core, two-cores (an end each) or free (as the kernel will; the default)"},
    {KEY_PEER, "peer", 0, "NAME", "kith, or zeromq: who answers or receives (kith)"},
    {KEY_REVERSE, "reverse", 0, NULL, "the peer asks or sends instead"},
    {KEY_BOTH, "both", 0, NULL, "both ends are the peer"},
    {KEY_SUBSCRIBERS, "subscribers", 0, "N", "fanout: how many, a process each (10)"},
    {KEY_CURVE, "curve", 0, NULL, "encrypt with CURVE"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object"},
    {0},
};

static int take_word(const char *option, const char *value, const char *const *words, const char **ret_word) {
    for (; *words; words++)
        if (strcmp(*words, value) == 0) {
            *ret_word = *words;
            return 0;
        }
    cli_error("--%s: '%s' is none of those that kith help bench lists", option, value);
    return CLI_USAGE;
}

static int take_option(void *state, int key, const char *value) {
    static const char *const placements[] = {"one-core", "two-cores", "free", NULL}, *const peers[] = {"kith", "zeromq", NULL};
    struct bench *bench = state;
    const char *peer;
    int status;
    switch (key) {
    case KEY_SIZE:
        return cli_number("--size", value, MESSAGE_MIN, SIZE_LIMIT, &bench->size);
    case KEY_COUNT:
        return cli_number("--count", value, 1, INT32_MAX, &bench->count);
    case KEY_TIME:
        return cli_number("--time", value, 1, INT32_MAX, &bench->time_ms);
    case KEY_REPETITIONS:
        return cli_number("--repetitions", value, 1, REPETITIONS_MAX, &bench->repetitions);
    case KEY_SUBSCRIBERS:
        return cli_number("--subscribers", value, 1, SUBSCRIBERS_MAX, &bench->subscribers);
    case KEY_PLACEMENT:
        return take_word("placement", value, placements, &bench->placement);
    case KEY_PEER:
        status = take_word("peer", value, peers, &peer);
        bench->zeromq = status == 0 && strcmp(peer, "zeromq") == 0;
        return status;
    case KEY_PATTERN:
        bench->pattern = value;
        return 0;
    case KEY_ENDPOINT:
        bench->endpoint = value;
        return 0;
    }
    bench->reverse |= key == KEY_REVERSE;
    bench->both |= key == KEY_BOTH;
    bench->curve |= key == KEY_CURVE;
    bench->json |= key == KEY_JSON;
    return 0;
}

static int find_kind(struct bench *bench, const struct cli_verb *verb, char **words, int count) {
    for (size_t i = 0; count == 1 && i < KITH_ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].name, words[0]) == 0)
            bench->kind = &kinds[i];
    return bench->kind ? 0 : cli_usage(verb, "what is to be measured: latency, throughput or fanout");
}

static int find_pattern(struct bench *bench) {
    const struct pattern_name *patterns = bench->kind->patterns;
    if (!bench->pattern)
        bench->pattern = patterns[0].name;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(bench->kind->patterns) && patterns[i].name; i++)
        if (strcmp(patterns[i].name, bench->pattern) == 0) {
            bench->run.setup.pattern = patterns[i].pattern;
            return 0;
        }
    cli_error("--pattern: '%s' is nothing for %s", bench->pattern, bench->kind->name);
    return CLI_USAGE;
}

/* "ipc", "tcp", or the whole. Both ends are processes of this host. */
static int check_endpoint(struct bench *bench) {
    struct setup *setup = &bench->run.setup;
    struct kith_error error = KITH_ERROR_NONE;
    if (!bench->endpoint)
        bench->endpoint = "ipc";
    setup->tcp = strncmp(bench->endpoint, "tcp", 3) == 0;
    if (strcmp(bench->endpoint, "ipc") == 0 || strcmp(bench->endpoint, "tcp") == 0)
        return 0;
    if (!setup->tcp && strncmp(bench->endpoint, "ipc://", strlen("ipc://")) != 0) {
        cli_error("--endpoint: two processes meet at ipc:// or tcp://");
        return CLI_USAGE;
    }
    if (kith_endpoint_check(bench->endpoint, false, &error) < 0) {
        cli_fail(&error);
        return CLI_USAGE;
    }
    if ((size_t)snprintf(setup->endpoint, sizeof(setup->endpoint), "%s", bench->endpoint) >= sizeof(setup->endpoint)) {
        cli_error("--endpoint: it is longer than %zu octets", sizeof(setup->endpoint) - 1);
        return CLI_USAGE;
    }
    return 0;
}

/* Measuring ------------------------------------------------------------------------------------------------------------------- */

/* An endpoint that nobody else has. */
static int choose_endpoint(struct bench *bench) {
    static unsigned number;
    struct setup *setup = &bench->run.setup;
    if (strchr(bench->endpoint, ':'))
        return 0;
    if (setup->tcp)
        return address_choose(setup, NULL);
    snprintf(setup->endpoint, sizeof(setup->endpoint), "ipc://@kith-bench-%d-%u", (int)getpid(), number++);
    return 0;
}

static int place(struct bench *bench) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return -errno;
    bench->run.near = bench->run.far = allowed;
    if (strcmp(bench->placement, "free") == 0)
        return 0;
    int r = measure_processor(&allowed, false, &bench->run.near);
    return r < 0 ? r : measure_processor(&allowed, strcmp(bench->placement, "two-cores") == 0, &bench->run.far);
}

static int measure_once(struct bench *bench, struct times *times) {
    unsigned ends = bench->kind->measure == measure_fanout ? 1 + (unsigned)bench->subscribers : 2;
    int r = choose_endpoint(bench);
    if (r == 0)
        r = run_init(&bench->run, ends);
    if (r == 0)
        r = bench->kind->measure(bench, times);
    run_deinit(&bench->run);
    /* A path stays behind a process that was killed. */
    if (!bench->run.setup.tcp && bench->run.setup.endpoint[strlen("ipc://")] != '@')
        unlink(bench->run.setup.endpoint + strlen("ipc://"));
    return r;
}

static int measure(struct bench *bench) {
    struct run *run = &bench->run;
    bool publishes = run->setup.pattern == PATTERN_PUBSUB;
    const struct contestant *peer = bench->zeromq ? &libzmq : &kith;
    bench->active = bench->both || bench->reverse ? peer : &kith;
    bench->passive = bench->both || !bench->reverse ? peer : &kith;
    run->serving = publishes ? bench->active : bench->passive;
    run->connecting = publishes ? bench->passive : bench->active;
    run->setup.size = (size_t)bench->size;
    run->setup.curve = bench->curve;
    run->count = (uint64_t)bench->count;
    run->seconds = bench->count > 0 ? 0 : (double)bench->time_ms / 1000;
    bench->times = calloc((size_t)bench->repetitions, sizeof(*bench->times));
    int r = bench->times ? place(bench) : -ENOMEM;
    if (r == 0 && bench->zeromq)
        r = zeromq_load();
    for (int64_t i = 0; i < bench->repetitions && r == 0; i++)
        r = measure_once(bench, &bench->times[i]);
    return r;
}

/* Telling --------------------------------------------------------------------------------------------------------------------- */

static const struct figure latency_figures[] = {
    {"us", "us", "a round trip", offsetof(struct times, us)},
    {"cpu_us", "us", "processor time of both", offsetof(struct times, cpu_us)},
    {0},
};
static const struct figure stream_figures[] = {
    {"us", "us", "a message delivered", offsetof(struct times, us)},
    {"send_us", "us", "processor time to send one", offsetof(struct times, send_us)},
    {"receive_us", "us", "processor time to receive one", offsetof(struct times, receive_us)},
    {0},
};

struct quartiles {
    double low, median, high;
};

static int compare(const void *a, const void *b) {
    const double *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* Between the two nearest of `count` sorted values. */
static double quantile(const double *sorted, size_t count, double where) {
    double at = where * (double)(count - 1);
    size_t below = (size_t)at;
    return below + 1 < count ? sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]) : sorted[below];
}

static struct quartiles quartiles_of(const struct bench *bench, const struct figure *figure) {
    double values[REPETITIONS_MAX];
    size_t count = (size_t)bench->repetitions;
    for (size_t i = 0; i < count; i++)
        values[i] = *(const double *)(const void *)((const char *)&bench->times[i] + figure->offset);
    qsort(values, count, sizeof(*values), compare);
    return (struct quartiles){quantile(values, count, 0.25), quantile(values, count, 0.5), quantile(values, count, 0.75)};
}

static const struct figure *figures_of(const struct bench *bench) {
    return bench->kind->streams ? stream_figures : latency_figures;
}

static void print_text(const struct bench *bench) {
    struct quartiles us = quartiles_of(bench, figures_of(bench));
    cli_print("%s, %s, %s to %s, %" PRId64 " octets, %s, %s: %" PRId64 " repetitions\n", bench->kind->name, bench->pattern,
              bench->active->name, bench->passive->name, bench->size, bench->endpoint, bench->placement, bench->repetitions);
    for (const struct figure *figure = figures_of(bench); figure->name; figure++) {
        struct quartiles found = quartiles_of(bench, figure);
        cli_print("%10.3f %s  %s (%.3f to %.3f)\n", found.median, figure->unit, figure->meaning, found.low, found.high);
    }
    if (bench->kind->streams)
        cli_print("%10.0f /s  messages delivered, %.1f MiB/s\n", 1e6 / us.median, (double)bench->size / us.median * 1e6 / (1024 * 1024));
}

static int add_figures(const struct bench *bench, json_t *object) {
    int r = 0;
    for (const struct figure *figure = figures_of(bench); figure->name && r == 0; figure++) {
        struct quartiles found = quartiles_of(bench, figure);
        r = json_object_set_new(object, figure->name,
                                json_pack("{s:f, s:f, s:f}", "median", found.median, "low", found.low, "high", found.high));
    }
    return r;
}

static int print_json(const struct bench *bench) {
    json_auto_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:b, s:I}", "bench", bench->kind->name, "pattern", bench->pattern, "from",
                  bench->active->name, "to", bench->passive->name, "size", (json_int_t)bench->size, "endpoint", bench->endpoint,
                  "placement", bench->placement, "curve", (int)bench->curve, "repetitions", (json_int_t)bench->repetitions);
    int r = object ? 0 : -ENOMEM;
    if (r == 0 && bench->kind->measure == measure_fanout)
        r = json_object_set_new(object, "subscribers", json_integer(bench->subscribers)) < 0 ? -ENOMEM : 0;
    if (r == 0)
        r = add_figures(bench, object) < 0 ? -ENOMEM : cli_json_print(object);
    if (r == -ENOMEM)
        cli_error("out of memory");
    return r == -ENOMEM ? CLI_ERROR : CLI_OK;
}

static int tell(struct bench *bench, int r) {
    if (r == -ENODEV)
        cli_error("--placement: this process may use one processor only");
    else if (r == -ETIMEDOUT)
        cli_error("nothing came for a minute: a message was lost, or the ends cannot meet");
    else if (r < 0)
        cli_error("%s", kith_error_name(r));
    if (r < 0)
        return CLI_ERROR;
    if (bench->json)
        return print_json(bench);
    print_text(bench);
    return CLI_OK;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct bench bench = {.placement = "free", .size = 64, .time_ms = 500, .repetitions = 5, .subscribers = 10};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &bench, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    status = find_kind(&bench, verb, words, count);
    if (status == 0)
        status = find_pattern(&bench);
    if (status == 0)
        status = check_endpoint(&bench);
    if (status != 0)
        return status;
    status = tell(&bench, measure(&bench));
    free(bench.times);
    return status;
}

const struct cli_verb cli_bench = {
    .name = "bench",
    .summary = "measure round trips and streams of messages between two processes here",
    .usage = "latency|throughput|fanout [OPTIONS]",
    .details =
        "latency asks and waits for the answer, throughput sends as fast as it can, fanout publishes to many subscribers. Each end is a\n"
        "process; every message is checked where it arrives. With --peer zeromq the other end is the packaged libzmq.",
    .options = options,
    .run = run,
};
