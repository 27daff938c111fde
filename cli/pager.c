/* cli/pager.c: see pager.h. */
#include "cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

extern char **environ;

static int spawn(const char *command, int input, pid_t *ret_pid) {
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE); /* we ignore it; a pager need not */
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    int r = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

void cli_pager_start(struct cli_pager *pager) {
    const char *command = getenv("PAGER");
    int ends[2];

    *pager = CLI_PAGER_NONE;
    if (!isatty(STDOUT_FILENO) || pipe2(ends, O_CLOEXEC) < 0)
        return;
    /* -F: what fits on the screen is only printed; -R: colours; -X: it stays there. */
    if (spawn(command && *command ? command : "less -FRX || cat", ends[0], &pager->pid) < 0)
        pager->pid = 0;
    kith_close(ends[0]);
    pager->fd = ends[1];
    if (pager->pid == 0)
        pager->fd = kith_close(pager->fd);
}

void cli_pager_end(struct cli_pager *pager) {
    pager->fd = kith_close(pager->fd);
    while (pager->pid > 0 && waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    pager->pid = 0;
}
