/* socket/option-table.c: the option table: one row an option; what each does is said here and nowhere else. */
#include <string.h>

#include "../uapi/kith_netlink.h"
#include "base/cleanup.h"
#include "socket/socket.h"

#define MIB (INT64_C(1024) * 1024)
/* A day: longer intervals are mistakes in the unit. */
#define MS_MAX (INT64_C(86400) * 1000)
#define OCTETS_MAX (INT64_C(1) << 40)
/* A message that a socket says by itself is copied for every peer. */
#define WORDS_MAX (INT64_C(64) * 1024)

#define NUMBER KITH_OPTION_TYPE_NUMBER
#define FLAG KITH_OPTION_TYPE_FLAG
#define OCTETS KITH_OPTION_TYPE_OCTETS
#define TEXT KITH_OPTION_TYPE_TEXT
#define KEY KITH_OPTION_TYPE_KEY
#define NOW KITH_OPTION_CHANGE_NOW
#define CONNECTION KITH_OPTION_CHANGE_CONNECTION
#define ENDPOINT KITH_OPTION_CHANGE_ENDPOINT

static const struct kith_option_info options[] = {
    {KITH_OPTION_ROUTING_ID, OCTETS, CONNECTION, "routing-id", "octets", 0, 255, 0, "REQ DEALER ROUTER",
     "the identity told to peers; must not begin with a zero octet"},

    {KITH_OPTION_MAX_MESSAGE, NUMBER, CONNECTION, "max-message", "octets", 256, OCTETS_MAX, 64 * MIB, "",
     "largest message received, all frames and 128 octets for each"},
    {KITH_OPTION_SEND_HWM, NUMBER, CONNECTION, "send-hwm", "messages", 1, INT32_MAX, 1000, "", "messages queued for one peer"},
    {KITH_OPTION_SEND_HWM_BYTES, NUMBER, CONNECTION, "send-hwm-bytes", "octets", 1, OCTETS_MAX, 16 * MIB, "", "octets queued for one peer"},
    {KITH_OPTION_RECV_HWM, NUMBER, CONNECTION, "recv-hwm", "messages", 1, INT32_MAX, 1000, "",
     "messages of one peer that wait to be taken; then it is not read from (what one read brought, up to 64 KiB, is taken all the same)"},
    {KITH_OPTION_RECV_HWM_BYTES, NUMBER, CONNECTION, "recv-hwm-bytes", "octets", 1, OCTETS_MAX, MIB, "", "the same in octets"},
    {KITH_OPTION_MAX_PEERS, NUMBER, NOW, "max-peers", "connections", 1, INT32_MAX, 65536, "", "accepted connections at a time"},
    {KITH_OPTION_MAX_SUBSCRIPTIONS, NUMBER, NOW, "max-subscriptions", "topics", 1, INT32_MAX, 200000, "PUB XPUB RADIO",
     "topics or groups that one peer may subscribe to, with names of 160 octets on average"},
    {KITH_OPTION_SEND_TIMEOUT, NUMBER, NOW, "send-timeout", "ms", -1, MS_MAX, -1, "",
     "how long sending waits for room when the call gives no time; -1: for ever"},
    {KITH_OPTION_RECV_TIMEOUT, NUMBER, NOW, "recv-timeout", "ms", -1, MS_MAX, -1, "",
     "how long receiving waits for a message when the call gives no time; -1: for ever"},
    {KITH_OPTION_LINGER, NUMBER, NOW, "linger", "ms", -1, MS_MAX, 30000, "",
     "how long what is queued is still sent after closing or disconnecting; -1: as long as it takes; 0: not at all"},

    {KITH_OPTION_HANDSHAKE_TIMEOUT, NUMBER, CONNECTION, "handshake-timeout", "ms", 0, MS_MAX, 30000, "",
     "time for a peer to finish its handshake; 0: no limit"},
    {KITH_OPTION_CONNECT_TIMEOUT, NUMBER, CONNECTION, "connect-timeout", "ms", 0, MS_MAX, 0, "",
     "time for a connection to be made; 0: that of the handshake"},
    {KITH_OPTION_HEARTBEAT_INTERVAL, NUMBER, CONNECTION, "heartbeat-interval", "ms", 0, MS_MAX, 0, "",
     "silence after which a peer is sent a PING; 0: off"},
    {KITH_OPTION_HEARTBEAT_TIMEOUT, NUMBER, CONNECTION, "heartbeat-timeout", "ms", 0, MS_MAX, 0, "",
     "silence after a PING that ends the connection; 0: the interval"},
    /* Deployed receivers overflow above 655 tenths of a second. */
    {KITH_OPTION_HEARTBEAT_TTL, NUMBER, CONNECTION, "heartbeat-ttl", "ms", 0, 65500, 0, "",
     "how long peers may hear nothing of us, told in PINGs; 0: not told"},
    {KITH_OPTION_RECONNECT_MIN, NUMBER, CONNECTION, "reconnect-min", "ms", 1, MS_MAX, 100, "",
     "time before the first try to connect again"},
    {KITH_OPTION_RECONNECT_MAX, NUMBER, CONNECTION, "reconnect-max", "ms", 1, MS_MAX, 5000, "",
     "the time between tries doubles up to this"},
    {KITH_OPTION_RECONNECT_STOP, NUMBER, NOW, "reconnect-stop", "", 0, 7, 0, "",
     "give an endpoint up: 1 when nobody listens, 2 when a handshake failed, 4 when a connection was lost; or a sum of these"},
    {KITH_OPTION_IMMEDIATE, FLAG, NOW, "immediate", "flag", 0, 1, 0, "", "messages are taken for sending only while a peer is there"},
    {KITH_OPTION_BACKLOG, NUMBER, ENDPOINT, "backlog", "connections", 1, INT32_MAX, 4096, "",
     "connections the kernel keeps waiting for a bound endpoint"},
    {KITH_OPTION_IDENTITY, FLAG, ENDPOINT, "identity", "flag", 0, 1, 1, "", "have the kernel name the sender of each message (ipc)"},
    {KITH_OPTION_EXEC_CHECK, NUMBER, CONNECTION, "exec-check", "ms", -1, MS_MAX, 100, "",
     "age of what was looked up of a sender's program at which it is asked whether it has changed; 0: with each read; -1: never"},
    {KITH_OPTION_IPC_MODE, NUMBER, ENDPOINT, "ipc-mode", "mode", 0, 0777, 0, "", "permission bits of a bound path; 0: by umask"},

    {KITH_OPTION_CONFLATE, FLAG, CONNECTION, "conflate", "flag", 0, 1, 0, "PUSH PULL PUB SUB DEALER PAIR RADIO DISH",
     "of the messages that wait, for a peer or from one, only the last is kept"},
    {KITH_OPTION_ROUTER_MANDATORY, FLAG, NOW, "router-mandatory", "flag", 0, 1, 0, "ROUTER",
     "sending to an unknown or full peer is an error, not a drop"},
    {KITH_OPTION_ROUTER_HANDOVER, FLAG, CONNECTION, "router-handover", "flag", 0, 1, 0, "ROUTER",
     "a routing id in use goes to the newcomer"},
    {KITH_OPTION_PROBE_ROUTER, FLAG, CONNECTION, "probe-router", "flag", 0, 1, 0, "REQ DEALER ROUTER",
     "a new peer is sent an empty message, so that a ROUTER learns of us"},
    {KITH_OPTION_REQ_RELAXED, FLAG, NOW, "req-relaxed", "flag", 0, 1, 0, "REQ",
     "another request may be sent before the reply came, which then is dropped; set req-correlate too"},
    {KITH_OPTION_REQ_CORRELATE, FLAG, NOW, "req-correlate", "flag", 0, 1, 0, "REQ",
     "a request has an id in its envelope, and a reply with another one is dropped"},
    {KITH_OPTION_XPUB_VERBOSE, FLAG, NOW, "xpub-verbose", "flag", 0, 1, 0, "XPUB", "every subscription is shown, not only a topic's first"},
    {KITH_OPTION_XPUB_VERBOSER, FLAG, NOW, "xpub-verboser", "flag", 0, 1, 0, "XPUB",
     "every subscription and every cancel is shown, not only a topic's first and last"},
    {KITH_OPTION_XPUB_MANUAL, FLAG, NOW, "xpub-manual", "flag", 0, 1, 0, "XPUB",
     "subscriptions take effect only as the application subscribes for the peer"},
    {KITH_OPTION_XPUB_NO_DROP, FLAG, NOW, "xpub-no-drop", "flag", 0, 1, 0, "PUB XPUB",
     "a message for a full peer is not taken (-EAGAIN) instead of dropped for that peer"},
    {KITH_OPTION_XPUB_WELCOME, OCTETS, CONNECTION, "xpub-welcome", "octets", 0, WORDS_MAX, 0, "PUB XPUB",
     "message sent to each new subscriber"},
    {KITH_OPTION_INVERT_MATCHING, FLAG, NOW, "invert-matching", "flag", 0, 1, 0, "PUB XPUB SUB",
     "messages go to those whose subscriptions do not match"},
    {KITH_OPTION_ONLY_FIRST_SUBSCRIBE, FLAG, NOW, "only-first-subscribe", "flag", 0, 1, 0, "XPUB XSUB",
     "frames behind a first one that is no subscription are not taken for subscriptions either"},
    {KITH_OPTION_XSUB_VERBOSE_UNSUBSCRIBE, FLAG, NOW, "xsub-verbose-unsubscribe", "flag", 0, 1, 0, "XSUB",
     "every cancel goes to the publishers, not only a topic's last"},
    {KITH_OPTION_STREAM_NOTIFY, FLAG, CONNECTION, "stream-notify", "flag", 0, 1, 1, "STREAM",
     "an empty message tells that a peer has come or gone"},
    {KITH_OPTION_HELLO_MESSAGE, OCTETS, CONNECTION, "hello-message", "octets", 0, WORDS_MAX, 0, "", "message sent to each new peer"},
    {KITH_OPTION_DISCONNECT_MESSAGE, OCTETS, CONNECTION, "disconnect-message", "octets", 0, WORDS_MAX, 0, "",
     "message received, as if of a peer that had connected, when it has gone"},
    {KITH_OPTION_HICCUP_MESSAGE, OCTETS, CONNECTION, "hiccup-message", "octets", 0, WORDS_MAX, 0, "",
     "message received, as if of a peer that was connected to, when it has gone and is tried again"},

    {KITH_OPTION_TOS, NUMBER, ENDPOINT, "tos", "", 0, 255, 0, "", "type of service or traffic class of what is sent (tcp, udp)"},
    {KITH_OPTION_PRIORITY, NUMBER, ENDPOINT, "priority", "", 0, INT32_MAX, 0, "",
     "SO_PRIORITY of what is sent; above 6 needs CAP_NET_ADMIN"},
    {KITH_OPTION_BIND_DEVICE, TEXT, ENDPOINT, "bind-device", "octets", 0, 15, 0, "", "the network interface to use alone (tcp, udp)"},
    {KITH_OPTION_KEEPALIVE, FLAG, ENDPOINT, "keepalive", "flag", 0, 1, 0, "", "TCP keepalive probes (tcp)"},
    {KITH_OPTION_KEEPALIVE_IDLE, NUMBER, ENDPOINT, "keepalive-idle", "s", 0, 32767, 0, "",
     "silence before the first probe; 0: the system's"},
    {KITH_OPTION_KEEPALIVE_INTERVAL, NUMBER, ENDPOINT, "keepalive-interval", "s", 0, 32767, 0, "", "time between probes; 0: the system's"},
    {KITH_OPTION_KEEPALIVE_COUNT, NUMBER, ENDPOINT, "keepalive-count", "probes", 0, 127, 0, "",
     "probes without an answer that end the connection; 0: the system's"},
    {KITH_OPTION_USER_TIMEOUT, NUMBER, ENDPOINT, "user-timeout", "ms", 0, MS_MAX, 0, "",
     "how long sent octets may stay unacknowledged; 0: the system's (tcp)"},
    {KITH_OPTION_SEND_BUFFER, NUMBER, ENDPOINT, "send-buffer", "octets", 0, INT32_MAX / 2, 0, "", "SO_SNDBUF; 0: the system's"},
    {KITH_OPTION_RECV_BUFFER, NUMBER, ENDPOINT, "recv-buffer", "octets", 0, INT32_MAX / 2, 0, "", "SO_RCVBUF; 0: the system's"},
    {KITH_OPTION_IPV6_ONLY, FLAG, ENDPOINT, "ipv6-only", "flag", 0, 1, 0, "", "a bound IPv6 endpoint takes no IPv4 connections"},
    {KITH_OPTION_MULTICAST_TTL, NUMBER, ENDPOINT, "multicast-ttl", "hops", 0, 255, 1, "RADIO", "how far multicast datagrams go (udp)"},
    {KITH_OPTION_MULTICAST_LOOP, FLAG, ENDPOINT, "multicast-loop", "flag", 0, 1, 1, "RADIO", "this host receives its own multicast (udp)"},

    {KITH_OPTION_PLAIN_SERVER, FLAG, CONNECTION, "plain-server", "flag", 0, 1, 0, "", "ask peers for user name and password: PLAIN"},
    {KITH_OPTION_PLAIN_USERNAME, TEXT, CONNECTION, "plain-username", "octets", 0, 255, 0, "",
     "tell this user name; with plain-server: let in who tells it: PLAIN"},
    {KITH_OPTION_PLAIN_PASSWORD, TEXT, CONNECTION, "plain-password", "octets", 0, 255, 0, "",
     "tell this password; with plain-server: the one to be told: PLAIN"},
    {KITH_OPTION_CURVE_SERVER, FLAG, CONNECTION, "curve-server", "flag", 0, 1, 0, "",
     "be the server, whoever connects, with curve-secret-key: CURVE"},
    {KITH_OPTION_CURVE_PUBLIC_KEY, KEY, CONNECTION, "curve-public-key", "key", 32, 32, 0, "", "our public key; made from the secret one"},
    {KITH_OPTION_CURVE_SECRET_KEY, KEY, CONNECTION, "curve-secret-key", "key", 32, 32, 0, "", "our secret key"},
    {KITH_OPTION_CURVE_SERVER_KEY, KEY, CONNECTION, "curve-server-key", "key", 32, 32, 0, "",
     "the public key that the server must have: CURVE as a client"},
    {KITH_OPTION_ZAP_DOMAIN, TEXT, CONNECTION, "zap-domain", "octets", 0, 255, 0, "",
     "the domain told to a ZAP handler (RFC 27), which then is asked about peers of NULL too"},
    {KITH_OPTION_ZAP_ENFORCE_DOMAIN, FLAG, CONNECTION, "zap-enforce-domain", "flag", 0, 1, 0, "",
     "with a zap-domain: let nobody in when there is no ZAP handler to ask"},
    {KITH_OPTION_MANUAL_ACK, FLAG, CONNECTION, "manual-ack", "flag", 0, 1, 0, "SUB PULL GATHER REP",
     "the kernel keeps messages until the program says that they are dealt with, not until it takes them (kernel)"},
    {KITH_OPTION_KERNEL_RING, NUMBER, CONNECTION, "kernel-ring", "octets", 0, KITH_RING_MOST, INT64_C(256) * 1024, "SUB PULL GATHER REP",
     "messages come through a ring of so much locked memory, or as datagrams where that cannot be had; 0: as datagrams (kernel)"},
    {KITH_OPTION_MAX_FDS, NUMBER, CONNECTION, "max-fds", "descriptors", 0, KITH_MSG_FDS_MAX, 0, "",
     "descriptors accepted with a message (ipc, from kith peers); 0: none"},
    {KITH_OPTION_MAX_FDS_HELD, NUMBER, CONNECTION, "max-fds-held", "descriptors", 1, INT32_MAX, KITH_MSG_FDS_MAX, "",
     "descriptors in messages of one peer that wait to be taken; then it is not read from"},
    {KITH_OPTION_MEMFD_FROM, NUMBER, CONNECTION, "memfd-from", "octets", 0, OCTETS_MAX, MIB, "",
     "frames of so many octets that lie in memory to be shared (kith_buffer_new_memfd), or go to several subscribers, pass as that memory "
     "instead of through the socket (ipc, between kith peers); 0: none, nor are any accepted"},
    {KITH_OPTION_SHM, FLAG, CONNECTION, "shm", "flag", 0, 1, 0, "",
     "octets go through memory shared with a peer that wants that too, or over the socket where it cannot be had (ipc)"},
    {KITH_OPTION_SHM_SIZE, NUMBER, CONNECTION, "shm-size", "octets", INT64_C(64) * 1024, 64 * MIB, MIB / 4, "",
     "of that memory, each way; raised to a power of two, and no more than the peer allows"},
    {KITH_OPTION_SHM_SPIN, NUMBER, CONNECTION, "shm-spin", "us", 0, 1000, 20, "",
     "how long shared memory is looked at for more before the loop waits; 0: not at all, as on a single processor"},
    {KITH_OPTION_SHM_PEERS, NUMBER, CONNECTION, "shm-peers", "connections", 1, 65536, 64, "",
     "with so many peers memory is shared at a time; others are served over the socket"},
    {KITH_OPTION_SERVICE_NAME, TEXT, CONNECTION, "service-name", "octets", 0, 255, 0, "",
     "what rules of a policy know this socket by (kith-policy(5): service); peers are not told"},
};

_Static_assert(KITH_ARRAY_SIZE(options) == KITH_OPTION_COUNT_, "every option has its row");

const struct kith_option_info *kith_socket_options(size_t *ret_count) {
    *ret_count = KITH_ARRAY_SIZE(options);
    return options;
}

const struct kith_option_info *kith_option_find(const char *name) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

const struct kith_option_info *kith_option_info(enum kith_option option) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        if (options[i].option == option)
            return &options[i];
    return NULL;
}

const char *kith_option_type_name(enum kith_option_type type) {
    static const char *const names[] = {[NUMBER] = "number", [FLAG] = "flag", [OCTETS] = "octets", [TEXT] = "text", [KEY] = "key"};
    return (unsigned)type < KITH_ARRAY_SIZE(names) ? names[type] : NULL;
}

const char *kith_option_change_name(enum kith_option_change change) {
    static const char *const names[] = {[NOW] = "now", [CONNECTION] = "connection", [ENDPOINT] = "endpoint"};
    return (unsigned)change < KITH_ARRAY_SIZE(names) ? names[change] : NULL;
}
