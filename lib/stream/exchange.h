/*
 * stream/exchange.h: records of a handover over a socket. No call waits.
 */
#ifndef KITH_STREAM_EXCHANGE_H
#define KITH_STREAM_EXCHANGE_H

#include "stream/record.h"

/* A record on its way in. */
struct kith_record_in {
    uint8_t header[KITH_RECORD_HEADER];
    size_t have;               /* octets so far, of header and body */
    struct kith_record record; /* once the header is whole */
    uint8_t *body;             /* then, too */
    int fds[KITH_RECORD_FDS_MAX];
    size_t fd_count; /* whoever takes one sets its place to -1 */
};

/* Goes on receiving; `types` are those that may come, a bit each (1 << type); CANCEL always may. Returns 1 when a record is whole, 0 when
 * more must come. Errors: -ENODATA (the other end closed, between records), -EPROTO (it closed within one, a record that makes no sense or
 * is not expected, descriptors that nobody announced), -EPROTONOSUPPORT, -EMFILE (announced descriptors were cut off), -ENOMEM, those of
 * recvmsg(2). */
int kith_record_receive(int fd, struct kith_record_in *in, unsigned types);
/* For the next record: frees the body, closes descriptors that were not taken. */
void kith_record_in_reset(struct kith_record_in *in);

/* Sends what the kernel takes. Returns 1 when the record is sent, 0 when it takes no more now, or a negative errno of sendmsg(2). */
int kith_record_send(int fd, struct kith_record_out *out);
/* Tells the other end why this is over, if it can be told without waiting. */
void kith_record_cancel(int fd, int error, const char *text);

/* Who is at the other end; pidfd is -1. Errors: those of getsockopt(2), -EPERM (neither our effective uid nor root; *ret_peer is set). */
int kith_exchange_check_peer(int fd, struct kith_sender *ret_peer);

#endif
