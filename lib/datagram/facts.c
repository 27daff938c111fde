/* datagram/facts.c: what the kernel says of a datagram, as facts of its origin. */
#include "base/cleanup.h"
#include "datagram/datagram.h"

KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

static int set_text(kith_origin *origin, enum kith_fact fact, const char *text) {
    return text[0] ? kith_origin_set_text(origin, fact, text, KITH_WITNESS_KERNEL_MESSAGE) : 0;
}

static int set_octet(kith_origin *origin, enum kith_fact fact, int value) {
    return value < 0 ? 0 : kith_origin_set_number(origin, fact, (uint64_t)value, KITH_WITNESS_KERNEL_MESSAGE);
}

int kith_packet_origin(const struct kith_packet *packet, kith_origin **ret_origin) {
    _cleanup_(kith_origin_unrefp) kith_origin *origin = NULL;
    int r = kith_origin_new(&origin);
    if (r >= 0)
        r = set_text(origin, KITH_FACT_ADDRESS, packet->sender_text);
    if (r >= 0)
        r = set_text(origin, KITH_FACT_DESTINATION, packet->destination_text);
    if (r >= 0)
        r = set_text(origin, KITH_FACT_INTERFACE, packet->interface_name);
    if (r >= 0)
        r = set_octet(origin, KITH_FACT_TTL, packet->ttl);
    if (r >= 0)
        r = set_octet(origin, KITH_FACT_TOS, packet->tos);
    if (r >= 0 && packet->time_ns > 0)
        r = kith_origin_set_number(origin, KITH_FACT_TIME, packet->time_ns, KITH_WITNESS_KERNEL_MESSAGE);
    if (r < 0)
        return r;
    *ret_origin = KITH_STEAL(origin);
    return 0;
}
