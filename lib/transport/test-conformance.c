/*
 * One suite for every transport: it listens, connects, carries octets both ways, ends, and says what the kernel knows of the peer. A new
 * transport is one more row of `cases`.
 */
#include "base/testing-inet-diag.h"
#include "stream/testing.h"

#include <linux/vm_sockets.h>
#include <sys/stat.h>

#include "transport/transport.h"

struct transport_case {
    const char *name, *endpoint;
    const char *suffix;  /* behind endpoint and our pid, so that parallel runs do not meet; NULL: neither */
    bool process;        /* the kernel names the peer's process */
    const char *address; /* its address begins so, NULL: it has none */
};

static const struct transport_case cases[] = {
    {"ipc path", "ipc:///tmp/kith-test-conformance-", ".sock", true, NULL},
    {"ipc abstract", "ipc://@kith-test-conformance-", "", true, NULL},
    {"tcp v4", "tcp://127.0.0.1:*", NULL, false, "127.0.0.1:"},
    {"tcp v6", "tcp://[::1]:*", NULL, false, "[::1]:"},
    {"vsock", "vsock://1:*", NULL, false, "1:"},
};

struct stage {
    struct world world; /* first: the world's helpers take it */
    const struct transport_case *expected;
    struct kith_endpoint bound;
    kith_listener *listener;
    struct end server, client;
};

/* A machine reaches itself by vsock only where vsock_loopback is loaded: `tools/run-guest --module` has it. */
static bool case_is_here(const struct transport_case *row) {
    struct sockaddr_vm local = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = VMADDR_PORT_ANY};
    if (strncmp(row->endpoint, "vsock://", 8) != 0)
        return true;
    _cleanup_(kith_closep) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0;
}

/* cmocka hands a test its row in *state. */
static int stage_setup(void **state) {
    const struct transport_case *row = *state;
    struct stage *stage = world_new(state, sizeof(*stage));
    if (!stage)
        return -1;
    stage->expected = row;
    return 0;
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
    const struct kith_transport *transport = stage->bound.transport;
    struct kith_conn_options options = {.identity = transport->identity};
    if (transport->tune)
        transport->tune(fd);
    return kith_conn_new_fd(stage->world.loop, fd, &options, &end_ops, &stage->server, &stage->server.conn);
}

static const struct kith_listener_ops stage_ops = {.accept = stage_accept};

static void stage_listen(struct stage *stage) {
    char text[128];
    struct kith_error error = KITH_ERROR_NONE;
    size_t used = (size_t)snprintf(text, sizeof(text), "%s", stage->expected->endpoint);
    if (stage->expected->suffix)
        snprintf(text + used, sizeof(text) - used, "%d%s", (int)getpid(), stage->expected->suffix);
    assert_int_equal(kith_endpoint_parse(text, true, &stage->bound, &error), 0);
    struct kith_listener_options options = {.identity = stage->bound.transport->identity};
    assert_int_equal(kith_listener_new(stage->world.loop, &stage->bound.address, &options, &stage_ops, stage, &stage->listener, &error), 0);
    assert_int_equal(kith_listener_address(stage->listener, &stage->bound.address), 0);
}

/* Connects to what the bound address is called, as another program would. */
static void stage_connect(struct stage *stage) {
    char text[KITH_ENDPOINT_MAX];
    struct kith_endpoint endpoint;
    struct kith_error error = KITH_ERROR_NONE;
    assert_true(stage->bound.transport->format(&stage->bound, text, sizeof(text)) > 0);
    assert_int_equal(kith_endpoint_parse(text, false, &endpoint, &error), 0);
    struct kith_conn_options options = {.identity = endpoint.transport->identity};
    struct end *client = &stage->client;
    assert_int_equal(kith_conn_new_connect(stage->world.loop, &endpoint.address, &options, &end_ops, client, &client->conn), 0);
    until(&stage->world, client->connected == 1 && stage->server.conn);
}

static void echo(struct end *end, struct kith_batch *batch) {
    assert_int_equal(kith_conn_write(end->conn, batch->slice.data, batch->slice.size), 0);
}

static void test_octets_go_and_come_back(void **state) {
    enum { SIZE = 400000 };
    struct stage *stage = *state;
    uint8_t *octets = pattern_new(SIZE);
    stage->server.on_data = echo;
    stage_listen(stage);
    stage_connect(stage);
    assert_int_equal(kith_conn_write(stage->client.conn, octets, SIZE), 0);
    until(&stage->world, stage->client.size == SIZE);
    assert_memory_equal(stage->client.octets, octets, SIZE);
    free(octets);
}

static void test_an_end_is_seen_and_answered(void **state) {
    struct stage *stage = *state;
    stage_listen(stage);
    stage_connect(stage);
    assert_int_equal(kith_conn_write(stage->client.conn, "last", 4), 0);
    kith_conn_drain(stage->client.conn, 10000);
    until(&stage->world, stage->server.ended == 1);
    assert_int_equal(stage->server.size, 4);
    assert_int_equal(kith_conn_write(stage->server.conn, "reply", 5), 0);
    kith_conn_drain(stage->server.conn, 10000);
    until(&stage->world, stage->server.closed == 1 && stage->client.closed == 1);
    assert_int_equal(stage->server.error, 0);
    assert_int_equal(stage->client.error, 0);
    assert_int_equal(stage->client.size, 5);
}

static void test_a_closed_listener_refuses(void **state) {
    struct stage *stage = *state;
    stage_listen(stage);
    stage->listener = kith_listener_free(stage->listener);
    assert_int_equal(kith_conn_new_connect(stage->world.loop, &stage->bound.address, NULL, &end_ops, &stage->client, &stage->client.conn),
                     0);
    until(&stage->world, stage->client.closed == 1);
    assert_true(stage->client.error == -ECONNREFUSED || stage->client.error == -ENOENT ||
                (stage->client.error == -ECONNRESET && stage->bound.address.storage.ss_family == AF_VSOCK));
}

static void test_each_batch_has_its_writer_where_the_transport_says_so(void **state) {
    struct stage *stage = *state;
    stage_listen(stage);
    stage_connect(stage);
    assert_int_equal(kith_conn_write(stage->client.conn, "x", 1), 0);
    assert_int_equal(kith_conn_write(stage->server.conn, "y", 1), 0);
    until(&stage->world, stage->server.size == 1 && stage->client.size == 1);
    struct end *ends[] = {&stage->server, &stage->client};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(ends); i++) {
        assert_int_equal(ends[i]->sender.known, stage->bound.transport->identity);
        if (ends[i]->sender.known)
            assert_int_equal(ends[i]->sender.pid, getpid());
    }
}

static void assert_origin(const struct transport_case *row, kith_origin *origin) {
    const char *text;
    pid_t pid;
    uid_t uid;
    if (row->process) {
        assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_KERNEL_CONNECT);
        assert_int_equal(pid, getpid());
        assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
        assert_int_equal(uid, getuid());
    } else if (strncmp(row->endpoint, "tcp:", 4) == 0 && testing_inet_diag()) {
        /* Both ends are here: whose the other socket is, the kernel tells; that only we have it, was found out. */
        assert_int_equal(kith_origin_uid(origin, &uid), KITH_WITNESS_KERNEL_CONNECT);
        assert_int_equal(uid, getuid());
        if (!testing_under_valgrind()) {
            assert_int_equal(kith_origin_pid(origin, &pid), KITH_WITNESS_INFERRED);
            assert_int_equal(pid, getpid());
        }
    } else {
        assert_int_equal(kith_origin_pid(origin, NULL), KITH_WITNESS_NONE);
        assert_int_equal(kith_origin_uid(origin, NULL), KITH_WITNESS_NONE);
    }
    if (row->address) {
        assert_int_equal(kith_origin_text(origin, KITH_FACT_ADDRESS, &text), KITH_WITNESS_KERNEL_CONNECT);
        assert_int_equal(strncmp(text, row->address, strlen(row->address)), 0);
    } else {
        assert_int_equal(kith_origin_text(origin, KITH_FACT_ADDRESS, NULL), KITH_WITNESS_NONE);
    }
}

static void test_the_peer_is_what_the_kernel_says_and_no_more(void **state) {
    struct stage *stage = *state;
    stage_listen(stage);
    stage_connect(stage);
    kith_conn *conns[] = {stage->server.conn, stage->client.conn};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(conns); i++) {
        struct kith_process *process = NULL;
        kith_origin *origin = NULL;
        assert_int_equal(stage->bound.transport->peer(conns[i], &process, &origin), 0);
        assert_origin(stage->expected, origin);
        assert_int_equal(process != NULL, stage->expected->process);
        if (process) {
            assert_int_equal(kith_process_pid(process), getpid());
            assert_true(kith_process_alive(process, true));
        }
        kith_origin_unref(origin);
        kith_process_unref(process);
    }
}

static void test_of_a_closed_connection_there_is_no_peer(void **state) {
    struct stage *stage = *state;
    struct kith_process *process = NULL;
    kith_origin *origin = NULL;
    stage_listen(stage);
    stage_connect(stage);
    kith_conn_close(stage->client.conn);
    assert_int_equal(stage->bound.transport->peer(stage->client.conn, &process, &origin), -ENOTCONN);
    assert_null(process);
    assert_null(origin);
}

static const struct CMUnitTest suite[] = {
    cmocka_unit_test(test_octets_go_and_come_back),
    cmocka_unit_test(test_an_end_is_seen_and_answered),
    cmocka_unit_test(test_a_closed_listener_refuses),
    cmocka_unit_test(test_each_batch_has_its_writer_where_the_transport_says_so),
    cmocka_unit_test(test_the_peer_is_what_the_kernel_says_and_no_more),
    cmocka_unit_test(test_of_a_closed_connection_there_is_no_peer),
};

int main(void) {
    enum { TESTS = KITH_ARRAY_SIZE(suite) };
    struct CMUnitTest tests[TESTS * KITH_ARRAY_SIZE(cases)];
    static char names[KITH_ARRAY_SIZE(tests)][128];
    size_t count = 0;
    for (size_t i = 0; i < KITH_ARRAY_SIZE(tests); i++) {
        const struct transport_case *row = &cases[i / TESTS];
        if (!case_is_here(row))
            continue;
        tests[count] = suite[i % TESTS];
        snprintf(names[count], sizeof(names[count]), "%s: %s", row->name, tests[count].name);
        tests[count].name = names[count];
        tests[count].setup_func = stage_setup;
        tests[count].teardown_func = stage_teardown;
        tests[count].initial_state = (void *)(uintptr_t)row;
        count++;
    }
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
