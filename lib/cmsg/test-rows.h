/*
 * cmsg/test-rows.h: for the test of the table: every row through the kernel, in a network namespace of its own.
 *
 * What the kernel took in sendmsg() and what it brought in recvmsg() is marked at the row; at the end every row and direction has to be
 * marked, be younger than the kernel, or be excused with a reason (test-rows.c). So a new row cannot be forgotten.
 */
#ifndef KITH_CMSG_TEST_ROWS_H
#define KITH_CMSG_TEST_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/testing.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

/* What one recvmsg() brought. */
struct rows_received {
    _Alignas(struct cmsghdr) uint8_t control[1024];
    uint8_t data[70000];
    ssize_t size;
    int flags;
    struct kith_cmsg messages[16];
    size_t count;
};

/* Is this kernel at least of that version, "5.19"? NULL: no kernel is. */
bool rows_kernel_has(const char *version);
/* Control messages of a buffer: accepted by sendmsg(). */
void rows_mark_sent(const struct kith_cmsg_builder *builder);
bool rows_is_sent(const struct kith_cmsg_type *type);
bool rows_is_received(const struct kith_cmsg_type *type);

/* sendmsg() of `size` octets with these control messages; NULL address: connected. The count, or a negative errno. */
ssize_t rows_send(int fd, const struct sockaddr_storage *to, const void *data, size_t size, const struct kith_cmsg_builder *builder,
                  int flags);
/* recvmsg(), which must succeed and lose no control message; what came is decoded, printed and marked. Waits at most ten
 * seconds. */
void rows_receive(int fd, int flags, struct rows_received *received);
/* Its only message of this type, which has to be there. */
const struct kith_cmsg *rows_find(const struct rows_received *received, int level, int type);
/* The only number of it. */
int64_t rows_number(const struct rows_received *received, int level, int type);
bool rows_has(const struct rows_received *received, int level, int type);

void rows_set(int fd, int level, int option, int value);
/* A bound socket of the loopback interface and, in *ret_address, where it is. */
int rows_bind(int family, int type, const char *address, struct sockaddr_storage *ret_address);
int rows_socket(int family, int type, int protocol);
void rows_set_mtu(int mtu);

#define ROWS_SIZE(address) ((address)->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6))
#define ROWS_BUILDER(name)                                                                                                                 \
    _Alignas(struct cmsghdr) uint8_t name##_control[512];                                                                                  \
    struct kith_cmsg_builder name = kith_cmsg_builder_init(name##_control, sizeof(name##_control))

/* test-rows-internet.c, test-rows-queue.c, test-rows-local.c, test-rows-octets.c */
void test_ipv4_rows_make_the_round(void **state);
void test_ipv4_fragments_and_checksums_are_told(void **state);
void test_a_raw_ipv4_packet_takes_its_protocol(void **state);
void test_ipv6_rows_make_the_round(void **state);
void test_rfc_2292_rows_make_the_round(void **state);
void test_ipv6_routing_headers_are_told(void **state);
void test_ipv6_fragments_and_path_mtus_are_told(void **state);
void test_udp_is_cut_and_joined(void **state);

void test_icmp_errors_are_told(void **state);
void test_times_of_sending_come_through_the_error_queue(void **state);
void test_tcp_tells_what_is_left_and_how_it_was(void **state);
void test_zero_copy_is_told_when_it_is_done(void **state);
void test_packet_rows_make_the_round(void **state);

void test_times_of_receipt_are_told(void **state);
void test_marks_and_priorities_make_the_round(void **state);
void test_a_time_to_send_is_taken(void **state);
void test_unix_rows_make_the_round(void **state);
void test_a_full_buffer_is_told(void **state);
void test_netlink_rows_make_the_round(void **state);

void test_what_no_kernel_here_brings_is_decoded_from_octets(void **state);
void test_encoders_refuse_what_is_out_of_range(void **state);
void test_encoders_write_what_the_kernel_reads(void **state);

#endif
