/*
 * bench-ways.c: three ways out of the kernel, beside a netlink datagram for each message: kith.ko's channel, read by a process that writes
 * to TCP, and by `kith serve`; a TCP socket of the kernel's; frames on a network interface. Over TCP the far end is this process, and each
 * message has its size in front; the frames go over a veth pair and are counted in the kernel, for no process gets them. All on one
 * processor, one after the other. Run by `make bench-kernel`.
 */
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "kmod/measuring.h"
#include "ring/ring.h"

#define INTERFACE "ways0"
#define FAR_INTERFACE "ways1"
#define MTU 1500

static struct messages got;

/* The far end ---------------------------------------------------------------------------------------------------------------- */

static int listen_on_loopback(uint16_t *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int accept_one(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* All that count_of(size) messages are. Closes the connection. */
static void collect(int fd, unsigned size) {
    static char octets[65536];
    size_t left = (size_t)count_of(size) * (sizeof(uint32_t) + size);
    while (left > 0) {
        ssize_t taken = read(fd, octets, sizeof(octets));
        assert_true(taken > 0 && (size_t)taken <= left);
        left -= (size_t)taken;
    }
    close(fd);
}

/* The ways ------------------------------------------------------------------------------------------------------------------- */

static uint64_t by_tcp(struct client *driver, unsigned size) {
    uint16_t port;
    int listener = listen_on_loopback(&port);
    char line[64];
    snprintf(line, sizeof(line), "tcp %u %u %u", count_of(size), size, port);
    uint64_t begin = now();
    tell(driver, line);
    collect(accept_one(listener), size);
    uint64_t end = now();
    close(listener);
    return end - begin;
}

static void write_all(int fd, struct iovec *parts, size_t count) {
    while (count > 0) {
        ssize_t sent = writev(fd, parts, (int)(count < IOV_MAX ? count : IOV_MAX));
        if (sent < 0)
            _exit(1);
        for (size_t left = (size_t)sent; count > 0;) {
            size_t part = left < parts->iov_len ? left : parts->iov_len;
            parts->iov_base = (char *)parts->iov_base + part;
            parts->iov_len -= part;
            left -= part;
            if (parts->iov_len > 0)
                break;
            parts++;
            count--;
        }
    }
}

#define BATCH 1024

static struct iovec parts[2 * sizeof(got.list) / sizeof(got.list[0])];

/* One message, behind its size. */
static void part_set(unsigned i, const uint32_t *size, const uint8_t *data) {
    parts[2 * i] = (struct iovec){(void *)size, sizeof(*size)};
    parts[2 * i + 1] = (struct iovec){(void *)data, *size};
}

/* A datagram's messages in one write; then they are acknowledged. */
static void proxy_datagrams(struct client *client, int fd, unsigned count) {
    for (unsigned seen = 0; seen < count; seen += got.count) {
        if (!client_receive(client, &got, 10000))
            _exit(1);
        for (unsigned i = 0; i < got.count; i++)
            part_set(i, &got.list[i].header.size, got.list[i].data);
        write_all(fd, parts, 2 * (size_t)got.count);
        client_done(client, "bench", got.list[got.count - 1].header.sequence);
    }
}

/* What there is, up to a batch, in one write; then it is released. */
static unsigned proxy_batch(struct kith_ring *ring, int fd) {
    const struct kith_message_header *header;
    const uint8_t *data;
    uint64_t position = 0;
    size_t size;
    unsigned count = 0;
    for (; count < BATCH && kith_ring_next(ring, &data, &size, &position) == 1; count++) {
        header = (const void *)data;
        part_set(count, &header->size, data + sizeof(*header));
    }
    write_all(fd, parts, 2 * (size_t)count);
    kith_ring_release(ring, position);
    return count;
}

static void proxy_ring(struct kith_ring *ring, int fd, unsigned count) {
    struct pollfd ready = {.fd = kith_ring_descriptor(ring), .events = POLLIN};
    for (unsigned seen = 0, some; seen < count; seen += some) {
        some = proxy_batch(ring, fd);
        if (some == 0 && poll(&ready, 1, 10000) != 1)
            _exit(1);
    }
}

struct proxying {
    uint16_t port;
    int ready; /* is written to when it may begin */
    unsigned count;
    bool by_ring;
};

/* Ends when it has acknowledged all. */
static void proxy(const struct proxying *task) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(task->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client *client = client_new();
    struct channel_info info;
    struct kith_ring *ring = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        _exit(1);
    if (task->by_ring ? client_join_ring(client, "bench", 2 * OCTETS_MOST, &info) < 0 || kith_ring_open(info.fd, info.ring, &ring) < 0
                      : client_join(client, "bench", 0) < 0)
        _exit(1);
    if (write(task->ready, "x", 1) != 1)
        _exit(1);
    if (task->by_ring)
        proxy_ring(ring, fd, task->count);
    else
        proxy_datagrams(client, fd, task->count);
    _exit(0);
}

static uint64_t through_proxy(struct client *driver, unsigned size, bool by_ring) {
    struct proxying task = {.count = count_of(size), .by_ring = by_ring};
    int listener = listen_on_loopback(&task.port), ready[2], status;
    char line[64], octet;
    assert_int_equal(pipe(ready), 0);
    task.ready = ready[1];
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        proxy(&task);
    assert_int_equal(read(ready[0], &octet, 1), 1);
    snprintf(line, sizeof(line), "channel %u %u", count_of(size), size);
    uint64_t begin = now();
    tell(driver, line);
    collect(accept_one(listener), size);
    uint64_t end = now();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
    close(listener);
    return end - begin;
}

static uint64_t by_proxy(struct client *driver, unsigned size) {
    return through_proxy(driver, size, false);
}

static uint64_t by_ring_proxy(struct client *driver, unsigned size) {
    return through_proxy(driver, size, true);
}

/* `kith serve`, that has a route of the channel's messages to this connection. */
static pid_t start_gateway(uint16_t port, const char *spool) {
    const char *const words[] = {KITH_PROGRAM, "serve", "-c", "/tmp/bench-ways.conf", NULL};
    FILE *file = fopen(words[3], "we");
    pid_t pid;
    assert_non_null(file);
    fprintf(
        file,
        "route \"bench\" {\n    from = {\"kernel://bench\"}\n    to = {\"raw+tcp://127.0.0.1:%u\"}\n    framing = \"length\"\n    %s\n}\n",
        port, spool);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(posix_spawn(&pid, words[0], NULL, NULL, (char *const *)(uintptr_t)words, environ), 0);
    return pid;
}

static uint64_t through_gateway(struct client *driver, unsigned size, const char *spool) {
    struct channel_info info = {0};
    uint16_t port;
    char line[64];
    int listener = listen_on_loopback(&port), status;
    pid_t pid = start_gateway(port, spool);
    int fd = accept_one(listener);
    for (uint64_t end = now() + 10000000000u; info.receivers == 0; sched_yield()) {
        assert_true(now() < end);
        assert_int_equal(client_info(driver, "bench", &info), 0);
    }
    snprintf(line, sizeof(line), "channel %u %u", count_of(size), size);
    uint64_t begin = now();
    tell(driver, line);
    collect(fd, size);
    uint64_t end = now();
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(listener);
    return end - begin;
}

static uint64_t by_gateway(struct client *driver, unsigned size) {
    return through_gateway(driver, size, "");
}

static uint64_t by_spool(struct client *driver, unsigned size) {
    return through_gateway(driver, size, "spool = \"/tmp/bench-ways.spool\"");
}

/* What the driver's thread says when it has sent all: how often there was no room, and it tried again. */
static unsigned wait_until_sent(struct client *watcher, unsigned count) {
    char text[64];
    unsigned sent, again;
    int error;
    do { /* the way before may not have said so yet */
        assert_true(client_receive(watcher, &got, 10000));
        client_done(watcher, "bench.done", got.list[0].header.sequence);
        snprintf(text, sizeof(text), "%.*s", (int)got.list[0].header.size, (const char *)got.list[0].data);
    } while (sscanf(text, "frames %u %d %u", &sent, &error, &again) != 3);
    assert_int_equal(sent, count);
    assert_int_equal(error, 0);
    return again;
}

static unsigned refused; /* frames, for want of room */

static uint64_t by_frames(struct client *driver, unsigned size) {
    struct client *watcher = client_new();
    char line[64];
    assert_int_equal(client_join(watcher, "bench.done", 0), 0);
    snprintf(line, sizeof(line), "frames %u %u %s", count_of(size), size, INTERFACE);
    uint64_t begin = now();
    tell(driver, line);
    refused += wait_until_sent(watcher, count_of(size));
    do {
        assert_true(now() - begin < 10000000000u);
        tell(driver, "arrived");
    } while (strtoul(driver->reply, NULL, 10) < count_of(size));
    uint64_t end = now();
    client_free(watcher);
    return end - begin;
}

/* The machine ---------------------------------------------------------------------------------------------------------------- */

static void bring_up(const char *interface) {
    struct ifreq request = {.ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

/* An interface that has a carrier sends only when a worker has seen it. */
static void wait_until_up(const char *interface) {
    char path[64], state[16] = "";
    snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", interface);
    while (strcmp(state, "up\n") != 0) {
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(fgets(state, sizeof(state), file));
        fclose(file);
        usleep(1000);
    }
}

/* Two interfaces: what goes into one comes out of the other. */
static void make_veth_pair(void) {
    char octets[4096];
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    assert_non_null(socket);
    struct nlmsghdr *request = mnl_nlmsg_put_header(octets);
    request->nlmsg_type = RTM_NEWLINK;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(request, IFLA_IFNAME, INTERFACE);
    struct nlattr *info = mnl_attr_nest_start(request, IFLA_LINKINFO);
    mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(request, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(request, IFLA_IFNAME, FAR_INTERFACE);
    mnl_attr_nest_end(request, peer);
    mnl_attr_nest_end(request, data);
    mnl_attr_nest_end(request, info);
    assert_true(mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0);
    ssize_t size = mnl_socket_recvfrom(socket, octets, sizeof(octets));
    if (mnl_cb_run(octets, (size_t)size, 0, 0, NULL, NULL) < 0)
        fail_msg("a veth pair: %m");
    mnl_socket_close(socket);
    bring_up(INTERFACE);
    bring_up(FAR_INTERFACE);
    wait_until_up(INTERFACE);
}

static void measure(void **state) {
    static const struct way ways[] = {{"unicast", by_unicast, 0}, {"proxy", by_proxy, 0}, {"ring-proxy", by_ring_proxy, 0},
                                      {"gateway", by_gateway, 0}, {"spool", by_spool, 0}, {"tcp", by_tcp, 0},
                                      {"frames", by_frames, MTU}};
    (void)state;
    load("kith");
    load("kith_bench");
    make_veth_pair();
    struct client *driver = client_new();
    measure_ways(driver, ways, sizeof(ways) / sizeof(ways[0]));
    printf("frames that had no room and were sent again: %u\n", refused);
    client_free(driver);
    unload("kith_bench");
    unload("kith");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(measure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
