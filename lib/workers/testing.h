/*
 * workers/testing.h: what the tests of workers share: a server that says which worker a client is with and then echoes, its clients, which
 * are raw and blocking, and ways to wait for threads. Checks are made in the main thread: cmocka's do not work in others.
 */
#ifndef KITH_WORKERS_TESTING_H
#define KITH_WORKERS_TESTING_H

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
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <kith/workers.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/testing.h"
#include "base/time.h"

/* Longer than anything here takes, even under valgrind on a busy machine. */
#define PATIENCE_S 30

#define WORKERS_MAX 8

/* Counts down to 0, across threads. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned closed;
};

#define GATE_INIT(count)                                                                                                                   \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .closed = (count) }

static inline void gate_open(struct gate *gate) {
    pthread_mutex_lock(&gate->mutex);
    if (gate->closed > 0)
        gate->closed--;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

/* False: it took too long. */
static inline bool gate_wait(struct gate *gate) {
    struct timespec end;
    int r = 0;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&gate->mutex);
    while (gate->closed > 0 && r == 0)
        r = pthread_cond_timedwait(&gate->changed, &gate->mutex, &end);
    pthread_mutex_unlock(&gate->mutex);
    return r == 0;
}

/* Server -------------------------------------------------------------------------------------------------------------- */

struct site {
    kith_workers *workers;
    struct kith_error error;
    char directory[64], path[96];
    size_t fds_before;
    struct kith_workers_options options;
    struct kith_conn_options conn_options;
    struct kith_address tcp, unix_;

    int fail_at; /* the worker whose `start` fails; -1: none */
    int fail_with;
    int answer;                            /* of `accept`, when negative */
    void (*on_start)(kith_worker *worker); /* in `start` */
    void (*on_stop)(kith_worker *worker);  /* in `stop` */
    atomic_uint started, drained, stopped;
    atomic_uint cut;               /* connections that were there at `stop` */
    atomic_int last_error, sender; /* of a listener; the pid that wrote the last batch */
    atomic_uint errors;
};

struct guest {
    struct kith_list link; /* in the list that is the worker's userdata */
    kith_worker *worker;
    kith_conn *conn;
    struct site *site;
};

static inline struct guest *guest_free(struct guest *guest) {
    kith_list_unlink(&guest->link);
    kith_conn_free(guest->conn);
    free(guest);
    return NULL;
}

static inline void guest_data(kith_conn *conn, struct kith_batch *batch, void *userdata) {
    struct guest *guest = userdata;
    if (batch->sender.known)
        atomic_store(&guest->site->sender, batch->sender.pid);
    (void)kith_conn_write(conn, batch->slice.data, batch->slice.size);
}

static inline void guest_closed(kith_conn *conn, int error, void *userdata) {
    struct guest *guest = userdata;
    kith_worker *worker = guest->worker;
    guest_free(guest);
    kith_worker_closed(worker);
}

static inline int site_accept(kith_worker *worker, int fd, void *userdata) {
    static const struct kith_conn_ops ops = {.data = guest_data, .closed = guest_closed};
    struct site *site = userdata;
    uint8_t greeting = (uint8_t)kith_worker_index(worker);
    if (site->answer < 0)
        return site->answer;
    struct guest *guest = calloc(1, sizeof(*guest));
    if (!guest)
        return -ENOMEM;
    kith_list_init(&guest->link);
    guest->worker = worker;
    guest->site = site;
    int r = kith_conn_new_fd(kith_worker_loop(worker), fd, &site->conn_options, &ops, guest, &guest->conn);
    if (r < 0) {
        free(guest);
        return r;
    }
    kith_list_push_back(kith_worker_userdata(worker), &guest->link);
    (void)kith_conn_write(guest->conn, &greeting, 1);
    return 0;
}

static inline void site_error(kith_worker *worker, int error, void *userdata) {
    struct site *site = userdata;
    atomic_store(&site->last_error, error);
    atomic_fetch_add(&site->errors, 1);
}

static inline int site_start(kith_worker *worker, kith_loop *loop, void *userdata) {
    struct site *site = userdata;
    if ((int)kith_worker_index(worker) == site->fail_at)
        return site->fail_with;
    struct kith_list *guests = calloc(1, sizeof(*guests));
    if (!guests)
        return -ENOMEM;
    kith_list_init(guests);
    kith_worker_set_userdata(worker, guests);
    atomic_fetch_add(&site->started, 1);
    if (site->on_start)
        site->on_start(worker);
    return 0;
}

static inline void site_drain(kith_worker *worker, int64_t deadline_ms, void *userdata) {
    struct site *site = userdata;
    struct kith_list *guests = kith_worker_userdata(worker);
    atomic_fetch_add(&site->drained, 1);
    kith_list_foreach (guests, node)
        kith_conn_drain(kith_list_entry(node, struct guest, link)->conn, -1);
}

static inline void site_stop(kith_worker *worker, void *userdata) {
    struct site *site = userdata;
    struct kith_list *guests = kith_worker_userdata(worker);
    struct guest *guest;
    if (site->on_stop)
        site->on_stop(worker);
    while ((guest = kith_list_first(guests, struct guest, link))) {
        atomic_fetch_add(&site->cut, 1);
        guest_free(guest);
    }
    free(guests);
    atomic_fetch_add(&site->stopped, 1);
}

static const struct kith_workers_ops site_ops = {.start = site_start, .drain = site_drain, .stop = site_stop};
static const struct kith_workers_listener_ops site_listener_ops = {.accept = site_accept, .error = site_error};

static inline int site_setup(void **state) {
    struct site *site = calloc(1, sizeof(*site));
    struct rlimit limit;
    if (!site)
        return -1;
    *state = site;
    strcpy(site->directory, "/tmp/kith-test-workers-XXXXXX");
    if (!mkdtemp(site->directory))
        return -1;
    snprintf(site->path, sizeof(site->path), "%s/x.sock", site->directory);
    site->fail_at = -1;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    limit.rlim_cur = limit.rlim_max; /* clients and server are one process */
    if (!testing_under_valgrind() && setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    site->fds_before = testing_fd_count();
    return 0;
}

static inline int site_teardown(void **state) {
    struct site *site = *state;
    int r = 0;
    kith_workers_free(site->workers);
    if (testing_fd_count() != site->fds_before) {
        fprintf(stderr, "descriptors: %zu before, %zu after\n", site->fds_before, testing_fd_count());
        r = -1;
    }
    if (atomic_load(&site->started) != atomic_load(&site->stopped)) {
        fprintf(stderr, "%u workers have started, %u stopped\n", site->started, site->stopped);
        r = -1;
    }
    if (rmdir(site->directory) < 0) {
        perror(site->directory);
        r = -1;
    }
    free(site);
    return r;
}

#define SITE_TEST(name) cmocka_unit_test_setup_teardown(name, site_setup, site_teardown)

static inline void site_begin(struct site *site, unsigned count) {
    assert_int_equal(kith_workers_new(count, &site->options, &site_ops, site, &site->workers, &site->error), 0);
}

static inline int listen_tcp(struct site *site, kith_workers *workers, unsigned port) {
    struct kith_address address;
    assert_int_equal(kith_address_ip("127.0.0.1", port, &address), 0);
    return kith_workers_listen(workers, &address, NULL, &site_listener_ops, site, &site->tcp, &site->error);
}

static inline int listen_unix(struct site *site, const struct kith_listener_options *options) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(site->path, &address), 0);
    return kith_workers_listen(site->workers, &address, options, &site_listener_ops, site, &site->unix_, &site->error);
}

static inline struct kith_worker_stats stats_of(struct site *site, unsigned index) {
    struct kith_worker_stats stats;
    assert_int_equal(kith_workers_stats(site->workers, index, &stats), 0);
    return stats;
}

/* All workers together. */
static inline struct kith_worker_stats stats_sum(struct site *site) {
    struct kith_worker_stats sum = {0};
    for (unsigned i = 0; i < kith_workers_count(site->workers); i++) {
        struct kith_worker_stats stats = stats_of(site, i);
        sum.connections += stats.connections;
        sum.accepted += stats.accepted;
        sum.handed_over += stats.handed_over;
        sum.refused += stats.refused;
    }
    return sum;
}

/* Waiting ------------------------------------------------------------------------------------------------------------- */

static inline void open_gate(kith_worker *worker, void *userdata) {
    gate_open(userdata);
}

/* Returns when the worker has run a function, and so handled what was ready before. */
static inline void round_trip(struct site *site, unsigned index) {
    struct gate gate = GATE_INIT(1);
    assert_int_equal(kith_workers_call(site->workers, index, open_gate, &gate), 0);
    assert_true(gate_wait(&gate));
}

/* Goes on with the worker's loop until the condition holds. */
#define until_in(site, index, condition)                                                                                                   \
    do {                                                                                                                                   \
        uint64_t until_end_ = kith_time_now() + PATIENCE_S * KITH_NS_PER_S;                                                                \
        while (!(condition)) {                                                                                                             \
            assert_true(kith_time_now() < until_end_);                                                                                     \
            round_trip(site, index);                                                                                                       \
        }                                                                                                                                  \
    } while (0)

/* Keeps a worker busy from the moment `held` opens until `go` does. */
struct hold {
    struct gate held, go;
    bool stop; /* then ends the worker */
};

#define HOLD_INIT                                                                                                                          \
    { .held = GATE_INIT(1), .go = GATE_INIT(1) }

static inline void hold_here(kith_worker *worker, void *userdata) {
    struct hold *hold = userdata;
    gate_open(&hold->held);
    (void)gate_wait(&hold->go);
    if (hold->stop)
        kith_loop_stop(kith_worker_loop(worker));
}

static inline void hold_worker(struct site *site, unsigned index, struct hold *hold) {
    assert_int_equal(kith_workers_call(site->workers, index, hold_here, hold), 0);
    assert_true(gate_wait(&hold->held));
}

/* Clients ------------------------------------------------------------------------------------------------------------- */

/* Blocking, but not for ever; -1 when connecting fails. */
static inline int client(const struct kith_address *address) {
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) < 0)
        fd = kith_close(fd);
    return fd;
}

/* The worker that greets the client; -1 at its end, also when that is a reset; -2: nothing comes. */
static inline int greeting(int fd) {
    uint8_t octet;
    ssize_t n = recv(fd, &octet, 1, 0);
    return n == 1 ? octet : n < 0 && errno == EAGAIN ? -2 : -1;
}

static inline bool echoes(int fd, uint32_t value) {
    uint32_t answer = ~value;
    return send(fd, &value, sizeof(value), MSG_NOSIGNAL) == sizeof(value) &&
           recv(fd, &answer, sizeof(answer), MSG_WAITALL) == sizeof(answer) && answer == value;
}

static inline void close_all(int *fds, size_t count) {
    for (size_t i = 0; i < count; i++)
        fds[i] = kith_close(fds[i]);
}

#endif
