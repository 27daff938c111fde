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

/* The table never grows, whatever peers do: when as many keys are busy in one second, newcomers share the allowance of one that is. */
#define BUCKETS 64

struct bucket {
    uint64_t key;
    uint64_t since; /* begin of the running second; 0: free */
    unsigned lines; /* written in it */
    uint64_t held;  /* left out in it */
    int priority;
    char *example; /* text of the first one left out */
};

struct gateway_log {
    int fd;
    int level;
    bool priorities;
    const char *ident;
    kith_timer *timer; /* armed while a bucket holds something back */
    struct bucket buckets[BUCKETS];
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

static void bucket_flush(struct gateway_log *log, struct bucket *bucket) {
    if (bucket->held == 0)
        return;
    char text[GATEWAY_LOG_LINE_MAX];
    const char *example = bucket->example ? bucket->example : "(no memory for the text)";
    if (bucket->held == 1)
        snprintf(text, sizeof(text), "%s", example);
    else
        snprintf(text, sizeof(text), "%s (and %llu more like it)", example, (unsigned long long)bucket->held - 1);
    write_line(log, bucket->priority, text);
    free(bucket->example);
    bucket->example = NULL;
    bucket->held = 0;
}

static void flush(kith_timer *timer, void *userdata) {
    struct gateway_log *log = userdata;
    for (size_t i = 0; i < BUCKETS; i++)
        bucket_flush(log, &log->buckets[i]);
}

int gateway_log_new(kith_loop *loop, int fd, const char *ident, int level, struct gateway_log **ret_log) {
    struct gateway_log *log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    *log = (struct gateway_log){.fd = fd, .level = level, .priorities = is_journal(fd), .ident = ident};
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

/* The key's bucket: the one that it has, else one whose second is over. */
static struct bucket *find_bucket(struct gateway_log *log, uint64_t key, uint64_t now) {
    struct bucket *idle = NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct bucket *bucket = &log->buckets[i];
        if (bucket->since != 0 && bucket->key == key)
            return bucket;
        if (!idle && (bucket->since == 0 || now - bucket->since >= KITH_NS_PER_S))
            idle = bucket;
    }
    if (!idle)
        return &log->buckets[key % BUCKETS];
    bucket_flush(log, idle);
    *idle = (struct bucket){.key = key, .since = now};
    return idle;
}

/* May one more line be written now? */
static bool admit(struct gateway_log *log, struct bucket *bucket, uint64_t now) {
    if (now - bucket->since >= KITH_NS_PER_S) {
        bucket_flush(log, bucket);
        bucket->since = now;
        bucket->lines = 0;
    }
    return bucket->lines++ < GATEWAY_LOG_BURST;
}

void gateway_log_limited(struct gateway_log *log, int priority, uint64_t key, const char *format, ...) {
    if (priority > log->level)
        return;
    uint64_t now = kith_time_now();
    struct bucket *bucket = find_bucket(log, key, now);
    bool admitted = admit(log, bucket, now);
    if (!admitted && bucket->held++ > 0)
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
    bucket->priority = priority;
    bucket->example = strdup(text);
    if (!kith_timer_armed(log->timer))
        kith_timer_arm(log->timer, 1000, 0);
}

bool gateway_log_wants(const struct gateway_log *log, int priority) {
    return priority <= log->level;
}

/* How urgent an event is, -1: not worth a line. */
static int event_priority(const struct kith_event *event) {
    switch (event->type) {
    case KITH_EVENT_DENIED_CONNECT:
    case KITH_EVENT_DENIED_SEND:
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
        return LOG_WARNING;
    case KITH_EVENT_ACCEPT_FAILED:
        return LOG_ERR;
    case KITH_EVENT_LISTENING:
    case KITH_EVENT_UNBOUND:
        return LOG_INFO;
    case KITH_EVENT_HANDSHAKE_FAILED: /* so closes whoever only looks whether somebody listens */
    case KITH_EVENT_DISCONNECTED:     /* a client that closes is not news; one that breaks the protocol is */
        return event->error == 0 || event->error == -ECONNRESET || event->error == -EPIPE ? LOG_DEBUG : LOG_WARNING;
    case KITH_EVENT_CONNECTED:
    case KITH_EVENT_RETRY:
        return LOG_DEBUG;
    case KITH_EVENT_COUNT_:
        break;
    }
    return -1;
}

void gateway_log_event(struct gateway_log *log, const char *who, const struct kith_event *event) {
    int priority = event_priority(event);
    if (priority < 0 || priority > log->level)
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
