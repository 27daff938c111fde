/*
 * fuzz-flow-recording.c: a file that may be no recording: read or refused, in bounded memory.
 *
 * The octets are read as a file, and, because a fuzzer makes no valid zstd frames with new contents, once more as the sections within one.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "flow/recording/recording.h"
#include "fuzz.h"

#define LIMIT ((size_t)1 << 20)
#define HEADER_SIZE 16

static void read_file(const uint8_t *data, size_t size) {
    struct flow_recording *recording = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    size_t octets = 0;

    if (flow_recording_read(data, size, LIMIT, &recording, &error) < 0) {
        if (error.text[0] == '\0')
            abort();
        return;
    }
    for (size_t i = 0; i < recording->count; i++) {
        const struct flow_section *section = &recording->sections[i];
        if (section->type >= FLOW_SECTION_TYPES_)
            abort();
        for (size_t j = 0; j < section->size; j++)
            octets += section->data[j] != 0;
    }
    if (octets > LIMIT || (recording->whole && (recording->count == 0 || recording->sections[recording->count - 1].type != FLOW_DONE)))
        abort();
    flow_recording_free(recording);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t room = HEADER_SIZE + ZSTD_compressBound(size);
    uint8_t *file = calloc(1, room);

    read_file(data, size);
    if (!file)
        return 0;
    memcpy(file, "KITHFLOW\1", 9);
    size_t packed = ZSTD_compress(file + HEADER_SIZE, room - HEADER_SIZE, data, size, 1);
    if (ZSTD_isError(packed))
        abort();
    read_file(file, HEADER_SIZE + packed);
    free(file);
    return 0;
}
