/* base/spawn.h: a command as a process of its own. */
#ifndef KITH_BASE_SPAWN_H
#define KITH_BASE_SPAWN_H

#include <sys/types.h>

/* Starts argv[0], looked for in PATH as by posix_spawnp(3), in a process group of its own, with no signal blocked and SIGPIPE as it was
 * before a loop ignored it. It has fds[0] to fds[2] as its 0 to 2 (-1: ours), and no other descriptor. The fds that are not -1 are above 2.
 * Errors: those of posix_spawn(3), negative; -ENOENT and -EACCES are of the command. */
int kith_spawn(char *const argv[], char *const env[], const int fds[3], pid_t *ret_pid);

#endif
