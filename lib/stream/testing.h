/*
 * stream/testing.h: what the tests of connections and listeners share: a loop that must leave no descriptor behind, and an end that
 * records what it is told.
 */
#ifndef KITH_STREAM_TESTING_H
#define KITH_STREAM_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <kith/stream.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/testing.h"
#include "base/time.h"
#include "loop/internal.h"

/* Longer than anything here takes, even under valgrind on a busy machine. */
#define PATIENCE_NS (20 * KITH_NS_PER_S)

struct world {
    kith_loop *loop;
    size_t fds_before;
};

/* What a test has, of `size` octets, zero but for the world that it begins with. NULL: there is no loop to be had. */
static inline void *world_new(void **state, size_t size) {
    struct world *world = calloc(1, size);
    if (!world)
        return NULL;
    world->fds_before = testing_fd_count();
    *state = world;
    return kith_loop_new(&world->loop) < 0 ? NULL : world;
}

static inline int world_setup(void **state) {
    return world_new(state, sizeof(struct world)) ? 0 : -1;
}

static inline int world_teardown(void **state) {
    struct world *world = *state;
    int r = 0;
    if (world->loop && kith_loop_slabs_kept(world->loop) != 0) {
        fprintf(stderr, "slabs are still in use\n");
        r = -1;
    }
    kith_loop_free(world->loop);
    if (testing_fd_count() != world->fds_before) {
        fprintf(stderr, "descriptors: %zu before, %zu after\n", world->fds_before, testing_fd_count());
        r = -1;
    }
    free(world);
    return r;
}

/* Steps the loop until the condition holds. */
#define until(world, condition)                                                                                                            \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_NS;                                                                               \
        while (!(condition)) {                                                                                                             \
            assert_true(kith_time_now() < until_end_);                                                                                     \
            assert_true(kith_loop_step((world)->loop, 1000) >= 0);                                                                         \
        }                                                                                                                                  \
    } while (0)

/* Steps until nothing is ready any more; a loop that spins never gets there. */
static inline void settle_down(struct world *world) {
    int quiet = 0;
    for (int i = 0; i < 1000 && quiet < 2; i++)
        quiet = kith_loop_step(world->loop, 0) == 0 ? quiet + 1 : 0;
    assert_int_equal(quiet, 2);
}

/* A connection and what its callbacks said. */
struct end {
    kith_conn *conn;
    uint8_t *octets;
    size_t size, room;
    unsigned batches, connected, writable, ended, closed;
    int error;
    struct kith_sender sender; /* of the last batch; without its pidfd */
    pid_t writers[64];         /* of each batch, while there is room */
    size_t fd_count, fd_refused;
    unsigned unknown; /* batches without a known sender */
    bool pidfd_came;
    int taken_fd; /* a descriptor taken from a batch when take_fd, else -1 */
    bool take_fd;
    void (*on_data)(struct end *end, struct kith_batch *batch);
    void (*on_other)(struct end *end);
    void *extra;
};

static inline void end_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct end *end = userdata;
    assert_true(batch->slice.size > 0);
    while (end->room < end->size + batch->slice.size) {
        end->room = end->room ? 2 * end->room : 1024;
        end->octets = realloc(end->octets, end->room);
        assert_non_null(end->octets);
    }
    memcpy(end->octets + end->size, batch->slice.data, batch->slice.size);
    end->size += batch->slice.size;
    end->sender = batch->sender;
    end->unknown += !batch->sender.known;
    if (end->batches < KITH_ARRAY_SIZE(end->writers))
        end->writers[end->batches] = batch->sender.pid;
    end->batches++;
    end->pidfd_came = end->pidfd_came || batch->sender.pidfd >= 0;
    end->fd_count += batch->fd_count;
    end->fd_refused += batch->fd_refused;
    if (end->take_fd && batch->fd_count > 0)
        end->taken_fd = KITH_STEAL_FD(batch->fds[0]);
    if (end->on_data)
        end->on_data(end, batch);
}

static inline void end_connected(kith_conn *conn, void *userdata) {
    struct end *end = userdata;
    end->connected++;
    if (end->on_other)
        end->on_other(end);
}

static inline void end_writable(kith_conn *conn, void *userdata) {
    struct end *end = userdata;
    end->writable++;
    if (end->on_other)
        end->on_other(end);
}

static inline void end_end(kith_conn *conn, void *userdata) {
    struct end *end = userdata;
    end->ended++;
    if (end->on_other)
        end->on_other(end);
}

static inline void end_closed(kith_conn *conn, int error, void *userdata) {
    struct end *end = userdata;
    end->closed++;
    end->error = error;
    if (end->on_other)
        end->on_other(end);
}

static const struct kith_conn_ops end_ops = {
    .data = end_data, .connected = end_connected, .writable = end_writable, .end = end_end, .closed = end_closed};
/* As a simple server has it: nothing to say about the end of the peer. */
static const struct kith_conn_ops plain_ops __attribute__((unused)) = {.data = end_data, .closed = end_closed};

static inline void end_deinit(struct end *end) {
    end->conn = kith_conn_free(end->conn);
    if (end->take_fd && end->taken_fd >= 0)
        end->taken_fd = kith_close(end->taken_fd);
    free(end->octets);
    *end = (struct end){0};
}

/* A connection over one end of a socket pair; the other is returned, raw and non-blocking. */
static inline int end_over_pair(struct world *world, struct end *end, const struct kith_conn_options *options,
                                const struct kith_conn_ops *ops) {
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(kith_fd_set_nonblock(fds[1]), 0);
    assert_int_equal(kith_conn_new_fd(world->loop, fds[0], options, ops, end, &end->conn), 0);
    return fds[1];
}

/* Octets that are at a place where they belong look like it. */
static inline uint8_t pattern(size_t i) {
    return (uint8_t)(i * 131 + i / 251);
}

static inline uint8_t *pattern_new(size_t size) {
    uint8_t *octets = malloc(size);
    assert_non_null(octets);
    for (size_t i = 0; i < size; i++)
        octets[i] = pattern(i);
    return octets;
}

/* Sends as the other end reads. */
static inline void pour(struct world *world, int fd, const uint8_t *octets, size_t size) {
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, octets + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_true(n > 0 || errno == EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
        assert_true(kith_loop_step(world->loop, 0) >= 0);
    }
}

/* Reads what a raw descriptor has now. Returns the octets read; *ret_end at the end of file. */
static inline size_t slurp(int fd, uint8_t *octets, size_t max, bool *ret_end) {
    size_t size = 0;
    while (size < max) {
        ssize_t n = recv(fd, octets + size, max - size, MSG_DONTWAIT);
        if (n == 0)
            *ret_end = true;
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    return size;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* Two ends of a TCP connection over loopback; [1] is raw. */
static inline void tcp_pair(int fds[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    _cleanup_(kith_closep) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&address, size), 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fds[0] >= 0);
}

#endif
