/* cli/graphviz.c: see graphviz.h. The text goes by a file in memory: so nobody waits for anybody. */
#include "cli/graphviz.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/view.h"

extern char **environ;

static int text_file(const char *text, size_t size) {
    _cleanup_(kith_closep) int fd = memfd_create("kith-dot", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    int r = cli_write_all(fd, text, size);
    if (r < 0)
        return r;
    return lseek(fd, 0, SEEK_SET) < 0 ? -errno : KITH_STEAL_FD(fd);
}

static int start(int input, enum cli_graphviz_layout layout, const char *format, int output, pid_t *ret_pid) {
    char type[16];
    /* -n2 is neato's: places are in points, and are taken as they are. */
    char *const placed[] = {(char[]){"dot"}, (char[]){"-Kneato"}, (char[]){"-n2"}, type, NULL};
    char *const layered[] = {(char[]){"dot"}, type, NULL};
    posix_spawn_file_actions_t actions;

    snprintf(type, sizeof(type), "-T%s", format);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    int r = posix_spawnp(ret_pid, "dot", &actions, NULL, layout == CLI_GRAPHVIZ_PLACED ? placed : layered, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int draw(const char *dot, size_t size, enum cli_graphviz_layout layout, const char *format, int output,
                struct kith_error *ret_error) {
    _cleanup_(kith_closep) int input = text_file(dot, size);
    pid_t pid = 0;
    int status;

    int r = input < 0 ? input : start(input, layout, format, output, &pid);
    if (r == -ENOENT)
        return kith_error_set(ret_error, r,
                              "dot: there is no such program; the package graphviz has it (or take --dot, and draw it elsewhere)");
    if (r < 0)
        return kith_error_set(ret_error, r, "dot: %s", kith_error_name(r));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return kith_error_set(ret_error, -errno, "dot: waitpid: %s", kith_error_name(-errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return kith_error_set(ret_error, -EIO, "dot could not draw (status %d)", WIFEXITED(status) ? WEXITSTATUS(status) : status);
}

/* All that is in the file. */
static int read_back(int fd, char **ret_text, size_t *ret_size) {
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    size_t done = 0;

    while (text && done < (size_t)size) {
        ssize_t n = pread(fd, text + done, (size_t)size - done, (off_t)done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (!text || done < (size_t)size) {
        free(text);
        return size < 0 ? -errno : !text ? -ENOMEM : -EIO;
    }
    text[done] = '\0';
    *ret_text = text;
    *ret_size = done;
    return 0;
}

int cli_graphviz_text(const char *dot, size_t size, enum cli_graphviz_layout layout, const char *format, char **ret_text, size_t *ret_size,
                      struct kith_error *ret_error) {
    _cleanup_(kith_closep) int output = memfd_create("kith-picture", MFD_CLOEXEC);

    int r = output < 0 ? -errno : draw(dot, size, layout, format, output, ret_error);
    return r < 0 ? r : read_back(output, ret_text, ret_size);
}

/* dot does not say when its file cannot be written. */
int cli_graphviz_draw(const char *dot, size_t size, enum cli_graphviz_layout layout, const char *format, const char *file,
                      struct kith_error *ret_error) {
    _cleanup_(freep) char *picture = NULL;
    size_t picture_size;

    int r = cli_graphviz_text(dot, size, layout, format, &picture, &picture_size, ret_error);
    if (r < 0)
        return r;
    r = cli_write_file(file, picture, picture_size);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", file, kith_error_name(r)) : 0;
}
