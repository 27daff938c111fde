/*
 * cmsg/level-socket.c: the control messages of level SOL_SOCKET, of AF_UNIX and of every family.
 *
 * Data are copied out octet by octet: a control buffer may lie anywhere, and 32-bit layouts put them at odd places. Which kernel
 * structure a message holds depends on its type alone: the _OLD forms use the kernel's long, the _NEW ones 64 bits everywhere.
 *
 * Stream sockets of AF_UNIX carry no timestamps; datagram and seqpacket sockets do, and SCM_TIMESTAMPING only beside SO_TIMESTAMP or
 * SO_TIMESTAMPNS (net/unix/af_unix.c asks for SOCK_RCVTSTAMP).
 */
#include <asm/socket.h>
#include <errno.h>
#include <linux/time_types.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "cmsg/compat.h"
#include "cmsg/internal.h"

static int decode_fds(struct kith_cmsg *cmsg) {
    cmsg->value.fds.fds = cmsg->data;
    cmsg->value.fds.count = cmsg->size / sizeof(int);
    return 0;
}

static void format_fds(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_puts(text, " fds=");
    for (size_t i = 0; i < cmsg->value.fds.count; i++)
        kith_text_printf(text, i == 0 ? "%d" : ",%d", kith_cmsg_fd(cmsg, i));
}

static int decode_credentials(struct kith_cmsg *cmsg) {
    struct ucred ucred;

    memcpy(&ucred, cmsg->data, sizeof(ucred));
    cmsg->value.credentials.pid = ucred.pid;
    cmsg->value.credentials.uid = ucred.uid;
    cmsg->value.credentials.gid = ucred.gid;
    return 0;
}

static void format_credentials(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_printf(text, " pid=%d uid=%u gid=%u", cmsg->value.credentials.pid, cmsg->value.credentials.uid, cmsg->value.credentials.gid);
}

static int decode_pidfd(struct kith_cmsg *cmsg) {
    memcpy(&cmsg->value.pidfd, cmsg->data, sizeof(int));
    return 0;
}

static void format_pidfd(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_printf(text, " pidfd=%d", cmsg->value.pidfd);
}

/* LSMs differ in whether they count the label's NUL. */
static int decode_security(struct kith_cmsg *cmsg) {
    const char *label = cmsg->data;

    cmsg->value.security.label = label;
    cmsg->value.security.size = cmsg->size > 0 && label[cmsg->size - 1] == '\0' ? cmsg->size - 1 : cmsg->size;
    return 0;
}

static void format_security(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_puts(text, " label=");
    kith_text_put_printable(text, cmsg->value.security.label, cmsg->value.security.size);
}

/* The fraction decides: a timespec with more than a second of nanoseconds would be rejected by whoever is given it. */
static int set_time(struct timespec *time, int64_t seconds, int64_t nanoseconds) {
    if (nanoseconds < 0 || nanoseconds >= 1000000000)
        return -EBADMSG;
    *time = (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)nanoseconds};
    return 0;
}

static int set_time_from_us(struct timespec *time, int64_t seconds, int64_t microseconds) {
    if (microseconds < 0 || microseconds >= 1000000)
        return -EBADMSG;
    return set_time(time, seconds, microseconds * 1000);
}

static int decode_timeval_old(struct kith_cmsg *cmsg) {
    struct __kernel_old_timeval time;

    memcpy(&time, cmsg->data, sizeof(time));
    return set_time_from_us(&cmsg->value.timestamp, time.tv_sec, time.tv_usec);
}

static int decode_timeval_new(struct kith_cmsg *cmsg) {
    struct __kernel_sock_timeval time;

    memcpy(&time, cmsg->data, sizeof(time));
    return set_time_from_us(&cmsg->value.timestamp, time.tv_sec, time.tv_usec);
}

static int decode_timespec_old(struct kith_cmsg *cmsg) {
    struct __kernel_old_timespec time;

    memcpy(&time, cmsg->data, sizeof(time));
    return set_time(&cmsg->value.timestamp, time.tv_sec, time.tv_nsec);
}

static int decode_timespec_new(struct kith_cmsg *cmsg) {
    struct __kernel_timespec time;

    memcpy(&time, cmsg->data, sizeof(time));
    return set_time(&cmsg->value.timestamp, time.tv_sec, time.tv_nsec);
}

static void format_timestamp(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_printf(text, " time=%lld.%09ld", (long long)cmsg->value.timestamp.tv_sec, cmsg->value.timestamp.tv_nsec);
}

/* struct scm_timestamping and struct scm_timestamping64, linux/errqueue.h: three times each. */
static int decode_timestamping_old(struct kith_cmsg *cmsg) {
    struct __kernel_old_timespec times[3];
    int r = 0;

    memcpy(times, cmsg->data, sizeof(times));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(times) && r == 0; i++)
        r = set_time(&cmsg->value.timestamping[i], times[i].tv_sec, times[i].tv_nsec);
    return r;
}

static int decode_timestamping_new(struct kith_cmsg *cmsg) {
    struct __kernel_timespec times[3];
    int r = 0;

    memcpy(times, cmsg->data, sizeof(times));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(times) && r == 0; i++)
        r = set_time(&cmsg->value.timestamping[i], times[i].tv_sec, times[i].tv_nsec);
    return r;
}

/* Only the stamps that were taken: an all-zero one was not. The middle one is kept for old programs and always zero
 * (Documentation/networking/timestamping.rst). */
static void format_timestamping(const struct kith_cmsg *cmsg, struct kith_text *text) {
    static const char *const names[] = {"software", "transformed", "hardware"};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(names); i++) {
        const struct timespec *time = &cmsg->value.timestamping[i];

        if (time->tv_sec != 0 || time->tv_nsec != 0)
            kith_text_printf(text, " %s=%lld.%09ld", names[i], (long long)time->tv_sec, time->tv_nsec);
    }
}

static int decode_drops(struct kith_cmsg *cmsg) {
    memcpy(&cmsg->value.drops, cmsg->data, sizeof(cmsg->value.drops));
    return 0;
}

static void format_drops(const struct kith_cmsg *cmsg, struct kith_text *text) {
    kith_text_printf(text, " drops=%u", cmsg->value.drops);
}

/* Order of the types' numbers on most architectures; the lookup does not rely on it. */
static const struct kith_cmsg_row rows[] = {
    {.type = {.level = SOL_SOCKET,
              .type = SCM_RIGHTS,
              .kind = KITH_CMSG_FDS,
              .name = "SCM_RIGHTS",
              .option = NULL,
              .since = "2.2",
              .send_since = "2.2",
              .data = "int[], at most 253",
              .wire = NULL,
              .manual = "unix(7)",
              .summary = "open descriptors, duplicated into the receiver"},
     .min_size = sizeof(int),
     .decode = decode_fds,
     .format = format_fds},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_CREDENTIALS,
              .kind = KITH_CMSG_CREDENTIALS,
              .name = "SCM_CREDENTIALS",
              .option = "SO_PASSCRED",
              .since = "2.2",
              .send_since = "2.2",
              .data = "struct ucred",
              .wire = NULL,
              .manual = "unix(7)",
              .summary = "pid, real uid and real gid of the writer, checked or filled in by the kernel"},
     .min_size = sizeof(struct ucred),
     .decode = decode_credentials,
     .format = format_credentials},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_SECURITY,
              .kind = KITH_CMSG_SECURITY,
              .name = "SCM_SECURITY",
              .option = "SO_PASSSEC",
              .since = "2.6.18",
              .send_since = NULL,
              .data = "text",
              .wire = NULL,
              .manual = "unix(7)",
              .summary = "label of the writer, from the security module"},
     .min_size = 0,
     .decode = decode_security,
     .format = format_security},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_PIDFD,
              .kind = KITH_CMSG_PIDFD,
              .name = "SCM_PIDFD",
              .option = "SO_PASSPIDFD",
              .since = "6.5",
              .send_since = NULL,
              .data = "int",
              .wire = NULL,
              .manual = "unix(7)",
              .summary = "a pidfd of the process that SCM_CREDENTIALS names"},
     .min_size = sizeof(int),
     .decode = decode_pidfd,
     .format = format_pidfd},
    {.type = {.level = SOL_SOCKET,
              .type = SO_PRIORITY,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SO_PRIORITY",
              .option = "SO_RCVPRIORITY",
              .since = "6.14",
              .send_since = "6.14",
              .data = "unsigned int",
              .wire = NULL,
              .manual = "socket(7)",
              .summary = "priority for queueing on this host; sending one above 6 wants CAP_NET_ADMIN or CAP_NET_RAW"},
     .min_size = sizeof(uint32_t),
     .fields = KITH_CMSG_FIELDS({"priority", 0, 4, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_SOCKET,
              .type = SO_TIMESTAMP_OLD,
              .kind = KITH_CMSG_TIMESTAMP,
              .name = "SCM_TIMESTAMP",
              .option = "SO_TIMESTAMP",
              .since = "2.1.3",
              .send_since = NULL,
              .data = "struct timeval",
              .wire = NULL,
              .manual = "socket(7)",
              .summary = "time of receipt, microseconds"},
     .min_size = sizeof(struct __kernel_old_timeval),
     .decode = decode_timeval_old,
     .format = format_timestamp},
    {.type = {.level = SOL_SOCKET,
              .type = SO_TIMESTAMPNS_OLD,
              .kind = KITH_CMSG_TIMESTAMP,
              .name = "SCM_TIMESTAMPNS",
              .option = "SO_TIMESTAMPNS",
              .since = "2.6.22",
              .send_since = NULL,
              .data = "struct timespec",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "time of receipt, nanoseconds"},
     .min_size = sizeof(struct __kernel_old_timespec),
     .decode = decode_timespec_old,
     .format = format_timestamp},
    {.type = {.level = SOL_SOCKET,
              .type = SO_MARK,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SO_MARK",
              .option = "SO_RCVMARK",
              .since = "5.19",
              .send_since = "5.5",
              .data = "unsigned int",
              .wire = NULL,
              .manual = "socket(7)",
              .summary = "mark for routes and filters of this host; sending one wants CAP_NET_RAW or CAP_NET_ADMIN"},
     .min_size = sizeof(uint32_t),
     .fields = KITH_CMSG_FIELDS({"mark", 0, 4, KITH_CMSG_HEX})},
    {.type = {.level = SOL_SOCKET,
              .type = SO_TIMESTAMPING_OLD,
              .kind = KITH_CMSG_TIMESTAMPING,
              .name = "SCM_TIMESTAMPING",
              .option = "SO_TIMESTAMPING",
              .since = "2.6.30",
              .send_since = "4.7",
              .data = "struct scm_timestamping; sent: unsigned int, SOF_TIMESTAMPING_TX_...",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "times taken by software and hardware; sent: which times to take of this message"},
     .min_size = 3 * sizeof(struct __kernel_old_timespec),
     .decode = decode_timestamping_old,
     .format = format_timestamping},
    {.type = {.level = SOL_SOCKET,
              .type = SO_RXQ_OVFL,
              .kind = KITH_CMSG_DROPS,
              .name = "SO_RXQ_OVFL",
              .option = "SO_RXQ_OVFL",
              .since = "2.6.33",
              .send_since = NULL,
              .data = "unsigned int",
              .wire = NULL,
              .manual = "socket(7)",
              .summary = "datagrams dropped so far because the receive buffer was full; none: not sent"},
     .min_size = sizeof(uint32_t),
     .decode = decode_drops,
     .format = format_drops},
    {.type = {.level = SOL_SOCKET,
              .type = SO_WIFI_STATUS,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_WIFI_STATUS",
              .option = "SO_WIFI_STATUS",
              .since = "3.3",
              .send_since = NULL,
              .data = "int",
              .wire = NULL,
              .manual = "socket.h",
              .summary = "on the error queue: was the wireless frame acknowledged"},
     .min_size = sizeof(int),
     .fields = KITH_CMSG_FIELDS({"acknowledged", 0, 4, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_TIMESTAMPING_OPT_STATS,
              .kind = KITH_CMSG_OCTETS,
              .name = "SCM_TIMESTAMPING_OPT_STATS",
              .option = "SOF_TIMESTAMPING_OPT_STATS",
              .since = "4.10",
              .send_since = NULL,
              .data = "netlink attributes, TCP_NLA_...",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "on the error queue, beside a transmit time of TCP: the connection's statistics at that moment"},
     .min_size = 0},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_TIMESTAMPING_PKTINFO,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_TIMESTAMPING_PKTINFO",
              .option = "SOF_TIMESTAMPING_OPT_PKTINFO",
              .since = "4.13",
              .send_since = NULL,
              .data = "struct scm_ts_pktinfo",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "beside a hardware time of receipt: the interface that took it, the packet's length"},
     .min_size = 8,
     .fields = KITH_CMSG_FIELDS({"interface", 0, 4, KITH_CMSG_PLAIN}, {"length", 4, 4, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_SOCKET,
              .type = SO_TXTIME,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_TXTIME",
              .option = NULL,
              .since = NULL,
              .send_since = "4.19",
              .data = "__u64, nanoseconds",
              .wire = NULL,
              .manual = "tc-etf(8)",
              .summary = "do not send before; SO_TXTIME chooses the clock, a queueing discipline waits"},
     .min_size = sizeof(uint64_t),
     .fields = KITH_CMSG_FIELDS({"time", 0, 8, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_SOCKET,
              .type = SO_TIMESTAMP_NEW,
              .kind = KITH_CMSG_TIMESTAMP,
              .name = "SCM_TIMESTAMP_NEW",
              .option = "SO_TIMESTAMP_NEW",
              .since = "5.1",
              .send_since = NULL,
              .data = "struct __kernel_sock_timeval",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "time of receipt, microseconds, 64-bit seconds everywhere"},
     .min_size = sizeof(struct __kernel_sock_timeval),
     .decode = decode_timeval_new,
     .format = format_timestamp},
    {.type = {.level = SOL_SOCKET,
              .type = SO_TIMESTAMPNS_NEW,
              .kind = KITH_CMSG_TIMESTAMP,
              .name = "SCM_TIMESTAMPNS_NEW",
              .option = "SO_TIMESTAMPNS_NEW",
              .since = "5.1",
              .send_since = NULL,
              .data = "struct __kernel_timespec",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "time of receipt, nanoseconds, 64-bit seconds everywhere"},
     .min_size = sizeof(struct __kernel_timespec),
     .decode = decode_timespec_new,
     .format = format_timestamp},
    {.type = {.level = SOL_SOCKET,
              .type = SO_TIMESTAMPING_NEW,
              .kind = KITH_CMSG_TIMESTAMPING,
              .name = "SCM_TIMESTAMPING_NEW",
              .option = "SO_TIMESTAMPING_NEW",
              .since = "5.1",
              .send_since = "6.8",
              .data = "struct scm_timestamping64; sent: unsigned int, SOF_TIMESTAMPING_TX_...",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "times taken by software and hardware, 64-bit seconds everywhere; sent: which times to take of this message"},
     .min_size = 3 * sizeof(struct __kernel_timespec),
     .decode = decode_timestamping_new,
     .format = format_timestamping},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_DEVMEM_LINEAR,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_DEVMEM_LINEAR",
              .option = "MSG_SOCK_DEVMEM",
              .since = "6.12",
              .send_since = NULL,
              .data = "struct dmabuf_cmsg",
              .wire = NULL,
              .manual = "devmem.rst",
              .summary = "TCP data that came into this host's memory all the same, though device memory was asked for"},
     .min_size = 16,
     .fields = KITH_CMSG_FIELDS({"offset", 0, 8, KITH_CMSG_PLAIN}, {"size", 8, 4, KITH_CMSG_PLAIN}, {"token", 12, 4, KITH_CMSG_PLAIN},
                                {"dmabuf", 16, 4, KITH_CMSG_PLAIN}, {"flags", 20, 4, KITH_CMSG_HEX})},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_DEVMEM_DMABUF,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_DEVMEM_DMABUF",
              .option = "MSG_SOCK_DEVMEM",
              .since = "6.12",
              .send_since = NULL,
              .data = "struct dmabuf_cmsg",
              .wire = NULL,
              .manual = "devmem.rst",
              .summary = "where in a device's memory TCP data came"},
     .min_size = 24,
     .fields = KITH_CMSG_FIELDS({"offset", 0, 8, KITH_CMSG_PLAIN}, {"size", 8, 4, KITH_CMSG_PLAIN}, {"token", 12, 4, KITH_CMSG_PLAIN},
                                {"dmabuf", 16, 4, KITH_CMSG_PLAIN}, {"flags", 20, 4, KITH_CMSG_HEX})},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_TS_OPT_ID,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_TS_OPT_ID",
              .option = NULL,
              .since = NULL,
              .send_since = "6.13",
              .data = "__u32",
              .wire = NULL,
              .manual = "timestamping.rst",
              .summary = "number by which the error queue will name the times of this message (SOF_TIMESTAMPING_OPT_ID)"},
     .min_size = sizeof(uint32_t),
     .fields = KITH_CMSG_FIELDS({"id", 0, 4, KITH_CMSG_PLAIN})},
    {.type = {.level = SOL_SOCKET,
              .type = SCM_INQ,
              .kind = KITH_CMSG_NUMBERS,
              .name = "SCM_INQ",
              .option = "SO_INQ",
              .since = "6.17",
              .send_since = NULL,
              .data = "int",
              .wire = NULL,
              .manual = "socket.h",
              .summary = "octets that the receive buffer still holds, AF_UNIX streams"},
     .min_size = sizeof(int),
     .fields = KITH_CMSG_FIELDS({"left", 0, 4, KITH_CMSG_SIGNED})},
};

const struct kith_cmsg_level kith_cmsg_level_socket = {.level = SOL_SOCKET, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};
