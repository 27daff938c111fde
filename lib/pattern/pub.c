/*
 * pattern/pub.c: PUB and XPUB: a message goes to every peer with a subscription that its first frame begins with. RFC 29.
 *
 * Subscriptions come as commands and as messages (subscription.h), from every peer in either form. They are counted (RFC 37: two of the
 * same topic need two cancels), but not those of libzmq: it says each subscription and only the last cancel, since its publishers keep a
 * set. What is refused (max-subscriptions, memory) is told here and to the peer, at first and whenever the number has doubled.
 *
 * XPUB shows subscriptions to the application as messages: those that are the first of a topic and cancels that are the last, more by
 * option. They are charged to the peer like any message, so a peer whose subscriptions nobody takes is not read from. When a peer is lost,
 * its cancels come by themselves; each ends a subscription that was shown. (A peer that the application itself lets go has none.)
 *
 * xpub-manual: what peers ask for is kept in `wishes` and all of it is shown; messages are matched only against what the application then
 * subscribes to for the peer whose subscription it took last.
 *
 * A peer that is full loses the message (fanout.h); with xpub-no-drop nobody gets it, and the sender is told to come again. Sending calls
 * nobody up before every peer has the message, so the list that a match made stays as it is meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pattern/denials.h"
#include "pattern/fanout.h"
#include "pattern/subscription.h"

/* What max-subscriptions allows in octets, for each: topics of 160 octets on average. */
#define SUBSCRIPTION_OCTETS (KITH_TOPIC_COST + 2 * (size_t)160)

struct pub {
    struct kith_pattern base;
    struct kith_topics topics;  /* to match */
    struct kith_topics wishes;  /* xpub-manual: what peers have asked for */
    struct kith_account *asker; /* xpub-manual: of the peer whose subscription was taken last, referenced */
    struct kith_fanout fanout;
};

/* session->pattern_data */
struct pub_peer {
    struct kith_fanout_peer fanout;
    struct kith_subscriber subscriber; /* in topics */
    struct kith_subscriber wisher;     /* in wishes */
    uint64_t refused, refused_told;    /* subscriptions */
};

static bool pub_option(const struct pub *pub, enum kith_option option) {
    return pub->base.sessions->profile->numbers[option] != 0;
}

static int pub_init(struct kith_pattern *pattern) {
    struct pub *pub = (struct pub *)pattern;
    kith_topics_init(&pub->topics);
    kith_topics_init(&pub->wishes);
    kith_fanout_init(&pub->fanout);
    return 0;
}

/* Peers ------------------------------------------------------------------------------------------------------------------- */

static int pub_attach(struct kith_pattern *pattern, struct kith_session *session) {
    struct pub *pub = (struct pub *)pattern;
    struct pub_peer *peer = calloc(1, sizeof(*peer));
    if (!peer) {
        kith_session_tell(session, KITH_EVENT_PEER_REFUSED, -ENOMEM, 1, "refused: out of memory");
        return -ENOMEM;
    }
    kith_fanout_join(&peer->fanout, session);
    kith_topics_join(&pub->topics, &peer->subscriber, 0, 0);
    kith_topics_join(&pub->wishes, &peer->wisher, 0, 0);
    session->pattern_data = peer;
    return 0;
}

static void pub_attached(struct kith_pattern *pattern, struct kith_session *session) {
    const struct kith_octets *welcome = &session->profile->octets[KITH_OPTION_XPUB_WELCOME];
    (void)pattern;
    if (welcome->data)
        kith_pattern_say(session, welcome->data, welcome->size);
}

static void pub_forget(struct kith_pattern *pattern, struct kith_session *session) {
    struct pub *pub = (struct pub *)pattern;
    struct pub_peer *peer = session->pattern_data;
    if (!peer)
        return;
    session->pattern_data = NULL;
    kith_topics_leave(&pub->topics, &peer->subscriber, NULL, NULL);
    kith_topics_leave(&pub->wishes, &peer->wisher, NULL, NULL);
    kith_fanout_leave(&peer->fanout);
    free(peer);
}

static void pub_deinit(struct kith_pattern *pattern) {
    struct pub *pub = (struct pub *)pattern;
    kith_list_foreach (&pattern->peers, node)
        pub_forget(pattern, kith_list_entry(node, struct kith_session, pattern_link));
    kith_account_unref(pub->asker);
}

/* What the application is shown ------------------------------------------------------------------------------------------- */

static bool pub_shows(const struct pub *pub) {
    return pub->base.ops == &kith_pattern_xpub;
}

/* What came of a subscription or a cancel: does the application get to know? */
static bool pub_is_news(const struct pub *pub, bool subscribe, enum kith_topic_change change) {
    if (!pub_shows(pub))
        return false;
    if (change == KITH_TOPIC_SOLE || pub_option(pub, KITH_OPTION_XPUB_MANUAL) || pub_option(pub, KITH_OPTION_XPUB_VERBOSER))
        return true;
    return subscribe && pub_option(pub, KITH_OPTION_XPUB_VERBOSE);
}

struct pub_notices {
    struct pub *pub;
    struct kith_session *session;
    struct kith_list list;    /* messages for the application */
    struct kith_list changes; /* the same for events: a frame that says which, and the topic */
    struct kith_denials denials;
};

static void pub_notices_init(struct pub_notices *notices, struct kith_pattern *pattern, struct kith_session *session) {
    *notices = (struct pub_notices){.pub = (struct pub *)pattern, .session = session};
    kith_list_init(&notices->list);
    kith_list_init(&notices->changes);
    kith_denials_init(&notices->denials, session);
}

/* Without memory the application is not told; the subscription itself stands. */
static void pub_note(struct pub_notices *notices, const void *octets, size_t size, bool lost) {
    kith_msg *msg;
    if (!octets || kith_pattern_new_msg(notices->session, octets, size, &msg) < 0)
        return;
    if (lost) /* nobody pays for it: a subscription that was shown did */
        msg->account = kith_account_unref(msg->account);
    kith_list_push_back(&notices->list, &msg->link);
}

static void pub_note_cancel(struct pub_notices *notices, const void *topic, size_t size) {
    uint8_t *octets = malloc(1 + size);
    if (!octets)
        return;
    octets[0] = KITH_SUBSCRIPTION_CANCEL;
    if (size > 0)
        memcpy(octets + 1, topic, size);
    pub_note(notices, octets, 1 + size, false);
    free(octets);
}

/* Gives them to the application. Calls up. */
static void pub_show(struct pub_notices *notices) {
    while (!kith_list_empty(&notices->list)) {
        kith_msg *msg = kith_list_first(&notices->list, kith_msg, link);
        kith_list_unlink(&msg->link);
        kith_pattern_received(&notices->pub->base, msg);
    }
}

/* A subscription has become live, or has ended: to be told when whoever changes the set is done. Without memory it is not. */
static void pub_note_change(struct pub_notices *notices, bool subscribe, const void *topic, size_t size) {
    const uint8_t word = subscribe ? KITH_SUBSCRIPTION_SUBSCRIBE : KITH_SUBSCRIPTION_CANCEL;
    kith_msg *msg;
    if (!notices->session->host->tells || kith_pattern_new_msg(notices->session, &word, 1, &msg) < 0)
        return;
    if (kith_msg_add(msg, topic, size) < 0)
        kith_msg_free(msg);
    else
        kith_list_push_back(&notices->changes, &msg->link);
}

/* Tells them. Calls up: the session must be held. */
static void pub_tell_changes(struct pub_notices *notices) {
    while (!kith_list_empty(&notices->changes)) {
        kith_msg *msg = kith_list_first(&notices->changes, kith_msg, link);
        const struct kith_frame *topic = kith_msg_at(msg, 1);
        kith_list_unlink(&msg->link);
        if (notices->session->state == KITH_SESSION_READY)
            kith_session_tell_topic(notices->session,
                                    *kith_frame_data(kith_msg_at(msg, 0)) == KITH_SUBSCRIPTION_SUBSCRIBE ? KITH_EVENT_SUBSCRIBED
                                                                                                         : KITH_EVENT_UNSUBSCRIBED,
                                    kith_frame_data(topic), topic->slice.size);
        kith_msg_free(msg);
    }
}

/* A topic of a peer that was lost. */
static void pub_note_lost(const struct kith_topic *topic, enum kith_topic_change change, void *userdata) {
    struct pub_notices *notices = userdata;
    if (!pub_is_news(notices->pub, false, change))
        return;
    size_t size = 0;
    uint8_t *octets = kith_subscription_octets(KITH_SUBSCRIPTION_CANCEL, topic, &size);
    pub_note(notices, octets, size, true);
    free(octets);
}

static void pub_tell_refused(struct kith_session *session, uint64_t count) {
    if (count > 0)
        kith_session_tell(session, KITH_EVENT_SUBSCRIPTIONS_REFUSED, -ENOBUFS, count,
                          "%llu subscription%s refused: more than max-subscriptions allows", (unsigned long long)count,
                          count == 1 ? " was" : "s were");
}

static void pub_detach(struct kith_pattern *pattern, struct kith_session *session) {
    struct pub_notices notices;
    pub_notices_init(&notices, pattern, session);
    struct pub_peer *peer = session->pattern_data;
    bool manual = pub_option(notices.pub, KITH_OPTION_XPUB_MANUAL);
    kith_topics_leave(&notices.pub->wishes, &peer->wisher, pub_note_lost, &notices);
    kith_topics_leave(&notices.pub->topics, &peer->subscriber, manual ? NULL : pub_note_lost, &notices);
    uint64_t refused = peer->refused - peer->refused_told;
    struct kith_fanout_peer fanout = peer->fanout;
    session->pattern_data = NULL;
    kith_fanout_leave(&peer->fanout);
    free(peer);
    kith_fanout_tell_rest(&fanout);
    pub_tell_refused(session, refused);
    kith_denials_tell(&notices.denials);
    pub_show(&notices);
}

/* Subscriptions --------------------------------------------------------------------------------------------------------------- */

/* Returns a kith_topic_change, or an error of kith_topics_add() or kith_topics_remove(). */
static int pub_change(const struct pub *pub, struct kith_topics *topics, struct kith_subscriber *who, bool counts,
                      enum kith_session_command command, const void *topic, size_t size) {
    if (command != KITH_COMMAND_SUBSCRIBE)
        return kith_topics_remove(topics, who, topic, size);
    who->max = (uint32_t)pub->base.sessions->profile->numbers[KITH_OPTION_MAX_SUBSCRIPTIONS];
    who->charge.limit = who->max * SUBSCRIPTION_OCTETS;
    int r = kith_topics_add(topics, who, topic, size);
    if (r == KITH_TOPIC_COUNTED && !counts)
        (void)kith_topics_remove(topics, who, topic, size);
    return r;
}

/* A peer asks: applied, or refused, and counted if so. Returns whether the application is to be told. */
static bool pub_take(struct pub_notices *notices, enum kith_session_command command, const void *topic, size_t size) {
    struct pub *pub = notices->pub;
    const struct kith_session *session = notices->session;
    struct pub_peer *peer = session->pattern_data;
    bool manual = pub_option(pub, KITH_OPTION_XPUB_MANUAL);
    int r = pub_change(pub, manual ? &pub->wishes : &pub->topics, manual ? &peer->wisher : &peer->subscriber, !session->peer_is_libzmq,
                       command, topic, size);
    if (r == -ENOBUFS || r == -ENOMEM)
        peer->refused++;
    if (r >= 0 && r != KITH_TOPIC_COUNTED && !manual)
        pub_note_change(notices, command == KITH_COMMAND_SUBSCRIBE, topic, size);
    return r >= 0 && pub_is_news(pub, command == KITH_COMMAND_SUBSCRIBE, r);
}

/* Tells here and there, when it is due, that subscriptions are refused. Calls up: the session must be held. */
static void pub_refuse(struct kith_session *session) {
    struct pub_peer *peer = session->pattern_data;
    uint64_t count = peer->refused - peer->refused_told;
    if (count == 0 || !kith_fanout_worth_telling(peer->refused))
        return;
    peer->refused_told = peer->refused;
    if (session->link->refuse)
        session->link->refuse(session, "too many subscriptions");
    kith_session_speak(session);
    pub_tell_refused(session, count);
}

static void pub_command(struct kith_pattern *pattern, struct kith_session *session, enum kith_session_command command, const void *topic,
                        size_t size) {
    struct pub_notices notices;
    if (command != KITH_COMMAND_SUBSCRIBE && command != KITH_COMMAND_CANCEL)
        return;
    pub_notices_init(&notices, pattern, session);
    if (pub_take(&notices, command, topic, size)) {
        uint8_t *octets = malloc(1 + size);
        if (octets) {
            octets[0] = command == KITH_COMMAND_SUBSCRIBE ? KITH_SUBSCRIPTION_SUBSCRIBE : KITH_SUBSCRIPTION_CANCEL;
            if (size > 0)
                memcpy(octets + 1, topic, size);
        }
        pub_note(&notices, octets, 1 + size, false);
        free(octets);
    }
    pub_refuse(session);
    kith_denials_tell(&notices.denials);
    pub_tell_changes(&notices);
    pub_show(&notices);
}

/* In a message, which no link has looked at for what it says. */
static int pub_apply(const struct kith_subscription_frame *frame, void *userdata) {
    struct pub_notices *notices = userdata;
    if (frame->command == KITH_COMMAND_SUBSCRIBE && kith_denials_ask(&notices->denials, frame->topic, frame->size, true) <= 0)
        return 0;
    if (pub_take(notices, frame->command, frame->topic, frame->size))
        pub_note(notices, frame->topic - 1, 1 + frame->size, false);
    return 0;
}

static void pub_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    struct pub_notices notices;
    pub_notices_init(&notices, pattern, session);
    if (kith_subscription_extract(msg, pub_option(notices.pub, KITH_OPTION_ONLY_FIRST_SUBSCRIBE), pub_apply, &notices) > 0)
        pub_refuse(session);
    kith_denials_tell(&notices.denials);
    pub_tell_changes(&notices);
    pub_show(&notices);
    if (msg->count == 0)
        kith_msg_free(msg);
    else if (pub_shows(notices.pub))
        kith_pattern_received(pattern, msg);
    else
        kith_pattern_drop(session, msg, "a PUB receives nothing but subscriptions");
}

/* The application -------------------------------------------------------------------------------------------------------------- */

static void pub_taken(struct kith_pattern *pattern, kith_msg *msg) {
    struct pub *pub = (struct pub *)pattern;
    struct kith_subscription_frame subscription;
    if (!pub_option(pub, KITH_OPTION_XPUB_MANUAL) || !kith_subscription_parse(kith_msg_at(msg, 0), &subscription))
        return;
    kith_account_unref(pub->asker);
    pub->asker = msg->account ? kith_account_ref(msg->account) : NULL;
}

/* For the peer whose subscription was taken last. */
static int pub_ask(struct kith_pattern *pattern, enum kith_session_command command, const void *topic, size_t size) {
    struct pub *pub = (struct pub *)pattern;
    if (!pub_option(pub, KITH_OPTION_XPUB_MANUAL) || (command != KITH_COMMAND_SUBSCRIBE && command != KITH_COMMAND_CANCEL))
        return -ENOTSUP;
    struct kith_session *session = pub->asker ? pub->asker->owner : NULL;
    struct pub_peer *peer = session ? session->pattern_data : NULL;
    if (!peer)
        return -EHOSTUNREACH;
    int r = pub_change(pub, &pub->topics, &peer->subscriber, false, command, topic, size);
    if (r >= 0 && r != KITH_TOPIC_COUNTED)
        kith_session_tell_topic(session, command == KITH_COMMAND_SUBSCRIBE ? KITH_EVENT_SUBSCRIBED : KITH_EVENT_UNSUBSCRIBED, topic, size);
    return r < 0 ? r : 0;
}

/* What the peer has subscribed to and may not any more is taken back: from what is matched, or with xpub-manual from what it has asked
 * for, which the application is shown. */
static void pub_take_back(struct pub_notices *notices, const void *topic, size_t size) {
    struct pub *pub = notices->pub;
    struct pub_peer *peer = notices->session->pattern_data;
    bool manual = pub_option(pub, KITH_OPTION_XPUB_MANUAL);
    int r;
    do
        r = pub_change(pub, manual ? &pub->wishes : &pub->topics, manual ? &peer->wisher : &peer->subscriber, true, KITH_COMMAND_CANCEL,
                       topic, size);
    while (r == KITH_TOPIC_COUNTED);
    if (r >= 0 && !manual)
        pub_note_change(notices, false, topic, size);
    if (r >= 0 && pub_is_news(pub, false, r))
        pub_note_cancel(notices, topic, size);
}

static int pub_review_topics(struct pub_notices *notices) {
    const struct pub_peer *peer = notices->session->pattern_data;
    const struct kith_subscriber *who = pub_option(notices->pub, KITH_OPTION_XPUB_MANUAL) ? &peer->wisher : &peer->subscriber;
    int r = 0;
    for (uint32_t i = 0; i < who->count && r >= 0; i++) {
        size_t size = 0;
        uint8_t *octets = kith_subscription_octets(KITH_SUBSCRIPTION_CANCEL, who->subscriptions[i].topic, &size);
        r = octets ? kith_denials_ask(&notices->denials, octets + 1, size - 1, true) : -ENOMEM;
        free(octets);
    }
    return r;
}

static void pub_review(struct kith_pattern *pattern, struct kith_session *session) {
    struct pub_notices notices;
    pub_notices_init(&notices, pattern, session);
    int r = pub_review_topics(&notices);
    kith_list_foreach (&notices.denials.list, node) {
        const struct kith_frame *topic = kith_msg_at(kith_list_entry(node, kith_msg, link), 1);
        pub_take_back(&notices, kith_frame_data(topic), topic->slice.size);
    }
    if (r < 0) /* whoever cannot be looked at has to ask anew */
        kith_session_break(session, r);
    kith_denials_tell(&notices.denials);
    pub_tell_changes(&notices);
    pub_show(&notices);
}

static struct pub_peer *peer_of(struct kith_list *matched) {
    return KITH_CONTAINER_OF(kith_list_first(matched, struct kith_subscriber, matched), struct pub_peer, subscriber);
}

/* With xpub-no-drop: has everybody room? Those who have none tell when they have. */
static bool pub_has_room(const struct kith_list *matched) {
    bool room = true;
    kith_list_foreach (matched, node) {
        const struct pub_peer *peer = KITH_CONTAINER_OF(node, struct pub_peer, subscriber.matched);
        if (kith_pattern_check_room(peer->fanout.session) == -EAGAIN)
            room = false;
    }
    return room;
}

static void pub_match(const struct pub *pub, const void *data, size_t size, struct kith_list *matched) {
    if (pub_option(pub, KITH_OPTION_INVERT_MATCHING))
        kith_topics_match_others(&pub->topics, data, size, matched);
    else
        kith_topics_match(&pub->topics, data, size, matched);
}

static size_t pub_audience(struct kith_pattern *pattern, const void *topic, size_t size) {
    struct kith_list matched = KITH_LIST_INIT(matched);
    size_t count = 0;
    pub_match((struct pub *)pattern, topic, size, &matched);
    for (; !kith_list_empty(&matched); count++)
        kith_list_unlink(matched.next);
    return count;
}

static int pub_send(struct kith_pattern *pattern, kith_msg *msg) {
    struct pub *pub = (struct pub *)pattern;
    struct kith_list matched = KITH_LIST_INIT(matched);
    const struct kith_frame *first = kith_msg_at(msg, 0);
    pub_match(pub, kith_frame_data(first), first->slice.size, &matched);
    bool sends = !pub_option(pub, KITH_OPTION_XPUB_NO_DROP) || pub_has_room(&matched);
    while (!kith_list_empty(&matched)) {
        struct pub_peer *peer = peer_of(&matched);
        kith_list_unlink(&peer->subscriber.matched);
        if (sends)
            kith_fanout_publish(&pub->fanout, &peer->fanout, msg);
    }
    if (!sends)
        return -EAGAIN;
    kith_msg_free(msg);
    kith_fanout_tell(&pub->fanout);
    return 0;
}

static void pub_pump(struct kith_pattern *pattern) {
    kith_fanout_pump(&((struct pub *)pattern)->fanout);
}

const struct kith_pattern_ops kith_pattern_pub = {
    .name = "PUB",
    .size = sizeof(struct pub),
    .sends_only = true,
    .init = pub_init,
    .deinit = pub_deinit,
    .attach = pub_attach,
    .attached = pub_attached,
    .detach = pub_detach,
    .forget = pub_forget,
    .pump = pub_pump,
    .receive = pub_receive,
    .command = pub_command,
    .review = pub_review,
    .send = pub_send,
    .audience = pub_audience,
    .flush = kith_fanout_flush,
};

const struct kith_pattern_ops kith_pattern_xpub = {
    .name = "XPUB",
    .size = sizeof(struct pub),
    .init = pub_init,
    .deinit = pub_deinit,
    .attach = pub_attach,
    .attached = pub_attached,
    .detach = pub_detach,
    .forget = pub_forget,
    .pump = pub_pump,
    .receive = pub_receive,
    .command = pub_command,
    .review = pub_review,
    .ask = pub_ask,
    .taken = pub_taken,
    .send = pub_send,
    .audience = pub_audience,
    .flush = kith_fanout_flush,
};
