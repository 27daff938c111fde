/*
 * stream/record.h: the records of a handover: their form, without I/O.
 *
 * The old and the new process talk over a stream socket of AF_UNIX in records: a header of 16 octets, a body, and descriptors, which come
 * with the first octet of the header. Numbers are little-endian.
 *
 *     0  4  "kith"
 *     4  2  version, 1
 *     6  2  type
 *     8  4  octets of the body
 *    12  2  descriptors, 0 to 2
 *    14  2  0
 *
 *     new -> old   HELLO     -
 *     old -> new   LISTENER  descriptors: the socket, and with a path its directory
 *                            8 device, 8 inode of the path (0 without), 1 size of the name, 1 size of the path's last part; both
 *     old -> new   END       4 number of LISTENER records
 *     new -> old   READY     4 version of the connections' state; 0: wants none
 *     old -> new   CONN      descriptor: the socket
 *                            4 size of the state; the state; unread octets, up to the end
 *     old -> new   DONE      4 number of CONN records
 *     both         CANCEL    4 errno, positive; text for a person. In every version of this protocol it has this form
 *
 * Addresses are not sent: the kernel knows where a socket is bound.
 */
#ifndef KITH_STREAM_RECORD_H
#define KITH_STREAM_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/handover.h>

#include "base/list.h"

#define KITH_RECORD_HEADER 16
#define KITH_RECORD_VERSION 1
#define KITH_RECORD_FDS_MAX 2
#define KITH_RECORD_UNREAD_MAX (1024 * 1024)
#define KITH_RECORD_BODY_MAX (4 + KITH_HANDOVER_STATE_MAX + KITH_RECORD_UNREAD_MAX)
#define KITH_RECORD_TEXT_MAX 255

enum kith_record_type {
    KITH_RECORD_HELLO = 1,
    KITH_RECORD_LISTENER,
    KITH_RECORD_END,
    KITH_RECORD_READY,
    KITH_RECORD_CONN,
    KITH_RECORD_DONE,
    KITH_RECORD_CANCEL,
};

/* Received --------------------------------------------------------------------------------------------------------------- */

struct kith_record {
    enum kith_record_type type;
    size_t size; /* of the body */
    size_t fd_count;
};

/* Sizes and counts are within what the type allows. Errors: -EPROTO, -EPROTONOSUPPORT (another version). */
int kith_record_decode(const uint8_t header[static KITH_RECORD_HEADER], struct kith_record *ret_record);

struct kith_record_listener {
    uint64_t device, inode;
    char name[KITH_INHERITED_NAME_MAX + 1];
    char path[108]; /* last part of the path, or empty: no path comes with it */
};

/* Each reads the body of a record of its type, which has record->size octets. Errors: -EPROTO. */
int kith_record_decode_listener(const struct kith_record *record, const uint8_t *body, struct kith_record_listener *ret_listener);
/* END, READY, DONE. */
uint32_t kith_record_decode_number(const uint8_t *body);
/* The descriptor is not set. What it points to lies in the body. */
int kith_record_decode_conn(const struct kith_record *record, const uint8_t *body, struct kith_taken_conn *ret_conn);
/* Returns the negative errno. The text is not trusted to be fit for a terminal. */
int kith_record_decode_cancel(const struct kith_record *record, const uint8_t *body, char text[static KITH_RECORD_TEXT_MAX + 1]);

/* To be sent -------------------------------------------------------------------------------------------------------------- */

struct kith_record_out {
    struct kith_list link;
    size_t size, sent;
    int fds[KITH_RECORD_FDS_MAX];
    size_t fd_count;
    bool own_fds; /* they are closed with the record */
    uint8_t octets[];
};

/* Errors: -ENOMEM. */
int kith_record_new_hello(struct kith_record_out **ret_out);
/* dirfd -1: without a path. Both stay the caller's and must be open until it is sent. */
int kith_record_new_listener(const struct kith_record_listener *listener, int fd, int dirfd, struct kith_record_out **ret_out);
int kith_record_new_number(enum kith_record_type type, uint32_t number, struct kith_record_out **ret_out);
/* conn->fd belongs to the record on success. */
int kith_record_new_conn(const struct kith_taken_conn *conn, struct kith_record_out **ret_out);
/* A longer text is cut. */
int kith_record_new_cancel(int error, const char *text, struct kith_record_out **ret_out);
struct kith_record_out *kith_record_out_free(struct kith_record_out *out);

#endif
