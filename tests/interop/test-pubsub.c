/*
 * Publishers and subscribers, kith and libzmq at either end: PUB and XPUB to SUB and XSUB, either end bound, and each option that shows on
 * the wire. What an XPUB shows is compared with what libzmq's shows to the same subscribers.
 *
 * Nobody knows when a PUB has heard of a subscription. So a test subscribes to a mark last and publishes that until it comes: then all
 * before it is known too. Marks begin with ~ and are skipped by whoever receives.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/side.h"

#define MARK '~'

/* Both kinds of publishers and subscribers, and at which end kith is. */
static const struct pairing pairings[] = {
    {KITH_PUB, KITH_SUB, false}, {KITH_PUB, KITH_XSUB, false}, {KITH_XPUB, KITH_SUB, false}, {KITH_XPUB, KITH_XSUB, false},
    {KITH_PUB, KITH_SUB, true},  {KITH_PUB, KITH_XSUB, true},  {KITH_XPUB, KITH_SUB, true},  {KITH_XPUB, KITH_XSUB, true},
};

/* Subscribing --------------------------------------------------------------------------------------------------------------- */

static kith_msg *octets_msg(uint8_t first, const char *topic) {
    uint8_t octets[512];
    size_t size = strlen(topic);
    kith_msg *msg = NULL;
    assert_true(size < sizeof(octets));
    octets[0] = first;
    memcpy(octets + 1, topic, size);
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, octets, 1 + size), 0);
    return msg;
}

static void change(struct interop *interop, struct side *sub, const char *topic, bool subscribe) {
    if (sub->type == KITH_XSUB) {
        _cleanup_(kith_msg_freep) kith_msg *msg = octets_msg(subscribe, topic);
        side_send(interop, sub, msg);
    } else if (sub->kith) {
        assert_int_equal((subscribe ? kith_socket_subscribe : kith_socket_unsubscribe)(sub->kith, topic, strlen(topic)), 0);
    } else {
        assert_int_equal(zmq_setsockopt(sub->zmq, subscribe ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE, topic, strlen(topic)), 0);
    }
}

static void send_text(struct interop *interop, struct side *side, const char *text) {
    _cleanup_(kith_msg_freep) kith_msg *msg = support_msg(text, NULL);
    side_send(interop, side, msg);
}

static char first_octet(const kith_msg *msg) {
    size_t size = 0;
    const uint8_t *frame = kith_msg_frame(msg, 0, &size);
    return size > 0 ? (char)frame[0] : '\0';
}

/* A message that waits, or NULL. */
static kith_msg *side_take(struct interop *interop, struct side *side) {
    kith_msg *msg = NULL;
    if (side->kith)
        return kith_socket_recv(side->kith, &msg, 0) == 0 ? msg : NULL;
    return zpeer_readable(side->zmq) ? side_recv(interop, side) : NULL;
}

/* The next message to `side`. libzmq takes a peer in only when its application calls it, so the other end is called meanwhile. */
static kith_msg *recv_while(struct interop *interop, struct side *side, struct side *other) {
    for (kith_msg *msg;; support_run_for(&interop->support, 1)) {
        if (other->zmq)
            (void)zpeer_readable(other->zmq);
        if ((msg = side_take(interop, side)))
            return msg;
        assert_true(support_left(&interop->support) > 0);
    }
}

/* The next message that is no mark. */
static kith_msg *hear(struct interop *interop, struct side *sub) {
    kith_msg *msg = side_recv(interop, sub);
    while (first_octet(msg) == MARK) {
        kith_msg_free(msg);
        msg = side_recv(interop, sub);
    }
    return msg;
}

static void expect_text(struct interop *interop, struct side *sub, const char *text) {
    _cleanup_(kith_msg_freep) kith_msg *msg = hear(interop, sub);
    support_assert_frame(msg, 0, text);
}

/* Until the publisher knows all that the subscriber has asked for. */
static void catch_up(struct interop *interop, struct side *pub, struct side *sub) {
    static unsigned number;
    char mark[16];
    snprintf(mark, sizeof(mark), "%c%u.", MARK, number++);
    change(interop, sub, mark, true);
    for (bool known = false; !known;) {
        send_text(interop, pub, mark);
        support_run_for(&interop->support, 1);
        for (kith_msg *msg; !known && (msg = side_take(interop, sub)); kith_msg_free(msg)) {
            size_t size = 0;
            const uint8_t *frame = kith_msg_frame(msg, 0, &size);
            known = size == strlen(mark) && memcmp(frame, mark, size) == 0;
        }
    }
}

/* Topics -------------------------------------------------------------------------------------------------------------------- */

static void publish(struct interop *interop, struct side *pub, struct side *sub, size_t parts, size_t size) {
    _cleanup_(kith_msg_freep) kith_msg *msg = support_msg("topic", NULL), *other = support_msg("else", NULL);
    _cleanup_(kith_msg_freep) kith_msg *body = support_body(parts, size, 0), *copy = support_copy(body);
    assert_int_equal(kith_msg_append(msg, copy), 0);
    side_send(interop, pub, other);
    side_send(interop, pub, msg);
    _cleanup_(kith_msg_freep) kith_msg *got = hear(interop, sub);
    support_assert_frame(got, 0, "topic");
    support_assert_body(got, 1, body);
}

static void subscribe_and_publish(struct interop *interop, struct side *pub, struct side *sub) {
    /* From 246 octets on a SUBSCRIBE needs a long frame, and some senders forget to say so. */
    char lengths[3][300];
    static const size_t sizes[] = {245, 246, 256};
    change(interop, sub, "top", true);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        memset(lengths[i], 'a' + (int)i, sizes[i]);
        lengths[i][sizes[i]] = '\0';
        change(interop, sub, lengths[i], true);
    }
    change(interop, sub, "end", true);
    catch_up(interop, pub, sub);
    publish(interop, pub, sub, 1, 0);
    publish(interop, pub, sub, 3, 255);
    publish(interop, pub, sub, 2, 256);
    publish(interop, pub, sub, 1, 1 << 20);
    publish(interop, pub, sub, 200, 100);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        send_text(interop, pub, lengths[i]);
        expect_text(interop, sub, lengths[i]);
        change(interop, sub, lengths[i], false);
    }
    change(interop, sub, "top", false);
    catch_up(interop, pub, sub);
    send_text(interop, pub, "topic");
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++)
        send_text(interop, pub, lengths[i]);
    send_text(interop, pub, "end");
    expect_text(interop, sub, "end");
}

static void run_pairings(struct interop *interop, enum where where, bool pub_binds) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(pairings); i++) {
        struct side pub = side_new(interop, pairings[i].kith_asks, pairings[i].asker);
        struct side sub = side_new(interop, !pairings[i].kith_asks, pairings[i].answerer);
        print_message("    %s %s to %s %s, %s, %s binds\n", pub.kith ? "kith" : "zmq", kith_socket_type_name(pub.type),
                      sub.kith ? "kith" : "zmq", kith_socket_type_name(sub.type), where_name(where),
                      pub_binds ? "publisher" : "subscriber");
        sides_join(interop, pub_binds ? &pub : &sub, pub_binds ? &sub : &pub, where);
        subscribe_and_publish(interop, &pub, &sub);
        side_close(interop, &pub);
        side_close(interop, &sub);
    }
}

static void test_topics_over_ipc(void **state) {
    run_pairings(*state, WHERE_PATH, true);
    run_pairings(*state, WHERE_ABSTRACT, false);
}

static void test_topics_over_tcp(void **state) {
    run_pairings(*state, WHERE_TCP4, true);
    run_pairings(*state, WHERE_TCP4, false);
}

/* What an XPUB shows --------------------------------------------------------------------------------------------------------- */

struct audience {
    struct side pub, first, second;
    char shown[256]; /* "+a -a " */
};

/* Subscribes `by` to a mark and takes what the XPUB shows until that comes; marks are left out. */
static void take_shown(struct interop *interop, struct audience *audience, struct side *by) {
    static unsigned number;
    char mark[16];
    snprintf(mark, sizeof(mark), "%c%u", MARK, number++);
    change(interop, by, mark, true);
    for (bool last = false; !last;) {
        _cleanup_(kith_msg_freep) kith_msg *msg = side_recv(interop, &audience->pub);
        size_t size = 0, used = strlen(audience->shown);
        const char *frame = (const char *)kith_msg_frame(msg, 0, &size);
        assert_true(size > 0 && (frame[0] == 0 || frame[0] == 1));
        last = size - 1 == strlen(mark) && memcmp(frame + 1, mark, size - 1) == 0;
        if (size < 2 || frame[1] != MARK)
            snprintf(audience->shown + used, sizeof(audience->shown) - used, "%c%.*s ", frame[0] ? '+' : '-', (int)size - 1, frame + 1);
    }
}

static void act(struct interop *interop, struct audience *audience, struct side *who, const char *topic, bool subscribe) {
    change(interop, who, topic, subscribe);
    take_shown(interop, audience, who);
}

/* The same history for every XPUB and its subscribers. */
static void show(struct interop *interop, struct audience *audience, bool kith_publishes, bool kith_subscribes, int option,
                 enum kith_option kith_option) {
    *audience = (struct audience){.pub = side_new(interop, kith_publishes, KITH_XPUB),
                                  .first = side_new(interop, kith_subscribes, KITH_SUB),
                                  .second = side_new(interop, kith_subscribes, KITH_SUB)};
    if (option && kith_publishes)
        support_set(audience->pub.kith, kith_option, 1);
    else if (option)
        zpeer_set(audience->pub.zmq, option, 1);
    sides_join(interop, &audience->pub, &audience->first, WHERE_PATH);
    sides_join(interop, &audience->pub, &audience->second, WHERE_TCP4);
    act(interop, audience, &audience->first, "a", true);
    act(interop, audience, &audience->first, "a", true);
    act(interop, audience, &audience->second, "a", true);
    act(interop, audience, &audience->first, "a", false);
    act(interop, audience, &audience->first, "a", false);
    act(interop, audience, &audience->second, "a", false);
    act(interop, audience, &audience->first, "b", true);
    act(interop, audience, &audience->second, "b", true);
    act(interop, audience, &audience->first, "", true);
    side_close(interop, &audience->first);
    /* The close is known when the cancel of what only the first had, the empty topic, has come. */
    while (!strstr(audience->shown, "- "))
        take_shown(interop, audience, &audience->second);
    side_close(interop, &audience->pub);
    side_close(interop, &audience->second);
}

static void test_an_xpub_shows_what_libzmq_shows(void **state) {
    static const struct {
        int option;
        enum kith_option kith_option;
        const char *shown, *between_kith; /* a kith SUB tells an XPUB that counts only what counts */
    } rows[] = {
        {0, 0, "+a -a +b + - ", "+a -a +b + - "},
        {ZMQ_XPUB_VERBOSE, KITH_OPTION_XPUB_VERBOSE, "+a +a +a -a +b +b + - ", "+a +a -a +b +b + - "},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        for (unsigned ends = 0; ends < 4; ends++) {
            struct audience audience;
            print_message("    %s XPUB, %s SUB\n", ends & 1 ? "kith" : "zmq", ends & 2 ? "kith" : "zmq");
            show(*state, &audience, ends & 1, ends & 2, rows[i].option, rows[i].kith_option);
            assert_string_equal(audience.shown, ends == 3 ? rows[i].between_kith : rows[i].shown);
        }
    }
}

/* On a close the order in which an XPUB tells the cancels is its own: one topic is looked at. */
static void test_a_verboser_xpub_shows_what_libzmq_shows(void **state) {
    for (unsigned ends = 0; ends < 4; ends++) {
        struct audience audience;
        print_message("    %s XPUB, %s SUB\n", ends & 1 ? "kith" : "zmq", ends & 2 ? "kith" : "zmq");
        show(*state, &audience, ends & 1, ends & 2, ZMQ_XPUB_VERBOSER, KITH_OPTION_XPUB_VERBOSER);
        const char *expected = ends == 3 ? "+a +a -a -a +b +b + " : "+a +a +a -a -a +b +b + ";
        assert_memory_equal(audience.shown, expected, strlen(expected));
        assert_non_null(strstr(audience.shown, "-b "));
    }
}

static void test_a_manual_xpub_serves_libzmq(void **state) {
    struct interop *interop = *state;
    struct side pub = side_new(interop, true, KITH_XPUB), sub = side_new(interop, false, KITH_XSUB);
    support_set(pub.kith, KITH_OPTION_XPUB_MANUAL, 1);
    sides_join(interop, &pub, &sub, WHERE_PATH);
    change(interop, &sub, "a", true);
    kith_msg_free(side_recv(interop, &pub));
    assert_int_equal(kith_socket_subscribe(pub.kith, "b", 1), 0);
    send_text(interop, &pub, "a1");
    send_text(interop, &pub, "b1");
    expect_text(interop, &sub, "b1");
}

static void test_a_manual_libzmq_xpub_serves_kith(void **state) {
    struct interop *interop = *state;
    struct side pub = side_new(interop, false, KITH_XPUB), sub = side_new(interop, true, KITH_XSUB);
    zpeer_set(pub.zmq, ZMQ_XPUB_MANUAL, 1);
    sides_join(interop, &pub, &sub, WHERE_PATH);
    change(interop, &sub, "a", true);
    kith_msg_free(side_recv(interop, &pub));
    assert_int_equal(zmq_setsockopt(pub.zmq, ZMQ_SUBSCRIBE, "b", 1), 0);
    send_text(interop, &pub, "a1");
    send_text(interop, &pub, "b1");
    expect_text(interop, &sub, "b1");
}

/* Other options --------------------------------------------------------------------------------------------------------------- */

static void test_a_welcome_comes_first(void **state) {
    struct interop *interop = *state;
    for (unsigned kith_publishes = 0; kith_publishes < 2; kith_publishes++) {
        struct side pub = side_new(interop, kith_publishes, KITH_XPUB), sub = side_new(interop, !kith_publishes, KITH_SUB);
        if (pub.kith)
            assert_int_equal(kith_socket_set_octets(pub.kith, KITH_OPTION_XPUB_WELCOME, "welcome", 7, NULL), 0);
        else
            assert_int_equal(zmq_setsockopt(pub.zmq, ZMQ_XPUB_WELCOME_MSG, "welcome", 7), 0);
        change(interop, &sub, "w", true);
        sides_join(interop, &pub, &sub, WHERE_PATH);
        _cleanup_(kith_msg_freep) kith_msg *msg = recv_while(interop, &sub, &pub);
        support_assert_frame(msg, 0, "welcome");
        side_close(interop, &pub);
        side_close(interop, &sub);
    }
}

static void invert(struct side *side) {
    if (side->kith)
        support_set(side->kith, KITH_OPTION_INVERT_MATCHING, 1);
    else
        zpeer_set(side->zmq, ZMQ_INVERT_MATCHING, 1);
}

static void test_inverted_matching(void **state) {
    struct interop *interop = *state;
    for (unsigned kith_publishes = 0; kith_publishes < 2; kith_publishes++) {
        struct side pub = side_new(interop, kith_publishes, KITH_XPUB), sub = side_new(interop, !kith_publishes, KITH_SUB);
        invert(&pub);
        invert(&sub);
        sides_join(interop, &pub, &sub, WHERE_TCP4);
        change(interop, &sub, "a", true);
        kith_msg_free(side_recv(interop, &pub));
        send_text(interop, &pub, "a1");
        send_text(interop, &pub, "b1");
        expect_text(interop, &sub, "b1");
        side_close(interop, &pub);
        side_close(interop, &sub);
    }
}

static void test_an_xsub_speaks_to_its_xpub(void **state) {
    struct interop *interop = *state;
    for (unsigned kith_publishes = 0; kith_publishes < 2; kith_publishes++) {
        struct side pub = side_new(interop, kith_publishes, KITH_XPUB), sub = side_new(interop, !kith_publishes, KITH_XSUB);
        _cleanup_(kith_msg_freep) kith_msg *words = support_msg("words", "upstream", NULL);
        sides_join(interop, &pub, &sub, WHERE_TCP4);
        change(interop, &sub, "a", true);
        kith_msg_free(side_recv(interop, &pub));
        side_send(interop, &sub, words);
        _cleanup_(kith_msg_freep) kith_msg *got = side_recv(interop, &pub);
        support_assert_frame(got, 0, "words");
        support_assert_frame(got, 1, "upstream");
        side_close(interop, &pub);
        side_close(interop, &sub);
    }
}

/* libzmq's publisher keeps a set: it hears every subscription and the last cancel, or by option every cancel. */
static void test_an_xsub_counts_for_libzmq(void **state) {
    struct interop *interop = *state;
    for (unsigned verbose = 0; verbose < 2; verbose++) {
        struct audience audience = {.pub = side_new(interop, false, KITH_XPUB), .first = side_new(interop, true, KITH_XSUB)};
        zpeer_set(audience.pub.zmq, ZMQ_XPUB_VERBOSER, 1);
        support_set(audience.first.kith, KITH_OPTION_XSUB_VERBOSE_UNSUBSCRIBE, verbose);
        sides_join(interop, &audience.pub, &audience.first, WHERE_TCP4);
        act(interop, &audience, &audience.first, "a", true);
        act(interop, &audience, &audience.first, "a", true);
        act(interop, &audience, &audience.first, "a", false);
        assert_string_equal(audience.shown, verbose ? "+a +a -a " : "+a +a ");
        side_close(interop, &audience.pub);
        side_close(interop, &audience.first);
    }
}

/* Full subscribers ---------------------------------------------------------------------------------------------------------- */

/* Sends numbered messages until one is not taken; returns how many were. */
static unsigned fill(struct side *pub) {
    char octets[1000] = "#";
    for (unsigned count = 0;; count++) {
        kith_msg *msg = NULL;
        memcpy(octets + 1, &count, sizeof(count));
        if (!pub->kith) {
            if (zmq_send(pub->zmq, octets, sizeof(octets), ZMQ_DONTWAIT) < 0)
                return count;
            continue;
        }
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, octets, sizeof(octets)), 0);
        if (kith_socket_send(pub->kith, msg, 0) < 0) {
            kith_msg_free(msg);
            return count;
        }
        assert_true(count < 10000000);
    }
}

static void test_without_dropping_nothing_is_lost(void **state) {
    struct interop *interop = *state;
    for (unsigned kith_publishes = 0; kith_publishes < 2; kith_publishes++) {
        struct side pub = side_new(interop, kith_publishes, KITH_XPUB), sub = side_new(interop, !kith_publishes, KITH_SUB);
        if (pub.kith)
            support_set(pub.kith, KITH_OPTION_XPUB_NO_DROP, 1);
        else
            zpeer_set(pub.zmq, ZMQ_XPUB_NODROP, 1);
        sides_join(interop, &pub, &sub, WHERE_PATH);
        change(interop, &sub, "#", true);
        kith_msg_free(side_recv(interop, &pub));
        unsigned count = fill(&pub);
        assert_true(count >= 1000);
        for (unsigned i = 0; i < count; i++) {
            _cleanup_(kith_msg_freep) kith_msg *msg = side_recv(interop, &sub);
            assert_memory_equal(kith_msg_frame(msg, 0, NULL) + 1, &i, sizeof(i));
        }
        side_close(interop, &pub);
        side_close(interop, &sub);
    }
}

/* What libzmq does not take in time is dropped, and the events say how much. */
static void test_drops_are_told(void **state) {
    struct interop *interop = *state;
    struct side pub = side_new(interop, true, KITH_XPUB), sub = side_new(interop, false, KITH_SUB);
    zpeer_set(sub.zmq, ZMQ_RCVHWM, 10);
    sides_join(interop, &pub, &sub, WHERE_PATH);
    change(interop, &sub, "", true);
    kith_msg_free(side_recv(interop, &pub));
    unsigned sent = 0;
    for (; support_event_total(&interop->support, pub.kith, KITH_EVENT_DROPPED) < 4; sent++)
        send_text(interop, &pub, "a message that nobody takes");
    uint64_t dropped = 0;
    for (unsigned received = 0; received + dropped < sent;) {
        kith_msg *msg = side_take(interop, &sub);
        received += msg != NULL;
        kith_msg_free(msg);
        if (!msg)
            support_run_for(&interop->support, 1);
        dropped = 0;
        for (size_t i = 0; i < interop->support.event_count; i++)
            if (interop->support.events[i].socket == pub.kith && interop->support.events[i].type == KITH_EVENT_DROPPED)
                dropped += interop->support.events[i].count;
        assert_true(received + dropped <= sent && support_left(&interop->support) > 0);
    }
    assert_true(dropped >= 8);
}

/* Many --------------------------------------------------------------------------------------------------------------------- */

static void test_thousands_of_subscriptions_reach_a_publisher_that_comes_later(void **state) {
    enum { COUNT = 5000 };
    struct interop *interop = *state;
    for (unsigned kith_publishes = 0; kith_publishes < 2; kith_publishes++) {
        struct side pub = side_new(interop, kith_publishes, KITH_XPUB), sub = side_new(interop, !kith_publishes, KITH_SUB);
        char topic[32];
        if (sub.zmq)
            zpeer_set(sub.zmq, ZMQ_SNDHWM, 0); /* else it forgets those beyond */
        for (int i = 0; i < COUNT; i++) {
            snprintf(topic, sizeof(topic), "topic/%05d/", i);
            change(interop, &sub, topic, true);
        }
        sides_join(interop, &sub, &pub, WHERE_PATH);
        for (int i = 0; i < COUNT; i++)
            kith_msg_free(recv_while(interop, &pub, &sub));
        for (int i = 0; i < COUNT; i += 999) {
            snprintf(topic, sizeof(topic), "topic/%05d/", i);
            send_text(interop, &pub, topic);
            expect_text(interop, &sub, topic);
        }
        side_close(interop, &pub);
        side_close(interop, &sub);
    }
}

/* No mark is needed then: the first message that is published is the first that comes. */
static void test_nothing_is_lost_after_waiting_for_subscribers_of_libzmq(void **state) {
    struct interop *interop = *state;
    for (int where = 0; where < WHERE_COUNT; where++) {
        struct side pub = side_new(interop, true, KITH_PUB), sub = side_new(interop, false, KITH_SUB),
                    other = side_new(interop, false, KITH_SUB);
        change(interop, &sub, "top", true);
        change(interop, &other, "", true);
        sides_join(interop, &pub, &sub, (enum where)where);
        assert_int_equal(kith_socket_wait_subscribed(pub.kith, "topic", 5, 1, 10000), 1);
        assert_int_equal(kith_socket_wait_subscribed(pub.kith, "tap", 3, 1, 1), -EAGAIN);
        send_text(interop, &pub, "topic 1");
        expect_text(interop, &sub, "topic 1");
        assert_int_equal(zmq_connect(other.zmq, kith_socket_last_endpoint(pub.kith)), 0);
        assert_int_equal(kith_socket_wait_subscribed(pub.kith, "topic", 5, 2, 10000), 2);
        send_text(interop, &pub, "topic 2");
        expect_text(interop, &sub, "topic 2");
        expect_text(interop, &other, "topic 2");
        side_close(interop, &pub);
        side_close(interop, &sub);
        side_close(interop, &other);
    }
}

/* A kith forwarder between libzmq's ends. */
static void test_a_forwarder_between_libzmq_ends(void **state) {
    struct interop *interop = *state;
    struct side pub = side_new(interop, false, KITH_PUB), sub = side_new(interop, false, KITH_SUB);
    struct side front = side_new(interop, true, KITH_XPUB), back = side_new(interop, true, KITH_XSUB);
    sides_join(interop, &pub, &back, WHERE_TCP4);
    sides_join(interop, &front, &sub, WHERE_PATH);
    change(interop, &sub, "a", true);
    kith_msg *up = side_recv(interop, &front);
    support_send(&interop->support, back.kith, up);
    for (bool known = false; !known; support_run_for(&interop->support, 1)) {
        send_text(interop, &pub, "b1");
        send_text(interop, &pub, "a1");
        _cleanup_(kith_msg_freep) kith_msg *msg = side_take(interop, &back);
        known = msg != NULL;
    }
    send_text(interop, &pub, "a2");
    for (bool last = false; !last;) { /* the first one that came is gone */
        kith_msg *msg = side_recv(interop, &back);
        size_t size = 0;
        last = memcmp(kith_msg_frame(msg, 0, &size), "a2", 2) == 0;
        assert_int_equal(size, 2);
        support_send(&interop->support, front.kith, msg);
    }
    _cleanup_(kith_msg_freep) kith_msg *msg = side_recv(interop, &sub);
    assert_int_equal(first_octet(msg), 'a');
}

#define PUBSUB_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PUBSUB_TEST(test_topics_over_ipc),
        PUBSUB_TEST(test_topics_over_tcp),
        PUBSUB_TEST(test_an_xpub_shows_what_libzmq_shows),
        PUBSUB_TEST(test_a_verboser_xpub_shows_what_libzmq_shows),
        PUBSUB_TEST(test_a_manual_xpub_serves_libzmq),
        PUBSUB_TEST(test_a_manual_libzmq_xpub_serves_kith),
        PUBSUB_TEST(test_a_welcome_comes_first),
        PUBSUB_TEST(test_inverted_matching),
        PUBSUB_TEST(test_an_xsub_speaks_to_its_xpub),
        PUBSUB_TEST(test_an_xsub_counts_for_libzmq),
        PUBSUB_TEST(test_without_dropping_nothing_is_lost),
        PUBSUB_TEST(test_drops_are_told),
        PUBSUB_TEST(test_thousands_of_subscriptions_reach_a_publisher_that_comes_later),
        PUBSUB_TEST(test_nothing_is_lost_after_waiting_for_subscribers_of_libzmq),
        PUBSUB_TEST(test_a_forwarder_between_libzmq_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
