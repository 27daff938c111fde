/*
 * replay.c: runs a fuzz target over files instead of inventing input, so that every build and every compiler tests what
 * fuzzing has found.
 *
 * replay PATH...: each path is a corpus file or a folder of them. A target says what is wrong by crashing, as under
 * libFuzzer; the name of the file is on standard error before it runs. An empty corpus is a failure: it tests nothing.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }

    /* Exactly as large as the file, so that a sanitizer sees the first octet read beyond it. */
    struct stat st;
    uint8_t *data = NULL;
    size_t size = 0;
    int r = fstat(fileno(file), &st);
    if (r == 0) {
        data = (uint8_t *)malloc((size_t)st.st_size);
        size = data ? fread(data, 1, (size_t)st.st_size, file) : 0;
        r = size == (size_t)st.st_size ? 0 : -1;
    }
    fclose(file);

    if (r == 0) {
        fprintf(stderr, "%s: %zu octets\n", path, size);
        (void)LLVMFuzzerTestOneInput(data, size);
    } else {
        fprintf(stderr, "%s: cannot be read whole\n", path);
    }
    free(data);
    return r;
}

/* Returns the number of files replayed, or -1. */
static int replay_folder(const char *path) {
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        perror(path);
        return -1;
    }

    int count = 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        int length = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        if (count >= 0 && entries[i]->d_name[0] != '.')
            count = length < (int)sizeof(file) && replay_file(file) == 0 ? count + 1 : -1;
        free(entries[i]);
    }
    free(entries);
    return count;
}

int main(int argc, char **argv) {
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        int n = folder ? replay_folder(argv[i]) : replay_file(argv[i]) + 1;
        if (n <= 0) {
            fprintf(stderr, "%s: nothing replayed\n", argv[i]);
            return 1;
        }
        total += n;
    }
    if (total == 0) {
        fprintf(stderr, "usage: %s CORPUS...\n", argv[0]);
        return 2;
    }
    printf("%d inputs replayed\n", total);
    return 0;
}
