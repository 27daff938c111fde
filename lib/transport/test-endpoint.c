/* Endpoint texts: what is meant is understood, what is not says what to write instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/cleanup.h"
#include "transport/transport.h"

static void test_endpoints_become_addresses_and_come_back(void **state) {
    static const struct {
        const char *text, *formatted;
        bool listening;
        const struct kith_transport *transport;
    } rows[] = {
        {"ipc:///run/x.sock", "ipc:///run/x.sock", false, &kith_transport_unix},
        {"ipc://x", "ipc://x", true, &kith_transport_unix},
        {"ipc://@name", "ipc://@name", false, &kith_transport_unix},
        {"ipc://@with://in it", "ipc://@with://in it", false, &kith_transport_unix},
        {"tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555", false, &kith_transport_tcp},
        {"tcp://localhost:1", "tcp://localhost:1", false, &kith_transport_tcp},
        {"tcp://localhost:1", "tcp://127.0.0.1:1", true, &kith_transport_tcp},
        {"tcp://host.example:65535", "tcp://host.example:65535", false, &kith_transport_tcp},
        {"tcp://kith-nowhere:1", "tcp://kith-nowhere:1", true, &kith_transport_tcp}, /* an interface, which is asked for when it is bound */
        {"tcp://[::1]:65535", "tcp://[::1]:65535", false, &kith_transport_tcp},
        {"tcp://*:5555", "tcp://0.0.0.0:5555", true, &kith_transport_tcp},
        {"tcp://*:*", "tcp://0.0.0.0:0", true, &kith_transport_tcp},
        {"tcp://[::]:0", "tcp://[::]:0", true, &kith_transport_tcp},
        {"inproc://a name://*", "inproc://a name://*", true, &kith_transport_inproc},
        {"inproc://x", "inproc://x", false, &kith_transport_inproc},
        {"ipc://*", "ipc://*", true, &kith_transport_unix},
        {"vsock://3:1024", "vsock://3:1024", false, &kith_transport_vsock},
        {"vsock://*:1024", "vsock://*:1024", true, &kith_transport_vsock},
        {"udp://127.0.0.1:5555", "udp://127.0.0.1:5555", false, &kith_transport_udp},
        {"kernel://bpf:/sys/fs/bpf/a b", "kernel://bpf:/sys/fs/bpf/a b", false, &kith_transport_kernel},
        {"kernel://demo.syn-1_A", "kernel://demo.syn-1_A", false, &kith_transport_kernel},
        {"udp://lo;239.1.1.1:5555", "udp://lo;239.1.1.1:5555", true, &kith_transport_udp},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        struct kith_endpoint endpoint;
        struct kith_error error;
        char text[KITH_ENDPOINT_MAX];
        assert_int_equal(kith_endpoint_parse(rows[i].text, rows[i].listening, &endpoint, &error), 0);
        assert_ptr_equal(endpoint.transport, rows[i].transport);
        assert_int_equal(endpoint.transport->format(&endpoint, text, sizeof(text)), (int)strlen(rows[i].formatted));
        assert_string_equal(text, rows[i].formatted);
    }
}

static void test_what_is_wrong_is_named_with_its_remedy(void **state) {
    static const struct {
        const char *text;
        bool listening;
        int error;
        const char *says;
    } rows[] = {
        {"", true, -EINVAL, "ipc://PATH"},
        {"x", true, -EINVAL, "not an endpoint"},
        {"://x", true, -EINVAL, "not an endpoint"},
        {"sctp://127.0.0.1:1", true, -EPROTONOSUPPORT, "no transport \"sctp\"; there are: ipc, tcp, inproc"},
        {"udp://127.0.0.1", true, -EINVAL, "the port is missing"},
        {"TCP://127.0.0.1:1", true, -EPROTONOSUPPORT, "there are: ipc, tcp, inproc"},
        {"ip://x", true, -EPROTONOSUPPORT, "\"ip\""},
        {"ipc://", true, -EINVAL, "the path is missing"},
        {"ipc://@", true, -EINVAL, "the path is missing"},
        {"inproc://", true, -EINVAL, "the name is missing"},
        {"ipc://*", false, -EINVAL, "which name"},
        {"tcp://", true, -EINVAL, "the port is missing"},
        {"tcp://127.0.0.1", true, -EINVAL, "the port is missing"},
        {"tcp://[::1]", true, -EINVAL, "the port is missing"},
        {"tcp://[::1", true, -EINVAL, "the port is missing"},
        {"tcp://:80", true, -EINVAL, "the host is missing"},
        {"tcp://2001:db8:80", true, -EINVAL, "brackets"},
        {"tcp://127.0.0.1:", true, -EINVAL, "is not a port"},
        {"tcp://127.0.0.1:65536", true, -EINVAL, "\"65536\" is not a port"},
        {"tcp://127.0.0.1:999999999999", true, -EINVAL, "is not a port"},
        {"tcp://127.0.0.1:-1", true, -EINVAL, "is not a port"},
        {"tcp://127.0.0.1:1x", true, -EINVAL, "is not a port"},
        {"tcp://127.0.0.1:0", false, -EINVAL, "which port"},
        {"tcp://127.0.0.1:*", false, -EINVAL, "which port"},
        {"tcp://*:80", false, -EINVAL, "which host"},
        {"tcp://with space:80", false, -EINVAL, "\"with space\" is neither a numeric address nor a host name"},
        {"tcp://1.2.3:80", false, -EINVAL, "\"1.2.3\" is neither a numeric address nor a host name"},
        {"tcp://-x:80", false, -EINVAL, "nor a host name"},
        {"tcp://host.example.org:80", true, -EINVAL, "nor the name of an interface"},
        {"kernel://", false, -EINVAL, "the name of the channel is missing"},
        {"kernel://bpf:x", false, -EINVAL, "the whole path"},
        {"kernel://bpf:/sys/fs/bpf/x", true, -EINVAL, "connect to it"},
        {"kernel://demo", true, -EINVAL, "connect to it instead of binding"},
        {"kernel://demo/x", false, -EINVAL, "letters, digits"},
        {"kernel://a234567890123456789012345678901234567890123456789012345678901234", false, -ENAMETOOLONG, "at most 63"},
        {"vsock://x:80", true, -EINVAL, "is not a context id"},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        struct kith_endpoint endpoint;
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(kith_endpoint_parse(rows[i].text, rows[i].listening, &endpoint, &error), rows[i].error);
        assert_int_equal(error.code, rows[i].error);
        assert_non_null(strstr(error.text, rows[i].says));
        assert_non_null(strstr(error.text, rows[i].text));
    }
}

static void test_lengths_are_bounded(void **state) {
    struct kith_endpoint endpoint;
    struct kith_error error;
    char text[KITH_ENDPOINT_MAX + 1] = "ipc://";
    memset(text + 6, 'x', sizeof(text) - 7);
    assert_int_equal(kith_endpoint_parse(text, true, &endpoint, &error), -ENAMETOOLONG);
    text[6 + 108] = '\0';
    assert_int_equal(kith_endpoint_parse(text, true, &endpoint, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error.text, "108 octets are too long"));
    text[6 + 107] = '\0';
    assert_int_equal(kith_endpoint_parse(text, true, &endpoint, &error), 0);
    memcpy(text, "inproc://", 9);
    memset(text + 9, 'n', 256);
    text[9 + 256] = '\0';
    assert_int_equal(kith_endpoint_parse(text, true, &endpoint, &error), -ENAMETOOLONG);
    text[9 + 255] = '\0';
    assert_int_equal(kith_endpoint_parse(text, true, &endpoint, &error), 0);
    memset(text + 6, 'x', 255);
    memcpy(text, "tcp://", 6);
    strcpy(text + 6 + 90, ":80");
    assert_int_equal(kith_endpoint_parse(text, true, &endpoint, &error), -EINVAL);
    assert_int_equal(kith_endpoint_parse(NULL, true, &endpoint, NULL), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints_become_addresses_and_come_back),
        cmocka_unit_test(test_what_is_wrong_is_named_with_its_remedy),
        cmocka_unit_test(test_lengths_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
