/* kith.ko, its example and its users come and go; who may do what; namespaces; many channels, and hostile users. */
#include "kmod/testing.h"

#include <linux/genetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

/* Modules come and go -------------------------------------------------------------------------------------------------------- */

static void test_modules_load_and_unload_a_hundred_times(void **state) {
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        load("kith");
        load("kith_demo");
        unload("kith_demo");
        unload("kith");
    }
}

static void test_kith_cannot_be_unloaded_under_a_module_that_uses_it(void **state) {
    (void)state;
    load("kith");
    load("kith_demo");
    assert_int_equal(syscall(SYS_delete_module, "kith", O_NONBLOCK), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    unload("kith_demo");
    unload("kith");
}

static void test_a_receiver_is_told_when_its_module_goes_and_can_come_again(void **state) {
    (void)state;
    load("kith");
    load("kith_demo");
    struct client *client = client_new();
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(client_join(client, "demo.tick", 0), 0);
        unload("kith_demo");
        do
            assert_true(client_receive(client, &got, 5 * SECOND));
        while (got.command == KITH_CMD_MESSAGES);
        assert_int_equal(got.command, KITH_CMD_CLOSED);
        assert_string_equal(got.channel, "demo.tick");
        assert_int_equal(client_join(client, "demo.tick", 0), -ENOENT);
        load("kith_demo");
    }
    unload("kith_demo");
    unload("kith");
    client_free(client);
}

static int gate[2];

static void ask_and_wait(void) {
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "request ask 1000 question") == -ETIMEDOUT);
}

static void listen_elsewhere(void) {
    CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
    struct client *client = client_new();
    CHILD_CHECK(client_join(client, "test.control", 0) == 0);
    CHILD_CHECK(write(gate[1], "x", 1) == 1);
    pause();
}

static void unload_tests(void) {
    CHILD_CHECK(syscall(SYS_delete_module, "kith_test", O_NONBLOCK) == 0);
}

static void wait_until_gone(const char *channel) {
    struct client *client = client_new();
    struct channel_info info;
    while (client_info(client, channel, &info) == 0)
        usleep(1000);
    client_free(client);
}

/* The module waits for a callback to end, and while it does a receiver dies, and its network namespace with it. */
static void test_a_receiver_may_die_while_its_channel_is_closed(void **state) {
    (void)state;
    char octet;
    unload_leftovers();
    load("kith");
    load("kith_test");
    struct client *mute = client_new();
    assert_int_equal(client_tell(mute, "open ask 1 0 0 1"), 0);
    assert_int_equal(client_join(mute, "ask", 0), 0);
    assert_int_equal(pipe(gate), 0);
    pid_t listener = in_child(listen_elsewhere);
    assert_int_equal(read(gate[0], &octet, 1), 1);
    pid_t asker = in_child(ask_and_wait);
    assert_true(client_receive(mute, &got, 5 * SECOND));
    pid_t unloader = in_child(unload_tests);
    wait_until_gone("test.control");
    kill(listener, SIGKILL);
    waitpid(listener, NULL, 0);
    child_ends_well(unloader);
    child_ends_well(asker);
    client_free(mute);
    close(gate[0]);
    close(gate[1]);
    unload("kith");
}

static void join_again_and_again(void) {
    struct client *client = client_new();
    for (;;) {
        int error = client_join(client, "churn", 0);
        CHILD_CHECK(error == 0 || error == -ENOENT || error == -ENODEV || error == -EBUSY || error == -EALREADY);
        while (client_receive(client, &got, 0) && got.command == KITH_CMD_MESSAGES)
            client_done(client, "churn", got.list[got.count - 1].header.sequence);
        (void)client_leave(client, "churn");
    }
}

static void test_a_channel_comes_and_goes_under_those_who_join(void **state) {
    struct client *driver = *state;
    pid_t pids[3];
    for (unsigned i = 0; i < 3; i++)
        pids[i] = in_child(join_again_and_again);
    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal(client_tell(driver, "open churn %u 0 0 1", 1 + i % 2), 0);
        sched_yield();
        assert_int_equal(client_tell(driver, "send churn 5 64 timer"), 0);
        assert_int_equal(client_tell(driver, "close churn"), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(waitpid(pids[i], NULL, WNOHANG), 0);
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
}

/* The example ---------------------------------------------------------------------------------------------------------------- */

static void test_the_example_ticks_in_order_from_a_timer(void **state) {
    struct client *client = *state;
    uint64_t last = 0;
    load("kith_demo");
    assert_int_equal(client_join(client, "demo.tick", 0), 0);
    for (unsigned seen = 0; seen < 20;) {
        assert_true(client_receive(client, &got, 5 * SECOND));
        for (unsigned i = 0; i < got.count; i++, seen++) {
            assert_memory_equal(got.list[i].data, "tick ", 5);
            assert_true(last == 0 || got.list[i].header.sequence == last + 1);
            last = got.list[i].header.sequence;
        }
        assert_int_equal(client_ack(client, "demo.tick", last), 0);
    }
    assert_int_equal(client_leave(client, "demo.tick"), 0);
    assert_int_equal(client_leave(client, "demo.tick"), -ENOTCONN);
    unload("kith_demo");
}

static void connect_to_nobody(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
    close(fd);
}

static void test_the_example_keeps_its_syn_reports_until_somebody_takes_them(void **state) {
    struct client *client = *state;
    load("kith_demo");
    connect_to_nobody(4711);
    connect_to_nobody(4712);
    assert_int_equal(client_join(client, "demo.syn", 0), 0);
    assert_true(client_receive(client, &got, 5 * SECOND));
    assert_int_equal(got.count, 2);
    assert_non_null(memmem(got.list[0].data, got.list[0].header.size, "-> 127.0.0.1:4711", 17));
    assert_non_null(memmem(got.list[1].data, got.list[1].header.size, "-> 127.0.0.1:4712", 17));
    assert_int_equal(client_leave(client, "demo.syn"), 0);
    unload("kith_demo");
}

static void echo_as_nobody(void) {
    char expected[64];
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    struct client *client = client_new();
    snprintf(expected, sizeof(expected), "pid %d uid %d admin 0: hello", (int)getpid(), NOBODY);
    CHILD_CHECK(client_send(client, "demo.echo", "hello", 5) == 0);
    CHILD_CHECK(strcmp(client->reply, expected) == 0);
}

static void test_the_owner_knows_who_sent_by_the_kernels_word(void **state) {
    struct client *client = *state;
    char expected[64];
    load("kith_demo");
    snprintf(expected, sizeof(expected), "pid %d uid 0 admin 1: hello", (int)getpid());
    assert_int_equal(client_send(client, "demo.echo", "hello", 5), 0);
    assert_string_equal(client->reply, expected);
    child_ends_well(in_child(echo_as_nobody));
    unload("kith_demo");
}

/* Who may -------------------------------------------------------------------------------------------------------------------- */

static void join_as_nobody(void) {
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    struct client *client = client_new();
    CHILD_CHECK(client_join(client, "demo.syn", 0) == -EPERM);
    CHILD_CHECK(strstr(client->text, "CAP_NET_ADMIN") != NULL);
    CHILD_CHECK(client_join(client, "demo.tick", 0) == 0);
}

static void test_who_may_not_receive_is_refused_with_the_reason_and_counted(void **state) {
    load("kith_demo");
    child_ends_well(in_child(join_as_nobody));
    assert_int_equal(info_of(*state, "demo.syn").denied, 1);
    unload("kith_demo");
}

/* A socket that a nobody opened, written to by root as by a program that takes it for its standard output: the nobody gains nothing. */
static void test_a_socket_handed_to_a_privileged_program_gains_nothing(void **state) {
    (void)state;
    load("kith_demo");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        CHILD_CHECK(seteuid(NOBODY) == 0);
        struct client *client = client_new();
        CHILD_CHECK(seteuid(0) == 0);
        client->plain = true;
        CHILD_CHECK(client_join(client, "demo.syn", 0) == -EPERM);
        _exit(0);
    }
    child_ends_well(pid);
    unload("kith_demo");
}

static void test_every_refusal_has_a_text(void **state) {
    struct client *client = *state, *second = client_new();
    assert_int_equal(client_join(client, "no.such", 0), -ENOENT);
    assert_non_null(strstr(client->text, "no channel of this name"));
    assert_int_equal(client_join(client, "test.control", 65), -ERANGE);
    assert_int_equal(client_join(client, "test.control", 0), 0);
    assert_int_equal(client_join(client, "test.control", 0), -EALREADY);
    assert_non_null(strstr(client->text, "already"));
    assert_int_equal(client_join(second, "test.control", 0), -EBUSY);
    assert_non_null(strstr(second->text, "as many receivers"));
    assert_int_equal(client_ack(client, "test.control", 1), -ERANGE);
    assert_non_null(strstr(client->text, "no message of this number"));
    assert_int_equal(client_ack(second, "test.control", 1), -ENOTCONN);
    assert_non_null(strstr(second->text, "does not receive"));
    assert_int_equal(client_reply(client, "test.control", 7, "x", 1), -ESRCH);
    assert_non_null(strstr(client->text, "nobody waits"));
    assert_int_equal(client_tell(client, "open quiet 2 0 0 1"), 0);
    assert_int_equal(client_send(client, "quiet", "x", 1), -EOPNOTSUPP);
    assert_non_null(strstr(client->text, "takes no messages"));
    assert_int_equal(client_leave(client, "test.control"), 0);
    client_free(second);
}

static void test_names_and_sizes_out_of_bounds_are_refused(void **state) {
    struct client *client = *state;
    static char large[KITH_MESSAGE_MAX + 1];
    assert_int_equal(client_tell(client, "open bad/name 1 0 0 1"), -EINVAL);
    assert_int_equal(client_tell(client, "open name 4 0 0 1"), -EINVAL);
    assert_int_equal(client_tell(client, "open name 1 67108865 0 1"), -EINVAL);
    assert_int_equal(client_tell(client, "open name 1 4095 0 1"), -EINVAL);
    assert_int_equal(client_tell(client, "open name 1 0 0 1"), 0);
    assert_int_equal(client_tell(client, "open name 1 0 0 1"), -EEXIST);
    assert_int_equal(client_send(client, "test.control", large, sizeof(large)), -ERANGE);
    assert_int_equal(client_join(client, "0123456789012345678901234567890123456789012345678901234567890123", 0), -EINVAL);
}

/* Namespaces ----------------------------------------------------------------------------------------------------------------- */

static void use_another_namespace(void) {
    CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
    struct client *client = client_new();
    struct channel_info info;
    CHILD_CHECK(client_info(client, "here", &info) == -ENOENT);
    CHILD_CHECK(client_info(client, "everywhere", &info) == 0);
    CHILD_CHECK(client_tell(client, "open here 2 0 0 0") == 0);
    CHILD_CHECK(client_join(client, "here", 0) == 0);
    CHILD_CHECK(client_tell(client, "send here 5 64 timer") == 0 && strcmp(client->reply, "5 0") == 0);
    CHILD_CHECK(client_receive(client, &got, 5 * SECOND) && number_at(0) == 0);
}

static void test_a_channel_belongs_to_its_network_namespace(void **state) {
    struct client *driver = *state;
    assert_int_equal(client_tell(driver, "open here 2 0 0 0"), 0);
    assert_int_equal(client_tell(driver, "open everywhere 2 0 0 1"), 0);
    for (unsigned i = 0; i < 5; i++)
        child_ends_well(in_child(use_another_namespace));
    assert_int_equal(info_of(driver, "here").sent, 0);
}

static void leave_a_namespace_behind(void) {
    CHILD_CHECK(unshare(CLONE_NEWNET) == 0);
    struct client *client = client_new();
    CHILD_CHECK(client_tell(client, "open gone 1 0 1 0") == 0);
    CHILD_CHECK(client_tell(client, "send gone 5 64 task") == 0);
}

/* The driver is not told of it, but by what its function returns. */
static void test_a_channel_whose_namespace_has_ended_takes_nothing(void **state) {
    struct client *driver = *state;
    child_ends_well(in_child(leave_a_namespace_behind));
    for (unsigned i = 0; i < 200; i++) { /* a namespace is taken down by a worker */
        assert_int_equal(client_tell(driver, "send gone 1 64 task"), 0);
        if (strcmp(driver->reply, "0 -108") == 0) /* ESHUTDOWN */
            return;
        usleep(20000);
    }
    fail_msg("the last answer was %s", driver->reply);
}

/* Many, and hostile ---------------------------------------------------------------------------------------------------------- */

static void test_a_thousand_channels_are_there_and_each_works(void **state) {
    struct client *driver = *state, *client = client_new();
    static struct channel_info infos[1100];
    char name[32];
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(client_tell(driver, "open many.%u 1 0 0 1", i), 0);
    assert_int_equal(client_list(driver, infos, 1100), 1001);
    assert_string_equal(infos[0].name, "test.control");
    assert_string_equal(infos[1000].name, "many.999");
    assert_string_equal(infos[1000].module, "kith_test");
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "many.%u", i);
        assert_int_equal(client_join(client, name, 0), 0);
        assert_int_equal(client_tell(driver, "send %s 2 64 timer", name), 0);
        receive_in_order(client, name, 0, 2);
    }
    client_free(client);
    assert_int_equal(info_of(driver, "many.0").receivers, 0);
    assert_int_equal(info_of(driver, "many.999").receivers, 0);
}

static uint64_t chance_state = 88172645463325252;

static unsigned chance(unsigned below) {
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (unsigned)(chance_state % below);
}

/* A datagram that nearly is one of ours: attributes that are missing, twice there, nested, too long, cut off, of types that are not. */
static size_t make_hostile(const struct client *client, uint8_t *octets, size_t room) {
    struct nlmsghdr head = {.nlmsg_type = client->family, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (chance(4) ? NLM_F_ACK : NLM_F_DUMP))};
    struct genlmsghdr command = {.cmd = (uint8_t)chance(12), .version = 1};
    static const char *const names[] = {"test.control", "hostile", "all", "", "no.such"};
    size_t used = sizeof(head) + sizeof(command);
    for (unsigned i = chance(6); i > 0 && used + 600 < room; i--) {
        struct nlattr attribute = {.nla_type = (uint16_t)(chance(4) ? 1 + chance(20) : chance(65536))};
        size_t size = chance(5) == 0 ? chance(500) : chance(12);
        for (size_t at = 0; at < size; at++)
            octets[used + sizeof(attribute) + at] = (uint8_t)chance(256);
        if (attribute.nla_type == KITH_A_CHANNEL && chance(4) > 0) {
            const char *name = names[chance(5)];
            size = strlen(name) + 1;
            memcpy(octets + used + sizeof(attribute), name, size);
        }
        attribute.nla_len = (uint16_t)(chance(20) == 0 ? chance(65536) : sizeof(attribute) + size);
        memcpy(octets + used, &attribute, sizeof(attribute));
        used += (sizeof(attribute) + size + 3) / 4 * 4;
    }
    head.nlmsg_len = (uint32_t)(chance(30) == 0 ? chance(1000) : used);
    memcpy(octets, &head, sizeof(head));
    memcpy(octets + sizeof(head), &command, sizeof(command));
    return chance(30) == 0 ? chance((unsigned)used) : used;
}

static void be_hostile(void) {
    static uint8_t octets[8192], answer[70000];
    struct client *client = client_new();
    unsigned answers = 0;
    chance_state ^= (uint64_t)getuid() << 32;
    for (unsigned i = 0; i < 30000; i++) {
        size_t size = make_hostile(client, octets, sizeof(octets));
        (void)send(client_descriptor(client), octets, size, MSG_DONTWAIT);
        while (recv(client_descriptor(client), answer, sizeof(answer), MSG_DONTWAIT) > 0)
            answers++;
    }
    CHILD_CHECK(answers > 10000);
}

static void be_hostile_as_nobody(void) {
    CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    be_hostile();
}

static void test_hostile_datagrams_change_nothing(void **state) {
    struct client *driver = *state, *client = client_new();
    assert_int_equal(client_tell(driver, "open hostile 2 0 0 1"), 0);
    assert_int_equal(client_tell(driver, "open bystander 1 1000000 1 1"), 0);
    assert_int_equal(client_join(client, "bystander", 0), 0);
    pid_t nobody = in_child(be_hostile_as_nobody), root = in_child(be_hostile);
    for (unsigned i = 0; i < 20; i++) {
        tell_sent(driver, "send bystander 100 64 timer", "100 0");
        receive_in_order(client, "bystander", i * 100, 100);
    }
    child_ends_well(nobody);
    child_ends_well(root);
    tell_sent(driver, "send bystander 100 64 timer", "100 0");
    receive_in_order(client, "bystander", 2000, 100);
    assert_int_equal(info_of(driver, "hostile").receivers, 0);
    client_free(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modules_load_and_unload_a_hundred_times),
        cmocka_unit_test(test_kith_cannot_be_unloaded_under_a_module_that_uses_it),
        cmocka_unit_test(test_a_receiver_is_told_when_its_module_goes_and_can_come_again),
        cmocka_unit_test(test_a_receiver_may_die_while_its_channel_is_closed),
        MODULE_TEST(test_a_channel_comes_and_goes_under_those_who_join),
        MODULE_TEST(test_the_example_ticks_in_order_from_a_timer),
        MODULE_TEST(test_the_example_keeps_its_syn_reports_until_somebody_takes_them),
        MODULE_TEST(test_the_owner_knows_who_sent_by_the_kernels_word),
        MODULE_TEST(test_who_may_not_receive_is_refused_with_the_reason_and_counted),
        MODULE_TEST(test_a_socket_handed_to_a_privileged_program_gains_nothing),
        MODULE_TEST(test_every_refusal_has_a_text),
        MODULE_TEST(test_names_and_sizes_out_of_bounds_are_refused),
        MODULE_TEST(test_a_channel_belongs_to_its_network_namespace),
        MODULE_TEST(test_a_channel_whose_namespace_has_ended_takes_nothing),
        MODULE_TEST(test_a_thousand_channels_are_there_and_each_works),
        MODULE_TEST(test_hostile_datagrams_change_nothing),
        cmocka_unit_test(test_the_kernel_log_has_no_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
