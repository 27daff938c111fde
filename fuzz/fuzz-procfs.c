/* Files of /proc about a process: the kernel's text, with names in it that the process and whoever has its cgroup chose. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "origin/procfs.h"

static void read_text(int (*parse)(const char *text, char **ret), const char *text) {
    char *result = NULL;

    /* What is told is a piece of what was read. */
    if (parse(text, &result) >= 0 && !strstr(text, result))
        abort();
    free(result);
}

static void read_number(int (*parse)(const char *text, uint64_t *ret), const char *text) {
    uint64_t number;

    (void)parse(text, &number);
}

static void read_ids(const char *text) {
    gid_t *groups = NULL, gid;
    size_t count = 0;
    uid_t uid;
    pid_t pid;

    if (kith_procfs_groups(text, &groups, &count) >= 0 && (groups != NULL) != (count > 0))
        abort();
    free(groups);
    (void)kith_procfs_real_ids(text, &uid, &gid);
    if (kith_procfs_pidfd(text, &pid) >= 0 && pid < 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size);

    if (!text)
        return 0;
    read_text(kith_procfs_cgroup, text);
    read_text(kith_procfs_unit, text);
    read_text(kith_procfs_container, text);
    read_text(kith_procfs_session, text);
    read_number(kith_procfs_namespace, text);
    read_number(kith_procfs_permitted, text);
    read_number(kith_procfs_map_size, text);
    read_number(kith_procfs_number, text);
    read_number(kith_procfs_start_time, text);
    read_ids(text);
    free(text);
    return 0;
}
