/* What to do about a socket that cannot be made, bound or connected: one table, for listeners and those who connect. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/internal.h"

static const struct {
    int family, error;
    const char *text;
} remedies[] = {
    {AF_INET, -EADDRINUSE, "another socket holds this address; ss -ltnp shows whose"},
    {AF_INET, -EADDRNOTAVAIL, "no interface of this host has this address; ip addr shows those there are"},
    {AF_INET, -EACCES, "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE"},
    {AF_INET6, -EADDRINUSE, "another socket holds this address (of both families, unless it is for IPv6 alone); ss -ltnp shows whose"},
    {AF_INET6, -EADDRNOTAVAIL, "no interface of this host has this address; ip addr shows those there are"},
    {AF_INET6, -EACCES, "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE"},
    {AF_INET6, -EAFNOSUPPORT, "this host has no IPv6; take an IPv4 address"},
    {AF_VSOCK, -EAFNOSUPPORT, "this kernel has no vsock: modprobe vsock"},
    {AF_VSOCK, -ENODEV,
     "no vsock transport reaches this context id: modprobe vsock_loopback (for 1, this machine), vhost_vsock (for guests of this host) or "
     "vmw_vsock_virtio_transport (for 2, the host of this guest, which needs a vsock device)"},
    {AF_VSOCK, -EADDRNOTAVAIL, "this machine does not have this context id (1 needs modprobe vsock_loopback); * is any that it has"},
    {AF_VSOCK, -EADDRINUSE, "another socket holds this address; ss --vsock -lp shows whose"},
    {AF_VSOCK, -EACCES, "permission denied: ports below 1024 need CAP_NET_BIND_SERVICE"},
};

const char *kith_address_remedy(int family, int error) {
    for (size_t i = 0; i < KITH_ARRAY_SIZE(remedies); i++)
        if (remedies[i].family == family && remedies[i].error == error)
            return remedies[i].text;
    return kith_error_name(error);
}
