/*
 * embed-epoll.c: kith inside a loop that is there already: here one of epoll(7), which also reads standard input.
 *
 *     embed-epoll ipc:///tmp/wall.sock
 *
 * What is typed goes to every client; what clients send is printed, with who wrote it by the kernel's word. The end of the input ends it.
 * GLib, Qt, libuv and all others host kith in the same way: watch one descriptor for reading, make one call.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kith/loop.h>
#include <kith/stream.h>

#define CLIENTS_MAX 256

static kith_conn *clients[CLIENTS_MAX];
static size_t client_count;

static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    if (batch->sender.known)
        printf("pid %d uid %u: ", batch->sender.pid, batch->sender.uid);
    for (size_t i = 0; i < batch->slice.size; i++) {
        unsigned char c = batch->slice.data[i];
        putchar(c == '\n' || (c >= ' ' && c < 0x7f) ? c : '?'); /* octets of strangers never reach a terminal as they are */
    }
    fflush(stdout);
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    for (size_t i = 0; i < client_count; i++)
        if (clients[i] == conn)
            clients[i] = clients[--client_count];
    kith_conn_free(conn);
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    static const struct kith_conn_ops ops = {.data = on_data, .closed = on_closed};
    static const struct kith_conn_options options = {.identity = true};
    if (client_count == CLIENTS_MAX)
        return -ENOBUFS; /* fd is closed */
    int r = kith_conn_new_accepted(listener, fd, &options, &ops, NULL, &clients[client_count]);
    if (r == 0)
        client_count++;
    return r;
}

/* Outside kith_loop_step(), which is allowed: what is queued makes the descriptor of the loop readable, and the next step sends it.
 * Returns 0 at the end of the input. */
static int read_input(void) {
    char text[4096];
    ssize_t size = read(STDIN_FILENO, text, sizeof(text));
    if (size < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : -errno;
    for (size_t i = 0; i < client_count; i++)
        (void)kith_conn_write(clients[i], text, (size_t)size); /* -EAGAIN: who reads so slowly misses this */
    return size > 0;
}

static int watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* The loop that was there before. kith_loop_fd() is level-triggered and knows timers and queued octets too, so neither a timeout nor a
 * call before each wait is needed. */
static int run(int epoll, kith_loop *loop) {
    int kith = kith_loop_fd(loop);
    int r = kith < 0 ? kith : watch(epoll, kith);
    if (r >= 0)
        r = watch(epoll, STDIN_FILENO);
    if (r == -EPERM)
        fprintf(stderr, "embed-epoll: standard input is a file, which is always readable; use a pipe: cat FILE | embed-epoll ...\n");
    while (r >= 0) {
        struct epoll_event events[2];
        int count = epoll_wait(epoll, events, 2, -1);
        if (count < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < count && r >= 0; i++) {
            if (events[i].data.fd == kith)
                r = kith_loop_step(loop, 0); /* never waits; the number of callbacks that ran */
            else if ((r = read_input()) == 0)
                return 0;
        }
    }
    return r;
}

int main(int argc, char **argv) {
    static const struct kith_listener_ops ops = {.accept = on_accept};
    static const struct kith_listener_options options = {.identity = true};
    struct kith_error error = KITH_ERROR_NONE;
    struct kith_address address;
    kith_loop *loop = NULL;
    kith_listener *listener = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: embed-epoll ADDRESS\nAddresses: tcp://HOST:PORT, ipc://PATH, ipc://@NAME\n");
        return 2;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int r = epoll < 0 ? -errno : kith_address_parse(argv[1], true, &address, &error);
    if (r >= 0)
        r = kith_loop_new_with(NULL, &loop, &error);
    if (r >= 0)
        r = kith_listener_new(loop, &address, &options, &ops, NULL, &listener, &error);
    if (r >= 0) {
        fprintf(stderr, "embed-epoll: listening\n");
        r = run(epoll, loop);
    }
    if (r < 0)
        fprintf(stderr, "embed-epoll: %s\n", error.text[0] ? error.text : strerror(-r));
    for (size_t i = 0; i < client_count; i++)
        kith_conn_free(clients[i]);
    kith_listener_free(listener);
    kith_loop_free(loop);
    if (epoll >= 0)
        close(epoll);
    return r < 0 ? 1 : 0;
}
