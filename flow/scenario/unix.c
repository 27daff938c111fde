/*
 * flow/scenario/unix.c: AF_UNIX in its three kinds. A message with a descriptor (SCM_RIGHTS) and who sends it (SCM_CREDENTIALS) goes to the
 * server, and for the kinds with connections an answer comes back.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "flow/scenario/stage.h"

struct control {
    _Alignas(struct cmsghdr) char octets[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

/* Abstract: there is no file to remove. The port is the name's number: the server's pid would need a second pipe. */
static struct stage_address name_of(const struct stage *stage, int type) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    pid_t pid = stage->is_server ? getppid() : getpid();
    struct stage_address address = {0};

    int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "kith-flow-%d-%d", (int)pid, type);
    address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    memcpy(&address.storage, &name, address.size);
    return address;
}

static void send_with_descriptor(int fd, int passed) {
    struct control control = {0};
    struct iovec piece = {(char[]){"ping"}, 4};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.octets, .msg_controllen = sizeof(control.octets)};
    struct ucred me = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(passed)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &passed, sizeof(passed));
    header = CMSG_NXTHDR(&message, header);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(me)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
    memcpy(CMSG_DATA(header), &me, sizeof(me));
    stage_check("sendmsg", sendmsg(fd, &message, 0));
}

static void receive_with_descriptor(int fd) {
    struct control control = {0};
    char octets[16];
    struct iovec piece = {octets, sizeof(octets)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.octets, .msg_controllen = sizeof(control.octets)};

    stage_check("recvmsg", recvmsg(fd, &message, MSG_CMSG_CLOEXEC));
}

static void serve(struct stage *stage, int type) {
    struct stage_address address = name_of(stage, type);
    const int on = 1;
    int fd = (int)stage_check("socket", socket(AF_UNIX, type | SOCK_CLOEXEC, 0)), peer = fd;

    stage_check("bind", bind(fd, (struct sockaddr *)&address.storage, address.size));
    stage_check("setsockopt", setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
    if (type != SOCK_DGRAM)
        stage_check("listen", listen(fd, 8));
    stage_tell(stage, 0);
    stage_hear(stage); /* connected, or sent */
    if (type != SOCK_DGRAM) {
        peer = (int)stage_check("accept", accept(fd, NULL, NULL));
        stage_check("setsockopt", setsockopt(peer, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
        stage_tell(stage, 0);
        stage_hear(stage); /* sent */
    }
    receive_with_descriptor(peer);
    if (peer != fd) {
        stage_check("send", send(peer, "pong", 4, 0));
        stage_tell(stage, 0);
        stage_check("close", close(peer));
    }
    stage_check("close", close(fd));
}

static void connect_and_send(struct stage *stage, int type) {
    struct stage_address address = name_of(stage, type);
    char octets[16];

    stage_hear(stage); /* bound */
    int fd = (int)stage_check("socket", socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    stage_check("connect", connect(fd, (struct sockaddr *)&address.storage, address.size));
    if (type != SOCK_DGRAM) {
        stage_tell(stage, 0);
        stage_hear(stage); /* accepted */
    }
    send_with_descriptor(fd, stage->tell);
    stage_tell(stage, 0);
    if (type != SOCK_DGRAM) {
        stage_hear(stage); /* answered */
        stage_check("recv", recv(fd, octets, sizeof(octets), 0));
    }
    stage_check("close", close(fd));
}

static void play(struct stage *stage, int type) {
    if (stage->is_server)
        serve(stage, type);
    else
        connect_and_send(stage, type);
}

void scenario_unix_stream(struct stage *stage) {
    play(stage, SOCK_STREAM);
}

void scenario_unix_dgram(struct stage *stage) {
    play(stage, SOCK_DGRAM);
}

void scenario_unix_seqpacket(struct stage *stage) {
    play(stage, SOCK_SEQPACKET);
}

void scenario_unix(struct stage *stage) {
    play(stage, SOCK_STREAM);
    play(stage, SOCK_DGRAM);
    play(stage, SOCK_SEQPACKET);
}
