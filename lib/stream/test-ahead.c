/*
 * What the loop has read, accepted or been sent ahead of the application's wish: it is kept while paused, in order, and nothing of it is
 * left open when it is not wanted any more.
 */
#include "stream/testing-service.h"

#include <sys/resource.h>

static void send_with_fd(int socket, const char *text, int fd) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
    assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The first of a pair that are ready in one wait: its callback pauses the second, which the loop has read already. */
struct pauser {
    struct end first, second;
    int peers[2];
};

static void pause_other(struct end *end, struct kith_batch *batch) {
    struct pauser *pauser = end->extra;
    kith_conn_pause(end == &pauser->first ? pauser->second.conn : pauser->first.conn);
}

/* Whichever comes first pauses the other: afterwards exactly one of them is paused, with its octets under way. */
static struct end *pause_one(struct world *world, struct pauser *pauser, const struct kith_conn_options *options) {
    pauser->first = (struct end){.on_data = pause_other, .extra = pauser};
    pauser->second = (struct end){.on_data = pause_other, .extra = pauser};
    pauser->peers[0] = end_over_pair(world, &pauser->first, options, &end_ops);
    pauser->peers[1] = end_over_pair(world, &pauser->second, options, &end_ops);
    settle_down(world);
    for (size_t i = 0; i < 2; i++) {
        send_with_fd(pauser->peers[i], "one", 0);
        assert_int_equal(send(pauser->peers[i], "two", 3, 0), 3);
    }
    until(world, pauser->first.size == 6 || pauser->second.size == 6);
    settle_down(world);
    struct end *paused = pauser->first.size == 6 ? &pauser->second : &pauser->first;
    assert_int_equal(paused->size, 0);
    return paused;
}

static void pauser_close(struct pauser *pauser) {
    end_deinit(&pauser->first);
    end_deinit(&pauser->second);
    close(pauser->peers[0]);
    close(pauser->peers[1]);
}

static void test_what_was_read_ahead_comes_in_order_after_resume(void **state) {
    struct pauser pauser = {0};
    struct end *paused = pause_one(*state, &pauser, &(struct kith_conn_options){.receive_fds = 2, .identity = true});
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(send(pauser.peers[paused == &pauser.second], "more", 4, 0), 4);
    settle_down(*state);
    assert_int_equal(paused->size, 0);
    kith_conn_resume(paused->conn);
    assert_int_equal(paused->size, 0); /* not inside the call */
    until((struct world *)*state, paused->size == 6 + 800);
    assert_memory_equal(paused->octets, "onetwomore", 10);
    assert_int_equal(paused->fd_count, 1);
    assert_int_equal(paused->unknown, 0);
    pauser_close(&pauser);
}

static void test_descriptors_read_ahead_are_closed_with_the_connection(void **state) {
    struct pauser pauser = {0};
    (void)pause_one(*state, &pauser, &(struct kith_conn_options){.receive_fds = 2});
    pauser_close(&pauser); /* the world counts descriptors */
}

static void test_the_end_read_ahead_comes_after_the_octets(void **state) {
    struct pauser pauser = {0};
    struct end *paused = pause_one(*state, &pauser, &(struct kith_conn_options){.receive_fds = 2});
    int peer = pauser.peers[paused == &pauser.second];
    assert_int_equal(send(peer, "three", 5, 0), 5);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    settle_down(*state);
    assert_int_equal(paused->size + paused->ended + paused->closed, 0);
    kith_conn_resume(paused->conn);
    until((struct world *)*state, paused->ended == 1);
    assert_int_equal(paused->size, 11);
    assert_memory_equal(paused->octets, "onetwothree", 11);
    pauser_close(&pauser);
}

static void pause_self(struct end *end, struct kith_batch *batch) {
    kith_conn_pause(end->conn);
}

static void test_pausing_in_each_batch_loses_nothing(void **state) {
    struct world *world = *state;
    struct end end = {.on_data = pause_self};
    size_t size = 300 * 1024, sent = 0;
    uint8_t *octets = pattern_new(size);
    int peer = end_over_pair(world, &end, NULL, &end_ops);
    while (end.size < size) {
        ssize_t n = sent < size ? send(peer, octets + sent, size - sent < 999 ? size - sent : 999, MSG_DONTWAIT) : 0;
        sent += n > 0 ? (size_t)n : 0;
        unsigned batches = end.batches;
        assert_true(kith_loop_step(world->loop, 0) >= 0);
        assert_in_range(end.batches - batches, 0, 1);
        kith_conn_resume(end.conn);
    }
    assert_memory_equal(end.octets, octets, size);
    free(octets);
    end_deinit(&end);
    close(peer);
}

static void test_a_loop_freed_with_octets_read_ahead_closes_their_descriptors(void **state) {
    struct world *world = *state;
    struct pauser pauser = {0};
    (void)pause_one(world, &pauser, &(struct kith_conn_options){.receive_fds = 2});
    size_t before = testing_fd_count();
    for (unsigned i = 0; i < 10; i++)
        send_with_fd(pauser.peers[i % 2], "under way", 0);
    world->loop = kith_loop_free(world->loop);
    assert_true(testing_fd_count() <= before);
    pauser_close(&pauser);
}

/* Nobody asked for them: they are closed and counted, also when there is no number left to give them. */
static void test_descriptors_at_the_limit_of_the_process_cost_nobody_anything(void **state) {
    struct world *world = *state;
    struct end asked = {0}, plain = {0};
    struct rlimit limit;
    int peers[2] = {end_over_pair(world, &asked, &(struct kith_conn_options){.receive_fds = 1}, &end_ops),
                    end_over_pair(world, &plain, NULL, &end_ops)};
    settle_down(world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    if (testing_under_valgrind())
        skip();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max}), 0);
    for (size_t i = 0; i < 2; i++)
        send_with_fd(peers[i], "octets", 0);
    until(world, asked.size == 6 && plain.size == 6);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(asked.fd_count + plain.fd_count, 0);
    assert_true(asked.fd_refused >= 1);
    assert_true(plain.fd_refused >= 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(send(peers[i], "more", 4, 0), 4);
    until(world, asked.size == 10 && plain.size == 10);
    end_deinit(&asked);
    end_deinit(&plain);
    close(peers[0]);
    close(peers[1]);
}

static void free_others(struct end *end, struct kith_batch *batch) {
    struct pauser *pauser = end->extra;
    struct end *other = end == &pauser->first ? &pauser->second : &pauser->first;
    other->conn = kith_conn_free(other->conn);
}

static void test_descriptors_under_way_to_a_freed_connection_are_closed(void **state) {
    struct world *world = *state;
    struct pauser pauser = {.first = {.on_data = free_others, .extra = &pauser}, .second = {.on_data = free_others, .extra = &pauser}};
    struct kith_conn_options options = {.receive_fds = 4};
    pauser.peers[0] = end_over_pair(world, &pauser.first, &options, &end_ops);
    pauser.peers[1] = end_over_pair(world, &pauser.second, &options, &end_ops);
    settle_down(world);
    size_t before = testing_fd_count();
    for (unsigned i = 0; i < 20; i++)
        send_with_fd(pauser.peers[i % 2], "octets", 0);
    until(world, pauser.first.size + pauser.second.size >= 60);
    settle_down(world);
    assert_true(pauser.first.size == 0 || pauser.second.size == 0);
    assert_int_equal(testing_fd_count(), before - 1);
    pauser_close(&pauser);
}

/* Listeners --------------------------------------------------------------------------------------------------------------- */

static int accept_and_pause(kith_listener *listener, int fd, void *userdata) {
    kith_listener_pause(listener);
    return service_accept(listener, fd, userdata);
}

static void listen_pausing(struct service *service) {
    static const struct kith_listener_ops ops = {.accept = accept_and_pause};
    struct kith_address address;
    assert_int_equal(kith_address_unix(service->path, &address), 0);
    assert_int_equal(kith_listener_new(service->world.loop, &address, NULL, &ops, service, &service->listener, NULL), 0);
    settle_down(&service->world);
}

static void test_clients_accepted_ahead_of_a_pause_come_one_by_one_after_it(void **state) {
    struct service *service = *state;
    int clients[10];
    listen_pausing(service);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++) {
        clients[i] = service_client(service);
        assert_int_equal(send(clients[i], &(uint8_t){(uint8_t)i}, 1, 0), 1);
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++) {
        until(&service->world, service->count == i + 1 && service->ends[i].size == 1);
        settle_down(&service->world);
        assert_int_equal(service->count, i + 1);
        assert_int_equal(service->ends[i].octets[0], i); /* in their order */
        kith_listener_resume(service->listener);
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_clients_accepted_ahead_are_hung_up_on_with_their_listener(void **state) {
    struct service *service = *state;
    int clients[10];
    listen_pausing(service);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        clients[i] = service_client(service);
    until(&service->world, service->count == 1);
    service->listener = kith_listener_free(service->listener);
    for (size_t i = 1; i < KITH_ARRAY_SIZE(clients); i++)
        until(&service->world, service_hung_up(clients[i]));
    assert_int_equal(service->count, 1);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

static void test_clients_accepted_ahead_are_drained_with_their_listener(void **state) {
    struct service *service = *state;
    static const struct kith_listener_ops ops = {.accept = accept_and_pause, .drained = service_drained};
    struct kith_address address;
    int clients[10];
    assert_int_equal(kith_address_unix(service->path, &address), 0);
    assert_int_equal(kith_listener_new(service->world.loop, &address, NULL, &ops, service, &service->listener, NULL), 0);
    settle_down(&service->world);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        clients[i] = service_client(service);
    until(&service->world, service->count == 1);
    kith_listener_drain(service->listener, 0);
    until(&service->world, service->drained == 1);
    assert_int_equal(service->count, KITH_ARRAY_SIZE(clients));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(clients); i++)
        close(clients[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_what_was_read_ahead_comes_in_order_after_resume),
        WORLD_TEST(test_descriptors_read_ahead_are_closed_with_the_connection),
        WORLD_TEST(test_the_end_read_ahead_comes_after_the_octets),
        WORLD_TEST(test_pausing_in_each_batch_loses_nothing),
        WORLD_TEST(test_a_loop_freed_with_octets_read_ahead_closes_their_descriptors),
        WORLD_TEST(test_descriptors_at_the_limit_of_the_process_cost_nobody_anything),
        WORLD_TEST(test_descriptors_under_way_to_a_freed_connection_are_closed),
        SERVICE_TEST(test_clients_accepted_ahead_of_a_pause_come_one_by_one_after_it),
        SERVICE_TEST(test_clients_accepted_ahead_are_hung_up_on_with_their_listener),
        SERVICE_TEST(test_clients_accepted_ahead_are_drained_with_their_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
