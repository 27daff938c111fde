/* Recordings: what is written is read; what is cut, broken, too new or too large is said to be so. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "flow/recording/recording.h"

#define PAGES 300
#define PAGE_OCTETS 4096

/* A recording in memory: META, PAGES pages that do not compress well, and DONE when `whole`. */
static char *make(bool whole, size_t *ret_size) {
    int fd = memfd_create("recording", MFD_CLOEXEC);
    uint8_t page[PAGE_OCTETS];
    struct flow_writer *writer = NULL;
    char *data = NULL;

    assert_int_equal(flow_writer_new(fd, &writer), 0);
    assert_int_equal(flow_writer_add(writer, FLOW_META, &(struct flow_piece){"{}", 2}, 1), 0);
    for (uint32_t i = 0, x = 1; i < PAGES; i++) {
        for (size_t j = 0; j < sizeof(page); j++)
            page[j] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
        struct flow_piece pieces[] = {{&i, sizeof(i)}, {page, sizeof(page)}};
        assert_int_equal(flow_writer_add(writer, FLOW_PAGE, pieces, 2), 0);
    }
    if (whole)
        assert_int_equal(flow_writer_finish(writer), 0);
    flow_writer_free(writer);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(kith_fd_read(fd, SIZE_MAX, &data, ret_size), 0);
    close(fd);
    return data;
}

static int read_back(const void *data, size_t size, size_t limit, struct flow_recording **ret) {
    struct kith_error error = KITH_ERROR_NONE;
    int r = flow_recording_read(data, size, limit, ret, &error);

    assert_int_equal(error.code, r);
    assert_true((r < 0) == (error.text[0] != '\0'));
    return r;
}

static void test_what_is_written_is_read(void **state) {
    struct flow_recording *recording = NULL;
    size_t size;
    char *data = make(true, &size);

    assert_int_equal(read_back(data, size, FLOW_UNPACKED_MAX, &recording), 0);
    assert_true(recording->whole);
    assert_int_equal(recording->count, PAGES + 2);
    assert_int_equal(recording->sections[0].type, FLOW_META);
    assert_memory_equal(recording->sections[0].data, "{}", 2);
    for (uint32_t i = 0; i < PAGES; i++) {
        assert_int_equal(recording->sections[1 + i].type, FLOW_PAGE);
        assert_int_equal(recording->sections[1 + i].size, 4 + PAGE_OCTETS);
        assert_memory_equal(recording->sections[1 + i].data, &i, 4);
    }
    assert_int_equal(recording->sections[PAGES + 1].type, FLOW_DONE);
    assert_int_equal(recording->sections[PAGES + 1].size, 0);
    flow_recording_free(recording);
    free(data);
}

static void test_one_that_ends_early_is_read_up_to_there(void **state) {
    struct flow_recording *recording = NULL;
    size_t size, last = 0;
    char *data = make(true, &size);

    for (size_t n = 16; n < size; n += 29989, flow_recording_free(recording)) {
        assert_int_equal(read_back(data, n, FLOW_UNPACKED_MAX, &recording), 0);
        assert_false(recording->whole);
        assert_true(recording->count >= last);
        last = recording->count;
    }
    assert_true(last > PAGES / 2);
    free(data);
}

static void test_what_a_killed_recorder_leaves_is_read(void **state) {
    struct flow_recording *recording = NULL;
    size_t size;
    char *data = make(false, &size);

    assert_int_equal(read_back(data, size, FLOW_UNPACKED_MAX, &recording), 0);
    assert_false(recording->whole);
    assert_true(recording->count > PAGES / 2);
    flow_recording_free(recording);
    free(data);
}

static void test_a_changed_octet_is_an_error_or_told(void **state) {
    struct flow_recording *recording = NULL;
    size_t size, found = 0, tried = 0;
    char *data = make(true, &size);

    for (size_t i = 16; i < size; i += 30011, tried++) {
        data[i] ^= 0x10;
        if (read_back(data, size, FLOW_UNPACKED_MAX, &recording) == -EBADMSG)
            found++;
        else
            recording = flow_recording_free(recording);
        data[i] ^= 0x10;
    }
    assert_int_equal(found, tried);
    free(data);
}

static void test_more_than_the_limit_is_refused(void **state) {
    struct flow_recording *recording = NULL;
    const size_t unpacked = 16 + 2 + (size_t)PAGES * (16 + 4 + PAGE_OCTETS) + 16;
    size_t size;
    char *data = make(true, &size);

    assert_int_equal(read_back(data, size, unpacked - 1, &recording), -E2BIG);
    assert_int_equal(read_back(data, size, 0, &recording), -E2BIG);
    assert_int_equal(read_back(data, size, unpacked, &recording), 0);
    assert_true(recording->whole);
    flow_recording_free(recording);
    free(data);
}

static void test_what_follows_the_end_is_an_error(void **state) {
    struct flow_recording *recording = NULL;
    size_t size;
    char *data = make(true, &size);

    data = realloc(data, size + 1);
    data[size] = 0;
    assert_int_equal(read_back(data, size + 1, FLOW_UNPACKED_MAX, &recording), -EBADMSG);
    free(data);
}

static void test_a_newer_format_and_another_file_are_told_apart(void **state) {
    struct flow_recording *recording = NULL;
    size_t size;
    char *data = make(true, &size);

    data[8] = FLOW_FORMAT_MAJOR + 1;
    assert_int_equal(read_back(data, size, FLOW_UNPACKED_MAX, &recording), -EPROTONOSUPPORT);
    data[0] = 'k';
    assert_int_equal(read_back(data, size, FLOW_UNPACKED_MAX, &recording), -EINVAL);
    assert_int_equal(read_back(data, 15, FLOW_UNPACKED_MAX, &recording), -EINVAL);
    assert_int_equal(read_back("", 0, FLOW_UNPACKED_MAX, &recording), -EINVAL);
    free(data);
}

static void test_a_full_disk_is_told_and_remembered(void **state) {
    struct flow_writer *writer = NULL;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    assert_int_equal(flow_writer_new(fd, &writer), -ENOSPC);
    close(fd);
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(flow_writer_new(pipes[1], &writer), 0);
    close(pipes[1]);
    assert_int_equal(flow_writer_finish(writer), -EBADF);
    assert_int_equal(flow_writer_add(writer, FLOW_META, NULL, 0), -EBADF);
    flow_writer_free(writer);
    close(pipes[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_one_that_ends_early_is_read_up_to_there),
        cmocka_unit_test(test_what_a_killed_recorder_leaves_is_read),
        cmocka_unit_test(test_a_changed_octet_is_an_error_or_told),
        cmocka_unit_test(test_more_than_the_limit_is_refused),
        cmocka_unit_test(test_what_follows_the_end_is_an_error),
        cmocka_unit_test(test_a_newer_format_and_another_file_are_told_apart),
        cmocka_unit_test(test_a_full_disk_is_told_and_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
