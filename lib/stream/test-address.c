/* Addresses: text in, text out; what must be refused is refused, and nothing that a kernel returns breaks the formatting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <kith/stream.h>

#include "base/cleanup.h"

#define UN_SIZE(size) ((socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size)))

static void assert_format(const struct kith_address *address, const char *expected) {
    char text[512];
    assert_int_equal(kith_address_format(address, text, sizeof(text)), (int)strlen(expected));
    assert_string_equal(text, expected);
}

static void test_a_path_ends_in_nul_and_comes_back(void **state) {
    struct kith_address address;
    assert_int_equal(kith_address_unix("/run/x.sock", &address), 0);
    assert_int_equal(address.storage.ss_family, AF_UNIX);
    assert_int_equal(address.size, UN_SIZE(sizeof("/run/x.sock")));
    assert_format(&address, "/run/x.sock");
}

static void test_an_abstract_name_is_its_exact_octets(void **state) {
    struct kith_address address;
    assert_int_equal(kith_address_unix("@name", &address), 0);
    assert_int_equal(address.size, UN_SIZE(5));
    assert_memory_equal(((struct sockaddr_un *)&address.storage)->sun_path, "\0name", 5);
    assert_format(&address, "@name");
}

static void test_names_have_1_to_107_octets(void **state) {
    struct kith_address address, untouched;
    char name[110];
    memset(&address, 0x5a, sizeof(address));
    untouched = address;
    memset(name, 'x', sizeof(name));

    name[108] = '\0';
    assert_int_equal(kith_address_unix(name, &address), -ENAMETOOLONG);
    assert_int_equal(kith_address_unix("", &address), -EINVAL);
    assert_int_equal(kith_address_unix("@", &address), -EINVAL);
    assert_int_equal(kith_address_unix(NULL, &address), -EINVAL);
    assert_memory_equal(&address, &untouched, sizeof(address));

    name[107] = '\0';
    assert_int_equal(kith_address_unix(name, &address), 0);
    assert_format(&address, name);
    name[0] = '@';
    name[107] = 'x';
    name[108] = '\0';
    assert_int_equal(kith_address_unix(name, &address), 0);
    assert_int_equal(address.size, UN_SIZE(108));
    assert_format(&address, name);
}

static void test_names_from_the_kernel_are_escaped_and_need_no_nul(void **state) {
    struct kith_address address = {.size = UN_SIZE(8)};
    struct sockaddr_un *un = (struct sockaddr_un *)&address.storage;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, "\0a\x1b[2J\0b", 8);
    assert_format(&address, "@a\\x1b[2J\\x00b");

    memset(un->sun_path, 'p', sizeof(un->sun_path));
    address.size = UN_SIZE(sizeof(un->sun_path));
    char expected[sizeof(un->sun_path) + 1] = {0};
    memset(expected, 'p', sizeof(un->sun_path));
    assert_format(&address, expected);

    address.size = UN_SIZE(0);
    assert_format(&address, "unnamed");
}

static void test_numeric_addresses_come_back(void **state) {
    static const struct {
        const char *host;
        unsigned port;
        const char *text;
    } rows[] = {
        {"127.0.0.1", 80, "127.0.0.1:80"},   {"*", 0, "0.0.0.0:0"},
        {"::1", 65535, "[::1]:65535"},       {"::", 0, "[::]:0"},
        {"fe80::1%lo", 1, "[fe80::1%lo]:1"}, {"fe80::1%4000000", 1, "[fe80::1%4000000]:1"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        struct kith_address address;
        assert_int_equal(kith_address_ip(rows[i].host, rows[i].port, &address), 0);
        assert_format(&address, rows[i].text);
    }
}

static void test_what_is_not_numeric_is_refused(void **state) {
    static const char *const hosts[] = {"",       "localhost",  "127.1", "0x7f.0.0.1", "1.2.3.4.5", "1.2.3.4 ",
                                        ":::",    "[::1]",      "::1%",  "::1%nope",   "::1%-1",    "::1%99999999999",
                                        "::1%1x", "1.2.3.4%lo", "eth0",  "**",         "::1%0"};
    struct kith_address address;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(hosts); i++)
        assert_int_equal(kith_address_ip(hosts[i], 1, &address), -EINVAL);
    assert_int_equal(kith_address_ip("127.0.0.1", 65536, &address), -EINVAL);
}

static void test_formatting_into_too_little_room_cuts_like_snprintf(void **state) {
    struct kith_address address;
    char text[5];
    assert_int_equal(kith_address_ip("127.0.0.1", 80, &address), 0);
    assert_int_equal(kith_address_format(&address, text, sizeof(text)), 12);
    assert_string_equal(text, "127.");
    assert_int_equal(kith_address_format(&address, NULL, 0), 12);
}

static void test_nonsense_is_an_error_not_a_text(void **state) {
    char text[64];
    struct kith_address address = {.size = sizeof(struct sockaddr_in)};
    address.storage.ss_family = AF_NETLINK;
    assert_int_equal(kith_address_format(&address, text, sizeof(text)), -EAFNOSUPPORT);
    address.storage.ss_family = AF_INET6;
    assert_int_equal(kith_address_format(&address, text, sizeof(text)), -EINVAL);
    address.size = 0;
    assert_int_equal(kith_address_format(&address, text, sizeof(text)), -EINVAL);
    address.size = sizeof(address.storage) + 1;
    assert_int_equal(kith_address_format(&address, text, sizeof(text)), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_ends_in_nul_and_comes_back),
        cmocka_unit_test(test_an_abstract_name_is_its_exact_octets),
        cmocka_unit_test(test_names_have_1_to_107_octets),
        cmocka_unit_test(test_names_from_the_kernel_are_escaped_and_need_no_nul),
        cmocka_unit_test(test_numeric_addresses_come_back),
        cmocka_unit_test(test_what_is_not_numeric_is_refused),
        cmocka_unit_test(test_formatting_into_too_little_room_cuts_like_snprintf),
        cmocka_unit_test(test_nonsense_is_an_error_not_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
