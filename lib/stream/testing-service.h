/*
 * stream/testing-service.h: for tests of a listener together with its connections: a directory, a listener, and what it accepted.
 */
#ifndef KITH_STREAM_TESTING_SERVICE_H
#define KITH_STREAM_TESTING_SERVICE_H

#include "stream/testing.h"

#include <sys/stat.h>
#include <sys/un.h>

#define SERVICE_ENDS 64

struct service {
    struct world world; /* first: the world's helpers take it */
    char directory[64];
    char path[96];
    kith_listener *listener;
    struct kith_error error;
    struct kith_conn_options conn;
    void (*on_data)(struct end *end, struct kith_batch *batch);
    void (*on_drained)(struct service *service);
    const char *greeting; /* written when a connection was made, or NULL */
    bool foreign;         /* connections are made with kith_conn_new_fd(), not as the listener's */
    struct end ends[SERVICE_ENDS];
    unsigned count, drained;
};

static inline int service_setup(void **state) {
    struct service *service = world_new(state, sizeof(*service));
    if (!service)
        return -1;
    strcpy(service->directory, "/tmp/kith-test-service-XXXXXX");
    if (!mkdtemp(service->directory) || chmod(service->directory, 0755) < 0)
        return -1;
    snprintf(service->path, sizeof(service->path), "%s/x.sock", service->directory);
    return 0;
}

static inline int service_teardown(void **state) {
    struct service *service = *state;
    kith_listener_free(service->listener);
    for (unsigned i = 0; i < service->count; i++)
        end_deinit(&service->ends[i]);
    unlink(service->path);
    if (rmdir(service->directory) < 0)
        perror(service->directory);
    return world_teardown(state);
}

/* What is sent comes back. */
static inline void service_echo(struct end *end, struct kith_batch *batch) {
    assert_int_equal(kith_conn_write_slice(end->conn, batch->slice), 0);
}

static inline int service_accept(kith_listener *listener, int fd, void *userdata) {
    struct service *service = userdata;
    assert_true(service->count < SERVICE_ENDS);
    struct end *end = &service->ends[service->count];
    *end = (struct end){.on_data = service->on_data, .extra = service};
    int r = service->foreign ? kith_conn_new_fd(service->world.loop, fd, &service->conn, &plain_ops, end, &end->conn)
                             : kith_conn_new_accepted(listener, fd, &service->conn, &plain_ops, end, &end->conn);
    if (r < 0)
        return r;
    service->count++;
    if (service->greeting)
        assert_int_equal(kith_conn_write(end->conn, service->greeting, strlen(service->greeting)), 0);
    return 0;
}

static inline void service_drained(kith_listener *listener, void *userdata) {
    struct service *service = userdata;
    service->drained++;
    if (service->on_drained)
        service->on_drained(service);
}

static inline void service_listen(struct service *service, const struct kith_address *address,
                                  const struct kith_listener_options *options) {
    static const struct kith_listener_ops ops = {.accept = service_accept, .drained = service_drained};
    assert_int_equal(kith_listener_new(service->world.loop, address, options, &ops, service, &service->listener, &service->error), 0);
}

static inline void service_listen_unix(struct service *service, const struct kith_listener_options *options) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(service->path, &address), 0);
    service_listen(service, &address, options);
}

static inline void service_listen_ip(struct service *service, const char *host, const struct kith_listener_options *options) {
    struct kith_address address;
    assert_int_equal(kith_address_ip(host, 0, &address), 0);
    service_listen(service, &address, options);
}

static inline struct kith_listener_stats service_stats(const struct service *service) {
    struct kith_listener_stats stats;
    kith_listener_stats(service->listener, &stats);
    return stats;
}

/* A raw client of the path, non-blocking; -1 when connecting fails. */
static inline int service_client(const struct service *service) {
    struct kith_address address;
    assert_int_equal(kith_address_unix(service->path, &address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address.storage, address.size) < 0)
        fd = kith_close(fd);
    return fd;
}

/* A raw client of the port, from another address of ours. */
static inline int service_client_from(const struct service *service, const char *source, const char *target) {
    struct kith_address from, bound, to;
    assert_int_equal(kith_address_ip(source, 0, &from), 0);
    assert_int_equal(kith_listener_address(service->listener, &bound), 0);
    assert_int_equal(kith_address_ip(target, ntohs(((struct sockaddr_in *)&bound.storage)->sin_port), &to), 0);
    int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from.storage, from.size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to.storage, to.size), 0);
    assert_int_equal(kith_fd_set_nonblock(fd), 0);
    return fd;
}

/* The end, or a reset because octets of ours were not read. */
static inline bool service_hung_up(int fd) {
    char octet;
    ssize_t n = recv(fd, &octet, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, service_setup, service_teardown)

#endif
