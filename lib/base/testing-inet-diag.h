/* base/testing-inet-diag.h: can this kernel be asked about TCP sockets (sock_diag(7), inet_diag)? Not part of the library. */
#ifndef KITH_BASE_TESTING_INET_DIAG_H
#define KITH_BASE_TESTING_INET_DIAG_H

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

/* A list of sockets in no state, which is empty: the kernel ends it, or says that it knows nothing of TCP. */
static inline bool testing_inet_diag(void) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP},
    };
    union {
        struct nlmsghdr header;
        uint8_t octets[1024];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    bool here = fd >= 0 && send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request) && recv(fd, &answer, sizeof(answer), 0) > 0 &&
                answer.header.nlmsg_type == NLMSG_DONE;

    if (fd >= 0)
        close(fd);
    return here;
}

#endif
