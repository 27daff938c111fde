/* socket/testing-scene.h: the scene that tests of patterns share: a bound server and who connects to it, at the endpoint that the row
 * names. */
#ifndef KITH_SOCKET_TESTING_SCENE_H
#define KITH_SOCKET_TESTING_SCENE_H

#include "socket/testing.h"

struct scene {
    struct world world; /* first: the world's helpers take it */
    const char *endpoint;
    union { /* by either name */
        struct node server, radio;
    };
    union {
        struct node client, dish;
    };
    struct node other;
};

static inline int scene_setup(void **state) {
    const char *endpoint = *state;
    struct scene *scene = world_new(state, sizeof(*scene));
    if (!scene)
        return -1;
    scene->endpoint = endpoint;
    return 0;
}

static inline int scene_teardown(void **state) {
    struct scene *scene = *state;
    node_deinit(&scene->client);
    node_deinit(&scene->other);
    node_deinit(&scene->server);
    return world_teardown(state);
}

/* A bound server and a connected client; options are to be set in between. */
static inline void serve(struct scene *scene, enum kith_socket_type type) {
    node_init(&scene->world, &scene->server, type, &quiet_handler);
    node_bind(&scene->server, scene->endpoint);
}

static inline void join(struct scene *scene, struct node *node, enum kith_socket_type type) {
    size_t peers = kith_socket_peer_count(scene->server.socket);
    node_init(&scene->world, node, type, &quiet_handler);
    node_connect(node, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == peers + 1 && kith_socket_peer_count(node->socket) == 1);
}

/* A PULL whose policy says this of who sends, and its PUSH. */
static inline void pull_under(struct scene *scene, bool allow, const char *conditions) {
    serve(scene, KITH_PULL);
    node_policy(&scene->server, allow, KITH_VERB_SEND, conditions);
    join(scene, &scene->client, KITH_PUSH);
}

static inline void until_event(struct scene *scene, const struct node *node, enum kith_event_type type) {
    until(&scene->world, node->events[type] > 0);
}

/* An XPUB is shown a cancel: 00 and the topic, which are no string. */
static inline void expect_cancel(struct node *node, const char *topic) {
    kith_msg *msg = NULL;
    size_t size;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    const uint8_t *frame = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, 1 + strlen(topic));
    assert_int_equal(frame[0], 0);
    assert_memory_equal(frame + 1, topic, size - 1);
    kith_msg_free(msg);
}

/* Takes what there is; returns how many messages that were. */
static inline unsigned take_all(struct scene *scene, struct node *node) {
    unsigned count = 0;
    settle_down(&scene->world);
    for (kith_msg *msg; kith_socket_recv(node->socket, &msg, 0) == 0; count++) {
        kith_msg_free(msg);
        if (count % 100 == 99)
            settle_down(&scene->world);
    }
    return count;
}

#endif
