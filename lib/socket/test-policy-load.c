/* socket/test-policy-load.c: policies that change under load, with peers in processes of their own: those that may stay lose nothing and
 * keep their order, and from those that may not nothing comes, or goes to them, from then on. */
#include "socket/testing-scene.h"

#define CHILDREN 8
#define MESSAGES 10000 /* of a child: more than fits into queues on the way, so that all are there when it begins */

struct numbers {
    uint32_t child, number;
    char rest[192];
};

/* What a child does; true: as it should. */
typedef bool (*child_fn)(kith_socket *socket, uint32_t child);

struct load {
    struct scene *scene;
    pid_t children[CHILDREN];
    uint32_t next[CHILDREN]; /* messages of that child so far */
    bool denied;             /* those of odd number */
    unsigned late;           /* messages of denied ones */
};

/* In the child: the loop of the parent is not to be used there. */
static bool run_child(const char *endpoint, enum kith_socket_type type, uint32_t child, child_fn fn) {
    kith_loop *loop;
    kith_socket *socket;
    if (kith_loop_new(&loop) < 0 || kith_socket_new(loop, type, &socket) < 0)
        return false;
    (void)kith_socket_set_number(socket, KITH_OPTION_RECV_HWM, 1000000, NULL);
    (void)kith_socket_set_number(socket, KITH_OPTION_RECONNECT_STOP, KITH_RECONNECT_STOP_DISCONNECT | KITH_RECONNECT_STOP_HANDSHAKE, NULL);
    return kith_socket_connect(socket, endpoint, NULL) >= 0 && fn(socket, child);
}

/* Until all are forked: nobody is done before the last one begins. */
static void wait_for_all(const int gate[2]) {
    char nothing;
    close(gate[1]);
    while (read(gate[0], &nothing, 1) < 0 && errno == EINTR)
        ;
    close(gate[0]);
}

static void start(struct load *load, enum kith_socket_type type, child_fn fn) {
    const char *endpoint = kith_socket_last_endpoint(load->scene->server.socket);
    int gate[2];
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    for (uint32_t i = 0; i < CHILDREN; i++) {
        load->children[i] = fork();
        if (load->children[i] == 0) {
            wait_for_all(gate);
            raw_child_end(run_child(endpoint, type, i, fn));
        }
        assert_true(load->children[i] > 0);
    }
    close(gate[0]);
    close(gate[1]);
}

/* A policy that denies everything to the odd ones. */
static void deny_odd(struct load *load) {
    kith_policy *policy;
    char text[32];
    assert_int_equal(kith_policy_new(&policy), 0);
    for (size_t i = 1; i < CHILDREN; i += 2) {
        snprintf(text, sizeof(text), "pid=%d", (int)load->children[i]);
        char name[16];
        snprintf(name, sizeof(name), "child %zu", i);
        policy_rule(policy, name, false, KITH_VERB_ALL, text);
    }
    policy_rule(policy, "rest", true, KITH_VERB_ALL, "");
    kith_policy_govern(policy, KITH_VERB_ALL);
    kith_socket_set_policy(load->scene->server.socket, policy);
    kith_policy_unref(policy);
    load->denied = true;
}

static void end(struct load *load) {
    for (size_t i = 0; i < CHILDREN; i++)
        raw_child_wait(load->children[i]);
}

/* PUSH to PULL ------------------------------------------------------------------------------------------------------------- */

/* Those that are denied cannot get rid of all. */
static bool push_all(kith_socket *socket, uint32_t child) {
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct numbers numbers = {.child = child, .number = i};
        kith_msg *msg;
        if (kith_msg_new(&msg) < 0 || kith_msg_add(msg, &numbers, sizeof(numbers)) < 0)
            return false;
        int r = kith_socket_send(socket, msg, child % 2 ? 1000 : 20000);
        if (r < 0 && child % 2 == 0)
            return false;
        if (r < 0)
            break;
    }
    int r = kith_socket_drain(socket, child % 2 ? 1000 : 20000);
    return child % 2 == 1 || r >= 0;
}

static void on_pulled(struct node *node, kith_msg *msg) {
    struct load *load = node->extra;
    struct numbers numbers;
    size_t size;
    const void *octets = kith_msg_frame(msg, 0, &size);
    assert_int_equal(size, sizeof(numbers));
    memcpy(&numbers, octets, size);
    assert_true(numbers.child < CHILDREN);
    assert_int_equal(numbers.number, load->next[numbers.child]++);
    load->late += load->denied && numbers.child % 2 == 1;
    kith_msg_free(msg);
}

static bool even_done(const struct load *load) {
    for (size_t i = 0; i < CHILDREN; i += 2)
        if (load->next[i] < MESSAGES)
            return false;
    return true;
}

static void test_who_may_stay_loses_nothing_on_its_way_to_us(void **state) {
    struct load load = {.scene = *state};
    struct node *server = &load.scene->server;
    node_init(&load.scene->world, server, KITH_PULL, &quiet_handler);
    server->on_message = on_pulled;
    server->extra = &load;
    node_bind(server, load.scene->endpoint);
    start(&load, KITH_PUSH, push_all);
    until(&load.scene->world, server->events[KITH_EVENT_CONNECTED] == CHILDREN);
    kith_socket_set_handler(server->socket, &full_handler, server);
    until(&load.scene->world, server->messages > MESSAGES / 2);
    assert_int_equal(kith_socket_peer_count(server->socket), CHILDREN);
    deny_odd(&load);
    for (unsigned mark = server->messages; !even_done(&load); mark += 1000) {
        until(&load.scene->world, server->messages >= mark || even_done(&load));
        deny_odd(&load); /* the same again: nobody notices */
    }
    until(&load.scene->world, server->events[KITH_EVENT_DISCONNECTED] == CHILDREN);
    assert_int_equal(server->events[KITH_EVENT_DENIED_CONNECT], CHILDREN / 2);
    assert_int_equal(load.late, 0);
    end(&load);
}

/* PUB to SUB --------------------------------------------------------------------------------------------------------------- */

/* Those that are denied see a beginning; the others all. */
static bool hear_all(kith_socket *socket, uint32_t child) {
    if (kith_socket_subscribe(socket, "", 0) < 0)
        return false;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        kith_msg *msg;
        int r = kith_socket_recv(socket, &msg, child % 2 ? 3000 : 20000);
        if (r < 0)
            return child % 2 == 1 && i >= MESSAGES / 2;
        uint32_t number;
        memcpy(&number, kith_msg_frame(msg, 0, NULL), sizeof(number));
        kith_msg_free(msg);
        if (number != i)
            return false;
    }
    return child % 2 == 0;
}

static void publish(struct load *load, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        kith_msg *msg;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, &i, sizeof(i)), 0);
        assert_int_equal(kith_socket_send(load->scene->server.socket, msg, 0), 0);
        if (load->denied && i % 100 == 0) {
            deny_odd(load);
            settle_down(&load->scene->world);
        }
    }
}

static void test_who_may_stay_loses_nothing_on_its_way_from_us(void **state) {
    struct load load = {.scene = *state};
    struct node *server = &load.scene->server;
    node_init(&load.scene->world, server, KITH_PUB, &quiet_handler);
    node_option(server, KITH_OPTION_SEND_HWM, 1000000);
    node_bind(server, load.scene->endpoint);
    start(&load, KITH_SUB, hear_all);
    until(&load.scene->world, server->events[KITH_EVENT_SUBSCRIBED] == CHILDREN);
    publish(&load, 0, MESSAGES / 2);
    deny_odd(&load);
    publish(&load, MESSAGES / 2, MESSAGES);
    until(&load.scene->world, server->events[KITH_EVENT_DISCONNECTED] == CHILDREN);
    assert_int_equal(server->events[KITH_EVENT_DROPPED], 0);
    end(&load);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(test_who_may_stay_loses_nothing_on_its_way_to_us, "ipc"),
        ROW(test_who_may_stay_loses_nothing_on_its_way_from_us, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
