/*
 * Endpoints that must be looked up, and options of the kernel's sockets: host names are resolved with each try and their addresses tried in
 * turn, interfaces and made-up names are told as what they have become, options arrive at the kernel or say why not.
 */
#include "resolve/testing.h"
#include "socket/testing.h"

#include <grp.h>
#include <netinet/tcp.h>

/* Host names: each in a child process with a hosts file of its own ---------------------------------------------------------- */

struct scene {
    struct world world; /* first: the world's helpers take it */
    struct node server, client;
    unsigned port;
};

static void scene_open(struct scene *scene, const char *where) {
    *scene = (struct scene){0};
    assert_int_equal(kith_loop_new(&scene->world.loop), 0);
    node_init(&scene->world, &scene->server, KITH_REP, &quiet_handler);
    node_bind(&scene->server, where);
    scene->port = (unsigned)atoi(strrchr(kith_socket_last_endpoint(scene->server.socket), ':') + 1);
    node_init(&scene->world, &scene->client, KITH_REQ, &quiet_handler);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MIN, 5);
    node_option(&scene->client, KITH_OPTION_RECONNECT_MAX, 5);
}

static int scene_close(struct scene *scene) {
    node_deinit(&scene->client);
    node_deinit(&scene->server);
    kith_loop_free(scene->world.loop);
    return 0;
}

static void scene_connect(struct scene *scene, const char *host) {
    char endpoint[KITH_ENDPOINT_MAX];
    struct kith_error error = KITH_ERROR_NONE;
    snprintf(endpoint, sizeof(endpoint), "tcp://%s:%u", host, scene->port);
    if (kith_socket_connect(scene->client.socket, endpoint, &error) < 0)
        fail_msg("%s", error.text);
    assert_string_equal(kith_socket_last_endpoint(scene->client.socket), endpoint);
}

/* A request and its reply, in one process. */
static void scene_talk(struct scene *scene) {
    send_words(&scene->client, "question");
    expect_words(&scene->server, "question");
    send_words(&scene->server, "answer");
    expect_words(&scene->client, "answer");
}

static int talk_with_the_second_address(void) {
    struct scene scene;
    scene_open(&scene, "tcp://127.0.0.1:*");
    scene_connect(&scene, "two.example");
    scene_talk(&scene);
    assert_int_equal(scene.client.events[KITH_EVENT_RETRY], 0); /* both are of one try */
    return scene_close(&scene);
}

static void test_the_addresses_of_a_name_are_tried_in_turn(void **state) {
    with_hosts("127.0.0.2 two.example\n127.0.0.1 two.example\n", talk_with_the_second_address);
}

static int talk_over_both_families(void) {
    struct scene scene;
    scene_open(&scene, "tcp://[::1]:*");
    scene_connect(&scene, "localhost");
    scene_talk(&scene);
    return scene_close(&scene);
}

static void test_localhost_is_found_in_both_families(void **state) {
    with_hosts("127.0.0.1 localhost\n::1 localhost\n", talk_over_both_families);
}

static int fail_at_each(void) {
    struct scene scene;
    scene_open(&scene, "tcp://127.0.0.1:*");
    scene_connect(&scene, "two.example");
    until(&scene.world, scene.client.events[KITH_EVENT_RETRY] == 2);
    assert_int_equal(scene.client.errors[KITH_EVENT_RETRY], -ECONNREFUSED);
    assert_non_null(strstr(scene.client.texts[KITH_EVENT_RETRY], "two.example: none of its 2 addresses answers; the last, 127.0.0."));
    assert_non_null(strstr(scene.client.texts[KITH_EVENT_RETRY], "Connection refused; next try in"));
    return scene_close(&scene);
}

static void test_when_none_answers_the_event_says_so(void **state) {
    with_hosts("127.0.0.2 two.example\n127.0.0.3 two.example\n", fail_at_each);
}

/* Nobody knows the name at first; then the hosts file does. Its address changes once more, and the session follows. */
static int follow_the_name(void) {
    struct scene scene;
    scene_open(&scene, "tcp://127.0.0.1:*");
    scene_connect(&scene, "moving.invalid");
    until(&scene.world, scene.client.events[KITH_EVENT_RETRY] > 0);
    int error = scene.client.errors[KITH_EVENT_RETRY];
    assert_true(error == -ENXIO || error == -EREMOTEIO || error == -ETIMEDOUT);
    assert_non_null(strstr(scene.client.texts[KITH_EVENT_RETRY], "moving.invalid: "));
    assert_true(hosts_write("127.0.0.1 moving.invalid\n"));
    scene_talk(&scene);

    assert_true(hosts_write("127.0.0.2 moving.invalid\n"));
    node_deinit(&scene.server);
    until(&scene.world, scene.client.events[KITH_EVENT_DISCONNECTED] == 1);
    node_init(&scene.world, &scene.server, KITH_REP, &quiet_handler);
    char elsewhere[64];
    snprintf(elsewhere, sizeof(elsewhere), "tcp://127.0.0.2:%u", scene.port);
    node_bind(&scene.server, elsewhere);
    scene_talk(&scene);
    return scene_close(&scene);
}

static void test_each_try_resolves_anew(void **state) {
    with_hosts("", follow_the_name);
}

static int give_up(void) {
    struct scene scene;
    scene_open(&scene, "tcp://127.0.0.1:*");
    for (int i = 0; i < 3; i++) {
        char endpoint[64];
        snprintf(endpoint, sizeof(endpoint), "tcp://name.example:%u", scene.port);
        scene_connect(&scene, "name.example");
        if (i > 0)
            kith_loop_step(scene.world.loop, 0);
        if (i < 2)
            assert_int_equal(kith_socket_disconnect(scene.client.socket, endpoint), 0);
        assert_int_equal(kith_socket_disconnect(scene.client.socket, endpoint), i < 2 ? -ENOENT : 0);
    }
    scene_connect(&scene, "name.example");
    node_deinit(&scene.client); /* while it is looked up */
    settle_down(&scene.world);
    assert_int_equal(kith_socket_peer_count(scene.server.socket), 0);

    /* The loop goes first. */
    node_init(&scene.world, &scene.client, KITH_REQ, &quiet_handler);
    scene_connect(&scene, "name.example");
    scene.world.loop = kith_loop_free(scene.world.loop);
    return scene_close(&scene);
}

static void test_a_name_being_looked_up_can_be_given_up(void **state) {
    with_hosts("127.0.0.1 name.example\n", give_up);
}

/* What is listened at ------------------------------------------------------------------------------------------------------- */

static void test_an_interface_is_told_by_its_address(void **state) {
    struct world *world = *state;
    struct node server, client;
    struct kith_error error = KITH_ERROR_NONE;
    char endpoint[64];
    node_init(world, &server, KITH_REP, &quiet_handler);
    node_bind(&server, "tcp://lo:*");
    assert_memory_equal(kith_socket_last_endpoint(server.socket), "tcp://127.0.0.1:", 16);
    node_init(world, &client, KITH_REQ, &quiet_handler);
    node_connect(&client, &server);
    send_words(&client, "question");
    expect_words(&server, "question");
    snprintf(endpoint, sizeof(endpoint), "tcp://lo:%s", kith_socket_last_endpoint(server.socket) + 16);
    assert_int_equal(kith_socket_unbind(server.socket, endpoint), 0);
    assert_int_equal(kith_socket_unbind(server.socket, endpoint), -ENOENT);
    assert_int_equal(kith_socket_bind(server.socket, "tcp://kith-nowhere:*", &error), -ENODEV);
    assert_non_null(strstr(error.text, "tcp://kith-nowhere:0: \"kith-nowhere\" is neither a numeric address nor an interface"));
    assert_int_equal(kith_endpoint_check("tcp://kith-nowhere:*", true, &error), 0); /* asks nobody */
    node_deinit(&client);
    node_deinit(&server);
}

static void test_a_made_up_name_is_told(void **state) {
    struct world *world = *state;
    struct node server, other, client;
    node_init(world, &server, KITH_REP, &quiet_handler);
    node_init(world, &other, KITH_REP, &quiet_handler);
    node_bind(&server, "ipc://*");
    node_bind(&other, "ipc://*");
    assert_memory_equal(kith_socket_last_endpoint(server.socket), "ipc://@", 7);
    assert_string_not_equal(kith_socket_last_endpoint(server.socket), kith_socket_last_endpoint(other.socket));
    node_init(world, &client, KITH_REQ, &quiet_handler);
    node_connect(&client, &server);
    send_words(&client, "question");
    expect_words(&server, "question");
    node_deinit(&client);
    node_deinit(&other);
    node_deinit(&server);
}

static void test_ipv6_takes_ipv4_unless_told_otherwise(void **state) {
    struct world *world = *state;
    for (int only = 0; only < 2; only++) {
        struct node server, client;
        char endpoint[64];
        node_init(world, &server, KITH_REP, &quiet_handler);
        node_option(&server, KITH_OPTION_IPV6_ONLY, only);
        node_bind(&server, "tcp://[::]:*");
        snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%s", strrchr(kith_socket_last_endpoint(server.socket), ':') + 1);
        node_init(world, &client, KITH_REQ, &quiet_handler);
        assert_int_equal(kith_socket_connect(client.socket, endpoint, NULL), 0);
        if (only)
            until(world, client.events[KITH_EVENT_RETRY] > 0);
        else
            until(world, kith_socket_peer_count(server.socket) == 1);
        node_deinit(&client);
        node_deinit(&server);
    }
}

/* Options of the kernel's sockets --------------------------------------------------------------------------------------------- */

static void set_net_options(struct node *node) {
    static const struct {
        const char *name, *value;
    } options[] = {{"tos", "72"},
                   {"priority", "5"},
                   {"bind-device", "lo"},
                   {"keepalive", "yes"},
                   {"keepalive-idle", "77"},
                   {"keepalive-interval", "11"},
                   {"keepalive-count", "6"},
                   {"user-timeout", "9000"},
                   {"send-buffer", "20000"},
                   {"recv-buffer", "24000"}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(options); i++)
        assert_int_equal(kith_socket_set_option(node->socket, options[i].name, options[i].value, NULL), 0);
}

static void assert_net_options(int fd) {
    static const struct {
        int level, option, value;
    } rows[] = {{IPPROTO_IP, IP_TOS, 72},
                {SOL_SOCKET, SO_PRIORITY, 5},
                {SOL_SOCKET, SO_KEEPALIVE, 1},
                {IPPROTO_TCP, TCP_KEEPIDLE, 77},
                {IPPROTO_TCP, TCP_KEEPINTVL, 11},
                {IPPROTO_TCP, TCP_KEEPCNT, 6},
                {IPPROTO_TCP, TCP_USER_TIMEOUT, 9000},
                {SOL_SOCKET, SO_SNDBUF, 40000},
                {SOL_SOCKET, SO_RCVBUF, 48000}};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        int value = -1;
        socklen_t size = sizeof(value);
        assert_int_equal(getsockopt(fd, rows[i].level, rows[i].option, &value, &size), 0);
        assert_int_equal(value, rows[i].value);
    }
    char device[16] = "";
    socklen_t size = sizeof(device);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size), 0);
    assert_string_equal(device, "lo");
}

static void test_options_of_a_socket_are_those_of_its_connections(void **state) {
    struct world *world = *state;
    struct node server, client;
    node_init(world, &server, KITH_REP, &quiet_handler);
    node_init(world, &client, KITH_REQ, &quiet_handler);
    set_net_options(&server);
    set_net_options(&client);
    node_bind(&server, "tcp://127.0.0.1:*");
    node_connect(&client, &server);
    until(world, kith_socket_peer_count(server.socket) == 1 && kith_socket_peer_count(client.socket) == 1);
    assert_net_options(kith_conn_fd(node_session(&server)->conn));
    assert_net_options(kith_conn_fd(node_session(&client)->conn));
    node_deinit(&client);
    node_deinit(&server);
}

static void test_options_that_cannot_be_are_told_at_once(void **state) {
    struct world *world = *state;
    struct node node;
    struct kith_error error = KITH_ERROR_NONE;
    node_init(world, &node, KITH_REQ, &quiet_handler);
    assert_int_equal(kith_socket_set_option(node.socket, "bind-device", "kith-nowhere", NULL), 0);
    assert_int_equal(kith_socket_connect(node.socket, "tcp://localhost:1", &error), -ENODEV);
    assert_string_equal(error.text,
                        "tcp://localhost:1: SO_BINDTODEVICE kith-nowhere: there is no such interface; ip addr shows those there are");
    assert_int_equal(kith_socket_bind(node.socket, "tcp://127.0.0.1:*", &error), -ENODEV);
    assert_non_null(strstr(error.text, "127.0.0.1:0: SO_BINDTODEVICE kith-nowhere: there is no such interface"));
    assert_null(kith_socket_last_endpoint(node.socket));
    /* What a transport does not know is left alone. */
    assert_int_equal(kith_socket_connect(node.socket, "ipc://@kith-test-nobody", &error), 0);
    assert_int_equal(kith_socket_connect(node.socket, "inproc://kith-test-nobody", &error), 0);
    node_deinit(&node);
}

/* vsock ------------------------------------------------------------------------------------------------------------------- */

static void test_vsock_is_refused_with_its_remedy_or_talks(void **state) {
    struct world *world = *state;
    struct node server, client;
    struct kith_error error = KITH_ERROR_NONE;
    node_init(world, &server, KITH_REP, &quiet_handler);
    node_init(world, &client, KITH_REQ, &quiet_handler);
    int r = kith_socket_bind(server.socket, "vsock://1:*", &error);
    if (r < 0) { /* vsock_loopback is not loaded */
        assert_true(r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT);
        assert_non_null(strstr(error.text, "modprobe vsock"));
    } else {
        kith_msg *msg = NULL;
        uint64_t cid = 0;
        node_connect(&client, &server);
        send_words(&client, "question");
        assert_int_equal(kith_socket_recv(server.socket, &msg, 10000), 0);
        assert_int_equal(kith_origin_number(kith_msg_origin(msg), KITH_FACT_CID, &cid), KITH_WITNESS_KERNEL_CONNECT);
        assert_int_equal(cid, 1);
        assert_int_equal(kith_origin_pid(kith_msg_origin(msg), NULL), KITH_WITNESS_NONE);
        kith_msg_free(msg);
    }
    node_deinit(&client);
    node_deinit(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_addresses_of_a_name_are_tried_in_turn),
        cmocka_unit_test(test_localhost_is_found_in_both_families),
        cmocka_unit_test(test_when_none_answers_the_event_says_so),
        cmocka_unit_test(test_each_try_resolves_anew),
        cmocka_unit_test(test_a_name_being_looked_up_can_be_given_up),
        WORLD_TEST(test_an_interface_is_told_by_its_address),
        WORLD_TEST(test_a_made_up_name_is_told),
        WORLD_TEST(test_ipv6_takes_ipv4_unless_told_otherwise),
        WORLD_TEST(test_options_of_a_socket_are_those_of_its_connections),
        WORLD_TEST(test_options_that_cannot_be_are_told_at_once),
        WORLD_TEST(test_vsock_is_refused_with_its_remedy_or_talks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
