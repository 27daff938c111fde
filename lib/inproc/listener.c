/* inproc/listener.c: see listener.h. */
#include "inproc/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inproc/registry.h"

struct kith_inproc_listener {
    struct kith_guest guest;
    const struct kith_inproc_listener_ops *ops;
    void *userdata;
    unsigned refs; /* the owner's, and one while callbacks run */
    bool freed;
    /* under the registry's lock */
    struct kith_map_node node;
    bool named;
    struct kith_list arrivals; /* kith_pipe_pair */
    char name[];
};

/* The next one who has come, with an end of ours that belongs to this loop. */
static struct kith_pipe *listener_claim(struct kith_inproc_listener *listener) {
    struct kith_registry *registry = kith_registry_lock();
    struct kith_pipe_pair *pair = kith_list_first(&listener->arrivals, struct kith_pipe_pair, link);
    struct kith_pipe *pipe = pair ? kith_pipe_claim(pair, listener->guest.port) : NULL;
    kith_registry_unlock(registry);
    return pipe;
}

static void listener_unref(struct kith_inproc_listener *listener) {
    if (--listener->refs > 0)
        return;
    kith_guest_deinit(&listener->guest);
    free(listener);
}

static unsigned listener_work(struct kith_guest *guest) {
    struct kith_inproc_listener *listener = KITH_CONTAINER_OF(guest, struct kith_inproc_listener, guest);
    unsigned count = 0;
    struct kith_pipe *pipe;
    listener->refs++;
    while (!listener->freed && (pipe = listener_claim(listener))) {
        count++;
        int r = listener->ops->accept(listener, pipe, listener->userdata);
        if (r < 0)
            kith_pipe_refuse(pipe, r);
    }
    listener_unref(listener);
    return count;
}

/* Gives the name back. Who has come waits for the next listener. */
static void listener_unname(struct kith_inproc_listener *listener) {
    if (kith_port_forked(listener->guest.port))
        return;
    struct kith_registry *registry = kith_registry_lock();
    if (listener->named) {
        kith_map_remove(&registry->listeners, &listener->node);
        kith_list_splice(&registry->waiting, &listener->arrivals);
    }
    listener->named = false;
    kith_registry_unlock(registry);
}

static void listener_evict(struct kith_guest *guest) {
    listener_unname(KITH_CONTAINER_OF(guest, struct kith_inproc_listener, guest));
    kith_guest_leave(guest);
}

static const struct kith_guest_ops listener_guest_ops = {.work = listener_work, .evict = listener_evict};

void kith_registry_disown_listeners(struct kith_registry *registry) {
    kith_map_foreach_safe (&registry->listeners, node) {
        struct kith_inproc_listener *listener = KITH_CONTAINER_OF(node, struct kith_inproc_listener, node);
        listener->named = false;
        while (!kith_list_empty(&listener->arrivals))
            kith_list_unlink(listener->arrivals.next);
    }
}

/* Takes the name, and who has waited for it. */
static int listener_name(struct kith_inproc_listener *listener) {
    struct kith_registry *registry = kith_registry_lock();
    int r = kith_map_insert(&registry->listeners, &listener->node, listener->name, strlen(listener->name));
    listener->named = r >= 0;
    kith_list_foreach_safe (&registry->waiting, node) {
        struct kith_pipe_pair *pair = kith_list_entry(node, struct kith_pipe_pair, link);
        if (r < 0 || strcmp(pair->name, listener->name) != 0)
            continue;
        kith_list_unlink(node);
        kith_list_push_back(&listener->arrivals, node);
    }
    bool awaited = !kith_list_empty(&listener->arrivals);
    kith_registry_unlock(registry);
    if (awaited)
        kith_guest_schedule(&listener->guest);
    return r == -EEXIST ? -EADDRINUSE : r;
}

int kith_inproc_listener_new(kith_loop *loop, const char *name, const struct kith_inproc_listener_ops *ops, void *userdata,
                             struct kith_inproc_listener **ret_listener) {
    size_t size = strnlen(name, KITH_INPROC_NAME_MAX + 1);
    if (size == 0 || size > KITH_INPROC_NAME_MAX)
        return -EINVAL;
    struct kith_port *port;
    int r = kith_port_get(loop, &port);
    if (r < 0)
        return r;
    struct kith_inproc_listener *listener = calloc(1, sizeof(*listener) + size + 1);
    if (!listener) {
        kith_port_put(port);
        return -ENOMEM;
    }
    kith_guest_init(&listener->guest, &listener_guest_ops);
    kith_list_init(&listener->arrivals);
    listener->refs = 1;
    listener->ops = ops;
    listener->userdata = userdata;
    memcpy(listener->name, name, size);
    kith_guest_enter(&listener->guest, port);
    kith_port_put(port);
    r = listener_name(listener);
    if (r < 0)
        kith_inproc_listener_free(listener);
    else
        *ret_listener = listener;
    return r;
}

bool kith_inproc_listened(const char *name) {
    struct kith_registry *registry = kith_registry_lock();
    bool listened = kith_map_find(&registry->listeners, name, strlen(name)) != NULL;
    kith_registry_unlock(registry);
    return listened;
}

struct kith_inproc_listener *kith_inproc_listener_free(struct kith_inproc_listener *listener) {
    if (!listener)
        return NULL;
    listener_unname(listener);
    kith_guest_leave(&listener->guest);
    listener->freed = true;
    listener_unref(listener);
    return NULL;
}

/* From the connector's thread. */
int kith_pipe_announce(struct kith_pipe_pair *pair, bool wait) {
    struct kith_registry *registry = kith_registry_lock();
    struct kith_map_node *node = kith_map_find(&registry->listeners, pair->name, strlen(pair->name));
    struct kith_inproc_listener *listener = node ? KITH_CONTAINER_OF(node, struct kith_inproc_listener, node) : NULL;
    if (listener || wait)
        kith_list_push_back(listener ? &listener->arrivals : &registry->waiting, &pair->link);
    bool ours = listener && listener->guest.port == pair->ends[0].guest.port;
    if (listener && !ours) {
        kith_port_lock(listener->guest.port);
        kith_guest_post(&listener->guest);
        kith_port_unlock(listener->guest.port);
    }
    kith_registry_unlock(registry);
    if (ours) /* nobody else frees it */
        kith_guest_schedule(&listener->guest);
    return listener || wait ? 0 : -ECONNREFUSED;
}
