/* pool/memfd.c: see memfd.h. */
#include "pool/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "pool/internal.h"

/* From linux/memfd.h of Linux 6.3; Debian 12's headers do not have it yet. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* What makes memory as good as a copy of one's own. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct memfd {
    int fd; /* -1: it was received */
    bool sealed;
    size_t size; /* mapped */
};

static void memfd_free(void *data, void *userdata) {
    struct memfd *memfd = userdata;
    if (data != MAP_FAILED)
        munmap(data, memfd->size);
    kith_close(memfd->fd);
    free(memfd);
}

static struct memfd *memfd_of(const kith_buffer *buffer) {
    return kith_buffer_is_memfd(buffer) ? buffer->release.userdata : NULL;
}

bool kith_buffer_is_memfd(const kith_buffer *buffer) {
    return !buffer->pool && buffer->data != buffer->octets && buffer->release.fn == memfd_free;
}

static int memfd_make(size_t size) {
    int fd = memfd_create("kith", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
        fd = memfd_create("kith", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (size > INT64_MAX || ftruncate(fd, (off_t)size) < 0) {
        int r = size > INT64_MAX ? -EFBIG : -errno;
        kith_close(fd);
        return r;
    }
    return fd;
}

/* Maps it into a buffer; fd is consumed, and closed when it need not be kept. */
static int map(int fd, size_t size, int protection, int flags, bool keep_fd, kith_buffer **ret_buffer) {
    struct memfd *memfd = malloc(sizeof(*memfd));
    void *data = memfd ? mmap(NULL, size, protection, flags, fd, 0) : MAP_FAILED;
    int r = !memfd ? -ENOMEM : data == MAP_FAILED ? -errno : kith_buffer_new_take(data, size, memfd_free, memfd, ret_buffer);
    if (memfd)
        *memfd = (struct memfd){.fd = keep_fd ? fd : -1, .sealed = flags == MAP_PRIVATE, .size = size};
    if (r < 0 && data != MAP_FAILED)
        munmap(data, size);
    if (r < 0)
        free(memfd);
    if (r < 0 || !keep_fd)
        kith_close(fd);
    return r;
}

int kith_buffer_new_memfd(size_t size, kith_buffer **ret_buffer) {
    if (size == 0)
        return -EINVAL;
    int fd = memfd_make(size);
    int r = fd < 0 ? fd : map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, true, ret_buffer);
    if (r >= 0) /* 512 pages a fault, where the system gives such to memory files: transparent_hugepage/shmem_enabled */
        (void)madvise((*ret_buffer)->data, size, MADV_HUGEPAGE);
    return r;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int kith_buffer_new_memfd_copy(const void *data, size_t size, kith_buffer **ret_buffer) {
    _cleanup_(kith_closep) int fd = memfd_make(size);
    if (fd < 0)
        return fd;
    int r = write_all(fd, data, size);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        return -errno;
    return map(KITH_STEAL_FD(fd), size, PROT_READ, MAP_PRIVATE, true, ret_buffer);
}

int kith_buffer_seal(kith_buffer *buffer) {
    struct memfd *memfd = memfd_of(buffer);
    if (!memfd || memfd->fd < 0)
        return -ENOTSUP;
    if (memfd->sealed)
        return memfd->fd;
    /* A mapping that could be written to, now or ever, keeps the seal off: another one takes its place. */
    if (mmap(buffer->data, memfd->size, PROT_READ, MAP_PRIVATE | MAP_FIXED, memfd->fd, 0) == MAP_FAILED)
        return -errno;
    if (fcntl(memfd->fd, F_ADD_SEALS, SEALS) < 0)
        return -errno;
    memfd->sealed = true;
    return memfd->fd;
}

/* A file of another kind could be as sealed, and still have no page where it is read: huge pages are reserved by none who only reads. */
static const char *look_at(int fd, uint64_t size, bool *ret_holes) {
    struct statfs fs;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
        return "it is no memfd of ordinary pages";
    if (!(seals & F_SEAL_WRITE))
        return "it lacks F_SEAL_WRITE";
    if (!(seals & F_SEAL_SHRINK))
        return "it lacks F_SEAL_SHRINK";
    if (!(seals & F_SEAL_GROW))
        return "it lacks F_SEAL_GROW";
    if (!(seals & F_SEAL_SEAL))
        return "it lacks F_SEAL_SEAL";
    *ret_holes = (uint64_t)st.st_blocks * 512 < size; /* the unit of stat(2), whatever the file system's */
    return size == 0 || (uint64_t)st.st_size != size ? "it has another size" : NULL;
}

/* A hole would get its page when it is first looked at in a mapping, from whoever looks; where there is none to be had, with
 * vm.overcommit_memory = 2 above all, that is SIGBUS. read(2) makes none. */
static int read_out(int fd, size_t size, kith_buffer **ret_buffer) {
    kith_buffer *buffer = NULL;
    int r = kith_buffer_new(size, &buffer);
    size_t at = 0;
    while (r >= 0 && at < size) {
        ssize_t n = pread(fd, kith_buffer_data(buffer) + at, size - at, (off_t)at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            r = n == 0 ? -EIO : -errno;
    }
    kith_close(fd);
    if (r >= 0)
        *ret_buffer = buffer;
    else
        kith_buffer_unref(buffer);
    return r;
}

int kith_buffer_new_received(int fd, uint64_t size, kith_buffer **ret_buffer, const char **ret_why) {
    bool holes = false;
    *ret_why = look_at(fd, size, &holes);
    if (*ret_why) {
        kith_close(fd);
        return -EPROTO;
    }
    *ret_why = holes ? "it cannot be read" : "it cannot be mapped";
    return holes ? read_out(fd, (size_t)size, ret_buffer) : map(fd, (size_t)size, PROT_READ, MAP_PRIVATE, false, ret_buffer);
}
