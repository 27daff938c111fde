/*
 * policy/condition-address.c: addresses, as the text of a fact ("192.0.2.1:4711", "[fe80::1%eth0]:4711"), in a prefix and a range of ports.
 *
 *     192.0.2.0/24   192.0.2.1:1-1023   2001:db8::/32   [2001:db8::/32]:4711
 *
 * IPv4 is compared as ::ffff:a.b.c.d, so that a socket of both families makes no difference. A scope is not compared.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "policy/condition.h"

#define PORT_MAX 65535
/* "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", a scope of IFNAMSIZ, and some more. */
#define HOST_MAX 80

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_mapped(const uint8_t octets[16]) {
    return memcmp(octets, mapped, sizeof(mapped)) == 0;
}

/* Without scope. Returns how many bits an address of its family has, 0 when it is none. */
static unsigned parse_host(const char *text, size_t size, uint8_t octets[16]) {
    char copy[HOST_MAX];
    if (size >= sizeof(copy))
        return 0;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (inet_pton(AF_INET6, copy, octets) == 1)
        return 128;
    if (inet_pton(AF_INET, copy, octets + sizeof(mapped)) != 1)
        return 0;
    memcpy(octets, mapped, sizeof(mapped));
    return 32;
}

/* Splits HOST, HOST:PORT and [HOST]:PORT; the port's text is NULL when there is none. False when it is neither. */
static bool split(const char *text, const char **ret_host, size_t *ret_size, const char **ret_port) {
    const char *colon = strchr(text, ':'), *end;

    *ret_port = NULL;
    *ret_host = text;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        *ret_host = text + 1;
        *ret_size = (size_t)(end - text) - 1;
        *ret_port = end[1] ? end + 2 : NULL;
        return true;
    }
    /* IPv6 without brackets has colons of its own. */
    bool port = colon && !strchr(colon + 1, ':');
    *ret_size = port ? (size_t)(colon - text) : strlen(text);
    *ret_port = port ? colon + 1 : NULL;
    return true;
}

/* Values ---------------------------------------------------------------------------------------------------------- */

static bool parse_ports(const char *text, struct kith_address_range *range) {
    const char *dash = text ? strchr(text, '-') : NULL, *end = text ? text + strlen(text) : NULL;
    uint64_t low = 0, high = PORT_MAX;

    if (text && (!kith_condition_number(text, dash ? dash : end, &low) || !kith_condition_number(dash ? dash + 1 : text, end, &high)))
        return false;
    if (high > PORT_MAX || low > high)
        return false;
    range->port_low = (uint16_t)low;
    range->port_high = (uint16_t)high;
    return true;
}

static bool parse_prefix(const char *host, size_t size, struct kith_address_range *range) {
    const char *slash = (const char *)memchr(host, '/', size);
    unsigned most = parse_host(host, slash ? (size_t)(slash - host) : size, range->prefix);
    uint64_t bits = most;

    if (most == 0 || (slash && !kith_condition_number(slash + 1, host + size, &bits)) || bits > most)
        return false;
    range->bits = (uint8_t)(128 - most + bits);
    return true;
}

static bool has_more_bits(const struct kith_address_range *range) {
    for (unsigned bit = range->bits; bit < 128; bit++)
        if (range->prefix[bit / 8] & 0x80 >> bit % 8)
            return true;
    return false;
}

int kith_condition_address_parse(const struct kith_condition_type *type, const char *text, struct kith_condition_value *ret_value,
                                 struct kith_error *ret_error) {
    struct kith_address_range *range = &ret_value->address;
    const char *host, *port;
    size_t size;

    if (!split(text, &host, &size, &port) || !parse_prefix(host, size, range) || !parse_ports(port, range))
        return kith_error_set(ret_error, -EINVAL,
                              "%s \"%.64s\" is no address: write one like 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, 192.0.2.1:1-1023 or "
                              "[2001:db8::1]:4711",
                              type->name, text);
    if (has_more_bits(range))
        return kith_error_set(ret_error, -EINVAL, "%s \"%.64s\" has bits behind its prefix: set them to 0, or make the prefix longer",
                              type->name, text);
    return 0;
}

void kith_condition_address_put(const struct kith_condition_value *value, struct kith_text *text) {
    const struct kith_address_range *range = &value->address;
    bool v4 = is_mapped(range->prefix) && range->bits >= 96;
    bool ports = range->port_low > 0 || range->port_high < PORT_MAX;
    unsigned bits = v4 ? range->bits - 96u : range->bits;
    char host[INET6_ADDRSTRLEN];

    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? range->prefix + 12 : range->prefix, host, sizeof(host));
    kith_text_printf(text, ports && !v4 ? "[%s" : "%s", host);
    if (bits < (v4 ? 32u : 128u))
        kith_text_printf(text, "/%u", bits);
    if (!ports)
        return;
    kith_text_printf(text, v4 ? ":%u" : "]:%u", range->port_low);
    if (range->port_high != range->port_low)
        kith_text_printf(text, "-%u", range->port_high);
}

/* Facts ----------------------------------------------------------------------------------------------------------- */

static bool parse_fact(const char *text, struct kith_address *ret_address) {
    const char *host, *port;
    size_t size;
    uint64_t number = 0;

    if (!split(text, &host, &size, &port))
        return false;
    const char *scope = (const char *)memchr(host, '%', size);
    if (parse_host(host, scope ? (size_t)(scope - host) : size, ret_address->octets) == 0)
        return false;
    if (port && (!kith_condition_number(port, port + strlen(port), &number) || number > PORT_MAX))
        return false;
    ret_address->port = (uint16_t)number;
    return true;
}

bool kith_condition_address_host(const char *text, char *host, size_t size) {
    struct kith_address address;
    return parse_fact(text, &address) && inet_ntop(AF_INET6, address.octets, host, (socklen_t)size);
}

static bool range_has(const struct kith_address_range *range, const struct kith_address *address) {
    unsigned whole = range->bits / 8, rest = range->bits % 8;

    if (address->port < range->port_low || address->port > range->port_high)
        return false;
    if (memcmp(range->prefix, address->octets, whole) != 0)
        return false;
    return rest == 0 || (range->prefix[whole] ^ address->octets[whole]) >> (8 - rest) == 0;
}

/* The fact as an address; NULL when it is none. */
static const struct kith_address *address_of(const struct kith_condition_type *type, const struct kith_condition_ask *ask,
                                             const char *text) {
    size_t index = type->fact == KITH_FACT_DESTINATION;
    if (!ask->scratch->addresses[index].parsed) {
        ask->scratch->addresses[index].valid = parse_fact(text, &ask->scratch->addresses[index].address);
        ask->scratch->addresses[index].parsed = true;
    }
    return ask->scratch->addresses[index].valid ? &ask->scratch->addresses[index].address : NULL;
}

enum kith_match kith_condition_address_match(const struct kith_condition_type *type, const struct kith_condition_values *values,
                                             const struct kith_condition_ask *ask) {
    const char *text = NULL;

    if (!kith_condition_believed(ask, type->name, kith_origin_text(ask->request->origin, type->fact, &text)))
        return KITH_MATCH_UNKNOWN;
    const struct kith_address *address = address_of(type, ask, text);
    for (size_t i = 0; address && i < values->count; i++)
        if (range_has(&values->values[i].address, address))
            return KITH_MATCH_YES;
    if (ask->why) {
        kith_text_puts(ask->why, type->name);
        kith_text_putc(ask->why, ' ');
        kith_text_put_printable(ask->why, text, strlen(text));
    }
    if (address)
        return kith_condition_differs(type, values, ask);
    if (ask->why)
        kith_text_puts(ask->why, " is no address of IPv4 or IPv6");
    return KITH_MATCH_UNKNOWN;
}
