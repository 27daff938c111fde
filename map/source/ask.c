/* map/source/ask.c: netlink dumps. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>

#include "map/source/internal.h"

/* netlink_dump() makes no answer larger than 32 KiB, and makes them as large as what it saw of the reader's buffer. */
#define BUFFER ((size_t)64 * 1024) /* and the padding of a last message, which libmnl reckons with */
/* The kernel answers at once: this is for one that is broken. */
#define ANSWER_SECONDS 5

int map_ask_open(struct map_ask *ask, int protocol) {
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};

    *ask = (struct map_ask){.socket = mnl_socket_open2(protocol, SOCK_CLOEXEC), .buffer = malloc(BUFFER + MNL_ALIGNTO)};
    if (ask->socket && ask->buffer && mnl_socket_bind(ask->socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
        setsockopt(mnl_socket_get_fd(ask->socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0)
        return 0;
    int r = ask->buffer ? -errno : -ENOMEM;
    map_ask_close(ask);
    return r;
}

void map_ask_close(struct map_ask *ask) {
    if (ask->socket)
        mnl_socket_close(ask->socket);
    free(ask->buffer);
    *ask = (struct map_ask){0};
}

struct nlmsghdr *map_ask_begin(struct map_ask *ask, uint16_t type) {
    struct nlmsghdr *request = mnl_nlmsg_put_header(ask->buffer);

    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = ++ask->sequence;
    return request;
}

static int error_of(const struct nlmsghdr *message) {
    const int *code = mnl_nlmsg_get_payload(message);
    return mnl_nlmsg_get_payload_len(message) < sizeof(*code) ? (message->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG) : *code;
}

/* Returns 1 when more will come. */
static int take(const struct map_ask *ask, size_t size, map_answer_fn fn, void *userdata) {
    const struct nlmsghdr *message = ask->buffer;
    int left = (int)size;

    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (message->nlmsg_seq != ask->sequence)
            continue; /* what a dump left that was ended */
        if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
            int r = error_of(message);
            return r < 0 ? r : 0;
        }
        int r = message->nlmsg_type == NLMSG_NOOP ? 0 : fn(message, userdata);
        if (r < 0)
            return r;
    }
    return 1;
}

int map_ask_dump(struct map_ask *ask, struct nlmsghdr *request, map_answer_fn fn, void *userdata) {
    if (mnl_socket_sendto(ask->socket, request, request->nlmsg_len) < 0)
        return -errno;
    for (;;) {
        ssize_t size = mnl_socket_recvfrom(ask->socket, ask->buffer, BUFFER);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno == EAGAIN ? -ETIME : -errno;
        int r = take(ask, (size_t)size, fn, userdata);
        if (r <= 0)
            return r;
    }
}
