/*
 * kernel/wire.h: uapi/kith_netlink.h in octets: requests to kith.ko, and what it says. No I/O.
 *
 * What comes is the kernel's, and is read as if anybody had written it: every size is looked at before it is used, what is not known is
 * left out. Numbers lie where the sender put them, so they are copied out.
 */
#ifndef KITH_KERNEL_WIRE_H
#define KITH_KERNEL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "../uapi/kith_netlink.h"

/* Requests --------------------------------------------------------------------------------------------------------------- */

/* Headers, a channel's name and three numbers, or a family's name. */
#define KITH_KERNEL_REQUEST_SIZE 256
/* What stands behind data to bring it to the alignment of attributes. */
#define KITH_KERNEL_PADDING (NLA_ALIGNTO - 1)

struct kith_kernel_request {
    _Alignas(struct nlmsghdr) uint8_t octets[KITH_KERNEL_REQUEST_SIZE];
    size_t size; /* of these; the message's own length counts data that follows, too */
};

/* `type`: the family; `flags`: NLM_F_ACK, NLM_F_DUMP or 0. */
void kith_kernel_request_init(struct kith_kernel_request *request, uint16_t type, uint8_t command, uint16_t flags, uint32_t number);
/* At most KITH_CHANNEL_NAME_MAX octets. */
void kith_kernel_request_put_text(struct kith_kernel_request *request, uint16_t attribute, const char *text);
void kith_kernel_request_put_u32(struct kith_kernel_request *request, uint16_t attribute, uint32_t value);
void kith_kernel_request_put_u64(struct kith_kernel_request *request, uint16_t attribute, uint64_t value);
/* The last attribute: its octets are to be sent behind request->octets, and then *ret_padding zeros. At most KITH_MESSAGE_MAX. */
void kith_kernel_request_put_data(struct kith_kernel_request *request, size_t size, size_t *ret_padding);

/* What the kernel says --------------------------------------------------------------------------------------------------- */

enum kith_kernel_word_type {
    KITH_KERNEL_OTHER,    /* of no concern */
    KITH_KERNEL_FAMILY,   /* the controller's answer: `family` */
    KITH_KERNEL_CHANNEL,  /* `module`, `mode`; `ring`, `fd` */
    KITH_KERNEL_MESSAGES, /* kith_kernel_message_next() */
    KITH_KERNEL_REPLY,    /* `data`, `size` */
    KITH_KERNEL_CLOSED,
    KITH_KERNEL_RESULT, /* of request `number`: `error` (0: done), `text` */
};

/* One netlink message. Its pointers are into what was read; texts end with a NUL there. */
struct kith_kernel_word {
    enum kith_kernel_word_type type;
    uint32_t number; /* of the request that is answered; 0: none */
    int error;
    const char *text; /* NULL: none */
    uint16_t family;
    const char *channel, *module; /* NULL: not told */
    uint32_t mode, ring;          /* ring: octets; 0: none, and fd is -1 */
    int fd;
    const uint8_t *data;
    size_t size;
    const uint8_t *rest; /* attributes that are not looked at yet */
    size_t rest_size;
};

struct kith_kernel_message {
    struct kith_message_header header;
    const uint8_t *data; /* header.size octets */
};

/* The next message of a datagram, which it moves on behind. 1; 0: there is none; -EBADMSG. `family`: kith's, 0: not known yet. */
int kith_kernel_word_next(uint16_t family, const uint8_t **octets, size_t *size, struct kith_kernel_word *ret_word);
/* 1; 0: there is none; -EBADMSG: one that says more or less than it is. */
int kith_kernel_message_next(struct kith_kernel_word *word, struct kith_kernel_message *ret_message);

#endif
