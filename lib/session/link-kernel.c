/*
 * session/link-kernel.c: a channel of a kernel module (kernel/channel.h): it is connected to, and tried again as any other endpoint.
 *
 * Who sends is the module, by the kernel's word; policy is asked about it as about any peer. A session receives or sends, by its socket's
 * type (enum kith_kernel_use). What ANSWERS receives has the request's number and an empty frame in front, as a REP wants its envelope;
 * what ASKS sends has an envelope that is kept here until the answer, of which there is one at a time.
 *
 * Acknowledging: datagrams on their way are a row of *marks*, each with the sequence it ended with and how many messages had been delivered
 * by then; what waits for the application is on the session's account. So a mark is passed when all before it was taken. With manual-ack
 * the application says so, of what it was handed; what it was not (denied, too large, of another topic) goes with what was before.
 *
 * The module's refusal comes when the loop reads it, as from a peer far away. Nothing is told inside a call that sends.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kernel/channel.h"
#include "loop/internal.h"
#include "session/acceptor.h"

KITH_DEFINE_CLEANUP(kith_msg *, kith_msg_free)

struct mark {
    uint64_t sequence;
    uint64_t delivered;
};

struct kith_kernel_link {
    struct kith_session *session;
    struct kith_kernel_channel *channel;
    struct kith_defer tell, settle;
    struct kith_error failure; /* to be told: it could not be opened */
    bool ended;                /* to be told: all is sent */
    unsigned unfit;            /* to be told: messages that no channel takes */
    uint32_t asked;            /* the number of the request that is not answered yet; 0: none */
    kith_msg *envelope;        /* of it */
    uint64_t delivered;        /* messages, of this connection */
    struct mark marks[KITH_WINDOW_MAX];
    unsigned first_mark, mark_count;
    /* manual-ack, sequences: the last message that the application is handed, and the one before; the end of the last batch; and what the
     * application, or the link when that has nothing before it, has acknowledged. */
    uint64_t handed, handed_before, told, dealt_with;
};

static bool receives(const struct kith_session *session) {
    return session->host->kernel_use == KITH_KERNEL_RECEIVES || session->host->kernel_use == KITH_KERNEL_ANSWERS;
}

/* Told from the loop ----------------------------------------------------------------------------------------------------- */

static void tell_refused(struct kith_session *session, int error, const char *why) {
    kith_session_tell(session, KITH_EVENT_REFUSED, error, 1, "the module refused a message: %s", why);
    if (session->state != KITH_SESSION_CLOSED)
        session->host->ops->refused(session, -EACCES, session->host->userdata);
}

static void tell_unfit(struct kith_session *session) {
    session->kernel->unfit = 0;
    session->kernel->asked = 0;
    tell_refused(session, -EMSGSIZE, "a channel takes messages of one frame, of at most 61440 octets");
}

static unsigned kernel_tell(struct kith_defer *defer) {
    struct kith_kernel_link *link = KITH_CONTAINER_OF(defer, struct kith_kernel_link, tell);
    struct kith_session *session = kith_session_ref(link->session);
    struct kith_error failure = link->failure;
    bool ended = link->ended;
    if (link->unfit > 0)
        tell_unfit(session);
    if (failure.code == -EPERM && session->state == KITH_SESSION_CONNECTING)
        session->host->ops->refused(session, -EACCES, session->host->userdata);
    if (failure.code < 0 && session->state == KITH_SESSION_CONNECTING)
        kith_session_fail(session, failure.code, failure.text);
    else if (ended && session->state == KITH_SESSION_DRAINING)
        kith_session_fail(session, 0, "all is sent");
    kith_session_unref(session);
    return 1;
}

/* In --------------------------------------------------------------------------------------------------------------------- */

static bool manual(const struct kith_session *session) {
    return session->profile->numbers[KITH_OPTION_MANUAL_ACK] != 0;
}

/* What cannot be said would be waited for: the connection ends, and what was not acknowledged comes again. */
static void acknowledge(struct kith_session *session, uint64_t sequence) {
    int r = kith_kernel_channel_acknowledge(session->kernel->channel, sequence);
    if (r < 0)
        kith_session_break(session, r);
}

/* With manual-ack: what the application is not handed, when it has dealt with all before. */
static void settle_the_rest(struct kith_session *session) {
    struct kith_kernel_link *link = session->kernel;
    if (link->dealt_with < link->handed || link->told <= link->dealt_with)
        return;
    link->dealt_with = link->told;
    acknowledge(session, link->told);
}

/* Acknowledges all that was taken. */
static void settle(struct kith_session *session) {
    struct kith_kernel_link *link = session->kernel;
    if (manual(session)) {
        link->mark_count = 0;
        settle_the_rest(session);
        return;
    }
    uint64_t taken = link->delivered - session->account->messages, sequence = 0;
    for (; link->mark_count > 0 && link->marks[link->first_mark].delivered <= taken; link->mark_count--) {
        sequence = link->marks[link->first_mark].sequence;
        link->first_mark = (link->first_mark + 1) % KITH_WINDOW_MAX;
    }
    if (sequence > 0)
        acknowledge(session, sequence);
}

/* Once a step of the loop: an acknowledgement is a request of its own. */
static unsigned kernel_settle(struct kith_defer *defer) {
    settle(KITH_CONTAINER_OF(defer, struct kith_kernel_link, settle)->session);
    return 0;
}

static void on_given(void *owner) {
    struct kith_session *session = owner;
    if (session->kernel && session->kernel->channel)
        settle(session);
}

static int make_message(const struct kith_session *session, const struct kith_message_header *header, const void *data,
                        kith_msg **ret_msg) {
    _cleanup_(kith_msg_freep) kith_msg *msg = NULL;
    int r = kith_msg_new(&msg);
    if (r >= 0 && session->host->kernel_use == KITH_KERNEL_ANSWERS) {
        r = kith_msg_add(msg, &header->request, sizeof(header->request));
        if (r >= 0)
            r = kith_msg_add(msg, NULL, 0);
    }
    if (r >= 0)
        r = kith_msg_add(msg, data, header->size);
    if (r < 0)
        return r;
    msg->origin = kith_origin_ref(session->origin);
    msg->sequence = kith_kernel_channel_numbers(session->kernel->channel) ? header->sequence : 0;
    msg->time = header->time;
    msg->again = (header->flags & KITH_MESSAGE_AGAIN) != 0;
    msg->receipt = (struct kith_receipt){.connection = session->connection, .sequence = header->sequence};
    *ret_msg = KITH_STEAL(msg);
    return 0;
}

/* A message for which there is no memory must not be acknowledged: it comes again. */
static void kernel_receive(struct kith_session *session, const struct kith_message_header *header, const void *data) {
    kith_msg *msg;
    session->kernel->delivered++;
    if (!kith_session_judge_send(session, data, header->size, header->size, NULL))
        return;
    if (session->host->kernel_use == KITH_KERNEL_ANSWERS && header->request == 0) {
        kith_session_tell(session, KITH_EVENT_DROPPED, -EPROTO, 1,
                          "a message was dropped: its module waits for no answer, and this socket answers");
        return;
    }
    if (header->size + KITH_FRAME_COST > (uint64_t)session->profile->numbers[KITH_OPTION_MAX_MESSAGE]) {
        kith_session_tell(session, KITH_EVENT_DROPPED, -EMSGSIZE, 1, "a message was dropped: it exceeds max-message");
        return;
    }
    int r = make_message(session, header, data, &msg);
    if (r < 0) {
        kith_session_fail(session, r, kith_error_name(r));
        return;
    }
    session->kernel->handed_before = session->kernel->handed;
    session->kernel->handed = header->sequence;
    kith_session_deliver(session, msg);
}

static void kernel_passed_over(struct kith_session *session) {
    session->kernel->handed = session->kernel->handed_before;
}

static void on_message(struct kith_kernel_channel *channel, const struct kith_message_header *header, const void *data, void *userdata) {
    (void)channel;
    struct kith_session *session = userdata;
    if (session->state != KITH_SESSION_READY)
        return;
    kith_session_ref(session);
    kith_session_heard(session);
    kernel_receive(session, header, data);
    kith_session_unref(session);
}

static void on_batch(struct kith_kernel_channel *channel, uint64_t last_sequence, void *userdata) {
    (void)channel;
    struct kith_session *session = userdata;
    struct kith_kernel_link *link = session->kernel;
    if (session->state != KITH_SESSION_READY)
        return;
    link->told = last_sequence;
    if (link->mark_count == KITH_WINDOW_MAX) /* more than any window: what is behind stands for what is before */
        link->mark_count--;
    link->marks[(link->first_mark + link->mark_count++) % KITH_WINDOW_MAX] =
        (struct mark){.sequence = last_sequence, .delivered = link->delivered};
    kith_loop_defer(session->host->loop, &link->settle);
}

/* The request's answer: behind its envelope. */
static void deliver_answer(struct kith_session *session, const void *data, size_t size) {
    struct kith_kernel_link *link = session->kernel;
    kith_msg *msg = KITH_STEAL(link->envelope);
    link->asked = 0;
    if (session->state != KITH_SESSION_READY || !msg || !kith_session_judge_send(session, data, size, size, NULL)) {
        kith_msg_free(msg);
        return;
    }
    int r = kith_msg_add(msg, data, size);
    if (r < 0) {
        kith_msg_free(msg);
        kith_session_fail(session, r, kith_error_name(r));
        return;
    }
    msg->origin = kith_origin_ref(session->origin);
    kith_session_deliver(session, msg);
}

static void on_reply(struct kith_kernel_channel *channel, uint32_t number, const void *data, size_t size, void *userdata) {
    (void)channel;
    struct kith_session *session = userdata;
    if (number != session->kernel->asked || session->kernel->asked == 0)
        return;
    kith_session_ref(session);
    kith_session_heard(session);
    deliver_answer(session, data, size);
    kith_session_unref(session);
}

/* A request that the module took and did not answer is answered by an empty message: nothing else will come. */
static void on_result(struct kith_kernel_channel *channel, uint32_t number, int error, const char *text, void *userdata) {
    (void)channel;
    struct kith_session *session = userdata;
    bool asked = number == session->kernel->asked && number != 0;
    if (session->state != KITH_SESSION_READY || (receives(session) && session->host->kernel_use != KITH_KERNEL_ANSWERS))
        return; /* of an acknowledgement: what was not taken comes again */
    kith_session_ref(session);
    if (error < 0) {
        session->kernel->asked = asked ? 0 : session->kernel->asked;
        tell_refused(session, error, text ? text : kith_error_name(error));
    } else if (asked) {
        deliver_answer(session, NULL, 0);
    }
    kith_session_unref(session);
}

static void on_closed(struct kith_kernel_channel *channel, int error, const char *why, void *userdata) {
    (void)channel;
    kith_session_fail(userdata, error, why);
}

static const struct kith_kernel_ops channel_ops = {
    .message = on_message,
    .batch = on_batch,
    .reply = on_reply,
    .result = on_result,
    .closed = on_closed,
};

/* With the last one that the application was handed goes what it was not handed behind that. */
static int kernel_acknowledge(struct kith_session *session, uint64_t sequence) {
    struct kith_kernel_link *link = session->kernel;
    uint64_t upto = sequence >= link->handed && sequence < link->told ? link->told : sequence;
    int r = kith_kernel_channel_acknowledge(link->channel, upto);
    if (r >= 0 && upto > link->dealt_with)
        link->dealt_with = upto;
    return r;
}

static void kernel_set_reading(struct kith_session *session, bool reading) {
    if (session->kernel && session->kernel->channel)
        kith_kernel_channel_set_reading(session->kernel->channel, reading);
}

/* Out -------------------------------------------------------------------------------------------------------------------- */

/* The one frame behind the envelope; NULL: there is another number of them. */
static const struct kith_frame *body_of(const kith_msg *msg, enum kith_kernel_use use) {
    size_t before = 0;
    if (use != KITH_KERNEL_SENDS) {
        while (before < msg->count && kith_msg_at(msg, before)->slice.size > 0)
            before++;
        before++;
    }
    return msg->count == before + 1 ? kith_msg_at(msg, before) : NULL;
}

/* Frames of the envelope are kept, for the answer. Errors: -ENOMEM. */
static int keep_envelope(struct kith_kernel_link *link, const kith_msg *msg) {
    _cleanup_(kith_msg_freep) kith_msg *envelope = NULL;
    int r = kith_msg_new(&envelope);
    for (size_t i = 0; r >= 0 && i + 1 < msg->count; i++)
        r = kith_msg_add_slice(envelope, kith_frame_slice(kith_msg_at(msg, i)));
    if (r < 0)
        return r;
    kith_msg_free(link->envelope);
    link->envelope = KITH_STEAL(envelope);
    return 0;
}

static int send_body(struct kith_session *session, const kith_msg *msg, const void *data, size_t size) {
    struct kith_kernel_link *link = session->kernel;
    uint32_t number, request;
    const struct kith_frame *first = kith_msg_at(msg, 0);
    switch (session->host->kernel_use) {
    case KITH_KERNEL_ASKS: {
        int r = keep_envelope(link, msg);
        return r < 0 ? r : kith_kernel_channel_send(link->channel, data, size, true, &link->asked);
    }
    case KITH_KERNEL_ANSWERS:
        if (first->slice.size != sizeof(request))
            return 0; /* of no request that came from here */
        memcpy(&request, kith_frame_data(first), sizeof(request));
        return kith_kernel_channel_reply(link->channel, request, data, size, &number);
    default:
        return kith_kernel_channel_send(link->channel, data, size, false, &number);
    }
}

static int kernel_write(struct kith_session *session, const kith_msg *msg) {
    struct kith_kernel_link *link = session->kernel;
    const struct kith_frame *body = body_of(msg, session->host->kernel_use);
    int r = body ? send_body(session, msg, kith_frame_data(body), body->slice.size) : -EMSGSIZE;
    if (r == -EMSGSIZE) {
        link->unfit++;
        kith_loop_defer(session->host->loop, &link->tell);
        return 0;
    }
    return r == -ENOBUFS ? -ENOMEM : r;
}

/* A SUB looks itself at what its topics match; the module knows nothing of them. */
static int kernel_command(struct kith_session *session, enum kith_session_command command, const void *octets, size_t size) {
    (void)session, (void)command, (void)octets, (void)size;
    return 0;
}

static void kernel_flush(struct kith_session *session) {
    (void)session;
}

static bool kernel_spoken(const struct kith_session *session) {
    (void)session;
    return true;
}

static void kernel_end(struct kith_session *session) {
    session->kernel->ended = true;
    kith_loop_defer(session->host->loop, &session->kernel->tell);
}

/* Life ------------------------------------------------------------------------------------------------------------------- */

static int kernel_listen(struct kith_acceptor *acceptor, const struct kith_endpoint *endpoint, struct kith_error *ret_error) {
    (void)acceptor, (void)endpoint;
    return kith_error_set(ret_error, -EOPNOTSUPP, "a channel is opened by a kernel module: connect to it instead of binding");
}

static void kernel_unlisten(struct kith_acceptor *acceptor) {
    (void)acceptor;
}

static int kernel_connect(struct kith_session *session) {
    static atomic_uint_fast64_t connections = 1;
    const struct kith_kernel_options options = {.join = receives(session),
                                                .ring = (unsigned)session->profile->numbers[KITH_OPTION_KERNEL_RING],
                                                .receive_buffer = (int)session->profile->numbers[KITH_OPTION_RECV_BUFFER]};
    struct kith_kernel_link *link = calloc(1, sizeof(*link));
    if (!link)
        return -ENOMEM;
    link->session = session;
    kith_defer_init(&link->tell, kernel_tell);
    kith_defer_init(&link->settle, kernel_settle);
    session->kernel = link;
    session->connection = atomic_fetch_add(&connections, 1);
    int r = kith_kernel_channel_new(session->host->loop, session->place->endpoint.name, &options, &channel_ops, session, &link->channel,
                                    &link->failure);
    if (r < 0)
        kith_loop_defer(session->host->loop, &link->tell);
    else
        kith_session_connected(session);
    return 0;
}

static int kernel_begin(struct kith_session *session) {
    const char *module = kith_kernel_channel_module(session->kernel->channel);
    int r = kith_origin_new(&session->origin);
    if (r >= 0 && module[0] != '\0')
        r = kith_origin_set_text(session->origin, KITH_FACT_MODULE, module, KITH_WITNESS_KERNEL_MESSAGE);
    if (r < 0)
        return r;
    session->account->given = on_given;
    if (!kith_session_judge_connect(session)) {
        if (session->state != KITH_SESSION_CLOSED)
            kith_session_fail(session, -EACCES, "denied by policy");
        return 0;
    }
    kith_session_reached_ready(session);
    return 0;
}

static void kernel_close(struct kith_session *session) {
    struct kith_kernel_link *link = session->kernel;
    if (!link)
        return;
    kith_defer_cancel(&link->tell);
    kith_defer_cancel(&link->settle);
    link->channel = kith_kernel_channel_free(link->channel);
}

static void kernel_drop(struct kith_session *session) {
    kernel_close(session);
    if (session->kernel)
        kith_msg_free(session->kernel->envelope);
    free(session->kernel);
    session->kernel = NULL;
    session->connection = 0;
}

const struct kith_link kith_link_kernel = {
    .name = "kernel",
    .listen = kernel_listen,
    .unlisten = kernel_unlisten,
    .connect = kernel_connect,
    .begin = kernel_begin,
    .write = kernel_write,
    .command = kernel_command,
    .flush = kernel_flush,
    .set_reading = kernel_set_reading,
    .acknowledge = kernel_acknowledge,
    .passed_over = kernel_passed_over,
    .spoken = kernel_spoken,
    .end = kernel_end,
    .close = kernel_close,
    .drop = kernel_drop,
};
