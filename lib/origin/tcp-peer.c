/*
 * origin/tcp-peer.c: see tcp-peer.h.
 *
 * The owner of the socket is the kernel's word: of who made it, as SO_PEERCRED is of who connected. The process is not: of those that have
 * a descriptor of the socket none can be told apart, so only one that is alone is told, as inferred.
 *
 * The peer's socket is found by its addresses, and when a connection is over these may be another's: so it counts only if our own socket,
 * known by its cookie, is still there afterwards, connected to them. Between asking for the socket and finding the process either may have
 * gone and its number have been given away. So the order is: socket, our own, process, pidfd, descriptor again (under the pidfd), socket
 * again with the same cookie.
 *
 * What could not be asked for want of memory or descriptors, or because the socket waits to be accepted, is asked again.
 */
#include "origin/tcp-peer.h"

#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/refs.h"
#include "origin/holder.h"
#include "origin/inet-diag.h"
#include "origin/namespace.h"

/* In the order in which they are found. */
enum { ASKED_INTERFACE = 1, ASKED_SOCKET = 2, ASKED_PROCESS = 4 };

struct kith_tcp_peer {
    struct kith_refs refs;
    pthread_mutex_t mutex; /* while it is shared; what is known never changes and is read without it */
    struct kith_tcp_connection connection;
    atomic_uint asked;
    char interface[IF_NAMESIZE]; /* "": unknown */
    bool has_socket;
    struct kith_inet_socket socket;
    struct kith_process *process;
};

KITH_DEFINE_CLEANUP(struct kith_process *, kith_process_unref)

int kith_tcp_peer_new(const struct kith_tcp_connection *connection, struct kith_tcp_peer **ret_peer) {
    struct kith_tcp_peer *peer = malloc(sizeof(*peer));

    if (!peer)
        return -ENOMEM;
    *peer = (struct kith_tcp_peer){.mutex = PTHREAD_MUTEX_INITIALIZER, .connection = *connection};
    kith_refs_init(&peer->refs);
    *ret_peer = peer;
    return 0;
}

struct kith_tcp_peer *kith_tcp_peer_unref(struct kith_tcp_peer *peer) {
    if (!peer || !kith_refs_drop(&peer->refs))
        return NULL;
    kith_process_unref(peer->process);
    pthread_mutex_destroy(&peer->mutex);
    free(peer);
    return NULL;
}

void kith_tcp_peer_share(struct kith_tcp_peer *peer) {
    if (!peer)
        return;
    kith_refs_share(&peer->refs);
    kith_process_share(peer->process);
}

static bool asked(const struct kith_tcp_peer *peer, unsigned what) {
    return atomic_load_explicit(&peer->asked, memory_order_acquire) & what;
}

/* Says nothing about the other. */
static bool is_shortage(int r) {
    return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int find_interface(struct kith_tcp_peer *peer) {
    char name[IF_NAMESIZE];

    if (peer->connection.interface == 0)
        return -ENODATA;
    if (!if_indextoname(peer->connection.interface, name))
        return -errno;
    memcpy(peer->interface, name, sizeof(name));
    return 0;
}

static int find_by_addresses(const struct kith_tcp_peer *peer, struct kith_inet_socket *ret_socket) {
    return kith_inet_diag_find(&peer->connection.peer, &peer->connection.own, 0, ret_socket);
}

/* By us: then the peer's end does not wait to be. Its first segment is known of no other connection. */
static bool is_accepted(const struct kith_tcp_connection *connection) {
    return connection->interface > 0;
}

/* Is the connection still there? It never comes back. */
static int confirm_connection(const struct kith_tcp_connection *connection) {
    struct kith_inet_socket own;
    int r = kith_inet_diag_find(&connection->own, &connection->peer, connection->bound, &own);

    if (r == -EAGAIN || (r >= 0 && own.cookie != connection->cookie))
        return -ENOENT;
    return r;
}

static int find_socket(struct kith_tcp_peer *peer) {
    struct kith_inet_socket socket;
    int r = peer->connection.cookie == 0 ? -ENODATA : find_by_addresses(peer, &socket);

    if (r == -EAGAIN && is_accepted(&peer->connection))
        r = -ENOENT; /* it was closed */
    if (r >= 0)
        r = confirm_connection(&peer->connection);
    if (r < 0)
        return r;
    peer->socket = socket;
    peer->has_socket = true;
    return 0;
}

/* Once more, now that there is a pidfd: has this very process the descriptor, and is it still the same socket? */
static int confirm(const struct kith_tcp_peer *peer, struct kith_process *process, pid_t pid) {
    struct kith_inet_socket socket;
    pid_t located;
    int r = kith_process_locate(process, &located);

    if (r >= 0 && located != pid) /* /proc is of another pid namespace: the pidfd is of somebody else */
        r = -ENOENT;
    if (r >= 0)
        r = kith_holder_has(located, peer->socket.inode);
    if (r == 0)
        r = -ENOENT;
    if (r > 0)
        r = find_by_addresses(peer, &socket);
    if (r >= 0 && (socket.cookie != peer->socket.cookie || socket.inode != peer->socket.inode))
        r = -ENOENT;
    return r < 0 ? r : kith_process_alive(process, true) ? 0 : -ESRCH;
}

static int find_process(struct kith_tcp_peer *peer) {
    _cleanup_(kith_process_unrefp) struct kith_process *process = NULL;
    pid_t pid = 0;
    int r = peer->has_socket ? kith_holder_find(peer->socket.inode, peer->socket.uid, &pid) : -ENOENT;

    if (r >= 0)
        r = kith_process_new(pid, -1, false, &process);
    if (r >= 0)
        r = confirm(peer, process, pid);
    if (r < 0)
        return r;
    if (kith_refs_is_shared(&peer->refs))
        kith_process_share(process);
    peer->process = KITH_STEAL(process);
    return 0;
}

/* Sees to it that it has been asked for, as far as possible. */
static void ask(struct kith_tcp_peer *peer, unsigned what, int (*find)(struct kith_tcp_peer *peer)) {
    bool shared = kith_refs_is_shared(&peer->refs);

    if (asked(peer, what))
        return;
    if (shared)
        pthread_mutex_lock(&peer->mutex);
    if (!asked(peer, what)) {
        int r = find(peer);

        if (is_shortage(r))
            kith_origin_note_unanswered();
        if (!is_shortage(r) && r != -EAGAIN)
            atomic_fetch_or_explicit(&peer->asked, what, memory_order_release);
    }
    if (shared)
        pthread_mutex_unlock(&peer->mutex);
}

bool kith_tcp_peer_number(struct kith_tcp_peer *peer, enum kith_fact fact, bool at_hand, uint64_t *ret_number) {
    int octet = fact == KITH_FACT_TTL ? peer->connection.ttl : fact == KITH_FACT_TOS ? peer->connection.tos : -1;

    if (fact == KITH_FACT_UID) {
        if (!at_hand)
            ask(peer, ASKED_SOCKET, find_socket);
        if (!asked(peer, ASKED_SOCKET) || !peer->has_socket || !kith_uid_certain(peer->socket.uid))
            return false;
        *ret_number = peer->socket.uid;
        return true;
    }
    if (octet < 0)
        return false;
    *ret_number = (uint64_t)octet;
    return true;
}

bool kith_tcp_peer_interface(struct kith_tcp_peer *peer, const char **ret_name) {
    ask(peer, ASKED_INTERFACE, find_interface);
    if (!asked(peer, ASKED_INTERFACE) || peer->interface[0] == '\0')
        return false;
    *ret_name = peer->interface;
    return true;
}

struct kith_process *kith_tcp_peer_process(struct kith_tcp_peer *peer, bool at_hand) {
    if (!at_hand) {
        ask(peer, ASKED_SOCKET, find_socket);
        if (asked(peer, ASKED_SOCKET))
            ask(peer, ASKED_PROCESS, find_process);
    }
    return asked(peer, ASKED_PROCESS) ? peer->process : NULL;
}
