/*
 * Is an exec noticed by a server without privileges that may not look at the new program? It is in a child process that gave them up. The
 * program that it may not look at is one that may be executed and not be read (proc(5): such a process cannot be looked into).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "origin/process.h"
#include "origin/testing.h"

#define NOBODY_WE_KNOW 61234

static char directory[] = "/tmp/kith-test-exec-XXXXXX", unreadable[sizeof(directory) + 4];

static int copy_cat(void) {
    _cleanup_(kith_closep) int from = open("/bin/cat", O_RDONLY | O_CLOEXEC);
    _cleanup_(kith_closep) int to = open(unreadable, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    struct stat file;

    if (from < 0 || to < 0 || fstat(from, &file) < 0)
        return -1;
    for (off_t left = file.st_size; left > 0;) {
        ssize_t size = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
        if (size <= 0)
            return -1;
        left -= size;
    }
    return fchmod(to, 0711);
}

/* A shell that becomes the other program when it is told. */
static pid_t spawn_shell(int *ret_to, int *ret_from) {
    int to[2], from[2];
    char command[sizeof(unreadable) + 32];

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return -1;
    snprintf(command, sizeof(command), "echo; read word; exec %s", unreadable);
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(to[0], 0) == 0 && dup2(from[1], 1) == 1)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(1);
    }
    close(to[0]);
    close(from[1]);
    *ret_to = to[1];
    *ret_from = from[0];
    return pid;
}

/* Returns which step did not do. */
static int look_without_privileges(void) {
    int to, from, reason;
    char octet;
    const char *exe;
    kith_origin *origin;

    if (setgroups(0, NULL) < 0 || setresgid(NOBODY_WE_KNOW, NOBODY_WE_KNOW, NOBODY_WE_KNOW) < 0 ||
        setresuid(NOBODY_WE_KNOW, NOBODY_WE_KNOW, NOBODY_WE_KNOW) < 0)
        return 1;
    pid_t pid = spawn_shell(&to, &from);
    if (pid < 0 || read(from, &octet, 1) != 1)
        return 2;
    if (kith_origin_of_pid(pid, &origin, NULL) < 0 || kith_origin_text(origin, KITH_FACT_EXE, &exe) != KITH_WITNESS_KERNEL_CONNECT)
        return 3;
    if (kith_origin_execed(origin))
        return 4;
    /* The second line comes back from the other program. */
    if (write(to, "\n\n", 2) != 2 || read(from, &octet, 1) != 1)
        return 5;
    reason = kith_origin_execed(origin) ? 0 : 6;
    close(to);
    return waitpid(pid, NULL, 0) == pid ? reason : 7;
}

static void test_an_exec_of_what_may_not_be_looked_at_is_noticed(void **state) {
    int status;

    if (geteuid() != 0) {
        print_message("needs root\n");
        skip();
    }
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chmod(directory, 0711), 0);
    snprintf(unreadable, sizeof(unreadable), "%s/cat", directory);
    assert_int_equal(copy_cat(), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(look_without_privileges());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(unlink(unreadable), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COUNTED(test_an_exec_of_what_may_not_be_looked_at_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
