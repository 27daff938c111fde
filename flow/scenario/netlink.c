/* flow/scenario/netlink.c: asks the kernel for the loopback interface, and reads its answer. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "flow/scenario/stage.h"

void scenario_netlink(struct stage *stage) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg interface;
    } request = {
        .header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 1},
        .interface = {.ifi_family = AF_UNSPEC, .ifi_index = 1},
    };
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    static char answer[16384];

    int fd = (int)stage_check("socket", socket(stage->family, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    stage_check("bind", bind(fd, (struct sockaddr *)&kernel, sizeof(kernel)));
    stage_check("sendto", sendto(fd, &request, sizeof(request), 0, (struct sockaddr *)&kernel, sizeof(kernel)));
    stage_check("recv", recv(fd, answer, sizeof(answer), 0));
    stage_check("close", close(fd));
}
