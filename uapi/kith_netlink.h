/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * kith_netlink.h: the interface between kith.ko and user space, and its specification.
 *
 * One generic netlink family (genetlink; linux/genetlink.h), KITH_GENL_NAME. A request is answered in the thread that sends it; numbers are
 * in host byte order. Attributes that are unknown, of the wrong size or out of bounds are refused (-EINVAL, -ERANGE), and every refusal
 * carries a text (NETLINK_EXT_ACK, netlink(7)). A port id is not a pid: kith.ko takes processes from the kernel, never from the port.
 *
 * A channel is named by its owner, a kernel module. It belongs to one network namespace, or to all (KITH_A_GLOBAL): a name is looked for
 * in the sender's namespace first, and among the global ones then. Who may do what is the owner's word: see KITH_CMD_JOIN and
 * KITH_CMD_SEND.
 *
 *     command            from    attributes                              answer
 *     KITH_CMD_GET       user    CHANNEL (one), or none with NLM_F_DUMP  KITH_CMD_CHANNEL, one for each
 *     KITH_CMD_JOIN      user    CHANNEL, [WINDOW], [RING]               KITH_CMD_CHANNEL; after it KITH_CMD_MESSAGES, or the ring
 *     KITH_CMD_LEAVE     user    CHANNEL
 *     KITH_CMD_ACK       user    CHANNEL, SEQUENCE
 *     KITH_CMD_SEND      user    CHANNEL, DATA                           KITH_CMD_REPLY with DATA, when the owner answers
 *     KITH_CMD_REPLY     user    CHANNEL, REQUEST, DATA
 *     KITH_CMD_MESSAGES  kernel  CHANNEL, MESSAGE...
 *     KITH_CMD_CLOSED    kernel  CHANNEL                                 the owner closed it: the receiver has left
 *
 * Delivery. Every message of a channel has a sequence number, 1 more than the one before. A receiver gets several messages in one datagram
 * and says with KITH_CMD_ACK up to which number it is done; without that the kernel stops after WINDOW datagrams. What is not acknowledged
 * waits in the channel's backlog, which is bounded in octets (struct kith_channel_config says what then happens). So a receiver that is
 * slow or stopped costs the backlog and nothing else, and ENOBUFS on its socket loses no message (but perhaps KITH_CMD_CLOSED: ask with
 * KITH_CMD_GET). With KITH_MODE_ONE there is one receiver at a time (-EBUSY), and what one has not acknowledged when it dies goes to the
 * next, marked KITH_MESSAGE_AGAIN if it was sent before. With KITH_MODE_ALL each receiver gets what is sent while it is there; with
 * KITH_MODE_LATEST too, but of what waits only the newest. A gap in the sequence numbers is what was lost, and KITH_A_LOST counts it. A
 * receiver that closes its socket or dies, by SIGKILL too, has left.
 *
 * Ring. A receiver that joins with KITH_A_RING gets its messages through memory: the answer has the octets of the ring in KITH_A_RING and a
 * descriptor in KITH_A_FD, which is close-on-exec and open in the process when the request returns. Everything else stays as it is:
 * numbers, modes, marks, counters. The ring is one more place where messages wait: in front of the channel's backlog, into which goes what
 * does not fit; with KITH_MODE_LATEST it holds one message. No memory, too large a ring or an older kith.ko: the request is refused, and
 * the same without KITH_A_RING is not. The ring's memory counts as locked by the user (RLIMIT_MEMLOCK, unless CAP_IPC_LOCK), and in its
 * cgroup.
 *
 *     offset of mmap(2)     octets               may be mapped
 *     0                     a page               PROT_READ | PROT_WRITE, MAP_SHARED    struct kith_ring_consumer
 *     a page                a page + 2 * RING    PROT_READ, MAP_SHARED                 struct kith_ring_producer, and from the next page on
 *                                                                                      the records, RING octets that are there twice
 *
 * So no record is in two parts. A position counts octets from the beginning of all times; modulo RING it is a place among the records. A
 * record is struct kith_ring_record and as many octets as it says, here struct kith_message_header and the message, and it begins at a
 * multiple of 8. Those of a BPF ring buffer (BPF_MAP_TYPE_RINGBUF) lie in the same way, so one reader can read both.
 *
 * The kernel writes a record, stores producer.position with release, has a full barrier, and wakes who polls when consumer.seen or
 * consumer.position is where the record begins.
 *
 * The reader loads producer.position with acquire and reads up to there. What it does not need any more it gives back with a store of
 * consumer.position, with release: this is the acknowledgement, of all before it. Before it sleeps it stores in consumer.seen how far it
 * has read, has a full barrier, and looks at producer.position again.
 *
 * When messages wait behind a full ring, producer.waiting is a position, else 0. After a store of consumer.position, and a full barrier, a
 * reader that has come to it calls poll(2), with no time to wait, which makes the kernel go on.
 *
 * poll(2) tells POLLIN when there is more than consumer.seen and consumer.position say, POLLHUP when the receiver has left. Nothing that
 * user space writes is trusted: a consumer.position that is not between the last one and the end acknowledges nothing, and one within a
 * record the records before that. A receiver that writes nonsense fills its ring, and has its mode's disadvantage. It leaves when it closes
 * the descriptor and unmaps, when its socket is closed, and by KITH_CMD_LEAVE; the memory stays valid, and kith.ko loaded, until it is
 * unmapped and closed. A process that is forked has no mapping. With KITH_MODE_ONE what it has not acknowledged goes to the next receiver,
 * KITH_MESSAGE_AGAIN.
 */
#ifndef KITH_NETLINK_H
#define KITH_NETLINK_H

#include <linux/types.h>

#define KITH_GENL_NAME "kith"
#define KITH_GENL_VERSION 1

/* Of a name, without its NUL: letters, digits, '.', '-' and '_'. */
#define KITH_CHANNEL_NAME_MAX 63
/* Octets of one message: an attribute holds less than 64 KiB. */
#define KITH_MESSAGE_MAX 61440
/* Datagrams on their way to one receiver. */
#define KITH_WINDOW_DEFAULT 8
#define KITH_WINDOW_MAX 64

/* Octets of a ring, a power of two: what is asked for is rounded up. The least holds any message. */
#define KITH_RING_LEAST 65536
#define KITH_RING_MOST (64 * 1024 * 1024)

enum kith_command {
    KITH_CMD_UNSPEC,
    KITH_CMD_GET,
    KITH_CMD_CHANNEL,
    KITH_CMD_JOIN,
    KITH_CMD_LEAVE,
    KITH_CMD_MESSAGES,
    KITH_CMD_ACK,
    KITH_CMD_SEND,
    KITH_CMD_REPLY,
    KITH_CMD_CLOSED,
};

enum kith_attribute {
    KITH_A_UNSPEC,
    KITH_A_PAD,
    KITH_A_CHANNEL,   /* string */
    KITH_A_MODULE,    /* string: the owner */
    KITH_A_GLOBAL,    /* flag: of every network namespace */
    KITH_A_MODE,      /* u32: enum kith_mode */
    KITH_A_WINDOW,    /* u32: datagrams, 1 to KITH_WINDOW_MAX */
    KITH_A_SEQUENCE,  /* u64 */
    KITH_A_REQUEST,   /* u32: of struct kith_message_header */
    KITH_A_DATA,      /* binary, at most KITH_MESSAGE_MAX */
    KITH_A_MESSAGE,   /* struct kith_message_header and as many octets as it says */
    KITH_A_RECEIVERS, /* u32 */
    KITH_A_BACKLOG,   /* u64: octets that wait now, those in rings too */
    KITH_A_LIMIT,     /* u64: octets that may wait, but for those in rings */
    KITH_A_SENT,      /* u64: messages that the owner sent */
    KITH_A_REFUSED,   /* u64: messages that the owner was told to keep: nobody listened, no room, no memory */
    KITH_A_LOST,      /* u64: messages that a receiver lost, for each receiver */
    KITH_A_RECEIVED,  /* u64: messages from user space */
    KITH_A_DENIED,    /* u64: requests that the owner's rules refused */
    KITH_A_RING,      /* u32: octets, at most KITH_RING_MOST */
    KITH_A_FD,        /* s32: a descriptor of the process that asked */
    KITH_A_LAST = KITH_A_FD,
};

enum kith_mode {
    KITH_MODE_ONE = 1, /* one receiver */
    KITH_MODE_ALL,     /* every receiver gets every message */
    KITH_MODE_LATEST,  /* as ALL, but only the newest message waits */
};

/* It was sent to a receiver before that did not acknowledge it. */
#define KITH_MESSAGE_AGAIN 1u

struct kith_message_header {
    __u64 sequence;
    __u64 time;    /* nanoseconds, CLOCK_REALTIME: when the owner sent it */
    __u32 request; /* not 0: the owner waits for KITH_CMD_REPLY with this number */
    __u32 flags;
    __u32 size; /* of the octets that follow */
    __u32 reserved;
};

/* At the beginning of the page that user space writes. */
struct kith_ring_consumer {
    __u64 position;
    __u64 seen; /* kith.ko only */
};

/* At the beginning of the page that the kernel writes. */
struct kith_ring_producer {
    __u64 position;
    __u64 waiting; /* kith.ko only */
};

struct kith_ring_record {
    __u32 size; /* of what follows; in a BPF ring with the two bits below */
    __u32 reserved;
};

/* Not complete yet: the reader stops before it. */
#define KITH_RING_BUSY (1u << 31)
/* Was given up: the reader passes over it. */
#define KITH_RING_DISCARD (1u << 30)

#endif
