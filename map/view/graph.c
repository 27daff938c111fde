/* map/view/graph.c: see graph.h. Boxes and lines are found by their names; numbers are given as they are met. */
#include "map/view/graph.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "map/model/address.h"
#include "map/view/words.h"

/* So many remote hosts that do the same are a box each. */
#define ALIKE_MAX 3

struct named {
    struct kith_map_node node;
    struct named *next; /* of all, to free */
    uint32_t number;
    char name[];
};

struct maker {
    const struct map_view *view;
    const struct map_graph_options *options;
    struct map_graph *graph;
    struct kith_map nodes, edges, texts;
    struct named *all;
    uint32_t *of_socket; /* the node of a socket; MAP_NONE: not known yet */
};

/* Names -------------------------------------------------------------------------------------------------------------- */

/* The entry of `key`, made when it is new: then its number is `number`. NULL: no memory. */
static struct named *name_of(struct maker *maker, struct kith_map *map, const void *key, size_t size, uint32_t number) {
    struct kith_map_node *found = kith_map_find(map, key, size);
    if (found)
        return KITH_CONTAINER_OF(found, struct named, node);
    struct named *named = malloc(sizeof(*named) + size + 1);
    if (!named)
        return NULL;
    memcpy(named->name, key, size);
    named->name[size] = '\0';
    named->number = number;
    if (kith_map_insert(map, &named->node, named->name, size) < 0) {
        free(named);
        return NULL;
    }
    named->next = maker->all;
    maker->all = named;
    return named;
}

static const char *text_of(struct maker *maker, const char *text) {
    struct named *named = name_of(maker, &maker->texts, text, strlen(text), 0);
    return named ? named->name : NULL;
}

static int add_service(struct maker *maker, const char **services, uint32_t *count, const char *name) {
    const char *text = name[0] ? text_of(maker, name) : "";

    if (!text)
        return -ENOMEM;
    for (uint32_t i = 0; i < *count && i < MAP_SERVICES_MAX; i++)
        if (services[i] == text)
            return 0;
    if (!name[0])
        return 0;
    if (*count < MAP_SERVICES_MAX)
        services[*count] = text;
    (*count)++; /* beyond the table they are counted, perhaps twice */
    return 0;
}

/* Boxes -------------------------------------------------------------------------------------------------------------- */

static int find_node(struct maker *maker, const char *name, enum map_node_kind kind, uint32_t *ret_number) {
    struct map_graph *graph = maker->graph;
    char key[MAP_WORDS_MAX + 2];

    int size = snprintf(key, sizeof(key), "%c%s", 'a' + (int)kind, name);
    size_t before = maker->nodes.count;
    struct named *named =
        name_of(maker, &maker->nodes, key, (size_t)size < sizeof(key) ? (size_t)size : sizeof(key) - 1, (uint32_t)graph->node_count);
    if (!named)
        return -ENOMEM;
    *ret_number = named->number;
    if (maker->nodes.count == before)
        return 0;
    struct map_node *grown = reallocarray(graph->nodes, graph->node_count + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    graph->nodes = grown;
    graph->nodes[graph->node_count++] = (struct map_node){.name = named->name + 1, .kind = kind, .merged = 1};
    return 0;
}

static void put_user(const struct map_socket *socket, const struct map_process *process, struct kith_text *text) {
    uid_t uid = process && process->uid != (uid_t)-1 ? process->uid : socket->uid;
    const struct passwd *user = getpwuid(uid);

    if (user)
        kith_text_puts(text, user->pw_name);
    else
        kith_text_printf(text, "uid %u", uid);
}

/* Of what has no unit or container, the program. */
static void put_program(const struct map_process *process, struct kith_text *text) {
    const char *name = process && process->comm && process->comm[0] ? process->comm : "no process";
    kith_text_put_printable(text, name, strlen(name));
}

static enum map_node_kind put_name(const struct maker *maker, const struct map_socket *socket, struct kith_text *text) {
    const struct map *map = maker->view->map;
    const struct map_process *process = socket->holder_count > 0 ? &map->processes[map->holders[socket->first_holder].process] : NULL;
    const char *group = maker->options->by == MAP_BY_UNIT        ? map_socket_unit(map, socket)
                        : maker->options->by == MAP_BY_CONTAINER ? map_socket_container(map, socket)
                                                                 : NULL;

    if (!process && socket->kind == MAP_NETLINK && socket->local.number == 0) {
        kith_text_puts(text, "kernel");
        return MAP_NODE_KERNEL;
    }
    if (group)
        kith_text_put_printable(text, group, strlen(group));
    else if (maker->options->by == MAP_BY_USER && (process || socket->flags & MAP_HAS_UID))
        put_user(socket, process, text);
    else if (maker->options->by == MAP_BY_PROCESS && process)
        map_process_words(process, text);
    else if (maker->options->by == MAP_BY_CONTAINER && process)
        kith_text_puts(text, "no container");
    else
        put_program(process, text);
    return MAP_NODE_HERE;
}

/* What nobody has accepted yet belongs to its listener. */
static const struct map_socket *stands_for(const struct map *map, const struct map_socket *socket) {
    if (socket->holder_count == 0 && socket->listener.known > MAP_UNKNOWN)
        return &map->sockets[socket->listener.socket];
    return socket;
}

static int node_of(struct maker *maker, uint32_t number, uint32_t *ret_node) {
    char name[MAP_WORDS_MAX];
    struct kith_text text = kith_text_init(name, sizeof(name));
    uint32_t *known = &maker->of_socket[number];
    int r = 0;

    if (*known == MAP_NONE) {
        const struct map_socket *socket = stands_for(maker->view->map, &maker->view->map->sockets[number]);
        enum map_node_kind kind = put_name(maker, socket, &text);
        r = find_node(maker, name, kind, known);
        if (r == 0)
            maker->graph->nodes[*known].sockets++;
    }
    *ret_node = *known;
    return r;
}

static int remote_node(struct maker *maker, const struct map_address *address, uint32_t *ret_node) {
    char name[MAP_WORDS_MAX];
    struct kith_text text = kith_text_init(name, sizeof(name));

    map_host_words(address, &text);
    return find_node(maker, name, MAP_NODE_REMOTE, ret_node);
}

/* Lines -------------------------------------------------------------------------------------------------------------- */

static int find_edge(struct maker *maker, uint32_t from, uint32_t to, struct map_edge **ret_edge) {
    struct map_graph *graph = maker->graph;
    uint32_t key[2] = {from, to};
    size_t before = maker->edges.count;
    struct named *named = name_of(maker, &maker->edges, key, sizeof(key), (uint32_t)graph->edge_count);

    if (!named)
        return -ENOMEM;
    if (maker->edges.count > before) {
        struct map_edge *grown = reallocarray(graph->edges, graph->edge_count + 1, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        graph->edges = grown;
        graph->edges[graph->edge_count++] = (struct map_edge){.from = from, .to = to};
    }
    *ret_edge = &graph->edges[named->number];
    return 0;
}

static void put_service(const struct map_socket *server, const struct map_address *address, struct kith_text *text) {
    if (map_address_is_ip(address) && address->port != 0)
        kith_text_printf(text, "%s:%u", server->kind == MAP_TCP ? "" : map_kind_name(server->kind), address->port);
    else if (address->form == MAP_PATH || address->form == MAP_ABSTRACT)
        kith_text_put_printable(text, address->name, address->name_size);
}

static int connect_nodes(struct maker *maker, uint32_t from, uint32_t to, const struct map_socket *socket,
                         const struct map_address *service, bool unsure) {
    char name[MAP_WORDS_MAX];
    struct kith_text text = kith_text_init(name, sizeof(name));
    struct map_edge *edge;

    if (from == to) {
        maker->graph->nodes[from].inside++;
        return 0;
    }
    int r = find_edge(maker, from, to, &edge);
    if (r < 0)
        return r;
    edge->connections++;
    edge->unsure += unsure;
    edge->octets += socket->sent + socket->received;
    maker->graph->nodes[from].weight++;
    maker->graph->nodes[to].weight++;
    put_service(socket, service, &text);
    return add_service(maker, edge->services, &edge->service_count, name);
}

static bool is_server(const struct map_socket *socket) {
    return socket->listener.known > MAP_UNKNOWN || socket->state == MAP_LISTEN || socket->flags & MAP_WAS_ACCEPTED;
}

static int connect_local(struct maker *maker, uint32_t number) {
    const struct map *map = maker->view->map;
    const struct map_socket *socket = &map->sockets[number];
    uint32_t peer = socket->peer.socket, from, to;
    const struct map_socket *other = &map->sockets[peer];
    bool mutual = other->peer.socket == number;

    /* Each pair once: told of by the end that connected; where that is not known, by the first. */
    if (mutual && peer != number && (is_server(socket) != is_server(other) ? is_server(socket) : number > peer))
        return 0;
    int r = node_of(maker, number, &from);
    if (r == 0)
        r = node_of(maker, peer, &to);
    return r < 0 ? r : connect_nodes(maker, from, to, socket, &other->local, socket->peer.known == MAP_AMBIGUOUS);
}

static int connect_remote(struct maker *maker, uint32_t number) {
    const struct map_socket *socket = &maker->view->map->sockets[number];
    uint32_t here, there;

    if (!map_address_is_ip(&socket->remote) || socket->remote.port == 0 || socket->kind == MAP_RAW)
        return 0;
    if (map_address_is_here(maker->view->map, &socket->remote) || map_address_is_any(&socket->remote))
        return 0; /* the other end is on this host, and gone or not to be seen */
    int r = node_of(maker, number, &here);
    if (r == 0)
        r = remote_node(maker, &socket->remote, &there);
    if (r < 0)
        return r;
    if (is_server(socket))
        return connect_nodes(maker, there, here, socket, &socket->local, socket->listener.known == MAP_AMBIGUOUS);
    return connect_nodes(maker, here, there, socket, &socket->remote, false);
}

static int listen_here(struct maker *maker, uint32_t number) {
    const struct map_socket *socket = &maker->view->map->sockets[number];
    char name[MAP_WORDS_MAX];
    struct kith_text text = kith_text_init(name, sizeof(name));
    uint32_t node;

    int r = node_of(maker, number, &node);
    put_service(socket, &socket->local, &text);
    return r < 0 ? r : add_service(maker, maker->graph->nodes[node].services, &maker->graph->nodes[node].service_count, name);
}

static int add_socket(struct maker *maker, uint32_t number) {
    const struct map_socket *socket = &maker->view->map->sockets[number];

    if (socket->state == MAP_LISTEN)
        return listen_here(maker, number);
    return socket->peer.socket != MAP_NONE ? connect_local(maker, number) : connect_remote(maker, number);
}

/* Few enough --------------------------------------------------------------------------------------------------------- */

static int compare_weights(const void *a, const void *b, void *userdata) {
    const struct map_graph *graph = userdata;
    const struct map_node *x = &graph->nodes[*(const uint32_t *)a], *y = &graph->nodes[*(const uint32_t *)b];

    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    if (x->service_count != y->service_count)
        return x->service_count > y->service_count ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int merge_edges(struct maker *maker, const uint32_t *moved) {
    struct map_graph *graph = maker->graph;
    struct map_edge *old = graph->edges;
    size_t count = graph->edge_count;
    int r = 0;

    graph->edges = NULL;
    graph->edge_count = 0;
    kith_map_deinit(&maker->edges);
    maker->edges = KITH_MAP_INIT;
    for (size_t i = 0; r == 0 && i < count; i++) {
        uint32_t from = moved[old[i].from], to = moved[old[i].to];
        struct map_edge *edge;
        if (from == to) {
            graph->nodes[from].inside += old[i].connections;
            continue;
        }
        r = find_edge(maker, from, to, &edge);
        if (r < 0)
            break;
        edge->connections += old[i].connections;
        edge->unsure += old[i].unsure;
        edge->octets += old[i].octets;
        for (uint32_t j = 0; r == 0 && j < old[i].service_count && j < MAP_SERVICES_MAX; j++)
            r = add_service(maker, edge->services, &edge->service_count, old[i].services[j]);
    }
    free(old);
    return r;
}

/* `moved` says which box each one becomes; what is no one's place any more goes. */
static int merge_nodes(struct maker *maker, uint32_t *moved) {
    struct map_graph *graph = maker->graph;
    _cleanup_(freep) uint32_t *places = malloc((graph->node_count + 1) * sizeof(*places));
    uint32_t kept = 0;

    if (!places)
        return -ENOMEM;
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (moved[i] == i) {
            places[i] = kept;
            graph->nodes[kept++] = graph->nodes[i];
        }
    for (uint32_t i = 0; i < graph->node_count; i++)
        moved[i] = places[moved[i]];
    graph->node_count = kept;
    return merge_edges(maker, moved);
}

static uint32_t merge_into(struct maker *maker, enum map_node_kind kind, uint32_t *rest, const struct map_node *node) {
    struct map_graph *graph = maker->graph;

    if (*rest == MAP_NONE) {
        *rest = (uint32_t)graph->node_count;
        graph->nodes[graph->node_count++] = (struct map_node){.name = kind == MAP_NODE_REMOTE ? "remote hosts" : "others", .kind = kind};
    }
    struct map_node *target = &graph->nodes[*rest];
    target->merged += node->merged;
    target->sockets += node->sockets;
    target->inside += node->inside;
    target->weight += node->weight;
    return *rest;
}

/* Alike hosts ---------------------------------------------------------------------------------------------------------- */

/* A box has one line only: to or from this one; MAP_NONE: it has none, or several. */
struct only {
    uint32_t node, edges;
    bool to;
};

static struct only *find_only(const struct map_graph *graph) {
    struct only *only = calloc(graph->node_count + 1, sizeof(*only));

    for (size_t i = 0; only && i < graph->edge_count; i++) {
        const struct map_edge *edge = &graph->edges[i];
        only[edge->from] = (struct only){edge->to, only[edge->from].edges + 1, true};
        only[edge->to] = (struct only){edge->from, only[edge->to].edges + 1, false};
    }
    return only;
}

static bool is_alike(const struct map_graph *graph, const struct only *only, uint32_t a, uint32_t b) {
    return graph->nodes[b].kind == MAP_NODE_REMOTE && only[b].edges == 1 && only[b].node == only[a].node && only[b].to == only[a].to;
}

/* Remote hosts that all do the same, such as the clients of one service, become one box when there are more than a few. */
static int merge_alike(struct maker *maker) {
    struct map_graph *graph = maker->graph;
    size_t count = graph->node_count;
    _cleanup_(freep) struct only *only = find_only(graph);
    _cleanup_(freep) uint32_t *moved = malloc((count + 1) * sizeof(*moved));

    if (!only || !moved)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        moved[i] = i;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t alike = 0;
        if (moved[i] != i || graph->nodes[i].kind != MAP_NODE_REMOTE || only[i].edges != 1)
            continue;
        for (uint32_t j = i; j < count; j++)
            alike += is_alike(graph, only, i, j);
        for (uint32_t j = i + 1; alike > ALIKE_MAX && j < count; j++)
            if (is_alike(graph, only, i, j)) {
                moved[j] = i;
                graph->nodes[i].merged++;
                graph->nodes[i].weight += graph->nodes[j].weight;
            }
        if (graph->nodes[i].merged > 1)
            graph->nodes[i].name = "remote hosts";
    }
    return merge_nodes(maker, moved);
}

/* The heaviest stay; of the others there are two boxes, for what is here and what is not. */
static int keep_heaviest(struct maker *maker) {
    struct map_graph *graph = maker->graph;
    size_t count = graph->node_count, wanted = maker->options->nodes;
    uint32_t rest_here = MAP_NONE, rest_remote = MAP_NONE;

    if (count <= wanted)
        return 0;
    _cleanup_(freep) uint32_t *order = malloc(count * sizeof(*order)), *moved = malloc(count * sizeof(*moved));
    struct map_node *grown = reallocarray(graph->nodes, count + 2, sizeof(*grown)), *old = malloc(count * sizeof(*old));
    graph->nodes = grown ? grown : graph->nodes;
    if (!order || !moved || !grown || !old) {
        free(old);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof(*order), compare_weights, graph);
    memcpy(old, graph->nodes, count * sizeof(*old));
    graph->node_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct map_node *node = &old[order[i]];
        bool remote = node->kind == MAP_NODE_REMOTE;
        if (i + 2 < wanted) {
            moved[order[i]] = (uint32_t)graph->node_count;
            graph->nodes[graph->node_count++] = *node;
        } else {
            moved[order[i]] = merge_into(maker, remote ? MAP_NODE_REMOTE : MAP_NODE_REST, remote ? &rest_remote : &rest_here, node);
        }
    }
    free(old);
    return merge_edges(maker, moved);
}

/* ---------------------------------------------------------------------------------------------------------------- */

struct map_graph *map_graph_free(struct map_graph *graph) {
    if (!graph)
        return NULL;
    for (struct named *named = graph->memory, *next; named; named = next) {
        next = named->next;
        free(named);
    }
    free(graph->nodes);
    free(graph->edges);
    free(graph);
    return NULL;
}

/* Boxes without a line and without a service tell nothing. */
static int drop_lonely(struct maker *maker) {
    struct map_graph *graph = maker->graph;
    _cleanup_(freep) uint32_t *moved = malloc((graph->node_count + 1) * sizeof(*moved));
    uint32_t kept = 0;

    if (!moved)
        return -ENOMEM;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct map_node *node = &graph->nodes[i];
        moved[i] = kept;
        if (node->weight > 0 || node->service_count > 0 || node->inside > 0)
            graph->nodes[kept++] = *node;
    }
    graph->node_count = kept;
    return merge_edges(maker, moved);
}

static int make(struct maker *maker) {
    int r = 0;

    for (size_t i = 0; i < maker->view->map->socket_count; i++)
        maker->of_socket[i] = MAP_NONE;
    for (size_t i = 0; r == 0 && i < maker->view->count; i++)
        r = add_socket(maker, maker->view->sockets[i]);
    if (r == 0)
        r = drop_lonely(maker);
    if (r == 0)
        r = merge_alike(maker);
    return r < 0 ? r : keep_heaviest(maker);
}

int map_graph_new(const struct map_view *view, const struct map_graph_options *options, struct map_graph **ret_graph) {
    _cleanup_(map_graph_freep) struct map_graph *graph = calloc(1, sizeof(*graph));
    _cleanup_(freep) uint32_t *of_socket = malloc((view->map->socket_count + 1) * sizeof(*of_socket));
    struct maker maker = {.view = view, .options = options, .graph = graph, .of_socket = of_socket};

    if (!graph || !of_socket)
        return -ENOMEM;
    int r = make(&maker);
    kith_map_deinit(&maker.nodes);
    kith_map_deinit(&maker.edges);
    kith_map_deinit(&maker.texts);
    graph->memory = maker.all;
    if (r < 0)
        return r;
    *ret_graph = KITH_STEAL(graph);
    return 0;
}
