/* A connection leaves this process: what is needed to go on with it elsewhere. */
#include <errno.h>

#include "base/fd.h"
#include "stream/conn.h"
#include "stream/internal.h"

int kith_conn_detach(kith_conn *conn, int *ret_fd, struct kith_slice *ret_unread) {
    if (conn_is_inert(conn))
        return -ESHUTDOWN;
    if (conn->state != CONN_OPEN || conn->draining || conn->failure != 0 || conn->queue.octets > 0)
        return -EBUSY;
    int fd = KITH_STEAL_FD(conn->fd);
    kith_conn_close(conn); /* stops watching; there is nothing for it to close */
    *ret_fd = fd;
    *ret_unread = (struct kith_slice){0};
    return 0;
}
