/* The end of a listener's service: nobody is lost, nobody is waited for beyond the deadline. */
#include "stream/testing.h"

#include <sys/un.h>

/* A world, a listener at an abstract name, and the connections that it accepted. */
struct shop {
    struct world world; /* first: the world's helpers take it */
    struct kith_address address;
    kith_listener *listener;
    struct end ends[4];
    unsigned accepted, drained;
};

static int shop_accept(kith_listener *listener, int fd, void *userdata) {
    struct shop *shop = userdata;
    assert_true(shop->accepted < KITH_ARRAY_SIZE(shop->ends));
    struct end *end = &shop->ends[shop->accepted++];
    assert_int_equal(kith_conn_new_accepted(listener, fd, NULL, &plain_ops, end, &end->conn), 0);
    return 0;
}

static void shop_drained(kith_listener *listener, void *userdata) {
    ((struct shop *)userdata)->drained++;
}

static int shop_setup(void **state) {
    static const struct kith_listener_ops ops = {.accept = shop_accept, .drained = shop_drained};
    struct shop *shop = world_new(state, sizeof(*shop));
    char name[64];
    if (!shop)
        return -1;
    snprintf(name, sizeof(name), "@kith-test-drain-%d", (int)getpid());
    if (kith_address_unix(name, &shop->address) < 0)
        return -1;
    return kith_listener_new(shop->world.loop, &shop->address, NULL, &ops, shop, &shop->listener, NULL);
}

static int shop_teardown(void **state) {
    struct shop *shop = *state;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(shop->ends); i++)
        end_deinit(&shop->ends[i]);
    kith_listener_free(shop->listener);
    return world_teardown(state);
}

#define SHOP_TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

static int enter(struct shop *shop) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&shop->address.storage, shop->address.size), 0);
    return fd;
}

static bool at_end(int fd) {
    char octet;
    return recv(fd, &octet, 1, MSG_DONTWAIT) == 0;
}

static void test_called_again_it_sets_a_new_deadline(void **state) {
    struct shop *shop = *state;
    int fd = enter(shop);
    until(&shop->world, shop->accepted == 1);
    kith_listener_drain(shop->listener, -1);
    until(&shop->world, at_end(fd));
    settle_down(&shop->world);
    assert_int_equal(shop->drained, 0);
    kith_listener_drain(shop->listener, 0);
    assert_int_equal(shop->ends[0].closed, 0);
    until(&shop->world, shop->drained == 1);
    assert_int_equal(shop->ends[0].error, -ETIMEDOUT);
    kith_close(fd);
}

static void test_called_twice_in_a_row_the_second_deadline_holds(void **state) {
    struct shop *shop = *state;
    int fd = enter(shop);
    until(&shop->world, shop->accepted == 1);
    kith_listener_drain(shop->listener, -1);
    kith_listener_drain(shop->listener, 0);
    until(&shop->world, shop->drained == 1);
    assert_int_equal(shop->ends[0].error, -ETIMEDOUT);
    kith_close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHOP_TEST(test_called_again_it_sets_a_new_deadline),
        SHOP_TEST(test_called_twice_in_a_row_the_second_deadline_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
