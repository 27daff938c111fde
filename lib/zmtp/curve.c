/*
 * zmtp/curve.c: the handshake of the CURVE mechanism (RFC 25 and 26). Keys: C, S are the long-term ones of client and server, c, s their
 * secret halves; C', S' are made for this connection and forgotten with it, so that a long-term key found later opens nothing recorded now.
 *
 *     client                                                            server
 *     HELLO     C', Box[zeros](C'->S)                      ---------->
 *                                                          <----------  WELCOME   Box[S', cookie](S->C')
 *     INITIATE  cookie, Box[C, vouch, metadata](C'->S')    ---------->  the owner decides on C: READY, or ERROR
 *                                                          <----------  READY     Box[metadata](S'->C')
 *
 * cookie = SecretBox[C', s'](K); vouch = Box[C', S](C->S'): only who has c can have made it, for this connection and this server.
 *
 * Between WELCOME and INITIATE the server keeps of a client no more than K, which is of this connection alone: made for one cookie and
 * wiped with the first INITIATE, right or not. So it lives no longer than the handshake may take (its owner's timeout), no cookie is of use
 * on another connection or twice, and no key stands over all of them.
 *
 * What a box does not prove ends the connection without an answer: an ERROR in clear would only help who guesses.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "zmtp/curve.h"
#include "zmtp/engine.h"

#define KEY KITH_ZMTP_KEY_SIZE
#define MAC crypto_box_MACBYTES
#define NONCE crypto_box_NONCEBYTES
#define LONG_NONCE 16

enum step {
    EXPECT_HELLO,
    EXPECT_WELCOME,
    EXPECT_INITIATE,
    EXPECT_READY,
};

struct kith_zmtp_curve {
    uint8_t public_key[KEY];       /* ours, for long */
    uint8_t transient_secret[KEY]; /* client: c' */
    uint8_t transient_public[KEY]; /* client: C' */
    uint8_t cookie_key[KEY];       /* server: K */
    uint8_t key[KEY];              /* of C' and S', precomputed */
    uint8_t client[KEY];           /* server: C */
    uint64_t sent, received;       /* short nonces */
};

/* Bodies behind the command's name, and what is in their boxes. */
struct cookie {
    uint8_t nonce[LONG_NONCE];
    uint8_t box[MAC + KEY + KEY];
};

struct cookie_inside {
    uint8_t client_transient[KEY];
    uint8_t server_transient_secret[KEY];
};

struct vouch {
    uint8_t nonce[LONG_NONCE];
    uint8_t box[MAC + KEY + KEY];
};

struct vouch_inside {
    uint8_t client_transient[KEY];
    uint8_t server[KEY];
};

struct hello {
    uint8_t version[2];
    uint8_t padding[72]; /* so that no answer is longer than its question */
    uint8_t client_transient[KEY];
    uint8_t nonce[KITH_ZMTP_SHORT_NONCE_SIZE];
    uint8_t box[MAC + 64];
};

struct welcome_inside {
    uint8_t server_transient[KEY];
    struct cookie cookie;
};

struct welcome {
    uint8_t nonce[LONG_NONCE];
    uint8_t box[MAC + sizeof(struct welcome_inside)];
};

/* Followed by the metadata. */
struct initiate_inside {
    uint8_t client[KEY];
    struct vouch vouch;
};

struct initiate {
    struct cookie cookie;
    uint8_t nonce[KITH_ZMTP_SHORT_NONCE_SIZE];
    uint8_t mac[MAC];
    struct initiate_inside inside;
};

struct ready {
    uint8_t nonce[KITH_ZMTP_SHORT_NONCE_SIZE];
    uint8_t mac[MAC];
};

_Static_assert(sizeof("?HELLO") - 1 + sizeof(struct hello) == 200, "RFC 26");
_Static_assert(sizeof("?WELCOME") - 1 + sizeof(struct welcome) == 168, "RFC 26");
_Static_assert(sizeof("?INITIATE") - 1 + sizeof(struct initiate) == 257, "RFC 26");
_Static_assert(sizeof("?READY") - 1 + sizeof(struct ready) == 30, "RFC 26");

/* The fixed beginning of a nonce and the end that is sent with the box. */
static void make_nonce(uint8_t nonce[static NONCE], const char *prefix, const uint8_t *rest) {
    const size_t size = strlen(prefix);
    memcpy(nonce, prefix, size);
    memcpy(nonce + size, rest, NONCE - size);
}

static void fail_box(struct kith_zmtp *engine, struct kith_zmtp_event *event, const char *what) {
    kith_zmtp_fail(engine, event, -EKEYREJECTED, "%s", what);
}

static int curve_init(struct kith_zmtp *engine) {
    struct kith_zmtp_handshake *handshake = engine->handshake;
    const struct kith_zmtp_options *options = &handshake->options;
    if (!options->secret_key || (!options->as_server && !options->server_key))
        return -EINVAL;
    if (sodium_init() < 0)
        return -ENOSYS;
    handshake->curve = calloc(1, sizeof(*handshake->curve));
    if (!handshake->curve)
        return -ENOMEM;
    handshake->step = options->as_server ? EXPECT_HELLO : EXPECT_WELCOME;
    if (options->public_key)
        memcpy(handshake->curve->public_key, options->public_key, KEY);
    else
        crypto_scalarmult_base(handshake->curve->public_key, options->secret_key);
    return 0;
}

static void curve_deinit(struct kith_zmtp_handshake *handshake) {
    if (!handshake->curve)
        return;
    sodium_memzero(handshake->curve, sizeof(*handshake->curve));
    free(handshake->curve);
    handshake->curve = NULL;
}

/* Client --------------------------------------------------------------------------------------------------------------------- */

static int curve_start(struct kith_zmtp *engine) {
    static const uint8_t zeros[64];
    struct kith_zmtp_curve *curve = engine->handshake->curve;
    const struct kith_zmtp_options *options = &engine->handshake->options;
    if (options->as_server)
        return 0;
    struct hello *hello = (struct hello *)(void *)kith_zmtp_command_queue(engine, "HELLO", sizeof(*hello));
    if (!hello)
        return -ENOMEM;
    *hello = (struct hello){.version = {1, 0}};
    crypto_box_keypair(curve->transient_public, curve->transient_secret);
    memcpy(hello->client_transient, curve->transient_public, KEY);
    kith_zmtp_short_nonce_write(++curve->sent, hello->nonce);
    uint8_t nonce[NONCE];
    make_nonce(nonce, "CurveZMQHELLO---", hello->nonce);
    /* It fails for octets that are no key at all. */
    return crypto_box_easy(hello->box, zeros, sizeof(zeros), nonce, options->server_key, curve->transient_secret) == 0 ? 0 : -EINVAL;
}

/* Box[C', S](C->S') */
static bool make_vouch(struct kith_zmtp *engine, struct vouch *vouch, const uint8_t *server_transient) {
    const struct kith_zmtp_options *options = &engine->handshake->options;
    struct vouch_inside inside;
    uint8_t nonce[NONCE];
    memcpy(inside.client_transient, engine->handshake->curve->transient_public, KEY);
    memcpy(inside.server, options->server_key, KEY);
    randombytes_buf(vouch->nonce, sizeof(vouch->nonce));
    make_nonce(nonce, "VOUCH---", vouch->nonce);
    return crypto_box_easy(vouch->box, (const uint8_t *)&inside, sizeof(inside), nonce, server_transient, options->secret_key) == 0;
}

static int queue_initiate(struct kith_zmtp *engine, const struct welcome_inside *welcome) {
    struct kith_zmtp_curve *curve = engine->handshake->curve;
    const struct kith_zmtp_options *options = &engine->handshake->options;
    const size_t metadata_size = kith_zmtp_metadata_size(options);
    uint8_t *place = kith_zmtp_command_queue(engine, "INITIATE", sizeof(struct initiate) + metadata_size);
    if (!place)
        return -ENOMEM;
    struct initiate *initiate = (struct initiate *)(void *)place;
    initiate->cookie = welcome->cookie;
    kith_zmtp_short_nonce_write(++curve->sent, initiate->nonce);
    memcpy(initiate->inside.client, curve->public_key, KEY);
    if (!make_vouch(engine, &initiate->inside.vouch, welcome->server_transient))
        return -EKEYREJECTED;
    kith_zmtp_metadata_write(options, place + sizeof(*initiate));

    uint8_t nonce[NONCE], *inside = (uint8_t *)&initiate->inside;
    make_nonce(nonce, "CurveZMQINITIATE", initiate->nonce);
    crypto_box_detached_afternm(inside, initiate->mac, inside, sizeof(initiate->inside) + metadata_size, nonce, curve->key);
    return 0;
}

static void take_welcome(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    struct kith_zmtp_curve *curve = engine->handshake->curve;
    const struct welcome *welcome = (const struct welcome *)(const void *)command->data;
    if (command->size != sizeof(*welcome)) {
        kith_zmtp_fail(engine, event, -EPROTO, "WELCOME: %zu octets, not %zu", command->size, sizeof(*welcome));
        return;
    }
    struct welcome_inside inside;
    uint8_t nonce[NONCE];
    make_nonce(nonce, "WELCOME-", welcome->nonce);
    int r = crypto_box_open_easy((uint8_t *)&inside, welcome->box, sizeof(welcome->box), nonce, engine->handshake->options.server_key,
                                 curve->transient_secret);
    if (r == 0)
        r = crypto_box_beforenm(curve->key, inside.server_transient, curve->transient_secret);
    if (r == 0)
        r = queue_initiate(engine, &inside);
    if (r == -ENOMEM)
        kith_zmtp_fail(engine, event, -ENOMEM, "no memory for INITIATE");
    else if (r < 0)
        fail_box(engine, event, "WELCOME does not open with the server's key: the peer has not its secret half");
    engine->handshake->step = EXPECT_READY;
}

static void take_ready(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    struct kith_zmtp_curve *curve = engine->handshake->curve;
    const struct ready *ready = (const struct ready *)(const void *)command->data;
    if (command->size < sizeof(*ready)) {
        kith_zmtp_fail(engine, event, -EPROTO, "READY: %zu octets, less than %zu", command->size, sizeof(*ready));
        return;
    }
    uint8_t nonce[NONCE], *metadata = command->data + sizeof(*ready);
    const size_t size = command->size - sizeof(*ready);
    make_nonce(nonce, "CurveZMQREADY---", ready->nonce);
    if (crypto_box_open_detached_afternm(metadata, metadata, ready->mac, size, nonce, curve->key) != 0) {
        fail_box(engine, event, "READY does not open: the peer is not the one that sent WELCOME");
        return;
    }
    curve->received = kith_zmtp_short_nonce_read(ready->nonce);
    if (!kith_zmtp_take_metadata(engine, "READY", metadata, size, event))
        return;
    if (kith_zmtp_seal_start(engine, curve->key, false, curve->sent, curve->received) < 0)
        kith_zmtp_fail(engine, event, -ENOMEM, "no memory for keys");
    else
        kith_zmtp_enter_traffic(engine, event);
}

/* Server --------------------------------------------------------------------------------------------------------------------- */

/* Makes S' and forgets all but the cookie's key. */
static void make_cookie(struct kith_zmtp_curve *curve, const uint8_t *client_transient, struct welcome_inside *ret_inside) {
    struct cookie_inside inside;
    uint8_t nonce[NONCE];
    memcpy(inside.client_transient, client_transient, KEY);
    crypto_box_keypair(ret_inside->server_transient, inside.server_transient_secret);
    randombytes_buf(curve->cookie_key, sizeof(curve->cookie_key));
    randombytes_buf(ret_inside->cookie.nonce, sizeof(ret_inside->cookie.nonce));
    make_nonce(nonce, "COOKIE--", ret_inside->cookie.nonce);
    crypto_secretbox_easy(ret_inside->cookie.box, (const uint8_t *)&inside, sizeof(inside), nonce, curve->cookie_key);
    sodium_memzero(&inside, sizeof(inside));
}

static bool open_cookie(struct kith_zmtp_curve *curve, const struct cookie *cookie, struct cookie_inside *ret_inside) {
    uint8_t nonce[NONCE];
    make_nonce(nonce, "COOKIE--", cookie->nonce);
    int r = crypto_secretbox_open_easy((uint8_t *)ret_inside, cookie->box, sizeof(cookie->box), nonce, curve->cookie_key);
    sodium_memzero(curve->cookie_key, sizeof(curve->cookie_key));
    return r == 0;
}

/* client_transient has just opened a box together with our key. */
static int queue_welcome(struct kith_zmtp *engine, const uint8_t *client_transient) {
    struct welcome *welcome = (struct welcome *)(void *)kith_zmtp_command_queue(engine, "WELCOME", sizeof(*welcome));
    if (!welcome)
        return -ENOMEM;
    struct welcome_inside inside;
    uint8_t nonce[NONCE];
    make_cookie(engine->handshake->curve, client_transient, &inside);
    randombytes_buf(welcome->nonce, sizeof(welcome->nonce));
    make_nonce(nonce, "WELCOME-", welcome->nonce);
    return crypto_box_easy(welcome->box, (const uint8_t *)&inside, sizeof(inside), nonce, client_transient,
                           engine->handshake->options.secret_key);
}

static void take_hello(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    struct kith_zmtp_curve *curve = engine->handshake->curve;
    const uint8_t *secret_key = engine->handshake->options.secret_key;
    const struct hello *hello = (const struct hello *)(const void *)command->data;
    if (command->size != sizeof(*hello) || hello->version[0] != 1 || hello->version[1] != 0) {
        kith_zmtp_fail(engine, event, -EPROTO, "HELLO: %zu octets, not %zu of version 1", command->size, sizeof(*hello));
        return;
    }
    if (!sodium_is_zero(hello->padding, sizeof(hello->padding))) {
        kith_zmtp_fail(engine, event, -EPROTO, "HELLO: its padding is not zero");
        return;
    }
    uint8_t nonce[NONCE], zeros[64];
    make_nonce(nonce, "CurveZMQHELLO---", hello->nonce);
    if (crypto_box_open_easy(zeros, hello->box, sizeof(hello->box), nonce, hello->client_transient, secret_key) != 0 ||
        !sodium_is_zero(zeros, sizeof(zeros))) {
        fail_box(engine, event, "HELLO does not open with our secret key: it was made for another server's");
        return;
    }
    curve->received = kith_zmtp_short_nonce_read(hello->nonce);
    if (queue_welcome(engine, hello->client_transient) < 0)
        kith_zmtp_fail(engine, event, -ENOMEM, "no memory for WELCOME");
    engine->handshake->step = EXPECT_INITIATE;
}

/* Is whoever has C the one who made C', and meant it for us? */
static bool check_vouch(const struct kith_zmtp_curve *curve, const struct initiate_inside *initiate, const struct cookie_inside *cookie) {
    struct vouch_inside inside;
    uint8_t nonce[NONCE];
    make_nonce(nonce, "VOUCH---", initiate->vouch.nonce);
    return crypto_box_open_easy((uint8_t *)&inside, initiate->vouch.box, sizeof(initiate->vouch.box), nonce, initiate->client,
                                cookie->server_transient_secret) == 0 &&
           sodium_memcmp(inside.client_transient, cookie->client_transient, KEY) == 0 &&
           sodium_memcmp(inside.server, curve->public_key, KEY) == 0;
}

/* Opens it where it lies. NULL, or what is wrong. */
static const char *open_initiate(struct kith_zmtp_curve *curve, struct initiate *initiate, size_t size,
                                 const struct cookie_inside *cookie) {
    uint8_t nonce[NONCE], *inside = (uint8_t *)&initiate->inside;
    make_nonce(nonce, "CurveZMQINITIATE", initiate->nonce);
    if (crypto_box_beforenm(curve->key, cookie->client_transient, cookie->server_transient_secret) != 0 ||
        crypto_box_open_detached_afternm(inside, inside, initiate->mac, size - (size_t)(inside - (uint8_t *)initiate), nonce, curve->key) !=
            0)
        return "INITIATE does not open: the client is not the one that sent HELLO";
    if (!check_vouch(curve, &initiate->inside, cookie))
        return "INITIATE: its vouch is not of the client's key for this connection and this server";
    return NULL;
}

static void take_initiate(struct kith_zmtp *engine, const struct kith_zmtp_command *command, struct kith_zmtp_event *event) {
    struct kith_zmtp_curve *curve = engine->handshake->curve;
    struct initiate *initiate = (struct initiate *)(void *)command->data;
    if (command->size < sizeof(*initiate)) {
        kith_zmtp_fail(engine, event, -EPROTO, "INITIATE: %zu octets, less than %zu", command->size, sizeof(*initiate));
        return;
    }
    const uint64_t number = kith_zmtp_short_nonce_read(initiate->nonce);
    struct cookie_inside cookie;
    const char *wrong;
    if (!open_cookie(curve, &initiate->cookie, &cookie))
        wrong = "INITIATE: its cookie is not ours";
    else if (number <= curve->received)
        wrong = "INITIATE: its number does not rise above HELLO's";
    else
        wrong = open_initiate(curve, initiate, command->size, &cookie);
    sodium_memzero(&cookie, sizeof(cookie));
    if (wrong) {
        fail_box(engine, event, wrong);
        return;
    }
    curve->received = number;
    memcpy(curve->client, initiate->inside.client, KEY);
    if (!kith_zmtp_take_metadata(engine, "INITIATE", command->data + sizeof(*initiate), command->size - sizeof(*initiate), event))
        return;
    kith_zmtp_ask(engine, event);
    event->credentials.public_key = curve->client;
}

static int curve_admit(struct kith_zmtp *engine) {
    struct kith_zmtp_curve *curve = engine->handshake->curve;
    const struct kith_zmtp_options *options = &engine->handshake->options;
    const size_t size = kith_zmtp_metadata_size(options);
    uint8_t *place = kith_zmtp_command_queue(engine, "READY", sizeof(struct ready) + size);
    if (!place)
        return -ENOMEM;
    struct ready *ready = (struct ready *)(void *)place;
    uint8_t nonce[NONCE], *metadata = place + sizeof(*ready);
    kith_zmtp_short_nonce_write(++curve->sent, ready->nonce);
    kith_zmtp_metadata_write(options, metadata);
    make_nonce(nonce, "CurveZMQREADY---", ready->nonce);
    crypto_box_detached_afternm(metadata, ready->mac, metadata, size, nonce, curve->key);
    engine->handshake->pending = KITH_ZMTP_READY;
    return kith_zmtp_seal_start(engine, curve->key, true, curve->sent, curve->received);
}

/* ---------------------------------------------------------------------------------------------------------------------------- */

static const struct kith_zmtp_expected expected[] = {
    [EXPECT_HELLO] = {"HELLO", take_hello},
    [EXPECT_WELCOME] = {"WELCOME", take_welcome},
    [EXPECT_INITIATE] = {"INITIATE", take_initiate},
    [EXPECT_READY] = {"READY", take_ready},
};

const struct kith_zmtp_mechanism kith_zmtp_mechanism_curve = {
    .name = "CURVE",
    .roles = true,
    .overhead = sizeof("?INITIATE") - 1 + sizeof(struct initiate),
    .init = curve_init,
    .deinit = curve_deinit,
    .start = curve_start,
    .admit = curve_admit,
    .expected = expected,
};
