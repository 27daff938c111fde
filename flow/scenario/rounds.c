/*
 * flow/scenario/rounds.c: what recording costs is measured with this (tools/bench-flow): many short connections in one process, or many
 * runs of a whole program, and how long they took.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "flow/scenario/stage.h"

/* What is done once only, such as memory that grows, is over then. */
#define WARM_UP 20

static uint64_t now(clockid_t clock) {
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void say(unsigned rounds, uint64_t elapsed, uint64_t processor) {
    printf("rounds=%u elapsed_ns=%" PRIu64 " processor_ns=%" PRIu64 "\n", rounds, elapsed, processor);
}

static void play_round(int listener, const struct stage_address *address) {
    char octets[16];
    int client = (int)stage_check("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    stage_check("connect", connect(client, (const struct sockaddr *)&address->storage, address->size));
    int server = (int)stage_check("accept", accept(listener, NULL, NULL));
    stage_check("send", send(client, "ping", 4, 0));
    stage_check("recv", recv(server, octets, sizeof(octets), 0));
    stage_check("close", close(client));
    stage_check("close", close(server));
}

int stage_play_rounds(unsigned rounds) {
    struct stage stage = {.family = AF_INET};
    struct stage_address address = stage_loopback(&stage, 0);
    int listener = (int)stage_check("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    stage_check("bind", bind(listener, (struct sockaddr *)&address.storage, address.size));
    stage_check("listen", listen(listener, 8));
    address = stage_loopback(&stage, stage_port(listener));
    for (unsigned i = 0; i < WARM_UP; i++)
        play_round(listener, &address);
    uint64_t elapsed = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
    for (unsigned i = 0; i < rounds; i++)
        play_round(listener, &address);
    elapsed = now(CLOCK_MONOTONIC) - elapsed;
    processor = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
    close(listener);
    say(rounds, elapsed, processor);
    return 0;
}

/* From its exec() on: "kith-flow-scenario tcp". */
static void run_program(void) {
    int status = 0;
    pid_t pid = (pid_t)stage_check("fork", fork());

    if (pid == 0) {
        execl("/proc/self/exe", "kith-flow-scenario", "tcp", (char *)NULL);
        _exit(127);
    }
    stage_check("waitpid", waitpid(pid, &status, 0));
    if (status != 0) {
        fprintf(stderr, "kith-flow-scenario: tcp ended with status %d\n", status);
        exit(1);
    }
}

static uint64_t processor_of_children(void) {
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000 +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000;
}

int stage_play_runs(unsigned runs) {
    run_program();
    uint64_t elapsed = now(CLOCK_MONOTONIC), processor = processor_of_children();
    for (unsigned i = 0; i < runs; i++)
        run_program();
    elapsed = now(CLOCK_MONOTONIC) - elapsed;
    processor = processor_of_children() - processor;
    say(runs, elapsed, processor);
    return 0;
}
