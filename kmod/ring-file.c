// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ring-file.c: a ring as a descriptor: mmap, poll, and its receiver leaves when the last of descriptor and mappings is gone.
 *
 * The file holds its ring and its channel (whose owner may be gone), and the module, by the operations' owner: neither memory nor code goes
 * under a mapping.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "internal.h"

struct opened {
    struct kith_ring *ring;
    struct kith_channel *channel;
};

static void change_flags(struct vm_area_struct *area, unsigned long set, unsigned long clear) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
    vm_flags_mod(area, set, clear);
#else
    area->vm_flags = (area->vm_flags & ~clear) | set;
#endif
}

/* One page may be written, the reader's; what is mapped to be read stays so. */
static int ring_mmap(struct file *file, struct vm_area_struct *area) {
    const struct opened *opened = file->private_data;
    if (!(area->vm_flags & VM_SHARED))
        return -EINVAL;
    if (area->vm_flags & VM_WRITE) {
        if (area->vm_pgoff != 0 || area->vm_end - area->vm_start != PAGE_SIZE)
            return -EPERM;
        change_flags(area, VM_DONTCOPY, 0);
    } else {
        change_flags(area, VM_DONTCOPY, VM_MAYWRITE);
    }
    return remap_vmalloc_range(area, opened->ring->area, area->vm_pgoff);
}

/* Also how the reader says that there is room again. A channel that was closed delivers nothing. */
static __poll_t ring_poll(struct file *file, poll_table *table) {
    const struct opened *opened = file->private_data;
    struct kith_ring *ring = opened->ring;
    u64 head;
    poll_wait(file, &ring->wait, table);
    if (READ_ONCE(ring->ended))
        return EPOLLHUP;
    if (READ_ONCE(ring->producer->waiting) != 0)
        queue_work(kith_workqueue, &opened->channel->work);
    head = smp_load_acquire(&ring->producer->position);
    return head == READ_ONCE(ring->consumer->position) || head == READ_ONCE(ring->consumer->seen) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static void opened_free(struct opened *opened) {
    kith_ring_unref(opened->ring);
    kith_channel_unref(opened->channel);
    kfree(opened);
}

static int ring_release(struct inode *inode, struct file *file) {
    struct opened *opened = file->private_data;
    kith_channel_leave_ring(opened->channel, opened->ring);
    opened_free(opened);
    return 0;
}

static const struct file_operations operations = {
    .owner = THIS_MODULE,
    .mmap = ring_mmap,
    .poll = ring_poll,
    .release = ring_release,
    .llseek = noop_llseek,
};

/* The file, which has a reference of the ring and one of the channel. */
static struct file *ring_file(struct kith_channel *channel, struct kith_ring *ring) {
    struct opened *opened = kzalloc(sizeof(*opened), GFP_KERNEL_ACCOUNT);
    struct file *file;
    if (!opened)
        return ERR_PTR(-ENOMEM);
    opened->ring = kith_ring_ref(ring);
    opened->channel = kith_channel_ref(channel);
    file = anon_inode_getfile("[kith-ring]", &operations, opened, O_RDWR | O_CLOEXEC);
    if (IS_ERR(file))
        opened_free(opened);
    return file;
}

int kith_ring_file_open(struct kith_channel *channel, u32 size, struct kith_ring_file *ret_file) {
    struct kith_ring_file file = {};
    int error = kith_ring_new(size, &file.ring);
    if (error)
        return error;
    file.file = ring_file(channel, file.ring);
    if (IS_ERR(file.file)) {
        kith_ring_unref(file.ring);
        return PTR_ERR(file.file);
    }
    file.fd = get_unused_fd_flags(O_CLOEXEC);
    if (file.fd < 0) {
        fput(file.file);
        kith_ring_unref(file.ring);
        return file.fd;
    }
    *ret_file = file;
    return 0;
}

void kith_ring_file_install(struct kith_ring_file *file) {
    fd_install(file->fd, file->file);
    kith_ring_unref(file->ring);
}

void kith_ring_file_close(struct kith_ring_file *file) {
    put_unused_fd(file->fd);
    fput(file->file);
    kith_ring_unref(file->ring);
}
