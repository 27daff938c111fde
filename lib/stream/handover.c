/*
 * The old process of a hot restart. The new one is takeover.c; what they say to each other is in record.h, octet by octet, and exchange.c
 * carries it.
 *
 * Phases: IDLE (nobody asks) -> ASKED (somebody is connected and has to say HELLO) -> OFFERED (the listeners are sent; he has to say READY)
 * -> GIVING (his: connections are being sent) -> OVER. Whatever goes wrong before GIVING leads back to IDLE and nothing has changed: the
 * listeners have been accepting all the time. READY is the one moment in which all changes: it is acted on in one piece, and whoever is
 * gone again by then has not taken over.
 *
 * Invariants: fd and io are there exactly in ASKED, OFFERED and GIVING; the listener of the address until GIVING; LISTENER records in `out`
 * name descriptors of listeners, so a change of listeners ends an attempt.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/time.h"
#include "loop/internal.h"
#include "stream/exchange.h"
#include "stream/internal.h"
#include "stream/listener.h"

#define TIMEOUT_DEFAULT_MS 30000

enum phase {
    PHASE_IDLE,
    PHASE_ASKED,
    PHASE_OFFERED,
    PHASE_GIVING,
    PHASE_OVER,
};

struct offer {
    struct kith_list link;
    kith_listener *listener;
    char name[KITH_INHERITED_NAME_MAX + 1];
};

struct kith_handover {
    unsigned refs;
    bool closed;
    pid_t owner; /* a child process of fork() must not speak for its parent */
    enum phase phase;
    kith_loop *loop;
    kith_listener *listener; /* at the address of the handover */
    struct kith_list offers;
    size_t offer_count;
    uint64_t timeout_ms;
    uint64_t failures;
    const struct kith_handover_ops *ops;
    void *userdata;
    kith_timer *timer;

    /* The process that is just taking over. */
    int fd;
    kith_io *io;
    struct kith_sender taker;
    struct kith_record_in in;
    struct kith_list out;
    bool taking; /* inside `taken` */
    uint32_t state_version;
    uint32_t given; /* connections */
};

KITH_DEFINE_CLEANUP(kith_handover *, kith_handover_free)

static void release(kith_handover *handover) {
    if (--handover->refs == 0)
        free(handover);
}

/* A callback has freed the handover or the loop: nothing more may be touched. */
static bool is_gone(const kith_handover *handover) {
    return handover->closed || kith_timer_inert(handover->timer);
}

/* Ends of an attempt ------------------------------------------------------------------------------------------------------ */

static void clear_out(kith_handover *handover) {
    struct kith_record_out *out;
    while ((out = kith_list_first(&handover->out, struct kith_record_out, link)))
        kith_record_out_free(out);
}

static bool is_asked(const kith_handover *handover) {
    return handover->phase == PHASE_ASKED || handover->phase == PHASE_OFFERED;
}

static void hang_up(kith_handover *handover) {
    handover->io = kith_io_free(handover->io);
    handover->fd = kith_close(handover->fd);
    kith_record_in_reset(&handover->in);
    clear_out(handover);
    kith_timer_disarm(handover->timer);
}

static void tell_failed(kith_handover *handover, const struct kith_sender *taker, const struct kith_error *error) {
    handover->failures++;
    if (handover->ops->failed)
        handover->ops->failed(handover, taker, error, handover->userdata);
}

/* Tells the new process why, unless it was given half a record, and goes on as before it came. Without a word it would believe that we are
 * gone, if it has just said READY. */
static void turn_away(kith_handover *handover, const struct kith_error *error) {
    const struct kith_record_out *out = kith_list_first(&handover->out, struct kith_record_out, link);
    if (!out || out->sent == 0)
        kith_record_cancel(handover->fd, error->code, error->text);
    hang_up(handover);
    handover->phase = PHASE_IDLE;
}

static void __attribute__((format(printf, 3, 4))) fail(kith_handover *handover, int code, const char *format, ...) {
    struct kith_error error;
    va_list args;
    va_start(args, format);
    kith_error_vset(&error, code, format, args);
    va_end(args);
    struct kith_sender taker = handover->taker;
    turn_away(handover, &error);
    tell_failed(handover, &taker, &error);
}

static void complete(kith_handover *handover, int error) {
    hang_up(handover);
    handover->phase = PHASE_OVER;
    if (handover->ops->completed)
        handover->ops->completed(handover, error, handover->userdata);
}

/* What went wrong with the socket, or with what came from it. */
static void broken(kith_handover *handover, int error) {
    if (handover->phase == PHASE_GIVING)
        complete(handover, error == -ENODATA ? -EPIPE : error);
    else if (error == -ENODATA || error == -ECONNRESET || error == -EPIPE)
        fail(handover, -ECONNRESET, "pid %d was taking over and closed before it served", (int)handover->taker.pid);
    else if (error == -EPROTONOSUPPORT)
        fail(handover, error, "pid %d speaks another version of the handover protocol than %d", (int)handover->taker.pid,
             KITH_RECORD_VERSION);
    else
        fail(handover, error, "pid %d was taking over: %s", (int)handover->taker.pid, kith_error_name(error));
}

/* Octets out ------------------------------------------------------------------------------------------------------------- */

static void queue(kith_handover *handover, struct kith_record_out *out) {
    kith_list_push_back(&handover->out, &out->link);
}

/* Sends what the kernel takes. Returns 0, or a negative errno. */
static int flush(kith_handover *handover) {
    struct kith_record_out *out;
    while ((out = kith_list_first(&handover->out, struct kith_record_out, link))) {
        int r = kith_record_send(handover->fd, out);
        if (r < 0)
            return r;
        if (r == 0)
            break;
        kith_record_out_free(out);
    }
    return kith_io_set_events(handover->io, KITH_IO_READ | (out ? KITH_IO_WRITE : 0));
}

static int queue_offer(kith_handover *handover, const struct offer *offer) {
    const struct kith_bound_path *path = kith_listener_path(offer->listener);
    struct kith_record_listener listener = {0};
    struct kith_record_out *out;
    bool held = kith_bound_path_held(path);
    strcpy(listener.name, offer->name);
    if (held) {
        strcpy(listener.path, path->name);
        listener.device = path->device;
        listener.inode = path->inode;
    }
    int r = kith_record_new_listener(&listener, kith_listener_fd(offer->listener), held ? path->dirfd : -1, &out);
    if (r == 0)
        queue(handover, out);
    return r;
}

static int queue_number(kith_handover *handover, enum kith_record_type type, uint32_t number) {
    struct kith_record_out *out;
    int r = kith_record_new_number(type, number, &out);
    if (r == 0)
        queue(handover, out);
    return r;
}

/* Records in ------------------------------------------------------------------------------------------------------------- */

static void on_hello(kith_handover *handover) {
    int r = handover->ops->asked ? handover->ops->asked(handover, &handover->taker, handover->userdata) : 0;
    if (is_gone(handover) || handover->phase != PHASE_ASKED) /* or the listeners were changed */
        return;
    if (r < 0) {
        fail(handover, r, "pid %d may not take over: %s", (int)handover->taker.pid, kith_error_name(r));
        return;
    }
    handover->phase = PHASE_OFFERED;
    kith_list_foreach (&handover->offers, node) {
        if (r == 0)
            r = queue_offer(handover, kith_list_entry(node, struct offer, link));
    }
    if (r == 0)
        r = queue_number(handover, KITH_RECORD_END, (uint32_t)handover->offer_count);
    if (r == 0)
        r = flush(handover);
    if (r < 0)
        broken(handover, r);
}

static bool peer_has_closed(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, 0) > 0;
}

static void forget_offers(kith_handover *handover) {
    struct offer *offer;
    while ((offer = kith_list_first(&handover->offers, struct offer, link))) {
        kith_list_unlink(&offer->link);
        free(offer);
    }
    handover->offer_count = 0;
}

/* Their `accept` may free any of them, and the handover. */
static void retire_listeners(kith_handover *handover) {
    struct offer *offer;
    while (!is_gone(handover) && (offer = kith_list_first(&handover->offers, struct offer, link))) {
        kith_listener *listener = offer->listener;
        kith_list_unlink(&offer->link);
        free(offer);
        handover->offer_count--;
        kith_listener_retire(listener);
    }
}

/* From here on there is no way back: the new process accepts, and we do no more. */
static void on_ready(kith_handover *handover) {
    if (peer_has_closed(handover->fd)) {
        broken(handover, -ENODATA);
        return;
    }
    handover->state_version = kith_record_decode_number(handover->in.body);
    handover->phase = PHASE_GIVING;
    retire_listeners(handover);
    if (is_gone(handover))
        return;
    handover->listener = kith_listener_free(handover->listener); /* the new process will offer there */
    kith_timer_arm(handover->timer, handover->timeout_ms, 0);

    handover->taking = true;
    handover->ops->taken(handover, handover->userdata);
    handover->taking = false;
    if (is_gone(handover))
        return;
    int r = queue_number(handover, KITH_RECORD_DONE, handover->given);
    if (r == 0)
        r = flush(handover);
    if (r < 0)
        broken(handover, r);
}

static void on_cancel(kith_handover *handover) {
    char text[KITH_RECORD_TEXT_MAX + 1];
    int r = kith_record_decode_cancel(&handover->in.record, handover->in.body, text);
    fail(handover, r, "pid %d has given up taking over: %s", (int)handover->taker.pid, text);
}

static void on_record(kith_handover *handover) {
    if (handover->phase == PHASE_ASKED && handover->in.record.type == KITH_RECORD_HELLO)
        on_hello(handover);
    else if (handover->phase == PHASE_OFFERED && handover->in.record.type == KITH_RECORD_READY && kith_list_empty(&handover->out))
        on_ready(handover);
    else if (handover->in.record.type == KITH_RECORD_CANCEL && handover->phase != PHASE_GIVING)
        on_cancel(handover);
    else
        broken(handover, -EPROTO);
    if (!handover->closed)
        kith_record_in_reset(&handover->in);
}

static void receive(kith_handover *handover) {
    static const unsigned expected[] = {
        [PHASE_ASKED] = 1U << KITH_RECORD_HELLO, [PHASE_OFFERED] = 1U << KITH_RECORD_READY, [PHASE_GIVING] = 0};
    int r;
    do {
        r = kith_record_receive(handover->fd, &handover->in, expected[handover->phase]);
        if (r == 1)
            on_record(handover);
        else if (r < 0)
            broken(handover, r);
        /* Whoever has taken over has no more to say: that it has closed matters only while there is something left to send. */
    } while (r == 1 && !is_gone(handover) && handover->fd >= 0 && handover->phase != PHASE_GIVING);
}

/* The loop's callbacks ----------------------------------------------------------------------------------------------------- */

static bool all_given(const kith_handover *handover) {
    return handover->phase == PHASE_GIVING && kith_list_empty(&handover->out);
}

static void on_io(kith_io *io, int fd, unsigned events, void *userdata) {
    kith_handover *handover = userdata;
    handover->refs++;
    int r = events & KITH_IO_WRITE ? flush(handover) : 0;
    if (r < 0)
        broken(handover, r);
    else if (!all_given(handover) && (events & (KITH_IO_READ | KITH_IO_HANGUP)))
        receive(handover);
    if (!is_gone(handover) && all_given(handover))
        complete(handover, 0);
    release(handover);
}

static void on_timeout(kith_timer *timer, void *userdata) {
    kith_handover *handover = userdata;
    handover->refs++;
    if (handover->phase == PHASE_GIVING)
        complete(handover, -ETIMEDOUT);
    else
        fail(handover, -ETIMEDOUT, "pid %d was taking over and did not %s in time", (int)handover->taker.pid,
             handover->phase == PHASE_ASKED ? "say what it wants" : "serve");
    release(handover);
}

static int begin(kith_handover *handover, int fd, const struct kith_sender *taker) {
    int r = kith_io_new(handover->loop, fd, KITH_IO_READ, on_io, handover, &handover->io);
    if (r < 0)
        return r;
    (void)kith_timer_arm(handover->timer, handover->timeout_ms, 0); /* the loop is there: it has just called */
    handover->fd = fd;
    handover->taker = *taker;
    handover->phase = PHASE_ASKED;
    return 0;
}

/* Not the one who may: is told so, and nothing is kept of it. */
static int refuse(kith_handover *handover, int fd, const struct kith_sender *taker, int code, const char *why) {
    struct kith_error error;
    kith_error_set(&error, code, "pid %d of uid %u may not take over: %s", (int)taker->pid, (unsigned)taker->uid, why);
    kith_record_cancel(fd, code, error.text);
    tell_failed(handover, taker, &error);
    return code;
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    kith_handover *handover = userdata;
    struct kith_sender taker = {.pidfd = -1};
    handover->refs++;
    int r = kith_exchange_check_peer(fd, &taker);
    if (r < 0)
        r = refuse(handover, fd, &taker, r, r == -EPERM ? "it is neither of our uid nor root" : kith_error_name(r));
    else if (handover->phase != PHASE_IDLE)
        r = refuse(handover, fd, &taker, -EBUSY, "another process is just doing that");
    else
        r = begin(handover, fd, &taker);
    release(handover);
    return r;
}

static void on_accept_error(kith_listener *listener, int code, void *userdata) {
    kith_handover *handover = userdata;
    struct kith_error error;
    kith_error_set(&error, code, "whoever wants to take over cannot be accepted: %s", kith_error_name(code));
    tell_failed(handover, NULL, &error);
}

static const struct kith_listener_ops listener_ops = {.accept = on_accept, .error = on_accept_error};

/* What the application asks for ------------------------------------------------------------------------------------------- */

int kith_handover_new(kith_loop *loop, const struct kith_address *address, const struct kith_handover_options *options,
                      const struct kith_handover_ops *ops, void *userdata, kith_handover **ret_handover, struct kith_error *ret_error) {
    static const struct kith_listener_options only_us = {.mode = 0600, .backlog = 8};
    if (!loop || !address || !ops || !ops->taken || !ret_handover)
        return kith_error_set(ret_error, -EINVAL, "a handover needs a loop, an address and a callback for what follows");
    if (address->storage.ss_family != AF_UNIX)
        return kith_error_set(ret_error, -EAFNOSUPPORT, "a handover needs a path or an abstract name: only there the kernel says who asks");

    _cleanup_(kith_handover_freep) kith_handover *handover = calloc(1, sizeof(*handover));
    if (!handover)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    handover->refs = 1;
    handover->owner = getpid();
    handover->loop = loop;
    handover->fd = -1;
    handover->timeout_ms = options && options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    handover->ops = ops;
    handover->userdata = userdata;
    kith_list_init(&handover->offers);
    kith_list_init(&handover->out);
    int r = kith_timer_new(loop, on_timeout, handover, &handover->timer);
    if (r < 0)
        return kith_error_set(ret_error, r, "the loop has no timer for a handover: %s", kith_error_name(r));
    r = kith_listener_new(loop, address, &only_us, &listener_ops, handover, &handover->listener, ret_error);
    if (r < 0)
        return r;
    *ret_handover = KITH_STEAL(handover);
    return 0;
}

kith_handover *kith_handover_free(kith_handover *handover) {
    static const struct kith_error withdrawn = {.code = -ECANCELED, .text = "it offers no more"};
    if (!handover)
        return NULL;
    handover->closed = true;
    if (is_asked(handover) && handover->owner == getpid())
        turn_away(handover, &withdrawn);
    hang_up(handover);
    forget_offers(handover);
    handover->timer = kith_timer_free(handover->timer);
    handover->listener = kith_listener_free(handover->listener);
    release(handover);
    return NULL;
}

/* An offer that is under way would not be true any more. */
static void listeners_change(kith_handover *handover) {
    static const struct kith_error changed = {.code = -ECANCELED, .text = "the listeners are just changing; try again"};
    if (is_asked(handover))
        turn_away(handover, &changed);
}

int kith_handover_add_listener(kith_handover *handover, const char *name, kith_listener *listener) {
    if (!handover || !name || !listener || name[0] == '\0' || strlen(name) > KITH_INHERITED_NAME_MAX)
        return -EINVAL;
    if (handover->phase >= PHASE_GIVING)
        return -ESHUTDOWN;
    if (handover->offer_count == KITH_HANDOVER_LISTENERS_MAX)
        return -EUSERS;
    struct offer *offer = calloc(1, sizeof(*offer));
    if (!offer)
        return -ENOMEM;
    offer->listener = listener;
    strcpy(offer->name, name);
    kith_list_push_back(&handover->offers, &offer->link);
    handover->offer_count++;
    listeners_change(handover);
    return 0;
}

void kith_handover_remove_listener(kith_handover *handover, kith_listener *listener) {
    if (!handover)
        return;
    kith_list_foreach_safe (&handover->offers, node) {
        struct offer *offer = kith_list_entry(node, struct offer, link);
        if (offer->listener != listener)
            continue;
        kith_list_unlink(&offer->link);
        free(offer);
        handover->offer_count--;
        listeners_change(handover);
    }
}

uint32_t kith_handover_state_version(const kith_handover *handover) {
    return handover ? handover->state_version : 0;
}

int kith_handover_add_conn(kith_handover *handover, kith_conn *conn, const void *state, size_t size) {
    struct kith_slice unread;
    struct kith_record_out *out;
    int fd;
    if (!handover || !conn || (!state && size > 0))
        return -EINVAL;
    if (!handover->taking)
        return -ENOTCONN;
    if (handover->state_version == 0)
        return -EOPNOTSUPP;
    if (size > KITH_HANDOVER_STATE_MAX)
        return -EMSGSIZE;
    int r = kith_conn_detach(conn, &fd, &unread);
    if (r < 0)
        return r;

    const struct kith_taken_conn taken = {.fd = fd, .state = state, .state_size = size, .unread = unread.data, .unread_size = unread.size};
    r = unread.size <= KITH_RECORD_UNREAD_MAX ? kith_record_new_conn(&taken, &out) : -ENOMEM;
    kith_buffer_unref(unread.buffer);
    if (r < 0) {
        kith_close(fd);
        return r;
    }
    queue(handover, out);
    handover->given++;
    return 0;
}

uint64_t kith_handover_failures(const kith_handover *handover) {
    return handover ? handover->failures : 0;
}
