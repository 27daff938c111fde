/* See zeromq.h. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/messages/zeromq.h"

struct zeromq zeromq;

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define FUNCTION(word)                                                                                                                     \
    { "zmq_" #word, offsetof(struct zeromq, word) }
    FUNCTION(ctx_new),  FUNCTION(ctx_set),  FUNCTION(ctx_get),  FUNCTION(socket),   FUNCTION(setsockopt), FUNCTION(bind),
    FUNCTION(connect),  FUNCTION(send),     FUNCTION(recv),     FUNCTION(msg_init), FUNCTION(msg_send),   FUNCTION(msg_recv),
    FUNCTION(msg_data), FUNCTION(msg_size), FUNCTION(msg_more), FUNCTION(version),
#undef FUNCTION
};

int zeromq_load(void) {
    if (zeromq.ctx_new)
        return 0;
    struct zeromq found;
    void *library = dlopen("libzmq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "libzmq is not here (%s): install libzmq5\n", dlerror());
        return -ENOPKG;
    }
    for (size_t i = 0; i < KITH_ARRAY_SIZE(functions); i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function) {
            fprintf(stderr, "libzmq.so.5: %s\n", dlerror());
            return -ENOPKG;
        }
        /* POSIX: what dlsym() gives is a pointer to the function, which C has no conversion for. */
        memcpy((char *)&found + functions[i].offset, &function, sizeof(function));
    }
    zeromq = found;
    return 0;
}
