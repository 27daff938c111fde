/*
 * cli/talk.c: see talk.h.
 *
 * Messages are taken from the source as the socket has room, and as --rate allows; then what is queued is sent and the program ends, or it
 * goes on receiving. Whatever ends it goes through finish(), once: the first reason is told and decides the exit status.
 */
#include "cli/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "cli/frames.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/passed.h"
#include "cli/socket-options.h"
#include "gateway/cleanup.h"

/* Endpoints, topics, groups, files: more of them on one command line are a mistake of whoever made it. */
#define WORDS_MAX 256
/* Messages sent in a row before others have their turn. */
#define ROUND 1000
/* Octets of a file with a key or a password. */
#define SECRET_MAX 1024
/* A rate is kept by looking so often. */
#define TICK_MS 1

struct words {
    const char *words[WORDS_MAX + 1]; /* ended by NULL */
    size_t count;
};

struct talk {
    const struct cli_talk_type *type;
    /* As asked for. */
    struct words binds, connects, topics, groups, files;
    struct cli_passed passed;
    char **frames;
    const char *policy_path;
    int64_t count, rate, timeout, wait;
    bool json, raw, quiet, verbose;
    struct cli_socket_options socket_options;
    char *password, *secret_key; /* read from files */

    kith_loop *loop;
    kith_socket *socket;
    struct cli_source *source;
    kith_signal *signals[2];
    kith_timer *timer;  /* --timeout: of silence */
    kith_timer *ticker; /* --rate */
    kith_msg *unsent;   /* taken from the source, and no room for it */
    int64_t sent, received;
    uint64_t began;     /* the first message, for the rate */
    size_t subscribers; /* pub: subscriptions that came */
    bool sending_over;
    bool dropped; /* a message that was taken for sending: no peer takes its descriptors */
    int status;   /* -1: not decided */
    /* What went wrong while the last messages were sent; 0: nothing. */
    int late_status;
    char late[KITH_ERROR_TEXT_MAX];
};

enum {
    KEY_BIND = KITH_OPTION_COUNT_,
    KEY_CONNECT,
    KEY_COUNT,
    KEY_RATE,
    KEY_TOPIC,
    KEY_GROUP,
    KEY_FILE,
    KEY_FD,
    KEY_WAIT,
    KEY_TIMEOUT,
    KEY_JSON,
    KEY_RAW,
    KEY_QUIET,
    KEY_VERBOSE,
    KEY_POLICY,
    KEY_OPTION,
};

/* A key below KITH_OPTION_COUNT_ is the option of the socket itself. */
const struct cli_option cli_talk_options[] = {
    {KEY_BIND, "bind", 'b', "ENDPOINT", "listen at ENDPOINT"},
    {KEY_CONNECT, "connect", 'c', "ENDPOINT", "connect to ENDPOINT"},
    {KEY_COUNT, "count", 'n', "N", "end after N messages received, or sent where none are received"},
    {KEY_RATE, "rate", 0, "N", "send at most N messages a second"},
    {KEY_TOPIC, "topic", 't', "TOPIC", "sub, xsub: subscribe to it (sub: to everything); others: put it in front as a frame"},
    {KEY_GROUP, "group", 'g', "GROUP", "dish: join it; radio: send to it"},
    {KEY_FILE, "file", 'f', "FILE", "send the file's contents as a message"},
    {KEY_FD, "fd", 0, "FILE|N", "send a descriptor with each message: of a file opened for reading, or number N of our own (ipc)"},
    {KITH_OPTION_MAX_FDS, "max-fds", 0, "N", "accept so many descriptors with a message, and say what came (ipc)"},
    {KEY_WAIT, "wait", 'w', "N", "wait for N peers (pub: subscriptions) before the first message (pub, radio: 1; others: 0)"},
    {KEY_TIMEOUT, "timeout", 0, "MS", "give up when nothing was sent or received for MS milliseconds (0: never)"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object a message; read such from standard input"},
    {KEY_RAW, "raw", 'r', NULL, "print the octets of messages and nothing else"},
    {KEY_QUIET, "quiet", 'q', NULL, "print no messages"},
    {KEY_VERBOSE, "verbose", 'v', NULL, "say on standard error who comes, goes and is refused"},
    {KEY_POLICY, "policy", 'p', "FILE", "have only peers and messages that this policy allows"},
    {KITH_OPTION_PLAIN_SERVER, "plain-server", 0, NULL, "ask peers for user name and password"},
    {KITH_OPTION_PLAIN_USERNAME, "plain-username", 0, "NAME", "tell this user name"},
    {KITH_OPTION_PLAIN_PASSWORD, "plain-password", 0, "WORD", "tell this password (@FILE: what is in the file)"},
    {KITH_OPTION_CURVE_SERVER, "curve-server", 0, NULL, "be the server of CURVE, with --curve-secret-key"},
    {KITH_OPTION_CURVE_SECRET_KEY, "curve-secret-key", 0, "KEY", "our secret key in Z85 (@FILE: what is in the file)"},
    {KITH_OPTION_CURVE_PUBLIC_KEY, "curve-public-key", 0, "KEY", "our public key (made from the secret one)"},
    {KITH_OPTION_CURVE_SERVER_KEY, "curve-server-key", 0, "KEY", "the public key that the server must have: CURVE as a client"},
    {KEY_OPTION, "option", 'o', "NAME=VALUE", "set a socket option: see kith-options(7)"},
    {0},
};

static int add_word(struct words *words, const char *name, const char *word) {
    if (words->count == WORDS_MAX) {
        cli_error("--%s: there are %d already", name, WORDS_MAX);
        return CLI_USAGE;
    }
    words->words[words->count++] = word;
    return 0;
}

/* A secret need not stand on the command line, where every user of the host can read it. */
static int read_secret(struct talk *talk, int key, const char *path, const char **ret_value) {
    char *text;
    int r = kith_file_read(AT_FDCWD, path, SECRET_MAX, &text, NULL);
    if (r < 0) {
        cli_error("%s: %s", path, kith_error_name(r));
        return CLI_ERROR;
    }
    text[strcspn(text, "\n")] = '\0';
    char **place = key == KITH_OPTION_PLAIN_PASSWORD ? &talk->password : &talk->secret_key;
    free(*place);
    *ret_value = *place = text;
    return 0;
}

static int take_socket_option(struct talk *talk, int key, const char *value) {
    size_t count;
    const struct kith_option_info *info = kith_socket_options(&count);
    while ((int)info->option != key)
        info++;
    bool secret = key == KITH_OPTION_CURVE_SECRET_KEY || key == KITH_OPTION_PLAIN_PASSWORD;
    int status = secret && value[0] == '@' ? read_secret(talk, key, value + 1, &value) : 0;
    return status != 0 ? status : cli_socket_options_set(&talk->socket_options, info, value ? value : "1");
}

static int take_option(void *state, int key, const char *value) {
    struct talk *talk = state;
    switch (key) {
    case KEY_BIND:
        return add_word(&talk->binds, "bind", value);
    case KEY_CONNECT:
        return add_word(&talk->connects, "connect", value);
    case KEY_TOPIC:
        return add_word(&talk->topics, "topic", value);
    case KEY_GROUP:
        return add_word(&talk->groups, "group", value);
    case KEY_FILE:
        return add_word(&talk->files, "file", value);
    case KEY_FD:
        return cli_passed_add(&talk->passed, value);
    case KEY_COUNT:
        return cli_number("--count", value, 1, INT64_MAX, &talk->count);
    case KEY_RATE:
        return cli_number("--rate", value, 1, INT32_MAX, &talk->rate);
    case KEY_WAIT:
        return cli_number("--wait", value, 0, INT32_MAX, &talk->wait);
    case KEY_TIMEOUT:
        return cli_number("--timeout", value, 0, INT32_MAX, &talk->timeout);
    case KEY_JSON:
        talk->json = true;
        return 0;
    case KEY_RAW:
        talk->raw = true;
        return 0;
    case KEY_QUIET:
        talk->quiet = true;
        return 0;
    case KEY_VERBOSE:
        talk->verbose = true;
        return 0;
    case KEY_POLICY:
        talk->policy_path = value;
        return 0;
    case KEY_OPTION:
        return cli_socket_options_add(&talk->socket_options, value);
    default:
        return take_socket_option(talk, key, value);
    }
}

static void finish(struct talk *talk, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void finish(struct talk *talk, int status, const char *format, ...) {
    char text[KITH_ERROR_TEXT_MAX] = "";
    kith_loop_stop(talk->loop);
    if (talk->status > CLI_OK || talk->late_status != 0)
        return;
    if (format) {
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
    }
    if (talk->status == CLI_OK) { /* all was taken for sending: whether it went out is seen when that is over */
        talk->late_status = status;
        memcpy(talk->late, text, sizeof(text));
        return;
    }
    talk->status = status;
    if (text[0])
        cli_error("%s", text);
}

static void still_alive(struct talk *talk) {
    if (talk->timeout > 0)
        kith_timer_arm(talk->timer, (uint64_t)talk->timeout, 0);
}

/* Sending ----------------------------------------------------------------------------------------------------------------- */

/* All messages are out of our hands, if not of the socket's. */
static void sending_over(struct talk *talk) {
    talk->sending_over = true;
    if (!talk->type->receives)
        finish(talk, CLI_OK, NULL);
}

/* Those given on the command line are sent once by a socket that receives too, else --count times. */
static int64_t most_to_send(const struct talk *talk) {
    if (talk->frames && talk->frames[0])
        return talk->type->receives || talk->count == 0 ? 1 : talk->count;
    return talk->type->receives || talk->count == 0 ? INT64_MAX : talk->count;
}

/* How many may be sent by now. */
static int64_t allowance(struct talk *talk) {
    if (talk->rate == 0)
        return INT64_MAX;
    uint64_t now = kith_loop_now(talk->loop);
    if (talk->began == 0)
        talk->began = now;
    return (int64_t)((double)(now - talk->began) / KITH_NS_PER_S * (double)talk->rate) + 1;
}

static bool peers_here(const struct talk *talk) {
    size_t here = talk->type->verb == &cli_pub ? talk->subscribers : kith_socket_peer_count(talk->socket);
    return here >= (uint64_t)talk->wait;
}

/* 1: sent; 0: not now; negative: it is over. */
static int send_one(struct talk *talk) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = talk->unsent ? 1 : cli_source_next(talk->source, &talk->unsent, &error);
    if (r == -ENODATA)
        sending_over(talk);
    else if (r < 0)
        finish(talk, CLI_ERROR, "%s", error.text);
    if (r <= 0)
        return r;
    r = kith_socket_send(talk->socket, talk->unsent, 0);
    if (r == -EAGAIN)
        return 0;
    if (r == 0) {
        talk->unsent = NULL;
        talk->sent++;
        still_alive(talk);
        return 1;
    }
    talk->unsent = kith_msg_free(talk->unsent);
    if (r == -EHOSTUNREACH && talk->type->receives) { /* one peer of several: the others are served */
        cli_error("a message was not sent: no peer has that routing id");
        return 1;
    }
    if (r == -EOPNOTSUPP)
        finish(talk, CLI_ERROR, "cannot send: the peer takes no descriptors, or not so many (option max-fds there)");
    finish(talk, CLI_ERROR, "cannot send: %s", r == -EINVAL ? "the message does not fit this type of socket" : kith_error_name(r));
    return r;
}

static void send_more(struct talk *talk) {
    if (!talk->source || talk->sending_over || talk->status >= 0 || !peers_here(talk))
        return;
    int64_t most = most_to_send(talk), allowed = allowance(talk);
    int r = 1;
    for (int i = 0; r > 0 && i < ROUND && talk->sent < most && talk->sent < allowed; i++)
        r = send_one(talk);
    if (r < 0 || talk->status >= 0)
        return;
    if (talk->sent >= most)
        sending_over(talk);
    else if (r > 0) /* the rate, or others' turn */
        kith_timer_arm(talk->ticker, talk->sent >= allowed ? TICK_MS : 0, 0);
}

static void on_tick(kith_timer *timer, void *userdata) {
    (void)timer;
    send_more(userdata);
}

static void on_source(void *userdata) {
    send_more(userdata);
}

static void on_writable(kith_socket *socket, void *userdata) {
    (void)socket;
    send_more(userdata);
}

/* Receiving --------------------------------------------------------------------------------------------------------------- */

static int print_json(const kith_msg *msg) {
    json_auto_t *line = json_object();
    int r = line ? 0 : -ENOMEM;
    if (r >= 0 && kith_msg_origin(msg))
        r = cli_json_add_origin(line, kith_msg_origin(msg));
    if (r >= 0)
        r = cli_json_add_source(line, msg);
    if (r >= 0)
        r = cli_json_add_address(line, msg);
    if (r >= 0)
        r = cli_json_add_frames(line, msg, 0);
    if (r >= 0)
        r = cli_passed_add_json(line, msg);
    return r < 0 ? r : cli_json_print(line);
}

static int print(const struct talk *talk, const kith_msg *msg) {
    if (talk->quiet)
        return 0;
    if (talk->json)
        return print_json(msg);
    int r = cli_frames_print(msg, cli_frames_form(talk->raw));
    return r < 0 || talk->raw ? r : cli_passed_print(msg);
}

/* pub: a subscription, or one given back. */
static void count_subscriber(struct talk *talk, const kith_msg *msg) {
    size_t size;
    const uint8_t *frame = kith_msg_frame(msg, 0, &size);
    if (size > 0 && frame[0] == 1)
        talk->subscribers++;
    send_more(talk);
}

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    (void)socket;
    struct talk *talk = userdata;
    if (!talk->type->receives) {
        count_subscriber(talk, msg);
        kith_msg_free(msg);
        return;
    }
    int r = print(talk, msg);
    kith_msg_free(msg);
    still_alive(talk);
    if (r == -ENOMEM)
        finish(talk, CLI_ERROR, "out of memory");
    else if (r < 0 || ++talk->received == talk->count)
        finish(talk, CLI_OK, NULL); /* an output error is told at the end, by cli_output_finish() */
}

/* A peer of another kind is one however often it is tried. */
static bool will_never_do(int error) {
    return error == -EPROTOTYPE || error == -EPROTONOSUPPORT;
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    (void)socket;
    struct talk *talk = userdata;
    if (talk->verbose)
        cli_error("%s: %s", kith_event_name(event->type), event->text);
    /* Who listens goes on: one peer of many, and any peer may say no, must not end it for the others. */
    const bool listens = talk->binds.count > 0;
    const bool ends = event->type == KITH_EVENT_REFUSED || event->type == KITH_EVENT_DENIED_CONNECT;
    if (ends && !listens)
        finish(talk, CLI_REFUSED, "%s: %s", event->endpoint, event->text);
    else if (event->type == KITH_EVENT_HANDSHAKE_FAILED && !listens && will_never_do(event->error))
        finish(talk, CLI_ERROR, "%s: %s", event->endpoint, event->text);
    else if (event->type == KITH_EVENT_CONNECTED)
        send_more(talk);
    if (event->type == KITH_EVENT_DROPPED && event->error == -EOPNOTSUPP && !listens) {
        talk->dropped = true;
        finish(talk, CLI_ERROR, "%s: %s", event->endpoint, event->text);
    }
}

static void on_timeout(kith_timer *timer, void *userdata) {
    (void)timer;
    struct talk *talk = userdata;
    finish(talk, CLI_TIMEOUT, "nothing was sent or received for %lld ms", (long long)talk->timeout);
}

static void on_signal(kith_signal *sig, int signo, void *userdata) {
    (void)sig;
    (void)signo;
    finish(userdata, CLI_OK, NULL);
}

/* Setting up -------------------------------------------------------------------------------------------------------------- */

static int subscribe(struct talk *talk, const char *topic, struct kith_error *error) {
    int r = kith_socket_subscribe(talk->socket, topic, strlen(topic));
    return r < 0 ? kith_error_set(error, r, "--topic %s: %s", topic, kith_error_name(r)) : 0;
}

static int join_up(struct talk *talk, struct kith_error *error) {
    int r = 0;
    for (size_t i = 0; r >= 0 && talk->type->topics && i < talk->topics.count; i++)
        r = subscribe(talk, talk->topics.words[i], error);
    if (r >= 0 && talk->type->type == KITH_SUB && talk->topics.count == 0)
        r = subscribe(talk, "", error);
    for (size_t i = 0; r >= 0 && talk->type->groups && i < talk->groups.count; i++) {
        r = kith_socket_join(talk->socket, talk->groups.words[i]);
        if (r < 0)
            (void)kith_error_set(error, r, "--group %s: %s", talk->groups.words[i], kith_error_name(r));
    }
    for (size_t i = 0; r >= 0 && i < talk->binds.count; i++)
        r = kith_socket_bind(talk->socket, talk->binds.words[i], error);
    for (size_t i = 0; r >= 0 && i < talk->connects.count; i++)
        r = kith_socket_connect(talk->socket, talk->connects.words[i], error);
    return r;
}

static int open_source(struct talk *talk, struct kith_error *error) {
    struct cli_source_options options = {
        .frames = talk->frames,
        .files = talk->files.words,
        .json = talk->json,
        .passed = &talk->passed,
        .topic = talk->type->topics || talk->topics.count == 0 ? NULL : talk->topics.words[0],
        .group = talk->groups.count == 0 ? NULL : talk->groups.words[0],
    };
    return talk->type->sends ? cli_source_new(talk->loop, &options, on_source, talk, &talk->source, error) : 0;
}

static int set_up(struct talk *talk, struct kith_error *error) {
    static const struct kith_socket_handler handler = {.message = on_message, .writable = on_writable, .event = on_event};
    static const int signals[] = {SIGINT, SIGTERM};
    int r = kith_loop_new_with(NULL, &talk->loop, error);
    if (r < 0)
        return r;
    for (size_t i = 0; r >= 0 && i < KITH_ARRAY_SIZE(signals); i++)
        r = kith_signal_new(talk->loop, signals[i], on_signal, talk, &talk->signals[i]);
    if (r >= 0)
        r = kith_timer_new(talk->loop, on_timeout, talk, &talk->timer);
    if (r >= 0)
        r = kith_timer_new(talk->loop, on_tick, talk, &talk->ticker);
    if (r >= 0)
        r = kith_socket_new(talk->loop, talk->type->type, &talk->socket);
    if (r < 0)
        return kith_error_set(error, r, "cannot start: %s", kith_error_name(r));
    kith_socket_set_handler(talk->socket, &handler, talk);
    r = cli_socket_options_apply(&talk->socket_options, talk->socket, error);
    if (r >= 0)
        r = cli_socket_set_policy(talk->socket, talk->policy_path, error);
    if (r >= 0)
        r = open_source(talk, error);
    return r < 0 ? r : join_up(talk, error);
}

/* What was accepted for sending is sent, as long as the option linger says; a second signal ends that. */
static int drain(struct talk *talk) {
    int64_t linger = 0;
    (void)kith_socket_get_number(talk->socket, KITH_OPTION_LINGER, &linger);
    if (talk->sent == 0 || talk->status > CLI_OK)
        return talk->status;
    kith_timer_disarm(talk->timer);
    int r = kith_socket_drain(talk->socket, (int)linger);
    if (r >= 0 && !talk->dropped)
        return talk->status;
    if (talk->late_status > CLI_OK) {
        cli_error("%s", talk->late);
        return talk->late_status;
    }
    cli_error("not all messages were sent: %s", r == -ETIMEDOUT  ? "peers did not take them in time (linger)"
                                                : r == -ENOTCONN ? "there is no peer"
                                                                 : "interrupted");
    return CLI_ERROR;
}

static void talk_deinit(struct talk *talk) {
    kith_msg_free(talk->unsent);
    cli_source_free(talk->source);
    kith_socket_free(talk->socket);
    kith_timer_free(talk->timer);
    kith_timer_free(talk->ticker);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(talk->signals); i++)
        kith_signal_free(talk->signals[i]);
    kith_loop_free(talk->loop);
    cli_passed_deinit(&talk->passed);
    free(talk->password);
    free(talk->secret_key);
}

static int check_usage(const struct cli_verb *verb, struct talk *talk, char **words, int count) {
    if (talk->json && talk->raw)
        return cli_usage(verb, "--json and --raw are two forms of one output: choose one");
    if (talk->binds.count + talk->connects.count == 0) {
        if (count == 0)
            return cli_usage(verb, "the endpoint is missing, such as ipc:///run/x.sock or tcp://127.0.0.1:5555");
        int status = add_word(&talk->connects, "connect", *words++);
        if (status != 0)
            return status;
        count--;
    }
    if (count > 0 && !talk->type->sends)
        return cli_usage(verb, "%s: a %s sends nothing", words[0], kith_socket_type_name(talk->type->type));
    if (talk->passed.count > 0 && !talk->type->sends)
        return cli_usage(verb, "--fd: a %s sends nothing; --max-fds accepts descriptors", kith_socket_type_name(talk->type->type));
    if (count > 0 && talk->files.count > 0)
        return cli_usage(verb, "the message is given twice: in words and by --file");
    talk->frames = words;
    return CLI_GO_ON;
}

int cli_talk_run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(talk_deinit) struct talk talk = {.type = cli_talk_type(verb), .status = -1, .wait = -1};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &talk, &words, &count);
    if (status == CLI_GO_ON)
        status = check_usage(verb, &talk, words, count);
    if (status != CLI_GO_ON)
        return status;
    if (talk.wait < 0)
        talk.wait = verb == &cli_pub || verb == &cli_radio;
    struct kith_error error = KITH_ERROR_NONE;
    if (set_up(&talk, &error) < 0)
        return cli_fail(&error);
    still_alive(&talk);
    send_more(&talk);
    int r = kith_loop_run(talk.loop); /* over at once when all is done already */
    if (r < 0)
        finish(&talk, CLI_ERROR, "the loop ended: %s", kith_error_name(r));
    return drain(&talk);
}
