/* flow/guest/cpio.h: the archive that a kernel unpacks into its first file system (Documentation/driver-api/early-userspace). */
#ifndef KITH_FLOW_CPIO_H
#define KITH_FLOW_CPIO_H

#include <stddef.h>
#include <stdint.h>

/* An all-zero archive is valid and empty. */
struct flow_cpio {
    uint8_t *data;
    size_t size, room;
    unsigned count;
    int error; /* the first; nothing is added any more */
};

void flow_cpio_deinit(struct flow_cpio *cpio);
void flow_cpio_add_folder(struct flow_cpio *cpio, const char *name);
void flow_cpio_add_file(struct flow_cpio *cpio, const char *name, unsigned mode, const void *data, size_t size);
/* A character device: the kernel opens /dev/console before anything is mounted. */
void flow_cpio_add_device(struct flow_cpio *cpio, const char *name, unsigned major, unsigned minor);
/* The last entry. Errors: -ENOMEM, -EFBIG (a file is too large for the format). */
int flow_cpio_finish(struct flow_cpio *cpio);

#endif
