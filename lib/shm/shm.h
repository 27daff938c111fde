/*
 * shm/shm.h: octets both ways between two processes of one machine through memory that they share, without a system call: a pair of rings,
 * one each way, in one sealed memfd.
 *
 * One side makes the memory and passes its descriptor, the other opens it. From then on each writes octets at one end and reads at the
 * other, as over a connection; there are no records and no priorities. Used by one thread a side.
 *
 * Sleep: nobody is woken by the memory. A side that wants to sleep says first what it waits for (kith_shm_await_octets(),
 * kith_shm_await_room()); the other side then is told to ring, once for each such wait. How it rings is the owner's: over the connection
 * that the two have anyway. Not with an eventfd that both have: whoever has it can fill its counter and make its writes wait
 * (fcntl(2), O_NONBLOCK is the file's, not the descriptor's), which no flag of write(2) prevents; a send with MSG_DONTWAIT never waits.
 *
 * The other side is not trusted. It may write anything anywhere into the memory at any time: then its octets are nonsense, or it is found
 * out (-EBADMSG). Nothing is read or written outside the rings, no loop is longer than what was asked for, and what was read lies in the
 * caller's own memory, where it stays as it is. That it cannot take the memory away is sealed (memfd_create(2)), and looked at.
 */
#ifndef KITH_SHM_SHM_H
#define KITH_SHM_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* Octets of one ring: a power of two. */
#define KITH_SHM_SIZE_MIN ((size_t)64 * 1024)
#define KITH_SHM_SIZE_MAX ((size_t)64 * 1024 * 1024)

struct kith_shm;

/* Makes the memory for rings of `size` octets. *ret_fd is to be passed to the other side, and closed then. Errors: -EINVAL (size), -EMFILE,
 * -ENFILE, -ENOMEM, -EOPNOTSUPP (see kith_shm_usable()), -EPERM or -EACCES (a sandbox). */
int kith_shm_new(size_t size, struct kith_shm **ret, int *ret_fd);
/* Opens what the other side has made; fd stays the caller's, and is not needed afterwards. Errors: -EBADMSG (no such memory, or not sealed
 * as it has to be), -EFBIG (rings of more than max_size octets), -EOPNOTSUPP, -ENOMEM. */
int kith_shm_open(int fd, size_t max_size, struct kith_shm **ret);
/* In a forked child, which has no such memory, too. Always NULL. */
struct kith_shm *kith_shm_free(struct kith_shm *shm);
KITH_DEFINE_CLEANUP(struct kith_shm *, kith_shm_free)

/* False where memory is not overcommitted (vm.overcommit_memory = 2): a page that the other side has given back could not be had again, and
 * to touch it would be SIGBUS. */
bool kith_shm_usable(void);
/* Octets of one ring. */
size_t kith_shm_size(const struct kith_shm *shm);

/* Out ------------------------------------------------------------------------------------------------------------------ */

/* Room for `size` octets at the end, one behind the other, to be filled at once and confirmed with kith_shm_written(). Errors: -EAGAIN (it
 * is not there now; never, when size exceeds the ring's), -EBADMSG. */
int kith_shm_place(struct kith_shm *shm, size_t size, uint8_t **ret_place);
void kith_shm_written(struct kith_shm *shm, size_t size);
/* Writes as many of the octets as there is room for; returns how many. Errors: -EBADMSG. */
ssize_t kith_shm_write(struct kith_shm *shm, const void *data, size_t size);
/* Lets the other side see what was written. True: it sleeps, so ring. */
bool kith_shm_publish(struct kith_shm *shm);
/* Asks to be rung when half the ring is free. True: no need to wait for it, it is free now. */
bool kith_shm_await_room(struct kith_shm *shm);
/* Has the other side read all that was published? */
bool kith_shm_taken(const struct kith_shm *shm);

/* In ------------------------------------------------------------------------------------------------------------------- */

/* Is there something to read, or something wrong? Cheap: it reads one word. */
bool kith_shm_look(const struct kith_shm *shm);
/* Copies at most `size` octets; returns how many, 0: there are none now. *ret_ring: the other side waits for the room, so ring. Errors:
 * -EBADMSG. */
ssize_t kith_shm_read(struct kith_shm *shm, void *to, size_t size, bool *ret_ring);
/* Octets that can be read now. Errors: -EBADMSG. */
ssize_t kith_shm_readable(struct kith_shm *shm);
/* Asks to be rung when there is something to read. True: no need to sleep, there is something now. */
bool kith_shm_await_octets(struct kith_shm *shm);
/* Takes that back: the reader looks by itself again. */
void kith_shm_awake(struct kith_shm *shm);

#endif
