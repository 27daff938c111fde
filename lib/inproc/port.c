/* inproc/port.c: see port.h. */
#include "inproc/port.h"

#include <errno.h>
#include <stdlib.h>

#include "inproc/registry.h"

static void port_unref(struct kith_port *port) {
    if (!port || atomic_fetch_sub_explicit(&port->refs, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_destroy(&port->lock);
    free(port);
}

bool kith_port_forked(const struct kith_port *port) {
    return port->generation != kith_registry_generation();
}

/* No more mail, and none that could wake the loop. */
static void port_close(struct kith_port *port) {
    bool forked = kith_port_forked(port);
    port->retired = true;
    kith_list_unlink(&port->tenant.link);
    kith_defer_cancel(&port->round);
    if (!forked) {
        struct kith_registry *registry = kith_registry_lock();
        kith_list_unlink(&port->link);
        kith_registry_unlock(registry);
        kith_port_lock(port);
    }
    kith_wakeup *wakeup = KITH_STEAL(port->wakeup);
    if (!forked)
        kith_port_unlock(port);
    kith_wakeup_free(wakeup);
}

void kith_port_put(struct kith_port *port) {
    if (kith_list_empty(&port->guests) && !port->retired)
        port_close(port);
    port_unref(port);
}

/* Who has got mail is due. When there was none the loop may sleep. */
static void port_look(struct kith_port *port) {
    kith_port_lock(port);
    port->awake = port->looking = !kith_list_empty(&port->mail);
    while (!kith_list_empty(&port->mail)) {
        struct kith_guest *guest = kith_list_first(&port->mail, struct kith_guest, mail_link);
        kith_list_unlink(&guest->mail_link);
        if (kith_list_empty(&guest->due_link))
            kith_list_push_back(&port->due, &guest->due_link);
    }
    kith_port_unlock(port);
}

static unsigned port_work(struct kith_port *port) {
    struct kith_list round = KITH_LIST_INIT(round);
    unsigned count = 0;
    atomic_fetch_add_explicit(&port->refs, 1, memory_order_relaxed);
    if (port->looking)
        port_look(port);
    kith_list_splice(&round, &port->due);
    while (!kith_list_empty(&round)) {
        struct kith_guest *guest = kith_list_first(&round, struct kith_guest, due_link);
        kith_list_unlink(&guest->due_link);
        count += guest->ops->work(guest);
    }
    if (!port->retired && (port->looking || !kith_list_empty(&port->due)))
        kith_loop_defer(port->loop, &port->round);
    port_unref(port);
    return count;
}

static unsigned port_on_round(struct kith_defer *defer) {
    return port_work(KITH_CONTAINER_OF(defer, struct kith_port, round));
}

static void port_on_wakeup(kith_wakeup *wakeup, void *userdata) {
    (void)wakeup;
    struct kith_port *port = userdata;
    port->looking = true;
    (void)port_work(port);
}

static void port_on_evict(struct kith_tenant *tenant) {
    struct kith_port *port = KITH_CONTAINER_OF(tenant, struct kith_port, tenant);
    atomic_fetch_add_explicit(&port->refs, 1, memory_order_relaxed);
    while (!kith_list_empty(&port->guests)) {
        struct kith_guest *guest = kith_list_first(&port->guests, struct kith_guest, link);
        guest->ops->evict(guest);
    }
    port_unref(port);
}

static struct kith_port *port_find(const struct kith_registry *registry, const kith_loop *loop) {
    kith_list_foreach (&registry->ports, node) {
        struct kith_port *port = kith_list_entry(node, struct kith_port, link);
        if (port->loop == loop)
            return port;
    }
    return NULL;
}

static int port_new(kith_loop *loop, struct kith_port **ret_port) {
    struct kith_port *port = calloc(1, sizeof(*port));
    if (!port)
        return -ENOMEM;
    int r = kith_wakeup_new(loop, port_on_wakeup, port, &port->wakeup);
    if (r < 0) {
        free(port);
        return r;
    }
    atomic_init(&port->refs, 1);
    port->generation = kith_registry_generation();
    port->loop = loop;
    pthread_mutex_init(&port->lock, NULL);
    kith_list_init(&port->guests);
    kith_list_init(&port->due);
    kith_list_init(&port->mail);
    kith_defer_init(&port->round, port_on_round);
    kith_list_init(&port->tenant.link);
    port->tenant.evict = port_on_evict;
    kith_loop_house(loop, &port->tenant);
    struct kith_registry *registry = kith_registry_lock();
    kith_list_init(&port->link);
    kith_list_push_back(&registry->ports, &port->link);
    kith_registry_unlock(registry);
    *ret_port = port;
    return 0;
}

int kith_port_get(kith_loop *loop, struct kith_port **ret_port) {
    int r = kith_loop_check_fork(loop);
    if (r < 0)
        return r;
    struct kith_registry *registry = kith_registry_lock();
    struct kith_port *port = port_find(registry, loop);
    if (port)
        atomic_fetch_add_explicit(&port->refs, 1, memory_order_relaxed);
    kith_registry_unlock(registry);
    /* Only the loop's own thread makes its port, so nobody has made one meanwhile. */
    if (!port)
        return port_new(loop, ret_port);
    *ret_port = port;
    return 0;
}

void kith_guest_init(struct kith_guest *guest, const struct kith_guest_ops *ops) {
    guest->ops = ops;
    guest->port = NULL;
    guest->present = false;
    kith_list_init(&guest->link);
    kith_list_init(&guest->due_link);
    kith_list_init(&guest->mail_link);
}

void kith_guest_deinit(struct kith_guest *guest) {
    port_unref(guest->port);
}

void kith_guest_enter(struct kith_guest *guest, struct kith_port *port) {
    atomic_fetch_add_explicit(&port->refs, 1, memory_order_relaxed);
    guest->port = port;
    guest->present = true; /* nobody else knows it yet */
    kith_list_push_back(&port->guests, &guest->link);
}

void kith_guest_leave(struct kith_guest *guest) {
    struct kith_port *port = guest->port;
    if (kith_list_empty(&guest->link))
        return;
    kith_list_unlink(&guest->link);
    kith_list_unlink(&guest->due_link);
    if (!kith_port_forked(port)) {
        kith_port_lock(port);
        guest->present = false;
        kith_list_unlink(&guest->mail_link);
        kith_port_unlock(port);
    }
    if (kith_list_empty(&port->guests))
        port_close(port);
}

void kith_guest_schedule(struct kith_guest *guest) {
    if (kith_list_empty(&guest->link) || !kith_list_empty(&guest->due_link))
        return;
    kith_list_push_back(&guest->port->due, &guest->due_link);
    kith_loop_defer(guest->port->loop, &guest->port->round);
}

void kith_guest_post(struct kith_guest *guest) {
    struct kith_port *port = guest->port;
    if (!guest->present || !kith_list_empty(&guest->mail_link))
        return;
    kith_list_push_back(&port->mail, &guest->mail_link);
    if (port->awake)
        return;
    port->awake = true;
    kith_wakeup_send(port->wakeup);
}
