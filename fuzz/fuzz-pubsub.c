/*
 * fuzz-pubsub.c: an XPUB and four peers whose link is ours: subscriptions in both forms, several in a message, peers that come, go, and
 * have no room. Whatever the history is,
 *  - what the application was shown adds up to the topics that peers have (in manual mode it subscribes to just what it is shown);
 *  - a message reaches every peer with a subscription that it begins with, waits for it, or is lost; nobody else;
 *  - what events tell of losses and refused subscriptions adds up when the peer is gone.
 *
 * The first octet chooses the mode; then a step is an octet that says what and to whom, and its topics: an octet of length and the octets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "patterns.h"
#include "topic/topics.h"

#define PEERS 4
#define TOPIC_MAX 5
#define MAX_SUBSCRIPTIONS 8
#define SEND_HWM 2
/* As pub.c has it. */
#define OCTETS_MAX (MAX_SUBSCRIPTIONS * (KITH_TOPIC_COST + 320))

struct topic {
    uint8_t octets[TOPIC_MAX];
    size_t size;
    unsigned count; /* how often it was asked for, where that counts */
};

struct set {
    struct topic topics[PEERS * MAX_SUBSCRIPTIONS];
    size_t count;
};

struct peer {
    struct kith_session *session; /* NULL: not there */
    struct set has;
    bool full;
    uint64_t written, lost, told, refused, refused_told;
};

struct world {
    struct kith_session_host host;
    struct kith_profile *profile;
    struct kith_pattern *pattern;
    struct peer peers[PEERS];
    struct set shown; /* what the application believes that there is */
    bool manual;
};

/* Few octets and lengths, so that topics meet. */
static struct topic next_topic(struct input *input) {
    struct topic topic = {.size = next(input) % (TOPIC_MAX + 1)};
    for (size_t i = 0; i < topic.size; i++)
        topic.octets[i] = next(input) % 4;
    return topic;
}

/* Sets ------------------------------------------------------------------------------------------------------------------ */

static size_t set_find(const struct set *set, const uint8_t *octets, size_t size) {
    size_t i = 0;
    while (i < set->count && (set->topics[i].size != size || memcmp(set->topics[i].octets, octets, size) != 0))
        i++;
    return i;
}

static bool set_has(const struct set *set, const uint8_t *octets, size_t size) {
    return set_find(set, octets, size) < set->count;
}

static void set_add(struct set *set, const uint8_t *octets, size_t size) {
    struct topic *topic = &set->topics[set->count++];
    memcpy(topic->octets, octets, size);
    topic->size = size;
    topic->count = 1;
}

static void set_remove(struct set *set, const uint8_t *octets, size_t size) {
    set->topics[set_find(set, octets, size)] = set->topics[set->count - 1];
    set->count--;
}

static bool set_matches(const struct set *set, const uint8_t *octets, size_t size) {
    for (size_t i = 0; i < set->count; i++)
        if (set->topics[i].size <= size && memcmp(set->topics[i].octets, octets, set->topics[i].size) == 0)
            return true;
    return false;
}

static size_t set_charge(const struct set *set) {
    size_t charge = 0;
    for (size_t i = 0; i < set->count; i++)
        charge += KITH_TOPIC_COST + 2 * set->topics[i].size;
    return charge;
}

/* What a peer asks for, as it should be. */
static void peer_asks(struct peer *peer, bool subscribe, const uint8_t *octets, size_t size) {
    if (set_has(&peer->has, octets, size)) {
        struct topic *topic = &peer->has.topics[set_find(&peer->has, octets, size)];
        if (subscribe && !peer->session->peer_is_libzmq)
            topic->count++;
        else if (!subscribe && --topic->count == 0)
            set_remove(&peer->has, octets, size);
        return;
    }
    if (!subscribe)
        return;
    if (peer->has.count < MAX_SUBSCRIPTIONS && set_charge(&peer->has) + KITH_TOPIC_COST + 2 * size <= OCTETS_MAX)
        set_add(&peer->has, octets, size);
    else
        peer->refused++;
}

/* The session's surroundings --------------------------------------------------------------------------------------------- */

static struct peer *peer_of(struct kith_session *session) {
    return session_owner(session);
}

static int link_write(struct kith_session *session, const kith_msg *msg) {
    struct peer *peer = peer_of(session);
    if (peer->full)
        return -EAGAIN;
    peer->written++;
    return 0;
}

static const struct kith_link peer_link = {
    .name = "fuzz", .write = link_write, .refuse = link_refuse, .set_reading = link_set_reading, .flush = link_nothing};

static void on_writable(struct kith_session *session, void *userdata) {
    struct world *world = userdata;
    world->pattern->ops->pump(world->pattern);
}

/* Told while a peer is looked at: whose it is says its error; peers are told apart by the session that is being handled. */
static struct peer *telling;

static void on_event(const struct kith_event *event, void *userdata) {
    struct world *world = userdata;
    if (event->type == KITH_EVENT_SUBSCRIPTIONS_REFUSED)
        telling->refused_told += event->count;
    for (size_t i = 0; event->type == KITH_EVENT_DROPPED && i < PEERS; i++) /* the endpoint is the peer's own */
        if (world->peers[i].session && event->endpoint == world->peers[i].session->place->text)
            world->peers[i].told += event->count;
}

static const struct kith_session_ops session_ops = {.writable = on_writable, .event = on_event};

/* The application -------------------------------------------------------------------------------------------------------------- */

static void application_sees(struct world *world, bool subscribe, const uint8_t *octets, size_t size) {
    if (world->manual) {
        int r = kith_pattern_ask(world->pattern, subscribe ? KITH_COMMAND_SUBSCRIBE : KITH_COMMAND_CANCEL, octets, size);
        CHECK(r == 0 || r == -EHOSTUNREACH || (!subscribe && r == -ENOENT));
    } else if (subscribe) {
        CHECK(!set_has(&world->shown, octets, size));
        set_add(&world->shown, octets, size);
    } else {
        CHECK(set_has(&world->shown, octets, size));
        set_remove(&world->shown, octets, size);
    }
}

static void application_takes_all(struct world *world) {
    kith_msg *msg;
    while (kith_pattern_take(world->pattern, &msg) == 0) {
        size_t size;
        const uint8_t *octets = kith_msg_frame(msg, 0, &size);
        if (size > 0 && octets[0] <= 1)
            application_sees(world, octets[0] == 1, octets + 1, size - 1);
        kith_msg_free(msg);
    }
    for (size_t i = 0; i < world->shown.count; i++) {
        bool wanted = false;
        for (size_t p = 0; p < PEERS; p++)
            wanted |= set_has(&world->peers[p].has, world->shown.topics[i].octets, world->shown.topics[i].size);
        CHECK(wanted);
    }
    for (size_t p = 0; p < PEERS && !world->manual; p++)
        for (size_t i = 0; i < world->peers[p].has.count; i++)
            CHECK(set_has(&world->shown, world->peers[p].has.topics[i].octets, world->peers[p].has.topics[i].size));
}

/* Steps -------------------------------------------------------------------------------------------------------------------- */

static void peer_comes(struct world *world, struct peer *peer) {
    *peer = (struct peer){.session = session_new(&world->host, &peer_link, peer)};
    peer->session->peer_is_libzmq = world->manual || peer - world->peers < PEERS / 2; /* what the application asks for is not counted */
    CHECK(kith_pattern_attach(world->pattern, peer->session) == 0);
}

static void peer_free(struct peer *peer) {
    session_free(KITH_STEAL(peer->session));
}

static void peer_goes(struct world *world, struct peer *peer, bool let_go) {
    telling = peer;
    peer->session->state = KITH_SESSION_IDLE;
    if (let_go) {
        /* Nothing is told of who is let go; the application knows what he had. */
        kith_pattern_let_go(world->pattern, peer->session);
        for (size_t i = 0; i < peer->has.count && !world->manual; i++) {
            bool other = false;
            for (size_t p = 0; p < PEERS; p++)
                other |= &world->peers[p] != peer && set_has(&world->peers[p].has, peer->has.topics[i].octets, peer->has.topics[i].size);
            if (!other)
                set_remove(&world->shown, peer->has.topics[i].octets, peer->has.topics[i].size);
        }
    } else {
        kith_pattern_detach(world->pattern, peer->session);
        CHECK(peer->told == peer->lost && peer->refused_told == peer->refused);
    }
    CHECK(!peer->session->pattern_data);
    peer->has.count = 0;
    peer_free(peer);
}

static void peer_sends(struct world *world, struct peer *peer, struct input *input) {
    kith_msg *msg;
    CHECK(kith_msg_new(&msg) == 0);
    for (unsigned frames = 1 + next(input) % 3; frames > 0; frames--) {
        struct topic topic = next_topic(input);
        CHECK(kith_msg_add(msg, topic.octets, topic.size) == 0);
        if (topic.size > 0 && topic.octets[0] <= 1)
            peer_asks(peer, topic.octets[0] == 1, topic.octets + 1, topic.size - 1);
    }
    msg->account = kith_account_ref(peer->session->account);
    world->pattern->ops->receive(world->pattern, peer->session, msg);
}

static void application_publishes(struct world *world, const struct topic *topic) {
    uint64_t before[PEERS];
    for (size_t i = 0; i < PEERS; i++)
        before[i] = world->peers[i].session ? world->peers[i].written + world->peers[i].session->queued : 0;
    kith_msg *msg;
    CHECK(kith_msg_new(&msg) == 0 && kith_msg_add(msg, topic->octets, topic->size) == 0);
    /* The losses are known before they are told: nothing is, while a message is on its way. */
    for (size_t i = 0; i < PEERS; i++) {
        struct peer *peer = &world->peers[i];
        if (peer->session && set_matches(&peer->has, topic->octets, topic->size) && !kith_session_has_room(peer->session))
            peer->lost++;
    }
    uint64_t lost[PEERS];
    for (size_t i = 0; i < PEERS; i++)
        lost[i] = world->peers[i].lost;
    CHECK(kith_pattern_send(world->pattern, msg) == 0);
    for (size_t i = 0; i < PEERS; i++) {
        struct peer *peer = &world->peers[i];
        if (!peer->session)
            continue;
        CHECK(peer->lost == lost[i] && peer->told <= peer->lost);
        uint64_t got = peer->written + peer->session->queued - before[i];
        bool matches = set_matches(&peer->has, topic->octets, topic->size);
        CHECK(got == 1 ? matches : got == 0 && (!matches || peer->session->queued >= SEND_HWM));
    }
}

static void step(struct world *world, struct input *input) {
    uint8_t what = next(input);
    struct peer *peer = &world->peers[what / 8 % PEERS];
    struct topic topic;

    if (!peer->session) {
        peer_comes(world, peer);
        return;
    }
    telling = peer;
    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        topic = next_topic(input);
        peer_asks(peer, what % 8 < 2, topic.octets, topic.size);
        world->pattern->ops->command(world->pattern, peer->session, what % 8 < 2 ? KITH_COMMAND_SUBSCRIBE : KITH_COMMAND_CANCEL,
                                     topic.octets, topic.size);
        break;
    case 3:
        peer_sends(world, peer, input);
        break;
    case 4:
    case 5:
        topic = next_topic(input);
        application_publishes(world, &topic);
        break;
    case 6:
        peer->full = !peer->full;
        if (!peer->full)
            kith_session_on_room(peer->session);
        break;
    default:
        peer_goes(world, peer, what >= 128);
    }
    application_takes_all(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {.data = data, .size = size};
    struct world *world = calloc(1, sizeof(*world));
    CHECK(world && kith_profile_new(&world->profile) == 0);
    world->host.ops = &session_ops;
    world->host.userdata = world;
    world->host.profile = world->profile;
    world->host.tells = true;
    host_begin(&world->host);
    world->manual = next(&input) & 1;
    world->profile->numbers[KITH_OPTION_XPUB_MANUAL] = world->manual;
    world->profile->numbers[KITH_OPTION_MAX_SUBSCRIPTIONS] = MAX_SUBSCRIPTIONS;
    world->profile->numbers[KITH_OPTION_SEND_HWM] = SEND_HWM;
    world->profile->numbers[KITH_OPTION_SEND_HWM_BYTES] = INT64_MAX;
    CHECK(kith_pattern_new(&kith_pattern_xpub, &pattern_host, &world->host, &world->pattern) == 0);
    while (input.size > 0)
        step(world, &input);
    kith_pattern_free(world->pattern); /* with whoever is there */
    for (size_t i = 0; i < PEERS; i++)
        if (world->peers[i].session)
            peer_free(&world->peers[i]);
    host_end(&world->host);
    kith_profile_unref(world->profile);
    free(world);
    return 0;
}
