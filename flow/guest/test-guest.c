/* What a guest is made of, and what comes back from it. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "flow/guest/cpio.h"
#include "flow/guest/frame.h"
#include "flow/guest/image.h"

#define KERNEL_SIZE 100000
#define PAYLOAD_AT (5 * 512)

/* Frames ----------------------------------------------------------------------------------------------------------------- */

static size_t make_frame(uint8_t *octets, const char *text) {
    struct flow_frame frame = {FLOW_FRAME_RECORDING, (const uint8_t *)text, strlen(text)};

    flow_frame_write_header(&frame, octets);
    memcpy(octets + FLOW_FRAME_HEADER, text, frame.size);
    return FLOW_FRAME_HEADER + frame.size;
}

static void test_a_frame_is_read_as_it_was_written(void **state) {
    uint8_t octets[64];
    struct flow_frame frame = {0};
    size_t size = make_frame(octets, "pages");

    assert_int_equal(flow_frame_read(octets, size, &frame), 0);
    assert_int_equal(frame.type, FLOW_FRAME_RECORDING);
    assert_int_equal(frame.size, 5);
    assert_memory_equal(frame.data, "pages", 5);
}

static void test_a_frame_that_was_cut_off_is_told_from_a_broken_one(void **state) {
    uint8_t octets[64];
    struct flow_frame frame = {0};
    size_t size = make_frame(octets, "pages");

    for (size_t n = 0; n < size; n++)
        assert_int_equal(flow_frame_read(octets, n, &frame), -ENODATA);
    for (size_t i = 0; i < size; i++) {
        octets[i] ^= 1;
        int r = flow_frame_read(octets, size, &frame);
        assert_true(r == -EBADMSG || r == -ENODATA || i == 10 || i == 11); /* two octets are reserved */
        octets[i] ^= 1;
    }
}

/* Archives --------------------------------------------------------------------------------------------------------------- */

static unsigned field(const uint8_t *entry, unsigned i) {
    char digits[9] = {0};

    memcpy(digits, entry + 6 + 8 * i, 8);
    return (unsigned)strtoul(digits, NULL, 16);
}

static void test_an_archive_is_what_the_kernel_unpacks(void **state) {
    const struct {
        const char *name;
        unsigned mode;
        const char *data;
    } wanted[] = {{"dev", 040755, ""}, {"dev/console", 020600, ""}, {"init", 0100755, "hello"}, {"TRAILER!!!", 0, ""}};
    _cleanup_(flow_cpio_deinit) struct flow_cpio cpio = {0};

    flow_cpio_add_folder(&cpio, "dev");
    flow_cpio_add_device(&cpio, "dev/console", 5, 1);
    flow_cpio_add_file(&cpio, "init", 0755, "hello", 5);
    assert_int_equal(flow_cpio_finish(&cpio), 0);
    const uint8_t *at = cpio.data;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(wanted); i++) {
        size_t name_size = field(at, 11), size = field(at, 6);
        assert_memory_equal(at, "070701", 6);
        assert_int_equal(field(at, 1), wanted[i].mode);
        assert_string_equal((const char *)at + 110, wanted[i].name);
        assert_int_equal(name_size, strlen(wanted[i].name) + 1);
        at += (110 + name_size + 3) & ~(size_t)3;
        assert_int_equal(size, strlen(wanted[i].data));
        assert_memory_equal(at, wanted[i].data, size);
        at += (size + 3) & ~(size_t)3;
    }
    assert_ptr_equal(at, cpio.data + cpio.size);
}

/* Kernels ---------------------------------------------------------------------------------------------------------------- */

static uint8_t kernel[KERNEL_SIZE];

static size_t pack_gzip(uint8_t *out, size_t room) {
    z_stream z = {.next_in = kernel, .avail_in = KERNEL_SIZE, .next_out = out, .avail_out = (uInt)room};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static size_t pack_xz(uint8_t *out, size_t room) {
    size_t size = 0;

    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, kernel, KERNEL_SIZE, out, &size, room), LZMA_OK);
    return size;
}

static size_t pack_zstd(uint8_t *out, size_t room) {
    return ZSTD_compress(out, room, kernel, KERNEL_SIZE, 3);
}

static size_t pack_lz4(uint8_t *out, size_t room) {
    int size = LZ4_compress_default((const char *)kernel, (char *)out + 8, KERNEL_SIZE, (int)room - 8);
    uint32_t packed = htole32((uint32_t)size);

    memcpy(out, "\x02\x21\x4c\x18", 4);
    memcpy(out + 4, &packed, sizeof(packed));
    return (size_t)size + 8;
}

static size_t pack_unknown(uint8_t *out, size_t room) {
    memcpy(out, "LZO!", 4);
    return 100;
}

/* A bzImage around a payload; as the kernel's build does, its unpacked size lies behind it, within the payload's length. */
static size_t make_image(uint8_t *image, size_t room, size_t (*pack)(uint8_t *, size_t)) {
    size_t size;

    memset(image, 0, room);
    memset(kernel, 7, KERNEL_SIZE);
    memcpy(kernel,
           "\x7f"
           "ELF",
           4);
    size = pack(image + PAYLOAD_AT, room - PAYLOAD_AT) + 4;
    memcpy(image + 0x202, "HdrS", 4);
    uint32_t place[2] = {0, htole32((uint32_t)size)};
    memcpy(image + 0x248, place, sizeof(place));
    return PAYLOAD_AT + size;
}

static int unpack(const uint8_t *image, size_t size) {
    struct kith_error error = KITH_ERROR_NONE;
    uint8_t *found = NULL;
    size_t found_size = 0;
    int r = flow_image_unpack("vmlinuz", image, size, &found, &found_size, &error);

    assert_true((r < 0) == (strncmp(error.text, "vmlinuz: ", 9) == 0));
    if (r == 0) {
        assert_int_equal(found_size, KERNEL_SIZE);
        assert_memory_equal(found, kernel, KERNEL_SIZE);
    }
    free(found);
    return r;
}

static void test_kernels_are_unpacked(void **state) {
    size_t (*const packs[])(uint8_t *, size_t) = {pack_gzip, pack_xz, pack_zstd, pack_lz4};
    static uint8_t image[2 * KERNEL_SIZE];

    for (size_t i = 0; i < KITH_ARRAY_SIZE(packs); i++) {
        size_t size = make_image(image, sizeof(image), packs[i]);
        assert_int_equal(unpack(image, size), 0);
    }
    assert_int_equal(unpack(kernel, KERNEL_SIZE), 0);
}

static void test_what_is_no_kernel_is_told(void **state) {
    static uint8_t image[2 * KERNEL_SIZE];
    size_t size = make_image(image, sizeof(image), pack_unknown);

    assert_int_equal(unpack(image, size), -EPROTONOSUPPORT);
    assert_int_equal(unpack(image, size - 1), -EBADMSG);
    assert_int_equal(unpack((const uint8_t *)"#!/bin/sh", 9), -EINVAL);
    assert_int_equal(unpack((const uint8_t *)"", 0), -EINVAL);
}

static void test_a_kernel_that_was_cut_off_is_told(void **state) {
    size_t (*const packs[])(uint8_t *, size_t) = {pack_gzip, pack_xz, pack_zstd, pack_lz4};
    static uint8_t image[2 * KERNEL_SIZE];

    for (size_t i = 0; i < KITH_ARRAY_SIZE(packs); i++) {
        size_t size = make_image(image, sizeof(image), packs[i]);
        uint32_t length = htole32((uint32_t)(size - PAYLOAD_AT) / 2);
        memcpy(image + 0x24c, &length, sizeof(length));
        assert_int_equal(unpack(image, size), -EBADMSG);
    }
}

/* What a kernel has that can be recorded, from its files in tracefs to its BTF. */
static const char able[] = "\x7f"
                           "ELF set_ftrace_filter set_graph_function kprobe_events serial8250 "
                           "\x9f\xeb\1\0\x18\0\0\0\0\0\0\0";

static void test_what_a_kernel_lacks_is_said_before_it_boots(void **state) {
    static const char *const lacks[][2] = {{"set_ftrace_filter", "CONFIG_DYNAMIC_FTRACE"},
                                           {"set_graph", "CONFIG_FUNCTION_GRAPH_TRACER"},
                                           {"kprobe_events", "CONFIG_KPROBE_EVENTS"},
                                           {"serial8250", "CONFIG_SERIAL_8250"},
                                           {"\x9f\xeb", "CONFIG_DEBUG_INFO_BTF"}};

    assert_int_equal(flow_image_check("linux", (const uint8_t *)able, sizeof(able), NULL), 0);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(lacks); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        uint8_t lacking[sizeof(able)];
        memcpy(lacking, able, sizeof(able));
        *(char *)memmem(lacking, sizeof(lacking), lacks[i][0], strlen(lacks[i][0])) = '-';
        assert_int_equal(flow_image_check("linux", lacking, sizeof(lacking), &error), -EOPNOTSUPP);
        assert_non_null(strstr(error.text, lacks[i][1]));
        assert_non_null(strstr(error.text, "--kernel"));
    }
}

static void test_a_kernel_says_which_it_is(void **state) {
    static const char text[] = "? Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org)", cut[] = "Linux version 6.1";
    char version[64];

    flow_image_version((const uint8_t *)text, sizeof(text), version, sizeof(version));
    assert_string_equal(version, "6.1.0-50-amd64");
    flow_image_version((const uint8_t *)cut, sizeof(cut) - 1, version, sizeof(version));
    assert_string_equal(version, "6.1");
    flow_image_version((const uint8_t *)able, sizeof(able), version, sizeof(version));
    assert_string_equal(version, "");
    flow_image_version((const uint8_t *)"Linux version ../a", 18, version, sizeof(version));
    assert_string_equal(version, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frame_is_read_as_it_was_written),
        cmocka_unit_test(test_a_frame_that_was_cut_off_is_told_from_a_broken_one),
        cmocka_unit_test(test_an_archive_is_what_the_kernel_unpacks),
        cmocka_unit_test(test_kernels_are_unpacked),
        cmocka_unit_test(test_what_is_no_kernel_is_told),
        cmocka_unit_test(test_a_kernel_that_was_cut_off_is_told),
        cmocka_unit_test(test_what_a_kernel_lacks_is_said_before_it_boots),
        cmocka_unit_test(test_a_kernel_says_which_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
