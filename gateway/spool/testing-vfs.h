/* gateway/spool/testing-vfs.h: a disk that is full, broken or slow when a test says so: a VFS of SQLite's in front of the real one. */
#ifndef KITH_GATEWAY_SPOOL_TESTING_VFS_H
#define KITH_GATEWAY_SPOOL_TESTING_VFS_H

#include <pthread.h>
#include <stdatomic.h>

#include <sqlite3.h>

/* What writes and syncs return from now on; SQLITE_OK: what the real ones do. */
static atomic_int disk_write_result, disk_sync_result;
/* Writes that still succeed; below 0: any number. */
static atomic_int disk_writes_left = -1;
static atomic_uint disk_syncs;

/* While held, no sync returns. */
static pthread_mutex_t disk_gate = PTHREAD_MUTEX_INITIALIZER;

struct disk_file {
    sqlite3_file base;
    sqlite3_io_methods methods; /* the real ones, but for two */
    int (*write)(sqlite3_file *, const void *, int, sqlite3_int64);
    int (*sync)(sqlite3_file *, int);
};

static sqlite3_vfs *disk_real, disk_vfs;

/* The real file's object comes first, as its methods expect; ours lies behind it. */
static struct disk_file *disk_file_of(sqlite3_file *file) {
    return (struct disk_file *)(void *)((char *)file + ((disk_real->szOsFile + 15) & ~15));
}

static int disk_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset) {
    int left = atomic_load(&disk_writes_left);
    if (left == 0)
        return SQLITE_FULL;
    if (left > 0)
        atomic_fetch_sub(&disk_writes_left, 1);
    int result = atomic_load(&disk_write_result);
    return result != SQLITE_OK ? result : disk_file_of(file)->write(file, data, size, offset);
}

static int disk_sync(sqlite3_file *file, int flags) {
    pthread_mutex_lock(&disk_gate);
    pthread_mutex_unlock(&disk_gate);
    atomic_fetch_add(&disk_syncs, 1);
    int result = atomic_load(&disk_sync_result);
    return result != SQLITE_OK ? result : disk_file_of(file)->sync(file, flags);
}

static int disk_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags) {
    int result = disk_real->xOpen(disk_real, name, file, flags, ret_flags);
    struct disk_file *ours = disk_file_of(file);

    if (result != SQLITE_OK || !file->pMethods)
        return result;
    ours->methods = *file->pMethods;
    ours->write = ours->methods.xWrite;
    ours->sync = ours->methods.xSync;
    ours->methods.xWrite = disk_write;
    ours->methods.xSync = disk_sync;
    file->pMethods = &ours->methods;
    return SQLITE_OK;
}

static inline int disk_install(void **state) {
    disk_real = sqlite3_vfs_find(NULL);
    disk_vfs = *disk_real;
    disk_vfs.zName = "kith-testing-disk";
    disk_vfs.szOsFile = ((disk_real->szOsFile + 15) & ~15) + (int)sizeof(struct disk_file);
    disk_vfs.xOpen = disk_open;
    return sqlite3_vfs_register(&disk_vfs, 1) == SQLITE_OK ? 0 : -1;
}

/* Before every test: all is well again. */
static inline void disk_mend(void) {
    atomic_store(&disk_write_result, SQLITE_OK);
    atomic_store(&disk_sync_result, SQLITE_OK);
    atomic_store(&disk_writes_left, -1);
}

#endif
