/* flow/guest/tar.h: the entries of a tar archive (POSIX ustar, and GNU's long names), one after the other, as they come. */
#ifndef KITH_FLOW_TAR_H
#define KITH_FLOW_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FLOW_TAR_NAME_MAX 4096

struct flow_tar {
    FILE *file; /* the caller's */
    char name[FLOW_TAR_NAME_MAX];
    char type;     /* '0': a file */
    uint64_t size; /* of the entry */
    uint64_t left; /* not read yet, with what fills the last block */
};

/* Goes to the next entry. Returns 1, 0 at the end. Errors: -EBADMSG (no archive, or one that was cut off). */
int flow_tar_next(struct flow_tar *tar);
/* The whole entry, to free(); once. Errors: -EBADMSG, -EFBIG (more than `limit`), -ENOMEM. */
int flow_tar_read(struct flow_tar *tar, size_t limit, uint8_t **ret_data);

#endif
