/* See scenario.h. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/measure.h"
#include "bench/messages/crowd.h"
#include "bench/messages/message.h"
#include "bench/messages/scenario.h"
#include "bench/usage.h"

#define KIB ((size_t)1024)
#define FEW_CLIENTS 64

static int measure_round_trips(struct trial *trial, struct figures *figures) {
    return run_round_trips(&trial->run, &figures->times);
}

static int measure_stream(struct trial *trial, struct figures *figures) {
    return run_stream(&trial->run, &figures->times);
}

static int measure_fanout(struct trial *trial, struct figures *figures) {
    return run_fanout(&trial->run, trial->scenario->subscribers, &figures->times);
}

/* Memory of both ends for the subscriptions, then messages that match one of them, or none. */
static int measure_topics(struct trial *trial, struct figures *figures) {
    struct run *run = &trial->run;
    const struct cast cast = {
        .active = &run->peers[0], .receivers = &run->peers[1], .receiver_count = run->setup.astray ? 0 : 1, .job = JOB_SEND};
    double before[2] = {0}, after[2] = {0};
    int r = run_start(run, true);
    if (r == 0)
        r = run_start(run, false);
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = usage_memory(run->peers[i].pid, &before[i]);
    if (r == 0)
        r = run_subscribe(run, 1);
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = usage_memory(run->peers[i].pid, &after[i]);
    if (r < 0)
        return r;
    figures->memory = (after[0] - before[0]) / run->setup.topics;
    figures->far_memory = (after[1] - before[1]) / run->setup.topics;
    return run_timed(run, &cast, &figures->times);
}

static int measure_clients(struct trial *trial, struct figures *figures) {
    struct run *run = &trial->run;
    unsigned clients = run->seconds > 0 ? trial->scenario->clients : FEW_CLIENTS;
    bool octets = trial->contestant->octets;
    pid_t few = -1, many = -1;
    double before, after;
    int r = run_start(run, true);
    if (r == 0)
        r = peer_tell(&run->peers[0], JOB_ANSWER, 0, 0);
    /* What a server takes once, for all clients, it has after this. */
    if (r == 0)
        r = few = crowd_start(&run->setup, octets, FEW_CLIENTS);
    if (r >= 0)
        r = usage_memory(run->peers[0].pid, &before);
    if (r >= 0)
        r = many = crowd_start(&run->setup, octets, clients);
    if (r >= 0)
        r = usage_memory(run->peers[0].pid, &after);
    if (r >= 0)
        figures->memory = (after - before) / clients;
    if (few > 0)
        measure_kill(few);
    if (many > 0)
        measure_kill(many);
    return r < 0 ? r : 0;
}

/* The table ----------------------------------------------------------------------------------------------------------------- */

#define LATENCY(word, what, id, is_tcp)                                                                                                    \
    {                                                                                                                                      \
        .name = word, .title = what ", 64 octets", .kind = "latency", .measure = measure_round_trips, .setup = {                           \
            .pattern = id,                                                                                                                 \
            .size = 64,                                                                                                                    \
            .tcp = is_tcp                                                                                                                  \
        }                                                                                                                                  \
    }
#define STREAM(word, what, octets, ...)                                                                                                    \
    {                                                                                                                                      \
        .name = word, .title = what, .kind = "throughput", .measure = measure_stream, .setup = {                                           \
            .pattern = PATTERN_PUSHPULL,                                                                                                   \
            .size = octets,                                                                                                                \
            __VA_ARGS__                                                                                                                    \
        }                                                                                                                                  \
    }

const struct scenario scenarios[] = {
    LATENCY("reqrep-ipc", "REQ and REP, ipc", PATTERN_REQREP, false),
    LATENCY("reqrep-tcp", "REQ and REP, tcp", PATTERN_REQREP, true),
    LATENCY("pair-ipc", "PAIR and PAIR, ipc", PATTERN_PAIR, false),
    LATENCY("pair-tcp", "PAIR and PAIR, tcp", PATTERN_PAIR, true),
    STREAM("push-ipc-16", "PUSH to PULL, 16 octets, ipc", 16, .tcp = false),
    STREAM("push-ipc-64", "PUSH to PULL, 64 octets, ipc", 64, .tcp = false),
    STREAM("push-ipc-1k", "PUSH to PULL, 1 KiB, ipc", KIB, .tcp = false),
    STREAM("push-ipc-64k", "PUSH to PULL, 64 KiB, ipc", 64 * KIB, .tcp = false),
    STREAM("push-ipc-1m", "PUSH to PULL, 1 MiB, ipc", KIB *KIB, .tcp = false),
    STREAM("push-tcp-16", "PUSH to PULL, 16 octets, tcp", 16, .tcp = true),
    STREAM("push-tcp-64", "PUSH to PULL, 64 octets, tcp", 64, .tcp = true),
    STREAM("push-tcp-1k", "PUSH to PULL, 1 KiB, tcp", KIB, .tcp = true),
    STREAM("push-tcp-64k", "PUSH to PULL, 64 KiB, tcp", 64 * KIB, .tcp = true),
    STREAM("push-tcp-1m", "PUSH to PULL, 1 MiB, tcp", KIB *KIB, .tcp = true),
    STREAM("curve-1k", "PUSH to PULL with CURVE, 1 KiB, ipc", KIB, .curve = true),
    {.name = "pub-10",
     .title = "XPUB to 10 SUB, a process each, 64 octets, ipc",
     .kind = "fanout",
     .setup = {.pattern = PATTERN_PUBSUB, .size = 64},
     .subscribers = 10,
     .measure = measure_fanout},
    {.name = "pub-100",
     .title = "XPUB to 100 SUB, a process each, 64 octets, ipc",
     .kind = "fanout",
     .setup = {.pattern = PATTERN_PUBSUB, .size = 64},
     .subscribers = 100,
     .measure = measure_fanout},
    {.name = "topics",
     .title = "a message to one of 100,000 subscriptions of one SUB, 64 octets, ipc",
     .kind = "topics",
     .setup = {.pattern = PATTERN_PUBSUB, .size = 64, .topics = TOPICS_MAX},
     .subscribers = 1,
     .repetitions_max = 3,
     .measure = measure_topics},
    {.name = "topics-astray",
     .title = "a message that none of 100,000 subscriptions matches",
     .kind = "topics",
     .setup = {.pattern = PATTERN_PUBSUB, .size = 64, .topics = TOPICS_MAX, .astray = true},
     .subscribers = 1,
     .repetitions_max = 3,
     .measure = measure_topics},
    {.name = "clients-ipc",
     .title = "user memory a client of one ROUTER, 10,000 of them, ipc",
     .kind = "memory",
     .setup = {.pattern = PATTERN_ROUTER, .size = 64},
     .clients = 10000,
     .repetitions_max = 3,
     .measure = measure_clients},
    {.name = "clients-tcp",
     .title = "the same, tcp",
     .kind = "memory",
     .setup = {.pattern = PATTERN_ROUTER, .size = 64, .tcp = true},
     .clients = 10000,
     .repetitions_max = 3,
     .measure = measure_clients},
};
const size_t scenario_count = KITH_ARRAY_SIZE(scenarios);

const struct scenario *scenario_find(const char *name) {
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

bool scenario_takes(const struct scenario *scenario, const struct contestant *contestant) {
    return (contestant->patterns & PATTERN_BIT(scenario->setup.pattern)) != 0 && !(scenario->setup.tcp && contestant->only_ipc) &&
           (!scenario->setup.curve || contestant->curve);
}

int scenario_run(struct trial *trial, struct figures *figures) {
    *figures = (struct figures){.times = {.us = NAN, .cpu_us = NAN, .send_us = NAN, .receive_us = NAN}, .memory = NAN, .far_memory = NAN};
    trial->run.serving = trial->run.connecting = trial->contestant;
    int r = run_init(&trial->run, 2 + trial->scenario->subscribers);
    if (r == 0)
        r = trial->scenario->measure(trial, figures);
    run_deinit(&trial->run);
    if (!trial->run.setup.tcp)
        unlink(trial->run.setup.endpoint + strlen("ipc://"));
    return r;
}
