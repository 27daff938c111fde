/*
 * The paths of real programs, in mounts of their own. Making those takes root, or user namespaces for everybody. The program is this one,
 * which waits when it is told to: nothing else needs to be installed.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "origin/exe.h"
#include "origin/testing.h"

static char program[512], deleted[sizeof(program) + 16];
/* There is such a file, but it is another one. */
static char another[] = "/tmp/kith-test-exe-another-XXXXXX";
/* An empty folder, and in it a path where nothing is, outside. */
static char folder[] = "/tmp/kith-test-exe-XXXXXX";
static char nowhere[sizeof(folder) + 8];

#define IN_OUR_MOUNTS 0
#define IN_ROOTS CLONE_NEWNS
#define IN_A_USERS (CLONE_NEWNS | CLONE_NEWUSER)

static bool put_text(const char *path, const char *text) {
    _cleanup_(kith_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* For a user namespace: without a mapping nobody in it may own a file. */
static bool map_root(uid_t uid, gid_t gid) {
    char uid_map[64], gid_map[64];

    snprintf(uid_map, sizeof(uid_map), "0 %u 1", (unsigned)uid);
    snprintf(gid_map, sizeof(gid_map), "0 %u 1", (unsigned)gid);
    return put_text("/proc/self/uid_map", uid_map) && put_text("/proc/self/setgroups", "deny") && put_text("/proc/self/gid_map", gid_map);
}

/* The program at `path`, in a mount namespace of this process. */
static bool put_program(int namespaces, const char *path) {
    uid_t uid = getuid();
    gid_t gid = getgid();

    if (namespaces == IN_OUR_MOUNTS)
        return true;
    if (unshare(namespaces) < 0 || ((namespaces & CLONE_NEWUSER) && !map_root(uid, gid)) ||
        mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    if (strcmp(path, program) == 0)
        return true;
    if (strcmp(path, nowhere) == 0 && (mount("none", folder, "tmpfs", 0, NULL) < 0 || kith_close(creat(nowhere, 0755)) != -1))
        return false;
    return mount(program, path, NULL, MS_BIND, NULL) == 0;
}

/* What kith_exe_credible() says of a process that runs the program as `path`; -1: no such mounts could be made. */
static int credible(int namespaces, const char *path, const char *said) {
    int input[2], execed[2], r = -1;
    char octet;

    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(execed, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!put_program(namespaces, path) || dup2(input[0], 0) != 0)
            _exit(write(execed[1], "x", 1) != 1);
        execl(path, "test-exe", "wait", (char *)NULL);
        _exit(1);
    }
    close(input[0]);
    close(execed[1]);
    if (read(execed[0], &octet, 1) == 0) { /* the exec has closed it */
        char link[32], exe[256] = "";
        snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
        assert_true(readlink(link, exe, sizeof(exe) - 1) > 0);
        assert_string_equal(exe, path);
        r = kith_exe_credible(pid, said ? said : exe);
        assert_in_range(r, 0, 1);
    }
    close(execed[0]);
    close(input[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return r;
}

static void test_a_path_in_our_own_mounts_is_credible_whatever_is_there_now(void **state) {
    assert_int_equal(credible(IN_OUR_MOUNTS, program, NULL), 1);
    assert_int_equal(credible(IN_OUR_MOUNTS, program, deleted), 1);
}

static void test_a_user_in_mounts_of_his_own_may_run_what_everybody_has(void **state) {
    int r = credible(IN_A_USERS, program, NULL);

    if (r < 0)
        skip();
    assert_int_equal(r, 1);
}

static void test_a_user_cannot_put_his_program_under_the_name_of_another(void **state) {
    int r = credible(IN_A_USERS, another, NULL);

    if (r < 0)
        skip();
    assert_int_equal(r, 0);
}

static void test_nor_under_a_name_that_only_he_has(void **state) {
    int r = credible(IN_A_USERS, nowhere, NULL);

    if (r < 0)
        skip();
    assert_int_equal(r, 0);
    assert_int_equal(credible(IN_A_USERS, program, deleted), 0);
}

/* As systemd does for a service with PrivateTmp=: what is not to be seen here is where root put it. */
static void test_in_mounts_that_root_made_a_name_is_credible_unless_it_means_another_file_here(void **state) {
    int r = credible(IN_ROOTS, program, NULL);

    if (r < 0)
        skip();
    assert_int_equal(r, 1);
    assert_int_equal(credible(IN_ROOTS, nowhere, NULL), 1);
    assert_int_equal(credible(IN_ROOTS, program, deleted), 1);
    assert_int_equal(credible(IN_ROOTS, another, NULL), 0);
}

static void test_a_process_that_is_not_there_is_an_error(void **state) {
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(kith_exe_credible(pid, program) < 0);
}

static int make_files(void **state) {
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    int fd = mkstemp(another);
    if (size <= 0 || fd < 0 || !mkdtemp(folder))
        return -1;
    close(fd);
    snprintf(deleted, sizeof(deleted), "%s (deleted)", program);
    snprintf(nowhere, sizeof(nowhere), "%s/program", folder);
    return 0;
}

static int remove_files(void **state) {
    return unlink(another) < 0 || rmdir(folder) < 0 ? -1 : 0;
}

/* The program that the tests start: lives until its standard input ends. */
static int wait_for_end(void) {
    char octet;

    while (read(0, &octet, 1) > 0)
        continue;
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "wait") == 0)
        return wait_for_end();
    const struct CMUnitTest tests[] = {
        COUNTED(test_a_path_in_our_own_mounts_is_credible_whatever_is_there_now),
        COUNTED(test_a_user_in_mounts_of_his_own_may_run_what_everybody_has),
        COUNTED(test_a_user_cannot_put_his_program_under_the_name_of_another),
        COUNTED(test_nor_under_a_name_that_only_he_has),
        COUNTED(test_in_mounts_that_root_made_a_name_is_credible_unless_it_means_another_file_here),
        COUNTED(test_a_process_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
