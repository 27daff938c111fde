/*
 * cli/rep.c: kith rep: serves requests and shows who sent them.
 *
 * A ROUTER inside: it serves REQ and DEALER clients, many at a time, and a client's reply goes back by the request's own envelope. A
 * request is printed before it is answered.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <kith/config.h>
#include <kith/socket.h>

#include "base/error.h"
#include "base/time.h"
#include "cli/exec.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/socket-options.h"
#include "gateway/cleanup.h"
#include "gateway/envelope.h"
#include "gateway/log.h"
#include "gateway/printable.h"

/* How long SIGTERM waits for commands and for clients to take their replies. */
#define DRAIN_MS 5000

struct rep {
    /* As asked for. */
    const char *command; /* NULL: echo */
    const char *policy_path;
    bool json, quiet;
    int64_t count, jobs, exec_timeout;
    struct cli_socket_options socket_options;

    kith_loop *loop;
    kith_socket *socket;
    kith_policy *policy;
    kith_signal *signals[3];
    kith_timer *deadline;
    struct gateway_log *log;
    struct cli_exec *exec;
    int64_t served;
    bool ending;  /* takes no more requests, for good */
    bool paused;  /* takes none now */
    uint64_t end; /* of the drain, CLOCK_MONOTONIC nanoseconds; 0: not limited */
};

enum { KEY_ECHO, KEY_EXEC, KEY_POLICY, KEY_JSON, KEY_COUNT, KEY_EXEC_TIMEOUT, KEY_JOBS, KEY_OPTION, KEY_QUIET };

static const struct cli_option options[] = {
    {KEY_ECHO, "echo", 'e', NULL, "answer with the request itself (this is the default)"},
    {KEY_EXEC, "exec", 'x', "COMMAND", "answer with what /bin/sh -c COMMAND prints; the request is on its standard input"},
    {KEY_EXEC_TIMEOUT, "exec-timeout", 0, "MS", "kill a command that takes longer (30000; 0: never)"},
    {KEY_JOBS, "jobs", 'j', "N", "commands that run at a time (8)"},
    {KEY_POLICY, "policy", 'p', "FILE", "let only those in whom this policy allows; SIGHUP reads it again"},
    {KEY_COUNT, "count", 'n', "N", "end after N requests"},
    {KEY_JSON, "json", 0, NULL, "print a JSON object a request"},
    {KEY_QUIET, "quiet", 'q', NULL, "print no requests"},
    {KEY_OPTION, "option", 'o', "NAME=VALUE", "set a socket option: see kith(1)"},
    {0},
};

static int take_option(void *state, int key, const char *value) {
    struct rep *rep = state;
    switch (key) {
    case KEY_ECHO:
        rep->command = NULL;
        return 0;
    case KEY_EXEC:
        rep->command = value;
        return 0;
    case KEY_EXEC_TIMEOUT:
        return cli_number("--exec-timeout", value, 0, INT32_MAX, &rep->exec_timeout);
    case KEY_JOBS:
        return cli_number("--jobs", value, 1, 10000, &rep->jobs);
    case KEY_POLICY:
        rep->policy_path = value;
        return 0;
    case KEY_COUNT:
        return cli_number("--count", value, 1, INT64_MAX, &rep->count);
    case KEY_JSON:
        rep->json = true;
        return 0;
    case KEY_QUIET:
        rep->quiet = true;
        return 0;
    default:
        return cli_socket_options_add(&rep->socket_options, value);
    }
}

/* Stopping --------------------------------------------------------------------------------------------------------- */

static void message(kith_socket *socket, kith_msg *msg, void *userdata);
static void event(kith_socket *socket, const struct kith_event *event, void *userdata);

static const struct kith_socket_handler intake_open = {.message = message, .event = event};
static const struct kith_socket_handler intake_closed = {.event = event};

/* While too many requests wait for a command, and once it is to end, clients are not read from: what they send stays with the kernel and
 * with them. */
static void update_intake(struct rep *rep) {
    bool busy = rep->exec && (rep->paused ? !cli_exec_low(rep->exec) : cli_exec_full(rep->exec));
    bool pause = rep->ending || busy;
    if (pause == rep->paused)
        return;
    rep->paused = pause;
    kith_socket_set_handler(rep->socket, pause ? &intake_closed : &intake_open, rep);
    if (pause && !rep->ending)
        gateway_log_limited(rep->log, LOG_WARNING, 2,
                            "%zu requests wait for a command: clients must wait until half of them are gone (--jobs)",
                            cli_exec_pending(rep->exec));
}

static void end_when_answered(struct rep *rep) {
    if (rep->ending && (!rep->exec || cli_exec_pending(rep->exec) == 0))
        kith_loop_stop(rep->loop);
}

/* No more requests are taken; those that were are answered. */
static void finish(struct rep *rep) {
    rep->ending = true;
    update_intake(rep);
    end_when_answered(rep);
}

/* The same, but not for longer than DRAIN_MS. */
static void stop(struct rep *rep) {
    if (rep->end == 0) {
        rep->end = kith_time_now() + DRAIN_MS * KITH_NS_PER_MS;
        kith_timer_arm(rep->deadline, DRAIN_MS, 0);
    }
    finish(rep);
}

static void deadline_passed(kith_timer *timer, void *userdata) {
    struct rep *rep = userdata;
    gateway_log(rep->log, LOG_WARNING, "stopping with %zu command(s) unfinished after %d ms", rep->exec ? cli_exec_pending(rep->exec) : 0,
                DRAIN_MS);
    kith_loop_stop(rep->loop);
}

static void stop_signal(kith_signal *sig, int signo, void *userdata) {
    struct rep *rep = userdata;
    if (rep->end > 0) { /* the second one means now */
        rep->end = kith_time_now();
        kith_loop_stop(rep->loop);
    }
    stop(rep);
}

static void reload_signal(kith_signal *sig, int signo, void *userdata) {
    struct rep *rep = userdata;
    if (!rep->policy_path) {
        gateway_log(rep->log, LOG_NOTICE, "nothing to read again: there is no --policy");
        return;
    }
    kith_policy *policy;
    struct kith_error error = KITH_ERROR_NONE;
    if (kith_config_policy_load(rep->policy_path, &policy, &error) < 0) {
        gateway_log(rep->log, LOG_ERR, "%s (the policy in force stays)", error.text);
        return;
    }
    kith_policy_unref(rep->policy);
    rep->policy = policy;
    kith_socket_set_policy(rep->socket, policy);
    gateway_log(rep->log, LOG_NOTICE, "%s: read again, %zu rules", rep->policy_path, kith_policy_rule_count(policy));
}

/* Requests --------------------------------------------------------------------------------------------------------- */

static int print_json(const kith_msg *msg, size_t first) {
    json_auto_t *line = json_object();
    int r = line ? cli_json_add_origin(line, kith_msg_origin(msg)) : -ENOMEM;
    if (r >= 0)
        r = cli_json_add_frames(line, msg, first);
    return r < 0 ? r : cli_json_print(line);
}

static int print_text(const kith_msg *msg, size_t first) {
    char who[1024] = "somebody", what[2048];
    kith_origin *origin = kith_msg_origin(msg);
    if (origin)
        kith_origin_format(origin, who, sizeof(who));
    struct kith_text text = kith_text_init(what, sizeof(what));
    gateway_put_frames(&text, msg, first);
    return cli_print("%s: %s\n", who, what);
}

/* Negative: nobody reads what we print, or it cannot be written; cli_output_finish() says whether that is an error. */
static int print_request(struct rep *rep, const kith_msg *msg, size_t first) {
    if (rep->quiet)
        return 0;
    int r = rep->json ? print_json(msg, first) : print_text(msg, first);
    if (r != -ENOMEM)
        return r;
    gateway_log_limited(rep->log, LOG_ERR, 0, "a request was not printed: out of memory");
    return 0;
}

static void reply(struct rep *rep, kith_msg *msg) {
    int r = kith_socket_send(rep->socket, msg, 0);
    if (r >= 0)
        return;
    gateway_log_limited(rep->log, LOG_WARNING, (uint64_t)-r, "reply dropped: %s", gateway_unsent_reason(r));
    kith_msg_free(msg);
}

/* What the command printed is the reply. A failure is told in two frames, an empty one and the reason: success has always one. */
static int make_reply(const kith_msg *request, size_t first, const struct cli_exec_result *result, kith_msg **ret_reply) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = gateway_envelope_copy(request, first, &msg);
    if (r >= 0 && !result->failure)
        r = kith_msg_add(msg, result->output, result->output_size);
    if (r >= 0 && result->failure)
        r = kith_msg_add(msg, NULL, 0);
    if (r >= 0 && result->failure)
        r = kith_msg_add(msg, result->failure, strlen(result->failure));
    if (r < 0)
        return r;
    *ret_reply = KITH_STEAL(msg);
    return 0;
}

static void command_ended(kith_msg *request, size_t first, const struct cli_exec_result *result, void *userdata) {
    struct rep *rep = userdata;
    kith_msg *msg;
    if (result->failure)
        gateway_log_limited(rep->log, LOG_WARNING, 1, "command: %s", result->failure);
    if (make_reply(request, first, result, &msg) < 0)
        gateway_log_limited(rep->log, LOG_ERR, 0, "reply dropped: out of memory");
    else
        reply(rep, msg);
    kith_msg_free(request);
    update_intake(rep);
    end_when_answered(rep);
}

static void answer(struct rep *rep, kith_msg *msg, size_t first) {
    if (!rep->exec) {
        reply(rep, msg);
        return;
    }
    int r = cli_exec_add(rep->exec, msg, first);
    if (r < 0) {
        gateway_log_limited(rep->log, LOG_ERR, 0, "request dropped: %s", kith_error_name(r));
        kith_msg_free(msg);
    }
    update_intake(rep);
}

static void message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct rep *rep = userdata;
    size_t first = gateway_envelope_frames(msg);
    if (first == 0) {
        char who[256] = "somebody";
        if (kith_msg_origin(msg))
            kith_origin_format(kith_msg_origin(msg), who, sizeof(who));
        gateway_log_limited(rep->log, LOG_WARNING, 3, "%s: " GATEWAY_MALFORMED, who);
        kith_msg_free(msg);
        return;
    }
    int r = print_request(rep, msg, first);
    answer(rep, msg, first);
    if (++rep->served == rep->count)
        finish(rep);
    if (r < 0)
        stop(rep);
}

static void event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct rep *rep = userdata;
    gateway_log_event(rep->log, NULL, event);
}

/* Setting up ------------------------------------------------------------------------------------------------------- */

static int open_loop(struct rep *rep) {
    int r = kith_loop_new(&rep->loop);
    if (r >= 0)
        r = gateway_log_new(rep->loop, STDERR_FILENO, "kith rep", LOG_INFO, &rep->log);
    if (r >= 0)
        r = kith_signal_new(rep->loop, SIGTERM, stop_signal, rep, &rep->signals[0]);
    if (r >= 0)
        r = kith_signal_new(rep->loop, SIGINT, stop_signal, rep, &rep->signals[1]);
    if (r >= 0)
        r = kith_signal_new(rep->loop, SIGHUP, reload_signal, rep, &rep->signals[2]);
    if (r >= 0)
        r = kith_timer_new(rep->loop, deadline_passed, rep, &rep->deadline);
    if (r >= 0)
        r = kith_socket_new(rep->loop, KITH_ROUTER, &rep->socket);
    return r;
}

static int open_exec(struct rep *rep) {
    int64_t output_max;
    int r = kith_socket_get_number(rep->socket, KITH_OPTION_MAX_MESSAGE, &output_max);
    struct cli_exec_options exec = {
        .command = rep->command,
        .jobs = (size_t)rep->jobs,
        .timeout_ms = (uint64_t)rep->exec_timeout,
        .output_max = r < 0 ? 0 : (size_t)output_max,
    };
    return r < 0 ? r : cli_exec_new(rep->loop, &exec, command_ended, rep, &rep->exec);
}

static int set_up_socket(struct rep *rep, struct kith_error *error) {
    int r = kith_socket_set_number(rep->socket, KITH_OPTION_ROUTER_MANDATORY, 1, error);
    if (r >= 0 && rep->policy_path) {
        r = kith_config_policy_load(rep->policy_path, &rep->policy, error);
        /* The policy decides who may come in, and tells those it turns away why; the path's permission bits would only hide that. */
        if (r >= 0)
            r = kith_socket_set_number(rep->socket, KITH_OPTION_IPC_MODE, 0666, error);
    }
    if (r >= 0)
        r = cli_socket_options_apply(&rep->socket_options, rep->socket, error);
    if (r < 0)
        return r;
    kith_socket_set_policy(rep->socket, rep->policy);
    kith_socket_set_handler(rep->socket, &intake_open, rep);
    return 0;
}

/* For clients to take their replies. */
static int time_left(const struct rep *rep) {
    uint64_t now = kith_time_now();
    if (rep->end == 0)
        return DRAIN_MS;
    return now < rep->end ? (int)((rep->end - now) / KITH_NS_PER_MS) : 0;
}

static int serve(struct rep *rep, char **endpoints, struct kith_error *error) {
    int r = open_loop(rep);
    if (r < 0)
        return kith_error_set(error, r, "cannot start: %s", kith_error_name(r));
    r = set_up_socket(rep, error);
    if (r < 0)
        return r;
    if (rep->command && (r = open_exec(rep)) < 0)
        return kith_error_set(error, r, "--exec: %s", kith_error_name(r));
    for (char **endpoint = endpoints; *endpoint; endpoint++) {
        r = kith_socket_bind(rep->socket, *endpoint, error);
        if (r < 0)
            return r;
    }
    r = kith_loop_run(rep->loop);
    if (r < 0)
        return kith_error_set(error, r, "the loop ended: %s", kith_error_name(r));
    kith_socket_drain(rep->socket, time_left(rep));
    return 0;
}

static void rep_deinit(struct rep *rep) {
    cli_exec_free(rep->exec);
    kith_socket_free(rep->socket);
    kith_policy_unref(rep->policy);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rep->signals); i++)
        kith_signal_free(rep->signals[i]);
    kith_timer_free(rep->deadline);
    gateway_log_free(rep->log);
    kith_loop_free(rep->loop);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(rep_deinit) struct rep rep = {.jobs = 8, .exec_timeout = 30000};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &rep, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count == 0)
        return cli_usage(verb, "an endpoint is missing, such as ipc:///run/x.sock or tcp://127.0.0.1:5555");
    struct kith_error error = KITH_ERROR_NONE;
    return serve(&rep, words, &error) < 0 ? cli_fail(&error) : CLI_OK;
}

const struct cli_verb cli_rep = {
    .name = "rep",
    .summary = "serve requests, and show who sends them",
    .usage = "ENDPOINT... [--echo | --exec COMMAND] [--policy FILE] [OPTION...]",
    .details =
        "Serves requests of REQ and DEALER clients at the endpoints and prints a line for each: who sent it, by the kernel's word, and\n"
        "what. SIGTERM ends it after what was taken is answered.",
    .options = options,
    .run = run,
};
