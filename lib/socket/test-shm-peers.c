/* socket/test-shm-peers.c: who is at the other end of shared memory: processes that die, fork, exec and sleep. */
#include "socket/testing-shm.h"

static const char *endpoint_of(const struct scene *scene) {
    return kith_socket_last_endpoint(scene->server.socket);
}

static bool send_numbers(struct other *other, uint32_t from, uint32_t count) {
    bool right = true;
    for (uint32_t i = from; i < from + count && right; i++) {
        uint32_t octets[250] = {i};
        right = other_send(other, octets, sizeof(octets));
    }
    return right;
}

/* What it had sent is there all the same, then its end is told. */
static void test_a_killed_peer_leaves_what_it_had_sent(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 20); /* so that a part of it still lies in the ring */
    int status = 0, go[2];
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct other other;
        char octet;
        raw_child_end(other_open(&other, KITH_PUSH, endpoint_of(scene), 20) && send_numbers(&other, 0, 30) && read(go[0], &octet, 1) == 1 &&
                      send_numbers(&other, 30, 30));
    }
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    assert_true(node_shares(&scene->server));
    until(&scene->world, node_session(&scene->server)->account->full); /* it reads no more */
    assert_int_equal(write(go[1], "", 1), 1);
    until(&scene->world, waitpid(pid, &status, WNOHANG) == pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(kith_shm_readable(node_session(&scene->server)->rings->shm) > 0);
    for (uint32_t i = 0; i < 60; i++) {
        kith_msg *msg = NULL;
        uint32_t got;
        pid_t who;
        assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
        memcpy(&got, kith_msg_frame(msg, 0, &(size_t){0}), sizeof(got));
        assert_int_equal(got, i);
        assert_int_equal(kith_origin_pid(kith_msg_origin(msg), &who), KITH_WITNESS_KERNEL_CONNECT);
        assert_int_equal(who, pid);
        kith_msg_free(msg);
    }
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    close(go[0]);
    close(go[1]);
}

/* Its child has the socket, and no such memory; the end of the one that was named ends the connection. */
static void test_the_end_of_the_process_is_the_end_though_its_child_has_the_socket(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    int kept[2];
    assert_int_equal(pipe2(kept, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct other other;
        bool right = other_open(&other, KITH_PUSH, endpoint_of(scene), 20) && other_send(&other, "x", 1);
        pid_t child = right ? fork() : -1;
        if (child == 0) {
            char octet;
            close(kept[1]);
            (void)!read(kept[0], &octet, 1); /* until the test is over */
            _exit(0);
        }
        raw_child_end(child > 0);
    }
    expect_words(&scene->server, "x");
    raw_child_wait(pid);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    close(kept[0]);
    close(kept[1]);
}

static void test_a_program_that_execs_is_gone(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    int kept[2];
    assert_int_equal(pipe2(kept, 0), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct other other;
        bool right = other_open(&other, KITH_PUSH, endpoint_of(scene), 20) && other_send(&other, "before", 6);
        right = right && dup2(kept[0], 0) == 0;
        close(kept[0]);
        close(kept[1]);
        if (right)
            execl("/proc/self/exe", "another program", "--wait", NULL);
        _exit(1);
    }
    close(kept[0]);
    expect_words(&scene->server, "before");
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it lives, as another program */
    close(kept[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_a_forked_child_leaves_its_parents_rings_alone(void **state) {
    struct scene *scene = *state;
    int status;
    serve_shm(scene, KITH_REP);
    join_shm(scene, &scene->client, KITH_REQ);
    pid_t pid = fork();
    if (pid == 0) {
        kith_msg *msg = words("x");
        bool right = kith_socket_send(scene->client.socket, msg, 0) == -ECHILD;
        node_deinit(&scene->client);
        node_deinit(&scene->server);
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    send_words(&scene->client, "still ours");
    expect_words(&scene->server, "still ours");
    assert_true(node_shares(&scene->client));
}

/* Answers until it is killed. */
static void answer(const char *endpoint, int64_t spin_us) {
    struct other other;
    kith_msg *msg;
    bool right = other_open(&other, KITH_REP, endpoint, spin_us);
    while (right && kith_socket_recv(other.socket, &msg, 20000) >= 0)
        right = kith_socket_send(other.socket, msg, 20000) >= 0;
    _exit(1);
}

/* Both sleep before each message, or look for it by themselves. */
static void ask_and_wait(struct scene *scene, int64_t ours_us, int64_t theirs_us) {
    serve_shm(scene, KITH_REQ);
    node_option(&scene->server, KITH_OPTION_SHM_SPIN, ours_us);
    pid_t pid = fork();
    if (pid == 0)
        answer(endpoint_of(scene), theirs_us);
    for (unsigned i = 0; i < 300; i++) {
        char text[32];
        snprintf(text, sizeof(text), "question %u", i);
        send_words(&scene->server, text);
        expect_words(&scene->server, text);
    }
    assert_true(node_shares(&scene->server));
    kill(pid, SIGKILL);
    raw_child_wait(pid);
    node_deinit(&scene->server);
}

static void test_who_sleeps_is_woken(void **state) {
    ask_and_wait(*state, 0, 0);
    ask_and_wait(*state, 1000, 0);
    ask_and_wait(*state, 0, 1000);
    ask_and_wait(*state, 1000, 1000);
}

/* What another loop does: waits for the descriptor of ours, and has it go on. Returns the messages that came. */
static unsigned take_hosted(struct scene *scene, int fd) {
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    kith_msg *msg;
    unsigned got = 0;
    assert_int_equal(poll(&pollfd, 1, 20000), 1);
    assert_true(kith_loop_step(scene->world.loop, 0) >= 0);
    for (; kith_socket_recv(scene->server.socket, &msg, 0) == 0; got++)
        kith_msg_free(msg);
    return got;
}

/* By all that comes, and by the end: the other one has drained when it was seen, however late that is. */
static void test_a_hosted_loop_is_woken(void **state) {
    struct scene *scene = *state;
    serve_shm(scene, KITH_PULL);
    int fd = kith_loop_fd(scene->world.loop);
    assert_true(fd >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct other other;
        bool right = other_open(&other, KITH_PUSH, endpoint_of(scene), 0);
        for (unsigned i = 0; i < 2000 && right; i++)
            right = other_send(&other, "x", 1);
        raw_child_end(right && kith_socket_drain(other.socket, 20000) >= 0);
    }
    unsigned got = 0;
    while (got < 2000)
        got += take_hosted(scene, fd);
    while (kith_socket_peer_count(scene->server.socket) > 0)
        got += take_hosted(scene, fd);
    assert_int_equal(got, 2000);
    raw_child_wait(pid);
}

#define CROWD 40

static void test_a_crowd_shares_memory_as_far_as_there_is_a_place(void **state) {
    struct scene *scene = *state;
    static struct node crowd[CROWD];
    unsigned sharing = 0;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_SHM_PEERS, CROWD / 2);
    for (unsigned i = 0; i < CROWD; i++) {
        join_shm(scene, &crowd[i], KITH_PUSH);
        sharing += node_shares(&crowd[i]);
    }
    assert_int_equal(sharing, CROWD / 2);
    for (unsigned round = 0; round < 20; round++)
        for (unsigned i = 0; i < CROWD; i++)
            send_words(&crowd[i], "one of many");
    for (unsigned i = 0; i < 20 * CROWD; i++)
        expect_words(&scene->server, "one of many");
    for (unsigned i = 0; i < CROWD; i++)
        node_deinit(&crowd[i]);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "--wait") == 0)
        return another_program(argc);
    const struct CMUnitTest tests[] = {
        SHM_TEST(test_a_killed_peer_leaves_what_it_had_sent),
        SHM_TEST(test_the_end_of_the_process_is_the_end_though_its_child_has_the_socket),
        SHM_TEST(test_a_program_that_execs_is_gone),
        SHM_TEST(test_a_forked_child_leaves_its_parents_rings_alone),
        SHM_TEST(test_who_sleeps_is_woken),
        SHM_TEST(test_a_hosted_loop_is_woken),
        SHM_TEST(test_a_crowd_shares_memory_as_far_as_there_is_a_place),
    };
    return cmocka_run_group_tests_name("socket/shm-peers", tests, NULL, NULL);
}
