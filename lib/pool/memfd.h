/*
 * pool/memfd.h: buffers whose memory is a file in memory, memfd_create(2), that another process can map: sealed, so that neither its size
 * nor an octet of it can change any more, whoever has it.
 *
 * One that the application fills (kith_buffer_new_memfd()) is mapped for writing until it is sealed. One that was received is mapped for
 * reading, and its descriptor is closed. The memory is that of whoever touched it first (cgroups(7)), as long as anybody maps it.
 */
#ifndef KITH_POOL_MEMFD_H
#define KITH_POOL_MEMFD_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/buffer.h>

/* A sealed one with a copy of the octets, at least one. Errors: those of memfd_create(2), ftruncate(2), write(2) and mmap(2), -ENOMEM. */
int kith_buffer_new_memfd_copy(const void *data, size_t size, kith_buffer **ret_buffer);
/* One that somebody passed: size octets, at least one, as he says; one with holes is read into memory of our own instead. fd is consumed.
 * Errors, with what is wrong in *ret_why (static): -EPROTO (not a memfd, another size, a seal is missing); those of fstat(2), pread(2) and
 * mmap(2), -ENOMEM. */
int kith_buffer_new_received(int fd, uint64_t size, kith_buffer **ret_buffer, const char **ret_why);

bool kith_buffer_is_memfd(const kith_buffer *buffer);
/* The descriptor, owned by the buffer, of a memfd that nobody can write to any more, this process included. Errors: -ENOTSUP (it is none,
 * or was received), -EBUSY (somebody has mapped it for writing, or the kernel still does I/O on it), those of mmap(2). */
int kith_buffer_seal(kith_buffer *buffer);

#endif
