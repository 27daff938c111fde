/*
 * The old process of a hot restart: what it hands over to a good new process, and that it goes on as before with every other.
 *
 * New processes are forked children with a loop of their own; bad ones are raw sockets in this process.
 */
#include "stream/testing-handover.h"

#include <grp.h>

#include <kith/cmsg.h>

#include "stream/exchange.h"

#define OTHER_UID 61001

/* New processes --------------------------------------------------------------------------------------------------------------- */

static int on_accept_and_greet(kith_listener *listener, int fd, void *userdata) {
    struct house *house = userdata;
    house->accepted++;
    (void)!send(fd, "new", 3, MSG_NOSIGNAL);
    close(fd);
    return 0;
}

static int replace_and_serve(struct house *house) {
    static const struct kith_listener_ops ops = {.accept = on_accept_and_greet};
    kith_takeover *takeover = NULL;
    int r = kith_takeover_new(&house->at, 20000, &takeover, &house->error);
    if (r < 0 || kith_takeover_pid(takeover) != getppid())
        return 2;
    const struct kith_listener_options options = {.inherited = kith_takeover_inherited(takeover)};
    r = kith_listener_new(house->world.loop, &house->address, &options, &ops, house, &house->listener, &house->error);
    if (r < 0 || kith_inherited_count(options.inherited) != 0)
        return 3;
    if (kith_takeover_ready(takeover, 20000, 0, NULL, NULL, &house->error) != 0)
        return 4;
    kith_takeover_free(takeover);
    /* The address is free for the next one. */
    r = kith_handover_new(house->world.loop, &house->at, NULL, &handover_ops, house, &house->handover, &house->error);
    if (r < 0)
        return 5;
    while (house->accepted < 4) {
        if (kith_loop_step(house->world.loop, 20000) <= 0)
            return 6;
    }
    return leave(house, NULL, 0);
}

static void greeted(int fd) {
    char word[4] = {0};
    assert_int_equal(recv(fd, word, 3, MSG_WAITALL), 3);
    assert_string_equal(word, "new");
    close(fd);
}

static void test_a_new_process_serves_those_who_wait_and_owns_the_path(void **state) {
    struct house *house = *state;
    int early[3];
    kith_listener_pause(house->listener); /* the old one is too busy for them */
    for (size_t i = 0; i < KITH_ARRAY_SIZE(early); i++)
        early[i] = connect_to(&house->address);
    offer(house, 0);
    start(house, replace_and_serve);
    until(&house->world, house->completed == 1);
    assert_int_equal(house->completed_error, 0);
    assert_int_equal(house->asked, 1);
    assert_int_equal(house->taken, 1);
    house->listener = kith_listener_free(house->listener);
    house->handover = kith_handover_free(house->handover);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(early); i++)
        greeted(early[i]);
    greeted(connect_to(&house->address)); /* the path is still there */
    ends_with(house, 0);                  /* ... and the new process has removed it */
    assert_int_equal(access(house->path, F_OK), -1);
    assert_int_equal(house->asker, house->child);
    assert_int_equal(house->accepted + house->failed, 0);
}

static int die_before_ready(struct house *house) {
    kith_takeover *takeover = NULL;
    if (take_over(house, &takeover) < 0)
        return leave(house, takeover, 2);
    raise(SIGKILL);
    return 3;
}

static int give_up(struct house *house) {
    kith_takeover *takeover = NULL;
    if (take_over(house, &takeover) < 0)
        return leave(house, takeover, 2);
    house->listener = kith_listener_free(house->listener); /* before it gives up */
    return leave(house, takeover, 0);
}

static int give_up_untaken(struct house *house) {
    kith_takeover *takeover = NULL;
    int r = kith_takeover_new(&house->at, 20000, &takeover, &house->error);
    return leave(house, takeover, r < 0 ? 2 : 0);
}

static void test_a_new_process_that_does_not_get_there_changes_nothing(void **state) {
    struct house *house = *state;
    offer(house, 0);
    start(house, die_before_ready);
    ends_with(house, 256 + SIGKILL);
    until(&house->world, house->failed == 1);
    assert_int_equal(house->failure.code, -ECONNRESET);
    still_serves(house);
    start(house, give_up);
    ends_with(house, 0);
    until(&house->world, house->failed == 2);
    still_serves(house); /* the path is still there */
    start(house, give_up_untaken);
    ends_with(house, 0);
    until(&house->world, house->failed == 3);
    still_serves(house);
    assert_int_equal(house->asked, 3);
}

/* Those that may not --------------------------------------------------------------------------------------------------------- */

static int canceled_with(struct house *house, const char *text) {
    kith_takeover *takeover = NULL;
    int r = kith_takeover_new(&house->at, 20000, &takeover, &house->error);
    bool right = r == -ECANCELED && !takeover && strstr(house->error.text, text);
    return leave(house, takeover, right ? 0 : 1);
}

static int ask_as_another_user(struct house *house) {
    if (setgroups(0, NULL) < 0 || setgid(OTHER_UID) < 0 || setuid(OTHER_UID) < 0)
        return 2;
    return canceled_with(house, "neither of our uid nor root");
}

static void test_another_user_is_refused_and_counted(void **state) {
    struct house *house = *state;
    if (geteuid() != 0)
        skip();
    offer(house, 0);
    for (unsigned i = 1; i <= 2; i++) {
        start(house, ask_as_another_user);
        ends_with(house, 0);
        assert_int_equal(house->failed, i);
        assert_int_equal(house->failure.code, -EPERM);
        assert_non_null(strstr(house->failure.text, "uid 61001"));
    }
    assert_int_equal(house->asked, 0);
    still_serves(house);
}

static int ask_in_vain(struct house *house) {
    return canceled_with(house, "may not take over");
}

static void test_the_application_may_refuse(void **state) {
    struct house *house = *state;
    house->answer = -EAGAIN;
    offer(house, 0);
    start(house, ask_in_vain);
    ends_with(house, 0);
    assert_int_equal(house->failure.code, -EAGAIN);
    still_serves(house);
}

static int ask_while_changing(struct house *house) {
    return canceled_with(house, "are just changing");
}

static void test_an_offer_ends_when_the_listeners_change(void **state) {
    struct house *house = *state;
    house->change = true;
    offer(house, 0);
    start(house, ask_while_changing);
    ends_with(house, 0);
    assert_int_equal(house->failed, 0);
    kith_handover_remove_listener(house->handover, house->listener);
    still_serves(house);
}

static int ask_second(struct house *house) {
    return canceled_with(house, "another process");
}

static void test_one_process_at_a_time(void **state) {
    struct house *house = *state;
    offer(house, 0);
    int first = connect_to(&house->at);
    settle_down(&house->world);
    start(house, ask_second);
    ends_with(house, 0);
    assert_int_equal(house->failure.code, -EBUSY);
    close(first);
    until(&house->world, house->failed == 2);
    still_serves(house);
}

/* Hostile octets --------------------------------------------------------------------------------------------------------------- */

#define HEADER(version, type, size, fds) "kith" version "\0" type "\0" size "\0\0\0" fds "\0\0\0"
#define HELLO HEADER("\1", "\1", "\0", "\0")
#define READY HEADER("\1", "\4", "\4", "\0") "\0\0\0\0"

struct attack {
    const char *octets;
    size_t size, fd_count;
    bool close;
    int expected; /* code of the failure */
};

static void send_with_fds(int fd, const void *octets, size_t size, size_t fd_count) {
    union {
        struct cmsghdr align;
        uint8_t octets[CMSG_SPACE(KITH_CMSG_MAX_FDS * sizeof(int))];
    } control;
    int fds[KITH_CMSG_MAX_FDS];
    for (size_t i = 0; i < fd_count; i++)
        fds[i] = STDERR_FILENO;
    struct kith_cmsg_builder builder = kith_cmsg_builder_init(control.octets, sizeof(control.octets));
    if (fd_count > 0)
        assert_int_equal(kith_cmsg_put_fds(&builder, fds, fd_count), 0);
    struct iovec iov = {.iov_base = (void *)octets, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = builder.size};
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), (ssize_t)size);
}

static void test_hostile_octets_change_nothing(void **state) {
    struct house *house = *state;
#define OCTETS(text) .octets = (text), .size = sizeof(text) - 1
    static const struct attack attacks[] = {
        {OCTETS(""), .close = true, .expected = -ECONNRESET},
        {OCTETS("kith\1\0\1"), .close = true, .expected = -EPROTO}, /* cut */
        {OCTETS("GET / HTTP/1.1\r\n\r\n"), .expected = -EPROTO},
        {OCTETS(HEADER("\2", "\1", "\0", "\0")), .expected = -EPROTONOSUPPORT},
        {OCTETS(HEADER("\1", "\1", "\1", "\0")), .expected = -EPROTO},
        {OCTETS(READY), .expected = -EPROTO}, /* before HELLO */
        {OCTETS(HELLO HELLO), .expected = -EPROTO},
        {OCTETS(HEADER("\1", "\5", "\4", "\1")), .fd_count = 1, .expected = -EPROTO}, /* CONN, which is ours to send */
        {OCTETS(HELLO), .fd_count = 1, .expected = -EPROTO},
        {OCTETS(HELLO), .fd_count = 3, .expected = -EMFILE},
        {OCTETS(HELLO), .fd_count = KITH_CMSG_MAX_FDS, .expected = -EMFILE},
        {OCTETS(HEADER("\1", "\7", "\4", "\0") "\13\0\0\0"), .expected = -EAGAIN}, /* CANCEL */
    };
    offer(house, 0);
    for (unsigned i = 0; i < KITH_ARRAY_SIZE(attacks); i++) {
        int fd = connect_to(&house->at);
        send_with_fds(fd, attacks[i].octets, attacks[i].size, attacks[i].fd_count);
        if (attacks[i].close)
            fd = kith_close(fd);
        until(&house->world, house->failed == i + 1);
        assert_int_equal(house->failure.code, attacks[i].expected);
        kith_close(fd);
    }
    still_serves(house);
}

/* Reads until the other end closes; returns the code of the CANCEL at the end, or 0. */
static int canceled_by(int fd) {
    uint8_t octets[4096];
    bool end = false;
    size_t size = 0;
    while (!end) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 20000), 1);
        size += slurp(fd, octets + size, sizeof(octets) - size, &end);
    }
    for (size_t at = 0; at + KITH_RECORD_HEADER <= size;) {
        struct kith_record record;
        char text[KITH_RECORD_TEXT_MAX + 1];
        assert_int_equal(kith_record_decode(octets + at, &record), 0);
        at += KITH_RECORD_HEADER + record.size;
        if (record.type != KITH_RECORD_CANCEL)
            continue;
        assert_int_equal(at, size); /* the last word, and said once */
        return kith_record_decode_cancel(&record, octets + at - record.size, text);
    }
    return 0;
}

static void test_silence_has_an_end(void **state) {
    struct house *house = *state;
    offer(house, 30);
    int fd = connect_to(&house->at);
    until(&house->world, house->failed == 1);
    assert_int_equal(house->failure.code, -ETIMEDOUT);
    assert_int_equal(canceled_by(fd), -ETIMEDOUT);
    close(fd);

    fd = connect_to(&house->at);
    send_with_fds(fd, HELLO, sizeof(HELLO) - 1, 0);
    until(&house->world, house->failed == 2);
    assert_int_equal(house->failure.code, -ETIMEDOUT);
    assert_int_equal(house->asked, 1);
    assert_int_equal(canceled_by(fd), -ETIMEDOUT);
    close(fd);
    still_serves(house);
}

/* It said that it serves, and is gone when this is looked at. */
static void test_who_is_ready_and_gone_has_not_taken_over(void **state) {
    struct house *house = *state;
    offer(house, 0);
    int fd = connect_to(&house->at);
    send_with_fds(fd, HELLO, sizeof(HELLO) - 1, 0);
    until(&house->world, house->asked == 1);
    send_with_fds(fd, READY, sizeof(READY) - 1, 0);
    close(fd);
    until(&house->world, house->failed == 1);
    assert_int_equal(house->failure.code, -ECONNRESET);
    still_serves(house);
}

/* Nobody reads the offer, which is more than a socket buffer holds: it must not be waited for, and READY is not believed. */
static void test_an_offer_that_is_not_read_has_an_end(void **state) {
    struct house *house = *state;
    offer(house, 100);
    while (kith_handover_add_listener(house->handover, "service", house->listener) == 0)
        ;
    assert_int_equal(kith_handover_add_listener(house->handover, "service", house->listener), -EUSERS);
    int fd = connect_to(&house->at);
    send_with_fds(fd, HELLO, sizeof(HELLO) - 1, 0);
    until(&house->world, house->asked == 1);
    still_serves(house);
    until(&house->world, house->failed == 1);
    assert_int_equal(house->failure.code, -ETIMEDOUT);
    close(fd);
    fd = connect_to(&house->at);
    send_with_fds(fd, HELLO, sizeof(HELLO) - 1, 0);
    send_with_fds(fd, READY, sizeof(READY) - 1, 0);
    until(&house->world, house->failed == 2);
    assert_int_equal(house->failure.code, -EPROTO);
    close(fd);
    still_serves(house);
}

/* Life ----------------------------------------------------------------------------------------------------------------------- */

static void test_a_handover_may_be_freed_in_every_callback(void **state) {
    struct house *house = *state;
    for (int where = FREE_IN_ASKED; where <= FREE_IN_FAILED; where++) {
        house->free_in = where;
        offer(house, 0);
        int fd = connect_to(&house->at);
        if (where == FREE_IN_FAILED) {
            send_with_fds(fd, "nonsense nonsense", 17, 0);
        } else {
            unsigned asked = house->asked;
            send_with_fds(fd, HELLO, sizeof(HELLO) - 1, 0);
            until(&house->world, house->asked > asked);
            if (house->handover)
                send_with_fds(fd, READY, sizeof(READY) - 1, 0);
        }
        until(&house->world, !house->handover);
        settle_down(&house->world);
        close(fd);
    }
    assert_int_equal(house->taken, 2);
    assert_int_equal(house->completed, 1);
    assert_int_equal(house->failed, 1);
    unlink(house->path); /* nobody owns it any more */
}

/* The new process may have said READY just now: silence would tell it that we are gone. */
static void test_a_handover_that_is_withdrawn_says_so_and_a_child_does_not(void **state) {
    struct house *house = *state;
    offer(house, 0);
    int fd = connect_to(&house->at), status;
    send_with_fds(fd, HELLO, sizeof(HELLO) - 1, 0);
    until(&house->world, house->asked == 1);
    pid_t pid = fork();
    if (pid == 0) {
        kith_handover_free(house->handover);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(kith_handover_failures(house->handover), 0);
    house->handover = kith_handover_free(house->handover);
    assert_int_equal(canceled_by(fd), -ECANCELED);
    close(fd);
    still_serves(house);
}

static void test_a_handover_outlives_its_loop(void **state) {
    struct house *house = *state;
    offer(house, 0);
    int fd = connect_to(&house->at);
    settle_down(&house->world);
    house->world.loop = kith_loop_free(house->world.loop);
    house->handover = kith_handover_free(house->handover);
    close(fd);
}

static void test_what_cannot_be_offered_is_refused(void **state) {
    struct house *house = *state;
    char name[KITH_INHERITED_NAME_MAX + 2];
    struct kith_address tcp;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(kith_address_ip("127.0.0.1", 0, &tcp), 0);
    assert_int_equal(kith_handover_new(house->world.loop, &tcp, NULL, &handover_ops, house, &house->handover, &house->error),
                     -EAFNOSUPPORT);
    offer(house, 0);
    assert_int_equal(kith_handover_add_listener(house->handover, "", house->listener), -EINVAL);
    assert_int_equal(kith_handover_add_listener(house->handover, name, house->listener), -EINVAL);
    assert_int_equal(kith_handover_add_listener(house->handover, name + 1, house->listener), 0);
    assert_int_equal(kith_handover_add_conn(house->handover, NULL, NULL, 0), -EINVAL);
    kith_handover *second = NULL;
    assert_int_equal(kith_handover_new(house->world.loop, &house->at, NULL, &handover_ops, house, &second, &house->error), -EADDRINUSE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_a_new_process_serves_those_who_wait_and_owns_the_path),
        HOUSE_TEST(test_a_new_process_that_does_not_get_there_changes_nothing),
        HOUSE_TEST(test_another_user_is_refused_and_counted),
        HOUSE_TEST(test_the_application_may_refuse),
        HOUSE_TEST(test_an_offer_ends_when_the_listeners_change),
        HOUSE_TEST(test_one_process_at_a_time),
        HOUSE_TEST(test_hostile_octets_change_nothing),
        HOUSE_TEST(test_silence_has_an_end),
        HOUSE_TEST(test_who_is_ready_and_gone_has_not_taken_over),
        HOUSE_TEST(test_an_offer_that_is_not_read_has_an_end),
        HOUSE_TEST(test_a_handover_may_be_freed_in_every_callback),
        HOUSE_TEST(test_a_handover_that_is_withdrawn_says_so_and_a_child_does_not),
        HOUSE_TEST(test_a_handover_outlives_its_loop),
        HOUSE_TEST(test_what_cannot_be_offered_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
