/*
 * cli/status.c: kith status: what a loop on this machine works with, and what the kernel can tell here. Everything is asked for, nothing
 * concluded from the kernel's version: distributions backport, and containers forbid.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <kith/loop.h>

#include "base/fd.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/status-gateway.h"
#include "gateway/cleanup.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* include/uapi/asm-generic/socket.h, Linux 6.5 */
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { KEY_CONTROL, KEY_GATEWAY, KEY_JSON };

static const struct cli_option options[] = {
    {KEY_CONTROL, "control", 0, "ENDPOINT", "ask the gateway that has this control socket"},
    {KEY_GATEWAY, "gateway", 'g', NULL, "the same, where it has one by default (control.sock in /run/kith or $XDG_RUNTIME_DIR/kith)"},
    {KEY_JSON, "json", 0, NULL, "print one JSON object"},
    {0},
};

/* A number that the kernel has no file for. */
#define UNKNOWN INT64_MIN
/* Octets of a file of one number, and room to spare. */
#define NUMBER_MAX 64

struct status {
    struct utsname kernel;
    const char *backend;
    const char *reason; /* why not the best; NULL: it is, or was chosen by chosen */
    const char *chosen; /* KITH_LOOP, or NULL */
    bool peer_pidfd, message_pidfd;
    struct rlimit descriptors;
    int64_t somaxconn, uring_disabled;
};

struct chosen {
    const char *control;
    bool gateway, json;
};

static int take_option(void *state, int key, const char *value) {
    struct chosen *chosen = state;
    if (key == KEY_CONTROL)
        chosen->control = value;
    else
        *(key == KEY_GATEWAY ? &chosen->gateway : &chosen->json) = true;
    return 0;
}

/* Asking ------------------------------------------------------------------------------------------------------------- */

static int64_t read_number(const char *path) {
    _cleanup_(freep) char *text = NULL;
    return kith_file_read(AT_FDCWD, path, NUMBER_MAX, &text, NULL) < 0 ? UNKNOWN : strtoll(text, NULL, 10);
}

static void ask_pidfds(struct status *status) {
    int pair[2], pidfd = -1;
    socklen_t size = sizeof(pidfd);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return;
    status->peer_pidfd = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0;
    status->message_pidfd = setsockopt(pair[0], SOL_SOCKET, SO_PASSPIDFD, &(int){1}, sizeof(int)) == 0;
    kith_close(pidfd);
    kith_close(pair[0]);
    kith_close(pair[1]);
}

static void ask(const kith_loop *loop, struct status *status) {
    const char *chosen = secure_getenv("KITH_LOOP");
    status->backend = kith_loop_backend_name(loop);
    status->reason = kith_loop_backend_reason(loop);
    status->chosen = chosen && *chosen ? chosen : NULL;
    uname(&status->kernel);
    getrlimit(RLIMIT_NOFILE, &status->descriptors);
    ask_pidfds(status);
    status->somaxconn = read_number("/proc/sys/net/core/somaxconn");
    status->uring_disabled = read_number("/proc/sys/kernel/io_uring_disabled");
}

/* Telling ------------------------------------------------------------------------------------------------------------ */

static void row(const char *name, const char *value, const char *meaning) {
    cli_print("%-18s %-16s %s\n", name, value, meaning);
}

static void number_row(const char *name, int64_t number, const char *meaning) {
    char value[32];
    snprintf(value, sizeof(value), "%lld", (long long)number);
    if (number != UNKNOWN)
        row(name, value, meaning);
}

static const char *why(const struct status *status) {
    if (status->reason)
        return status->reason;
    return status->chosen ? "KITH_LOOP says so" : "the best there is";
}

static void print_descriptors(const struct rlimit *limit) {
    char meaning[128];
    if (limit->rlim_max == RLIM_INFINITY)
        snprintf(meaning, sizeof(meaning), "one a connection; can be raised without limit (ulimit -n, LimitNOFILE=)");
    else
        snprintf(meaning, sizeof(meaning), "one a connection; can be raised to %llu (ulimit -n, LimitNOFILE=)",
                 (unsigned long long)limit->rlim_max);
    number_row("descriptors", limit->rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t)limit->rlim_cur, meaning);
}

static const char *uring_meaning(int64_t disabled) {
    return disabled == 0   ? "kernel.io_uring_disabled: everybody may use it"
           : disabled == 1 ? "kernel.io_uring_disabled: only with CAP_SYS_ADMIN, or in kernel.io_uring_group"
                           : "kernel.io_uring_disabled: nobody may use it";
}

static void print_table(const struct status *status) {
    row("kith", KITH_VERSION, "built with liburing " KITH_URING_VERSION);
    row("kernel", status->kernel.release, status->kernel.machine);
    row("loop", status->backend, why(status));
    row("peer's pidfd", status->peer_pidfd ? "yes" : "no",
        status->peer_pidfd ? "the program that connected is known for sure (SO_PEERPIDFD)"
                           : "the program that connected is inferred from its pid (SO_PEERPIDFD comes with Linux 6.5)");
    row("message's pidfd", status->message_pidfd ? "yes" : "no",
        status->message_pidfd ? "so is the one that wrote a message (SCM_PIDFD)"
                              : "the program of another writer is inferred from its pid (SCM_PIDFD comes with Linux 6.5)");
    print_descriptors(&status->descriptors);
    number_row("backlog", status->somaxconn, "clients that may wait to be accepted (net.core.somaxconn)");
    number_row("io_uring disabled", status->uring_disabled, uring_meaning(status->uring_disabled));
}

/* NULL where the kernel has no number or no limit. */
static json_t *number(int64_t value) {
    return value == UNKNOWN ? json_null() : json_integer(value);
}

static json_t *limit(rlim_t value) {
    return value == RLIM_INFINITY ? json_null() : json_integer((json_int_t)value);
}

static int print_json(const struct status *status) {
    json_auto_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:b, s:b, s:{s:o, s:o}, s:o, s:o}", "kith", KITH_VERSION, "liburing",
                  KITH_URING_VERSION, "kernel", status->kernel.release, "loop", status->backend, "loop_reason", status->reason, "KITH_LOOP",
                  status->chosen, "peer_pidfd", (int)status->peer_pidfd, "message_pidfd", (int)status->message_pidfd, "descriptors", "soft",
                  limit(status->descriptors.rlim_cur), "hard", limit(status->descriptors.rlim_max), "somaxconn", number(status->somaxconn),
                  "io_uring_disabled", number(status->uring_disabled));
    int r = object ? cli_json_print(object) : -ENOMEM;
    if (r == -ENOMEM)
        cli_error("out of memory");
    return r == -ENOMEM ? CLI_ERROR : CLI_OK;
}

/* endpoint: NULL: where there is one by default. */
static int ask_gateway(const char *endpoint, bool json) {
    char text[CLI_CONTROL_ENDPOINT_MAX];
    struct kith_error error = KITH_ERROR_NONE;
    endpoint = cli_control_endpoint(endpoint, text, &error);
    return endpoint ? cli_status_gateway(endpoint, json) : cli_fail(&error);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    struct chosen chosen = {.json = false};
    char **words;
    int count, result = cli_options_parse(verb, argc, argv, take_option, &chosen, &words, &count);
    if (result != CLI_GO_ON)
        return result;
    if (count + (chosen.control != NULL) + chosen.gateway > 1)
        return cli_usage(verb, "one gateway at a time");
    if (count == 1 || chosen.control || chosen.gateway)
        return ask_gateway(count == 1 ? words[0] : chosen.control, chosen.json);
    _cleanup_(kith_loop_freep) kith_loop *loop = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    struct status status = {0};
    if (kith_loop_new_with(NULL, &loop, &error) < 0)
        return cli_fail(&error);
    ask(loop, &status);
    if (chosen.json)
        return print_json(&status);
    print_table(&status);
    return CLI_OK;
}

const struct cli_verb cli_status = {
    .name = "status",
    .summary = "show what kith works with here: its loop, what the kernel tells, limits; or what a gateway counts",
    .usage = "[ENDPOINT | --control ENDPOINT | --gateway] [--json]",
    .details =
        "With the endpoint of a gateway's status service or control socket: what it counts: services, proxies, routes with their spools, "
        "sources and "
        "targets.\n"
        "Else shows which way of waiting a loop has on this machine and why not the best, what the kernel tells of peers, and the limits\n"
        "that matter to a server. KITH_LOOP=epoll or KITH_LOOP=uring chooses the way.",
    .options = options,
    .run = run,
};
