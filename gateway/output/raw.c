/*
 * gateway/output/raw.c: raw+tcp:// and raw+ipc://: framed messages over a stream, and nothing else.
 *
 * A host name is looked up with each try, and its addresses are tried in turn. The peer's end is the connection's end: who closes does not
 * want more, and half-closed peers are not waited for. What the peer writes is read and dropped, unless it is acks.
 *
 * What is delivered: octets handed to the kernel less those it still has (SIOCOUTQ). Over TCP these are the unacknowledged ones, also after
 * a reset. Over AF_UNIX they are counted as memory, so that only none at all says something; and a peer that closes with octets unread
 * frees them, so a connection that has hung up says nothing.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <kith/resolve.h>
#include <kith/socket.h>
#include <kith/stream.h>

#include "base/error.h"
#include "gateway/output/type.h"
#include "gateway/output/wire.h"

struct raw {
    struct output output; /* first */
    char *host;           /* a name to look up, or NULL: address */
    unsigned port;
    struct kith_address address;
    kith_resolve *request;
    struct kith_address *addresses; /* of the name; [next, count) are still to be tried */
    size_t count, next;
    kith_conn *conn;
    uint64_t delivered;
    struct output_octets octets; /* a message on its way to the connection */
    struct output_lines lines;
};

static struct raw *raw_of(struct output *output) {
    return KITH_CONTAINER_OF(output, struct raw, output);
}

static void raw_close(struct output *output) {
    struct raw *raw = raw_of(output);
    raw->request = kith_resolve_free(raw->request);
    raw->conn = kith_conn_free(raw->conn);
    free(KITH_STEAL(raw->addresses));
    raw->count = raw->next = 0;
    raw->delivered = 0;
    output_octets_clear(&raw->octets);
    output_lines_next(&raw->lines);
}

static void raw_deinit(struct output *output) {
    struct raw *raw = raw_of(output);
    output_octets_deinit(&raw->octets);
    free(raw->host);
}

/* Target ----------------------------------------------------------------------------------------------------------- */

/* HOST:PORT was checked. */
static int take_name(struct raw *raw, const char *rest) {
    const char *colon = strrchr(rest, ':');
    raw->host = strndup(rest, (size_t)(colon - rest));
    raw->port = (unsigned)strtoul(colon + 1, NULL, 10);
    return raw->host ? 0 : -ENOMEM;
}

/* The endpoint is the target without its "raw+". */
static int raw_parse(struct output *output, const char *rest, struct kith_error *ret_error) {
    struct raw *raw = raw_of(output);
    const char *endpoint = output->target + strlen("raw+");
    int r = kith_endpoint_check(endpoint, false, ret_error);
    if (r < 0)
        return r;
    if (kith_address_parse(endpoint, false, &raw->address, NULL) >= 0)
        return 0;
    r = take_name(raw, rest);
    return r < 0 ? kith_error_set(ret_error, r, "%s: out of memory", output->target) : 0;
}

/* Connection ------------------------------------------------------------------------------------------------------- */

static int try_next(struct raw *raw);

static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct raw *raw = userdata;
    const uint8_t *data = batch->slice.data;
    size_t size = batch->slice.size;
    uint64_t id, upto = 0;
    if (!raw->output.options.acks)
        return;
    while (output_lines_take(&raw->lines, &data, &size)) {
        if (output_line_id(raw->lines.text, &id) && id > upto)
            upto = id;
        output_lines_next(&raw->lines);
    }
    if (upto > 0)
        output_done(&raw->output, upto);
}

static void on_connected(kith_conn *conn, void *userdata) {
    output_up(userdata);
}

static void on_writable(kith_conn *conn, void *userdata) {
    output_room(userdata);
}

static void on_end(kith_conn *conn, void *userdata) {
    struct output *output = userdata;
    if (output->finishing)
        return; /* what kith_conn_drain() waits for */
    output_progress(output);
    if (output->state != OUTPUT_UP || output->finishing)
        return;
    raw_close(output);
    output_lost(output, -EPIPE, "the peer closed the connection");
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    struct raw *raw = userdata;
    struct output *output = &raw->output;
    bool finished = output->finishing;
    raw->conn = kith_conn_free(raw->conn);
    if (output->state == OUTPUT_OPENING && raw->next < raw->count && try_next(raw) >= 0)
        return;
    raw_close(output);
    if (finished)
        output_ended(output);
    else
        output_lost(output, error, "%s", error < 0 ? kith_error_name(error) : "the peer closed the connection");
}

static const struct kith_conn_ops conn_ops = {
    .data = on_data, .connected = on_connected, .writable = on_writable, .end = on_end, .closed = on_closed};

static int connect_to(struct raw *raw, const struct kith_address *address) {
    const struct output_options *options = &raw->output.options;
    const struct kith_net_options net = {.keepalive = 1, .keepalive_idle_s = 60, .keepalive_interval_s = 10, .keepalive_count = 6};
    /* The bound is on what is in flight: the connection's own mark never comes first. */
    struct kith_conn_options conn_options = {
        .high_mark = options->flight_octets + 2, .low_mark = 1, .connect_ms = options->connect_ms, .net = &net};
    return kith_conn_new_connect(raw->output.loop, address, &conn_options, &conn_ops, raw, &raw->conn);
}

/* Errors: of the last address. */
static int try_next(struct raw *raw) {
    int r = -ENODATA;
    while (raw->next < raw->count) {
        r = connect_to(raw, &raw->addresses[raw->next++]);
        if (r >= 0)
            return 0;
    }
    return r;
}

static void on_resolved(kith_resolve *request, const struct kith_address *addresses, size_t count, const struct kith_error *error,
                        void *userdata) {
    struct raw *raw = userdata;
    int r = error ? error->code : -ENOMEM;
    raw->request = kith_resolve_free(raw->request);
    if (!error)
        raw->addresses = calloc(count, sizeof(*addresses));
    if (raw->addresses) {
        memcpy(raw->addresses, addresses, count * sizeof(*addresses));
        raw->count = count;
        r = try_next(raw);
    }
    if (r >= 0)
        return;
    raw_close(&raw->output);
    output_lost(&raw->output, r, "%s", error ? error->text : kith_error_name(r));
}

static int raw_open(struct output *output, struct kith_error *ret_error) {
    struct raw *raw = raw_of(output);
    struct kith_resolve_options options = {.timeout_ms = output->options.connect_ms};
    int r = raw->host ? kith_resolve_new(output->loop, raw->host, raw->port, &options, on_resolved, raw, &raw->request)
                      : connect_to(raw, &raw->address);
    return r < 0 ? kith_error_set(ret_error, r, "%s", kith_error_name(r)) : 0;
}

/* Messages --------------------------------------------------------------------------------------------------------- */

static int raw_send(struct output *output, const struct output_message *message, struct kith_error *ret_error) {
    struct raw *raw = raw_of(output);
    output_octets_clear(&raw->octets);
    int r = output_wire_put(&raw->octets, &output->options, message);
    if (r < 0)
        return r;
    size_t size = output_octets_size(&raw->octets);
    r = kith_conn_write(raw->conn, raw->octets.data, size);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s", kith_error_name(r));
    output->octets += size;
    return 0;
}

static bool has_hung_up(int fd) {
    struct pollfd pollfd = {.fd = fd};
    return poll(&pollfd, 1, 0) != 0;
}

static int raw_delivered(struct output *output, uint64_t *ret_octets, struct kith_error *ret_error) {
    struct raw *raw = raw_of(output);
    uint64_t handed = output->octets - kith_conn_queued(raw->conn);
    int left = 0, fd = kith_conn_fd(raw->conn);
    if (fd >= 0 && ioctl(fd, SIOCOUTQ, &left) == 0) {
        uint64_t delivered = raw->address.storage.ss_family != AF_UNIX ? handed - (uint64_t)left : left > 0 || has_hung_up(fd) ? 0 : handed;
        /* An unacknowledged end counts as one octet. */
        if (delivered <= handed && delivered > raw->delivered)
            raw->delivered = delivered;
    }
    *ret_octets = raw->delivered;
    return 0;
}

static void raw_finish(struct output *output) {
    kith_conn_drain(raw_of(output)->conn, (int64_t)output->options.stop_ms);
}

const struct output_type output_type_raw = {
    .size = sizeof(struct raw),
    .parse = raw_parse,
    .open = raw_open,
    .send = raw_send,
    .delivered = raw_delivered,
    .finish = raw_finish,
    .close = raw_close,
    .deinit = raw_deinit,
};
