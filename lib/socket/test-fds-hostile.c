/* Descriptors that a hostile or careless peer passes: too many, too few, at the wrong place, without a word; and what the kernel cuts off.
 * world_teardown() counts. */
#include "socket/testing-fds.h"

#include <sys/resource.h>

/* Octets with `count` copies of one descriptor. */
static void raw_send_fds(int fd, const void *octets, size_t size, size_t count) {
    union {
        struct cmsghdr header;
        uint8_t octets[CMSG_SPACE(KITH_FDS_MAX * sizeof(int))];
    } control = {0};
    int fds[KITH_FDS_MAX];
    for (size_t i = 0; i < count; i++)
        fds[i] = STDERR_FILENO; /* not the connection itself, which would not end then */
    struct iovec iov = {.iov_base = (void *)(uintptr_t)octets, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), (ssize_t)size);
}

#define raw_text_fds(fd, text, count) raw_send_fds(fd, text, sizeof(text) - 1, count)

static int guest(struct scene *scene, int64_t max) {
    serve_fds(scene, KITH_PULL, max);
    return raw_peer(&scene->world, &scene->server, "PUSH", NULL);
}

static void expect_count(struct scene *scene, const char *text, size_t count) {
    kith_msg *msg = receive_one(&scene->server);
    assert_words(msg, text);
    assert_int_equal(kith_msg_fd_count(msg), count);
    kith_msg_free(msg);
}

static void expect_end(struct scene *scene, int fd, const char *why) {
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -EPROTO);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DISCONNECTED], why));
    close(fd);
}

#define FDS(count) "\4\5\3FDS" count

static void test_an_honest_stranger_is_understood(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 3);
    raw_text(fd, "\0\5plain");
    raw_text_fds(fd, FDS("\2") "\0\3two", 2);
    raw_text(fd, "\0\6behind");
    raw_text_fds(fd, FDS("\1") "\1\3one\0\3two\0\4more", 1);
    raw_text_fds(fd, FDS("\3"), 3); /* its message comes later, and something else in between */
    raw_text(fd, "\4\7\4PING\0\0");
    raw_text(fd, "\0\5three");
    expect_count(scene, "plain", 0);
    expect_count(scene, "two", 2);
    expect_count(scene, "behind", 0);
    expect_count(scene, "one|two", 1);
    expect_count(scene, "more", 0);
    expect_count(scene, "three", 3);
    assert_int_equal(scene->server.events[KITH_EVENT_FDS_REFUSED] + scene->server.events[KITH_EVENT_FDS_LOST], 0);
    close(fd);
}

static void test_a_command_may_come_octet_by_octet(void **state) {
    static const char octets[] = FDS("\2") "\0\3two";
    struct scene *scene = *state;
    int fd = guest(scene, 3);
    for (int round = 0; round < 3; round++) {
        raw_send_fds(fd, octets, 1, 2);
        for (size_t i = 1; i < sizeof(octets) - 1; i++) {
            settle_down(&scene->world);
            raw_send(fd, octets + i, 1);
        }
        expect_count(scene, "two", 2);
    }
    close(fd);
}

static void test_more_announced_than_came_ends_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text_fds(fd, FDS("\5") "\0\1x", 1);
    expect_end(scene, fd, "5 descriptors and 1 came");
}

static void test_fewer_announced_than_came_ends_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text_fds(fd, FDS("\1") "\0\1x", 5);
    expect_end(scene, fd, "1 descriptors and 5 came");
}

static void test_announced_and_none_came_ends_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text(fd, FDS("\1") "\0\1x");
    expect_end(scene, fd, "1 descriptors and 0 came");
}

static void test_announced_twice_ends_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text_fds(fd, FDS("\1"), 1);
    raw_text_fds(fd, FDS("\1") "\0\1x", 1);
    expect_end(scene, fd, "announced twice");
}

static void test_announced_again_after_what_was_lost_ends_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 3);
    raw_text_fds(fd, FDS("\4"), 4);
    raw_text_fds(fd, FDS("\1") "\0\1x", 1);
    expect_end(scene, fd, "announced twice");
}

static void test_two_descriptors_with_one_frame_end_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text_fds(fd, "\4\17\5MEMFD\0\0\0\0\0\0\0\20\0", 2);
    expect_end(scene, fd, "MEMFD announced 1 descriptors and 2 came");
}

static void test_announced_inside_a_message_ends_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text(fd, "\1\1x");
    raw_text_fds(fd, FDS("\1") "\0\1x", 1);
    expect_end(scene, fd, "between the frames");
}

static void test_a_malformed_announcement_ends_the_connection(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text_fds(fd, FDS("\0") "\0\1x", 1);
    expect_end(scene, fd, "announces no descriptors");
}

static void test_descriptors_of_no_message_are_closed_and_told(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text_fds(fd, "\0\1x", 3);
    raw_text_fds(fd, "\0\1y", 10);
    raw_text_fds(fd, FDS("\2") "\0\1z", 2);
    expect_count(scene, "x", 0);
    expect_count(scene, "y", 0);
    expect_count(scene, "z", 2);
    assert_int_equal(scene->server.counts[KITH_EVENT_FDS_REFUSED], 13);
    assert_null(strstr(scene->server.texts[KITH_EVENT_FDS_REFUSED], "at least "));
    raw_text_fds(fd, "\0\1x", 11);
    expect_count(scene, "x", 0);
    assert_int_equal(scene->server.counts[KITH_EVENT_FDS_REFUSED], 13 + 11);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_FDS_REFUSED], "at least 11 "));
    close(fd);
}

/* Whoever is always inside of something has no more than two waiting. */
static void test_descriptors_inside_of_messages_do_not_gather(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    size_t before = testing_fd_count();
    raw_text(fd, "\1\1x\1\5a");
    for (int i = 0; i < 2; i++) {
        raw_text_fds(fd, "b", 10);
        settle_down(&scene->world);
    }
    assert_in_range(testing_fd_count(), before, before + 20);
    raw_text_fds(fd, "b", 10);
    expect_end(scene, fd, "again and again");
}

static void test_more_than_max_fds_cost_their_message_and_no_other(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 3);
    raw_text_fds(fd, FDS("\4") "\1\1x\0\1x", 4);
    raw_text_fds(fd, FDS("\3") "\0\1y", 3);
    expect_count(scene, "y", 3);
    assert_int_equal(scene->server.counts[KITH_EVENT_FDS_LOST], 4);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_FDS_LOST], "max-fds"));
    close(fd);
}

static void test_a_socket_that_takes_none_loses_the_message_too(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 0);
    raw_text_fds(fd, FDS("\1") "\0\1x", 1);
    raw_text(fd, "\0\1y");
    expect_count(scene, "y", 0);
    assert_int_equal(scene->server.events[KITH_EVENT_FDS_LOST], 1);
    close(fd);
}

static void test_a_socket_that_takes_no_memory_either_closes_them_at_once(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PULL, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MEMFD_FROM, 0);
    node_bind(&scene->server, scene->endpoint);
    int fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
    raw_text_fds(fd, "\0\1x", 3);
    expect_count(scene, "x", 0);
    assert_int_equal(scene->server.errors[KITH_EVENT_FDS_REFUSED], -EPERM);
    assert_int_equal(scene->server.events[KITH_EVENT_FDS_REFUSED], 1);
    assert_in_range(scene->server.counts[KITH_EVENT_FDS_REFUSED], 1, 3); /* the kernel does not say how many it cut off */
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_FDS_REFUSED], "at least "));
    close(fd);
}

/* What a peer says that it takes, and how many we believe it. Over TCP nothing passes. */
static void test_what_a_peer_announces_is_bounded(void **state) {
    static const struct {
        const char *text;
        unsigned max;
    } words[] = {{"0", 0}, {"3", 3}, {"253", 253}, {"254", 253}, {"256", 253}, {"999", 253}, {"1000", 0}, {"-1", 0}, {"3 ", 0}, {"", 0}};
    struct scene *scene = *state;
    bool passes = strncmp(scene->endpoint, "tcp:", 4) != 0;
    serve_fds(scene, KITH_PULL, 3);
    join(scene, &scene->client, KITH_PUSH);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(words); i++) {
        const struct kith_zmtp_property property = {
            .name = KITH_FEATURE_DESCRIPTORS, .value = (const uint8_t *)words[i].text, .size = strlen(words[i].text)};
        assert_true(kith_session_take_feature(node_session(&scene->server), &property));
        assert_int_equal(node_session(&scene->server)->peer_fds, passes ? words[i].max : 0);
    }
}

static void test_at_the_limit_of_descriptors_a_message_is_lost_and_the_next_is_not(void **state) {
    struct scene *scene = *state;
    struct rlimit limit, low;
    int fd = guest(scene, 10), next = dup(fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    close(next);
    raw_text_fds(fd, FDS("\6") "\1\2in\1\5parts\0\0", 6);
    raw_text(fd, "\0\5plain");
    low = limit;
    low.rlim_cur = (rlim_t)next + 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    expect_count(scene, "plain", 0);
    raw_text_fds(fd, FDS("\1") "\0\3one", 1);
    kith_msg *msg = receive_one(&scene->server);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_words(msg, "one");
    assert_int_equal(kith_msg_fd_count(msg), 1);
    kith_msg_free(msg);
    assert_int_equal(scene->server.counts[KITH_EVENT_FDS_LOST], 6);
    assert_int_equal(scene->server.errors[KITH_EVENT_FDS_LOST], -EMFILE);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_FDS_LOST], "RLIMIT_NOFILE"));
    close(fd);
}

static void test_descriptors_with_the_handshake_are_closed(void **state) {
    struct scene *scene = *state;
    uint8_t octets[GREETING_SIZE + 256];
    serve_fds(scene, KITH_PULL, 10);
    int fd = raw_connect(&scene->server);
    raw_greeting(octets, 1);
    size_t size = GREETING_SIZE + raw_ready(octets + GREETING_SIZE, "PUSH", NULL);
    raw_send_fds(fd, octets, 5, 10);
    settle_down(&scene->world);
    raw_send_fds(fd, octets + 5, size - 5 - 4, 10);
    settle_down(&scene->world);
    raw_send(fd, octets + size - 4, 4);
    settle_down(&scene->world);
    raw_text_fds(fd, FDS("\2") "\0\1x", 2);
    expect_count(scene, "x", 2);
    assert_int_equal(scene->server.counts[KITH_EVENT_FDS_REFUSED], 20);
    close(fd);
}

/* One that stays in the middle of its handshake, and is gone then. */
static void test_what_came_before_the_handshake_ended_goes_with_the_connection(void **state) {
    struct scene *scene = *state;
    uint8_t octets[GREETING_SIZE + 256];
    serve_fds(scene, KITH_PULL, 10);
    int fd = raw_connect(&scene->server);
    raw_greeting(octets, 1);
    raw_send(fd, octets, GREETING_SIZE);
    raw_send_fds(fd, "\4\30\5READ", 7, 10);
    settle_down(&scene->world);
    close(fd);
    until(&scene->world, scene->server.events[KITH_EVENT_HANDSHAKE_FAILED] == 1);
}

/* The connection is held open by the descriptor that came over it: its end is never read. */
static void test_a_peer_that_passes_its_own_end_and_dies_is_found_out(void **state) {
    struct scene *scene = *state;
    static const char octets[] = FDS("\1") "\1\1x";
    serve_fds(scene, KITH_PULL, 10);
    pid_t child = fork();
    if (child == 0) {
        int fd = raw_connect(&scene->server);
        raw_handshake(fd, 1, "PUSH", NULL);
        union {
            struct cmsghdr header;
            uint8_t octets[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec iov = {.iov_base = (void *)(uintptr_t)octets, .iov_len = sizeof(octets) - 1};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        raw_child_end(sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(octets) - 1);
    }
    raw_child_wait(child);
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -ECONNRESET);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DISCONNECTED], "died in the middle"));
}

static void tick(kith_timer *timer, void *userdata) {
    (void)timer;
    ++*(unsigned *)userdata;
}

/* The timer of who is waited for, faster than it is: two turns of it. */
static void let_it_run_out(struct scene *scene, kith_timer *of_passing) {
    kith_timer *timer;
    unsigned ticks = 0;
    assert_int_equal(kith_timer_new(scene->world.loop, tick, &ticks, &timer), 0);
    kith_timer_arm(of_passing, 1, 1);
    kith_timer_arm(timer, 1, 1);
    until(&scene->world, ticks == 3);
    kith_timer_free(timer);
}

/* It died in the middle of nothing: that we have not read the rest is our doing, however long it takes. */
static void test_what_we_have_not_read_is_waited_for(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PULL, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 10);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    node_bind(&scene->server, scene->endpoint);
    int fd = raw_connect(&scene->server); /* stays open, here */
    pid_t child = fork();
    if (child == 0) {
        raw_handshake(fd, 1, "PUSH", NULL);
        raw_text_fds(fd, "\0\5plain" FDS("\1") "\1\1x", 1);
        raw_text(fd, "\0\1y");
        raw_child_end(true);
    }
    raw_child_wait(child);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && node_session(&scene->server)->passing &&
                             node_session(&scene->server)->passing->timer);
    assert_true(node_session(&scene->server)->account->full);
    let_it_run_out(scene, node_session(&scene->server)->passing->timer);
    expect_count(scene, "plain", 0);
    expect_count(scene, "x|y", 1);
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 0);
    close(fd);
}

/* Whoever sends and is gone at once has sent. */
static void test_the_last_words_of_a_process_bring_their_descriptors(void **state) {
    struct scene *scene = *state;
    serve_fds(scene, KITH_PULL, 10);
    pid_t child = fork();
    if (child == 0) {
        int fd = raw_connect(&scene->server);
        raw_handshake(fd, 1, "PUSH", NULL);
        for (int i = 0; i < 20; i++)
            raw_text_fds(fd, FDS("\2") "\1\1x\0\1y", 2);
        raw_child_end(true);
    }
    raw_child_wait(child);
    for (int i = 0; i < 20; i++)
        expect_count(scene, "x|y", 2);
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
}

/* The descriptors are of the one, the message would be of the other: as with frames, it has no sender then. */
static void test_descriptors_and_message_of_two_writers_are_refused(void **state) {
    struct scene *scene = *state;
    int fd = guest(scene, 10);
    raw_text_fds(fd, FDS("\2"), 2);
    settle_down(&scene->world);
    pid_t child = fork();
    if (child == 0) {
        raw_text(fd, "\0\1x");
        raw_child_end(true);
    }
    raw_child_wait(child);
    expect_end(scene, fd, "split between two writers");
    assert_int_equal(scene->server.events[KITH_EVENT_SPLIT_MESSAGE], 1);
    expect_nothing(&scene->world, &scene->server);
}

/* A stock peer: nothing that it has not asked for is told to it. */
static void test_a_peer_that_announces_nothing_never_sees_a_command(void **state) {
    struct scene *scene = *state;
    uint8_t octets[256];
    bool over = false;
    node_init(&scene->world, &scene->server, KITH_DEALER, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 10);
    node_bind(&scene->server, scene->endpoint);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    assert_int_equal(try_with(&scene->server, "x", 1, 1), -EOPNOTSUPP);
    send_words(&scene->server, "plain");
    settle_down(&scene->world);
    assert_int_equal(slurp(fd, octets, sizeof(octets), &over), 7);
    assert_memory_equal(octets, "\0\5plain", 7);
    close(fd);
}

#define FD_TEST(test) ROW(test, "ipc")

int main(void) {
    const struct CMUnitTest tests[] = {
        FD_TEST(test_an_honest_stranger_is_understood),
        FD_TEST(test_a_command_may_come_octet_by_octet),
        FD_TEST(test_more_announced_than_came_ends_the_connection),
        FD_TEST(test_fewer_announced_than_came_ends_the_connection),
        FD_TEST(test_announced_and_none_came_ends_the_connection),
        FD_TEST(test_announced_twice_ends_the_connection),
        FD_TEST(test_announced_again_after_what_was_lost_ends_the_connection),
        FD_TEST(test_two_descriptors_with_one_frame_end_the_connection),
        FD_TEST(test_announced_inside_a_message_ends_the_connection),
        FD_TEST(test_a_malformed_announcement_ends_the_connection),
        FD_TEST(test_descriptors_of_no_message_are_closed_and_told),
        FD_TEST(test_descriptors_inside_of_messages_do_not_gather),
        FD_TEST(test_more_than_max_fds_cost_their_message_and_no_other),
        FD_TEST(test_a_socket_that_takes_none_loses_the_message_too),
        FD_TEST(test_a_socket_that_takes_no_memory_either_closes_them_at_once),
        FD_TEST(test_what_a_peer_announces_is_bounded),
        ROW(test_what_a_peer_announces_is_bounded, "tcp://127.0.0.1:0"),
        FD_TEST(test_at_the_limit_of_descriptors_a_message_is_lost_and_the_next_is_not),
        FD_TEST(test_descriptors_with_the_handshake_are_closed),
        FD_TEST(test_what_came_before_the_handshake_ended_goes_with_the_connection),
        FD_TEST(test_a_peer_that_passes_its_own_end_and_dies_is_found_out),
        FD_TEST(test_what_we_have_not_read_is_waited_for),
        FD_TEST(test_the_last_words_of_a_process_bring_their_descriptors),
        FD_TEST(test_descriptors_and_message_of_two_writers_are_refused),
        FD_TEST(test_a_peer_that_announces_nothing_never_sees_a_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
