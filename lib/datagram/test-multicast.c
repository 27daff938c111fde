/*
 * Multicast on this host: groups, several members, hops. On the loopback interface, by name and by address, which every host has. What
 * leaves the host and comes into it: test-network.c.
 */
#include "datagram/testing.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

static void exchange(struct world *world, const char *bound, const char *to, const char *destination) {
    struct kith_datagram_options options = {.multicast_hops = 5};
    struct node receiver, sender;
    node_bind(world, &receiver, bound, NULL);
    node_connect(world, &sender, to, &receiver, &options);
    assert_int_equal(node_send(&sender, "group", 5), 0);
    until(world, receiver.received == 1);
    assert_memory_equal(receiver.first, "group", 5);
    const char *text = text_fact(receiver.origin, KITH_FACT_DESTINATION);
    assert_memory_equal(text, destination, strlen(destination));
    assert_string_equal(text_fact(receiver.origin, KITH_FACT_INTERFACE), "lo");
    assert_int_equal(number_fact(receiver.origin, KITH_FACT_TTL), 5);
    node_close(&sender);
    node_close(&receiver);
}

static void test_a_group_on_an_interface_by_name(void **state) {
    exchange(*state, "udp://lo;239.255.7.1:*", "udp://lo;239.255.7.1:%u", "239.255.7.1:");
}

static void test_a_group_on_an_interface_by_address(void **state) {
    exchange(*state, "udp://127.0.0.1;239.255.7.2:*", "udp://127.0.0.1;239.255.7.2:%u", "239.255.7.2:");
}

static void test_every_member_of_this_host_gets_its_copy(void **state) {
    struct world *world = *state;
    struct kith_error error = KITH_ERROR_NONE;
    struct node members[3], sender;
    node_bind(world, &members[0], "udp://lo;239.255.7.3:*", NULL);
    for (size_t i = 1; i < 3; i++) {
        memset(&members[i], 0, sizeof(members[i]));
        assert_int_equal(kith_datagram_new_bound(world->loop, kith_datagram_endpoint(members[0].datagram), NULL, &node_ops, &members[i],
                                                 &members[i].datagram, &error),
                         0);
    }
    node_connect(world, &sender, "udp://lo;239.255.7.3:%u", &members[0], NULL);
    assert_int_equal(node_send(&sender, "all", 3), 0);
    until(world, members[0].received == 1 && members[1].received == 1 && members[2].received == 1);
    assert_int_equal(number_fact(members[2].origin, KITH_FACT_TTL), 1); /* not beyond this network, unless asked for */
    node_close(&members[1]);
    assert_int_equal(node_send(&sender, "two", 3), 0);
    until(world, members[0].received == 2 && members[2].received == 2);
    node_close(&members[0]);
    node_close(&members[2]);
    node_close(&sender);
}

static void test_other_groups_of_this_host_are_not_heard(void **state) {
    struct world *world = *state;
    struct kith_error error = KITH_ERROR_NONE;
    struct node one, other, to_other, to_one;
    node_bind(world, &one, "udp://lo;239.255.7.4:*", NULL);
    struct kith_datagram_endpoint endpoint = *kith_datagram_endpoint(one.datagram);
    assert_int_equal(kith_address_ip("239.255.7.5", ntohs(((struct sockaddr_in *)&endpoint.address.storage)->sin_port), &endpoint.address),
                     0);
    memset(&other, 0, sizeof(other));
    assert_int_equal(kith_datagram_new_bound(world->loop, &endpoint, NULL, &node_ops, &other, &other.datagram, &error), 0);
    node_connect(world, &to_other, "udp://lo;239.255.7.5:%u", &one, NULL);
    node_connect(world, &to_one, "udp://lo;239.255.7.4:%u", &one, NULL);
    assert_int_equal(node_send(&to_other, "other", 5), 0);
    until(world, other.received == 1);
    assert_int_equal(node_send(&to_one, "one", 3), 0);
    until(world, one.received == 1);
    settle_down(world);
    assert_memory_equal(one.first, "one", 3);
    assert_int_equal(other.received, 1);
    node_close(&to_one);
    node_close(&to_other);
    node_close(&other);
    node_close(&one);
}

/* A namespace of this process's own, in which no interface is up. */
static bool enter_namespace(int *ret_before) {
    *ret_before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (*ret_before < 0 || unshare(CLONE_NEWNET) < 0) {
        kith_close(*ret_before);
        print_message("no network namespace of one's own: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static void leave_namespace(int before) {
    assert_int_equal(setns(before, CLONE_NEWNET), 0);
    close(before);
}

static void test_without_an_interface_a_group_cannot_be_joined_and_the_error_says_so(void **state) {
    struct world *world = *state;
    struct kith_error error = KITH_ERROR_NONE;
    struct node receiver, sender;
    int before;
    if (!enter_namespace(&before))
        skip();
    int r = node_try_bind(world, &receiver, "udp://239.255.7.7:5555", NULL, &error);
    struct kith_datagram_endpoint endpoint = parse("udp://239.255.7.7:5555", false);
    struct kith_error route = KITH_ERROR_NONE;
    int connected = kith_datagram_new_connected(world->loop, &endpoint, NULL, &node_ops, &sender, &sender.datagram, &route);
    leave_namespace(before);
    assert_int_equal(r, -ENODEV);
    assert_non_null(strstr(error.text, "udp://INTERFACE;GROUP:PORT"));
    assert_int_equal(connected, -ENETUNREACH);
    assert_non_null(strstr(route.text, "no route"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_a_group_on_an_interface_by_name),
        WITH_WORLD(test_a_group_on_an_interface_by_address),
        WITH_WORLD(test_every_member_of_this_host_gets_its_copy),
        WITH_WORLD(test_other_groups_of_this_host_are_not_heard),
        WITH_WORLD(test_without_an_interface_a_group_cannot_be_joined_and_the_error_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
