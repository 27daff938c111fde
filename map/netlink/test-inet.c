/* What inet_diag's answers say, built by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include "map/netlink/netlink.h"

/* Of the table, by name. */
static const struct map_dump *dump_of(const char *name) {
    for (size_t i = 0; i < map_dump_count; i++)
        if (strcmp(map_dumps[i].name, name) == 0)
            return &map_dumps[i];
    fail_msg("there is no %s", name);
    return NULL;
}

/* One answer with an attribute, decoded. */
static struct map_socket decode(const char *name, struct inet_diag_msg message, const void *info, size_t size) {
    char memory[1024];
    struct nlmsghdr *answer = mnl_nlmsg_put_header(memory);
    struct map_decoded decoded = {0};

    *(struct inet_diag_msg *)mnl_nlmsg_put_extra_header(answer, sizeof(message)) = message;
    mnl_attr_put(answer, INET_DIAG_INFO, size, info);
    assert_int_equal(dump_of(name)->decode(dump_of(name), answer, &decoded), 0);
    map_decoded_deinit(&decoded);
    return decoded.socket;
}

static const struct {
    enum map_state state;
    uint64_t sent, again, acknowledged;
    uint32_t under_way; /* segments */
    uint8_t options;
    uint32_t side;
} sides[] = {
    /* The SYN is acknowledged: this end connected. */
    {MAP_ESTABLISHED, 0, 0, 1, 0, 0, MAP_HAS_CONNECTED},
    {MAP_ESTABLISHED, 1000, 0, 1001, 0, 0, MAP_HAS_CONNECTED},
    {MAP_ESTABLISHED, 1500, 500, 1001, 0, 0, MAP_HAS_CONNECTED},
    {MAP_CLOSE_WAIT, 7, 0, 8, 0, 0, MAP_HAS_CONNECTED},
    {MAP_FIN_WAIT_1, 7, 0, 8, 1, 0, MAP_HAS_CONNECTED},
    {MAP_LAST_ACK, 7, 0, 8, 1, 0, MAP_HAS_CONNECTED},
    {MAP_CLOSING, 7, 0, 8, 1, 0, MAP_HAS_CONNECTED},
    {MAP_FIN_WAIT_2, 7, 0, 9, 0, 0, MAP_HAS_CONNECTED},
    /* All that was sent, and no more. */
    {MAP_ESTABLISHED, 0, 0, 0, 0, 0, MAP_WAS_ACCEPTED},
    {MAP_ESTABLISHED, 1500, 500, 1000, 0, 0, MAP_WAS_ACCEPTED},
    {MAP_CLOSE_WAIT, 7, 0, 7, 0, 0, MAP_WAS_ACCEPTED},
    {MAP_FIN_WAIT_2, 7, 0, 8, 0, 0, MAP_WAS_ACCEPTED},
    /* Octets are on their way: one of them may be what the SYN would have been. */
    {MAP_ESTABLISHED, 1, 0, 1, 1, 0, 0},
    {MAP_ESTABLISHED, 1000, 0, 1, 1, 0, 0},
    {MAP_FIN_WAIT_1, 7, 0, 7, 1, 0, 0},
    {MAP_LAST_ACK, 7, 0, 7, 1, 0, 0},
    {MAP_FIN_WAIT_2, 7, 0, 7, 0, 0, 0},
    /* Nothing was connected, or octets came with the SYN. */
    {MAP_LISTEN, 0, 0, 0, 0, 0, 0},
    {MAP_SYN_SENT, 0, 0, 0, 1, 0, 0},
    {MAP_SYN_RECV, 0, 0, 0, 0, 0, 0},
    {MAP_ESTABLISHED, 1, 0, 2, 0, TCPI_OPT_SYN_DATA, 0},
    {MAP_ESTABLISHED, 2, 0, 2, 0, TCPI_OPT_SYN_DATA, 0},
};

static void test_counters_tell_which_end_connected(void **state) {
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        struct inet_diag_msg message = {.idiag_family = AF_INET, .idiag_state = (uint8_t)sides[i].state, .idiag_inode = 1};
        struct tcp_info info = {.tcpi_state = (uint8_t)sides[i].state,
                                .tcpi_bytes_sent = sides[i].sent,
                                .tcpi_bytes_retrans = sides[i].again,
                                .tcpi_bytes_acked = sides[i].acknowledged,
                                .tcpi_unacked = sides[i].under_way,
                                .tcpi_options = sides[i].options};
        struct map_socket socket = decode("tcp", message, &info, sizeof(info));
        if ((socket.flags & (MAP_HAS_CONNECTED | MAP_WAS_ACCEPTED)) != sides[i].side)
            fail_msg("row %zu: flags %x", i, socket.flags);
    }
}

static void test_a_kernel_that_does_not_count_what_was_sent_tells_nothing(void **state) {
    struct inet_diag_msg message = {.idiag_family = AF_INET, .idiag_state = MAP_ESTABLISHED, .idiag_inode = 1};
    struct tcp_info info = {.tcpi_state = MAP_ESTABLISHED, .tcpi_bytes_acked = 1};

    for (size_t size = 0; size < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info.tcpi_bytes_retrans); size++)
        assert_int_equal(decode("tcp", message, &info, size).flags & (MAP_HAS_CONNECTED | MAP_WAS_ACCEPTED), 0);
}

static void test_a_cookie_that_clones_share_is_none(void **state) {
    struct inet_diag_msg message = {.idiag_family = AF_INET, .idiag_state = MAP_ESTABLISHED, .idiag_inode = 1, .id.idiag_cookie = {5, 1}};

    assert_int_equal(decode("tcp", message, NULL, 0).cookie, UINT64_C(0x100000005));
    assert_int_equal(decode("mptcp", message, NULL, 0).cookie, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_tell_which_end_connected),
        cmocka_unit_test(test_a_kernel_that_does_not_count_what_was_sent_tells_nothing),
        cmocka_unit_test(test_a_cookie_that_clones_share_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
