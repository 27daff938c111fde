/* gateway/audit.c: see audit.h. */
#include "gateway/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/time.h"
#include "gateway/cleanup.h"
#include "gateway/event-json.h"
#include "gateway/limit.h"
#include "gateway/log.h"
#include "gateway/origin-json.h"

struct gateway_audit {
    struct gateway_log *log;
    struct gateway_audit_options options; /* path is ours */
    int fd;                               /* -1: no file */
    bool torn;                            /* the last line is there in part: the next one begins anew */
    bool stumbled;                        /* writing failed, and the log was told */
    kith_timer *timer;                    /* armed while the limits hold something back */
    struct gateway_limit limit;
    struct gateway_audit_counts counts;
};

static bool is_denial(enum kith_event_type type) {
    switch (type) {
    case KITH_EVENT_DENIED_CONNECT:
    case KITH_EVENT_DENIED_SEND:
    case KITH_EVENT_DENIED_SUBSCRIBE:
    case KITH_EVENT_DENIED_RECEIVE:
    case KITH_EVENT_DUPLICATE_ID:
    case KITH_EVENT_SPLIT_MESSAGE:
    case KITH_EVENT_FDS_REFUSED:
    case KITH_EVENT_FDS_LOST:
    case KITH_EVENT_PEER_REFUSED:
    case KITH_EVENT_SUBSCRIPTIONS_REFUSED:
    case KITH_EVENT_AUTHENTICATION_FAILED:
        return true;
    case KITH_EVENT_LISTENING:
    case KITH_EVENT_CONNECTED:
    case KITH_EVENT_DISCONNECTED:
    case KITH_EVENT_HANDSHAKE_FAILED:
    case KITH_EVENT_RETRY:
    case KITH_EVENT_REFUSED:
    case KITH_EVENT_DROPPED:
    case KITH_EVENT_ACCEPT_FAILED:
    case KITH_EVENT_UNBOUND:
    case KITH_EVENT_GIVEN_UP:
    case KITH_EVENT_HANDSHAKING:
    case KITH_EVENT_SUBSCRIBED:
    case KITH_EVENT_UNSUBSCRIBED:
    case KITH_EVENT_HIGH_WATER:
    case KITH_EVENT_COUNT_:
        break;
    }
    return false;
}

/* The file ------------------------------------------------------------------------------------------------------------- */

static int open_file(const char *path, int *ret_fd, struct kith_error *ret_error) {
    *ret_fd = -1;
    if (!path)
        return 0;
    /* Without waiting: a FIFO that nobody reads is an error, not the end of the gateway. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0) {
        int r = -errno;
        return kith_error_set(ret_error, r, "audit_file %s cannot be opened: %s", path, kith_error_name(r));
    }
    *ret_fd = fd;
    return 0;
}

static void tell_lost(struct gateway_audit *audit, int error) {
    audit->counts.lost++;
    if (!audit->stumbled)
        gateway_log(audit->log, LOG_ERR, "audit_file %s: %s: lines are lost until it can be written to again", audit->options.path,
                    kith_error_name(error));
    audit->stumbled = true;
}

static void tell_written(struct gateway_audit *audit) {
    audit->counts.written++;
    if (audit->stumbled)
        gateway_log(audit->log, LOG_NOTICE, "audit_file %s can be written to again: %llu lines were lost", audit->options.path,
                    (unsigned long long)audit->counts.lost);
    audit->stumbled = false;
}

/* json has room for one more octet in front: a newline, behind a line of which only a part could be written. */
static void write_line(struct gateway_audit *audit, char *line, size_t size) {
    ssize_t n;
    size_t skip = audit->torn ? 0 : 1;
    do
        n = write(audit->fd, line + skip, size - skip);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)(size - skip)) {
        audit->torn = false;
        tell_written(audit);
        return;
    }
    if (n > 0)
        audit->torn = true;
    tell_lost(audit, n < 0 ? -errno : -ENOSPC);
}

static void write_json(struct gateway_audit *audit, const json_t *json) {
    if (audit->fd < 0)
        return;
    _cleanup_(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    size_t size = text ? strlen(text) : 0;
    _cleanup_(freep) char *line = text ? malloc(size + 2) : NULL;
    if (!line) {
        tell_lost(audit, -ENOMEM);
        return;
    }
    line[0] = '\n';
    memcpy(line + 1, text, size);
    line[size + 1] = '\n';
    write_line(audit, line, size + 2);
}

/* The journal ---------------------------------------------------------------------------------------------------------- */

#define FIELDS_MAX 24

struct fields {
    struct iovec vectors[FIELDS_MAX];
    int count;
};

static void fields_deinit(struct fields *fields) {
    for (int i = 0; i < fields->count; i++)
        free(fields->vectors[i].iov_base);
}

/* Nothing is put in for a value that is not there, or without memory for it. */
static void __attribute__((format(printf, 2, 3))) put_field(struct fields *fields, const char *format, ...) {
    char *text;
    va_list args;
    if (fields->count == FIELDS_MAX)
        return;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length >= 0)
        fields->vectors[fields->count++] = (struct iovec){.iov_base = text, .iov_len = (size_t)length};
}

static void put_facts(struct fields *fields, kith_origin *origin) {
    static const struct {
        enum kith_fact fact;
        const char *name;
    } texts[] = {{KITH_FACT_EXE, "EXE"},
                 {KITH_FACT_UNIT, "UNIT"},
                 {KITH_FACT_LABEL, "LABEL"},
                 {KITH_FACT_ADDRESS, "ADDRESS"},
                 {KITH_FACT_KEY, "KEY"}};
    pid_t pid;
    uid_t uid;
    gid_t gid;
    if (kith_origin_pid(origin, &pid) != KITH_WITNESS_NONE)
        put_field(fields, "KITH_PID=%d", (int)pid);
    if (kith_origin_uid(origin, &uid) != KITH_WITNESS_NONE)
        put_field(fields, "KITH_UID=%u", uid);
    if (kith_origin_gid(origin, &gid) != KITH_WITNESS_NONE)
        put_field(fields, "KITH_GID=%u", gid);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++) {
        const char *text;
        if (kith_origin_text(origin, texts[i].fact, &text) != KITH_WITNESS_NONE)
            put_field(fields, "KITH_%s=%s", texts[i].name, text);
    }
    _cleanup_(freep) char *json = NULL;
    if (gateway_origin_json(origin, &json) >= 0)
        put_field(fields, "KITH_ORIGIN=%s", json);
}

static bool send_to_journal(const char *who, const struct kith_event *event, int priority) {
    _cleanup_(fields_deinit) struct fields fields = {.count = 0};
    put_field(&fields, "MESSAGE=%s%s%s", who ? who : "", who ? ": " : "", event->text);
    put_field(&fields, "PRIORITY=%d", priority < 0 ? LOG_DEBUG : priority);
    put_field(&fields, "SYSLOG_IDENTIFIER=kith");
    put_field(&fields, "KITH_EVENT=%s", kith_event_name(event->type));
    if (event->verb)
        put_field(&fields, "KITH_VERB=%s", kith_verb_name(event->verb));
    if (event->rule)
        put_field(&fields, "KITH_RULE=%s", event->rule);
    if (event->peer > 0)
        put_field(&fields, "KITH_PEER=%llu", (unsigned long long)event->peer);
    if (who)
        put_field(&fields, "KITH_WHERE=%s", who);
    if (event->endpoint)
        put_field(&fields, "KITH_ENDPOINT=%s", event->endpoint);
    if (event->count > 0)
        put_field(&fields, "KITH_COUNT=%llu", (unsigned long long)event->count);
    if (event->error < 0)
        put_field(&fields, "ERRNO=%d", -event->error);
    if (event->origin)
        put_facts(&fields, event->origin);
    return sd_journal_sendv(fields.vectors, fields.count) >= 0;
}

/* ---------------------------------------------------------------------------------------------------------------------- */

static uint64_t key_of(const struct kith_event *event) {
    uid_t uid = (uid_t)-1;
    if (event->origin)
        kith_origin_uid(event->origin, &uid);
    return (uint64_t)event->type << 32 | uid;
}

static void tell_suppressed(size_t index, void *userdata) {
    struct gateway_audit *audit = userdata;
    const struct gateway_limit_entry *entry = &audit->limit.entries[index];
    uid_t uid = (uid_t)entry->key;
    char time[32];
    gateway_format_time(time);
    json_auto_t *json = json_pack("{s:s, s:s, s:I}", "time", time, "event", "suppressed", "count", (json_int_t)entry->held);
    if (json && !entry->shared)
        json_object_set_new(json, "of", json_string(kith_event_name((enum kith_event_type)(entry->key >> 32))));
    if (json && !entry->shared && uid != (uid_t)-1)
        json_object_set_new(json, "uid", json_integer(uid));
    write_json(audit, json);
}

static void flush(kith_timer *timer, void *userdata) {
    struct gateway_audit *audit = userdata;
    gateway_limit_flush(&audit->limit);
}

bool gateway_audit_event(struct gateway_audit *audit, const char *who, const struct kith_event *event, int priority) {
    bool wanted = audit->options.level == GATEWAY_AUDIT_ALL || (audit->options.level == GATEWAY_AUDIT_DENIALS && is_denial(event->type));
    size_t index;
    if (!wanted || (audit->fd < 0 && !audit->options.journal))
        return false;
    if (!gateway_limit_admit(&audit->limit, key_of(event), kith_time_now(), &index)) {
        audit->counts.suppressed++;
        if (!kith_timer_armed(audit->timer))
            kith_timer_arm(audit->timer, 1000, 0);
        return false;
    }
    if (audit->fd >= 0) {
        json_auto_t *json = gateway_event_json(who, event);
        write_json(audit, json);
    }
    return audit->options.journal && send_to_journal(who, event, priority);
}

int gateway_audit_new(kith_loop *loop, struct gateway_log *log, const struct gateway_audit_options *options,
                      struct gateway_audit **ret_audit, struct kith_error *ret_error) {
    _cleanup_(gateway_audit_freep) struct gateway_audit *audit = calloc(1, sizeof(*audit));
    if (!audit)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    audit->log = log;
    audit->fd = -1;
    audit->limit = (struct gateway_limit){.burst = GATEWAY_AUDIT_BURST, .flush = tell_suppressed, .userdata = audit};
    int r = kith_timer_new(loop, flush, audit, &audit->timer);
    if (r < 0)
        return kith_error_set(ret_error, r, "cannot audit: %s", kith_error_name(r));
    r = gateway_audit_reconfigure(audit, options, ret_error);
    if (r < 0)
        return r;
    *ret_audit = KITH_STEAL(audit);
    return 0;
}

int gateway_audit_reconfigure(struct gateway_audit *audit, const struct gateway_audit_options *options, struct kith_error *ret_error) {
    bool wanted = options->path && options->level != GATEWAY_AUDIT_OFF;
    _cleanup_(freep) char *path = wanted ? strdup(options->path) : NULL;
    int fd;
    if (wanted && !path)
        return kith_error_set(ret_error, -ENOMEM, "out of memory");
    int r = open_file(path, &fd, ret_error);
    if (r < 0)
        return r;
    gateway_limit_flush(&audit->limit);
    kith_close(audit->fd);
    free((char *)(uintptr_t)audit->options.path);
    audit->fd = fd;
    audit->torn = false;
    audit->options = *options;
    audit->options.path = KITH_STEAL(path);
    return 0;
}

struct gateway_audit *gateway_audit_free(struct gateway_audit *audit) {
    if (!audit)
        return NULL;
    gateway_limit_flush(&audit->limit);
    kith_timer_free(audit->timer);
    kith_close(audit->fd);
    free((char *)(uintptr_t)audit->options.path);
    free(audit);
    return NULL;
}

void gateway_audit_counts(const struct gateway_audit *audit, struct gateway_audit_counts *ret_counts) {
    *ret_counts = audit->counts;
}
