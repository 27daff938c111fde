/* See echo.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench/server/contestant.h"
#include "bench/server/echo.h"

int echo_reply(struct echo *echo, const char *data, size_t size) {
    ssize_t sent = write(echo->fd, data, size);
    if (sent == (ssize_t)size)
        return ECHO_READABLE;
    if (sent < 0 && errno != EAGAIN)
        return -errno;
    if (sent < 0)
        sent = 0;
    echo->rest_size = size - (size_t)sent;
    echo->rest_sent = 0;
    echo->rest = malloc(echo->rest_size);
    if (!echo->rest)
        return -ENOMEM;
    memcpy(echo->rest, data + sent, echo->rest_size);
    return ECHO_WRITABLE;
}

int echo_read(struct echo *echo) {
    static char data[QUEUE_MAX];
    ssize_t size = read(echo->fd, data, sizeof(data));
    if (size > 0)
        return echo_reply(echo, data, (size_t)size);
    return size == 0 ? -EPIPE : errno == EAGAIN ? ECHO_READABLE : -errno;
}

int echo_write(struct echo *echo) {
    ssize_t sent = write(echo->fd, echo->rest + echo->rest_sent, echo->rest_size - echo->rest_sent);
    if (sent < 0 && errno != EAGAIN)
        return -errno;
    echo->rest_sent += sent > 0 ? (size_t)sent : 0;
    if (echo->rest_sent < echo->rest_size)
        return ECHO_WRITABLE;
    free(echo->rest);
    echo->rest = NULL;
    return ECHO_READABLE;
}

bool echo_has_creds(const struct cmsghdr *first) {
    struct ucred creds;
    if (!first || first->cmsg_level != SOL_SOCKET || first->cmsg_type != SCM_CREDENTIALS)
        return false;
    memcpy(&creds, CMSG_DATA(first), sizeof(creds));
    return creds.pid > 0;
}

void echo_deinit(struct echo *echo) {
    kith_close(echo->fd);
    free(echo->rest);
}
