/* gateway/log.c: see log.h. */
#include "gateway/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "gateway/audit.h"
#include "gateway/limit.h"

/* The first line of those that an entry of the limits holds back. */
struct example {
    int priority;
    char *text; /* NULL: no memory */
};

struct gateway_log {
    int fd;
    int level;
    bool priorities;
    const char *ident;
    struct gateway_audit *audit; /* or NULL */
    void (*told)(kith_socket *socket, const struct kith_event *event, void *userdata);
    void *told_userdata;
    kith_timer *timer; /* armed while the limits hold something back */
    struct gateway_limit limit;
    struct example examples[GATEWAY_LIMIT_ENTRIES]; /* by the limit's index */
};

/* JOURNAL_STREAM is "device:inode" of the stream that the journal gave; a redirected standard error is another file. */
static bool is_journal(int fd) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &status) == 0 && status.st_dev == device &&
           status.st_ino == inode;
}

static void write_line(struct gateway_log *log, int priority, const char *text) {
    char line[GATEWAY_LOG_LINE_MAX];
    int prefix = log->priorities ? snprintf(line, sizeof(line), "<%d>", priority) : 0;
    int length = snprintf(line + prefix, sizeof(line) - (size_t)prefix, "%s: %s", log->ident, text);
    size_t size = (size_t)(prefix + length);
    if (size > sizeof(line) - 1)
        size = sizeof(line) - 1;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?'; /* whoever made the text should have escaped it; one line stays one line all the same */
    line[size++] = '\n';
    while (write(log->fd, line, size) < 0 && errno == EINTR)
        ;
}

static void tell_held(size_t index, void *userdata) {
    struct gateway_log *log = userdata;
    struct example *example = &log->examples[index];
    uint64_t held = log->limit.entries[index].held;
    char text[GATEWAY_LOG_LINE_MAX];
    const char *first = example->text ? example->text : "(no memory for the text)";
    if (held == 1)
        snprintf(text, sizeof(text), "%s", first);
    else
        snprintf(text, sizeof(text), "%s (and %llu more like it)", first, (unsigned long long)held - 1);
    write_line(log, example->priority, text);
    free(example->text);
    example->text = NULL;
}

static void flush(kith_timer *timer, void *userdata) {
    struct gateway_log *log = userdata;
    gateway_limit_flush(&log->limit);
}

int gateway_log_new(kith_loop *loop, int fd, const char *ident, int level, struct gateway_log **ret_log) {
    struct gateway_log *log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    *log = (struct gateway_log){.fd = fd, .level = level, .priorities = is_journal(fd), .ident = ident};
    log->limit = (struct gateway_limit){.burst = GATEWAY_LOG_BURST, .flush = tell_held, .userdata = log};
    int r = kith_timer_new(loop, flush, log, &log->timer);
    if (r < 0) {
        free(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

struct gateway_log *gateway_log_free(struct gateway_log *log) {
    if (!log)
        return NULL;
    flush(NULL, log);
    kith_timer_free(log->timer);
    free(log);
    return NULL;
}

void gateway_log(struct gateway_log *log, int priority, const char *format, ...) {
    if (priority > log->level)
        return;
    char text[GATEWAY_LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_line(log, priority, text);
}

void gateway_log_limited(struct gateway_log *log, int priority, uint64_t key, const char *format, ...) {
    if (priority > log->level)
        return;
    size_t index;
    bool admitted = gateway_limit_admit(&log->limit, key, kith_time_now(), &index);
    if (!admitted && log->limit.entries[index].held > 1)
        return; /* a flood costs a count, not even the making of a text */

    char text[GATEWAY_LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (admitted) {
        write_line(log, priority, text);
        return;
    }
    log->examples[index] = (struct example){.priority = priority, .text = strdup(text)};
    if (!kith_timer_armed(log->timer))
        kith_timer_arm(log->timer, 1000, 0);
}

bool gateway_log_is_journal(const struct gateway_log *log) {
    return log->priorities;
}

void gateway_log_set_audit(struct gateway_log *log, struct gateway_audit *audit) {
    log->audit = audit;
}

void gateway_log_set_told(struct gateway_log *log, void (*fn)(kith_socket *socket, const struct kith_event *event, void *userdata),
                          void *userdata) {
    log->told = fn;
    log->told_userdata = userdata;
}

void gateway_log_told(struct gateway_log *log, kith_socket *socket, const struct kith_event *event) {
    if (log->told)
        log->told(socket, event, log->told_userdata);
}

bool gateway_log_wants(const struct gateway_log *log, int priority) {
    return priority <= log->level;
}

/* How urgent an event is, -1: not worth a line. */
static int event_priority(const struct kith_event *event) {
    switch (event->type) {
    case KITH_EVENT_DENIED_CONNECT:
    case KITH_EVENT_DENIED_SEND:
    case KITH_EVENT_DENIED_SUBSCRIBE:
    case KITH_EVENT_DENIED_RECEIVE:
    case KITH_EVENT_DUPLICATE_ID:
    case KITH_EVENT_SPLIT_MESSAGE:
    case KITH_EVENT_FDS_REFUSED:
    case KITH_EVENT_FDS_LOST:
    case KITH_EVENT_DROPPED:
    case KITH_EVENT_REFUSED:
    case KITH_EVENT_GIVEN_UP:
    case KITH_EVENT_PEER_REFUSED:
    case KITH_EVENT_SUBSCRIPTIONS_REFUSED:
    case KITH_EVENT_AUTHENTICATION_FAILED:
    case KITH_EVENT_HIGH_WATER:
        return LOG_WARNING;
    case KITH_EVENT_ACCEPT_FAILED:
        return LOG_ERR;
    case KITH_EVENT_LISTENING:
    case KITH_EVENT_UNBOUND:
        return LOG_INFO;
    case KITH_EVENT_HANDSHAKE_FAILED: /* so closes whoever only looks whether somebody listens */
    case KITH_EVENT_DISCONNECTED:     /* a client that closes is not news; one that breaks the protocol is */
        return event->error == 0 || event->error == -ECONNRESET || event->error == -EPIPE ? LOG_DEBUG : LOG_WARNING;
    case KITH_EVENT_HANDSHAKING:
    case KITH_EVENT_CONNECTED:
    case KITH_EVENT_RETRY:
    case KITH_EVENT_SUBSCRIBED:
    case KITH_EVENT_UNSUBSCRIBED:
        return LOG_DEBUG;
    case KITH_EVENT_COUNT_:
        break;
    }
    return -1;
}

void gateway_log_event(struct gateway_log *log, const char *who, const struct kith_event *event) {
    int priority = event_priority(event);
    /* What the audit says in the journal need not be there twice. */
    if ((log->audit && gateway_audit_event(log->audit, who, event, priority)) || priority < 0 || priority > log->level)
        return;
    if (event->type == KITH_EVENT_LISTENING) {
        gateway_log(log, priority, "%s%slistening at %s", who ? who : "", who ? ": " : "", event->endpoint);
        return;
    }
    uid_t uid = (uid_t)-1;
    if (event->origin)
        kith_origin_uid(event->origin, &uid);
    uint64_t key = (uint64_t)event->type << 32 | uid;
    gateway_log_limited(log, priority, key, "%s%s%s", who ? who : "", who ? ": " : "", event->text);
}
