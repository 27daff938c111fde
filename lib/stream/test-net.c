/* Options of the kernel's sockets: what was asked for is what getsockopt(2) tells, at both ends; what is not permitted says what it needs.
 */
#include "stream/testing.h"

#include <grp.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/wait.h>

/* A listener with its options, and a client with the same. */
struct ends {
    struct world world; /* first: the world's helpers take it */
    struct kith_net_options net;
    kith_listener *listener;
    struct kith_error error;
    struct end server, client;
};

static int ends_setup(void **state) {
    return world_new(state, sizeof(struct ends)) ? 0 : -1;
}

static int ends_teardown(void **state) {
    struct ends *ends = *state;
    kith_listener_free(ends->listener);
    end_deinit(&ends->server);
    end_deinit(&ends->client);
    return world_teardown(state);
}

static int ends_accept(kith_listener *listener, int fd, void *userdata) {
    struct ends *ends = userdata;
    struct kith_conn_options options = {.net = &ends->net};
    return kith_conn_new_accepted(listener, fd, &options, &end_ops, &ends->server, &ends->server.conn);
}

static int ends_listen(struct ends *ends, const char *where) {
    static const struct kith_listener_ops ops = {.accept = ends_accept};
    struct kith_listener_options options = {.net = &ends->net};
    struct kith_address address;
    assert_int_equal(kith_address_parse(where, true, &address, &ends->error), 0);
    return kith_listener_new(ends->world.loop, &address, &options, &ops, ends, &ends->listener, &ends->error);
}

static void ends_join(struct ends *ends, const char *where) {
    struct kith_conn_options options = {.net = &ends->net};
    struct kith_address address;
    assert_int_equal(ends_listen(ends, where), 0);
    assert_int_equal(kith_listener_address(ends->listener, &address), 0);
    assert_int_equal(kith_conn_new_connect(ends->world.loop, &address, &options, &end_ops, &ends->client, &ends->client.conn), 0);
    until(&ends->world, ends->client.connected == 1 && ends->server.conn);
}

static int option_of(const struct end *end, int level, int option) {
    int value = -1;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(kith_conn_fd(end->conn), level, option, &value, &size), 0);
    return value;
}

static void assert_both(const struct ends *ends, int level, int option, int value) {
    assert_int_equal(option_of(&ends->client, level, option), value);
    assert_int_equal(option_of(&ends->server, level, option), value);
}

static void assert_tcp_options(const struct ends *ends, bool ipv6) {
    if (ipv6)
        assert_both(ends, IPPROTO_IPV6, IPV6_TCLASS, 0x48);
    else
        assert_both(ends, IPPROTO_IP, IP_TOS, 0x48);
    assert_both(ends, SOL_SOCKET, SO_PRIORITY, 5);
    assert_both(ends, SOL_SOCKET, SO_KEEPALIVE, 1);
    assert_both(ends, IPPROTO_TCP, TCP_KEEPIDLE, 77);
    assert_both(ends, IPPROTO_TCP, TCP_KEEPINTVL, 11);
    assert_both(ends, IPPROTO_TCP, TCP_KEEPCNT, 6);
    assert_both(ends, IPPROTO_TCP, TCP_USER_TIMEOUT, 9000);
    assert_both(ends, SOL_SOCKET, SO_SNDBUF, 2 * 20000);
    assert_both(ends, SOL_SOCKET, SO_RCVBUF, 2 * 24000);
}

static const struct kith_net_options everything = {.tos = 0x48,
                                                   .priority = 5,
                                                   .keepalive = 1,
                                                   .keepalive_idle_s = 77,
                                                   .keepalive_interval_s = 11,
                                                   .keepalive_count = 6,
                                                   .user_timeout_ms = 9000,
                                                   .send_buffer = 20000,
                                                   .receive_buffer = 24000};

static void test_both_ends_of_tcp_have_them(void **state) {
    struct ends *ends = *state;
    ends->net = everything;
    ends_join(ends, "tcp://127.0.0.1:*");
    assert_tcp_options(ends, false);
}

static void test_both_ends_of_tcp_over_ipv6_have_them(void **state) {
    struct ends *ends = *state;
    ends->net = everything;
    ends_join(ends, "tcp://[::1]:*");
    assert_tcp_options(ends, true);
}

static void test_unix_sockets_have_their_buffers_and_are_left_alone_otherwise(void **state) {
    struct ends *ends = *state;
    ends->net = everything;
    ends->net.device = "no-such-device";
    ends_join(ends, "ipc://*");
    assert_both(ends, SOL_SOCKET, SO_SNDBUF, 2 * 20000);
    assert_both(ends, SOL_SOCKET, SO_RCVBUF, 2 * 24000);
    assert_both(ends, SOL_SOCKET, SO_PRIORITY, 0);
    assert_both(ends, SOL_SOCKET, SO_KEEPALIVE, 0);
}

static void test_without_options_all_is_as_the_system_has_it(void **state) {
    struct ends *ends = *state;
    int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), idle;
    socklen_t size = sizeof(idle);
    assert_int_equal(getsockopt(plain, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
    close(plain);
    ends_join(ends, "tcp://127.0.0.1:*");
    assert_both(ends, IPPROTO_IP, IP_TOS, 0);
    assert_both(ends, SOL_SOCKET, SO_PRIORITY, 0);
    assert_both(ends, SOL_SOCKET, SO_KEEPALIVE, 0);
    assert_both(ends, IPPROTO_TCP, TCP_KEEPIDLE, idle);
}

static void test_a_device_is_used_alone(void **state) {
    struct ends *ends = *state;
    char name[IF_NAMESIZE];
    ends->net.device = "lo";
    ends_join(ends, "tcp://*:*");
    struct end *each[] = {&ends->client, &ends->server};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(each); i++) {
        socklen_t size = sizeof(name);
        assert_int_equal(getsockopt(kith_conn_fd(each[i]->conn), SOL_SOCKET, SO_BINDTODEVICE, name, &size), 0);
        assert_string_equal(name, "lo");
    }
}

static void test_what_cannot_be_is_refused_with_its_name(void **state) {
    static const struct {
        struct kith_net_options net;
        int error;
        const char *says;
    } rows[] = {
        {{.tos = 256}, -EINVAL, "IP_TOS: 256 is too much; at most 255"},
        {{.keepalive_count = 128}, -EINVAL, "TCP_KEEPCNT: 128 is too much"},
        {{.keepalive = 2}, -EINVAL, "SO_KEEPALIVE: 2 is too much"},
        {{.device = "kith-nowhere"}, -ENODEV, "SO_BINDTODEVICE kith-nowhere: there is no such interface; ip addr"},
        {{.device = "a/b"}, -EINVAL, "SO_BINDTODEVICE: \"a/b\" cannot be the name"},
        {{.device = "sixteen-octets-x"}, -EINVAL, "cannot be the name"},
        {{.device = ""}, -EINVAL, "cannot be the name"},
    };
    struct ends *ends = *state;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        struct kith_conn_options options = {.net = &rows[i].net};
        struct kith_address address;
        ends->net = rows[i].net;
        assert_int_equal(ends_listen(ends, "tcp://127.0.0.1:*"), rows[i].error);
        assert_int_equal(ends->error.code, rows[i].error);
        assert_non_null(strstr(ends->error.text, rows[i].says));
        assert_null(ends->listener);
        assert_int_equal(kith_address_ip("127.0.0.1", 1, &address), 0);
        assert_int_equal(kith_conn_new_connect(ends->world.loop, &address, &options, &end_ops, &ends->client, &ends->client.conn),
                         rows[i].error);
        assert_null(ends->client.conn);
    }
}

/* Of a user without capabilities. Returns an exit status. */
static int ask_too_much(void) {
    kith_loop *loop = NULL;
    kith_listener *listener = NULL;
    struct kith_address address;
    struct kith_error error = KITH_ERROR_NONE;
    static const struct kith_net_options net = {.priority = 7};
    static const struct kith_listener_ops ops = {.accept = ends_accept};
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
        return 2;
    if (kith_loop_new(&loop) < 0 || kith_address_ip("127.0.0.1", 0, &address) < 0)
        return 3;
    int r = kith_listener_new(loop, &address, &(struct kith_listener_options){.net = &net}, &ops, NULL, &listener, &error);
    kith_loop_free(loop);
    if (r != -EPERM || strstr(error.text, "SO_PRIORITY 7: not permitted: it needs CAP_NET_ADMIN") == NULL)
        return 4;
    return 0;
}

static void test_what_is_not_permitted_names_the_capability(void **state) {
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(ask_too_much());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_a_listener_of_both_families_takes_ipv4_and_spells_it_so(void **state) {
    static const struct kith_listener_ops ops = {.accept = ends_accept};
    struct ends *ends = *state;
    struct kith_address address;
    char text[64];
    assert_int_equal(kith_address_parse("tcp://[::]:*", true, &address, NULL), 0);
    for (int dual = 1; dual >= 0; dual--) {
        struct kith_listener_options options = {.dual_stack = dual};
        struct kith_address bound, ipv4;
        assert_int_equal(kith_listener_new(ends->world.loop, &address, &options, &ops, ends, &ends->listener, &ends->error), 0);
        assert_int_equal(kith_listener_address(ends->listener, &bound), 0);
        unsigned port = ntohs(((struct sockaddr_in6 *)&bound.storage)->sin6_port);
        assert_int_equal(kith_address_ip("127.0.0.1", port, &ipv4), 0);
        assert_int_equal(kith_conn_new_connect(ends->world.loop, &ipv4, NULL, &end_ops, &ends->client, &ends->client.conn), 0);
        until(&ends->world, dual ? ends->client.connected == 1 && ends->server.conn : ends->client.closed == 1);
        if (dual) {
            assert_int_equal(kith_conn_peer_address(ends->server.conn, &address), 0);
            assert_int_equal(address.storage.ss_family, AF_INET6);
            assert_true(kith_address_format(&address, text, sizeof(text)) > 0);
            assert_memory_equal(text, "127.0.0.1:", 10);
            assert_int_equal(kith_address_parse("tcp://[::]:*", true, &address, NULL), 0);
        } else {
            assert_int_equal(ends->client.error, -ECONNREFUSED);
        }
        end_deinit(&ends->client);
        end_deinit(&ends->server);
        ends->listener = kith_listener_free(ends->listener);
    }
}

static void test_a_made_up_name_is_told_and_gone_with_its_listener(void **state) {
    struct ends *ends = *state;
    struct kith_address address;
    char text[64];
    ends_join(ends, "ipc://*");
    assert_int_equal(kith_listener_address(ends->listener, &address), 0);
    assert_true(kith_address_format(&address, text, sizeof(text)) > 1);
    assert_int_equal(text[0], '@');
    end_deinit(&ends->client);
    end_deinit(&ends->server);
    ends->listener = kith_listener_free(ends->listener);
    assert_int_equal(kith_conn_new_connect(ends->world.loop, &address, NULL, &end_ops, &ends->client, &ends->client.conn), 0);
    until(&ends->world, ends->client.closed == 1);
    assert_int_equal(ends->client.error, -ECONNREFUSED);
}

#define ENDS_TEST(name) cmocka_unit_test_setup_teardown(name, ends_setup, ends_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ENDS_TEST(test_both_ends_of_tcp_have_them),
        ENDS_TEST(test_both_ends_of_tcp_over_ipv6_have_them),
        ENDS_TEST(test_unix_sockets_have_their_buffers_and_are_left_alone_otherwise),
        ENDS_TEST(test_without_options_all_is_as_the_system_has_it),
        ENDS_TEST(test_a_device_is_used_alone),
        ENDS_TEST(test_what_cannot_be_is_refused_with_its_name),
        ENDS_TEST(test_what_is_not_permitted_names_the_capability),
        ENDS_TEST(test_a_listener_of_both_families_takes_ipv4_and_spells_it_so),
        ENDS_TEST(test_a_made_up_name_is_told_and_gone_with_its_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
