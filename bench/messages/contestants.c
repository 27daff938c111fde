/* bench/messages/contestants.c: the table of them. */
#include <string.h>

#include "base/cleanup.h"
#include "bench/messages/contestant.h"

#define ROUND_TRIPS (PATTERN_BIT(PATTERN_REQREP) | PATTERN_BIT(PATTERN_PAIR))
#define STREAMS PATTERN_BIT(PATTERN_PUSHPULL)
#define FANOUT PATTERN_BIT(PATTERN_PUBSUB)
#define CROWD PATTERN_BIT(PATTERN_ROUTER)

/* nng and nanomsg publish without FANOUT: neither has a publisher that waits for slow subscribers, so messages would be lost. */
const struct contestant contestants[] = {
    {.name = "raw", .title = "raw socket, level-triggered epoll", .patterns = ROUND_TRIPS, .ops = &contestant_raw},
    {.name = "raw-creds",
     .title = "the same, recvmsg with SO_PASSCRED",
     .patterns = ROUND_TRIPS,
     .only_ipc = true,
     .ops = &contestant_raw_creds},
    {.name = "frames", .title = "frames packed by hand", .patterns = STREAMS, .ops = &contestant_frames},
    {.name = "frames-copied", .title = "the same, malloc and copy a message", .patterns = STREAMS, .ops = &contestant_frames_copied},
    {.name = "kith", .title = "kith", .patterns = ROUND_TRIPS | STREAMS | FANOUT | CROWD, .curve = true, .ops = &contestant_kith},
    {.name = "kith-epoll",
     .title = "the same, KITH_LOOP=epoll",
     .patterns = ROUND_TRIPS | STREAMS | FANOUT | CROWD,
     .curve = true,
     .ops = &contestant_kith_epoll},
    {.name = "kith-stream", .title = "kith/stream.h, no messages", .patterns = CROWD, .octets = true, .ops = &contestant_kith_stream},
    {.name = "libzmq", .title = "libzmq", .patterns = ROUND_TRIPS | STREAMS | FANOUT | CROWD, .curve = true, .ops = &contestant_libzmq},
    {.name = "nng", .title = "nng", .patterns = ROUND_TRIPS | STREAMS, .ops = &contestant_nng},
    {.name = "nanomsg", .title = "nanomsg", .patterns = ROUND_TRIPS | STREAMS, .ops = &contestant_nanomsg},
};
const size_t contestant_count = KITH_ARRAY_SIZE(contestants);

const struct contestant *contestant_find(const char *name) {
    for (size_t i = 0; i < contestant_count; i++)
        if (strcmp(contestants[i].name, name) == 0)
            return &contestants[i];
    return NULL;
}
