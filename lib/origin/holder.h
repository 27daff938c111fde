/* origin/holder.h: which process has a descriptor of a socket? Reads /proc. */
#ifndef KITH_ORIGIN_HOLDER_H
#define KITH_ORIGIN_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The one process of this user that has a descriptor of the socket with this inode. It looks at 16,384 descriptors at most (some 15 ms).
 * Errors: -ENOENT (none that can be seen), -EMLINK (several), -E2BIG (there were more descriptors), -EMFILE, -ENFILE, -ENOMEM. */
int kith_holder_find(uint32_t inode, uid_t uid, pid_t *ret_pid);
/* Has this process one? Negative as above. */
int kith_holder_has(pid_t pid, uint32_t inode);

#endif
