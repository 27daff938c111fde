/*
 * cli/exec.c: see exec.h.
 *
 * A job is waiting, running or ended. It ends in one place, job_end(), when its process has been reaped: only then is the process group's
 * number certainly not somebody else's, so the group is killed before, never after. Processes that the command left in the background are
 * not waited for: what they print later is not part of the reply.
 */
#include "cli/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/spawn.h"
#include "cli/exec-env.h"
#include "gateway/request.h"

struct cli_exec {
    kith_loop *loop;
    struct cli_exec_options options;
    cli_exec_fn fn;
    void *userdata;
    struct kith_list waiting;
    struct kith_list running;
    size_t waiting_count, waiting_octets, running_count;
};

struct job {
    struct kith_list link;
    struct cli_exec *exec;
    kith_msg *request;
    size_t first; /* frame of the body */
    size_t size;  /* what the request counts while it waits */
    pid_t pid;    /* 0: not started */
    int input, output;
    kith_io *input_io, *output_io;
    kith_child *child;
    kith_timer *timer;
    size_t frame, offset; /* what of the request is written: all before `frame`, and `offset` octets of it with the newline before it */
    char *text;           /* what the command printed */
    size_t text_size, text_room;
    char failure[128]; /* empty: none so far */
};

static void job_close_input(struct job *job) {
    job->input_io = kith_io_free(job->input_io);
    job->input = kith_close(job->input);
}

static void job_close_output(struct job *job) {
    job->output_io = kith_io_free(job->output_io);
    job->output = kith_close(job->output);
}

static struct job *job_free(struct job *job) {
    if (!job)
        return NULL;
    kith_list_unlink(&job->link);
    job_close_input(job);
    job_close_output(job);
    kith_child_free(job->child);
    kith_timer_free(job->timer);
    kith_msg_free(job->request);
    free(job->text);
    free(job);
    return NULL;
}

static void job_fail(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first reason is the one that counts: what is killed because of it also "was killed". */
static void job_fail(struct job *job, const char *format, ...) {
    if (job->failure[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(job->failure, sizeof(job->failure), format, args);
    va_end(args);
}

/* Only while the process has not been reaped. */
static void job_kill(const struct job *job) {
    kill(-job->pid, SIGKILL);
}

/* Hands the outcome over; the job is gone afterwards. */
static void job_end(struct job *job) {
    struct cli_exec *exec = job->exec;
    struct cli_exec_result result = {
        .failure = job->failure[0] ? job->failure : NULL,
        .output = job->text,
        .output_size = job->text_size,
    };
    kith_msg *request = KITH_STEAL(job->request);
    exec->running_count--;
    kith_list_unlink(&job->link);
    exec->fn(request, job->first, &result, exec->userdata);
    job_free(job);
}

/* Standard input -------------------------------------------------------------------------------------------------- */

/* Writes a piece; true when all of it went. */
static bool write_piece(struct job *job, const void *data, size_t size) {
    ssize_t n = write(job->input, data, size);
    if (n > 0)
        job->offset += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        job_close_input(job); /* EPIPE: the command does not want to read (all of) it, which is its right */
    return n == (ssize_t)size;
}

static void input_ready(kith_io *io, int fd, unsigned events, void *userdata) {
    struct job *job = userdata;
    while (job->input >= 0 && job->frame < kith_msg_count(job->request)) {
        size_t size, newline = job->frame > job->first;
        const uint8_t *frame = kith_msg_frame(job->request, job->frame, &size);
        if (job->offset < newline && !write_piece(job, "\n", 1))
            return;
        size_t done = job->offset - newline;
        if (done < size && !write_piece(job, frame + done, size - done))
            return;
        job->frame++;
        job->offset = 0;
    }
    job_close_input(job);
}

/* Standard output ------------------------------------------------------------------------------------------------- */

static int make_room(struct job *job) {
    if (job->text_size < job->text_room)
        return 0;
    size_t room = job->text_room ? job->text_room * 2 : 4096;
    char *text = realloc(job->text, room);
    if (!text)
        return -ENOMEM;
    job->text = text;
    job->text_room = room;
    return 0;
}

/* Reads a piece of what is there; false when there is no more now, or no more at all. */
static bool read_piece(struct job *job) {
    if (job->output < 0)
        return false;
    if (make_room(job) < 0) {
        job_fail(job, "out of memory for its output");
        job_close_output(job);
        return false;
    }
    ssize_t n = read(job->output, job->text + job->text_size, job->text_room - job->text_size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        job_close_output(job);
        return false;
    }
    job->text_size += (size_t)n;
    if (job->text_size > job->exec->options.output_max) {
        job_fail(job, "output longer than %zu octets", job->exec->options.output_max);
        job_close_output(job);
        return false;
    }
    return true;
}

static void output_ready(kith_io *io, int fd, unsigned events, void *userdata) {
    struct job *job = userdata;
    read_piece(job);
    if (job->failure[0])
        job_kill(job);
}

static void start_waiting(struct cli_exec *exec);

/* Time and end ---------------------------------------------------------------------------------------------------- */

static void time_is_up(kith_timer *timer, void *userdata) {
    struct job *job = userdata;
    job_fail(job, "timed out after %llu ms", (unsigned long long)job->exec->options.timeout_ms);
    job_kill(job);
}

static void child_ended(kith_child *child, const siginfo_t *status, void *userdata) {
    struct job *job = userdata;
    struct cli_exec *exec = job->exec;
    while (read_piece(job)) /* what it wrote last may still be in the pipe */
        ;
    if (status->si_code != CLD_EXITED)
        job_fail(job, "killed by SIG%s", sigabbrev_np(status->si_status) ? sigabbrev_np(status->si_status) : "?");
    else if (status->si_status != 0)
        job_fail(job, "exit status %d", status->si_status);
    job_end(job);
    start_waiting(exec);
}

/* Start ----------------------------------------------------------------------------------------------------------- */

/* Starts the process with pipes; ours are job->input and job->output. */
static int job_spawn(struct job *job) {
    _cleanup_(kith_closep) int input = -1, output = -1;
    char **env;
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    input = pipes[0];
    job->input = pipes[1];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    job->output = pipes[0];
    output = pipes[1];
    int r = kith_fd_set_nonblock(job->input);
    if (r >= 0)
        r = kith_fd_set_nonblock(job->output);
    if (r >= 0)
        r = cli_exec_env_new(kith_msg_origin(job->request), kith_msg_count(job->request) - job->first, &env);
    if (r >= 0) {
        char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)job->exec->options.command, NULL};
        r = kith_spawn(argv, env, (const int[3]){input, output, -1}, &job->pid);
        cli_exec_env_free(env);
    }
    return r;
}

static int job_watch(struct job *job) {
    struct cli_exec *exec = job->exec;
    int r = kith_child_new(exec->loop, job->pid, child_ended, job, &job->child);
    if (r >= 0)
        r = kith_io_new(exec->loop, job->input, KITH_IO_WRITE, input_ready, job, &job->input_io);
    if (r >= 0)
        r = kith_io_new(exec->loop, job->output, KITH_IO_READ, output_ready, job, &job->output_io);
    if (r >= 0 && exec->options.timeout_ms > 0) {
        r = kith_timer_new(exec->loop, time_is_up, job, &job->timer);
        if (r >= 0)
            r = kith_timer_arm(job->timer, exec->options.timeout_ms, 0);
    }
    return r;
}

static void reap(struct job *job) {
    job_kill(job);
    while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    job->pid = 0;
}

static void start_waiting(struct cli_exec *exec) {
    while (exec->running_count < exec->options.jobs && exec->waiting_count > 0) {
        struct job *job = kith_list_first(&exec->waiting, struct job, link);
        kith_list_unlink(&job->link);
        kith_list_push_back(&exec->running, &job->link);
        exec->waiting_count--;
        exec->waiting_octets -= job->size;
        exec->running_count++;
        int r = job_spawn(job);
        if (r >= 0) {
            r = job_watch(job);
            if (r < 0)
                reap(job);
        }
        if (r < 0) {
            job_fail(job, "cannot be started: %s", kith_error_name(r));
            job_end(job);
        }
    }
}

int cli_exec_new(kith_loop *loop, const struct cli_exec_options *options, cli_exec_fn fn, void *userdata, struct cli_exec **ret_exec) {
    struct cli_exec *exec = calloc(1, sizeof(*exec));
    if (!exec)
        return -ENOMEM;
    *exec = (struct cli_exec){.loop = loop, .options = *options, .fn = fn, .userdata = userdata};
    kith_list_init(&exec->waiting);
    kith_list_init(&exec->running);
    *ret_exec = exec;
    return 0;
}

struct cli_exec *cli_exec_free(struct cli_exec *exec) {
    if (!exec)
        return NULL;
    kith_list_foreach_safe (&exec->waiting, link)
        job_free(kith_list_entry(link, struct job, link));
    kith_list_foreach_safe (&exec->running, link) {
        struct job *job = kith_list_entry(link, struct job, link);
        job->child = kith_child_free(job->child);
        reap(job);
        job_free(job);
    }
    free(exec);
    return NULL;
}

int cli_exec_add(struct cli_exec *exec, kith_msg *request, size_t first_frame) {
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        return -ENOMEM;
    *job = (struct job){.exec = exec, .request = request, .first = first_frame, .frame = first_frame, .input = -1, .output = -1};
    job->size = gateway_request_cost(request);
    kith_list_push_back(&exec->waiting, &job->link);
    exec->waiting_count++;
    exec->waiting_octets += job->size;
    start_waiting(exec);
    return 0;
}

bool cli_exec_full(const struct cli_exec *exec) {
    return exec->waiting_count >= CLI_EXEC_WAITING_MAX || exec->waiting_octets >= CLI_EXEC_WAITING_OCTETS;
}

bool cli_exec_low(const struct cli_exec *exec) {
    return exec->waiting_count <= CLI_EXEC_WAITING_MAX / 2 && exec->waiting_octets <= CLI_EXEC_WAITING_OCTETS / 2;
}

size_t cli_exec_pending(const struct cli_exec *exec) {
    return exec->waiting_count + exec->running_count;
}
