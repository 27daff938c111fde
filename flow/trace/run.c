/*
 * flow/trace/run.c: see run.h.
 *
 * The child waits before it becomes the command, until ftrace knows its pid; a scenario waits a second time, until ftrace knows all of its
 * processes and which part each plays (flow/scenario/stage.h). So nothing is missed, and nothing of the preparation is recorded.
 */
#include "flow/trace/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* A traced processor writes some 40 MB a second: buffers of 4 MB are good for twice this. */
#define READING_MS 50
/* What softirqs still do for a connection when its process has gone. */
#define LINGER_READINGS 3
#define ROLES_MAX 8

struct play {
    pid_t pid;
    int start;     /* closed: the child becomes the command */
    int roles, go; /* a scenario's curtain */
    int failed;    /* the errno of exec, when it fails */
    struct flow_trace_role role[ROLES_MAX];
    pid_t pids[ROLES_MAX];
    size_t role_count;
    char names[512]; /* memory of the roles' */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    interrupted = 1;
}

/* The child ------------------------------------------------------------------------------------------------------------ */

static int keep_open(int fd) {
    int copy = dup(fd); /* dup(2) clears close-on-exec */

    return copy < 0 ? -1 : copy;
}

/* In the child: never returns. */
static void become(const struct flow_run *run, int start, int roles, int go, int failed) {
    char nothing, curtain[64];

    if (run->scenario) {
        snprintf(curtain, sizeof(curtain), "%d,%d", keep_open(roles), keep_open(go));
        setenv("KITH_FLOW_CURTAIN", curtain, 1);
    }
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    while (read(start, &nothing, 1) < 0 && errno == EINTR)
        ;
    execvp(run->command[0], run->command);
    int number = errno;
    if (write(failed, &number, sizeof(number)) < 0)
        _exit(126);
    _exit(127);
}

static void play_deinit(struct play *play) {
    kith_close(play->start);
    kith_close(play->roles);
    kith_close(play->go);
    kith_close(play->failed);
}

static int start_child(const struct flow_run *run, struct play *play) {
    int pipes[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}}, r = 0;

    for (size_t i = 0; i < 4 && r == 0; i++)
        r = pipe2(pipes[i], O_CLOEXEC) < 0 ? -errno : 0;
    if (r == 0) {
        play->pid = fork();
        r = play->pid < 0 ? -errno : 0;
    }
    if (r == 0 && play->pid == 0) {
        kith_close(pipes[0][1]);
        kith_close(pipes[2][1]);
        become(run, pipes[0][0], pipes[1][1], pipes[2][0], pipes[3][1]);
    }
    kith_close(pipes[0][0]);
    kith_close(pipes[1][1]);
    kith_close(pipes[2][0]);
    kith_close(pipes[3][1]);
    play->start = pipes[0][1];
    play->roles = pipes[1][0];
    play->go = pipes[2][1];
    play->failed = pipes[3][0];
    return r;
}

/* Lets the child go on, and learns whether it has become the command. */
static int let_start(struct play *play, const char *command, struct kith_error *error) {
    int number = 0;

    play->start = kith_close(play->start);
    ssize_t n;
    while ((n = read(play->failed, &number, sizeof(number))) < 0 && errno == EINTR)
        ;
    return n > 0 ? kith_error_set(error, -number, "%s: cannot be started: %s", command, kith_error_name(-number)) : 0;
}

/* "ROLE PID" lines until the scenario closes its end. */
static int hear_roles(struct play *play, struct kith_error *error) {
    char *text = NULL, role[16];
    int pid, r = kith_fd_read(play->roles, sizeof(play->names) - 1, &text, NULL);

    if (r < 0)
        return kith_error_set(error, r, "the scenario does not say who plays it: %s", kith_error_name(r));
    strcpy(play->names, text); /* at most its size */
    free(text);
    for (char *rest = play->names, *line; play->role_count < ROLES_MAX && (line = strsep(&rest, "\n"));) {
        if (sscanf(line, "%15s %d", role, &pid) != 2)
            continue;
        line[strcspn(line, " ")] = '\0';
        play->pids[play->role_count] = pid;
        play->role[play->role_count++] = (struct flow_trace_role){pid, line};
    }
    return play->role_count > 0 ? 0 : kith_error_set(error, -EPROTO, "the scenario ended before it began");
}

/* Recording ------------------------------------------------------------------------------------------------------------ */

static int watch(struct flow_trace *trace, struct flow_writer *writer, int process, struct kith_error *error) {
    struct pollfd ended = {.fd = process, .events = POLLIN};
    int r = 0;

    while (r >= 0 && !interrupted && ended.revents == 0) {
        if (poll(&ended, 1, READING_MS) < 0)
            ended.revents = 0;
        r = flow_trace_drain(trace, writer, error);
    }
    for (int i = 0; r >= 0 && i < LINGER_READINGS; i++) {
        poll(NULL, 0, READING_MS);
        r = flow_trace_drain(trace, writer, error);
    }
    return r < 0 ? r : flow_trace_end(trace, writer, error);
}

/* Where there is one processor, a recorder that takes turns with what it records is always late: half of all events were lost then. What is
 * started from here is scheduled as usual. Whoever may not do that reads as well as it can. */
static void go_first(void) {
    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){.sched_priority = 1});
}

static void go_as_usual(void) {
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
}

static struct flow_trace_subject subject_of(const struct flow_run *run, const struct play *play) {
    struct flow_trace_subject subject = {.scenario = run->scenario, .command = run->scenario ? NULL : run->command};

    subject.roles = play->role;
    subject.role_count = play->role_count;
    subject.pids = play->role_count ? play->pids : &play->pid;
    subject.pid_count = play->role_count ? play->role_count : 1;
    return subject;
}

static int record_running(const struct flow_run *run, struct flow_trace *trace, struct flow_writer *writer, struct kith_error *error) {
    struct play play = {.pid = run->pid};
    struct flow_trace_subject subject = subject_of(run, &play);
    _cleanup_(kith_closep) int process = (int)syscall(SYS_pidfd_open, run->pid, 0);

    if (process < 0)
        return kith_error_set(error, -errno, "process %d: %s", (int)run->pid, kith_error_name(-errno));
    int r = flow_trace_begin(trace, &subject, writer, error);
    return r < 0 ? r : watch(trace, writer, process, error);
}

/* The order is what matters: see above. */
static int record_play(const struct flow_run *run, struct play *play, struct flow_trace *trace, struct flow_writer *writer,
                       struct kith_error *error) {
    int r = 0;

    if (run->scenario) {
        r = let_start(play, run->command[0], error);
        if (r == 0)
            r = hear_roles(play, error);
    }
    struct flow_trace_subject subject = subject_of(run, play);
    _cleanup_(kith_closep) int process = (int)syscall(SYS_pidfd_open, play->pid, 0);
    if (r == 0)
        r = flow_trace_begin(trace, &subject, writer, error);
    if (r == 0 && !run->scenario)
        r = let_start(play, run->command[0], error);
    play->go = kith_close(play->go);
    return r < 0 ? r : watch(trace, writer, process, error);
}

static int record_command(const struct flow_run *run, struct flow_trace *trace, struct flow_writer *writer, int *ret_status,
                          struct kith_error *error) {
    _cleanup_(play_deinit) struct play play = {.start = -1, .roles = -1, .go = -1, .failed = -1};
    int r = start_child(run, &play);

    if (r < 0)
        return kith_error_set(error, r, "%s: cannot be started: %s", run->command[0], kith_error_name(r));
    r = record_play(run, &play, trace, writer, error);
    if (r < 0 || interrupted)
        kill(play.pid, r < 0 ? SIGKILL : SIGTERM);
    play_deinit(&play); /* whoever waits for us shall not */
    play = (struct play){.pid = play.pid, .start = -1, .roles = -1, .go = -1, .failed = -1};
    while (waitpid(play.pid, ret_status, 0) < 0 && errno == EINTR)
        ;
    return r;
}

int flow_run(const struct flow_run *run, int fd, int *ret_status, struct kith_error *ret_error) {
    _cleanup_(flow_trace_freep) struct flow_trace *trace = NULL;
    _cleanup_(flow_writer_freep) struct flow_writer *writer = NULL;
    struct sigaction action = {.sa_handler = on_signal}, old[2];

    interrupted = 0;
    *ret_status = 0;
    sigaction(SIGINT, &action, &old[0]);
    sigaction(SIGTERM, &action, &old[1]);
    int r = flow_trace_new(&run->trace, &trace, ret_error);
    if (r == 0) {
        r = flow_writer_new(fd, &writer);
        if (r < 0)
            kith_error_set(ret_error, r, "the recording cannot be written: %s", kith_error_name(r));
    }
    go_first();
    if (r == 0)
        r = run->command ? record_command(run, trace, writer, ret_status, ret_error) : record_running(run, trace, writer, ret_error);
    go_as_usual();
    trace = flow_trace_free(trace); /* before a signal can end us */
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
    return r;
}
