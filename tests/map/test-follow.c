/*
 * Which listener a connection came from, seen while the kernel joins them: exact in every case in which the tables leave it open
 * (test-tables.c). Runs in guests only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/testing.h"
#include "map/kernel/follow.h"
#include "map/net.h"

#define EVENTS 64

static struct map_follow *follow;

struct events {
    size_t count;
    struct map_follow_event list[EVENTS];
};

static int keep(const struct map_follow_event *event, void *userdata) {
    struct events *events = userdata;

    assert_true(events->count < EVENTS);
    events->list[events->count++] = *event;
    return 0;
}

/* All that has happened since the last time. The kernel has written it before the system call returned that made it happen. */
static struct events read_all(void) {
    struct events events = {.count = 0};

    int count = map_follow_read(follow, keep, &events);
    assert_int_equal(count, (int)events.count);
    assert_int_equal(map_follow_lost(follow), 0);
    return events;
}

static void assert_event(const struct map_follow_event *event, enum map_follow_kind kind, int listener, int connection) {
    assert_int_equal(event->kind, kind);
    assert_int_equal(event->cookie, net_cookie(connection));
    assert_int_equal(event->listener_cookie, net_cookie(listener));
    assert_int_equal(event->netns, net_namespace());
    assert_int_equal(event->type, SOCK_STREAM);
    assert_int_equal(event->local_port, net_port(connection));
}

/* What was heard since the last time is this one link, and nothing else. */
static void assert_linked(int listener, int accepted) {
    struct events events = read_all();

    assert_int_equal(events.count, 2);
    assert_event(&events.list[0], MAP_FOLLOW_ESTABLISHED, listener, accepted);
    assert_event(&events.list[1], MAP_FOLLOW_ACCEPTED, listener, accepted);
    assert_true(events.list[0].time_ns <= events.list[1].time_ns);
}

/* Connects, accepts, and asks whether that link was told. */
static void check_linked(int listener, const char *address) {
    struct pair pair = net_pair(listener, address);

    assert_linked(listener, pair.accepted);
    net_pair_close(pair);
    read_all();
}

/* What an event says ----------------------------------------------------------------------------------------------------- */

static void assert_address(const uint8_t *octets, const char *text) {
    uint8_t expected[16] = {0};

    assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, expected), 1);
    assert_memory_equal(octets, expected, sizeof(expected));
}

static void check_addresses(const char *listen_at, const char *connect_to, uint16_t family, const char *accepted_address) {
    int listener = net_listen(listen_at, 0, false);
    struct pair pair = net_pair(listener, connect_to);
    struct events events = read_all();

    assert_int_equal(events.count, 2);
    for (size_t i = 0; i < events.count; i++) {
        const struct map_follow_event *event = &events.list[i];
        assert_int_equal(event->family, family);
        assert_address(event->local, accepted_address);
        assert_address(event->remote, accepted_address);
        assert_int_equal(event->remote_port, net_port(pair.client));
        assert_int_equal(event->inode | event->listener_inode, 0);
    }
    net_pair_close(pair);
    close(listener);
    read_all();
}

static void test_events_have_the_addresses_of_the_connection(void **state) {
    check_addresses("127.0.0.1", "127.0.0.1", AF_INET, "127.0.0.1");
    check_addresses("::1", "::1", AF_INET6, "::1");
    check_addresses("::", "127.0.0.1", AF_INET6, "::ffff:127.0.0.1");
}

static int inherited_listener;

static int accept_under_a_name(void) {
    prctl(PR_SET_NAME, "a-doorman");
    return accept(inherited_listener, NULL, NULL) < 0;
}

static void test_an_accepted_connection_names_who_accepted(void **state) {
    inherited_listener = net_listen("127.0.0.1", 0, false);
    int client = net_connect("127.0.0.1", net_port(inherited_listener));
    assert_int_equal(net_as_nobody(accept_under_a_name), 0);
    struct events events = read_all();
    assert_true(events.count >= 2); /* the process has ended: its socket may be closed already */
    assert_int_equal(events.list[0].kind, MAP_FOLLOW_ESTABLISHED);
    assert_int_equal(events.list[0].pid | events.list[0].uid, 0); /* whoever it was, it did not accept */
    assert_string_equal(events.list[0].comm, "");
    assert_int_equal(events.list[1].kind, MAP_FOLLOW_ACCEPTED);
    assert_true(events.list[1].pid != 0 && events.list[1].pid != (uint32_t)getpid());
    assert_int_equal(events.list[1].uid, 65534);
    assert_string_equal(events.list[1].comm, "a-doorman");
    net_reset(client);
    close(inherited_listener);
}

static void test_what_has_not_been_accepted_is_established_only(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), client = net_connect("127.0.0.1", net_port(listener));
    struct events events = read_all();

    assert_int_equal(events.count, 1);
    assert_int_equal(events.list[0].kind, MAP_FOLLOW_ESTABLISHED);
    assert_int_equal(events.list[0].listener_cookie, net_cookie(listener));
    assert_int_equal(events.list[0].remote_port, net_port(client));
    int accepted = net_accept(listener);
    assert_int_equal(events.list[0].cookie, net_cookie(accepted));
    net_pair_close((struct pair){client, accepted});
    close(listener);
}

static void test_an_accept_that_fails_is_no_event(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), local = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct timeval soon = {.tv_usec = 1};

    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(bind(local, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(local, 1), 0);
    assert_int_equal(accept(local, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(read_all().count, 0);
    close(local);
    close(listener);
}

/* The closing end of an orderly close goes into TIME_WAIT; the other one, and the listener, just go. */
static void test_what_is_closed_is_told_by_its_cookie_if_it_had_one(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    uint64_t accepted = net_cookie(pair.accepted), listening = net_cookie(listener);
    struct events events = read_all();
    char octet;

    close(pair.accepted);
    assert_int_equal(read(pair.client, &octet, 1), 0);
    close(pair.client); /* nobody has asked for its cookie */
    close(listener);
    events = read_all();
    assert_int_equal(events.count, 2);
    assert_int_equal(events.list[0].kind, MAP_FOLLOW_CLOSED);
    assert_int_equal(events.list[0].cookie, accepted);
    assert_int_equal(events.list[0].listener_cookie, 0);
    assert_int_equal(events.list[1].kind, MAP_FOLLOW_CLOSED);
    assert_int_equal(events.list[1].cookie, listening);
}

static void test_a_connection_that_was_reset_is_closed_once_though_its_descriptor_is_open(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    struct events events = read_all();

    net_reset(pair.client);
    struct events after = read_all();
    assert_int_equal(after.count, 1);
    assert_int_equal(after.list[0].kind, MAP_FOLLOW_CLOSED);
    assert_int_equal(after.list[0].cookie, events.list[0].cookie);
    close(pair.accepted);
    assert_int_equal(read_all().count, 0);
    close(listener);
}

/* Where the tables leave it open ----------------------------------------------------------------------------------------- */

static void test_each_listener_of_a_port_is_told_apart(void **state) {
    int first = net_listen("127.0.0.1", 0, false), second = net_listen("127.0.0.2", net_port(first), false);

    check_linked(first, "127.0.0.1");
    check_linked(second, "127.0.0.2");
    close(first);
    close(second);
}

static void test_a_wildcard_and_an_address_of_one_port_are_told_apart(void **state) {
    int wildcard = net_listen("::", 0, true), address = net_listen("127.0.0.1", net_port(wildcard), true);

    check_linked(wildcard, "127.0.0.2");
    check_linked(address, "127.0.0.1");
    close(wildcard);
    close(address);
}

static void test_members_of_a_reuseport_group_are_told_apart(void **state) {
    int group[2] = {net_listen("127.0.0.1", 0, true)};
    bool used[2] = {false};

    group[1] = net_listen("127.0.0.1", net_port(group[0]), true);
    while (!used[0] || !used[1]) {
        struct pollfd waiting[] = {{.fd = group[0], .events = POLLIN}, {.fd = group[1], .events = POLLIN}};
        int client = net_connect("127.0.0.1", net_port(group[0]));
        assert_int_equal(poll(waiting, 2, -1), 1);
        size_t which = waiting[0].revents ? 0 : 1;
        int accepted = net_accept(group[which]);
        assert_linked(group[which], accepted);
        used[which] = true;
        net_pair_close((struct pair){client, accepted});
        read_all();
    }
    close(group[0]);
    close(group[1]);
}

static void test_a_listener_and_its_successor_are_told_apart(void **state) {
    int first = net_listen("127.0.0.1", 0, false);
    uint16_t port = net_port(first);
    struct pair before = net_pair(first, "127.0.0.1");

    assert_linked(first, before.accepted);
    close(first);
    read_all();
    int second = net_listen("127.0.0.1", port, false);
    struct pair after = net_pair(second, "127.0.0.1");
    assert_linked(second, after.accepted);
    net_pair_close(before);
    net_pair_close(after);
    close(second);
}

static void test_a_client_bound_to_the_port_is_linked_to_whom_it_called(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), other = net_listen("127.0.0.3", 0, false);
    int client = net_connect_from("127.0.0.2", net_port(listener), "127.0.0.3", net_port(other)), accepted = net_accept(other);

    assert_int_equal(net_port(client), net_port(listener));
    assert_linked(other, accepted);
    net_pair_close((struct pair){client, accepted});
    close(other);
    close(listener);
}

static void test_a_request_that_waited_for_octets_is_told_when_they_come(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), seconds = 30;

    assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
    int client = net_connect("127.0.0.1", net_port(listener));
    assert_int_equal(read_all().count, 0);
    assert_int_equal(write(client, "x", 1), 1);
    int accepted = net_accept(listener);
    assert_linked(listener, accepted);
    net_pair_close((struct pair){client, accepted});
    close(listener);
}

static void test_a_connection_made_by_a_syn_cookie_is_told_once(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);

    net_set("tcp_syncookies", 2); /* always */
    check_linked(listener, "127.0.0.1");
    close(listener);
}

static void test_a_connection_made_by_fast_open_is_told_once(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), queue = 5;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(net_port(listener)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    net_set("tcp_fastopen", 0x1 | 0x2 | 0x4 | 0x200); /* client and server, neither asks for a cookie */
    assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)), 0);
    assert_int_equal(sendto(client, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)), 1);
    int accepted = net_accept(listener);
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    assert_true(info.tcpi_options & 32 /* TCPI_OPT_SYN_DATA: it was one */);
    assert_linked(listener, accepted);
    net_pair_close((struct pair){client, accepted});
    close(listener);
}

/* A listener that closes can leave what it has not accepted to another one of its group. */
static void test_a_connection_that_moves_to_another_listener_is_linked_to_that_one(void **state) {
    int first = net_listen("127.0.0.1", 0, true);
    uint64_t abandoned = net_cookie(first);
    net_set("tcp_migrate_req", 1);
    int client = net_connect("127.0.0.1", net_port(first)), second = net_listen("127.0.0.1", net_port(first), true);

    close(first);
    int accepted = net_accept(second);
    struct events events = read_all();
    assert_true(events.count >= 2);
    assert_int_equal(events.list[0].kind, MAP_FOLLOW_ESTABLISHED);
    assert_int_equal(events.list[0].cookie, net_cookie(accepted));
    assert_int_equal(events.list[0].listener_cookie, abandoned);
    assert_event(&events.list[events.count - 1], MAP_FOLLOW_ACCEPTED, second, accepted);
    net_pair_close((struct pair){client, accepted});
    close(second);
}

/* The program has a socket of MPTCP; what is accepted, and shares its ports, is the TCP socket below. */
static void test_a_subflow_of_mptcp_is_linked_as_tcp(void **state) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

    assert_true(listener >= 0);
    assert_int_equal(listen(listener, NET_BACKLOG), 0);
    struct pair pair = net_pair(listener, "127.0.0.1");
    struct events events = read_all();
    assert_int_equal(events.count, 2);
    assert_int_equal(events.list[0].kind, MAP_FOLLOW_ESTABLISHED);
    assert_int_equal(events.list[1].kind, MAP_FOLLOW_ACCEPTED);
    assert_int_equal(events.list[0].cookie, events.list[1].cookie);
    assert_int_equal(events.list[0].listener_cookie, events.list[1].listener_cookie);
    assert_int_equal(events.list[1].local_port, net_port(listener));
    assert_int_equal(events.list[1].remote_port, net_port(pair.client));
    net_pair_close(pair);
    close(listener);
}

static void test_connections_of_other_namespaces_are_told_with_theirs(void **state) {
    int old = net_enter_new(), listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    uint64_t there = net_namespace();

    assert_linked(listener, pair.accepted);
    net_leave(old);
    assert_true(net_namespace() != there);
    net_pair_close(pair);
    close(listener);
}

/* AF_UNIX ---------------------------------------------------------------------------------------------------------------- */

static int listen_at_any_name(int type, struct sockaddr_un *ret_name, socklen_t *ret_size) {
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    ret_name->sun_family = AF_UNIX;
    assert_int_equal(bind(fd, (struct sockaddr *)ret_name, sizeof(sa_family_t)), 0); /* the kernel finds a name */
    assert_int_equal(listen(fd, NET_BACKLOG), 0);
    *ret_size = sizeof(*ret_name);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_name, ret_size), 0);
    return fd;
}

static void check_unix(int type) {
    struct sockaddr_un name = {0};
    socklen_t size;
    int listener = listen_at_any_name(type, &name, &size), client = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(client, (struct sockaddr *)&name, size), 0);
    int accepted = net_accept(listener);
    struct events events = read_all();
    assert_int_equal(events.count, 1);
    const struct map_follow_event *event = events.list;
    assert_int_equal(event->kind, MAP_FOLLOW_ACCEPTED);
    assert_int_equal(event->family, AF_UNIX);
    assert_int_equal(event->type, type);
    assert_int_equal(event->inode, net_inode(accepted));
    assert_int_equal(event->listener_inode, net_inode(listener));
    assert_int_equal(event->cookie, net_cookie(accepted));
    assert_int_equal(event->listener_cookie, net_cookie(listener));
    assert_int_equal(event->netns, net_namespace());
    assert_int_equal(event->pid, getpid());
    assert_int_equal(event->uid, 0);
    assert_string_equal(event->comm, "test-map-follow");
    assert_int_equal(event->local_port | event->remote_port, 0);
    uint64_t cookie = event->cookie, inode = event->inode;
    close(client); /* nobody has asked for its cookie */
    close(accepted);
    events = read_all();
    assert_int_equal(events.count, 1);
    assert_int_equal(event->kind, MAP_FOLLOW_CLOSED);
    assert_int_equal(event->family, AF_UNIX);
    assert_int_equal(event->cookie, cookie);
    assert_int_equal(event->inode, inode);
    assert_int_equal(event->listener_cookie, 0);
    close(listener);
    read_all();
}

static void test_unix_connections_are_linked_by_cookie_and_inode_until_they_are_closed(void **state) {
    check_unix(SOCK_STREAM);
    check_unix(SOCK_SEQPACKET);
}

/* The reading ------------------------------------------------------------------------------------------------------------ */

static void test_the_descriptor_is_readable_while_there_are_events(void **state) {
    struct pollfd waiting = {.fd = map_follow_fd(follow), .events = POLLIN};
    int listener = net_listen("127.0.0.1", 0, false);

    assert_int_equal(poll(&waiting, 1, 0), 0);
    struct pair pair = net_pair(listener, "127.0.0.1");
    assert_int_equal(poll(&waiting, 1, -1), 1);
    assert_linked(listener, pair.accepted);
    assert_int_equal(poll(&waiting, 1, 0), 0);
    net_pair_close(pair);
    close(listener);
}

static int end_at_once(const struct map_follow_event *event, void *userdata) {
    return -ECANCELED;
}

static void test_the_reader_ends_it_and_goes_on_later(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");

    assert_int_equal(map_follow_read(follow, end_at_once, NULL), -ECANCELED);
    struct events events = read_all();
    assert_int_equal(events.count, 1);
    assert_event(&events.list[0], MAP_FOLLOW_ACCEPTED, listener, pair.accepted);
    net_pair_close(pair);
    close(listener);
}

#define MORE_THAN_FIT 5000 /* connections, of two events each */

static int count_event(const struct map_follow_event *event, void *userdata) {
    return 0;
}

static void test_what_finds_no_room_is_counted(void **state) {
    struct map_follow *another = NULL;
    struct sockaddr_un name = {0};
    socklen_t size;
    int listener = listen_at_any_name(SOCK_STREAM, &name, &size);

    assert_int_equal(map_follow_new(&another, NULL), 0);
    for (size_t i = 0; i < MORE_THAN_FIT; i++) {
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&name, size), 0);
        close(net_accept(listener));
        close(client);
        map_follow_read(follow, count_event, NULL);
    }
    assert_int_equal(map_follow_lost(follow), 0);
    assert_true(map_follow_lost(another) > 0);
    assert_int_equal((uint64_t)map_follow_read(another, count_event, NULL) + map_follow_lost(another), 2 * MORE_THAN_FIT);
    map_follow_free(another);
    close(listener);
}

static void test_nothing_is_left_open(void **state) {
    struct map_follow *another = NULL;
    size_t before = testing_fd_count();

    assert_int_equal(map_follow_new(&another, NULL), 0);
    assert_null(map_follow_free(another));
    assert_int_equal(testing_fd_count(), before);
    assert_null(map_follow_free(NULL));
}

static int setup(void **state) {
    struct kith_error error = KITH_ERROR_NONE;

    if (map_follow_new(&follow, &error) == 0)
        return 0;
    print_error("%s\n", error.text);
    return -1;
}

static int teardown(void **state) {
    follow = map_follow_free(follow);
    return 0;
}

/* Before each test: nothing is left of the one before, and the kernel's settings are those that it boots with. */
static int begin_anew(void **state) {
    net_set("tcp_syncookies", 1);
    net_set("tcp_fastopen", 1);
    net_set("tcp_migrate_req", 0);
    read_all();
    return 0;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_events_have_the_addresses_of_the_connection, begin_anew),
        cmocka_unit_test_setup(test_an_accepted_connection_names_who_accepted, begin_anew),
        cmocka_unit_test_setup(test_what_has_not_been_accepted_is_established_only, begin_anew),
        cmocka_unit_test_setup(test_an_accept_that_fails_is_no_event, begin_anew),
        cmocka_unit_test_setup(test_what_is_closed_is_told_by_its_cookie_if_it_had_one, begin_anew),
        cmocka_unit_test_setup(test_a_connection_that_was_reset_is_closed_once_though_its_descriptor_is_open, begin_anew),
        cmocka_unit_test_setup(test_each_listener_of_a_port_is_told_apart, begin_anew),
        cmocka_unit_test_setup(test_a_wildcard_and_an_address_of_one_port_are_told_apart, begin_anew),
        cmocka_unit_test_setup(test_members_of_a_reuseport_group_are_told_apart, begin_anew),
        cmocka_unit_test_setup(test_a_listener_and_its_successor_are_told_apart, begin_anew),
        cmocka_unit_test_setup(test_a_client_bound_to_the_port_is_linked_to_whom_it_called, begin_anew),
        cmocka_unit_test_setup(test_a_request_that_waited_for_octets_is_told_when_they_come, begin_anew),
        cmocka_unit_test_setup(test_a_connection_made_by_a_syn_cookie_is_told_once, begin_anew),
        cmocka_unit_test_setup(test_a_connection_made_by_fast_open_is_told_once, begin_anew),
        cmocka_unit_test_setup(test_a_connection_that_moves_to_another_listener_is_linked_to_that_one, begin_anew),
        cmocka_unit_test_setup(test_a_subflow_of_mptcp_is_linked_as_tcp, begin_anew),
        cmocka_unit_test_setup(test_connections_of_other_namespaces_are_told_with_theirs, begin_anew),
        cmocka_unit_test_setup(test_unix_connections_are_linked_by_cookie_and_inode_until_they_are_closed, begin_anew),
        cmocka_unit_test_setup(test_the_descriptor_is_readable_while_there_are_events, begin_anew),
        cmocka_unit_test_setup(test_the_reader_ends_it_and_goes_on_later, begin_anew),
        cmocka_unit_test_setup(test_what_finds_no_room_is_counted, begin_anew),
        cmocka_unit_test_setup(test_nothing_is_left_open, begin_anew),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
