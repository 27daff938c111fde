/* map/netlink/unix.c: unix_diag. */
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "map/netlink/internal.h"

void map_unix_ask(const struct map_dump *dump, enum map_depth depth, struct nlmsghdr *request) {
    struct unix_diag_req *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));

    ask->sdiag_family = dump->family;
    ask->udiag_states = UINT32_MAX;
    ask->udiag_show =
        UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID; /* before 5.3: no uid */
    if (depth == MAP_FULL)
        ask->udiag_show |= UDIAG_SHOW_MEMINFO;
}

static void read_name(const struct nlattr *attribute, struct map_address *address) {
    const char *name = mnl_attr_get_payload(attribute);
    size_t size = mnl_attr_get_payload_len(attribute);

    if (size == 0)
        return;
    if (name[0] == '\0') {
        *address = (struct map_address){.form = MAP_ABSTRACT, .name = name + 1, .name_size = size - 1};
        return;
    }
    *address = (struct map_address){.form = MAP_PATH, .name = name, .name_size = strnlen(name, size)};
}

static int read_waiting(const struct nlattr *attribute, struct map_decoded *decoded) {
    const uint8_t *inodes = mnl_attr_get_payload(attribute);
    size_t count = mnl_attr_get_payload_len(attribute) / sizeof(uint32_t);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        uint32_t inode;
        memcpy(&inode, inodes + i * sizeof(inode), sizeof(inode));
        if (inode != 0) /* 0: it has gone again */
            r = map_decoded_wait(decoded, inode);
    }
    return r;
}

static void read_queues(const struct nlattr *attribute, struct map_socket *socket) {
    struct unix_diag_rqlen queues;
    const void *payload = payload_of(attribute, sizeof(queues));

    if (!payload)
        return;
    memcpy(&queues, payload, sizeof(queues));
    socket->receive_queue = queues.udiag_rqueue;
    socket->send_queue = queues.udiag_wqueue;
    if (socket->state == MAP_LISTEN) {
        socket->backlog = queues.udiag_rqueue;
        socket->backlog_limit = queues.udiag_wqueue;
        socket->flags |= MAP_HAS_BACKLOG;
    }
}

static int read_shutdown(const struct nlattr *attribute, const struct map_decoded *decoded) {
    static const char *const words[] = {"no", "receiving", "sending", "both"};
    const uint8_t *payload = payload_of(attribute, 1);
    return payload ? map_fact_text(decoded, "state", "shut down", words[*payload & 3]) : 0;
}

static int read_attribute(const struct nlattr *attribute, struct map_decoded *decoded) {
    struct map_socket *socket = &decoded->socket;
    struct unix_diag_vfs vfs;
    const void *payload;

    switch (mnl_attr_get_type(attribute)) {
    case UNIX_DIAG_NAME:
        read_name(attribute, &socket->local);
        return 0;
    case UNIX_DIAG_VFS:
        payload = payload_of(attribute, sizeof(vfs));
        if (payload) {
            memcpy(&vfs, payload, sizeof(vfs));
            socket->path_inode = vfs.udiag_vfs_ino;
            socket->path_device = vfs.udiag_vfs_dev;
        }
        return 0;
    case UNIX_DIAG_PEER:
        socket->peer_inode = u32_of(attribute, 0);
        return 0;
    case UNIX_DIAG_ICONS:
        return read_waiting(attribute, decoded);
    case UNIX_DIAG_RQLEN:
        read_queues(attribute, socket);
        return 0;
    case UNIX_DIAG_UID:
        socket->uid = u32_of(attribute, 0);
        socket->flags |= MAP_HAS_UID;
        return 0;
    case UNIX_DIAG_MEMINFO:
        return map_fact_memory(decoded, attribute);
    case UNIX_DIAG_SHUTDOWN:
        return read_shutdown(attribute, decoded);
    default:
        return 0;
    }
}

int map_unix_decode(const struct map_dump *dump, const struct nlmsghdr *answer, struct map_decoded *decoded) {
    const struct unix_diag_msg *message = mnl_nlmsg_get_payload(answer);
    const struct nlattr *attribute;
    int r = 0;

    if (mnl_nlmsg_get_payload_len(answer) < sizeof(*message) || message->udiag_family != AF_UNIX)
        return -EBADMSG;
    map_decoded_begin(decoded, dump);
    decoded->socket.type = message->udiag_type;
    decoded->socket.state = message->udiag_state < MAP_STATES_ ? (enum map_state)message->udiag_state : MAP_STATE_UNKNOWN;
    decoded->socket.inode = message->udiag_ino;
    decoded->socket.cookie = cookie_of(message->udiag_cookie);
    mnl_attr_for_each(attribute, answer, sizeof(*message)) {
        if (r == 0)
            r = read_attribute(attribute, decoded);
    }
    return r;
}
