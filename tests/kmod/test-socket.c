/*
 * kmod/test-socket.c: channels of kernel modules as endpoints of message sockets, by the public interface; kith_test.ko and kith_demo.ko
 * are the peers.
 */
#include "socket/testing.h"

#include <sys/resource.h>

#include "kmod/testing.h"

struct scene {
    struct world world; /* first: the world's helpers take it */
    struct client *driver;
    struct node node, other;
};

/* Of this row: octets of the ring that messages come by; 0: as datagrams. */
static unsigned ring;

static int scene_setup(void **state) {
    ring = *state ? *(const unsigned *)*state : 0;
    unload_leftovers();
    load("kith");
    load("kith_test");
    struct scene *scene = world_new(state, sizeof(*scene));
    if (!scene)
        return -1;
    scene->driver = client_new();
    return 0;
}

static int scene_teardown(void **state) {
    struct scene *scene = *state;
    node_deinit(&scene->node);
    node_deinit(&scene->other);
    client_free(scene->driver);
    unload_leftovers();
    return world_teardown(state);
}

static void begin(struct scene *scene, struct node *node, enum kith_socket_type type) {
    node_init(&scene->world, node, type, &quiet_handler);
    node_option(node, KITH_OPTION_RECONNECT_MAX, 100);
    node_option(node, KITH_OPTION_KERNEL_RING, ring);
}

static void connect_to(struct scene *scene, struct node *node, enum kith_socket_type type, const char *endpoint) {
    struct kith_error error = KITH_ERROR_NONE;
    begin(scene, node, type);
    if (kith_socket_connect(node->socket, endpoint, &error) < 0)
        fail_msg("%s", error.text);
}

static void join(struct scene *scene, struct node *node, enum kith_socket_type type, const char *endpoint) {
    connect_to(scene, node, type, endpoint);
    until(&scene->world, kith_socket_peer_count(node->socket) == 1);
}

/* How many rings this process has open. */
static unsigned rings(void) {
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++) {
        char path[64], target[64] = "";
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof(target) - 1) > 0)
            count += strcmp(target, "anon_inode:[kith-ring]") == 0;
    }
    return count;
}

static void tell(struct scene *scene, const char *command, const char *expected) {
    assert_int_equal(client_tell(scene->driver, "%s", command), 0);
    if (expected)
        assert_string_equal(scene->driver->reply, expected);
}

static uint32_t number_in(const kith_msg *msg) {
    uint32_t number;
    size_t size;
    const uint8_t *data = kith_msg_frame(msg, 0, &size);
    assert_true(data && size >= sizeof(number));
    memcpy(&number, data, sizeof(number));
    return number;
}

static kith_msg *take(struct node *node) {
    kith_msg *msg = NULL;
    assert_int_equal(kith_socket_recv(node->socket, &msg, 10000), 0);
    return msg;
}

static void take_numbers(struct node *node, uint32_t first, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        kith_msg *msg = take(node);
        assert_int_equal(number_in(msg), first + i);
        kith_msg_free(msg);
    }
}

static void test_a_message_has_its_module_its_number_and_its_time(void **state) {
    struct scene *scene = *state;
    tell(scene, "open one 1 0 1 0", "");
    tell(scene, "send one 2 80 task", "2 0");
    join(scene, &scene->node, KITH_PULL, "kernel://one");
    assert_int_equal(rings(), ring > 0);
    for (uint32_t i = 0; i < 2; i++) {
        const char *module = NULL;
        struct kith_receipt receipt;
        kith_msg *msg = take(&scene->node);
        assert_int_equal(number_in(msg), i);
        assert_int_equal(kith_msg_size(msg), 80);
        assert_int_equal(kith_origin_text(kith_msg_origin(msg), KITH_FACT_MODULE, &module), KITH_WITNESS_KERNEL_MESSAGE);
        assert_string_equal(module, "kith_test");
        assert_int_equal(kith_origin_pid(kith_msg_origin(msg), NULL), KITH_WITNESS_NONE);
        assert_int_equal(kith_msg_sequence(msg), i + 1);
        assert_true(kith_msg_time(msg) > 0);
        assert_false(kith_msg_again(msg));
        assert_true(kith_msg_receipt(msg, &receipt));
        kith_msg_free(msg);
    }
}

/* All that was taken is off the channel's backlog; what waits in the socket is not. */
static void test_what_is_taken_is_acknowledged(void **state) {
    struct scene *scene = *state;
    tell(scene, "open one 1 0 1 0", "");
    tell(scene, "send one 3 80 task", "3 0");
    join(scene, &scene->node, KITH_PULL, "kernel://one");
    take_numbers(&scene->node, 0, 2);
    settle_down(&scene->world);
    assert_true(info_of(scene->driver, "one").backlog > 0);
    take_numbers(&scene->node, 2, 1);
    assert_int_equal(info_of(scene->driver, "one").backlog, 0);
}

static void test_what_is_not_acknowledged_goes_to_the_next_and_is_marked(void **state) {
    struct scene *scene = *state;
    struct kith_receipt receipt = {0}, first = {0};
    tell(scene, "open one 1 0 1 0", "");
    tell(scene, "send one 4 80 task", "4 0");
    begin(scene, &scene->node, KITH_PULL);
    node_option(&scene->node, KITH_OPTION_MANUAL_ACK, 1);
    assert_int_equal(kith_socket_connect(scene->node.socket, "kernel://one", NULL), 0);
    for (uint32_t i = 0; i < 4; i++) {
        kith_msg *msg = take(&scene->node);
        assert_true(kith_msg_receipt(msg, i == 1 ? &first : &receipt));
        kith_msg_free(msg);
    }
    assert_int_equal(kith_socket_acknowledge(scene->node.socket, &first), 0);
    assert_int_equal(kith_socket_acknowledge(scene->node.socket, &(struct kith_receipt){receipt.connection, 5}), -ERANGE);
    assert_int_equal(kith_socket_acknowledge(scene->node.socket, &(struct kith_receipt){receipt.connection + 1, 1}), -ENOENT);
    assert_int_equal(kith_socket_acknowledge(scene->node.socket, &(struct kith_receipt){0, 1}), -EINVAL);
    node_deinit(&scene->node);
    join(scene, &scene->other, KITH_PULL, "kernel://one");
    assert_int_equal(kith_socket_acknowledge(scene->other.socket, &receipt), -ENOENT); /* of another connection */
    for (uint32_t i = 2; i < 4; i++) {
        kith_msg *msg = take(&scene->other);
        assert_int_equal(number_in(msg), i);
        assert_int_equal(kith_msg_sequence(msg), i + 1);
        assert_true(kith_msg_again(msg));
        kith_msg_free(msg);
    }
    expect_nothing(&scene->world, &scene->other);
}

static void test_many_messages_come_in_order_and_a_reader_that_waits_holds_the_kernel_up(void **state) {
    struct scene *scene = *state;
    tell(scene, "open one 1 1000000 1 0", "");
    tell(scene, "send one 5000 64 task", "5000 0");
    begin(scene, &scene->node, KITH_PULL);
    node_option(&scene->node, KITH_OPTION_RECV_HWM, 10);
    node_option(&scene->node, KITH_OPTION_RECV_BUFFER, 32768);
    assert_int_equal(kith_socket_connect(scene->node.socket, "kernel://one", NULL), 0);
    settle_down(&scene->world);
    assert_true(info_of(scene->driver, "one").backlog > 64 * 5000);
    take_numbers(&scene->node, 0, 5000);
    settle_down(&scene->world);
    assert_int_equal(info_of(scene->driver, "one").backlog, 0);
}

/* Two windows' worth and more, of which it wants the last one. */
static void test_what_a_sub_is_not_handed_does_not_hold_the_kernel_up(void **state) {
    struct scene *scene = *state;
    const uint32_t last = 4999;
    struct kith_receipt receipt = {0};
    tell(scene, "open one 1 1000000 1 0", "");
    begin(scene, &scene->node, KITH_SUB);
    node_option(&scene->node, KITH_OPTION_MANUAL_ACK, 1);
    assert_int_equal(kith_socket_subscribe(scene->node.socket, &last, sizeof(last)), 0);
    assert_int_equal(kith_socket_connect(scene->node.socket, "kernel://one", NULL), 0);
    tell(scene, "send one 5001 64 task", "5001 0");
    kith_msg *msg = take(&scene->node);
    assert_int_equal(number_in(msg), last);
    assert_true(kith_msg_receipt(msg, &receipt));
    kith_msg_free(msg);
    settle_down(&scene->world);
    assert_true(info_of(scene->driver, "one").backlog > 0);
    assert_int_equal(kith_socket_acknowledge(scene->node.socket, &receipt), 0);
    settle_down(&scene->world);
    assert_int_equal(info_of(scene->driver, "one").backlog, 0);
}

static void test_what_lies_in_a_ring_comes_though_its_channel_is_closed(void **state) {
    struct scene *scene = *state;
    tell(scene, "open one 1 0 1 0", "");
    tell(scene, "open two 1 0 1 0", "");
    join(scene, &scene->node, KITH_PULL, "kernel://one");
    begin(scene, &scene->other, KITH_PULL); /* it reads on only when something is taken */
    node_option(&scene->other, KITH_OPTION_RECV_HWM, 10);
    assert_int_equal(kith_socket_connect(scene->other.socket, "kernel://two", NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        struct node *node = i == 0 ? &scene->node : &scene->other;
        tell(scene, i == 0 ? "send one 1000 8 task" : "send two 1000 8 task", "1000 0");
        tell(scene, i == 0 ? "close one" : "close two", "");
        take_numbers(node, 0, 1000);
        until(&scene->world, node->events[KITH_EVENT_DISCONNECTED] == 1);
        assert_int_equal(rings(), 1 - i);
    }
}

static void test_a_sub_gets_what_its_topics_match(void **state) {
    struct scene *scene = *state;
    const uint32_t third = 2;
    tell(scene, "open all 2 0 0 0", "");
    join(scene, &scene->node, KITH_SUB, "kernel://all");
    join(scene, &scene->other, KITH_SUB, "kernel://all");
    assert_int_equal(kith_socket_subscribe(scene->node.socket, &third, sizeof(third)), 0);
    assert_int_equal(kith_socket_subscribe(scene->other.socket, "", 0), 0);
    tell(scene, "send all 4 64 timer", "4 0");
    take_numbers(&scene->node, 2, 1);
    take_numbers(&scene->other, 0, 4);
    expect_nothing(&scene->world, &scene->node);
}

static void test_a_request_is_answered_and_a_refusal_has_its_reason(void **state) {
    struct scene *scene = *state;
    char expected[96];
    load("kith_demo");
    join(scene, &scene->node, KITH_REQ, "kernel://demo.echo");
    snprintf(expected, sizeof(expected), "pid %d uid 0 admin 1: hello", (int)getpid());
    for (int i = 0; i < 3; i++) {
        send_words(&scene->node, "hello");
        expect_words(&scene->node, expected);
    }
    tell(scene, "open deaf 1 0 1 0", "");
    join(scene, &scene->other, KITH_REQ, "kernel://deaf");
    send_words(&scene->other, "hello");
    expect_error(&scene->other, -EACCES);
    assert_int_equal(scene->other.errors[KITH_EVENT_REFUSED], -EOPNOTSUPP);
    assert_non_null(strstr(scene->other.texts[KITH_EVENT_REFUSED], "takes no messages"));
    node_deinit(&scene->node);
    node_deinit(&scene->other);
    unload("kith_demo");
}

/* Of what the request names, not of the channel. */
static void test_a_module_may_say_that_there_is_no_such_thing(void **state) {
    struct scene *scene = *state;
    join(scene, &scene->node, KITH_REQ, "kernel://test.control");
    for (unsigned i = 1; i <= 2; i++) {
        send_words(&scene->node, "close nothing");
        expect_error(&scene->node, -EACCES);
        assert_int_equal(scene->node.events[KITH_EVENT_REFUSED], i);
        assert_int_equal(scene->node.errors[KITH_EVENT_REFUSED], -ENOENT);
    }
    settle_down(&scene->world);
    assert_int_equal(scene->node.events[KITH_EVENT_DISCONNECTED], 0);
    assert_int_equal(kith_socket_peer_count(scene->node.socket), 1);
}

static void test_a_push_reaches_the_module_and_learns_of_a_refusal(void **state) {
    struct scene *scene = *state;
    join(scene, &scene->node, KITH_PUSH, "kernel://test.control");
    send_words(&scene->node, "open pushed 1 0 1 0");
    settle_down(&scene->world);
    assert_int_equal(info_of(scene->driver, "pushed").sent, 0);
    send_words(&scene->node, "dance");
    until(&scene->world, scene->node.events[KITH_EVENT_REFUSED] == 1);
    assert_int_equal(scene->node.errors[KITH_EVENT_REFUSED], -EOPNOTSUPP);
    send_words(&scene->node, "two|frames");
    until(&scene->world, scene->node.events[KITH_EVENT_REFUSED] == 2);
    assert_int_equal(scene->node.errors[KITH_EVENT_REFUSED], -EMSGSIZE);
    static char large[KITH_MESSAGE_MAX + 2];
    memset(large, 'x', sizeof(large) - 1);
    send_words(&scene->node, large);
    until(&scene->world, scene->node.events[KITH_EVENT_REFUSED] == 3);
    assert_int_equal(kith_socket_peer_count(scene->node.socket), 1);
}

static void ask_the_module(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "request ask 5000 question") == 0);
    CHILD_CHECK(strcmp(client->reply, "answer") == 0);
    client_free(client);
}

static void test_a_rep_answers_what_a_module_asks(void **state) {
    struct scene *scene = *state;
    tell(scene, "open ask 1 0 0 0", "");
    join(scene, &scene->node, KITH_REP, "kernel://ask");
    for (int i = 0; i < 2; i++) {
        pid_t pid = in_child(ask_the_module);
        expect_words(&scene->node, "question");
        send_words(&scene->node, "answer");
        child_ends_well(pid);
    }
    tell(scene, "send ask 1 64 task", "1 0"); /* no question */
    until(&scene->world, scene->node.events[KITH_EVENT_DROPPED] == 1);
    settle_down(&scene->world);
    assert_int_equal(info_of(scene->driver, "ask").backlog, 0);
}

static void test_a_module_that_comes_later_or_again_is_found(void **state) {
    struct scene *scene = *state;
    connect_to(scene, &scene->node, KITH_PULL, "kernel://late");
    until(&scene->world, scene->node.events[KITH_EVENT_RETRY] > 1);
    assert_int_equal(scene->node.errors[KITH_EVENT_RETRY], -ENOENT);
    assert_non_null(strstr(scene->node.texts[KITH_EVENT_RETRY], "is its module loaded?"));
    for (unsigned i = 1; i <= 3; i++) {
        tell(scene, "open late 1 0 1 0", "");
        tell(scene, "send late 1 64 task", "1 0");
        take_numbers(&scene->node, 0, 1);
        if (i == 2) {
            scene->driver = client_free(scene->driver);
            unload("kith_test");
        } else {
            tell(scene, "close late", "");
        }
        until(&scene->world, scene->node.events[KITH_EVENT_DISCONNECTED] == i);
        if (i == 2) {
            unload("kith"); /* which a ring would hold */
            scene->node.texts[KITH_EVENT_RETRY][0] = '\0';
            until(&scene->world, strstr(scene->node.texts[KITH_EVENT_RETRY], "kith.ko is not loaded"));
            load("kith");
            load("kith_test");
            scene->driver = client_new();
        }
    }
}

/* Without CAP_IPC_LOCK and with nothing that may be locked. */
static void receive_without_a_ring(void) {
    kith_loop *loop;
    kith_socket *socket;
    kith_msg *msg;
    CHILD_CHECK(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
    CHILD_CHECK(kith_loop_new(&loop) == 0 && kith_socket_new(loop, KITH_PULL, &socket) == 0);
    CHILD_CHECK(kith_socket_connect(socket, "kernel://one", NULL) == 0);
    CHILD_CHECK(kith_socket_recv(socket, &msg, 10000) == 0 && rings() == 0);
    kith_msg_free(msg);
    kith_socket_free(socket);
    kith_loop_free(loop);
}

static void test_who_may_not_have_a_ring_gets_datagrams(void **state) {
    struct scene *scene = *state;
    tell(scene, "open one 1 0 1 0", "");
    tell(scene, "send one 1 64 task", "1 0");
    child_ends_well(in_child(receive_without_a_ring));
}

static void test_the_policy_is_asked_about_the_module(void **state) {
    struct scene *scene = *state;
    kith_policy *policy;
    assert_int_equal(kith_policy_new(&policy), 0); /* without rules: nobody */
    tell(scene, "open one 1 0 1 0", "");
    tell(scene, "send one 1 64 task", "1 0");
    begin(scene, &scene->node, KITH_PULL);
    kith_socket_set_policy(scene->node.socket, policy);
    assert_int_equal(kith_socket_connect(scene->node.socket, "kernel://one", NULL), 0);
    until(&scene->world, scene->node.events[KITH_EVENT_DENIED_CONNECT] == 1);
    expect_nothing(&scene->world, &scene->node);
    kith_policy_unref(policy);
    node_deinit(&scene->node);
    join(scene, &scene->other, KITH_PULL, "kernel://one");
    take_numbers(&scene->other, 0, 1);
}

static void be_refused(void) {
    kith_loop *loop;
    kith_socket *socket;
    struct node node = {0};
    CHILD_CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setgroups(0, NULL) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
    CHILD_CHECK(kith_loop_new(&loop) == 0 && kith_socket_new(loop, KITH_PULL, &socket) == 0);
    kith_socket_set_handler(socket, &quiet_handler, &node);
    CHILD_CHECK(kith_socket_connect(socket, "kernel://demo.syn", NULL) == 0);
    for (int i = 0; i < 100 && node.events[KITH_EVENT_RETRY] == 0; i++)
        CHILD_CHECK(kith_loop_step(loop, 1000) >= 0);
    CHILD_CHECK(node.errors[KITH_EVENT_RETRY] == -EPERM);
    CHILD_CHECK(strstr(node.texts[KITH_EVENT_RETRY], "CAP_NET_ADMIN"));
    kith_socket_free(socket);
    kith_loop_free(loop);
}

static void test_a_nobody_is_refused_with_the_reason(void **state) {
    (void)state;
    load("kith_demo");
    child_ends_well(in_child(be_refused));
    unload("kith_demo");
}

static void test_what_no_channel_is_for_is_refused_by_name(void **state) {
    struct scene *scene = *state;
    struct kith_error error = KITH_ERROR_NONE;
    node_init(&scene->world, &scene->node, KITH_PUB, &quiet_handler);
    assert_int_equal(kith_socket_connect(scene->node.socket, "kernel://one", &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, "PUB has no use for a channel of the kernel"));
    assert_int_equal(kith_socket_bind(scene->node.socket, "kernel://one", &error), -EINVAL);
    assert_non_null(strstr(error.text, "connect to it"));
}

/* Killed at random while a thread of the kernel sends: what was not acknowledged comes to the next, marked, and nothing is missing. */
static void receive_some(unsigned count) {
    kith_loop *loop;
    kith_socket *socket;
    CHILD_CHECK(kith_loop_new(&loop) == 0 && kith_socket_new(loop, KITH_PULL, &socket) == 0);
    CHILD_CHECK(kith_socket_set_number(socket, KITH_OPTION_MANUAL_ACK, 1, NULL) == 0);
    CHILD_CHECK(kith_socket_set_number(socket, KITH_OPTION_KERNEL_RING, ring, NULL) == 0);
    CHILD_CHECK(kith_socket_connect(socket, "kernel://one", NULL) == 0);
    for (unsigned i = 0; i < count; i++) {
        kith_msg *msg;
        struct kith_receipt receipt;
        CHILD_CHECK(kith_socket_recv(socket, &msg, 20000) == 0);
        uint32_t number = number_in(msg);
        CHILD_CHECK(write(STDOUT_FILENO, &number, sizeof(number)) == sizeof(number));
        CHILD_CHECK(kith_msg_receipt(msg, &receipt) && kith_socket_acknowledge(socket, &receipt) == 0);
        kith_msg_free(msg);
    }
    raise(SIGKILL);
}

static void send_numbers(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "insist one 5000 64") == 0);
    CHILD_CHECK(strcmp(client->reply, "5000 0") == 0 || strcmp(client->reply, "5000 -11") == 0);
    client_free(client);
}

/* Ends with the number that the last one wrote, at the least one more than the first. */
static uint32_t read_numbers(int fd, uint32_t next) {
    uint32_t number;
    while (read(fd, &number, sizeof(number)) == sizeof(number)) {
        assert_true(number <= next); /* one more than before, or one again */
        if (number == next)
            next++;
    }
    return next;
}

static void test_receivers_that_are_killed_lose_nothing(void **state) {
    struct scene *scene = *state;
    uint32_t next = 0;
    tell(scene, "open one 1 0 1 0", "");
    pid_t sender = in_child(send_numbers);
    for (unsigned seed = 7; next < 5000; seed = seed * 1103515245 + 12345) {
        int ends[2];
        unsigned most = 1 + seed / 65536 % 700;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            dup2(ends[1], STDOUT_FILENO);
            close(ends[0]);
            close(ends[1]);
            receive_some(most < 5000 - next ? most : 5000 - next);
        }
        close(ends[1]);
        next = read_numbers(ends[0], next);
        close(ends[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    child_ends_well(sender);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
/* As datagrams, and through a ring. */
#define BOTH_WAYS(test) SCENE_TEST(test), RING_TEST(test)
#define RING_TEST(test)                                                                                                                    \
    {                                                                                                                                      \
        .name = #test ": ring", .test_func = test, .setup_func = scene_setup, .teardown_func = scene_teardown,                             \
        .initial_state = (void *)(uintptr_t)&least_ring                                                                                    \
    }

int main(void) {
    static const unsigned least_ring = KITH_RING_LEAST;
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(test_a_message_has_its_module_its_number_and_its_time),
        BOTH_WAYS(test_what_is_taken_is_acknowledged),
        BOTH_WAYS(test_what_is_not_acknowledged_goes_to_the_next_and_is_marked),
        BOTH_WAYS(test_many_messages_come_in_order_and_a_reader_that_waits_holds_the_kernel_up),
        BOTH_WAYS(test_a_sub_gets_what_its_topics_match),
        BOTH_WAYS(test_what_a_sub_is_not_handed_does_not_hold_the_kernel_up),
        RING_TEST(test_what_lies_in_a_ring_comes_though_its_channel_is_closed),
        SCENE_TEST(test_a_request_is_answered_and_a_refusal_has_its_reason),
        SCENE_TEST(test_a_module_may_say_that_there_is_no_such_thing),
        SCENE_TEST(test_a_push_reaches_the_module_and_learns_of_a_refusal),
        BOTH_WAYS(test_a_rep_answers_what_a_module_asks),
        BOTH_WAYS(test_a_module_that_comes_later_or_again_is_found),
        SCENE_TEST(test_who_may_not_have_a_ring_gets_datagrams),
        SCENE_TEST(test_the_policy_is_asked_about_the_module),
        SCENE_TEST(test_a_nobody_is_refused_with_the_reason),
        SCENE_TEST(test_what_no_channel_is_for_is_refused_by_name),
        BOTH_WAYS(test_receivers_that_are_killed_lose_nothing),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
