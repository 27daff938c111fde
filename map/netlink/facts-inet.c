/* map/netlink/facts-inet.c: inet_diag's attributes as facts: a row an attribute. */
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/tls.h>
#include <stdio.h>

#include "map/netlink/internal.h"

typedef int (*fact_fn)(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name);

static int text(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    return map_fact_text(decoded, group, name, map_text_of(attribute));
}

static int octet(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    const uint8_t *payload = payload_of(attribute, 1);
    return payload ? map_fact_number(decoded, group, name, *payload) : 0;
}

static int yes_or_no(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    const uint8_t *payload = payload_of(attribute, 1);
    return payload ? map_fact_text(decoded, group, name, *payload ? "on" : "off") : 0;
}

static int word(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    return payload_of(attribute, sizeof(uint32_t)) ? map_fact_number(decoded, group, name, u32_of(attribute, 0)) : 0;
}

static int memory(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    return map_fact_memory(decoded, attribute);
}

static int shut_down(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    static const char *const words[] = {"no", "receiving", "sending", "both"};
    const uint8_t *payload = payload_of(attribute, 1);
    return payload ? map_fact_text(decoded, group, name, words[*payload & 3]) : 0;
}

static int info(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    const void *payload = mnl_attr_get_payload(attribute);
    struct mptcp_info mptcp;

    if (decoded->socket.kind == MAP_TCP)
        return map_tcp_info_facts(decoded, payload, mnl_attr_get_payload_len(attribute));
    if (decoded->socket.kind != MAP_MPTCP || !payload_of(attribute, sizeof(mptcp)))
        return 0;
    memcpy(&mptcp, payload, sizeof(mptcp));
    int r = map_fact_number(decoded, "mptcp", "subflows besides the first", mptcp.mptcpi_subflows);
    if (r == 0)
        r = map_fact_number(decoded, "mptcp", "token", mptcp.mptcpi_token);
    return r < 0 ? r : map_fact_text(decoded, "mptcp", "fell back to TCP", mptcp.mptcpi_flags & MPTCP_INFO_FLAG_FALLBACK ? "yes" : "no");
}

/* struct inet_diag_sockopt has bit fields: the octets in their order. */
static int options(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    static const char *const names[] = {"IP_RECVERR",
                                        NULL /* is connection oriented */,
                                        "IP_FREEBIND",
                                        "IP_HDRINCL",
                                        "IP_MULTICAST_LOOP",
                                        "IP_TRANSPARENT",
                                        "IP_MULTICAST_ALL",
                                        "IP_NODEFRAG",
                                        "IP_BIND_ADDRESS_NO_PORT",
                                        "IP_RECVERR_RFC4884",
                                        "TCP_FASTOPEN_CONNECT (deferred)"};
    const uint8_t *payload = payload_of(attribute, 2);
    int r = 0;

    for (size_t i = 0; payload && r == 0 && i < KITH_ARRAY_SIZE(names); i++)
        if (names[i])
            r = map_fact_text(decoded, group, names[i], payload[i / 8] >> (i % 8) & 1 ? "on" : "off");
    return r;
}

static int bbr(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    struct tcp_bbr_info state;
    const void *payload = payload_of(attribute, sizeof(state));

    if (!payload)
        return 0;
    memcpy(&state, payload, sizeof(state));
    int r = map_fact_number(decoded, group, "bbr bandwidth octets/s", (uint64_t)state.bbr_bw_hi << 32 | state.bbr_bw_lo);
    return r < 0 ? r : map_fact_number(decoded, group, "bbr least round-trip time us", state.bbr_min_rtt);
}

static int upper_layer(const struct map_decoded *decoded, const struct nlattr *attribute, const char *group, const char *name) {
    const struct nlattr *nested, *inner;
    int r = 0;

    mnl_attr_for_each_nested(nested, attribute) {
        if (r == 0 && mnl_attr_get_type(nested) == INET_ULP_INFO_NAME)
            r = map_fact_text(decoded, group, name, map_text_of(nested));
        if (mnl_attr_get_type(nested) != INET_ULP_INFO_TLS)
            continue;
        mnl_attr_for_each_nested(inner, nested) {
            uint16_t value = 0;
            const void *payload = payload_of(inner, sizeof(value));
            if (payload)
                memcpy(&value, payload, sizeof(value));
            if (r == 0 && payload && mnl_attr_get_type(inner) == TLS_INFO_VERSION)
                r = map_fact_text(decoded, group, "TLS version",
                                  value == TLS_1_2_VERSION   ? "1.2"
                                  : value == TLS_1_3_VERSION ? "1.3"
                                                             : "unknown");
        }
    }
    return r;
}

static const struct {
    uint16_t type;
    fact_fn fact;
    const char *group, *name;
} facts[] = {
    {INET_DIAG_SKMEMINFO, memory, "memory", NULL},
    {INET_DIAG_INFO, info, NULL, NULL},
    {INET_DIAG_CONG, text, "congestion", "algorithm"},
    {INET_DIAG_BBRINFO, bbr, "congestion", NULL},
    {INET_DIAG_TOS, octet, "options", "IP_TOS"},
    {INET_DIAG_TCLASS, octet, "options", "IPV6_TCLASS"},
    {INET_DIAG_CLASS_ID, word, "options", "traffic class id"},
    {INET_DIAG_MARK, word, "options", "SO_MARK"},
    {INET_DIAG_SKV6ONLY, yes_or_no, "options", "IPV6_V6ONLY"},
    {INET_DIAG_SOCKOPT, options, "options", NULL},
    {INET_DIAG_SHUTDOWN, shut_down, "state", "shut down"},
    {INET_DIAG_ULP_INFO, upper_layer, "upper layer", "protocol"},
};

int map_inet_facts(const struct map_decoded *decoded, const struct nlattr *attribute) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(facts); i++)
        if (facts[i].type == mnl_attr_get_type(attribute))
            return facts[i].fact(decoded, attribute, facts[i].group, facts[i].name);
    return 0;
}
