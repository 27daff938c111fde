/* socket/test-shm-hostile.c: peers at the other end of shared memory that do not keep to anything. */
#include <sys/mman.h>

#include "shm/internal.h"
#include "socket/testing-shm.h"

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
static int raw_shm_peer(struct scene *scene, const char *type, uint32_t octets) {
    uint8_t hello[GREETING_SIZE + 256];
    raw_greeting(hello, 1);
    size_t size = raw_shm_ready(hello + GREETING_SIZE, type, octets);
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
    struct kith_shm *shm;
    int pipes[2], larger;
    begin_hostile(scene);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(kith_shm_new(2 * (size_t)SMALL_RING, &shm, &larger), 0); /* than was agreed on */
    int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(unsealed, (off_t)(2 * 4096 + 2 * SMALL_RING)), 0);
    const int fds[] = {-1, pipes[0], unsealed, larger};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(fds); i++) {
        int fd = raw_shm_peer(scene, "PUSH", (uint32_t)SMALL_RING);
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
    close(larger);
    kith_shm_free(shm);
}

static void test_a_peer_that_has_none_says_so(void **state) {
    struct scene *scene = *state;
    begin_hostile(scene);
    int fd = raw_shm_peer(scene, "PUSH", (uint32_t)SMALL_RING);
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
    int fd = raw_shm_peer(scene, "PUSH", (uint32_t)SMALL_RING - 1);
    raw_text(fd, "\x00\x05octet");
    expect_words(&scene->server, "octet");
    end_hostile(scene, fd);
}

static void test_a_message_before_the_memory_ends_the_handshake(void **state) {
    struct scene *scene = *state;
    begin_hostile(scene);
    int fd = raw_shm_peer(scene, "PUSH", (uint32_t)SMALL_RING);
    raw_text(fd, "\x00\x05"
                 "early");
    expect_end(scene, fd, -EPROTO, KITH_EVENT_HANDSHAKE_FAILED);
    close(fd);
    fd = raw_shm_peer(scene, "PUSH", (uint32_t)SMALL_RING);
    raw_text(fd, "\x04\x05\x03"
                 "FDS\1");
    expect_end(scene, fd, -EPROTO, KITH_EVENT_HANDSHAKE_FAILED);
    end_hostile(scene, fd);
}

/* As a program that somebody else is made to write with: who passes the memory has to be who said all before. */
static void test_memory_of_another_process_ends_the_handshake(void **state) {
    struct scene *scene = *state;
    begin_hostile(scene);
    int fd = raw_shm_peer(scene, "PUSH", (uint32_t)SMALL_RING);
    settle_down(&scene->world);
    raw_send_forked(fd, memory_there, WORD_SIZE);
    expect_end(scene, fd, -EPROTO, KITH_EVENT_HANDSHAKE_FAILED);
    assert_int_equal(scene->server.events[KITH_EVENT_SPLIT_MESSAGE], 1);
    end_hostile(scene, fd);
}

/* A hostile peer whose memory is right, at first. */
static int raw_rings(struct scene *scene, const char *type, struct kith_shm **ret) {
    int memory;
    int fd = raw_shm_peer(scene, type, (uint32_t)SMALL_RING);
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
    int fd = raw_rings(scene, "PUSH", &shm);
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
    int fd = raw_rings(scene, "PUSH", &shm);
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
    int fd = raw_rings(scene, "PUSH", &shm);
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
    node_option(&scene->server, KITH_OPTION_MEMFD_FROM, 0);
    int fd = raw_rings(scene, "PUSH", &shm);
    raw_ring_with(fd, fd);
    until(&scene->world, scene->server.events[KITH_EVENT_FDS_REFUSED] == 1);
    assert_int_equal(scene->server.errors[KITH_EVENT_FDS_REFUSED], -EPERM); /* none are expected any more */
    size_t before = testing_fd_count();                                     /* with what it took to describe the peer */
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
    int fd = raw_rings(scene, "PUSH", &shm);
    for (unsigned i = 0; i < 500; i++) {
        raw_send(fd, bells, sizeof(bells));
        settle_down(&scene->world);
    }
    send_words(&scene->client, "meanwhile");
    expect_words(&scene->server, "meanwhile");
    kith_shm_free(shm);
    end_hostile(scene, fd);
}

/* The word that began them is of no use in them. */
static void test_a_word_about_memory_inside_of_it_changes_nothing(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    begin_hostile(scene);
    int fd = raw_rings(scene, "PUSH", &shm);
    raw_write(shm, fd, memory_there, WORD_SIZE);
    raw_write(shm, fd, memory_not_there, WORD_SIZE);
    raw_write(shm, fd, "\x00\x02ok", 4);
    expect_words(&scene->server, "ok");
    kith_shm_free(shm);
    end_hostile(scene, fd);
}

/* Each message is rung for, as the reader of the ring says that it sleeps; and it never reads a bell. */
static void test_bells_that_are_not_read_do_not_gather(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    const int least = 1;
    uint8_t octets[1024];
    bool ring, over = false;
    serve_shm(scene, KITH_PUSH);
    int fd = raw_rings(scene, "PULL", &shm);
    kith_conn *conn = node_session(&scene->server)->conn;
    assert_int_equal(setsockopt(kith_conn_fd(conn), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
    for (unsigned i = 0; i < 300; i++) {
        assert_false(kith_shm_await_octets(shm));
        send_words(&scene->server, "x");
        settle_down(&scene->world);
        assert_int_equal(kith_shm_read(shm, octets, sizeof(octets), &ring), 3);
    }
    assert_in_range(kith_conn_queued(conn), 1, 100);
    until(&scene->world, (slurp(fd, octets, sizeof(octets), &over), kith_conn_queued(conn) == 0));
    kith_shm_free(shm);
    close(fd);
}

static void send_large(struct node *node) {
    uint8_t *octets = pattern_new(200000);
    kith_msg *msg;
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, octets, 200000), 0);
    assert_int_equal(kith_socket_send(node->socket, msg, 0), 0);
    free(octets);
}

/* Of a frame that does not fit, before a part of it was written and after. */
static void test_a_position_that_cannot_be_read_up_to_ends_it(void **state) {
    struct scene *scene = *state;
    struct kith_shm *shm;
    serve_shm(scene, KITH_PUSH);
    for (unsigned round = 0; round < 2; round++) {
        int fd = raw_rings(scene, "PULL", &shm);
        if (round == 1) {
            send_large(&scene->server);
            settle_down(&scene->world);
        }
        shm->own->read = UINT64_MAX / 2;
        if (round == 0)
            send_large(&scene->server);
        else
            raw_send(fd, "", 1);
        expect_end(scene, fd, -EPROTO, KITH_EVENT_DISCONNECTED);
        kith_shm_free(shm);
        close(fd);
    }
}

/* A server written by hand, whose answer brings what nobody asked for. */
static void test_descriptors_with_the_answer_are_closed(void **state) {
    struct scene *scene = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char endpoint[128];
    uint8_t octets[GREETING_SIZE + 256];
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int name = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "kith-test-shm-%d", (int)getpid());
    assert_int_equal(bind(listener, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)name)), 0);
    assert_int_equal(listen(listener, 1), 0);
    snprintf(endpoint, sizeof(endpoint), "ipc://@%s", address.sun_path + 1);
    prepare_shm(scene, &scene->client, KITH_PUSH);
    node_option(&scene->client, KITH_OPTION_MEMFD_FROM, 0);
    assert_int_equal(kith_socket_connect(scene->client.socket, endpoint, NULL), 0);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    raw_greeting(octets, 1);
    size_t size = raw_shm_ready(octets + GREETING_SIZE, "PULL", (uint32_t)SMALL_RING);
    raw_send(fd, octets, GREETING_SIZE + size);
    expect_answer(scene, fd, memory_there);
    raw_pass(fd, listener);
    until(&scene->world, scene->client.events[KITH_EVENT_FDS_REFUSED] == 1);
    assert_int_equal(scene->client.errors[KITH_EVENT_FDS_REFUSED], -EPERM);
    until(&scene->world, kith_socket_peer_count(scene->client.socket) == 1);
    assert_true(node_shares(&scene->client));
    close(listener);
    close(fd);
}

/* Who is another process than who has the memory and the socket as well --------------------------------------------------- */

/* A child that says it all by hand, and so is whose octets they are; it has no part in what is written into the memory. */
struct poser {
    struct kith_shm *shm;
    int fd, start, said;
    pid_t pid;
};

/* It is another program when told so, which says that it is. */
static void pose(int fd, int memory, const char *type, const int start[2], int said) {
    uint8_t hello[GREETING_SIZE + 256];
    char octet;
    raw_greeting(hello, 1);
    size_t size = GREETING_SIZE + raw_shm_ready(hello + GREETING_SIZE, type, (uint32_t)SMALL_RING);
    raw_send(fd, hello, size);
    raw_pass(fd, memory);
    close(start[1]);
    if (read(start[0], &octet, 1) == 1 && fcntl(fd, F_SETFD, 0) == 0 && dup2(start[0], STDIN_FILENO) >= 0 && dup2(said, STDOUT_FILENO) >= 0)
        execl("/proc/self/exe", "another program", "--wait", "--say", NULL);
    _exit(1);
}

static void poser_begin(struct poser *poser, struct scene *scene, const char *type) {
    int memory, start[2], said[2];
    assert_int_equal(pipe2(start, O_CLOEXEC), 0);
    assert_int_equal(pipe2(said, O_CLOEXEC), 0);
    assert_int_equal(kith_shm_new((size_t)SMALL_RING, &poser->shm, &memory), 0);
    poser->fd = raw_connect(&scene->server);
    poser->pid = fork();
    if (poser->pid == 0)
        pose(poser->fd, memory, type, start, said[1]);
    close(memory);
    close(said[1]);
    close(start[0]);
    poser->start = start[1];
    poser->said = said[0];
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 1);
}

static void poser_execs(struct poser *poser) {
    char octet;
    assert_int_equal(write(poser->start, "", 1), 1);
    assert_int_equal(read(poser->said, &octet, 1), 1);
}

static void poser_end(struct poser *poser) {
    kith_shm_free(poser->shm);
    close(poser->said);
    close(poser->start);
}

/* It has exec()ed, and lives. */
static void poser_end_alive(struct poser *poser) {
    close(poser->fd);
    assert_int_equal(waitpid(poser->pid, NULL, WNOHANG), 0);
    poser_end(poser);
    assert_int_equal(waitpid(poser->pid, NULL, 0), poser->pid);
}

/* Of the other verbs nothing is asked. */
static void allow_our_program(struct node *node, enum kith_verb verb) {
    char condition[PATH_MAX + 4] = "exe=";
    assert_true(readlink("/proc/self/exe", condition + 4, PATH_MAX - 1) > 0);
    node_policy(node, true, verb, condition);
}

/* Somebody else goes on writing, in the name of the program that comes after: that it is looked at again while it is sent to ends the
 * rings all the same. */
static void test_what_comes_after_an_exec_is_in_nobodys_name(void **state) {
    struct scene *scene = *state;
    struct poser poser;
    serve_shm(scene, KITH_DEALER);
    node_option(&scene->server, KITH_OPTION_EXEC_CHECK, 0);
    allow_our_program(&scene->server, KITH_VERB_RECEIVE);
    poser_begin(&poser, scene, "DEALER");
    send_words(&scene->server, "first");
    settle_down(&scene->world);
    poser_execs(&poser);
    kith_msg *msg = words("second");
    assert_int_equal(kith_socket_send(scene->server.socket, msg, 0), -EAGAIN);
    kith_msg_free(msg);
    (void)kith_shm_write(poser.shm,
                         "\x00\x05"
                         "forgd",
                         7);
    (void)kith_shm_publish(poser.shm);
    (void)!send(poser.fd, "", 1, MSG_NOSIGNAL);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    expect_nothing(&scene->world, &scene->server);
    poser_end_alive(&poser);
}

/* The same where nothing is sent to it. */
static void test_what_is_read_after_an_exec_is_the_last(void **state) {
    struct scene *scene = *state;
    struct poser poser;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_EXEC_CHECK, 0);
    allow_our_program(&scene->server, KITH_VERB_SEND);
    poser_begin(&poser, scene, "PUSH");
    raw_write(poser.shm, poser.fd,
              "\x00\x06"
              "before",
              8);
    expect_words(&scene->server, "before");
    poser_execs(&poser);
    raw_write(poser.shm, poser.fd,
              "\x00\x05"
              "after",
              7);
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    poser_end_alive(&poser);
}

/* What somebody else writes between the end of the process and that of the socket comes too late. */
static void test_the_first_end_counts(void **state) {
    struct scene *scene = *state;
    struct poser poser;
    serve_shm(scene, KITH_PULL);
    node_option(&scene->server, KITH_OPTION_RECV_HWM, 1); /* so that it ends only when we have read */
    poser_begin(&poser, scene, "PUSH");
    raw_write(poser.shm, poser.fd, "\x00\x04mine", 6);
    until(&scene->world, node_session(&scene->server)->account->full);
    kill(poser.pid, SIGKILL);
    raw_child_wait(poser.pid);
    until(&scene->world, node_session(&scene->server)->rings->closed);
    raw_write(poser.shm, poser.fd,
              "\x00\x05"
              "forgd",
              7);
    close(poser.fd);
    settle_down(&scene->world);
    expect_words(&scene->server, "mine");
    until(&scene->world, kith_socket_peer_count(scene->server.socket) == 0);
    expect_nothing(&scene->world, &scene->server);
    poser_end(&poser);
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "--wait") == 0)
        return another_program(argc);
    const struct CMUnitTest tests[] = {
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
        SHM_TEST(test_a_word_about_memory_inside_of_it_changes_nothing),
        SHM_TEST(test_bells_that_are_not_read_do_not_gather),
        SHM_TEST(test_a_position_that_cannot_be_read_up_to_ends_it),
        SHM_TEST(test_descriptors_with_the_answer_are_closed),
        SHM_TEST(test_what_comes_after_an_exec_is_in_nobodys_name),
        SHM_TEST(test_what_is_read_after_an_exec_is_the_last),
        SHM_TEST(test_the_first_end_counts),
    };
    return cmocka_run_group_tests_name("socket/shm-hostile", tests, NULL, NULL);
}
