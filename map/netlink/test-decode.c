/*
 * What answers of sock_diag say. Most are made by hand, an attribute at a time; one test reads the answers of a real kernel (Linux 6.18,
 * tests/map/zoo.diag: an octet with the row of map_dumps, then the message, and so on), joins them, and finds the pairs that were there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <linux/unix_diag.h>
#include <linux/vm_sockets_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "base/fd.h"
#include "map/model/testing.h"
#include "map/netlink/netlink.h"

static const struct map_dump *dump_of(const char *name) {
    for (size_t i = 0; i < map_dump_count; i++)
        if (strcmp(map_dumps[i].name, name) == 0)
            return &map_dumps[i];
    fail_msg("no dump is called %s", name);
    return NULL;
}

/* A message that is being made, and what it says. */
struct answer {
    char octets[4096];
    struct nlmsghdr *header;
    struct map_decoded decoded;
    char facts[8192];
};

static void begin(struct answer *answer, const void *payload, size_t size) {
    memset(answer, 0, sizeof(*answer));
    answer->header = mnl_nlmsg_put_header(answer->octets);
    answer->header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    memcpy(mnl_nlmsg_put_extra_header(answer->header, size), payload, size);
}

static int note_fact(void *userdata, const char *group, const char *name, const char *text, bool number) {
    struct answer *answer = userdata;
    size_t used = strlen(answer->facts);

    snprintf(answer->facts + used, sizeof(answer->facts) - used, "%s/%s=%s;", group, name, text);
    return 0;
}

static const struct map_socket *decode(struct answer *answer, const char *name, bool facts) {
    answer->decoded.fact = facts ? note_fact : NULL;
    answer->decoded.userdata = answer;
    const struct map_dump *dump = dump_of(name);
    assert_int_equal(dump->decode(dump, answer->header, &answer->decoded), 0);
    return &answer->decoded.socket;
}

static bool says(const struct answer *answer, const char *fact) {
    return strstr(answer->facts, fact) != NULL;
}

static struct inet_diag_msg tcp_message(uint8_t state) {
    return (struct inet_diag_msg){.idiag_family = AF_INET,
                                  .idiag_state = state,
                                  .id = {.idiag_sport = htons(80),
                                         .idiag_dport = htons(40),
                                         .idiag_src = {htonl(0x7f000001)},
                                         .idiag_dst = {htonl(0x7f000002)},
                                         .idiag_if = 3,
                                         .idiag_cookie = {5, 1}},
                                  .idiag_rqueue = 6,
                                  .idiag_wqueue = 7,
                                  .idiag_uid = 33,
                                  .idiag_inode = 99};
}

static void test_a_tcp_socket(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(1);

    begin(&answer, &message, sizeof(message));
    const struct map_socket *socket = decode(&answer, "tcp", false);
    assert_int_equal(socket->kind, MAP_TCP);
    assert_int_equal(socket->state, MAP_ESTABLISHED);
    assert_int_equal(socket->inode, 99);
    assert_int_equal(socket->cookie, UINT64_C(0x100000005));
    assert_int_equal(socket->local.port, 80);
    assert_int_equal(socket->local.interface, 3);
    assert_memory_equal(socket->local.octets, "\x7f\0\0\1", 4);
    assert_memory_equal(socket->remote.octets, "\x7f\0\0\2", 4);
    assert_int_equal(socket->receive_queue, 6);
    assert_int_equal(socket->send_queue, 7);
    assert_int_equal(socket->uid, 33);
    assert_int_equal(socket->flags, MAP_HAS_UID);
}

static void test_a_listener_has_its_accept_queue(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(10);

    begin(&answer, &message, sizeof(message));
    const struct map_socket *socket = decode(&answer, "tcp", false);
    assert_int_equal(socket->backlog, 6);
    assert_int_equal(socket->backlog_limit, 7);
    assert_true(socket->flags & MAP_HAS_BACKLOG);
}

/* The kernel says 0 then, which would be root. */
static void test_without_an_inode_the_owner_is_not_known(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(6);

    message.idiag_inode = message.idiag_uid = 0;
    begin(&answer, &message, sizeof(message));
    const struct map_socket *socket = decode(&answer, "tcp", false);
    assert_int_equal(socket->flags, MAP_IS_ORPHAN);
    message.idiag_state = 1; /* it waits to be accepted */
    begin(&answer, &message, sizeof(message));
    assert_int_equal(decode(&answer, "tcp", false)->flags, 0);
}

static void test_attributes_of_inet(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(1);
    struct tcp_info info = {.tcpi_rtt = 1234, .tcpi_bytes_received = 500, .tcpi_bytes_sent = 700, .tcpi_bytes_retrans = 200};

    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, INET_DIAG_INFO, sizeof(info), &info);
    mnl_attr_put_u64(answer.header, INET_DIAG_CGROUP_ID, 4711);
    mnl_attr_put_u8(answer.header, INET_DIAG_SKV6ONLY, 1);
    mnl_attr_put_strz(answer.header, INET_DIAG_CONG, "cubic");
    mnl_attr_put_u32(answer.header, INET_DIAG_MARK, 17);
    mnl_attr_put_u8(answer.header, INET_DIAG_SHUTDOWN, 3);
    mnl_attr_put_strz(answer.header, 200, "of a kernel to come");
    const struct map_socket *socket = decode(&answer, "tcp", true);
    assert_int_equal(socket->cgroup, 4711);
    assert_int_equal(socket->received, 500);
    assert_int_equal(socket->sent, 500);
    assert_true(socket->flags & MAP_IS_IPV6_ONLY);
    assert_true(says(&answer, "path/round-trip time us=1234;"));
    assert_true(says(&answer, "congestion/algorithm=cubic;"));
    assert_true(says(&answer, "options/SO_MARK=17;"));
    assert_true(says(&answer, "state/shut down=both;"));
}

static void test_memory_congestion_control_and_the_upper_layer_are_facts(void **state) {
    static const char short_one[sizeof(uint32_t)] = {0};
    struct answer answer;
    struct inet_diag_msg message = tcp_message(1);
    uint32_t memory[SK_MEMINFO_VARS] = {[SK_MEMINFO_RCVBUF] = 4321};
    struct tcp_bbr_info bbr = {.bbr_bw_lo = 7, .bbr_bw_hi = 1, .bbr_min_rtt = 55};

    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, INET_DIAG_SKMEMINFO, sizeof(memory), memory);
    mnl_attr_put(answer.header, INET_DIAG_BBRINFO, sizeof(bbr), &bbr);
    struct nlattr *upper = mnl_attr_nest_start(answer.header, INET_DIAG_ULP_INFO);
    mnl_attr_put_strz(answer.header, INET_ULP_INFO_NAME, "tls");
    struct nlattr *tls = mnl_attr_nest_start(answer.header, INET_ULP_INFO_TLS);
    mnl_attr_put_u16(answer.header, TLS_INFO_VERSION, TLS_1_3_VERSION);
    mnl_attr_nest_end(answer.header, tls);
    mnl_attr_nest_end(answer.header, upper);
    decode(&answer, "tcp", true);
    assert_non_null(strstr(answer.facts, "=4321;"));
    assert_true(says(&answer, "congestion/bbr bandwidth octets/s=4294967303;"));
    assert_true(says(&answer, "congestion/bbr least round-trip time us=55;"));
    assert_true(says(&answer, "upper layer/protocol=tls;"));
    assert_true(says(&answer, "upper layer/TLS version=1.3;"));
    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, INET_DIAG_BBRINFO, sizeof(short_one), short_one);
    decode(&answer, "tcp", true);
    assert_false(says(&answer, "bbr"));
}

/* Linux 4.18 ended before tcpi_bytes_sent. */
static void test_an_older_kernel_says_less(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(1);
    struct tcp_info info = {.tcpi_rtt = 5, .tcpi_bytes_acked = 9, .tcpi_bytes_received = 8};

    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, INET_DIAG_INFO, offsetof(struct tcp_info, tcpi_bytes_sent), &info);
    const struct map_socket *socket = decode(&answer, "tcp", true);
    assert_int_equal(socket->sent, 9);
    assert_int_equal(socket->received, 8);
    assert_true(says(&answer, "counters/octets acknowledged=9;"));
    assert_false(says(&answer, "octets sent="));
}

static void test_what_is_too_short_is_left_out(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(1);

    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, INET_DIAG_INFO, 1, "a");
    mnl_attr_put_u8(answer.header, INET_DIAG_CGROUP_ID, 1);
    mnl_attr_put(answer.header, INET_DIAG_CONG, 3, "abc"); /* no NUL */
    mnl_attr_put(answer.header, INET_DIAG_SKV6ONLY, 0, "");
    const struct map_socket *socket = decode(&answer, "tcp", true);
    assert_int_equal(socket->cgroup, 0);
    assert_int_equal(socket->flags, MAP_HAS_UID);
    assert_string_equal(answer.facts, "");
}

static void test_answers_of_another_family_and_short_ones_are_refused(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(1);

    for (size_t i = 0; i < map_dump_count; i++) {
        if (!map_dumps[i].decode)
            continue;
        begin(&answer, &message, 4);
        assert_int_equal(map_dumps[i].decode(&map_dumps[i], answer.header, &answer.decoded), -EBADMSG);
        message.idiag_family = 99;
        begin(&answer, &message, sizeof(message));
        assert_int_equal(map_dumps[i].decode(&map_dumps[i], answer.header, &answer.decoded), -EBADMSG);
    }
}

static void test_a_raw_socket_has_a_protocol_and_no_port(void **state) {
    struct answer answer;
    struct inet_diag_msg message = tcp_message(7);

    message.id.idiag_sport = htons(IPPROTO_ICMP);
    begin(&answer, &message, sizeof(message));
    const struct map_socket *socket = decode(&answer, "raw", false);
    assert_int_equal(socket->protocol, IPPROTO_ICMP);
    assert_int_equal(socket->remote.port, 0);
}

static void test_a_unix_listener_names_who_waits(void **state) {
    struct answer answer;
    struct unix_diag_msg message = {.udiag_family = AF_UNIX, .udiag_type = SOCK_STREAM, .udiag_state = 10, .udiag_ino = 5};
    uint32_t inodes[40] = {0};

    for (uint32_t i = 1; i < 40; i++) /* the first has gone */
        inodes[i] = i;
    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, UNIX_DIAG_NAME, 5, "/run\0");
    mnl_attr_put(answer.header, UNIX_DIAG_ICONS, sizeof(inodes), inodes);
    mnl_attr_put(answer.header, UNIX_DIAG_VFS, sizeof(struct unix_diag_vfs), &(struct unix_diag_vfs){7, 8});
    mnl_attr_put(answer.header, UNIX_DIAG_RQLEN, sizeof(struct unix_diag_rqlen), &(struct unix_diag_rqlen){39, 128});
    mnl_attr_put_u32(answer.header, UNIX_DIAG_UID, 1000);
    const struct map_socket *socket = decode(&answer, "unix", false);
    assert_int_equal(socket->waiting_count, 39);
    assert_int_equal(socket->waiting[38], 39);
    assert_int_equal(socket->local.form, MAP_PATH);
    assert_int_equal(socket->local.name_size, 4);
    assert_int_equal(socket->path_inode, 7);
    assert_int_equal(socket->path_device, 8);
    assert_int_equal(socket->backlog, 39);
    assert_int_equal(socket->backlog_limit, 128);
    assert_int_equal(socket->uid, 1000);
    map_decoded_deinit(&answer.decoded);
}

static void test_an_abstract_name_may_have_any_octets(void **state) {
    struct answer answer;
    struct unix_diag_msg message = {.udiag_family = AF_UNIX, .udiag_type = SOCK_DGRAM, .udiag_state = 1, .udiag_ino = 5};

    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, UNIX_DIAG_NAME, 5, "\0a\0\xff");
    mnl_attr_put_u32(answer.header, UNIX_DIAG_PEER, 44);
    const struct map_socket *socket = decode(&answer, "unix", false);
    assert_int_equal(socket->local.form, MAP_ABSTRACT);
    assert_int_equal(socket->local.name_size, 4);
    assert_memory_equal(socket->local.name, "a\0\xff", 4);
    assert_int_equal(socket->peer_inode, 44);
}

static void test_a_netlink_socket_has_its_groups(void **state) {
    struct answer answer;
    struct netlink_diag_msg message = {.ndiag_family = AF_NETLINK, .ndiag_protocol = 16, .ndiag_portid = 700, .ndiag_ino = 5};
    uint32_t groups[] = {0x80000001, 2}, memory[SK_MEMINFO_VARS] = {11, 0, 12};

    begin(&answer, &message, sizeof(message));
    mnl_attr_put(answer.header, NETLINK_DIAG_GROUPS, sizeof(groups), groups);
    mnl_attr_put(answer.header, NETLINK_DIAG_MEMINFO, sizeof(memory), memory);
    mnl_attr_put_u32(answer.header, NETLINK_DIAG_FLAGS, NDIAG_FLAG_NO_ENOBUFS);
    const struct map_socket *socket = decode(&answer, "netlink", true);
    assert_int_equal(socket->group_words, 2);
    assert_int_equal(socket->groups[1], 2);
    assert_int_equal(socket->receive_queue, 11);
    assert_int_equal(socket->send_queue, 12);
    assert_int_equal(socket->state, MAP_CLOSE);
    assert_int_equal(socket->local.number, 700);
    assert_true(says(&answer, "options/NETLINK_NO_ENOBUFS=on;"));
}

static void test_packet_and_vsock_sockets(void **state) {
    struct answer answer;
    struct packet_diag_msg packet = {.pdiag_family = AF_PACKET, .pdiag_type = SOCK_RAW, .pdiag_num = 0x806, .pdiag_ino = 5};
    struct vsock_diag_msg vsock = {.vdiag_family = AF_VSOCK,
                                   .vdiag_type = SOCK_STREAM,
                                   .vdiag_state = 10,
                                   .vdiag_src_cid = UINT32_MAX,
                                   .vdiag_src_port = 5000,
                                   .vdiag_dst_cid = UINT32_MAX,
                                   .vdiag_dst_port = UINT32_MAX};

    begin(&answer, &packet, sizeof(packet));
    mnl_attr_put(answer.header, PACKET_DIAG_INFO, sizeof(struct packet_diag_info),
                 &(struct packet_diag_info){.pdi_index = 9, .pdi_flags = PDI_RUNNING});
    mnl_attr_put_u32(answer.header, PACKET_DIAG_UID, 1000);
    const struct map_socket *socket = decode(&answer, "packet", true);
    assert_int_equal(socket->local.interface, 9);
    assert_int_equal(socket->protocol, 0x806);
    assert_int_equal(socket->uid, 1000);
    assert_true(says(&answer, "options/running=on;"));
    begin(&answer, &vsock, sizeof(vsock));
    socket = decode(&answer, "vsock", false);
    assert_int_equal(socket->state, MAP_LISTEN);
    assert_int_equal(socket->local.port, 5000);
    assert_int_equal(socket->remote.form, MAP_NO_ADDRESS);
}

/* Names -------------------------------------------------------------------------------------------------------------- */

static int note_group(void *userdata, const char *family, uint32_t number, const char *name) {
    char *text = userdata;
    sprintf(text + strlen(text), "%s.%s=%u;", family, name, number);
    return 0;
}

static void test_groups_of_generic_netlink_have_names(void **state) {
    struct answer answer;
    char text[256] = "";

    begin(&answer, &(struct genlmsghdr){.cmd = CTRL_CMD_NEWFAMILY}, sizeof(struct genlmsghdr));
    mnl_attr_put_strz(answer.header, CTRL_ATTR_FAMILY_NAME, "nlctrl");
    struct nlattr *groups = mnl_attr_nest_start(answer.header, CTRL_ATTR_MCAST_GROUPS);
    for (uint16_t i = 1; i < 3; i++) {
        struct nlattr *group = mnl_attr_nest_start(answer.header, i);
        mnl_attr_put_strz(answer.header, CTRL_ATTR_MCAST_GRP_NAME, i == 1 ? "notify" : "more");
        mnl_attr_put_u32(answer.header, CTRL_ATTR_MCAST_GRP_ID, 16 + i);
        mnl_attr_nest_end(answer.header, group);
    }
    mnl_attr_nest_end(answer.header, groups);
    assert_int_equal(map_genl_decode(answer.header, note_group, text), 0);
    assert_string_equal(text, "nlctrl.notify=17;nlctrl.more=18;");
}

static void test_interfaces_and_addresses(void **state) {
    struct answer answer;
    struct map_address address;
    const char *name;
    uint32_t number;

    begin(&answer, &(struct ifinfomsg){.ifi_index = 4}, sizeof(struct ifinfomsg));
    answer.header->nlmsg_type = RTM_NEWLINK;
    assert_int_equal(map_link_decode(answer.header, &number, &name), -EBADMSG); /* it has no name */
    mnl_attr_put_strz(answer.header, IFLA_IFNAME, "eth0");
    assert_int_equal(map_link_decode(answer.header, &number, &name), 0);
    assert_int_equal(number, 4);
    assert_string_equal(name, "eth0");
    /* Of a point-to-point link IFA_ADDRESS is the other end's. */
    begin(&answer, &(struct ifaddrmsg){.ifa_family = AF_INET, .ifa_index = 4}, sizeof(struct ifaddrmsg));
    answer.header->nlmsg_type = RTM_NEWADDR;
    mnl_attr_put_u32(answer.header, IFA_ADDRESS, htonl(0x0a000002));
    mnl_attr_put_u32(answer.header, IFA_LOCAL, htonl(0x0a000001));
    assert_int_equal(map_local_decode(answer.header, &address), 0);
    assert_memory_equal(address.octets, "\x0a\0\0\1", 4);
    begin(&answer, &(struct ifaddrmsg){.ifa_family = AF_INET6}, sizeof(struct ifaddrmsg));
    answer.header->nlmsg_type = RTM_NEWADDR;
    mnl_attr_put_u32(answer.header, IFA_ADDRESS, 1); /* too short */
    assert_int_equal(map_local_decode(answer.header, &address), -EBADMSG);
}

/* A real kernel ------------------------------------------------------------------------------------------------------- */

static struct map *read_recorded(void) {
    _cleanup_(freep) char *octets = NULL;
    struct map *map = map_make();
    struct map_decoded decoded = {0};
    size_t size, at = 0;

    assert_int_equal(kith_file_read(AT_FDCWD, RECORDED, 1 << 20, &octets, &size), 0);
    while (at < size) {
        size_t whose = (uint8_t)octets[at++] & 0x3f;
        struct nlmsghdr *message = malloc(size - at + MNL_ALIGNTO);
        memcpy(message, octets + at, size - at);
        at += message->nlmsg_len;
        if (whose < map_dump_count && map_dumps[whose].decode(&map_dumps[whose], message, &decoded) == 0)
            map_put(map, decoded.socket);
        free(message);
    }
    map_decoded_deinit(&decoded);
    map_end(map);
    return map;
}

static size_t count(const struct map *map, enum map_kind kind, enum map_state state, enum map_known peer, enum map_known listener) {
    size_t number = 0;

    for (size_t i = 0; i < map->socket_count; i++) {
        const struct map_socket *socket = &map->sockets[i];
        number += socket->kind == kind && socket->state == state && socket->peer.known == peer && socket->listener.known == listener;
    }
    return number;
}

/* The zoo: a TCP pair; an IPv6 pair and an IPv4 client that its listener has not accepted; an MPTCP pair; a UDP client and its server; a
 * unix pair that was accepted, a client that waits, and a socketpair. */
static void test_what_a_real_kernel_said_joins_to_what_was_there(void **state) {
    struct map *map = read_recorded();
    size_t waiting = 0;

    assert_int_equal(count(map, MAP_TCP, MAP_LISTEN, MAP_UNKNOWN, MAP_UNKNOWN), 3); /* of MPTCP too */
    assert_int_equal(count(map, MAP_TCP, MAP_ESTABLISHED, MAP_MATCHED, MAP_MATCHED), 4);
    assert_int_equal(count(map, MAP_TCP, MAP_ESTABLISHED, MAP_MATCHED, MAP_UNKNOWN), 4);
    assert_int_equal(count(map, MAP_TCP, MAP_ESTABLISHED, MAP_UNKNOWN, MAP_UNKNOWN), 0);
    assert_int_equal(count(map, MAP_UDP, MAP_ESTABLISHED, MAP_MATCHED, MAP_UNKNOWN), 1);
    assert_int_equal(count(map, MAP_UNIX, MAP_ESTABLISHED, MAP_EXACT, MAP_MATCHED), 1);
    assert_int_equal(count(map, MAP_UNIX, MAP_ESTABLISHED, MAP_EXACT, MAP_UNKNOWN), 4);
    assert_int_equal(count(map, MAP_MPTCP, MAP_ESTABLISHED, MAP_MATCHED, MAP_MATCHED), 1);
    for (size_t i = 0; i < map->socket_count; i++)
        waiting += (map->sockets[i].flags & MAP_IS_WAITING) != 0;
    assert_int_equal(waiting, 2);
    map_free(map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tcp_socket),
        cmocka_unit_test(test_a_listener_has_its_accept_queue),
        cmocka_unit_test(test_without_an_inode_the_owner_is_not_known),
        cmocka_unit_test(test_attributes_of_inet),
        cmocka_unit_test(test_memory_congestion_control_and_the_upper_layer_are_facts),
        cmocka_unit_test(test_an_older_kernel_says_less),
        cmocka_unit_test(test_what_is_too_short_is_left_out),
        cmocka_unit_test(test_answers_of_another_family_and_short_ones_are_refused),
        cmocka_unit_test(test_a_raw_socket_has_a_protocol_and_no_port),
        cmocka_unit_test(test_a_unix_listener_names_who_waits),
        cmocka_unit_test(test_an_abstract_name_may_have_any_octets),
        cmocka_unit_test(test_a_netlink_socket_has_its_groups),
        cmocka_unit_test(test_packet_and_vsock_sockets),
        cmocka_unit_test(test_groups_of_generic_netlink_have_names),
        cmocka_unit_test(test_interfaces_and_addresses),
        cmocka_unit_test(test_what_a_real_kernel_said_joins_to_what_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
