/* bench/trust/lookup.h: what it takes to look things up of a sender that is known. */
#ifndef KITH_BENCH_TRUST_LOOKUP_H
#define KITH_BENCH_TRUST_LOOKUP_H

/* Microseconds. */
struct lookup_figures {
    double execed;      /* whether a process whose program is known has exec()ed since */
    double tcp_user;    /* whose is the socket of a TCP peer on this host */
    double tcp_process; /* and which process has it: as many descriptors are looked at as the user has */
};

/* The peers are children, this very program with --one ENDPOINT. A negative errno, told on stderr. */
int lookup_measure(struct lookup_figures *ret_figures);

#endif
