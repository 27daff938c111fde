/* kith/option.h: the options of a message socket. */
#ifndef KITH_OPTION_H
#define KITH_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Options. The table (kith_socket_options(), `kith options`, kith-options(7)) gives type, unit, range, default and meaning of each, and
 * when a change takes effect. */
enum kith_option {
    /* who we are */
    KITH_OPTION_ROUTING_ID, /* octets */
    /* limits and times */
    KITH_OPTION_MAX_MESSAGE,
    KITH_OPTION_SEND_HWM,
    KITH_OPTION_SEND_HWM_BYTES,
    KITH_OPTION_RECV_HWM,
    KITH_OPTION_RECV_HWM_BYTES,
    KITH_OPTION_MAX_PEERS,
    KITH_OPTION_MAX_SUBSCRIPTIONS,
    KITH_OPTION_SEND_TIMEOUT,
    KITH_OPTION_RECV_TIMEOUT,
    KITH_OPTION_LINGER,
    /* connections */
    KITH_OPTION_HANDSHAKE_TIMEOUT,
    KITH_OPTION_CONNECT_TIMEOUT,
    KITH_OPTION_HEARTBEAT_INTERVAL,
    KITH_OPTION_HEARTBEAT_TIMEOUT,
    KITH_OPTION_HEARTBEAT_TTL,
    KITH_OPTION_RECONNECT_MIN,
    KITH_OPTION_RECONNECT_MAX,
    KITH_OPTION_RECONNECT_STOP, /* enum kith_reconnect_stop, or'ed */
    KITH_OPTION_IMMEDIATE,
    KITH_OPTION_BACKLOG,
    KITH_OPTION_IDENTITY,
    KITH_OPTION_EXEC_CHECK,
    KITH_OPTION_IPC_MODE,
    /* patterns */
    KITH_OPTION_CONFLATE,
    KITH_OPTION_ROUTER_MANDATORY,
    KITH_OPTION_ROUTER_HANDOVER,
    KITH_OPTION_PROBE_ROUTER,
    KITH_OPTION_REQ_RELAXED,
    KITH_OPTION_REQ_CORRELATE,
    KITH_OPTION_XPUB_VERBOSE,
    KITH_OPTION_XPUB_VERBOSER,
    KITH_OPTION_XPUB_MANUAL,
    KITH_OPTION_XPUB_NO_DROP,
    KITH_OPTION_XPUB_WELCOME, /* octets */
    KITH_OPTION_INVERT_MATCHING,
    KITH_OPTION_ONLY_FIRST_SUBSCRIBE,
    KITH_OPTION_XSUB_VERBOSE_UNSUBSCRIBE,
    KITH_OPTION_STREAM_NOTIFY,
    KITH_OPTION_HELLO_MESSAGE,      /* octets */
    KITH_OPTION_DISCONNECT_MESSAGE, /* octets */
    KITH_OPTION_HICCUP_MESSAGE,     /* octets */
    /* the kernel's sockets */
    KITH_OPTION_TOS,
    KITH_OPTION_PRIORITY,
    KITH_OPTION_BIND_DEVICE, /* octets */
    KITH_OPTION_KEEPALIVE,
    KITH_OPTION_KEEPALIVE_IDLE,
    KITH_OPTION_KEEPALIVE_INTERVAL,
    KITH_OPTION_KEEPALIVE_COUNT,
    KITH_OPTION_USER_TIMEOUT,
    KITH_OPTION_SEND_BUFFER,
    KITH_OPTION_RECV_BUFFER,
    KITH_OPTION_IPV6_ONLY,
    KITH_OPTION_MULTICAST_TTL,
    KITH_OPTION_MULTICAST_LOOP,
    /* security */
    KITH_OPTION_PLAIN_SERVER,
    KITH_OPTION_PLAIN_USERNAME, /* octets */
    KITH_OPTION_PLAIN_PASSWORD, /* octets */
    KITH_OPTION_CURVE_SERVER,
    KITH_OPTION_CURVE_PUBLIC_KEY, /* octets: 32, or Z85 text of 40 characters */
    KITH_OPTION_CURVE_SECRET_KEY, /* the same */
    KITH_OPTION_CURVE_SERVER_KEY, /* the same */
    KITH_OPTION_ZAP_DOMAIN,       /* octets */
    KITH_OPTION_ZAP_ENFORCE_DOMAIN,
    KITH_OPTION_MANUAL_ACK,
    KITH_OPTION_KERNEL_RING,
    KITH_OPTION_MAX_FDS,
    KITH_OPTION_MAX_FDS_HELD,
    KITH_OPTION_MEMFD_FROM,
    /* shared memory */
    KITH_OPTION_SHM,
    KITH_OPTION_SHM_SIZE,
    KITH_OPTION_SHM_SPIN,
    KITH_OPTION_SHM_PEERS,
    KITH_OPTION_SERVICE_NAME, /* octets */
    KITH_OPTION_COUNT_,
};

/* When a connecting socket gives an endpoint up instead of trying again. */
enum kith_reconnect_stop {
    KITH_RECONNECT_STOP_REFUSED = 1,    /* nobody listens */
    KITH_RECONNECT_STOP_HANDSHAKE = 2,  /* the handshake failed */
    KITH_RECONNECT_STOP_DISCONNECT = 4, /* a connection that was ready was lost */
};

enum kith_option_type {
    KITH_OPTION_TYPE_NUMBER,
    KITH_OPTION_TYPE_FLAG,   /* a number: 0, 1 */
    KITH_OPTION_TYPE_OCTETS, /* any; min and max are the length */
    KITH_OPTION_TYPE_TEXT,   /* octets without NUL */
    KITH_OPTION_TYPE_KEY,    /* 32 octets; as text Z85 (RFC 32) */
};

/* What a change of an option is for. */
enum kith_option_change {
    KITH_OPTION_CHANGE_NOW,        /* the next call, message or connection */
    KITH_OPTION_CHANGE_CONNECTION, /* connections made from then on, reconnections among them */
    KITH_OPTION_CHANGE_ENDPOINT,   /* endpoints bound or connected from then on */
};

struct kith_option_info {
    enum kith_option option;
    enum kith_option_type type;
    enum kith_option_change change;
    const char *name; /* "max-message" */
    const char *unit; /* "ms", "octets", "messages", "flag", "" */
    int64_t min, max; /* of a number; else the length */
    int64_t default_value;
    const char *sockets; /* the types that it is for: "ROUTER", or "" for all */
    const char *summary;
};

/* The table. Lives for ever. */
KITH_PUBLIC const struct kith_option_info *kith_socket_options(size_t *ret_count);
/* The row of that name, or NULL. */
KITH_PUBLIC const struct kith_option_info *kith_option_find(const char *name);
/* Reads the value of a number or flag as a person writes it: in base 10, or 8 or 16 with 0 or 0x in front; permission bits always in base
 * 8; flags also as yes, no, on, off, true, false. Errors, with text: -EINVAL (it is none; an option of octets), -ERANGE. */
KITH_PUBLIC int kith_option_parse(const struct kith_option_info *info, const char *text, int64_t *ret_value, struct kith_error *ret_error);
/* "number", ...; "now", ...; NULL for an unknown one. */
KITH_PUBLIC const char *kith_option_type_name(enum kith_option_type type);
KITH_PUBLIC const char *kith_option_change_name(enum kith_option_change change);

#ifdef __cplusplus
}
#endif
#endif
