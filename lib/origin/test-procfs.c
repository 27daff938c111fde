/* Text of /proc files, as kernels write it and as they never would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/cleanup.h"
#include "origin/procfs.h"

/* One text in, one text out; NULL: -ENODATA. */
struct text_case {
    const char *text;
    const char *expected;
};

static void check_texts(int (*parse)(const char *text, char **ret), const struct text_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *result = NULL;
        int r = parse(cases[i].text, &result);

        assert_int_equal(r, cases[i].expected ? 0 : -ENODATA);
        if (cases[i].expected)
            assert_string_equal(result, cases[i].expected);
        else
            assert_null(result);
        free(result);
    }
}

static void test_the_cgroup_is_that_of_the_hierarchy_that_systemd_uses(void **state) {
    static const struct text_case cases[] = {
        {"0::/system.slice/foo.service\n", "/system.slice/foo.service"},
        {"0::/\n", "/"},
        {"0::/../sibling\n", "/../sibling"},
        /* v1 alone */
        {"9:name=systemd:/system.slice/foo.service\n8:pids:/x\n", "/system.slice/foo.service"},
        {"12:pids:/x\n1:name=systemd:/user.slice\n", "/user.slice"},
        /* hybrid */
        {"9:name=systemd:/a\n8:pids:/b\n0::/c\n", "/c"},
        {"9:name=systemd:/a\n0::/\n", "/a"},
        {"9:name=systemd:/\n8:memory:/b\n0::/\n", "/"},
        {"10::/x\n0::/y:z\n", "/y:z"},
        /* neither, or nonsense */
        {"8:pids:/x\n", NULL},
        {"", NULL},
        {"0::", NULL},
        {"0::relative\n", NULL},
        {"0:", NULL},
        {"x:name=systemd:/a\n", NULL},
        {"8:pids:/0::/x\n", NULL},
        {"0::/no newline", "/no newline"},
    };

    check_texts(kith_procfs_cgroup, cases, KITH_ARRAY_SIZE(cases));
}

static void test_the_unit_is_the_one_of_the_system_s_manager(void **state) {
    static const struct text_case cases[] = {
        {"/system.slice/nginx.service", "nginx.service"},
        {"/system.slice/nginx.service/worker", "nginx.service"},
        {"/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "user@1000.service"},
        {"/user.slice/user-1000.slice/session-3.scope", "session-3.scope"},
        {"/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service"},
        {"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"},
        {"/system.slice/my\\x2dapp.service", "my\\x2dapp.service"},
        {"/../x.socket", NULL},
        {"/docker/1234/system.slice/nginx.service", NULL},
        {"/system.slice/docker-1234.scope/system.slice/nginx.service", "docker-1234.scope"},
        {"/x.socket", "x.socket"},
        {"/system.slice", NULL},
        {"/", NULL},
        {"", NULL},
        {"/.service", NULL},
        {"/foo.service.d", NULL},
        {"/fooservice", NULL},
        {"//a.mount//", "a.mount"},
    };

    check_texts(kith_procfs_unit, cases, KITH_ARRAY_SIZE(cases));
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_the_container_is_the_outermost_that_root_named(void **state) {
    static const struct text_case cases[] = {
        {"/system.slice/docker-" ID ".scope", ID},
        {"/system.slice/docker-" ID ".scope/docker/" ID "/x", ID},
        {"/docker/" ID, ID},
        {"/docker/" ID "/system.slice/sshd.service", ID},
        {"/machine.slice/libpod-" ID ".scope", ID},
        {"/machine.slice/libpod-" ID ".scope/container", ID},
        {"/libpod_parent/libpod-" ID, ID},
        {"/machine.slice/libpod-conmon-" ID ".scope", NULL},
        {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/crio-" ID ".scope", ID},
        {"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", ID},
        {"/kubepods.slice/kubepods-pod1.slice/crio-conmon-" ID ".scope", NULL},
        {"/kubepods/besteffort/pod1/" ID, ID},
        {"/kubepods/pod1/" ID, ID},
        {"/kubepods/besteffort/pod1", NULL},
        {"/kubepods/a/b/c/" ID, NULL},
        {"/lxc/web", "web"},
        {"/lxc/web/system.slice", "web"},
        {"/lxc.payload.web", "web"},
        {"/lxc.payload.web/init.scope", "web"},
        {"/lxc.monitor.web", NULL},
        {"/lxc/", NULL},
        {"/machine.slice/machine-web.scope", "web"},
        {"/machine.slice/machine-my\\x2dbox.scope/payload", "my\\x2dbox"},
        {"/machine.slice/systemd-nspawn@web.service/payload/system.slice/a.service", "web"},
        {"/system.slice/nginx.service", NULL},
        {"/system.slice/docker.service", NULL},
        {"/system.slice/docker-1234.scope", NULL},
        {"/system.slice/docker-.scope", NULL},
        {"/docker/1234", NULL},
        {"/docker/" ID "0", NULL},
        {"/docker", NULL},
        {"/", NULL},
        {"", NULL},
        /* named by a user, or by whoever has a subtree: not root's word */
        {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope", NULL},
        {"/system.slice/a.service/docker-" ID ".scope", NULL},
        {"/../docker/" ID, NULL},
        {"/x/docker/" ID, NULL},
    };

    check_texts(kith_procfs_container, cases, KITH_ARRAY_SIZE(cases));
}

static void test_the_session_is_the_one_that_logind_made(void **state) {
    static const struct text_case cases[] = {
        {"/user.slice/user-1000.slice/session-3.scope", "3"},
        {"/user.slice/user-1000.slice/session-c12.scope/x", "c12"},
        {"/user.slice/user-1000.slice/user@1000.service/app.slice/session-3.scope", NULL},
        {"/user.slice/user-1000.slice/user@1000.service", NULL},
        {"/user.slice/user-1000.slice/session-.scope", NULL},
        {"/user.slice/user-1000.slice/session-3.service", NULL},
        {"/user.slice/user-1000.slice", NULL},
        {"/user.slice/session-3.scope", NULL},
        {"/system.slice/session-3.scope", NULL},
        {"", NULL},
    };

    check_texts(kith_procfs_session, cases, KITH_ARRAY_SIZE(cases));
}

/* One text in, one number out; NO_DATA: -ENODATA. */
#define NO_DATA UINT64_MAX
struct number_case {
    const char *text;
    uint64_t expected;
};

static void check_numbers(int (*parse)(const char *text, uint64_t *ret), const struct number_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t result = NO_DATA;

        assert_int_equal(parse(cases[i].text, &result), cases[i].expected == NO_DATA ? -ENODATA : 0);
        assert_true(result == cases[i].expected);
    }
}

static void test_a_namespace_is_its_inode(void **state) {
    static const struct number_case cases[] = {
        {"pid:[4026531836]", 4026531836}, {"user:[1]", 1},  {"pid:[]", NO_DATA}, {"pid:[4026531836", NO_DATA},
        {"pid:[4026531836]x", NO_DATA},   {"pid", NO_DATA}, {"", NO_DATA},       {"pid:[-1]", NO_DATA},
        {"pid:[4294967296]", NO_DATA},
    };

    check_numbers(kith_procfs_namespace, cases, KITH_ARRAY_SIZE(cases));
}

static void test_permitted_capabilities_are_read(void **state) {
    static const struct number_case cases[] = {
        {"CapInh:\tff\nCapPrm:\t00000000000000c0\nCapEff:\t0\n", 0xc0},
        {"CapPrm:\t000001ffffffffff\n", 0x1ffffffffff},
        {"CapPrm:\t\n", NO_DATA},
        {"CapPrm:\t0", NO_DATA},
        {"CapPrm:\tFF\n", NO_DATA},
        {"CapPrm:\t10000000000000000\n", NO_DATA},
        {"CapEff:\t1\n", NO_DATA},
        {"", NO_DATA},
    };

    check_numbers(kith_procfs_permitted, cases, KITH_ARRAY_SIZE(cases));
}

static void test_a_map_has_so_many_ids(void **state) {
    static const struct number_case cases[] = {
        {"         0          0 4294967295\n", 4294967295},
        {"0 1000 1\n1 100000 65536\n", 65537},
        {"0 1000 1\n", 1},
        {"", 0},
        {"0 1000\n", NO_DATA},
        {"0 1000 1", NO_DATA},
        {"0 1000 1 2\n", NO_DATA},
        {"x\n", NO_DATA},
        {"\n", NO_DATA},
    };

    check_numbers(kith_procfs_map_size, cases, KITH_ARRAY_SIZE(cases));
}

static void test_a_file_of_one_number_is_read(void **state) {
    static const struct number_case cases[] = {{"65534\n", 65534}, {"0", 0}, {"", NO_DATA}, {"-1\n", NO_DATA}, {"1 2\n", NO_DATA}};

    check_numbers(kith_procfs_number, cases, KITH_ARRAY_SIZE(cases));
}

static void test_groups_are_counted_and_read(void **state) {
    gid_t *groups = (gid_t *)1;
    size_t count = 7;

    assert_int_equal(kith_procfs_groups("Name:\tx\nGroups:\t4 24 4294967295 \nVmPeak:\t1\n", &groups, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(groups[0], 4);
    assert_int_equal(groups[1], 24);
    assert_int_equal(groups[2], 4294967295);
    free(groups);

    assert_int_equal(kith_procfs_groups("Groups:\t \nx: 5\n", &groups, &count), 0);
    assert_int_equal(count, 0);
    assert_null(groups);
}

static void test_a_groups_line_that_is_not_one_is_no_data(void **state) {
    static const char *const texts[] = {
        "", "Groups:", "Groups:\t4 24", "Groups:\t4 -1\n", "Groups:\t4294967296\n", "Groups:\tx\n", "xGroups:\t4\n"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++) {
        gid_t *groups = (gid_t *)1;
        size_t count = 7;

        assert_int_equal(kith_procfs_groups(texts[i], &groups, &count), -ENODATA);
        assert_ptr_equal(groups, (gid_t *)1);
        assert_int_equal(count, 7);
    }
}

static void test_real_ids_are_the_first_of_four(void **state) {
    uid_t uid;
    gid_t gid;

    assert_int_equal(kith_procfs_real_ids("Uid:\t1000\t0\t0\t0\nGid:\t100\t0\t0\t0\n", &uid, &gid), 0);
    assert_int_equal(uid, 1000);
    assert_int_equal(gid, 100);
    assert_int_equal(kith_procfs_real_ids("Uid:\t1000\n", &uid, &gid), -ENODATA);
    assert_int_equal(kith_procfs_real_ids("Uid:\nGid:\t1\n", &uid, &gid), -ENODATA); /* the next line's number is not this one's */
}

static void test_the_start_time_is_found_behind_any_name(void **state) {
    static const char rest[] = " S 1 2 3 4 -1 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n";
    static const char *const names[] = {"(cat)", "(a b)", "())", "() R 1 1)", "(\n)", "((sd-pam))", "()"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        char text[128] = "812 ";
        uint64_t ticks = 0;

        strcat(strcat(text, names[i]), rest);
        assert_int_equal(kith_procfs_start_time(text, &ticks), 0);
        assert_int_equal(ticks, 4711);
    }
}

static void test_a_stat_line_cut_short_has_no_start_time(void **state) {
    static const char text[] = "812 (cat) S 1 2 3 4 -1 6 7 8 9 10 11 12 13 14 15 16 17 18 ";
    uint64_t ticks;

    for (size_t size = 0; size < sizeof(text); size++) {
        char *cut = strndup(text, size);

        assert_non_null(cut);
        assert_int_equal(kith_procfs_start_time(cut, &ticks), -ENODATA);
        free(cut);
    }
    assert_int_equal(kith_procfs_start_time("812 (cat) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99999999999999999999\n", &ticks),
                     -ENODATA);
}

static void test_the_pidfd_tells_its_process_s_number_or_that_there_is_none(void **state) {
    pid_t pid = 0;

    assert_int_equal(kith_procfs_pidfd("pos:\t0\nflags:\t02000002\nPid:\t812\nNSpid:\t812\n", &pid), 0);
    assert_int_equal(pid, 812);
    assert_int_equal(kith_procfs_pidfd("pos:\t0\nPid:\t-1\nNSpid:\t-1\n", &pid), -ENODATA);
    assert_int_equal(kith_procfs_pidfd("Pid:\t0\n", &pid), -ENODATA);
    assert_int_equal(kith_procfs_pidfd("NSpid:\t5\n", &pid), -ENODATA);
    assert_int_equal(kith_procfs_pidfd("Pid:\t2147483648\n", &pid), -ENODATA);
    assert_int_equal(pid, 812);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_cgroup_is_that_of_the_hierarchy_that_systemd_uses),
        cmocka_unit_test(test_the_unit_is_the_one_of_the_system_s_manager),
        cmocka_unit_test(test_the_container_is_the_outermost_that_root_named),
        cmocka_unit_test(test_the_session_is_the_one_that_logind_made),
        cmocka_unit_test(test_a_namespace_is_its_inode),
        cmocka_unit_test(test_permitted_capabilities_are_read),
        cmocka_unit_test(test_a_map_has_so_many_ids),
        cmocka_unit_test(test_a_file_of_one_number_is_read),
        cmocka_unit_test(test_groups_are_counted_and_read),
        cmocka_unit_test(test_a_groups_line_that_is_not_one_is_no_data),
        cmocka_unit_test(test_real_ids_are_the_first_of_four),
        cmocka_unit_test(test_the_start_time_is_found_behind_any_name),
        cmocka_unit_test(test_a_stat_line_cut_short_has_no_start_time),
        cmocka_unit_test(test_the_pidfd_tells_its_process_s_number_or_that_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
