/*
 * Inherited sockets: a small row, searched from its front.
 *
 * The address is the kernel's word, asked for once: nobody can change where a socket is bound.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/fd.h"
#include "stream/inherit.h"
#include "stream/listen.h"

struct entry {
    char *name;
    int fd;
    struct kith_address address;
    struct kith_bound_path path;
};

struct kith_inherited {
    struct entry *entries;
    size_t count, room;
};

int kith_inherited_new(kith_inherited **ret_inherited) {
    if (!ret_inherited)
        return -EINVAL;
    kith_inherited *inherited = calloc(1, sizeof(*inherited));
    if (!inherited)
        return -ENOMEM;
    *ret_inherited = inherited;
    return 0;
}

kith_inherited *kith_inherited_free(kith_inherited *inherited) {
    if (!inherited)
        return NULL;
    for (size_t i = 0; i < inherited->count; i++) {
        struct entry *entry = &inherited->entries[i];
        kith_bound_path_deinit(&entry->path); /* while it still listens, as a listener does */
        kith_close(entry->fd);
        free(entry->name);
    }
    free(inherited->entries);
    free(inherited);
    return NULL;
}

static int reserve(kith_inherited *inherited) {
    if (inherited->count < inherited->room)
        return 0;
    size_t room = inherited->room > 0 ? 2 * inherited->room : 4;
    struct entry *entries = realloc(inherited->entries, room * sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    inherited->entries = entries;
    inherited->room = room;
    return 0;
}

int kith_inherited_add_bound(kith_inherited *inherited, const char *name, int fd, struct kith_bound_path *path,
                             struct kith_error *ret_error) {
    if (!inherited || !name || strlen(name) > KITH_INHERITED_NAME_MAX)
        return kith_error_set(ret_error, -EINVAL, "an inherited socket needs a name of at most %d octets", KITH_INHERITED_NAME_MAX);
    int r = kith_listen_check(fd, name, ret_error);
    if (r < 0)
        return r;

    struct entry entry = {.fd = fd, .address.size = sizeof(entry.address.storage), .path = KITH_BOUND_PATH_INIT};
    if (getsockname(fd, (struct sockaddr *)&entry.address.storage, &entry.address.size) < 0)
        r = -errno;
    if (r == 0)
        r = kith_fd_set_cloexec(fd);
    if (r == 0)
        r = reserve(inherited);
    if (r == 0 && !(entry.name = strdup(name)))
        r = -ENOMEM;
    if (r < 0)
        return kith_error_set(ret_error, r, "descriptor %d (%s) cannot be inherited: %s", fd, name, kith_error_name(r));
    if (path)
        entry.path = kith_bound_path_steal(path);
    inherited->entries[inherited->count++] = entry;
    return 0;
}

int kith_inherited_add(kith_inherited *inherited, const char *name, int fd, struct kith_error *ret_error) {
    return kith_inherited_add_bound(inherited, name, fd, NULL, ret_error);
}

size_t kith_inherited_count(const kith_inherited *inherited) {
    return inherited ? inherited->count : 0;
}

const char *kith_inherited_name(const kith_inherited *inherited, size_t index) {
    return index < kith_inherited_count(inherited) ? inherited->entries[index].name : NULL;
}

int kith_inherited_address(const kith_inherited *inherited, size_t index, struct kith_address *ret_address) {
    if (!ret_address)
        return -EINVAL;
    if (index >= kith_inherited_count(inherited))
        return -ENOENT;
    *ret_address = inherited->entries[index].address;
    return 0;
}

/* Takes ----------------------------------------------------------------------------------------------------------------- */

/* A path may have been bound with its NUL counted or not, an abstract name is all of its octets. */
static size_t unix_name_size(const struct kith_address *address) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    if (address->size <= offsetof(struct sockaddr_un, sun_path))
        return 0;
    size_t size = address->size - offsetof(struct sockaddr_un, sun_path);
    return un->sun_path[0] == '\0' ? size : strnlen(un->sun_path, size);
}

static bool same_unix(const struct kith_address *a, const struct kith_address *b) {
    size_t size = unix_name_size(a);
    return size > 0 && size == unix_name_size(b) &&
           memcmp(((const struct sockaddr_un *)&a->storage)->sun_path, ((const struct sockaddr_un *)&b->storage)->sun_path, size) == 0;
}

static bool same_ipv4(const struct kith_address *a, const struct kith_address *b) {
    const struct sockaddr_in *x = (const struct sockaddr_in *)&a->storage, *y = (const struct sockaddr_in *)&b->storage;
    return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
}

static bool same_ipv6(const struct kith_address *a, const struct kith_address *b) {
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)&a->storage, *y = (const struct sockaddr_in6 *)&b->storage;
    return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
           memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

static bool same_vsock(const struct kith_address *a, const struct kith_address *b) {
    const struct sockaddr_vm *x = (const struct sockaddr_vm *)&a->storage, *y = (const struct sockaddr_vm *)&b->storage;
    return x->svm_port == y->svm_port && x->svm_cid == y->svm_cid;
}

static bool same_address(const struct kith_address *a, const struct kith_address *b) {
    if (a->storage.ss_family != b->storage.ss_family)
        return false;
    switch (a->storage.ss_family) {
    case AF_UNIX:
        return same_unix(a, b);
    case AF_INET:
        return same_ipv4(a, b);
    case AF_VSOCK:
        return same_vsock(a, b);
    default:
        return same_ipv6(a, b); /* nothing else passes kith_listen_check() */
    }
}

static int take_at(kith_inherited *inherited, size_t index, struct kith_bound_path *ret_path) {
    struct entry entry = inherited->entries[index];
    inherited->count--;
    memmove(inherited->entries + index, inherited->entries + index + 1, (inherited->count - index) * sizeof(entry));
    if (ret_path)
        *ret_path = entry.path;
    else
        kith_bound_path_release(&entry.path);
    free(entry.name);
    return entry.fd;
}

int kith_inherited_take(kith_inherited *inherited, const char *name) {
    if (!name)
        return -EINVAL;
    for (size_t i = 0; i < kith_inherited_count(inherited); i++) {
        if (strcmp(inherited->entries[i].name, name) == 0)
            return take_at(inherited, i, NULL);
    }
    return -ENOENT;
}

int kith_inherited_take_bound(kith_inherited *inherited, const struct kith_address *address, struct kith_bound_path *ret_path) {
    for (size_t i = 0; i < kith_inherited_count(inherited); i++) {
        if (same_address(&inherited->entries[i].address, address))
            return take_at(inherited, i, ret_path);
    }
    return -ENOENT;
}

int kith_inherited_take_address(kith_inherited *inherited, const struct kith_address *address) {
    return address && address->size <= sizeof(address->storage) ? kith_inherited_take_bound(inherited, address, NULL) : -EINVAL;
}
