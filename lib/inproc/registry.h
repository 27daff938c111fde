/*
 * inproc/registry.h: the names of inproc:// endpoints: the one namespace that a process has once, and so the one table of
 * libkith that is global.
 *
 * A name in a process is by nature known to the whole process, so the table is global, under a mutex: the names that are listened at,
 * connectors that wait for a name, and which port (port.h) a loop has. Whoever holds the lock touches no more than this and, inside it, one
 * port's lock (never the other way round).
 *
 * Fork: the lock is held over fork(2), so a child finds the table whole, and empties it: its names are its own. Objects of the parent know
 * by the generation that they are not of this process.
 */
#ifndef KITH_INPROC_REGISTRY_H
#define KITH_INPROC_REGISTRY_H

#include "base/list.h"
#include "base/map.h"

struct kith_registry {
    struct kith_map listeners; /* by name */
    struct kith_list waiting;  /* kith_pipe_pair, in the order in which they came */
    struct kith_list ports;
};

/* The lock is the way to the table. Any thread. */
struct kith_registry *kith_registry_lock(void);
void kith_registry_unlock(struct kith_registry *registry);
/* Counts the forks between the first process and this one. */
unsigned kith_registry_generation(void);

/* listener.c: in a child: the table is about to be emptied. */
void kith_registry_disown_listeners(struct kith_registry *registry);

#endif
