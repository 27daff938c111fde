/*
 * ipc://PATH and ipc://@NAME: AF_UNIX. The kernel names the writer of each batch, and the process that made the connection.
 */
#include <stdio.h>
#include <unistd.h>

#include "transport/transport.h"

static int unix_format(const struct kith_endpoint *endpoint, char *text, size_t size) {
    char name[KITH_ENDPOINT_MAX];
    int r = kith_address_format(&endpoint->address, name, sizeof(name));
    return r < 0 ? r : snprintf(text, size, "ipc://%s", name);
}

static int unix_peer(kith_conn *conn, struct kith_process **ret_process, kith_origin **ret_origin) {
    struct kith_sender sender;
    int r = kith_conn_peer(conn, &sender);
    if (r < 0)
        return r;

    /* Nobody: not an identity, so not a fact. */
    if (!sender.known) {
        if (sender.pidfd >= 0)
            close(sender.pidfd);
        r = kith_origin_new(ret_origin);
        if (r >= 0)
            *ret_process = NULL;
        return r;
    }

    struct kith_process *process = NULL;
    if (sender.pid > 0) {
        r = kith_process_new(sender.pid, sender.pidfd, sender.pidfd >= 0, &process);
        if (r >= 0)
            sender.pidfd = -1;
    }
    if (sender.pidfd >= 0)
        close(sender.pidfd);
    if (r < 0)
        return r;

    const struct kith_credentials credentials = {.pid = sender.pid, .uid = sender.uid, .gid = sender.gid};
    r = kith_origin_new_credentials(&credentials, KITH_WITNESS_KERNEL_CONNECT, process, ret_origin);
    if (r < 0) {
        kith_process_unref(process);
        return r;
    }
    *ret_process = process;
    return 0;
}

const struct kith_transport kith_transport_unix = {
    .scheme = "ipc",
    .identity = true,
    .parse = kith_endpoint_parse_address,
    .format = unix_format,
    .peer = unix_peer,
};
