/*
 * kith/handover.h: hot restart: a new process takes listeners over from the old one, and connections where both agree. Nobody is refused
 * meanwhile and nothing is lost: the listening sockets themselves are handed over, with whoever waits in their backlogs.
 *
 * The old process offers its listeners at an address of AF_UNIX; the new one, started beside it, asks there:
 *
 *     old, in its loop                                   new, while it starts
 *     kith_handover_new(), _add_listener()               kith_takeover_new(): asks, gets the sockets
 *     `asked`
 *                                                        kith_listener_new() with .inherited = kith_takeover_inherited()
 *                                                        ... all else that it needs to serve ...
 *                                                        kith_takeover_ready(): "I serve"
 *     the listeners are paused, their paths are now the new one's to remove
 *     `taken`: kith_handover_add_conn()                  its callback, for each connection
 *     `completed`: serves what it has accepted to the end, then exits
 *
 * When the new process dies, refuses or is too slow before it has said that it serves, the old one goes on as if nothing had happened. Both
 * ask the kernel who the other is (SO_PEERCRED): the same effective uid or root, or nothing is handed over. The address is free again when
 * kith_takeover_ready() has returned, for the new process to offer at it in its turn. Between "I serve" and the pause both accept, and both
 * serve.
 */
#ifndef KITH_HANDOVER_H
#define KITH_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>
#include <kith/inherit.h>
#include <kith/loop.h>
#include <kith/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_handover kith_handover;
typedef struct kith_takeover kith_takeover;

/* Listeners of one handover. */
#define KITH_HANDOVER_LISTENERS_MAX 4096
/* Octets of state that go with a connection. */
#define KITH_HANDOVER_STATE_MAX (1024 * 1024)

/* The old process --------------------------------------------------------------------------------------------------- */

struct kith_handover_ops {
    /* A process that may take over asks (taker->pidfd is -1). Returns 0 to offer, or a negative errno to refuse. NULL: every one may. */
    int (*asked)(kith_handover *handover, const struct kith_sender *taker, void *userdata);
    /* It serves now. The listeners are paused (connections accepted already may still come from them) and wait to be freed. Connections can
     * be given to it here and nowhere else. Required. */
    void (*taken)(kith_handover *handover, void *userdata);
    /* After `taken`: all connections given were sent (0), or those that were not are closed: -EPIPE, -ECONNRESET (the new process is gone),
     * -ETIMEDOUT, ... The handover is over and must still be freed. */
    void (*completed)(kith_handover *handover, int error, void *userdata);
    /* Somebody was refused, or has not come to the end: the listeners go on. One line for the log; taker is NULL when accepting it failed.
     * Anybody who can connect can cause this: see kith_handover_failures(). */
    void (*failed)(kith_handover *handover, const struct kith_sender *taker, const struct kith_error *error, void *userdata);
};

struct kith_handover_options {
    uint64_t timeout_ms; /* from asking to "I serve", and again for sending connections; 0: 30 s */
};

/* Offers at the address, a path (made with mode 0600) or an abstract name. One process can take over at a time. Errors: those of
 * kith_listener_new(), -EAFNOSUPPORT (not AF_UNIX), with text. */
KITH_PUBLIC int kith_handover_new(kith_loop *loop, const struct kith_address *address, const struct kith_handover_options *options,
                                  const struct kith_handover_ops *ops, void *userdata, kith_handover **ret_handover,
                                  struct kith_error *ret_error);
/* Offers no more; what was given and not yet sent is closed. No callback follows. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_handover *kith_handover_free(kith_handover *handover);

/* Offers a listener, which stays the caller's, under a name of 1 to 255 octets; several may have the same. It must be removed before it is
 * freed, unless the handover is freed first or has come to `taken`. A process that is just taking over is turned away, without a callback,
 * when the listeners change. Errors: -EINVAL, -EUSERS (KITH_HANDOVER_LISTENERS_MAX), -ENOMEM, -ESHUTDOWN (taken over already). */
KITH_PUBLIC int kith_handover_add_listener(kith_handover *handover, const char *name, kith_listener *listener);
KITH_PUBLIC void kith_handover_remove_listener(kith_handover *handover, kith_listener *listener);

/* In `taken`: what the new process told kith_takeover_ready() of the state that it understands; 0: it wants no connections. */
KITH_PUBLIC uint32_t kith_handover_state_version(const kith_handover *handover);
/* In `taken`: gives a connection over, with octets of the application's own that say what the new process must know. On success the
 * connection is closed here, without a callback, and must still be freed; also with -ENOMEM, then it is lost. With every other error it
 * stays as it is. Errors: -EBUSY (octets are queued, or it is not open: serve it to its end here), -EOPNOTSUPP (the new process wants
 * none), -EMSGSIZE (more than KITH_HANDOVER_STATE_MAX), -ENOTCONN (not in `taken`), -EINVAL, -ENOMEM. */
KITH_PUBLIC int kith_handover_add_conn(kith_handover *handover, kith_conn *conn, const void *state, size_t size);

/* How often `failed` was due. */
KITH_PUBLIC uint64_t kith_handover_failures(const kith_handover *handover);

/* The new process --------------------------------------------------------------------------------------------------- */

/* Asks at the address and waits, at most timeout_ms milliseconds (-1: without limit), until all sockets are here. It needs no loop. Errors:
 * -ENOENT, -ECONNREFUSED (nobody offers: start afresh), -EPERM (who offers is neither of our uid nor root), -ECANCELED (refused; the
 * text says why), -ETIMEDOUT, -ENODATA (it closed), -EPROTO, -EPROTONOSUPPORT (it speaks another version), -EAFNOSUPPORT, -EMFILE, -ENOMEM,
 * with text. */
KITH_PUBLIC int kith_takeover_new(const struct kith_address *address, int timeout_ms, kith_takeover **ret_takeover,
                                  struct kith_error *ret_error);
/* What was handed over, for kith_listener_options.inherited. It lives as long as the takeover; what is not taken out of it is closed then.
 * A path goes to the listener that takes its socket, and is removed by it once kith_takeover_ready() has succeeded, not before. */
KITH_PUBLIC kith_inherited *kith_takeover_inherited(kith_takeover *takeover);
/* The process that offers. */
KITH_PUBLIC pid_t kith_takeover_pid(const kith_takeover *takeover);

/* A connection handed over. */
struct kith_taken_conn {
    int fd;            /* for kith_conn_new_fd() */
    const void *state; /* what the old process said of it; lent */
    size_t state_size;
    const void *unread; /* octets that it has received and not looked at: they come before what is read from fd; lent */
    size_t unread_size;
};

/* Returns 0 when it keeps conn->fd, or a negative errno: the descriptor is then closed. */
typedef int (*kith_takeover_conn_fn)(const struct kith_taken_conn *conn, void *userdata);

/* Says that this process serves, and waits, at most timeout_ms milliseconds, until the old one has stopped accepting and sent its
 * connections. state_version is the application's number of the form of their state that it understands, not 0; without fn none are sent.
 * Returns the number of connections. When the old process is gone all is ours without its word. Errors: -ECANCELED (it goes on by itself,
 * and this process must end; the text says why), -ETIMEDOUT (it has not answered yet; call this again to go on waiting), -EINVAL; any
 * other: it has stopped, but connections that it gave are lost (-EMFILE, -ENOMEM, -EPROTO). With text. */
KITH_PUBLIC int kith_takeover_ready(kith_takeover *takeover, int timeout_ms, uint32_t state_version, kith_takeover_conn_fn fn,
                                    void *userdata, struct kith_error *ret_error);
/* Before kith_takeover_ready() has succeeded: gives up, the old process goes on. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_takeover *kith_takeover_free(kith_takeover *takeover);

#ifdef __cplusplus
}
#endif
#endif
