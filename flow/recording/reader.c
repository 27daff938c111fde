/*
 * flow/recording/reader.c: a file, unpacked and cut into its sections. The file may be anybody's.
 *
 * Memory is bounded by the limit: the unpacked octets grow up to it as they come, whatever sizes the file claims, and a section takes 16 of
 * them at least.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "flow/recording/section.h"

/* 8 MiB: what zstd asks every decoder to support (RFC 8878, 3.1.1.1.2). The writer's level needs less. */
#define WINDOW_LOG 23

struct unpacker {
    ZSTD_DCtx *context;
    uint8_t *octets;
    size_t size, room, limit;
    bool complete; /* the frame has come to its end */
};

static void unpacker_deinit(struct unpacker *unpacker) {
    ZSTD_freeDCtx(unpacker->context);
    free(unpacker->octets);
}

static int check_header(const uint8_t *data, size_t size, struct kith_error *error) {
    uint16_t major;

    if (size < FLOW_FILE_HEADER || memcmp(data, FLOW_MAGIC, FLOW_MAGIC_SIZE) != 0)
        return kith_error_set(error, -EINVAL, "this is no recording of `kith flow record`");
    memcpy(&major, data + FLOW_MAGIC_SIZE, sizeof(major));
    major = le16toh(major);
    if (major == 0 || major > FLOW_FORMAT_MAJOR)
        return kith_error_set(error, -EPROTONOSUPPORT, "the recording has format %u; this program reads up to %d", (unsigned)major,
                              FLOW_FORMAT_MAJOR);
    return 0;
}

static int grow(struct unpacker *unpacker) {
    size_t room = unpacker->room ? 2 * unpacker->room : (size_t)1 << 18;

    if (room > unpacker->limit)
        room = unpacker->limit;
    uint8_t *octets = realloc(unpacker->octets, room ? room : 1);
    if (!octets)
        return -ENOMEM;
    unpacker->octets = octets;
    unpacker->room = room;
    return 0;
}

/* One step: fills the room that there is. Full at the limit, it tries one octet more: nothing may be left to come. */
static int unpack_step(struct unpacker *unpacker, ZSTD_inBuffer *in, struct kith_error *error) {
    uint8_t beyond;
    bool full = unpacker->size == unpacker->limit;
    ZSTD_outBuffer out = {unpacker->octets, unpacker->room, unpacker->size};
    if (full)
        out = (ZSTD_outBuffer){&beyond, 1, 0};
    size_t before = out.pos, taken = in->pos;
    size_t left = ZSTD_decompressStream(unpacker->context, &out, in);

    if (ZSTD_isError(left))
        return kith_error_set(error, -EBADMSG, "the recording is broken: %s", ZSTD_getErrorName(left));
    if (full && out.pos > 0)
        return kith_error_set(error, -E2BIG, "the recording is more than %zu octets unpacked", unpacker->limit);
    if (!full)
        unpacker->size = out.pos;
    unpacker->complete = left == 0;
    return out.pos > before || in->pos > taken;
}

static int unpack(struct unpacker *unpacker, const uint8_t *data, size_t size, struct kith_error *error) {
    ZSTD_inBuffer in = {data, size, 0};
    int r = 1;

    unpacker->context = ZSTD_createDCtx();
    if (!unpacker->context || ZSTD_isError(ZSTD_DCtx_setParameter(unpacker->context, ZSTD_d_windowLogMax, WINDOW_LOG)))
        return kith_error_set(error, -ENOMEM, "no memory to unpack the recording");
    /* Until no step makes progress: all is read, and what the decoder holds back is out. */
    while (r > 0 && !unpacker->complete) {
        if (unpacker->size == unpacker->room && unpacker->room < unpacker->limit && grow(unpacker) < 0)
            return kith_error_set(error, -ENOMEM, "no memory for %zu octets of the recording", unpacker->room);
        r = unpack_step(unpacker, &in, error);
    }
    if (r >= 0 && in.pos < in.size)
        return kith_error_set(error, -EBADMSG, "the recording is broken: %zu octets follow its end", in.size - in.pos);
    return r < 0 ? r : 0;
}

/* The section at the beginning of data[0..size) and the octets it takes; 0: the rest is less than a section. */
static size_t next_section(const uint8_t *data, size_t size, struct flow_section *ret_section) {
    uint64_t length;

    if (size < FLOW_SECTION_HEADER)
        return 0;
    memcpy(&length, data + 8, sizeof(length));
    length = le64toh(length);
    if (length > size - FLOW_SECTION_HEADER)
        return 0;
    *ret_section = (struct flow_section){flow_section_find(data), data + FLOW_SECTION_HEADER, (size_t)length};
    return FLOW_SECTION_HEADER + (size_t)length;
}

/* Sections that are known, counted, and kept when there is a place for them. */
static size_t cut(const uint8_t *data, size_t size, struct flow_section *sections, bool *ret_whole) {
    struct flow_section section = {.type = FLOW_SECTION_TYPES_};
    size_t count = 0, taken;

    while ((taken = next_section(data, size, &section)) > 0) {
        if (section.type != FLOW_SECTION_TYPES_) {
            if (sections)
                sections[count] = section;
            count++;
        }
        data += taken;
        size -= taken;
    }
    *ret_whole = section.type == FLOW_DONE && size == 0;
    return count;
}

int flow_recording_read(const void *data, size_t size, size_t limit, struct flow_recording **ret_recording, struct kith_error *ret_error) {
    _cleanup_(unpacker_deinit) struct unpacker unpacker = {.limit = limit};
    int r = check_header(data, size, ret_error);
    if (r >= 0)
        r = unpack(&unpacker, (const uint8_t *)data + FLOW_FILE_HEADER, size - FLOW_FILE_HEADER, ret_error);
    if (r < 0)
        return r;
    _cleanup_(flow_recording_freep) struct flow_recording *recording = calloc(1, sizeof(*recording));
    if (!recording)
        return kith_error_set(ret_error, -ENOMEM, "no memory for the recording");
    recording->octets = KITH_STEAL(unpacker.octets);
    recording->count = cut(recording->octets, unpacker.size, NULL, &recording->whole);
    recording->sections = calloc(recording->count ? recording->count : 1, sizeof(*recording->sections));
    if (!recording->sections)
        return kith_error_set(ret_error, -ENOMEM, "no memory for the recording's %zu sections", recording->count);
    cut(recording->octets, unpacker.size, recording->sections, &recording->whole);
    recording->whole = recording->whole && unpacker.complete;
    *ret_recording = KITH_STEAL(recording);
    return 0;
}

struct flow_recording *flow_recording_free(struct flow_recording *recording) {
    if (recording) {
        free(recording->sections);
        free(recording->octets);
    }
    free(recording);
    return NULL;
}
