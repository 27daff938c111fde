/*
 * cli/cmsg-listen.c: kith cmsg listen: prints the ancillary data of whatever comes.
 *
 * A plain socket with every reception option on. Of a stream it accepts connections, LIMIT at a time: further ones wait in the backlog.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cli/cmsg.h"
#include "cli/options.h"
#include "cli/output.h"

#define LIMIT 64

enum { KEY_COUNT, KEY_JSON, KEY_TIMEOUT };

static const struct cli_option options[] = {
    {KEY_COUNT, "count", 'n', "N", "end after so many"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object a line"},
    {KEY_TIMEOUT, "timeout", 't', "MS", "end when nothing came for so long; exit status 3"},
    {0},
};

struct listening {
    struct cmsg_endpoint endpoint;
    struct pollfd fds[1 + LIMIT]; /* the first is the socket at the endpoint */
    nfds_t used;
    int64_t left; /* to print; INT64_MAX: no end */
    int timeout;  /* milliseconds, -1: none */
    bool json;
};

/* SIGINT and SIGTERM are let in while poll() waits and at no other time, so none is missed and the path is removed. */
static volatile sig_atomic_t ended;
static sigset_t outside;

static void note_end(int number) {
    ended = 1;
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = note_end};
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &outside);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int take_option(void *state, int key, const char *value) {
    struct listening *me = state;
    int64_t number;
    int status = 0;

    if (key == KEY_JSON)
        me->json = true;
    else if (key == KEY_COUNT)
        return cli_number("--count", value, 1, INT64_MAX, &me->left);
    else if ((status = cli_number("--timeout", value, 1, INT32_MAX, &number)) == 0)
        me->timeout = (int)number;
    return status;
}

static void remove_path(const struct listening *me) {
    if (me->endpoint.address.any.sa_family == AF_UNIX && me->endpoint.address.un.sun_path[0] != '\0')
        (void)unlink(me->endpoint.address.un.sun_path);
}

static int open_listener(struct listening *me) {
    int fd = socket(me->endpoint.address.any.sa_family, me->endpoint.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } bound;
    socklen_t size = sizeof(bound);
    char where[256];
    struct kith_text text = kith_text_init(where, sizeof(where));

    if (fd < 0)
        return -errno;
    me->fds[0] = (struct pollfd){.fd = fd, .events = POLLIN};
    me->used = 1;
    cmsg_receive_everything(fd);
    if (me->endpoint.type == SOCK_STREAM)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &me->endpoint.address.any, me->endpoint.size) < 0)
        return -errno;
    if (me->endpoint.type == SOCK_STREAM && listen(fd, LIMIT) < 0)
        return -errno;
    if (getsockname(fd, &bound.any, &size) < 0)
        return -errno;
    cmsg_endpoint_format(me->endpoint.type, &bound, size, &text);
    cli_error("listening at %s", where);
    return 0;
}

static void accept_one(struct listening *me) {
    int fd = accept4(me->fds[0].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return; /* it was gone again; the next poll() tells of others */
    cmsg_receive_everything(fd);
    me->fds[me->used++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void drop(struct listening *me, nfds_t index) {
    kith_close(me->fds[index].fd);
    me->fds[index] = me->fds[--me->used];
}

/* Prints what one socket has: the error queue first, then one message. Returns 0, -EPIPE at the end of a connection, or another error. */
static int serve(struct listening *me, int fd, short events) {
    int r, error;
    socklen_t size = sizeof(error);

    while (me->left > 0 && events & POLLERR && (r = cmsg_receive(fd, me->endpoint.type, MSG_ERRQUEUE, me->json)) > 0)
        me->left--;
    if (events & POLLERR)
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size); /* read, or it would be told again for ever */
    if (me->left == 0 || !(events & (POLLIN | POLLHUP)))
        return 0;
    r = cmsg_receive(fd, me->endpoint.type, 0, me->json);
    me->left -= r > 0;
    return r > 0 || r == -EAGAIN || r == -EINTR ? 0 : r == 0 ? -EPIPE : r;
}

static int step(struct listening *me) {
    struct timespec timeout = {.tv_sec = me->timeout / 1000, .tv_nsec = me->timeout % 1000 * 1000000L};
    bool accepts = me->endpoint.type == SOCK_STREAM;
    int r;

    /* No room for one more: the listener is not looked at. */
    me->fds[0].events = me->used <= LIMIT ? POLLIN : 0;
    r = ppoll(me->fds, me->used, me->timeout < 0 ? NULL : &timeout, &outside);
    if (r < 0)
        return errno == EINTR ? 0 : -errno;
    if (r == 0)
        return -ETIMEDOUT;
    for (nfds_t i = me->used; i-- > (accepts ? 1 : 0);) {
        r = me->fds[i].revents == 0 || me->left == 0 ? 0 : serve(me, me->fds[i].fd, me->fds[i].revents);
        if (r < 0 && accepts)
            drop(me, i);
        else if (r < 0 && r != -ECONNREFUSED)
            return r;
    }
    if (accepts && me->fds[0].revents & POLLIN && me->used <= LIMIT)
        accept_one(me);
    return 0;
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct listening me = {.left = INT64_MAX, .timeout = -1};
    char **words;
    int count, r, status = cli_options_parse(verb, argc, argv, take_option, &me, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count != 1)
        return cli_usage(verb, "at which endpoint?");
    status = cmsg_endpoint_parse(words[0], &me.endpoint);
    if (status != CLI_OK)
        return status;
    catch_signals();
    r = open_listener(&me);
    bool bound = r == 0;
    while (r == 0 && me.left > 0 && !ended)
        r = step(&me);
    while (me.used > 0)
        drop(&me, me.used - 1);
    if (bound)
        remove_path(&me);
    if (r == -ETIMEDOUT)
        return CLI_TIMEOUT;
    if (r < 0)
        cli_error("%s: %s%s", words[0], kith_error_name(r), r == -EADDRINUSE ? ": somebody listens there, or left the path behind" : "");
    return r < 0 ? CLI_ERROR : CLI_OK;
}

const struct cli_verb cli_cmsg_listen = {
    .name = "cmsg listen",
    .summary = "print the ancillary data of whatever comes",
    .usage = "ENDPOINT [--count N] [--timeout MS] [--json]",
    .details =
        "Every option that makes the kernel bring ancillary data is on. Descriptors are shown and closed. ENDPOINT: udp://HOST:PORT,\n"
        "tcp://HOST:PORT, unix-dgram://PATH, unix://PATH (@NAME: abstract), netlink://route.",
    .options = options,
    .run = run,
};
