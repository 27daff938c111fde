/* flow/trace/probes.c: see probes.h. */
#include "flow/trace/probes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A word that is fetched costs a quarter of what a whole probe does (docs/benchmarks.md): headers are fetched in words of eight octets.
 *
 * The TCP header is at skb->data when it is received, and not yet written when __tcp_transmit_skb() begins: then the control block of the
 * segment (skb->cb) says what will be in it. A SYN-ACK is made whole by a function of its own, because there is no socket yet. */
#define TCP_HEADER(skb) "head=+0(+{sk_buff:data}(" skb ")):x64 rest=+8(+{sk_buff:data}(" skb ")):x64 octets=+{sk_buff:len}(" skb "):u32"
#define SENT                                                                                                                               \
    "sk=$arg1:x64 skb=$arg2:x64 seq=+{sk_buff:cb+tcp_skb_cb:seq}($arg2):u32 end=+{sk_buff:cb+tcp_skb_cb:end_seq}($arg2):u32 "              \
    "flags=+{sk_buff:cb+tcp_skb_cb:tcp_flags}($arg2):x8 sport=+{sock:__sk_common.skc_num}($arg1):u16 "                                     \
    "dport=+{sock:__sk_common.skc_dport}($arg1):x16"
/* The UDP header is at skb->data when it is received; before it is written, the flow has the ports (a struct flowi4 and a flowi6 have them
 * at different places), and what was gathered for it (struct inet_cork) has the size. Both with the header's 8 octets. */
#define DATAGRAM "head=+0(+{sk_buff:data}($arg1)):x64 octets=+{sk_buff:len}($arg1):u32"
#define DATAGRAM_SENT(flow)                                                                                                                \
    "sk=+{sk_buff:sk}($arg1):x64 sport=+{" flow ":uli.ports.sport}($arg2):x16 dport=+{" flow ":uli.ports.dport}($arg2):x16 "               \
    "octets=+{inet_cork:length}($arg3):u32"
/* A protocol's own functions get the struct sock, those of a family the struct socket. */
#define OF_SOCK "sk=$arg1:x64"
#define OF_SOCKET "sk=+{socket:sk}($arg1):x64"
#define SIZE " size=$arg3:u64"

const struct flow_probe flow_probes[] = {
    {"inet_sock_set_state", "sock/inet_sock_set_state", 't', ""},
    {"packet", "tcp_v4_rcv", 'p', TCP_HEADER("$arg1")},
    {"packet", "tcp_v6_rcv", 'p', TCP_HEADER("$arg1")},
    {"sent", "__tcp_transmit_skb", 'p', SENT},
    {"answer", "tcp_make_synack", 'r', TCP_HEADER("$retval")},
    {"datagram", "udp_rcv", 'p', DATAGRAM},
    {"datagram", "udpv6_rcv", 'p', DATAGRAM},
    {"datagram_sent", "udp_send_skb", 'p', DATAGRAM_SENT("flowi4")},
    {"datagram_sent", "udp_v6_send_skb", 'p', DATAGRAM_SENT("flowi6")},
    {"link", "inet_csk_complete_hashdance", 'p', "sk=$arg1:x64 child=$arg2:x64 own=$arg4:u8"},
    {"accept", "inet_csk_accept", 'r', "child=$retval:x64"},
    {"connect", "tcp_v4_connect", 'p', OF_SOCK, true},
    {"connect", "tcp_v6_connect", 'p', OF_SOCK, true},
    {"sendmsg", "tcp_sendmsg", 'p', OF_SOCK SIZE, true},
    {"sendmsg", "udp_sendmsg", 'p', OF_SOCK SIZE, true},
    {"sendmsg", "udpv6_sendmsg", 'p', OF_SOCK SIZE, true},
    {"sendmsg", "unix_stream_sendmsg", 'p', OF_SOCKET SIZE, true},
    {"sendmsg", "unix_dgram_sendmsg", 'p', OF_SOCKET SIZE, true},
    {"sendmsg", "netlink_sendmsg", 'p', OF_SOCKET SIZE, true},
    {"recvmsg", "tcp_recvmsg", 'p', OF_SOCK SIZE, true},
    {"recvmsg", "udp_recvmsg", 'p', OF_SOCK SIZE, true},
    {"recvmsg", "udpv6_recvmsg", 'p', OF_SOCK SIZE, true},
    {"recvmsg", "unix_stream_recvmsg", 'p', OF_SOCKET SIZE, true},
    {"recvmsg", "unix_dgram_recvmsg", 'p', OF_SOCKET SIZE, true},
    {"recvmsg", "netlink_recvmsg", 'p', OF_SOCKET SIZE, true},
    {"close", "tcp_close", 'p', OF_SOCK, true},
    {"close", "udp_destroy_sock", 'p', OF_SOCK, true},
    {"close", "udpv6_destroy_sock", 'p', OF_SOCK, true},
    {"close", "unix_release", 'p', OF_SOCKET, true},
    {"close", "netlink_release", 'p', OF_SOCKET, true},
};
const size_t flow_probe_count = KITH_ARRAY_SIZE(flow_probes);

/* "8" or "sk_buff:data". */
static long term(const char *word, const struct flow_btf *btf) {
    char copy[128], *end;
    long number = strtol(word, &end, 10);

    if (end != word)
        return *end ? -EINVAL : number;
    if (strlen(word) >= sizeof(copy))
        return -ENAMETOOLONG;
    strcpy(copy, word); /* its size was looked at */
    char *member = strchr(copy, ':');
    if (!member)
        return -EINVAL;
    *member++ = '\0';
    return flow_btf_offset(btf, copy, member);
}

static long sum(const char *words, size_t size, const struct flow_btf *btf) {
    char copy[192];
    long total = 0;

    if (size >= sizeof(copy))
        return -ENAMETOOLONG;
    memcpy(copy, words, size);
    copy[size] = '\0';
    for (char *rest = copy, *word; (word = strsep(&rest, "+"));) {
        long offset = term(word, btf);
        if (offset < 0)
            return offset;
        total += offset;
    }
    return total;
}

int flow_probe_write(const struct flow_probe *probe, const struct flow_btf *btf, struct kith_text *text) {
    if (!flow_btf_has_function(btf, probe->target))
        return -ENOENT;
    kith_text_printf(text, "%c:kith/%s %s ", probe->type, probe->event, probe->target);
    for (const char *at = probe->fields; *at;) {
        size_t plain = strcspn(at, "{");
        kith_text_put(text, at, plain);
        at += plain;
        if (!*at)
            break;
        size_t size = strcspn(at, "}");
        if (at[size] != '}')
            return -EINVAL;
        long offset = sum(at + 1, size - 1, btf);
        if (offset < 0)
            return (int)offset;
        kith_text_printf(text, "%ld", offset);
        at += size + 1;
    }
    kith_text_putc(text, '\n');
    return text->length < text->size ? 0 : -ENAMETOOLONG;
}
