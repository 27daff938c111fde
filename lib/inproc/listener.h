/*
 * inproc/listener.h: a name that is listened at: who connects to it, before or after, comes to the listener's loop.
 *
 * Who has come and was not accepted yet when the listener goes waits for the next one at that name.
 */
#ifndef KITH_INPROC_LISTENER_H
#define KITH_INPROC_LISTENER_H

#include "inproc/pipe.h"

struct kith_inproc_listener;

struct kith_inproc_listener_ops {
    /* Somebody connects. 0: taken, with kith_pipe_open(); a negative errno refuses, and is told to the other side. The callback may free
     * the listener. */
    int (*accept)(struct kith_inproc_listener *listener, struct kith_pipe *pipe, void *userdata);
};

/* Errors: -EINVAL (as kith_pipe_connect()), -EADDRINUSE, -ENOMEM, -EMFILE, -ENFILE, -ECHILD. */
int kith_inproc_listener_new(kith_loop *loop, const char *name, const struct kith_inproc_listener_ops *ops, void *userdata,
                             struct kith_inproc_listener **ret_listener);
/* Is the name listened at, by anybody in this process? Any thread; it may be over when this returns. */
bool kith_inproc_listened(const char *name);
struct kith_inproc_listener *kith_inproc_listener_free(struct kith_inproc_listener *listener);

#endif
