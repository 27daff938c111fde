/* map/netlink/tcp-info.c: struct tcp_info (tcp(7), TCP_INFO) as facts: one row a member. A kernel that is older than a member ends before
 * it. */
#include <linux/tcp.h>

#include "map/netlink/internal.h"

struct member {
    const char *group, *name;
    size_t offset, size;
};

#define MEMBER(group, name, member)                                                                                                        \
    { group, name, offsetof(struct tcp_info, member), sizeof(((struct tcp_info *)0)->member) }
#define PATH "path"
#define CONGESTION "congestion"
#define COUNTERS "counters"
#define IDLE "idle"

/* Units are those of net/ipv4/tcp.c, tcp_get_info(). */
static const struct member members[] = {
    MEMBER(PATH, "round-trip time us", tcpi_rtt),
    MEMBER(PATH, "round-trip variance us", tcpi_rttvar),
    MEMBER(PATH, "least round-trip time us", tcpi_min_rtt),
    MEMBER(PATH, "receiver's round-trip time us", tcpi_rcv_rtt),
    MEMBER(PATH, "retransmission timeout us", tcpi_rto),
    MEMBER(PATH, "delayed ack timeout us", tcpi_ato),
    MEMBER(PATH, "path MTU", tcpi_pmtu),
    MEMBER(PATH, "segment size sending", tcpi_snd_mss),
    MEMBER(PATH, "segment size receiving", tcpi_rcv_mss),
    MEMBER(PATH, "advertised segment size", tcpi_advmss),
    MEMBER(CONGESTION, "state (0 open, 1 disorder, 2 cwr, 3 recovery, 4 loss)", tcpi_ca_state),
    MEMBER(CONGESTION, "window segments", tcpi_snd_cwnd),
    MEMBER(CONGESTION, "slow start threshold", tcpi_snd_ssthresh),
    MEMBER(CONGESTION, "peer's receive window", tcpi_snd_wnd),
    MEMBER(CONGESTION, "receive space", tcpi_rcv_space),
    MEMBER(CONGESTION, "receive slow start threshold", tcpi_rcv_ssthresh),
    MEMBER(CONGESTION, "reordering", tcpi_reordering),
    MEMBER(CONGESTION, "pacing octets/s", tcpi_pacing_rate),
    MEMBER(CONGESTION, "delivery octets/s", tcpi_delivery_rate),
    MEMBER(CONGESTION, "segments in flight", tcpi_unacked),
    MEMBER(CONGESTION, "segments sacked", tcpi_sacked),
    MEMBER(CONGESTION, "segments lost", tcpi_lost),
    MEMBER(CONGESTION, "segments retransmitted in flight", tcpi_retrans),
    MEMBER(CONGESTION, "busy sending us", tcpi_busy_time),
    MEMBER(CONGESTION, "limited by the peer's window us", tcpi_rwnd_limited),
    MEMBER(CONGESTION, "limited by the send buffer us", tcpi_sndbuf_limited),
    MEMBER(COUNTERS, "octets sent", tcpi_bytes_sent),
    MEMBER(COUNTERS, "octets acknowledged", tcpi_bytes_acked),
    MEMBER(COUNTERS, "octets received", tcpi_bytes_received),
    MEMBER(COUNTERS, "octets retransmitted", tcpi_bytes_retrans),
    MEMBER(COUNTERS, "octets not sent yet", tcpi_notsent_bytes),
    MEMBER(COUNTERS, "segments sent", tcpi_segs_out),
    MEMBER(COUNTERS, "segments received", tcpi_segs_in),
    MEMBER(COUNTERS, "data segments sent", tcpi_data_segs_out),
    MEMBER(COUNTERS, "data segments received", tcpi_data_segs_in),
    MEMBER(COUNTERS, "segments delivered", tcpi_delivered),
    MEMBER(COUNTERS, "segments delivered with CE", tcpi_delivered_ce),
    MEMBER(COUNTERS, "retransmissions", tcpi_total_retrans),
    MEMBER(COUNTERS, "duplicate SACKs", tcpi_dsack_dups),
    MEMBER(COUNTERS, "reordering seen", tcpi_reord_seen),
    MEMBER(COUNTERS, "segments out of order", tcpi_rcv_ooopack),
    MEMBER(COUNTERS, "retransmissions in a row", tcpi_retransmits),
    MEMBER(COUNTERS, "probes in a row", tcpi_probes),
    MEMBER(IDLE, "data sent ms ago", tcpi_last_data_sent),
    MEMBER(IDLE, "data received ms ago", tcpi_last_data_recv),
    MEMBER(IDLE, "ack received ms ago", tcpi_last_ack_recv),
};

static uint64_t number_of(const uint8_t *octets, size_t size) {
    uint64_t eight;
    uint32_t four;

    if (size == sizeof(eight)) {
        memcpy(&eight, octets, sizeof(eight));
        return eight;
    }
    if (size == sizeof(four)) {
        memcpy(&four, octets, sizeof(four));
        return four;
    }
    return *octets;
}

/* Bit fields have no offset: they lie in the octets between tcpi_backoff and tcpi_rto. */
static int negotiated(const struct map_decoded *decoded, const uint8_t *info) {
    static const struct {
        uint8_t flag;
        const char *name;
    } flags[] = {{TCPI_OPT_TIMESTAMPS, "timestamps"},
                 {TCPI_OPT_SACK, "selective acks"},
                 {TCPI_OPT_ECN, "ECN"},
                 {TCPI_OPT_ECN_SEEN, "ECN seen"},
                 {TCPI_OPT_SYN_DATA, "data in SYN acknowledged"}};
    uint8_t options = info[offsetof(struct tcp_info, tcpi_options)], scale = info[offsetof(struct tcp_info, tcpi_options) + 1];
    int r = 0;

    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(flags); i++)
        r = map_fact_text(decoded, "negotiated", flags[i].name, options & flags[i].flag ? "yes" : "no");
    if (r < 0 || !(options & TCPI_OPT_WSCALE))
        return r;
    r = map_fact_number(decoded, "negotiated", "window scale sending", scale & 0xf);
    return r < 0 ? r : map_fact_number(decoded, "negotiated", "window scale receiving", scale >> 4);
}

int map_tcp_info_facts(const struct map_decoded *decoded, const void *info, size_t size) {
    int r = size >= offsetof(struct tcp_info, tcpi_rto) ? negotiated(decoded, info) : 0;

    for (size_t i = 0; r == 0 && i < KITH_ARRAY_SIZE(members); i++)
        if (members[i].offset + members[i].size <= size)
            r = map_fact_number(decoded, members[i].group, members[i].name,
                                number_of((const uint8_t *)info + members[i].offset, members[i].size));
    return r;
}
