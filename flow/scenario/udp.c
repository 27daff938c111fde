/* flow/scenario/udp.c: a datagram and its answer, over loopback: to an address first, then connected. */
#include <netinet/in.h>
#include <unistd.h>

#include "flow/scenario/stage.h"

static void serve(struct stage *stage) {
    struct stage_address address = stage_loopback(stage, 0), peer = {.size = sizeof(peer.storage)};
    char octets[16];

    int fd = (int)stage_check("socket", socket(stage->family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    stage_check("bind", bind(fd, (struct sockaddr *)&address.storage, address.size));
    stage_tell(stage, stage_port(fd));
    stage_hear(stage); /* sent */
    stage_check("recvfrom", recvfrom(fd, octets, sizeof(octets), 0, (struct sockaddr *)&peer.storage, &peer.size));
    stage_check("sendto", sendto(fd, "pong", 4, 0, (struct sockaddr *)&peer.storage, peer.size));
    stage_tell(stage, 0);
    stage_hear(stage); /* sent again */
    stage_check("recv", recv(fd, octets, sizeof(octets), 0));
    stage_check("close", close(fd));
}

static void send_and_receive(struct stage *stage) {
    struct stage_address address = stage_loopback(stage, stage_hear(stage));
    char octets[16];

    int fd = (int)stage_check("socket", socket(stage->family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    stage_check("sendto", sendto(fd, "ping", 4, 0, (struct sockaddr *)&address.storage, address.size));
    stage_tell(stage, 0);
    stage_hear(stage); /* answered */
    stage_check("recv", recv(fd, octets, sizeof(octets), 0));
    stage_check("connect", connect(fd, (struct sockaddr *)&address.storage, address.size));
    stage_check("send", send(fd, "ping", 4, 0));
    stage_tell(stage, 0);
    stage_check("close", close(fd));
}

void scenario_udp(struct stage *stage) {
    if (stage->is_server)
        serve(stage);
    else
        send_and_receive(stage);
}
