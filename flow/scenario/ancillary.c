/* flow/scenario/ancillary.c: a datagram with ancillary data on both ways: hop limit and traffic class, and to whom it was sent. */
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "flow/scenario/stage.h"

#define HOPS 7
#define TRAFFIC_CLASS 0x28 /* DSCP AF11: RFC 2597 */

struct level {
    int level, pktinfo, recv_hops, recv_class, hops, traffic_class;
};

static struct level level_of(const struct stage *stage) {
    if (stage->family == AF_INET6)
        return (struct level){IPPROTO_IPV6, IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_HOPLIMIT, IPV6_TCLASS};
    return (struct level){IPPROTO_IP, IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_TTL, IP_TOS};
}

static void put_number(struct msghdr *message, size_t room, int level, int type, int value) {
    struct cmsghdr *header = (struct cmsghdr *)(void *)((char *)message->msg_control + message->msg_controllen);

    if (message->msg_controllen + CMSG_SPACE(sizeof(value)) > room)
        return;
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(value)), .cmsg_level = level, .cmsg_type = type};
    memcpy(CMSG_DATA(header), &value, sizeof(value));
    message->msg_controllen += CMSG_SPACE(sizeof(value));
}

void scenario_udp_ancillary(struct stage *stage) {
    struct level level = level_of(stage);
    char octets[16] = "ping";
    _Alignas(struct cmsghdr) char control[256] = {0};
    struct iovec piece = {octets, sizeof(octets)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct stage_address address = stage_loopback(stage, stage->is_server ? 0 : stage_hear(stage));
    const int on = 1, wanted[] = {level.pktinfo, level.recv_hops, level.recv_class};

    int fd = (int)stage_check("socket", socket(stage->family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (stage->is_server) {
        for (size_t i = 0; i < KITH_ARRAY_SIZE(wanted); i++)
            stage_check("setsockopt", setsockopt(fd, level.level, wanted[i], &on, sizeof(on)));
        stage_check("bind", bind(fd, (struct sockaddr *)&address.storage, address.size));
        stage_tell(stage, stage_port(fd));
        stage_hear(stage);
        stage_check("recvmsg", recvmsg(fd, &message, 0));
    } else {
        message.msg_controllen = 0;
        put_number(&message, sizeof(control), level.level, level.hops, HOPS);
        put_number(&message, sizeof(control), level.level, level.traffic_class, TRAFFIC_CLASS);
        message.msg_name = &address.storage;
        message.msg_namelen = address.size;
        stage_check("sendmsg", sendmsg(fd, &message, 0));
        stage_tell(stage, 0);
    }
    stage_check("close", close(fd));
}
