/*
 * config/names.c: users and groups by name, from the system's name service.
 *
 * getpwnam_r(3) says ERANGE when an entry does not fit; groups with many members are large, so the buffer grows until it does.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "config/internal.h"

/* Most entries fit the first time; a group that does not fit the last time has some hundred thousand members. */
#define BUFFER_FIRST ((size_t)1024)
#define BUFFER_LAST ((size_t)16 * 1024 * 1024)

/* getpwnam(3): all of these are seen for a name that is not there. */
static int name_error(int error) {
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM ? -ENOENT : -error;
}

static int system_user(void *userdata, const char *name, uid_t *ret_uid) {
    for (size_t size = BUFFER_FIRST; size <= BUFFER_LAST; size *= 4) {
        struct passwd entry, *found = NULL;
        char *buffer = (char *)malloc(size);
        if (!buffer)
            return -ENOMEM;
        int error = getpwnam_r(name, &entry, buffer, size, &found);
        if (found)
            *ret_uid = entry.pw_uid;
        free(buffer);
        if (error != ERANGE)
            return found ? 0 : name_error(error);
    }
    return -E2BIG;
}

static int system_group(void *userdata, const char *name, gid_t *ret_gid) {
    for (size_t size = BUFFER_FIRST; size <= BUFFER_LAST; size *= 4) {
        struct group entry, *found = NULL;
        char *buffer = (char *)malloc(size);
        if (!buffer)
            return -ENOMEM;
        int error = getgrnam_r(name, &entry, buffer, size, &found);
        if (found)
            *ret_gid = entry.gr_gid;
        free(buffer);
        if (error != ERANGE)
            return found ? 0 : name_error(error);
    }
    return -E2BIG;
}

const struct kith_config_names kith_config_system_names = {.user = system_user, .group = system_group, .userdata = NULL, .files = true};
