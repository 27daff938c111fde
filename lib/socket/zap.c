/*
 * socket/zap.c: see zap.h.
 *
 *     question:  empty  "1.0"  number  domain  address  routing id  mechanism  credentials...
 *     answer:    empty  "1.0"  number  status  text  user id  metadata
 *
 * A DEALER of the library's own asks, over inproc, so that many questions are open at a time and the handler may be in another thread. A
 * question belongs to one connection: its account, which each connection has one of, tells whether that is still there when the answer
 * comes. What the handler says beside the status are claims under names of its own (kith_session_vouch): its word, not the kernel's; the
 * user id is also the fact `user`, as it is what the server goes by.
 *
 * An answer that is none is 500; a handler that goes leaves its questions unanswered: 300, so that clients try again.
 */
#include "socket/zap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inproc/listener.h"
#include "socket/socket.h"

#define HANDLER "zeromq.zap.01"
#define VERSION "1.0"
#define NUMBER_SIZE 8
#define STATUS_SIZE 3
#define ANSWER_FRAMES 7

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

struct kith_zap {
    kith_socket *asker;
    struct kith_list questions; /* not answered yet */
    uint64_t number;            /* of the last one */
    kith_socket *owner;
};

struct question {
    struct kith_list link;
    uint64_t number;
    struct kith_session *session; /* referenced */
    struct kith_account *account; /* referenced: of the connection that the question is about */
};

bool kith_zap_present(void) {
    return kith_inproc_listened(HANDLER);
}

static void question_free(struct question *question) {
    kith_list_unlink(&question->link);
    kith_account_unref(question->account);
    kith_session_unref(question->session);
    free(question);
}

static int question_new(struct kith_zap *zap, struct kith_session *session, struct question **ret_question) {
    struct question *question = malloc(sizeof(*question));
    if (!question)
        return -ENOMEM;
    *question =
        (struct question){.number = ++zap->number, .session = kith_session_ref(session), .account = kith_account_ref(session->account)};
    kith_list_push_back(&zap->questions, &question->link);
    *ret_question = question;
    return 0;
}

/* Asking ------------------------------------------------------------------------------------------------------------------ */

/* RFC 27: the address of the peer, without its port; none over ipc. */
static int add_address(kith_msg *msg, const struct kith_session *session) {
    const char *text = "";
    (void)kith_origin_text(session->peer_origin, KITH_FACT_ADDRESS, &text);
    const char *end = strrchr(text, ':');
    size_t size = end ? (size_t)(end - text) : strlen(text);
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']')
        return kith_msg_add(msg, text + 1, size - 2);
    return kith_msg_add(msg, text, size);
}

static int add_credentials(kith_msg *msg, const struct kith_credentials_shown *shown) {
    int r = kith_msg_add(msg, shown->mechanism, strlen(shown->mechanism));
    if (r >= 0 && shown->username)
        r = kith_msg_add(msg, shown->username, shown->username_size);
    if (r >= 0 && shown->username)
        r = kith_msg_add(msg, shown->password, shown->password_size);
    if (r >= 0 && shown->public_key)
        r = kith_msg_add(msg, shown->public_key, KITH_ZMTP_KEY_SIZE);
    return r;
}

static int make_question(const struct question *question, const struct kith_credentials_shown *shown, kith_msg **ret_msg) {
    const struct kith_octets *octets = question->session->profile->octets;
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, NULL, 0);
    if (r >= 0)
        r = kith_msg_add(msg, VERSION, strlen(VERSION));
    if (r >= 0)
        r = kith_msg_add(msg, &question->number, NUMBER_SIZE);
    if (r >= 0)
        r = kith_msg_add(msg, octets[KITH_OPTION_ZAP_DOMAIN].data, octets[KITH_OPTION_ZAP_DOMAIN].size);
    if (r >= 0)
        r = add_address(msg, question->session);
    if (r >= 0)
        r = kith_msg_add(msg, octets[KITH_OPTION_ROUTING_ID].data, octets[KITH_OPTION_ROUTING_ID].size);
    if (r >= 0)
        r = add_credentials(msg, shown);
    if (r >= 0)
        *ret_msg = KITH_STEAL(msg);
    return r;
}

/* The answer ---------------------------------------------------------------------------------------------------------------- */

static bool frame_is(const kith_msg *msg, size_t index, const char *text) {
    size_t size;
    const void *data = kith_msg_frame(msg, index, &size);
    return size == strlen(text) && memcmp(data, text, size) == 0;
}

static unsigned read_status(const kith_msg *msg) {
    static const unsigned statuses[] = {200, 300, 400, 500};
    char text[STATUS_SIZE + 1];
    for (size_t i = 0; i < KITH_ARRAY_SIZE(statuses); i++) {
        (void)snprintf(text, sizeof(text), "%u", statuses[i]);
        if (frame_is(msg, 3, text))
            return statuses[i];
    }
    return 0;
}

/* RFC 37's properties: name-size(1) name value-size(4) value. What does not fit ends them. */
static int vouch_metadata(struct kith_session *session, const uint8_t *data, size_t size) {
    int r = 0;
    while (r >= 0 && size > 5 && data[0] > 0 && (size_t)data[0] + 5 <= size) {
        char name[256];
        const size_t name_size = data[0];
        const uint8_t *header = data + 1 + name_size;
        const size_t value_size = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
        if (value_size > size - name_size - 5)
            break;
        memcpy(name, data + 1, name_size);
        name[name_size] = '\0';
        r = kith_session_vouch(session, name, header + 4, value_size);
        data += name_size + 5 + value_size;
        size -= name_size + 5 + value_size;
    }
    return r;
}

static int vouch(struct kith_session *session, const kith_msg *msg) {
    size_t size;
    const uint8_t *user = kith_msg_frame(msg, 5, &size);
    int r = size > 0 ? kith_session_vouch(session, "User-Id", user, size) : 0;
    if (r >= 0)
        r = kith_session_set_user(session, user, size);
    const uint8_t *metadata = kith_msg_frame(msg, 6, &size);
    return r < 0 ? r : vouch_metadata(session, metadata, size);
}

/* Tells the session, if it is still about this connection; the question is done. Calls up. */
static void question_close(struct question *question, unsigned status, const char *why, const kith_msg *msg) {
    struct kith_session *session = kith_session_ref(question->session);
    bool current = question->account->owner == session && session->account == question->account;
    question_free(question);
    if (current && status == 200 && vouch(session, msg) < 0)
        kith_session_authenticate(session, 500, "no memory for what the ZAP handler says");
    else if (current)
        kith_session_authenticate(session, status, why);
    kith_session_unref(session);
}

static struct question *find_question(struct kith_zap *zap, const kith_msg *msg) {
    size_t size;
    const void *number = kith_msg_count(msg) > 2 ? kith_msg_frame(msg, 2, &size) : NULL;
    if (!number || size != NUMBER_SIZE)
        return NULL;
    kith_list_foreach (&zap->questions, node) {
        struct question *question = kith_list_entry(node, struct question, link);
        if (memcmp(&question->number, number, size) == 0)
            return question;
    }
    return NULL;
}

static void on_answer(kith_socket *asker, kith_msg *received, void *userdata) {
    (void)asker;
    struct kith_zap *zap = userdata;
    _cleanup_(kith_msg_freep) kith_msg *msg = received;
    struct question *question = find_question(zap, msg);
    if (!question)
        return;
    char why[256] = "the ZAP handler's answer is none";
    const bool whole = kith_msg_count(msg) == ANSWER_FRAMES && frame_is(msg, 1, VERSION);
    unsigned status = whole ? read_status(msg) : 0;
    if (status != 0) {
        size_t size;
        const uint8_t *text = kith_msg_frame(msg, 4, &size);
        (void)snprintf(why, sizeof(why), "the ZAP handler says: %.*s", (int)(size < 200 ? size : 200), (const char *)text);
    }
    kith_socket *owner = kith_socket_ref(zap->owner);
    question_close(question, status != 0 ? status : 500, why, msg);
    kith_socket_unref(owner);
}

static void on_event(kith_socket *asker, const struct kith_event *event, void *userdata) {
    (void)asker;
    struct kith_zap *zap = userdata;
    if (event->type != KITH_EVENT_DISCONNECTED)
        return;
    kith_socket *owner = kith_socket_ref(zap->owner);
    while (!owner->closed && !kith_list_empty(&zap->questions))
        question_close(kith_list_first(&zap->questions, struct question, link), 300, "the ZAP handler has gone", NULL);
    kith_socket_unref(owner);
}

static const struct kith_socket_handler asker_handler = {.message = on_answer, .event = on_event};

/* ---------------------------------------------------------------------------------------------------------------------------- */

KITH_DEFINE_CLEANUP(struct kith_zap *, kith_zap_free)

static int zap_new(kith_socket *owner, struct kith_zap **ret_zap) {
    _cleanup_(kith_zap_freep) struct kith_zap *zap = calloc(1, sizeof(*zap));
    if (!zap)
        return -ENOMEM;
    kith_list_init(&zap->questions);
    zap->owner = owner;
    int r = kith_socket_new(owner->loop, KITH_DEALER, &zap->asker);
    if (r < 0)
        return r;
    kith_socket_set_handler(zap->asker, &asker_handler, zap);
    r = kith_socket_connect(zap->asker, "inproc://" HANDLER, NULL);
    if (r >= 0)
        *ret_zap = KITH_STEAL(zap);
    return r;
}

int kith_zap_ask(struct kith_zap **zap, struct kith_session *session, const struct kith_credentials_shown *shown) {
    int r = *zap ? 0 : zap_new(session->host->userdata, zap);
    if (r < 0)
        return r;
    struct question *question;
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    r = question_new(*zap, session, &question);
    if (r < 0)
        return r;
    r = make_question(question, shown, &msg);
    if (r >= 0)
        r = kith_socket_send((*zap)->asker, msg, 0);
    if (r >= 0)
        KITH_STEAL(msg);
    else
        question_free(question);
    return r;
}

struct kith_zap *kith_zap_free(struct kith_zap *zap) {
    if (!zap)
        return NULL;
    while (!kith_list_empty(&zap->questions))
        question_free(kith_list_first(&zap->questions, struct question, link));
    kith_socket_free(zap->asker);
    free(zap);
    return NULL;
}
