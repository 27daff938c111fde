/* flow/guest/module.h: modules of a kernel that a guest loads before it records. */
#ifndef KITH_FLOW_MODULE_H
#define KITH_FLOW_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_MODULES_MAX 64

struct flow_module {
    char *name;
    uint8_t *data; /* NULL: not found yet */
    size_t size;
    bool is_optional; /* a kernel that has no such file has it built in */
};

/* An all-zero set is valid and empty. Those that others depend on may come after them: flow_modules_order(). */
struct flow_modules {
    struct flow_module modules[FLOW_MODULES_MAX];
    size_t count;
};

void flow_modules_deinit(struct flow_modules *modules);
/* To be found. Errors: -E2BIG, -ENOMEM. */
int flow_modules_want(struct flow_modules *modules, const char *name, bool is_optional);
/* Is this the file of a module that is wanted and not found yet? */
bool flow_modules_wants(const struct flow_modules *modules, const char *path);
/* Such a file; packed modules are unpacked. What it depends on is wanted from now on. Errors: -E2BIG, -ENOMEM, -EBADMSG. */
int flow_modules_add(struct flow_modules *modules, const char *path, const uint8_t *data, size_t size);
/* The first that is wanted and not found, or NULL. */
const char *flow_modules_missing(const struct flow_modules *modules, bool also_optional);
/* Those that others depend on come first; those that were not found are dropped. */
void flow_modules_order(struct flow_modules *modules);

#endif
