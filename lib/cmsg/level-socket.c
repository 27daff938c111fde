/*
 * cmsg/level-socket.c: the control messages of level SOL_SOCKET, as AF_UNIX sends and brings them; times and drops come with UDP too.
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
#include "cmsg/internal.h"

#ifndef SCM_SECURITY
#define SCM_SECURITY 0x03 /* include/linux/socket.h of the kernel; glibc never had it */
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 /* include/linux/socket.h, Linux 6.5 */
#endif

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

#define ROW(...) KITH_CMSG_ENTRY(SOL_SOCKET, __VA_ARGS__)

/* Order of the types' numbers on most architectures; the lookup does not rely on it. */
static const struct kith_cmsg_row rows[] = {
    {ROW(SCM_RIGHTS, KITH_CMSG_FDS, "SCM_RIGHTS", NULL, "2.2", "open descriptors, duplicated into the receiver", true),
     .min_size = sizeof(int), .decode = decode_fds, .format = format_fds},
    {ROW(SCM_CREDENTIALS, KITH_CMSG_CREDENTIALS, "SCM_CREDENTIALS", "SO_PASSCRED", "2.2",
         "pid, real uid and real gid of the writer, checked or filled in by the kernel", true),
     .min_size = sizeof(struct ucred), .decode = decode_credentials, .format = format_credentials},
    {ROW(SCM_SECURITY, KITH_CMSG_SECURITY, "SCM_SECURITY", "SO_PASSSEC", "2.6.18", "label of the writer, from the security module", false),
     .min_size = 0, .decode = decode_security, .format = format_security},
    {ROW(SCM_PIDFD, KITH_CMSG_PIDFD, "SCM_PIDFD", "SO_PASSPIDFD", "6.5", "a pidfd of the process that SCM_CREDENTIALS names", false),
     .min_size = sizeof(int), .decode = decode_pidfd, .format = format_pidfd},
    {ROW(SO_TIMESTAMP_OLD, KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMP", "SO_TIMESTAMP", "2.1.3", "time of receipt, microseconds", false),
     .min_size = sizeof(struct __kernel_old_timeval), .decode = decode_timeval_old, .format = format_timestamp},
    {ROW(SO_TIMESTAMPNS_OLD, KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMPNS", "SO_TIMESTAMPNS", "2.6.22", "time of receipt, nanoseconds", false),
     .min_size = sizeof(struct __kernel_old_timespec), .decode = decode_timespec_old, .format = format_timestamp},
    {ROW(SO_TIMESTAMPING_OLD, KITH_CMSG_TIMESTAMPING, "SCM_TIMESTAMPING", "SO_TIMESTAMPING", "2.6.30",
         "times taken by software and hardware", false),
     .min_size = 3 * sizeof(struct __kernel_old_timespec), .decode = decode_timestamping_old, .format = format_timestamping},
    {ROW(SO_RXQ_OVFL, KITH_CMSG_DROPS, "SO_RXQ_OVFL", "SO_RXQ_OVFL", "2.6.33",
         "datagrams dropped so far because the receive buffer was full; none: not sent", false),
     .min_size = sizeof(uint32_t), .decode = decode_drops, .format = format_drops},
    {ROW(SO_TIMESTAMP_NEW, KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMP_NEW", "SO_TIMESTAMP_NEW", "5.1",
         "time of receipt, microseconds, 64-bit seconds everywhere", false),
     .min_size = sizeof(struct __kernel_sock_timeval), .decode = decode_timeval_new, .format = format_timestamp},
    {ROW(SO_TIMESTAMPNS_NEW, KITH_CMSG_TIMESTAMP, "SCM_TIMESTAMPNS_NEW", "SO_TIMESTAMPNS_NEW", "5.1",
         "time of receipt, nanoseconds, 64-bit seconds everywhere", false),
     .min_size = sizeof(struct __kernel_timespec), .decode = decode_timespec_new, .format = format_timestamp},
    {ROW(SO_TIMESTAMPING_NEW, KITH_CMSG_TIMESTAMPING, "SCM_TIMESTAMPING_NEW", "SO_TIMESTAMPING_NEW", "5.1",
         "times taken by software and hardware, 64-bit seconds everywhere", false),
     .min_size = 3 * sizeof(struct __kernel_timespec), .decode = decode_timestamping_new, .format = format_timestamping},
};

const struct kith_cmsg_level kith_cmsg_level_socket = {.level = SOL_SOCKET, .rows = rows, .count = KITH_ARRAY_SIZE(rows)};
