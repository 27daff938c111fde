/*
 * flow/decode/model.h: a recording as it is looked at: calls, and what happened in them. Made by decode.h; views only read it.
 *
 * Invariants: calls are in the order in which they began; a call's parent has a smaller index and its interval holds the child's; children
 * are linked in order. Softirq work is cut out of the call that it interrupted or that ran it: each packet received
 * (__netif_receive_skb, net_rx_action's flows) is a root of its own in FLOW_SOFTIRQ, with `handed_from` the call it was cut from. Marks are
 * in the order of time.
 */
#ifndef KITH_FLOW_MODEL_H
#define KITH_FLOW_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define FLOW_NONE UINT32_MAX

enum flow_lane {
    FLOW_CLIENT,  /* the task that connects, or sends first */
    FLOW_SOFTIRQ, /* whoever ran it */
    FLOW_SERVER,  /* the task that accepts, or receives first */
    FLOW_OTHER,   /* recorded tasks that are neither */
    FLOW_LANES_
};

/* From the top of the kernel to the device and up again. */
enum flow_layer {
    FLOW_SYSCALL,
    FLOW_SOCKET,    /* net/socket.c, net/core/sock.c, fs */
    FLOW_TRANSPORT, /* TCP, UDP, AF_UNIX, netlink */
    FLOW_IP,        /* IPv4, IPv6, routing, netfilter */
    FLOW_DEVICE,    /* neighbours, queueing, devices */
    FLOW_RECEIVE,   /* softirq: from the device up */
    FLOW_ELSEWHERE, /* not net/ */
    FLOW_LAYERS_
};

struct flow_function {
    const char *name;      /* of the model's memory, as all texts here */
    const char *module;    /* NULL: the kernel itself */
    const char *prototype; /* from BTF, or NULL */
    const char *file;      /* "net/ipv4/tcp_output.c", where it is known, or NULL; of the program, or of the model's memory */
    unsigned line;         /* 0: unknown */
    uint64_t address;
    enum flow_layer layer;
    uint32_t calls; /* how often it occurs */
    bool landmark;  /* always shown */
    bool helper;    /* a leaf that many call: folded at the lower levels of detail */
};

struct flow_task {
    int32_t pid;
    const char *name;
    enum flow_lane lane;
};

enum {
    FLOW_UNFINISHED = 1 << 0, /* its end was not recorded: end_ns is that of the recording, or of the caller */
    FLOW_UNBEGUN = 1 << 1,    /* its beginning was not recorded */
    FLOW_HANDED = 1 << 2,     /* a root in FLOW_SOFTIRQ */
    FLOW_BACKLOG = 1 << 3,    /* work that was put off while the socket was locked: below release_sock() */
};

struct flow_call {
    uint32_t function, task;
    uint32_t parent, first_child, next; /* FLOW_NONE */
    uint32_t handed_from;               /* FLOW_NONE, or the call that softirq work was cut from */
    uint64_t begin_ns, end_ns;          /* since the recording began */
    uint16_t depth;                     /* below its root, which has 0 */
    uint8_t lane;                       /* enum flow_lane */
    uint8_t flags;
    uint16_t cpu;
};

enum flow_mark_type {
    FLOW_MARK_STATE,    /* a socket's state changed */
    FLOW_MARK_PACKET,   /* a segment or datagram was received, or sent where that was recorded */
    FLOW_MARK_DATAGRAM, /* UDP: `packet`, without flags and numbers */
    FLOW_MARK_LINK,     /* a listener and its child */
    FLOW_MARK_ACCEPT,   /* accept() gave that child out */
    FLOW_MARK_SOCKET,   /* a call worked on this socket (connect, sendmsg, recvmsg, close) */
    FLOW_MARK_LOST,     /* events were lost here */
};

struct flow_address {
    uint8_t family; /* AF_INET, AF_INET6, AF_UNIX or 0 */
    uint8_t octets[16];
    uint16_t port; /* host order */
};

struct flow_mark {
    enum flow_mark_type type;
    uint64_t time_ns;
    uint32_t call; /* the innermost call that was running, or FLOW_NONE */
    uint32_t task;
    uint16_t cpu;
    uint64_t socket; /* the kernel's address of it: a name, nothing else; 0: unknown */
    union {
        struct {
            uint8_t before, after; /* TCP_ESTABLISHED... of netinet/tcp.h */
            struct flow_address local, remote;
        } state;
        struct {
            uint8_t flags; /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
            uint16_t source, destination;
            uint32_t sequence, acknowledged, octets;
            bool sent; /* false: received */
        } packet;
        struct {
            uint64_t child; /* `socket` is the listener */
        } link;
        struct {
            uint64_t events;
        } lost;
    };
};

/* Something that must be said below every view. */
struct flow_note {
    bool is_loss;
    const char *text;
};

struct flow_model {
    struct flow_function *functions;
    struct flow_task *tasks;
    struct flow_call *calls;
    struct flow_mark *marks;
    struct flow_note *notes;
    size_t function_count, task_count, call_count, mark_count, note_count;
    uint64_t duration_ns, lost_events, seen_events;
    const char *kernel, *machine, *scenario, *command, *recorded_at; /* "6.1.0-50-amd64", "x86_64", "tcp" or NULL, ... */
    bool whole, probes_only;
    void *memory; /* of the texts */
};

struct flow_model *flow_model_free(struct flow_model *model);
KITH_DEFINE_CLEANUP(struct flow_model *, flow_model_free)

/* The name of an RFC 9293 state ("SYN-SENT"), a lane, a layer; for people and in JSON. */
const char *flow_state_name(uint8_t state);
const char *flow_lane_name(enum flow_lane lane);
const char *flow_layer_name(enum flow_layer layer);

#endif
