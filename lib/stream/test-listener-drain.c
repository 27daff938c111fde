/* The end of a listener: nobody is lost whom connect(2) told of success, and it has an end. */
#include "stream/testing-service.h"

/* Reads until the end; fails when it does not come. */
static size_t read_to_the_end(struct service *service, int fd, char *octets, size_t size) {
    size_t got = 0;
    bool end = false;
    uint64_t limit = kith_time_now() + PATIENCE_NS;
    while (!end && got < size) {
        got += slurp(fd, (uint8_t *)octets + got, size - got, &end);
        assert_true(kith_time_now() < limit);
        assert_true(kith_loop_step(service->world.loop, 0) >= 0);
    }
    return got;
}

/* Drained as they are, connections have what was written when they were made, and tell what arrives. */
static void test_who_waits_in_the_backlog_is_accepted_and_nobody_after(void **state) {
    struct service *service = *state;
    int clients[20];
    char octets[16];
    service->greeting = "welcome";
    service_listen_unix(service, NULL);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++) {
        clients[i] = service_client(service);
        assert_int_equal(send(clients[i], "request", 7, 0), 7);
        assert_int_equal(shutdown(clients[i], SHUT_WR), 0);
    }
    kith_listener_drain(service->listener, PATIENCE_NS / KITH_NS_PER_MS);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        assert_int_equal(read_to_the_end(service, clients[i], octets, sizeof(octets)), 7);
    until(&service->world, service->drained == 1);
    assert_int_equal(service->count, KITH_ARRAY_SIZE(clients));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++) {
        assert_int_equal(service->ends[i].size, 7);
        assert_int_equal(service->ends[i].error, 0);
    }
    assert_int_equal(access(service->path, F_OK), -1);
    assert_int_equal(service_client(service), -1);
    settle_down(&service->world);
    assert_int_equal(service->drained, 1);
    kith_listener_drain(service->listener, 0); /* over: nothing happens */
    settle_down(&service->world);
    assert_int_equal(service->drained, 1);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_replies_under_way_are_sent_whole(void **state) {
    struct service *service = *state;
    size_t size = 2 * 1024 * 1024;
    uint8_t *octets = pattern_new(size);
    char *got = malloc(size + 1);
    service_listen_unix(service, NULL);
    int fd = service_client(service);
    until(&service->world, service->count == 1);
    struct kith_slice slice = {.data = octets, .size = size};
    assert_int_equal(kith_conn_write_slice(service->ends[0].conn, slice), 0);
    kith_listener_drain(service->listener, PATIENCE_NS / KITH_NS_PER_MS);
    assert_int_equal(read_to_the_end(service, fd, got, size + 1), size);
    assert_memory_equal(got, octets, size);
    settle_down(&service->world);
    assert_int_equal(service->drained, 0); /* the client has not ended yet */
    close(fd);
    until(&service->world, service->drained == 1);
    assert_int_equal(service->ends[0].error, 0);
    free(octets);
    free(got);
}

static void test_a_peer_that_never_ends_is_given_up_at_the_deadline(void **state) {
    struct service *service = *state;
    service_listen_unix(service, NULL);
    int fd = service_client(service);
    until(&service->world, service->count == 1);
    uint64_t begin = kith_time_now();
    kith_listener_drain(service->listener, 50);
    until(&service->world, service->drained == 1);
    assert_true(kith_time_now() - begin >= 50 * KITH_NS_PER_MS);
    assert_int_equal(service->ends[0].closed, 1);
    assert_int_equal(service->ends[0].error, -ETIMEDOUT);
    close(fd);
}

static void test_an_idle_listener_is_drained_at_once_but_not_inside_the_call(void **state) {
    struct service *service = *state;
    service_listen_unix(service, NULL);
    kith_listener_drain(service->listener, -1);
    assert_int_equal(service->drained, 0);
    assert_true(kith_loop_step(service->world.loop, -1) > 0);
    assert_int_equal(service->drained, 1);
    assert_int_equal(access(service->path, F_OK), -1);
    struct kith_address address;
    assert_true(kith_listener_address(service->listener, &address) < 0);
    kith_listener_pause(service->listener);
    kith_listener_resume(service->listener);
    settle_down(&service->world);
}

static void free_listener(struct service *service) {
    service->listener = kith_listener_free(service->listener);
}

static void test_a_listener_may_be_freed_when_drained(void **state) {
    struct service *service = *state;
    service->on_drained = free_listener;
    service_listen_unix(service, NULL);
    int fd = service_client(service);
    kith_listener_drain(service->listener, 10);
    until(&service->world, service->drained == 1);
    assert_null(service->listener);
    settle_down(&service->world);
    close(fd);
}

static void test_a_listener_freed_while_it_drains_says_nothing(void **state) {
    struct service *service = *state;
    service_listen_unix(service, NULL);
    int fd = service_client(service);
    until(&service->world, service->count == 1);
    kith_listener_drain(service->listener, -1);
    settle_down(&service->world);
    free_listener(service);
    close(fd);
    until(&service->world, service->ends[0].closed == 1);
    settle_down(&service->world);
    assert_int_equal(service->drained, 0);
}

static void test_a_paused_listener_accepts_its_backlog_before_it_ends(void **state) {
    struct service *service = *state;
    char octets[16];
    service->greeting = "welcome";
    service_listen_unix(service, NULL);
    kith_listener_pause(service->listener);
    settle_down(&service->world);
    int fd = service_client(service);
    assert_int_equal(send(fd, "request", 7, 0), 7);
    settle_down(&service->world);
    assert_int_equal(service->count, 0);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    kith_listener_drain(service->listener, -1);
    assert_int_equal(read_to_the_end(service, fd, octets, sizeof(octets)), 7);
    until(&service->world, service->drained == 1);
    close(fd);
}

static void test_clients_above_the_limit_are_refused_while_draining_too(void **state) {
    struct service *service = *state;
    int clients[4];
    service_listen_unix(service, &(struct kith_listener_options){.max_connections = 1});
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        clients[i] = service_client(service);
    kith_listener_drain(service->listener, 0);
    until(&service->world, service->drained == 1);
    assert_int_equal(service->count, 1);
    assert_int_equal(service_stats(service).refused, 3);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_a_loop_freed_while_a_listener_drains_ends_it_all(void **state) {
    struct service *service = *state;
    service_listen_unix(service, NULL);
    int fd = service_client(service);
    until(&service->world, service->count == 1);
    int waiting = service_client(service);
    kith_listener_drain(service->listener, -1);
    service->world.loop = kith_loop_free(service->world.loop);
    kith_listener_drain(service->listener, -1);
    kith_listener_pause(service->listener);
    kith_listener_resume(service->listener);
    free_listener(service);
    assert_int_equal(access(service->path, F_OK), -1);
    assert_int_equal(service->drained, 0);
    end_deinit(&service->ends[0]);
    char octet;
    assert_int_equal(recv(fd, &octet, 1, 0), 0);
    assert_true(recv(waiting, &octet, 1, 0) <= 0);
    close(fd);
    close(waiting);
}

/* The address is free as soon as free returns, inside callbacks too. */
struct moving {
    struct service *service;
    kith_timer *timer;
    struct kith_address address;
};

static void move(kith_timer *timer, void *userdata) {
    struct moving *moving = userdata;
    assert_int_equal(kith_listener_address(moving->service->listener, &moving->address), 0);
    free_listener(moving->service);
    service_listen(moving->service, &moving->address, NULL);
}

static void test_a_port_is_free_again_when_its_listener_is_inside_a_callback_too(void **state) {
    struct service *service = *state;
    struct moving moving = {.service = service};
    service_listen_ip(service, "127.0.0.1", NULL);
    settle_down(&service->world);
    assert_int_equal(kith_timer_new(service->world.loop, move, &moving, &moving.timer), 0);
    assert_int_equal(kith_timer_arm(moving.timer, 0, 0), 0);
    until(&service->world, moving.address.size > 0);
    move(NULL, &moving);
    int fd = service_client_from(service, "127.0.0.1", "127.0.0.1");
    until(&service->world, service->count == 1);
    close(fd);
    kith_timer_free(moving.timer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(test_who_waits_in_the_backlog_is_accepted_and_nobody_after),
        SERVICE_TEST(test_replies_under_way_are_sent_whole),
        SERVICE_TEST(test_a_peer_that_never_ends_is_given_up_at_the_deadline),
        SERVICE_TEST(test_an_idle_listener_is_drained_at_once_but_not_inside_the_call),
        SERVICE_TEST(test_a_listener_may_be_freed_when_drained),
        SERVICE_TEST(test_a_listener_freed_while_it_drains_says_nothing),
        SERVICE_TEST(test_a_paused_listener_accepts_its_backlog_before_it_ends),
        SERVICE_TEST(test_clients_above_the_limit_are_refused_while_draining_too),
        SERVICE_TEST(test_a_loop_freed_while_a_listener_drains_ends_it_all),
        SERVICE_TEST(test_a_port_is_free_again_when_its_listener_is_inside_a_callback_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
