/*
 * workers/listener.c: one address, all workers.
 *
 * A listener has a place in each worker; a place listens, or not. TCP: all do. AF_UNIX, AF_VSOCK: one does, and gives away what it accepts.
 * A place and its kith_listener are the worker's: they are made and closed in its thread, in errands of kith_worker_run(). The descriptor
 * alone is seen from outside: by a child of fork(2), which has the memory and none of the threads.
 *
 * A port of TCP to oneself: SO_REUSEPORT lets any process of the same user join that has it set, and two servers started twice would share
 * their clients without a word. So the first socket binds and listens without it, which the kernel allows to one alone (with SO_REUSEADDR
 * it is listen() that decides, not bind()). Set afterwards it admits the sockets of the other workers, and the kernel makes the group of
 * both when the second one listens (reuseport_add_sock() in net/core/sock_reuseport.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "stream/internal.h"
#include "workers/workers.h"

struct place {
    struct kith_list link; /* in worker->places */
    kith_worker *worker;
    struct kith_workers_listener *owner;
    kith_listener *listener;
    atomic_int fd; /* of `listener`, or -1 */
};

struct kith_workers_listener {
    struct kith_list link; /* in workers->listeners */
    const struct kith_workers_listener_ops *ops;
    void *userdata;
    bool spread;   /* AF_UNIX, AF_VSOCK: what is accepted goes to whoever has the fewest */
    unsigned next; /* the acceptor's: where the search for that one begins */
    unsigned count;
    struct place places[];
};

/* Accepting ---------------------------------------------------------------------------------------------------------- */

/* A connection that is counted already. */
static int take(kith_worker *worker, struct kith_workers_listener *listener, int fd) {
    int r = listener->ops->accept(worker, fd, listener->userdata);
    if (r < 0) {
        kith_worker_closed(worker);
        atomic_fetch_add(&worker->refused, 1);
        return r;
    }
    atomic_fetch_add(&worker->accepted, 1);
    return 0;
}

void kith_workers_deliver(kith_worker *worker, struct kith_workers_listener *listener, int fd) {
    if (take(worker, listener, fd) < 0)
        kith_close(fd);
}

void kith_workers_refuse(kith_worker *worker, int fd) {
    kith_worker_closed(worker);
    atomic_fetch_add(&worker->refused, 1);
    kith_close(fd);
}

/* Whoever has the fewest connections; of several, the next in turn. The acceptor itself can always be. */
static kith_worker *choose(struct kith_workers_listener *listener, kith_worker *acceptor) {
    kith_workers *workers = acceptor->workers;
    kith_worker *best = NULL;
    uint64_t fewest = 0;
    for (unsigned i = 0; i < workers->count; i++) {
        kith_worker *worker = &workers->each[(listener->next + i) % workers->count];
        uint64_t connections = atomic_load(&worker->connections);
        if ((worker == acceptor || kith_inbox_has_room(&worker->inbox)) && (!best || connections < fewest)) {
            best = worker;
            fewest = connections;
        }
    }
    listener->next = best->index + 1;
    return best;
}

/* Counted before it is posted: the next choice must see it, and the receiver may be done with it before we are. */
static bool hand_over(kith_worker *acceptor, kith_worker *worker, struct kith_workers_listener *listener, int fd) {
    atomic_fetch_add(&worker->connections, 1);
    atomic_fetch_add(&acceptor->handed_over, 1);
    if (kith_inbox_post_fd(&worker->inbox, fd, listener) < 0) {
        atomic_fetch_sub(&worker->connections, 1);
        atomic_fetch_sub(&acceptor->handed_over, 1);
        return false;
    }
    kith_wakeup_send(worker->wakeup);
    return true;
}

static int on_accept(kith_listener *source, int fd, void *userdata) {
    struct place *place = userdata;
    struct kith_workers_listener *listener = place->owner;
    kith_worker *worker = place->worker, *to;
    while (listener->spread && (to = choose(listener, worker)) != worker)
        if (hand_over(worker, to, listener, fd))
            return 0;
    atomic_fetch_add(&worker->connections, 1);
    return take(worker, listener, fd);
}

static void on_error(kith_listener *source, int error, void *userdata) {
    struct place *place = userdata;
    if (place->owner->ops->error)
        place->owner->ops->error(place->worker, error, place->owner->userdata);
}

/* Places -------------------------------------------------------------------------------------------------------------- */

struct opening {
    struct kith_workers_listener *listener;
    const struct kith_address *address;
    struct kith_listener_options options;
    bool admit; /* others join: SO_REUSEPORT when it listens */
    struct kith_address bound;
    struct kith_error error;
};

/* Always succeeds: a place that does not listen is closed too. */
static int close_place(kith_worker *worker, void *userdata) {
    struct kith_workers_listener *listener = userdata;
    struct place *place = &listener->places[worker->index];
    kith_list_unlink(&place->link);
    atomic_store(&place->fd, -1);
    place->listener = kith_listener_free(place->listener);
    return 0;
}

static int open_place(kith_worker *worker, void *userdata) {
    static const struct kith_listener_ops ops = {.accept = on_accept, .error = on_error};
    static const int one = 1;
    struct opening *opening = userdata;
    struct place *place = &opening->listener->places[worker->index];
    if (worker->ending)
        return -ESHUTDOWN;
    int r = kith_listener_new(worker->loop, opening->address, &opening->options, &ops, place, &place->listener, &opening->error);
    if (r < 0)
        return r;
    atomic_store(&place->fd, kith_listener_fd(place->listener));
    kith_list_push_back(&worker->places, &place->link);
    r = kith_listener_address(place->listener, &opening->bound);
    if (r >= 0 && opening->admit && setsockopt(place->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
        r = -errno;
    if (r < 0)
        close_place(worker, opening->listener);
    return r < 0 ? kith_error_set(&opening->error, r, "the listening socket cannot be shared: %s", kith_error_name(r)) : 0;
}

int kith_workers_close_places(kith_worker *worker, void *userdata) {
    struct place *place;
    while ((place = kith_list_first(&worker->places, struct place, link)))
        close_place(worker, place->owner);
    return 0;
}

/* Listeners ------------------------------------------------------------------------------------------------------------ */

static int listener_new(kith_workers *workers, const struct kith_workers_listener_ops *ops, void *userdata, bool spread,
                        struct kith_workers_listener **ret_listener) {
    struct kith_workers_listener *listener = calloc(1, sizeof(*listener) + workers->count * sizeof(listener->places[0]));
    if (!listener)
        return -ENOMEM;
    kith_list_init(&listener->link);
    listener->ops = ops;
    listener->userdata = userdata;
    listener->spread = spread;
    listener->count = workers->count;
    for (unsigned i = 0; i < workers->count; i++) {
        listener->places[i].worker = &workers->each[i];
        listener->places[i].owner = listener;
        kith_list_init(&listener->places[i].link);
        atomic_init(&listener->places[i].fd, -1);
    }
    *ret_listener = listener;
    return 0;
}

/* One worker listens: the next in turn that has not ended. */
static int open_one(kith_workers *workers, struct opening *opening) {
    int r = -ESHUTDOWN;
    for (unsigned i = 0; i < workers->count && r == -ESHUTDOWN; i++)
        r = kith_worker_run(&workers->each[workers->next_acceptor++ % workers->count], open_place, opening);
    return r;
}

/* All listen at the address of the first. Those that have ended do not count, as long as one has not. */
static int open_all(kith_workers *workers, struct opening *opening) {
    struct kith_address address;
    bool first = true;
    opening->admit = workers->count > 1;
    for (unsigned i = 0; i < workers->count; i++) {
        int r = kith_worker_run(&workers->each[i], open_place, opening);
        if (r == -ESHUTDOWN)
            continue;
        if (r < 0)
            return r;
        if (first)
            address = opening->bound;
        first = false;
        opening->address = &address;
        opening->options.reuse_port = true;
        opening->admit = false;
    }
    return first ? -ESHUTDOWN : 0;
}

int kith_workers_listen(kith_workers *workers, const struct kith_address *address, const struct kith_listener_options *options,
                        const struct kith_workers_listener_ops *ops, void *userdata, struct kith_address *ret_address,
                        struct kith_error *ret_error) {
    if (!workers || !address || !ops || !ops->accept)
        return kith_error_set(ret_error, -EINVAL, "workers listen at an address, with an accept callback");
    int r = kith_workers_check(workers);
    if (r < 0)
        return kith_error_set(ret_error, r, "workers cannot listen now: %s", kith_error_name(r));

    struct opening opening = {.address = address};
    bool spread = address->storage.ss_family != AF_INET && address->storage.ss_family != AF_INET6; /* what knows SO_REUSEPORT */
    if (options)
        opening.options = *options;
    opening.options.reuse_port = false;
    r = listener_new(workers, ops, userdata, spread, &opening.listener);
    if (r < 0)
        return kith_error_set(ret_error, r, "out of memory");
    r = spread ? open_one(workers, &opening) : open_all(workers, &opening);
    if (r < 0) {
        for (unsigned i = 0; i < workers->count; i++)
            (void)kith_worker_run(&workers->each[i], close_place, opening.listener);
        free(opening.listener); /* only TCP came so far as to accept, and nothing of it is in an inbox */
        return kith_error_set(ret_error, r, "%s", opening.error.code < 0 ? opening.error.text : kith_error_name(r));
    }
    kith_list_push_back(&workers->listeners, &opening.listener->link);
    if (ret_address)
        *ret_address = opening.bound;
    return 0;
}

void kith_workers_free_listeners(kith_workers *workers) {
    struct kith_workers_listener *listener;
    while ((listener = kith_list_first(&workers->listeners, struct kith_workers_listener, link))) {
        kith_list_unlink(&listener->link);
        free(listener);
    }
}

void kith_workers_abandon_listeners(kith_workers *workers) {
    kith_list_foreach (&workers->listeners, node) {
        struct kith_workers_listener *listener = kith_list_entry(node, struct kith_workers_listener, link);
        for (unsigned i = 0; i < listener->count; i++)
            kith_close(listener->places[i].fd);
    }
}
