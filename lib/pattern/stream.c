/*
 * pattern/stream.c: STREAM: octets of peers that speak any protocol over a stream, such as TCP, each with a routing id that is given to it.
 *
 * A message is [id, octets]. Received with no octets: the peer has come or gone (option stream-notify); sent with none: the connection ends
 * when all before is sent. To an id that is unknown, or has gone, sending says
 * -EHOSTUNREACH, to a full peer -EAGAIN; nothing is dropped.
 */
#include <errno.h>

#include "pattern/by-id.h"

struct stream {
    struct kith_pattern base;
    struct kith_by_id by_id;
};

static void stream_deinit(struct kith_pattern *pattern) {
    kith_by_id_deinit(&((struct stream *)pattern)->by_id, pattern);
}

static int stream_attach(struct kith_pattern *pattern, struct kith_session *session) {
    return kith_by_id_number(&((struct stream *)pattern)->by_id, session);
}

static void stream_receive(struct kith_pattern *pattern, struct kith_session *session, kith_msg *msg) {
    if (kith_msg_prepend(msg, session->routing_id, session->routing_id_size) < 0)
        kith_pattern_drop(session, msg, "out of memory");
    else
        kith_pattern_received(pattern, msg);
}

/* The peer has come or gone. Its message is charged to nobody: it is at most one each. */
static void stream_notify(struct kith_pattern *pattern, struct kith_session *session) {
    kith_msg *msg;
    if (session->profile->numbers[KITH_OPTION_STREAM_NOTIFY] == 0 || kith_pattern_new_msg(session, NULL, 0, &msg) < 0)
        return;
    stream_receive(pattern, session, msg);
}

static void stream_forget(struct kith_pattern *pattern, struct kith_session *session) {
    kith_by_id_remove(&((struct stream *)pattern)->by_id, session);
}

static void stream_detach(struct kith_pattern *pattern, struct kith_session *session) {
    stream_forget(pattern, session);
    stream_notify(pattern, session);
}

static int stream_send(struct kith_pattern *pattern, kith_msg *msg) {
    if (msg->count != 2)
        return -EINVAL;
    const struct kith_frame *id = kith_msg_at(msg, 0);
    struct kith_session *session = kith_by_id_find(&((struct stream *)pattern)->by_id, kith_frame_data(id), id->slice.size);
    if (!session)
        return -EHOSTUNREACH;
    if (kith_msg_at(msg, 1)->slice.size > 0)
        return kith_by_id_pass(pattern, session, msg);
    kith_msg_free(msg);
    kith_pattern_let_go(pattern, session);
    kith_session_drain(session, session->profile->numbers[KITH_OPTION_LINGER]);
    return 0;
}

const struct kith_pattern_ops kith_pattern_stream = {
    .name = "STREAM",
    .size = sizeof(struct stream),
    .raw = true,
    .deinit = stream_deinit,
    .attach = stream_attach,
    .attached = stream_notify,
    .detach = stream_detach,
    .forget = stream_forget,
    .receive = stream_receive,
    .send = stream_send,
};
