/*
 * stream/internal.h: what other rooms of libkith use of streams beyond kith/stream.h.
 */
#ifndef KITH_STREAM_INTERNAL_H
#define KITH_STREAM_INTERNAL_H

#include <stdbool.h>

#include <kith/stream.h>

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

/* The listening descriptor, owned by the listener. */
int kith_listener_fd(const kith_listener *listener);

#endif
