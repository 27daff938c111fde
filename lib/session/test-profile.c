/* session/test-profile.c: a snapshot of options is copied before it is changed, when somebody else holds it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "session/profile.h"

static struct kith_profile *profile_new(void) {
    struct kith_profile *profile;
    assert_int_equal(kith_profile_new(&profile), 0);
    profile->numbers[KITH_OPTION_SEND_HWM] = 7;
    assert_int_equal(kith_profile_set_octets(profile, KITH_OPTION_ROUTING_ID, "me", 2), 0);
    assert_int_equal(kith_profile_add_metadata(profile, "X-Name", "value", 5), 0);
    return profile;
}

static void test_a_profile_of_one_owner_is_changed_in_place(void **state) {
    struct kith_profile *profile = profile_new(), *before = profile;
    assert_int_equal(kith_profile_own(&profile), 0);
    assert_ptr_equal(profile, before);
    assert_null(kith_profile_unref(profile));
    assert_null(kith_profile_unref(NULL));
}

static void test_a_shared_profile_is_copied_whole(void **state) {
    struct kith_profile *session = profile_new(), *socket = kith_profile_ref(session);
    assert_int_equal(kith_profile_own(&socket), 0);
    assert_ptr_not_equal(socket, session);
    assert_int_equal(session->refs, 1);
    assert_memory_equal(socket->numbers, session->numbers, sizeof(socket->numbers));
    assert_int_equal(socket->octets[KITH_OPTION_ROUTING_ID].size, 2);
    assert_memory_equal(socket->octets[KITH_OPTION_ROUTING_ID].data, "me", 2);
    assert_ptr_not_equal(socket->octets[KITH_OPTION_ROUTING_ID].data, session->octets[KITH_OPTION_ROUTING_ID].data);
    assert_int_equal(socket->metadata_count, 1);

    socket->numbers[KITH_OPTION_SEND_HWM] = 8;
    assert_int_equal(kith_profile_add_metadata(socket, "X-Other", NULL, 0), 0);
    assert_int_equal(session->numbers[KITH_OPTION_SEND_HWM], 7);
    assert_int_equal(session->metadata_count, 1);
    kith_profile_unref(session); /* the copy has names and values of its own */
    assert_string_equal(socket->metadata[0].name, "X-Name");
    assert_memory_equal(socket->metadata[0].value, "value", 5);
    assert_int_equal(socket->metadata[1].size, 0);
    kith_profile_unref(socket);
}

static void test_metadata_has_a_limit(void **state) {
    struct kith_profile *profile;
    assert_int_equal(kith_profile_new(&profile), 0);
    for (size_t i = 0; i < KITH_PROFILE_METADATA_MAX; i++)
        assert_int_equal(kith_profile_add_metadata(profile, "X-Name", &i, sizeof(i)), 0);
    assert_int_equal(kith_profile_add_metadata(profile, "X-Name", "one more", 8), -E2BIG);
    assert_int_equal(profile->metadata_count, KITH_PROFILE_METADATA_MAX);
    kith_profile_unref(profile);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_profile_of_one_owner_is_changed_in_place),
        cmocka_unit_test(test_a_shared_profile_is_copied_whole),
        cmocka_unit_test(test_metadata_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
