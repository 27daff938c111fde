/*
 * Many connections of a loop inside another one. What they wrote goes out when a step is left, and those whose octets the kernel refuses
 * ask the loop, while it still learns how the others fared, to tell its host of what there is to do.
 */
#include "stream/testing.h"

#define CROWD 12
/* Below what is sent at once, above what the socket of a stingy one takes. */
#define LARGE ((size_t)60000)

struct guest {
    struct end end;
    int peer;
    bool deaf;     /* its peer reads nothing, so that it ends */
    uint8_t *came; /* at the peer */
    size_t size;
};

struct hosted {
    struct world world; /* first: the world's helpers take it */
    struct guest guests[CROWD];
    uint8_t *octets; /* each guest writes LARGE of them, from its own place on */
    struct pollfd host;
};

static int hosted_setup(void **state) {
    struct hosted *hosted = world_new(state, sizeof(*hosted));
    if (!hosted)
        return -1;
    for (size_t i = 0; i < CROWD; i++)
        hosted->guests[i].peer = -1;
    hosted->octets = pattern_new(LARGE + CROWD);
    hosted->host = (struct pollfd){.fd = kith_loop_fd(hosted->world.loop), .events = POLLIN};
    return hosted->host.fd < 0 ? -1 : 0;
}

static int hosted_teardown(void **state) {
    struct hosted *hosted = *state;
    for (size_t i = 0; i < CROWD; i++) {
        end_deinit(&hosted->guests[i].end);
        kith_close(hosted->guests[i].peer);
        free(hosted->guests[i].came);
    }
    free(hosted->octets);
    return world_teardown(state); /* the world is first */
}

/* One question, and all write: their sends are handed to the kernel together. */
static void write_from_all(struct end *end, struct kith_batch *batch) {
    struct hosted *hosted = end->extra;
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(kith_conn_write(hosted->guests[i].end.conn, hosted->octets + i, LARGE), 0);
}

static struct guest *open_guest(struct hosted *hosted, size_t i, int room) {
    struct guest *guest = &hosted->guests[i];
    guest->end = (struct end){.on_data = write_from_all, .extra = hosted};
    guest->peer = end_over_pair(&hosted->world, &guest->end, NULL, &plain_ops);
    guest->came = calloc(1, LARGE);
    assert_non_null(guest->came);
    assert_int_equal(setsockopt(kith_conn_fd(guest->end.conn), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    return guest;
}

/* As a host does. */
static void host_once(struct hosted *hosted) {
    assert_int_equal(poll(&hosted->host, 1, PATIENCE_NS / KITH_NS_PER_MS), 1);
    assert_true(kith_loop_step(hosted->world.loop, 0) >= 0);
}

static void ask(struct hosted *hosted) {
    assert_int_equal(send(hosted->guests[0].peer, "?", 1, 0), 1);
    while (hosted->guests[0].end.size == 0)
        host_once(hosted);
}

/* Returns whether it has everything, or is closed if it is deaf. */
static bool read_guest(struct guest *guest) {
    bool end = false;
    if (guest->deaf)
        return guest->end.closed;
    guest->size += slurp(guest->peer, guest->came + guest->size, LARGE - guest->size, &end);
    assert_false(end);
    return guest->size == LARGE;
}

static void read_all(struct hosted *hosted) {
    bool all = false;
    while (!all) {
        all = true;
        for (size_t i = 0; i < CROWD; i++)
            all = read_guest(&hosted->guests[i]) && all;
        if (!all)
            host_once(hosted);
    }
    for (size_t i = 0; i < CROWD; i++)
        if (!hosted->guests[i].deaf)
            assert_memory_equal(hosted->guests[i].came, hosted->octets + i, LARGE);
}

static void test_many_sends_that_the_kernel_takes_in_parts_lose_nothing(void **state) {
    struct hosted *hosted = *state;
    for (size_t i = 0; i < CROWD; i++)
        open_guest(hosted, i, 4096);
    ask(hosted);
    read_all(hosted);
}

static void test_sends_that_fail_beside_others_leave_them_theirs(void **state) {
    struct hosted *hosted = *state;
    for (size_t i = 0; i < CROWD; i++) {
        struct guest *guest = open_guest(hosted, i, i % 3 == 0 ? 4096 : 4 * (int)LARGE);
        guest->deaf = i % 3 == 2;
        if (guest->deaf)
            assert_int_equal(shutdown(guest->peer, SHUT_RD), 0);
    }
    ask(hosted);
    read_all(hosted);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(hosted->guests[i].end.error, hosted->guests[i].deaf ? -EPIPE : 0);
}

#define HOSTED_TEST(name) cmocka_unit_test_setup_teardown(name, hosted_setup, hosted_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOSTED_TEST(test_many_sends_that_the_kernel_takes_in_parts_lose_nothing),
        HOSTED_TEST(test_sends_that_fail_beside_others_leave_them_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
