/* curve/test-keys.c: pairs of keys and Z85, against the vectors of RFC 32 and of zmq_curve(7). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <kith/curve.h>

#include "base/cleanup.h"

static void test_the_vector_of_the_rfc(void **state) {
    static const uint8_t octets[] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
    char text[11];
    uint8_t back[8];
    assert_int_equal(kith_z85_encode(octets, sizeof(octets), text, sizeof(text)), 0);
    assert_string_equal(text, "HelloWorld");
    assert_int_equal(kith_z85_decode(text, 10, back, sizeof(back)), 0);
    assert_memory_equal(back, octets, sizeof(octets));
}

static void test_the_ends_of_the_range(void **state) {
    static const struct {
        uint8_t octets[4];
        const char *text;
    } table[] = {{{0, 0, 0, 0}, "00000"}, {{0, 0, 0, 84}, "0000#"}, {{0, 0, 0, 85}, "00010"}, {{255, 255, 255, 255}, "%nSc0"}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++) {
        char text[6];
        uint8_t back[4];
        assert_int_equal(kith_z85_encode(table[i].octets, 4, text, sizeof(text)), 0);
        assert_string_equal(text, table[i].text);
        assert_int_equal(kith_z85_decode(text, 5, back, sizeof(back)), 0);
        assert_memory_equal(back, table[i].octets, 4);
    }
    char text[1] = "x";
    assert_int_equal(kith_z85_encode(NULL, 0, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(kith_z85_decode("", 0, NULL, 0), 0);
}

static void test_what_is_no_z85_is_refused(void **state) {
    static const char *const table[] = {"0",      "0000",  "000000", "0000 ",    "0000\"", "0000'",
                                        "0000\\", "0000~", "0000_",  "\3770000", "%nSc1",  "#####"};
    uint8_t octets[8];
    char text[11];
    for (size_t i = 0; i < KITH_ARRAY_SIZE(table); i++)
        if (kith_z85_decode(table[i], strlen(table[i]), octets, sizeof(octets)) != -EINVAL)
            fail_msg("\"%s\" was taken", table[i]);
    assert_int_equal(kith_z85_decode("00\0"
                                     "00",
                                     5, octets, sizeof(octets)),
                     -EINVAL);
    assert_int_equal(kith_z85_encode("abcde", 5, text, sizeof(text)), -EINVAL);
    assert_int_equal(kith_z85_encode("abcdefgh", 8, text, 10), -ENOBUFS);
    assert_int_equal(kith_z85_encode("", 0, text, 0), -ENOBUFS);
    assert_int_equal(kith_z85_decode("HelloWorld", 10, octets, 7), -ENOBUFS);
}

/* The pairs that zmq_curve(7) gives for tests. */
static void test_a_public_key_is_made_from_the_secret_one(void **state) {
    static const char *const pairs[][2] = {
        {"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"},
        {"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(pairs); i++) {
        uint8_t secret[KITH_CURVE_KEY_SIZE], public[KITH_CURVE_KEY_SIZE];
        char text[KITH_CURVE_TEXT_SIZE];
        assert_int_equal(kith_z85_decode(pairs[i][0], 40, secret, sizeof(secret)), 0);
        kith_curve_public_key(secret, public);
        assert_int_equal(kith_z85_encode(public, sizeof(public), text, sizeof(text)), 0);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void test_every_pair_is_another(void **state) {
    uint8_t secret[2][KITH_CURVE_KEY_SIZE], public[2][KITH_CURVE_KEY_SIZE], made[KITH_CURVE_KEY_SIZE];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kith_curve_keypair(public[i], secret[i]), 0);
        kith_curve_public_key(secret[i], made);
        assert_memory_equal(made, public[i], sizeof(made));
    }
    assert_memory_not_equal(secret[0], secret[1], KITH_CURVE_KEY_SIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vector_of_the_rfc),     cmocka_unit_test(test_the_ends_of_the_range),
        cmocka_unit_test(test_what_is_no_z85_is_refused), cmocka_unit_test(test_a_public_key_is_made_from_the_secret_one),
        cmocka_unit_test(test_every_pair_is_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
