/* Lines of /proc/net, as Linux 6.1 and 6.18 print them. */
#include <errno.h>
#include <sys/socket.h>

#include "map/model/testing.h"
#include "map/netlink/netlink.h"

static struct map_decoded decoded;

static int read_line(const char *name, const char *line) {
    for (size_t i = 0; i < map_dump_count; i++)
        if (strcmp(map_dumps[i].name, name) == 0)
            return map_dumps[i].decode_line(&map_dumps[i], line, &decoded);
    fail_msg("no dump is called %s", name);
    return 0;
}

static const struct map_socket *line(const char *name, const char *text) {
    assert_int_equal(read_line(name, text), 0);
    return &decoded.socket;
}

static void test_tcp(void **state) {
    const struct map_socket *socket = line(
        "tcp",
        "   2: 0100007F:86EE 0200007F:93D1 01 00000005:00000006 00:00000000 00000000  1000        0 1267 3 000000004544023c 20 0 0 10 -1");

    assert_int_equal(socket->state, MAP_ESTABLISHED);
    assert_memory_equal(socket->local.octets, "\x7f\0\0\1", 4);
    assert_memory_equal(socket->remote.octets, "\x7f\0\0\2", 4);
    assert_int_equal(socket->local.port, 0x86ee);
    assert_int_equal(socket->remote.port, 0x93d1);
    assert_int_equal(socket->send_queue, 5);
    assert_int_equal(socket->receive_queue, 6);
    assert_int_equal(socket->uid, 1000);
    assert_int_equal(socket->inode, 1267);
    assert_int_equal(socket->cookie, 0);
}

static void test_ipv6_is_words_of_this_machine(void **state) {
    const struct map_socket *socket =
        line("tcp6", "   3: 0000000000000000FFFF00000100007F:B4D7 0000000000000000FFFF00000100007F:BA56 01 "
                     "00000000:00000000 00:00000000 00000000     0        0 0 1 000000000f589744 20 0 0 10 -1");

    assert_memory_equal(socket->local.octets, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
    assert_false(socket->flags & MAP_HAS_UID); /* it has no inode */
}

static void test_raw_and_udp(void **state) {
    const struct map_socket *socket =
        line("raw", " 181: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 126 2 "
                    "000000003a0fbf04 0");

    assert_int_equal(socket->protocol, 1);
    assert_int_equal(socket->type, SOCK_RAW);
    socket = line("udp", "13976: 0100007F:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 126095282 2 "
                         "0000000016478930 0");
    assert_int_equal(socket->local.port, 5353);
    assert_int_equal(socket->state, MAP_CLOSE);
}

static void test_unix(void **state) {
    const struct map_socket *socket = line("unix", "00000000ad433764: 00000002 00000000 00010000 0001 01 1286 /run/a name with spaces");

    assert_int_equal(socket->state, MAP_LISTEN);
    assert_int_equal(socket->inode, 1286);
    assert_int_equal(socket->local.form, MAP_PATH);
    assert_string_equal(socket->local.name, "/run/a name with spaces");
    socket = line("unix", "00000000ad433764: 00000003 00000000 00000000 0005 03 12 @abc");
    assert_int_equal(socket->local.form, MAP_ABSTRACT);
    assert_string_equal(socket->local.name, "abc");
    assert_int_equal(socket->type, SOCK_SEQPACKET);
    assert_int_equal(socket->state, MAP_ESTABLISHED);
    socket = line("unix", "00000000ad433764: 00000003 00000000 00000000 0002 01 13");
    assert_int_equal(socket->local.form, MAP_NO_ADDRESS);
    assert_int_equal(socket->state, MAP_CLOSE);
}

static void test_netlink_and_packet(void **state) {
    const struct map_socket *socket =
        line("netlink", "00000000b4fda5bc 0   12034      00000003 5        6        0     2        0        126");

    assert_int_equal(socket->local.number, 12034);
    assert_int_equal(socket->groups[0], 3);
    assert_int_equal(socket->receive_queue, 5);
    assert_int_equal(socket->inode, 126);
    socket = line("packet", "00000000d6 3      3    0806   7     1 4        33     99");
    assert_int_equal(socket->protocol, 0x806);
    assert_int_equal(socket->local.interface, 7);
    assert_int_equal(socket->receive_queue, 4);
    assert_int_equal(socket->uid, 33);
    assert_int_equal(socket->inode, 99);
}

static void test_headings_and_broken_lines_are_refused(void **state) {
    static const char *const lines[] = {
        "",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
        "Num       RefCount Protocol Flags    Type St Inode Path",
        "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks",
        "   0: 0100007F:86EE 0200007F",
        "   0: 0100007:86EE 0200007F:93D1 01 0:0 0:0 0 0 0 5",
        "\xff\xfe",
    };

    for (size_t i = 0; i < map_dump_count; i++)
        for (size_t j = 0; map_dumps[i].decode_line && j < KITH_ARRAY_SIZE(lines); j++)
            assert_int_equal(map_dumps[i].decode_line(&map_dumps[i], lines[j], &decoded), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_ipv6_is_words_of_this_machine),
        cmocka_unit_test(test_raw_and_udp),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_netlink_and_packet),
        cmocka_unit_test(test_headings_and_broken_lines_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
