/*
 * gateway/output/exec.c: exec:COMMAND: framed messages on the standard input of a child process, which is started again when it ends.
 *
 * The child has a process group of its own, no descriptor of ours but 0, 1 and 2, and neither our blocked signals nor our ignored SIGPIPE.
 * Both its outputs are lines for the log; with acks its standard output is acks. Its end is the far end's loss, and nothing else is: when
 * it closes its input it has stop_ms to end, then it gets SIGTERM, then SIGKILL, and is lost once it has been reaped. So two of them never
 * run at a time. Signals go to the group, and only while the child has not been reaped: its number cannot be somebody else's then.
 *
 * SIGPIPE must be ignored in this process.
 *
 * What is delivered: octets written less those that still lie in the pipe (FIONREAD).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/time.h"
#include "gateway/output/type.h"
#include "gateway/output/wire.h"

extern char **environ;

/* A pipe from the child: to where its lines go. */
struct exec_pipe {
    struct exec *exec;
    int fd;
    kith_io *io;
    struct output_lines lines;
};

struct exec {
    struct output output; /* first */
    char *command;        /* words, each ended by a NUL; or the shell's */
    char **argv;
    pid_t pid; /* 0: none */
    kith_child *child;
    kith_timer *timer; /* to the next signal; made by parse */
    bool terminated;   /* SIGTERM was sent */
    int input;
    kith_io *input_io;
    bool watching; /* input_io waits for room */
    uint64_t written;
    struct output_octets octets;
    struct exec_pipe out, err;
    uint64_t burst_ns; /* when this second of lines began */
    unsigned burst, left_out;
};

static struct exec *exec_of(struct output *output) {
    return KITH_CONTAINER_OF(output, struct exec, output);
}

/* Lines of the child ------------------------------------------------------------------------------------------------ */

static void log_line(struct exec *exec, const char *line) {
    char text[OUTPUT_LOG_LINE_MAX];
    uint64_t now = kith_loop_now(exec->output.loop);
    if (exec->burst == 0 || now - exec->burst_ns >= KITH_NS_PER_S) {
        if (exec->left_out > 0)
            output_log(&exec->output, LOG_NOTICE, "%s: %u more lines were left out", exec->output.target, exec->left_out);
        exec->burst_ns = now;
        exec->burst = exec->left_out = 0;
    }
    if (exec->burst >= OUTPUT_LOG_BURST) {
        exec->left_out++;
        return;
    }
    exec->burst++;
    struct kith_text printable = kith_text_init(text, sizeof(text));
    kith_text_put_printable(&printable, line, strlen(line));
    output_log(&exec->output, LOG_NOTICE, "%s", text);
}

static void close_pipe(struct exec_pipe *pipe) {
    pipe->io = kith_io_free(pipe->io);
    pipe->fd = kith_close(pipe->fd);
    output_lines_next(&pipe->lines);
}

/* What is there now, up to one buffer. False: nothing is. */
static bool read_pipe(struct exec_pipe *pipe) {
    struct exec *exec = pipe->exec;
    uint8_t buffer[4096];
    const uint8_t *data = buffer;
    uint64_t id, upto = 0;
    ssize_t n = pipe->fd >= 0 ? read(pipe->fd, buffer, sizeof(buffer)) : -1;
    if (n < 0)
        return false;
    if (n == 0) {
        close_pipe(pipe);
        return false;
    }
    for (size_t size = (size_t)n; output_lines_take(&pipe->lines, &data, &size); output_lines_next(&pipe->lines)) {
        if (pipe == &exec->err || !exec->output.options.acks)
            log_line(exec, pipe->lines.text);
        else if (output_line_id(pipe->lines.text, &id) && id > upto)
            upto = id;
    }
    if (upto > 0)
        output_done(&exec->output, upto);
    return true;
}

static void on_pipe(kith_io *io, int fd, unsigned events, void *userdata) {
    read_pipe(userdata);
}

/* Its end ---------------------------------------------------------------------------------------------------------- */

static void close_input(struct exec *exec) {
    exec->input_io = kith_io_free(exec->input_io);
    exec->input = kith_close(exec->input);
    exec->watching = false;
}

static void on_time(kith_timer *timer, void *userdata) {
    struct exec *exec = userdata;
    if (exec->pid <= 0)
        return;
    kill(-exec->pid, exec->terminated ? SIGKILL : SIGTERM);
    if (!exec->terminated)
        kith_timer_arm(timer, exec->output.options.stop_ms, 0);
    exec->terminated = true;
}

/* It does not read any more, and may be about to end by itself: it is lost when it has ended. */
static void dismiss(struct exec *exec) {
    close_input(exec);
    kith_timer_arm(exec->timer, exec->output.options.stop_ms, 0);
}

static void exec_close(struct output *output) {
    struct exec *exec = exec_of(output);
    exec->child = kith_child_free(exec->child);
    if (exec->pid > 0) {
        kill(-exec->pid, SIGKILL);
        while (waitpid(exec->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    exec->pid = 0;
    if (exec->timer)
        kith_timer_disarm(exec->timer);
    close_input(exec);
    close_pipe(&exec->out);
    close_pipe(&exec->err);
    exec->written = 0;
    exec->terminated = false;
    output_octets_clear(&exec->octets);
}

static void describe_end(const struct exec *exec, const siginfo_t *status, char *text, size_t size) {
    const char *name = sigabbrev_np(status->si_status);
    if (exec->terminated)
        snprintf(text, size, "it closed its input and went on: it was stopped");
    else if (status->si_code == CLD_EXITED)
        snprintf(text, size, "it ended with exit status %d", status->si_status);
    else
        snprintf(text, size, "it was killed by SIG%s", name ? name : "?");
}

static void on_child(kith_child *child, const siginfo_t *status, void *userdata) {
    struct exec *exec = userdata;
    struct output *output = &exec->output;
    char text[192];
    exec->pid = 0;
    exec->child = kith_child_free(exec->child);
    /* What it said last; what its own children say later is not waited for. */
    for (int i = 0; i < 64 && read_pipe(&exec->out); i++)
        ;
    for (int i = 0; i < 64 && read_pipe(&exec->err); i++)
        ;
    output_progress(output);
    bool finished = output->finishing;
    describe_end(exec, status, text, sizeof(text));
    exec_close(output);
    if (finished)
        output_ended(output);
    else
        output_lost(output, -ECHILD, "%s", text);
}

/* Its input -------------------------------------------------------------------------------------------------------- */

static void watch_input(struct exec *exec, bool watching) {
    if (exec->watching == watching || !exec->input_io)
        return;
    exec->watching = watching;
    kith_io_set_events(exec->input_io, watching ? KITH_IO_WRITE : 0);
}

static void write_input(struct exec *exec) {
    while (output_octets_size(&exec->octets) > 0) {
        ssize_t n = write(exec->input, exec->octets.data + exec->octets.start, output_octets_size(&exec->octets));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            dismiss(exec);
            return;
        }
        if (n < 0)
            break;
        exec->written += (uint64_t)n;
        output_octets_take(&exec->octets, (size_t)n);
    }
    watch_input(exec, output_octets_size(&exec->octets) > 0);
}

static void on_input(kith_io *io, int fd, unsigned events, void *userdata) {
    struct exec *exec = userdata;
    if (events & KITH_IO_HANGUP)
        dismiss(exec);
    else
        write_input(exec);
}

static int exec_send(struct output *output, const struct output_message *message, struct kith_error *ret_error) {
    struct exec *exec = exec_of(output);
    if (exec->input < 0)
        return -EAGAIN; /* it is about to end */
    size_t before = output_octets_size(&exec->octets);
    int r = output_wire_put(&exec->octets, &output->options, message);
    if (r < 0)
        return r;
    output->octets += output_octets_size(&exec->octets) - before;
    if (before == 0)
        write_input(exec);
    return 0;
}

static int exec_delivered(struct output *output, uint64_t *ret_octets, struct kith_error *ret_error) {
    struct exec *exec = exec_of(output);
    int left = 0;
    /* Of a closed pipe nothing is known but what was asked before: the shared half has it. */
    *ret_octets = 0;
    if (exec->input >= 0 && ioctl(exec->input, FIONREAD, &left) == 0)
        *ret_octets = exec->written - (uint64_t)left;
    return 0;
}

static void exec_finish(struct output *output) {
    struct exec *exec = exec_of(output);
    close_input(exec);
    kith_timer_arm(exec->timer, output->options.stop_ms, 0);
}

/* Its start -------------------------------------------------------------------------------------------------------- */

/* Above 2, so that one does not lie where another is to go, when we ourselves were started without these. */
static int make_pipe(int ret_fds[2]) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        ret_fds[i] = fds[i] > 2 ? KITH_STEAL_FD(fds[i]) : fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        kith_close(fds[i]);
    }
    if (ret_fds[0] >= 0 && ret_fds[1] >= 0)
        return 0;
    int r = -errno;
    kith_close(ret_fds[0]);
    kith_close(ret_fds[1]);
    return r;
}

static int start(struct exec *exec) {
    int input[2], out[2], err[2];
    int r = make_pipe(input);
    if (r < 0)
        return r;
    _cleanup_(kith_closep) int child_input = input[0];
    exec->input = input[1];
    r = make_pipe(out);
    if (r < 0)
        return r;
    _cleanup_(kith_closep) int child_out = out[1];
    exec->out.fd = out[0];
    r = make_pipe(err);
    if (r < 0)
        return r;
    _cleanup_(kith_closep) int child_err = err[1];
    exec->err.fd = err[0];
    const int ours[] = {exec->input, exec->out.fd, exec->err.fd};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(ours); i++) {
        r = kith_fd_set_nonblock(ours[i]);
        if (r < 0)
            return r;
    }
    r = kith_spawn(exec->argv, environ, (const int[3]){child_input, child_out, child_err}, &exec->pid);
    if (r < 0)
        exec->pid = 0;
    return r;
}

static int watch(struct exec *exec) {
    kith_loop *loop = exec->output.loop;
    int r = kith_child_new(loop, exec->pid, on_child, exec, &exec->child);
    if (r >= 0)
        r = kith_io_new(loop, exec->input, 0, on_input, exec, &exec->input_io);
    if (r >= 0)
        r = kith_io_new(loop, exec->out.fd, KITH_IO_READ, on_pipe, &exec->out, &exec->out.io);
    if (r >= 0)
        r = kith_io_new(loop, exec->err.fd, KITH_IO_READ, on_pipe, &exec->err, &exec->err.io);
    return r;
}

static int exec_open(struct output *output, struct kith_error *ret_error) {
    struct exec *exec = exec_of(output);
    int r = start(exec);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s cannot be started: %s", exec->argv[0], kith_error_name(r));
    r = watch(exec);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s cannot be watched: %s", exec->argv[0], kith_error_name(r));
    output_up(output);
    return 0;
}

/* Target ----------------------------------------------------------------------------------------------------------- */

/* Ends each word by a NUL. */
static size_t split(char *command, char **argv) {
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(command, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
        argv[count++] = word;
    return count;
}

static int make_argv(struct exec *exec) {
    static char sh[] = "/bin/sh", c[] = "-c";
    size_t most = strlen(exec->command) / 2 + 5; /* words, or the shell's three; and NULL */
    exec->argv = calloc(most, sizeof(*exec->argv));
    if (!exec->argv)
        return -ENOMEM;
    if (exec->output.options.shell) {
        exec->argv[0] = sh;
        exec->argv[1] = c;
        exec->argv[2] = exec->command;
        return 0;
    }
    return split(exec->command, exec->argv) > 0 ? 0 : -EINVAL;
}

static int exec_parse(struct output *output, const char *rest, struct kith_error *ret_error) {
    struct exec *exec = exec_of(output);
    exec->input = exec->out.fd = exec->err.fd = -1;
    exec->out.exec = exec->err.exec = exec;
    exec->command = strdup(rest);
    int r = exec->command ? make_argv(exec) : -ENOMEM;
    if (r == -EINVAL || rest[0] == '\0')
        return kith_error_set(ret_error, -EINVAL, "%s: no command: write exec:PROGRAM ARGUMENT...", output->target);
    if (r >= 0)
        r = kith_timer_new(output->loop, on_time, exec, &exec->timer);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", output->target, kith_error_name(r)) : 0;
}

static void exec_deinit(struct output *output) {
    struct exec *exec = exec_of(output);
    output_octets_deinit(&exec->octets);
    kith_timer_free(exec->timer);
    free(exec->argv);
    free(exec->command);
}

const struct output_type output_type_exec = {
    .size = sizeof(struct exec),
    .parse = exec_parse,
    .open = exec_open,
    .send = exec_send,
    .delivered = exec_delivered,
    .finish = exec_finish,
    .close = exec_close,
    .deinit = exec_deinit,
};
