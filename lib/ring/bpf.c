/* ring/bpf.c: a BPF ring buffer that somebody has pinned; two calls of bpf(2), which glibc has no function for. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "ring/internal.h"

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
    int r = (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));

    return r < 0 ? -errno : r;
}

/* The descriptor of what is pinned there. */
static int bpf_open(const char *path, struct kith_error *ret_error) {
    union bpf_attr attributes;
    struct statfs system;

    memset(&attributes, 0, sizeof(attributes));
    attributes.pathname = (uintptr_t)path;
    int fd = bpf(BPF_OBJ_GET, &attributes);
    if (fd < 0 && statfs(path, &system) == 0 && system.f_type != BPF_FS_MAGIC) /* which the kernel calls EACCES */
        return kith_error_set(ret_error, fd, "%s: nothing is pinned there: it takes a file of a BPF file system, as /sys/fs/bpf is", path);
    if (fd == -EPERM || fd == -EACCES)
        return kith_error_set(ret_error, fd, "%s: %s: a BPF map is for its file's owner, and with CAP_BPF where bpf(2) is restricted", path,
                              kith_error_name(fd));
    return fd < 0 ? kith_error_set(ret_error, fd, "%s: %s", path, kith_error_name(fd)) : fd;
}

/* Its octets of records. */
static int bpf_size(int fd, const char *path, size_t *ret_size, struct kith_error *ret_error) {
    struct bpf_map_info info = {0};
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.info.bpf_fd = (uint32_t)fd;
    attributes.info.info_len = sizeof(info);
    attributes.info.info = (uintptr_t)&info;
    int r = bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes);
    if (r < 0)
        return kith_error_set(ret_error, r, "%s: %s", path, kith_error_name(r));
    if (info.type != BPF_MAP_TYPE_RINGBUF)
        return kith_error_set(ret_error, -EMEDIUMTYPE, "%s: not a BPF ring buffer (BPF_MAP_TYPE_RINGBUF) but a map or program of type %u",
                              path, info.type);
    *ret_size = info.max_entries;
    return 0;
}

int kith_ring_open_bpf(const char *path, struct kith_ring **ret, struct kith_error *ret_error) {
    _cleanup_(kith_closep) int fd = -1;
    size_t size = 0;

    if (sizeof(long) != sizeof(uint64_t)) /* its positions are of the kernel's type, long */
        return kith_error_set(ret_error, -EOPNOTSUPP, "%s: BPF ring buffers are read by 64-bit programs only", path);
    fd = bpf_open(path, ret_error);
    if (fd < 0)
        return fd;
    int r = bpf_size(fd, path, &size, ret_error);
    if (r < 0)
        return r;
    r = kith_ring_map(KITH_STEAL_FD(fd), size, KITH_RING_BPF, ret);
    return r < 0 ? kith_error_set(ret_error, r, "%s: the BPF ring buffer cannot be mapped: %s", path, kith_error_name(r)) : 0;
}
