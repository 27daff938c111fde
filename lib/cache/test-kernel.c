/* cache/test-kernel.c: sessions of real processes, of which the kernel says who they are. */
#include "cache/testing.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child of the same program, as user `uid`, which lives until `go` is closed. */
static pid_t child_as(uid_t uid, int *ret_go) {
    int go[2], ready[2];
    char octet;

    assert_int_equal(pipe2(go, O_CLOEXEC) | pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(go[1]);
        if (setresuid(uid, uid, uid) < 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        _exit(read(go[0], &octet, 1) != 0);
    }
    close(go[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &octet, 1), 1);
    close(ready[0]);
    *ret_go = go[1];
    return pid;
}

static kith_origin *origin_of_pid(pid_t pid) {
    kith_origin *origin = NULL;
    assert_int_equal(kith_origin_of_pid(pid, &origin, NULL), 0);
    return origin;
}

static void end_child(pid_t pid, int go) {
    int status = 0;
    close(go);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_two_processes_of_one_program_and_user_are_one_client(void **state) {
    struct world *world = *state;
    struct kith_cache_key key, key_child;
    int go = -1;
    if (getuid() == 65534) {
        print_message("uid 65534 is no user that a session could belong to\n");
        skip();
    }
    pid_t pid = child_as(getuid(), &go);
    _origin_ self = origin_of_pid(getpid());
    _origin_ child = origin_of_pid(pid);
    make_cache(world, NULL);

    assert_int_equal(kith_cache_key_origin(self, KITH_WITNESS_KERNEL_CONNECT, &key), 0);
    assert_int_equal(key.uid, getuid());
    assert_int_equal(kith_cache_key_origin(child, KITH_WITNESS_KERNEL_CONNECT, &key_child), 0);
    assert_int_equal(put(world, key, self, 1), 0);
    end_child(pid, go);
    assert_int_equal(take(world, key_child, child, 1), 0);
}

static void test_a_process_of_another_user_is_refused(void **state) {
    struct world *world = *state;
    int go = -1;
    if (getuid() != 0) {
        print_message("only root can make a process of another user\n");
        skip();
    }
    pid_t pid = child_as(65533, &go);
    _origin_ self = origin_of_pid(getpid());
    _origin_ child = origin_of_pid(pid);
    make_cache(world, NULL);

    assert_int_equal(put(world, routing_id("a"), self, 1), 0);
    assert_int_equal(take(world, routing_id("a"), child, 0), -EACCES);
    assert_int_equal(take(world, routing_id("a"), self, 1), 0);
    assert_int_equal(put(world, routing_id("a"), child, 2), 0);
    assert_int_equal(take(world, routing_id("a"), self, 0), -EACCES);
    end_child(pid, go);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_two_processes_of_one_program_and_user_are_one_client),
        WORLD_TEST(test_a_process_of_another_user_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
