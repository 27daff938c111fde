/*
 * fuzz-pattern.c: a socket's pattern, of any type but PUB and XPUB (fuzz-pubsub.c), and four peers whose link is ours: they come, go, have
 * no room, ask, answer well and badly, refuse, subscribe; and an application that sends and takes at any time. Whatever the history is,
 *  - what the pattern did not take stays the sender's, as it was;
 *  - a message that was taken is written once at most, to the peer that it is for, by routing id, by number, or as a reply;
 *  - what the application takes was sent by a peer, once, in that peer's order; a reply by the peer that was asked;
 *  - whose turn it is (REQ, REP) is said by -EPROTO and nothing else.
 *
 * The first three octets choose type and options; then a step is an octet that says what and to whom, and what that needs. A message's last
 * frame is its number.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "patterns.h"

#define PEERS 4
#define SEND_HWM 2
/* Of each direction; what is told of more is not checked, so steps end there. */
#define MESSAGES 512

static const struct kith_pattern_ops *const types[] = {
    &kith_pattern_req,  &kith_pattern_rep,    &kith_pattern_dealer, &kith_pattern_router, &kith_pattern_push,    &kith_pattern_pull,
    &kith_pattern_pair, &kith_pattern_client, &kith_pattern_server, &kith_pattern_peer,   &kith_pattern_scatter, &kith_pattern_gather,
    &kith_pattern_sub,  &kith_pattern_xsub,   &kith_pattern_dish,   &kith_pattern_radio,  &kith_pattern_channel, &kith_pattern_stream,
};

struct peer {
    struct kith_session *session; /* NULL: not there */
    unsigned life;                /* which of all peers that ever were; 0: none */
    bool full;
    kith_msg *last; /* that was written to it */
    uint32_t shown; /* the number of its last message that the application took */
};

struct world {
    struct kith_session_host host;
    struct kith_profile *profile;
    struct kith_pattern *pattern;
    struct peer peers[PEERS];
    unsigned lives;
    uint32_t sent, said;        /* numbers given: by the application, by peers */
    unsigned to[MESSAGES];      /* the life that a message has to go to; 0: any */
    unsigned written[MESSAGES]; /* how often it was */
    unsigned from[MESSAGES];    /* the life that said it */
    bool taken[MESSAGES];
    unsigned asked;  /* REQ: the life that the request was written to; REP: the one whose request was taken; 0: none */
    bool asking;     /* REQ: a request is not answered; REP: a reply is due */
    bool one_to_all; /* RADIO, XSUB: a message goes to many */
};

static struct world *world;

static bool is(const struct kith_pattern_ops *ops) {
    return world->pattern->ops == ops;
}

static struct peer *peer_of(const struct kith_session *session) {
    return session_owner(session);
}

static struct peer *peer_of_life(unsigned life) {
    for (size_t i = 0; i < PEERS; i++)
        if (world->peers[i].session && world->peers[i].life == life)
            return &world->peers[i];
    return NULL;
}

/* Messages -------------------------------------------------------------------------------------------------------------------- */

/* 0: it has none, as what a pattern says by itself. */
static uint32_t number_of(const kith_msg *msg) {
    size_t size, count = kith_msg_count(msg);
    const uint8_t *octets = count > 0 ? kith_msg_frame(msg, count - 1, &size) : NULL;
    uint32_t number;
    if (!octets || size != sizeof(number))
        return 0;
    memcpy(&number, octets, sizeof(number));
    return number;
}

/* Some frames, and the number. Short frames: what is wrong with envelopes is which are empty, and how many there are. */
static kith_msg *make(struct input *input, uint32_t number) {
    kith_msg *msg;
    CHECK(kith_msg_new(&msg) == 0);
    unsigned shape = next(input);
    for (unsigned frames = world->pattern->ops->single && shape < 240 ? 0 : shape % 4; frames > 0; frames--) {
        uint8_t octets[2];
        octets[0] = next(input); /* one by one: the order in an initializer is the compiler's */
        octets[1] = next(input);
        CHECK(kith_msg_add(msg, octets, octets[0] % 3) == 0);
    }
    CHECK(kith_msg_add(msg, &number, sizeof(number)) == 0);
    return msg;
}

/* The session's surroundings -------------------------------------------------------------------------------------------------- */

static int link_write(struct kith_session *session, const kith_msg *msg) {
    struct peer *peer = peer_of(session);
    uint32_t number = number_of(msg);
    if (peer->full)
        return -EAGAIN;
    if (number > 0) {
        CHECK(number <= world->sent);
        CHECK(++world->written[number] == 1 || world->one_to_all);
        CHECK(world->to[number] == 0 || world->to[number] == peer->life);
        if (is(&kith_pattern_req) && number == world->sent)
            world->asked = peer->life;
    }
    kith_msg_free(peer->last);
    CHECK(kith_msg_copy(msg, &peer->last) == 0);
    return 0;
}

static int link_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    return peer_of(session)->full ? -EAGAIN : 0;
}

static const struct kith_link peer_link = {.name = "fuzz",
                                           .write = link_write,
                                           .command = link_command,
                                           .refuse = link_refuse,
                                           .set_reading = link_set_reading,
                                           .flush = link_nothing};

static void on_writable(struct kith_session *session, void *userdata) {
    if (world->pattern->ops->pump)
        world->pattern->ops->pump(world->pattern);
}

static void on_event(const struct kith_event *event, void *userdata) {
    CHECK(event->text && event->text[0] != '\0');
}

static const struct kith_session_ops session_ops = {.writable = on_writable, .event = on_event};

/* The application ----------------------------------------------------------------------------------------------------------------- */

/* The peer that a message of this type is for: it has to be one that is there now. */
static unsigned address(kith_msg *msg, struct input *input) {
    struct peer *peer = &world->peers[next(input) % PEERS];
    if (is(&kith_pattern_rep))
        return world->asked;
    if (is(&kith_pattern_server) || is(&kith_pattern_peer))
        kith_msg_set_routing_id(msg, peer->session ? peer->session->number : 12345);
    else if (peer->session && (is(&kith_pattern_router) || is(&kith_pattern_stream)))
        CHECK(kith_msg_prepend(msg, peer->session->routing_id, peer->session->routing_id_size) == 0);
    else
        return 0;
    return peer->session ? peer->life : 0;
}

static void application_sends(struct input *input) {
    uint32_t number = world->sent + 1;
    kith_msg *msg = make(input, number);
    if (is(&kith_pattern_radio))
        CHECK(kith_msg_set_group(msg, "g") == 0);
    world->to[number] = address(msg, input);
    bool relaxed = world->profile->numbers[KITH_OPTION_REQ_RELAXED] != 0;
    bool turn = is(&kith_pattern_req) ? !world->asking || relaxed : is(&kith_pattern_rep) ? world->asking : true;
    size_t count = kith_msg_count(msg);
    unsigned asked = world->asked;
    world->sent = number;
    if (is(&kith_pattern_req) && turn)
        world->asked = 0;
    int r = kith_pattern_send(world->pattern, msg);
    CHECK(turn || r == -EPROTO);
    CHECK(!turn || r != -EPROTO);
    if (r == 0) {
        world->asking = is(&kith_pattern_req);
        return;
    }
    CHECK(kith_msg_count(msg) == count && number_of(msg) == number && world->written[number] == 0);
    kith_msg_free(msg);
    world->sent = number - 1;
    if (is(&kith_pattern_req))
        world->asked = turn && relaxed ? 0 : asked;
    if (is(&kith_pattern_req) && turn && r != -EINVAL && r != -ENOTSUP)
        world->asking = false; /* the one before was given up */
    if (is(&kith_pattern_rep) && r == -EHOSTUNREACH)
        world->asking = false;
}

static void application_takes(void) {
    kith_msg *msg;
    int r = kith_pattern_take(world->pattern, &msg);
    bool turn = is(&kith_pattern_req) ? world->asking : is(&kith_pattern_rep) ? !world->asking : true;
    CHECK(turn || r == -EPROTO);
    CHECK(!turn || r != -EPROTO);
    if (r < 0) {
        if (is(&kith_pattern_req) && (r == -ECONNRESET || r == -EACCES))
            world->asking = false;
        return;
    }
    uint32_t number = number_of(msg);
    if (number > 0) {
        CHECK(number <= world->said && !world->taken[number]);
        world->taken[number] = true;
        struct peer *peer = peer_of_life(world->from[number]);
        CHECK(!peer || number > peer->shown);
        if (peer)
            peer->shown = number;
        CHECK(!is(&kith_pattern_req) || world->asked == 0 || world->asked == world->from[number]); /* 0: it waits in some peer's queue */
    }
    if (is(&kith_pattern_req))
        world->asking = false;
    if (is(&kith_pattern_rep)) {
        world->asking = true;
        world->asked = number > 0 ? world->from[number] : 0;
    }
    kith_msg_free(msg);
}

/* A topic of at most two octets, or a group. */
struct word {
    enum kith_session_command command;
    uint8_t octets[2];
    size_t size;
};

static struct word next_word(struct input *input) {
    struct word word = {.command = KITH_COMMAND_SUBSCRIBE + next(input) % 4};
    word.size = next(input) % 3;
    word.octets[0] = word.command >= KITH_COMMAND_JOIN ? 'g' : next(input) % 3;
    word.octets[1] = word.octets[0];
    return word;
}

static void application_asks(struct input *input) {
    struct word word = next_word(input);
    (void)kith_pattern_ask(world->pattern, word.command, word.octets, word.size);
}

/* Peers --------------------------------------------------------------------------------------------------------------------------- */

static void peer_free(struct peer *peer) {
    session_free(peer->session);
    kith_msg_free(peer->last);
    *peer = (struct peer){0};
}

static void peer_comes(struct peer *peer, struct input *input) {
    *peer = (struct peer){.session = session_new(&world->host, &peer_link, peer), .life = ++world->lives};
    struct kith_session *session = peer->session;
    uint8_t how = next(input), id = how & 3;
    session->accepted = how & 4;
    CHECK(kith_session_set_routing_id(session, &id, how & 8 ? 1 : 0) == 0);
    if (!session->accepted)
        (void)kith_pattern_expect(world->pattern, session);
    if (kith_pattern_attach(world->pattern, session) < 0)
        peer_free(peer);
}

static void peer_goes(struct peer *peer, bool let_go) {
    peer->session->state = KITH_SESSION_IDLE;
    if (let_go)
        kith_pattern_let_go(world->pattern, peer->session);
    else
        kith_pattern_detach(world->pattern, peer->session);
    CHECK(!peer->session->pattern_data && kith_list_empty(&peer->session->pattern_link));
    peer_free(peer);
}

/* answers: with the envelope of what was written to it last. */
static void peer_says(struct peer *peer, struct input *input, bool answers) {
    uint32_t number = ++world->said;
    kith_msg *msg;
    if (answers && peer->last) {
        CHECK(kith_msg_new(&msg) == 0);
        for (size_t i = 0, size; i + 1 < kith_msg_count(peer->last); i++) {
            const uint8_t *octets = kith_msg_frame(peer->last, i, &size);
            CHECK(kith_msg_add(msg, octets, size) == 0);
        }
        CHECK(kith_msg_add(msg, &number, sizeof(number)) == 0);
    } else {
        msg = make(input, number);
    }
    world->from[number] = peer->life;
    msg->account = kith_account_ref(peer->session->account);
    kith_pattern_receive(world->pattern, peer->session, msg);
}

static void peer_commands(struct peer *peer, struct input *input) {
    struct word word = next_word(input);
    kith_pattern_command(world->pattern, peer->session, word.command, word.octets, word.size);
}

static void step(struct input *input) {
    uint8_t what = next(input);
    struct peer *peer = &world->peers[what / 16 % PEERS];
    switch (what % 16) {
    case 0:
    case 1:
    case 2:
        application_sends(input);
        return;
    case 3:
    case 4:
    case 5:
        application_takes();
        return;
    case 6:
        application_asks(input);
        return;
    case 7:
        world->host.connecting_count = next(input) & 1;
        return;
    default:
        break;
    }
    if (!peer->session) {
        peer_comes(peer, input);
        return;
    }
    switch (what % 16) {
    case 8:
    case 9:
        peer_says(peer, input, false);
        break;
    case 10:
    case 11:
        peer_says(peer, input, true);
        break;
    case 12:
        peer_commands(peer, input);
        break;
    case 13:
        if (world->pattern->ops->refused)
            world->pattern->ops->refused(world->pattern, peer->session, what >= 128 ? -ECONNRESET : -EACCES);
        if (world->pattern->ops->audience)
            CHECK(world->pattern->ops->audience(world->pattern, "a", 1) <= world->pattern->peer_count);
        break;
    case 14:
        peer->full = !peer->full;
        if (!peer->full)
            kith_session_on_room(peer->session);
        break;
    default:
        peer_goes(peer, what >= 128);
    }
}

static void setup(struct input *input) {
    const struct kith_pattern_ops *ops = types[next(input) % (sizeof(types) / sizeof(types[0]))];
    uint8_t options = next(input);
    world = calloc(1, sizeof(*world));
    CHECK(world && kith_profile_new(&world->profile) == 0);
    int64_t *numbers = world->profile->numbers;
    world->host.ops = &session_ops;
    world->host.profile = world->profile;
    world->host.tells = true;
    world->host.connecting_count = next(input) & 1;
    host_begin(&world->host);
    numbers[KITH_OPTION_SEND_HWM] = SEND_HWM;
    numbers[KITH_OPTION_SEND_HWM_BYTES] = INT64_MAX;
    numbers[KITH_OPTION_MAX_SUBSCRIPTIONS] = 8;
    numbers[KITH_OPTION_REQ_RELAXED] = options & 1;
    numbers[KITH_OPTION_REQ_CORRELATE] = (options & 3) == 3 || (options & 4);
    numbers[KITH_OPTION_ROUTER_MANDATORY] = (options & 8) != 0;
    numbers[KITH_OPTION_IMMEDIATE] = (options & 16) != 0;
    numbers[KITH_OPTION_CONFLATE] = (options & 32) != 0;
    world->one_to_all = ops == &kith_pattern_radio || ops == &kith_pattern_xsub;
    CHECK(kith_pattern_new(ops, &pattern_host, &world->host, &world->pattern) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {.data = data, .size = size};
    setup(&input);
    while (input.size > 0 && world->sent + 1 < MESSAGES && world->said + 1 < MESSAGES)
        step(&input);
    kith_pattern_free(world->pattern); /* with whoever is there */
    for (size_t i = 0; i < PEERS; i++)
        if (world->peers[i].session)
            peer_free(&world->peers[i]);
    host_end(&world->host);
    kith_profile_unref(world->profile);
    free(world);
    return 0;
}
