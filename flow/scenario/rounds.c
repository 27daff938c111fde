/*
 * flow/scenario/rounds.c: many short connections in one process, and how long they took: what recording costs is measured with it
 * (tools/bench-flow).
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
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
    printf("rounds=%u elapsed_ns=%" PRIu64 " processor_ns=%" PRIu64 "\n", rounds, elapsed, processor);
    return 0;
}
