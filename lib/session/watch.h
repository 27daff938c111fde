/*
 * session/watch.h: the processes that a socket's peers are, each guarded by its pidfd.
 *
 * One watch a process and socket, found by pid and shared by all its connections. The end of the process is seen by the loop (urgent:
 * before what the sockets of the same wait brought); the watch is then taken out of the map at once, so that the next process with that
 * pid gets its own.
 *
 * That the process of a watch lives does not make it the sender of every message with its pid: octets may have waited since before it was
 * born. It is the sender when it made the connection, or wrote on it before (with a pidfd that said so). Otherwise an exact watch, found by
 * pid, would lend the facts of a successor the strength that only a pidfd of the message gives: so there one that is not exact is made
 * beside it.
 *
 * A process that exec()s is another program with the same pidfd. Who finds out replaces the watch (kith_watch_renew()); the other
 * connections of that process find the new one in the map when they look.
 *
 * What remains: a pid recycled between the kernel's answer to the loop's wait and the receive that follows it. A watch found by pid is
 * therefore asked once more (kith_process_alive with check) whenever a connection meets a writer that is not the one it met last; only a
 * message of the same writer as before is taken without asking.
 */
#ifndef KITH_SESSION_WATCH_H
#define KITH_SESSION_WATCH_H

#include "base/list.h"
#include "base/map.h"
#include "kith/loop.h"
#include "origin/internal.h"

struct kith_watch;

struct kith_watch_table {
    kith_loop *loop;
    struct kith_map by_pid; /* living ones */
};

/* The watch for the process `pid`: the one in the table if it is still alive and as exact as asked; else a new one. pidfd (-1: none, then
 * the watch is not exact) comes from SCM_PIDFD or SO_PEERPIDFD and is always consumed. Errors: -ENOMEM. */
int kith_watch_get(struct kith_watch_table *table, pid_t pid, int pidfd, struct kith_watch **ret_watch);
/* The same for a process object that exists (a reference is taken). */
int kith_watch_get_process(struct kith_watch_table *table, struct kith_process *process, struct kith_watch **ret_watch);
struct kith_watch *kith_watch_ref(struct kith_watch *watch);
struct kith_watch *kith_watch_unref(struct kith_watch *watch);
struct kith_process *kith_watch_process(struct kith_watch *watch);
/* False once the process is known to have ended. */
bool kith_watch_alive(const struct kith_watch *watch);
/* Has it exec()ed since its program was looked up (kith_process_execed())? Asks when the last answer is older than max_age. */
bool kith_watch_execed(struct kith_watch *watch, uint64_t now_ns, uint64_t max_age_ns);
/* After an exec: the watch of the same process of which nothing has been looked up since, the table's or a new one. The reference is
 * exchanged when 0 is returned. Errors: -ESRCH (it has ended), -ENOMEM. */
int kith_watch_renew(struct kith_watch_table *table, struct kith_watch **watch);

/* Somebody who is told, once, when the process of a watch has ended. Embedded in his own structure; he holds the watch meanwhile. */
struct kith_mourner {
    struct kith_list link;
    /* Must not call up, nor end a watch. */
    void (*mourn)(struct kith_mourner *mourner);
};

void kith_mourner_init(struct kith_mourner *mourner);
/* Not for one that has ended: then nothing comes. */
void kith_watch_mourn(struct kith_watch *watch, struct kith_mourner *mourner, void (*mourn)(struct kith_mourner *mourner));
void kith_mourner_leave(struct kith_mourner *mourner);

#endif
