#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pthread.h"

static void *note_blocked(void *userdata) {
    pthread_sigmask(SIG_SETMASK, NULL, userdata);
    return NULL;
}

static void test_a_thread_takes_no_signals_but_those_it_causes_itself(void **state) {
    sigset_t blocked, before, after;
    pthread_t thread;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(kith_pthread_create(&thread, note_blocked, &blocked), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&blocked, SIGCHLD), 1);
    assert_int_equal(sigismember(&blocked, SIGSEGV), 0);
    assert_int_equal(sigismember(&blocked, SIGABRT), 0);
    for (int signo = 1; signo < SIGRTMIN; signo++)
        assert_int_equal(sigismember(&after, signo), sigismember(&before, signo));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_takes_no_signals_but_those_it_causes_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
