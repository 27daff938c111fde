/*
 * bench/messages/frames.c: the limit of a stream of messages: ZMTP frames packed by hand into writes of BATCH octets and picked out of
 * receives of the same size, over ipc with the writer's credentials. A large message goes with its header in one writev(2).
 *
 * The second contestant is the same with a message in memory of its own at each end, made, copied and freed: what a library has to do that
 * gives its user messages.
 *
 * Invariant: `used` octets of the buffer are whole and partial frames; those before `eaten` have been given out.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "bench/messages/address.h"
#include "bench/messages/contestant.h"
#include "bench/messages/message.h"

#define BATCH ((size_t)64 * 1024)
#define FLAG_LONG 2
#define HEADER_MAX 9

struct end {
    struct setup setup;
    bool copied;
    int fd, listener;
    size_t used, eaten;
    char *octets; /* a message to send */
    char *buffer; /* room for a large message behind the rest of another one */
    size_t room;
};

static int open_with(const struct setup *setup, bool serving, bool copied, struct end **ret_end) {
    struct end *end = calloc(1, sizeof(*end));
    char *octets = calloc(1, setup->size);
    size_t room = 4 * BATCH + HEADER_MAX + setup->size;
    char *buffer = malloc(room);
    if (!end || !octets || !buffer)
        return -ENOMEM;
    end->buffer = buffer;
    end->room = room;
    end->setup = *setup;
    end->copied = copied;
    end->octets = octets;
    end->fd = end->listener = -1;
    *ret_end = end;
    int *fd = serving ? &end->listener : &end->fd;
    *fd = serving ? address_listen(setup, !setup->tcp) : address_connect(setup, false);
    return *fd < 0 ? *fd : 0;
}

static int end_open(const struct setup *setup, bool serving, struct end **ret_end) {
    return open_with(setup, serving, false, ret_end);
}

static int end_open_copied(const struct setup *setup, bool serving, struct end **ret_end) {
    return open_with(setup, serving, true, ret_end);
}

static size_t header_write(char *header, size_t size) {
    bool is_long = size > UINT8_MAX;
    uint64_t big = htobe64(size);
    header[0] = is_long ? FLAG_LONG : 0;
    if (is_long)
        memcpy(header + 1, &big, sizeof(big));
    else
        header[1] = (char)size;
    return is_long ? HEADER_MAX : 2;
}

/* 0: it is not whole. */
static size_t header_read(const char *header, size_t have, size_t *ret_size) {
    uint64_t big;
    if (have < 2 || (header[0] == FLAG_LONG && have < HEADER_MAX))
        return 0;
    if (header[0] != FLAG_LONG) {
        *ret_size = (unsigned char)header[1];
        return 2;
    }
    memcpy(&big, header + 1, sizeof(big));
    *ret_size = be64toh(big);
    return HEADER_MAX;
}

static int write_all(struct end *end, struct iovec *iov, size_t count) {
    while (count > 0) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
        ssize_t n = sendmsg(end->fd, &message, MSG_NOSIGNAL);
        if (n < 0)
            return -errno;
        for (; count > 0 && (size_t)n >= iov->iov_len; iov++, count--)
            n -= (ssize_t)iov->iov_len;
        if (count > 0) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}

static int flush(struct end *end) {
    struct iovec all = {.iov_base = end->buffer, .iov_len = end->used};
    end->used = 0;
    return all.iov_len > 0 ? write_all(end, &all, 1) : 0;
}

static int pack(struct end *end, const char *octets) {
    size_t size = end->setup.size;
    if (size + HEADER_MAX >= BATCH) {
        char header[HEADER_MAX];
        struct iovec both[] = {{.iov_base = header, .iov_len = header_write(header, size)},
                               {.iov_base = (char *)(uintptr_t)octets, .iov_len = size}};
        return write_all(end, both, 2);
    }
    int r = end->used + HEADER_MAX + size > BATCH ? flush(end) : 0;
    end->used += header_write(end->buffer + end->used, size);
    memcpy(end->buffer + end->used, octets, size);
    end->used += size;
    return r;
}

static int end_put(struct end *end, uint64_t number) {
    if (!end->copied) {
        message_write(&end->setup, end->octets, number);
        return pack(end, end->octets);
    }
    char *octets = malloc(end->setup.size);
    if (!octets)
        return -ENOMEM;
    message_write(&end->setup, end->octets, number);
    memcpy(octets, end->octets, end->setup.size);
    int r = pack(end, octets);
    free(octets);
    return r;
}

static int end_wait(struct end *end, int fd) {
    (void)fd;
    return end->listener < 0 ? flush(end) : 0;
}

/* More octets behind those that are there. */
static int fill(struct end *end) {
    if (end->fd < 0)
        end->fd = accept4(end->listener, NULL, NULL, SOCK_CLOEXEC);
    if (end->fd < 0)
        return -errno;
    if (end->eaten == end->used)
        end->eaten = end->used = 0;
    if (end->room - end->used < BATCH) {
        memmove(end->buffer, end->buffer + end->eaten, end->used - end->eaten);
        end->used -= end->eaten;
        end->eaten = 0;
    }
    char *room = end->buffer + end->used;
    long n = end->setup.tcp ? recv(end->fd, room, BATCH, 0) : address_receive_creds(end->fd, room, BATCH);
    if (n <= 0)
        return n == 0 ? -ECONNRESET : end->setup.tcp ? -errno : (int)n;
    end->used += (size_t)n;
    return 0;
}

static int take_copy(struct end *end, const char *octets, size_t size, uint64_t number) {
    char *copy = malloc(size);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, octets, size);
    int r = message_check(&end->setup, copy, size, number);
    free(copy);
    return r;
}

static int end_take(struct end *end, uint64_t number) {
    size_t size = 0, header;
    int r;
    while ((header = header_read(end->buffer + end->eaten, end->used - end->eaten, &size)) == 0 || end->used - end->eaten - header < size) {
        r = header > 0 && size != end->setup.size ? -EBADMSG : fill(end);
        if (r < 0)
            return r;
    }
    const char *octets = end->buffer + end->eaten + header;
    end->eaten += header + size;
    return end->copied ? take_copy(end, octets, size, number) : message_check(&end->setup, octets, size, number);
}

const struct contestant_ops contestant_frames = {.open = end_open, .put = end_put, .take = end_take, .wait = end_wait};
const struct contestant_ops contestant_frames_copied = {.open = end_open_copied, .put = end_put, .take = end_take, .wait = end_wait};
