/*
 * AF_VSOCK. Where this machine can reach itself (vsock_loopback) a connection is made and says whose it is; where it cannot, the refusal
 * says what to load. Which of the two is asked for is not left to the code that is tested: binding to context id 1 tells.
 */
#include "stream/testing.h"

#include <linux/vm_sockets.h>

#include "stream/internal.h"

struct stage {
    struct world world; /* first: the world's helpers take it */
    kith_listener *listener;
    struct kith_error error;
    struct end server, client;
};

static int stage_setup(void **state) {
    return world_new(state, sizeof(struct stage)) ? 0 : -1;
}

static int stage_teardown(void **state) {
    struct stage *stage = *state;
    kith_listener_free(stage->listener);
    end_deinit(&stage->server);
    end_deinit(&stage->client);
    return world_teardown(state);
}

static int stage_accept(kith_listener *listener, int fd, void *userdata) {
    struct stage *stage = userdata;
    if (stage->server.conn)
        return -EUSERS;
    return kith_conn_new_accepted(listener, fd, NULL, &end_ops, &stage->server, &stage->server.conn);
}

static int stage_listen(struct stage *stage, const char *where, const struct kith_listener_options *options) {
    static const struct kith_listener_ops ops = {.accept = stage_accept};
    struct kith_address address;
    assert_int_equal(kith_address_parse(where, true, &address, &stage->error), 0);
    return kith_listener_new(stage->world.loop, &address, options, &ops, stage, &stage->listener, &stage->error);
}

/* 1: loopback is there; 0: vsock without it; -1: no vsock. */
static int vsock_here(void) {
    struct sockaddr_vm local = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = VMADDR_PORT_ANY};
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int here = bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0;
    close(fd);
    return here;
}

static void test_addresses_are_read_and_told(void **state) {
    static const struct {
        const char *text, *formatted;
        bool listening;
    } rows[] = {
        {"vsock://3:1024", "3:1024", false},
        {"vsock://2:4294967294", "2:4294967294", false},
        {"vsock://*:1024", "*:1024", true},
        {"vsock://1:*", "1:4294967295", true},
    };
    static const struct {
        const char *text, *says;
        bool listening;
    } wrong[] = {
        {"vsock://3", "the port is missing", true},
        {"vsock://*:1", "\"*\" is not a context id; write 2 for the host", false},
        {"vsock://4294967295:1", "is not a context id", true},
        {"vsock://99999999999:1", "is not a context id", true},
        {"vsock://-1:1", "is not a context id", true},
        {"vsock://:1", "\"\" is not a context id", true},
        {"vsock://3:4294967295", "\"4294967295\" is not a port; write a number from 1 to 4294967294", true},
        {"vsock://3:*", "which port", false},
        {"vsock://3:1:1", "\"1:1\" is not a port", true},
    };
    struct kith_address address;
    char text[64];
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        assert_int_equal(kith_address_parse(rows[i].text, rows[i].listening, &address, NULL), 0);
        assert_int_equal(kith_address_format(&address, text, sizeof(text)), strlen(rows[i].formatted));
        assert_string_equal(text, rows[i].formatted);
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(wrong); i++) {
        struct kith_error error = KITH_ERROR_NONE;
        assert_int_equal(kith_address_parse(wrong[i].text, wrong[i].listening, &address, &error), -EINVAL);
        if (!strstr(error.text, wrong[i].says))
            fail_msg("%s", error.text);
    }
}

static void test_any_port_of_any_context_id_can_be_listened_at(void **state) {
    struct stage *stage = *state;
    struct kith_address address;
    char text[64];
    int r = stage_listen(stage, "vsock://*:*", NULL);
    if (vsock_here() < 0) {
        assert_int_equal(r, -EAFNOSUPPORT);
        assert_non_null(strstr(stage->error.text, "modprobe vsock"));
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(kith_listener_address(stage->listener, &address), 0);
    assert_true(kith_address_format(&address, text, sizeof(text)) > 2);
    assert_memory_equal(text, "*:", 2);
    assert_string_not_equal(text, "*:4294967295");
    kith_listener *first = KITH_STEAL(stage->listener);
    char again[96];
    snprintf(again, sizeof(again), "vsock://%s", text);
    assert_int_equal(stage_listen(stage, again, NULL), -EADDRINUSE);
    assert_non_null(strstr(stage->error.text, "ss --vsock -lp"));
    kith_listener_free(first);
}

/* Context id 4294967294 is nobody's. */
static void test_a_context_id_of_somebody_else_cannot_be_listened_at(void **state) {
    struct stage *stage = *state;
    int r = stage_listen(stage, "vsock://4294967294:*", NULL);
    if (vsock_here() < 0)
        assert_int_equal(r, -EAFNOSUPPORT);
    else
        assert_int_equal(r, -EADDRNOTAVAIL);
    assert_non_null(strstr(stage->error.text, "modprobe vsock"));
}

static void connect_to_self(struct stage *stage, const struct kith_listener_options *options) {
    struct kith_address address;
    assert_int_equal(stage_listen(stage, "vsock://1:*", options), 0);
    assert_int_equal(kith_listener_address(stage->listener, &address), 0);
    assert_int_equal(kith_conn_new_connect(stage->world.loop, &address, NULL, &end_ops, &stage->client, &stage->client.conn), 0);
    until(&stage->world, stage->client.connected == 1 && stage->server.conn);
}

static void test_this_machine_reaches_itself_or_says_what_to_load(void **state) {
    struct stage *stage = *state;
    struct kith_address peer;
    char text[64];
    if (vsock_here() != 1) {
        assert_true(stage_listen(stage, "vsock://1:*", NULL) < 0);
        assert_non_null(strstr(stage->error.text, "modprobe vsock"));
        return;
    }
    connect_to_self(stage, &(struct kith_listener_options){.max_per_peer = 1, .identity = true});
    assert_int_equal(kith_conn_write(stage->client.conn, "question", 8), 0);
    until(&stage->world, stage->server.size == 8);
    assert_false(stage->server.sender.known);
    assert_int_equal(kith_conn_peer_address(stage->server.conn, &peer), 0);
    assert_true(kith_address_format(&peer, text, sizeof(text)) > 2);
    assert_memory_equal(text, "1:", 2);
    assert_int_equal(kith_conn_peer(stage->server.conn, &stage->server.sender), -ENODATA);

    /* The second of one context id is one too many. */
    struct kith_address address;
    struct end other = {0};
    assert_int_equal(kith_listener_address(stage->listener, &address), 0);
    assert_int_equal(kith_conn_new_connect(stage->world.loop, &address, NULL, &end_ops, &other, &other.conn), 0);
    until(&stage->world, other.ended + other.closed > 0);
    end_deinit(&other);

    assert_int_equal(kith_conn_write(stage->server.conn, "answer", 6), 0);
    kith_conn_drain(stage->server.conn, 10000);
    until(&stage->world, stage->client.ended == 1);
    assert_int_equal(stage->client.size, 6);
    kith_conn_drain(stage->client.conn, 10000);
    until(&stage->world, stage->server.closed == 1 && stage->client.closed == 1);
    assert_int_equal(stage->server.error, 0);
}

static void test_nobody_at_a_port_is_told(void **state) {
    struct stage *stage = *state;
    struct kith_address address;
    if (vsock_here() != 1) { /* what a connection then comes to is the host's affair; but the remedies are ours */
        assert_non_null(strstr(kith_address_remedy(AF_VSOCK, -ENODEV), "modprobe vsock_loopback"));
        assert_non_null(strstr(kith_address_remedy(AF_VSOCK, -EAFNOSUPPORT), "modprobe vsock"));
        return;
    }
    assert_int_equal(stage_listen(stage, "vsock://1:*", NULL), 0);
    assert_int_equal(kith_listener_address(stage->listener, &address), 0);
    stage->listener = kith_listener_free(stage->listener);
    assert_int_equal(kith_conn_new_connect(stage->world.loop, &address, NULL, &end_ops, &stage->client, &stage->client.conn), 0);
    until(&stage->world, stage->client.closed == 1);
    assert_int_equal(stage->client.error, -ECONNRESET); /* what vsock says where others say refused */
    assert_int_equal(stage->client.connected, 0);
}

#define STAGE_TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_addresses_are_read_and_told),
        STAGE_TEST(test_any_port_of_any_context_id_can_be_listened_at),
        STAGE_TEST(test_a_context_id_of_somebody_else_cannot_be_listened_at),
        STAGE_TEST(test_this_machine_reaches_itself_or_says_what_to_load),
        STAGE_TEST(test_nobody_at_a_port_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
