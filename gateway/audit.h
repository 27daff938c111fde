/*
 * gateway/audit.h: who was denied what, and by which rule, for machines to read: JSON lines in a file, fields in the journal.
 *
 * One line is one write(2) to a file that is opened for appending, so that several gateways may share one:
 *     {"time":"2026-11-29T15:05:21.123456Z","where":"service echo","event":"denied-send","verb":"send","rule":"no pings","peer":7,
 *      "endpoint":"ipc:///run/x.sock","count":1,"error":"EACCES","text":"...","origin":{...}}
 * `origin` is kith_origin_to_json(), all that can be known. Of one kind of event and one uid there are at most GATEWAY_AUDIT_BURST lines a
 * second, then one {"event":"suppressed","of":"denied-send","uid":1000,"count":812}, without "of" and "uid" when it stands for several.
 * What cannot be written (a full disk) is counted, and told in the log once, until it can be again; nothing waits for it.
 */
#ifndef KITH_GATEWAY_AUDIT_H
#define KITH_GATEWAY_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/event.h>
#include <kith/loop.h>

#include "base/cleanup.h"

#define GATEWAY_AUDIT_BURST 20

struct gateway_log;
struct gateway_audit;

enum gateway_audit_level {
    GATEWAY_AUDIT_DENIALS, /* what was refused, whoever refused it */
    GATEWAY_AUDIT_ALL,     /* every event of every socket */
    GATEWAY_AUDIT_OFF,
};

struct gateway_audit_options {
    enum gateway_audit_level level;
    const char *path; /* of the file, made with mode 0640; NULL: none. Copied */
    bool journal;     /* sd_journal_sendv(3) too */
};

/* `log` (borrowed) is told what goes wrong with the file. Errors: those of open(2), with text; -ENOMEM. */
int gateway_audit_new(kith_loop *loop, struct gateway_log *log, const struct gateway_audit_options *options,
                      struct gateway_audit **ret_audit, struct kith_error *ret_error);
/* Says what the limits hold back. NULL is allowed. Always NULL. */
struct gateway_audit *gateway_audit_free(struct gateway_audit *audit);
/* A file that is the same is opened anew: it may have been moved. On failure all stays as it was. Errors: those of gateway_audit_new(). */
int gateway_audit_reconfigure(struct gateway_audit *audit, const struct gateway_audit_options *options, struct kith_error *ret_error);

/* `who`: "service echo", or NULL; priority: syslog(3), negative: none of its own. True: the journal has it. */
bool gateway_audit_event(struct gateway_audit *audit, const char *who, const struct kith_event *event, int priority);

struct gateway_audit_counts {
    uint64_t written, suppressed, lost; /* lines; lost: could not be written */
};
void gateway_audit_counts(const struct gateway_audit *audit, struct gateway_audit_counts *ret_counts);

KITH_DEFINE_CLEANUP(struct gateway_audit *, gateway_audit_free)

#endif
