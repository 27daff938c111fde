/* inproc/registry.c: the table and its lock. See registry.h. */
#include "inproc/registry.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct kith_registry table = {.waiting = KITH_LIST_INIT(table.waiting), .ports = KITH_LIST_INIT(table.ports)};
static atomic_uint generation;

static void before_fork(void) {
    pthread_mutex_lock(&lock);
}

static void after_fork(void) {
    pthread_mutex_unlock(&lock);
}

static void clear(struct kith_list *list) {
    while (!kith_list_empty(list))
        kith_list_unlink(list->next);
}

/* The parent's objects may still be freed here: they must find themselves in no list of others. */
static void in_child(void) {
    atomic_fetch_add(&generation, 1);
    kith_registry_disown_listeners(&table);
    kith_map_deinit(&table.listeners);
    table.listeners = KITH_MAP_INIT;
    clear(&table.waiting);
    clear(&table.ports);
    pthread_mutex_unlock(&lock);
}

/* That it can fail for want of memory is no reason to have no names: then a fork in another thread is as dangerous as it is to malloc(). */
static void watch_forks(void) {
    (void)pthread_atfork(before_fork, after_fork, in_child);
}

struct kith_registry *kith_registry_lock(void) {
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    return &table;
}

void kith_registry_unlock(struct kith_registry *registry) {
    /* A process that uses no name keeps nothing. */
    if (registry->listeners.count == 0)
        kith_map_deinit(&registry->listeners);
    pthread_mutex_unlock(&lock);
}

unsigned kith_registry_generation(void) {
    return atomic_load_explicit(&generation, memory_order_relaxed);
}
