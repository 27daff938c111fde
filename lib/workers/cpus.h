/* workers/cpus.h: the CPUs that this process may use. */
#ifndef KITH_WORKERS_CPUS_H
#define KITH_WORKERS_CPUS_H

/* Their numbers, in order, into a new array (to free()). Returns how many (at least 1). Errors: those of sched_getaffinity(2), -ENOMEM. */
int kith_cpus_usable(unsigned **ret_cpus);
/* Binds the calling thread to one CPU. Errors: those of sched_setaffinity(2), -ENOMEM. */
int kith_cpus_pin(unsigned cpu);

#endif
