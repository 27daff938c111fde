/* workers/cpus.c: sched_getaffinity(2) for machines of any size: the kernel refuses a set that is smaller than its own. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "workers/cpus.h"

#define CPUS_MAX (64 * 1024)

/* The affinity of this thread in a set for *ret_size CPUs (to CPU_FREE()), or NULL with errno. */
static cpu_set_t *affinity(unsigned *ret_size) {
    for (unsigned size = CPU_SETSIZE; size <= CPUS_MAX; size *= 2) {
        cpu_set_t *set = CPU_ALLOC(size);
        if (!set) {
            errno = ENOMEM;
            return NULL;
        }
        if (sched_getaffinity(0, CPU_ALLOC_SIZE(size), set) == 0) {
            *ret_size = size;
            return set;
        }
        int error = errno;
        CPU_FREE(set);
        errno = error;
        if (error != EINVAL)
            return NULL;
    }
    return NULL;
}

int kith_cpus_usable(unsigned **ret_cpus) {
    unsigned size, count = 0;
    cpu_set_t *set = affinity(&size);
    if (!set)
        return -errno;
    unsigned *cpus = calloc((size_t)CPU_COUNT_S(CPU_ALLOC_SIZE(size), set), sizeof(*cpus));
    for (unsigned cpu = 0; cpus && cpu < size; cpu++)
        if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(size), set))
            cpus[count++] = cpu;
    CPU_FREE(set);
    if (!cpus)
        return -ENOMEM;
    *ret_cpus = cpus;
    return (int)count;
}

int kith_cpus_pin(unsigned cpu) {
    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    int r = sched_setaffinity(0, size, set) < 0 ? -errno : 0;
    CPU_FREE(set);
    return r;
}
