/* origin/exe.h: whether the path of another process's program may be repeated here. */
#ifndef KITH_ORIGIN_EXE_H
#define KITH_ORIGIN_EXE_H

#include <sys/types.h>

/* `path` is what /proc/PID/exe said. Returns 1 when it cannot mislead: the process has our mounts, or the path names its very file here
 * too, or it names nothing that we can see and only root could have arranged that. 0 otherwise. The caller sees to it that the pid is still
 * that of the process meant. Errors: those of open(2), readlink(2) and stat(2). */
int kith_exe_credible(pid_t pid, const char *path);

#endif
