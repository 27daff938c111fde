/*
 * kernel/channel.h: a channel of a kernel module on a loop: joined, to receive and answer, or only sent to. The rules are those of
 * uapi/kith_netlink.h; that it is netlink, or a ring, is not to be seen from here. A BPF ring buffer that is pinned at PATH is the channel
 * "bpf:PATH", that can be joined.
 *
 * The kernel handles a request in the thread that sends it, so when opening returns the outcome is known, and what a request brings lies in
 * the socket when sending returns; it is told from the loop. Only what comes from the kernel itself (port id 0) is believed.
 *
 * What was received and not acknowledged comes again to the channel's next receiver. The kernel stops after a window of datagrams, so a
 * receiver that does not acknowledge holds a bounded amount. When the socket had no room the kernel sends again by itself; what it had to
 * say beside messages may be lost then, so whether we still are a receiver is asked.
 *
 * Everything belongs to the loop's thread. Callbacks come from the loop, may free the channel, and are never called inside a call.
 */
#ifndef KITH_KERNEL_CHANNEL_H
#define KITH_KERNEL_CHANNEL_H

#include <kith/error.h>
#include <kith/loop.h>

#include "kernel/wire.h"

#define KITH_KERNEL_BPF "bpf:"
#define KITH_KERNEL_NAME_MAX 255

struct kith_kernel_channel;

struct kith_kernel_ops {
    /* `data` is lent. */
    void (*message)(struct kith_kernel_channel *channel, const struct kith_message_header *header, const void *data, void *userdata);
    /* The messages of one datagram, or of one turn of the loop, were told. */
    void (*batch)(struct kith_kernel_channel *channel, uint64_t last_sequence, void *userdata);
    /* The answer to request `number`: data, or how it ended, with the kernel's text (NULL: none). */
    void (*reply)(struct kith_kernel_channel *channel, uint32_t number, const void *data, size_t size, void *userdata);
    void (*result)(struct kith_kernel_channel *channel, uint32_t number, int error, const char *text, void *userdata);
    /* The module closed it (and what lay in a ring was told), it is not joined any more, or the socket failed. Nothing follows. */
    void (*closed)(struct kith_kernel_channel *channel, int error, const char *why, void *userdata);
};

struct kith_kernel_options {
    bool join;
    unsigned window;    /* datagrams; 0: the kernel's default */
    unsigned ring;      /* octets: messages come through mapped memory, if the kernel gives it; 0: as datagrams */
    int receive_buffer; /* SO_RCVBUF in octets; 0: the system's */
};

/* Errors, with a text that does not name it: -ENOENT (no kith.ko, or no channel of this name in this network namespace), -EPERM (the module
 * says no), -EBUSY (it has all the receivers it takes), -EAGAIN (once more), -EAFNOSUPPORT, -EMFILE, -ENOMEM. */
int kith_kernel_channel_new(kith_loop *loop, const char *name, const struct kith_kernel_options *options, const struct kith_kernel_ops *ops,
                            void *userdata, struct kith_kernel_channel **ret_channel, struct kith_error *ret_error);
struct kith_kernel_channel *kith_kernel_channel_free(struct kith_kernel_channel *channel);
/* The name of the module that has it; "": not known. */
const char *kith_kernel_channel_module(const struct kith_kernel_channel *channel);
/* Flow control: false: nothing is received. */
void kith_kernel_channel_set_reading(struct kith_kernel_channel *channel, bool reading);
/* Sends a message to the module, which handles it now. Its reply, if it makes one, and then (with `acknowledge`; without it only if that is
 * an error) its result are told under *ret_number. Errors: -EMSGSIZE, -ENOBUFS, -ENOMEM. */
int kith_kernel_channel_send(struct kith_kernel_channel *channel, const void *data, size_t size, bool acknowledge, uint32_t *ret_number);
/* Answers a message that has this number in its header (`request`). An error, such as that nobody waits any more, is told as a result under
 * *ret_number. */
int kith_kernel_channel_reply(struct kith_kernel_channel *channel, uint32_t request, const void *data, size_t size, uint32_t *ret_number);
/* Do messages have the module's numbers? Those of a BPF ring buffer are only counted. */
bool kith_kernel_channel_numbers(const struct kith_kernel_channel *channel);
/* Messages up to this one are dealt with. Errors: -ERANGE (there was none), -ENOBUFS, -ENOMEM. */
int kith_kernel_channel_acknowledge(struct kith_kernel_channel *channel, uint64_t sequence);

#endif
