/*
 * A connection leaves this process: what is needed to go on with it elsewhere.
 *
 * The backend may have read octets that the application has not seen: they go with the descriptor. Whose they are does not: the kernel's
 * word for them was given to this process. So a connection whose application asked for senders, or was passed descriptors, stays.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "stream/conn.h"
#include "stream/internal.h"

int kith_conn_detach(kith_conn *conn, int *ret_fd, struct kith_slice *ret_unread) {
    struct kith_slice unread = {0};
    if (conn_is_inert(conn))
        return -ESHUTDOWN;
    if (conn->state != CONN_OPEN || conn->draining || conn->failure != 0 || conn->read_end || conn->queue.octets > 0)
        return -EBUSY;
    conn_stop_reading(conn);
    int r = conn->failure != 0 ? -EBUSY : conn_take_held(conn, &unread);
    if (r < 0) {
        conn_go_on_reading(conn);
        return r;
    }

    *ret_fd = conn_release_fd(conn);
    *ret_unread = unread;
    return 0;
}
