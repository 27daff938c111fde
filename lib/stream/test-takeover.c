/*
 * The new process of a hot restart against old ones that are not as they should be: forked children that play a script.
 *
 * A script is a row of steps, a letter each: see offers() and talks().
 */
#include "stream/testing.h"

#include <grp.h>
#include <sys/wait.h>

#include <kith/cmsg.h>
#include <kith/handover.h>

#include "stream/exchange.h"

#define OTHER_UID 61001
#define PATIENCE_MS 20000

struct stage {
    struct kith_address at;
    pid_t child;
    kith_takeover *takeover;
    struct kith_error error;
    size_t fds_before;
};

static int stage_setup(void **state) {
    struct stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return -1;
    char name[64];
    stage->fds_before = testing_fd_count();
    snprintf(name, sizeof(name), "@kith-test-takeover-%d", (int)getpid());
    *state = stage;
    return kith_address_unix(name, &stage->at);
}

static int stage_teardown(void **state) {
    struct stage *stage = *state;
    kith_takeover_free(stage->takeover);
    int r = testing_fd_count() == stage->fds_before ? 0 : -1;
    if (r < 0)
        fprintf(stderr, "descriptors: %zu before, %zu after\n", stage->fds_before, testing_fd_count());
    free(stage);
    return r;
}

/* The old process -------------------------------------------------------------------------------------------------------------- */

static void say(int fd, struct kith_record_out *out) {
    if (kith_record_send(fd, out) != 1)
        _exit(10);
    kith_record_out_free(out);
}

static void say_number(int fd, enum kith_record_type type, uint32_t number) {
    struct kith_record_out *out;
    if (kith_record_new_number(type, number, &out) < 0)
        _exit(11);
    say(fd, out);
}

static void say_listener(int fd, int socket, int dirfd) {
    const struct kith_record_listener listener = {.name = "web", .path = {dirfd >= 0 ? 'x' : '\0'}};
    struct kith_record_out *out;
    if (kith_record_new_listener(&listener, socket, dirfd, &out) < 0)
        _exit(12);
    say(fd, out);
}

static int listening(void) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 1) < 0)
        _exit(13);
    return fd;
}

/* A LISTENER record that says one descriptor, and `count` that come. */
static void say_listener_with(int fd, size_t count) {
    static const uint8_t record[] = "kith\1\0\2\0\23\0\0\0\1\0\0\0"
                                    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0w";
    uint8_t control[CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int))] __attribute__((aligned(8)));
    int fds[KITH_CMSG_MAX_FDS], socket = listening();
    for (size_t i = 0; i < count; i++)
        fds[i] = socket;
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control, sizeof(control));
    if (count > 0 && kith_cmsg_put_fds(&builder, fds, count) < 0)
        _exit(14);
    struct iovec iov = {.iov_base = (void *)record, .iov_len = sizeof(record) - 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = builder.size};
    if (sendmsg(fd, &message, MSG_NOSIGNAL) != (ssize_t)sizeof(record) - 1)
        _exit(15);
}

/* Waits for octets of the other side: HELLO or READY; or for its end. */
static void hear(int fd, size_t size) {
    uint8_t octets[64];
    if (recv(fd, octets, size, MSG_WAITALL) != (ssize_t)size)
        _exit(16);
}

static void say_octets(int fd, const char *octets, size_t size) {
    if (send(fd, octets, size, MSG_NOSIGNAL) != (ssize_t)size)
        _exit(17);
}

static int file(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void say_conn(int fd) {
    struct kith_taken_conn conn = {.state = "state", .state_size = 5};
    struct kith_record_out *out;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        _exit(18);
    conn.fd = pair[0];
    if (kith_record_new_conn(&conn, &out) < 0)
        _exit(19);
    say(fd, out);
}

/* Steps that offer something. Returns false for a letter that is none of them. */
static bool offers(int fd, char letter) {
    if (letter == 'l') /* a listener */
        say_listener(fd, listening(), -1);
    else if (letter == 'p') /* a listener whose path's directory is none */
        say_listener(fd, listening(), file());
    else if (letter == 'f') /* a file */
        say_listener(fd, file(), -1);
    else if (letter == 'u') /* a datagram socket */
        say_listener(fd, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), -1);
    else if (letter == 'i') /* a socket that does not listen */
        say_listener(fd, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), -1);
    else if (letter == '0') /* no descriptor where one is said */
        say_listener_with(fd, 0);
    else if (letter == '2') /* one too many */
        say_listener_with(fd, 2);
    else if (letter == '9') /* as many as can be */
        say_listener_with(fd, KITH_CMSG_MAX_FDS);
    else
        return false;
    return true;
}

static void talks(int fd, char letter) {
    if (letter == 'h') /* hears HELLO */
        hear(fd, KITH_RECORD_HEADER);
    else if (letter == 'r') /* hears READY */
        hear(fd, KITH_RECORD_HEADER + 4);
    else if (letter == 'e') /* the end, after one listener */
        say_number(fd, KITH_RECORD_END, 1);
    else if (letter == 'E') /* the end, after none */
        say_number(fd, KITH_RECORD_END, 0);
    else if (letter == 'd') /* done, no connections */
        say_number(fd, KITH_RECORD_DONE, 0);
    else if (letter == 'c') /* a connection */
        say_conn(fd);
    else if (letter == 'x') /* cancels */
        kith_record_cancel(fd, -EBUSY, "changed my\nmind");
    else if (letter == 'v') /* a record of another version */
        say_octets(fd, "kith\2\0\2\0\0\0\0\0\0\0\0\0", 16);
    else if (letter == '/') /* half a header */
        say_octets(fd, "kith\1\0", 6);
    else if (letter == 'g') /* another protocol */
        say_octets(fd, "220 mail.example.org ESMTP\r\n", 28);
    else
        _exit(20);
}

/* Plays the steps; then waits until the other side closes when they end in '.', else closes. */
static void play(int server, const char *script) {
    int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    char octet;
    if (fd < 0)
        _exit(21);
    for (; *script && *script != '.'; script++) {
        if (!offers(fd, *script))
            talks(fd, *script);
    }
    while (*script == '.' && recv(fd, &octet, 1, 0) > 0)
        ;
    _exit(0);
}

static void start_as(struct stage *stage, const char *script, uid_t uid) {
    int up[2];
    char octet;
    assert_int_equal(pipe2(up, O_CLOEXEC), 0);
    stage->child = fork();
    if (stage->child == 0) {
        if (uid != geteuid() && (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0))
            _exit(22);
        int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(server, (struct sockaddr *)&stage->at.storage, stage->at.size) < 0 || listen(server, 1) < 0)
            _exit(23);
        if (write(up[1], "u", 1) != 1)
            _exit(24);
        play(server, script);
    }
    close(up[1]);
    assert_int_equal(read(up[0], &octet, 1), 1);
    close(up[0]);
}

static void start(struct stage *stage, const char *script) {
    start_as(stage, script, geteuid());
}

static int end_of(struct stage *stage) {
    int status;
    stage->takeover = kith_takeover_free(stage->takeover);
    assert_int_equal(waitpid(stage->child, &status, 0), stage->child);
    return status;
}

static void ended(struct stage *stage) {
    assert_int_equal(end_of(stage), 0);
}

static int take(struct stage *stage) {
    return kith_takeover_new(&stage->at, PATIENCE_MS, &stage->takeover, &stage->error);
}

/* Tests ------------------------------------------------------------------------------------------------------------------------- */

static void test_an_offer_that_makes_no_sense_is_refused(void **state) {
    struct stage *stage = *state;
    static const struct {
        const char *script;
        int expected;
    } cases[] = {
        {"h", -ENODATA},  {"hl", -ENODATA},   {"h/", -EPROTO},      {"hl/", -EPROTO},     {"hg.", -EPROTO},   {"hv.", -EPROTONOSUPPORT},
        {"hE.", 0},       {"hle.", 0},        {"hlE.", -EPROTO},    {"he.", -EPROTO},     {"hlle.", -EPROTO}, {"hd.", -EPROTO},
        {"hc.", -EPROTO}, {"hf.", -ENOTSOCK}, {"hu.", -EPROTOTYPE}, {"hi.", -EINVAL},     {"hp.", -EPROTO},   {"h0.", -EPROTO},
        {"h2.", -EPROTO}, {"h9.", -EMFILE},   {"hx", -ECANCELED},   {"hlx.", -ECANCELED}, {"x", -ECANCELED},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        start(stage, cases[i].script);
        int r = take(stage);
        if (r != cases[i].expected)
            fail_msg("%s: %d (%s), not %d", cases[i].script, r, stage->error.text, cases[i].expected);
        assert_true(r == 0 || (!stage->takeover && stage->error.code == r && stage->error.text[0] != '\0'));
        assert_null(strchr(stage->error.text, '\n')); /* 'x' has one */
        ended(stage);
    }
}

static void test_nobody_there_is_told_from_somebody_bad(void **state) {
    struct stage *stage = *state;
    struct kith_address path, tcp;
    assert_int_equal(take(stage), -ECONNREFUSED);
    assert_non_null(strstr(stage->error.text, "no process offers"));
    assert_int_equal(kith_address_unix("/nonexistent/handover", &path), 0);
    assert_int_equal(kith_takeover_new(&path, PATIENCE_MS, &stage->takeover, &stage->error), -ENOENT);
    assert_int_equal(kith_address_ip("127.0.0.1", 1, &tcp), 0);
    assert_int_equal(kith_takeover_new(&tcp, PATIENCE_MS, &stage->takeover, &stage->error), -EAFNOSUPPORT);
}

static void test_silence_has_an_end(void **state) {
    struct stage *stage = *state;
    static const char *const scripts[] = {"h.", "hl.", "hl/."};
    for (size_t i = 0; i < KITH_ARRAY_SIZE(scripts); i++) {
        start(stage, scripts[i]);
        assert_int_equal(kith_takeover_new(&stage->at, 30, &stage->takeover, &stage->error), -ETIMEDOUT);
        (void)end_of(stage); /* on a slow machine we are gone before it has said all */
    }
}

/* Nobody accepts, and the backlog is full. */
static void test_a_full_backlog_has_an_end(void **state) {
    struct stage *stage = *state;
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&stage->at.storage, stage->at.size) | listen(server, 0), 0);
    assert_int_equal(connect(waiting, (struct sockaddr *)&stage->at.storage, stage->at.size), 0);
    assert_int_equal(kith_takeover_new(&stage->at, 0, &stage->takeover, &stage->error), -ETIMEDOUT);
    assert_int_equal(kith_takeover_new(&stage->at, 20, &stage->takeover, &stage->error), -ETIMEDOUT);
    close(waiting);
    close(server);
}

static void test_nothing_is_taken_from_another_user(void **state) {
    struct stage *stage = *state;
    if (geteuid() != 0)
        skip();
    start_as(stage, ".", OTHER_UID);
    assert_int_equal(take(stage), -EPERM);
    assert_non_null(strstr(stage->error.text, "uid 61001"));
    ended(stage);
}

/* Ready --------------------------------------------------------------------------------------------------------------------------- */

static int count_conn(const struct kith_taken_conn *conn, void *userdata) {
    int *count = userdata;
    assert_int_equal(conn->state_size, 5);
    assert_memory_equal(conn->state, "state", 5);
    ++*count;
    close(conn->fd);
    return 0;
}

static void test_the_end_of_a_takeover_is_what_the_old_process_says(void **state) {
    struct stage *stage = *state;
    static const struct {
        const char *script;
        int expected;
    } cases[] = {
        {"hErd", 0}, /* done */
        {"hEr", 0},  /* gone without a word: nobody else serves */
        {"hE", 0},   /* ... even before it was told */
        {"hErc", 1}, /* ... and after a connection */
        {"hErx", -ECANCELED},
        {"hEx", -ECANCELED}, /* it is too late */
        {"hErcd.", -EPROTO}, /* one connection, and none was counted */
        {"hErcx.", -EPROTO}, /* no way back */
        {"hErl.", -EPROTO},
        {"hErg.", -EPROTO},
        {"hEr/", -EPROTO},
    };
    for (size_t i = 0; i < KITH_ARRAY_SIZE(cases); i++) {
        int count = 0;
        start(stage, cases[i].script);
        assert_int_equal(take(stage), 0);
        int r = kith_takeover_ready(stage->takeover, PATIENCE_MS, 1, count_conn, &count, &stage->error);
        if (r != cases[i].expected)
            fail_msg("%s: %d (%s), not %d", cases[i].script, r, stage->error.text, cases[i].expected);
        assert_true(r <= 0 || r == count);
        ended(stage);
    }
}

static void test_connections_that_nobody_wanted_are_refused(void **state) {
    struct stage *stage = *state;
    start(stage, "hErc.");
    assert_int_equal(take(stage), 0);
    assert_int_equal(kith_takeover_ready(stage->takeover, PATIENCE_MS, 0, NULL, NULL, &stage->error), -EPROTO);
    ended(stage);
}

static void test_ready_may_be_waited_for_again(void **state) {
    struct stage *stage = *state;
    int count = 0;
    /* The READY of the second call would be heard by nobody: it is not sent again. */
    start(stage, "hEr.");
    assert_int_equal(take(stage), 0);
    assert_int_equal(kith_takeover_ready(stage->takeover, PATIENCE_MS, 0, count_conn, &count, &stage->error), -EINVAL);
    assert_int_equal(kith_takeover_ready(stage->takeover, 20, 1, count_conn, &count, &stage->error), -ETIMEDOUT);
    assert_int_equal(kith_takeover_ready(stage->takeover, 0, 1, count_conn, &count, &stage->error), -ETIMEDOUT);
    assert_int_equal(kill(stage->child, SIGTERM), 0);
    assert_int_equal(kith_takeover_ready(stage->takeover, PATIENCE_MS, 1, count_conn, &count, &stage->error), 0);
    int status;
    assert_int_equal(waitpid(stage->child, &status, 0), stage->child);
    assert_int_equal(count, 0);
}

static void test_what_is_not_taken_is_closed(void **state) {
    struct stage *stage = *state;
    start(stage, "hle.");
    assert_int_equal(take(stage), 0);
    assert_int_equal(kith_takeover_pid(stage->takeover), stage->child);
    kith_inherited *inherited = kith_takeover_inherited(stage->takeover);
    assert_int_equal(kith_inherited_count(inherited), 1);
    assert_string_equal(kith_inherited_name(inherited, 0), "web");
    ended(stage); /* and the fixture counts descriptors */
}

#define STAGE_TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_an_offer_that_makes_no_sense_is_refused),
        STAGE_TEST(test_nobody_there_is_told_from_somebody_bad),
        STAGE_TEST(test_silence_has_an_end),
        STAGE_TEST(test_a_full_backlog_has_an_end),
        STAGE_TEST(test_nothing_is_taken_from_another_user),
        STAGE_TEST(test_the_end_of_a_takeover_is_what_the_old_process_says),
        STAGE_TEST(test_connections_that_nobody_wanted_are_refused),
        STAGE_TEST(test_ready_may_be_waited_for_again),
        STAGE_TEST(test_what_is_not_taken_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
