/*
 * cli/req.c: kith req: asks a server and prints what it answers.
 *
 * One request at a time. Whatever ends the asking goes through finish(), once: the first reason is the one that is told, and it decides the
 * exit status.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kith/socket.h>

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

struct req {
    /* As asked for. */
    const char *endpoint, *policy_path;
    int64_t count, timeout;
    bool json, raw, wait;
    struct cli_passed passed;
    struct cli_socket_options socket_options;

    kith_loop *loop;
    kith_socket *socket;
    kith_timer *timer;
    kith_msg *request; /* what is asked: each time a copy is sent */
    int64_t replies;
    uint64_t sent; /* 0: not yet */
    bool connected;
    int status;                     /* -1: not decided */
    char lost[KITH_ERROR_TEXT_MAX]; /* why the connection ended, when it has */
};

enum { KEY_COUNT, KEY_TIMEOUT, KEY_WAIT, KEY_JSON, KEY_RAW, KEY_FD, KEY_MAX_FDS, KEY_POLICY, KEY_OPTION };

static const struct cli_option options[] = {
    {KEY_COUNT, "count", 'n', "N", "ask N times, one after another (1)"},
    {KEY_TIMEOUT, "timeout", 't', "MS", "give up a request after MS milliseconds (5000; 0: never)"},
    {KEY_WAIT, "wait", 'w', NULL, "wait for a server that does not listen yet"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object a reply"},
    {KEY_RAW, "raw", 'r', NULL, "print the reply's octets and nothing else"},
    {KEY_FD, "fd", 0, "FILE|N", "send a descriptor with the request: of a file opened for reading, or number N of our own (ipc)"},
    {KEY_MAX_FDS, "max-fds", 0, "N", "accept so many descriptors with a reply, and say what came (ipc)"},
    {KEY_POLICY, "policy", 'p', "FILE", "ask only a server that this policy lets serve"},
    {KEY_OPTION, "option", 'o', "NAME=VALUE", "set a socket option: see kith(1)"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    struct req *req = state;
    switch (key) {
    case KEY_COUNT:
        return cli_number("--count", value, 1, INT64_MAX, &req->count);
    case KEY_TIMEOUT:
        return cli_number("--timeout", value, 0, INT32_MAX, &req->timeout);
    case KEY_WAIT:
        req->wait = true;
        return 0;
    case KEY_JSON:
        req->json = true;
        return 0;
    case KEY_RAW:
        req->raw = true;
        return 0;
    case KEY_POLICY:
        req->policy_path = value;
        return 0;
    case KEY_FD:
        return cli_passed_add(&req->passed, value);
    case KEY_MAX_FDS:
        return cli_socket_options_set(&req->socket_options, kith_option_find("max-fds"), value);
    default:
        return cli_socket_options_add(&req->socket_options, value);
    }
}

static void finish(struct req *req, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void finish(struct req *req, int status, const char *format, ...) {
    kith_loop_stop(req->loop);
    if (req->status >= 0)
        return;
    req->status = status;
    if (!format)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_error("%s: %s", req->endpoint, text);
}

/* The request -------------------------------------------------------------------------------------------------------- */

/* More on standard input is taken for a mistake: it has to fit in memory, and few peers accept as much. */
#define INPUT_MAX ((size_t)1024 * 1024 * 1024)

/* Reads standard input to its end into one frame. */
static int add_input(kith_msg *msg) {
    _cleanup_(freep) char *text = NULL;
    size_t size;
    int r = kith_fd_read(STDIN_FILENO, INPUT_MAX, &text, &size);
    return r < 0 ? r : kith_msg_add(msg, text, size);
}

static int make_request(struct req *req, char **frames, struct kith_error *error) {
    int r = kith_msg_new(&req->request);
    if (r >= 0 && !*frames)
        r = add_input(req->request);
    for (; r >= 0 && *frames; frames++)
        r = strcmp(*frames, "-") == 0 ? add_input(req->request) : kith_msg_add(req->request, *frames, strlen(*frames));
    if (r < 0)
        return kith_error_set(error, r, "standard input: %s", kith_error_name(r));
    r = cli_passed_attach(&req->passed, req->request);
    return r < 0 ? kith_error_set(error, r, "--fd: %s", kith_error_name(r)) : 0;
}

static void ask(struct req *req) {
    kith_msg *msg;
    int r = kith_msg_copy(req->request, &msg);
    if (r >= 0) {
        r = kith_socket_send(req->socket, msg, 0);
        if (r < 0)
            kith_msg_free(msg);
    }
    if (r >= 0)
        req->sent = kith_time_now();
    else if (r == -EOPNOTSUPP)
        finish(req, CLI_ERROR, "cannot send: the server takes no descriptors, or not so many (option max-fds there)");
    else if (r != -EAGAIN) /* `writable` will come */
        finish(req, CLI_ERROR, "cannot send: %s", kith_error_name(r));
}

/* The reply ---------------------------------------------------------------------------------------------------------- */

static int print_json(struct req *req, const kith_msg *msg, uint64_t took) {
    json_auto_t *line = json_object();
    int r = line ? cli_json_add_origin(line, kith_msg_origin(msg)) : -ENOMEM;
    if (r >= 0)
        r = cli_json_add_frames(line, msg, 0);
    if (r >= 0)
        r = cli_passed_add_json(line, msg);
    if (r >= 0 && json_object_set_new(line, "round_trip_us", json_real((double)took / 1000)) < 0)
        r = -ENOMEM;
    return r < 0 ? r : cli_json_print(line);
}

static int print_reply(struct req *req, const kith_msg *msg, uint64_t took) {
    if (req->json)
        return print_json(req, msg, took);
    int r = cli_frames_print(msg, cli_frames_form(req->raw));
    return r < 0 || req->raw ? r : cli_passed_print(msg);
}

static void message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct req *req = userdata;
    int r = print_reply(req, msg, kith_time_now() - req->sent);
    kith_msg_free(msg);
    if (r == -ENOMEM)
        finish(req, CLI_ERROR, "out of memory");
    else if (r < 0 || ++req->replies == req->count)
        finish(req, CLI_OK, NULL); /* an output error is told at the end, by cli_output_finish() */
    if (req->status >= 0)
        return;
    if (req->timeout > 0)
        kith_timer_arm(req->timer, (uint64_t)req->timeout, 0);
    req->sent = 0;
    ask(req);
}

/* What goes wrong ---------------------------------------------------------------------------------------------------- */

static void not_connected(struct req *req, const struct kith_event *event) {
    switch (event->error) {
    case -EAGAIN: /* the server's backlog is full: it is there, and the next try may come through */
        break;
    case -ENOENT:
    case -ECONNREFUSED:
        finish(req, CLI_ERROR, "nobody listens here: is the server running? (--wait waits for it)");
        break;
    case -EACCES:
    case -EPERM:
        finish(req, CLI_ERROR,
               "permission denied: connecting needs write permission on the socket and search permission on the directories above");
        break;
    default:
        finish(req, CLI_ERROR, "%s", event->text);
    }
}

static void event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct req *req = userdata;
    switch (event->type) {
    case KITH_EVENT_CONNECTED:
        req->connected = true;
        if (req->sent == 0)
            ask(req);
        break;
    case KITH_EVENT_REFUSED:
        if (event->error == -ECONNRESET)
            finish(req, CLI_ERROR, "who had the request died before it replied: %s", event->text);
        else
            finish(req, CLI_REFUSED, "%s (the server's log names the rule)", event->text);
        break;
    case KITH_EVENT_DENIED_CONNECT:
    case KITH_EVENT_DENIED_SEND:
        finish(req, CLI_REFUSED, "%s (by %s)", event->text, req->policy_path);
        break;
    case KITH_EVENT_HANDSHAKE_FAILED:
        finish(req, CLI_ERROR, "%s", event->text);
        break;
    case KITH_EVENT_DISCONNECTED:
        snprintf(req->lost, sizeof(req->lost), "%s", event->text);
        break;
    case KITH_EVENT_RETRY:
        if (!req->wait && !req->connected)
            not_connected(req, event);
        break;
    default:
        break;
    }
}

static void failed(kith_socket *socket, int error, void *userdata) {
    struct req *req = userdata;
    if (error == -EACCES)
        finish(req, CLI_REFUSED, "the server refused the request (its log names the rule)");
    else
        finish(req, CLI_ERROR, "the server went away before it replied%s%s", req->lost[0] ? ": " : "", req->lost);
}

static void writable(kith_socket *socket, void *userdata) {
    struct req *req = userdata;
    if (req->connected && req->sent == 0)
        ask(req);
}

static void timed_out(kith_timer *timer, void *userdata) {
    struct req *req = userdata;
    finish(req, CLI_TIMEOUT, req->connected ? "no reply within %lld ms" : "no connection within %lld ms", (long long)req->timeout);
}

/* Setting up --------------------------------------------------------------------------------------------------------- */

static int talk(struct req *req, char **frames, struct kith_error *error) {
    static const struct kith_socket_handler handler = {.message = message, .writable = writable, .failed = failed, .event = event};
    int r = kith_loop_new(&req->loop);
    if (r >= 0)
        r = kith_timer_new(req->loop, timed_out, req, &req->timer);
    if (r >= 0)
        r = kith_socket_new(req->loop, KITH_REQ, &req->socket);
    if (r < 0)
        return kith_error_set(error, r, "cannot start: %s", kith_error_name(r));
    kith_socket_set_handler(req->socket, &handler, req);
    r = cli_socket_options_apply(&req->socket_options, req->socket, error);
    if (r >= 0)
        r = cli_socket_set_policy(req->socket, req->policy_path, error);
    if (r >= 0)
        r = make_request(req, frames, error);
    if (r >= 0)
        r = kith_socket_connect(req->socket, req->endpoint, error);
    if (r < 0)
        return r;
    if (req->timeout > 0)
        kith_timer_arm(req->timer, (uint64_t)req->timeout, 0);
    r = kith_loop_run(req->loop);
    return r < 0 ? kith_error_set(error, r, "the loop ended: %s", kith_error_name(r)) : 0;
}

static void req_deinit(struct req *req) {
    kith_socket_free(req->socket);
    kith_timer_free(req->timer);
    kith_msg_free(req->request);
    cli_passed_deinit(&req->passed);
    kith_loop_free(req->loop);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(req_deinit) struct req req = {.count = 1, .timeout = 5000, .status = -1};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &req, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count == 0)
        return cli_usage(verb, "the endpoint is missing, such as ipc:///run/x.sock or tcp://127.0.0.1:5555");
    if (req.json && req.raw)
        return cli_usage(verb, "--json and --raw are two forms of one output: choose one");
    req.endpoint = words[0];
    struct kith_error error = KITH_ERROR_NONE;
    if (talk(&req, words + 1, &error) < 0)
        return cli_fail(&error);
    return req.status;
}

const struct cli_verb cli_req = {
    .name = "req",
    .summary = "send a request and print the reply",
    .usage = "ENDPOINT [FRAME...] [OPTION...]",
    .details =
        "Sends a request of the given frames and prints the reply's frames, a line each. A frame - is standard input, all of it; without\n"
        "any frame that is the request. Exit status: 0 replied, 1 error, 2 usage, 3 timeout, 4 refused.",
    .options = options,
    .run = run,
};
