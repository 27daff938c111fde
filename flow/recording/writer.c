/*
 * flow/recording/writer.c: sections become one zstd frame, as they come.
 *
 * After an error nothing is written any more: a file that lacks a piece in the middle would be read wrongly, one that ends early is not.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "flow/recording/section.h"

/* The fastest level still halves pages more than once; a recorder must not be slower than what it records. */
#define LEVEL 1

struct flow_writer {
    int fd;
    int error; /* the first one */
    ZSTD_CCtx *context;
    size_t room;
    uint8_t out[]; /* `room` octets */
};

static int write_all(int fd, const uint8_t *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_header(int fd) {
    uint8_t header[FLOW_FILE_HEADER] = FLOW_MAGIC;
    uint16_t version[2] = {htole16(FLOW_FORMAT_MAJOR), htole16(FLOW_FORMAT_MINOR)};

    memcpy(header + FLOW_MAGIC_SIZE, version, sizeof(version));
    return write_all(fd, header, sizeof(header));
}

int flow_writer_new(int fd, struct flow_writer **ret_writer) {
    size_t room = ZSTD_CStreamOutSize();
    _cleanup_(flow_writer_freep) struct flow_writer *writer = calloc(1, sizeof(*writer) + room);
    if (!writer)
        return -ENOMEM;
    writer->fd = fd;
    writer->room = room;
    writer->context = ZSTD_createCCtx();
    if (!writer->context)
        return -ENOMEM;
    if (ZSTD_isError(ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer->context, ZSTD_c_checksumFlag, 1)))
        return -ENOMEM;
    int r = write_header(fd);
    if (r < 0)
        return r;
    *ret_writer = KITH_STEAL(writer);
    return 0;
}

/* Compresses, and writes what comes out of it. With ZSTD_e_end: until the frame is complete. */
static int compress(struct flow_writer *writer, const void *data, size_t size, ZSTD_EndDirective end) {
    ZSTD_inBuffer in = {data, size, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {writer->out, writer->room, 0};
        left = ZSTD_compressStream2(writer->context, &out, &in, end);
        if (ZSTD_isError(left))
            return -ENOMEM; /* of its errors the only one that correct use can meet */
        int r = write_all(writer->fd, writer->out, out.pos);
        if (r < 0)
            return r;
    } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
    return 0;
}

static int add(struct flow_writer *writer, enum flow_section_type type, const struct flow_piece *pieces, size_t count) {
    uint8_t header[FLOW_SECTION_HEADER] = {0};
    uint64_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    size = htole64(size);
    memcpy(header, flow_section_name(type), 4);
    memcpy(header + 8, &size, sizeof(size));
    int r = compress(writer, header, sizeof(header), ZSTD_e_continue);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (pieces[i].size > 0)
            r = compress(writer, pieces[i].data, pieces[i].size, ZSTD_e_continue);
    return r;
}

int flow_writer_add(struct flow_writer *writer, enum flow_section_type type, const struct flow_piece *pieces, size_t count) {
    if (writer->error == 0)
        writer->error = add(writer, type, pieces, count);
    return writer->error;
}

int flow_writer_finish(struct flow_writer *writer) {
    if (flow_writer_add(writer, FLOW_DONE, NULL, 0) == 0)
        writer->error = compress(writer, NULL, 0, ZSTD_e_end);
    return writer->error;
}

struct flow_writer *flow_writer_free(struct flow_writer *writer) {
    if (writer)
        ZSTD_freeCCtx(writer->context);
    free(writer);
    return NULL;
}
