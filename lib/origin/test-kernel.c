/*
 * Origins of real processes: the facts of this one and of children, a sender dead before its message is looked at, a pid that really
 * was recycled, a /proc of another pid namespace. What needs root or a newer kernel is skipped and says so.
 *
 * Children say how they are by closing a pipe; nobody waits for time to pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kith/cmsg.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "origin/process.h"
#include "origin/testing.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* include/uapi/asm-generic/socket.h, Linux 6.5 */
#endif

static void skip_unless(bool possible, const char *reason) {
    if (!possible) {
        print_message("%s\n", reason);
        skip();
    }
}

/* A child that is ready for inspection, until its `hold` is closed. */
struct child {
    pid_t pid;
    int hold;
};

/* act runs first in the child; a failure of it fails the test. */
static struct child spawn(int (*act)(void)) {
    int ready[2], hold[2];
    struct child child;
    char octet;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        close(hold[1]);
        if (act && act() < 0)
            _exit(1);
        _exit(write(ready[1], "x", 1) != 1 || read(hold[0], &octet, 1) != 0);
    }
    close(ready[1]);
    close(hold[0]);
    assert_int_equal(read(ready[0], &octet, 1), 1);
    close(ready[0]);
    child.hold = hold[1];
    return child;
}

static void let_end(struct child *child) {
    siginfo_t info;

    child->hold = kith_close(child->hold);
    assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(info.si_status, 0);
}

static void reap(struct child *child) {
    if (child->hold >= 0)
        let_end(child);
    assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

static kith_origin *origin_of(pid_t pid) {
    struct kith_error error = KITH_ERROR_NONE;
    kith_origin *origin;

    if (kith_origin_of_pid(pid, &origin, &error) < 0)
        fail_msg("%s", error.text);
    return origin;
}

static void test_this_process_is_known_as_it_is(void **state) {
    kith_origin *origin = origin_of(getpid());
    char exe[4096] = "";
    gid_t mine[1024];
    const gid_t *groups;
    const char *text;
    size_t count;
    uid_t uid;
    gid_t gid;
    pid_t pid;

    assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
    assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_gid(origin, &gid), KITH_WITNESS_KERNEL_CONNECT);
    assert_true(pid == getpid() && uid == getuid() && gid == getgid());
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &text), KITH_WITNESS_KERNEL_CONNECT);
    assert_string_equal(text, exe);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_CGROUP, &text), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(text[0], '/');
    assert_int_equal(kith_origin_groups(origin, &groups, &count), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(count, getgroups(KITH_ARRAY_SIZE(mine), mine));
    assert_memory_equal(groups, mine, count * sizeof(gid_t));
    assert_int_equal(kith_origin_start_time(origin, NULL), KITH_WITNESS_KERNEL_CONNECT);
    assert_true(kith_origin_alive(origin));
    kith_origin_unref(origin);
}

static int become_another(void) {
    static const gid_t groups[2] = {4, 4294967290};

    /* Real ids differ from effective ones: SCM_CREDENTIALS carries the real ones, and so must this. */
    return setgroups(2, groups) < 0 || setresgid(100, 0, 0) < 0 || setresuid(1000, 0, 0) < 0 ? -1 : 0;
}

static void test_another_user_is_known_by_real_ids_and_groups(void **state) {
    struct child child;
    kith_origin *origin;
    const gid_t *groups;
    size_t count;
    uid_t uid;
    gid_t gid;

    skip_unless(geteuid() == 0, "needs root");
    child = spawn(become_another);
    origin = origin_of(child.pid);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_gid(origin, &gid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(uid, 1000);
    assert_int_equal(gid, 100);
    assert_int_equal(kith_origin_groups(origin, &groups, &count), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(count, 2);
    assert_int_equal(groups[0], 4);
    assert_int_equal(groups[1], 4294967290);
    kith_origin_unref(origin);
    reap(&child);
}

static int no_atomic_credentials(const struct kith_process_source *source, int pidfd, struct kith_credentials *ret_credentials) {
    return -ENOTTY;
}

static void test_older_kernels_give_the_same_credentials(void **state) {
    struct kith_process_source older = kith_process_source_kernel;
    struct child child;
    kith_origin *origin;
    uid_t uid;
    gid_t gid;

    skip_unless(geteuid() == 0, "needs root");
    older.credentials = no_atomic_credentials;
    child = spawn(become_another);
    assert_int_equal(kith_origin_of_pid_from(&older, child.pid, &origin, NULL), 0);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_gid(origin, &gid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(uid, 1000);
    assert_int_equal(gid, 100);
    kith_origin_unref(origin);
    reap(&child);
}

static void test_a_process_that_has_ended_has_no_origin(void **state) {
    struct child child = spawn(NULL);
    kith_origin *origin = NULL;

    let_end(&child); /* a zombie */
    assert_int_equal(kith_origin_of_pid(child.pid, &origin, NULL), -ESRCH);
    reap(&child);
    assert_int_equal(kith_origin_of_pid(child.pid, &origin, NULL), -ESRCH);
    assert_null(origin);
}

static void *ask_for_own_thread(void *userdata) {
    struct kith_error *error = userdata;
    kith_origin *origin;

    error->code = kith_origin_of_pid((pid_t)syscall(SYS_gettid), &origin, error);
    return NULL;
}

static void test_a_thread_is_not_a_process(void **state) {
    struct kith_error error = KITH_ERROR_NONE;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, ask_for_own_thread, &error), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(error.code, -ESRCH);
    assert_non_null(strstr(error.text, "a thread, not a process"));
}

static void test_facts_asked_for_before_the_end_stay_and_others_remain_unknown(void **state) {
    struct child child = spawn(NULL);
    kith_origin *origin = origin_of(child.pid);
    const char *exe;

    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &exe), KITH_WITNESS_KERNEL_CONNECT);
    reap(&child);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &exe), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_CGROUP, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_groups(origin, NULL, NULL), KITH_WITNESS_NONE);
    assert_false(kith_origin_alive(origin));
    kith_origin_unref(origin);
}

/* A child that becomes cat when `go` is closed; *ret_input keeps cat alive. Returns once fork() has. */
static pid_t spawn_cat(int *ret_go, int *ret_input, int *ret_execed) {
    int go[2], input[2], execed[2];
    pid_t pid;
    char octet;

    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(execed, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(go[1]);
        if (dup2(input[0], 0) != 0 || read(go[0], &octet, 1) != 0)
            _exit(1);
        execl("/bin/cat", "cat", (char *)NULL);
        _exit(1);
    }
    close(go[0]);
    close(input[0]);
    close(execed[1]);
    *ret_go = go[1];
    *ret_input = input[1];
    *ret_execed = execed[0];
    return pid;
}

static void test_an_exec_after_the_lookup_changes_nothing_that_is_cached(void **state) {
    int go, input, execed;
    pid_t pid = spawn_cat(&go, &input, &execed);
    kith_origin *before = origin_of(pid), *after;
    const char *exe_before, *exe_after;
    char octet;

    assert_int_equal(kith_origin_text(before, KITH_FACT_EXE, &exe_before), KITH_WITNESS_KERNEL_CONNECT);
    close(go);
    assert_int_equal(read(execed, &octet, 1), 0); /* end of file: the exec closed it */
    after = origin_of(pid);
    assert_int_equal(kith_origin_text(after, KITH_FACT_EXE, &exe_after), KITH_WITNESS_KERNEL_CONNECT);
    assert_non_null(strstr(exe_after, "/cat"));
    assert_int_equal(kith_origin_text(before, KITH_FACT_EXE, &exe_before), KITH_WITNESS_KERNEL_CONNECT);
    assert_non_null(strstr(exe_before, "test-origin-kernel"));
    kith_origin_unref(before);
    kith_origin_unref(after);
    close(execed);
    close(input);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Receives one octet with its credentials and pidfd, as a session would. */
static void receive(int fd, struct kith_credentials *ret_credentials, int *ret_pidfd) {
    _Alignas(struct cmsghdr) uint8_t control[256];
    char octet;
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;

    assert_int_equal(recvmsg(fd, &message, MSG_CMSG_CLOEXEC), 1);
    assert_int_equal(kith_cmsg_adopt_fds(control, message.msg_controllen, NULL, 0, NULL, ret_pidfd), 0);
    *ret_credentials = (struct kith_credentials){.pid = 0};
    iter = kith_cmsg_iter_init(control, message.msg_controllen);
    while (kith_cmsg_next(&iter, &cmsg) > 0) {
        if (cmsg.kind == KITH_CMSG_CREDENTIALS)
            *ret_credentials =
                (struct kith_credentials){cmsg.value.credentials.pid, cmsg.value.credentials.uid, cmsg.value.credentials.gid};
    }
}

static void test_a_sender_dead_before_its_message_is_read_has_its_ids_and_nothing_else(void **state) {
    struct kith_credentials credentials;
    struct kith_process *process;
    kith_origin *origin;
    int ends[2], pidfd, on = 1;
    pid_t child, pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    if (setsockopt(ends[1], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof(on)) < 0)
        print_message("no SO_PASSPIDFD: the process is looked for by its pid\n");
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(write(ends[0], "x", 1) != 1);
    assert_int_equal(waitpid(child, NULL, 0), child);

    receive(ends[1], &credentials, &pidfd);
    assert_int_equal(kith_process_new(credentials.pid, pidfd, pidfd >= 0, &process), 0);
    assert_int_equal(kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_MESSAGE, process, &origin), 0);
    kith_process_unref(process);
    assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(pid, child);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_groups(origin, NULL, NULL), KITH_WITNESS_NONE);
    assert_false(kith_origin_alive(origin));
    kith_origin_unref(origin);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_pidfd_that_came_with_the_message_makes_facts_exact(void **state) {
    struct kith_credentials credentials;
    struct kith_process *process;
    int ends[2], pidfd, on = 1;
    const char *exe;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
    if (setsockopt(ends[1], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof(on)) < 0) {
        close(ends[0]);
        close(ends[1]);
        skip_unless(false, "this kernel has no SO_PASSPIDFD");
    }
    assert_int_equal(write(ends[0], "x", 1), 1);
    receive(ends[1], &credentials, &pidfd);
    assert_int_equal(credentials.pid, getpid());
    assert_int_equal(kith_process_new(credentials.pid, pidfd, true, &process), 0);
    assert_true(kith_process_exact(process));
    assert_int_equal(kith_process_pidfd(process), pidfd);
    assert_true(kith_process_text(process, KITH_FACT_EXE, &exe));
    assert_non_null(strstr(exe, "test-origin-kernel"));
    kith_process_unref(process);
    close(ends[0]);
    close(ends[1]);
}

/* In children that live in namespaces of their own: says what went wrong and ends; 77: the namespace is not to be had. */
#define EXPECT(condition)                                                                                                                  \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                                \
            _exit(1);                                                                                                                      \
        }                                                                                                                                  \
    } while (0)

/* Runs act as process 1 of a new pid namespace; skips the test when it says 77. */
static void run_as_first_process(void (*act)(void)) {
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        pid_t first;

        if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
            _exit(77);
        first = fork();
        EXPECT(first >= 0);
        if (first == 0) {
            act();
            _exit(0);
        }
        EXPECT(waitpid(first, &status, 0) == first);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    skip_unless(WEXITSTATUS(status) != 77, "needs root and pid namespaces");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The next process gets this pid. */
static void set_next_pid(pid_t pid) {
    char text[16];
    int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof(text), "%d", pid - 1);

    if (fd < 0)
        _exit(77);
    EXPECT(write(fd, text, (size_t)length) == length);
    close(fd);
}

static void recycle_a_pid(void) {
    struct kith_process *old, *guessed;
    int go, input, execed, pidfd;
    kith_origin *owner;
    const char *exe;
    pid_t pid, next;
    char octet;

    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
        _exit(77);
    pid = fork(); /* the sender, which ends at once */
    if (pid == 0)
        _exit(0);
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    EXPECT(pidfd >= 0);
    EXPECT(waitpid(pid, NULL, 0) == pid);

    set_next_pid(pid);
    next = spawn_cat(&go, &input, &execed); /* the new owner of its pid */
    EXPECT(next == pid);
    close(go);
    EXPECT(read(execed, &octet, 1) == 0);

    /* With the sender's pidfd nothing of the new owner is said to be the sender's. */
    EXPECT(kith_process_new(pid, pidfd, true, &old) == 0);
    EXPECT(!kith_process_text(old, KITH_FACT_EXE, &exe));
    EXPECT(!kith_process_alive(old, true));
    /* Without it there is no telling, and none is claimed. */
    EXPECT(kith_process_new(pid, -1, true, &guessed) == 0);
    EXPECT(kith_process_text(guessed, KITH_FACT_EXE, &exe) && strstr(exe, "/cat"));
    EXPECT(!kith_process_exact(guessed));
    /* Asked for by pid, it is the owner of now. */
    EXPECT(kith_origin_of_pid(pid, &owner, NULL) == 0);
    EXPECT(kith_origin_text(owner, KITH_FACT_EXE, &exe) == KITH_WITNESS_KERNEL_CONNECT && strstr(exe, "/cat"));

    kith_origin_unref(owner);
    kith_process_unref(guessed);
    kith_process_unref(old);
    close(input);
    EXPECT(waitpid(next, NULL, 0) == next);
}

static void test_a_recycled_pid_is_not_its_former_owner(void **state) {
    run_as_first_process(recycle_a_pid);
}

/* Here this process is number 1; /proc is still the outer one, whose number 1 is another program. */
static void look_through_a_foreign_proc(void) {
    struct kith_process *process;
    uint64_t ticks, first_of_all;
    const char *exe;

    EXPECT(getpid() == 1);
    EXPECT(kith_process_new(1, -1, false, &process) == 0);
    EXPECT(kith_process_text(process, KITH_FACT_EXE, &exe) && strstr(exe, "test-origin-kernel"));
    EXPECT(kith_process_number(process, KITH_FACT_START_TIME, &ticks));
    {
        FILE *file = fopen("/proc/1/stat", "re");

        EXPECT(file);
        EXPECT(fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
                      &first_of_all) == 1);
        fclose(file);
    }
    EXPECT(ticks != first_of_all);
    kith_process_unref(process);
}

static void test_a_proc_of_another_pid_namespace_misleads_nobody(void **state) {
    run_as_first_process(look_through_a_foreign_proc);
}

static void test_the_pidfd_becomes_readable_at_the_end(void **state) {
    struct child child = spawn(NULL);
    struct kith_process *process;

    assert_int_equal(kith_process_new(child.pid, -1, false, &process), 0);
    assert_true(kith_process_pidfd(process) >= 0);
    assert_int_equal(fcntl(kith_process_pidfd(process), F_GETFD), FD_CLOEXEC);
    assert_true(kith_process_alive(process, true));
    let_end(&child);
    assert_true(kith_process_alive(process, false)); /* nobody has asked */
    assert_false(kith_process_alive(process, true));
    assert_false(kith_process_alive(process, false));
    reap(&child);
    kith_process_unref(process);
}

/* As a stream program does with kith_conn_peer(). */
static void test_a_process_named_by_a_socket_is_looked_up_by_its_pidfd(void **state) {
    struct child child = spawn(NULL);
    int pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
    kith_origin *origin, *inferred;
    pid_t pid;
    uid_t uid;

    assert_true(pidfd >= 0);
    assert_int_equal(kith_origin_of_credentials(child.pid, 1234, 5678, pidfd, KITH_WITNESS_KERNEL_CONNECT, &origin), 0);
    assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
    assert_true(pid == child.pid && uid == 1234);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_KERNEL_CONNECT);
    /* Without a pidfd whoever has the pid now is believed to be the one when its ids are the same. */
    assert_int_equal(kith_origin_of_credentials(child.pid, 1234, 5678, -1, KITH_WITNESS_KERNEL_MESSAGE, &inferred), 0);
    assert_int_equal(kith_origin_text(inferred, KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
    kith_origin_unref(inferred);
    assert_int_equal(kith_origin_of_credentials(child.pid, getuid(), getgid(), -1, KITH_WITNESS_KERNEL_MESSAGE, &inferred), 0);
    assert_int_equal(kith_origin_uid(inferred, NULL), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(kith_origin_text(inferred, KITH_FACT_EXE, NULL), KITH_WITNESS_INFERRED);
    reap(&child);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_CGROUP, NULL), KITH_WITNESS_NONE);
    kith_origin_unref(inferred);
    kith_origin_unref(origin);
    assert_int_equal(fcntl(pidfd, F_GETFD), -1); /* it was the origin's */
}

static void test_nobody_named_by_a_socket_is_unknown_and_a_wrong_witness_takes_nothing(void **state) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    kith_origin *origin = NULL;

    assert_true(fd >= 0);
    assert_int_equal(kith_origin_of_credentials(1, 0, 0, fd, KITH_WITNESS_KEY, &origin), -EINVAL);
    assert_int_equal(kith_origin_of_credentials(-1, 0, 0, fd, KITH_WITNESS_KERNEL_CONNECT, &origin), -EINVAL);
    assert_int_equal(kith_origin_of_credentials(1, 0, 0, fd, KITH_WITNESS_KERNEL_CONNECT, NULL), -EINVAL);
    assert_null(origin);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    assert_int_equal(kith_origin_of_credentials(0, 65534, 65534, fd, KITH_WITNESS_KERNEL_MESSAGE, &origin), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(kith_origin_pid(origin, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_uid(origin, NULL), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, NULL), KITH_WITNESS_NONE);
    kith_origin_unref(origin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COUNTED(test_this_process_is_known_as_it_is),
        COUNTED(test_another_user_is_known_by_real_ids_and_groups),
        COUNTED(test_older_kernels_give_the_same_credentials),
        COUNTED(test_a_process_that_has_ended_has_no_origin),
        COUNTED(test_a_thread_is_not_a_process),
        COUNTED(test_a_process_named_by_a_socket_is_looked_up_by_its_pidfd),
        COUNTED(test_nobody_named_by_a_socket_is_unknown_and_a_wrong_witness_takes_nothing),
        COUNTED(test_facts_asked_for_before_the_end_stay_and_others_remain_unknown),
        COUNTED(test_an_exec_after_the_lookup_changes_nothing_that_is_cached),
        COUNTED(test_a_sender_dead_before_its_message_is_read_has_its_ids_and_nothing_else),
        COUNTED(test_a_pidfd_that_came_with_the_message_makes_facts_exact),
        COUNTED(test_a_recycled_pid_is_not_its_former_owner),
        COUNTED(test_a_proc_of_another_pid_namespace_misleads_nobody),
        COUNTED(test_the_pidfd_becomes_readable_at_the_end),
    };

    if (testing_under_valgrind()) {
        print_message("valgrind does not pass on pidfd_open(2)\n");
        return TESTING_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
