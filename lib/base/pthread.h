/* base/pthread.h: threads of the library's own. */
#ifndef KITH_BASE_PTHREAD_H
#define KITH_BASE_PTHREAD_H

#include <pthread.h>

/* pthread_create(3) of a thread that takes no signals: those are for the application's threads. But what a thread causes itself is not
 * blocked, or the kernel would end the process past its handlers. Errors: those of pthread_create(3), negative. */
int kith_pthread_create(pthread_t *ret_thread, void *(*run)(void *userdata), void *userdata);

#endif
