/*
 * pool/spare.h: memory of messages and their bodies that a thread has freed and keeps for the next ones.
 *
 * A queue of a thousand messages that fills and empties in turn is what malloc(3) is slowest at: its own caches hold seven blocks of a
 * size, up to a kibibyte (measured: a third of the time of sending 1 KiB messages), and a large block at the heap's end goes back to the
 * kernel each time and is had anew, page by page. So blocks come in twelve sizes, and each thread keeps at most KITH_SPARE_OCTETS of each;
 * it gives them back when it ends. Messages that go from thread to thread (inproc) are freed where they are
 * not allocated: what a thread has too much of it leaves in a depot of the process, in batches and without waiting, for one that lacks it
 * (measured: 64 B messages between two threads, 1,100 -> 240 ns of CPU each). Of larger blocks a thread keeps
 * KITH_SPARE_LARGE_OCTETS, those that it freed last, of whatever size (a message of 1 MiB touches 256 pages: as much as is saved by
 * receiving it without a copy). Those larger still, and ones up to KITH_SPARE_MAX that no size fits well, are malloc(3)'s alone. The caller
 * remembers a block's size.
 */
#ifndef KITH_POOL_SPARE_H
#define KITH_POOL_SPARE_H

#include <stddef.h>

#define KITH_SPARE_OCTETS ((size_t)512 * 1024)
/* The largest size that is kept: 128 KiB and a header. */
#define KITH_SPARE_MAX ((size_t)128 * 1024 + 64)
#define KITH_SPARE_LARGE_OCTETS ((size_t)4 * 1024 * 1024)

/* NULL without memory. */
void *kith_spare_alloc(size_t size);
/* size: as it was asked for. NULL is allowed. */
void kith_spare_free(void *block, size_t size);

#endif
