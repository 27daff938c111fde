/*
 * stream/internal.h: what other rooms of libkith use of streams beyond kith/stream.h.
 */
#ifndef KITH_STREAM_INTERNAL_H
#define KITH_STREAM_INTERNAL_H

#include <stdbool.h>

#include <kith/stream.h>

#include "base/fds.h"

/* From asm-generic/socket.h and linux/socket.h of Linux 6.5; Debian 12's headers do not have them yet. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* Asks the kernel for a pidfd of the writer with each batch (struct kith_sender.pidfd). It costs about 4 us a batch, so it is off at first:
 * switch it on when a connection turns out to have more than one writer. It holds for what is received from now on, whenever it was sent.
 * Errors: -ENOPROTOOPT (before Linux 6.5), -EOPNOTSUPP (not AF_UNIX), -ENOTCONN (closed). */
int kith_conn_set_pass_pidfd(kith_conn *conn, bool on);

/* Room for `size` octets, at least one, at the end of the write queue: to be filled at once and confirmed with kith_conn_written(), before
 * anything else is done with the connection. Errors: as kith_conn_write(). */
int kith_conn_write_place(kith_conn *conn, size_t size, uint8_t **ret_place);
void kith_conn_written(kith_conn *conn, size_t size);
/* The same with descriptors, as kith_conn_write_fds(); takes a reference of the list, in which there is at least one. */
int kith_conn_write_place_fds(kith_conn *conn, size_t size, struct kith_fds *fds, uint8_t **ret_place);

/* Takes the descriptor out of a connection, which is closed by that, without a callback, and must still be freed. *ret_unread is what was
 * read and not delivered (size 0: nothing); its buffer's reference is the caller's. Errors: -EBUSY (not open, draining, failed, or octets
 * are queued), -ESHUTDOWN (the loop is gone): the connection stays as it is. */
int kith_conn_detach(kith_conn *conn, int *ret_fd, struct kith_slice *ret_unread);

/* What went wrong and what to do about it, of a socket that cannot be made, bound or connected; at least what errno means. Never NULL. */
const char *kith_address_remedy(int family, int error);

/* The listening descriptor, owned by the listener. */
int kith_listener_fd(const kith_listener *listener);

#endif
