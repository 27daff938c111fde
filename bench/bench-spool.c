/*
 * bench/bench-spool.c: durable messages a second through the spool (gateway/spool), beside raw appends in the same folder.
 *
 * kith: messages of 256 octets are appended as fast as they are taken, until the last was told to be durable; one thread, which waits for
 * room as the gateway's loop does; the target reads and is done with nothing ("append"), or reads all that is durable and is done with it,
 * so that it is deleted too ("through"). raw: the same number of octets and of commits, each a write(2) and an fdatasync(2), at the end of
 * a new file. They take turns.
 *
 * Output, one line a repetition: append|through <tab> kith's messages a second <tab> raw's <tab> commits. Files are made in TMPDIR.
 * tools/bench-spool makes the table of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "bench/measure.h"
#include "gateway/spool/spool.h"

#define SIZE 256
#define READ_MAX (1 << 20)

struct run {
    struct spool *spool;
    bool through;
    uint64_t durable, read;
};

static void need(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "bench-spool: %s\n", what);
    exit(1);
}

static void durable(uint64_t id, void *userdata) {
    ((struct run *)userdata)->durable = id;
}

static void failed(const struct kith_error *error, void *userdata) {
    need(false, error->text);
}

static int see(const struct spool_message *message, void *userdata) {
    struct run *run = userdata;
    need(message->id == run->read + 1 && message->size == SIZE, "a message is missing");
    run->read = message->id;
    return 0;
}

static void read_some(struct run *run) {
    struct kith_error error;
    need(spool_read(run->spool, run->read, READ_MAX, see, run, &error) >= 0, "cannot read");
    spool_done(run->spool, 0, run->read);
}

static void step(struct run *run) {
    struct pollfd fd = {.fd = spool_fd(run->spool), .events = POLLIN};
    bool behind = run->through && run->read < run->durable;

    need(poll(&fd, 1, behind ? 0 : -1) >= 0, "poll");
    spool_dispatch(run->spool);
    if (run->through && run->read < run->durable)
        read_some(run);
}

/* Messages a second; ret_commits: how many there were. */
static double messages_of_kith(const char *folder, bool through, uint64_t count, uint64_t *ret_commits) {
    static const char *const targets[] = {"target", NULL};
    static const struct spool_ops ops = {.durable = durable, .failed = failed};
    const struct spool_options options = {.targets = targets};
    struct run run = {.through = through};
    struct kith_error error;
    struct spool_statistics statistics;
    char path[512], data[SIZE];

    snprintf(path, sizeof(path), "%s/bench-spool", folder);
    memset(data, 'x', sizeof(data));
    need(spool_open(path, &options, &ops, &run, &run.spool, &error) == 0, error.text);
    double from = measure_seconds(CLOCK_MONOTONIC);
    for (uint64_t n = 0; n < count;) {
        int r = spool_append(run.spool, "kernel://demo", n, 0, data, sizeof(data), NULL);
        need(r == 0 || r == -EAGAIN, kith_error_name(r));
        n += r == 0;
        if (r == -EAGAIN)
            step(&run);
    }
    while (run.durable < count || (through && run.read < count))
        step(&run);
    double seconds = measure_seconds(CLOCK_MONOTONIC) - from;
    spool_statistics(run.spool, &statistics);
    *ret_commits = statistics.commits;
    need(spool_close(run.spool, &error) == 0, error.text);
    unlink(path);
    strcat(path, ".lock");
    unlink(path);
    return (double)count / seconds;
}

static double messages_of_raw(const char *folder, uint64_t count, uint64_t commits) {
    char path[512];
    uint64_t left = count, batch = (count + commits - 1) / commits;
    char *octets = calloc(batch, SIZE);

    snprintf(path, sizeof(path), "%s/bench-raw", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    need(octets && fd >= 0, path);
    memset(octets, 'x', batch * SIZE);
    double from = measure_seconds(CLOCK_MONOTONIC);
    while (left > 0) {
        uint64_t now = left < batch ? left : batch;
        need(write(fd, octets, now * SIZE) == (ssize_t)(now * SIZE) && fdatasync(fd) == 0, path);
        left -= now;
    }
    double seconds = measure_seconds(CLOCK_MONOTONIC) - from;
    kith_close(fd);
    unlink(path);
    free(octets);
    return (double)count / seconds;
}

int main(int argc, char **argv) {
    unsigned repetitions = 11;
    uint64_t count = 500000;
    const char *folder = getenv("TMPDIR");

    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        repetitions = 1;
        count = 5000;
    } else if (argc > 1) {
        count = strtoull(argv[1], NULL, 10);
    }
    if (count == 0) {
        fprintf(stderr, "usage: bench-spool [--quick | MESSAGES]\n");
        return 2;
    }
    for (unsigned i = 0; i < 2 * repetitions; i++) {
        uint64_t commits;
        double kith = messages_of_kith(folder ? folder : "/tmp", i % 2, count, &commits);
        double raw = messages_of_raw(folder ? folder : "/tmp", count, commits);
        printf("%s\t%.0f\t%.0f\t%llu\n", i % 2 ? "through" : "append", kith, raw, (unsigned long long)commits);
    }
    return 0;
}
