/* Tests of base/fds: who closes what, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/testing.h"

static int new_fd(void) {
    int fd = eventfd(0, EFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static struct kith_fds *list_of(size_t count) {
    struct kith_fds *fds = NULL;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kith_fds_add(&fds, new_fd()), 0);
    return fds;
}

static void test_the_last_reference_closes_them(void **state) {
    (void)state;
    struct kith_fds *fds = list_of(3);
    kith_fds_ref(fds);
    kith_fds_unref(fds);
    assert_int_equal(testing_fd_count(), testing_fds_before + 3);
    assert_null(kith_fds_unref(fds));
    assert_int_equal(testing_fd_count(), testing_fds_before);
    assert_null(kith_fds_unref(NULL));
}

static void test_as_many_as_the_kernel_passes_and_no_more(void **state) {
    (void)state;
    struct kith_fds *fds = list_of(KITH_FDS_MAX);
    int extra = new_fd(), there[KITH_FDS_MAX];
    assert_int_equal(kith_fds_add(&fds, extra), -E2BIG);
    assert_int_equal(kith_fds_there(fds, there), KITH_FDS_MAX);
    assert_int_equal(there[252], fds->fd[252]);
    close(extra); /* it stayed ours */
    kith_fds_unref(fds);
}

static void test_what_was_taken_out_is_not_closed_and_leaves_its_place(void **state) {
    (void)state;
    struct kith_fds *fds = list_of(3);
    int taken = fds->fd[1], there[KITH_FDS_MAX];
    fds->fd[1] = -1;
    assert_int_equal(kith_fds_count_there(fds), 2);
    assert_int_equal(kith_fds_there(fds, there), 2);
    assert_int_equal(there[1], fds->fd[2]);
    kith_fds_unref(fds);
    assert_int_equal(close(taken), 0);
}

static void test_a_shared_list_is_duplicated_before_it_changes(void **state) {
    (void)state;
    struct kith_fds *fds = list_of(2), *other = kith_fds_ref(fds), *own = fds;
    close(fds->fd[0]);
    fds->fd[0] = -1;
    assert_int_equal(kith_fds_own(&own), 0);
    assert_ptr_not_equal(own, other);
    assert_int_equal(own->count, 2);
    assert_int_equal(own->fd[0], -1);
    assert_int_not_equal(own->fd[1], other->fd[1]);
    assert_int_equal(fcntl(own->fd[1], F_GETFD), FD_CLOEXEC);
    struct kith_fds *before = own;
    assert_int_equal(kith_fds_own(&own), 0);
    assert_ptr_equal(own, before);
    kith_fds_unref(own);
    kith_fds_unref(other);
}

static void test_without_descriptors_to_be_had_a_shared_list_stays_as_it_is(void **state) {
    (void)state;
    struct kith_fds *fds = list_of(2), *own = kith_fds_ref(fds);
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)fds->fd[1] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int r = kith_fds_own(&own);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(r, -EMFILE);
    assert_ptr_equal(own, fds);
    kith_fds_unref(own);
    kith_fds_unref(fds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_last_reference_closes_them, testing_fds_setup, testing_fds_teardown),
        cmocka_unit_test_setup_teardown(test_as_many_as_the_kernel_passes_and_no_more, testing_fds_setup, testing_fds_teardown),
        cmocka_unit_test_setup_teardown(test_what_was_taken_out_is_not_closed_and_leaves_its_place, testing_fds_setup,
                                        testing_fds_teardown),
        cmocka_unit_test_setup_teardown(test_a_shared_list_is_duplicated_before_it_changes, testing_fds_setup, testing_fds_teardown),
        cmocka_unit_test_setup_teardown(test_without_descriptors_to_be_had_a_shared_list_stays_as_it_is, testing_fds_setup,
                                        testing_fds_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
