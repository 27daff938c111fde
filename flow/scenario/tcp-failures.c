/* flow/scenario/tcp-failures.c: connections that come to nothing, or to a sudden end. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "flow/scenario/stage.h"

static int new_socket(const struct stage *stage) {
    return (int)stage_check("socket", socket(stage->family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int listen_on_loopback(struct stage *stage, int backlog) {
    struct stage_address address = stage_loopback(stage, 0);
    int listener = new_socket(stage);

    stage_check("bind", bind(listener, (struct sockaddr *)&address.storage, address.size));
    stage_check("listen", listen(listener, backlog));
    return listener;
}

/* A port that somebody has bound and nobody listens on. */
void scenario_tcp_refused(struct stage *stage) {
    struct stage_address address = stage_loopback(stage, 0);
    int bound = new_socket(stage), fd = new_socket(stage);

    stage_check("bind", bind(bound, (struct sockaddr *)&address.storage, address.size));
    address = stage_loopback(stage, stage_port(bound));
    stage_check_fails("connect", connect(fd, (struct sockaddr *)&address.storage, address.size), ECONNREFUSED);
    stage_check("close", close(fd));
    stage_check("close", close(bound));
}

/* Nobody answers: the SYN goes to a listener whose accept queue is full, and is dropped there. TCP_USER_TIMEOUT ends the waiting after the
 * first retransmissions. */
void scenario_tcp_timeout(struct stage *stage) {
    unsigned timeout_ms = 1500;
    int listener = listen_on_loopback(stage, 0), first = new_socket(stage), fd = new_socket(stage);
    struct stage_address address = stage_loopback(stage, stage_port(listener));

    stage_check("connect", connect(first, (struct sockaddr *)&address.storage, address.size));
    stage_check("setsockopt", setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)));
    stage_check_fails("connect", connect(fd, (struct sockaddr *)&address.storage, address.size), ETIMEDOUT);
    stage_check("close", close(fd));
    stage_check("close", close(first));
    stage_check("close", close(listener));
}

/* A connection is established, and its server closes it with octets unread: RST instead of FIN. */
void scenario_tcp_reset(struct stage *stage) {
    char octets[16];

    if (stage->is_server) {
        int listener = listen_on_loopback(stage, 8);
        stage_tell(stage, stage_port(listener));
        stage_hear(stage);
        int fd = (int)stage_check("accept", accept(listener, NULL, NULL));
        stage_tell(stage, 0);
        stage_hear(stage); /* sent */
        stage_check("close", close(fd));
        stage_tell(stage, 0);
        stage_check("close", close(listener));
        return;
    }
    struct stage_address address = stage_loopback(stage, stage_hear(stage));
    int fd = new_socket(stage);
    stage_check("connect", connect(fd, (struct sockaddr *)&address.storage, address.size));
    stage_tell(stage, 0);
    stage_hear(stage); /* accepted */
    stage_check("send", send(fd, "ping", 4, 0));
    stage_tell(stage, 0);
    stage_hear(stage); /* closed */
    stage_check_fails("recv", recv(fd, octets, sizeof(octets), 0), ECONNRESET);
    stage_check("close", close(fd));
}

/* A backlog of 0 has one place. A second connection waits, its SYN dropped, until the first has been accepted and the SYN comes again. */
void scenario_tcp_backlog_full(struct stage *stage) {
    if (stage->is_server) {
        int listener = listen_on_loopback(stage, 0);
        stage_tell(stage, stage_port(listener));
        stage_hear(stage); /* one connected, one trying */
        int first = (int)stage_check("accept", accept(listener, NULL, NULL));
        int second = (int)stage_check("accept", accept(listener, NULL, NULL));
        stage_check("close", close(first));
        stage_check("close", close(second));
        stage_check("close", close(listener));
        return;
    }
    struct stage_address address = stage_loopback(stage, stage_hear(stage));
    int first = new_socket(stage), second = new_socket(stage);
    stage_check("connect", connect(first, (struct sockaddr *)&address.storage, address.size));
    stage_check("fcntl", fcntl(second, F_SETFL, O_NONBLOCK));
    stage_check_fails("connect", connect(second, (struct sockaddr *)&address.storage, address.size), EINPROGRESS);
    stage_tell(stage, 0);
    stage_check("poll", poll(&(struct pollfd){.fd = second, .events = POLLOUT}, 1, -1));
    stage_check("close", close(second));
    stage_check("close", close(first));
}
