/* origin/program.c: see program.h. proc_pid_pagemap(5), proc_pid_maps(5). */
#include "origin/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int kith_program_open_memory(pid_t pid) {
    /* The second is there on every kernel, and costs a little more to read. */
    static const char *const names[] = {"pagemap", "maps"};
    char path[48];
    int fd = -1;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names) && fd < 0; i++) {
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, names[i]);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd < 0 ? -errno : fd;
}

int kith_program_memory_used(int memory) {
    uint64_t entry; /* pagemap knows no smaller piece */
    ssize_t size = pread(memory, &entry, sizeof(entry), 0);

    return size < 0 ? -errno : size > 0;
}

int kith_program_file(pid_t pid, struct kith_program *ret_program) {
    char path[48];
    struct stat file;

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    if (stat(path, &file) < 0)
        return -errno;
    *ret_program = (struct kith_program){.device = file.st_dev, .inode = file.st_ino};
    return 0;
}
