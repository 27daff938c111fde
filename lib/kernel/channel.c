/* kernel/channel.c: see channel.h. */
#include "kernel/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "kernel/records.h"
#include "loop/internal.h"

/* A datagram has less than 64 KiB of attributes. */
#define DATAGRAM_ROOM ((size_t)68 * 1024)
/* In one turn of the loop; others come after that. */
#define TURN 16

struct kith_kernel_channel {
    kith_loop *loop;
    const struct kith_kernel_ops *ops;
    void *userdata;
    int fd;
    kith_io *io;
    struct kith_kernel_records *records; /* what messages come by; NULL: they are datagrams */
    uint16_t family;
    bool bpf; /* there are records only, without headers */
    bool joined, failed, freed, reading;
    unsigned refs;          /* its owner, and who is calling back */
    int ring_fd;            /* while it is being opened */
    uint32_t ring;          /* octets */
    uint32_t number, asked; /* of the last request; of the one that asks whether we are joined, 0: none */
    uint64_t last_sequence;
    char name[KITH_KERNEL_NAME_MAX + 1];
    char module[64]; /* the kernel's MODULE_NAME_LEN is less */
    uint8_t *room;   /* DATAGRAM_ROOM */
};

static struct kith_kernel_channel *channel_unref(struct kith_kernel_channel *channel) {
    if (!channel || --channel->refs > 0)
        return NULL;
    kith_close(channel->fd);
    kith_close(channel->ring_fd);
    free(channel->room);
    free(channel);
    return NULL;
}

struct kith_kernel_channel *kith_kernel_channel_free(struct kith_kernel_channel *channel) {
    if (!channel)
        return NULL;
    channel->freed = true;
    channel->io = kith_io_free(channel->io);
    channel->records = kith_kernel_records_free(channel->records);
    return channel_unref(channel);
}

KITH_DEFINE_CLEANUP(struct kith_kernel_channel *, kith_kernel_channel_free)

const char *kith_kernel_channel_module(const struct kith_kernel_channel *channel) {
    return channel->module;
}

bool kith_kernel_channel_numbers(const struct kith_kernel_channel *channel) {
    return !channel->bpf;
}

/* Out -------------------------------------------------------------------------------------------------------------------- */

static int transmit(const struct kith_kernel_channel *channel, struct kith_kernel_request *request, const void *data, size_t size,
                    size_t padding) {
    static const uint8_t zeros[KITH_KERNEL_PADDING];
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct iovec parts[] = {
        {.iov_base = request->octets, .iov_len = request->size},
        {.iov_base = (void *)(uintptr_t)data, .iov_len = size},
        {.iov_base = (void *)(uintptr_t)zeros, .iov_len = padding},
    };
    /* Named as the destination, so that a capability counts by who sends, not only by who opened the socket. */
    struct msghdr head = {.msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = parts, .msg_iovlen = KITH_ARRAY_SIZE(parts)};
    ssize_t sent;
    do
        sent = sendmsg(channel->fd, &head, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

static void begin(struct kith_kernel_channel *channel, struct kith_kernel_request *request, uint8_t command, uint16_t flags) {
    if (++channel->number == 0) /* what the kernel says by itself */
        channel->number = 1;
    kith_kernel_request_init(request, channel->family, command, flags, channel->number);
    kith_kernel_request_put_text(request, KITH_A_CHANNEL, channel->name);
}

static int transmit_data(struct kith_kernel_channel *channel, struct kith_kernel_request *request, const void *data, size_t size) {
    size_t padding;
    if (size > KITH_MESSAGE_MAX)
        return -EMSGSIZE;
    kith_kernel_request_put_data(request, size, &padding);
    return transmit(channel, request, data, size, padding);
}

int kith_kernel_channel_send(struct kith_kernel_channel *channel, const void *data, size_t size, bool acknowledge, uint32_t *ret_number) {
    struct kith_kernel_request request;
    begin(channel, &request, KITH_CMD_SEND, acknowledge ? NLM_F_ACK : 0);
    *ret_number = channel->number;
    return transmit_data(channel, &request, data, size);
}

int kith_kernel_channel_reply(struct kith_kernel_channel *channel, uint32_t number, const void *data, size_t size, uint32_t *ret_number) {
    struct kith_kernel_request request;
    begin(channel, &request, KITH_CMD_REPLY, 0);
    *ret_number = channel->number;
    kith_kernel_request_put_u32(&request, KITH_A_REQUEST, number);
    return transmit_data(channel, &request, data, size);
}

int kith_kernel_channel_acknowledge(struct kith_kernel_channel *channel, uint64_t sequence) {
    struct kith_kernel_request request;
    if (sequence > channel->last_sequence)
        return -ERANGE;
    if (channel->failed)
        return -ENOTCONN;
    if (channel->records) {
        kith_kernel_records_release(channel->records, sequence);
        return 0;
    }
    begin(channel, &request, KITH_CMD_ACK, 0);
    kith_kernel_request_put_u64(&request, KITH_A_SEQUENCE, sequence);
    return transmit(channel, &request, NULL, 0, 0);
}

/* In --------------------------------------------------------------------------------------------------------------------- */

/* One datagram of the kernel's. Its size; 0: one of somebody else. Errors: -EAGAIN, -ENOBUFS, -EMSGSIZE. */
static ssize_t receive(const struct kith_kernel_channel *channel) {
    struct sockaddr_nl from = {0};
    struct iovec part = {.iov_base = channel->room, .iov_len = DATAGRAM_ROOM};
    struct msghdr head = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
    ssize_t size;
    do
        size = recvmsg(channel->fd, &head, MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return -errno;
    if (head.msg_namelen != sizeof(from) || from.nl_pid != 0)
        return 0;
    return head.msg_flags & MSG_TRUNC ? -EMSGSIZE : size;
}

static void fail(struct kith_kernel_channel *channel, int error, const char *why) {
    if (channel->failed)
        return;
    channel->failed = true;
    channel->io = kith_io_free(channel->io);
    channel->records = kith_kernel_records_free(channel->records);
    channel->ops->closed(channel, error, why, channel->userdata);
}

static const char closed_by_module[] = "the channel was closed by its module";

/* Nothing more is sent; what lies in the ring already was. */
static void end(struct kith_kernel_channel *channel, int error, const char *why) {
    if (channel->records)
        kith_kernel_records_end(channel->records);
    else
        fail(channel, error, why);
}

/* The socket had no room for something: if that was that the channel was closed, nothing else would tell. */
static void ask_whether_there(struct kith_kernel_channel *channel) {
    struct kith_kernel_request request;
    if (channel->asked != 0)
        return;
    begin(channel, &request, channel->joined ? KITH_CMD_JOIN : KITH_CMD_GET, NLM_F_ACK);
    if (transmit(channel, &request, NULL, 0, 0) == 0)
        channel->asked = channel->number;
}

/* Asked whether we are joined, -EALREADY: we are; 0: we were not, and are now: without what was before. */
static void on_asked(struct kith_kernel_channel *channel, int error) {
    channel->asked = 0;
    if (channel->joined && error == 0)
        fail(channel, -ESHUTDOWN, closed_by_module);
    else if (error != (channel->joined ? -EALREADY : 0))
        end(channel, error, closed_by_module);
}

static const char another_form[] = "the kernel sent a message of another form: are kith.ko and libkith of one version?";

static void tell_messages(struct kith_kernel_channel *channel, struct kith_kernel_word *word) {
    struct kith_kernel_message message;
    int r;
    while ((r = kith_kernel_message_next(word, &message)) > 0) {
        channel->last_sequence = message.header.sequence;
        channel->ops->message(channel, &message.header, message.data, channel->userdata);
        if (channel->freed)
            return;
    }
    if (r == 0)
        channel->ops->batch(channel, channel->last_sequence, channel->userdata);
    else
        fail(channel, r, another_form);
}

/* That the channel is not there (any more) is no answer to a request alone, and kith.ko says it with a text. Without one it is what the
 * module makes of the request, or that there is no kith.ko. */
static void tell_result(struct kith_kernel_channel *channel, const struct kith_kernel_word *word) {
    bool missing = word->error == -ENOENT || word->error == -ENODEV;
    if (word->number == channel->asked) {
        on_asked(channel, word->error);
        return;
    }
    if (missing && word->text) {
        end(channel, word->error, word->text);
        return;
    }
    if (missing)
        ask_whether_there(channel);
    channel->ops->result(channel, word->number, word->error, word->text, channel->userdata);
}

static void tell(struct kith_kernel_channel *channel, struct kith_kernel_word *word) {
    switch (word->type) {
    case KITH_KERNEL_MESSAGES:
        tell_messages(channel, word);
        break;
    case KITH_KERNEL_REPLY:
        channel->ops->reply(channel, word->number, word->data, word->size, channel->userdata);
        break;
    case KITH_KERNEL_RESULT:
        tell_result(channel, word);
        break;
    case KITH_KERNEL_CLOSED:
        end(channel, -ESHUTDOWN, closed_by_module);
        break;
    default:
        break;
    }
}

static void tell_datagram(struct kith_kernel_channel *channel, size_t size) {
    const uint8_t *octets = channel->room;
    struct kith_kernel_word word;
    int r = 1;
    while (!channel->freed && channel->io && (r = kith_kernel_word_next(channel->family, &octets, &size, &word)) > 0)
        tell(channel, &word);
    if (r < 0)
        fail(channel, r, "the kernel sent what is no netlink message");
}

static void on_readable(kith_io *io, int fd, unsigned events, void *userdata) {
    (void)io, (void)fd, (void)events;
    struct kith_kernel_channel *channel = userdata;
    channel->refs++;
    for (unsigned i = 0; i < TURN && !channel->freed && channel->io && channel->reading; i++) {
        ssize_t size = receive(channel);
        if (size == -EAGAIN)
            break;
        if (size == -ENOBUFS)
            ask_whether_there(channel);
        else if (size < 0)
            fail(channel, (int)size, kith_error_name((int)size));
        else
            tell_datagram(channel, (size_t)size);
    }
    channel_unref(channel);
}

/* From a ring -------------------------------------------------------------------------------------------------------------- */

/* A record's message. False: it is none. */
static bool read_record(const struct kith_kernel_channel *channel, const uint8_t *data, size_t size,
                        struct kith_kernel_message *ret_message) {
    if (channel->bpf) {
        *ret_message =
            (struct kith_kernel_message){.header = {.sequence = channel->last_sequence + 1, .size = (uint32_t)size}, .data = data};
        return true;
    }
    if (size < sizeof(ret_message->header))
        return false;
    memcpy(&ret_message->header, data, sizeof(ret_message->header));
    ret_message->data = data + sizeof(ret_message->header);
    return ret_message->header.size == size - sizeof(ret_message->header);
}

static uint64_t number_record(const uint8_t *data, size_t size, void *userdata) {
    struct kith_kernel_channel *channel = userdata;
    struct kith_kernel_message message;
    if (read_record(channel, data, size, &message) && message.header.sequence > channel->last_sequence)
        return message.header.sequence;
    return channel->last_sequence + 1; /* of what is none */
}

static void on_record(const uint8_t *data, size_t size, void *userdata) {
    struct kith_kernel_channel *channel = userdata;
    struct kith_kernel_message message;
    channel->refs++;
    if (read_record(channel, data, size, &message) && message.header.sequence > channel->last_sequence) {
        channel->last_sequence = message.header.sequence;
        channel->ops->message(channel, &message.header, message.data, channel->userdata);
    } else {
        fail(channel, -EBADMSG, another_form);
    }
    channel_unref(channel);
}

static void on_turn(uint64_t number, void *userdata) {
    struct kith_kernel_channel *channel = userdata;
    channel->ops->batch(channel, number, channel->userdata);
}

static void on_ring_failed(int error, void *userdata) {
    fail(userdata, error, "the ring holds what is no record");
}

static void on_ring_ended(void *userdata) {
    fail(userdata, -ESHUTDOWN, closed_by_module);
}

static const struct kith_kernel_records_ops records_ops = {
    .number = number_record, .record = on_record, .turn = on_turn, .failed = on_ring_failed, .ended = on_ring_ended};

/* What comes beside messages goes on coming. */
void kith_kernel_channel_set_reading(struct kith_kernel_channel *channel, bool reading) {
    channel->reading = reading || channel->records;
    if (channel->records)
        kith_kernel_records_set_reading(channel->records, reading);
    else if (channel->io)
        (void)kith_io_set_events(channel->io, reading ? KITH_IO_READ : 0);
}

/* Opening: what is asked is answered when sending returns ---------------------------------------------------------------- */

/* What is noted of the answer. */
static void note_answer(struct kith_kernel_channel *channel, const struct kith_kernel_word *word) {
    if (word->type == KITH_KERNEL_FAMILY) {
        channel->family = word->family;
        return;
    }
    (void)snprintf(channel->module, sizeof(channel->module), "%s", word->module ? word->module : "");
    channel->ring_fd = word->fd;
    channel->ring = word->ring;
}

/* Looks for the answer to the last request in a datagram. 1: there it is; 0: not in this one; or the error that it is, with its text. */
static int find_answer(struct kith_kernel_channel *channel, size_t size, struct kith_error *ret_error) {
    const uint8_t *octets = channel->room;
    struct kith_kernel_word word;
    int r;
    while ((r = kith_kernel_word_next(channel->family, &octets, &size, &word)) > 0) {
        if (word.type == KITH_KERNEL_MESSAGES)
            return kith_error_set(ret_error, -EAGAIN, "messages came before the answer");
        if (word.number != channel->number)
            continue;
        if (word.type == KITH_KERNEL_RESULT)
            return kith_error_set(ret_error, word.error < 0 ? word.error : -EBADMSG, "%s",
                                  word.text ? word.text : kith_error_name(word.error));
        note_answer(channel, &word);
        return 1;
    }
    return r;
}

/* Sends a request and reads its answer. Errors: with text, those of the kernel's answer among them. */
static int ask(struct kith_kernel_channel *channel, struct kith_kernel_request *request, struct kith_error *ret_error) {
    int r = transmit(channel, request, NULL, 0, 0);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    do {
        ssize_t size = receive(channel);
        if (size >= 0)
            r = find_answer(channel, (size_t)size, ret_error);
        else if (size != -ENOBUFS) /* of messages that come already: they are behind the answer */
            r = kith_error_set(ret_error, (int)size, "%s", kith_error_name((int)size));
    } while (r == 0);
    return r;
}

static int find_family(struct kith_kernel_channel *channel, struct kith_error *ret_error) {
    struct kith_kernel_request request;
    kith_kernel_request_init(&request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, ++channel->number);
    kith_kernel_request_put_text(&request, CTRL_ATTR_FAMILY_NAME, KITH_GENL_NAME);
    int r = ask(channel, &request, ret_error);
    return r == -ENOENT ? kith_error_set(ret_error, r, "kith.ko is not loaded: modprobe kith") : r;
}

/* Joins it, or asks for it. */
static int find_channel(struct kith_kernel_channel *channel, const struct kith_kernel_options *options, unsigned ring,
                        struct kith_error *ret_error) {
    struct kith_kernel_request request;
    begin(channel, &request, options->join ? KITH_CMD_JOIN : KITH_CMD_GET, 0);
    if (options->join && options->window > 0)
        kith_kernel_request_put_u32(&request, KITH_A_WINDOW, options->window);
    if (options->join && ring > 0)
        kith_kernel_request_put_u32(&request, KITH_A_RING, ring);
    int r = ask(channel, &request, ret_error);
    channel->joined = r >= 0 && options->join;
    return r;
}

/* Is this what the same without a ring would get, too? */
static bool is_final(int error) {
    return error >= 0 || error == -ENOENT || error == -EPERM || error == -EBUSY || error == -ENODEV || error == -EALREADY;
}

static int open_ring(struct kith_kernel_channel *channel) {
    struct kith_ring *ring;
    int r = kith_ring_open(KITH_STEAL_FD(channel->ring_fd), channel->ring, &ring);
    return r < 0 ? r : kith_kernel_records_new(channel->loop, ring, &records_ops, channel, &channel->records);
}

/* With a ring if that is asked for, and can be had. */
static int join(struct kith_kernel_channel *channel, const struct kith_kernel_options *options, struct kith_error *ret_error) {
    int r = find_channel(channel, options, options->ring, ret_error);
    if (options->ring > 0 && !is_final(r))
        r = find_channel(channel, options, 0, ret_error);
    if (r < 0 || channel->ring_fd < 0)
        return r;
    r = open_ring(channel);
    return r < 0 ? kith_error_set(ret_error, r, "its ring cannot be mapped: %s", kith_error_name(r)) : 0;
}

static int open_socket(struct kith_kernel_channel *channel, const struct kith_kernel_options *options) {
    struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    channel->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
    if (channel->fd < 0 || bind(channel->fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
        return -errno;
    /* Without these a refusal has no text, or the whole request in it. */
    (void)setsockopt(channel->fd, SOL_NETLINK, NETLINK_EXT_ACK, &(int){1}, sizeof(int));
    (void)setsockopt(channel->fd, SOL_NETLINK, NETLINK_CAP_ACK, &(int){1}, sizeof(int));
    if (options->receive_buffer > 0 &&
        setsockopt(channel->fd, SOL_SOCKET, SO_RCVBUF, &options->receive_buffer, sizeof(options->receive_buffer)) < 0)
        return -errno;
    return 0;
}

static int open_netlink(struct kith_kernel_channel *channel, const struct kith_kernel_options *options, struct kith_error *ret_error) {
    channel->room = malloc(DATAGRAM_ROOM);
    int r = channel->room ? open_socket(channel, options) : -ENOMEM;
    if (r >= 0)
        r = kith_io_new(channel->loop, channel->fd, KITH_IO_READ, on_readable, channel, &channel->io);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    r = find_family(channel, ret_error);
    return r < 0 ? r : join(channel, options, ret_error);
}

static int open_bpf(struct kith_kernel_channel *channel, struct kith_error *ret_error) {
    struct kith_ring *ring;
    channel->bpf = true;
    int r = kith_ring_open_bpf(channel->name + sizeof(KITH_KERNEL_BPF) - 1, &ring, ret_error);
    if (r < 0)
        return r;
    r = kith_kernel_records_new(channel->loop, ring, &records_ops, channel, &channel->records);
    return r < 0 ? kith_error_set(ret_error, r, "%s", kith_error_name(r)) : 0;
}

int kith_kernel_channel_new(kith_loop *loop, const char *name, const struct kith_kernel_options *options, const struct kith_kernel_ops *ops,
                            void *userdata, struct kith_kernel_channel **ret_channel, struct kith_error *ret_error) {
    _cleanup_(kith_kernel_channel_freep) struct kith_kernel_channel *channel = calloc(1, sizeof(*channel));
    if (!channel)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    *channel =
        (struct kith_kernel_channel){.loop = loop, .ops = ops, .userdata = userdata, .fd = -1, .ring_fd = -1, .reading = true, .refs = 1};
    (void)snprintf(channel->name, sizeof(channel->name), "%s", name);
    bool bpf = strncmp(name, KITH_KERNEL_BPF, sizeof(KITH_KERNEL_BPF) - 1) == 0;
    int r = bpf ? open_bpf(channel, ret_error) : open_netlink(channel, options, ret_error);
    if (r < 0)
        return r;
    *ret_channel = KITH_STEAL(channel);
    return 0;
}
