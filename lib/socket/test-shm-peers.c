/* socket/test-shm-peers.c: who is at the other end of shared memory: processes that die, fork, exec and sleep; and peers that do not keep
 * to anything. */
#include <sys/mman.h>

#include "shm/internal.h"
#include "socket/testing-shm.h"

/* Processes ------------------------------------------------------------------------------------------------------------------ */

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

/* Hostile peers ------------------------------------------------------------------------------------------------------------- */

/* READY with Kith-Memory of that many octets; returns its size. */
static size_t raw_shm_ready(uint8_t ready[static 256], const char *type, uint32_t octets) {
    size_t size = raw_ready(ready, type, NULL);
    memcpy(ready + size, "\x0bKith-Memory\0\0\0", 15);
    int digits = snprintf((char *)ready + size + 16, 16, "%u", octets);
    ready[size + 15] = (uint8_t)digits;
    size += 16 + (size_t)digits;
    ready[1] = (uint8_t)(size - 2);
    return size;
}

/* Greeting and that. */
static int raw_shm_peer(struct scene *scene, uint32_t octets) {
    uint8_t hello[GREETING_SIZE + 256];
    raw_greeting(hello, 1);
    size_t size = raw_shm_ready(hello + GREETING_SIZE, "PUSH", octets);
    int fd = raw_connect(&scene->server);
    raw_send(fd, hello, GREETING_SIZE + size);
    return fd;
}

static const char memory_there[] = "\x04\x08\x06MEMORY\x01", memory_not_there[] = "\x04\x08\x06MEMORY\x00";
#define WORD_SIZE 10

static void raw_sendmsg(int socket, struct iovec *iov, int fd) {
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), iov->iov_len);
}

static void raw_pass(int socket, int fd) {
    struct iovec iov = {.iov_base = (char *)(uintptr_t)memory_there, .iov_len = WORD_SIZE};
    raw_sendmsg(socket, &iov, fd);
}

/* The server's greeting and READY were read, and this is its answer. */
static void expect_answer(struct scene *scene, int fd, const char *answer) {
    uint8_t octets[1024];
    size_t size = 0;
    bool over = false;
    until(&scene->world, (size += slurp(fd, octets + size, sizeof(octets) - size, &over), memmem(octets, size, "MEMORY", 6) || over));
    assert_true(size >= WORD_SIZE);
    assert_memory_equal(octets + size - WORD_SIZE, answer, WORD_SIZE);
}

/* Somebody else, who is to notice nothing. */
static void begin_hostile(struct scene *scene) {
    serve_shm(scene, KITH_PULL);
    join_shm(scene, &scene->client, KITH_PUSH);
}

static void end_hostile(struct scene *scene, int fd) {
    close(fd);
    send_words(&scene->client, "honest");
    expect_words(&scene->server, "honest");
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    assert_true(node_shares(&scene->client));
}

static void expect_end(struct scene *scene, int fd, int error, enum kith_event_type type) {
    uint8_t octets[4096];
    unsigned before = scene->server.events[type];
    (void)raw_until_end(&scene->world, fd, octets, sizeof(octets));
    until(&scene->world, scene->server.events[type] > before);
    assert_int_equal(scene->server.errors[type], error);
}

static void test_what_is_no_memory_is_answered_and_the_socket_goes_on(void **state) {
    struct scene *scene = *state;
    int pipes[2];
    begin_hostile(scene);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(unsealed, (off_t)(2 * 4096 + 2 * SMALL_RING)), 0);
    const int fds[] = {-1, pipes[0], unsealed};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fds); i++) {
        int fd = raw_shm_peer(scene, (uint32_t)SMALL_RING);
        if (fds[i] < 0)
            raw_send(fd, memory_there, WORD_SIZE); /* or it was cut off */
        else
            raw_pass(fd, fds[i]);
        expect_answer(scene, fd, memory_not_there);
        raw_text(fd, "\x00\x05octet");
        expect_words(&scene->server, "octet");
        end_hostile(scene, fd);
    }
    close(pipes[0]);
    close(pipes[1]);
    close(unsealed);
}

static void test_a_peer_that_has_none_says_so(void **state) {
    struct scene *scene = *state;
    begin_hostile(scene);
    int fd = raw_shm_peer(scene, (uint32_t)SMALL_RING);
    raw_send(fd, memory_not_there, WORD_SIZE);
    raw_text(fd, "\x00\x05octet");
    expect_words(&scene->server, "octet");
    end_hostile(scene, fd);
}

/* A frame in a descriptor behind the last octets of the handshake, which may come in one receive. */
static void first_words(struct scene *scene, const uint8_t *handshake, size_t size) {
    static const uint8_t memfd[] = {4, 15, 5, 'M', 'E', 'M', 'F', 'D', 0, 0, 0, 0, 0, 0, 0, 0, 100};
    uint8_t octets[512];
    kith_msg *msg;
    int fd = raw_connect(&scene->server), memory = memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(memory, 100), 0);
    assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    raw_greeting(octets, 1);
    raw_send(fd, octets, GREETING_SIZE);
    memcpy(octets, handshake, size);
    memcpy(octets + size, memfd, sizeof(memfd));
    raw_sendmsg(fd, &(struct iovec){.iov_base = octets, .iov_len = size + sizeof(memfd)}, memory);
    close(memory);
    assert_int_equal(kith_socket_recv(scene->server.socket, &msg, 10000), 0);
    assert_int_equal(kith_msg_size(msg), 100);
    kith_msg_free(msg);
    end_hostile(scene, fd);
}

static void test_a_frame_in_a_descriptor_behind_the_handshake_is_no_ring(void **state) {
    struct scene *scene = *state;
    uint8_t handshake[256];
    begin_hostile(scene);
    first_words(scene, handshake, raw_ready(handshake, "PUSH", NULL));
    size_t size = raw_shm_ready(handshake, "PUSH", (uint32_t)SMALL_RING);
    memcpy(handshake + size, memory_not_there, WORD_SIZE);
    first_words(scene, handshake, size + WORD_SIZE);
}

/* Both would be in each other's way on the socket: whoever announces both gets descriptors. */
static void test_a_peer_that_takes_descriptors_has_no_rings(void **state) {
    struct scene *scene = *state;
    uint8_t octets[GREETING_SIZE + 256], *ready = octets + GREETING_SIZE;
    begin_hostile(scene);
    raw_greeting(octets, 1);
    size_t size = raw_shm_ready(ready, "PUSH", (uint32_t)SMALL_RING);
    memcpy(ready + size, "\x10Kith-Descriptors\0\0\0\1\x35", 22);
    size += 22;
    ready[1] = (uint8_t)(size - 2);
    int fd = raw_connect(&scene->server);
    raw_send(fd, octets, GREETING_SIZE + size);
    raw_text(fd, "\x00\x05octet");
    expect_words(&scene->server, "octet");
    end_hostile(scene, fd);
}

static void test_rings_that_are_too_small_are_none(void **state) {
    struct scene *scene = *state;
    begin_hostile(scene);
    int fd = raw_shm_peer(scene, (uint32_t)SMALL_RING - 1);
    raw_text(fd, "\x00\x05octet");
    expect_words(&scene->server, "octet");
    end_hostile(scene, fd);
}

static void test_a_message_before_the_memory_ends_the_handshake(void **state) {
    struct scene *scene = *state;
    begin_hostile(scene);
    int fd = raw_shm_peer(scene, (uint32_t)SMALL_RING);
    raw_text(fd, "\x00\x05"
                 "early");
    expect_end(scene, fd, -EPROTO, KITH_EVENT_HANDSHAKE_FAILED);
    close(fd);
    fd = raw_shm_peer(scene, (uint32_t)SMALL_RING);
    raw_text(fd, "\x04\x05\x03"
                 "FDS\1");
    expect_end(scene, fd, -EPROTO, KITH_EVENT_HANDSHAKE_FAILED);
    end_hostile(scene, fd);
}

/* As a program that somebody else is made to write with: who passes the memory has to be who said all before. */
static void test_memory_of_another_process_ends_the_handshake(void **state) {
    struct scene *scene = *state;
    begin_hostile(scene);
    int fd = raw_shm_peer(scene, (uint32_t)SMALL_RING);
    settle_down(&scene->world);
    raw_send_forked(fd, memory_there, WORD_SIZE);
    expect_end(scene, fd, -EPROTO, KITH_EVENT_HANDSHAKE_FAILED);
    assert_int_equal(scene->server.events[KITH_EVENT_SPLIT_MESSAGE], 1);
    end_hostile(scene, fd);
}

/* A hostile peer whose memory is right, at first. */
static int raw_rings(struct scene *scene, struct kith_shm **ret) {
    int memory;
    int fd = raw_shm_peer(scene, (uint32_t)SMALL_RING);
    assert_int_equal(kith_shm_new((size_t)SMALL_RING, ret, &memory), 0);
    raw_pass(fd, memory);
    close(memory);
    expect_answer(scene, fd, memory_there);
    return fd;
}

static void raw_write(struct kith_shm *shm, int fd, const char *octets, size_t size) {
    assert_int_equal(kith_shm_write(shm, octets, size), size);
    if (kith_shm_publish(shm))
        raw_send(fd, "", 1);
}

static void test_an_octet_that_is_no_bell_ends_it(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    begin_hostile(scene);
    int fd = raw_rings(scene, &shm);
    raw_write(shm, fd, "\x00\x02ok", 4);
    expect_words(&scene->server, "ok");
    raw_send(fd, "\0\0\1", 3);
    expect_end(scene, fd, -EPROTO, KITH_EVENT_DISCONNECTED);
    kith_shm_free(shm);
    end_hostile(scene, fd);
}

static void test_positions_that_cannot_be_end_it(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    begin_hostile(scene);
    int fd = raw_rings(scene, &shm);
    raw_write(shm, fd, "\x00\x02ok", 4);
    expect_words(&scene->server, "ok");
    shm->own->written = UINT64_MAX / 2;
    raw_send(fd, "", 1);
    expect_end(scene, fd, -EPROTO, KITH_EVENT_DISCONNECTED);
    kith_shm_free(shm);
    end_hostile(scene, fd);
}

static void test_octets_that_are_no_protocol_end_it(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    begin_hostile(scene);
    int fd = raw_rings(scene, &shm);
    raw_write(shm, fd, "\xff\xff\xff\xff", 4);
    expect_end(scene, fd, -EPROTO, KITH_EVENT_DISCONNECTED);
    kith_shm_free(shm);
    end_hostile(scene, fd);
}

static void raw_ring_with(int socket, int fd) {
    char octet = 0;
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    raw_sendmsg(socket, &iov, fd);
}

static void test_descriptors_with_bells_are_closed(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    begin_hostile(scene);
    int fd = raw_rings(scene, &shm);
    raw_ring_with(fd, fd);
    until(&scene->world, scene->server.events[KITH_EVENT_FDS_REFUSED] == 1);
    size_t before = testing_fd_count(); /* with what it took to describe the peer */
    raw_ring_with(fd, fd);
    until(&scene->world, scene->server.events[KITH_EVENT_FDS_REFUSED] == 2);
    assert_int_equal(testing_fd_count(), before);
    raw_write(shm, fd, "\x00\x02ok", 4);
    expect_words(&scene->server, "ok");
    kith_shm_free(shm);
    end_hostile(scene, fd);
}

/* Bells without end, and never a message. */
static void test_bells_for_nothing_cost_only_their_octets(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    static char bells[1000];
    begin_hostile(scene);
    int fd = raw_rings(scene, &shm);
    for (unsigned i = 0; i < 500; i++) {
        raw_send(fd, bells, sizeof(bells));
        settle_down(&scene->world);
    }
    send_words(&scene->client, "meanwhile");
    expect_words(&scene->server, "meanwhile");
    kith_shm_free(shm);
    end_hostile(scene, fd);
}

/* Says it all by hand, with memory that somebody else has too, and is another program when told so, which says that it is. */
static void pose(int fd, int memory, const int start[2], int said) {
    uint8_t hello[GREETING_SIZE + 256];
    char octet;
    raw_greeting(hello, 1);
    size_t size = GREETING_SIZE + raw_shm_ready(hello + GREETING_SIZE, "DEALER", (uint32_t)SMALL_RING);
    raw_send(fd, hello, size);
    raw_pass(fd, memory);
    close(start[1]);
    if (read(start[0], &octet, 1) == 1 && fcntl(fd, F_SETFD, 0) == 0 && dup2(start[0], STDIN_FILENO) >= 0 && dup2(said, STDOUT_FILENO) >= 0)
        execl("/proc/self/exe", "another program", "--wait", "--say", NULL);
    _exit(1);
}

/* Somebody else goes on writing, in the name of the program that comes after: that it is looked at again while it is sent to ends the
 * rings all the same. */
static void test_what_comes_after_an_exec_is_in_nobodys_name(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    int memory, start[2], said[2];
    char path[PATH_MAX + 4] = "exe=", octet;
    assert_true(readlink("/proc/self/exe", path + 4, PATH_MAX - 1) > 0);
    serve_shm(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_EXEC_CHECK, 0);
    node_policy(&scene->server, true, KITH_VERB_RECEIVE, path);
    assert_int_equal(pipe2(start, O_CLOEXEC), 0);
    assert_int_equal(pipe2(said, O_CLOEXEC), 0);
    assert_int_equal(kith_shm_new((size_t)SMALL_RING, &shm, &memory), 0);
    int fd = raw_connect(&scene->server);
    pid_t pid = fork();
    if (pid == 0)
        pose(fd, memory, start, said[1]);
    close(memory);
    close(said[1]);
    close(start[0]);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
    send_words(&scene->server, "first");
    settle_down(&scene->world);
    assert_int_equal(write(start[1], "", 1), 1);
    assert_int_equal(read(said[0], &octet, 1), 1);
    close(said[0]);
    kith_msg *msg = words("second");
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), -EAGAIN);
    kith_msg_free(msg);
    (void)kith_shm_write(shm,
                         "\x00\x05"
                         "forgd",
                         7);
    (void)kith_shm_publish(shm);
    (void)!send(fd, "", 1, MSG_NOSIGNAL);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    expect_nothing(&scene->world, &scene->server);
    kith_shm_free(shm);
    close(fd);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it lives, as another program */
    close(start[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(int argc, char **argv) {
    char octet;
    if (argc == 3 && write(STDOUT_FILENO, "", 1) < 0)
        return 1;
    if (argc >= 2 && strcmp(argv[1], "--wait") == 0) /* the tests of exec */
        return (int)read(STDIN_FILENO, &octet, 1);
    const struct CMUnitTest tests[] = {
        SHM_TEST(test_a_killed_peer_leaves_what_it_had_sent),
        SHM_TEST(test_the_end_of_the_process_is_the_end_though_its_child_has_the_socket),
        SHM_TEST(test_a_program_that_execs_is_gone),
        SHM_TEST(test_what_comes_after_an_exec_is_in_nobodys_name),
        SHM_TEST(test_a_forked_child_leaves_its_parents_rings_alone),
        SHM_TEST(test_who_sleeps_is_woken),
        SHM_TEST(test_a_hosted_loop_is_woken),
        SHM_TEST(test_a_crowd_shares_memory_as_far_as_there_is_a_place),
        SHM_TEST(test_what_is_no_memory_is_answered_and_the_socket_goes_on),
        SHM_TEST(test_a_peer_that_has_none_says_so),
        SHM_TEST(test_a_frame_in_a_descriptor_behind_the_handshake_is_no_ring),
        SHM_TEST(test_a_peer_that_takes_descriptors_has_no_rings),
        SHM_TEST(test_rings_that_are_too_small_are_none),
        SHM_TEST(test_a_message_before_the_memory_ends_the_handshake),
        SHM_TEST(test_memory_of_another_process_ends_the_handshake),
        SHM_TEST(test_an_octet_that_is_no_bell_ends_it),
        SHM_TEST(test_positions_that_cannot_be_end_it),
        SHM_TEST(test_octets_that_are_no_protocol_end_it),
        SHM_TEST(test_descriptors_with_bells_are_closed),
        SHM_TEST(test_bells_for_nothing_cost_only_their_octets),
    };
    return cmocka_run_group_tests_name("socket/shm-peers", tests, NULL, NULL);
}
