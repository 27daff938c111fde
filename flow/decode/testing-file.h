/* flow/decode/testing-file.h: recordings of real kernels, which lie in tests/flow/, for tests of cmocka's. */
#ifndef KITH_FLOW_TESTING_FILE_H
#define KITH_FLOW_TESTING_FILE_H

#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "flow/decode/decode.h"
#include "flow/recording/recording.h"

#define TEST_FILE_MAX ((size_t)64 << 20)

/* RECORDINGS is the folder; meson says which. To free(). */
static inline char *test_file(const char *name, size_t *ret_size) {
    char *data = NULL, path[512];

    snprintf(path, sizeof(path), "%s/%s", RECORDINGS, name);
    assert_int_equal(kith_file_read(AT_FDCWD, path, TEST_FILE_MAX, &data, ret_size), 0);
    return data;
}

static inline struct flow_recording *test_recording(const char *name) {
    struct flow_recording *recording = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    size_t size;
    char *data = test_file(name, &size);

    if (flow_recording_read(data, size, TEST_FILE_MAX, &recording, &error) < 0)
        fail_msg("%s", error.text);
    free(data);
    return recording;
}

static inline struct flow_model *test_model(const struct flow_recording *recording) {
    struct flow_model *model = NULL;
    struct kith_error error = KITH_ERROR_NONE;

    if (flow_model_new(recording, NULL, &model, &error) < 0)
        fail_msg("%s", error.text);
    return model;
}

static inline struct flow_model *test_model_of(const char *name) {
    _cleanup_(flow_recording_freep) struct flow_recording *recording = test_recording(name);
    return test_model(recording);
}

#endif
