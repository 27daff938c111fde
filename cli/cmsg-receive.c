/*
 * cli/cmsg-receive.c: one recvmsg(), printed with all that came beside the octets.
 *
 * Descriptors are adopted before anything is looked at, described, and closed at the end whatever happens between.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cli/cmsg.h"
#include "cli/json.h"
#include "cli/output.h"
#include "gateway/printable.h"

/* Octets of the data that are shown. */
#define SHOWN 64

struct received {
    _Alignas(struct cmsghdr) uint8_t control[16384];
    char data[65536]; /* the most that a datagram has */
    struct sockaddr_storage from;
    struct msghdr header;
    size_t size;
    int fds[KITH_CMSG_MAX_FDS];
    size_t fd_count;
    int pidfd;
};

static int receive(int fd, int flags, struct received *received) {
    struct iovec iov = {.iov_base = received->data, .iov_len = sizeof(received->data)};
    ssize_t n;

    received->header = (struct msghdr){.msg_name = &received->from,
                                       .msg_namelen = sizeof(received->from),
                                       .msg_iov = &iov,
                                       .msg_iovlen = 1,
                                       .msg_control = received->control,
                                       .msg_controllen = sizeof(received->control)};
    n = recvmsg(fd, &received->header, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    received->size = (size_t)n;
    received->fd_count =
        kith_cmsg_adopt_fds(received->control, received->header.msg_controllen, received->fds, KITH_CMSG_MAX_FDS, NULL, &received->pidfd);
    return 0;
}

static void release(struct received *received) {
    for (size_t i = 0; i < received->fd_count; i++)
        kith_close(received->fds[i]);
    received->fd_count = 0;
    received->pidfd = kith_close(received->pidfd);
}

static void put_flags(int flags, struct kith_text *text) {
    static const struct {
        int flag;
        const char *name;
    } names[] = {{MSG_CTRUNC, "MSG_CTRUNC"}, {MSG_TRUNC, "MSG_TRUNC"}, {MSG_ERRQUEUE, "MSG_ERRQUEUE"}, {MSG_OOB, "MSG_OOB"}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++)
        if (flags & names[i].flag)
            kith_text_printf(text, " %s", names[i].name);
}

static void print_text(const struct received *received, const char *from, const char *flags) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(received->control, received->header.msg_controllen);
    struct kith_cmsg cmsg;
    char line[1024];
    struct kith_text text = kith_text_init(line, sizeof(line));
    int r;

    gateway_put_printable(&text, received->data, received->size, SHOWN, '"');
    cli_print("from=%s size=%zu%s data=\"%s\"%s\n", from, received->size, flags, line, received->size > SHOWN ? "..." : "");
    while ((r = kith_cmsg_next(&iter, &cmsg)) > 0) {
        kith_cmsg_format(&cmsg, line, sizeof(line));
        cli_print("  %s\n", line);
        for (size_t i = 0; cmsg.kind == KITH_CMSG_FDS && i < cmsg.value.fds.count; i++) {
            cmsg_describe_fd(kith_cmsg_fd(&cmsg, i), line, sizeof(line));
            cli_print("    descriptor %s\n", line);
        }
    }
    if (r < 0)
        cli_print("  what follows makes no sense\n");
}

static int print_json(const struct received *received, const char *from, const char *flags) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(received->control, received->header.msg_controllen);
    struct kith_cmsg cmsg;
    char data[4 * SHOWN + 1];
    struct kith_text text = kith_text_init(data, sizeof(data));
    json_t *messages = json_array(), *object;
    int r;

    gateway_put_printable(&text, received->data, received->size, SHOWN, 0);
    while ((r = kith_cmsg_next(&iter, &cmsg)) > 0)
        (void)json_array_append_new(messages, cmsg_json(&cmsg));
    object = json_pack("{s:s, s:I, s:s, s:s, s:b, s:o}", "from", from, "size", (json_int_t)received->size, "data", data, "flags",
                       flags[0] ? flags + 1 : "", "malformed", r < 0, "messages", messages);
    if (!object)
        return -ENOMEM;
    r = cli_json_print(object);
    json_decref(object);
    return r;
}

int cmsg_receive(int fd, int type, int flags, bool json) {
    static struct received received; /* too large for a stack; the command has one thread */
    char from[256], flag_words[64] = "";
    struct kith_text text = kith_text_init(from, sizeof(from)), words = kith_text_init(flag_words, sizeof(flag_words));
    int r = receive(fd, flags, &received);

    if (r < 0)
        return r;
    if (type == SOCK_STREAM && received.size == 0 && !(flags & MSG_ERRQUEUE)) {
        release(&received);
        return 0;
    }
    cmsg_endpoint_format(type, &received.from, received.header.msg_namelen, &text);
    put_flags(received.header.msg_flags, &words);
    r = 0;
    if (json)
        r = print_json(&received, from, flag_words);
    else
        print_text(&received, from, flag_words);
    release(&received);
    return r < 0 ? r : 1;
}
