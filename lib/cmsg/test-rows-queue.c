/* What comes through the error queue, and what TCP and captured packets bring. */
#include "cmsg/test-rows.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <time.h>

#include <linux/errqueue.h>

#ifndef SOL_PACKET
#define SOL_PACKET 263
#endif
#ifndef TCP_CM_INQ
#define TCP_INQ 36 /* include/uapi/linux/tcp.h */
#define TCP_CM_INQ TCP_INQ
#endif

static struct rows_received received;

static void expect_refusal(int family, const char *loopback, int level, int type, uint8_t origin) {
    struct sockaddr_storage address;
    int gone = rows_bind(family, SOCK_DGRAM, loopback, &address), sender = rows_socket(family, SOCK_DGRAM, 0);
    const struct kith_cmsg *cmsg;
    char text[200];

    kith_close(gone);
    rows_set(sender, level, type, 1);
    assert_int_equal(rows_send(sender, &address, "lost", 4, NULL, 0), 4);
    rows_receive(sender, MSG_ERRQUEUE, &received);
    assert_memory_equal(received.data, "lost", 4);
    cmsg = rows_find(&received, level, type);
    assert_int_equal(cmsg->value.error.error, ECONNREFUSED);
    assert_int_equal(cmsg->value.error.origin, origin);
    assert_int_equal(cmsg->value.error.offender.family, family);
    kith_cmsg_format(cmsg, text, sizeof(text));
    assert_non_null(strstr(text, "error=111 (Connection refused) origin=icmp"));
    assert_non_null(strstr(text, loopback));
    kith_close(sender);
}

void test_icmp_errors_are_told(void **state) {
    expect_refusal(AF_INET, "127.0.0.1", IPPROTO_IP, IP_RECVERR, SO_EE_ORIGIN_ICMP);
    expect_refusal(AF_INET6, "::1", IPPROTO_IPV6, IPV6_RECVERR, SO_EE_ORIGIN_ICMP6);
}

static uint32_t time_of_a_datagram(int stamping, int type, uint32_t id) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);
    uint32_t flags = SOF_TIMESTAMPING_TX_SOFTWARE;
    const struct kith_cmsg *cmsg;
    uint32_t data;
    ROWS_BUILDER(builder);

    rows_set(sender, SOL_SOCKET, stamping, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_CMSG);
    if (type == SO_TIMESTAMPING_OLD)
        assert_int_equal(kith_cmsg_put_timestamping(&builder, flags), 0);
    else
        assert_int_equal(kith_cmsg_put(&builder, SOL_SOCKET, type, &flags, sizeof(flags)), 0);
    if (id > 0)
        assert_int_equal(kith_cmsg_put_timestamp_id(&builder, id), 0);
    assert_int_equal(rows_send(sender, &address, "when", 4, &builder, 0), 4);
    rows_receive(sender, MSG_ERRQUEUE, &received);
    cmsg = rows_find(&received, SOL_SOCKET, type);
    assert_true(cmsg->value.timestamping[0].tv_sec > 0);
    cmsg = rows_find(&received, IPPROTO_IP, IP_RECVERR);
    assert_int_equal(cmsg->value.error.origin, SO_EE_ORIGIN_TIMESTAMPING);
    assert_int_equal(cmsg->value.error.info, SCM_TSTAMP_SND);
    data = cmsg->value.error.data;
    kith_close(sender);
    kith_close(receiver);
    return data;
}

/* A time of receipt: older kernels take the new form in no message. */
static void receive_time(int stamping) {
    struct sockaddr_storage address;
    int receiver = rows_bind(AF_INET, SOCK_DGRAM, "127.0.0.1", &address), sender = rows_socket(AF_INET, SOCK_DGRAM, 0);

    /* Then a datagram that came before the kernel had begun to take times gets one when it is read. */
    rows_set(receiver, SOL_SOCKET, SO_TIMESTAMPNS_OLD, 1);
    rows_set(receiver, SOL_SOCKET, stamping, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
    assert_int_equal(rows_send(sender, &address, "x", 1, NULL, 0), 1);
    rows_receive(receiver, 0, &received);
    assert_true(rows_find(&received, SOL_SOCKET, stamping)->value.timestamping[0].tv_sec > 0);
    kith_close(sender);
    kith_close(receiver);
}

void test_times_of_sending_come_through_the_error_queue(void **state) {
    assert_int_equal(time_of_a_datagram(SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_OLD, 0), 0);
    if (rows_kernel_has("6.8"))
        assert_int_equal(time_of_a_datagram(SO_TIMESTAMPING_NEW, SO_TIMESTAMPING_NEW, 0), 0);
    receive_time(SO_TIMESTAMPING_OLD);
    receive_time(SO_TIMESTAMPING_NEW);
    if (rows_kernel_has("6.13"))
        assert_int_equal(time_of_a_datagram(SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_OLD, 4711), 4711);
}

struct tcp_pair {
    int client, server;
};

static struct tcp_pair open_tcp(void) {
    struct sockaddr_storage address;
    int listener = rows_bind(AF_INET, SOCK_STREAM, "127.0.0.1", &address);
    struct tcp_pair pair = {.client = rows_socket(AF_INET, SOCK_STREAM, 0)};

    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(pair.client, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
    pair.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(pair.server >= 0);
    kith_close(listener);
    return pair;
}

void test_tcp_tells_what_is_left_and_how_it_was(void **state) {
    struct tcp_pair pair = open_tcp();
    struct iovec iov = {.iov_base = received.data, .iov_len = 4};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = received.control, .msg_controllen = sizeof(received.control)};
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;
    int64_t left;

    rows_set(pair.client, SOL_SOCKET, SO_TIMESTAMPING_OLD,
             SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY |
                 SOF_TIMESTAMPING_OPT_STATS);
    rows_set(pair.server, SOL_TCP, TCP_INQ, 1);
    assert_int_equal(rows_send(pair.client, NULL, "0123456789", 10, NULL, 0), 10);
    rows_receive(pair.client, MSG_ERRQUEUE, &received);
    assert_true(rows_find(&received, SOL_SOCKET, SCM_TIMESTAMPING_OPT_STATS)->size > 8);
    assert_int_equal(rows_find(&received, IPPROTO_IP, IP_RECVERR)->value.error.info, SCM_TSTAMP_SCHED);

    assert_int_equal(recvmsg(pair.server, &message, 0), 4);
    iter = kith_cmsg_iter_init(received.control, message.msg_controllen);
    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
    assert_int_equal(kith_cmsg_number(&cmsg, 0, NULL, &left), 1);
    assert_int_equal(left, 6);
    rows_receive(pair.server, 0, &received);
    assert_int_equal(received.size, 6);
    assert_int_equal(rows_number(&received, SOL_TCP, TCP_CM_INQ), 0);
    kith_close(pair.client);
    kith_close(pair.server);
}

void test_zero_copy_is_told_when_it_is_done(void **state) {
    struct tcp_pair pair = open_tcp();
    static uint8_t octets[30000];
    const struct kith_cmsg *cmsg;
    char text[200];

    rows_set(pair.client, SOL_SOCKET, SO_ZEROCOPY, 1);
    assert_int_equal(rows_send(pair.client, NULL, octets, sizeof(octets), NULL, MSG_ZEROCOPY), sizeof(octets));
    rows_receive(pair.server, 0, &received);
    rows_receive(pair.client, MSG_ERRQUEUE, &received);
    cmsg = rows_find(&received, IPPROTO_IP, IP_RECVERR);
    assert_int_equal(cmsg->value.error.origin, SO_EE_ORIGIN_ZEROCOPY);
    assert_int_equal(cmsg->value.error.error, 0);
    kith_cmsg_format(cmsg, text, sizeof(text));
    assert_memory_equal(text, "IP_RECVERR origin=zerocopy first=0 last=0", 41);
    kith_close(pair.client);
    kith_close(pair.server);
}

void test_packet_rows_make_the_round(void **state) {
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("lo")};
    int receiver = rows_socket(AF_PACKET, SOCK_RAW, 0), sender = rows_socket(AF_PACKET, SOCK_RAW, 0);
    struct ethhdr frame[2] = {{.h_proto = htons(0x88b5)}}; /* local experiments (IEEE 802) */
    int64_t value;

    assert_int_equal(bind(receiver, (struct sockaddr *)&link, sizeof(link)), 0);
    rows_set(receiver, SOL_PACKET, PACKET_AUXDATA, 1);
    rows_set(sender, SOL_SOCKET, SO_TIMESTAMPING_OLD, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_OPT_TSONLY);
    assert_int_equal(sendto(sender, frame, sizeof(frame), 0, (struct sockaddr *)&link, sizeof(link)), sizeof(frame));
    rows_receive(receiver, 0, &received);
    assert_int_equal(kith_cmsg_number(rows_find(&received, SOL_PACKET, PACKET_AUXDATA), 1, NULL, &value), 1);
    assert_int_equal(value, sizeof(frame));
    rows_receive(sender, MSG_ERRQUEUE, &received);
    assert_int_equal(rows_find(&received, SOL_PACKET, PACKET_TX_TIMESTAMP)->value.error.info, SCM_TSTAMP_SCHED);
    kith_close(sender);
    kith_close(receiver);
}
