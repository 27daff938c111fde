/* cli/control.c: see control.h. */
#include "cli/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kith/socket.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "gateway/cleanup.h"
#include "gateway/config.h"

#define TIMEOUT_MS 5000

struct asking {
    kith_loop *loop;
    kith_socket *socket;
    char problem[KITH_ERROR_TEXT_MAX]; /* the last one that was told */
    int error;                         /* of that */
    bool over;                         /* and there is nothing to wait for */
};

const char *cli_control_endpoint(const char *given, char text[static CLI_CONTROL_ENDPOINT_MAX], struct kith_error *ret_error) {
    if (given)
        return given;
    return gateway_config_default_control(text, CLI_CONTROL_ENDPOINT_MAX, ret_error) < 0 ? NULL : text;
}

const char *cli_control_unreached(int error) {
    return error == -EACCES ? "may not be asked" : "nobody to ask";
}

static void on_event(kith_socket *socket, const struct kith_event *event, void *userdata) {
    struct asking *asking = userdata;
    if (event->type == KITH_EVENT_CONNECTED || event->type == KITH_EVENT_HANDSHAKING)
        return;
    if (asking->over) /* what comes of it is not the reason */
        return;
    if (event->type == KITH_EVENT_RETRY)
        snprintf(asking->problem, sizeof(asking->problem), "%s: %s", cli_control_unreached(event->error), kith_error_name(event->error));
    else
        snprintf(asking->problem, sizeof(asking->problem), "%s", event->text);
    if (event->error < 0 && event->error != -EAGAIN)
        asking->error = event->error;
    asking->over |= event->type == KITH_EVENT_REFUSED || event->type == KITH_EVENT_HANDSHAKE_FAILED ||
                    (event->type == KITH_EVENT_RETRY && event->error != -EAGAIN);
    if (asking->over)
        kith_loop_stop(asking->loop);
}

static int send_and_receive(struct asking *asking, const char *endpoint, const char *text, kith_msg **ret_reply, struct kith_error *error) {
    static const struct kith_socket_handler handler = {.event = on_event};
    _cleanup_(kith_msg_freep) kith_msg *request = NULL;
    int r = kith_loop_new(&asking->loop);
    if (r >= 0)
        r = kith_socket_new(asking->loop, KITH_REQ, &asking->socket);
    if (r >= 0)
        r = kith_msg_new(&request);
    if (r >= 0)
        r = kith_msg_add(request, text, strlen(text));
    if (r < 0)
        return kith_error_set(error, r, "cannot start: %s", kith_error_name(r));
    kith_socket_set_handler(asking->socket, &handler, asking);
    r = kith_socket_connect(asking->socket, endpoint, error);
    if (r < 0)
        return r;
    r = kith_socket_send(asking->socket, request, TIMEOUT_MS);
    if (r >= 0) {
        KITH_STEAL(request);
        r = kith_socket_recv(asking->socket, ret_reply, TIMEOUT_MS);
    }
    if (r == -EAGAIN && !asking->problem[0])
        return kith_error_set(error, r, "%s: no answer within %d ms: is it a gateway's?", endpoint, TIMEOUT_MS);
    if (r < 0 && asking->over && asking->error < 0)
        r = asking->error;
    return r < 0 ? kith_error_set(error, r, "%s: %s", endpoint, asking->problem[0] ? asking->problem : kith_error_name(r)) : 0;
}

static void asking_deinit(struct asking *asking) {
    kith_socket_free(asking->socket);
    kith_loop_free(asking->loop);
}

int cli_control_ask(const char *endpoint, const char *request, json_t **ret_object, struct kith_error *ret_error) {
    _cleanup_(asking_deinit) struct asking asking = {.loop = NULL};
    _cleanup_(kith_msg_freep) kith_msg *reply = NULL;
    int r = send_and_receive(&asking, endpoint, request, &reply, ret_error);
    if (r < 0)
        return r;
    size_t size;
    const char *text = (const char *)kith_msg_frame(reply, 0, &size);
    json_auto_t *object = json_loadb(text, size, 0, NULL);
    if (!json_is_object(object))
        return kith_error_set(ret_error, -EBADMSG,
                              "%s: what answers there is no gateway's control socket: write control = {...} (kith.conf(5))", endpoint);
    if (json_is_string(json_object_get(object, "error")))
        return kith_error_set(ret_error, strcmp(cli_control_word(object, "error"), "ENOENT") == 0 ? -ENOENT : -EINVAL, "%s",
                              cli_control_word(object, "text"));
    *ret_object = json_incref(object);
    return 0;
}

int cli_control_fail(const struct kith_error *error) {
    (void)cli_fail(error);
    return error->code == -EACCES ? CLI_REFUSED : error->code == -EAGAIN ? CLI_TIMEOUT : CLI_ERROR;
}

const char *cli_control_word(const json_t *object, const char *name) {
    static char buffers[8][512];
    static size_t next;
    const char *value = json_string_value(json_object_get(object, name));
    char *buffer = buffers[next++ % KITH_ARRAY_SIZE(buffers)];
    struct kith_text text = kith_text_init(buffer, sizeof(buffers[0]));
    kith_text_put_printable(&text, value ? value : "", value ? strlen(value) : 0);
    return buffer;
}

long long cli_control_number(const json_t *object, const char *name) {
    return (long long)json_integer_value(json_object_get(object, name));
}
