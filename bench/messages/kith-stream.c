/* bench/messages/kith-stream.c: kith/stream.h alone, for what a connection costs below the messages: octets go back as they come. */
#include <errno.h>
#include <stdlib.h>

#include <kith/loop.h>
#include <kith/stream.h>

#include "bench/messages/contestant.h"

struct end {
    kith_loop *loop;
    kith_listener *listener;
    bool identity;
};

static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct end *end = userdata;
    bool identified = !end->identity || (batch->sender.known && batch->sender.pid > 0);
    if (!identified || kith_conn_write(conn, batch->slice.data, batch->slice.size) < 0)
        kith_conn_free(conn);
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    (void)error;
    (void)userdata;
    kith_conn_free(conn);
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    static const struct kith_conn_ops ops = {.data = on_data, .closed = on_closed};
    const struct end *end = userdata;
    const struct kith_conn_options options = {.identity = end->identity};
    kith_conn *conn;
    return kith_conn_new_accepted(listener, fd, &options, &ops, userdata, &conn);
}

static int end_open(const struct setup *setup, bool serving, struct end **ret_end) {
    static const struct kith_listener_ops ops = {.accept = on_accept};
    struct end *end = calloc(1, sizeof(*end));
    if (!end || !serving)
        return end ? -ENOTSUP : -ENOMEM;
    *end = (struct end){.identity = !setup->tcp};
    *ret_end = end;
    const struct kith_listener_options options = {.identity = end->identity};
    struct kith_address address;
    int r = kith_address_parse(setup->endpoint, true, &address, NULL);
    if (r == 0)
        r = kith_loop_new(&end->loop);
    return r < 0 ? r : kith_listener_new(end->loop, &address, &options, &ops, end, &end->listener, NULL);
}

static int end_answer(struct end *end) {
    return kith_loop_run(end->loop);
}

const struct contestant_ops contestant_kith_stream = {.open = end_open, .answer = end_answer};
