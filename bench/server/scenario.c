/* See scenario.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "bench/measure.h"
#include "bench/server/flood.h"
#include "bench/server/scenario.h"
#include "bench/usage.h"

#define KIB ((size_t)1024)

KITH_DEFINE_CLEANUP(struct load *, load_free)
KITH_DEFINE_CLEANUP(struct flood *, flood_free)

/* Connects and asks until caches, pools and windows have their size. */
static int warm_up(const struct scenario *scenario, const struct server *server, struct load **ret_load) {
    struct load_plan plan = scenario->plan;
    plan.resp = server->contestant->resp;
    _cleanup_(load_freep) struct load *load = NULL;
    int r = load_new(&plan, &server->place, &load);
    if (r == 0)
        r = load_run_once(load);
    if (r == 0)
        r = load_run(load, scenario->requests / 8);
    if (r == 0)
        *ret_load = KITH_STEAL(load);
    return r;
}

/* The clock and the server's processor time. */
static int time_run(struct load *load, const struct server *server, unsigned long requests, double *ret_us, double *ret_cpu_us) {
    double cpu = measure_seconds(server->clock), start = measure_seconds(CLOCK_MONOTONIC);
    int r = load_run(load, requests);
    *ret_us = (measure_seconds(CLOCK_MONOTONIC) - start) * 1e6 / (double)requests;
    *ret_cpu_us = (measure_seconds(server->clock) - cpu) * 1e6 / (double)requests;
    return r;
}

static int measure_load(const struct scenario *scenario, struct server *server, struct figures *figures) {
    _cleanup_(load_freep) struct load *load = NULL;
    int r = warm_up(scenario, server, &load);
    return r < 0 ? r : time_run(load, server, scenario->requests, &figures->us, &figures->cpu_us);
}

static int count_load(const struct scenario *scenario, struct server *server, struct figures *figures) {
    _cleanup_(load_freep) struct load *load = NULL;
    _cleanup_(kith_closep) int counter = -1;
    uint64_t calls;
    int r = warm_up(scenario, server, &load);
    if (r < 0)
        return r;
    counter = usage_count_calls(server->pid);
    if (counter < 0)
        return 0; /* not permitted: not measured */
    r = load_run(load, scenario->requests);
    if (r < 0)
        return r;
    if (read(counter, &calls, sizeof(calls)) != (ssize_t)sizeof(calls))
        return -EIO;
    figures->calls = (double)calls / (double)scenario->requests;
    return r;
}

/* The served clients alone, then beside those that never read. */
static int measure_slow(const struct scenario *scenario, struct server *server, struct figures *figures) {
    _cleanup_(load_freep) struct load *load = NULL;
    _cleanup_(flood_freep) struct flood *flood = NULL;
    double ignored, before, after;
    int r = warm_up(scenario, server, &load);
    if (r == 0)
        r = time_run(load, server, scenario->requests, &figures->alone, &ignored);
    if (r == 0)
        r = usage_memory_peak(server->pid, true, &before);
    if (r == 0)
        r = flood_new(scenario->slow, &server->place, &flood);
    if (r == 0)
        r = flood_run(flood);
    if (r == 0)
        r = time_run(load, server, scenario->requests, &figures->us, &figures->cpu_us);
    if (r == 0)
        r = usage_memory_peak(server->pid, false, &after);
    if (r == 0)
        figures->memory = (after - before) / scenario->slow;
    return r;
}

/* In a process of its own, because a process has no descriptors for all: connects, asks once on each connection, says so, and stays. */
static pid_t hold_connections(const struct scenario *scenario, const struct server *server) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = measure_fork();
    if (pid == 0) {
        struct load_plan plan = scenario->plan;
        struct load *load;
        plan.resp = server->contestant->resp;
        int r = load_new(&plan, &server->place, &load);
        if (r == 0)
            r = load_run_once(load);
        if (r < 0 || write(ends[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char word;
    kith_close(ends[1]);
    bool held = pid > 0 && read(ends[0], &word, 1) == 1;
    kith_close(ends[0]);
    if (!held && pid > 0)
        measure_kill(pid);
    return held ? pid : pid < 0 ? pid : -EIO;
}

static int measure_memory(const struct scenario *scenario, struct server *servers, struct figures *figures) {
    /* What a server takes once, for all connections, it has after this. */
    const struct scenario few = {.plan = {.connections = 64, .depth = 1, .size = scenario->plan.size}, .requests = scenario->requests};
    pid_t holders[SERVERS_MAX] = {0};
    unsigned count = 1 + scenario->more_servers;
    double before = 0, after = 0, memory = 0;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < count; i++) {
        struct load *load = NULL;
        r = warm_up(&few, &servers[i], &load);
        load_free(load);
        if (r == 0)
            r = usage_memory(servers[i].pid, &before);
        if (r == 0) {
            holders[i] = hold_connections(scenario, &servers[i]);
            r = holders[i] < 0 ? holders[i] : 0;
        }
        if (r == 0)
            r = usage_memory(servers[i].pid, &after);
        memory += after - before;
    }
    for (unsigned i = 0; i < count; i++)
        if (holders[i] > 0)
            measure_kill(holders[i]);
    if (r == 0)
        figures->memory = memory / count / scenario->plan.connections;
    return r;
}

const struct scenario scenarios[] = {
    {.name = "tcp",
     .title = "64 connections, 64 octets, TCP",
     .tcp = true,
     .plan = {.connections = 64, .depth = 1, .size = 64},
     .requests = 80000,
     .measure = measure_load},
    {.name = "unix",
     .title = "64 connections, 64 octets, AF_UNIX",
     .plan = {.connections = 64, .depth = 1, .size = 64},
     .requests = 120000,
     .measure = measure_load},
    {.name = "tcp-pipelined",
     .title = "the same, 16 requests at a time, TCP",
     .tcp = true,
     .plan = {.connections = 64, .depth = 16, .size = 64},
     .requests = 640000,
     .measure = measure_load},
    {.name = "unix-pipelined",
     .title = "the same, 16 requests at a time, AF_UNIX",
     .plan = {.connections = 64, .depth = 16, .size = 64},
     .requests = 1280000,
     .measure = measure_load},
    {.name = "many",
     .title = "10,000 connections, 64 of them with a request under way, TCP",
     .tcp = true,
     .plan = {.connections = 10000, .busy = 64, .depth = 1, .size = 64},
     .requests = 60000,
     .measure = measure_load},
    {.name = "tcp-churn",
     .title = "connect, one request, close; 64 clients, TCP",
     .tcp = true,
     .plan = {.connections = 64, .depth = 1, .size = 64, .churn = true},
     .requests = 16000,
     .measure = measure_load},
    {.name = "unix-churn",
     .title = "connect, one request, close; 64 clients, AF_UNIX",
     .plan = {.connections = 64, .depth = 1, .size = 64, .churn = true},
     .requests = 40000,
     .measure = measure_load},
    {.name = "large",
     .title = "messages of 1 MiB, 8 connections, TCP",
     .tcp = true,
     .echo_only = true,
     .plan = {.connections = 8, .depth = 1, .size = 1024 * KIB},
     .requests = 1000,
     .measure = measure_load},
    {.name = "slow",
     .title = "16 connections served beside 1,000 clients that send and never read, TCP",
     .tcp = true,
     .echo_only = true,
     .plan = {.connections = 16, .depth = 1, .size = 64},
     .requests = 80000,
     .slow = 1000,
     .repetitions_max = 3,
     .measure = measure_slow},
    {.name = "memory",
     .title = "user memory an idle connection, 10,000 of them, TCP",
     .tcp = true,
     .plan = {.connections = 10000, .depth = 1, .size = 64},
     .requests = 40000,
     .repetitions_max = 3,
     .measure = measure_memory},
    {.name = "memory-48000",
     .title = "the same, three servers of 16,000 each",
     .tcp = true,
     .more_servers = 2,
     .repetitions_max = 3,
     .plan = {.connections = 16000, .depth = 1, .size = 64},
     .requests = 40000,
     .measure = measure_memory},
};
const size_t scenario_count = KITH_ARRAY_SIZE(scenarios);

const struct scenario *scenario_find(const char *name) {
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

bool scenario_takes(const struct scenario *scenario, const struct contestant *contestant) {
    return !(scenario->tcp && contestant->only_unix) && !(scenario->echo_only && contestant->resp);
}

bool scenario_count_calls(struct scenario *scenario) {
    if (scenario->measure != measure_load)
        return false;
    scenario->measure = count_load;
    return true;
}

struct scenario scenario_quick(const struct scenario *scenario) {
    struct scenario quick = *scenario;
    quick.requests = scenario->requests / 200;
    if (quick.plan.connections > 100)
        quick.plan.connections = 100;
    if (quick.slow > 0)
        quick.slow = 20;
    return quick;
}
