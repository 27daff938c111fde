/*
 * cli/cmsg-send.c: kith cmsg send: one sendmsg() with the ancillary data that options state.
 *
 * Options are only noted while they are read, since some depend on the endpoint's family; the control buffer is built when it is known.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cli/cmsg.h"
#include "cli/options.h"
#include "cli/output.h"

enum key { TTL, TOS, PKTINFO, FD, CRED, SEGMENT, TXTIME, MARK, PRIORITY, FLOW_LABEL, IP_OPTIONS_, HOP_OPTIONS, DST_OPTIONS, WAIT, JSON };

static const struct cli_option options[] = {
    {TTL, "ttl", 0, "N", "hops that the datagram may take (IP_TTL, IPV6_HOPLIMIT)"},
    {TOS, "tos", 0, "NAME|N", "type of service or traffic class: ef, af41, cs1, le, ... or 0 to 255"},
    {PKTINFO, "pktinfo", 0, "src=ADDRESS,if=NAME", "source address and interface; either may be left out"},
    {FLOW_LABEL, "flow-label", 0, "N", "flow label of IPv6"},
    {IP_OPTIONS_, "ip-options", 0, "HEX", "options of the IPv4 header (IP_RETOPTS)"},
    {HOP_OPTIONS, "hop-options", 0, "HEX", "hop-by-hop options header of IPv6, whole"},
    {DST_OPTIONS, "dst-options", 0, "HEX", "destination options header of IPv6, whole"},
    {SEGMENT, "segment", 0, "N", "cut the data into datagrams of N octets (UDP_SEGMENT)"},
    {TXTIME, "txtime", 0, "MS", "not to be sent for so long (SCM_TXTIME)"},
    {MARK, "mark", 0, "N", "mark for routes and filters of this host"},
    {PRIORITY, "priority", 0, "N", "priority for this host's queues"},
    {FD, "fd", 0, "N|PATH", "pass a descriptor (AF_UNIX); more than once"},
    {CRED, "cred", 0, "pid=N,uid=N,gid=N", "state credentials (AF_UNIX); what is left out are our own"},
    {WAIT, "wait", 0, "MS", "then print what the error queue brings within so long, times of sending too"},
    {JSON, "json", 0, NULL, "print what --wait brings as JSON"},
    {0},
};

struct sending {
    struct cmsg_endpoint endpoint;
    const char *values[JSON]; /* as given; NULL: not */
    int64_t numbers[JSON];
    unsigned traffic;
    struct kith_cmsg_builder builder;
    const char *source, *interface; /* of --pktinfo, in `pktinfo` */
    char pktinfo[128];
    struct ucred cred;
    int fds[KITH_CMSG_MAX_FDS];
    size_t fd_count;
    uint32_t opened[8]; /* bits of fds[]: ours to close */
    bool json;
};

/* Reading options ----------------------------------------------------------------------------------------------------- */

static int take_fd(struct sending *me, const char *value) {
    bool number = value[0] >= '0' && value[0] <= '9';
    int64_t fd;

    if (me->fd_count == KITH_CMSG_MAX_FDS) {
        cli_error("--fd %s: one message carries at most %d descriptors", value, KITH_CMSG_MAX_FDS);
        return CLI_USAGE;
    }
    if (number) {
        int status = cli_number("--fd", value, 0, INT32_MAX, &fd);
        if (status != 0)
            return status;
        if (fcntl((int)fd, F_GETFD) < 0) {
            cli_error("--fd %s: no such descriptor is open here (a shell opens one with exec %s<FILE)", value, value);
            return CLI_ERROR;
        }
    } else {
        fd = open(value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) {
            cli_error("--fd %s: %s", value, kith_error_name(-errno));
            return CLI_ERROR;
        }
        me->opened[me->fd_count / 32] |= 1U << me->fd_count % 32;
    }
    me->fds[me->fd_count++] = (int)fd;
    return 0;
}

static int take_cred(struct sending *me, const char *value) {
    char text[128], *rest = text;

    snprintf(text, sizeof(text), "%s", value);
    for (char *word; (word = strsep(&rest, ","));) {
        int64_t number;
        char *is = strchr(word, '=');
        int status = is ? cli_number("--cred", is + 1, 0, UINT32_MAX - 1, &number) : CLI_USAGE;

        if (!is)
            cli_error("--cred %s: pid=N, uid=N and gid=N, with commas between", value);
        if (status != 0)
            return status;
        *is = '\0';
        if (strcmp(word, "pid") == 0 && number <= INT32_MAX) {
            me->cred.pid = (pid_t)number;
        } else if (strcmp(word, "uid") == 0) {
            me->cred.uid = (uid_t)number;
        } else if (strcmp(word, "gid") == 0) {
            me->cred.gid = (gid_t)number;
        } else {
            cli_error("--cred %s: pid=N, uid=N and gid=N, with commas between", value);
            return CLI_USAGE;
        }
    }
    return 0;
}

static int take_pktinfo(struct sending *me, const char *value) {
    char *rest = me->pktinfo;

    snprintf(me->pktinfo, sizeof(me->pktinfo), "%s", value);
    for (char *word; (word = strsep(&rest, ","));) {
        if (strncmp(word, "src=", 4) == 0) {
            me->source = word + 4;
        } else if (strncmp(word, "if=", 3) == 0) {
            me->interface = word + 3;
        } else {
            cli_error("--pktinfo %s: src=ADDRESS and if=NAME, with a comma between", value);
            return CLI_USAGE;
        }
    }
    return 0;
}

static int take_number(struct sending *me, enum key key, const char *value) {
    static const struct {
        enum key key;
        const char *name;
        int64_t min, max;
    } ranges[] = {{TTL, "--ttl", 0, 255},          {SEGMENT, "--segment", 1, 65507},        {TXTIME, "--txtime", 0, INT32_MAX},
                  {MARK, "--mark", 0, UINT32_MAX}, {PRIORITY, "--priority", 0, UINT32_MAX}, {FLOW_LABEL, "--flow-label", 0, 0xfffff},
                  {WAIT, "--wait", 0, INT32_MAX}};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(ranges); i++) {
        if (ranges[i].key == key)
            return cli_number(ranges[i].name, value, ranges[i].min, ranges[i].max, &me->numbers[key]);
    }
    return 0; /* octets in hex: read when they are put */
}

static int take_option(void *state, int key, const char *value) {
    struct sending *me = state;

    if (key == JSON) {
        me->json = true;
        return 0;
    }
    me->values[key] = value;
    if (key == FD)
        return take_fd(me, value);
    if (key == CRED)
        return take_cred(me, value);
    if (key == PKTINFO)
        return take_pktinfo(me, value);
    if (key == TOS && cmsg_traffic_parse(value, &me->traffic) < 0) {
        cli_error("--tos %s: a name (ef, af11 to af43, cs0 to cs7, le, voice-admit, default) or a number of 0 to 255", value);
        return CLI_USAGE;
    }
    return take_number(me, (enum key)key, value);
}

/* Building ------------------------------------------------------------------------------------------------------------ */

static int put_packet(struct sending *me, int family) {
    uint8_t source[16];
    unsigned interface = me->interface ? if_nametoindex(me->interface) : 0;

    if (me->interface && interface == 0) {
        cli_error("--pktinfo if=%s: no such interface (ip link shows them)", me->interface);
        return CLI_ERROR;
    }
    if (me->source && inet_pton(family, me->source, source) != 1) {
        cli_error("--pktinfo src=%s: no %s address, which %s wants", me->source, family == AF_INET ? "IPv4" : "IPv6", me->endpoint.text);
        return CLI_USAGE;
    }
    return kith_cmsg_put_packet(&me->builder, family, me->source ? source : NULL, interface) < 0 ? CLI_ERROR : 0;
}

static int put_hex(struct sending *me, enum key key, const char *name, int level, int type) {
    const char *text = me->values[key];
    uint8_t octets[256];
    size_t size = text ? strlen(text) / 2 : 0;

    if (!text)
        return 0;
    if (strlen(text) % 2 != 0 || size == 0 || size > sizeof(octets) || strspn(text, "0123456789abcdefABCDEF") != strlen(text)) {
        cli_error("%s %s: an even number of hexadecimal digits, 1 to %zu octets", name, text, sizeof(octets));
        return CLI_USAGE;
    }
    for (size_t i = 0; i < size; i++)
        sscanf(text + 2 * i, "%2hhx", &octets[i]);
    return kith_cmsg_put(&me->builder, level, type, octets, size) < 0 ? CLI_ERROR : 0;
}

static int check_family(const struct sending *me, int family) {
    static const struct {
        enum key key;
        const char *name;
        int family; /* AF_UNSPEC: IPv4 or IPv6 */
    } needs[] = {{TTL, "--ttl", AF_UNSPEC},
                 {TOS, "--tos", AF_UNSPEC},
                 {PKTINFO, "--pktinfo", AF_UNSPEC},
                 {SEGMENT, "--segment", AF_UNSPEC},
                 {TXTIME, "--txtime", AF_UNSPEC},
                 {FLOW_LABEL, "--flow-label", AF_INET6},
                 {IP_OPTIONS_, "--ip-options", AF_INET},
                 {HOP_OPTIONS, "--hop-options", AF_INET6},
                 {DST_OPTIONS, "--dst-options", AF_INET6},
                 {FD, "--fd", AF_UNIX},
                 {CRED, "--cred", AF_UNIX}};
    bool internet = family == AF_INET || family == AF_INET6;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(needs); i++) {
        if (!me->values[needs[i].key] || needs[i].family == family || (needs[i].family == AF_UNSPEC && internet))
            continue;
        cli_error("%s: %s does not carry it: it is for %s", needs[i].name, me->endpoint.text,
                  needs[i].family == AF_UNIX    ? "unix:// and unix-dgram://"
                  : needs[i].family == AF_INET  ? "IPv4"
                  : needs[i].family == AF_INET6 ? "IPv6"
                                                : "udp:// and tcp://");
        return CLI_USAGE;
    }
    return 0;
}

static uint64_t txtime(int64_t ms) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + (uint64_t)ms * 1000000;
}

/* The buffer has room for all options at once: nothing here fails but by what was given. */
static int build(struct sending *me) {
    int family = me->endpoint.address.any.sa_family, status = check_family(me, family), r = 0;

    if (status == 0 && me->values[PKTINFO])
        status = put_packet(me, family);
    if (status == 0)
        status = put_hex(me, IP_OPTIONS_, "--ip-options", IPPROTO_IP, IP_RETOPTS);
    if (status == 0)
        status = put_hex(me, HOP_OPTIONS, "--hop-options", IPPROTO_IPV6, IPV6_HOPOPTS);
    if (status == 0)
        status = put_hex(me, DST_OPTIONS, "--dst-options", IPPROTO_IPV6, IPV6_DSTOPTS);
    if (status != 0)
        return status;
    if (me->values[TTL])
        r = kith_cmsg_put_hops(&me->builder, family, (int)me->numbers[TTL]);
    if (r == 0 && me->values[TOS])
        r = kith_cmsg_put_traffic(&me->builder, family, me->traffic);
    if (r == 0 && me->values[FLOW_LABEL])
        r = kith_cmsg_put_flow_label(&me->builder, (uint32_t)me->numbers[FLOW_LABEL]);
    if (r == 0 && me->values[SEGMENT])
        r = kith_cmsg_put_segment(&me->builder, (uint16_t)me->numbers[SEGMENT]);
    if (r == 0 && me->values[TXTIME])
        r = kith_cmsg_put_txtime(&me->builder, txtime(me->numbers[TXTIME]));
    if (r == 0 && me->values[MARK])
        r = kith_cmsg_put_mark(&me->builder, (uint32_t)me->numbers[MARK]);
    if (r == 0 && me->values[PRIORITY])
        r = kith_cmsg_put_priority(&me->builder, (uint32_t)me->numbers[PRIORITY]);
    if (r == 0 && me->fd_count > 0)
        r = kith_cmsg_put_fds(&me->builder, me->fds, me->fd_count);
    if (r == 0 && me->values[CRED])
        r = kith_cmsg_put_credentials(&me->builder, me->cred.pid, me->cred.uid, me->cred.gid);
    if (r < 0)
        cli_error("%s: %s (IPv4 wants a --ttl of 1 to 255)", me->endpoint.text, kith_error_name(r));
    return r < 0 ? CLI_USAGE : 0;
}

/* Sending ------------------------------------------------------------------------------------------------------------- */

static int say_error(const struct sending *me, const char *what, int error) {
    const char *why = "";

    if (error == -EPERM && me->values[CRED])
        why = ": --cred of another pid wants CAP_SYS_ADMIN, of another uid CAP_SETUID, of another gid CAP_SETGID";
    else if (error == -EPERM && me->values[MARK])
        why = ": --mark wants CAP_NET_RAW or CAP_NET_ADMIN";
    else if (error == -EPERM && me->values[PRIORITY])
        why = ": --priority above 6 wants CAP_NET_RAW or CAP_NET_ADMIN";
    else if (error == -EPERM && (me->values[HOP_OPTIONS] || me->values[DST_OPTIONS]))
        why = ": extension headers want CAP_NET_RAW";
    else if (error == -EPERM && me->values[FD])
        why = ": the receiver takes no descriptors (SO_PASSRIGHTS)";
    else if (error == -ESRCH && me->values[CRED])
        why = ": --cred names a process that is not there";
    else if (error == -EINVAL && me->values[PRIORITY])
        why = ": --priority in a message wants Linux 6.14";
    else if ((error == -EINVAL || error == -ENETUNREACH || error == -EADDRNOTAVAIL) && me->values[PKTINFO])
        why = ": --pktinfo src= has to be an address of this host, if= an interface with a way there";
    else if ((error == -EINVAL || error == -EMSGSIZE) && me->values[SEGMENT])
        why = ": --segment makes at most 64 datagrams (128 from Linux 6.9), each no larger than the path takes";
    else if (error == -EINVAL && (me->values[HOP_OPTIONS] || me->values[DST_OPTIONS] || me->values[IP_OPTIONS_]))
        why = ": the options are no whole header";
    cli_error("%s: %s: %s%s", me->endpoint.text, what, kith_error_name(error), why);
    return CLI_ERROR;
}

static int open_sender(const struct sending *me) {
    struct sock_txtime clock = {.clockid = CLOCK_MONOTONIC};
    int fd = socket(me->endpoint.address.any.sa_family, me->endpoint.type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (me->values[WAIT]) {
        int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_OPT_ID;
        cmsg_receive_everything(fd);
        (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)); /* AF_UNIX takes no times of sending */
    }
    if ((me->values[TXTIME] && setsockopt(fd, SOL_SOCKET, SO_TXTIME, &clock, sizeof(clock)) < 0) ||
        connect(fd, &me->endpoint.address.any, me->endpoint.size) < 0) {
        int r = -errno;
        kith_close(fd);
        return r;
    }
    return fd;
}

/* The decoder reads IP_PKTINFO as it is received, where an address is that of the destination: sent, it is the source. */
static void format_sent(const struct sending *me, const struct kith_cmsg *cmsg, char *text, size_t size) {
    if (cmsg->kind == KITH_CMSG_PACKET)
        (void)snprintf(text, size, "%s interface=%u%s%s", cmsg->entry->name, cmsg->value.packet.interface, me->source ? " source=" : "",
                       me->source ? me->source : "");
    else
        kith_cmsg_format(cmsg, text, size);
}

static void print_sent(struct sending *me, size_t size) {
    struct kith_cmsg_iter iter = kith_cmsg_iter_init(me->builder.control, me->builder.size);
    struct kith_cmsg cmsg;
    char text[1024];

    cli_print("sent size=%zu control=%zu\n", size, me->builder.size);
    while (kith_cmsg_next(&iter, &cmsg) > 0) {
        format_sent(me, &cmsg, text, sizeof(text));
        cli_print("  %s\n", text);
    }
}

static int await_errors(const struct sending *me, int fd) {
    uint64_t end = txtime(me->numbers[WAIT]);

    for (uint64_t now = txtime(0); now < end; now = txtime(0)) {
        struct pollfd pollfd = {.fd = fd};
        int error, r = poll(&pollfd, 1, (int)((end - now + 999999) / 1000000));
        socklen_t size = sizeof(error);

        if (r == 0)
            break;
        while (r > 0 && (r = cmsg_receive(fd, me->endpoint.type, MSG_ERRQUEUE, me->json)) > 0)
            continue;
        if (r < 0 && r != -EAGAIN && errno != EINTR)
            return say_error(me, "receiving", r);
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size); /* read, or poll() would tell it for ever */
        if (pollfd.revents & POLLHUP)
            break;
    }
    return CLI_OK;
}

static int send_one(struct sending *me, const char *data) {
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = strlen(data)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = me->builder.control, .msg_controllen = me->builder.size};
    _cleanup_(kith_closep) int fd = open_sender(me);
    ssize_t n;

    if (fd < 0)
        return say_error(me, "connecting", fd);
    n = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (n < 0)
        return say_error(me, "sending", -errno);
    if (!me->json)
        print_sent(me, (size_t)n);
    return me->values[WAIT] ? await_errors(me, fd) : CLI_OK;
}

static int send_to(struct sending *me, const struct cli_verb *verb, char **words, int count) {
    int status;

    if (count < 1 || count > 2)
        return cli_usage(verb, "to which endpoint, and which octets? (one word; in quotes when it has spaces)");
    status = cmsg_endpoint_parse(words[0], &me->endpoint);
    if (status != CLI_OK)
        return status;
    if (me->endpoint.address.any.sa_family == AF_NETLINK)
        return cli_usage(verb, "%s: netlink is listened to alone", words[0]);
    status = build(me);
    return status != CLI_OK ? status : send_one(me, count == 2 ? words[1] : "");
}

static int run(const struct cli_verb *verb, int argc, char **argv) {
    _Alignas(struct cmsghdr) uint8_t control[4096];
    struct sending me = {.builder = kith_cmsg_builder_init(control, sizeof(control)),
                         .cred = {.pid = getpid(), .uid = getuid(), .gid = getgid()}};
    char **words;
    int count, status = cli_options_parse(verb, argc, argv, take_option, &me, &words, &count);

    if (status == CLI_GO_ON)
        status = send_to(&me, verb, words, count);
    for (size_t i = 0; i < me.fd_count; i++)
        if (me.opened[i / 32] & 1U << i % 32)
            kith_close(me.fds[i]);
    return status;
}

const struct cli_verb cli_cmsg_send = {
    .name = "cmsg send",
    .summary = "send octets with ancillary data",
    .usage = "ENDPOINT [OPTION...] [DATA]",
    .details =
        "One sendmsg(), and what was in it. ENDPOINT: udp://HOST:PORT, tcp://HOST:PORT, unix-dgram://PATH, unix://PATH (@NAME: abstract).",
    .options = options,
    .run = run,
};
