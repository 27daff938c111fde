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
    KITH_CMSG_NUMBERS,      /* one number or a structure of numbers: kith_cmsg_number() */
    KITH_CMSG_OCTETS,       /* headers and options as the packet has them: `data` and `size` */
    KITH_CMSG_ADDRESS,      /* IP_ORIGDSTADDR, IPV6_ORIGDSTADDR */
    KITH_CMSG_PATH_MTU,     /* IPV6_PATHMTU */
    KITH_CMSG_ERROR,        /* IP_RECVERR and its like: an entry of the error queue (MSG_ERRQUEUE) */
};

/* An entry of the table: what is known of a control message without having one. */
struct kith_cmsg_type {
    int level;
    int type;
    enum kith_cmsg_kind kind;
    const char *name;       /* "SCM_RIGHTS" */
    const char *option;     /* socket option that turns reception on, or NULL: always on, or not received */
    const char *since;      /* kernel version from which it is received, "2.2"; NULL: it never is */
    const char *send_since; /* kernel version from which sendmsg() takes it; NULL: it never does */
    const char *data;       /* the type of the data: "int", "struct ucred" */
    const char *wire;       /* what of it a packet carries, or NULL: it never leaves the host */
    const char *manual;     /* where it is described: "ip(7)" */
    const char *summary;    /* one line for a person */
};

/* The table, ordered by level and type: entry `index`, NULL beyond the last. Static, thread safe. */
KITH_PUBLIC const struct kith_cmsg_type *kith_cmsg_type_at(size_t index);
/* The entry for (level, type), or NULL. */
KITH_PUBLIC const struct kith_cmsg_type *kith_cmsg_type_find(int level, int type);

/* An internet address in a control message. */
struct kith_cmsg_address {
    uint16_t family;    /* AF_INET, AF_INET6; 0: none */
    uint16_t port;      /* host order */
    uint32_t scope;     /* index of a link-local address's interface */
    uint8_t octets[16]; /* network order, `size` of them */
    uint8_t size;       /* 4 or 16 */
};

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
        struct kith_cmsg_address address;
        struct {
            struct kith_cmsg_address destination; /* of the datagram that was too large */
            uint32_t mtu;
        } path_mtu;
        struct {
            uint32_t error; /* an errno value; of what is no failure ENOMSG (times of sending) or 0 (zero-copy notifications) */
            uint8_t origin; /* SO_EE_ORIGIN_..., linux/errqueue.h */
            uint8_t type, code;
            uint32_t info, data;
            struct kith_cmsg_address offender; /* who said so, of ICMP; family 0: nobody else */
        } error;
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

/* Number `index` of a KITH_CMSG_NUMBERS message: 1 with its name and value, 0 beyond the end, or of another kind. Of a structure they are
 * its members in order, one that the received data are too short for left out. Either pointer may be NULL. */
KITH_PUBLIC int kith_cmsg_number(const struct kith_cmsg *cmsg, size_t index, const char **ret_name, int64_t *ret_value);

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

/* For datagrams of IPv4 and IPv6: family is AF_INET or AF_INET6, that of the destination: of an IPv6 socket too, when it sends to
 * ::ffff:a.b.c.d. Errors: as above; -EINVAL also of another family, and of a number beyond its range. */
/* Source address (4 or 16 octets, network order; NULL: the kernel chooses) and interface index (0: the routes decide). ip(7), ipv6(7). */
KITH_PUBLIC int kith_cmsg_put_packet(struct kith_cmsg_builder *builder, int family, const void *source, unsigned interface);
/* Hops, 1 to 255 (IPv6: 0 too, which stays on this host). */
KITH_PUBLIC int kith_cmsg_put_hops(struct kith_cmsg_builder *builder, int family, int hops);
/* Type of service or traffic class, 0 to 255: DSCP << 2 | ECN (RFC 2474, RFC 3168). */
KITH_PUBLIC int kith_cmsg_put_traffic(struct kith_cmsg_builder *builder, int family, unsigned traffic);
/* IPV6_FLOWINFO: flow label, 0 to 0xfffff (RFC 6437), host order. */
KITH_PUBLIC int kith_cmsg_put_flow_label(struct kith_cmsg_builder *builder, uint32_t label);
/* UDP_SEGMENT: the data are sent as datagrams of `size` octets, the last may be shorter. udp(7). */
KITH_PUBLIC int kith_cmsg_put_segment(struct kith_cmsg_builder *builder, uint16_t size);
/* SCM_TXTIME: not before this time, nanoseconds of the clock that SO_TXTIME chose; -EINVAL of sendmsg() without SO_TXTIME. It is the
 * queueing discipline that waits (tc-fq(8), tc-etf(8)); without one the time is ignored. */
KITH_PUBLIC int kith_cmsg_put_txtime(struct kith_cmsg_builder *builder, uint64_t nanoseconds);
/* SO_MARK: for routes and filters of this host; sendmsg() wants CAP_NET_RAW or CAP_NET_ADMIN (-EPERM). */
KITH_PUBLIC int kith_cmsg_put_mark(struct kith_cmsg_builder *builder, uint32_t mark);
/* SO_PRIORITY: 0 to 6 for anybody, others with CAP_NET_RAW or CAP_NET_ADMIN (-EPERM of sendmsg()). Linux 6.14. */
KITH_PUBLIC int kith_cmsg_put_priority(struct kith_cmsg_builder *builder, uint32_t priority);
/* SO_TIMESTAMPING: SOF_TIMESTAMPING_TX_... flags (linux/net_tstamp.h) of this message alone. */
KITH_PUBLIC int kith_cmsg_put_timestamping(struct kith_cmsg_builder *builder, uint32_t flags);
/* SCM_TS_OPT_ID: the number by which the error queue will name this message's times. Linux 6.13. */
KITH_PUBLIC int kith_cmsg_put_timestamp_id(struct kith_cmsg_builder *builder, uint32_t id);
/* TLS_SET_RECORD_TYPE: the record's content type (RFC 8446, 5.1); 21 is an alert. */
KITH_PUBLIC int kith_cmsg_put_record_type(struct kith_cmsg_builder *builder, uint8_t type);
/* ALG_SET_OP (encrypt or decrypt), ALG_SET_IV and ALG_SET_AEAD_ASSOCLEN of AF_ALG. */
KITH_PUBLIC int kith_cmsg_put_alg_operation(struct kith_cmsg_builder *builder, bool encrypt);
KITH_PUBLIC int kith_cmsg_put_alg_iv(struct kith_cmsg_builder *builder, const void *iv, size_t size);
KITH_PUBLIC int kith_cmsg_put_alg_associated(struct kith_cmsg_builder *builder, uint32_t size);

/* One line for a person, as snprintf(3): "SCM_CREDENTIALS pid=812 uid=1000 gid=1000"; "level=1 type=99 size=4 data=01020304" for one that
 * is not in the table. What a peer put in (a label) is made printable. */
KITH_PUBLIC int kith_cmsg_format(const struct kith_cmsg *cmsg, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
