/* origin/inet-diag.h: whose is the socket at the other end of a TCP connection within this network namespace? sock_diag(7). */
#ifndef KITH_ORIGIN_INET_DIAG_H
#define KITH_ORIGIN_INET_DIAG_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct kith_inet_socket {
    uid_t uid; /* of its owner */
    uint32_t inode;
    uint64_t cookie; /* never used again */
};

/* The connected socket whose own address is `own` and whose peer's is `peer`, bound to `interface` or to none: one message to the kernel
 * and one back, nothing is listed. Addresses are given to others when a connection is over: so who asks about a connection has to see to it
 * that it is the same one still.
 * Errors: -ENOENT (none in this network namespace), -EAGAIN (nobody has a descriptor of it: it waits to be accepted, or was closed),
 * -EAFNOSUPPORT, -EMFILE, -ENFILE, -ENOMEM, others of socket(2): this kernel does not tell. */
int kith_inet_diag_find(const struct sockaddr_storage *own, const struct sockaddr_storage *peer, unsigned interface,
                        struct kith_inet_socket *ret_socket);

#endif
