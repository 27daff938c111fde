/* The rows that no kernel here brings, from octets; and the encoders, by what they write. */
#include "cmsg/test-rows.h"

#include <linux/can.h>
#include <linux/can/j1939.h>
#include <linux/can/raw.h>
#include <linux/if_alg.h>
#include <linux/tls.h>

#include <linux/sctp.h>

#define CASE(level, type, octets, text)                                                                                                    \
    { level, type, octets, sizeof(octets) - 1, text }

void test_what_no_kernel_here_brings_is_decoded_from_octets(void **state) {
    static const struct sctp_rcvinfo rcvinfo = {
        .rcv_sid = 3, .rcv_ssn = 4, .rcv_flags = 1, .rcv_ppid = 0, .rcv_tsn = 9, .rcv_assoc_id = -2};
    static const struct sctp_nxtinfo nxtinfo = {.nxt_sid = 3, .nxt_length = 77, .nxt_assoc_id = 5};
    static const struct sctp_sndrcvinfo sndrcv = {.sinfo_stream = 1, .sinfo_tsn = 8, .sinfo_assoc_id = 6};
    static const uint32_t wifi = 1, pktinfo[4] = {2, 1500, 0, 0}, linear[6] = {0, 0, 100, 0, 0, 0}, dmabuf[6] = {4096, 0, 100, 5, 6, 1};
    static const uint32_t zerocopy[4] = {0, 5, 0, 4}, txtime[4] = {ECANCELED, 6U | 2U << 16, 7, 1};
    static const struct {
        int level, type;
        const void *data;
        size_t size;
        const char *text;
    } cases[] = {
        CASE(IPPROTO_IP, 3, "unconfined", "IP_PASSSEC size=10 octets=756e636f6e66696e6564"),
        {SOL_SOCKET, SO_WIFI_STATUS, &wifi, sizeof(wifi), "SCM_WIFI_STATUS acknowledged=1"},
        {SOL_SOCKET, SCM_TIMESTAMPING_PKTINFO, pktinfo, sizeof(pktinfo), "SCM_TIMESTAMPING_PKTINFO interface=2 length=1500"},
        {SOL_SOCKET, SCM_DEVMEM_LINEAR, linear, sizeof(linear), "SCM_DEVMEM_LINEAR offset=0 size=100 token=0 dmabuf=0 flags=0x0"},
        {SOL_SOCKET, SCM_DEVMEM_DMABUF, dmabuf, sizeof(dmabuf), "SCM_DEVMEM_DMABUF offset=4096 size=100 token=5 dmabuf=6 flags=0x1"},
        CASE(SOL_CAN_J1939, SCM_J1939_DEST_ADDR, "\x21", "SCM_J1939_DEST_ADDR address=0x21"),
        CASE(SOL_CAN_J1939, SCM_J1939_DEST_NAME, "\1\0\0\0\0\0\0\xff", "SCM_J1939_DEST_NAME name=0xff00000000000001"),
        CASE(SOL_CAN_J1939, SCM_J1939_PRIO, "\6", "SCM_J1939_PRIO priority=6"),
        {SOL_SCTP, SCTP_SNDRCV, &sndrcv, sizeof(sndrcv),
         "SCTP_SNDRCV stream=1 sequence=0 flags=0x0 protocol=0x0 context=0 lifetime=0 tsn=8 association=6"},
        {SOL_SCTP, SCTP_RCVINFO, &rcvinfo, sizeof(rcvinfo),
         "SCTP_RCVINFO stream=3 sequence=4 flags=0x1 protocol=0x0 tsn=9 context=0 association=-2"},
        {SOL_SCTP, SCTP_NXTINFO, &nxtinfo, sizeof(nxtinfo), "SCTP_NXTINFO stream=3 flags=0x0 protocol=0x0 length=77 association=5"},
        CASE(SOL_TLS, TLS_GET_RECORD_TYPE, "\x15", "TLS_GET_RECORD_TYPE type=21"),
        {SOL_VSOCK, VSOCK_RECVERR, zerocopy, sizeof(zerocopy), "VSOCK_RECVERR origin=zerocopy first=0 last=4"},
        {SOL_CAN_RAW, SCM_CAN_RAW_ERRQUEUE, txtime, sizeof(txtime), "SCM_CAN_RAW_ERRQUEUE origin=txtime missed time=4294967303"},
        {SOL_CAN_J1939, SCM_J1939_ERRQUEUE, zerocopy, sizeof(zerocopy), "SCM_J1939_ERRQUEUE origin=zerocopy first=0 last=4"},
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        struct kith_cmsg_iter iter;
        struct kith_cmsg cmsg;
        char text[160];
        ROWS_BUILDER(builder);

        assert_int_equal(kith_cmsg_put(&builder, cases[i].level, cases[i].type, cases[i].data, cases[i].size), 0);
        iter = kith_cmsg_iter_init(builder.control, builder.size);
        assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
        kith_cmsg_format(&cmsg, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

void test_encoders_refuse_what_is_out_of_range(void **state) {
    ROWS_BUILDER(builder);

    assert_int_equal(kith_cmsg_put_packet(&builder, AF_UNIX, NULL, 0), -EINVAL);
    assert_int_equal(kith_cmsg_put_hops(&builder, AF_INET, 0), -EINVAL);
    assert_int_equal(kith_cmsg_put_hops(&builder, AF_INET6, -1), -EINVAL);
    assert_int_equal(kith_cmsg_put_hops(&builder, AF_INET6, 256), -EINVAL);
    assert_int_equal(kith_cmsg_put_hops(&builder, AF_UNIX, 1), -EINVAL);
    assert_int_equal(kith_cmsg_put_traffic(&builder, AF_INET, 256), -EINVAL);
    assert_int_equal(kith_cmsg_put_traffic(&builder, AF_UNIX, 0), -EINVAL);
    assert_int_equal(kith_cmsg_put_flow_label(&builder, 0x100000), -EINVAL);
    assert_int_equal(kith_cmsg_put_segment(&builder, 0), -EINVAL);
    assert_int_equal(kith_cmsg_put_alg_iv(&builder, NULL, 16), -EINVAL);
    assert_int_equal(kith_cmsg_put_alg_iv(&builder, "", 0), -EINVAL);
    assert_int_equal(kith_cmsg_put_alg_iv(&builder, builder_control, 257), -EINVAL);
    assert_int_equal(builder.size, 0);
    builder.capacity = sizeof(struct cmsghdr);
    assert_int_equal(kith_cmsg_put_mark(&builder, 1), -ENOBUFS);
    assert_int_equal(builder.size, 0);
}

/* Those whose reader is not here (AF_ALG, TLS): header and octets as the kernel's own documents have them. */
void test_encoders_write_what_the_kernel_reads(void **state) {
    static const char *const texts[] = {"ALG_SET_OP operation=1", "ALG_SET_OP operation=0", "ALG_SET_IV iv_size=4",
                                        "ALG_SET_AEAD_ASSOCLEN associated=9", "TLS_SET_RECORD_TYPE type=21"};
    struct kith_cmsg_iter iter;
    struct kith_cmsg cmsg;
    char text[80];
    ROWS_BUILDER(builder);

    assert_int_equal(kith_cmsg_put_alg_operation(&builder, true), 0);
    assert_int_equal(kith_cmsg_put_alg_operation(&builder, false), 0);
    assert_int_equal(kith_cmsg_put_alg_iv(&builder, "abcd", 4), 0);
    assert_int_equal(kith_cmsg_put_alg_associated(&builder, 9), 0);
    assert_int_equal(kith_cmsg_put_record_type(&builder, 21), 0);
    iter = kith_cmsg_iter_init(builder.control, builder.size);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(texts); i++) {
        assert_int_equal(kith_cmsg_next(&iter, &cmsg), 1);
        kith_cmsg_format(&cmsg, text, sizeof(text));
        assert_string_equal(text, texts[i]);
        if (cmsg.type == ALG_SET_IV && cmsg.level == SOL_ALG)
            assert_memory_equal((const uint8_t *)cmsg.data + 4, "abcd", 4);
    }
    assert_int_equal(kith_cmsg_next(&iter, &cmsg), 0);
}
