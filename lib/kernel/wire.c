/* kernel/wire.c: see wire.h. */
#include "kernel/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <linux/genetlink.h>

/* Requests --------------------------------------------------------------------------------------------------------------- */

static void set_length(struct kith_kernel_request *request, size_t length) {
    uint32_t value = (uint32_t)length;
    memcpy(request->octets + offsetof(struct nlmsghdr, nlmsg_len), &value, sizeof(value));
}

void kith_kernel_request_init(struct kith_kernel_request *request, uint16_t type, uint8_t command, uint16_t flags, uint32_t number) {
    const struct nlmsghdr head = {.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags), .nlmsg_seq = number};
    const struct genlmsghdr generic = {.cmd = command, .version = KITH_GENL_VERSION};
    memset(request, 0, sizeof(*request));
    memcpy(request->octets, &head, sizeof(head));
    memcpy(request->octets + NLMSG_HDRLEN, &generic, sizeof(generic));
    request->size = NLMSG_HDRLEN + GENL_HDRLEN;
    set_length(request, request->size);
}

/* The place of an attribute's octets, of which `inside` lie in the request. */
static uint8_t *put(struct kith_kernel_request *request, uint16_t attribute, size_t size, size_t inside) {
    const struct nlattr head = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = attribute};
    uint8_t *place = request->octets + request->size;
    assert(request->size + NLA_HDRLEN + NLA_ALIGN(inside) <= sizeof(request->octets));
    memcpy(place, &head, sizeof(head));
    request->size += NLA_HDRLEN + NLA_ALIGN(inside);
    set_length(request, request->size);
    return place + NLA_HDRLEN;
}

void kith_kernel_request_put_text(struct kith_kernel_request *request, uint16_t attribute, const char *text) {
    size_t size = strlen(text) + 1;
    memcpy(put(request, attribute, size, size), text, size);
}

void kith_kernel_request_put_u32(struct kith_kernel_request *request, uint16_t attribute, uint32_t value) {
    memcpy(put(request, attribute, sizeof(value), sizeof(value)), &value, sizeof(value));
}

void kith_kernel_request_put_u64(struct kith_kernel_request *request, uint16_t attribute, uint64_t value) {
    memcpy(put(request, attribute, sizeof(value), sizeof(value)), &value, sizeof(value));
}

void kith_kernel_request_put_data(struct kith_kernel_request *request, size_t size, size_t *ret_padding) {
    assert(size <= KITH_MESSAGE_MAX);
    (void)put(request, KITH_A_DATA, size, 0);
    *ret_padding = NLA_ALIGN(size) - size;
    set_length(request, request->size + NLA_ALIGN(size));
}

/* Attributes ------------------------------------------------------------------------------------------------------------- */

struct attribute {
    uint16_t type;
    const uint8_t *data;
    size_t size;
};

/* The next one; 1, 0: none, -EBADMSG. */
static int attribute_next(const uint8_t **octets, size_t *size, struct attribute *ret_attribute) {
    struct nlattr head;
    if (*size < sizeof(head))
        return 0;
    memcpy(&head, *octets, sizeof(head));
    if (head.nla_len < NLA_HDRLEN || head.nla_len > *size)
        return -EBADMSG;
    *ret_attribute =
        (struct attribute){.type = head.nla_type & NLA_TYPE_MASK, .data = *octets + NLA_HDRLEN, .size = (size_t)head.nla_len - NLA_HDRLEN};
    size_t step = NLA_ALIGN((size_t)head.nla_len);
    step = step < *size ? step : *size;
    *octets += step;
    *size -= step;
    return 1;
}

/* NULL: it has no end. */
static const char *text_of(const struct attribute *attribute) {
    return memchr(attribute->data, '\0', attribute->size) ? (const char *)attribute->data : NULL;
}

/* What is of another size leaves the value as it was. */
static void number_of(const struct attribute *attribute, void *value, size_t size) {
    if (attribute->size == size)
        memcpy(value, attribute->data, size);
}

/* What the kernel says --------------------------------------------------------------------------------------------------- */

/* The controller's: the family's number. */
static void read_family(struct kith_kernel_word *word) {
    struct attribute attribute;
    word->type = KITH_KERNEL_FAMILY;
    while (attribute_next(&word->rest, &word->rest_size, &attribute) > 0)
        if (attribute.type == CTRL_ATTR_FAMILY_ID)
            number_of(&attribute, &word->family, sizeof(word->family));
}

/* What is not one of many: everything is looked at. */
static void read_word(struct kith_kernel_word *word) {
    const uint8_t *octets = word->rest;
    size_t size = word->rest_size;
    struct attribute attribute;
    while (attribute_next(&octets, &size, &attribute) > 0) {
        if (attribute.type == KITH_A_CHANNEL)
            word->channel = text_of(&attribute);
        else if (attribute.type == KITH_A_MODULE)
            word->module = text_of(&attribute);
        else if (attribute.type == KITH_A_MODE)
            number_of(&attribute, &word->mode, sizeof(word->mode));
        else if (attribute.type == KITH_A_RING)
            number_of(&attribute, &word->ring, sizeof(word->ring));
        else if (attribute.type == KITH_A_FD)
            number_of(&attribute, &word->fd, sizeof(word->fd));
        else if (attribute.type == KITH_A_DATA) {
            word->data = attribute.data;
            word->size = attribute.size;
        } else if (attribute.type == KITH_A_MESSAGE) {
            break; /* the name goes before them */
        }
    }
}

/* NLMSG_ERROR: a number, the request's header, as much of the request as was asked for, attributes. */
static void read_result(const struct nlmsghdr *head, struct kith_kernel_word *word) {
    struct nlmsgerr result;
    struct attribute attribute;
    word->type = KITH_KERNEL_RESULT;
    word->error = -EBADMSG;
    if (word->rest_size < sizeof(result))
        return;
    memcpy(&result, word->rest, sizeof(result));
    word->error = result.error > 0 ? -EBADMSG : result.error;
    size_t before = sizeof(result);
    if (!(head->nlmsg_flags & NLM_F_CAPPED) && result.msg.nlmsg_len >= sizeof(result.msg))
        before += NLMSG_ALIGN((size_t)result.msg.nlmsg_len) - sizeof(result.msg);
    if (!(head->nlmsg_flags & NLM_F_ACK_TLVS) || before > word->rest_size)
        return;
    word->rest += before;
    word->rest_size -= before;
    while (attribute_next(&word->rest, &word->rest_size, &attribute) > 0)
        if (attribute.type == NLMSGERR_ATTR_MSG)
            word->text = text_of(&attribute);
}

static enum kith_kernel_word_type type_of(uint8_t command) {
    switch (command) {
    case KITH_CMD_CHANNEL:
        return KITH_KERNEL_CHANNEL;
    case KITH_CMD_MESSAGES:
        return KITH_KERNEL_MESSAGES;
    case KITH_CMD_REPLY:
        return KITH_KERNEL_REPLY;
    case KITH_CMD_CLOSED:
        return KITH_KERNEL_CLOSED;
    default:
        return KITH_KERNEL_OTHER;
    }
}

static void read_generic(uint16_t family, const struct nlmsghdr *head, struct kith_kernel_word *word) {
    struct genlmsghdr generic;
    if (word->rest_size < GENL_HDRLEN)
        return;
    memcpy(&generic, word->rest, sizeof(generic));
    word->rest += GENL_HDRLEN;
    word->rest_size -= GENL_HDRLEN;
    if (head->nlmsg_type == GENL_ID_CTRL && generic.cmd == CTRL_CMD_NEWFAMILY) {
        read_family(word);
    } else if (family != 0 && head->nlmsg_type == family) {
        word->type = type_of(generic.cmd);
        read_word(word);
    }
}

int kith_kernel_word_next(uint16_t family, const uint8_t **octets, size_t *size, struct kith_kernel_word *ret_word) {
    struct nlmsghdr head;
    if (*size == 0)
        return 0;
    if (*size < sizeof(head))
        return -EBADMSG;
    memcpy(&head, *octets, sizeof(head));
    if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > *size)
        return -EBADMSG;
    *ret_word = (struct kith_kernel_word){
        .number = head.nlmsg_seq, .fd = -1, .rest = *octets + NLMSG_HDRLEN, .rest_size = (size_t)head.nlmsg_len - NLMSG_HDRLEN};
    if (head.nlmsg_type == NLMSG_ERROR)
        read_result(&head, ret_word);
    else if (head.nlmsg_type >= NLMSG_MIN_TYPE)
        read_generic(family, &head, ret_word);
    size_t step = NLMSG_ALIGN((size_t)head.nlmsg_len);
    step = step < *size ? step : *size;
    *octets += step;
    *size -= step;
    return 1;
}

int kith_kernel_message_next(struct kith_kernel_word *word, struct kith_kernel_message *ret_message) {
    struct attribute attribute;
    int r;
    while ((r = attribute_next(&word->rest, &word->rest_size, &attribute)) > 0) {
        if (attribute.type != KITH_A_MESSAGE)
            continue;
        if (attribute.size < sizeof(ret_message->header))
            return -EBADMSG;
        memcpy(&ret_message->header, attribute.data, sizeof(ret_message->header));
        ret_message->data = attribute.data + sizeof(ret_message->header);
        return ret_message->header.size == attribute.size - sizeof(ret_message->header) ? 1 : -EBADMSG;
    }
    return r;
}
