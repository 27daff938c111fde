/*
 * map/kernel/program/kernel.h: what the programs need of the kernel's types. Only members that are read are named; where they lie, libbpf
 * finds in the types of the kernel that runs (CO-RE), so order and neighbours here mean nothing. Linux 5.15 to 6.18.
 */
#ifndef KITH_MAP_KERNEL_PROGRAM_KERNEL_H
#define KITH_MAP_KERNEL_PROGRAM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* What <linux/types.h> would define: bpf_helpers.h expects it. */
typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef unsigned long long __u64;
typedef int32_t __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* <linux/bpf.h> */
enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_RINGBUF = 27 };

/* <sys/socket.h>, <netinet/in.h>, <netinet/tcp.h> */
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6 };
enum { TCP_TIME_WAIT = 6, TCP_CLOSE = 7 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
    unsigned int inum;
};

struct net {
    struct ns_common ns;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct in6_addr {
    union {
        uint32_t u6_addr32[4];
    } in6_u;
};

typedef struct {
    __s64 counter;
} atomic64_t;

struct hlist_node {
    struct hlist_node *next;
};

struct sock;
struct request_sock;

struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    unsigned char skc_reuseport : 1;
    unsigned char skc_ipv6only : 1;
    int skc_bound_dev_if;
    possible_net_t skc_net;
    struct hlist_node skc_bind_node;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
    atomic64_t skc_cookie;
    struct sock *skc_listener;
};

struct socket;

struct sock {
    struct sock_common __sk_common;
    uint16_t sk_type;
    uint16_t sk_protocol;
    uint32_t sk_ack_backlog;
    uint32_t sk_max_ack_backlog;
};

struct inet_bind_bucket;
struct inet_bind2_bucket;

struct inet_connection_sock {
    struct inet_bind_bucket *icsk_bind_hash;
    struct inet_bind2_bucket *icsk_bind2_hash; /* 6.1 */
};

struct inet_timewait_sock {
    struct inet_bind_bucket *tw_tb;
    struct inet_bind2_bucket *tw_tb2; /* 6.2 */
};

struct inode {
    unsigned long i_ino;
};

struct file {
    struct inode *f_inode;
};

struct socket {
    struct file *file;
    struct sock *sk;
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
};

#pragma clang attribute pop

#endif
