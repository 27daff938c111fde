/*
 * gateway/log.h: what a server has to say while it runs: lines on standard error.
 *
 * One line is one write(2). Under systemd (standard error is the journal's stream, JOURNAL_STREAM in systemd.exec(5)) each line begins
 * with its priority, <3> and so on, as sd-daemon(3) says. What peers can trigger is rate-limited: per key at most GATEWAY_LOG_BURST lines a
 * second, then one line that shows the first of those left out and how many there were. So a flood costs a bounded number of lines, and no
 * kind of event hides another.
 */
#ifndef KITH_GATEWAY_LOG_H
#define KITH_GATEWAY_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

#include <kith/event.h>
#include <kith/loop.h>
#include <kith/socket.h>

/* Lines of one key in one second. */
#define GATEWAY_LOG_BURST 5
/* Longest line; longer ones are cut. */
#define GATEWAY_LOG_LINE_MAX 2048

struct gateway_log;
struct gateway_audit;

/* Lines go to descriptor `fd` (borrowed), begin with `ident` ("kith serve: ") and are written when their priority is `level` or more
 * urgent (a smaller number). Errors: -ENOMEM, those of kith_timer_new(). */
int gateway_log_new(kith_loop *loop, int fd, const char *ident, int level, struct gateway_log **ret_log);
/* Writes what the limits still hold back. NULL is allowed. Always NULL. */
struct gateway_log *gateway_log_free(struct gateway_log *log);

void gateway_log(struct gateway_log *log, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same under the limit of `key`: whatever number tells this kind of event, and who caused it, from others. */
void gateway_log_limited(struct gateway_log *log, int priority, uint64_t key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Is the descriptor the journal's? */
bool gateway_log_is_journal(const struct gateway_log *log);
/* From now on events go to this audit (audit.h; borrowed) too. NULL: to none. */
void gateway_log_set_audit(struct gateway_log *log, struct gateway_audit *audit);

/* From now on gateway_log_told() calls this. NULL: nobody is told. */
void gateway_log_set_told(struct gateway_log *log, void (*fn)(kith_socket *socket, const struct kith_event *event, void *userdata),
                          void *userdata);
/* Every event of every socket but the control socket's comes by here, whether it is worth a line or not. */
void gateway_log_told(struct gateway_log *log, kith_socket *socket, const struct kith_event *event);

/* Is a line of this priority written at all? To spare the making of it. */
bool gateway_log_wants(const struct gateway_log *log, int priority);

/* Logs what a message socket tells: denials, refusals, drops and failures, with a priority that fits, limited per kind of event and uid of
 * the peer. `who` is put in front ("service echo"); NULL: nothing. */
void gateway_log_event(struct gateway_log *log, const char *who, const struct kith_event *event);

#endif
