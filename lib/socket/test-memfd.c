/* Frames that pass as sealed memory instead of through the socket: the same octets, no copy where there need be none, no more under way
 * than send-hwm-bytes, and nothing believed of a peer that the kernel does not vouch for. world_teardown() counts descriptors. */
#include "socket/testing-fds.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "pool/memfd.h"

#define FROM 65536
#define LARGE ((size_t)300000)
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void init(struct scene *scene, struct node *node, enum kith_socket_type type) {
    node_init(&scene->world, node, type, &quiet_handler);
    node_option(node, KITH_OPTION_MEMFD_FROM, FROM);
    node_option(node, KITH_OPTION_RECV_HWM_BYTES, 64 * 1024 * 1024);
}

static void meet(struct scene *scene, enum kith_socket_type server, enum kith_socket_type client) {
    init(scene, &scene->server, server);
    node_bind(&scene->server, scene->endpoint);
    init(scene, &scene->client, client);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1 && kith_socket_peer_count(scene->client.socket) == 1);
}

static void add_memfd(kith_msg *msg, size_t size) {
    kith_buffer *buffer;
    assert_int_equal(kith_buffer_new_memfd(size, &buffer), 0);
    uint8_t *octets = kith_buffer_data(buffer);
    for (size_t i = 0; i < size; i++)
        octets[i] = pattern(i);
    assert_int_equal(kith_msg_add_slice(msg, (struct kith_slice){buffer, octets, size}), 0);
    kith_buffer_unref(buffer);
}

static kith_msg *large(const char *head, size_t size) {
    kith_msg *msg = words(head);
    add_memfd(msg, size);
    return msg;
}

/* The same of ordinary memory. */
static kith_msg *heaped(const char *head, size_t size) {
    kith_msg *msg = words(head);
    uint8_t *octets = pattern_new(size);
    assert_int_equal(kith_msg_add(msg, octets, size), 0);
    free(octets);
    return msg;
}

static void assert_pattern(const kith_msg *msg, size_t index, size_t size) {
    size_t got;
    const uint8_t *frame = kith_msg_frame(msg, index, &got);
    assert_int_equal(got, size);
    for (size_t i = 0; i < size; i += i < 5000 ? 1 : 997)
        assert_int_equal(frame[i], pattern(i));
}

static bool is_memfd(const kith_msg *msg, size_t index) {
    const struct kith_slice *slice = &kith_msg_at(msg, index)->slice;
    return slice->buffer && kith_buffer_is_memfd(slice->buffer);
}

static void send_msg(struct node *node, kith_msg *msg) {
    assert_int_equal(kith_socket_send(node->socket, msg, 10000), 0);
}

static void test_large_frames_come_as_memory_and_small_ones_do_not(void **state) {
    struct scene *scene = *state;
    meet(scene, KITH_PULL, KITH_PUSH);
    const size_t sizes[] = {FROM - 1, FROM, LARGE, FROM + 1};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(sizes); i++) {
        kith_msg *msg = large("head", sizes[i]);
        assert_int_equal(kith_msg_add(msg, "tail", 4), 0);
        send_msg(&scene->client, msg);
        msg = receive_one(&scene->server);
        assert_int_equal(kith_msg_count(msg), 3);
        assert_pattern(msg, 1, sizes[i]);
        assert_int_equal(is_memfd(msg, 1), sizes[i] >= FROM);
        assert_false(is_memfd(msg, 0));
        assert_memory_equal(kith_msg_frame(msg, 2, NULL), "tail", 4);
        kith_msg_free(msg);
    }
    settle_down(&scene->world);
    assert_int_equal(node_session(&scene->client)->memfd_sent, 0); /* the peer said that it took them */
}

static void test_a_buffer_that_was_memory_from_the_start_is_not_copied(void **state) {
    struct scene *scene = *state;
    kith_buffer *buffer;
    kith_msg *msg;
    meet(scene, KITH_PULL, KITH_PUSH);
    assert_int_equal(kith_buffer_new_memfd(LARGE, &buffer), 0);
    for (size_t i = 0; i < LARGE; i++)
        kith_buffer_data(buffer)[i] = pattern(i);
    for (int round = 0; round < 3; round++) { /* it may be sent again, and to many */
        assert_int_equal(kith_msg_new(&msg), 0);
        assert_int_equal(kith_msg_add_slice(msg, (struct kith_slice){buffer, kith_buffer_data(buffer), LARGE}), 0);
        send_msg(&scene->client, msg);
        msg = receive_one(&scene->server);
        assert_true(is_memfd(msg, 0));
        assert_pattern(msg, 0, LARGE);
        kith_msg_free(msg);
    }
    int fd = kith_buffer_seal(buffer);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    kith_buffer_unref(buffer);
}

static void test_descriptors_and_memory_go_together(void **state) {
    struct scene *scene = *state;
    init(scene, &scene->server, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_MAX_FDS, 3);
    node_bind(&scene->server, scene->endpoint);
    init(scene, &scene->client, KITH_PUSH);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    for (uint64_t i = 1; i < 20; i++) {
        kith_msg *msg = large("head", LARGE);
        kith_msg_add_fd(msg, numbered(i));
        kith_msg_add_fd(msg, numbered(i + 1));
        kith_msg *more = large("more", FROM);
        assert_int_equal(kith_msg_append(msg, more), 0);
        kith_msg_free(more);
        send_msg(&scene->client, msg);
        msg = receive_one(&scene->server);
        assert_fds(msg, i, 2);
        assert_int_equal(kith_msg_count(msg), 4);
        assert_pattern(msg, 1, LARGE);
        assert_pattern(msg, 3, FROM);
        kith_msg_free(msg);
    }
}

static void test_both_ends_may_send_them_at_once(void **state) {
    struct scene *scene = *state;
    unsigned sent[2] = {0}, came[2] = {0};
    meet(scene, KITH_PAIR, KITH_PAIR);
    for (int i = 0; i < 2; i++)
        node_option(i == 0 ? &scene->server : &scene->client, KITH_OPTION_SEND_HWM_BYTES, 400000);
    for (uint64_t end = kith_time_now() + PATIENCE_NS; came[0] < 50 || came[1] < 50;) {
        assert_true(kith_time_now() < end);
        for (int i = 0; i < 2; i++) {
            struct node *node = i == 0 ? &scene->server : &scene->client;
            if (sent[i] < 50) {
                kith_msg *msg = large("head", LARGE);
                add_memfd(msg, LARGE); /* it stops in the middle */
                if (kith_socket_send(node->socket, msg, 0) == 0)
                    sent[i]++;
                else
                    kith_msg_free(msg);
            }
            kith_msg *msg;
            if (kith_socket_recv(node->socket, &msg, 0) == 0) {
                assert_pattern(msg, 1, LARGE);
                assert_pattern(msg, 2, LARGE);
                kith_msg_free(msg);
                came[i]++;
            }
        }
        assert_true(kith_loop_step(scene->world.loop, 0) >= 0);
    }
}

static void test_no_more_is_under_way_than_send_hwm_bytes(void **state) {
    struct scene *scene = *state;
    init(scene, &scene->server, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    node_bind(&scene->server, scene->endpoint);
    init(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SEND_HWM_BYTES, 1000000);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    unsigned sent = 0, came = 0;
    for (int r = 0; r == 0;) {
        kith_msg *msg = large("head", LARGE);
        settle_down(&scene->world);
        r = kith_socket_send(scene->client.socket, msg, 0);
        sent += r == 0;
        assert_true(r == 0 || r == -EAGAIN);
        if (r < 0)
            kith_msg_free(msg);
    }
    assert_in_range(sent, 3, 10); /* three under way, as many as send-hwm-bytes wait, and what the receiver has */
    assert_in_range(node_session(&scene->client)->memfd_sent, 1, 1000000);
    while (came < sent) {
        kith_msg *msg = receive_one(&scene->server);
        assert_pattern(msg, 1, LARGE);
        kith_msg_free(msg);
        came++;
    }
    assert_int_equal(scene->client.writable, 1);
}

/* One of them at a time goes all the same, or it never would. */
static void test_of_frames_larger_than_send_hwm_bytes_one_is_under_way(void **state) {
    struct scene *scene = *state;
    init(scene, &scene->server, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1);
    node_bind(&scene->server, scene->endpoint);
    init(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SEND_HWM_BYTES, LARGE / 2);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    unsigned sent = 0, came = 0;
    for (int r = 0; r == 0; sent += r == 0) {
        kith_msg *msg = large("head", LARGE);
        r = kith_socket_send(scene->client.socket, msg, 0);
        if (r < 0)
            kith_msg_free(msg);
        settle_down(&scene->world);
        assert_true(node_session(&scene->client)->memfd_sent <= LARGE);
        assert_true(sent < 10);
    }
    assert_int_equal(node_session(&scene->client)->memfd_sent, LARGE);
    for (; came < sent; came++) {
        kith_msg *msg = receive_one(&scene->server);
        assert_pattern(msg, 1, LARGE);
        kith_msg_free(msg);
    }
}

static void test_what_is_under_way_is_seen_through_by_linger(void **state) {
    struct scene *scene = *state;
    init(scene, &scene->server, KITH_PULL);
    node_bind(&scene->server, scene->endpoint);
    init(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_SEND_HWM_BYTES, 3000000);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    for (int i = 0; i < 12; i++)
        assert_int_equal(kith_socket_send(scene->client.socket, large("head", LARGE), 0), 0);
    kith_socket_close(KITH_STEAL(scene->client.socket));
    for (int i = 0; i < 12; i++) {
        kith_msg *msg = receive_one(&scene->server);
        assert_pattern(msg, 1, LARGE);
        kith_msg_free(msg);
    }
}

static void test_ordinary_memory_goes_through_the_socket(void **state) {
    struct scene *scene = *state;
    meet(scene, KITH_PULL, KITH_PUSH);
    send_msg(&scene->client, heaped("head", LARGE));
    kith_msg *msg = receive_one(&scene->server);
    assert_false(is_memfd(msg, 1));
    assert_pattern(msg, 1, LARGE);
    kith_msg_free(msg);
}

static void test_subscribers_share_one_copy(void **state) {
    struct scene *scene = *state;
    struct node subs[4];
    unsigned came_as_memfd = 0;
    init(scene, &scene->server, KITH_PUB);
    node_bind(&scene->server, scene->endpoint);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(subs); i++) {
        init(scene, &subs[i], KITH_SUB);
        if (i == 3)
            node_option(&subs[i], KITH_OPTION_MEMFD_FROM, 0); /* and one through the socket */
        assert_int_equal(kith_socket_subscribe(subs[i].socket, "", 0), 0);
        node_connect(&subs[i], &scene->server);
        until(&scene->world, kith_socket_peer_count(scene->server.socket) == i + 1 && kith_socket_peer_count(subs[i].socket) == 1);
    }
    settle_down(&scene->world);
    send_msg(&scene->server, heaped("head", LARGE));
    for (size_t i = 0; i < KITH_ARRAY_SIZE(subs); i++) {
        kith_msg *msg = receive_one(&subs[i]);
        came_as_memfd += is_memfd(msg, 1);
        assert_true(i != 3 || !is_memfd(msg, 1));
        assert_pattern(msg, 1, LARGE);
        kith_msg_free(msg);
        node_deinit(&subs[i]);
    }
    assert_in_range(came_as_memfd, 2, 3); /* the first one has it through the socket: who that is, is not said */
}

static void test_a_received_one_can_be_passed_on(void **state) {
    struct scene *scene = *state;
    meet(scene, KITH_REP, KITH_REQ);
    for (int i = 0; i < 3; i++) {
        send_msg(&scene->client, large("head", LARGE));
        kith_msg *msg = receive_one(&scene->server);
        send_msg(&scene->server, msg);
        msg = receive_one(&scene->client);
        assert_pattern(msg, 1, LARGE);
        kith_msg_free(msg);
    }
}

static void test_without_descriptors_to_be_had_they_go_through_the_socket(void **state) {
    struct scene *scene = *state;
    struct rlimit limit, none;
    meet(scene, KITH_PULL, KITH_PUSH);
    int next = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    close(next);
    none = limit;
    none.rlim_cur = (rlim_t)next;
    kith_msg *msg = large("head", LARGE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    send_msg(&scene->client, msg);
    msg = receive_one(&scene->server);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_false(is_memfd(msg, 1));
    assert_pattern(msg, 1, LARGE);
    kith_msg_free(msg);
}

static void test_a_frame_larger_than_max_message_ends_the_connection(void **state) {
    struct scene *scene = *state;
    init(scene, &scene->server, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_MAX_MESSAGE, LARGE);
    node_bind(&scene->server, scene->endpoint);
    init(scene, &scene->client, KITH_PUSH);
    node_connect(&scene->client, &scene->server);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    send_msg(&scene->client, large("head", LARGE));
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -EMSGSIZE);
}

static void test_a_denied_message_is_skipped_with_its_memory(void **state) {
    struct scene *scene = *state;
    meet(scene, KITH_PULL, KITH_PUSH);
    node_deny(&scene->server, getpid(), KITH_VERB_SEND);
    send_msg(&scene->client, large("head", LARGE));
    send_msg(&scene->client, large("head", LARGE));
    until(&scene->world, scene->server.events[KITH_EVENT_DENIED_SEND] == 2);
    kith_socket_set_policy(scene->server.socket, NULL);
    send_words(&scene->client, "small");
    expect_words(&scene->server, "small");
    settle_down(&scene->world);
    assert_int_equal(node_session(&scene->client)->memfd_sent, 0);
}

/* By hand ----------------------------------------------------------------------------------------------------------------- */

static void raw_send_fd(int fd, const void *octets, size_t size, int passed) {
    union {
        struct cmsghdr header;
        uint8_t octets[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)octets, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), (ssize_t)size);
    close(passed);
}

static int memfd_of(off_t size, int seals) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(pwrite(fd, "first", 5, 0), 5);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void raw_memfd(int fd, uint16_t size, bool more, int passed) {
    uint8_t octets[] = {4, 15, 5, 'M', 'E', 'M', 'F', 'D', more, 0, 0, 0, 0, 0, 0, (uint8_t)(size >> 8), (uint8_t)size};
    if (passed >= 0)
        raw_send_fd(fd, octets, sizeof(octets), passed);
    else
        raw_send(fd, octets, sizeof(octets));
}

static int guest(struct scene *scene) {
    init(scene, &scene->server, KITH_PULL);
    node_bind(&scene->server, scene->endpoint);
    return raw_peer(&scene->world, &scene->server, "PUSH", NULL);
}

static void test_an_honest_stranger_is_understood(void **state) {
    struct scene *scene = *state;
    uint8_t octets[64];
    bool over = false;
    int fd = guest(scene);
    raw_memfd(fd, 5000, true, memfd_of(5000, ALL_SEALS));
    raw_text(fd, "\1\3and");
    raw_memfd(fd, 10, false, memfd_of(10, ALL_SEALS));
    kith_msg *msg = receive_one(&scene->server);
    size_t size;
    assert_int_equal(kith_msg_count(msg), 3);
    assert_memory_equal(kith_msg_frame(msg, 0, &size), "first", 5);
    assert_int_equal(size, 5000);
    assert_memory_equal(kith_msg_frame(msg, 2, &size), "first", 5);
    assert_int_equal(size, 10);
    kith_msg_free(msg);
    settle_down(&scene->world);
    size = slurp(fd, octets, sizeof(octets), &over);
    assert_true(size >= 16);
    assert_memory_equal(octets, "\4\16\5TAKEN\0\0\0\0\0\0", 14);
    close(fd);
}

/* What is passed, how large it says it is, and why not. */
static void test_memory_that_is_not_what_it_says_ends_the_connection(void **state) {
    struct scene *scene = *state;
    const struct {
        int passed;
        uint16_t size;
        const char *why;
    } lies[] = {
        {memfd_of(5000, 0), 5000, "F_SEAL_WRITE"},
        {memfd_of(5000, ALL_SEALS & ~F_SEAL_WRITE), 5000, "F_SEAL_WRITE"},
        {memfd_of(5000, ALL_SEALS & ~F_SEAL_SHRINK), 5000, "F_SEAL_SHRINK"},
        {memfd_of(5000, ALL_SEALS & ~F_SEAL_SEAL), 5000, "F_SEAL_SEAL"},
        {memfd_of(5000, ALL_SEALS), 5001, "another size"},
        {memfd_of(5000, ALL_SEALS), 4999, "another size"},
        {numbered(1), 5000, "no memfd"},
        {open("/proc/self/maps", O_RDONLY | O_CLOEXEC), 5000, "no memfd"},
        {-1, 5000, "1 descriptors and 0 came"},
    };
    init(scene, &scene->server, KITH_PULL);
    node_bind(&scene->server, scene->endpoint);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(lies); i++) {
        int fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
        raw_memfd(fd, lies[i].size, false, lies[i].passed);
        until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == i + 1);
        assert_int_equal(scene->server.errors[KITH_EVENT_DISCONNECTED], -EPROTO);
        assert_non_null(strstr(scene->server.texts[KITH_EVENT_DISCONNECTED], lies[i].why));
        close(fd);
    }
    expect_nothing(&scene->world, &scene->server);
}

static void test_a_socket_that_takes_none_is_sent_none(void **state) {
    struct scene *scene = *state;
    node_init(&scene->world, &scene->server, KITH_PULL, &quiet_handler);
    node_option(&scene->server, KITH_OPTION_MEMFD_FROM, 0);
    node_bind(&scene->server, scene->endpoint);
    int fd = raw_peer(&scene->world, &scene->server, "PUSH", NULL);
    raw_memfd(fd, 5000, false, memfd_of(5000, ALL_SEALS));
    until(&scene->world, scene->server.events[KITH_EVENT_DISCONNECTED] == 1);
    assert_non_null(strstr(scene->server.texts[KITH_EVENT_DISCONNECTED], "memfd-from"));
    close(fd);
}

/* The sender's bound is the receiver's word; more than was sent is not believed. */
static void test_more_taken_than_sent_is_not_believed(void **state) {
    struct scene *scene = *state;
    meet(scene, KITH_PAIR, KITH_PAIR);
    struct kith_session *session = node_session(&scene->client);
    kith_passing_taken(session, UINT64_MAX);
    assert_int_equal(session->memfd_sent, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ROW(test_large_frames_come_as_memory_and_small_ones_do_not, "ipc"),
        ROW(test_a_buffer_that_was_memory_from_the_start_is_not_copied, "ipc"),
        ROW(test_descriptors_and_memory_go_together, "ipc"),
        ROW(test_both_ends_may_send_them_at_once, "ipc"),
        ROW(test_no_more_is_under_way_than_send_hwm_bytes, "ipc"),
        ROW(test_of_frames_larger_than_send_hwm_bytes_one_is_under_way, "ipc"),
        ROW(test_what_is_under_way_is_seen_through_by_linger, "ipc"),
        ROW(test_ordinary_memory_goes_through_the_socket, "ipc"),
        ROW(test_subscribers_share_one_copy, "ipc"),
        ROW(test_a_received_one_can_be_passed_on, "ipc"),
        ROW(test_without_descriptors_to_be_had_they_go_through_the_socket, "ipc"),
        ROW(test_a_frame_larger_than_max_message_ends_the_connection, "ipc"),
        ROW(test_a_denied_message_is_skipped_with_its_memory, "ipc"),
        ROW(test_an_honest_stranger_is_understood, "ipc"),
        ROW(test_memory_that_is_not_what_it_says_ends_the_connection, "ipc"),
        ROW(test_a_socket_that_takes_none_is_sent_none, "ipc"),
        ROW(test_more_taken_than_sent_is_not_believed, "ipc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
