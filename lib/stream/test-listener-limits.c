/* How many clients a listener has at once, in all and of one peer, and what it counts. */
#include "stream/testing-service.h"

#include <grp.h>
#include <sys/wait.h>

/* An id that nobody on the host has. */
#define SOME_UID 61003

static void test_clients_beyond_the_most_are_hung_up_on_and_counted(void **state) {
    struct service *service = *state;
    int clients[5];
    service_listen_unix(service, &(struct kith_listener_options){.max_connections = 2});
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        clients[i] = service_client(service);
    until(&service->world, service_stats(service).accepted == 5);
    for (size_t i = 2; i < KITH_ARRAY_SIZE(clients); i++)
        until(&service->world, service_hung_up(clients[i]));
    assert_int_equal(service->count, 2);
    assert_false(service_hung_up(clients[0]));
    assert_false(service_hung_up(clients[1]));
    assert_int_equal(service_stats(service).connections, 2);
    assert_int_equal(service_stats(service).refused, 3);
    assert_int_equal(service_stats(service).refused_peer, 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_who_leaves_makes_room(void **state) {
    struct service *service = *state;
    service_listen_unix(service, &(struct kith_listener_options){.max_connections = 1, .max_per_peer = 1});
    for (unsigned i = 0; i < 5; i++) {
        int fd = service_client(service);
        until(&service->world, service->count == i + 1);
        if (i % 2 == 0)
            service->ends[i].conn = kith_conn_free(service->ends[i].conn); /* we */
        close(fd);
        until(&service->world, service_stats(service).connections == 0); /* or the client */
    }
    assert_int_equal(service_stats(service).refused, 0);
    assert_int_equal(service_stats(service).refused_peer, 0);
    assert_int_equal(service_stats(service).accepted, 5);
}

static void test_connections_that_are_not_the_listeners_are_not_counted(void **state) {
    struct service *service = *state;
    int clients[4];
    service->foreign = true;
    service_listen_unix(service, &(struct kith_listener_options){.max_connections = 1, .max_per_peer = 1});
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        clients[i] = service_client(service);
    until(&service->world, service->count == KITH_ARRAY_SIZE(clients));
    assert_int_equal(service_stats(service).connections, 0);
    assert_int_equal(service_stats(service).refused + service_stats(service).refused_peer, 0);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

/* A client of another user, in a child process that lives as long as its connection: what it was told comes through the pipe. */
static pid_t foreign_client(const struct service *service, int *ret_pipe) {
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char octet;
        if (setgroups(0, NULL) < 0 || setgid(SOME_UID) < 0 || setuid(SOME_UID) < 0)
            _exit(100);
        int fd = service_client(service);
        if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0 || write(fds[1], "c", 1) != 1)
            _exit(101);
        (void)recv(fd, &octet, 1, 0); /* until we are hung up on */
        _exit(0);
    }
    char octet;
    assert_int_equal(read(fds[0], &octet, 1), 1);
    close(fds[1]);
    *ret_pipe = fds[0];
    return pid;
}

static void test_each_user_has_so_many_connections_to_a_path(void **state) {
    struct service *service = *state;
    int clients[3], pipe_end, status;
    if (geteuid() != 0)
        skip();
    service_listen_unix(service, &(struct kith_listener_options){.mode = 0666, .max_per_peer = 2});
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        clients[i] = service_client(service);
    until(&service->world, service_hung_up(clients[2]));
    assert_int_equal(service->count, 2);
    assert_int_equal(service_stats(service).refused_peer, 1);
    assert_int_equal(service_stats(service).refused, 0);
    pid_t pid = foreign_client(service, &pipe_end);
    until(&service->world, service->count == 3); /* has an account of his own */
    assert_int_equal(service_stats(service).refused_peer, 1);
    end_deinit(&service->ends[2]);
    settle_down(&service->world);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pipe_end);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_each_ipv4_address_has_so_many_connections(void **state) {
    struct service *service = *state;
    service_listen_ip(service, "127.0.0.1", &(struct kith_listener_options){.max_per_peer = 1});
    int first = service_client_from(service, "127.0.0.2", "127.0.0.1"), again = service_client_from(service, "127.0.0.2", "127.0.0.1"),
        other = service_client_from(service, "127.0.0.3", "127.0.0.1");
    until(&service->world, service_stats(service).accepted == 3);
    assert_int_equal(service->count, 2);
    assert_int_equal(service_stats(service).refused_peer, 1);
    until(&service->world, service_hung_up(again));
    assert_false(service_hung_up(first));
    assert_false(service_hung_up(other));
    close(first);
    until(&service->world, service_stats(service).connections == 1);
    int once_more = service_client_from(service, "127.0.0.2", "127.0.0.1");
    until(&service->world, service->count == 3);
    close(again);
    close(other);
    close(once_more);
}

static void test_an_ipv4_address_is_the_same_on_a_socket_of_both_families(void **state) {
    struct service *service = *state;
    service->on_data = service_echo;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        skip();
    struct sockaddr_in6 address = {.sin6_family = AF_INET6}; /* any */
    assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    static const struct kith_listener_ops ops = {.accept = service_accept};
    struct kith_listener_options options = {.max_per_peer = 1};
    assert_int_equal(kith_listener_new_fd(service->world.loop, fd, &options, &ops, service, &service->listener, NULL), 0);
    int clients[] = {service_client_from(service, "127.0.0.2", "127.0.0.1"), service_client_from(service, "127.0.0.3", "127.0.0.1"),
                     service_client_from(service, "127.0.0.2", "127.0.0.1"), service_client_from(service, "::1", "::1"),
                     service_client_from(service, "::1", "::1")};
    until(&service->world, service_stats(service).accepted == KITH_ARRAY_SIZE(clients));
    assert_int_equal(service->count, 3);
    assert_int_equal(service_stats(service).refused_peer, 2);
    until(&service->world, service_hung_up(clients[2]) && service_hung_up(clients[4]));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_limits_end_with_a_listener_that_is_freed_first(void **state) {
    struct service *service = *state;
    service->on_data = service_echo;
    service_listen_unix(service, &(struct kith_listener_options){.max_connections = 2, .max_per_peer = 2});
    int fds[2] = {service_client(service), service_client(service)};
    until(&service->world, service->count == 2);
    service->listener = kith_listener_free(service->listener);
    char octets[4];
    assert_int_equal(send(fds[0], "ping", 4, 0), 4);
    until(&service->world, recv(fds[0], octets, 4, MSG_DONTWAIT) == 4); /* outlives it */
    close(fds[0]);
    until(&service->world, service->ends[0].closed);
    end_deinit(&service->ends[1]);
    settle_down(&service->world);
    assert_true(service_hung_up(fds[1]));
    close(fds[1]);
}

static int refuse(kith_listener *listener, int fd, void *userdata) {
    ++*(unsigned *)userdata;
    return -EPERM;
}

static void test_who_is_refused_by_the_application_takes_no_place(void **state) {
    struct service *service = *state;
    static const struct kith_listener_ops ops = {.accept = refuse};
    struct kith_listener_options options = {.max_connections = 1, .max_per_peer = 1};
    struct kith_address address;
    unsigned asked = 0;
    assert_int_equal(kith_address_unix(service->path, &address), 0);
    assert_int_equal(kith_listener_new(service->world.loop, &address, &options, &ops, &asked, &service->listener, NULL), 0);
    for (unsigned i = 0; i < 4; i++) {
        int fd = service_client(service);
        until(&service->world, service_hung_up(fd));
        close(fd);
    }
    assert_int_equal(asked, 4);
    assert_int_equal(service_stats(service).connections, 0);
    assert_int_equal(service_stats(service).refused + service_stats(service).refused_peer, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_clients_beyond_the_most_are_hung_up_on_and_counted),
        SERVICE_TEST(test_who_leaves_makes_room),
        SERVICE_TEST(test_connections_that_are_not_the_listeners_are_not_counted),
        SERVICE_TEST(test_each_user_has_so_many_connections_to_a_path),
        SERVICE_TEST(test_each_ipv4_address_has_so_many_connections),
        SERVICE_TEST(test_an_ipv4_address_is_the_same_on_a_socket_of_both_families),
        SERVICE_TEST(test_limits_end_with_a_listener_that_is_freed_first),
        SERVICE_TEST(test_who_is_refused_by_the_application_takes_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
