/* loop/backend.c: the backends of this build, best first, and the choice among them. */
#include <errno.h>
#include <string.h>

#include "loop/backend.h"

static const struct kith_loop_backend *const backends[] = {
    &kith_loop_epoll,
};

int kith_loop_backend_choose(const char *name, const struct kith_loop_backend **ret_backend, void **ret_state) {
    int r = name ? -EINVAL : -ENOSYS;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(backends); i++) {
        if (name && strcmp(name, backends[i]->name) != 0)
            continue;
        r = backends[i]->create(ret_state);
        if (r == 0)
            *ret_backend = backends[i];
        if (r != -ENOSYS)
            return r;
    }
    return r;
}
