/* base/pthread.c: see pthread.h. */
#include "base/pthread.h"

#include <signal.h>

#include "base/cleanup.h"

int kith_pthread_create(pthread_t *ret_thread, void *(*run)(void *userdata), void *userdata) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t blocked, before;

    sigfillset(&blocked);
    for (size_t i = 0; i < KITH_ARRAY_SIZE(own); i++)
        sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int r = -pthread_create(ret_thread, NULL, run, userdata);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}
