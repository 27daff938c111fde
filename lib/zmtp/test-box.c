/* zmtp/test-box.c: our boxes are crypto_box's, of every size, and what was touched does not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "zmtp/box.h"

#define SIZE_MAX_TESTED 1600

static const uint8_t prefix[KITH_ZMTP_BOX_PREFIX_SIZE + 1] = "CurveZMQMESSAGEC";

struct boxes {
    uint8_t common[crypto_box_BEFORENMBYTES], key[KITH_ZMTP_BOX_KEY_SIZE], nonce[crypto_box_NONCEBYTES];
    uint8_t octets[SIZE_MAX_TESTED];
};

static const uint8_t *number_of(const struct boxes *boxes) {
    return boxes->nonce + KITH_ZMTP_BOX_PREFIX_SIZE;
}

static int setup(void **state) {
    static struct boxes boxes;
    assert_true(sodium_init() >= 0);
    randombytes_buf(&boxes, sizeof(boxes));
    memcpy(boxes.nonce, prefix, KITH_ZMTP_BOX_PREFIX_SIZE);
    kith_zmtp_box_key(boxes.key, boxes.common, prefix);
    *state = &boxes;
    return 0;
}

static void test_a_box_is_that_of_libsodium_octet_for_octet(void **state) {
    const struct boxes *boxes = *state;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        uint8_t ours[SIZE_MAX_TESTED + 1], theirs[SIZE_MAX_TESTED + 1], our_mac[KITH_ZMTP_BOX_MAC_SIZE], their_mac[crypto_box_MACBYTES];
        memcpy(ours, boxes->octets, size);
        ours[size] = theirs[size] = 0x5a; /* nothing is written behind the end */
        kith_zmtp_box_close(boxes->key, number_of(boxes), ours, size, our_mac);
        assert_int_equal(crypto_box_detached_afternm(theirs, their_mac, boxes->octets, size, boxes->nonce, boxes->common), 0);
        assert_memory_equal(ours, theirs, size + 1);
        assert_memory_equal(our_mac, their_mac, sizeof(our_mac));
    }
}

static void test_boxes_of_libsodium_are_opened(void **state) {
    const struct boxes *boxes = *state;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        uint8_t box[SIZE_MAX_TESTED + 1], mac[crypto_box_MACBYTES];
        assert_int_equal(crypto_box_detached_afternm(box, mac, boxes->octets, size, boxes->nonce, boxes->common), 0);
        box[size] = 0x5a;
        assert_true(kith_zmtp_box_open(boxes->key, number_of(boxes), box, size, mac));
        assert_memory_equal(box, boxes->octets, size);
        assert_int_equal(box[size], 0x5a);
    }
}

static void test_a_box_that_was_touched_does_not_open_and_stays_as_it_was(void **state) {
    enum { SIZE = 700 };
    const struct boxes *boxes = *state;
    uint8_t box[SIZE], before[SIZE], mac[KITH_ZMTP_BOX_MAC_SIZE], number[KITH_ZMTP_BOX_NONCE_SIZE], key[KITH_ZMTP_BOX_KEY_SIZE];
    memcpy(box, boxes->octets, SIZE);
    kith_zmtp_box_close(boxes->key, number_of(boxes), box, SIZE, mac);
    for (size_t bit = 0; bit < (size_t)8 * SIZE; bit++) {
        box[bit / 8] ^= (uint8_t)(1 << bit % 8);
        memcpy(before, box, SIZE);
        assert_false(kith_zmtp_box_open(boxes->key, number_of(boxes), box, SIZE, mac));
        assert_memory_equal(box, before, SIZE);
        box[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < (size_t)8 * sizeof(mac); bit++) {
        mac[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(kith_zmtp_box_open(boxes->key, number_of(boxes), box, SIZE, mac));
        mac[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memcpy(number, number_of(boxes), sizeof(number));
    number[7] ^= 1;
    assert_false(kith_zmtp_box_open(boxes->key, number, box, SIZE, mac));
    memcpy(key, boxes->key, sizeof(key));
    key[31] ^= 0x80;
    assert_false(kith_zmtp_box_open(key, number_of(boxes), box, SIZE, mac));
    assert_false(kith_zmtp_box_open(boxes->key, number_of(boxes), box, SIZE - 1, mac));
    assert_true(kith_zmtp_box_open(boxes->key, number_of(boxes), box, SIZE, mac));
    assert_memory_equal(box, boxes->octets, SIZE);
}

/* From the other direction's prefix comes another key. */
static void test_a_box_of_the_other_direction_does_not_open(void **state) {
    const struct boxes *boxes = *state;
    uint8_t octets[100], mac[KITH_ZMTP_BOX_MAC_SIZE], other[KITH_ZMTP_BOX_KEY_SIZE];
    memcpy(octets, boxes->octets, sizeof(octets));
    kith_zmtp_box_key(other, boxes->common, (const uint8_t *)"CurveZMQMESSAGES");
    kith_zmtp_box_close(boxes->key, number_of(boxes), octets, sizeof(octets), mac);
    assert_false(kith_zmtp_box_open(other, number_of(boxes), octets, sizeof(octets), mac));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_box_is_that_of_libsodium_octet_for_octet),
        cmocka_unit_test(test_boxes_of_libsodium_are_opened),
        cmocka_unit_test(test_a_box_that_was_touched_does_not_open_and_stays_as_it_was),
        cmocka_unit_test(test_a_box_of_the_other_direction_does_not_open),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
