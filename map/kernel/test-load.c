/* What a person is told when the kernel refuses. Nothing here asks it: what it does is tested in guests (tests/map). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "map/kernel/load.h"

static void test_what_a_kernel_cannot_do_is_one_error_with_what_it_takes(void **state) {
    static const int codes[] = {-ESRCH, -ENOSYS, -EOPNOTSUPP, -524};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(codes); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(map_kernel_explain(codes[i], "attaching", NULL, &error), -ENOTSUP);
        assert_int_equal(error.code, -ENOTSUP);
        assert_non_null(strstr(error.text, "attaching: this kernel cannot do it"));
        assert_non_null(strstr(error.text, "CONFIG_BPF_SYSCALL"));
    }
}

static void test_the_verifiers_last_word_is_told(void **state) {
    char log[] = "0: (79) r7 = *(u64 *)(r1 +0)\nR1 invalid mem access 'scalar'\nprocessed 12 insns (limit 1000000)\n";
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(map_kernel_explain(-EACCES, "loading", log, &error), -EACCES);
    assert_string_equal(error.text, "loading: Permission denied: R1 invalid mem access 'scalar'");
}

static void test_a_helper_that_came_later_makes_the_kernel_too_old(void **state) {
    char words[][80] = {"unknown func bpf_get_socket_cookie#46\n", "program of this type cannot use helper bpf_get_socket_cookie#46\n"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(words); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(map_kernel_explain(-EINVAL, "loading", words[i], &error), -ENOTSUP);
        assert_non_null(strstr(error.text, "too old"));
        assert_non_null(strstr(error.text, "bpf_get_socket_cookie"));
    }
}

static void test_a_refusal_without_words_is_told_by_its_name(void **state) {
    char log[] = "";
    struct kith_error error = KITH_ERROR_NONE;

    assert_int_equal(map_kernel_explain(-E2BIG, "loading", log, &error), -E2BIG);
    assert_string_equal(error.text, "loading: Argument list too long");
    assert_int_equal(map_kernel_explain(-EBUSY, "attaching", NULL, &error), -EBUSY);
    assert_string_equal(error.text, "attaching: Device or resource busy");
    assert_int_equal(map_kernel_explain(-EBUSY, "attaching", NULL, NULL), -EBUSY);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_kernel_cannot_do_is_one_error_with_what_it_takes),
        cmocka_unit_test(test_the_verifiers_last_word_is_told),
        cmocka_unit_test(test_a_helper_that_came_later_makes_the_kernel_too_old),
        cmocka_unit_test(test_a_refusal_without_words_is_told_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
