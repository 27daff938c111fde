/* resolve/channel.c: see channel.h. */
#include "resolve/channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"

struct channel_socket {
    struct kith_list link;
    kith_io *io;
    int fd;
};

/* Sockets ---------------------------------------------------------------------------------------------------------------- */

/* Ours rather than those of c-ares: close-on-exec from birth, and a name server that hangs up a TCP connection raises no SIGPIPE. */

static ares_socket_t socket_open(int family, int type, int protocol, void *userdata) {
    (void)userdata;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int socket_close(ares_socket_t fd, void *userdata) {
    (void)userdata;
    return close(fd);
}

static int socket_connect(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t size, void *userdata) {
    (void)userdata;
    return connect(fd, address, size);
}

static ares_ssize_t socket_receive(ares_socket_t fd, void *data, size_t size, int flags, struct sockaddr *from, ares_socklen_t *from_size,
                                   void *userdata) {
    (void)userdata;
    return recvfrom(fd, data, size, flags, from, from_size);
}

static ares_ssize_t socket_send(ares_socket_t fd, const struct iovec *parts, int count, void *userdata) {
    (void)userdata;
    const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
    .asocket = socket_open,
    .aclose = socket_close,
    .aconnect = socket_connect,
    .arecvfrom = socket_receive,
    .asendv = socket_send,
};

/* Watching --------------------------------------------------------------------------------------------------------------- */

static struct channel_socket *find(struct kith_channel *channel, int fd) {
    kith_list_foreach (&channel->sockets, node) {
        struct channel_socket *sock = kith_list_entry(node, struct channel_socket, link);
        if (sock->fd == fd)
            return sock;
    }
    return NULL;
}

static void forget(struct channel_socket *sock) {
    kith_list_unlink(&sock->link);
    kith_io_free(sock->io);
    free(sock);
}

static void on_ready(kith_io *io, int fd, unsigned events, void *userdata) {
    (void)io;
    struct kith_channel *channel = userdata;
    /* An error is c-ares' to find out, by reading. The watch may be freed in here. */
    ares_process_fd(channel->ares, events & (KITH_IO_READ | KITH_IO_HANGUP) ? fd : ARES_SOCKET_BAD,
                    events & KITH_IO_WRITE ? fd : ARES_SOCKET_BAD);
    channel->progressed(channel);
}

static int watch(struct kith_channel *channel, int fd, unsigned events) {
    struct channel_socket *sock = calloc(1, sizeof(*sock));
    if (!sock)
        return -ENOMEM;
    int r = kith_io_new(channel->loop, fd, events, on_ready, channel, &sock->io);
    if (r < 0) {
        free(sock);
        return r;
    }
    sock->fd = fd;
    kith_list_push_back(&channel->sockets, &sock->link);
    return 0;
}

/* c-ares: watch this socket so from now on; for nothing: it is about to be closed. */
static void on_state(void *userdata, ares_socket_t fd, int readable, int writable) {
    struct kith_channel *channel = userdata;
    struct channel_socket *sock = find(channel, fd);
    unsigned events = (readable ? KITH_IO_READ : 0U) | (writable ? KITH_IO_WRITE : 0U);
    int r = 0;
    if (events == 0 && sock)
        forget(sock);
    else if (events != 0 && sock)
        r = kith_io_set_events(sock->io, events);
    else if (events != 0)
        r = watch(channel, fd, events);
    if (r < 0)
        channel->failure = r;
}

/* Life ------------------------------------------------------------------------------------------------------------------- */

/* c-ares asks for this once a process, before anything else, and it is not thread-safe. */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void library_start(void) {
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

void kith_channel_init(struct kith_channel *channel, kith_loop *loop, void (*progressed)(struct kith_channel *channel)) {
    *channel = (struct kith_channel){.loop = loop, .progressed = progressed};
    kith_list_init(&channel->sockets);
}

static int errno_of(int status) {
    return status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? -ENOMEM : -EIO;
}

int kith_channel_open(struct kith_channel *channel, const char *servers) {
    struct ares_options options = {.sock_state_cb = on_state, .sock_state_cb_data = channel};
    pthread_once(&library_once, library_start);
    int r = errno_of(library_status);
    if (r >= 0)
        r = errno_of(ares_init_options(&channel->ares, &options, ARES_OPT_SOCK_STATE_CB));
    if (r < 0)
        return r;
    ares_set_socket_functions(channel->ares, &socket_functions, NULL);
    int status = servers ? ares_set_servers_ports_csv(channel->ares, servers) : ARES_SUCCESS;
    return status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

void kith_channel_close(struct kith_channel *channel) {
    if (channel->ares)
        ares_destroy(KITH_STEAL(channel->ares));
    /* All are gone by now, but for those that c-ares was told of and never began to use. */
    while (!kith_list_empty(&channel->sockets))
        forget(kith_list_first(&channel->sockets, struct channel_socket, link));
}

uint64_t kith_channel_timeout(struct kith_channel *channel, uint64_t limit) {
    struct timeval room, *next = ares_timeout(channel->ares, NULL, &room);
    if (!next)
        return limit;
    uint64_t ms = (uint64_t)next->tv_sec * 1000 + ((uint64_t)next->tv_usec + 999) / 1000;
    return ms < limit ? ms : limit;
}

void kith_channel_timed_out(struct kith_channel *channel) {
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
