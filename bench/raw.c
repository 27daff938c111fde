/*
 * bench/raw.c: what the kernel alone costs: a stream socket, one write and one read for each direction, with nothing parsed and nothing
 * kept. Four variants: waiting in the read or in level-triggered epoll, and the read with or without the writer's credentials.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/contestant.h"

struct end {
    int fd, epoll; /* epoll is -1 in the blocking variants */
    bool creds;
};

static socklen_t name_address(const char *name, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strncpy(address->sun_path + 1, name, sizeof(address->sun_path) - 2);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

/* SO_PASSCRED goes before the peer can send: on the listener, and before connect(). */
static int socket_new(bool creds) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || (creds && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) < 0))
        return -errno;
    return fd;
}

static int end_init(struct end *end, int fd, bool creds, bool use_epoll) {
    *end = (struct end){.fd = fd, .epoll = -1, .creds = creds};
    if (!use_epoll)
        return 0;
    struct epoll_event event = {.events = EPOLLIN};
    end->epoll = epoll_create1(EPOLL_CLOEXEC);
    return end->epoll < 0 || epoll_ctl(end->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static ssize_t receive(struct end *end, char *data) {
    if (!end->creds)
        return recv(end->fd, data, QUESTION_SIZE, 0);
    union {
        struct cmsghdr align;
        char octets[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec octets = {.iov_base = data, .iov_len = QUESTION_SIZE};
    struct msghdr header = {.msg_iov = &octets, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t size = recvmsg(end->fd, &header, MSG_CMSG_CLOEXEC);
    if (size > 0 && (!CMSG_FIRSTHDR(&header) || CMSG_FIRSTHDR(&header)->cmsg_type != SCM_CREDENTIALS))
        return -1;
    return size;
}

static int get(struct end *end, char *data) {
    struct epoll_event event;
    int n = end->epoll < 0;
    /* EINTR: once after a contestant on io_uring, see kith_loop_free(). */
    while (n == 0 || (n < 0 && errno == EINTR))
        n = epoll_wait(end->epoll, &event, 1, -1);
    if (n < 0)
        return -errno;
    /* Both ends write whole questions, so they arrive whole. */
    return receive(end, data) == QUESTION_SIZE ? 0 : -EIO;
}

static int put(struct end *end, const char *data) {
    return send(end->fd, data, QUESTION_SIZE, MSG_NOSIGNAL) == QUESTION_SIZE ? 0 : -errno;
}

static int serve(const char *name, int ready, bool creds, bool use_epoll) {
    struct sockaddr_un address;
    struct end end;
    char data[QUESTION_SIZE];
    socklen_t size = name_address(name, &address);
    int listener = socket_new(creds);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0)
        return -errno;
    announce(ready);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = end_init(&end, fd, creds, use_epoll);
    while (result == 0) {
        result = get(&end, data);
        if (result == 0)
            result = put(&end, data);
    }
    return result;
}

static int connect_to(const char *name, void **ret_client, bool creds, bool use_epoll) {
    struct sockaddr_un address;
    socklen_t size = name_address(name, &address);
    struct end *end = malloc(sizeof(*end));
    int fd = socket_new(creds);
    if (!end || fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0) {
        free(end);
        return -errno;
    }
    *ret_client = end;
    return end_init(end, fd, creds, use_epoll);
}

static int ask(void *client, unsigned long count) {
    char data[QUESTION_SIZE];
    memset(data, 'q', sizeof(data));
    int result = 0;
    for (unsigned long i = 0; i < count && result == 0; i++) {
        result = put(client, data);
        if (result == 0)
            result = get(client, data);
    }
    return result;
}

static void disconnect(void *client) {
    struct end *end = client;
    close(end->fd);
    if (end->epoll >= 0)
        close(end->epoll);
    free(end);
}

#define RAW_CONTESTANT(id, word, text, creds, use_epoll)                                                                                   \
    static int serve_##id(const char *name, int ready) {                                                                                   \
        return serve(name, ready, creds, use_epoll);                                                                                       \
    }                                                                                                                                      \
    static int connect_##id(const char *name, void **ret_client) {                                                                         \
        return connect_to(name, ret_client, creds, use_epoll);                                                                             \
    }                                                                                                                                      \
    const struct contestant contestant_raw_##id = {                                                                                        \
        .name = word, .title = text, .serve = serve_##id, .connect = connect_##id, .ask = ask, .disconnect = disconnect}

RAW_CONTESTANT(epoll, "raw-epoll", "raw AF_UNIX, level-triggered epoll", false, true);
RAW_CONTESTANT(epoll_creds, "raw-epoll-creds", "the same, recvmsg with SO_PASSCRED", true, true);
RAW_CONTESTANT(blocking, "raw-blocking", "raw AF_UNIX, blocking send and recv", false, false);
RAW_CONTESTANT(blocking_creds, "raw-blocking-creds", "the same, recvmsg with SO_PASSCRED", true, false);
