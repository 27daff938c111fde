/*
 * map/kernel/follow.h: which listener a connection came from, seen when it happens.
 *
 * After accept(2) nothing in the kernel points from a connection to its listener any more. So this looks on while the kernel joins them:
 * when a connection is put on an accept queue (also by way of SYN cookies and TCP Fast Open), when accept(2) takes it, and when it is
 * over. These links are exact, in all network namespaces, whatever shares the port.
 *
 * What a connection is known by is its socket cookie: the number that SO_COOKIE, sock_diag(7) and map/kernel/tables.h give as well, never
 * reused. Being followed gives each connection that is put on an accept queue its cookie.
 *
 * A connection may move to another listener of a SO_REUSEPORT group when its own one is closed (net.ipv4.tcp_migrate_req): then `accepted`
 * names another listener than `established`, and is right.
 *
 * `closed` is told of every socket that has a cookie, listeners and clients too: links can be forgotten then. Of TCP it is the state's
 * change to CLOSE, so a process may still have the descriptor of a connection that was reset; and a TIME_WAIT that stays of a connection
 * has the same cookie. Of AF_UNIX it is that no process has the socket any more.
 *
 * A subflow of MPTCP is followed as the TCP socket that it is.
 *
 * Needs what map/kernel/tables.h needs, and a kernel that lets programs attach to its functions: Linux 5.15 with
 * CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS (an architecture may have it only later).
 */
#ifndef KITH_MAP_KERNEL_FOLLOW_H
#define KITH_MAP_KERNEL_FOLLOW_H

#include <kith/error.h>

#include "base/cleanup.h"
#include "map/kernel/event.h"

struct map_follow;

/* Follows from here on. Errors, with text that names what is missing and the remedy: -EPERM (capabilities), -ENOTSUP (the kernel does
 * not tell its types, or lets nobody attach to its functions), those of bpf(2), -ENOMEM. */
int map_follow_new(struct map_follow **ret_follow, struct kith_error *ret_error);
/* Ends the following; what was not read is dropped. */
struct map_follow *map_follow_free(struct map_follow *follow);
KITH_DEFINE_CLEANUP(struct map_follow *, map_follow_free)

/* Readable (poll(2), EPOLLIN) when there is an event; belongs to `follow`. */
int map_follow_fd(const struct map_follow *follow);

/* Below 0 ends the reading; that event counts as read. */
typedef int (*map_follow_fn)(const struct map_follow_event *event, void *userdata);

/* The events that are there now, in the order in which they were written: `accepted` may come before `established` of the same connection
 * (another processor was faster), `closed` comes after both. Never waits. Returns how many, or what `fn` returned below 0. */
int map_follow_read(struct map_follow *follow, map_follow_fn fn, void *userdata);

/* How many events found no room, since the beginning: whoever reads too seldom has to know that links are missing. */
uint64_t map_follow_lost(const struct map_follow *follow);

#endif
