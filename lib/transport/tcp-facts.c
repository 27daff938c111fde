/*
 * transport/tcp-facts.c: what the kernel noted of the segment that opened a TCP connection, ip(7) IP_PKTOPTIONS, ipv6(7).
 *
 * It is there for accepted connections only: the others answer with an interface of 0, and then nothing of the answer counts. The options
 * that ask for it are taken back from an IPv6 socket, which would keep a copy of every segment for them.
 */
#include "transport/tcp-facts.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

/* As the old interface has it, RFC 2292: linux/in6.h. */
#define PKTOPTIONS_V6 6
/* Three messages of at most 40 octets. */
#define ANSWER_MAX 256

static const int options_v4[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS};
static const int options_v6[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS};
_Static_assert(KITH_ARRAY_SIZE(options_v4) == KITH_ARRAY_SIZE(options_v6), "one loop for both");

static bool is_v4(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET ||
           (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr));
}

static void take(const struct cmsghdr *message, struct kith_tcp_connection *connection) {
    struct in_pktinfo v4;
    struct in6_pktinfo v6;
    int number;

    if (message->cmsg_level == IPPROTO_IP && message->cmsg_type == IP_PKTINFO && message->cmsg_len >= CMSG_LEN(sizeof(v4))) {
        memcpy(&v4, CMSG_DATA(message), sizeof(v4));
        connection->interface = (unsigned)v4.ipi_ifindex;
    } else if (message->cmsg_level == IPPROTO_IPV6 && message->cmsg_type == IPV6_PKTINFO && message->cmsg_len >= CMSG_LEN(sizeof(v6))) {
        memcpy(&v6, CMSG_DATA(message), sizeof(v6));
        connection->interface = v6.ipi6_ifindex;
    } else if (message->cmsg_len >= CMSG_LEN(sizeof(number))) {
        bool v4_level = message->cmsg_level == IPPROTO_IP;

        memcpy(&number, CMSG_DATA(message), sizeof(number));
        if (message->cmsg_type == (v4_level ? IP_TTL : IPV6_HOPLIMIT))
            connection->ttl = number;
        else if (message->cmsg_type == (v4_level ? IP_TOS : IPV6_TCLASS))
            connection->tos = number;
    }
}

void kith_tcp_facts(int fd, struct kith_tcp_connection *connection) {
    union {
        struct cmsghdr align;
        uint8_t octets[ANSWER_MAX];
    } answer;
    socklen_t size = sizeof(answer);
    bool v4 = is_v4(&connection->peer);
    int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(options_v4); i++)
        (void)setsockopt(fd, level, v4 ? options_v4[i] : options_v6[i], &(int){1}, sizeof(int));
    int r = getsockopt(fd, level, v4 ? IP_PKTOPTIONS : PKTOPTIONS_V6, &answer, &size);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(options_v6) && !v4; i++)
        (void)setsockopt(fd, level, options_v6[i], &(int){0}, sizeof(int));
    struct msghdr header = {.msg_control = answer.octets, .msg_controllen = r < 0 ? 0 : size};
    for (struct cmsghdr *message = CMSG_FIRSTHDR(&header); message; message = CMSG_NXTHDR(&header, message))
        take(message, connection);
    if (connection->interface == 0)
        connection->ttl = connection->tos = -1;
}
