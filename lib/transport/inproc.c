/*
 * inproc://NAME: between the loops of one process. Both ends are this process: there is nobody to ask the kernel about.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "transport/transport.h"

static const char prefix[] = "inproc://";

static int inproc_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error) {
    (void)listening;
    const char *name = text + sizeof(prefix) - 1;
    size_t size = strlen(name);
    if (size == 0)
        return kith_error_set(ret_error, -EINVAL, "%s: the name is missing; write inproc://NAME", text);
    if (size > KITH_INPROC_NAME_MAX)
        return kith_error_set(ret_error, -ENAMETOOLONG, "%s: a name of %zu octets is too long: at most %d", text, size,
                              KITH_INPROC_NAME_MAX);
    memcpy(ret_endpoint->name, name, size + 1);
    return 0;
}

static int inproc_format(const struct kith_endpoint *endpoint, char *text, size_t size) {
    return snprintf(text, size, "%s%s", prefix, endpoint->name);
}

const struct kith_transport kith_transport_inproc = {
    .scheme = "inproc",
    .inproc = true,
    .parse = inproc_parse,
    .format = inproc_format,
};
