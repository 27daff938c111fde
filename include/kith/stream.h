/*
 * kith/stream.h: the asynchronous socket server and client for any octet protocol on AF_UNIX, TCP and AF_VSOCK.
 *
 * A listener accepts connections; a connection calls back with what arrives, together with its ancillary data, and has a
 * bounded write queue. Everything runs in the loop's thread.
 *
 * Identity: with `identity` on (AF_UNIX), SO_PASSCRED is set from the listener on (before connect() on a connecting socket), so each batch
 * has the credentials of the one process that wrote it: the kernel never merges octets of different writers into one batch.
 */
#ifndef KITH_STREAM_H
#define KITH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <kith/buffer.h>
#include <kith/error.h>
#include <kith/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_listener kith_listener;
typedef struct kith_conn kith_conn;
typedef struct kith_inherited kith_inherited; /* kith/inherit.h */

/* A socket address and how to write it for a person. */
struct kith_address {
    struct sockaddr_storage storage;
    socklen_t size;
};

/* AF_UNIX: "@name" is the abstract namespace (its exact octets, no NUL), else a path; 1 to 107 octets. Errors: -EINVAL,
 * -ENAMETOOLONG. */
KITH_PUBLIC int kith_address_unix(const char *name, struct kith_address *ret_address);
/* Numeric IPv4 or IPv6 host ("fe80::1%eth0" with its zone), "*" (any IPv4 address, for listening; "::" is any IPv6 one, see dual_stack)
 * and port 0 to 65535 (0: the kernel chooses, for listening). Errors: -EINVAL. */
KITH_PUBLIC int kith_address_ip(const char *host, unsigned port, struct kith_address *ret_address);
/* A context id and a port of AF_VSOCK, vsock(7): between a virtual machine and its host. VMADDR_CID_ANY, VMADDR_PORT_ANY: for listening.
 * Errors: -EINVAL. */
KITH_PUBLIC int kith_address_vsock(uint32_t cid, uint32_t port, struct kith_address *ret_address);
/* An address as a person writes it: "ipc://PATH", "ipc://@NAME", "tcp://HOST:PORT", "tcp://[IPV6]:PORT", "vsock://CID:PORT". Hosts are as
 * in kith_address_ip(), and "localhost" is 127.0.0.1; host names are not looked up (kith/resolve.h does). To listen,
 *  - a host or context id may be "*", and a port 0 or "*": the kernel chooses;
 *  - a host may be an interface, "tcp://eth0:5555": its first IPv4 address as of now, else an IPv6 one;
 *  - the path of ipc may be "*": an abstract name that the kernel makes up; nothing is left of it when the listener is gone, and whoever
 *    shares our network namespace may connect (let a policy decide, or bind to a path with a mode).
 * kith_listener_address() tells what it has become. Errors: -EINVAL, -ENAMETOOLONG, -EPROTONOSUPPORT (another word before "://"), -ENODEV
 * (no such interface), -EADDRNOTAVAIL (it has no address), those of getifaddrs(3), with text. */
KITH_PUBLIC int kith_address_parse(const char *text, bool listening, struct kith_address *ret_address, struct kith_error *ret_error);
/* "/run/x.sock", "@name", "127.0.0.1:80" (an IPv6 address that stands for an IPv4 one, too), "[::1]:80", "3:1024" (a context id), "unnamed"
 * (a unix socket that is not bound); as snprintf(3). Control characters and what is not UTF-8 as \xNN. Errors: -EINVAL, -EAFNOSUPPORT. */
KITH_PUBLIC int kith_address_format(const struct kith_address *address, char *text, size_t size);

/* Options of the kernel's sockets: socket(7), ip(7), ipv6(7), tcp(7). 0 and NULL: as the system has it. What the transport of an address
 * does not know is left alone. Set before the socket is bound or connected, and where needed on accepted ones. */
struct kith_net_options {
    uint32_t tos;                                                     /* TCP: type of service, traffic class; to 255 */
    uint32_t priority;                                                /* TCP: SO_PRIORITY; above 6 needs CAP_NET_ADMIN */
    uint32_t keepalive;                                               /* TCP: 1: probe a peer that is silent */
    uint32_t keepalive_idle_s, keepalive_interval_s, keepalive_count; /* ... after so long, so often, so many times; to 32767, 32767, 127 */
    uint32_t user_timeout_ms;                                         /* TCP: how long sent octets may stay unacknowledged */
    uint32_t send_buffer, receive_buffer; /* TCP, AF_UNIX: octets, which the kernel doubles, and bounds by net.core.wmem_max and rmem_max */
    const char *device;                   /* TCP: SO_BINDTODEVICE: the interface to use alone */
};

/* Connections ---------------------------------------------------------------------------------------------------- */

/* Who wrote a batch, as SCM_CREDENTIALS said. */
struct kith_sender {
    bool known; /* false: no credentials came, or the kernel's "nobody" (pid 0, uid and gid 65534): unknown, never an identity */
    pid_t pid;  /* 0: a process that this pid namespace does not see */
    uid_t uid;
    gid_t gid;
    int pidfd; /* of that process, exact (SCM_PIDFD), or -1; the callback takes it by setting it to -1 */
};

/* What one receive brought: octets of one writer and the descriptors that came with them. */
struct kith_batch {
    struct kith_slice slice; /* lent; without buffer: in the place that `place` gave */
    struct kith_sender sender;
    int *fds; /* passed descriptors; the callback takes one by setting its place to -1, the others are closed after it */
    size_t fd_count;
    /* Descriptors closed because they were more than accepted, or cut off (MSG_CTRUNC, also at RLIMIT_NOFILE): at least so many, because
     * the kernel does not say how many it cut off. */
    size_t fd_refused;
    /* All control messages as they came, lent, for kith_cmsg_next(). The numbers of descriptors in it are for display only: those above
     * own them. */
    const void *control;
    size_t control_size;
};

struct kith_conn_ops {
    /* Octets arrived. Required. */
    void (*data)(kith_conn *conn, struct kith_batch *batch, void *userdata);
    /* Asked before each receive after kith_conn_set_placing(): where the next octets shall be written. Returns how many there is room for,
     * 0 for anywhere. The place must stay valid until the connection is freed, or octets that come after those in it have been told. It is
     * not for writing through the connection, closing or freeing it. */
    size_t (*place)(kith_conn *conn, uint8_t **ret_place, void *userdata);
    /* A connecting socket is connected. */
    void (*connected)(kith_conn *conn, void *userdata);
    /* The write queue fell to the low mark after kith_conn_write() had reached the high mark. */
    void (*writable)(kith_conn *conn, void *userdata);
    /* The peer will send no more (end of file); writing is still possible. NULL: what is queued is still sent, then the connection is
     * closed with error 0. */
    void (*end)(kith_conn *conn, void *userdata);
    /* The connection is over: error is 0 (end of file, or drained) or a negative errno: -ECONNRESET, -EPIPE, -ETIMEDOUT (idle),
     * -ECONNREFUSED, -ENOENT, ... Called exactly once, unless kith_conn_close() or free came first. No callback follows; the connection
     * must still be freed. Everything that could still be read was delivered before, whatever the error; so while paused a hang-up is told
     * only after resume. */
    void (*closed)(kith_conn *conn, int error, void *userdata);
};

/* Most of struct kith_conn_options.control_size. */
#define KITH_CONN_CONTROL_MAX 2048

struct kith_conn_options {
    bool identity;       /* AF_UNIX: credentials for each batch */
    size_t receive_fds;  /* descriptors accepted a batch, 0 to 253; default 0: all are closed and counted */
    size_t control_size; /* octets of room for other control messages, which the application switched on with setsockopt(2); CMSG_SPACE(3)
                          * of each; 0 to KITH_CONN_CONTROL_MAX */
    size_t high_mark;    /* octets in the write queue from which kith_conn_write() says -EAGAIN; 0: 1 MiB */
    size_t low_mark;     /* octets at which `writable` is called; 0: a quarter of high_mark */
    /* Milliseconds; when one has passed the connection is closed with -ETIMEDOUT. */
    uint64_t idle_ms;      /* nothing was received (pauses do not count); 0: never */
    uint64_t handshake_ms; /* kith_conn_handshake_done() was not called since the connection was made or connected; 0: never */
    uint64_t linger_ms;    /* the peer has sent its end, `end` is NULL, and it does not take what is queued; 0: 30 s; UINT64_MAX: never */
    uint64_t connect_ms;   /* connecting; 0: the kernel's limit (AF_UNIX: none at a full backlog) */
    /* For connecting: before connect(2). kith_conn_new_accepted(): what a socket does not have from its listener, which had the same.
     * kith_conn_new_fd() leaves a socket as it is. NULL: none. Lent for the call. */
    const struct kith_net_options *net;
};

/* Adopts a connected stream socket (made non-blocking and close-on-exec); on failure it stays the caller's. Errors: -ENOTSOCK,
 * -EPROTOTYPE (not SOCK_STREAM), -EBADF, -EEXIST (the loop watches it already), -EINVAL (low_mark not below high_mark, receive_fds above
 * 253), -ENOMEM, -ENOSPC, -ECHILD (after fork), -ESHUTDOWN (the loop is gone). */
KITH_PUBLIC int kith_conn_new_fd(kith_loop *loop, int fd, const struct kith_conn_options *options, const struct kith_conn_ops *ops,
                                 void *userdata, kith_conn **ret_conn);
/* Begins to connect; the outcome comes as `connected` or `closed`, never inside this call. Octets may be written before it. A full backlog
 * of AF_UNIX is tried again until connect_ms is over. Errors: -EINVAL, -ENOMEM, -EMFILE, -ENFILE, -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -ECHILD,
 * -ESHUTDOWN; of options->net: -EPERM (a capability is missing), -ENODEV (no such interface), those of setsockopt(2). */
KITH_PUBLIC int kith_conn_new_connect(kith_loop *loop, const struct kith_address *address, const struct kith_conn_options *options,
                                      const struct kith_conn_ops *ops, void *userdata, kith_conn **ret_conn);
/* Closes at once and frees; no callback follows. NULL is allowed. Always NULL. */
KITH_PUBLIC kith_conn *kith_conn_free(kith_conn *conn);
/* Closes at once (inside a callback: when the callbacks of this step have run): queued octets are lost, no callback follows. */
KITH_PUBLIC void kith_conn_close(kith_conn *conn);
/* Sends what is queued, then its end (SHUT_WR), waits for the peer's end, because closing earlier can destroy what the peer has not read
 * yet, and calls `closed` (error 0; -ETIMEDOUT when deadline_ms passed first; -1: no deadline). Arriving data are still delivered; nothing
 * more can be written (-EPIPE). A paused connection stays paused and does not see the peer's end: mind the deadline, or resume. Called
 * again it sets a new deadline. */
KITH_PUBLIC void kith_conn_drain(kith_conn *conn, int64_t deadline_ms);

KITH_PUBLIC void kith_conn_set_userdata(kith_conn *conn, void *userdata);
KITH_PUBLIC void *kith_conn_userdata(kith_conn *conn);

/* Queues a copy of the octets. When all connections of the loop together hold more than its write_memory, each counts as full from 16 KiB
 * on: those whose peers read are served, those whose peers do not hold no more than that. They are sent when the loop has run the callbacks
 * of this step, or at once when 64 KiB are queued. Whole or not at all. Errors: -EAGAIN (the queue is at its high mark; `writable` will
 * come), -EPIPE (closed or draining), -ENOMEM, -ESHUTDOWN (the loop is gone).
 */
KITH_PUBLIC int kith_conn_write(kith_conn *conn, const void *data, size_t size);
/* The same by reference, without a copy: for large blocks (small ones are copied all the same). A slice without buffer must stay valid
 * until sent. */
KITH_PUBLIC int kith_conn_write_slice(kith_conn *conn, struct kith_slice slice);
/* Several, in order; all or none. */
KITH_PUBLIC int kith_conn_write_slices(kith_conn *conn, const struct kith_slice *slices, size_t count);
/* Queues `size` octets of a regular file from `offset` on, which sendfile(2) takes from the page cache without a copy through this process
 * (a read from a slow disk holds the loop up). fd is the connection's from the moment this returns 0, which closes it. All octets count for
 * the marks. A file that turns out to be shorter closes the connection with -ENODATA. Errors: as kith_conn_write(), -EBADF, -ENOTSUP (not a
 * regular file), -EINVAL (beyond its end). */
KITH_PUBLIC int kith_conn_write_file(kith_conn *conn, int fd, uint64_t offset, uint64_t size);
/* Queues a copy of the octets, at least one, and 1 to 253 descriptors that go with the first of them (SCM_RIGHTS, unix(7)): these begin a
 * send of their own, so one receive of the peer's has them, with nothing behind these octets but what was written later and has none; in
 * front of them there may be earlier octets. The descriptors are the connection's when this returns 0, which closes them when they have
 * been sent or are dropped. While the kernel has as many descriptors of this user under way as RLIMIT_NOFILE (-ETOOMANYREFS), the queue
 * waits, for 30 s. A peer whose socket refuses descriptors (SO_PASSRIGHTS, Linux 6.16) closes the connection with -EPERM. Errors: as
 * kith_conn_write(), -EINVAL, -EBADF, -EOPNOTSUPP (not AF_UNIX). */
KITH_PUBLIC int kith_conn_write_fds(kith_conn *conn, const void *data, size_t size, const int *fds, size_t count);
/* Sends what is queued now, as far as the kernel takes it. No callback runs inside. */
KITH_PUBLIC void kith_conn_flush(kith_conn *conn);
/* Octets in the write queue. */
KITH_PUBLIC size_t kith_conn_queued(const kith_conn *conn);

/* Backpressure: stops or resumes reading. After pause no `data` comes, not even from octets already read: those are kept, and come first
 * after resume. */
KITH_PUBLIC void kith_conn_pause(kith_conn *conn);
KITH_PUBLIC void kith_conn_resume(kith_conn *conn);
/* For blocks of known size much larger than 64 KiB: from now on octets are received where `place` says, and nowhere else before, so that
 * they are not copied. It costs one or two system calls to begin and to end (with io_uring, which otherwise receives ahead): best left on
 * from one block to the next. What has been received already still comes in buffers of the loop. Nothing without `place`. */
KITH_PUBLIC void kith_conn_set_placing(kith_conn *conn, bool placing);
/* The protocol's handshake is over: handshake_ms is so too. */
KITH_PUBLIC void kith_conn_handshake_done(kith_conn *conn);

/* The descriptor, owned by the connection; -1 when closed. */
KITH_PUBLIC int kith_conn_fd(const kith_conn *conn);
/* Who made the connection (AF_UNIX: SO_PEERCRED: the process that called connect() or listen()) with, in ret_sender->pidfd, its pidfd
 * (SO_PEERPIDFD, Linux 6.5; -1 where the kernel has none) which the caller must close. Errors: -ENODATA (not AF_UNIX), -ENOTCONN. */
KITH_PUBLIC int kith_conn_peer(const kith_conn *conn, struct kith_sender *ret_sender);
/* The peer's address. Errors: -ENOTCONN. */
KITH_PUBLIC int kith_conn_peer_address(const kith_conn *conn, struct kith_address *ret_address);

/* Listeners -------------------------------------------------------------------------------------------------------- */

struct kith_listener_ops {
    /* A new connection: make it one with kith_conn_new_accepted() and keep it, or return a negative errno: fd is then closed. fd is the
     * callback's from the moment it returns 0. kith_conn_peer() and kith_conn_peer_address() tell whose it is. Required. */
    int (*accept)(kith_listener *listener, int fd, void *userdata);
    /* Accepting failed (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM): told once an episode, at most once a second. With -EMFILE the spare
     * descriptor is used to accept and close the waiting client, so that it does not hang; accepting goes on by itself. */
    void (*error)(kith_listener *listener, int error, void *userdata);
    /* kith_listener_drain() is over: the last connection has gone. */
    void (*drained)(kith_listener *listener, void *userdata);
};

struct kith_listener_options {
    bool identity; /* AF_UNIX: SO_PASSCRED, inherited by accepted sockets */
    int backlog;   /* 0: 4096 (the kernel caps it at net.core.somaxconn) */
    int mode;      /* AF_UNIX path: permission bits, set before the path can be connected to; 0: 0666 & ~umask */
    /* AF_UNIX path: owner and group ((uid_t)-1 or (gid_t)-1: as it is made), set before the path can be connected to. */
    bool set_owner;
    uid_t uid;
    gid_t gid;
    bool remove_path; /* kith_listener_new_fd() alone: the path that the socket is bound to is removed as if it had been made here */
    kith_inherited *inherited; /* kith_listener_new() alone: a socket in it that is bound to the address is taken, else one is made. Lent */
    /* TCP: SO_REUSEPORT: joins the sockets of the same user that listen here and have it too. kith_workers_listen() sees to it that they
     * are the same program's. */
    bool reuse_port;
    bool dual_stack;                    /* TCP: "[::]" takes connections of IPv4 too; else it is IPv6 alone */
    const struct kith_net_options *net; /* kith_listener_new() alone: before bind(2); NULL: none. Lent for the call */
    /* Limits on connections made with kith_conn_new_accepted(); who comes beyond them is accepted, closed and counted, without a callback.
     * 0: none. */
    size_t max_connections;
    unsigned max_per_peer; /* AF_UNIX: by uid, of the process that connected; TCP: by IPv4 address or IPv6 /64; AF_VSOCK: by context id */
};

struct kith_listener_stats {
    size_t connections;    /* open now */
    uint64_t accepted;     /* by the kernel, the next two included */
    uint64_t refused;      /* above max_connections */
    uint64_t refused_peer; /* above max_per_peer, or the peer could not be found out */
    uint64_t turned_away;  /* out of descriptors: accepted with the spare one and closed */
    uint64_t failed;       /* failures to accept */
};

/* Binds and listens. A path of AF_UNIX with a live server is never stolen: -EADDRINUSE, and the error names its pid and program; a stale
 * one (nobody listens) is replaced; anything that is not a socket is never touched (-EEXIST). A TCP listener gives TCP_NODELAY to what it
 * accepts. Of a socket taken from options->inherited mode and owner stay as they are. Errors: those of bind(2) and listen(2), -EPERM (the
 * owner needs CAP_CHOWN, an option of net what the text says), -ENODEV (no such interface; no transport of AF_VSOCK), -ESTALE (another
 * program replaced the path while it was made), with text. */
KITH_PUBLIC int kith_listener_new(kith_loop *loop, const struct kith_address *address, const struct kith_listener_options *options,
                                  const struct kith_listener_ops *ops, void *userdata, kith_listener **ret_listener,
                                  struct kith_error *ret_error);
/* Adopts a socket that listens already, of AF_UNIX, TCP or AF_VSOCK (made non-blocking and close-on-exec); on failure it stays the
 * caller's. Of the options identity (only ever switched on), backlog (0: as it is) and remove_path are used. Whoever made the path of an
 * inherited socket removes it, unless remove_path says that this is us. Where identity was not on before, the writers of connections that
 * waited already may be unknown: let the maker switch it on (systemd.socket(5): PassCredentials=yes). Errors: -EBADF, -ENOTSOCK,
 * -EPROTOTYPE (not SOCK_STREAM), -EAFNOSUPPORT, -EINVAL (does not listen), -EEXIST (the loop watches it already), -ESTALE (remove_path: the
 * path is something else by now), -EMFILE, -ENFILE, -ENOMEM, -ENOSPC, -ECHILD, with text. */
KITH_PUBLIC int kith_listener_new_fd(kith_loop *loop, int fd, const struct kith_listener_options *options,
                                     const struct kith_listener_ops *ops, void *userdata, kith_listener **ret_listener,
                                     struct kith_error *ret_error);
/* Closes, removes a path that it made and that is still its own, frees. */
KITH_PUBLIC kith_listener *kith_listener_free(kith_listener *listener);
/* The bound address, with the port that the kernel chose. */
KITH_PUBLIC int kith_listener_address(const kith_listener *listener, struct kith_address *ret_address);
/* While paused `accept` is not called: clients wait in the backlog, which connect(2) takes for success. Who was in it at that moment may
 * have been accepted ahead (io_uring) and is kept until resume. */
KITH_PUBLIC void kith_listener_pause(kith_listener *listener);
KITH_PUBLIC void kith_listener_resume(kith_listener *listener);
/* Ends service: accepts who waits in the backlog already (`accept` is still called), closes the socket and removes its path, drains the
 * connections made with kith_conn_new_accepted() (kith_conn_drain() with deadline_ms) and calls `drained` when the last has gone. What has
 * been written by then is sent, that of `accept` included; what arrives later is delivered and cannot be answered any more. So a server
 * that wants to answer requests under way pauses first, and drains when they are answered. Out of descriptors, those that still wait are
 * tried again within the deadline. A pause ends with it, and no other begins. Called again it sets a new deadline. */
KITH_PUBLIC void kith_listener_drain(kith_listener *listener, int64_t deadline_ms);
KITH_PUBLIC void kith_listener_stats(const kith_listener *listener, struct kith_listener_stats *ret_stats);
/* As kith_conn_new_fd() for the descriptor that `accept` of this listener was given, to be called in it: asks the kernel nothing, counts
 * for the listener's limits, and is drained with it. The connection may outlive the listener. */
KITH_PUBLIC int kith_conn_new_accepted(kith_listener *listener, int fd, const struct kith_conn_options *options,
                                       const struct kith_conn_ops *ops, void *userdata, kith_conn **ret_conn);

#ifdef __cplusplus
}
#endif
#endif
