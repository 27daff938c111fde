/*
 * map/kernel/row.h: a TCP socket as the kernel's own tables have it. The program in the kernel writes these rows, and whoever reads them
 * gets them as they are, so this file is compiled for both and includes nothing of libc's.
 */
#ifndef KITH_MAP_KERNEL_ROW_H
#define KITH_MAP_KERNEL_ROW_H

#include <stdbool.h>
#include <stdint.h>

struct map_kernel_row {
    uint64_t cookie;       /* 0: nobody has asked for it yet */
    uint64_t socket;       /* its address in the kernel: to compare with request_listener, never to print */
    uint64_t bind_bucket;  /* inet_bind_bucket: to compare, never to print; 0: none */
    uint64_t bind2_bucket; /* inet_bind2_bucket (Linux 6.1 and later), likewise */
    /* Where it stands in its bucket's list, to compare, never to print. Whoever comes is put in front, so `bind_next` has been there longer
     * than the socket itself, whatever came and went. (Until Linux 6.7 the list is bind_bucket's, then bind2_bucket's. A socket that goes
     * into TIME_WAIT is put in front once more.) 0: the last, or in no list. */
    uint64_t bind_node;
    uint64_t bind_next;
    uint64_t request_listener; /* of a request socket (TCP_NEW_SYN_RECV) only: its listener's `socket`; 0: none */
    uint64_t netns;            /* inode number of the network namespace */
    uint32_t backlog;          /* of a listener: sockets in its accept queue */
    uint32_t backlog_limit;    /* an accepted socket keeps its listener's, a client's is 0; a request or TIME_WAIT socket has none: 0 */
    uint8_t family;            /* AF_INET, AF_INET6 */
    uint8_t state;             /* TCP_ESTABLISHED..., of <netinet/tcp.h>; 12: TCP_NEW_SYN_RECV, a request socket */
    bool reuseport;
    bool ipv6_only;
    uint32_t bound_interface; /* SO_BINDTODEVICE, or the interface of a link-local address; 0: none */
    uint16_t local_port;      /* host order, both */
    uint16_t remote_port;
    uint8_t local[16]; /* AF_INET: the first four octets */
    uint8_t remote[16];
};

#define MAP_KERNEL_NEW_SYN_RECV 12 /* TCP_NEW_SYN_RECV of the kernel's include/net/tcp_states.h: <netinet/tcp.h> ends before it */

#endif
