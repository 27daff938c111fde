/* loop/backend.c: the backends of this build, best first, and the choice among them. */
#include <errno.h>
#include <string.h>

#include "loop/backend.h"

static const struct kith_loop_backend *const backends[] = {
    &kith_loop_uring,
    &kith_loop_epoll,
};

int kith_loop_backend_choose(const char *name, struct kith_watches *watches, const char **ret_reason) {
    int r = name ? -EINVAL : -ENOSYS;
    const char *reason = NULL;

    for (size_t i = 0; i < KITH_ARRAY_SIZE(backends); i++) {
        if (name && strcmp(name, backends[i]->name) != 0)
            continue;
        r = backends[i]->create(watches, &watches->state, &reason);
        if (r == 0) {
            watches->backend = backends[i];
            *ret_reason = reason;
        }
        if (r != -ENOSYS)
            return r;
    }
    return r;
}
