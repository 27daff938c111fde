/*
 * cmsg/walk.c: from a received control buffer to control messages.
 *
 * The C library's CMSG_NXTHDR() wants an aligned buffer and, in some versions, believes lengths it should not; here headers are
 * copied out and every length is held against what is left. Invariant: offset <= size, and each step moves it on, so a
 * walk ends. An error moves it to the end: nothing behind an unbelievable length can be found again.
 */
#include <errno.h>
#include <string.h>

#include "cmsg/internal.h"

/* CMSG_ALIGN() is not in every C library. Callers make sure that it cannot overflow: `length` is at most a buffer's size. */
static size_t align_up(size_t length) {
    return (length + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1);
}

int kith_cmsg_step(struct kith_cmsg_iter *iter, struct kith_cmsg *ret_cmsg) {
    size_t left = iter->size - iter->offset;
    struct cmsghdr header;

    if (left == 0)
        return 0;
    if (left < sizeof(header))
        goto malformed;
    memcpy(&header, iter->control + iter->offset, sizeof(header));
    if (header.cmsg_len < sizeof(header) || header.cmsg_len > left)
        goto malformed;

    *ret_cmsg = (struct kith_cmsg){
        .level = header.cmsg_level,
        .type = header.cmsg_type,
        .data = iter->control + iter->offset + sizeof(header),
        .size = header.cmsg_len - sizeof(header),
    };
    /* The kernel leaves out the padding of the last one when there is no room for it (put_cmsg()). */
    iter->offset =
        left - header.cmsg_len < align_up(header.cmsg_len) - header.cmsg_len ? iter->size : iter->offset + align_up(header.cmsg_len);
    return 1;

malformed:
    iter->offset = iter->size;
    return -EBADMSG;
}

int kith_cmsg_next(struct kith_cmsg_iter *iter, struct kith_cmsg *ret_cmsg) {
    const struct kith_cmsg_row *row;
    struct kith_cmsg cmsg;
    int r;

    r = kith_cmsg_step(iter, &cmsg);
    if (r <= 0)
        return r;

    row = kith_cmsg_row_find(cmsg.level, cmsg.type);
    if (row) {
        cmsg.kind = row->type.kind;
        cmsg.entry = &row->type;
        r = cmsg.size < row->min_size ? -EBADMSG : row->decode ? row->decode(&cmsg) : 0;
        if (r < 0) {
            iter->offset = iter->size;
            return r;
        }
    }
    *ret_cmsg = cmsg;
    return 1;
}

int kith_cmsg_fd(const struct kith_cmsg *cmsg, size_t index) {
    int fd;

    if (cmsg->kind != KITH_CMSG_FDS || index >= cmsg->value.fds.count)
        return -1;
    memcpy(&fd, (const uint8_t *)cmsg->value.fds.fds + index * sizeof(fd), sizeof(fd));
    return fd;
}

/* Octets shown of a message that is not in the table. */
#define UNKNOWN_SHOWN 16

int kith_cmsg_format(const struct kith_cmsg *cmsg, char *text, size_t size) {
    const struct kith_cmsg_row *row = cmsg->kind == KITH_CMSG_UNKNOWN ? NULL : kith_cmsg_row_find(cmsg->level, cmsg->type);
    struct kith_text line = kith_text_init(text, size);

    if (row) {
        kith_text_puts(&line, row->type.name);
        if (row->format)
            row->format(cmsg, &line);
        else if (row->type.kind == KITH_CMSG_NUMBERS)
            kith_cmsg_format_numbers(cmsg, row, &line);
        else
            kith_cmsg_format_octets(cmsg, &line);
        return kith_text_result(&line);
    }

    kith_text_printf(&line, "level=%d type=%d size=%zu", cmsg->level, cmsg->type, cmsg->size);
    for (size_t i = 0; i < cmsg->size && i < UNKNOWN_SHOWN; i++)
        kith_text_printf(&line, i == 0 ? " data=%02x" : "%02x", ((const uint8_t *)cmsg->data)[i]);
    if (cmsg->size > UNKNOWN_SHOWN)
        kith_text_puts(&line, "...");
    return kith_text_result(&line);
}
