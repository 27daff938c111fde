/* flow/scenario/tcp.c: the life of a connection over loopback: the client sends and closes first. */
#include <netinet/in.h>
#include <unistd.h>

#include "flow/scenario/stage.h"

static const char request[] = "ping", answer[] = "pong";

static void serve(struct stage *stage) {
    struct stage_address address = stage_loopback(stage, 0);
    char octets[16];

    int listener = (int)stage_check("socket", socket(stage->family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    stage_check("bind", bind(listener, (struct sockaddr *)&address.storage, address.size));
    stage_check("listen", listen(listener, 8));
    stage_tell(stage, stage_port(listener));
    stage_hear(stage); /* connected: accept() shall find the child and not sleep */
    int fd = (int)stage_check("accept", accept(listener, NULL, NULL));
    stage_tell(stage, 0);
    stage_hear(stage); /* sent */
    stage_check("recv", recv(fd, octets, sizeof(octets), 0));
    stage_check("send", send(fd, answer, sizeof(answer), 0));
    stage_tell(stage, 0);
    stage_hear(stage); /* shut down */
    stage_check("recv", recv(fd, octets, sizeof(octets), 0));
    stage_check("close", close(fd));
    stage_tell(stage, 0);
    stage_check("close", close(listener));
}

static void connect_and_talk(struct stage *stage) {
    struct stage_address address = stage_loopback(stage, stage_hear(stage));
    char octets[16];

    int fd = (int)stage_check("socket", socket(stage->family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    stage_check("connect", connect(fd, (struct sockaddr *)&address.storage, address.size));
    stage_tell(stage, 0);
    stage_hear(stage); /* accepted */
    stage_check("send", send(fd, request, sizeof(request), 0));
    stage_tell(stage, 0);
    stage_hear(stage); /* answered */
    stage_check("recv", recv(fd, octets, sizeof(octets), 0));
    stage_check("shutdown", shutdown(fd, SHUT_WR));
    stage_tell(stage, 0);
    stage_hear(stage); /* closed */
    stage_check("recv", recv(fd, octets, sizeof(octets), 0));
    stage_check("close", close(fd));
}

void scenario_tcp(struct stage *stage) {
    if (stage->is_server)
        serve(stage);
    else
        connect_and_talk(stage);
}
