/*
 * chat.c: a room for many clients, with sessions: chat ipc:///tmp/chat.sock tcp://127.0.0.1:7001, and then: nc -U /tmp/chat.sock
 *
 * The first line that a client sends is its name, each further one is said to all. The server keeps the last HISTORY lines, once, and of a
 * client only how far it has read: so a slow reader costs nothing, and misses lines when it falls too far behind. That place is what a
 * session is here. It is kept for AWAY_MS when a client goes, and given back to the same user and program alone, by the kernel's word.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kith/kith.h>

enum { HISTORY = 1024, LINE_SIZE = 512, PER_PEER_MAX = 256, HANDSHAKE_MS = 30000, AWAY_MS = 600000 };

struct client {
    struct client *next;
    kith_conn *conn;
    kith_origin *origin; /* NULL: TCP, where the kernel knows an address and no user */
    char name[32], line[LINE_SIZE];
    size_t used; /* octets of the line that has not ended yet */
    uint64_t seen;
};

static struct client *clients;
static kith_cache *sessions;
static char *history[HISTORY];
static uint64_t said; /* lines so far; the last is history[(said - 1) % HISTORY] */

/* Sends what a client has not seen while its queue takes it; `writable` goes on with the rest. */
static void catch_up(kith_conn *conn, void *userdata) {
    struct client *client = userdata;
    if (said - client->seen > HISTORY)
        client->seen = said - HISTORY;
    for (; client->name[0] && client->seen < said; client->seen++) {
        const char *line = history[client->seen % HISTORY];
        if (kith_conn_write(conn, line, strlen(line)) < 0)
            return;
    }
}

static void say(const char *name, const char *text) {
    char *line;
    if (asprintf(&line, "%s: %s\n", name, text) < 0)
        return;
    free(history[said % HISTORY]);
    history[said++ % HISTORY] = line;
    for (struct client *client = clients; client; client = client->next)
        catch_up(client->conn, client);
}

/* A name proves nothing: that the session under it goes to the user and the program that had it, and to no other, the cache sees to. */
static void enter(struct client *client, const char *name) {
    struct kith_cache_key key;
    uint64_t *place = NULL;
    bool taken = strlen(name) >= sizeof(client->name) || kith_cache_key_octets(name, strlen(name), &key) < 0;
    for (struct client *other = clients; other && !taken; other = other->next)
        taken = strcmp(other->name, name) == 0;
    taken = taken || kith_cache_take(sessions, &key, client->origin, (void **)&place) == -EACCES;
    const char *answer = taken ? "* not a name, or taken: try another\n" : place ? "* welcome back\n" : "* welcome\n";
    (void)kith_conn_write(client->conn, answer, strlen(answer));
    if (taken)
        return;
    kith_conn_handshake_done(client->conn); /* who never gets here is closed after HANDSHAKE_MS */
    strcpy(client->name, name);
    client->seen = place ? *place : said;
    free(place);
    catch_up(client->conn, client);
}

/* Octets come as the network cut them: half a line, or many. What is too long is cut. */
static void on_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct client *client = userdata;
    for (size_t i = 0; i < batch->slice.size; i++) {
        unsigned char c = batch->slice.data[i];
        if (c != '\n') { /* control characters would drive the terminals of the others */
            if (client->used < LINE_SIZE - 1)
                client->line[client->used++] = c < ' ' || c == 0x7f ? '?' : (char)c;
            continue;
        }
        client->line[client->used] = '\0';
        client->used = 0;
        client->name[0] ? say(client->name, client->line) : enter(client, client->line);
    }
}

static void drop_session(void *state, enum kith_cache_reason reason, void *userdata) {
    free(state);
}

static void on_closed(kith_conn *conn, int error, void *userdata) {
    struct client *client = userdata, **link = &clients;
    struct kith_cache_key key;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    /* What the kernel took and the client never read is lost: a protocol that must not lose it has its clients say how far they are. */
    uint64_t *place = malloc(sizeof(*place));
    if (place)
        *place = client->seen;
    if (kith_cache_key_octets(client->name, strlen(client->name), &key) < 0 ||
        kith_cache_put(sessions, &key, client->origin, place, sizeof(*place), 0) < 0)
        free(place); /* it has no name, or nothing proves who it is (-ENODATA) */
    kith_origin_unref(client->origin);
    kith_conn_free(conn);
    free(client);
}

static int on_accept(kith_listener *listener, int fd, void *userdata) {
    static const struct kith_conn_ops ops = {.data = on_data, .writable = catch_up, .closed = on_closed};
    static const struct kith_conn_options options = {.high_mark = 16384, .handshake_ms = HANDSHAKE_MS};
    struct client *client = calloc(1, sizeof(*client));
    struct kith_sender peer; /* who called connect(2); its program is looked up when the cache asks */
    int r = client ? kith_conn_new_accepted(listener, fd, &options, &ops, client, &client->conn) : -ENOMEM;
    if (r < 0) {
        free(client);
        return r;
    }
    if (kith_conn_peer(client->conn, &peer) == 0 &&
        kith_origin_of_credentials(peer.pid, peer.uid, peer.gid, peer.pidfd, KITH_WITNESS_KERNEL_CONNECT, &client->origin) < 0)
        close(peer.pidfd);
    client->next = clients;
    clients = client;
    return 0;
}

/* It has nothing to end in order: a signal ends the process, and the path that is left behind is replaced when it starts anew. */
int main(int argc, char **argv) {
    static const struct kith_listener_ops ops = {.accept = on_accept};
    static const struct kith_listener_options options = {.identity = true, .max_per_peer = PER_PEER_MAX};
    static const struct kith_cache_options cache_options = {.ttl_ms = AWAY_MS, .exe = KITH_WITNESS_INFERRED};
    static kith_loop *loop;
    kith_listener *listener;
    struct kith_address address;
    struct kith_error error = KITH_ERROR_NONE;
    int r = argc < 2 ? -EDESTADDRREQ : kith_loop_new_with(NULL, &loop, &error);
    if (r == 0)
        r = kith_cache_new(loop, &cache_options, drop_session, NULL, &sessions);
    for (int i = 1; i < argc && r == 0; i++)
        if ((r = kith_address_parse(argv[i], true, &address, &error)) == 0)
            r = kith_listener_new(loop, &address, &options, &ops, NULL, &listener, &error);
    if (r == 0 && fprintf(stderr, "chat: ready\n") > 0)
        r = kith_loop_run(loop);
    fprintf(stderr, "%s\n", argc < 2 ? "usage: chat ADDRESS..." : error.text[0] ? error.text : strerror(-r));
    return argc < 2 ? 2 : 1;
}
