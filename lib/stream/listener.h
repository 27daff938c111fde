/*
 * stream/listener.h: what other files of this room need of a listener: enough to give it to another process.
 */
#ifndef KITH_STREAM_LISTENER_H
#define KITH_STREAM_LISTENER_H

#include <kith/stream.h>

#include "stream/path.h"

/* The listening socket, owned by the listener. */
int kith_listener_fd(const kith_listener *listener);
/* The path that the listener removes, or one that is not held. */
const struct kith_bound_path *kith_listener_path(const kith_listener *listener);
/* Another process accepts from now on, and the path is its to remove. Who was accepted already is handed over before this returns (`accept`
 * is called, which may free the listener), so it is called from the loop only. */
void kith_listener_retire(kith_listener *listener);

#endif
