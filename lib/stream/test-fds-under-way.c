/* Descriptors under way to peers that do not read: the kernel counts them, for each user, against RLIMIT_NOFILE. valgrind plays that limit
 * itself, so this is not for it. */
#include "stream/testing.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define UNDER_WAY 60
#define LIMIT 20

/* In a child without privileges, which the limit holds for. Returns its exit status. */
static int send_more_than_may_be_under_way(void) {
    struct end end = {0};
    struct world world = {0};
    struct rlimit limit = {LIMIT, LIMIT};
    uint8_t octets[UNDER_WAY];
    bool over = false;
    int pair[2];
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
        return 2;
    if (kith_loop_new(&world.loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        kith_conn_new_fd(world.loop, pair[0], NULL, &end_ops, &end, &end.conn) < 0)
        return 3;
    for (int i = 0; i < UNDER_WAY; i++) {
        int fd = eventfd(0, EFD_CLOEXEC);
        if (kith_conn_write_fds(end.conn, "x", 1, &fd, 1) < 0)
            return 4;
    }
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 5;
    kith_conn_flush(end.conn);
    if (kith_conn_queued(end.conn) < UNDER_WAY - LIMIT - 2)
        return 6; /* there was no limit */
    size_t size = 0;
    for (uint64_t until_end = kith_time_now() + PATIENCE_NS; size < UNDER_WAY && kith_time_now() < until_end;) {
        size += slurp(pair[1], octets, sizeof(octets), &over); /* without room for them the kernel lets them go */
        if (kith_loop_step(world.loop, 1) < 0)
            return 7;
    }
    return size == UNDER_WAY && !over && end.closed == 0 ? 0 : 8;
}

static void test_more_than_may_be_under_way_wait_until_they_may(void **state) {
    (void)state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(send_more_than_may_be_under_way());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_more_than_may_be_under_way_wait_until_they_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
