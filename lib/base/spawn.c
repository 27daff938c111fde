/* base/spawn.c: see spawn.h. */
#include "base/spawn.h"

#include <signal.h>
#include <spawn.h>

static int set_attributes(posix_spawnattr_t *attributes) {
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    int r = posix_spawnattr_setsigmask(attributes, &none);
    r = r ? r : posix_spawnattr_setsigdefault(attributes, &defaults);
    r = r ? r : posix_spawnattr_setpgroup(attributes, 0);
    return r ? r : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int set_descriptors(posix_spawn_file_actions_t *actions, const int fds[3]) {
    int r = 0;
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            r = r ? r : posix_spawn_file_actions_adddup2(actions, fds[i], i);
    /* Also those that others in this process forgot to mark. */
    return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

int kith_spawn(char *const argv[], char *const env[], const int fds[3], pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = set_attributes(&attributes);
        r = r ? r : set_descriptors(&actions, fds);
        r = r ? r : posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}
