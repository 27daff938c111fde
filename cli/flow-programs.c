/* cli/flow-programs.c: where the programs lie that recordings need. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/flow.h"

extern char **environ;

#define SCENARIOS_MAX_SIZE ((size_t)64 * 1024)

static const struct {
    const char *name, *built; /* below the build's root */
} programs[] = {
    [CLI_FLOW_GUEST] = {"kith-flow-guest", "flow/guest"},
    [CLI_FLOW_SCENARIO] = {"kith-flow-scenario", "flow/scenario"},
};

/* A candidate is taken over when it is there. */
static int take(char *path, char **ret_path) {
    if (access(path, X_OK) < 0) {
        free(path);
        return 0;
    }
    *ret_path = path;
    return 1;
}

static int look_in(const char *folder, const char *name, char **ret_path) {
    char *path = NULL;

    return asprintf(&path, "%s/%s", folder, name) < 0 ? -ENOMEM : take(path, ret_path);
}

/* The folder above that of this program: the build's, when it was not installed. */
static int look_in_build(enum cli_flow_program program, char **ret_path) {
    _cleanup_(freep) char *self = NULL;
    char *path = NULL;
    int r = kith_link_read(AT_FDCWD, "/proc/self/exe", &self);

    if (r < 0)
        return r;
    if (asprintf(&path, "%s/../%s/%s", dirname(self), programs[program].built, programs[program].name) < 0)
        return -ENOMEM;
    return take(path, ret_path);
}

int cli_flow_find_program(enum cli_flow_program program, char **ret_path, struct kith_error *ret_error) {
    const char *folder = secure_getenv("KITH_FLOW_PROGRAMS");
    int r = folder ? look_in(folder, programs[program].name, ret_path) : look_in_build(program, ret_path);

    if (r == 0 && !folder)
        r = look_in(KITH_LIBEXEC, programs[program].name, ret_path);
    if (r == 0)
        return kith_error_set(ret_error, -ENOENT, "the program %s is missing in %s; $KITH_FLOW_PROGRAMS names another folder",
                              programs[program].name, folder ? folder : KITH_LIBEXEC);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", programs[program].name, kith_error_name(r)) : 0;
}

/* Starts the program with its standard output in a pipe. Returns the pipe's end, or a negative errno. */
static int start(const char *program, pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    int pipes[2];

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    int r = posix_spawn(ret_pid, program, &actions, NULL, (char *const[]){(char *)(uintptr_t)program, NULL}, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (r == 0)
        return pipes[0];
    close(pipes[0]);
    return -r;
}

int cli_flow_list_scenarios(char **ret_text, struct kith_error *ret_error) {
    _cleanup_(freep) char *program = NULL;
    _cleanup_(kith_closep) int fd = -1;
    pid_t pid = 0;
    int r = cli_flow_find_program(CLI_FLOW_SCENARIO, &program, ret_error);

    if (r < 0)
        return r;
    r = fd = start(program, &pid);
    if (r >= 0)
        r = kith_fd_read(fd, SCENARIOS_MAX_SIZE, ret_text, NULL);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return r < 0 ? kith_error_set(ret_error, r, "%s: %s", program, kith_error_name(r)) : 0;
}
