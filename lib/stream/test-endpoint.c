/* Addresses as people write them: what is meant is understood, what is not says what to write instead, and nothing is half done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <kith/stream.h>

#include "base/cleanup.h"

static void test_what_a_person_writes_is_an_address(void **state) {
    static const struct {
        const char *text, *formatted;
        bool listening;
    } rows[] = {
        {"ipc:///run/x.sock", "/run/x.sock", false},
        {"ipc://x", "x", true},
        {"ipc://@name", "@name", true},
        {"ipc://@with://in it", "@with://in it", false},
        {"tcp://127.0.0.1:5555", "127.0.0.1:5555", false},
        {"tcp://localhost:1", "127.0.0.1:1", true},
        {"tcp://[::1]:65535", "[::1]:65535", false},
        {"tcp://[fe80::1%lo]:1", "[fe80::1%lo]:1", false},
        {"tcp://*:5555", "0.0.0.0:5555", true},
        {"tcp://[::]:*", "[::]:0", true},
        {"tcp://127.0.0.1:0", "127.0.0.1:0", true},
        {"tcp://*:*", "0.0.0.0:0", true},
        {"tcp://::1:80", "[::1]:80", false},
        {"tcp://fe80::1%lo:80", "[fe80::1%lo]:80", false},
        {"tcp://[::ffff:192.0.2.1]:80", "192.0.2.1:80", false},
        {"tcp://lo:80", "127.0.0.1:80", true},
        {"ipc://*", "unnamed", true},
        {"vsock://3:1024", "3:1024", false},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        struct kith_address address;
        struct kith_error error = KITH_ERROR_NONE;
        char text[512];
        assert_int_equal(kith_address_parse(rows[i].text, rows[i].listening, &address, &error), 0);
        assert_int_equal(error.code, 0);
        assert_true(kith_address_format(&address, text, sizeof(text)) > 0);
        assert_string_equal(text, rows[i].formatted);
    }
}

static void test_what_is_wrong_is_named_with_its_remedy_and_no_address_is_made(void **state) {
    static const struct {
        const char *text;
        bool listening;
        int error;
        const char *says;
    } rows[] = {
        {"", true, -EINVAL, "ipc://PATH"},
        {"/run/x.sock", true, -EINVAL, "/run/x.sock: not an address; write ipc://PATH"},
        {"://x", true, -EINVAL, "not an address"},
        {"udp://127.0.0.1:1", true, -EPROTONOSUPPORT, "\"udp\" is no stream socket; there are: ipc, tcp, vsock"},
        {"ip://x", true, -EPROTONOSUPPORT, "\"ip\""},
        {"TCP://127.0.0.1:1", true, -EPROTONOSUPPORT, "\"TCP\""},
        {"ipc://", true, -EINVAL, "the path is missing"},
        {"ipc://@", true, -EINVAL, "the path is missing"},
        {"ipc://*", false, -EINVAL, "which name to connect to?"},
        {"tcp://127.0.0.1", true, -EINVAL, "the port is missing"},
        {"tcp://[::1", true, -EINVAL, "the port is missing"},
        {"tcp://:80", true, -EINVAL, "the host is missing"},
        {"tcp://2001:db8:80", true, -EINVAL, "\"2001:db8\" is no IPv6 address; write one in brackets"},
        {"tcp://[fe80::1%kith-nowhere]:80", true, -EINVAL, "is no IPv6 address"},
        {"tcp://kith-nowhere:80", true, -ENODEV, "\"kith-nowhere\" is neither a numeric address nor an interface of this host; ip addr"},
        {"tcp://lo:80", false, -EINVAL, "\"lo\" is not a numeric address"},
        {"tcp://not an interface:80", true, -EINVAL, "is not a numeric address"},
        {"tcp://127.0.0.1:65536", true, -EINVAL, "\"65536\" is not a port"},
        {"tcp://127.0.0.1:", true, -EINVAL, "\"\" is not a port"},
        {"tcp://127.0.0.1:0", false, -EINVAL, "which port"},
        {"tcp://*:80", false, -EINVAL, "which host"},
        {"tcp://example.org:80", false, -EINVAL, "\"example.org\" is not a numeric address"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        struct kith_address address, untouched;
        struct kith_error error = KITH_ERROR_NONE;
        memset(&address, 0x5a, sizeof(address));
        untouched = address;
        assert_int_equal(kith_address_parse(rows[i].text, rows[i].listening, &address, &error), rows[i].error);
        assert_int_equal(error.code, rows[i].error);
        assert_non_null(strstr(error.text, rows[i].says));
        assert_memory_equal(&address, &untouched, sizeof(address));
    }
}

static void test_a_path_too_long_says_how_long_it_may_be(void **state) {
    struct kith_address address;
    struct kith_error error = KITH_ERROR_NONE;
    char text[6 + 108 + 1] = "ipc://";
    memset(text + 6, 'x', 108);
    assert_int_equal(kith_address_parse(text, true, &address, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error.text, "108 octets are too long"));
    text[6 + 107] = '\0';
    assert_int_equal(kith_address_parse(text, true, &address, NULL), 0);
}

static void test_no_text_and_no_place_are_errors(void **state) {
    struct kith_address address;
    struct kith_error error = KITH_ERROR_NONE;
    assert_int_equal(kith_address_parse(NULL, true, &address, &error), -EINVAL);
    assert_non_null(strstr(error.text, "no address given"));
    assert_int_equal(kith_address_parse("ipc://@x", true, NULL, NULL), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_person_writes_is_an_address),
        cmocka_unit_test(test_what_is_wrong_is_named_with_its_remedy_and_no_address_is_made),
        cmocka_unit_test(test_a_path_too_long_says_how_long_it_may_be),
        cmocka_unit_test(test_no_text_and_no_place_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
