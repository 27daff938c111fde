/* Who is at the other end of a TCP connection, by real sockets of this process and of children, and by what may happen while it is
 * looked for. Each test counts the open descriptors. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/testing-inet-diag.h"
#include "origin/holder.h"
#include "origin/inet-diag.h"
#include "origin/tcp-peer.h"
#include "origin/testing.h"

/* What happens between two questions; see meson.build. The names are the linker's. */
int __real_kith_holder_find(uint32_t inode, uid_t uid, pid_t *ret_pid);
int __wrap_kith_holder_find(uint32_t inode, uid_t uid, pid_t *ret_pid);
int __real_kith_inet_diag_find(const struct sockaddr_storage *own, const struct sockaddr_storage *peer, unsigned interface,
                               struct kith_inet_socket *ret_socket);
int __wrap_kith_inet_diag_find(const struct sockaddr_storage *own, const struct sockaddr_storage *peer, unsigned interface,
                               struct kith_inet_socket *ret_socket);
int __real_kith_process_locate(struct kith_process *process, pid_t *ret_pid);
int __wrap_kith_process_locate(struct kith_process *process, pid_t *ret_pid);

static struct {
    void (*when_found)(void); /* the holder */
    void (*when_asked)(void); /* for the socket */
    int *client;              /* the peer's descriptor */
    pid_t child;              /* has it too, or alone */
    pid_t located;            /* what /proc calls the process, if that is another number */
    uint64_t cookie, inode;   /* of the socket there is later, less that of the first */
    unsigned asked;           /* for a socket */
} race;

int __wrap_kith_holder_find(uint32_t inode, uid_t uid, pid_t *ret_pid) {
    int r = __real_kith_holder_find(inode, uid, ret_pid);
    if (race.when_found)
        race.when_found();
    return r;
}

int __wrap_kith_inet_diag_find(const struct sockaddr_storage *own, const struct sockaddr_storage *peer, unsigned interface,
                               struct kith_inet_socket *ret_socket) {
    int r = __real_kith_inet_diag_find(own, peer, interface, ret_socket);
    race.asked++;
    if (r >= 0)
        ret_socket->cookie += race.cookie;
    if (r >= 0)
        ret_socket->inode += (uint32_t)race.inode;
    if (race.when_asked)
        race.when_asked();
    return r;
}

int __wrap_kith_process_locate(struct kith_process *process, pid_t *ret_pid) {
    int r = __real_kith_process_locate(process, ret_pid);
    if (r >= 0 && race.located > 0)
        *ret_pid = race.located;
    return r;
}

struct link {
    int listener, client, server; /* -1: none */
    struct sockaddr_storage client_address, server_address;
};

static struct sockaddr_storage name_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return address;
}

static const struct sockaddr_in loopback_v4 = {.sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f};
static const struct sockaddr_in6 loopback_v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

/* A listener at an address, whose port the kernel chooses, and a client that has connected to `to` at that port; not accepted yet. */
static struct link connected(const void *at, int family, const void *to, int to_family) {
    struct link link = {.server = -1};
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } target;

    link.listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(link.listener, at, family == AF_INET ? sizeof(loopback_v4) : sizeof(loopback_v6)), 0);
    assert_int_equal(listen(link.listener, 8), 0);
    link.server_address = name_of(link.listener);
    memcpy(&target, to, to_family == AF_INET ? sizeof(loopback_v4) : sizeof(loopback_v6));
    target.v4.sin_port = ((struct sockaddr_in *)&link.server_address)->sin_port;
    link.client = socket(to_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to_family == AF_INET) { /* bound, so that its port is no other connection's meanwhile */
        assert_int_equal(setsockopt(link.client, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
        assert_int_equal(bind(link.client, (const struct sockaddr *)&loopback_v4, sizeof(loopback_v4)), 0);
    }
    assert_int_equal(connect(link.client, &target.any, to_family == AF_INET ? sizeof(target.v4) : sizeof(target.v6)), 0);
    link.client_address = name_of(link.client);
    return link;
}

static void accept_client(struct link *link) {
    socklen_t size = sizeof(link->client_address);

    link->server = accept4(link->listener, (struct sockaddr *)&link->client_address, &size, SOCK_CLOEXEC);
    assert_true(link->server >= 0);
    link->server_address = name_of(link->server);
}

static void link_close(struct link *link) {
    kith_close(link->listener);
    kith_close(link->client);
    kith_close(link->server);
}

static struct link make_link(void) {
    struct link link = connected(&loopback_v4, AF_INET, &loopback_v4, AF_INET);

    accept_client(&link);
    return link;
}

static int find_client(const struct link *link, struct kith_inet_socket *ret_socket) {
    return kith_inet_diag_find(&link->client_address, &link->server_address, 0, ret_socket);
}

static void test_the_socket_at_the_other_end_is_found(void **state) {
    if (!testing_inet_diag())
        skip();
    static const struct sockaddr_in6 any_v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct link links[] = {
        connected(&loopback_v4, AF_INET, &loopback_v4, AF_INET), connected(&loopback_v6, AF_INET6, &loopback_v6, AF_INET6),
        connected(&any_v6, AF_INET6, &loopback_v4, AF_INET), /* the server sees it as ::ffff:127.0.0.1 */
    };

    for (size_t i = 0; i < KITH_ARRAY_SIZE(links); i++) {
        struct kith_inet_socket client, server;

        accept_client(&links[i]);
        assert_int_equal(find_client(&links[i], &client), 0);
        assert_int_equal(kith_inet_diag_find(&links[i].server_address, &links[i].client_address, 0, &server), 0);
        assert_int_equal(client.uid, getuid());
        assert_int_not_equal(client.inode, server.inode);
        assert_true(client.cookie != server.cookie);
        assert_int_equal(kith_holder_has(getpid(), client.inode), 1);
        link_close(&links[i]);
    }
}

/* sock_diag(7) answers with a listener at the address, or with a socket without an owner, which it says is root's. */
static void test_nobody_else_is_found_instead(void **state) {
    if (!testing_inet_diag())
        skip();
    struct link link = connected(&loopback_v4, AF_INET, &loopback_v4, AF_INET), strangers;
    struct kith_inet_socket socket;
    struct sockaddr_storage listener = name_of(link.listener);

    /* Nobody has accepted it yet. */
    assert_int_equal(kith_inet_diag_find(&listener, &link.client_address, 0, &socket), -EAGAIN);
    accept_client(&link);
    assert_int_equal(kith_inet_diag_find(&listener, &link.client_address, 0, &socket), 0);
    /* Connected to something else: the listener is no answer. */
    strangers = make_link();
    assert_int_equal(kith_inet_diag_find(&listener, &strangers.client_address, 0, &socket), -ENOENT);
    link_close(&strangers);
    /* Closed with octets under way: the socket is there still, and nobody's. */
    assert_int_equal(send(link.server, "x", 1, 0), 1);
    link.client = kith_close(link.client);
    int r = find_client(&link, &socket);
    assert_true(r == -EAGAIN || r == -ENOENT);
    link_close(&link);
}

static void test_addresses_of_other_families_are_refused(void **state) {
    struct sockaddr_storage none = {.ss_family = AF_UNSPEC}, v4 = {.ss_family = AF_INET}, v6 = {.ss_family = AF_INET6};
    struct kith_inet_socket socket;

    ((struct sockaddr_in6 *)&v6)->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    assert_int_equal(kith_inet_diag_find(&none, &v4, 0, &socket), -EAFNOSUPPORT);
    assert_int_equal(kith_inet_diag_find(&v4, &none, 0, &socket), -EAFNOSUPPORT);
    assert_int_equal(kith_inet_diag_find(&v4, &v6, 0, &socket), -EAFNOSUPPORT);
}

static struct kith_tcp_peer *peer_new(const struct link *link) {
    struct kith_tcp_connection connection = {
        .own = link->server_address, .peer = link->client_address, .interface = 1, .ttl = 64, .tos = 16};
    struct kith_tcp_peer *peer;
    socklen_t size = sizeof(connection.cookie);

    assert_int_equal(getsockopt(link->server, SOL_SOCKET, SO_COOKIE, &connection.cookie, &size), 0);
    assert_int_equal(kith_tcp_peer_new(&connection, &peer), 0);
    return peer;
}

static void test_an_origin_tells_all_of_it(void **state) {
    if (!testing_inet_diag())
        skip();
    struct link link = make_link();
    kith_origin *origin;
    uint64_t number;
    const char *text;

    assert_int_equal(kith_origin_new(&origin), 0);
    kith_origin_set_tcp_peer(origin, peer_new(&link));
    assert_int_equal(kith_origin_number_at_hand(origin, KITH_FACT_UID, &number), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_number_at_hand(origin, KITH_FACT_PID, &number), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_UID, &number), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(number, getuid());
    assert_int_equal(kith_origin_number_at_hand(origin, KITH_FACT_PID, &number), KITH_WITNESS_NONE);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_PID, &number), KITH_WITNESS_INFERRED);
    assert_int_equal(number, getpid());
    assert_int_equal(kith_origin_number_at_hand(origin, KITH_FACT_PID, &number), KITH_WITNESS_INFERRED);
    assert_int_equal(kith_origin_text(origin, KITH_FACT_EXE, &text), KITH_WITNESS_INFERRED);
    assert_int_equal(kith_origin_gid(origin, NULL), KITH_WITNESS_NONE); /* the kernel does not tell */
    assert_int_equal(kith_origin_text(origin, KITH_FACT_INTERFACE, &text), KITH_WITNESS_KERNEL_CONNECT);
    assert_string_equal(text, "lo");
    assert_int_equal(kith_origin_number(origin, KITH_FACT_TTL, &number), KITH_WITNESS_KERNEL_CONNECT);
    assert_int_equal(number, 64);
    assert_true(kith_origin_alive(origin));
    /* What is known stays. */
    link_close(&link);
    assert_int_equal(kith_origin_number(origin, KITH_FACT_UID, &number), KITH_WITNESS_KERNEL_CONNECT);
    kith_origin_unref(origin);
}

static void test_of_a_socket_that_has_gone_nothing_is_known(void **state) {
    struct link link = make_link();
    struct kith_tcp_peer *peer = peer_new(&link);
    uint64_t number;

    link.client = kith_close(link.client);
    assert_false(kith_tcp_peer_number(peer, KITH_FACT_UID, false, &number));
    assert_null(kith_tcp_peer_process(peer, false));
    kith_tcp_peer_unref(peer);
    link_close(&link);
}

/* The peer has gone at once, without a word, and another one has its port before anybody looked. */
static void test_who_has_the_port_now_is_not_who_had_it_then(void **state) {
    if (!testing_inet_diag())
        skip();
    static const struct linger at_once = {.l_onoff = 1};
    struct link first = make_link(), second = {.listener = -1};
    struct kith_tcp_peer *peer = peer_new(&first);
    uint64_t number;

    assert_int_equal(setsockopt(first.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    first.client = kith_close(first.client);
    second.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(second.client, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(second.client, (struct sockaddr *)&first.client_address, sizeof(struct sockaddr_in)), 0);
    assert_int_equal(connect(second.client, (struct sockaddr *)&first.server_address, sizeof(struct sockaddr_in)), 0);
    second.server = accept4(first.listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(second.server >= 0);
    assert_false(kith_tcp_peer_number(peer, KITH_FACT_UID, false, &number));
    assert_null(kith_tcp_peer_process(peer, false));
    kith_tcp_peer_unref(peer);
    link_close(&first);
    link_close(&second);
}

/* Of connections to a listener that takes no more, one that has not come about: whoever would have the address. */
static void test_who_only_wants_to_connect_is_no_peer(void **state) {
    if (!testing_inet_diag())
        skip();
    struct pollfd clients[16];
    struct sockaddr_storage listener_address, client_address;
    struct kith_inet_socket found;
    nfds_t count = 0;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (const struct sockaddr *)&loopback_v4, sizeof(loopback_v4)), 0);
    assert_int_equal(listen(listener, 0), 0);
    listener_address = name_of(listener);
    do {
        assert_true(count < KITH_ARRAY_SIZE(clients));
        clients[count] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .events = POLLOUT};
        assert_int_equal(connect(clients[count].fd, (struct sockaddr *)&listener_address, sizeof(struct sockaddr_in)), -1);
        assert_int_equal(errno, EINPROGRESS);
    } while (poll(&clients[count++], 1, 0) == 1);
    client_address = name_of(clients[count - 1].fd);
    assert_int_equal(kith_inet_diag_find(&client_address, &listener_address, 0, &found), -ENOENT);
    while (count > 0)
        close(clients[--count].fd);
    close(listener);
}

/* Which of them wrote is not known, so neither is told. */
static void test_of_two_processes_with_the_socket_none_is_named(void **state) {
    if (!testing_inet_diag())
        skip();
    struct link link = make_link();
    struct kith_tcp_peer *peer = peer_new(&link);
    uint64_t number;
    int gate[2];
    char octet;

    assert_int_equal(pipe(gate), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        _exit(read(gate[0], &octet, 1) == 0 ? 0 : 1);
    }
    assert_null(kith_tcp_peer_process(peer, false));
    assert_true(kith_tcp_peer_number(peer, KITH_FACT_UID, false, &number));
    assert_int_equal(number, getuid());
    close(gate[0]);
    close(gate[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    kith_tcp_peer_unref(peer);
    /* Asked when one of them has gone, the other is found. */
    peer = peer_new(&link);
    assert_non_null(kith_tcp_peer_process(peer, false));
    kith_tcp_peer_unref(peer);
    link_close(&link);
}

/* A child that has the peer's descriptor, until it is killed. */
static void share_client(void) {
    race.child = fork();
    if (race.child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
}

static void end_child(void) {
    assert_int_equal(kill(race.child, SIGKILL), 0);
    assert_int_equal(waitpid(race.child, NULL, 0), race.child);
    race.when_asked = NULL;
}

static void hand_client_over(void) {
    share_client();
    *race.client = kith_close(*race.client);
}

static void take_another_socket(void) {
    race.cookie = 1;
}

static void take_another_inode(void) {
    race.inode = 1;
}

static void be_of_another_namespace(void) {
    share_client();
    race.located = race.child;
}

/* The child has it alone, and ends when all has been asked but whether it has. */
static void end_at_the_last_question(void) {
    race.when_asked = end_child;
}

static void test_whatever_changes_while_it_is_looked_for_nobody_is_named(void **state) {
    if (!testing_inet_diag())
        skip();
    static void (*const changes[])(void) = {hand_client_over, take_another_socket, take_another_inode, be_of_another_namespace,
                                            end_at_the_last_question};

    for (size_t i = 0; i < KITH_ARRAY_SIZE(changes); i++) {
        struct link link = make_link();
        struct kith_tcp_peer *peer = peer_new(&link);

        memset(&race, 0, sizeof(race));
        race.client = &link.client;
        race.when_found = changes[i];
        if (changes[i] == end_at_the_last_question)
            hand_client_over();
        assert_null(kith_tcp_peer_process(peer, false));
        race.when_found = NULL;
        if (changes[i] == hand_client_over || changes[i] == be_of_another_namespace)
            end_child();
        kith_tcp_peer_unref(peer);
        link_close(&link);
    }
    memset(&race, 0, sizeof(race));
}

/* One whose connection waits to be accepted may be asked about later; one that was closed never comes back. */
static void test_only_who_has_not_accepted_yet_is_asked_for_again(void **state) {
    if (!testing_inet_diag())
        skip();
    struct link link = connected(&loopback_v4, AF_INET, &loopback_v4, AF_INET);
    struct kith_tcp_connection connection = {.own = link.client_address, .peer = link.server_address};
    struct kith_tcp_peer *peer;
    socklen_t size = sizeof(connection.cookie);
    uint64_t number;

    assert_int_equal(getsockopt(link.client, SOL_SOCKET, SO_COOKIE, &connection.cookie, &size), 0);
    assert_int_equal(kith_tcp_peer_new(&connection, &peer), 0);
    assert_false(kith_tcp_peer_number(peer, KITH_FACT_UID, false, &number));
    accept_client(&link);
    assert_true(kith_tcp_peer_number(peer, KITH_FACT_UID, false, &number));
    kith_tcp_peer_unref(peer);
    peer = peer_new(&link);
    link.client = kith_close(link.client);
    assert_false(kith_tcp_peer_number(peer, KITH_FACT_UID, false, &number));
    unsigned asked = race.asked;
    assert_false(kith_tcp_peer_number(peer, KITH_FACT_UID, false, &number));
    assert_int_equal(race.asked, asked);
    kith_tcp_peer_unref(peer);
    link_close(&link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COUNTED(test_the_socket_at_the_other_end_is_found),
        COUNTED(test_nobody_else_is_found_instead),
        COUNTED(test_addresses_of_other_families_are_refused),
        COUNTED(test_an_origin_tells_all_of_it),
        COUNTED(test_of_a_socket_that_has_gone_nothing_is_known),
        COUNTED(test_of_two_processes_with_the_socket_none_is_named),
        COUNTED(test_whatever_changes_while_it_is_looked_for_nobody_is_named),
        COUNTED(test_only_who_has_not_accepted_yet_is_asked_for_again),
        COUNTED(test_who_has_the_port_now_is_not_who_had_it_then),
        COUNTED(test_who_only_wants_to_connect_is_no_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
