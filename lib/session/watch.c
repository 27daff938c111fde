/* session/watch.c: see watch.h. */
#include "session/watch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fd.h"

struct kith_watch {
    unsigned refs;
    struct kith_watch_table *table; /* NULL once out of the map */
    struct kith_map_node node;
    pid_t pid;
    struct kith_process *process;
    kith_io *io;
    uint64_t asked_at; /* kith_watch_execed() */
    struct kith_list mourners;
    bool alive;
    bool execed;
};

KITH_DEFINE_CLEANUP(struct kith_watch *, kith_watch_unref)
KITH_DEFINE_CLEANUP(struct kith_process *, kith_process_unref)

static void watch_detach(struct kith_watch *watch) {
    if (!watch->table)
        return;
    kith_map_remove(&watch->table->by_pid, &watch->node);
    watch->table = NULL;
}

static void watch_end(struct kith_watch *watch) {
    watch->alive = false;
    kith_process_set_dead(watch->process);
    watch->io = kith_io_free(watch->io);
    watch_detach(watch);
    struct kith_mourner *mourner;
    while ((mourner = kith_list_first(&watch->mourners, struct kith_mourner, link))) {
        kith_list_unlink(&mourner->link);
        mourner->mourn(mourner);
    }
}

static void watch_on_exit(kith_io *io, int fd, unsigned events, void *userdata) {
    (void)io;
    (void)fd;
    (void)events;
    watch_end(userdata);
}

/* The living watch of pid, asked just now; NULL when there is none. */
static struct kith_watch *watch_find(struct kith_watch_table *table, pid_t pid) {
    struct kith_map_node *node = kith_map_find(&table->by_pid, &pid, sizeof(pid));
    if (!node)
        return NULL;
    struct kith_watch *watch = KITH_CONTAINER_OF(node, struct kith_watch, node);
    if (kith_process_alive(watch->process, true))
        return watch;
    watch_end(watch);
    return NULL;
}

static int watch_begin(struct kith_watch *watch, struct kith_watch_table *table, struct kith_watch *known) {
    int r = kith_io_new(table->loop, kith_process_pidfd(watch->process), KITH_IO_READ, watch_on_exit, watch, &watch->io);
    if (r < 0)
        return r;
    kith_io_set_urgent(watch->io, true);
    if (known && !kith_process_exact(watch->process))
        return 0; /* beside an exact one it has no place in the map */
    if (known)
        watch_detach(known); /* the exact one takes its place; who holds the other keeps it */
    r = kith_map_insert(&table->by_pid, &watch->node, &watch->pid, sizeof(watch->pid));
    if (r >= 0)
        watch->table = table;
    return r;
}

/* known: the one that the table has of this pid, or NULL. */
static int watch_new(struct kith_watch_table *table, struct kith_process *process, bool alive, struct kith_watch *known,
                     struct kith_watch **ret_watch) {
    _cleanup_(kith_watch_unrefp) struct kith_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    watch->refs = 1;
    watch->pid = kith_process_pid(process);
    kith_list_init(&watch->mourners);
    watch->process = kith_process_ref(process);
    watch->alive = alive;
    if (alive && kith_process_pidfd(process) >= 0) {
        int r = watch_begin(watch, table, known);
        if (r < 0)
            return r;
    }
    *ret_watch = KITH_STEAL(watch);
    return 0;
}

int kith_watch_get_process(struct kith_watch_table *table, struct kith_process *process, struct kith_watch **ret_watch) {
    pid_t pid = kith_process_pid(process);
    /* Two processes that live now and have one pid are one process; a dead one is not who has its pid today. */
    bool alive = kith_process_alive(process, true);
    struct kith_watch *known = alive ? watch_find(table, pid) : NULL;
    if (known && kith_process_exact(known->process) == kith_process_exact(process)) {
        if (!kith_process_execed(known->process)) {
            *ret_watch = kith_watch_ref(known);
            return 0;
        }
        watch_detach(known);
        known = NULL;
    }
    return watch_new(table, process, alive, known, ret_watch);
}

int kith_watch_get(struct kith_watch_table *table, pid_t pid, int pidfd, struct kith_watch **ret_watch) {
    if (pidfd < 0) {
        struct kith_watch *known = watch_find(table, pid);
        if (known && !kith_process_exact(known->process) && !kith_process_execed(known->process)) {
            *ret_watch = kith_watch_ref(known);
            return 0;
        }
    }
    _cleanup_(kith_process_unrefp) struct kith_process *process = NULL;
    int r = kith_process_new(pid, pidfd, pidfd >= 0, &process);
    if (r < 0) {
        kith_close(pidfd);
        return r;
    }
    return kith_watch_get_process(table, process, ret_watch);
}

struct kith_watch *kith_watch_ref(struct kith_watch *watch) {
    watch->refs++;
    return watch;
}

struct kith_watch *kith_watch_unref(struct kith_watch *watch) {
    if (!watch || --watch->refs > 0)
        return NULL;
    kith_io_free(watch->io);
    watch_detach(watch);
    kith_process_unref(watch->process);
    free(watch);
    return NULL;
}

struct kith_process *kith_watch_process(struct kith_watch *watch) {
    return watch->process;
}

bool kith_watch_alive(const struct kith_watch *watch) {
    return watch->alive;
}

bool kith_watch_execed(struct kith_watch *watch, uint64_t now_ns, uint64_t max_age_ns) {
    if (!watch->execed && watch->alive && (watch->asked_at == 0 || now_ns - watch->asked_at >= max_age_ns)) {
        watch->asked_at = now_ns;
        watch->execed = kith_process_execed(watch->process);
    }
    return watch->execed;
}

int kith_watch_renew(struct kith_watch_table *table, struct kith_watch **watch) {
    _cleanup_(kith_process_unrefp) struct kith_process *process = NULL;
    struct kith_watch *old = *watch, *renewed;
    int r = kith_process_renew(old->process, &process);
    if (r >= 0)
        r = kith_watch_get_process(table, process, &renewed);
    if (r < 0)
        return r;
    *watch = renewed;
    kith_watch_unref(old);
    return 0;
}

void kith_mourner_init(struct kith_mourner *mourner) {
    kith_list_init(&mourner->link);
}

void kith_watch_mourn(struct kith_watch *watch, struct kith_mourner *mourner, void (*mourn)(struct kith_mourner *mourner)) {
    mourner->mourn = mourn;
    kith_list_push_back(&watch->mourners, &mourner->link);
}

void kith_mourner_leave(struct kith_mourner *mourner) {
    kith_list_unlink(&mourner->link);
}
