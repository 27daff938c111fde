/* stream/quota.c: see quota.h. */
#include "stream/quota.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* IPv4 addresses as IPv6 ones that are mapped, so that both have one form; a uid or a context id in the
 * first octets: a listener has one family, so they do not meet. */
struct key {
    uint8_t octets[16];
};

struct kith_quota_entry {
    struct kith_map_node node;
    struct key key;
    unsigned count;
};

static int key_of_process(int fd, struct key *key) {
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return -errno;
    memcpy(key->octets, &credentials.uid, sizeof(credentials.uid));
    return 0;
}

static int key_of_address(int fd, struct key *key) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
        return -errno;
    if (peer.ss_family == AF_VSOCK) {
        const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&peer;
        memcpy(key->octets, &vm->svm_cid, sizeof(vm->svm_cid));
    } else if (peer.ss_family == AF_INET6) {
        const struct in6_addr *address = &((const struct sockaddr_in6 *)&peer)->sin6_addr;
        memcpy(key->octets, address, IN6_IS_ADDR_V4MAPPED(address) ? 16 : 8);
    } else {
        key->octets[10] = key->octets[11] = 0xff;
        memcpy(key->octets + 12, &((const struct sockaddr_in *)&peer)->sin_addr, 4);
    }
    return 0;
}

int kith_quota_take(struct kith_quota *quota, int fd, int family, struct kith_quota_entry **ret_entry) {
    struct key key = {0};
    struct kith_quota_entry *entry = NULL;
    if (quota->limit == 0) {
        *ret_entry = NULL;
        return 0;
    }
    int r = family == AF_UNIX ? key_of_process(fd, &key) : key_of_address(fd, &key);
    if (r < 0)
        return r;
    struct kith_map_node *node = kith_map_find(&quota->peers, &key, sizeof(key));
    if (node) {
        entry = KITH_CONTAINER_OF(node, struct kith_quota_entry, node);
    } else {
        entry = calloc(1, sizeof(*entry));
        if (!entry)
            return -ENOMEM;
        entry->key = key;
        r = kith_map_insert(&quota->peers, &entry->node, &entry->key, sizeof(entry->key));
        if (r < 0) {
            free(entry);
            return r;
        }
    }
    if (entry->count >= quota->limit)
        return -EUSERS;
    entry->count++;
    *ret_entry = entry;
    return 0;
}

void kith_quota_give(struct kith_quota *quota, struct kith_quota_entry *entry) {
    if (!entry || --entry->count > 0)
        return;
    kith_map_remove(&quota->peers, &entry->node);
    free(entry);
}

void kith_quota_deinit(struct kith_quota *quota) {
    kith_map_foreach_safe (&quota->peers, node) {
        kith_map_remove(&quota->peers, node);
        free(KITH_CONTAINER_OF(node, struct kith_quota_entry, node));
    }
    kith_map_deinit(&quota->peers);
}
