/* flow/guest/cpio.c: see cpio.h. The form is "newc": numbers of eight hexadecimal digits, names and contents padded to four octets. */
#include "flow/guest/cpio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_SIZE 110

void flow_cpio_deinit(struct flow_cpio *cpio) {
    free(cpio->data);
    *cpio = (struct flow_cpio){0};
}

static void put(struct flow_cpio *cpio, const void *data, size_t size) {
    size_t padded = (size + 3) & ~(size_t)3;

    if (cpio->error < 0)
        return;
    if (cpio->room - cpio->size < padded) {
        size_t room = 2 * cpio->room + padded + 4096;
        uint8_t *grown = realloc(cpio->data, room);
        if (!grown) {
            cpio->error = -ENOMEM;
            return;
        }
        cpio->data = grown;
        cpio->room = room;
    }
    if (size > 0)
        memcpy(cpio->data + cpio->size, data, size);
    memset(cpio->data + cpio->size + size, 0, padded - size);
    cpio->size += padded;
}

static void add(struct flow_cpio *cpio, const char *name, unsigned mode, const void *data, size_t size, unsigned major, unsigned minor) {
    char entry[HEADER_SIZE + 256];

    if (size > UINT32_MAX || strlen(name) > 255) {
        cpio->error = -EFBIG;
        return;
    }
    int length = snprintf(entry, sizeof(entry), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", ++cpio->count, mode, 0U, 0U,
                          1U, 0U, (unsigned)size, 0U, 0U, major, minor, (unsigned)strlen(name) + 1, 0U, name);
    put(cpio, entry, (size_t)length + 1);
    put(cpio, data, size);
}

void flow_cpio_add_folder(struct flow_cpio *cpio, const char *name) {
    add(cpio, name, S_IFDIR | 0755, NULL, 0, 0, 0);
}

void flow_cpio_add_file(struct flow_cpio *cpio, const char *name, unsigned mode, const void *data, size_t size) {
    add(cpio, name, S_IFREG | mode, data, size, 0, 0);
}

void flow_cpio_add_device(struct flow_cpio *cpio, const char *name, unsigned major, unsigned minor) {
    add(cpio, name, S_IFCHR | 0600, NULL, 0, major, minor);
}

int flow_cpio_finish(struct flow_cpio *cpio) {
    add(cpio, "TRAILER!!!", 0, NULL, 0, 0, 0);
    return cpio->error;
}
