/*
 * flow/guest/package.c: see package.h. dpkg-deb(1) writes what is in the package to a pipe, and is stopped as soon as nothing is wanted any
 * more: boot/ comes before lib/, and most recordings need no module.
 */
#include "flow/guest/package.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "flow/guest/tar.h"

#define FILE_LIMIT ((size_t)256 * 1024 * 1024)
#define EXEC_FAILED 127

struct contents {
    struct flow_modules *modules;
    uint8_t *image;
    size_t size;
};

bool flow_package_is(const uint8_t *data, size_t size) {
    return size > 8 && memcmp(data, "!<arch>\n", 8) == 0;
}

static FILE *start(const char *path, pid_t *ret_pid) {
    int pipes[2];

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return NULL;
    *ret_pid = fork();
    if (*ret_pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
        signal(SIGPIPE, SIG_DFL);
        execlp("dpkg-deb", "dpkg-deb", "--fsys-tarfile", path, (char *)NULL);
        _exit(EXEC_FAILED);
    }
    close(pipes[1]);
    FILE *file = *ret_pid < 0 ? NULL : fdopen(pipes[0], "r");
    if (!file)
        close(pipes[0]);
    return file;
}

/* "CONFIG_IPV6=m" */
static bool is_module_in(const char *config, const char *name) {
    char line[64] = "\nCONFIG_";
    size_t length = strlen(line);

    for (; *name && length < sizeof(line) - 4; name++)
        line[length++] = *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
    strcpy(line + length, "=m\n");
    return strstr(config, line) != NULL;
}

static void judge_config(struct flow_modules *modules, const char *config) {
    for (size_t i = 0; i < modules->count; i++)
        if (modules->modules[i].is_optional && is_module_in(config, modules->modules[i].name))
            modules->modules[i].is_optional = false;
}

static int take(struct flow_tar *tar, struct contents *contents) {
    uint8_t *data = NULL;
    bool is_config = strstr(tar->name, "boot/config-"), is_image = strstr(tar->name, "boot/vmlinuz-") && !contents->image;

    if (tar->type != '0' || !(is_config || is_image || flow_modules_wants(contents->modules, tar->name)))
        return 0;
    int r = flow_tar_read(tar, FILE_LIMIT, &data);
    if (r == 0 && is_image) {
        contents->image = KITH_STEAL(data);
        contents->size = (size_t)tar->size;
    } else if (r == 0 && is_config) {
        data[tar->size > 0 ? tar->size - 1 : 0] = '\0'; /* a text: its last line ends here */
        judge_config(contents->modules, (char *)data);
    } else if (r == 0) {
        r = flow_modules_add(contents->modules, tar->name, data, (size_t)tar->size);
    }
    free(data);
    return r;
}

static bool is_done(const struct contents *contents) {
    return contents->image && !flow_modules_missing(contents->modules, false);
}

static int read_once(const char *path, struct contents *contents, struct kith_error *error) {
    pid_t pid = -1;
    int status = 0, r = 1;
    FILE *file = start(path, &pid);
    if (!file)
        return kith_error_set(error, -errno, "dpkg-deb cannot be started: %s", kith_error_name(-errno));
    struct flow_tar *tar = calloc(1, sizeof(*tar));
    if (tar)
        tar->file = file;
    while (r > 0 && !is_done(contents)) {
        r = tar ? flow_tar_next(tar) : -ENOMEM;
        if (r > 0) {
            int taken = take(tar, contents);
            r = taken < 0 ? taken : r;
        }
    }
    free(tar);
    fclose(file);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXEC_FAILED)
        return kith_error_set(error, -ENOENT, "%s: dpkg-deb, which reads packages, cannot be started; the package dpkg has it", path);
    if (r == -EBADMSG)
        return kith_error_set(error, r, "%s: the package is broken", path);
    return r < 0 ? kith_error_set(error, r, "%s: the package cannot be read: %s", path, kith_error_name(r)) : 0;
}

int flow_package_read(const char *path, struct flow_modules *modules, uint8_t **ret_image, size_t *ret_size, struct kith_error *ret_error) {
    struct contents contents = {.modules = modules};
    size_t before;
    int r;

    /* A module may depend on one that was passed already. */
    do {
        before = modules->count;
        r = read_once(path, &contents, ret_error);
    } while (r == 0 && modules->count > before && !is_done(&contents));
    if (r == 0 && !contents.image)
        r = kith_error_set(ret_error, -ENOENT, "%s: there is no kernel in this package (boot/vmlinuz-...)", path);
    if (r < 0) {
        free(contents.image);
        return r;
    }
    *ret_image = contents.image;
    *ret_size = contents.size;
    return 0;
}
