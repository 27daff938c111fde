#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.h"

/* The child's life: it does not outlive a test that was killed. */
static void run_child(int line, int (*fn)(int line, void *userdata), void *userdata) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(fn(line, userdata));
}

struct child child_start(int (*fn)(int line, void *userdata), void *userdata) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        run_child(pair[1], fn, userdata);
    }
    close(pair[1]);
    return (struct child){.pid = pid, .line = pair[0]};
}

bool child_start_as(pid_t pid, int (*fn)(int line, void *userdata), void *userdata, struct child *ret_child) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    long got = syscall(SYS_clone3, &args, sizeof(args));
    if (got == 0) {
        close(pair[0]);
        run_child(pair[1], fn, userdata);
    }
    close(pair[1]);
    if (got < 0)
        close(pair[0]);
    else
        *ret_child = (struct child){.pid = (pid_t)got, .line = pair[0]};
    return got >= 0;
}

void child_tell(const struct child *child, char word) {
    assert_int_equal(send(child->line, &word, 1, MSG_NOSIGNAL), 1);
}

char child_hear(struct support *support, const struct child *child) {
    struct pollfd fd = {.fd = child->line, .events = POLLIN};
    while (support && poll(&fd, 1, 0) == 0)
        support_wait(support, child->line, POLLIN);
    assert_int_equal(poll(&fd, 1, SUPPORT_PATIENCE_MS), 1);
    char word = '\0';
    if (recv(child->line, &word, 1, 0) != 1)
        fail_msg("the child ended instead of saying a word");
    return word;
}

int child_end(struct support *support, struct child *child) {
    int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    assert_true(pidfd >= 0);
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    while (support && poll(&fd, 1, 0) == 0)
        support_wait(support, pidfd, POLLIN);
    assert_int_equal(poll(&fd, 1, SUPPORT_PATIENCE_MS), 1);
    close(pidfd);
    close(child->line);
    int status = 0;
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    child->pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

void keep_only(int line, int fd) {
    unsigned low = (unsigned)(fd >= 0 && fd < line ? fd : line), high = (unsigned)(fd > line ? fd : line);
    close_range(STDERR_FILENO + 1, low - 1, 0);
    if (low < high)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, UINT_MAX, 0);
}

int line_hear(int line, char expected) {
    char word = '\0';
    ssize_t count = recv(line, &word, 1, 0);
    return count < 0 ? -errno : count == 0 || word != expected ? -EPIPE : 0;
}

int line_tell(int line, char word) {
    return send(line, &word, 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int become(uid_t uid, gid_t gid, const gid_t *groups, size_t count) {
    if (setgroups(count, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    /* Changing credentials clears the parent-death signal. */
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}
