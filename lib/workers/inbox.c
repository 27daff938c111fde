/* workers/inbox.c: the queue. See inbox.h. */
#include <errno.h>
#include <stdlib.h>

#include "workers/inbox.h"

int kith_inbox_init(struct kith_inbox *inbox, unsigned fd_max) {
    struct kith_inbox_item *items = calloc(fd_max, sizeof(*items));
    if (!items)
        return -ENOMEM;
    *inbox = (struct kith_inbox){.items = items};
    pthread_mutex_init(&inbox->mutex, NULL);
    kith_list_init(&inbox->waiting);
    kith_list_init(&inbox->spare);
    for (unsigned i = 0; i < fd_max; i++) {
        items[i].kind = KITH_INBOX_FD;
        kith_list_push_back(&inbox->spare, &items[i].link);
    }
    atomic_init(&inbox->room, fd_max);
    return 0;
}

void kith_inbox_deinit(struct kith_inbox *inbox) {
    if (!inbox->items)
        return;
    pthread_mutex_destroy(&inbox->mutex);
    free(inbox->items);
    inbox->items = NULL;
}

int kith_inbox_post(struct kith_inbox *inbox, struct kith_inbox_item *item) {
    pthread_mutex_lock(&inbox->mutex);
    int r = inbox->closed ? -ESHUTDOWN : 0;
    if (r == 0)
        kith_list_push_back(&inbox->waiting, &item->link);
    pthread_mutex_unlock(&inbox->mutex);
    return r;
}

int kith_inbox_post_fd(struct kith_inbox *inbox, int fd, struct kith_workers_listener *listener) {
    pthread_mutex_lock(&inbox->mutex);
    struct kith_inbox_item *item = kith_list_first(&inbox->spare, struct kith_inbox_item, link);
    int r = inbox->closed ? -ESHUTDOWN : item ? 0 : -EAGAIN;
    if (r == 0) {
        item->fd = fd;
        item->listener = listener;
        kith_list_unlink(&item->link);
        kith_list_push_back(&inbox->waiting, &item->link);
        atomic_fetch_sub_explicit(&inbox->room, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&inbox->mutex);
    return r;
}

bool kith_inbox_has_room(const struct kith_inbox *inbox) {
    return atomic_load_explicit(&inbox->room, memory_order_relaxed) > 0;
}

bool kith_inbox_take(struct kith_inbox *inbox, struct kith_inbox_item *ret_item) {
    pthread_mutex_lock(&inbox->mutex);
    struct kith_inbox_item *item = kith_list_first(&inbox->waiting, struct kith_inbox_item, link);
    if (item) {
        kith_list_unlink(&item->link);
        *ret_item = *item;
        kith_list_init(&ret_item->link);
    }
    if (item && item->kind == KITH_INBOX_FD) {
        kith_list_push_back(&inbox->spare, &item->link);
        if (!inbox->closed)
            atomic_fetch_add_explicit(&inbox->room, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&inbox->mutex);
    if (item && ret_item->kind == KITH_INBOX_CALL)
        free(item);
    return item;
}

void kith_inbox_close(struct kith_inbox *inbox) {
    pthread_mutex_lock(&inbox->mutex);
    inbox->closed = true;
    atomic_store_explicit(&inbox->room, 0, memory_order_relaxed);
    pthread_mutex_unlock(&inbox->mutex);
}
