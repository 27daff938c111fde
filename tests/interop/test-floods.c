/*
 * Too much of everything that one peer may send: frames, PINGs, PONGs, subscriptions, halves of messages, and never a read. Each time the
 * server's memory has a bound, what happens has a name, and an honest libzmq client is served all the while.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interop/flood.h"

#define OCTETS(text) text, sizeof(text) - 1

/* Frames of one message ---------------------------------------------------------------------------------------------- */

enum { MILLION = 1000000, PART = 20000 };

/* A million frames of an octet, in 50 parts with a round trip of the honest client after each; false when the server hung up before. */
static bool pour_million(struct flood *flood, struct raw *raw, bool ends) {
    static uint8_t octets[3 * PART];
    for (size_t i = 0; i < PART; i++)
        memcpy(octets + 3 * i, "\1\1x", 3);
    for (size_t part = 1; part <= MILLION / PART; part++) {
        if (ends && part == MILLION / PART)
            octets[sizeof(octets) - 3] = 0;
        if (!flood_pour(flood, raw, octets, sizeof(octets)))
            return false;
        flood_trip(flood);
    }
    return true;
}

static void test_a_message_of_a_million_frames_within_the_limit_comes_whole(void **state) {
    struct flood flood;
    struct raw raw;
    flood_new(&flood, *state, KITH_ROUTER);
    support_set(flood.server, KITH_OPTION_MAX_MESSAGE, 129 * MILLION);
    flood_serve(&flood, support_ipc(&flood.interop->support));
    flood_join(&flood, &raw, "DEALER", NULL);
    assert_true(pour_million(&flood, &raw, true));
    support_until(&flood.interop->support, flood.frames == 1 + MILLION); /* with the routing id */
    assert_int_equal(flood.events[KITH_EVENT_DISCONNECTED], 0);
    raw_close(&raw);
    flood_end(&flood, "a million frames", 129 * (size_t)MILLION);
}

static void test_a_message_that_never_ends_is_ended_at_the_limit(void **state) {
    struct flood flood;
    struct raw raw;
    flood_new(&flood, *state, KITH_ROUTER);
    flood_serve(&flood, support_ipc(&flood.interop->support));
    flood_join(&flood, &raw, "DEALER", NULL);
    assert_false(pour_million(&flood, &raw, false));
    flood_until(&flood, KITH_EVENT_DISCONNECTED, 1);
    assert_int_equal(flood.errors[KITH_EVENT_DISCONNECTED], -EMSGSIZE);
    assert_int_equal(flood.frames, 3); /* the honest client's */
    raw_close(&raw);
    flood_end(&flood, "frames without an end", 64 * FLOOD_MIB);
}

#define FLOOD_TEST(name) cmocka_unit_test_setup_teardown(name, interop_setup, interop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FLOOD_TEST(test_a_message_of_a_million_frames_within_the_limit_comes_whole),
        FLOOD_TEST(test_a_message_that_never_ends_is_ended_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
