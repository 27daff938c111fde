/*
 * socket/test-hostile.c: peers that write ZMTP by hand, and not as they should: two writers on one connection, half messages, too much of
 * everything, silence.
 */
#include "socket/testing-scene.h"

/* Ends the raw peer, and waits until the socket has seen it. */
static void leave(struct scene *scene, int fd) {
    close(fd);
    until(&scene->world, kith_list_empty(&scene->server.socket->sessions.peers));
}

/* Two writers ------------------------------------------------------------------------------------------------------------ */

static void expect_split(struct scene *scene, int fd) {
    uint8_t octets[1024];
    raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_int_equal(scene->server.events[KITH_EVENT_SPLIT_MESSAGE], 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_SPLIT_MESSAGE], -EPROTO);
    expect_nothing(&scene->world, &scene->server);
    leave(scene, fd);
}

static void test_a_frame_written_by_two_is_refused(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\0\4he");
    raw_text_forked(fd, "ho");
    expect_split(scene, fd);
}

static void test_a_header_written_by_two_is_refused(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\2\0\0\0");
    raw_text_forked(fd, "\0\0\0\0\1x");
    expect_split(scene, fd);
}

static void test_frames_of_one_message_written_by_two_are_refused(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\1\1a");
    raw_text_forked(fd, "\0\1b");
    expect_split(scene, fd);
}

static void test_a_command_written_by_two_is_refused(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\4\7\4PI");
    raw_text_forked(fd, "NG\0\0");
    expect_split(scene, fd);
}

static void test_a_denied_message_finished_by_another_is_refused(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    node_deny(&scene->server, getpid(), KITH_VERB_SEND);
    raw_text(fd, "\1\1a");
    raw_text_forked(fd, "\0\1b");
    expect_split(scene, fd);
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 1);
}

/* Else whoever may not connect could have the filler of its greeting written by a program that may, but does not know. */
static void test_a_greeting_finished_by_another_is_refused(void **state) {
    struct scene *scene = *state;
    uint8_t greeting[GREETING_SIZE], octets[1024];
    serve(scene, KITH_DEALER);
    node_deny(&scene->server, getpid(), KITH_VERB_CONNECT);
    int fd = raw_connect(&scene->server);
    raw_greeting(greeting, 1);
    raw_send(fd, greeting, GREETING_SIZE - 9);
    raw_text_forked(fd, "Password:");
    size_t size = raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_int_equal(size, GREETING_SIZE); /* ours, and no READY */
    assert_int_equal(scene->server.events[KITH_EVENT_SPLIT_MESSAGE], 1);
    assert_int_equal(scene->server.events[KITH_EVENT_HANDSHAKE_FAILED], 1);
    leave(scene, fd);
}

static void test_a_handshake_finished_by_another_is_refused(void **state) {
    struct scene *scene = *state;
    uint8_t octets[GREETING_SIZE + 256];
    serve(scene, KITH_DEALER);
    int fd = raw_connect(&scene->server);
    raw_greeting(octets, 1);
    raw_send(fd, octets, GREETING_SIZE);
    size_t size = raw_ready(octets, "DEALER", "me");
    raw_send_forked(fd, octets, size);
    raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_int_equal(scene->server.events[KITH_EVENT_SPLIT_MESSAGE], 1);
    assert_int_equal(scene->server.events[KITH_EVENT_CONNECTED], 0);
    leave(scene, fd);
}

/* A message that came; its text is checked, and who the kernel says wrote it. */
static void expect_from(struct scene *scene, const char *text, pid_t expected) {
    kith_msg *msg = NULL;
    pid_t pid = 0;
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_words(msg, text);
    assert_int_equal(kith_origin_pid(kith_msg_origin(msg), &pid), KITH_WITNESS_KERNEL_MESSAGE);
    assert_int_equal(pid, expected);
    kith_msg_free(msg);
}

static void test_whole_messages_of_two_writers_are_told_apart(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\0\5first");
    pid_t child = raw_text_forked(fd, "\0\5child");
    raw_text(fd, "\0\4last");
    expect_from(scene, "first", getpid());
    expect_from(scene, "child", child);
    expect_from(scene, "last", getpid());
    leave(scene, fd);
}

static void test_denying_one_writer_does_not_hurt_the_other(void **state) {
    struct scene *scene = *state;
    uint8_t octets[256];
    bool over = false;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    pid_t child = 0;
    for (int i = 0; i < 3; i++) {
        node_deny(&scene->server, getpid(), KITH_VERB_SEND); /* a new policy: asked anew */
        raw_text(fd, "\1\6denied\0\3too");
        child = raw_text_forked(fd, "\0\7allowed");
        raw_text(fd, "\0\6denied");
        expect_from(scene, "allowed", child);
        expect_nothing(&scene->world, &scene->server);
    }
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 6);
    size_t size = slurp(fd, octets, sizeof(octets), &over);
    assert_false(over);
    assert_true(contains(octets, size, "access denied by policy: send"));
    leave(scene, fd);
}

static void test_a_policy_holds_from_the_next_message_on(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\1\3one\1\5begun");
    settle_down(&scene->world);
    node_deny(&scene->server, getpid(), KITH_VERB_SEND);
    raw_text(fd, "\0\6before\0\3two");
    expect_from(scene, "one|begun|before", getpid());
    expect_nothing(&scene->world, &scene->server);
    kith_socket_set_policy(scene->server.socket, NULL);
    raw_text(fd, "\0\5three");
    expect_from(scene, "three", getpid());
    assert_int_equal(scene->server.events[KITH_EVENT_DENIED_SEND], 1);
    leave(scene, fd);
}

/* Descriptors ------------------------------------------------------------------------------------------------------------------ */

static void test_passed_descriptors_are_closed_and_told_with_who_passed_them(void **state) {
    struct scene *scene = *state;
    char name[32];
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    size_t before = testing_fd_count();
    pid_t child = fork();
    if (child == 0) {
        union {
            struct cmsghdr header;
            uint8_t octets[CMSG_SPACE(2 * sizeof(int))];
        } control = {0};
        struct iovec iov = {.iov_base = (char[]){0, 2, 'h', 'i'}, .iov_len = 4};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int))};
        memcpy(CMSG_DATA(&control.header), (int[]){fd, fd}, 2 * sizeof(int));
        raw_child_end(sendmsg(fd, &message, 0) == 4);
    }
    raw_child_wait(child);
    expect_from(scene, "hi", child);
    assert_int_equal(scene->server.events[KITH_EVENT_FDS_REFUSED], 1);
    assert_true(scene->server.counts[KITH_EVENT_FDS_REFUSED] >= 1); /* the kernel does not say how many it closed itself */
    snprintf(name, sizeof(name), "pid %d ", (int)child);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_FDS_REFUSED], name));
    assert_true(testing_fd_count() <= before + 1); /* the pidfd of the writer */
    leave(scene, fd);
}

/* Too much ------------------------------------------------------------------------------------------------------------------------ */

static void test_a_message_of_which_only_a_part_came_is_nothing(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\1\3one\1\3two\0\5thr");
    leave(scene, fd);
    expect_nothing(&scene->world, &scene->server);
}

static void test_announced_octets_take_no_memory(void **state) {
    struct scene *scene = *state;
    uint8_t octets[5000] = {2, 0, 0, 0, 0, 3, 0xff, 0xff, 0}; /* just below 64 MiB */
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    struct kith_session *session = node_session(&scene->server);
    size_t sent = 0;
    for (size_t size = sizeof(octets); sent < 50000; sent += size) {
        raw_send(fd, octets, size);
        settle_down(&scene->world);
        const struct kith_frame *frame = kith_msg_at(session->incoming, 0);
        assert_true(!frame->slice.buffer || kith_buffer_size(frame->slice.buffer) <= 2 * (sent + size));
    }
    assert_int_equal(kith_loop_slabs_kept(scene->world.loop), 0);
    leave(scene, fd);
}

static void expect_too_big(struct scene *scene, int fd, int error) {
    uint8_t octets[256];
    raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], error);
    leave(scene, fd);
    expect_nothing(&scene->world, &scene->server);
}

static void test_sizes_beyond_all_limits_end_the_connection(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_MAX_MESSAGE, INT64_C(1) << 40);
    static const struct {
        char header[10];
        int error;
    } rows[] = {
        {"\3\xff\xff\xff\xff\xff\xff\xff\xff", -EPROTO},   /* 2^64 - 1 */
        {"\3\x80\0\0\0\0\0\0\0", -EPROTO},                 /* 2^63 */
        {"\3\x7f\xff\xff\xff\xff\xff\xff\xff", -EMSGSIZE}, /* 2^63 - 1 */
        {"\3\0\0\1\0\0\0\0\1", -EMSGSIZE},                 /* one more than allowed */
        {"\3\0\0\1\0\0\0\0\0", -EMSGSIZE},                 /* as many as allowed, but the frame counts too */
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(rows); i++) {
        scene->server.events[KITH_EVENT_DISCONNECTED] = 0;
        int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
        raw_send(fd, rows[i].header, 9);
        raw_text(fd, "x"); /* a frame is told with its first octet */
        expect_too_big(scene, fd, rows[i].error);
    }
}

static void test_many_empty_frames_are_too_big_a_message(void **state) {
    struct scene *scene = *state;
    uint8_t frames[2000];
    for (size_t i = 0; i < sizeof(frames); i++)
        frames[i] = i % 2 == 0; /* MORE, no octets */
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_MAX_MESSAGE, 100000);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_send(fd, frames, sizeof(frames));
    expect_too_big(scene, fd, -EMSGSIZE);
}

static void test_pings_of_a_peer_that_does_not_read_pile_up_to_a_limit(void **state) {
    struct scene *scene = *state;
    uint8_t octets[23 * 1000];
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    struct kith_session *session = node_session(&scene->server);
    for (size_t i = 0; i < 1000; i++) {
        memcpy(octets + i * 23,
               "\4\x15\4PING\0\0"
               "0123456789abcde",
               23);
        octets[i * 23 + 1] = 21;
    }
    size_t most = 0, queued = 1, size;
    for (int i = 0; i < 200; i++) {
        raw_send(fd, octets, sizeof(octets));
        settle_down(&scene->world);
        size = kith_zmtp_output_size(session->engine);
        queued = kith_conn_queued(session->conn) + size;
        most = queued > most ? queued : most;
    }
    assert_true(most > 100000); /* it did pile up */
    assert_true(most < 400000);
    assert_int_equal(kith_socket_peer_count(scene->server.socket), 1);
    leave(scene, fd);
}

static void test_a_flood_of_messages_nobody_takes_stops_the_reading(void **state) {
    struct scene *scene = *state;
    static uint8_t octets[30000];
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 10);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    assert_int_equal(kith_fd_set_nonblock(fd), 0);
    for (size_t i = 0; i < sizeof(octets); i += 3)
        octets[i + 1] = 1; /* 00 01 00: a message of one octet */
    struct kith_account *account = node_session(&scene->server)->account;
    ssize_t sent = 0, n;
    size_t held;
    do { /* whole messages, until nobody reads any more */
        held = account->messages;
        while ((n = send(fd, octets + sent % 3, sizeof(octets) - (size_t)(sent % 3), MSG_NOSIGNAL)) > 0)
            sent += n;
        settle_down(&scene->world);
    } while (account->messages != held);
    assert_true(account->full);
    assert_true(held >= 10 && held <= 10 + KITH_SLAB_SIZE / 3);
    for (ssize_t i = 0; i < sent / 3; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        kith_msg_free(msg);
    }
    expect_nothing(&scene->world, &scene->server);
    assert_int_equal(account->messages, 0);
    assert_int_equal(account->octets, 0);
    leave(scene, fd);
}

/* Time -------------------------------------------------------------------------------------------------------------------------------- */

static void on_alarm(kith_timer *timer, void *userdata) {
    *(bool *)userdata = true;
}

/* Runs the loop for so long. */
static void pass(struct scene *scene, uint64_t ms) {
    bool over = false;
    kith_timer *timer;
    assert_int_equal(kith_timer_new(scene->world.loop, on_alarm, &over, &timer), 0);
    assert_int_equal(kith_timer_arm(timer, ms, 0), 0);
    until(&scene->world, over);
    kith_timer_free(timer);
}

static void test_a_peer_that_we_do_not_read_is_not_silent(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    node_option(&scene->server, KITH_OPTION_HEARTBEAT_INTERVAL, 10);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    raw_text(fd, "\4\7\4PING\0\1" /* a tenth of a second to live */ "\0\3one");
    settle_down(&scene->world);
    raw_text(fd, "\0\3two");
    pass(scene, 150);
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 0);
    expect_words(&scene->server, "one");
    expect_words(&scene->server, "two");
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 0);
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1); /* but now that it is read again, it is */
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -ETIMEDOUT);
    leave(scene, fd);
}

static void test_a_peer_that_answers_no_ping_is_disconnected_by_that_name(void **state) {
    struct scene *scene = *state;
    uint8_t octets[256];
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_HEARTBEAT_INTERVAL, 5);
    node_option(&scene->server, KITH_OPTION_HEARTBEAT_TIMEOUT, 10);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    size_t size = raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_true(memmem(octets, size, "\4\7\4PING\0\0", 9) != NULL);
    assert_int_equal(scene->server.events[KITH_EVENT_DISCONNECTED], 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -ETIMEDOUT);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DISCONNECTED], "no answer to a PING within heartbeat-timeout"));
    leave(scene, fd);
}

static void test_a_peer_of_zmtp_3_0_is_not_sent_what_it_does_not_know(void **state) {
    struct scene *scene = *state;
    uint8_t octets[256];
    bool over = false;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_HEARTBEAT_INTERVAL, 5);
    int fd = raw_connect(&scene->server);
    raw_handshake(fd, 0, "DEALER", NULL);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    settle_down(&scene->world);
    assert_true(slurp(fd, octets, sizeof(octets), &over) > GREETING_SIZE);
    pass(scene, 30);
    assert_int_equal(slurp(fd, octets, sizeof(octets), &over), 0);
    assert_false(over);
    leave(scene, fd);
}

static void test_a_ping_gets_out_between_messages_that_wait(void **state) {
    struct scene *scene = *state;
    static uint8_t octets[2 * 1024 * 1024];
    serve(scene, KITH_DEALER);
    int fd = raw_peer(&scene->world, &scene->server, "DEALER", NULL);
    struct kith_session *session = node_session(&scene->server);
    for (int i = 0; i < 3; i++) {
        kith_msg *msg = NULL;
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add(msg, octets, 500000), 0);
        assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), 0);
    }
    settle_down(&scene->world);
    assert_true(session->queued > 0);
    assert_int_equal(kith_zmtp_ping(session->engine, 0, NULL, 0), 0);
    size_t size = 0, all = 3 * (9 + 500000) + 9;
    bool over = false;
    while (size < all) {
        size += slurp(fd, octets + size, sizeof(octets) - size, &over);
        assert_true(kith_loop_step(scene->world.loop, 0) >= 0);
    }
    assert_memory_not_equal(octets + all - 9, "\4\7\4PING\0\0", 9); /* not behind them all */
    assert_true(memmem(octets, all, "\4\7\4PING\0\0", 9) != NULL);
    leave(scene, fd);
}

static void test_slow_octets_do_not_prolong_the_handshake(void **state) {
    struct scene *scene = *state;
    uint8_t greeting[GREETING_SIZE], octets[256];
    bool over = false;
    size_t size = 0, sent = 0;
    serve(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_HANDSHAKE_TIMEOUT, 50);
    raw_greeting(greeting, 1);
    int fd = raw_connect(&scene->server);
    while (!over && sent < GREETING_SIZE) {
        (void)!send(fd, greeting + sent++, 1, MSG_NOSIGNAL);
        pass(scene, 5);
        size += slurp(fd, octets + size, sizeof(octets) - size, &over);
    }
    assert_true(sent < GREETING_SIZE);
    assert_int_equal(scene->server.errors[KITH_EVENT_HANDSHAKE_FAILED], -ETIMEDOUT);
    leave(scene, fd);
}

static void test_a_dismissed_peer_that_does_not_leave_is_left(void **state) {
    struct scene *scene = *state;
    uint8_t octets[256];
    serve(scene, KITH_DEALER);
    node_deny(&scene->server, getpid(), KITH_VERB_CONNECT);
    int fd = raw_connect(&scene->server);
    raw_handshake(fd, 1, "DEALER", NULL);
    size_t size = raw_until_end(&scene->world, fd, octets, sizeof(octets));
    assert_true(contains(octets, size, "access denied by policy: connect"));
    assert_false(contains(octets, size, "not-him"));
    assert_false(contains(octets, size, "READY"));
    until(&scene->world, kith_list_empty(&scene->server.socket->sessions.peers)); /* though we have not closed */
    close(fd);
}

static void test_peers_in_their_handshake_do_not_hold_up_a_drain(void **state) {
    struct scene *scene = *state;
    serve(scene, KITH_DEALER);
    int silent = raw_connect(&scene->server);
    until(&scene->world, !kith_list_empty(&scene->server.socket->sessions.peers));
    assert_int_equal(kith_socket_drain(scene->server.socket, -1), 0);
    close(silent);
}

/* A server by hand ----------------------------------------------------------------------------------------------------------------------
 */

static int raw_listen(struct kith_address *address, char *endpoint, size_t size) {
    static unsigned count;
    char name[64];
    snprintf(name, sizeof(name), "@kith-test-hostile-%d-%u", (int)getpid(), count++);
    snprintf(endpoint, size, "ipc://%s", name);
    assert_int_equal(kith_address_unix(name, address), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address->storage, address->size), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static int raw_accept(struct scene *scene, int listener) {
    int fd;
    until(&scene->world, (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    return fd;
}

static kith_msg *large(const char *id) {
    kith_msg *msg = words(id);
    void *octets = calloc(1, 500000);
    assert_non_null(octets);
    assert_int_equal(kith_msg_add(msg, octets, 500000), 0);
    free(octets);
    return msg;
}

/* What one connection did not take must not stand in the way of the next. */
static void test_a_session_begins_anew_with_an_empty_queue(void **state) {
    struct scene *scene = *state;
    struct kith_address address;
    char endpoints[2][80];
    uint8_t octets[1024];
    bool over = false;
    int listeners[2], fds[3];
    node_init(&scene->world, &scene->server, KITH_ROUTER, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_ROUTER_HANDOVER, 1);
    node_option(&scene->server, KITH_OPTION_RECONNECT_MIN, 1);
    for (int i = 0; i < 2; i++) {
        listeners[i] = raw_listen(&address, endpoints[i], sizeof(endpoints[i]));
        assert_int_equal(kith_socket_connect(scene->server.socket, endpoints[i], NULL), 0);
        fds[i] = raw_accept(scene, listeners[i]);
        for (int message = 0; i == 1 && message < 3; message++) /* more than the first will read */
            assert_int_equal(kith_socket_send(scene->server.socket, large("twin"), 0), 0);
        settle_down(&scene->world);
        raw_handshake(fds[i], 1, "DEALER", "twin"); /* the second takes the first one's place */
        until(&scene->world, scene->server.events[KITH_EVENT_CONNECTED] == (unsigned)i + 1);
    }
    assert_true(scene->server.counts[KITH_EVENT_DROPPED] > 0);
    fds[2] = raw_accept(scene, listeners[0]);
    raw_handshake(fds[2], 1, "DEALER", "other");
    until(&scene->world, scene->server.events[KITH_EVENT_CONNECTED] == 3);
    assert_int_equal(try_words(&scene->server, "other|hello", 0), 0);
    settle_down(&scene->world);
    assert_true(contains(octets, slurp(fds[2], octets, sizeof(octets), &over), "hello"));
    node_deinit(&scene->server);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    for (int i = 0; i < 2; i++)
        close(listeners[i]);
}

#define TRIES 5

struct delays {
    uint64_t ms[TRIES];
    unsigned count;
};

static void note_delay(struct node *node) {
    struct delays *delays = node->extra;
    if (delays->count == TRIES || node->events[KITH_EVENT_RETRY] != delays->count + 1)
        return;
    delays->ms[delays->count++] = node->counts[KITH_EVENT_RETRY]; /* the sum */
}

static void test_trying_again_takes_longer_each_time_up_to_the_limit(void **state) {
    struct scene *scene = *state;
    struct delays delays = {0};
    static const unsigned most[TRIES] = {4, 8, 16, 16, 16};
    node_init(&scene->world, &scene->server, KITH_DEALER, &quiet_handler);
    scene->server.on_other = note_delay;
    scene->server.extra = &delays;
    node_option(&scene->server, KITH_OPTION_RECONNECT_MIN, 4);
    node_option(&scene->server, KITH_OPTION_RECONNECT_MAX, 16);
    assert_int_equal(kith_socket_connect(scene->server.socket, "ipc://@kith-test-hostile-nobody", NULL), 0);
    until(&scene->world, delays.count == TRIES);
    for (unsigned i = 0; i < TRIES; i++)
        assert_in_range(delays.ms[i] - (i > 0 ? delays.ms[i - 1] : 0), most[i] - most[i] / 4, most[i]);
    assert_int_equal(scene->server.errors[KITH_EVENT_RETRY], -ECONNREFUSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(test_a_frame_written_by_two_is_refused, "ipc"),
        ROW(test_a_header_written_by_two_is_refused, "ipc"),
        ROW(test_frames_of_one_message_written_by_two_are_refused, "ipc"),
        ROW(test_a_command_written_by_two_is_refused, "ipc"),
        ROW(test_a_denied_message_finished_by_another_is_refused, "ipc"),
        ROW(test_a_greeting_finished_by_another_is_refused, "ipc"),
        ROW(test_a_handshake_finished_by_another_is_refused, "ipc"),
        ROW(test_whole_messages_of_two_writers_are_told_apart, "ipc"),
        ROW(test_denying_one_writer_does_not_hurt_the_other, "ipc"),
        ROW(test_a_policy_holds_from_the_next_message_on, "ipc"),
        ROW(test_passed_descriptors_are_closed_and_told_with_who_passed_them, "ipc"),
        ROW(test_a_message_of_which_only_a_part_came_is_nothing, "ipc"),
        ROW(test_announced_octets_take_no_memory, "ipc"),
        ROW(test_sizes_beyond_all_limits_end_the_connection, "ipc"),
        ROW(test_many_empty_frames_are_too_big_a_message, "ipc"),
        ROW(test_pings_of_a_peer_that_does_not_read_pile_up_to_a_limit, "ipc"),
        ROW(test_a_flood_of_messages_nobody_takes_stops_the_reading, "ipc"),
        ROW(test_a_peer_that_we_do_not_read_is_not_silent, "ipc"),
        ROW(test_a_peer_that_answers_no_ping_is_disconnected_by_that_name, "ipc"),
        ROW(test_a_peer_of_zmtp_3_0_is_not_sent_what_it_does_not_know, "ipc"),
        ROW(test_a_ping_gets_out_between_messages_that_wait, "ipc"),
        ROW(test_slow_octets_do_not_prolong_the_handshake, "ipc"),
        ROW(test_a_dismissed_peer_that_does_not_leave_is_left, "ipc"),
        ROW(test_peers_in_their_handshake_do_not_hold_up_a_drain, "ipc"),
        ROW(test_a_session_begins_anew_with_an_empty_queue, "ipc"),
        ROW(test_trying_again_takes_longer_each_time_up_to_the_limit, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
