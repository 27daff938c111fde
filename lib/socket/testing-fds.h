/* socket/testing-fds.h: what tests of descriptors in messages share: descriptors that say which they are. */
#ifndef KITH_SOCKET_TESTING_FDS_H
#define KITH_SOCKET_TESTING_FDS_H

#include "socket/testing-scene.h"

#include <sys/eventfd.h>

/* An eventfd that says its number. */
static inline int numbered(uint64_t number) {
    int fd = eventfd((unsigned)number, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

/* A message with `count` descriptors, numbered from `first` on. */
static inline kith_msg *words_with(const char *text, uint64_t first, size_t count) {
    kith_msg *msg = words(text);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kith_msg_add_fd(msg, numbered(first + i)), 0);
    return msg;
}

/* Returns what kith_socket_send() said; the message is gone either way. */
static inline int try_with(struct node *node, const char *text, uint64_t first, size_t count) {
    kith_msg *msg = words_with(text, first, count);
    int r = kith_socket_send(node->socket, msg, 0);
    if (r < 0)
        kith_msg_free(msg);
    return r;
}

/* They can be read once: the number goes back in. */
static inline void assert_fds(const kith_msg *msg, uint64_t first, size_t count) {
    assert_int_equal(kith_msg_fd_count(msg), count);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = 0;
        assert_int_equal(fcntl(kith_msg_fd(msg, i), F_GETFD), FD_CLOEXEC);
        assert_int_equal(read(kith_msg_fd(msg, i), &number, sizeof(number)), sizeof(number));
        assert_int_equal(number, first + i);
        assert_int_equal(write(kith_msg_fd(msg, i), &number, sizeof(number)), sizeof(number));
    }
}

static inline kith_msg *receive_one(struct node *node) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    return msg;
}

static inline void expect_with(struct node *node, const char *text, uint64_t first, size_t count) {
    kith_msg *msg = receive_one(node);
    assert_words(msg, text);
    assert_fds(msg, first, count);
    kith_msg_free(msg);
}

/* A bound server that takes so many descriptors a message, and a client that takes none. */
static inline void serve_fds(struct scene *scene, enum kith_socket_type type, int64_t max) {
    node_init(&scene->world, &scene->server, type, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, max);
    node_bind(&scene->server, scene->endpoint);
}

#endif
