/* kernel://CHANNEL: a channel of a kernel module. A module opens it; processes connect. kernel://bpf:PATH: a BPF ring buffer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../uapi/kith_netlink.h"
#include "base/error.h"
#include "transport/transport.h"

static const char prefix[] = "kernel://";

static const char bpf[] = "bpf:";

static int bpf_parse(const char *text, const char *name, size_t size, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error) {
    if (name[sizeof(bpf) - 1] != '/')
        return kith_error_set(ret_error, -EINVAL, "%s: write the whole path of a pinned BPF ring buffer: kernel://bpf:/sys/fs/bpf/NAME",
                              text);
    if (size > KITH_ENDPOINT_NAME_MAX)
        return kith_error_set(ret_error, -ENAMETOOLONG, "%s: a path of %zu octets is too long: at most %zu", text, size - sizeof(bpf) + 1,
                              KITH_ENDPOINT_NAME_MAX - sizeof(bpf) + 1);
    memcpy(ret_endpoint->name, name, size + 1);
    return 0;
}

static int kernel_parse(const char *text, bool listening, struct kith_endpoint *ret_endpoint, struct kith_error *ret_error) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const char *name = text + sizeof(prefix) - 1;
    size_t size = strlen(name);
    if (listening)
        return kith_error_set(ret_error, -EINVAL, "%s: a channel is opened by a kernel module: connect to it instead of binding", text);
    if (size == 0)
        return kith_error_set(ret_error, -EINVAL, "%s: the name of the channel is missing; write kernel://CHANNEL", text);
    if (strncmp(name, bpf, sizeof(bpf) - 1) == 0)
        return bpf_parse(text, name, size, ret_endpoint, ret_error);
    if (size > KITH_CHANNEL_NAME_MAX)
        return kith_error_set(ret_error, -ENAMETOOLONG, "%s: a channel's name of %zu octets is too long: at most %d", text, size,
                              KITH_CHANNEL_NAME_MAX);
    if (strspn(name, letters) != size)
        return kith_error_set(ret_error, -EINVAL, "%s: a channel's name has letters, digits, '.', '-' and '_' only", text);
    memcpy(ret_endpoint->name, name, size + 1);
    return 0;
}

static int kernel_format(const struct kith_endpoint *endpoint, char *text, size_t size) {
    return snprintf(text, size, "%s%s", prefix, endpoint->name);
}

const struct kith_transport kith_transport_kernel = {
    .scheme = "kernel",
    .kernel = true,
    .parse = kernel_parse,
    .format = kernel_format,
};
