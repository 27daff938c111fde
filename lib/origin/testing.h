/* origin/testing.h: a test that must leave no descriptor behind. Not part of the library. */
#ifndef KITH_ORIGIN_TESTING_H
#define KITH_ORIGIN_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/testing.h"

static size_t fds_before;

static inline int count_fds(void **state) {
    fds_before = testing_fd_count();
    return 0;
}

static inline int no_fd_is_left(void **state) {
    assert_int_equal(testing_fd_count(), fds_before);
    return 0;
}

#define COUNTED(test) cmocka_unit_test_setup_teardown(test, count_fds, no_fd_is_left)

#endif
