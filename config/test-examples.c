/* Every file of examples/policies is a policy, and none lets in a sender of whom nothing is known. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kith/config.h>

#include "config/internal.h"

KITH_DEFINE_CLEANUP(kith_policy *, kith_policy_unref)
KITH_DEFINE_CLEANUP(kith_origin *, kith_origin_unref)

/* This machine need not have the users and groups of the examples. */
static int any_name(void *userdata, const char *name, uid_t *ret_id) {
    *ret_id = 7;
    return 0;
}

static const struct kith_config_names names = {.user = any_name, .group = any_name};

static void check_example(const char *path) {
    _cleanup_(kith_policy_unrefp) kith_policy *policy = NULL;
    _cleanup_(kith_origin_unrefp) kith_origin *stranger = NULL;
    struct kith_error error = KITH_ERROR_NONE;
    char *text = NULL;
    size_t size = 0;

    assert_int_equal(kith_config_read_file(path, &text, &size, &error), 0);
    int r = kith_config_policy_parse_names(text, size, path, &names, &policy, &error);
    free(text);
    if (r < 0)
        fail_msg("%s", error.text);

    assert_true(kith_policy_rule_count(policy) > 0);
    assert_int_equal(kith_origin_new(&stranger), 0);
    assert_false(kith_policy_decide(policy, KITH_VERB_CONNECT, stranger).allow);
    assert_false(kith_policy_decide(policy, KITH_VERB_SEND, stranger).allow);
}

static void test_every_example_is_a_policy_that_keeps_strangers_out(void **state) {
    DIR *folder = opendir(EXAMPLES);
    size_t count = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", EXAMPLES, entry->d_name);
        check_example(path);
        count++;
    }
    closedir(folder);
    assert_true(count >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_example_is_a_policy_that_keeps_strangers_out),
    };
    return cmocka_run_group_tests_name("config/examples", tests, NULL, NULL);
}
