/*
 * bench/server/redis.c: redis-server and its PING. Debian has its program in redis-tools already, as redis-check-rdb: which of the two it
 * is it reads in argv[0].
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench/measure.h"
#include "bench/server/contestant.h"

#define PROGRAM "/usr/bin/redis-check-rdb"
#define READY_LINE "eady to accept connections" /* "Ready ...", and of a unix socket "The server is now ready ..." */

/* redis does not take a listening socket: a port that was free a moment ago has to do. */
static int choose_port(const struct place *place, struct place *ret_place) {
    _cleanup_(kith_closep) int fd = place_listen(place, false);
    *ret_place = *place;
    if (fd < 0)
        return fd;
    return getsockname(fd, &ret_place->address.any, &ret_place->size) < 0 ? -errno : 0;
}

/* Reads redis's log to its end, and tells the parent when redis listens. */
static void follow_log(int log, const struct place *place, int ready) {
    _cleanup_(kith_closep) int descriptor = log;
    FILE *lines = fdopen(descriptor, "r");
    char line[512];
    while (lines && fgets(line, sizeof(line), lines))
        if (strstr(line, READY_LINE))
            place_announce_address(place, ready);
    _exit(0);
}

static void become_redis(const struct place *place) {
    char port[16] = "0";
    if (place_is_tcp(place))
        snprintf(port, sizeof(port), "%u", ntohs(place->address.in.sin_port));
    const char *unix_option = place_is_tcp(place) ? NULL : "--unixsocket";
    /* Protected mode answers 127.0.0.1 only, and clients come from more of 127/8. */
    execl(PROGRAM, "redis-server", "--bind", "127.0.0.1", "--protected-mode", "no", "--port", port, "--save", "", "--appendonly", "no",
          "--tcp-backlog", "4096", "--maxclients", "100000", unix_option, place->address.un.sun_path, (char *)NULL);
}

int serve_redis(const struct place *place, int ready) {
    struct place chosen = *place;
    if (access(PROGRAM, X_OK) < 0) {
        fprintf(stderr, "bench-server: redis: no %s: it is in Debian's package redis-tools\n", PROGRAM);
        return -errno;
    }
    int log[2], r = place_is_tcp(place) ? choose_port(place, &chosen) : 0;
    if (r < 0 || pipe2(log, O_CLOEXEC) < 0)
        return r < 0 ? r : -errno;
    pid_t follower = measure_fork();
    if (follower < 0)
        return follower;
    if (follower == 0) {
        kith_close(log[1]);
        follow_log(log[0], &chosen, ready);
    }
    kith_close(ready);
    if (dup2(log[1], STDOUT_FILENO) >= 0)
        become_redis(&chosen);
    return -errno;
}
