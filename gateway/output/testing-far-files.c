/*
 * gateway/output/testing-far-files.c: far ends that leave files: a command, and a file itself.
 *
 * The command is the test program (far_main()), by a link that can be taken away. It writes "-PID" when it starts, and the lines that it
 * reads, to a file. Without acks it is asked to stop by SIGTERM, and writes what it has read before it goes: that is what `read by the
 * command` promises; with acks it is killed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "gateway/output/testing-far.h"

struct files {
    char folder[64], away[80];
    char path[128]; /* of what was written */
    char link[128]; /* exec: the program */
    size_t read;    /* octets of the file */
    pid_t pid;      /* exec: the last that said that it runs */
};

static void must(bool good) {
    if (!good)
        abort();
}

/* The command ------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t asked_to_stop;

static void on_term(int signo) {
    (void)signo;
    asked_to_stop = 1;
}

static void write_all(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        must(n > 0);
        text += n;
        size -= (size_t)n;
    }
}

static void write_acks(const char *text, size_t size) {
    const char *line = text;
    for (const char *end; (end = memchr(line, '\n', size - (size_t)(line - text))); line = end + 1) {
        char ack[32];
        int length = snprintf(ack, sizeof(ack), "%llu\n", strtoull(line, NULL, 10));
        write_all(STDOUT_FILENO, ack, (size_t)length);
    }
}

/* Whole lines of standard input, until it ends or SIGTERM comes. */
static void copy_lines(int file, bool acks, const sigset_t *unblocked) {
    static char text[200000];
    size_t size = 0;
    while (!asked_to_stop) {
        struct pollfd pollfd = {.fd = STDIN_FILENO, .events = POLLIN};
        if (ppoll(&pollfd, 1, NULL, unblocked) < 0)
            continue;
        ssize_t n = read(STDIN_FILENO, text + size, sizeof(text) - size);
        if (n <= 0)
            break;
        size += (size_t)n;
        char *last = memrchr(text, '\n', size);
        size_t whole = last ? (size_t)(last - text) + 1 : 0;
        write_all(file, text, whole);
        if (acks)
            write_acks(text, whole);
        memmove(text, text + whole, size - whole);
        size -= whole;
    }
}

int far_main(int argc, char **argv) {
    if (argc != 4 || strcmp(argv[1], "--far") != 0)
        return -1;
    sigset_t term, unblocked;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &unblocked);
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
    int file = open(argv[2], O_WRONLY | O_APPEND | O_CLOEXEC);
    char pid[32];
    must(file >= 0);
    write_all(file, pid, (size_t)snprintf(pid, sizeof(pid), "-%d\n", (int)getpid()));
    copy_lines(file, strcmp(argv[3], "acks") == 0, &unblocked);
    close(file);
    return 0;
}

/* Both ------------------------------------------------------------------------------------------------------------- */

static struct files *files_new(struct far *far) {
    struct files *files = calloc(1, sizeof(*files));
    must(files);
    snprintf(files->folder, sizeof(files->folder), "/tmp/kith-test-output-XXXXXX");
    must(mkdtemp(files->folder));
    snprintf(files->away, sizeof(files->away), "%s.away", files->folder);
    snprintf(files->path, sizeof(files->path), "%s/out", files->folder);
    snprintf(files->link, sizeof(files->link), "%s/far", files->folder);
    far->extra = files;
    return files;
}

static void take_line(struct far *far, const char *line, size_t size) {
    struct files *files = far->extra;
    if (line[0] != '-') {
        far_line(far, line, size);
        return;
    }
    files->pid = (pid_t)strtol(line + 1, NULL, 10);
    far_begin(far);
}

static void files_collect(struct far *far) {
    struct files *files = far->extra;
    static char text[1 << 20];
    _cleanup_(kith_closep) int fd = open(files->path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    while (fd >= 0 && (n = pread(fd, text, sizeof(text), (off_t)files->read)) > 0) {
        size_t used = 0;
        for (char *end; (end = memchr(text + used, '\n', (size_t)n - used)); used = (size_t)(end - text) + 1)
            take_line(far, text + used, (size_t)(end - text) - used);
        if (used == 0)
            break;
        files->read += used;
    }
}

static void files_deinit(struct far *far) {
    struct files *files = far->extra;
    if (!files)
        return;
    rename(files->away, files->folder);
    unlink(files->path);
    unlink(files->link);
    rmdir(files->folder);
    free(files);
}

/* A command -------------------------------------------------------------------------------------------------------- */

static void exec_start(struct far *far) {
    struct files *files = far->extra;
    char self[512];
    if (!files) {
        files = files_new(far);
        int fd = open(files->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        must(fd >= 0 && close(fd) == 0);
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    must(n > 0);
    self[n] = '\0';
    must(symlink(self, files->link) == 0);
    snprintf(far->target, sizeof(far->target), "exec:%s  --far\t%s %s ", files->link, files->path, far->type->acks ? "acks" : "none");
}

/* Only a child of ours that nobody has reaped is signalled. */
static void exec_signal(struct far *far, int signo) {
    struct files *files = far->extra;
    siginfo_t info;
    files_collect(far);
    if (files->pid > 0 && waitid(P_PID, (id_t)files->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        kill(files->pid, signo);
}

static void exec_stop(struct far *far) {
    struct files *files = far->extra;
    must(unlink(files->link) == 0);
    exec_signal(far, far->type->acks ? SIGKILL : SIGTERM);
}

static void exec_pause(struct far *far) {
    struct files *files = far->extra;
    while (files->pid == 0)
        files_collect(far);
    exec_signal(far, SIGSTOP);
}

static void exec_resume(struct far *far) {
    exec_signal(far, SIGCONT);
}

/* A file ----------------------------------------------------------------------------------------------------------- */

static void file_start(struct far *far) {
    struct files *files = far->extra;
    if (!files)
        files = files_new(far);
    else
        must(rename(files->away, files->folder) == 0);
    files_collect(far);
    far_begin(far);
    snprintf(far->target, sizeof(far->target), "file:%s", files->path);
}

/* As a disk that is taken away. */
static void file_stop(struct far *far) {
    struct files *files = far->extra;
    must(rename(files->folder, files->away) == 0);
}

static void file_pause(struct far *far) {
    (void)far;
}

const struct far_type far_exec = {"exec", false, false, exec_start, exec_stop, exec_pause, exec_resume, files_collect, files_deinit};
const struct far_type far_exec_acks = {"exec with acks", true,        false,         exec_start,  exec_stop,
                                       exec_pause,       exec_resume, files_collect, files_deinit};
const struct far_type far_file = {"file", false, true, file_start, file_stop, file_pause, file_pause, files_collect, files_deinit};
