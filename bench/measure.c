/* See measure.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure.h"

bool measure_want(struct measure_names *names, const char *name) {
    if (names->count == MEASURE_NAMES_MAX)
        return false;
    names->names[names->count++] = name;
    return true;
}

bool measure_wanted(const struct measure_names *names, const char *name) {
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    return names->count == 0;
}

double measure_seconds(clockid_t clock) {
    struct timespec ts = {0};
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int measure_processor(const cpu_set_t *allowed, bool second, cpu_set_t *ret_one) {
    int skip = second;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, allowed) || skip-- > 0)
            continue;
        CPU_ZERO(ret_one);
        CPU_SET(cpu, ret_one);
        return 0;
    }
    return -ENODEV;
}

int measure_pin(const cpu_set_t *allowed, bool second) {
    cpu_set_t one;
    int r = measure_processor(allowed, second, &one);
    if (r < 0)
        return r;
    return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
}

void measure_shuffle(size_t *order, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)random() % (i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

pid_t measure_fork(void) {
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid < 0 ? -errno : pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it ended before the kernel was told */
    return 0;
}

void measure_kill(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
