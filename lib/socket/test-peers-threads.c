/*
 * socket/test-peers-threads.c: peers listed, counted, kicked and waited for by several threads at once, on a loop with a thread of its own.
 * Most of what can go wrong here only the thread sanitizer sees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/testing.h"
#include "origin/internal.h"
#include "socket/socket.h"

#define PATIENCE_MS 30000
#define ROUNDS 200

struct fixture {
    kith_loop *loop;
    kith_socket *server, *client;
    size_t fds;
    atomic_uint listed, kicked;
    atomic_bool over;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->fds = testing_fd_count();
    assert_int_equal(kith_loop_new(&fixture->loop), 0);
    assert_int_equal(kith_loop_thread(fixture->loop, NULL), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    kith_socket_free(fixture->client);
    kith_socket_free(fixture->server);
    kith_loop_free(fixture->loop);
    assert_int_equal(testing_fd_count(), fixture->fds);
    free(fixture);
    return 0;
}

static void open_both(struct fixture *fixture, enum kith_socket_type server, enum kith_socket_type client) {
    static unsigned number;
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "ipc://@kith-peers-threads-%d-%u", getpid(), number++);
    assert_int_equal(kith_socket_new(fixture->loop, server, &fixture->server), 0);
    assert_int_equal(kith_socket_new(fixture->loop, client, &fixture->client), 0);
    assert_int_equal(kith_socket_set_number(fixture->client, KITH_OPTION_RECONNECT_MIN, 1, NULL), 0);
    assert_int_equal(kith_socket_bind(fixture->server, endpoint, NULL), 0);
    assert_int_equal(kith_socket_connect(fixture->client, endpoint, NULL), 0);
}

/* Waiting ------------------------------------------------------------------------------------------------------------------ */

static void *wait_for_it(void *userdata) {
    struct fixture *fixture = userdata;
    return kith_socket_wait_subscribed(fixture->server, "topic", 5, 1, PATIENCE_MS) == 1 ? fixture : NULL;
}

static void test_several_threads_wait_for_a_subscriber(void **state) {
    struct fixture *fixture = *state;
    pthread_t threads[3];
    open_both(fixture, KITH_PUB, KITH_SUB);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_it, fixture), 0);
    assert_int_equal(kith_socket_wait_subscribed(fixture->server, "topic", 5, 1, 1), -EAGAIN);
    assert_int_equal(kith_socket_subscribe(fixture->client, "topic", 5), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, fixture);
    }
}

/* Listing and kicking ------------------------------------------------------------------------------------------------------- */

static int look_at(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    struct fixture *fixture = userdata;
    pid_t pid = 0;
    if (info->state == KITH_PEER_READY && info->origin && kith_origin_pid(info->origin, &pid) != KITH_WITNESS_NONE && pid == getpid())
        atomic_fetch_add(&fixture->listed, 1);
    if (info->state == KITH_PEER_READY && atomic_load(&fixture->listed) % 8 == 0 && kith_socket_kick(socket, info->peer, "round") == 0)
        atomic_fetch_add(&fixture->kicked, 1);
    return 0;
}

static void *list_all(void *userdata) {
    struct fixture *fixture = userdata;
    while (!atomic_load(&fixture->over)) {
        struct kith_counters counters;
        if (kith_socket_peers(fixture->server, look_at, fixture) < 0)
            return NULL;
        kith_socket_counters(fixture->server, &counters);
        (void)kith_socket_last_peer(fixture->client);
    }
    return fixture;
}

/* Who is kicked comes again, so that each round gets through; what was under way is lost with the connection. */
static void test_peers_are_listed_and_kicked_while_messages_come(void **state) {
    struct fixture *fixture = *state;
    pthread_t threads[2];
    unsigned received = 0;
    open_both(fixture, KITH_PULL, KITH_PUSH);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, list_all, fixture), 0);
    while (received < ROUNDS || atomic_load(&fixture->kicked) < 5) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, "x", 1), 0);
        assert_int_equal(kith_socket_send(fixture->client, msg, PATIENCE_MS), 0);
        msg = NULL;
        if (kith_socket_recv(fixture->server, &msg, 10) == 0)
            received++;
        kith_msg_free(msg);
    }
    atomic_store(&fixture->over, true);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, fixture);
    }
    struct kith_counters counters;
    kith_socket_counters(fixture->server, &counters);
    assert_in_range(counters.messages_in, received, UINT32_MAX);
    assert_true(atomic_load(&fixture->listed) > 0);
}

void __real_kith_origin_share(kith_origin *origin);
void __wrap_kith_origin_share(kith_origin *origin);

static _Atomic(kith_origin *) last_shared;

void __wrap_kith_origin_share(kith_origin *origin) {
    atomic_store(&last_shared, origin);
    __real_kith_origin_share(origin);
}

static int keep_origin(kith_socket *socket, const struct kith_peer_info *info, void *userdata) {
    *(kith_origin **)userdata = kith_origin_ref(info->origin);
    return 0;
}

static void *let_go(void *userdata) {
    kith_origin_unref(userdata);
    return NULL;
}

static void test_an_origin_that_was_listed_may_be_let_go_of_anywhere(void **state) {
    struct fixture *fixture = *state;
    kith_origin *origin = NULL;
    pthread_t thread;
    open_both(fixture, KITH_PUB, KITH_SUB);
    assert_int_equal(kith_socket_subscribe(fixture->client, "topic", 5), 0);
    assert_int_equal(kith_socket_wait_subscribed(fixture->server, "topic", 5, 1, PATIENCE_MS), 1);
    atomic_store(&last_shared, NULL);
    assert_int_equal(kith_socket_peers(fixture->server, keep_origin, &origin), 0);
    assert_non_null(origin);
    assert_ptr_equal(atomic_load(&last_shared), origin);
    assert_int_equal(pthread_create(&thread, NULL, let_go, origin), 0);
    fixture->server = kith_socket_free(fixture->server); /* lets go of it too */
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_several_threads_wait_for_a_subscriber, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peers_are_listed_and_kicked_while_messages_come, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_origin_that_was_listed_may_be_let_go_of_anywhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
