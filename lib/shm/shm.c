/*
 * shm/shm.c: the memory: made, sealed, looked at, mapped.
 *
 * Sealed against changes of its size, and against other seals, before anybody else has it. Who opens it looks for just that: no page of it
 * can be cut off later. Of a page that the other side gives back (fallocate(2), FALLOC_FL_PUNCH_HOLE), the next use makes a new one, of
 * zeros. It has to be a file of tmpfs: one of huge pages could not promise that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "shm/internal.h"

/* From linux/memfd.h of Linux 6.3; Debian 12's headers do not have it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t kith_shm_file_size(size_t size) {
    return 2 * page_size() + 2 * size;
}

static bool is_size(size_t size) {
    return size >= KITH_SHM_SIZE_MIN && size <= KITH_SHM_SIZE_MAX && (size & (size - 1)) == 0 && size % page_size() == 0;
}

bool kith_shm_usable(void) {
    _cleanup_(freep) char *text = NULL;
    if (kith_file_read(AT_FDCWD, "/proc/sys/vm/overcommit_memory", 16, &text, NULL) < 0)
        return false;
    return text[0] == '0' || text[0] == '1';
}

size_t kith_shm_size(const struct kith_shm *shm) {
    return shm->size;
}

/* Maps a part of the file at `place` inside the region. */
static int map_part(int fd, uint8_t *place, size_t size, off_t offset, bool writes) {
    int protection = PROT_READ | (writes ? PROT_WRITE : 0);
    return mmap(place, size, protection, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED ? -errno : 0;
}

static int map_parts(int fd, struct kith_shm *shm, bool maker) {
    size_t page = page_size(), size = shm->size;
    off_t own_words = maker ? 0 : (off_t)page, other_words = maker ? (off_t)page : 0;
    off_t rings = (off_t)(2 * page), own_ring = rings + (maker ? 0 : (off_t)size), other_ring = rings + (maker ? (off_t)size : 0);
    uint8_t *words = shm->mapping, *out = words + 2 * page, *in = out + 2 * size;
    int r = map_part(fd, words, page, own_words, true);
    if (r >= 0)
        r = map_part(fd, words + page, page, other_words, false);
    for (size_t i = 0; i < 2 && r >= 0; i++)
        r = map_part(fd, out + i * size, size, own_ring, true);
    for (size_t i = 0; i < 2 && r >= 0; i++)
        r = map_part(fd, in + i * size, size, other_ring, false);
    if (r < 0)
        return r;
    shm->own = shm->mapping;
    shm->other = (const void *)(words + page);
    shm->out = out;
    shm->in = in;
    return 0;
}

int kith_shm_map(int fd, size_t size, bool maker, struct kith_shm **ret) {
    _cleanup_(kith_shm_freep) struct kith_shm *shm = calloc(1, sizeof(*shm));
    if (!shm)
        return -ENOMEM;
    shm->pid = getpid();
    shm->size = size;
    size_t mapping_size = 2 * page_size() + 4 * size;
    void *mapping = mmap(NULL, mapping_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        return -errno;
    shm->mapping = mapping;
    shm->mapping_size = mapping_size;
    int r = map_parts(fd, shm, maker);
    if (r >= 0 && madvise(mapping, mapping_size, MADV_DONTFORK) < 0)
        r = -errno;
    if (r < 0)
        return r;
    *ret = KITH_STEAL(shm);
    return 0;
}

/* With vm.memfd_noexec = 2 the kernel makes no other; one before 6.3 knows no such flag. */
static int memory_new(void) {
    int fd = memfd_create("kith", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("kith", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int kith_shm_new(size_t size, struct kith_shm **ret, int *ret_fd) {
    if (!is_size(size))
        return -EINVAL;
    if (!kith_shm_usable())
        return -EOPNOTSUPP;
    _cleanup_(kith_closep) int fd = memory_new();
    if (fd < 0)
        return fd;
    if (ftruncate(fd, (off_t)kith_shm_file_size(size)) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        return -errno;
    int r = kith_shm_map(fd, size, true, ret);
    if (r >= 0)
        *ret_fd = KITH_STEAL_FD(fd);
    return r;
}

/* The size of the rings in it. Errors: -EBADMSG (it is something else). */
static int examine(int fd, size_t *ret_size) {
    struct stat status;
    struct statfs system;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstatfs(fd, &system) < 0 || system.f_type != TMPFS_MAGIC || fstat(fd, &status) < 0)
        return -EBADMSG;
    if (status.st_size < 0 || (uint64_t)status.st_size < kith_shm_file_size(0) ||
        (uint64_t)status.st_size > kith_shm_file_size(KITH_SHM_SIZE_MAX))
        return -EBADMSG;
    *ret_size = ((size_t)status.st_size - kith_shm_file_size(0)) / 2;
    return is_size(*ret_size) && kith_shm_file_size(*ret_size) == (size_t)status.st_size ? 0 : -EBADMSG;
}

int kith_shm_open(int fd, size_t max_size, struct kith_shm **ret) {
    size_t size;
    int r = examine(fd, &size);
    if (r < 0)
        return r;
    if (size > max_size)
        return -EFBIG;
    if (!kith_shm_usable())
        return -EOPNOTSUPP;
    r = kith_shm_map(fd, size, false, ret);
    return r == -EPERM || r == -EACCES ? -EBADMSG : r; /* sealed against writing, or opened without */
}

struct kith_shm *kith_shm_free(struct kith_shm *shm) {
    if (!shm)
        return NULL;
    if (shm->mapping && shm->pid == getpid())
        munmap(shm->mapping, shm->mapping_size);
    free(shm);
    return NULL;
}
