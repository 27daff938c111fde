/*
 * What the kernel's tables of TCP sockets prove of a listener and its connections, and what they do not: every ambiguous case, made with
 * real sockets. Runs in guests only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/testing.h"
#include "map/kernel/tables.h"
#include "map/net.h"

static struct map_kernel_tables *tables;

/* Looking for a row: the only one that fits. */
struct search {
    uint64_t cookie; /* 0: any */
    uint16_t port;   /* local; 0: any */
    uint8_t state;   /* 0: any */
    size_t found;
    struct map_kernel_row row;
};

static int match(const struct map_kernel_row *row, void *userdata) {
    struct search *search = userdata;
    bool fits = (!search->cookie || row->cookie == search->cookie) && (!search->port || row->local_port == search->port) &&
                (!search->state || row->state == search->state);

    if (fits)
        search->row = *row;
    search->found += fits;
    return 0;
}

static size_t search_for(struct search *search) {
    struct kith_error error = KITH_ERROR_NONE;

    search->found = 0;
    int r = map_kernel_tables_read(tables, match, search, &error);
    if (r < 0)
        print_error("%s\n", error.text);
    assert_int_equal(r, 0);
    return search->found;
}

static struct map_kernel_row row_of(int fd) {
    struct search search = {.cookie = net_cookie(fd)};

    assert_int_equal(search_for(&search), 1);
    return search.row;
}

/* One bucket for both, and not none. */
static void assert_shared(uint64_t a, uint64_t b) {
    assert_true(a != 0);
    assert_true(a == b);
}

/* Does this kernel have buckets of addresses? inet_bind2_bucket came with 6.1. */
static bool has_bind2(void) {
    struct utsname name;

    assert_int_equal(uname(&name), 0);
    return strtoul(name.release, NULL, 10) > 6 || (strncmp(name.release, "6.", 2) == 0 && strtoul(name.release + 2, NULL, 10) >= 1);
}

/* What a row says beside its links --------------------------------------------------------------------------------------- */

static void assert_address(const uint8_t *octets, const char *text) {
    uint8_t expected[16] = {0};

    assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, expected), 1);
    assert_memory_equal(octets, expected, sizeof(expected));
}

static void assert_end(int fd, uint8_t family, const char *address, int peer) {
    struct map_kernel_row row = row_of(fd);

    assert_int_equal(row.family, family);
    assert_int_equal(row.state, TCP_ESTABLISHED);
    assert_int_equal(row.netns, net_namespace());
    assert_int_equal(row.local_port, net_port(fd));
    assert_int_equal(row.remote_port, net_port(peer));
    assert_address(row.local, address);
    assert_address(row.remote, address);
    assert_int_equal(row.request_listener, 0);
    assert_false(row.reuseport);
}

static void check_ends(const char *listen_at, const char *connect_to, uint8_t accepted_family, const char *accepted_address) {
    int listener = net_listen(listen_at, 0, false);
    struct pair pair = net_pair(listener, connect_to);

    assert_end(pair.client, strchr(connect_to, ':') ? AF_INET6 : AF_INET, connect_to, pair.accepted);
    assert_end(pair.accepted, accepted_family, accepted_address, pair.client);
    net_pair_close(pair);
    close(listener);
}

static void test_both_ends_of_a_connection_are_rows_with_its_addresses(void **state) {
    check_ends("127.0.0.1", "127.0.0.1", AF_INET, "127.0.0.1");
    check_ends("::1", "::1", AF_INET6, "::1");
    check_ends("::", "127.0.0.1", AF_INET6, "::ffff:127.0.0.1");
}

static void test_a_listener_has_its_limit_and_how_many_wait(void **state) {
    int listener = net_listen("::", 0, true), clients[3], yes = 1;
    struct map_kernel_row row = row_of(listener);

    assert_int_equal(row.state, TCP_LISTEN);
    assert_int_equal(row.family, AF_INET6);
    assert_int_equal(row.local_port, net_port(listener));
    assert_int_equal(row.remote_port, 0);
    assert_true(row.reuseport);
    assert_false(row.ipv6_only);
    assert_int_equal(row.bound_interface, 0);
    assert_int_equal(row.backlog, 0);
    assert_int_equal(row.backlog_limit, NET_BACKLOG);
    for (size_t i = 0; i < 3; i++)
        clients[i] = net_connect("::1", net_port(listener));
    assert_int_equal(row_of(listener).backlog, 3);
    for (size_t i = 0; i < 3; i++)
        net_reset(clients[i]);
    close(listener);

    listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)), 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
    assert_int_equal(listen(listener, 0), 0);
    row = row_of(listener);
    assert_true(row.ipv6_only);
    assert_int_equal(row.bound_interface, 1);
    assert_int_equal(row.backlog_limit, 0);
    close(listener);
}

static void test_a_socket_whose_cookie_nobody_has_asked_for_has_none(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct search search = {.port = net_port(listener)};

    assert_int_equal(search_for(&search), 1);
    assert_int_equal(search.row.cookie, 0);
    uint64_t cookie = net_cookie(listener);
    assert_int_equal(search_for(&search), 1);
    assert_int_equal(search.row.cookie, cookie);
    close(listener);
}

/* Listener and child ----------------------------------------------------------------------------------------------------- */

static void test_a_listener_and_its_child_share_their_buckets(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    struct map_kernel_row parent = row_of(listener), child = row_of(pair.accepted), client = row_of(pair.client);

    assert_shared(parent.bind_bucket, child.bind_bucket);
    if (has_bind2())
        assert_shared(parent.bind2_bucket, child.bind2_bucket);
    assert_true(client.bind_bucket != parent.bind_bucket);
    assert_int_equal(child.backlog_limit, NET_BACKLOG);
    assert_int_equal(client.backlog_limit, 0);
    net_pair_close(pair);
    close(listener);
}

static void test_a_child_of_a_wildcard_has_another_bucket_of_addresses(void **state) {
    int listener = net_listen("0.0.0.0", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    struct map_kernel_row parent = row_of(listener), child = row_of(pair.accepted);

    assert_shared(parent.bind_bucket, child.bind_bucket);
    assert_int_equal(child.bind2_bucket != 0, has_bind2());
    assert_int_equal(parent.bind2_bucket != child.bind2_bucket, has_bind2());
    net_pair_close(pair);
    close(listener);
}

static void test_listeners_on_two_addresses_share_the_bucket_of_their_port(void **state) {
    int first = net_listen("127.0.0.1", 0, false), second = net_listen("127.0.0.2", net_port(first), false);
    struct pair pair = net_pair(second, "127.0.0.2");
    struct map_kernel_row a = row_of(first), b = row_of(second), child = row_of(pair.accepted);

    assert_shared(a.bind_bucket, b.bind_bucket);
    assert_shared(a.bind_bucket, child.bind_bucket);
    if (has_bind2()) { /* which the addresses tell apart */
        assert_true(a.bind2_bucket != b.bind2_bucket);
        assert_shared(b.bind2_bucket, child.bind2_bucket);
    }
    net_pair_close(pair);
    close(first);
    close(second);
}

static void test_a_group_of_one_port_cannot_be_told_apart_by_buckets(void **state) {
    int first = net_listen("127.0.0.1", 0, true), second = net_listen("127.0.0.1", net_port(first), true);
    int client = net_connect("127.0.0.1", net_port(first));
    struct pollfd waiting[] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};

    assert_int_equal(poll(waiting, 2, -1), 1);
    struct pair pair = {client, net_accept(waiting[0].revents ? first : second)};
    struct map_kernel_row a = row_of(first), b = row_of(second), child = row_of(pair.accepted);
    assert_true(a.reuseport && b.reuseport && child.reuseport);
    assert_shared(a.bind_bucket, b.bind_bucket);
    assert_shared(a.bind_bucket, child.bind_bucket);
    assert_true(a.bind2_bucket == b.bind2_bucket);
    assert_true(a.bind2_bucket == child.bind2_bucket);
    net_pair_close(pair);
    close(first);
    close(second);
}

static void test_a_child_of_a_listener_that_is_gone_shares_with_its_successor(void **state) {
    int first = net_listen("127.0.0.1", 0, false);
    uint16_t port = net_port(first);
    struct pair pair = net_pair(first, "127.0.0.1");

    close(first);
    int second = net_listen("127.0.0.1", port, false);
    struct map_kernel_row parent = row_of(second), child = row_of(pair.accepted);
    assert_shared(parent.bind_bucket, child.bind_bucket);
    assert_true(parent.bind2_bucket == child.bind2_bucket);
    net_pair_close(pair);
    close(second);
}

/* What tells a child of this listener from one of the listener before it. */
static void test_whoever_comes_into_a_bucket_is_put_in_front(void **state) {
    int first = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(first, "127.0.0.1");
    struct map_kernel_row parent = row_of(first), child = row_of(pair.accepted);

    assert_true(parent.bind_node != 0 && child.bind_node != 0);
    assert_true(child.bind_next == parent.bind_node);
    assert_true(parent.bind_next == 0);
    close(first);
    int second = net_listen("127.0.0.1", child.local_port, false);
    parent = row_of(second);
    child = row_of(pair.accepted);
    assert_true(parent.bind_next == child.bind_node);
    assert_true(child.bind_next == 0);
    net_pair_close(pair);
    close(second);
}

static void test_a_client_bound_to_the_port_shares_it_and_has_no_limit(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), other = net_listen("127.0.0.3", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    int bound = net_connect_from("127.0.0.2", net_port(listener), "127.0.0.3", net_port(other));
    struct map_kernel_row parent = row_of(listener), child = row_of(pair.accepted), client = row_of(bound);
    assert_shared(parent.bind_bucket, client.bind_bucket);
    assert_shared(parent.bind_bucket, child.bind_bucket);
    assert_int_equal(client.local_port, child.local_port);
    assert_int_equal(child.backlog_limit, NET_BACKLOG);
    assert_int_equal(client.backlog_limit, 0);
    net_reset(bound);
    net_pair_close(pair);
    close(other);
    close(listener);
}

static void test_a_listener_without_a_queue_leaves_its_children_without_a_limit(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);

    assert_int_equal(listen(listener, 0), 0);
    struct pair pair = net_pair(listener, "127.0.0.1");
    assert_int_equal(row_of(listener).backlog_limit, 0);
    assert_int_equal(row_of(pair.accepted).backlog_limit, 0);
    net_pair_close(pair);
    close(listener);
}

static void test_a_client_that_has_listened_before_keeps_its_limit(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), client = net_listen("127.0.0.1", 0, false);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(net_port(listener)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    assert_int_equal(shutdown(client, SHUT_RDWR), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    struct map_kernel_row row = row_of(client);
    assert_int_equal(row.state, TCP_ESTABLISHED);
    assert_int_equal(row.backlog_limit, NET_BACKLOG);
    net_pair_close((struct pair){client, net_accept(listener)});
    close(listener);
}

static void test_who_waits_in_the_accept_queue_is_a_child_already(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), client = net_connect("127.0.0.1", net_port(listener));
    struct search search = {.port = net_port(listener), .state = TCP_ESTABLISHED};

    assert_int_equal(search_for(&search), 1);
    struct map_kernel_row parent = row_of(listener);
    assert_shared(parent.bind_bucket, search.row.bind_bucket);
    assert_int_equal(search.row.backlog_limit, NET_BACKLOG);
    assert_int_equal(parent.backlog, 1);
    net_reset(client);
    close(listener);
}

/* The client has connected; the kernel waits for its first octet before it makes a socket of the request. */
static void test_a_request_socket_names_its_listener_of_several(void **state) {
    int first = net_listen("127.0.0.1", 0, true), second = net_listen("127.0.0.1", net_port(first), true), seconds = 30;

    for (int i = 0; i < 2; i++)
        assert_int_equal(setsockopt(i ? second : first, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
    int client = net_connect("127.0.0.1", net_port(first));
    struct search search = {.port = net_port(first), .state = MAP_KERNEL_NEW_SYN_RECV};
    assert_int_equal(search_for(&search), 1);
    struct map_kernel_row request = search.row, a = row_of(first), b = row_of(second);
    assert_int_equal(request.remote_port, net_port(client));
    assert_int_equal(request.family, AF_INET);
    assert_int_equal(request.netns, net_namespace());
    assert_address(request.local, "127.0.0.1");
    assert_address(request.remote, "127.0.0.1");
    assert_int_equal(request.bind_bucket | request.bind2_bucket | request.backlog_limit, 0);
    assert_true((request.request_listener == a.socket) != (request.request_listener == b.socket));
    /* And that is the one who gets the connection. */
    assert_int_equal(write(client, "x", 1), 1);
    struct pollfd waiting[] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
    assert_int_equal(poll(waiting, 2, -1), 1);
    assert_int_equal(waiting[0].revents != 0, request.request_listener == a.socket);
    net_reset(client);
    close(first);
    close(second);
}

static void test_who_is_in_time_wait_keeps_cookie_and_bucket(void **state) {
    int listener = net_listen("127.0.0.1", 0, false);
    struct pair pair = net_pair(listener, "127.0.0.1");
    uint64_t cookie = net_cookie(pair.accepted);
    uint16_t port = net_port(pair.client);
    char octet;

    close(pair.accepted);
    assert_int_equal(read(pair.client, &octet, 1), 0);
    close(pair.client);
    struct search search = {.cookie = cookie, .state = TCP_TIME_WAIT};
    while (search_for(&search) == 0)
        assert_int_equal(sched_yield(), 0);
    assert_shared(search.row.bind_bucket, row_of(listener).bind_bucket);
    assert_true(search.row.bind2_bucket == row_of(listener).bind2_bucket);
    assert_int_equal(search.row.remote_port, port);
    assert_int_equal(search.row.backlog_limit, 0);
    assert_address(search.row.local, "127.0.0.1");
    close(listener);
}

/* The reading ------------------------------------------------------------------------------------------------------------ */

static void test_sockets_of_the_threads_own_namespace_are_read(void **state) {
    int here = net_listen("127.0.0.1", 0, false), old = net_enter_new();
    int there = net_listen("127.0.0.1", net_port(here), false);
    struct search search = {.port = net_port(here)};

    assert_int_equal(search_for(&search), 1);
    assert_int_equal(search.row.netns, net_namespace());
    struct map_kernel_row row = row_of(there);
    net_leave(old);
    assert_int_equal(search_for(&search), 1);
    assert_int_equal(search.row.netns, net_namespace());
    assert_true(search.row.netns != row.netns);
    assert_true(search.row.bind_bucket != row.bind_bucket);
    close(here);
    close(there);
}

static int end_at_the_second(const struct map_kernel_row *row, void *userdata) {
    return ++*(int *)userdata == 2 ? -ECANCELED : 0;
}

static void test_the_reader_ends_it(void **state) {
    int listener = net_listen("127.0.0.1", 0, false), seen = 0;
    struct pair pair = net_pair(listener, "127.0.0.1");
    size_t before = testing_fd_count();

    assert_int_equal(map_kernel_tables_read(tables, end_at_the_second, &seen, NULL), -ECANCELED);
    assert_int_equal(seen, 2);
    assert_int_equal(testing_fd_count(), before);
    net_pair_close(pair);
    close(listener);
}

#define MANY 4000

static int count_row(const struct map_kernel_row *row, void *userdata) {
    uint8_t *seen = userdata;

    assert_true(row->state != TCP_LISTEN || seen[0] == 0); /* listeners come first */
    seen[0] |= row->state != TCP_LISTEN;
    if (row->state == TCP_ESTABLISHED)
        seen[row->local_port]++;
    return 0;
}

static uint64_t now_ns(void) {
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* More than one buffer of the kernel's, several times. */
static void test_each_of_many_sockets_comes_once(void **state) {
    static struct pair pairs[MANY];
    static uint8_t seen[65536];
    int listener = net_listen("127.0.0.1", 0, false);

    for (size_t i = 0; i < MANY; i++)
        pairs[i] = net_pair(listener, "127.0.0.1");
    uint64_t begun = now_ns();
    assert_int_equal(map_kernel_tables_read(tables, count_row, seen, NULL), 0);
    uint64_t taken = now_ns() - begun;
    print_message("# %d rows: %.0f rows/s of the guest\n", 2 * MANY, 2 * MANY * 1e9 / (double)taken);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(seen[net_port(pairs[i].client)], 1);
    for (size_t i = 0; i < MANY; i++)
        net_pair_close(pairs[i]);
    close(listener);
}

static void test_nothing_is_left_open(void **state) {
    struct map_kernel_tables *another = NULL;
    size_t before = testing_fd_count();

    assert_int_equal(map_kernel_tables_new(&another, NULL), 0);
    assert_null(map_kernel_tables_free(another));
    assert_int_equal(testing_fd_count(), before);
    assert_null(map_kernel_tables_free(NULL));
}

static int setup(void **state) {
    struct kith_error error = KITH_ERROR_NONE;

    if (map_kernel_tables_new(&tables, &error) == 0)
        return 0;
    print_error("%s\n", error.text);
    return -1;
}

static int teardown(void **state) {
    tables = map_kernel_tables_free(tables);
    return 0;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends_of_a_connection_are_rows_with_its_addresses),
        cmocka_unit_test(test_a_listener_has_its_limit_and_how_many_wait),
        cmocka_unit_test(test_a_socket_whose_cookie_nobody_has_asked_for_has_none),
        cmocka_unit_test(test_a_listener_and_its_child_share_their_buckets),
        cmocka_unit_test(test_a_child_of_a_wildcard_has_another_bucket_of_addresses),
        cmocka_unit_test(test_listeners_on_two_addresses_share_the_bucket_of_their_port),
        cmocka_unit_test(test_a_group_of_one_port_cannot_be_told_apart_by_buckets),
        cmocka_unit_test(test_a_child_of_a_listener_that_is_gone_shares_with_its_successor),
        cmocka_unit_test(test_whoever_comes_into_a_bucket_is_put_in_front),
        cmocka_unit_test(test_a_client_bound_to_the_port_shares_it_and_has_no_limit),
        cmocka_unit_test(test_a_listener_without_a_queue_leaves_its_children_without_a_limit),
        cmocka_unit_test(test_a_client_that_has_listened_before_keeps_its_limit),
        cmocka_unit_test(test_who_waits_in_the_accept_queue_is_a_child_already),
        cmocka_unit_test(test_a_request_socket_names_its_listener_of_several),
        cmocka_unit_test(test_who_is_in_time_wait_keeps_cookie_and_bucket),
        cmocka_unit_test(test_sockets_of_the_threads_own_namespace_are_read),
        cmocka_unit_test(test_the_reader_ends_it),
        cmocka_unit_test(test_each_of_many_sockets_comes_once),
        cmocka_unit_test(test_nothing_is_left_open),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
