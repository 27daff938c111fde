/*
 * cli/map-follow.c: kith map --follow: connections as they are accepted.
 *
 * Each link is kept until its connection is closed; at the end a map is read, and the links are exact in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/map.h"
#include "base/time.h"
#include "cli/json.h"
#include "cli/map.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "map/kernel/follow.h"
#include "map/model/address.h"
#include "map/view/words.h"

struct link {
    struct kith_map_node node;
    uint64_t child, listener;
};

struct state {
    const struct cli_map_follow *follow;
    struct map *names; /* of unix listeners, as they were when one was last looked for */
    uint64_t names_ns;
    struct kith_map links; /* by child */
    int64_t told;
    bool done;
};

/* Links -------------------------------------------------------------------------------------------------------------- */

static struct link *find_link(const struct state *state, uint64_t child) {
    struct kith_map_node *node = kith_map_find(&state->links, &child, sizeof(child));
    return node ? KITH_CONTAINER_OF(node, struct link, node) : NULL;
}

/* A connection may move to another listener until it is accepted: the last word counts. */
static int keep_link(struct state *state, const struct map_follow_event *event) {
    struct link *link = find_link(state, event->cookie);

    if (link) {
        link->listener = event->listener_cookie;
        return 0;
    }
    link = malloc(sizeof(*link));
    if (!link)
        return -ENOMEM;
    *link = (struct link){.child = event->cookie, .listener = event->listener_cookie};
    int r = kith_map_insert(&state->links, &link->node, &link->child, sizeof(link->child));
    if (r < 0)
        free(link);
    return r;
}

static void drop_link(struct state *state, uint64_t child) {
    struct link *link = find_link(state, child);

    if (link) {
        kith_map_remove(&state->links, &link->node);
        free(link);
    }
}

/* Events ------------------------------------------------------------------------------------------------------------- */

static void read_addresses(const struct map_follow_event *event, struct map_socket *socket) {
    socket->family = (uint8_t)event->family;
    socket->type = event->type;
    socket->kind = event->family == AF_UNIX ? MAP_UNIX : MAP_TCP;
    if (event->family == AF_UNIX)
        return;
    socket->local.form = socket->remote.form = event->family == AF_INET6 ? MAP_INET6 : MAP_INET;
    memcpy(socket->local.octets, event->local, sizeof(event->local));
    memcpy(socket->remote.octets, event->remote, sizeof(event->remote));
    socket->local.port = event->local_port;
    socket->remote.port = event->remote_port;
}

/* The name of a unix listener: a map of unix sockets is read when there is none that knows it, once a second at most. */
static const struct map_socket *name_of(struct state *state, uint64_t inode) {
    uint64_t now = kith_time_now();
    uint32_t found = state->names ? map_find_inode(state->names, inode) : MAP_NONE;

    if (found == MAP_NONE && (!state->names || now - state->names_ns > KITH_NS_PER_S)) {
        struct map_wanted wanted = {.kinds = 1U << MAP_UNIX, .no_processes = true};
        state->names = map_free(state->names);
        state->names_ns = now;
        if (cli_map_read(&wanted, &state->names) == 0)
            found = map_find_inode(state->names, inode);
    }
    return found == MAP_NONE ? NULL : &state->names->sockets[found];
}

static bool is_meant(struct state *state, const struct map_follow_event *event, struct map_socket *socket) {
    const struct map_address *wanted = &state->follow->select->listener;

    read_addresses(event, socket);
    if (event->kind == MAP_FOLLOW_CLOSED)
        return find_link(state, event->cookie) != NULL;
    const struct map_socket *listener = event->family == AF_UNIX ? name_of(state, event->listener_inode) : NULL;
    if (listener)
        socket->local = listener->local;
    if (wanted->form == MAP_NO_ADDRESS)
        return true;
    socket->state = MAP_LISTEN; /* a connection's own end has its listener's port, and its address or a part of it */
    return map_is_listener_of(socket, wanted);
}

static const char *kind_of(const struct map_follow_event *event) {
    return event->kind == MAP_FOLLOW_ACCEPTED ? "accepted" : event->kind == MAP_FOLLOW_CLOSED ? "closed" : "established";
}

static void put_time(char text[static 32], uint64_t monotonic_ns) {
    struct timespec real;
    struct tm local;

    clock_gettime(CLOCK_REALTIME, &real);
    uint64_t ns = (uint64_t)real.tv_sec * KITH_NS_PER_S + (uint64_t)real.tv_nsec - (kith_time_now() - monotonic_ns);
    time_t seconds = (time_t)(ns / KITH_NS_PER_S);
    size_t used = localtime_r(&seconds, &local) ? strftime(text, 32, "%H:%M:%S", &local) : 0;
    snprintf(text + used, 32 - used, ".%06u", (unsigned)(ns % KITH_NS_PER_S / 1000));
}

static int print_json(const struct map_follow_event *event, const char *local, const char *remote, const char *comm) {
    bool accepted = event->kind == MAP_FOLLOW_ACCEPTED;
    json_t *object = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:I, s:o, s:I, s:o, s:o, s:o}", "event", kind_of(event), "time_ns", (json_int_t)event->time_ns, "family",
        event->family == AF_UNIX    ? "unix"
        : event->family == AF_INET6 ? "inet6"
                                    : "inet",
        "local", local, "remote", remote, "cookie", (json_int_t)event->cookie, "listener",
        event->listener_cookie ? json_pack("{s:I, s:s}", "cookie", (json_int_t)event->listener_cookie, "known", "exact") : json_null(),
        "netns", (json_int_t)event->netns, "pid", accepted ? json_integer(event->pid) : json_null(), "uid",
        accepted ? json_integer(event->uid) : json_null(), "comm", accepted ? json_string(comm) : json_null());
    int r = object ? cli_json_print(object) : -ENOMEM;
    json_decref(object);
    return r;
}

static int print_event(const struct state *state, const struct map_follow_event *event, const struct map_socket *socket) {
    char here[MAP_WORDS_MAX], there[MAP_WORDS_MAX], name[MAP_WORDS_MAX], when[32];
    struct kith_text local = kith_text_init(here, sizeof(here)), remote = kith_text_init(there, sizeof(there)),
                     comm = kith_text_init(name, sizeof(name));
    const struct map nowhere = {0};

    map_address_words(&nowhere, socket, &socket->local, &local);
    map_address_words(&nowhere, socket, &socket->remote, &remote);
    if (event->family == AF_UNIX)
        kith_text_printf(&remote, "#%" PRIu64, event->inode);
    kith_text_put_printable(&comm, event->comm, strnlen(event->comm, sizeof(event->comm)));
    if (state->follow->json)
        return print_json(event, here, there, name);
    put_time(when, event->time_ns);
    cli_print("%s  %-11s  %s %s <- %s  cookie %" PRIu64, when, kind_of(event), map_kind_name(socket->kind), here, there, event->cookie);
    if (event->kind != MAP_FOLLOW_CLOSED)
        cli_print("  listener %" PRIu64, event->listener_cookie);
    if (event->kind == MAP_FOLLOW_ACCEPTED)
        cli_print("  by %s[%u] uid %u", name, event->pid, event->uid);
    return cli_print("\n");
}

static int take(const struct map_follow_event *event, void *userdata) {
    struct state *state = userdata;
    struct map_socket socket = {.kind = MAP_TCP};

    if (state->done || !is_meant(state, event, &socket))
        return 0;
    int r = print_event(state, event, &socket);
    if (r < 0)
        state->done = true; /* nobody reads any more, or it cannot be written: said at the end */
    if (event->kind == MAP_FOLLOW_CLOSED)
        drop_link(state, event->cookie);
    else if (keep_link(state, event) < 0)
        return -ENOMEM;
    state->told++;
    state->done = state->done || (state->follow->count > 0 && state->told >= state->follow->count);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------------- */

static int wait_and_read(struct state *state, struct map_follow *follow, int signals) {
    uint64_t end = state->follow->seconds > 0 ? kith_time_now() + (uint64_t)(state->follow->seconds * (double)KITH_NS_PER_S) : UINT64_MAX;
    int r = 0;

    while (r >= 0 && !state->done) {
        struct pollfd fds[] = {{.fd = map_follow_fd(follow), .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        uint64_t now = kith_time_now();
        if (now >= end)
            break;
        uint64_t left = (end - now) / KITH_NS_PER_MS + 1;
        if (poll(fds, KITH_ARRAY_SIZE(fds), end == UINT64_MAX ? -1 : (int)left) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents)
            break;
        r = map_follow_read(follow, take, state);
        cli_flush();
    }
    return r < 0 ? r : map_follow_read(follow, take, state);
}

/* A map that knows the links that were seen. */
static int read_map(const struct state *state, struct map **ret_map) {
    _cleanup_(map_freep) struct map *map = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    if (map_collect(state->follow->wanted, &map, &error) < 0)
        return cli_fail(&error);
    int r = 0;
    for (struct kith_map_node *node = kith_map_next(&state->links, NULL); r == 0 && node; node = kith_map_next(&state->links, node)) {
        const struct link *link = KITH_CONTAINER_OF(node, struct link, node);
        r = map_add_exact(map, link->listener, link->child);
    }
    if (r == 0)
        r = map_join(map);
    if (r < 0) {
        cli_error("out of memory");
        return CLI_ERROR;
    }
    *ret_map = KITH_STEAL(map);
    return 0;
}

static int follow_until_end(struct state *state, int signals) {
    _cleanup_(map_follow_freep) struct map_follow *follow = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    if (map_follow_new(&follow, &error) < 0)
        return cli_fail(&error);
    if (!state->follow->json)
        cli_print("# following: connections are shown as they are accepted (^C ends)\n");
    cli_flush();
    int r = wait_and_read(state, follow, signals);
    if (map_follow_lost(follow) > 0)
        cli_error("%" PRIu64 " events found no room: links are missing", map_follow_lost(follow));
    if (r < 0) {
        cli_error("following ended: %s", kith_error_name(r));
        return CLI_ERROR;
    }
    return 0;
}

/* Signals end the following, and do what they always do afterwards: a pager may come. */
static int follow_with_signals(struct state *state) {
    sigset_t ends, before;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    _cleanup_(kith_closep) int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals < 0 || sigprocmask(SIG_BLOCK, &ends, &before) < 0) {
        cli_error("signalfd: %s", strerror(errno));
        return CLI_ERROR;
    }
    int status = follow_until_end(state, signals);
    struct signalfd_siginfo taken;
    if (fcntl(signals, F_SETFL, O_NONBLOCK) == 0)
        while (read(signals, &taken, sizeof(taken)) > 0)
            ; /* the one that ended it is not to come again */
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

int cli_map_follow(const struct cli_map_follow *follow, struct map **ret_map) {
    struct state state = {.follow = follow};

    int status = follow_with_signals(&state);
    if (status == 0 && !follow->json)
        status = read_map(&state, ret_map);
    kith_map_foreach_safe (&state.links, node) {
        kith_map_remove(&state.links, node);
        free(KITH_CONTAINER_OF(node, struct link, node));
    }
    kith_map_deinit(&state.links);
    map_free(state.names);
    return status;
}
