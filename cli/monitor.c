/* cli/monitor.c: kith monitor: what happens at a running gateway, as it happens. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <kith/socket.h>

#include "base/error.h"
#include "cli/control.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/output.h"
#include "gateway/cleanup.h"

enum { KEY_CONTROL, KEY_COUNT, KEY_EVENT, KEY_JSON };

static const struct cli_option options[] = {
    {KEY_CONTROL, "control", 0, "ENDPOINT", "the gateway's control socket (control.sock in /run/kith or $XDG_RUNTIME_DIR/kith)"},
    {KEY_COUNT, "count", 'n', "N", "end after so many events"},
    {KEY_EVENT, "event", 'e', "NAME", "only events whose name begins so, such as denied"},
    {KEY_JSON, "json", 0, NULL, "print an object a line, as it came"},
    {0},
};

struct monitor {
    const char *control, *event;
    int64_t count; /* 0: until the gateway ends */
    bool json;
    kith_loop *loop;
    kith_socket *socket;
    bool asked;
    int64_t seen;
    int status;
};

static int take_option(void *state, int key, const char *value) {
    struct monitor *monitor = state;
    switch (key) {
    case KEY_CONTROL:
        monitor->control = value;
        break;
    case KEY_COUNT:
        return cli_number("--count", value, 1, INT64_MAX, &monitor->count);
    case KEY_EVENT:
        monitor->event = value;
        break;
    default:
        monitor->json = true;
        break;
    }
    return 0;
}

static void finish(struct monitor *monitor, int status) {
    monitor->status = status;
    kith_loop_stop(monitor->loop);
}

/* "15:05:21.123456 service/echo#12 denied-send: ..." */
static void print_text(const json_t *object) {
    const char *time = cli_control_word(object, "time"), *clock = strchr(time, 'T');
    if (json_object_get(object, "peer"))
        cli_print("%.15s %s#%lld %s: %s", clock ? clock + 1 : time, cli_control_word(object, "where"), cli_control_number(object, "peer"),
                  cli_control_word(object, "event"), cli_control_word(object, "text"));
    else if (*time)
        cli_print("%.15s %s %s: %s", clock ? clock + 1 : time, cli_control_word(object, "where"), cli_control_word(object, "event"),
                  cli_control_word(object, "text"));
    else /* what this side did not take in time */
        cli_print("%lld events were lost: this side did not keep up", cli_control_number(object, "count"));
    cli_print("\n");
}

static void take_line(struct monitor *monitor, const json_t *object) {
    if (json_object_get(object, "monitoring")) {
        cli_error("monitoring %s", kith_socket_last_endpoint(monitor->socket));
        return;
    }
    if (json_object_get(object, "error") && !json_object_get(object, "event")) {
        cli_error("%s", cli_control_word(object, "text"));
        finish(monitor, CLI_ERROR);
        return;
    }
    const char *name = cli_control_word(object, "event");
    bool wanted = !monitor->event || strncmp(name, monitor->event, strlen(monitor->event)) == 0 || strcmp(name, "lost") == 0;
    if (!wanted)
        return;
    if (monitor->json)
        (void)cli_json_print(object);
    else
        print_text(object);
    if (++monitor->seen == monitor->count)
        finish(monitor, CLI_OK);
}

static void on_message(kith_socket *socket, kith_msg *msg, void *userdata) {
    struct monitor *monitor = userdata;
    size_t size;
    const char *text = (const char *)kith_msg_frame(msg, kith_msg_count(msg) - 1, &size);
    json_auto_t *object = monitor->status < 0 ? json_loadb(text, size, 0, NULL) : NULL;
    if (object)
        take_line(monitor, object);
    kith_msg_free(msg);
}

static void ask(struct monitor *monitor) {
    static const char request[] = "{\"op\":\"monitor\"}";
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0)
        r = kith_msg_add(msg, NULL, 0);
    if (r >= 0)
        r = kith_msg_add(msg, request, sizeof(request) - 1);
    if (r >= 0)
        r = kith_socket_send(monitor->socket, msg, 0);
    if (r >= 0) {
        KITH_STEAL(msg);
        monitor->asked = true;
        return;
    }
    cli_error("cannot ask: %s", kith_error_name(r));
    finish(monitor, CLI_ERROR);
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct monitor *monitor = userdata;
    if (monitor->status >= 0) /* what comes of that is not the reason */
        return;
    switch (event->type) {
    case KITH_EVENT_CONNECTED:
        ask(monitor);
        break;
    case KITH_EVENT_REFUSED:
    case KITH_EVENT_HANDSHAKE_FAILED:
        cli_error("%s", event->text);
        finish(monitor, event->error == -EACCES ? CLI_REFUSED : CLI_ERROR);
        break;
    case KITH_EVENT_DISCONNECTED:
        cli_error("the gateway has gone: %s", event->text);
        finish(monitor, CLI_ERROR);
        break;
    case KITH_EVENT_RETRY:
        if (!monitor->asked) {
            cli_error("%s: %s: %s", event->endpoint, cli_control_unreached(event->error), kith_error_name(event->error));
            finish(monitor, event->error == -EACCES ? CLI_REFUSED : CLI_ERROR);
        }
        break;
    default:
        break;
    }
}

static int watch(struct monitor *monitor, const char *endpoint, struct kith_error *error) {
    static const struct kith_socket_handler handler = {.message = on_message, .event = on_event};
    int r = kith_loop_new(&monitor->loop);
    if (r >= 0)
        r = kith_socket_new(monitor->loop, KITH_DEALER, &monitor->socket);
    if (r < 0)
        return kith_error_set(error, r, "cannot start: %s", kith_error_name(r));
    kith_socket_set_handler(monitor->socket, &handler, monitor);
    r = kith_socket_connect(monitor->socket, endpoint, error);
    if (r < 0)
        return r;
    while (r >= 0 && monitor->status < 0)
        r = kith_loop_run(monitor->loop);
    return r < 0 ? kith_error_set(error, r, "the loop ended: %s", kith_error_name(r)) : 0;
}

static void monitor_deinit(struct monitor *monitor) {
    kith_socket_free(monitor->socket);
    kith_loop_free(monitor->loop);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(monitor_deinit) struct monitor monitor = {.status = -1};
    char **words, text[CLI_CONTROL_ENDPOINT_MAX];
    int count, status = cli_options_parse(verb, argc, argv, take_option, &monitor, &words, &count);
    if (status != CLI_GO_ON)
        return status;
    if (count > 0)
        return cli_usage(verb, "%s: everything is monitored; --event chooses", words[0]);
    struct kith_error error = KITH_ERROR_NONE;
    const char *endpoint = cli_control_endpoint(monitor.control, text, &error);
    if (!endpoint || watch(&monitor, endpoint, &error) < 0)
        return cli_control_fail(&error);
    return monitor.status;
}

const struct cli_verb cli_monitor = {
    .name = "monitor",
    .summary = "show what happens at a running gateway: who comes, goes, is refused, loses messages",
    .usage = "[--event NAME] [-n N] [--control ENDPOINT] [--json]",
    .details =
        "A line an event, as it happens: when, where, whose connection, what. Lines that are not read in time are lost and counted; the\n"
        "gateway does not wait.",
    .options = options,
    .run = run,
};
