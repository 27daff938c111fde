/* flow/view/words.c: marks in words. */
#include <arpa/inet.h>
#include <inttypes.h>

#include "base/text.h"
#include "flow/view/words.h"

#define ADDRESS_MAX 64

void flow_words_flags(unsigned flags, char *text, size_t size) {
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    struct kith_text words = kith_text_init(text, size);

    for (unsigned i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        if (!(flags & 1U << i))
            continue;
        if (words.length > 0)
            kith_text_putc(&words, ',');
        kith_text_puts(&words, names[i]);
    }
    if (words.length == 0)
        kith_text_puts(&words, "none");
}

void flow_words_address(const struct flow_address *address, char *text, size_t size) {
    struct kith_text words = kith_text_init(text, size);
    char host[INET6_ADDRSTRLEN];

    if (address->family == AF_INET)
        kith_text_printf(&words, "%s:%u", inet_ntop(AF_INET, address->octets, host, sizeof(host)), address->port);
    else if (address->family == AF_INET6)
        kith_text_printf(&words, "[%s]:%u", inet_ntop(AF_INET6, address->octets, host, sizeof(host)), address->port);
}

void flow_words_duration(uint64_t ns, char *text, size_t size) {
    struct kith_text words = kith_text_init(text, size);

    if (ns < 1000)
        kith_text_printf(&words, "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        kith_text_printf(&words, "%.1f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        kith_text_printf(&words, "%.2f ms", (double)ns / 1e6);
    else
        kith_text_printf(&words, "%.2f s", (double)ns / 1e9);
}

static void put_state(struct kith_text *words, const struct flow_mark *mark) {
    char local[ADDRESS_MAX], remote[ADDRESS_MAX];

    flow_words_address(&mark->state.local, local, sizeof(local));
    flow_words_address(&mark->state.remote, remote, sizeof(remote));
    kith_text_printf(words, "%s -> %s", flow_state_name(mark->state.before), flow_state_name(mark->state.after));
    if (local[0] != '\0')
        kith_text_printf(words, "  (%s, peer %s)", local, remote);
}

static void put_packet(struct kith_text *words, const struct flow_mark *mark) {
    char flags[ADDRESS_MAX];

    flow_words_flags(mark->packet.flags, flags, sizeof(flags));
    kith_text_printf(words, "%s %s  %u -> %u seq %" PRIu32, mark->packet.sent ? "sent" : "received", flags, mark->packet.source,
                     mark->packet.destination, mark->packet.sequence);
    if (!mark->packet.sent)
        kith_text_printf(words, " ack %" PRIu32, mark->packet.acknowledged);
    kith_text_printf(words, ", %" PRIu32 " octets", mark->packet.octets);
}

void flow_words_mark(const struct flow_mark *mark, char text[FLOW_WORDS_MAX]) {
    struct kith_text words = kith_text_init(text, FLOW_WORDS_MAX);

    switch (mark->type) {
    case FLOW_MARK_STATE:
        put_state(&words, mark);
        break;
    case FLOW_MARK_PACKET:
        put_packet(&words, mark);
        break;
    case FLOW_MARK_DATAGRAM:
        kith_text_printf(&words, "%s datagram  %u -> %u, %" PRIu32 " octets", mark->packet.sent ? "sent" : "received", mark->packet.source,
                         mark->packet.destination, mark->packet.octets);
        break;
    case FLOW_MARK_LINK:
        kith_text_printf(&words, "listener %" PRIx64 " has a child: %" PRIx64, mark->socket, mark->link.child);
        break;
    case FLOW_MARK_ACCEPT:
        kith_text_printf(&words, "accept() gives out socket %" PRIx64, mark->socket);
        break;
    case FLOW_MARK_SOCKET:
        kith_text_printf(&words, "on socket %" PRIx64, mark->socket);
        break;
    case FLOW_MARK_LOST:
        kith_text_puts(&words, "events were lost here");
        if (mark->lost.events > 0)
            kith_text_printf(&words, ": %" PRIu64, mark->lost.events);
        break;
    }
}
