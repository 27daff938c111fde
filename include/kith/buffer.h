/*
 * kith/buffer.h: octets that several owners share without copying them.
 *
 * A buffer is one refcounted block of memory; a slice is a view into it. A slice handed to a callback is only lent:
 * who keeps it takes a reference. Buffers belong to their loop's thread: the count is not atomic, before they come from, or are sent to, a
 * loop with a thread of its own (kith_loop_thread()).
 */
#ifndef KITH_BUFFER_H
#define KITH_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include <kith/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_buffer kith_buffer;

/* `size` octets at `data`, kept alive by `buffer` (NULL: the memory is the caller's or static). */
struct kith_slice {
    kith_buffer *buffer;
    const uint8_t *data;
    size_t size;
};

/* Makes a heap buffer with room for `size` octets. Errors: -ENOMEM. */
KITH_PUBLIC int kith_buffer_new(size_t size, kith_buffer **ret_buffer);

/* Adopts memory of the application: free_fn(data, userdata) runs when the last reference goes. free_fn may be NULL
 * (static memory). On failure the memory stays the caller's. Errors: -ENOMEM. */
KITH_PUBLIC int kith_buffer_new_take(void *data, size_t size, void (*free_fn)(void *data, void *userdata), void *userdata,
                                     kith_buffer **ret_buffer);

/* Makes a buffer of `size` octets, at least one, zero at first, that can be passed to other processes without a copy: memfd_create(2).
 * When a message with a frame that is the whole buffer (kith_msg_add_slice()), of at least the option memfd-from, has been sent to a kith
 * peer over ipc://, both map the same memory. From then on it cannot be changed any more: writing to it raises SIGSEGV. Making and filling
 * a new one costs more than the copies that it saves, where pages of the heap are used again and again: it is for what is sent more than
 * once, or lies there anyway, and for receivers whose time is dearer than the sender's. A receiver copies one of which whole pages were
 * left unwritten. It has a descriptor until its last reference goes.
 * Errors: -EINVAL (0), -EMFILE, -ENFILE, -ENOMEM, those of ftruncate(2) and mmap(2). */
KITH_PUBLIC int kith_buffer_new_memfd(size_t size, kith_buffer **ret_buffer);

KITH_PUBLIC kith_buffer *kith_buffer_ref(kith_buffer *buffer);

/* Drops one reference; NULL is allowed. Always NULL. */
KITH_PUBLIC kith_buffer *kith_buffer_unref(kith_buffer *buffer);

KITH_PUBLIC uint8_t *kith_buffer_data(kith_buffer *buffer);
KITH_PUBLIC size_t kith_buffer_size(const kith_buffer *buffer);

#ifdef __cplusplus
}
#endif
#endif
