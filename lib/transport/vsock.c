/* vsock://CID:PORT: AF_VSOCK, between a virtual machine and its host. Of the peer the kernel knows which machine it is on, no process. */
#include <linux/vm_sockets.h>
#include <stdio.h>

#include "transport/transport.h"

static int vsock_format(const struct kith_endpoint *endpoint, char *text, size_t size) {
    char name[KITH_ENDPOINT_MAX];
    int r = kith_address_format(&endpoint->address, name, sizeof(name));
    return r < 0 ? r : snprintf(text, size, "vsock://%s", name);
}

/* The context id is a fact of its own: the port of a peer that connected says nothing of him. */
static int vsock_peer(kith_conn *conn, struct kith_process **ret_process, kith_origin **ret_origin) {
    struct kith_address address;
    kith_origin *origin = NULL;
    int r = kith_endpoint_peer_address(conn, &origin, &address);
    if (r < 0)
        return r;
    uint32_t cid = ((const struct sockaddr_vm *)&address.storage)->svm_cid;
    r = kith_origin_set_number(origin, KITH_FACT_CID, cid, KITH_WITNESS_KERNEL_CONNECT);
    if (r < 0) {
        kith_origin_unref(origin);
        return r;
    }
    *ret_process = NULL;
    *ret_origin = origin;
    return 0;
}

const struct kith_transport kith_transport_vsock = {
    .scheme = "vsock",
    .identity = false,
    .parse = kith_endpoint_parse_address,
    .format = vsock_format,
    .peer = vsock_peer,
};
