/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* bench.h: the ways out of the kernel that kith_bench.ko measures, a file each. A way sends one message at a time, in a thread of its own.
 */
#ifndef KITH_BENCH_H
#define KITH_BENCH_H

#include <linux/types.h>
#include <net/net_namespace.h>

struct bench_task {
    const struct bench_way *way;
    unsigned int count, size;
    char target[32]; /* what the way needs: a port, or the name of a network interface */
    struct net *net;
    u8 *data;
    u8 *frame; /* the data behind its size: four octets more, for what has no bounds of its own */
    union {    /* the way's own */
        u32 port;
        struct socket *socket;
        struct net_device *device;
    };
};

struct bench_way {
    const char *name;
    int (*begin)(struct bench_task *task); /* may be NULL */
    int (*send)(struct bench_task *task);  /* -EAGAIN: later */
    void (*end)(struct bench_task *task);  /* after a begin that was well; may be NULL */
};

/* netlink.c: to a process: a channel of kith.ko; a datagram for each message */
extern const struct bench_way bench_channel, bench_unicast;
int bench_netlink_init(void);
void bench_netlink_exit(void);

/* tcp.c: a socket of the kernel's */
extern const struct bench_way bench_tcp;

/* frames.c: to a packet_type that counts them */
extern const struct bench_way bench_frames;
void bench_frames_init(void);
void bench_frames_exit(void);
/* How many have arrived since the last begin. */
unsigned int bench_frames_arrived(void);

#endif
