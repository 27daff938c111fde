/*
 * stream/testing-handover.h: what the tests of a handover share: an old process with a listener, and new ones that are forked children with
 * a loop of their own.
 */
#ifndef KITH_STREAM_TESTING_HANDOVER_H
#define KITH_STREAM_TESTING_HANDOVER_H

#include "stream/testing.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <kith/cmsg.h>
#include <kith/handover.h>

#define CONNS_MAX 300

struct house {
    struct world world; /* first: the world's helpers take it */
    char directory[64];
    char path[96];   /* of the service */
    char handed[96]; /* of the handover; an abstract name, so that every user can ask */
    struct kith_address address, at;
    kith_listener *listener;
    kith_handover *handover;
    struct kith_error error;
    int answer;  /* what `asked` returns */
    bool change; /* `asked` adds a listener */
    enum { FREE_NEVER, FREE_IN_ASKED, FREE_IN_TAKEN, FREE_IN_COMPLETED, FREE_IN_FAILED } free_in;
    unsigned asked, taken, completed, failed, accepted;
    int completed_error;
    struct kith_error failure;
    pid_t asker;
    int fd;                      /* accepted last, or -1 */
    kith_conn *conns[CONNS_MAX]; /* are given in `taken` */
    size_t conn_count;
    size_t state_size;
    int given[CONNS_MAX]; /* what came of it */
    /* The new process. The pipe is at its end when that has ended. */
    pid_t child;
    int line;
    kith_io *watch;
    bool child_ended;
};

static inline void free_if(struct house *house, int where) {
    if ((int)house->free_in == where)
        house->handover = kith_handover_free(house->handover);
}

static inline int on_accept(kith_listener *listener, int fd, void *userdata) {
    struct house *house = userdata;
    house->accepted++;
    kith_close(house->fd);
    house->fd = fd;
    return 0;
}

static inline int on_asked(kith_handover *handover, const struct kith_sender *taker, void *userdata) {
    struct house *house = userdata;
    house->asked++;
    house->asker = taker->pid;
    if (house->change)
        assert_int_equal(kith_handover_add_listener(handover, "more", house->listener), 0);
    free_if(house, FREE_IN_ASKED);
    return house->answer;
}

static inline void on_taken(kith_handover *handover, void *userdata) {
    struct house *house = userdata;
    house->taken++;
    uint8_t *state = pattern_new(house->state_size + 1);
    for (size_t i = 0; i < house->conn_count; i++)
        house->given[i] = kith_handover_add_conn(handover, house->conns[i], state, house->state_size);
    free(state);
    free_if(house, FREE_IN_TAKEN);
}

static inline void on_completed(kith_handover *handover, int error, void *userdata) {
    struct house *house = userdata;
    house->completed++;
    house->completed_error = error;
    free_if(house, FREE_IN_COMPLETED);
}

static inline void on_failed(kith_handover *handover, const struct kith_sender *taker, const struct kith_error *error, void *userdata) {
    struct house *house = userdata;
    house->failed++;
    house->failure = *error;
    assert_non_null(taker);
    assert_int_equal(kith_handover_failures(handover), house->failed);
    free_if(house, FREE_IN_FAILED);
}

static const struct kith_listener_ops accept_ops = {.accept = on_accept};
static const struct kith_handover_ops handover_ops = {.asked = on_asked, .taken = on_taken, .completed = on_completed, .failed = on_failed};

static inline void offer(struct house *house, uint64_t timeout_ms) {
    const struct kith_handover_options options = {.timeout_ms = timeout_ms};
    assert_int_equal(kith_handover_new(house->world.loop, &house->at, &options, &handover_ops, house, &house->handover, &house->error), 0);
    assert_int_equal(kith_handover_add_listener(house->handover, "service", house->listener), 0);
}

static inline int house_setup(void **state) {
    struct house *house = world_new(state, sizeof(*house));
    if (!house)
        return -1;
    house->fd = house->line = -1;
    strcpy(house->directory, "/tmp/kith-test-handover-XXXXXX");
    if (!mkdtemp(house->directory))
        return -1;
    snprintf(house->path, sizeof(house->path), "%s/x.sock", house->directory);
    snprintf(house->handed, sizeof(house->handed), "@%s", house->directory);
    if (kith_address_unix(house->path, &house->address) < 0 || kith_address_unix(house->handed, &house->at) < 0)
        return -1;
    return kith_listener_new(house->world.loop, &house->address, NULL, &accept_ops, house, &house->listener, &house->error);
}

static inline int house_teardown(void **state) {
    struct house *house = *state;
    kith_handover_free(house->handover);
    kith_listener_free(house->listener);
    kith_io_free(house->watch);
    kith_close(house->line);
    for (size_t i = 0; i < house->conn_count; i++)
        kith_conn_free(house->conns[i]);
    kith_close(house->fd);
    kith_loop_free(house->world.loop);
    int r = testing_fd_count() == house->world.fds_before ? 0 : -1;
    if (r < 0 || rmdir(house->directory) < 0) {
        fprintf(stderr, "%s is not empty, or descriptors are left\n", house->directory);
        r = -1;
    }
    free(house);
    return r;
}

static inline int connect_to(const struct kith_address *address) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address->storage, address->size), 0);
    return fd;
}

/* The old process serves as if nothing had happened. */
static inline void still_serves(struct house *house) {
    unsigned before = house->accepted;
    int fd = connect_to(&house->address);
    until(&house->world, house->accepted > before);
    close(fd);
    assert_int_equal(house->taken, 0);
}

/* New processes --------------------------------------------------------------------------------------------------------------- */

static inline void on_child_ended(kith_io *io, int fd, unsigned events, void *userdata) {
    struct house *house = userdata;
    house->watch = kith_io_free(house->watch);
    house->line = kith_close(house->line);
    house->child_ended = true;
}

/* In the child: nothing of the parent is kept but the line, so that what it closes is closed. */
static inline int begin(struct house *house, int line) {
    for (int fd = 3; fd < 1024; fd++) {
        if (fd != line)
            close(fd);
    }
    house->handover = kith_handover_free(house->handover);
    house->listener = kith_listener_free(house->listener);
    house->watch = kith_io_free(house->watch);
    for (size_t i = 0; i < house->conn_count; i++)
        house->conns[i] = kith_conn_free(house->conns[i]);
    kith_loop_free(house->world.loop);
    house->fd = -1;
    return kith_loop_new(&house->world.loop);
}

/* Forks a process and runs fn in it. */
static inline void start(struct house *house, int (*fn)(struct house *house)) {
    int line[2];
    assert_int_equal(pipe2(line, O_CLOEXEC), 0);
    house->child = fork();
    assert_true(house->child >= 0);
    if (house->child == 0)
        _exit(begin(house, line[1]) < 0 ? 100 : fn(house));
    close(line[1]);
    house->line = line[0];
    house->child_ended = false;
    assert_int_equal(kith_io_new(house->world.loop, house->line, KITH_IO_READ, on_child_ended, house, &house->watch), 0);
}

/* Waits until the process has ended with this exit status, or by a signal with 256 + signal. */
static inline void ends_with(struct house *house, int expected) {
    int status;
    until(&house->world, house->child_ended);
    assert_int_equal(waitpid(house->child, &status, 0), house->child);
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status), expected);
}

/* For the child: frees what it has, takeover may be NULL, and says how it went. */
static inline int leave(struct house *house, kith_takeover *takeover, int status) {
    kith_takeover_free(takeover);
    house->handover = kith_handover_free(house->handover);
    house->listener = kith_listener_free(house->listener);
    kith_close(house->fd);
    kith_loop_free(house->world.loop);
    return status;
}

/* Takes over and listens; ready is left to the caller. */
static inline int take_over(struct house *house, kith_takeover **ret_takeover) {
    int r = kith_takeover_new(&house->at, 20000, ret_takeover, &house->error);
    if (r < 0)
        return r;
    const struct kith_listener_options options = {.inherited = kith_takeover_inherited(*ret_takeover)};
    if (kith_inherited_count(options.inherited) == 0 || strcmp(kith_inherited_name(options.inherited, 0), "service") != 0)
        return -ENOENT;
    return kith_listener_new(house->world.loop, &house->address, &options, &accept_ops, house, &house->listener, &house->error);
}

#define HOUSE_TEST(name) cmocka_unit_test_setup_teardown(name, house_setup, house_teardown)

#endif
