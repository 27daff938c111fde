/*
 * cmsg/error-queue.c: what a socket's error queue says (recvmsg() with MSG_ERRQUEUE; "IP_RECVERR" in ip(7)).
 *
 * struct sock_extended_err, behind it the socket address of who reported it. What info and data mean depends on the origin: a failure's
 * MTU, the first and last number of zero-copy sends that are done (Documentation/networking/msg_zerocopy.rst), which stamp was taken of
 * which message (timestamping.rst), the time that could not be kept (SO_TXTIME).
 */
#include <linux/types.h>
#include <string.h>
#include <time.h>

#include <linux/errqueue.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cmsg/internal.h"

#define ERRNO_MAX 4095 /* MAX_ERRNO, include/linux/err.h of the kernel */

int kith_cmsg_decode_error(struct kith_cmsg *cmsg) {
    struct sock_extended_err error;

    memcpy(&error, cmsg->data, sizeof(error));
    cmsg->value.error.error = error.ee_errno;
    cmsg->value.error.origin = error.ee_origin;
    cmsg->value.error.type = error.ee_type;
    cmsg->value.error.code = error.ee_code;
    cmsg->value.error.info = error.ee_info;
    cmsg->value.error.data = error.ee_data;
    return kith_cmsg_read_address(cmsg, sizeof(error), &cmsg->value.error.offender);
}

static void format_failure(const struct kith_cmsg *cmsg, const char *origin, struct kith_text *text) {
    uint32_t number = cmsg->value.error.error;

    kith_text_printf(text, " error=%u (%s)", number, kith_error_name(number <= ERRNO_MAX ? -(int)number : 0));
    kith_text_printf(text, " origin=%s type=%u code=%u info=%u data=%u", origin, cmsg->value.error.type, cmsg->value.error.code,
                     cmsg->value.error.info, cmsg->value.error.data);
    if (cmsg->value.error.offender.family != 0) {
        kith_text_puts(text, " offender=");
        kith_cmsg_put_address(&cmsg->value.error.offender, text);
    }
}

void kith_cmsg_format_error(const struct kith_cmsg *cmsg, struct kith_text *text) {
    static const char *const origins[] = {"none", "local", "icmp", "icmp6"};
    static const char *const stamps[] = {"sent", "scheduled", "acknowledged", "completed"}; /* SCM_TSTAMP_... */
    uint32_t info = cmsg->value.error.info, data = cmsg->value.error.data;
    uint8_t origin = cmsg->value.error.origin, code = cmsg->value.error.code;

    if (origin < KITH_ARRAY_SIZE(origins)) {
        format_failure(cmsg, origins[origin], text);
    } else if (origin == SO_EE_ORIGIN_TIMESTAMPING) {
        kith_text_printf(text, " origin=timestamping stamp=%s id=%u", info < KITH_ARRAY_SIZE(stamps) ? stamps[info] : "unknown", data);
    } else if (origin == SO_EE_ORIGIN_ZEROCOPY) {
        kith_text_printf(text, " origin=zerocopy first=%u last=%u%s", info, data, code & SO_EE_CODE_ZEROCOPY_COPIED ? " copied" : "");
    } else if (origin == SO_EE_ORIGIN_TXTIME) {
        kith_text_printf(text, " origin=txtime %s time=%llu", code == SO_EE_CODE_TXTIME_MISSED ? "missed" : "invalid",
                         (unsigned long long)data << 32 | info);
    } else {
        kith_text_printf(text, " origin=%u type=%u code=%u info=%u data=%u", origin, cmsg->value.error.type, code, info, data);
    }
}
