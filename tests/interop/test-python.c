/*
 * Stock python3-zmq programs (peer.py) as clients of kith and as its servers. KITH_TEST_PEER names the script, KITH_TEST_PYTHON the
 * interpreter.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.h"

struct program {
    const char *role, *kind, *endpoint;
};

static const char *environment(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}

/* Becomes python with the line to the test as its standard input and output. */
static int exec_python(int line, void *userdata) {
    const struct program *program = userdata;
    const char *python = environment("KITH_TEST_PYTHON", "/usr/bin/python3");
    if (dup2(line, STDIN_FILENO) < 0 || dup2(line, STDOUT_FILENO) < 0)
        return 126;
    execl(python, python, environment("KITH_TEST_PEER", "peer.py"), program->role, program->kind, program->endpoint, (char *)NULL);
    return 127;
}

static void python_client(struct support *support, enum kith_socket_type type, const char *kind, const char *endpoint) {
    kith_socket *server = support_server(support, type, endpoint);
    support_echo(support, server);
    struct program program = {"client", kind, kith_socket_last_endpoint(server)};
    struct child child = child_start(exec_python, &program);
    int status = child_end(support, &child);
    if (status != 0)
        fail_msg("the %s client at %s ended with %d", kind, program.endpoint, status);
}

static void test_a_python_req_client(void **state) {
    python_client(*state, KITH_REP, "req", support_ipc(*state));
    python_client(*state, KITH_REP, "req", support_abstract(*state));
    python_client(*state, KITH_REP, "req", "tcp://127.0.0.1:0");
}

static void test_a_python_dealer_client(void **state) {
    python_client(*state, KITH_REP, "dealer", support_ipc(*state));
    python_client(*state, KITH_ROUTER, "dealer", support_abstract(*state));
    python_client(*state, KITH_ROUTER, "dealer", "tcp://127.0.0.1:0");
}

/* The server's first line: its endpoint. */
static void hear_endpoint(const struct child *child, char *endpoint, size_t size) {
    size_t length = 0;
    for (char word = child_hear(NULL, child); word != '\n'; word = child_hear(NULL, child)) {
        assert_true(length + 1 < size);
        endpoint[length++] = word;
    }
    endpoint[length] = '\0';
}

static void python_server(struct support *support, const char *kind, const char *endpoint) {
    static const size_t sizes[] = {0, 1, 255, 256, 65535, 65536, 1 << 20};
    struct program program = {"server", kind, endpoint};
    struct child child = child_start(exec_python, &program);
    char bound[256];
    hear_endpoint(&child, bound, sizeof(bound));
    kith_socket *client = support_socket(support, KITH_REQ);
    support_connect(client, bound);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        _cleanup_(kith_msg_freep) kith_msg *question = support_body(1 + i % 3, sizes[i], 0);
        support_send(support, client, support_copy(question));
        _cleanup_(kith_msg_freep) kith_msg *answer = support_recv(support, client);
        support_assert_body(answer, 0, question);
    }
    support_socket_free(support, client);
    child_tell(&child, '\n');
    assert_int_equal(child_end(support, &child), 0);
}

static void test_a_python_rep_server(void **state) {
    python_server(*state, "rep", support_ipc(*state));
    python_server(*state, "rep", support_abstract(*state));
    python_server(*state, "rep", "tcp://127.0.0.1:*");
}

static void test_a_python_router_server(void **state) {
    python_server(*state, "router", support_ipc(*state));
}

/* Publishing ------------------------------------------------------------------------------------------------------------- */

#define BODIES 15

static void add(kith_msg *msg, const void *data, size_t size) {
    assert_int_equal(kith_msg_add(msg, data, size), 0);
}

/* One of peer.py's bodies() behind the topic. */
static kith_msg *body_of(size_t i) {
    static const size_t sizes[] = {0, 1, 255, 256, 65535, 65536, 1 << 20}, parts[] = {1, 2, 10, 500};
    static const char greeting[] = "gr\xc3\xbc\xc3\x9f"
                                   "e, \0 und mehr";
    size_t above = KITH_ARRAY_SIZE(sizes) + KITH_ARRAY_SIZE(parts);
    kith_msg *msg = support_msg("topic", NULL);
    if (i < KITH_ARRAY_SIZE(sizes)) {
        _cleanup_(freep) uint8_t *octets = malloc(sizes[i] + 1);
        assert_non_null(octets);
        memset(octets, (int)(sizes[i] % 251), sizes[i]);
        add(msg, octets, sizes[i]);
    } else if (i < above) {
        for (size_t part = 0; part < parts[i - KITH_ARRAY_SIZE(sizes)]; part++) {
            char text[20 * 3 + 1] = "";
            for (int n = 0; n < 20; n++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), "%zu", part);
            add(msg, text, strlen(text));
        }
    } else if (i + 1 < BODIES) {
        static const char *const frames[][3] = {{"", "first is empty"}, {"a", "", "middle is empty"}, {"last is empty", ""}};
        for (size_t part = 0; part < 3 && frames[i - above][part]; part++)
            add(msg, frames[i - above][part], strlen(frames[i - above][part]));
    } else {
        uint8_t octets[256];
        for (size_t n = 0; n < sizeof(octets); n++)
            octets[n] = (uint8_t)n;
        add(msg, greeting, sizeof(greeting) - 1);
        add(msg, octets, sizeof(octets));
    }
    return msg;
}

static void ask_for_the_topic(struct support *support, kith_socket *client, enum kith_socket_type type, bool subscribe) {
    if (type == KITH_SUB) {
        assert_int_equal((subscribe ? kith_socket_subscribe : kith_socket_unsubscribe)(client, "topic", 5), 0);
        return;
    }
    kith_msg *msg = NULL;
    assert_int_equal(kith_msg_new(&msg), 0);
    add(msg, subscribe ? "\1topic" : "\0topic", 6);
    support_send(support, client, msg);
}

static void python_publisher(struct support *support, enum kith_socket_type type, const char *endpoint) {
    struct program program = {"publisher", "xpub", endpoint};
    struct child child = child_start(exec_python, &program);
    char bound[256];
    hear_endpoint(&child, bound, sizeof(bound));
    kith_socket *client = support_socket(support, type);
    ask_for_the_topic(support, client, type, true);
    support_connect(client, bound);
    for (size_t i = 0; i < BODIES; i++) {
        _cleanup_(kith_msg_freep) kith_msg *msg = support_recv(support, client), *expected = body_of(i);
        support_assert_body(msg, 0, expected);
    }
    ask_for_the_topic(support, client, type, false);
    assert_int_equal(child_end(support, &child), 0);
    support_socket_free(support, client);
}

static void test_a_python_publisher(void **state) {
    python_publisher(*state, KITH_SUB, support_ipc(*state));
    python_publisher(*state, KITH_XSUB, support_abstract(*state));
    python_publisher(*state, KITH_SUB, "tcp://127.0.0.1:*");
}

static void python_subscriber(struct support *support, const char *kind, const char *endpoint) {
    kith_socket *server = support_server(support, KITH_XPUB, endpoint);
    struct program program = {"subscriber", kind, kith_socket_last_endpoint(server)};
    struct child child = child_start(exec_python, &program);
    _cleanup_(kith_msg_freep) kith_msg *asked = support_recv(support, server);
    support_assert_frame(asked, 0, "\1topic");
    for (size_t i = 0; i < BODIES; i++) {
        support_send(support, server, support_msg("else", NULL));
        support_send(support, server, body_of(i));
    }
    _cleanup_(kith_msg_freep) kith_msg *cancelled = support_recv(support, server);
    assert_int_equal(kith_msg_size(cancelled), 6);
    assert_memory_equal(kith_msg_frame(cancelled, 0, NULL), "\0topic", 6);
    int status = child_end(support, &child);
    if (status != 0)
        fail_msg("the %s subscriber at %s ended with %d", kind, program.endpoint, status);
}

static void test_a_python_subscriber(void **state) {
    python_subscriber(*state, "sub", support_ipc(*state));
    python_subscriber(*state, "xsub", support_abstract(*state));
    python_subscriber(*state, "sub", "tcp://127.0.0.1:0");
}

#define PYTHON_TEST(name) cmocka_unit_test_setup_teardown(name, support_setup, support_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PYTHON_TEST(test_a_python_req_client),    PYTHON_TEST(test_a_python_dealer_client), PYTHON_TEST(test_a_python_rep_server),
        PYTHON_TEST(test_a_python_router_server), PYTHON_TEST(test_a_python_publisher),     PYTHON_TEST(test_a_python_subscriber),
    };
    char command[512];
    snprintf(command, sizeof(command), "%s -c 'import zmq' 2>/dev/null", environment("KITH_TEST_PYTHON", "/usr/bin/python3"));
    int status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        print_message("1..0 # SKIP python3-zmq is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
