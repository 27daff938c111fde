/* origin/test-shared.c: one origin, asked by several threads while its process ends. The kernel is made to order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/testing-inet-diag.h"
#include "base/testing.h"
#include "origin/fake-source.h"

#define THREADS 4
#define ROUNDS 50

/* A fact may be unknown, if the process has ended before anybody asked; it is never wrong, and never two things. */
static void *ask_all(void *userdata) {
    kith_origin *origin = kith_origin_ref(userdata);
    const gid_t *groups;
    size_t count, size;
    const char *text, *name;
    const uint8_t *value;
    uint64_t ticks;

    for (unsigned i = 0; i < 10; i++) {
        if (kith_origin_text(origin, KITH_FACT_EXE, &text) != KITH_WITNESS_NONE)
            assert_string_equal(text, "/usr/sbin/nginx");
        if (kith_origin_text(origin, KITH_FACT_UNIT, &text) != KITH_WITNESS_NONE)
            assert_string_equal(text, "nginx.service");
        if (kith_origin_groups(origin, &groups, &count) != KITH_WITNESS_NONE)
            assert_int_equal(groups[1], 27);
        if (kith_origin_start_time(origin, &ticks) != KITH_WITNESS_NONE)
            assert_int_equal(ticks, 4711);
        if (kith_origin_claim(origin, 0, &name, &value, &size) == 1)
            assert_string_equal(name, "User-Id");
        (void)kith_origin_alive(origin);
        (void)kith_origin_ended(origin);
        assert_false(kith_origin_execed(origin));
    }
    kith_origin_unref(origin);
    kith_origin_unref(userdata);
    return NULL;
}

static void begin(kith_origin *origin, pthread_t *threads) {
    kith_origin_share(origin);
    for (unsigned i = 0; i < THREADS; i++) {
        kith_origin_ref(origin);
        assert_int_equal(pthread_create(&threads[i], NULL, ask_all, origin), 0);
    }
}

static void end(pthread_t *threads) {
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void new_origin(struct fake *fake, bool exact, struct kith_process **ret_process, kith_origin **ret_origin) {
    const struct kith_credentials sender = {.pid = 812, .uid = 1000, .gid = 100};
    int pidfd = exact ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;

    assert_int_equal(kith_process_new_from(&fake->source, 812, pidfd, exact, ret_process), 0);
    assert_int_equal(kith_origin_new_credentials(&sender, KITH_WITNESS_KERNEL_MESSAGE, *ret_process, ret_origin), 0);
}

static void test_each_fact_is_looked_up_once_whoever_asks(void **state) {
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct fake fake = fake_init();
        struct kith_process *process = NULL;
        kith_origin *origin = NULL;
        pthread_t threads[THREADS];

        new_origin(&fake, round % 2, &process, &origin);
        begin(origin, threads);
        end(threads);
        /* exe, cgroup, status, stat */
        assert_int_equal(fake.reads, 4);
        kith_origin_unref(origin);
        kith_process_unref(process);
    }
}

static void test_process_ends_and_claims_come_while_others_ask(void **state) {
    size_t fds = testing_fd_count();

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct fake fake = fake_init();
        struct kith_process *process = NULL;
        struct kith_claims *claims = NULL;
        kith_origin *origin = NULL;
        pthread_t threads[THREADS];

        assert_int_equal(kith_claims_new(&claims), 0);
        assert_int_equal(kith_claims_add(claims, "User-Id", "root", 4), 0);
        new_origin(&fake, true, &process, &origin);
        begin(origin, threads);
        kith_origin_set_claims(origin, claims);
        kith_claims_unref(claims);
        kith_process_set_dead(process);
        assert_false(kith_origin_alive(origin));
        kith_process_unref(process);
        kith_origin_unref(origin); /* the last reference goes in whichever thread */
        end(threads);
    }
    assert_int_equal(testing_fd_count(), fds);
}

static void *ask_tcp(void *userdata) {
    kith_origin *origin = userdata;
    const char *text;
    uid_t uid;
    pid_t pid;

    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(uid, getuid());
    if (kith_origin_pid(origin, &pid) != KITH_WITNESS_NONE) /* not under valgrind, which has no pidfd_open(2) */
        assert_int_equal(pid, getpid());
    assert_int_equal(kith_origin_text(origin, KITH_FACT_INTERFACE, &text), KITH_WITNESS_KERNEL_CONNECT);
    assert_string_equal(text, "lo");
    (void)kith_origin_text(origin, KITH_FACT_EXE, &text);
    (void)kith_origin_execed(origin);
    kith_origin_unref(origin);
    return NULL;
}

/* The other end is a socket of this process. */
static void test_a_tcp_peer_is_found_once_whoever_asks(void **state) {
    if (!testing_inet_diag())
        skip();
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct kith_tcp_connection connection = {.interface = 1, .ttl = 64, .tos = 0};
    socklen_t size = sizeof(loopback), own = sizeof(connection.own), peer = sizeof(connection.peer), cookie = sizeof(connection.cookie);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&loopback, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&loopback, &size), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&loopback, size), 0);
    int server = accept4(listener, (struct sockaddr *)&connection.peer, &peer, SOCK_CLOEXEC);
    assert_int_equal(getsockname(server, (struct sockaddr *)&connection.own, &own), 0);
    assert_int_equal(getsockopt(server, SOL_SOCKET, SO_COOKIE, &connection.cookie, &cookie), 0);
    for (unsigned round = 0; round < ROUNDS / 10; round++) {
        struct kith_tcp_peer *found;
        kith_origin *origin;
        pthread_t threads[THREADS];

        assert_int_equal(kith_tcp_peer_new(&connection, &found), 0);
        assert_int_equal(kith_origin_new(&origin), 0);
        kith_origin_set_tcp_peer(origin, found);
        kith_origin_share(origin);
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ask_tcp, kith_origin_ref(origin)), 0);
        kith_origin_unref(origin);
        end(threads);
    }
    close(server);
    close(client);
    close(listener);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fact_is_looked_up_once_whoever_asks),
        cmocka_unit_test(test_process_ends_and_claims_come_while_others_ask),
        cmocka_unit_test(test_a_tcp_peer_is_found_once_whoever_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
