/* udp://[INTERFACE;]HOST:PORT, from text and back. */
#include "datagram/testing.h"

static void test_what_people_write_is_understood(void **state) {
    static const struct {
        const char *text;
        bool listening;
        const char *interface;
        const char *address; /* as kith_address_format() has it */
        const char *formatted;
    } cases[] = {
        {"udp://127.0.0.1:5555", false, "", "127.0.0.1:5555", "udp://127.0.0.1:5555"},
        {"udp://localhost:5555", false, "", "127.0.0.1:5555", "udp://127.0.0.1:5555"},
        {"udp://*:5555", true, "", "0.0.0.0:5555", "udp://0.0.0.0:5555"},
        {"udp://*:*", true, "", "0.0.0.0:0", "udp://0.0.0.0:0"},
        {"udp://127.0.0.1:0", true, "", "127.0.0.1:0", "udp://127.0.0.1:0"},
        {"udp://[::1]:65535", false, "", "[::1]:65535", "udp://[::1]:65535"},
        {"udp://[::]:5555", true, "", "[::]:5555", "udp://[::]:5555"},
        {"udp://239.1.2.3:5555", true, "", "239.1.2.3:5555", "udp://239.1.2.3:5555"},
        {"udp://224.0.0.1:5555", false, "", "224.0.0.1:5555", "udp://224.0.0.1:5555"},
        {"udp://eth0;239.1.2.3:5555", true, "eth0", "239.1.2.3:5555", "udp://eth0;239.1.2.3:5555"},
        {"udp://192.168.1.1;239.1.2.3:5555", false, "192.168.1.1", "239.1.2.3:5555", "udp://192.168.1.1;239.1.2.3:5555"},
        {"udp://eth0;[ff15::5]:5555", true, "eth0", "[ff15::5]:5555", "udp://eth0;[ff15::5]:5555"},
        {"udp://fe80::1;[ff15::5]:5555", true, "fe80::1", "[ff15::5]:5555", "udp://fe80::1;[ff15::5]:5555"},
        {"udp://[ff02::99%lo]:5555", true, "", "[ff02::99%lo]:5555", "udp://[ff02::99%lo]:5555"},
        {"udp://eth0:5555", true, "eth0", "0.0.0.0:5555", "udp://eth0:5555"},
        {"udp://br-lan.7:*", true, "br-lan.7", "0.0.0.0:0", "udp://br-lan.7:0"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_datagram_endpoint endpoint = parse(cases[i].text, cases[i].listening);
        char text[128];
        assert_string_equal(endpoint.interface, cases[i].interface);
        assert_true(kith_address_format(&endpoint.address, text, sizeof(text)) > 0);
        assert_string_equal(text, cases[i].address);
        assert_int_equal(kith_datagram_endpoint_format(&endpoint, text, sizeof(text)), strlen(cases[i].formatted));
        assert_string_equal(text, cases[i].formatted);
        endpoint = parse(text, cases[i].listening);
        assert_string_equal(endpoint.interface, cases[i].interface);
    }
}

static void test_what_is_none_is_refused_with_a_remedy(void **state) {
    static const struct {
        const char *text;
        bool listening;
        const char *says;
    } cases[] = {
        {NULL, true, "nothing: not a UDP endpoint"},
        {"tcp://127.0.0.1:5555", true, "not a UDP endpoint"},
        {"udp://", true, "the port is missing"},
        {"udp://127.0.0.1", true, "the port is missing"},
        {"udp://:5555", true, "the host is missing"},
        {"udp://;239.1.2.3:5555", true, "the interface is missing"},
        {"udp://[]:5555", true, "the host is missing"},
        {"udp://[::1]5555", true, "the port is missing"},
        {"udp://[::1", true, "the port is missing"},
        {"udp://::1:5555", true, "in brackets"},
        {"udp://127.0.0.1:*", false, "\"*\" is not a port"},
        {"udp://127.0.0.1:0", false, "\"0\" is not a port"},
        {"udp://127.0.0.1:65536", true, "\"65536\" is not a port"},
        {"udp://127.0.0.1:+5", true, "\"+5\" is not a port"},
        {"udp://127.0.0.1:", true, "\"\" is not a port"},
        {"udp://*:5555", false, "which host to send to?"},
        {"udp://eth0:5555", false, "not a numeric address"},
        {"udp://127.0.0.256:5555", true, "not a numeric address"},
        {"udp://some/name:5555", true, "not a numeric address"},
        {"udp://an-interface-of-16:5555", true, "not a numeric address"},
        {"udp://eth0;eth1:5555", true, "not a numeric address"},
        {"udp://eth0;10.0.0.1:5555", true, "goes with a multicast group"},
        {"udp://eth0;*:5555", true, "goes with a multicast group"},
        {"udp://eth0;[::1]:5555", false, "goes with a multicast group"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_datagram_endpoint endpoint;
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(kith_datagram_endpoint_parse(cases[i].text, cases[i].listening, &endpoint, &error), -EINVAL);
        if (!strstr(error.text, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].says);
    }
}

static void test_parts_that_are_too_long_are_refused(void **state) {
    char text[256];
    for (size_t length = KITH_DATAGRAM_INTERFACE_MAX - 2; length < KITH_DATAGRAM_INTERFACE_MAX + 2; length++) {
        struct kith_datagram_endpoint endpoint;
        (void)snprintf(text, sizeof(text), "udp://%0*d;239.1.2.3:5555", (int)length, 0);
        int r = kith_datagram_endpoint_parse(text, true, &endpoint, NULL);
        assert_int_equal(r, length < KITH_DATAGRAM_INTERFACE_MAX ? 0 : -EINVAL);
        (void)snprintf(text, sizeof(text), "udp://%0*d:5555", (int)length, 0);
        assert_int_equal(kith_datagram_endpoint_parse(text, true, &endpoint, NULL), -EINVAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_people_write_is_understood),
        cmocka_unit_test(test_what_is_none_is_refused_with_a_remedy),
        cmocka_unit_test(test_parts_that_are_too_long_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
