/*
 * bench-map-walk: the raw limit of whoever asks which process has which socket: every /proc/PID/fd is listed and every link in it is read,
 * and nothing is done with them. Prints how many links there were.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static size_t walk(int proc, const char *pid) {
    char path[32], link[64];
    struct dirent *entry;
    size_t count = 0;

    snprintf(path, sizeof(path), "%.10s/fd", pid);
    int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory)
        return 0;
    while ((entry = readdir(directory)))
        count += isdigit((unsigned char)entry->d_name[0]) && readlinkat(fd, entry->d_name, link, sizeof(link)) > 0;
    closedir(directory);
    return count;
}

int main(void) {
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;

    if (!proc) {
        perror("/proc");
        return 1;
    }
    while ((entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]))
            count += walk(dirfd(proc), entry->d_name);
    closedir(proc);
    printf("%zu\n", count);
    return 0;
}
