/*
 * What it takes to look into the kernel's memory, and what is said when that is missing. Runs in guests only: the last test locks the
 * kernel down for good.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "map/kernel/follow.h"
#include "map/kernel/tables.h"
#include "map/net.h"

#define BPF (UINT64_C(1) << CAP_BPF)
#define PERFMON (UINT64_C(1) << CAP_PERFMON)
#define SYS_ADMIN (UINT64_C(1) << CAP_SYS_ADMIN)

static int ignore_row(const struct map_kernel_row *row, void *userdata) {
    return 0;
}

/* For a child process: 0 when both can be had and used. */
static int try_both(void) {
    _cleanup_(map_kernel_tables_freep) struct map_kernel_tables *tables = NULL;
    _cleanup_(map_follow_freep) struct map_follow *follow = NULL;

    if (map_kernel_tables_new(&tables, NULL) < 0 || map_kernel_tables_read(tables, ignore_row, NULL, NULL) < 0)
        return 1;
    return map_follow_new(&follow, NULL) < 0 ? 2 : 0;
}

/* For a child process: 0 when neither can be had, and the error is this code with this word in its text, and without that one. */
static int try_in_vain(int code, const char *word, const char *not_that) {
    struct map_kernel_tables *tables = NULL;
    struct map_follow *follow = NULL;
    struct kith_error errors[2] = {KITH_ERROR_NONE, KITH_ERROR_NONE};

    if (map_kernel_tables_new(&tables, &errors[0]) != code || map_follow_new(&follow, &errors[1]) != code || tables || follow)
        return 1;
    for (size_t i = 0; i < 2; i++)
        if (errors[i].code != code || !strstr(errors[i].text, word) || (not_that && strstr(errors[i].text, not_that)))
            return 2;
    return 0;
}

static int try_without_any(void) {
    return try_in_vain(-EPERM, "not without CAP_BPF and CAP_PERFMON; run it as root", NULL);
}

static int try_without_bpf(void) {
    return try_in_vain(-EPERM, "not without CAP_BPF;", "CAP_PERFMON;");
}

static int try_without_perfmon(void) {
    return try_in_vain(-EPERM, "not without CAP_PERFMON;", "CAP_BPF;");
}

static void test_an_error_names_the_capabilities_that_are_missing(void **state) {
    assert_int_equal(net_as_nobody(try_without_any), 0);
    assert_int_equal(net_with_capabilities(0, try_without_any), 0);
    assert_int_equal(net_with_capabilities(PERFMON, try_without_bpf), 0);
    assert_int_equal(net_with_capabilities(BPF, try_without_perfmon), 0);
}

static void test_two_capabilities_are_enough_or_the_one_for_everything(void **state) {
    assert_int_equal(net_with_capabilities(BPF | PERFMON, try_both), 0);
    assert_int_equal(net_with_capabilities(SYS_ADMIN, try_both), 0);
}

static int try_in_a_user_namespace(void) {
    return unshare(CLONE_NEWUSER) == 0 ? try_in_vain(-EPERM, "first user namespace", "not without") : 99;
}

static void test_capabilities_of_another_user_namespace_are_told_to_be_those(void **state) {
    assert_int_equal(net_as_nobody(try_in_a_user_namespace), 0);
}

static int try_without_types(void) {
    if (unshare(CLONE_NEWNS) < 0 || mount("tmpfs", "/sys/kernel/btf", "tmpfs", 0, NULL) < 0)
        return 99;
    return try_in_vain(-ENOTSUP, "CONFIG_DEBUG_INFO_BTF", NULL);
}

static void test_a_kernel_without_types_is_told_to_be_one(void **state) {
    assert_int_equal(net_with_capabilities(BPF | PERFMON | SYS_ADMIN, try_without_types), 0);
}

static void test_a_kernel_that_is_locked_down_is_read_all_the_same(void **state) {
    static const char level[] = "confidentiality";

    assert_int_equal(mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL), 0);
    int fd = open("/sys/kernel/security/lockdown", O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, level, strlen(level)), strlen(level));
    close(fd);
    assert_int_equal(try_both(), 0);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_names_the_capabilities_that_are_missing),
        cmocka_unit_test(test_two_capabilities_are_enough_or_the_one_for_everything),
        cmocka_unit_test(test_capabilities_of_another_user_namespace_are_told_to_be_those),
        cmocka_unit_test(test_a_kernel_without_types_is_told_to_be_one),
        cmocka_unit_test(test_a_kernel_that_is_locked_down_is_read_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
