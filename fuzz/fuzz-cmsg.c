/*
 * Fuzzes what reads a received control buffer: the walk, every decoder, the printer, and adoption with its closing watched
 * instead of done (a made-up descriptor number may be one of ours).
 *
 * The first octet chooses the buffer's alignment and how many descriptors fit; the rest is the buffer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmsg/internal.h"
#include "fuzz.h"

static void must(bool condition) {
    if (!condition)
        abort();
}

static void walk(const uint8_t *control, size_t size, size_t *ret_fds, bool *ret_whole) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(control, size);
    struct kith_cmsg cmsg;
    size_t offset = 0;
    int r;

    *ret_fds = 0;
    while ((r = kith_cmsg_next(&iter, &cmsg)) > 0) {
        char text[64];
        const char *name;
        int64_t value;

        must(iter.offset > offset && iter.offset <= size); /* or it might never end */
        offset = iter.offset;
        must((const uint8_t *)cmsg.data >= control && cmsg.size <= (size_t)(control + size - (const uint8_t *)cmsg.data));
        must((cmsg.kind == KITH_CMSG_UNKNOWN) == !cmsg.entry);
        for (size_t i = 0; cmsg.kind == KITH_CMSG_FDS && i < cmsg.value.fds.count; i++)
            *ret_fds += kith_cmsg_fd(&cmsg, i) >= 0;
        for (size_t i = 0; kith_cmsg_number(&cmsg, i, &name, &value) == 1; i++)
            must(cmsg.kind == KITH_CMSG_NUMBERS && i < 16);
        must(kith_cmsg_format(&cmsg, text, sizeof(text)) > 0 && strlen(text) < sizeof(text));
    }
    must(kith_cmsg_next(&iter, &cmsg) == 0);
    *ret_whole = r == 0;
}

static void count_refused(int fd, void *userdata) {
    must(fd >= 0);
    ++*(size_t *)userdata;
}

static void adopt(const uint8_t *control, size_t size, size_t max, size_t walked, bool whole) {
    int fds[16], pidfd;
    size_t refused, closed = 0;
    size_t count = kith_cmsg_adopt_fds_with(control, size, fds, max, &refused, &pidfd, count_refused, &closed);

    must(count <= max && (refused == 0 || count == max));
    must(closed >= refused); /* the others are pidfds */
    must(pidfd >= -1);
    for (size_t i = 0; i < count; i++)
        must(fds[i] >= 0);
    /* Adoption finds all that the walk finds, and more where the walk gives up. */
    must(whole ? count + refused == walked : count + refused >= walked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t shift, max, fds;
    uint8_t *block;
    bool whole;

    if (size == 0)
        return 0;
    shift = data[0] % sizeof(size_t);
    max = data[0] / sizeof(size_t) % 16;
    data++;
    size--;

    /* Ends where the buffer does, so that a sanitizer sees the first octet read beyond it. */
    block = malloc(shift + size > 0 ? shift + size : 1);
    must(block);
    memcpy(block + shift, data, size);
    walk(block + shift, size, &fds, &whole);
    adopt(block + shift, size, max, fds, whole);
    free(block);
    return 0;
}
