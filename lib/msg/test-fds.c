/* msg/test-fds.c: descriptors of a message: whose they are, and that each is closed once, whatever becomes of the message. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/testing.h"
#include "msg/internal.h"

static kith_msg *msg_with(size_t count) {
    kith_msg *msg;
    assert_int_equal(kith_msg_new(&msg), 0);
    assert_int_equal(kith_msg_add(msg, "x", 1), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kith_msg_add_fd(msg, eventfd(0, 0)), 0);
    return msg;
}

static void test_a_message_closes_what_nobody_took(void **state) {
    (void)state;
    kith_msg *msg = msg_with(3);
    assert_int_equal(kith_msg_fd_count(msg), 3);
    assert_int_equal(testing_fd_count(), testing_fds_before + 3);
    int fd = kith_msg_take_fd(msg, 1);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(kith_msg_take_fd(msg, 1), -EBADF);
    assert_int_equal(kith_msg_fd(msg, 1), -EBADF);
    assert_int_equal(kith_msg_fd(msg, 3), -EBADF);
    assert_true(kith_msg_fd(msg, 2) >= 0);
    kith_msg_free(msg);
    assert_int_equal(testing_fd_count(), testing_fds_before + 1);
    assert_int_equal(close(fd), 0);
}

static void test_a_message_has_as_many_as_the_kernel_passes(void **state) {
    (void)state;
    kith_msg *msg = msg_with(KITH_MSG_FDS_MAX);
    int fd = eventfd(0, 0);
    assert_int_equal(kith_msg_add_fd(msg, fd), -E2BIG);
    assert_int_equal(kith_msg_add_fd(msg, -1), -EBADF);
    close(fd);
    kith_msg_free(msg);
}

static void test_copies_share_them_until_one_is_changed(void **state) {
    (void)state;
    kith_msg *msg = msg_with(2), *copy, *other;
    assert_int_equal(kith_msg_copy(msg, &copy), 0);
    assert_int_equal(kith_msg_copy(msg, &other), 0);
    assert_int_equal(testing_fd_count(), testing_fds_before + 2);
    int first = kith_msg_fd(msg, 0);
    int taken = kith_msg_take_fd(copy, 0);
    assert_int_not_equal(taken, first);
    assert_int_equal(kith_msg_fd(msg, 0), first);
    kith_msg_free(copy);
    assert_int_equal(kith_msg_add_fd(other, eventfd(0, 0)), 0);
    assert_int_equal(kith_msg_fd_count(msg), 2);
    kith_msg_free(other);
    assert_int_equal(kith_msg_take_fd(msg, 0), first); /* alone again: itself */
    kith_msg_free(msg);
    close(first);
    close(taken);
}

static void test_appending_moves_them_along(void **state) {
    (void)state;
    kith_msg *msg = msg_with(0), *from = msg_with(2), *more = msg_with(1), *many = msg_with(KITH_MSG_FDS_MAX);
    int first = kith_msg_fd(from, 0), last = kith_msg_fd(more, 0);
    assert_int_equal(kith_msg_append(msg, from), 0);
    assert_int_equal(kith_msg_append(msg, more), 0);
    assert_int_equal(kith_msg_fd_count(from), 0);
    assert_int_equal(kith_msg_fd_count(msg), 3);
    assert_int_equal(kith_msg_fd(msg, 0), first);
    assert_int_equal(kith_msg_fd(msg, 2), last);
    assert_int_equal(kith_msg_append(msg, many), -E2BIG);
    assert_int_equal(kith_msg_count(msg), 3);
    assert_int_equal(kith_msg_count(many), 1);
    assert_int_equal(kith_msg_fd_count(many), KITH_MSG_FDS_MAX);
    kith_msg_free(msg);
    kith_msg_free(from);
    kith_msg_free(more);
    kith_msg_free(many);
}

static void test_envelopes_have_none(void **state) {
    (void)state;
    kith_msg *msg = msg_with(1), *envelope = msg_with(0);
    assert_int_equal(kith_msg_add(msg, "body", 4), 0);
    assert_int_equal(kith_msg_move(envelope, msg, 1), 0);
    assert_int_equal(kith_msg_fd_count(envelope), 0);
    assert_int_equal(kith_msg_fd_count(msg), 1);
    kith_msg_free(msg);
    kith_msg_free(envelope);
}

static void on_relieved(void *owner) {
    ++*(int *)owner;
}

static void test_descriptors_fill_an_account(void **state) {
    (void)state;
    int relieved = 0;
    struct kith_account *account;
    assert_int_equal(kith_account_new(&relieved, on_relieved, &account), 0);
    account->message_limit = 100;
    account->octet_limit = 1000000;
    account->fd_limit = 4;
    kith_msg *first = msg_with(3), *second = msg_with(2);
    kith_msg_charge(first, account);
    assert_false(account->full);
    kith_msg_charge(second, account);
    assert_true(account->full);
    close(kith_msg_take_fd(first, 0)); /* what was charged is refunded */
    kith_msg_free(first);
    assert_int_equal(relieved, 1);
    assert_int_equal(account->fds, 2);
    kith_msg_free(second);
    assert_int_equal(account->fds, 0);
    kith_account_unref(account);
}

static void *take_all(void *argument) {
    kith_msg *msg = argument;
    for (size_t i = 0; i < kith_msg_fd_count(msg); i++)
        close(kith_msg_take_fd(msg, i));
    return kith_msg_free(msg);
}

static void test_copies_in_two_threads_are_each_their_own(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        kith_msg *msg = msg_with(5), *copy;
        pthread_t thread;
        assert_int_equal(kith_msg_share(msg), 0);
        assert_int_equal(kith_msg_copy(msg, &copy), 0);
        assert_int_equal(pthread_create(&thread, NULL, take_all, copy), 0);
        take_all(msg);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

#define FDS_TEST(name) cmocka_unit_test_setup_teardown(name, testing_fds_setup, testing_fds_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FDS_TEST(test_a_message_closes_what_nobody_took),
        FDS_TEST(test_a_message_has_as_many_as_the_kernel_passes),
        FDS_TEST(test_copies_share_them_until_one_is_changed),
        FDS_TEST(test_appending_moves_them_along),
        FDS_TEST(test_envelopes_have_none),
        FDS_TEST(test_descriptors_fill_an_account),
        FDS_TEST(test_copies_in_two_threads_are_each_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
