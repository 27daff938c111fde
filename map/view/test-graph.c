/* Who is connected to whom, as boxes and lines. */
#include <stdio.h>
#include <sys/socket.h>

#include "map/view/graph.h"
#include "map/view/testing.h"

static struct map_graph *graph_of(const struct map_view *view, enum map_by by, size_t nodes) {
    struct map_graph *graph;

    assert_int_equal(map_graph_new(view, &(struct map_graph_options){.by = by, .nodes = nodes}, &graph), 0);
    return graph;
}

static const struct map_node *node_of(const struct map_graph *graph, const char *name) {
    for (size_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return &graph->nodes[i];
    return NULL;
}

static const struct map_edge *edge_of(const struct map_graph *graph, const char *from, const char *to) {
    for (size_t i = 0; i < graph->edge_count; i++)
        if (strcmp(graph->nodes[graph->edges[i].from].name, from) == 0 && strcmp(graph->nodes[graph->edges[i].to].name, to) == 0)
            return &graph->edges[i];
    return NULL;
}

static void test_lines_go_from_the_client_to_the_server(void **state) {
    struct map *map = sample_host();
    map_end(map);
    struct map_view view = whole(map);
    struct map_graph *graph = graph_of(&view, MAP_BY_UNIT, 40);

    const struct map_edge *edge = edge_of(graph, "curl", "www.service");
    assert_non_null(edge);
    assert_int_equal(edge->connections, 2); /* one waits to be accepted */
    assert_string_equal(edge->services[0], ":80");
    assert_null(edge_of(graph, "www.service", "curl"));
    assert_string_equal(edge_of(graph, "www.service", "db.service")->services[0], "/run/db");
    assert_string_equal(edge_of(graph, "www.service", "192.0.2.1")->services[0], ":443");
    assert_int_equal(node_of(graph, "192.0.2.1")->kind, MAP_NODE_REMOTE);
    assert_string_equal(node_of(graph, "www.service")->services[0], ":80");
    assert_null(node_of(graph, "kernel")); /* nobody is connected to it */
    assert_int_equal(graph->edge_count, 3);
    map_graph_free(graph);
    whole_free(&view);
}

static void test_boxes_are_what_was_asked_for(void **state) {
    struct map *map = sample_host();
    map_end(map);
    struct map_view view = whole(map);
    struct map_graph *graph = graph_of(&view, MAP_BY_PROCESS, 40);

    assert_non_null(edge_of(graph, "curl[11]", "nginx[10]"));
    map_graph_free(graph);
    graph = graph_of(&view, MAP_BY_USER, 40);
    assert_int_equal(graph->edge_count, 3);
    map_graph_free(graph);
    graph = graph_of(&view, MAP_BY_CONTAINER, 40);
    assert_int_equal(node_of(graph, "no container")->inside, 3);
    map_graph_free(graph);
    whole_free(&view);
}

/* `units` units of one client each, connected to one server; `remote` hosts connected to it too. */
static struct map *crowd(uint32_t units, uint32_t remote) {
    struct map *map = map_make();
    char name[32];

    map_put(map, listening(1, ANY4(80)));
    assert_int_equal(map_add_process(map, &(struct map_process){.pid = 1, .comm = "server", .unit = "server.service"}, NULL), 0);
    assert_int_equal(map_add_holder(map, 1, 0, 3), 0);
    for (uint32_t i = 0; i < units; i++) {
        snprintf(name, sizeof(name), "unit%04u.service", i);
        map_put(map, tcp(10 + 2 * i, MAP_ESTABLISHED, LOOPBACK(80), LOOPBACK(1000 + i)));
        map_put(map, tcp(11 + 2 * i, MAP_ESTABLISHED, LOOPBACK(1000 + i), LOOPBACK(80)));
        assert_int_equal(map_add_process(map, &(struct map_process){.pid = (pid_t)(10 + i), .comm = "c", .unit = name}, NULL), 0);
        assert_int_equal(map_add_holder(map, 10 + 2 * i, 0, 4), 0);
        assert_int_equal(map_add_holder(map, 11 + 2 * i, 1 + i, 4), 0);
    }
    for (uint32_t i = 0; i < remote; i++) {
        struct map_socket socket = tcp(100000 + i, MAP_ESTABLISHED, ip4(10, 0, 0, 1, 80), ip4(192, 0, 2, (uint8_t)i, 5));
        map_put(map, socket);
        assert_int_equal(map_add_holder(map, 100000 + i, 0, 5), 0);
    }
    map_end(map);
    return map;
}

static void test_a_crowd_becomes_few_boxes_and_no_connection_is_lost(void **state) {
    struct map_view view = whole(crowd(2400, 100));
    struct map_graph *graph = graph_of(&view, MAP_BY_UNIT, 40);
    uint32_t connections = 0, merged = 0;

    assert_true(graph->node_count <= 40);
    for (size_t i = 0; i < graph->edge_count; i++)
        connections += graph->edges[i].connections;
    for (size_t i = 0; i < graph->node_count; i++)
        merged += graph->nodes[i].merged;
    assert_int_equal(connections, 2500);
    assert_int_equal(merged, 2501);
    assert_non_null(node_of(graph, "server.service"));
    assert_non_null(node_of(graph, "others"));
    map_graph_free(graph);
    whole_free(&view);
}

static void test_hosts_that_do_the_same_are_one_box_when_they_are_many(void **state) {
    for (uint32_t hosts = 3; hosts < 5; hosts++) {
        struct map_view view = whole(crowd(1, hosts));
        struct map_graph *graph = graph_of(&view, MAP_BY_UNIT, 40);
        const struct map_node *box = node_of(graph, "remote hosts");
        if (hosts == 3)
            assert_null(box);
        else
            assert_int_equal(box->merged, 4);
        map_graph_free(graph);
        whole_free(&view);
    }
}

static void test_connections_within_a_box_are_counted_there(void **state) {
    struct map *map = map_make();

    map_put(map, unix_socket(1, MAP_ESTABLISHED, (struct map_address){0}, 2));
    map_put(map, unix_socket(2, MAP_ESTABLISHED, (struct map_address){0}, 1));
    assert_int_equal(map_add_process(map, &(struct map_process){.pid = 1, .comm = "self"}, NULL), 0);
    assert_int_equal(map_add_holder(map, 1, 0, 3), 0);
    assert_int_equal(map_add_holder(map, 2, 0, 4), 0);
    map_end(map);
    struct map_view view = whole(map);
    struct map_graph *graph = graph_of(&view, MAP_BY_UNIT, 40);
    assert_int_equal(graph->edge_count, 0);
    assert_int_equal(node_of(graph, "self")->inside, 1);
    map_graph_free(graph);
    whole_free(&view);
}

static void test_names_cannot_break_out_of_dot(void **state) {
    struct map *map = map_make();

    map_put(map, listening(1, ANY4(80)));
    assert_int_equal(map_add_process(map, &(struct map_process){.pid = 1, .comm = "x", .unit = "a\"];b\\\n"}, NULL), 0);
    assert_int_equal(map_add_holder(map, 1, 0, 3), 0);
    map_end(map);
    struct map_view view = whole(map);
    char *text = TEST_OUT(ended(map_view_graph(&view, &(struct map_graph_options){.by = MAP_BY_UNIT, .nodes = 9}, &out), &out));
    assert_non_null(strstr(text, "label=\"a\\\"];b\\\\\\\\x0a\\nlistens: :80\""));
    free(text);
    whole_free(&view);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_go_from_the_client_to_the_server),
        cmocka_unit_test(test_boxes_are_what_was_asked_for),
        cmocka_unit_test(test_a_crowd_becomes_few_boxes_and_no_connection_is_lost),
        cmocka_unit_test(test_hosts_that_do_the_same_are_one_box_when_they_are_many),
        cmocka_unit_test(test_connections_within_a_box_are_counted_there),
        cmocka_unit_test(test_names_cannot_break_out_of_dot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
