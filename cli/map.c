/* cli/map.c: kith map: every socket, both its ends, its process, its listener, and how each is known. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/graphviz.h"
#include "cli/map.h"
#include "cli/options.h"
#include "cli/output.h"
#include "map/kernel/tables.h"
#include "map/view/graph.h"
#include "map/view/view.h"
#include "map/view/words.h"

enum form { TABLE, TREE, JSON, LISTENERS, DOT, SVG, PNG };
enum {
    KEY_PID,
    KEY_EXE,
    KEY_UNIT,
    KEY_CONTAINER,
    KEY_USER,
    KEY_PORT,
    KEY_PATH,
    KEY_STATE,
    KEY_TO,
    KEY_NETNS,
    KEY_FAMILY,
    KEY_LISTENER,
    KEY_HERE,
    KEY_TREE,
    KEY_JSON,
    KEY_DOT,
    KEY_SVG,
    KEY_PNG,
    KEY_BY,
    KEY_NODES,
    KEY_WATCH,
    KEY_INTERVAL,
    KEY_COUNT,
    KEY_KERNEL,
    KEY_FOLLOW,
    KEY_SECONDS,
};

struct ask {
    struct map_select select;
    struct map_wanted wanted;
    struct map_graph_options graph;
    enum form form;
    const char *file;
    bool watch, kernel, follow;
    double interval, seconds;
    int64_t count;
};

static const struct cli_option options[] = {
    {KEY_PID, "pid", 'p', "PID", "sockets that this process holds"},
    {KEY_EXE, "exe", 0, "PROGRAM", "of processes of this program: its path, or its name"},
    {KEY_UNIT, "unit", 'u', "UNIT", "of this systemd unit"},
    {KEY_CONTAINER, "container", 0, "ID", "of this container: its name, or what its id begins with"},
    {KEY_USER, "user", 0, "USER", "of this user, by name or number"},
    {KEY_PORT, "port", 0, "PORT", "with this port, here or at the other end"},
    {KEY_PATH, "path", 0, "PATH", "unix: of this path or @NAME, and what is connected to it"},
    {KEY_STATE, "state", 's', "STATE", "in this state: listen, established, time-wait, unconnected..."},
    {KEY_TO, "to", 0, "UNIT", "whose other end is of this unit"},
    {KEY_NETNS, "netns", 0, "NAME", "in this network namespace, by name or number"},
    {KEY_FAMILY, "family", 'f', "LIST", "tcp,udp,unix,netlink,packet,raw,vsock,mptcp..."},
    {KEY_LISTENER, "listener", 'l', "ADDRESS", "a listener ([HOST]:PORT, PATH or @NAME), its accept queue, and what came from it"},
    {KEY_HERE, "this-netns", 0, NULL, "look into no other network namespace"},
    {KEY_TREE, "tree", 't', NULL, "units, their processes, their sockets"},
    {KEY_JSON, "json", 'j', NULL, "print one JSON object"},
    {KEY_DOT, "dot", 0, NULL, "print who is connected to whom, for Graphviz"},
    {KEY_SVG, "svg", 0, "OUT", "draw who is connected to whom, with Graphviz"},
    {KEY_PNG, "png", 0, "OUT", NULL},
    {KEY_BY, "by", 0, "WHAT", "a picture's boxes: process, unit (the default), container or user"},
    {KEY_NODES, "boxes", 0, "N", "a picture's most boxes (40); the rest is one"},
    {KEY_WATCH, "watch", 'w', NULL, "again and again, with what changed marked; until ^C"},
    {KEY_INTERVAL, "interval", 'i', "SECONDS", "watch: how often (1)"},
    {KEY_COUNT, "count", 'n', "N", "watch: so many times, follow: so many events, then end"},
    {KEY_KERNEL, "kernel", 'k', NULL, "look into the kernel's tables: bind buckets, request sockets (needs CAP_BPF and CAP_PERFMON)"},
    {KEY_FOLLOW, "follow", 0, NULL, "show connections as they are accepted: their listener is known exactly; until ^C (needs the same)"},
    {KEY_SECONDS, "seconds", 0, "N", "follow: so long, then end"},
    {0},
};

/* Options ------------------------------------------------------------------------------------------------------------ */

static int take_user(struct map_select *select, const char *value) {
    const struct passwd *user = getpwnam(value);
    int64_t number;

    if (!user && strspn(value, "0123456789") != strlen(value)) {
        cli_error("--user: there is no user '%s'", value);
        return CLI_USAGE;
    }
    int status = user ? 0 : cli_number("--user", value, 0, UINT32_MAX - 1, &number);
    if (status != 0)
        return status;
    select->uid = user ? user->pw_uid : (uid_t)number;
    select->has_uid = true;
    return 0;
}

static int take_state(struct map_select *select, const char *value) {
    select->state = map_state_of_name(value);
    if (select->state != MAP_STATE_UNKNOWN)
        return 0;
    cli_error("--state: '%s' is none of listen, established, unconnected, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, "
              "close-wait, last-ack, closing, close, bound",
              value);
    return CLI_USAGE;
}

static int take_families(struct map_select *select, const char *value) {
    while (*value) {
        size_t size = strcspn(value, ","), kind = 0;
        while (kind < MAP_KINDS_ &&
               (strlen(map_kind_name((enum map_kind)kind)) != size || memcmp(map_kind_name((enum map_kind)kind), value, size) != 0))
            kind++;
        if (kind == MAP_KINDS_) {
            cli_error("--family: '%.*s' is none of tcp, mptcp, udp, udplite, raw, ping, unix, netlink, packet, vsock, xdp, other",
                      (int)size, value);
            return CLI_USAGE;
        }
        select->kinds |= 1U << kind;
        value += size;
        value += *value == ',';
    }
    return 0;
}

static int take_by(struct map_graph_options *graph, const char *value) {
    static const char *const names[] = {
        [MAP_BY_PROCESS] = "process", [MAP_BY_UNIT] = "unit", [MAP_BY_CONTAINER] = "container", [MAP_BY_USER] = "user"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++)
        if (strcmp(value, names[i]) == 0) {
            graph->by = (enum map_by)i;
            return 0;
        }
    cli_error("--by: '%s' is none of process, unit, container, user", value);
    return CLI_USAGE;
}

static int take_seconds(const char *option, const char *value, double *ret_seconds) {
    char *end;

    *ret_seconds = strtod(value, &end);
    if (*end || end == value || !(*ret_seconds >= 0.1) || !(*ret_seconds <= 86400)) {
        cli_error("%s: '%s' is not a number of seconds between 0.1 and 86400", option, value);
        return CLI_USAGE;
    }
    return 0;
}

static int take_picture(struct ask *ask, enum form form, const char *file) {
    ask->form = form;
    ask->file = file;
    return 0;
}

static int take_filter(struct ask *ask, int key, const char *value) {
    struct map_select *select = &ask->select;
    int64_t number = 0;
    int status = 0;

    switch (key) {
    case KEY_PID:
        status = cli_number("--pid", value, 1, INT32_MAX, &number);
        select->pid = (pid_t)number;
        return status;
    case KEY_PORT:
        status = cli_number("--port", value, 1, UINT16_MAX, &number);
        select->port = (uint32_t)number;
        return status;
    case KEY_EXE:
        select->exe = value;
        return 0;
    case KEY_UNIT:
        select->unit = value;
        return 0;
    case KEY_CONTAINER:
        select->container = value;
        return 0;
    case KEY_PATH:
        select->path = value;
        return 0;
    case KEY_TO:
        select->to = value;
        return 0;
    case KEY_NETNS:
        select->netns = value;
        return 0;
    case KEY_USER:
        return take_user(select, value);
    case KEY_STATE:
        return take_state(select, value);
    case KEY_FAMILY:
        return take_families(select, value);
    default:
        ask->form = ask->form == TABLE ? LISTENERS : ask->form;
        return cli_map_address("--listener", value, &select->listener);
    }
}

static int take_option(void *state, int key, const char *value) {
    struct ask *ask = state;
    int64_t number = 0;
    int status = 0;

    switch (key) {
    case KEY_HERE:
        ask->wanted.own_namespace = true;
        return 0;
    case KEY_TREE:
        return take_picture(ask, TREE, NULL);
    case KEY_JSON:
        return take_picture(ask, JSON, NULL);
    case KEY_DOT:
        return take_picture(ask, DOT, NULL);
    case KEY_SVG:
        return take_picture(ask, SVG, value);
    case KEY_PNG:
        return take_picture(ask, PNG, value);
    case KEY_BY:
        return take_by(&ask->graph, value);
    case KEY_NODES:
        status = cli_number("--boxes", value, 2, 10000, &number);
        ask->graph.nodes = (size_t)number;
        return status;
    case KEY_WATCH:
        ask->watch = true;
        return 0;
    case KEY_INTERVAL:
        return take_seconds("--interval", value, &ask->interval);
    case KEY_SECONDS:
        return take_seconds("--seconds", value, &ask->seconds);
    case KEY_KERNEL:
        ask->kernel = true;
        return 0;
    case KEY_FOLLOW:
        ask->follow = true;
        return 0;
    case KEY_COUNT:
        return cli_number("--count", value, 1, INT32_MAX, &ask->count);
    default:
        return take_filter(ask, key, value);
    }
}

/* The map ------------------------------------------------------------------------------------------------------------ */

int cli_map_read(const struct map_wanted *wanted, struct map **ret_map) {
    _cleanup_(map_freep) struct map *map = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    if (map_collect(wanted, &map, &error) < 0)
        return cli_fail(&error);
    if (map_join(map) < 0) {
        cli_error("out of memory");
        return CLI_ERROR;
    }
    *ret_map = KITH_STEAL(map);
    return 0;
}

struct shown {
    const struct ask *ask;
    struct map_view view;
};

static int write_view(void *userdata, struct view_out *out) {
    const struct shown *shown = userdata;

    switch (shown->ask->form) {
    case TREE:
        return map_view_tree(&shown->view, out);
    case JSON:
        return map_view_json(&shown->view, out);
    case LISTENERS:
        return map_view_listeners(&shown->view, out);
    case DOT:
    case SVG:
    case PNG:
        return map_view_graph(&shown->view, &shown->ask->graph, out);
    case TABLE:
        break;
    }
    return map_view_table(&shown->view, out);
}

static int draw(const struct shown *shown) {
    _cleanup_(freep) char *dot = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    size_t size;

    int r = cli_view_text(write_view, (void *)shown, &dot, &size);
    if (r == 0)
        r = cli_graphviz_draw(dot, size, CLI_GRAPHVIZ_LAYERED, shown->ask->form == SVG ? "svg" : "png", shown->ask->file, &error);
    return r < 0 && error.code != 0 ? cli_fail(&error) : r;
}

static int show(struct ask *ask, const struct map *map) {
    _cleanup_(freep) uint32_t *sockets = NULL;
    struct shown shown = {.ask = ask, .view = {.map = map}};

    int r = map_select(map, &ask->select, &sockets, &shown.view.count);
    shown.view.sockets = sockets;
    if (r == 0 && ask->form == LISTENERS && shown.view.count == 0)
        cli_error("nothing listens there (kith map --state listen shows all listeners)");
    if (r == 0 && (ask->form == SVG || ask->form == PNG))
        r = draw(&shown);
    else if (r == 0 && (ask->form == JSON || ask->form == DOT))
        r = cli_view_print(write_view, &shown);
    else if (r == 0)
        r = cli_view_page(write_view, &shown);
    if (r == -ENOMEM)
        cli_error("out of memory");
    return r == 0 ? CLI_OK : CLI_ERROR;
}

static int check(const struct cli_verb *verb, const struct ask *ask) {
    if (ask->watch && ask->follow)
        return cli_usage(verb, "--watch looks again and again, --follow waits for connections: one of them");
    if (ask->watch && ask->form != TABLE && ask->form != JSON)
        return cli_usage(verb, "--watch shows a table, or --json");
    if (ask->follow && ask->form == DOT)
        return cli_usage(verb, "--follow prints what it sees: draw with --svg or --png");
    if (ask->seconds > 0 && !ask->follow)
        return cli_usage(verb, "--seconds is for --follow");
    if (ask->count > 0 && !ask->follow && !ask->watch)
        return cli_usage(verb, "--count is for --watch and --follow");
    return CLI_GO_ON;
}

static int go(struct ask *ask) {
    _cleanup_(map_freep) struct map *map = NULL;
    int status;

    if (ask->watch)
        return cli_map_watch(&(struct cli_map_watch){&ask->wanted, &ask->select, ask->interval, ask->count, ask->form == JSON});
    if (ask->follow && ask->form == TABLE)
        ask->form = LISTENERS;
    if (ask->follow)
        status = cli_map_follow(&(struct cli_map_follow){&ask->wanted, &ask->select, ask->seconds, ask->count, ask->form == JSON}, &map);
    else
        status = cli_map_read(&ask->wanted, &map);
    return status != 0 || !map ? status : show(ask, map);
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _cleanup_(map_kernel_tables_freep) struct map_kernel_tables *tables = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    struct ask ask = {.interval = 1, .graph = {.by = MAP_BY_UNIT, .nodes = 40}};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &ask, &words, &count);

    if (status != CLI_GO_ON)
        return status;
    if (count > 0)
        return cli_usage(verb, "'%s': what to show is said by options: --port %s, --pid %s...", words[0], words[0], words[0]);
    status = check(verb, &ask);
    if (status != CLI_GO_ON)
        return status;
    if (ask.kernel && map_kernel_tables_new(&tables, &error) < 0)
        return cli_fail(&error);
    if (ask.kernel) {
        ask.wanted.visit = cli_map_visit_tables;
        ask.wanted.userdata = tables;
    }
    return go(&ask);
}

const struct cli_verb cli_map = {
    .name = "map",
    .summary = "show every socket, both its ends, its process and its listener",
    .usage = "[FILTER...] [--tree | --json | --dot | --svg OUT | --png OUT] [--kernel] [--watch | --follow]",
    .details =
        "Shows the sockets of this host, who has them, and who is at the other end: of TCP and UDP by addresses, of unix sockets by the\n"
        "kernel's word. All filters that are given have to hold. What may not be seen without a privilege is said at the end.",
    .options = options,
    .run = run,
};
