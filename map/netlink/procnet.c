/* map/netlink/procnet.c: lines of /proc/net, for families that the kernel's sock_diag does not know (CONFIG_INET_RAW_DIAG is often off). */
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "map/netlink/internal.h"

/* An IP address as the kernel prints it: words of 32 bits, each as a number of this machine. */
static int read_host(const char *hex, size_t digits, struct map_address *address) {
    if (digits != 8 && digits != 32)
        return -EBADMSG;
    address->form = digits == 8 ? MAP_INET : MAP_INET6;
    for (size_t i = 0; i < digits / 8; i++) {
        char word[9], *end;
        memcpy(word, hex + i * 8, 8);
        word[8] = '\0';
        uint32_t value = (uint32_t)strtoul(word, &end, 16);
        if (end != word + 8)
            return -EBADMSG;
        memcpy(address->octets + i * 4, &value, sizeof(value));
    }
    return 0;
}

/* "0100007F:1F90". */
static int read_address(const char *text, struct map_address *address) {
    unsigned port;
    size_t digits = strspn(text, "0123456789ABCDEFabcdef");

    if (text[digits] != ':' || sscanf(text + digits + 1, "%4x", &port) != 1)
        return -EBADMSG;
    address->port = port;
    return read_host(text, digits, address);
}

int map_inet_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded) {
    char local[48], remote[48];
    unsigned state, uid;
    unsigned long inode;
    unsigned send_queue, receive_queue;
    struct map_socket *socket = &decoded->socket;

    map_decoded_begin(decoded, dump);
    if (sscanf(line, " %*u: %47s %47s %x %x:%x %*x:%*x %*x %u %*u %lu", local, remote, &state, &send_queue, &receive_queue, &uid, &inode) !=
            7 ||
        read_address(local, &socket->local) < 0 || read_address(remote, &socket->remote) < 0)
        return -EBADMSG;
    socket->family = socket->local.form == MAP_INET6 ? AF_INET6 : AF_INET;
    socket->type = dump->kind == MAP_TCP ? SOCK_STREAM : dump->kind == MAP_RAW ? SOCK_RAW : SOCK_DGRAM;
    socket->state = state < MAP_STATES_ ? (enum map_state)state : MAP_STATE_UNKNOWN;
    socket->inode = inode;
    socket->receive_queue = receive_queue;
    socket->send_queue = send_queue;
    if (inode != 0) {
        socket->uid = uid;
        socket->flags |= MAP_HAS_UID;
    }
    if (dump->kind == MAP_RAW) {
        socket->protocol = (uint16_t)socket->local.port;
        socket->remote.port = 0;
    }
    if (dump->kind == MAP_TCP && inode == 0 && socket->state != MAP_ESTABLISHED && socket->state != MAP_CLOSE_WAIT &&
        socket->state != MAP_SYN_RECV)
        socket->flags |= MAP_IS_ORPHAN;
    return 0;
}

/* unix(7)'s flag of a listening socket; states are those of include/uapi/linux/net.h. */
#define SO_ACCEPTCON 0x10000
#define SS_CONNECTED 3

int map_unix_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded) {
    unsigned flags, type, state;
    unsigned long inode;
    int name = 0;
    struct map_socket *socket = &decoded->socket;

    map_decoded_begin(decoded, dump);
    if (sscanf(line, " %*[^:]: %*x %*x %x %x %x %lu %n", &flags, &type, &state, &inode, &name) != 4)
        return -EBADMSG;
    socket->type = (uint8_t)type;
    socket->inode = inode;
    socket->state = flags & SO_ACCEPTCON ? MAP_LISTEN : state == SS_CONNECTED ? MAP_ESTABLISHED : MAP_CLOSE;
    if (name > 0 && line[name] == '@') /* NULs within an abstract name are printed as '@' too: they cannot be told apart */
        socket->local = (struct map_address){.form = MAP_ABSTRACT, .name = line + name + 1, .name_size = strlen(line + name + 1)};
    else if (name > 0 && line[name])
        socket->local = (struct map_address){.form = MAP_PATH, .name = line + name, .name_size = strlen(line + name)};
    return 0;
}

int map_netlink_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded) {
    unsigned protocol, portid, groups, receive, send;
    unsigned long inode;
    struct map_socket *socket = &decoded->socket;

    map_decoded_begin(decoded, dump);
    if (sscanf(line, "%*s %u %u %x %u %u %*s %*s %*s %lu", &protocol, &portid, &groups, &receive, &send, &inode) != 6)
        return -EBADMSG;
    socket->type = SOCK_RAW;
    socket->state = MAP_CLOSE;
    socket->protocol = (uint16_t)protocol;
    socket->inode = inode;
    socket->receive_queue = receive;
    socket->send_queue = send;
    socket->local = (struct map_address){.form = MAP_PORTID, .number = portid};
    decoded->groups[0] = groups; /* the first 32: there is no room for more in the line */
    socket->groups = decoded->groups;
    socket->group_words = 1;
    return 0;
}

int map_packet_line(const struct map_dump *dump, const char *line, struct map_decoded *decoded) {
    unsigned type, protocol, interface, receive, uid;
    unsigned long inode;
    struct map_socket *socket = &decoded->socket;

    map_decoded_begin(decoded, dump);
    if (sscanf(line, "%*s %*d %u %x %u %*d %u %u %lu", &type, &protocol, &interface, &receive, &uid, &inode) != 6)
        return -EBADMSG;
    socket->type = (uint8_t)type;
    socket->state = MAP_CLOSE;
    socket->protocol = (uint16_t)protocol;
    socket->inode = inode;
    socket->receive_queue = receive;
    socket->uid = uid;
    socket->flags |= MAP_HAS_UID;
    socket->local = (struct map_address){.form = MAP_DEVICE, .port = protocol, .interface = interface};
    return 0;
}
