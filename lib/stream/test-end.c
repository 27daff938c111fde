/* stream/test-end.c: the end of a stream is told, however close behind octets it comes. */
#include "stream/testing.h"

#include <sys/wait.h>

#define WRITERS 8
#define PIECES 3000
#define ROUNDS 6
#define PIECE "twelve octet"

/* In a process of its own: small pieces as fast as they go, and the end at once. */
static int write_and_end(int fd, int how) {
    for (unsigned i = 0; i < PIECES; i++)
        if (send(fd, PIECE, strlen(PIECE), MSG_NOSIGNAL) != (ssize_t)strlen(PIECE))
            return 1;
    return shutdown(fd, how) < 0;
}

static bool all_ended(const struct end ends[WRITERS]) {
    for (size_t i = 0; i < WRITERS; i++)
        if (ends[i].ended == 0)
            return false;
    return true;
}

/* The sockets are open here too, so that nothing but the end tells of it. */
static void write_at_once(struct world *world, const struct kith_conn_options *options, int how) {
    struct end ends[WRITERS] = {0};
    int peers[WRITERS], status;
    pid_t pids[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        peers[i] = end_over_pair(world, &ends[i], options, &end_ops);
        assert_int_equal(fcntl(peers[i], F_SETFL, 0), 0); /* it waits for room */
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(write_and_end(peers[i], how));
    }
    until(world, all_ended(ends));
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
        assert_int_equal(ends[i].size, PIECES * strlen(PIECE));
        assert_int_equal(ends[i].ended, 1);
        end_deinit(&ends[i]);
        close(peers[i]);
    }
}

static void test_the_end_close_behind_many_octets_is_told(void **state) {
    for (unsigned i = 0; i < ROUNDS; i++)
        write_at_once(*state, NULL, SHUT_WR);
}

static void test_the_end_behind_octets_with_credentials_is_told(void **state) {
    static const struct kith_conn_options identity = {.identity = true};
    for (unsigned i = 0; i < ROUNDS; i++)
        write_at_once(*state, &identity, SHUT_WR);
}

static void test_who_hangs_up_has_ended_first(void **state) {
    for (unsigned i = 0; i < ROUNDS; i++)
        write_at_once(*state, NULL, SHUT_RDWR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_the_end_close_behind_many_octets_is_told),
        WORLD_TEST(test_the_end_behind_octets_with_credentials_is_told),
        WORLD_TEST(test_who_hangs_up_has_ended_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
