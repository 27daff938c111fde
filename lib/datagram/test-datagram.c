/* One sender, one receiver on this host: what arrives, what is known of it, and what goes wrong. */
#include "datagram/testing.h"

#include <net/if.h>
#include <sys/wait.h>

static void exchange_one(struct world *world, const char *bound, const char *to, const char *sender_host, const char *destination_host) {
    struct kith_datagram_options options = {.multicast_hops = -1, .hops = 33, .tos = 0x28};
    struct node receiver, sender;
    char text[96];
    node_bind(world, &receiver, bound, NULL);
    node_connect(world, &sender, to, &receiver, &options);
    assert_int_equal(node_send(&sender, "one", 3), 0);
    until(world, receiver.received == 1);
    assert_int_equal(receiver.packet.size, 3);
    assert_memory_equal(receiver.first, "one", 3);
    assert_false(receiver.packet.truncated);

    struct kith_address address;
    assert_int_equal(kith_datagram_address(sender.datagram, &address), 0);
    unsigned port = ntohs(((struct sockaddr_in *)&address.storage)->sin_port);
    (void)snprintf(text, sizeof(text), "%s:%u", sender_host, port);
    assert_string_equal(text_fact(receiver.origin, KITH_FACT_ADDRESS), text);
    assert_int_equal(kith_datagram_address(receiver.datagram, &address), 0);
    port = ntohs(((struct sockaddr_in *)&address.storage)->sin_port);
    (void)snprintf(text, sizeof(text), "%s:%u", destination_host, port);
    assert_string_equal(text_fact(receiver.origin, KITH_FACT_DESTINATION), text);
    assert_string_equal(text_fact(receiver.origin, KITH_FACT_INTERFACE), "lo");
    assert_int_equal(number_fact(receiver.origin, KITH_FACT_TTL), 33);
    assert_int_equal(number_fact(receiver.origin, KITH_FACT_TOS), 0x28);
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    uint64_t now_ns = (uint64_t)now.tv_sec * KITH_NS_PER_S;
    assert_in_range(number_fact(receiver.origin, KITH_FACT_TIME), now_ns - 60 * KITH_NS_PER_S, now_ns + 60 * KITH_NS_PER_S);
    node_close(&sender);
    node_close(&receiver);
}

static void test_an_ipv4_datagram_comes_with_all_facts(void **state) {
    exchange_one(*state, "udp://127.0.0.1:*", "udp://127.0.0.1:%u", "127.0.0.1", "127.0.0.1");
}

static void test_the_destination_is_the_one_that_was_sent_to(void **state) {
    exchange_one(*state, "udp://*:*", "udp://127.0.0.9:%u", "127.0.0.1", "127.0.0.9");
}

static void test_an_interface_is_bound_to_by_its_address(void **state) {
    exchange_one(*state, "udp://lo:*", "udp://127.0.0.1:%u", "127.0.0.1", "127.0.0.1");
}

static void test_an_ipv6_datagram_comes_with_all_facts(void **state) {
    need_ipv6();
    exchange_one(*state, "udp://[::1]:*", "udp://[::1]:%u", "[::1]", "[::1]");
}

static void test_ipv4_on_an_ipv6_socket_is_shown_as_ipv4(void **state) {
    need_ipv6();
    exchange_one(*state, "udp://[::]:*", "udp://127.0.0.1:%u", "127.0.0.1", "127.0.0.1");
}

static void test_ipv6_only_takes_no_ipv4(void **state) {
    need_ipv6();
    struct world *world = *state;
    struct kith_datagram_options options = {.multicast_hops = -1, .ipv6_only = true};
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://[::]:*", &options);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    assert_int_equal(node_send(&sender, "one", 3), 0);
    until(world, sender.failed == 1);
    assert_int_equal(sender.error, -ECONNREFUSED);
    assert_int_equal(receiver.received, 0);
    node_close(&sender);
    node_close(&receiver);
}

static void test_datagrams_keep_their_bounds_from_nothing_to_the_largest(void **state) {
    static const size_t sizes[] = {0, 1, 1400, 9000, KITH_DATAGRAM_MAX - 1, KITH_DATAGRAM_MAX};
    static uint8_t octets[KITH_DATAGRAM_MAX + 1];
    struct world *world = *state;
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        memset(octets, (int)i + 1, sizeof(octets));
        assert_int_equal(node_send(&sender, octets, sizes[i]), 0);
        until(world, receiver.received == i + 1);
        assert_int_equal(receiver.packet.size, sizes[i]);
        assert_memory_equal(receiver.first, octets, sizes[i] < sizeof(receiver.first) ? sizes[i] : sizeof(receiver.first));
    }
    assert_int_equal(node_send(&sender, octets, sizeof(octets)), -EMSGSIZE);
    struct iovec parts[2] = {{.iov_base = octets, .iov_len = KITH_DATAGRAM_MAX}, {.iov_base = octets, .iov_len = SIZE_MAX}};
    assert_int_equal(kith_datagram_send(sender.datagram, parts, 2), -EMSGSIZE);
    assert_int_equal(kith_datagram_queued(sender.datagram), 0);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_datagram_too_long_for_the_buffer_says_so(void **state) {
    need_ipv6();
    struct world *world = *state;
    static uint8_t octets[KITH_DATAGRAM_MAX + 20]; /* IPv6 allows so many */
    struct node receiver;
    node_bind(world, &receiver, "udp://[::1]:*", NULL);
    struct kith_address address;
    assert_int_equal(kith_datagram_address(receiver.datagram, &address), 0);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(sendto(fd, octets, sizeof(octets), 0, (struct sockaddr *)&address.storage, address.size), sizeof(octets));
    until(world, receiver.received == 1);
    assert_true(receiver.packet.truncated);
    assert_int_equal(receiver.packet.size, KITH_DATAGRAM_MAX);
    close(fd);
    node_close(&receiver);
}

static void test_many_datagrams_arrive_in_order_and_in_batches(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    uint32_t sent = 0;
    while (sent < 1000) { /* what the receiver's buffer holds at a time */
        for (uint32_t i = 0; i < 100; i++, sent++)
            assert_int_equal(node_send(&sender, &sent, sizeof(sent)), 0);
        until(world, receiver.received == sent);
    }
    for (uint32_t i = 0; i < sent; i++)
        assert_int_equal(receiver.numbers[i], i);
    assert_int_equal(receiver.dropped, 0);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_turn_is_bounded(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    for (uint32_t i = 0; i < 150; i++)
        assert_int_equal(node_send(&sender, &i, sizeof(i)), 0);
    kith_datagram_flush(sender.datagram);
    assert_int_equal(kith_datagram_queued(sender.datagram), 0);
    assert_true(kith_loop_step(world->loop, 1000) > 0);
    assert_in_range(receiver.received, 1, 64);
    until(world, receiver.received == 150);
    node_close(&sender);
    node_close(&receiver);
}

static void test_nobody_there_is_told_and_the_next_datagram_is_not_lost(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    struct kith_datagram_endpoint endpoint = *kith_datagram_endpoint(receiver.datagram);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    node_close(&receiver);
    assert_int_equal(node_send(&sender, "lost", 4), 0);
    until(world, sender.failed > 0);
    assert_int_equal(sender.error, -ECONNREFUSED);
    assert_int_equal(sender.lost, 0);

    /* The report of one that nobody took is pending when somebody is there again. */
    unsigned failed = sender.failed;
    assert_int_equal(node_send(&sender, "lost", 4), 0);
    kith_datagram_flush(sender.datagram);
    struct kith_error error = KITH_ERROR_NONE;
    memset(&receiver, 0, sizeof(receiver));
    assert_int_equal(kith_datagram_new_bound(world->loop, &endpoint, NULL, &node_ops, &receiver, &receiver.datagram, &error), 0);
    assert_int_equal(node_send(&sender, "kept", 4), 0);
    until(world, receiver.received == 1);
    assert_memory_equal(receiver.first, "kept", 4);
    until(world, sender.failed > failed);
    assert_int_equal(sender.lost, 0);
    node_close(&sender);
    node_close(&receiver);
}

static void test_what_a_full_receive_buffer_costs_is_told(void **state) {
    struct world *world = *state;
    struct kith_datagram_options options = {.multicast_hops = -1, .receive_buffer = 4096};
    struct node receiver, sender;
    uint8_t octets[512] = {0};
    unsigned sent = 200;
    node_bind(world, &receiver, "udp://127.0.0.1:*", &options);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    for (unsigned i = 0; i < sent; i++)
        assert_int_equal(node_send(&sender, octets, sizeof(octets)), 0);
    kith_datagram_flush(sender.datagram);
    until(world, receiver.received > 0);
    settle_down(world);
    unsigned arrived = receiver.received;
    assert_in_range(arrived, 1, sent - 1);
    assert_int_equal(node_send(&sender, "now", 3), 0); /* the count comes with the next one that is queued */
    until(world, receiver.received == arrived + 1);
    assert_int_equal(receiver.dropped, sent - arrived);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_paused_socket_receives_nothing_until_resumed(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    kith_datagram_pause(receiver.datagram);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(node_send(&sender, &i, sizeof(i)), 0);
    settle_down(world);
    assert_int_equal(receiver.received, 0);
    kith_datagram_resume(receiver.datagram);
    until(world, receiver.received == 3);
    receiver.pause_at_once = true; /* a batch that is there is delivered whole */
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(node_send(&sender, &i, sizeof(i)), 0);
    kith_datagram_flush(sender.datagram);
    until(world, receiver.received > 3);
    settle_down(world);
    assert_int_equal(receiver.received, 3 + 32);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_socket_may_be_freed_in_its_callbacks(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    receiver.free_at_once = sender.free_at_once = true;
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(node_send(&sender, &i, sizeof(i)), 0);
    until(world, receiver.received == 1);
    assert_null(receiver.datagram);
    if (sender.datagram)
        assert_int_equal(node_send(&sender, "x", 1), 0);
    until(world, sender.failed == 1);
    assert_null(sender.datagram);
    settle_down(world);
    assert_int_equal(receiver.received, 1);
    node_close(&receiver);
}

static void test_a_loop_freed_first_leaves_inert_sockets(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    assert_int_equal(node_send(&sender, "x", 1), 0);
    world->loop = kith_loop_free(world->loop);
    assert_int_equal(node_send(&sender, "x", 1), -ESHUTDOWN);
    kith_datagram_flush(sender.datagram);
    kith_datagram_pause(receiver.datagram);
    kith_datagram_resume(receiver.datagram);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_forked_child_frees_without_disturbing_the_parent(void **state) {
    struct world *world = *state;
    struct node receiver, sender;
    int status;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        kith_datagram_free(sender.datagram);
        kith_datagram_free(receiver.datagram);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(node_send(&sender, "x", 1), 0);
    until(world, receiver.received == 1);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_bound_socket_sends_to_nobody(void **state) {
    struct world *world = *state;
    struct node receiver;
    node_bind(world, &receiver, "udp://127.0.0.1:*", NULL);
    assert_int_equal(node_send(&receiver, "x", 1), -EDESTADDRREQ);
    node_close(&receiver);
}

static void test_what_cannot_be_bound_says_why(void **state) {
    static const struct {
        const char *text;
        int error;
        const char *says;
    } cases[] = {
        {"udp://no-such-if;239.1.1.1:*", -ENODEV, "the interface \"no-such-if\""},
        {"udp://192.0.2.77;239.1.1.1:*", -ENODEV, "the interface \"192.0.2.77\""},
        {"udp://no-such-if:*", -ENODEV, "an address of \"no-such-if\""},
        {"udp://192.0.2.77:*", -EADDRNOTAVAIL, "192.0.2.77"},
    };
    struct world *world = *state;
    struct kith_error error = KITH_ERROR_NONE;
    struct node first, second;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        assert_int_equal(node_try_bind(world, &first, cases[i].text, NULL, &error), cases[i].error);
        if (!strstr(error.text, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].says);
    }
    node_bind(world, &first, "udp://127.0.0.1:*", NULL);
    memset(&second, 0, sizeof(second));
    assert_int_equal(
        kith_datagram_new_bound(world->loop, kith_datagram_endpoint(first.datagram), NULL, &node_ops, &second, &second.datagram, &error),
        -EADDRINUSE);
    assert_non_null(strstr(error.text, "ss -ulpn"));
    node_close(&first);
}

static void test_options_reach_the_socket(void **state) {
    struct world *world = *state;
    struct kith_datagram_options options = {.multicast_hops = 7,
                                            .hops = 9,
                                            .tos = 0x10,
                                            .priority = 3,
                                            .send_buffer = 20000,
                                            .receive_buffer = 30000,
                                            .device = "lo",
                                            .no_multicast_loop = true};
    static const struct {
        int level, name, value;
    } expected[] = {
        {IPPROTO_IP, IP_TTL, 9},        {IPPROTO_IP, IP_MULTICAST_TTL, 7}, {IPPROTO_IP, IP_MULTICAST_LOOP, 0}, {IPPROTO_IP, IP_TOS, 0x10},
        {SOL_SOCKET, SO_SNDBUF, 40000}, {SOL_SOCKET, SO_RCVBUF, 60000},    {SOL_SOCKET, SO_PRIORITY, 3},
    };
    struct node receiver, sender;
    node_bind(world, &receiver, "udp://127.0.0.1:*", &options);
    node_connect(world, &sender, "udp://127.0.0.1:%u", &receiver, &options);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(expected); i++) {
        int value = -1;
        socklen_t size = sizeof(value);
        assert_int_equal(getsockopt(kith_datagram_fd(sender.datagram), expected[i].level, expected[i].name, &value, &size), 0);
        assert_int_equal(value, expected[i].value);
    }
    char device[IF_NAMESIZE] = "";
    socklen_t size = sizeof(device);
    assert_int_equal(getsockopt(kith_datagram_fd(receiver.datagram), SOL_SOCKET, SO_BINDTODEVICE, device, &size), 0);
    assert_string_equal(device, "lo");
    node_close(&sender);
    node_close(&receiver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_an_ipv4_datagram_comes_with_all_facts),
        WITH_WORLD(test_the_destination_is_the_one_that_was_sent_to),
        WITH_WORLD(test_an_interface_is_bound_to_by_its_address),
        WITH_WORLD(test_an_ipv6_datagram_comes_with_all_facts),
        WITH_WORLD(test_ipv4_on_an_ipv6_socket_is_shown_as_ipv4),
        WITH_WORLD(test_ipv6_only_takes_no_ipv4),
        WITH_WORLD(test_datagrams_keep_their_bounds_from_nothing_to_the_largest),
        WITH_WORLD(test_a_datagram_too_long_for_the_buffer_says_so),
        WITH_WORLD(test_many_datagrams_arrive_in_order_and_in_batches),
        WITH_WORLD(test_a_turn_is_bounded),
        WITH_WORLD(test_nobody_there_is_told_and_the_next_datagram_is_not_lost),
        WITH_WORLD(test_what_a_full_receive_buffer_costs_is_told),
        WITH_WORLD(test_a_paused_socket_receives_nothing_until_resumed),
        WITH_WORLD(test_a_socket_may_be_freed_in_its_callbacks),
        WITH_WORLD(test_a_loop_freed_first_leaves_inert_sockets),
        WITH_WORLD(test_a_forked_child_frees_without_disturbing_the_parent),
        WITH_WORLD(test_a_bound_socket_sends_to_nobody),
        WITH_WORLD(test_what_cannot_be_bound_says_why),
        WITH_WORLD(test_options_reach_the_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
