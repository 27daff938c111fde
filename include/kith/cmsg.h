/*
 * kith/cmsg.h: ancillary data of sendmsg(2) and recvmsg(2), typed, both ways. No system call is made here.
 *
 * One table holds every control message kith knows: its level, type, name, the socket option that turns it on and the
 * kernel that brought it. Decoding walks the whole control buffer and never trusts a length in it.
 *
 * Descriptors: the moment recvmsg() returns, passed descriptors are open in this process. kith_cmsg_adopt_fds() is
 * therefore the first thing to do with a received control buffer: it takes all of them, whatever else is wrong.
 */
#ifndef KITH_CMSG_H
#define KITH_CMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include <kith/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* SCM_MAX_FD of the kernel (include/net/scm.h): descriptors in one control message. */
#define KITH_CMSG_MAX_FDS 253

enum kith_cmsg_kind {
    KITH_CMSG_UNKNOWN,      /* not in the table: level, type and raw octets only */
    KITH_CMSG_FDS,          /* SCM_RIGHTS */
    KITH_CMSG_CREDENTIALS,  /* SCM_CREDENTIALS: real uid and gid of the writer, unix(7) */
    KITH_CMSG_PIDFD,        /* SCM_PIDFD, Linux 6.5 */
    KITH_CMSG_SECURITY,     /* SCM_SECURITY: a label, not NUL-terminated on the wire */
    KITH_CMSG_TIMESTAMP,    /* SCM_TIMESTAMP, SCM_TIMESTAMPNS and their _NEW forms: time of receipt */
    KITH_CMSG_TIMESTAMPING, /* SCM_TIMESTAMPING, old and new: software and hardware stamps */
    KITH_CMSG_DROPS,        /* SO_RXQ_OVFL: datagrams that this socket's full buffer has cost so far */
    KITH_CMSG_PACKET,       /* IP_PKTINFO, IPV6_PKTINFO: where a datagram was sent to and came in */
    KITH_CMSG_HOPS,         /* IP_TTL, IPV6_HOPLIMIT: hops that the datagram had left */
    KITH_CMSG_TRAFFIC,      /* IP_TOS, IPV6_TCLASS: type of service, traffic class */
};

/* How a table entry's data looks. */
struct kith_cmsg_type {
    int level;
    int type;
    enum kith_cmsg_kind kind;
    const char *name;    /* "SCM_RIGHTS" */
    const char *option;  /* socket option that turns reception on, or NULL: always on */
    const char *since;   /* kernel version, "2.2" */
    const char *summary; /* one line for a person */
    bool sendable;       /* a program may put it in sendmsg() */
};

/* The table, ordered by level and type: entry `index`, NULL beyond the last. Static, thread safe. */
KITH_PUBLIC const struct kith_cmsg_type *kith_cmsg_type_at(size_t index);
/* The entry for (level, type), or NULL. */
KITH_PUBLIC const struct kith_cmsg_type *kith_cmsg_type_find(int level, int type);

/* One control message, decoded. `data` and the views in it point into the control buffer. */
struct kith_cmsg {
    int level;
    int type;
    enum kith_cmsg_kind kind;
    const struct kith_cmsg_type *entry; /* NULL when unknown */
    const void *data;                   /* the octets after the header */
    size_t size;
    union {
        struct {
            const void *fds; /* unaligned array of int: read with kith_cmsg_fd() */
            size_t count;
        } fds;
        struct {
            pid_t pid; /* 0: a sender that this pid namespace does not see, or unknown */
            uid_t uid;
            gid_t gid;
        } credentials;
        int pidfd; /* negative: the errno value of why the kernel could not make one (-EMFILE, say) */
        struct {
            const char *label; /* not NUL-terminated; a trailing NUL on the wire is not counted */
            size_t size;
        } security;
        struct timespec timestamp;
        struct timespec timestamping[3]; /* software, (deprecated), hardware; all zero: not taken */
        uint32_t drops;                  /* since the option was switched on or before; wraps */
        struct {
            unsigned interface;      /* index, if_indextoname(3); 0: none is known */
            uint8_t destination[16]; /* the address it was sent to, network order, `size` octets; IPv4 on an IPv6 socket: ::ffff:a.b.c.d */
            uint8_t size;            /* 4 or 16 */
        } packet;
        int hops;         /* 0 to 255 */
        unsigned traffic; /* 0 to 255 */
    } value;
};

/* Steps through a received control buffer. */
struct kith_cmsg_iter {
    const uint8_t *control;
    size_t size;
    size_t offset;
};

static inline struct kith_cmsg_iter kith_cmsg_iter_init(const void *control, size_t size) {
    struct kith_cmsg_iter iter = {(const uint8_t *)control, size, 0};
    return iter;
}

/* Next control message. Returns 1 with *ret_cmsg set, 0 at the end. Errors, which end the walk: -EBADMSG (a header or its length
 * does not fit the buffer, or the data are too short for a known type or make no sense for it, as a cut message after MSG_CTRUNC). Data of
 * a known type that are longer than expected are kept in `data`/`size`. The buffer needs no alignment. */
KITH_PUBLIC int kith_cmsg_next(struct kith_cmsg_iter *iter, struct kith_cmsg *ret_cmsg);

/* Descriptor `index` of a KITH_CMSG_FDS message, or -1 beyond the end. */
KITH_PUBLIC int kith_cmsg_fd(const struct kith_cmsg *cmsg, size_t index);

/*
 * Takes every descriptor out of a received control buffer (SCM_RIGHTS and SCM_PIDFD), malformed messages skipped as far as
 * their header can be believed: call it first, once, after recvmsg(). Passed descriptors go to fds[], at most `max`; those that do not
 * fit are closed and counted in *ret_refused (may be NULL). A pidfd goes to *ret_pidfd (-1 when there was none; of several the first,
 * others are closed); NULL closes it. Returns the number put into fds. Close-on-exec is the caller's business: pass MSG_CMSG_CLOEXEC to
 * recvmsg().
 */
KITH_PUBLIC size_t kith_cmsg_adopt_fds(const void *control, size_t size, int *fds, size_t max, size_t *ret_refused, int *ret_pidfd);

/* Builds a control buffer for sendmsg() in memory of the caller. */
struct kith_cmsg_builder {
    uint8_t *control;
    size_t capacity;
    size_t size; /* for msg_controllen */
};

static inline struct kith_cmsg_builder kith_cmsg_builder_init(void *control, size_t capacity) {
    struct kith_cmsg_builder builder = {(uint8_t *)control, capacity, 0};
    return builder;
}

/* Each appends one control message; CMSG_SPACE(3) of its data says what room it takes. Errors: -ENOBUFS (no room), -EINVAL (a count
 * of 0 or above KITH_CMSG_MAX_FDS, a negative descriptor, data missing); the buffer is then unchanged. The memory needs no alignment. The
 * kernel joins several SCM_RIGHTS of a sendmsg() to one and takes credentials only from who has them or may state them (unix(7)). */
KITH_PUBLIC int kith_cmsg_put_fds(struct kith_cmsg_builder *builder, const int *fds, size_t count);
KITH_PUBLIC int kith_cmsg_put_credentials(struct kith_cmsg_builder *builder, pid_t pid, uid_t uid, gid_t gid);
KITH_PUBLIC int kith_cmsg_put(struct kith_cmsg_builder *builder, int level, int type, const void *data, size_t size);

/* One line for a person, as snprintf(3): "SCM_CREDENTIALS pid=812 uid=1000 gid=1000"; "level=1 type=99 size=4 data=01020304" for one that
 * is not in the table. What a peer put in (a label) is made printable. */
KITH_PUBLIC int kith_cmsg_format(const struct kith_cmsg *cmsg, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
