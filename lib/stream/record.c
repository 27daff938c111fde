/*
 * Records of a handover, to octets and back. See record.h for their form.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "stream/record.h"

static const uint8_t magic[4] = {'k', 'i', 't', 'h'};

#define LISTENER_FIXED 18 /* octets before the name */

static const struct {
    size_t min, max; /* octets of the body */
    size_t min_fds, max_fds;
} limits[] = {
    [KITH_RECORD_HELLO] = {0, 0, 0, 0},
    [KITH_RECORD_LISTENER] = {LISTENER_FIXED + 1, LISTENER_FIXED + KITH_INHERITED_NAME_MAX + 107, 1, 2},
    [KITH_RECORD_END] = {4, 4, 0, 0},
    [KITH_RECORD_READY] = {4, 4, 0, 0},
    [KITH_RECORD_CONN] = {4, KITH_RECORD_BODY_MAX, 1, 1},
    [KITH_RECORD_DONE] = {4, 4, 0, 0},
    [KITH_RECORD_CANCEL] = {4, 4 + KITH_RECORD_TEXT_MAX, 0, 0},
};

static uint16_t get16(const uint8_t *octets) {
    uint16_t number;
    memcpy(&number, octets, sizeof(number));
    return le16toh(number);
}

static uint32_t get32(const uint8_t *octets) {
    uint32_t number;
    memcpy(&number, octets, sizeof(number));
    return le32toh(number);
}

static uint64_t get64(const uint8_t *octets) {
    uint64_t number;
    memcpy(&number, octets, sizeof(number));
    return le64toh(number);
}

static void put16(uint8_t *octets, uint16_t number) {
    number = htole16(number);
    memcpy(octets, &number, sizeof(number));
}

static void put32(uint8_t *octets, uint32_t number) {
    number = htole32(number);
    memcpy(octets, &number, sizeof(number));
}

static void put64(uint8_t *octets, uint64_t number) {
    number = htole64(number);
    memcpy(octets, &number, sizeof(number));
}

/* Received --------------------------------------------------------------------------------------------------------------- */

int kith_record_decode(const uint8_t header[static KITH_RECORD_HEADER], struct kith_record *ret_record) {
    unsigned type = get16(header + 6);
    size_t size = get32(header + 8), fd_count = get16(header + 12);
    if (memcmp(header, magic, sizeof(magic)) != 0)
        return -EPROTO;
    if (get16(header + 4) != KITH_RECORD_VERSION && type != KITH_RECORD_CANCEL)
        return -EPROTONOSUPPORT;
    if (type < KITH_RECORD_HELLO || type >= KITH_ARRAY_SIZE(limits) || get16(header + 14) != 0)
        return -EPROTO;
    if (size < limits[type].min || size > limits[type].max || fd_count < limits[type].min_fds || fd_count > limits[type].max_fds)
        return -EPROTO;
    *ret_record = (struct kith_record){.type = (enum kith_record_type)type, .size = size, .fd_count = fd_count};
    return 0;
}

/* Copies octets that must make a string. */
static bool get_text(const uint8_t *octets, size_t size, char *text) {
    memcpy(text, octets, size);
    text[size] = '\0';
    return strlen(text) == size;
}

int kith_record_decode_listener(const struct kith_record *record, const uint8_t *body, struct kith_record_listener *ret_listener) {
    struct kith_record_listener listener = {.device = get64(body), .inode = get64(body + 8)};
    size_t name_size = body[16], path_size = body[17];
    if (name_size == 0 || path_size >= sizeof(listener.path) || LISTENER_FIXED + name_size + path_size != record->size)
        return -EPROTO;
    if (!get_text(body + LISTENER_FIXED, name_size, listener.name) ||
        !get_text(body + LISTENER_FIXED + name_size, path_size, listener.path))
        return -EPROTO;
    /* The last part of a path, to be unlinked in its directory and nowhere else. */
    if ((path_size > 0) != (record->fd_count == 2) || strchr(listener.path, '/'))
        return -EPROTO;
    *ret_listener = listener;
    return 0;
}

uint32_t kith_record_decode_number(const uint8_t *body) {
    return get32(body);
}

int kith_record_decode_conn(const struct kith_record *record, const uint8_t *body, struct kith_taken_conn *ret_conn) {
    size_t state_size = get32(body), rest = record->size - 4;
    if (state_size > rest || state_size > KITH_HANDOVER_STATE_MAX || rest - state_size > KITH_RECORD_UNREAD_MAX)
        return -EPROTO;
    *ret_conn = (struct kith_taken_conn){
        .fd = -1, .state = body + 4, .state_size = state_size, .unread = body + 4 + state_size, .unread_size = rest - state_size};
    return 0;
}

int kith_record_decode_cancel(const struct kith_record *record, const uint8_t *body, char text[static KITH_RECORD_TEXT_MAX + 1]) {
    uint32_t error = get32(body);
    memcpy(text, body + 4, record->size - 4);
    text[record->size - 4] = '\0';
    return error >= 1 && error <= 4095 ? -(int)error : -ECANCELED; /* MAX_ERRNO of the kernel */
}

/* To be sent -------------------------------------------------------------------------------------------------------------- */

static struct kith_record_out *new_record(enum kith_record_type type, size_t size, size_t fd_count) {
    struct kith_record_out *out = calloc(1, sizeof(*out) + KITH_RECORD_HEADER + size);
    if (!out)
        return NULL;
    kith_list_init(&out->link);
    out->size = KITH_RECORD_HEADER + size;
    out->fd_count = fd_count;
    memcpy(out->octets, magic, sizeof(magic));
    put16(out->octets + 4, KITH_RECORD_VERSION);
    put16(out->octets + 6, (uint16_t)type);
    put32(out->octets + 8, (uint32_t)size);
    put16(out->octets + 12, (uint16_t)fd_count);
    return out;
}

int kith_record_new_hello(struct kith_record_out **ret_out) {
    *ret_out = new_record(KITH_RECORD_HELLO, 0, 0);
    return *ret_out ? 0 : -ENOMEM;
}

int kith_record_new_listener(const struct kith_record_listener *listener, int fd, int dirfd, struct kith_record_out **ret_out) {
    size_t name_size = strlen(listener->name), path_size = strlen(listener->path);
    struct kith_record_out *out = new_record(KITH_RECORD_LISTENER, LISTENER_FIXED + name_size + path_size, dirfd >= 0 ? 2 : 1);
    if (!out)
        return -ENOMEM;
    out->fds[0] = fd;
    out->fds[1] = dirfd;
    uint8_t *body = out->octets + KITH_RECORD_HEADER;
    put64(body, listener->device);
    put64(body + 8, listener->inode);
    body[16] = (uint8_t)name_size;
    body[17] = (uint8_t)path_size;
    memcpy(body + LISTENER_FIXED, listener->name, name_size);
    memcpy(body + LISTENER_FIXED + name_size, listener->path, path_size);
    *ret_out = out;
    return 0;
}

int kith_record_new_number(enum kith_record_type type, uint32_t number, struct kith_record_out **ret_out) {
    struct kith_record_out *out = new_record(type, 4, 0);
    if (!out)
        return -ENOMEM;
    put32(out->octets + KITH_RECORD_HEADER, number);
    *ret_out = out;
    return 0;
}

int kith_record_new_conn(const struct kith_taken_conn *conn, struct kith_record_out **ret_out) {
    struct kith_record_out *out = new_record(KITH_RECORD_CONN, 4 + conn->state_size + conn->unread_size, 1);
    if (!out)
        return -ENOMEM;
    out->fds[0] = conn->fd;
    out->own_fds = true;
    uint8_t *body = out->octets + KITH_RECORD_HEADER;
    put32(body, (uint32_t)conn->state_size);
    if (conn->state_size > 0)
        memcpy(body + 4, conn->state, conn->state_size);
    if (conn->unread_size > 0)
        memcpy(body + 4 + conn->state_size, conn->unread, conn->unread_size);
    *ret_out = out;
    return 0;
}

int kith_record_new_cancel(int error, const char *text, struct kith_record_out **ret_out) {
    size_t size = strnlen(text, KITH_RECORD_TEXT_MAX);
    struct kith_record_out *out = new_record(KITH_RECORD_CANCEL, 4 + size, 0);
    if (!out)
        return -ENOMEM;
    put32(out->octets + KITH_RECORD_HEADER, 0 - (uint32_t)error); /* INT_MIN has no positive */
    memcpy(out->octets + KITH_RECORD_HEADER + 4, text, size);
    *ret_out = out;
    return 0;
}

struct kith_record_out *kith_record_out_free(struct kith_record_out *out) {
    if (!out)
        return NULL;
    kith_list_unlink(&out->link);
    for (size_t i = 0; out->own_fds && i < out->fd_count; i++)
        kith_close(out->fds[i]);
    free(out);
    return NULL;
}
