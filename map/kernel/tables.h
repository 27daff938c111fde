/*
 * map/kernel/tables.h: the kernel's tables of TCP sockets, read by a program that runs in the kernel (a BPF iterator).
 *
 * It tells what no interface for everybody tells: which bind bucket a socket stands in, and which listener a request socket belongs to.
 * What that proves:
 *
 *   - request_listener is exact: the kernel goes from a handshake that is under way to its listener by this very pointer.
 *   - A listener and the sockets accepted from it share one bind_bucket. The converse does not hold: that bucket means (network namespace,
 *     L3 domain, local port), and two listeners on different addresses of the port, a SO_REUSEPORT group, a re-opened listener, TIME_WAIT
 *     sockets and a client bound to the port stand in it too.
 *   - bind2_bucket adds the address. A listener on one address shares it with the sockets accepted from it, a wildcard's have another one.
 *   - backlog_limit tells who connected: 0 for the side that called connect(2), the listener's for an accepted socket. Two exceptions: a
 *     listener with a backlog of 0, whose children have 0 too, and a client that has listened itself before, which keeps its limit.
 *
 * Needs CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN) in the first user namespace, and a kernel that tells its types (CONFIG_DEBUG_INFO_BTF).
 * That the kernel is locked down (kernel_lockdown(7)) is no obstacle.
 *
 * What kernels differ in: bind2_bucket is 0 before 6.1, and that of a TIME_WAIT socket before 6.2 (later releases of 6.1 have it).
 */
#ifndef KITH_MAP_KERNEL_TABLES_H
#define KITH_MAP_KERNEL_TABLES_H

#include <kith/error.h>

#include "base/cleanup.h"
#include "map/kernel/row.h"

struct map_kernel_tables; /* the loaded program */

/* Errors, with text that names what is missing and the remedy: -EPERM (capabilities), -ENOTSUP (the kernel does not tell its
 * types, or has no such iterator), those of bpf(2), -ENOMEM. */
int map_kernel_tables_new(struct map_kernel_tables **ret_tables, struct kith_error *ret_error);
struct map_kernel_tables *map_kernel_tables_free(struct map_kernel_tables *tables);
KITH_DEFINE_CLEANUP(struct map_kernel_tables *, map_kernel_tables_free)

/* Below 0 ends the reading. */
typedef int (*map_kernel_row_fn)(const struct map_kernel_row *row, void *userdata);

/* The TCP sockets of the calling thread's network namespace, those of MPTCP's subflows included: listeners first. Sockets that are only
 * bound are in none of these tables. Each row is consistent, the whole is not: a socket that changes tables meanwhile may come twice or not
 * at all. Returns what `fn` returned below 0, else 0; errors with text: those of bpf(2) and read(2). */
int map_kernel_tables_read(struct map_kernel_tables *tables, map_kernel_row_fn fn, void *userdata, struct kith_error *ret_error);

#endif
