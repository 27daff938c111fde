/* socket/testing-shm.h: what the tests of shared memory share: two sockets that want it, and a process at the other end. */
#ifndef KITH_SOCKET_TESTING_SHM_H
#define KITH_SOCKET_TESTING_SHM_H

#include "session/rings.h"
#include "socket/testing-scene.h"

/* So small that everything passes its end. */
#define SMALL_RING ((int64_t)64 * 1024)

static inline void node_shm(struct node *node, int64_t size) {
    node_option(node, KITH_OPTION_SHM, 1);
    node_option(node, KITH_OPTION_SHM_SIZE, size);
}

static inline bool node_shares(const struct node *node) {
    return kith_rings_on(node_session(node));
}

static inline void serve_shm(struct scene *scene, enum kith_socket_type type) {
    scene->endpoint = "ipc";
    serve(scene, type);
    node_shm(&scene->server, SMALL_RING);
}

/* As join(), before the connection is made. */
static inline void prepare_shm(struct scene *scene, struct node *node, enum kith_socket_type type) {
    node_init(&scene->world, node, type, &quiet_handler);
    node_shm(node, SMALL_RING);
}

static inline void meet(struct scene *scene, struct node *node) {
    size_t peers = kith_socket_peer_count(scene->server.socket);
    node_connect(node, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == peers + 1 && kith_socket_peer_count(node->socket) == 1);
}

static inline void join_shm(struct scene *scene, struct node *node, enum kith_socket_type type) {
    prepare_shm(scene, node, type);
    meet(scene, node);
}

static inline int shm_setup(void **state) {
    return world_new(state, sizeof(struct scene)) ? 0 : -1;
}

/* Another process with a socket that wants shared memory and is connected to `endpoint`. */
struct other {
    kith_loop *loop;
    kith_socket *socket;
};

/* Until the peer is there: else what is sent waits here. */
static inline bool other_meets(struct other *other) {
    while (kith_socket_peer_count(other->socket) == 0)
        if (kith_loop_step(other->loop, 20000) <= 0)
            return false;
    return true;
}

static inline bool other_open(struct other *other, enum kith_socket_type type, const char *endpoint, int64_t spin_us) {
    return kith_loop_new(&other->loop) >= 0 && kith_socket_new(other->loop, type, &other->socket) >= 0 &&
           kith_socket_set_number(other->socket, KITH_OPTION_SHM, 1, NULL) >= 0 &&
           kith_socket_set_number(other->socket, KITH_OPTION_SHM_SIZE, SMALL_RING, NULL) >= 0 &&
           kith_socket_set_number(other->socket, KITH_OPTION_SHM_SPIN, spin_us, NULL) >= 0 &&
           kith_socket_connect(other->socket, endpoint, NULL) >= 0 && other_meets(other);
}

static inline bool other_send(struct other *other, const void *octets, size_t size) {
    kith_msg *msg;
    return kith_msg_new(&msg) >= 0 && kith_msg_add(msg, octets, size) >= 0 && kith_socket_send(other->socket, msg, 20000) >= 0;
}

/* What a child of these tests is after its exec, "--wait": it waits for the end of its input, and with one more word says first that it has
 * begun. */
static inline int another_program(int argc) {
    char octet;
    if (argc > 2 && write(STDOUT_FILENO, "", 1) < 0)
        return 1;
    return (int)read(STDIN_FILENO, &octet, 1);
}

#define SHM_TEST(test) cmocka_unit_test_setup_teardown(test, shm_setup, scene_teardown)

#endif
