/* Archives of packages, and modules in them. */
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

#include "base/cleanup.h"
#include "flow/guest/module.h"
#include "flow/guest/package.h"
#include "flow/guest/tar.h"

#define BLOCK 512

/* Archives --------------------------------------------------------------------------------------------------------------- */

struct archive {
    uint8_t octets[16 * BLOCK];
    size_t size;
};

static void put_entry(struct archive *archive, char type, const char *prefix, const char *name, const void *data, size_t size) {
    uint8_t *block = archive->octets + archive->size;
    unsigned sum = 0;

    strncpy((char *)block, name, 100);
    sprintf((char *)block + 124, "%011o", (unsigned)size);
    memset(block + 148, ' ', 8);
    block[156] = (uint8_t)type;
    memcpy(block + 257, "ustar", 6);
    strncpy((char *)block + 345, prefix, 155);
    for (size_t i = 0; i < BLOCK; i++)
        sum += block[i];
    sprintf((char *)block + 148, "%06o", sum);
    memcpy(block + BLOCK, data, size);
    archive->size += BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
}

static FILE *open_archive(struct archive *archive, size_t size) {
    FILE *file = fmemopen(archive->octets, size, "r");

    assert_non_null(file);
    return file;
}

static void test_entries_come_in_order_read_or_passed(void **state) {
    static struct archive archive;
    static char text[700], long_name[300];
    struct flow_tar tar = {0};
    uint8_t *data = NULL;

    memset(text, 'x', sizeof(text));
    memset(long_name, 'n', sizeof(long_name) - 1);
    archive = (struct archive){0};
    put_entry(&archive, '5', "", "./boot/", "", 0);
    put_entry(&archive, '0', "", "./boot/config", text, sizeof(text));
    put_entry(&archive, '0', "./lib", "modules/a.ko", "ELF", 3);
    put_entry(&archive, 'L', "", "././@LongLink", long_name, sizeof(long_name));
    put_entry(&archive, '0', "", "nnn", text, 512);
    tar.file = open_archive(&archive, archive.size + 2 * BLOCK);
    assert_int_equal(flow_tar_next(&tar), 1);
    assert_int_equal(tar.type, '5');
    assert_int_equal(flow_tar_next(&tar), 1); /* and is not read */
    assert_string_equal(tar.name, "./boot/config");
    assert_int_equal(flow_tar_next(&tar), 1);
    assert_string_equal(tar.name, "./lib/modules/a.ko");
    assert_int_equal(flow_tar_read(&tar, 2, &data), -EFBIG);
    assert_int_equal(flow_tar_read(&tar, 3, &data), 0);
    assert_memory_equal(data, "ELF", 3);
    free(data);
    assert_int_equal(flow_tar_next(&tar), 1);
    assert_string_equal(tar.name, long_name);
    assert_int_equal(tar.size, 512);
    assert_int_equal(flow_tar_next(&tar), 0);
    fclose(tar.file);
}

static void test_an_archive_that_is_broken_or_cut_off_is_told(void **state) {
    static struct archive archive;
    int r = 1;

    archive = (struct archive){0};
    put_entry(&archive, '0', "", "a", "octets", 6);
    for (size_t size = 1; size < 2 * BLOCK; size += 100) {
        struct flow_tar tar = {.file = open_archive(&archive, size)};
        for (r = 1; r > 0;)
            r = flow_tar_next(&tar);
        assert_int_equal(r, -EBADMSG);
        fclose(tar.file);
    }
    archive.octets[0] ^= 1;
    struct flow_tar tar = {.file = open_archive(&archive, sizeof(archive.octets))};
    assert_int_equal(flow_tar_next(&tar), -EBADMSG);
    fclose(tar.file);
}

/* Modules ---------------------------------------------------------------------------------------------------------------- */

/* An ELF file as far as anybody looks, with a .modinfo. */
static int add(struct flow_modules *modules, const char *path, const char *depends) {
    uint8_t file[256] = "\x7f"
                        "ELF";

    sprintf((char *)file + 100, "depends=%s", depends);
    return flow_modules_add(modules, path, file, sizeof(file));
}

static void test_what_a_module_depends_on_is_wanted_and_comes_first(void **state) {
    _cleanup_(flow_modules_deinit) struct flow_modules modules = {0};

    assert_int_equal(flow_modules_want(&modules, "tcp-diag", false), 0);
    assert_int_equal(flow_modules_want(&modules, "ipv6", true), 0);
    assert_true(flow_modules_wants(&modules, "lib/net/tcp_diag.ko.xz"));
    assert_false(flow_modules_wants(&modules, "lib/net/tcp_diag.kox"));
    assert_false(flow_modules_wants(&modules, "lib/net/tcp.ko"));
    assert_int_equal(add(&modules, "net/tcp_diag.ko", "inet_diag,crc"), 0);
    assert_string_equal(flow_modules_missing(&modules, false), "inet_diag");
    assert_int_equal(add(&modules, "net/inet_diag.ko", "crc"), 0);
    assert_int_equal(add(&modules, "lib/crc.ko", ""), 0);
    assert_int_equal(add(&modules, "lib/other.ko", ""), 0); /* nobody asked */
    assert_null(flow_modules_missing(&modules, false));
    assert_string_equal(flow_modules_missing(&modules, true), "ipv6");
    flow_modules_order(&modules);
    assert_int_equal(modules.count, 3);
    assert_string_equal(modules.modules[0].name, "crc");
    assert_string_equal(modules.modules[1].name, "inet_diag");
    assert_string_equal(modules.modules[2].name, "tcp-diag");
}

static void test_modules_that_depend_on_each_other_end_the_search(void **state) {
    _cleanup_(flow_modules_deinit) struct flow_modules modules = {0};

    assert_int_equal(flow_modules_want(&modules, "a", false), 0);
    assert_int_equal(add(&modules, "a.ko", "b,a"), 0);
    assert_int_equal(add(&modules, "b.ko", "a"), 0);
    flow_modules_order(&modules);
    assert_int_equal(modules.count, 2);
}

static void test_too_many_modules_are_an_error(void **state) {
    _cleanup_(flow_modules_deinit) struct flow_modules modules = {0};
    char name[16];
    int r = 0;

    for (int i = 0; r == 0 && i < 1000; i++) {
        sprintf(name, "m%d", i);
        r = flow_modules_want(&modules, name, false);
    }
    assert_int_equal(r, -E2BIG);
    assert_int_equal(modules.count, FLOW_MODULES_MAX);
}

static void test_a_file_that_is_no_module_is_an_error(void **state) {
    _cleanup_(flow_modules_deinit) struct flow_modules modules = {0};

    assert_int_equal(flow_modules_want(&modules, "a", false), 0);
    assert_int_equal(flow_modules_add(&modules, "a.ko", (const uint8_t *)"text", 4), -EPROTONOSUPPORT);
}

static void test_a_package_is_told_by_its_first_octets(void **state) {
    assert_true(flow_package_is((const uint8_t *)"!<arch>\ndebian-binary", 21));
    assert_false(flow_package_is((const uint8_t *)"!<arch>", 7));
    assert_false(flow_package_is((const uint8_t *)"\x7f"
                                                  "ELF12345",
                                 9));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_come_in_order_read_or_passed),
        cmocka_unit_test(test_an_archive_that_is_broken_or_cut_off_is_told),
        cmocka_unit_test(test_what_a_module_depends_on_is_wanted_and_comes_first),
        cmocka_unit_test(test_modules_that_depend_on_each_other_end_the_search),
        cmocka_unit_test(test_too_many_modules_are_an_error),
        cmocka_unit_test(test_a_file_that_is_no_module_is_an_error),
        cmocka_unit_test(test_a_package_is_told_by_its_first_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
