/*
 * origin/inet-diag.c: see inet-diag.h. linux/inet_diag.h: a request for one socket.
 *
 * Traps: where there is no such connection the kernel answers with a listener at that address, which is somebody else, or with a socket
 * that would like to have it (SYN_SENT); what nobody holds a descriptor of is said to be root's. So an answer counts only if it is
 * connected, both addresses are those asked for, and there is an inode.
 */
#include "origin/inet-diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"

struct request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 body;
};

/* The message of one socket without extensions has 72 octets, an error 36. */
#define ANSWER_MAX 1024

/* An IPv4 address that an IPv6 socket shows as ::ffff:A.B.C.D is one of IPv4: its other end may be a socket of either family. */
static int put_address(const struct sockaddr_storage *address, __be32 ret_octets[4], __be16 *ret_port, bool *ret_v4) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    memset(ret_octets, 0, 4 * sizeof(ret_octets[0]));
    if (address->ss_family == AF_INET) {
        ret_octets[0] = v4->sin_addr.s_addr;
        *ret_port = v4->sin_port;
        *ret_v4 = true;
        return 0;
    }
    if (address->ss_family != AF_INET6)
        return -EAFNOSUPPORT;
    *ret_port = v6->sin6_port;
    *ret_v4 = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
    if (*ret_v4)
        memcpy(ret_octets, &v6->sin6_addr.s6_addr[12], sizeof(ret_octets[0]));
    else
        memcpy(ret_octets, &v6->sin6_addr, sizeof(v6->sin6_addr));
    return 0;
}

/* A link-local address means something only together with its interface. */
static __u32 scope_of(const struct sockaddr_storage *address) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    return address->ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) ? v6->sin6_scope_id : 0;
}

static int make_request(const struct sockaddr_storage *own, const struct sockaddr_storage *peer, unsigned interface,
                        struct request *ret_request) {
    struct inet_diag_sockid id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}};
    bool own_v4, peer_v4;
    int r = put_address(own, id.idiag_src, &id.idiag_sport, &own_v4);

    if (r >= 0)
        r = put_address(peer, id.idiag_dst, &id.idiag_dport, &peer_v4);
    if (r < 0)
        return r;
    if (own_v4 != peer_v4)
        return -EAFNOSUPPORT;
    id.idiag_if = interface > 0 ? interface : scope_of(peer);
    *ret_request = (struct request){
        .header = {.nlmsg_len = sizeof(*ret_request), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = own_v4 ? AF_INET : AF_INET6, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u, .id = id},
    };
    return 0;
}

/* The answer of a socket of IPv6 about a connection of IPv4 has mapped addresses. */
static bool same_address(const __be32 asked[4], const __be32 told[4], int asked_family, int told_family) {
    static const __be32 zero[3];

    if (asked_family == told_family)
        return memcmp(asked, told, asked_family == AF_INET ? sizeof(asked[0]) : 4 * sizeof(asked[0])) == 0;
    return asked_family == AF_INET && told_family == AF_INET6 && memcmp(told, zero, 2 * sizeof(told[0])) == 0 && told[2] == htonl(0xffff) &&
           told[3] == asked[0];
}

static int read_answer(const struct request *request, const struct nlmsghdr *header, size_t size, struct kith_inet_socket *ret_socket) {
    const struct inet_diag_sockid *asked = &request->body.id;
    struct inet_diag_msg answer;
    struct nlmsgerr error;

    if (size < sizeof(*header) || header->nlmsg_len > size)
        return -EPROTO;
    if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_len >= NLMSG_LENGTH(sizeof(error))) {
        memcpy(&error, NLMSG_DATA(header), sizeof(error));
        return error.error < 0 ? error.error : -EPROTO;
    }
    if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || header->nlmsg_len < NLMSG_LENGTH(sizeof(answer)))
        return -EPROTO;
    memcpy(&answer, NLMSG_DATA(header), sizeof(answer));
    if (answer.idiag_state == TCP_LISTEN || answer.idiag_state == TCP_SYN_SENT || answer.id.idiag_sport != asked->idiag_sport ||
        answer.id.idiag_dport != asked->idiag_dport ||
        !same_address(asked->idiag_src, answer.id.idiag_src, request->body.sdiag_family, answer.idiag_family) ||
        !same_address(asked->idiag_dst, answer.id.idiag_dst, request->body.sdiag_family, answer.idiag_family))
        return -ENOENT;
    if (answer.idiag_inode == 0)
        return -EAGAIN;
    *ret_socket = (struct kith_inet_socket){.uid = answer.idiag_uid,
                                            .inode = answer.idiag_inode,
                                            .cookie = (uint64_t)answer.id.idiag_cookie[1] << 32 | answer.id.idiag_cookie[0]};
    return 0;
}

int kith_inet_diag_find(const struct sockaddr_storage *own, const struct sockaddr_storage *peer, unsigned interface,
                        struct kith_inet_socket *ret_socket) {
    _cleanup_(kith_closep) int fd = -1;
    union {
        struct nlmsghdr header;
        uint8_t octets[ANSWER_MAX];
    } answer;
    struct request request;
    int r = make_request(own, peer, interface, &request);

    if (r < 0)
        return r;
    /* The kernel has answered when it returns from sending. */
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
        return -errno;
    ssize_t size = recv(fd, &answer, sizeof(answer), 0);
    return size < 0 ? -EPROTO : read_answer(&request, &answer.header, (size_t)size, ret_socket);
}
