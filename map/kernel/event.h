/*
 * map/kernel/event.h: what happened between a listener and its sockets. Written by the program in the kernel, read as it is: compiled for
 * both, includes nothing of libc's.
 */
#ifndef KITH_MAP_KERNEL_EVENT_H
#define KITH_MAP_KERNEL_EVENT_H

#include <stdint.h>

enum map_follow_kind {
    MAP_FOLLOW_ESTABLISHED = 1, /* the kernel has put the connection on the listener's accept queue; TCP only */
    MAP_FOLLOW_ACCEPTED = 2,    /* accept(2) has taken it */
    MAP_FOLLOW_CLOSED = 3,      /* it is over: see map/kernel/follow.h */
};

struct map_follow_event {
    uint64_t time_ns;         /* CLOCK_MONOTONIC */
    uint64_t cookie;          /* of the connection; `closed`: of what was closed */
    uint64_t listener_cookie; /* `closed`: 0 */
    uint64_t inode;           /* AF_UNIX only: the numbers of the sockets' inodes, as in /proc/net/unix */
    uint64_t listener_inode;
    uint64_t netns;       /* inode number of the connection's network namespace */
    uint32_t pid;         /* `accepted` only: who accepted, a process as the first pid namespace numbers it */
    uint32_t uid;         /* likewise, as the first user namespace numbers it */
    char comm[16];        /* likewise, the thread's name; ends in a NUL */
    uint8_t kind;         /* enum map_follow_kind */
    uint8_t type;         /* SOCK_STREAM, SOCK_SEQPACKET */
    uint16_t family;      /* AF_INET, AF_INET6, AF_UNIX */
    uint16_t local_port;  /* of the connection, host order; AF_UNIX: 0 */
    uint16_t remote_port; /* likewise; a listener's: 0 */
    uint8_t local[16];    /* AF_INET: the first four octets; AF_UNIX: none */
    uint8_t remote[16];
};

#endif
